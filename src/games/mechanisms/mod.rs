//! Mechanisms: who gets what, and who pays how much, as pure functions of bids.
//!
//! Amounts are whole numbers of a smallest unit (a cent, a thousandth), so that sums, ties and comparisons are exact. An
//! outcome says what everybody gets *at its reported value*; whoever knows the true value compares with that.

mod combinatorial;
mod double_auction;
mod incentives;
mod multi_unit;
mod position;
mod single_item;
mod tasks;

pub use combinatorial::{BUNDLES_MAX, Bundle, CombinatorialRule, ITEMS_MAX, LOOKS_MAX, combinatorial_auction};
pub use double_auction::{DoubleAuction, mcafee_auction};
pub use incentives::{IncentiveReport, Misreport, PROFILES_MAX, scan_incentives};
pub use multi_unit::{MultiUnitRule, multi_unit_auction};
pub use position::{PositionRule, position_auction};
pub use single_item::{SingleItemRule, single_item_auction};
pub use tasks::{STEPS_MAX, TaskRule, assign_tasks};

/// An amount: a whole number of the smallest unit.
pub type Money = i128;

/// The largest amount that a mechanism takes, either side of zero: sums and products of a few stay exact.
pub const AMOUNT_MAX: Money = 1_000_000_000_000_000;

/// Why a mechanism cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MechanismError {
    /// An amount is out of range.
    #[error(
        "{what} is {found} units; amounts lie between {low} and {AMOUNT_MAX}\n\nuse a larger unit, or mend the amount"
    )]
    Amount {
        /// Which.
        what: String,
        /// Its value.
        found: Money,
        /// The lowest allowed.
        low: Money,
    },
    /// What was given does not fit together.
    #[error("{what}\n\n{help}")]
    Shape {
        /// What is wrong.
        what: String,
        /// What to do.
        help: &'static str,
    },
    /// The exact answer takes too long.
    #[error("{what}: {found}; the limit is {limit}\n\n{help}")]
    TooLarge {
        /// What grew too large.
        what: &'static str,
        /// How large.
        found: u128,
        /// The limit.
        limit: u128,
        /// What to do.
        help: &'static str,
    },
}

/// What a mechanism decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What each agent gets: numbers of items, units, tasks or positions.
    pub allocation: Vec<Vec<usize>>,
    /// What it is worth to each agent as it reported: negative where it is work.
    pub values: Vec<Money>,
    /// What each agent pays; negative where it is paid.
    pub payments: Vec<Money>,
}

impl Outcome {
    /// Nobody of `agents` gets or pays anything.
    #[must_use]
    pub fn nothing(agents: usize) -> Self {
        Self { allocation: vec![Vec::new(); agents], values: vec![0; agents], payments: vec![0; agents] }
    }

    /// What each agent gains at its reported value.
    #[must_use]
    pub fn utilities(&self) -> Vec<Money> {
        self.values.iter().zip(&self.payments).map(|(value, payment)| value - payment).collect()
    }

    /// The sum of reported values.
    #[must_use]
    pub fn welfare(&self) -> Money {
        self.values.iter().sum()
    }

    /// What the mechanism takes in, less what it pays out: its budget surplus.
    #[must_use]
    pub fn revenue(&self) -> Money {
        self.payments.iter().sum()
    }

    /// Does nobody lose by taking part, at reported values?
    #[must_use]
    pub fn is_individually_rational(&self) -> bool {
        self.utilities().iter().all(|utility| *utility >= 0)
    }
}

/// Amounts must lie between `low` and the limit.
fn check_amounts<'a>(
    what: &str,
    amounts: impl IntoIterator<Item = &'a Money>,
    low: Money,
) -> Result<(), MechanismError> {
    for (place, &found) in amounts.into_iter().enumerate() {
        if !(low..=AMOUNT_MAX).contains(&found) {
            return Err(MechanismError::Amount { what: format!("{what} {place}"), found, low });
        }
    }
    Ok(())
}

/// Numbers of bids from the highest to the lowest; of equal bids the first comes first.
fn ranked(bids: &[Money]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..bids.len()).collect();
    order.sort_by_key(|&bidder| (std::cmp::Reverse(bids[bidder]), bidder));
    order
}
