//! What a conversation comes to: who does what for whom, and for how much.

use crate::base::AgentId;

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// What it was for has come about.
    Done,
    /// It was refused.
    Refused,
    /// It was not understood.
    NotUnderstood,
    /// It was begun and failed, or part of it did.
    Failed,
    /// Its initiator called it off.
    Cancelled,
    /// Somebody was silent beyond a deadline.
    NoAnswer,
    /// Nobody agreed: no proposal, no bid, no accepted offer, too few ballots.
    NoDeal,
}

impl Ending {
    /// The word that records carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::NotUnderstood => "not-understood",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::NoAnswer => "no-answer",
            Self::NoDeal => "no-deal",
        }
    }
}

/// One side of a bargain: `provider` gives or does `item`, and `receiver` pays `amount` for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Award {
    /// Who gives it or does it.
    pub provider: AgentId,
    /// Who gets it and pays.
    pub receiver: AgentId,
    /// What.
    pub item: u32,
    /// For how much; negative where the provider pays.
    pub amount: i64,
}

/// What a conversation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What was agreed and, where the protocol waits for it, done.
    pub awards: Vec<Award>,
    /// Who or what was elected.
    pub elected: Option<u16>,
}

impl Outcome {
    pub(super) fn without(ending: Ending) -> Self {
        Self { ending, awards: Vec::new(), elected: None }
    }

    pub(super) fn done(awards: Vec<Award>) -> Self {
        Self { ending: Ending::Done, awards, elected: None }
    }

    /// What `agent` is paid by this outcome, less what it pays.
    #[must_use]
    pub fn income(&self, agent: AgentId) -> i64 {
        let side = |award: &Award| {
            let got = if award.provider == agent { award.amount } else { 0 };
            let paid = if award.receiver == agent { award.amount } else { 0 };
            got - paid
        };
        self.awards.iter().map(side).sum()
    }
}
