//! The FIPA Dutch Auction Interaction Protocol (XC00032F): prices go down until somebody takes one.
//!
//! ```text
//! start --inform item to all--> announced --cfp price to all--> called --propose by bidders--> choosing
//! choosing --accept-proposal to one--> end (done)
//! called, nobody took the price in time--> standing --cfp lower price to all--> called …
//!                                          standing --inform to all--> end (no-deal)
//! deadlines: announced, standing: no-deal; choosing: the lowest `AgentId` that took the price
//! ```
//!
//! Several may take a price at one tick; the seller chooses among them. The auction is over without a sale when no lower
//! price or no further call is left.

use super::moves::Amounts;
use super::open_cry::{Calling, Direction, OpenCry};
use super::terms::{Checks, TermsError};
use crate::base::AgentId;

/// Terms of a Dutch auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DutchAuctionTerms {
    /// Ticks for taking a price.
    pub bid_ticks: u32,
    /// Ticks for the seller's next word.
    pub seller_ticks: u32,
    /// From the reserve to the highest price that may be called.
    pub prices: Amounts,
    /// How much lower the next price is at least; 1 or more.
    pub step_least: i64,
    /// Most calls; at least 1.
    pub calls_max: u32,
}

impl DutchAuctionTerms {
    fn calls(&self) -> Calling {
        let Self { bid_ticks, seller_ticks, prices, step_least, calls_max } = *self;
        Calling { direction: Direction::Down, prices, step_least, calls_max, bid_ticks, seller_ticks }
    }

    pub(super) fn check(&self, checks: &Checks) -> Result<(), TermsError> {
        self.calls().check(checks)
    }

    pub(super) fn ticks_max(&self) -> u64 {
        self.calls().ticks_max()
    }
}

pub(super) fn machine(terms: &DutchAuctionTerms, seller: AgentId, participants: &[AgentId]) -> OpenCry {
    OpenCry::new(terms.calls(), seller, participants)
}
