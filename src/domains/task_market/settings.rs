//! What a scenario may set under `[domain]`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::menu::{Ask, KNOWN, known};
use crate::domains::allocation::Allocation;
use crate::scenario::{ScenarioError, Section, Settings, one_of};

/// Settings of `kind = "task_market"`. Amounts are whole numbers of a smallest unit, such as a cent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskMarketSettings {
    /// Fewest tasks that arrive in a round.
    #[schemars(range(min = 1, max = 16))]
    pub tasks_least: u32,
    /// Most tasks that arrive in a round; each number between is as likely.
    #[schemars(range(min = 1, max = 16))]
    pub tasks_most: u32,
    /// How many of a round's tasks a bidder can do.
    #[schemars(range(min = 1, max = 16))]
    pub capacity: u32,
    /// The most that is paid for a task. A reward of 1 is so much.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub reserve: u32,
    /// What a task that is done is worth to its dispatcher; the reserve where left away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000_000))]
    pub value: Option<u32>,
    /// What a task costs a bidder: drawn for each pair of them, every whole number as likely.
    pub costs: CostSettings,
    /// What bidders may do, in the order of their actions: of `truthful`, `shade_5`, `shade_10` … `shade_100` (the cost and
    /// so many per cent of the room up to the reserve), `under_5`, `under_10` … `under_50` (so many per cent below
    /// the cost) and `withdraw` (no proposal). The first is what a choice that is not legal is replaced by.
    #[schemars(length(min = 1, max = 32))]
    pub menu: Vec<String>,
    /// Whether calls, proposals, awards and reports go through conversations. Without them a run is faster, and what is
    /// bid, awarded, paid and learned the same.
    pub conversations: bool,
    /// How many rounds a row of markets.csv sums up.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub window: u32,
    /// The markets, each a `[[domain.markets]]` table: all have the same tasks, and bidders of the same place the same
    /// costs.
    #[schemars(length(min = 1, max = 64))]
    pub markets: Vec<MarketSettings>,
}

/// The distribution of costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CostSettings {
    /// The lowest.
    #[schemars(range(max = 1_000_000_000))]
    pub least: u32,
    /// The highest.
    #[schemars(range(max = 1_000_000_000))]
    pub greatest: u32,
}

/// One market.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MarketSettings {
    /// Its name in tables: a letter, then letters, digits, `-` or `_`.
    #[schemars(extend("pattern" = "^[A-Za-z][A-Za-z0-9_-]{0,31}$"))]
    pub name: String,
    /// How tasks are allocated and paid.
    pub allocation: Allocation,
    /// The groups whose agents bid here, in the order of their places.
    #[schemars(length(min = 1))]
    pub bidders: Vec<String>,
}

impl Default for TaskMarketSettings {
    fn default() -> Self {
        let shades = (1..=10).map(|tenth| format!("shade_{}", 10 * tenth));
        let menu = ["truthful", "under_20", "under_10"].map(str::to_owned).into_iter().chain(shades);
        Self {
            tasks_least: 1,
            tasks_most: 1,
            capacity: 1,
            reserve: 10_000,
            value: None,
            costs: CostSettings::default(),
            menu: menu.chain(["withdraw".to_owned()]).collect(),
            conversations: true,
            window: 1,
            markets: Vec::new(),
        }
    }
}

impl Default for CostSettings {
    fn default() -> Self {
        Self { least: 0, greatest: 10_000 }
    }
}

impl Settings for TaskMarketSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        if self.tasks_most < self.tasks_least {
            let problem = format!("{} is fewer than `tasks_least`, {}", self.tasks_most, self.tasks_least);
            return Err(section.invalid("tasks_most", problem, "give as many at least"));
        }
        if self.costs.greatest < self.costs.least {
            let problem = format!("{} is lower than `costs.least`, {}", self.costs.greatest, self.costs.least);
            return Err(section.invalid("costs.greatest", problem, "give as much at least"));
        }
        for (place, name) in self.menu.iter().enumerate() {
            let key = format!("menu[{place}]");
            if known(name).is_none() {
                return Err(section.invalid(&key, format!("there is no action \"{name}\""), one_of(name, &KNOWN)));
            }
            if self.menu[..place].contains(name) {
                return Err(section.invalid(&key, format!("\"{name}\" stands there twice"), "leave one of them away"));
            }
        }
        if self.markets.is_empty() {
            let help = "add [[domain.markets]] with `name`, `allocation` and `bidders`, the groups that bid there";
            return Err(section.invalid("markets", "there is no market", help));
        }
        let (mut names, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for (place, market) in self.markets.iter().enumerate() {
            if !names.insert(&market.name) {
                let problem = format!("two markets have the name \"{}\"", market.name);
                return Err(section.invalid(&format!("markets[{place}].name"), problem, "give each its own name"));
            }
            for (seat, group) in market.bidders.iter().enumerate() {
                if !taken.insert(group) {
                    let problem = format!("group \"{group}\" is named twice");
                    let help = "a bidder bids in one market: give each market groups of its own";
                    return Err(section.invalid(&format!("markets[{place}].bidders[{seat}]"), problem, help));
                }
            }
        }
        Ok(())
    }
}

impl TaskMarketSettings {
    /// What a task that is done is worth to its dispatcher.
    #[must_use]
    pub fn task_value(&self) -> u32 {
        self.value.unwrap_or(self.reserve)
    }

    /// What each action asks.
    #[must_use]
    pub fn asks(&self) -> Vec<Ask> {
        self.menu.iter().filter_map(|name| known(name)).map(|(_, ask)| ask).collect()
    }

    /// The names of the actions.
    #[must_use]
    pub fn actions(&self) -> Vec<&'static str> {
        self.menu.iter().filter_map(|name| known(name)).map(|(name, _)| name).collect()
    }
}
