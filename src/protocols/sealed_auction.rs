//! Sealed bids for one item: first price, or second price (Vickrey 1961), with a reserve.
//!
//! ```text
//! start --cfp to all--> gathering --each: propose amount | refuse--> end (done, no-deal)
//! deadline: gathering: the silent have refused
//! ```
//!
//! Cleared by [`single_item_auction`]: of equal bids that of the lower `AgentId` wins.

use super::conversation::{After, Machine};
use super::envelope::Envelope;
use super::gathering::{Gathered, Gathering};
use super::moves::{Addressee, Amounts, Expected, Move};
use super::outcome::{Award, Ending, Outcome};
use super::terms::{Checks, TermsError};
use crate::base::AgentId;
use crate::games::mechanisms::{Money, SingleItemRule, single_item_auction};

/// What the winner pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedPrice {
    /// Its own bid.
    First,
    /// The second highest bid, or the reserve.
    Second,
}

/// Terms of a sealed auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedAuctionTerms {
    /// What the winner pays.
    pub price: SealedPrice,
    /// Ticks for bids.
    pub bid_ticks: u32,
    /// No sale below it; at least 0.
    pub reserve: i64,
    /// What may be bid.
    pub amounts: Amounts,
}

impl SealedAuctionTerms {
    pub(super) fn check(&self, checks: &Checks) -> Result<(), TermsError> {
        checks.ticks("bid_ticks", self.bid_ticks)?;
        checks.amounts("amounts", self.amounts)?;
        checks.within("reserve", self.reserve, Amounts { least: 0, greatest: self.amounts.greatest })
    }
}

/// The machine of a sealed auction.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SealedAuction {
    terms: SealedAuctionTerms,
    gathering: Gathering,
}

impl SealedAuction {
    pub fn new(terms: &SealedAuctionTerms, seller: AgentId, participants: &[AgentId]) -> Self {
        Self { terms: *terms, gathering: Gathering::new(seller, participants) }
    }

    fn clear(&self) -> After {
        let bid = |answer: &(AgentId, Option<_>)| {
            let content: Option<&super::envelope::Content> = answer.1.as_ref();
            Some((answer.0, Money::from(content?.amount()?)))
        };
        let (bidders, bids): (Vec<AgentId>, Vec<Money>) = self.gathering.answers.iter().filter_map(bid).unzip();
        let rule = match self.terms.price {
            SealedPrice::First => SingleItemRule::FirstPrice,
            SealedPrice::Second => SingleItemRule::SecondPrice,
        };
        // It fails without bids only: bounds are those of the terms, which are within the mechanism's.
        let sold = single_item_auction(&bids, self.terms.reserve.into(), rule).ok().and_then(|sold| {
            let winner = sold.allocation.iter().position(|won| !won.is_empty())?;
            let amount = i64::try_from(sold.payments[winner]).ok()?;
            let (receiver, provider) = (bidders[winner], self.gathering.chair);
            Some(Award { provider, receiver, item: self.gathering.item, amount })
        });
        After::End(match sold {
            Some(award) => Outcome::done(award),
            None => Outcome::without(Ending::NoDeal),
        })
    }
}

impl Machine for SealedAuction {
    fn state(&self) -> &'static str {
        self.gathering.state()
    }

    fn visit_moves(&self, agent: AgentId, visit: &mut impl FnMut(Move)) {
        self.gathering.visit_moves(agent, &[Expected::Amount(self.terms.amounts)], visit);
    }

    fn apply(&mut self, envelope: &Envelope, _: Addressee) -> After {
        match self.gathering.apply(envelope) {
            Gathered::Called => After::Enter(self.terms.bid_ticks),
            Gathered::Some => After::Stay,
            Gathered::All => self.clear(),
        }
    }

    fn expire(&mut self) -> After {
        self.clear()
    }
}
