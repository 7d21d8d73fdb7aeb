//! Combinatorial auctions with XOR bids: exact winner determination by branch and bound, with VCG payments or pay as bid.

use super::{MechanismError, Money, Outcome, check_amounts};

/// Most items.
pub const ITEMS_MAX: usize = 64;

/// Most bids for bundles in all.
pub const BUNDLES_MAX: usize = 5_000;

/// Most bids that the search for one allocation looks at, a bid once at each node where it still fits; VCG payments are
/// a search of their own for each winner.
pub const LOOKS_MAX: u64 = 100_000_000;

/// A bid for all of some items together. A bidder gets at most one of its bundles (XOR).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Numbers of the items.
    pub items: Vec<usize>,
    /// What they are worth together, at least 0.
    pub value: Money,
}

/// What winners pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CombinatorialRule {
    /// What others lose by their being there (Vickrey, Clarke, Groves). Truthful.
    Vcg,
    /// What they bid.
    PayAsBid,
}

/// A bid inside the search.
#[derive(Clone, Copy)]
struct Offer {
    bidder: usize,
    items: u64,
    value: Money,
    /// Value an item, rounded up: a bound must not be too low.
    density: i64,
}

/// Sells `items` items to the bids of highest total value.
///
/// # Errors
/// When a bundle is empty or names an unknown item, an amount is out of range, or the search grows too large.
pub fn combinatorial_auction(
    items: usize,
    bids: &[Vec<Bundle>],
    rule: CombinatorialRule,
) -> Result<Outcome, MechanismError> {
    let offers = offers(items, bids)?;
    let (winners, welfare) = best_allocation(&offers)?;
    let mut outcome = Outcome::nothing(bids.len());
    for offer in &winners {
        outcome.allocation[offer.bidder] = (0..items).filter(|item| offer.items >> item & 1 == 1).collect();
        outcome.values[offer.bidder] = offer.value;
        outcome.payments[offer.bidder] = match rule {
            CombinatorialRule::PayAsBid => offer.value,
            CombinatorialRule::Vcg => {
                let others: Vec<Offer> = offers.iter().copied().filter(|other| other.bidder != offer.bidder).collect();
                best_allocation(&others)?.1 - (welfare - offer.value)
            }
        };
    }
    Ok(outcome)
}

fn offers(items: usize, bids: &[Vec<Bundle>]) -> Result<Vec<Offer>, MechanismError> {
    let too_large = |what, found: usize, limit: usize| {
        let help = "split the auction into parts that share no items";
        Err(MechanismError::TooLarge { what, found: found as u128, limit: limit as u128, help })
    };
    if items > ITEMS_MAX {
        return too_large("items", items, ITEMS_MAX);
    }
    let bundles: usize = bids.iter().map(Vec::len).sum();
    if bundles > BUNDLES_MAX {
        return too_large("bids for bundles", bundles, BUNDLES_MAX);
    }
    let mut offers = Vec::with_capacity(bundles);
    for (bidder, own) in bids.iter().enumerate() {
        check_amounts(&format!("bidder {bidder}'s bid"), own.iter().map(|bundle| &bundle.value), 0)?;
        for bundle in own {
            let mut set = 0_u64;
            for &item in &bundle.items {
                if item >= items || set >> item & 1 == 1 {
                    let problem = if item >= items { "there is no such item" } else { "it is named twice" };
                    return Err(MechanismError::Shape {
                        what: format!("bidder {bidder} bids for item {item}: {problem}"),
                        help: "name each item of a bundle once, by its number from 0",
                    });
                }
                set |= 1 << item;
            }
            if set == 0 {
                return Err(MechanismError::Shape {
                    what: format!("bidder {bidder} bids for a bundle of nothing"),
                    help: "name at least one item a bundle",
                });
            }
            if bundle.value > 0 {
                let count = Money::from(set.count_ones());
                let density = ((bundle.value + count - 1) / count) as i64;
                offers.push(Offer { bidder, items: set, value: bundle.value, density });
            }
        }
    }
    // The densest first: a good allocation is found early. Stable, so that ties go by bidder.
    offers.sort_by_key(|offer| std::cmp::Reverse(offer.density));
    Ok(offers)
}

struct Search {
    best: Money,
    best_chosen: Vec<Offer>,
    chosen: Vec<Offer>,
    looks: u64,
}

/// The offers that fit together and are worth most, and what they are worth. Taking the densest first is where the search
/// begins; only what is worth more takes its place.
fn best_allocation(offers: &[Offer]) -> Result<(Vec<Offer>, Money), MechanismError> {
    let mut greedy: Vec<Offer> = Vec::new();
    for offer in offers {
        if greedy.iter().all(|taken| taken.bidder != offer.bidder && taken.items & offer.items == 0) {
            greedy.push(*offer);
        }
    }
    let best = greedy.iter().map(|offer| offer.value).sum();
    let mut search = Search { best, best_chosen: greedy, chosen: Vec::new(), looks: 0 };
    search.branch(offers, 0)?;
    Ok((search.best_chosen, search.best))
}

impl Search {
    /// Tries every way to go on from what is chosen; `left` are the offers that still fit.
    fn branch(&mut self, left: &[Offer], value: Money) -> Result<(), MechanismError> {
        self.looks += left.len() as u64;
        if self.looks > LOOKS_MAX {
            return Err(MechanismError::TooLarge {
                what: "bids looked at in search of the best allocation, more than",
                found: u128::from(LOOKS_MAX),
                limit: u128::from(LOOKS_MAX),
                help: "take bids or items out, or split the auction into parts that share no items",
            });
        }
        if value > self.best {
            self.best = value;
            self.best_chosen.clone_from(&self.chosen);
        }
        let mut densest = [0_i64; ITEMS_MAX];
        let mut wanted = [0_u32; ITEMS_MAX];
        for offer in left {
            let mut rest = offer.items;
            while rest != 0 {
                let item = rest.trailing_zeros() as usize;
                densest[item] = densest[item].max(offer.density);
                wanted[item] += 1;
                rest &= rest - 1;
            }
        }
        if value + Money::from(densest.iter().sum::<i64>()) <= self.best {
            return Ok(());
        }
        // Branch on the item that the fewest want: one of them gets it, or nobody.
        let Some(item) = (0..ITEMS_MAX).filter(|&item| wanted[item] > 0).min_by_key(|&item| wanted[item]) else {
            return Ok(());
        };
        for &offer in left.iter().filter(|offer| offer.items >> item & 1 == 1) {
            let fits = |other: &&Offer| other.bidder != offer.bidder && other.items & offer.items == 0;
            let rest: Vec<Offer> = left.iter().filter(fits).copied().collect();
            self.chosen.push(offer);
            self.branch(&rest, value + offer.value)?;
            self.chosen.pop();
        }
        let rest: Vec<Offer> = left.iter().filter(|other| other.items >> item & 1 == 0).copied().collect();
        self.branch(&rest, value)
    }
}
