//! Several units of one good: uniform price, pay as bid, and Vickrey, for bidders who want one or more units.

use super::{AMOUNT_MAX, MechanismError, Money, Outcome, check_amounts};

/// What winners pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultiUnitRule {
    /// For every unit the highest bid that lost, or the reserve. Truthful where everybody wants one unit only.
    Uniform,
    /// For every unit what was bid for it.
    PayAsBid,
    /// For k units the k highest bids of others that would have won instead (Vickrey 1961). Truthful.
    Vickrey,
}

/// Sells `units` to the highest bids of at least `reserve`. `bids[bidder]` are what its first, second, … unit is worth to
/// it, never rising. Of equal bids the first bidder's goes first. Allocations number the units a bidder gets from 0.
///
/// # Errors
/// When there is no bidder, marginal bids rise, or an amount is out of range.
pub fn multi_unit_auction(
    bids: &[Vec<Money>],
    units: usize,
    reserve: Money,
    rule: MultiUnitRule,
) -> Result<Outcome, MechanismError> {
    if bids.is_empty() {
        return Err(MechanismError::Shape { what: "there are no bids".into(), help: "give at least one bidder" });
    }
    for (bidder, own) in bids.iter().enumerate() {
        check_amounts(&format!("bidder {bidder}'s bid"), own, -AMOUNT_MAX)?;
        if let Some(place) = own.windows(2).position(|two| two[1] > two[0]) {
            return Err(MechanismError::Shape {
                what: format!("bidder {bidder} bids more for unit {} than for unit {place}", place + 1),
                help: "give what each further unit is worth, never more than the one before; use XOR bids for units that \
                       are worth more together",
            });
        }
    }
    check_amounts("reserve", &[reserve], 0)?;
    let mut offers: Vec<(Money, usize)> =
        bids.iter().enumerate().flat_map(|(bidder, own)| own.iter().map(move |&bid| (bid, bidder))).collect();
    offers.retain(|offer| offer.0 >= reserve);
    // Stable: a bidder's own offers stay in order.
    offers.sort_by_key(|&(bid, bidder)| (std::cmp::Reverse(bid), bidder));
    let sold = units.min(offers.len());
    let (winning, losing) = offers.split_at(sold);
    let mut outcome = Outcome::nothing(bids.len());
    for &(bid, bidder) in winning {
        let next = outcome.allocation[bidder].len();
        outcome.allocation[bidder].push(next);
        outcome.values[bidder] += bid;
    }
    let uniform = losing.first().map_or(reserve, |offer| offer.0);
    for (bidder, payment) in outcome.payments.iter_mut().enumerate() {
        let won = outcome.allocation[bidder].len();
        *payment = match rule {
            MultiUnitRule::Uniform => uniform * won as Money,
            MultiUnitRule::PayAsBid => outcome.values[bidder],
            MultiUnitRule::Vickrey => {
                let displaced = losing.iter().filter(|offer| offer.1 != bidder).map(|offer| offer.0);
                displaced.chain(std::iter::repeat(reserve)).take(won).sum()
            }
        };
    }
    Ok(outcome)
}
