//! What sealed auctions and ballots have in common: a call to all, one answer from each, and a count.

use super::envelope::{Content, Envelope};
use super::moves::{Addressee, Expected, Move};
use crate::base::{AgentId, Performative};

/// Answers to a call. The silent have refused when the deadline passes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gathering {
    pub chair: AgentId,
    pub item: u32,
    /// Who is asked, in `AgentId` order, with what each said; nothing from those who refused.
    pub answers: Vec<(AgentId, Option<Content>)>,
    called: bool,
    answered: Vec<bool>,
    open: usize,
}

impl Gathering {
    pub fn new(chair: AgentId, participants: &[AgentId]) -> Self {
        let answers: Vec<_> = participants.iter().map(|&agent| (agent, None)).collect();
        let (open, answered) = (answers.len(), vec![false; answers.len()]);
        Self { chair, item: 0, answers, called: false, answered, open }
    }

    pub fn state(&self) -> &'static str {
        if self.called { "gathering" } else { "start" }
    }

    /// The call, or an answer that may be any of these.
    pub fn visit_moves(&self, agent: AgentId, answers: &[Expected], visit: &mut impl FnMut(Move)) {
        if !self.called {
            if agent == self.chair {
                visit(Move::new(Performative::CallForProposal, Addressee::All, Expected::Item));
            }
            return;
        }
        let Ok(place) = self.answers.binary_search_by_key(&agent, |answer| answer.0) else { return };
        if !self.answered[place] {
            let to_chair = Addressee::Agent(self.chair);
            for &answer in answers {
                visit(Move::new(Performative::Propose, to_chair, answer));
            }
            visit(Move::new(Performative::Refuse, to_chair, Expected::Nothing));
        }
    }

    /// Takes in the call or an answer.
    pub fn apply(&mut self, envelope: &Envelope) -> Gathered {
        if !self.called {
            self.called = true;
            self.item = envelope.content.item().unwrap_or(0);
            return Gathered::Called;
        }
        if let Ok(place) = self.answers.binary_search_by_key(&envelope.sender, |answer| answer.0) {
            self.answered[place] = true;
            self.open -= 1;
            if envelope.performative == Performative::Propose {
                self.answers[place].1 = Some(envelope.content.clone());
            }
        }
        if self.open == 0 { Gathered::All } else { Gathered::Some }
    }
}

/// How far a gathering is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    Called,
    Some,
    All,
}
