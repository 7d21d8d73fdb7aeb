//! What bidders see and may do.

use super::settings::TaskMarketSettings;
use crate::base::{ActionMenu, Space};
use crate::sim::RoleSpace;

/// The role of those who bid.
pub const BIDDER: &str = "bidder";

/// The role of those who call for bids, one a market; the world brings them, no group declares them.
pub const DISPATCHER: &str = "dispatcher";

/// What a bidder sees: the mean and the lowest of what the round's tasks cost it, as shares of the range of costs (0: the
/// lowest there is, 1: the highest); how many others bid in its market; how many tasks there are; whether it was awarded
/// one in the last round.
pub const FEATURES: [&str; 5] = ["cost", "cost_lowest", "rivals", "tasks", "won"];

/// What a bidder's reward consists of, in shares of the reserve: what it is paid, and what the tasks that it does cost it.
pub const TERMS: [&str; 2] = ["payment", "cost"];

/// What one of each is worth.
pub const WEIGHTS: [f64; 2] = [1.0, -1.0];

/// The roles that groups may have.
#[must_use]
pub fn roles(settings: &TaskMarketSettings) -> Vec<RoleSpace> {
    vec![RoleSpace {
        role: BIDDER,
        about: "has private costs and bids for the tasks of one market",
        space: Space::new(&FEATURES, ActionMenu::new(&settings.actions())).with_terms(&TERMS),
        capabilities: &[],
        needs_llm: false,
    }]
}
