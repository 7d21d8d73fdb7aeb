//! The FIPA English Auction Interaction Protocol (XC00031F): prices go up until nobody takes the next.
//!
//! ```text
//! start --inform item to all--> announced --cfp price to all--> called --propose by bidders--> choosing
//! choosing --accept-proposal to one--> standing --cfp higher price to all--> called …
//!                                      standing --inform to all--> end (done)
//! deadlines: announced: no-deal; called: choosing if somebody took the price, else the leader has it, or no-deal;
//! choosing: the lowest `AgentId` that took the price; standing: the leader has it
//! ```
//!
//! The leader pays the price that it took. A call is over at once when all but the leader have taken it, and the auction when
//! no higher price or no further call is left.

use super::moves::Amounts;
use super::open_cry::{Calling, Direction, OpenCry};
use super::terms::{Checks, TermsError};
use crate::base::AgentId;

/// Terms of an English auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnglishAuctionTerms {
    /// Ticks for taking a price.
    pub bid_ticks: u32,
    /// Ticks for the seller's next word.
    pub seller_ticks: u32,
    /// From the reserve to the highest price that may be called.
    pub prices: Amounts,
    /// How much higher the next price is at least; 1 or more.
    pub step_least: i64,
    /// Most calls; at least 1.
    pub calls_max: u32,
}

impl EnglishAuctionTerms {
    fn calls(&self) -> Calling {
        let Self { bid_ticks, seller_ticks, prices, step_least, calls_max } = *self;
        Calling { direction: Direction::Up, prices, step_least, calls_max, bid_ticks, seller_ticks }
    }

    pub(super) fn check(&self, checks: &Checks) -> Result<(), TermsError> {
        self.calls().check(checks)
    }

    pub(super) fn ticks_max(&self) -> u64 {
        self.calls().ticks_max()
    }
}

pub(super) fn machine(terms: &EnglishAuctionTerms, seller: AgentId, participants: &[AgentId]) -> OpenCry {
    OpenCry::new(terms.calls(), seller, participants)
}
