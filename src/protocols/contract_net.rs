//! The FIPA Contract Net Interaction Protocol (SC00029H; Smith 1980): a manager calls for proposals and awards work.
//!
//! ```text
//! start --cfp to all--> calling --each: propose | refuse | not-understood--> awarding
//! awarding --to each that proposed: accept-proposal (up to `awards_max`) | reject-proposal--> working
//! working --each that was accepted: inform | failure--> end (done, failed)
//! calling --cancel to all--> end (cancelled)
//! deadlines: calling: the silent have refused; awarding: proposals without answer are rejected; working: the silent
//! have failed. Without proposal, or without award: end (no-deal)
//! ```
//!
//! Narrower than FIPA's in one point: a call can be taken back before the awards, not after.

use super::conversation::{After, Machine};
use super::envelope::Envelope;
use super::moves::{Addressee, Amounts, Expected, Move};
use super::outcome::{Award, Ending, Outcome};
use super::terms::{Checks, TermsError};
use crate::base::{AgentId, Performative};

/// Terms of a contract net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractNetTerms {
    /// Ticks for proposals.
    pub propose_ticks: u32,
    /// Ticks for the awards.
    pub award_ticks: u32,
    /// Ticks for the work.
    pub work_ticks: u32,
    /// What a proposal may ask for.
    pub amounts: Amounts,
    /// How many may be accepted; at least 1.
    pub awards_max: u32,
}

impl ContractNetTerms {
    pub(super) fn check(&self, checks: &Checks) -> Result<(), TermsError> {
        checks.ticks("propose_ticks", self.propose_ticks)?;
        checks.ticks("award_ticks", self.award_ticks)?;
        checks.ticks("work_ticks", self.work_ticks)?;
        checks.amounts("amounts", self.amounts)?;
        checks.within("awards_max", i64::from(self.awards_max), Amounts { least: 1, greatest: i64::from(u32::MAX) })
    }

    pub(super) fn ticks_max(&self) -> u64 {
        u64::from(self.propose_ticks) + u64::from(self.award_ticks) + u64::from(self.work_ticks)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Calling,
    Awarding,
    Working,
}

/// How a participant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Silent,
    Out,
    Proposed(i64),
    Accepted(i64),
    Done(i64),
    Failed,
}

/// The machine of a contract net.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ContractNet {
    terms: ContractNetTerms,
    manager: AgentId,
    bidders: Vec<(AgentId, Standing)>,
    state: State,
    item: u32,
    /// Bidders that the state still waits for.
    open: usize,
    accepted: u32,
}

impl ContractNet {
    pub fn new(terms: &ContractNetTerms, manager: AgentId, participants: &[AgentId]) -> Self {
        let bidders = participants.iter().map(|&agent| (agent, Standing::Silent)).collect();
        Self { terms: *terms, manager, bidders, state: State::Start, item: 0, open: 0, accepted: 0 }
    }

    fn place(&self, agent: AgentId) -> Option<usize> {
        self.bidders.binary_search_by_key(&agent, |bidder| bidder.0).ok()
    }

    fn proposals(&self) -> usize {
        self.bidders.iter().filter(|bidder| matches!(bidder.1, Standing::Proposed(_))).count()
    }

    fn award(&mut self) -> After {
        self.open = self.proposals();
        if self.open == 0 {
            return After::End(Outcome::without(Ending::NoDeal));
        }
        self.state = State::Awarding;
        After::Enter(self.terms.award_ticks)
    }

    fn work(&mut self) -> After {
        self.open = self.accepted as usize;
        if self.open == 0 {
            return After::End(Outcome::without(Ending::NoDeal));
        }
        self.state = State::Working;
        After::Enter(self.terms.work_ticks)
    }

    fn close(&self) -> After {
        let (mut awards, mut ending) = (Vec::new(), Ending::Done);
        for &(provider, standing) in &self.bidders {
            match standing {
                Standing::Done(amount) => {
                    awards.push(Award { provider, receiver: self.manager, item: self.item, amount });
                }
                Standing::Failed | Standing::Accepted(_) => ending = Ending::Failed,
                Standing::Silent | Standing::Out | Standing::Proposed(_) => {}
            }
        }
        After::End(Outcome { ending, ..Outcome::done(awards) })
    }
}

