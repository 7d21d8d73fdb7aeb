//! The envelope: what every message of a conversation is.

use std::fmt;
use std::sync::Arc;

use crate::base::{AgentId, Performative, TextId, Tick};

/// A conversation's number, unique in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId(pub u32);

impl fmt::Display for ConversationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// A protocol: the rules of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Asks for something to be done (FIPA SC00026).
    Request,
    /// Asks for something to be told (FIPA SC00027).
    Query,
    /// Calls for proposals and awards work (FIPA SC00029).
    ContractNet,
    /// Two bargain in turns (Rubinstein 1982).
    AlternatingOffers,
    /// An ascending auction (FIPA XC00031).
    EnglishAuction,
    /// A descending auction (FIPA XC00032).
    DutchAuction,
    /// Sealed bids, the winner pays its own.
    FirstPriceAuction,
    /// Sealed bids, the winner pays the second highest (Vickrey 1961).
    VickreyAuction,
    /// Sealed bids and asks, cleared by the rule of `McAfee` (1992).
    DoubleAuction,
    /// A ballot, counted by a declared rule.
    Voting,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 10] = [
        Self::Request,
        Self::Query,
        Self::ContractNet,
        Self::AlternatingOffers,
        Self::EnglishAuction,
        Self::DutchAuction,
        Self::FirstPriceAuction,
        Self::VickreyAuction,
        Self::DoubleAuction,
        Self::Voting,
    ];

    /// The word that records carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Query => "query",
            Self::ContractNet => "contract-net",
            Self::AlternatingOffers => "alternating-offers",
            Self::EnglishAuction => "english-auction",
            Self::DutchAuction => "dutch-auction",
            Self::FirstPriceAuction => "first-price-auction",
            Self::VickreyAuction => "vickrey-auction",
            Self::DoubleAuction => "double-auction",
            Self::Voting => "voting",
        }
    }
}

/// Whom an envelope goes to. Lists lie behind one thin pointer, so that an envelope is no more than a cache line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// One agent.
    Agent(AgentId),
    /// These agents.
    Agents(Arc<Vec<AgentId>>),
    /// Everyone of a role.
    Role(u16),
    /// Everyone who has subscribed to a topic.
    Topic(u16),
    /// Everyone.
    Everyone,
}

/// What an envelope says beside its words. No floats: amounts are whole numbers of a smallest unit, such as a cent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Nothing: performative and words say all.
    #[default]
    Nothing,
    /// A thing or a task, as the domain numbers it.
    Item(u32),
    /// An amount: a bid, a price, or 0 and 1 for false and true.
    Amount(i64),
    /// The least amount for which somebody sells.
    Ask(i64),
    /// A thing for an amount.
    Offer {
        /// The thing.
        item: u32,
        /// The amount.
        amount: i64,
    },
    /// Candidates from the best to the worst; for approval voting those that are approved of.
    Ballot(Arc<Vec<u16>>),
}

impl Content {
    /// The amount in it, if there is one.
    #[must_use]
    pub fn amount(&self) -> Option<i64> {
        match self {
            Self::Amount(amount) | Self::Ask(amount) | Self::Offer { amount, .. } => Some(*amount),
            Self::Nothing | Self::Item(_) | Self::Ballot(_) => None,
        }
    }

    /// The thing in it, if there is one.
    #[must_use]
    pub fn item(&self) -> Option<u32> {
        match self {
            Self::Item(item) | Self::Offer { item, .. } => Some(*item),
            Self::Nothing | Self::Amount(_) | Self::Ask(_) | Self::Ballot(_) => None,
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => formatter.write_str("nothing"),
            Self::Item(item) => write!(formatter, "item {item}"),
            Self::Amount(amount) => write!(formatter, "amount {amount}"),
            Self::Ask(amount) => write!(formatter, "ask {amount}"),
            Self::Offer { item, amount } => write!(formatter, "item {item} for {amount}"),
            Self::Ballot(ranking) => {
                formatter.write_str("ballot")?;
                ranking.iter().try_for_each(|candidate| write!(formatter, " {candidate}"))
            }
        }
    }
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What it does.
    pub performative: Performative,
    /// Which conversation it belongs to.
    pub conversation: ConversationId,
    /// Who says it.
    pub sender: AgentId,
    /// To whom.
    pub recipients: Recipients,
    /// The rules that both sides follow.
    pub protocol: Protocol,
    /// What it says, for the machine.
    pub content: Content,
    /// What it says, in words; the machine does not read them.
    pub words: TextId,
    /// When it was sent.
    pub tick: Tick,
}
