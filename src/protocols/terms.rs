//! The terms of a conversation: its protocol with deadlines and bounds, and the machine that is made from them.

use super::alternating_offers::{AlternatingOffers, AlternatingOffersTerms};
use super::contract_net::{ContractNet, ContractNetTerms};
use super::conversation::{After, Machine};
use super::double_auction::{DoubleAuction, DoubleAuctionTerms};
use super::dutch_auction::{self, DutchAuctionTerms};
use super::english_auction::{self, EnglishAuctionTerms};
use super::envelope::{Envelope, Protocol, Recipients};
use super::exchange::Exchange;
use super::moves::{Addressee, Amounts, Move};
use super::open_cry::OpenCry;
use super::query::{self, QueryTerms};
use super::request::{self, RequestTerms};
use super::sealed_auction::{SealedAuction, SealedAuctionTerms, SealedPrice};
use super::voting::{Voting, VotingTerms};
use crate::base::AgentId;

/// A protocol, its deadlines in ticks and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terms {
    /// Asks for something to be done.
    Request(RequestTerms),
    /// Asks for something to be told.
    Query(QueryTerms),
    /// Calls for proposals.
    ContractNet(ContractNetTerms),
    /// Two bargain.
    AlternatingOffers(AlternatingOffersTerms),
    /// An ascending auction.
    EnglishAuction(EnglishAuctionTerms),
    /// A descending auction.
    DutchAuction(DutchAuctionTerms),
    /// Sealed bids for one item.
    SealedAuction(SealedAuctionTerms),
    /// Sealed bids and asks.
    DoubleAuction(DoubleAuctionTerms),
    /// A ballot.
    Voting(VotingTerms),
}

/// Terms that make no conversation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{protocol}: {key} {problem}\n\n{help}")]
pub struct TermsError {
    /// Which protocol.
    pub protocol: &'static str,
    /// Which of its terms.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub help: &'static str,
}

/// Checks of terms, the first mistake being told.
pub(super) struct Checks(&'static str);

impl Checks {
    pub fn of(protocol: Protocol) -> Self {
        Self(protocol.name())
    }

    fn fail(&self, key: &'static str, problem: String, help: &'static str) -> TermsError {
        TermsError { protocol: self.0, key, problem, help }
    }

    /// Deadlines are at least a tick: an answer needs one to arrive.
    pub fn ticks(&self, key: &'static str, ticks: u32) -> Result<(), TermsError> {
        if ticks == 0 {
            return Err(self.fail(key, "is 0".to_owned(), "give at least 1 tick: a message arrives at the next one"));
        }
        Ok(())
    }

    pub fn amounts(&self, key: &'static str, range: Amounts) -> Result<(), TermsError> {
        if !range.is_sound() {
            let problem = format!("goes from {} to {}", range.least, range.greatest);
            return Err(self.fail(
                key,
                problem,
                "give a least amount not above the greatest, both within 10^15 of zero",
            ));
        }
        Ok(())
    }

    pub fn within(&self, key: &'static str, value: i64, range: Amounts) -> Result<(), TermsError> {
        if !range.contains(value) {
            let problem = format!("is {value}, not within {} to {}", range.least, range.greatest);
            return Err(self.fail(key, problem, "choose it from the range"));
        }
        Ok(())
    }
}

impl Terms {
    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Request(_) => Protocol::Request,
            Self::Query(_) => Protocol::Query,
            Self::ContractNet(_) => Protocol::ContractNet,
            Self::AlternatingOffers(_) => Protocol::AlternatingOffers,
            Self::EnglishAuction(_) => Protocol::EnglishAuction,
            Self::DutchAuction(_) => Protocol::DutchAuction,
            Self::SealedAuction(terms) => match terms.price {
                SealedPrice::First => Protocol::FirstPriceAuction,
                SealedPrice::Second => Protocol::VickreyAuction,
            },
            Self::DoubleAuction(_) => Protocol::DoubleAuction,
            Self::Voting(_) => Protocol::Voting,
        }
    }

    /// Checks that conversations can be held on these terms.
    ///
    /// # Errors
    /// When a deadline is 0 ticks or a range is empty; tells which.
    pub fn check(&self) -> Result<(), TermsError> {
        let checks = Checks::of(self.protocol());
        match self {
            Self::Request(terms) => terms.check(&checks),
            Self::Query(terms) => terms.check(&checks),
            Self::ContractNet(terms) => terms.check(&checks),
            Self::AlternatingOffers(terms) => terms.check(&checks),
            Self::EnglishAuction(terms) => terms.check(&checks),
            Self::DutchAuction(terms) => terms.check(&checks),
            Self::SealedAuction(terms) => terms.check(&checks),
            Self::DoubleAuction(terms) => terms.check(&checks),
            Self::Voting(terms) => terms.check(&checks),
        }
    }

    /// Most ticks that a conversation on these terms takes, whatever is said and whoever is silent.
    #[must_use]
    pub fn ticks_max(&self) -> u64 {
        match self {
            Self::Request(terms) => terms.ticks_max(),
            Self::Query(terms) => terms.ticks_max(),
            Self::ContractNet(terms) => terms.ticks_max(),
            Self::AlternatingOffers(terms) => terms.ticks_max(),
            Self::EnglishAuction(terms) => terms.ticks_max(),
            Self::DutchAuction(terms) => terms.ticks_max(),
            Self::SealedAuction(terms) => u64::from(terms.bid_ticks),
            Self::DoubleAuction(terms) => u64::from(terms.bid_ticks),
            Self::Voting(terms) => u64::from(terms.vote_ticks),
        }
    }

    /// Whether there is exactly one participant.
    pub(super) fn is_between_two(&self) -> bool {
        matches!(self, Self::Request(_) | Self::Query(_) | Self::AlternatingOffers(_))
    }

    /// The machine in its first state. `participants` are sorted, at least one, and exactly one between two.
    pub(super) fn machine(&self, initiator: AgentId, participants: &[AgentId]) -> AnyMachine {
        match self {
            Self::Request(terms) => AnyMachine::Exchange(request::machine(*terms, initiator, participants[0])),
            Self::Query(terms) => AnyMachine::Exchange(query::machine(*terms, initiator, participants[0])),
            Self::ContractNet(terms) => {
                AnyMachine::ContractNet(Box::new(ContractNet::new(terms, initiator, participants)))
            }
            Self::AlternatingOffers(terms) => {
                AnyMachine::AlternatingOffers(Box::new(AlternatingOffers::new(terms, initiator, participants[0])))
            }
            Self::EnglishAuction(terms) => {
                AnyMachine::OpenCry(Box::new(english_auction::machine(terms, initiator, participants)))
            }
            Self::DutchAuction(terms) => {
                AnyMachine::OpenCry(Box::new(dutch_auction::machine(terms, initiator, participants)))
            }
            Self::SealedAuction(terms) => {
                AnyMachine::SealedAuction(Box::new(SealedAuction::new(terms, initiator, participants)))
            }
            Self::DoubleAuction(terms) => {
                AnyMachine::DoubleAuction(Box::new(DoubleAuction::new(terms, initiator, participants)))
            }
            Self::Voting(terms) => AnyMachine::Voting(Box::new(Voting::new(terms, initiator, participants))),
        }
    }
}

