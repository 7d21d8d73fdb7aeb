//! A ballot: a chair calls, everyone casts one ballot or refuses, and a declared rule counts.
//!
//! ```text
//! start --cfp to all--> gathering --each: propose ballot | refuse--> end (done with who was elected, no-deal)
//! deadline: gathering: the silent have refused
//! ```
//!
//! Fewer ballots than the quorum elect nobody. Of equal candidates the one with the lower number wins.

use super::conversation::{After, Machine};
use super::envelope::{Content, Envelope};
use super::gathering::{Gathered, Gathering};
use super::moves::{Addressee, Amounts, Expected, Move};
use super::outcome::{Ending, Outcome};
use super::terms::{Checks, TermsError};
use crate::base::AgentId;
use crate::games::{Ballot, CANDIDATES_MAX, VoteProfile, VotingRule};

/// Terms of a ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VotingTerms {
    /// Ticks for ballots.
    pub vote_ticks: u32,
    /// How many candidates stand.
    pub candidates: u16,
    /// How ballots are counted. Under approval all that a ballot names are approved of.
    pub rule: VotingRule,
    /// The least number of ballots for an election.
    pub quorum: u32,
}

impl VotingTerms {
    pub(super) fn check(&self, checks: &Checks) -> Result<(), TermsError> {
        checks.ticks("vote_ticks", self.vote_ticks)?;
        let greatest = i64::try_from(CANDIDATES_MAX).unwrap_or(i64::MAX);
        checks.within("candidates", i64::from(self.candidates), Amounts { least: 1, greatest })
    }
}

/// The machine of a ballot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Voting {
    terms: VotingTerms,
    gathering: Gathering,
}

impl Voting {
    pub fn new(terms: &VotingTerms, chair: AgentId, participants: &[AgentId]) -> Self {
        Self { terms: *terms, gathering: Gathering::new(chair, participants) }
    }

    fn count(&self) -> After {
        let ballot = |answer: &(AgentId, Option<Content>)| match &answer.1 {
            Some(Content::Ballot(named)) => {
                let ranking: Vec<usize> = named.iter().map(|&candidate| usize::from(candidate)).collect();
                let approved = ranking.len();
                Some(Ballot { voters: 1, ranking, approved })
            }
            _ => None,
        };
        let ballots: Vec<Ballot> = self.gathering.answers.iter().filter_map(ballot).collect();
        if ballots.is_empty() || ballots.len() < self.terms.quorum as usize {
            return After::End(Outcome::without(Ending::NoDeal));
        }
        // Ballots were checked when they were admitted.
        match VoteProfile::new(usize::from(self.terms.candidates), ballots) {
            Ok(profile) => {
                let winner = u16::try_from(profile.elect(self.terms.rule).winner).ok();
                After::End(Outcome { elected: winner, ..Outcome::done(Vec::new()) })
            }
            Err(_) => After::End(Outcome::without(Ending::Failed)),
        }
    }
}

impl Machine for Voting {
    fn state(&self) -> &'static str {
        self.gathering.state()
    }

    fn visit_moves(&self, agent: AgentId, visit: &mut impl FnMut(Move)) {
        self.gathering.visit_moves(agent, &[Expected::Ballot(self.terms.candidates)], visit);
    }

    fn apply(&mut self, envelope: &Envelope, _: Addressee) -> After {
        match self.gathering.apply(envelope) {
            Gathered::Called => After::Enter(self.terms.vote_ticks),
            Gathered::Some => After::Stay,
            Gathered::All => self.count(),
        }
    }

    fn expire(&mut self) -> After {
        self.count()
    }
}