impl Machine for ContractNet {
    fn state(&self) -> &'static str {
        match self.state {
            State::Start => "start",
            State::Calling => "calling",
            State::Awarding => "awarding",
            State::Working => "working",
        }
    }

    fn visit_moves(&self, agent: AgentId, visit: &mut impl FnMut(Move)) {
        let to_manager = Addressee::Agent(self.manager);
        let standing = self.place(agent).map(|place| self.bidders[place].1);
        match (self.state, standing) {
            (State::Start, None) if agent == self.manager => {
                visit(Move::new(Performative::CallForProposal, Addressee::All, Expected::Item));
            }
            (State::Calling, None) if agent == self.manager => {
                visit(Move::new(Performative::Cancel, Addressee::All, Expected::Nothing));
            }
            (State::Calling, Some(Standing::Silent)) => {
                visit(Move::new(Performative::Propose, to_manager, Expected::Amount(self.terms.amounts)));
                visit(Move::new(Performative::Refuse, to_manager, Expected::Nothing));
                visit(Move::new(Performative::NotUnderstood, to_manager, Expected::Nothing));
            }
            (State::Awarding, None) if agent == self.manager => {
                for &(bidder, standing) in &self.bidders {
                    if let Standing::Proposed(_) = standing {
                        if self.accepted < self.terms.awards_max {
                            visit(Move::new(Performative::Accept, Addressee::Agent(bidder), Expected::Nothing));
                        }
                        visit(Move::new(Performative::Reject, Addressee::Agent(bidder), Expected::Nothing));
                    }
                }
            }
            (State::Working, Some(Standing::Accepted(_))) => {
                visit(Move::new(Performative::Inform, to_manager, Expected::Nothing));
                visit(Move::new(Performative::Failure, to_manager, Expected::Nothing));
            }
            _ => {}
        }
    }

    fn apply(&mut self, envelope: &Envelope, to: Addressee) -> After {
        let about = match to {
            Addressee::Agent(agent) if envelope.sender == self.manager => self.place(agent),
            _ => self.place(envelope.sender),
        };
        let Some(place) = about else {
            // The manager to all: the call, or its being taken back.
            if envelope.performative == Performative::Cancel {
                return After::End(Outcome::without(Ending::Cancelled));
            }
            self.item = envelope.content.item().unwrap_or(0);
            self.state = State::Calling;
            self.open = self.bidders.len();
            return After::Enter(self.terms.propose_ticks);
        };
        let standing = &mut self.bidders[place].1;
        *standing = match (envelope.performative, *standing) {
            (Performative::Propose, _) => Standing::Proposed(envelope.content.amount().unwrap_or(0)),
            (Performative::Accept, Standing::Proposed(amount)) => {
                self.accepted += 1;
                Standing::Accepted(amount)
            }
            (Performative::Inform, Standing::Accepted(amount)) => Standing::Done(amount),
            (Performative::Failure, _) => Standing::Failed,
            _ => Standing::Out,
        };
        self.open -= 1;
        if self.open > 0 {
            return After::Stay;
        }
        match self.state {
            State::Start | State::Calling => self.award(),
            State::Awarding => self.work(),
            State::Working => self.close(),
        }
    }

    fn expire(&mut self) -> After {
        match self.state {
            State::Start | State::Calling => self.award(),
            State::Awarding => self.work(),
            State::Working => self.close(),
        }
    }

    fn at_stake(&self) -> Option<(i64, Amounts)> {
        let proposed = |bidder: &(AgentId, Standing)| match bidder.1 {
            Standing::Proposed(amount) | Standing::Accepted(amount) => Some(amount),
            _ => None,
        };
        self.bidders.iter().filter_map(proposed).min().map(|least| (least, self.terms.amounts))
    }
}