/// The machine of any protocol. The small ones between two lie flat, so that a million conversations are one array.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum AnyMachine {
    Exchange(Exchange),
    ContractNet(Box<ContractNet>),
    AlternatingOffers(Box<AlternatingOffers>),
    OpenCry(Box<OpenCry>),
    SealedAuction(Box<SealedAuction>),
    DoubleAuction(Box<DoubleAuction>),
    Voting(Box<Voting>),
}

/// The same expression for whichever machine it is. No table of functions stands between: the check of a message is
/// compiled for each machine.
macro_rules! for_machine {
    ($any:expr, $machine:ident => $what:expr) => {
        match $any {
            AnyMachine::Exchange($machine) => $what,
            AnyMachine::ContractNet($machine) => $what,
            AnyMachine::AlternatingOffers($machine) => $what,
            AnyMachine::OpenCry($machine) => $what,
            AnyMachine::SealedAuction($machine) => $what,
            AnyMachine::DoubleAuction($machine) => $what,
            AnyMachine::Voting($machine) => $what,
        }
    };
}

impl Machine for AnyMachine {
    fn state(&self) -> &'static str {
        for_machine!(self, machine => machine.state())
    }

    fn visit_moves(&self, agent: AgentId, visit: &mut impl FnMut(Move)) {
        for_machine!(self, machine => machine.visit_moves(agent, visit));
    }

    fn find(&self, envelope: &Envelope, audience: &Recipients, participants: &[AgentId]) -> Option<Addressee> {
        for_machine!(self, machine => machine.find(envelope, audience, participants))
    }

    fn apply(&mut self, envelope: &Envelope, to: Addressee) -> After {
        for_machine!(self, machine => machine.apply(envelope, to))
    }

    fn expire(&mut self) -> After {
        for_machine!(self, machine => machine.expire())
    }

    fn at_stake(&self) -> Option<(i64, Amounts)> {
        for_machine!(self, machine => machine.at_stake())
    }
}
