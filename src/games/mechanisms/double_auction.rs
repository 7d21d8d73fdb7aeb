//! The double auction of `McAfee` (1992): truthful on both sides, never in deficit, at most one trade short.

use super::{AMOUNT_MAX, MechanismError, Money, Outcome, check_amounts, ranked};

/// Who trades, at which prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubleAuction {
    /// Buyers first, then sellers. A seller's value is minus its ask, its payment minus what it gets.
    pub outcome: Outcome,
    /// Trades of the efficient allocation.
    pub efficient_trades: usize,
    /// Trades that take place: as many, or one fewer.
    pub trades: usize,
    /// What a buyer pays; none without trade.
    pub buy_price: Option<Money>,
    /// What a seller gets; none without trade.
    pub sell_price: Option<Money>,
}

/// Each buyer wants one unit, each seller has one. With bids falling and asks rising, k is the last pair with bid ≥ ask.
/// If the middle of pair k + 1 lies between ask k and bid k, all k pairs trade at it (rounded down to a whole unit);
/// else k − 1 pairs trade, buyers at bid k and sellers at ask k, and the difference is left over.
///
/// # Errors
/// When a side is missing or an amount is out of range.
pub fn mcafee_auction(buyers: &[Money], sellers: &[Money]) -> Result<DoubleAuction, MechanismError> {
    if buyers.is_empty() || sellers.is_empty() {
        return Err(MechanismError::Shape {
            what: format!("{} buyers and {} sellers", buyers.len(), sellers.len()),
            help: "give at least one of each",
        });
    }
    check_amounts("buyer's bid", buyers, -AMOUNT_MAX)?;
    check_amounts("seller's ask", sellers, -AMOUNT_MAX)?;
    let by_bid = ranked(buyers);
    let mut by_ask: Vec<usize> = (0..sellers.len()).collect();
    by_ask.sort_by_key(|&seller| (sellers[seller], seller));
    let pairs: Vec<(Money, Money)> =
        by_bid.iter().zip(&by_ask).map(|(&buyer, &seller)| (buyers[buyer], sellers[seller])).collect();
    let efficient_trades = pairs.iter().take_while(|(bid, ask)| bid >= ask).count();
    let mut outcome = Outcome::nothing(buyers.len() + sellers.len());
    let (mut trades, mut prices) = (0, None);
    if let Some(&(bid, ask)) = efficient_trades.checked_sub(1).map(|last| &pairs[last]) {
        let middle = pairs.get(efficient_trades).map(|(next_bid, next_ask)| (next_bid + next_ask).div_euclid(2));
        (trades, prices) = match middle {
            Some(price) if (ask..=bid).contains(&price) => (efficient_trades, Some((price, price))),
            _ => (efficient_trades - 1, Some((bid, ask))),
        };
    }
    if trades == 0 {
        prices = None;
    }
    for (pair, (&buyer, &seller)) in by_bid.iter().zip(&by_ask).enumerate().take(trades) {
        let (pay, get) = prices.expect("where there are trades there are prices");
        let seller_place = buyers.len() + seller;
        outcome.allocation[buyer].push(pair);
        outcome.allocation[seller_place].push(pair);
        (outcome.values[buyer], outcome.payments[buyer]) = (buyers[buyer], pay);
        (outcome.values[seller_place], outcome.payments[seller_place]) = (-sellers[seller], -get);
    }
    Ok(DoubleAuction {
        outcome,
        efficient_trades,
        trades,
        buy_price: prices.map(|prices| prices.0),
        sell_price: prices.map(|prices| prices.1),
    })
}
