//! Sealed bids and asks for units of one good, cleared by the rule of `McAfee` (1992), [`mcafee_auction`].
//!
//! ```text
//! start --cfp to all--> gathering --each: propose amount (to buy) | propose ask (to sell) | refuse--> end (done, no-deal)
//! deadline: gathering: the silent have refused
//! ```
//!
//! The initiator is the market: it buys from sellers and sells to buyers, and keeps what is left over, never less than 0.

use super::conversation::{After, Machine};
use super::envelope::{Content, Envelope};
use super::gathering::{Gathered, Gathering};
use super::moves::{Addressee, Amounts, Expected, Move};
use super::outcome::{Award, Ending, Outcome};
use super::terms::{Checks, TermsError};
use crate::base::AgentId;
use crate::games::mechanisms::{Money, mcafee_auction};

/// Terms of a double auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoubleAuctionTerms {
    /// Ticks for bids and asks.
    pub bid_ticks: u32,
    /// What may be bid and asked.
    pub amounts: Amounts,
}

impl DoubleAuctionTerms {
    pub(super) fn check(&self, checks: &Checks) -> Result<(), TermsError> {
        checks.ticks("bid_ticks", self.bid_ticks)?;
        checks.amounts("amounts", self.amounts)
    }
}

/// The machine of a double auction.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DoubleAuction {
    terms: DoubleAuctionTerms,
    gathering: Gathering,
}

impl DoubleAuction {
    pub fn new(terms: &DoubleAuctionTerms, market: AgentId, participants: &[AgentId]) -> Self {
        Self { terms: *terms, gathering: Gathering::new(market, participants) }
    }

    fn clear(&self) -> After {
        let (mut buyers, mut bids, mut sellers, mut asks) = (vec![], vec![], vec![], vec![]);
        for (agent, content) in &self.gathering.answers {
            match content {
                Some(Content::Amount(bid)) => {
                    buyers.push(*agent);
                    bids.push(Money::from(*bid));
                }
                Some(Content::Ask(ask)) => {
                    sellers.push(*agent);
                    asks.push(Money::from(*ask));
                }
                _ => {}
            }
        }
        // It fails where a side is missing only: bounds are those of the terms, which are within the mechanism's.
        let mut awards = Vec::new();
        if let Ok(cleared) = mcafee_auction(&bids, &asks) {
            let (item, market) = (self.gathering.item, self.gathering.chair);
            let traded = |place: &usize| !cleared.outcome.allocation[*place].is_empty();
            let price = |price: Option<Money>| price.and_then(|price| i64::try_from(price).ok()).unwrap_or(0);
            let (pay, get) = (price(cleared.buy_price), price(cleared.sell_price));
            for place in (0..sellers.len()).filter(|place| traded(&(buyers.len() + place))) {
                awards.push(Award { provider: sellers[place], receiver: market, item, amount: get });
            }
            for place in (0..buyers.len()).filter(traded) {
                awards.push(Award { provider: market, receiver: buyers[place], item, amount: pay });
            }
        }
        After::End(if awards.is_empty() { Outcome::without(Ending::NoDeal) } else { Outcome::done(awards) })
    }
}

impl Machine for DoubleAuction {
    fn state(&self) -> &'static str {
        self.gathering.state()
    }

    fn visit_moves(&self, agent: AgentId, visit: &mut impl FnMut(Move)) {
        let range = self.terms.amounts;
        self.gathering.visit_moves(agent, &[Expected::Amount(range), Expected::Ask(range)], visit);
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
