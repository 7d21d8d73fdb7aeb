//! One item, sealed bids: first, second and third price with a reserve.

use super::{AMOUNT_MAX, MechanismError, Money, Outcome, check_amounts, ranked};

/// What the winner pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SingleItemRule {
    /// Its own bid.
    FirstPrice,
    /// The second highest bid (Vickrey 1961).
    SecondPrice,
    /// The third highest bid.
    ThirdPrice,
}

/// The highest bid wins if it reaches the reserve, the first of equal ones; it pays the rule's bid, or the reserve where
/// that is higher or there is no such bid.
///
/// # Errors
/// When there is no bid or an amount is out of range.
pub fn single_item_auction(bids: &[Money], reserve: Money, rule: SingleItemRule) -> Result<Outcome, MechanismError> {
    if bids.is_empty() {
        return Err(MechanismError::Shape { what: "there are no bids".into(), help: "give at least one bid" });
    }
    check_amounts("bid", bids, -AMOUNT_MAX)?;
    check_amounts("reserve", &[reserve], 0)?;
    let mut outcome = Outcome::nothing(bids.len());
    let order = ranked(bids);
    let winner = order[0];
    if bids[winner] >= reserve {
        let place = match rule {
            SingleItemRule::FirstPrice => 0,
            SingleItemRule::SecondPrice => 1,
            SingleItemRule::ThirdPrice => 2,
        };
        outcome.allocation[winner].push(0);
        outcome.values[winner] = bids[winner];
        outcome.payments[winner] = order.get(place).map_or(reserve, |&bidder| bids[bidder].max(reserve));
    }
    Ok(outcome)
}
