//! What a conversation comes to: who does what for whom, and for how much.

use std::fmt;

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

/// Awards, read as a slice. One lies flat: most conversations have no more, and need no memory for it.
#[derive(Clone, Debug)]
pub struct Awards(Kept);

#[derive(Clone, Debug)]
enum Kept {
    One(Award),
    Many(Box<[Award]>),
}

impl From<Vec<Award>> for Awards {
    fn from(awards: Vec<Award>) -> Self {
        Self(if let [one] = *awards { Kept::One(one) } else { Kept::Many(awards.into()) })
    }
}

impl From<Award> for Awards {
    fn from(award: Award) -> Self {
        Self(Kept::One(award))
    }
}

impl std::ops::Deref for Awards {
    type Target = [Award];

    fn deref(&self) -> &[Award] {
        match &self.0 {
            Kept::One(award) => std::slice::from_ref(award),
            Kept::Many(awards) => awards,
        }
    }
}

impl<'a> IntoIterator for &'a Awards {
    type Item = &'a Award;
    type IntoIter = std::slice::Iter<'a, Award>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Awards {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Awards {}

impl<const COUNT: usize> PartialEq<[Award; COUNT]> for Awards {
    fn eq(&self, other: &[Award; COUNT]) -> bool {
        **self == other[..]
    }
}

/// What a conversation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What was agreed and, where the protocol waits for it, done.
    pub awards: Awards,
    /// Who or what was elected.
    pub elected: Option<u16>,
}

impl Outcome {
    pub(super) fn without(ending: Ending) -> Self {
        Self { ending, awards: Vec::new().into(), elected: None }
    }

    pub(super) fn done(awards: impl Into<Awards>) -> Self {
        Self { ending: Ending::Done, awards: awards.into(), elected: None }
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

/// `done: agent 2 for agent 0: item 7 at 30`.
impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.ending.name())?;
        if let Some(elected) = self.elected {
            write!(formatter, ": elected {elected}")?;
        }
        for (place, award) in self.awards.iter().enumerate() {
            let Award { provider, receiver, item, amount } = award;
            let before = if place == 0 { ": " } else { ", " };
            write!(formatter, "{before}agent {provider} for agent {receiver}: item {item} at {amount}")?;
        }
        Ok(())
    }
}
