//! Position auctions: places with falling numbers of clicks, sold by a bid a click.

use super::{MechanismError, Money, Outcome, check_amounts, ranked};

/// What a place costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionRule {
    /// A click costs the next lower bid (generalised second price; Edelman, Ostrovsky and Schwarz 2007). Not truthful.
    GeneralisedSecondPrice,
    /// What the others' clicks would have been worth more. Truthful.
    Vcg,
}

/// Gives the places in order of bids; the first of equal bids comes first. `clicks` never rise from place to place. What
/// is worth and paid is in units of clicks times bids. A place without a lower bid costs nothing.
///
/// # Errors
/// When clicks rise, nobody bids, or an amount is out of range.
pub fn position_auction(clicks: &[Money], bids: &[Money], rule: PositionRule) -> Result<Outcome, MechanismError> {
    if clicks.is_empty() || bids.is_empty() {
        return Err(MechanismError::Shape {
            what: format!("{} places and {} bids", clicks.len(), bids.len()),
            help: "give at least one of each",
        });
    }
    check_amounts("clicks of place", clicks, 0)?;
    check_amounts("bid", bids, 0)?;
    if let Some(place) = clicks.windows(2).position(|two| two[1] > two[0]) {
        return Err(MechanismError::Shape {
            what: format!("place {} has more clicks than place {place}", place + 1),
            help: "give the places from the best to the worst",
        });
    }
    let order = ranked(bids);
    let bid = |rank: usize| order.get(rank).map_or(0, |&bidder| bids[bidder]);
    let clicks_of = |place: usize| clicks.get(place).copied().unwrap_or(0);
    let mut outcome = Outcome::nothing(bids.len());
    for (place, &bidder) in order.iter().enumerate().take(clicks.len()) {
        outcome.allocation[bidder].push(place);
        outcome.values[bidder] = clicks[place] * bids[bidder];
        outcome.payments[bidder] = match rule {
            PositionRule::GeneralisedSecondPrice => clicks[place] * bid(place + 1),
            // Everybody below moves up by one place.
            PositionRule::Vcg => {
                (place..clicks.len()).map(|moved| (clicks[moved] - clicks_of(moved + 1)) * bid(moved + 1)).sum()
            }
        };
    }
    Ok(outcome)
}
