//! Moves: what an agent may say next. The menu of a language model and the features of a learner are made of them.

use std::fmt;

use super::envelope::{Content, Envelope, Recipients};
use crate::base::{AgentId, FieldKind, Performative};

/// The largest amount in a conversation, either side of zero.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000_000;

/// A range of amounts, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    /// The least.
    pub least: i64,
    /// The greatest.
    pub greatest: i64,
}

impl Amounts {
    /// Whether an amount lies in it.
    #[must_use]
    pub fn contains(self, amount: i64) -> bool {
        (self.least..=self.greatest).contains(&amount)
    }

    /// Whether it holds any amount, and none that is too large.
    pub(super) fn is_sound(self) -> bool {
        self.least <= self.greatest && self.least >= -AMOUNT_MAX && self.greatest <= AMOUNT_MAX
    }
}

/// Whom a move addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// One party.
    Agent(AgentId),
    /// All participants, in the words in which the first message addressed them.
    All,
}

/// What a move may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing but words.
    Nothing,
    /// Any item.
    Item,
    /// An amount.
    Amount(Amounts),
    /// The least amount for which the sender sells.
    Ask(Amounts),
    /// An item, this one where one is given, for an amount.
    Offer(Option<u32>, Amounts),
    /// Different candidates out of so many: at least one.
    Ballot(u16),
}

impl Expected {
    /// Whether a content is of the kind and within the bounds.
    #[must_use]
    #[inline]
    pub fn admits(self, content: &Content) -> bool {
        match (self, content) {
            (Self::Nothing, Content::Nothing) | (Self::Item, Content::Item(_)) => true,
            (Self::Amount(range), Content::Amount(amount)) | (Self::Ask(range), Content::Ask(amount)) => {
                range.contains(*amount)
            }
            (Self::Offer(needed, range), Content::Offer { item, amount }) => {
                needed.is_none_or(|needed| needed == *item) && range.contains(*amount)
            }
            (Self::Ballot(candidates), Content::Ballot(ranking)) => {
                let mut named = vec![false; usize::from(candidates)];
                !ranking.is_empty()
                    && ranking.iter().all(|&candidate| {
                        named.get_mut(usize::from(candidate)).is_some_and(|seen| !std::mem::replace(seen, true))
                    })
            }
            _ => false,
        }
    }

    /// The amounts it leaves open, if it holds an amount.
    #[must_use]
    pub fn amounts(self) -> Option<Amounts> {
        match self {
            Self::Amount(range) | Self::Ask(range) | Self::Offer(_, range) => Some(range),
            Self::Nothing | Self::Item | Self::Ballot(_) => None,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Item => formatter.write_str(" an item"),
            Self::Amount(range) => write!(formatter, " an amount from {} to {}", range.least, range.greatest),
            Self::Ask(range) => write!(formatter, " an ask from {} to {}", range.least, range.greatest),
            Self::Offer(Some(item), range) => {
                write!(formatter, " item {item} for {} to {}", range.least, range.greatest)
            }
            Self::Offer(None, range) => write!(formatter, " an item for {} to {}", range.least, range.greatest),
            Self::Ballot(candidates) => write!(formatter, " a ballot of candidates 0 to {}", candidates - 1),
        }
    }
}

/// Something that an agent may say now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// What it does.
    pub performative: Performative,
    /// To whom.
    pub to: Addressee,
    /// What it holds.
    pub content: Expected,
}

impl Move {
    #[inline]
    pub(super) fn new(performative: Performative, to: Addressee, content: Expected) -> Self {
        Self { performative, to, content }
    }

    #[inline]
    pub(super) fn reaches(&self, recipients: &Recipients, audience: &Recipients, participants: &[AgentId]) -> bool {
        match (self.to, recipients) {
            (Addressee::Agent(agent), Recipients::Agent(one)) if *one == agent => true,
            (Addressee::Agent(agent), _) => participants == [agent] && recipients == audience,
            (Addressee::All, _) => recipients == audience,
        }
    }

    /// Whether an envelope's performative and content are those of the move.
    #[must_use]
    #[inline]
    pub fn fits(&self, envelope: &Envelope) -> bool {
        self.performative == envelope.performative && self.content.admits(&envelope.content)
    }

    /// What a language model may fill in for the amount, so that its answer is always legal; none where the move holds
    /// no amount.
    #[must_use]
    pub fn amount_field(&self) -> Option<FieldKind> {
        self.content.amounts().map(|range| FieldKind::Integer { least: range.least, greatest: range.greatest })
    }
}

/// A line of a menu: `propose an amount from 0 to 10 to agent 4`.
impl fmt::Display for Move {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.performative.name(), self.content)?;
        match self.to {
            Addressee::Agent(agent) => write!(formatter, " to agent {agent}"),
            Addressee::All => formatter.write_str(" to all"),
        }
    }
}
