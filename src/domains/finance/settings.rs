//! What a scenario may set under `[domain]`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::book::PRICE_MAX;
use crate::scenario::{ScenarioError, Section, Settings, one_of};

/// Settings of `kind = "finance"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FinanceSettings {
    /// Shares of every order, the crowd's and the agents'.
    pub order_shares: u32,
    /// Most orders' worth of shares that a trader or momentum trader may own, or owe.
    pub inventory_max: u32,
    /// The same for value traders: what they can hold is what keeps the price near the value.
    pub value_inventory_max: u32,
    /// What an agent's reward loses each tick for each squared order's worth of shares that it owns or owes, in ticks.
    pub inventory_penalty: f64,
    /// Over how many ticks agents see the price's last movement.
    pub return_ticks: u32,
    /// How many ticks value traders are late: they know what the share was worth then.
    pub value_lag_ticks: u32,
    /// Standard deviation of the error of a value trader's estimate, in ticks of price; drawn anew each time.
    pub value_error_ticks: f64,
    /// Chance, in [0, 1], that a value trader acts in a tick.
    pub value_activity: f64,
    /// Chance, in [0, 1], that a momentum trader acts in a tick.
    pub momentum_activity: f64,
    /// How analysts' reports reach the traders of their asset; by mail where it is left away.
    #[serde(skip_serializing_if = "ReportsBy::is_default")]
    pub reports: ReportsBy,
    /// How many ticks a trader keeps an analyst's report in mind.
    pub report_memory_ticks: u32,
    /// Length of a trading session, in ticks: what learners count as an episode. Nothing is closed at its end.
    pub session_ticks: u32,
    /// A CSV file with the columns `tick,headline,truth` in place of generated headlines, and a column `asset` that
    /// names an asset, needed where several are traded. `truth` is negative, neutral or positive: where the asset's
    /// value moves at that tick, by `news.shock_ticks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headlines_path: Option<String>,
    /// The crowd's orders for each asset.
    pub flow: FlowSettings,
    /// What a share of each asset is worth.
    pub fundamental: FundamentalSettings,
    /// Each asset's headlines and the shocks that they tell of.
    pub news: NewsSettings,
    /// What is traded, each a `[[domain.assets]]` table.
    #[schemars(length(min = 1, max = 1000))]
    pub assets: Vec<AssetSettings>,
    /// Which assets the agents of a group trade, by the group's name; a group that is not named here trades all assets.
    /// Its agents take the assets in turn, one each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub desks: BTreeMap<String, Vec<String>>,
}

/// How reports reach those who trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportsBy {
    /// As a letter to each.
    #[default]
    Mail,
    /// Published to a topic an asset, `reports-NAME`, to which they subscribe at the first tick.
    Topics,
    /// Written to the section `reports` of the blackboard, an entry an asset: each report takes the place of the one before.
    Blackboard,
}

impl ReportsBy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One asset: the share of a company.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssetSettings {
    /// Its symbol, by which tables, desks and headline files name it: a letter, then letters, digits, `-` or `_`.
    pub name: String,
    /// The company; generated headlines name it. The symbol where it is left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The first price, and the mean of the fundamental value, in ticks.
    #[serde(default = "price_start")]
    pub price_start: u32,
    /// The asset's own volatility, in place of `fundamental.volatility`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volatility: Option<f64>,
    /// The mean size of the asset's own shocks, in place of `news.shock_ticks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shock_ticks: Option<f64>,
}

fn price_start() -> u32 {
    1000
}

/// Rates of the crowd's orders, per tick of time (Cont, Stoikov and Talreja 2010).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlowSettings {
    /// Limit orders one tick from the opposite best price, on each side: k in k·distance^−α.
    pub limit: f64,
    /// How their rate falls with the distance: α.
    pub limit_decay: f64,
    /// The furthest distance, in ticks.
    pub distance_max: u32,
    /// Market orders, on each side.
    pub market: f64,
    /// Cancellations, for each resting order.
    pub cancel: f64,
}

/// A value that reverts to its mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FundamentalSettings {
    /// Rate at which it reverts to its mean, per tick.
    pub reversion: f64,
    /// Standard deviation of its movement without news in one tick, in ticks of price.
    pub volatility: f64,
}

/// Headlines and the shocks that they tell of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewsSettings {
    /// Mean number of headlines in a hundred ticks; at most one a tick.
    pub per_hundred_ticks: f64,
    /// Mean size of a shock, in ticks of price; each is between half and one and a half of it.
    pub shock_ticks: f64,
    /// Share of headlines that tell again of the last shock.
    pub stale: f64,
    /// Share of headlines that tell of a shock that never was.
    #[serde(rename = "false")]
    pub untrue: f64,
    /// Share of headlines that tell of nothing that matters.
    pub neutral: f64,
}

impl Default for FinanceSettings {
    fn default() -> Self {
        Self {
            order_shares: 1,
            inventory_max: 5,
            value_inventory_max: 1000,
            inventory_penalty: 0.01,
            return_ticks: 20,
            value_lag_ticks: 20,
            value_error_ticks: 1.0,
            value_activity: 0.3,
            momentum_activity: 0.1,
            reports: ReportsBy::Mail,
            report_memory_ticks: 60,
            session_ticks: 500,
            headlines_path: None,
            flow: FlowSettings::default(),
            fundamental: FundamentalSettings::default(),
            news: NewsSettings::default(),
            assets: vec![AssetSettings {
                name: "ACME".to_owned(),
                company: Some("Acme".to_owned()),
                price_start: price_start(),
                volatility: None,
                shock_ticks: None,
            }],
            desks: BTreeMap::new(),
        }
    }
}

impl Default for FlowSettings {
    fn default() -> Self {
        Self { limit: 1.92, limit_decay: 0.52, distance_max: 10, market: 0.94, cancel: 0.71 }
    }
}

impl Default for FundamentalSettings {
    fn default() -> Self {
        Self { reversion: 0.002, volatility: 0.2 }
    }
}

impl Default for NewsSettings {
    fn default() -> Self {
        Self { per_hundred_ticks: 2.0, shock_ticks: 30.0, stale: 0.15, untrue: 0.15, neutral: 0.2 }
    }
}

impl Settings for FinanceSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        let check = |key: &str, low: f64, value: f64, high: f64| within(section, key, low, value, high);
        check("order_shares", 1.0, f64::from(self.order_shares), 1e6)?;
        check("inventory_max", 1.0, f64::from(self.inventory_max), 1e6)?;
        check("value_inventory_max", 1.0, f64::from(self.value_inventory_max), 1e6)?;
        check("inventory_penalty", 0.0, self.inventory_penalty, 1e6)?;
        check("return_ticks", 1.0, f64::from(self.return_ticks), 1e5)?;
        check("value_lag_ticks", 0.0, f64::from(self.value_lag_ticks), 1e6)?;
        check("value_error_ticks", 0.0, self.value_error_ticks, 1e6)?;
        check("value_activity", 0.0, self.value_activity, 1.0)?;
        check("momentum_activity", 0.0, self.momentum_activity, 1.0)?;
        check("report_memory_ticks", 1.0, f64::from(self.report_memory_ticks), 1e6)?;
        check("session_ticks", 1.0, f64::from(self.session_ticks), 1e9)?;
        check("flow.limit", 0.0, self.flow.limit, 1e3)?;
        check("flow.limit_decay", 0.0, self.flow.limit_decay, 100.0)?;
        check("flow.distance_max", 1.0, f64::from(self.flow.distance_max), 1e3)?;
        check("flow.market", 0.0, self.flow.market, 1e3)?;
        check("flow.cancel", 0.0, self.flow.cancel, 1e3)?;
        if self.flow.limit > 0.0 && self.flow.cancel < 0.001 {
            return Err(section.invalid(
                "flow.cancel",
                format!("{} lets the book grow without end", self.flow.cancel),
                "resting orders need a cancellation rate of at least 0.001, unless `flow.limit` is 0",
            ));
        }
        check("fundamental.reversion", 0.0, self.fundamental.reversion, 100.0)?;
        check("fundamental.volatility", 0.0, self.fundamental.volatility, 1e6)?;
        check("news.per_hundred_ticks", 0.0, self.news.per_hundred_ticks, 100.0)?;
        check("news.shock_ticks", 0.0, self.news.shock_ticks, 1e6)?;
        check("news.stale", 0.0, self.news.stale, 1.0)?;
        check("news.false", 0.0, self.news.untrue, 1.0)?;
        check("news.neutral", 0.0, self.news.neutral, 1.0)?;
        let sum = self.news.stale + self.news.untrue + self.news.neutral;
        if sum > 1.0 + 1e-9 {
            return Err(section.invalid(
                "news",
                format!("the shares of stale, false and neutral headlines sum to {sum}"),
                "they may sum to at most 1; what is left are headlines that are new and true",
            ));
        }
        self.check_assets(section)?;
        self.check_desks(section)
    }
}

/// Refuses a number outside [low, high].
fn within(section: &Section, key: &str, low: f64, value: f64, high: f64) -> Result<(), ScenarioError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let range = format!("[{low}, {high}]");
    Err(section.invalid(key, format!("{value} is outside {range}"), format!("give a number in {range}")))
}

impl FinanceSettings {
    /// The names of all assets, in their order.
    #[must_use]
    pub fn asset_names(&self) -> Vec<&str> {
        self.assets.iter().map(|asset| &*asset.name).collect()
    }

    /// What the value of an asset does.
    #[must_use]
    pub fn fundamental_of(&self, asset: usize) -> FundamentalSettings {
        let volatility = self.assets[asset].volatility.unwrap_or(self.fundamental.volatility);
        FundamentalSettings { volatility, ..self.fundamental.clone() }
    }

    /// The mean size of an asset's shocks, in ticks of price.
    #[must_use]
    pub fn shock_of(&self, asset: usize) -> f64 {
        self.assets[asset].shock_ticks.unwrap_or(self.news.shock_ticks)
    }

    /// The places of the assets that a group's agents trade, in turn.
    #[must_use]
    pub fn desk_of(&self, group: &str) -> Vec<usize> {
        match self.desks.get(group) {
            None => (0..self.assets.len()).collect(),
            Some(names) => {
                names.iter().filter_map(|name| self.assets.iter().position(|asset| asset.name == *name)).collect()
            }
        }
    }

    fn check_assets(&self, section: &Section) -> Result<(), ScenarioError> {
        let mut names = BTreeSet::new();
        for (place, asset) in self.assets.iter().enumerate() {
            let at = |key: &str| format!("assets[{place}].{key}");
            let check = |key: &str, low: f64, value: f64, high: f64| within(section, &at(key), low, value, high);
            if !is_symbol(&asset.name) {
                return Err(section.invalid(
                    &at("name"),
                    format!("{:?} is no symbol of an asset", asset.name),
                    "give a letter and then letters, digits, `-` or `_`, 16 at most, for example `name = \"ACME\"`",
                ));
            }
            if !names.insert(&asset.name) {
                let message = format!("two assets have the name \"{}\"", asset.name);
                return Err(section.invalid(&at("name"), message, "give each asset a symbol of its own"));
            }
            if asset.company.as_ref().is_some_and(|company| company.trim().is_empty()) {
                let help = "for example `company = \"Acme\"`, or leave it away: then it has the asset's name";
                return Err(section.invalid(&at("company"), "a company needs a name", help));
            }
            check("price_start", 1.0, f64::from(asset.price_start), f64::from(PRICE_MAX / 2))?;
            check("volatility", 0.0, asset.volatility.unwrap_or(0.0), 1e6)?;
            check("shock_ticks", 0.0, asset.shock_ticks.unwrap_or(0.0), 1e6)?;
        }
        Ok(())
    }

    /// That desks name assets; that they name groups is for [`crate::sim::Domain::check`], which sees the groups.
    fn check_desks(&self, section: &Section) -> Result<(), ScenarioError> {
        let listed = self.asset_names();
        for (group, names) in &self.desks {
            if names.is_empty() {
                let help = format!("name some of {}, or leave the key away: then it trades all", listed.join(", "));
                return Err(section.invalid(&format!("desks.{group}"), "a desk without an asset", help));
            }
            for (place, name) in names.iter().enumerate() {
                let key = format!("desks.{group}[{place}]");
                if !listed.contains(&&**name) {
                    let message = format!("there is no asset {name:?}");
                    return Err(section.invalid(&key, message, one_of(name, &listed)));
                }
                if names[..place].contains(name) {
                    let message = format!("the desk names the asset {name:?} twice");
                    return Err(section.invalid(&key, message, "leave one of them away"));
                }
            }
        }
        Ok(())
    }
}

/// Whether a text may be an asset's symbol. It stands in tables, in key paths and in headline files.
fn is_symbol(text: &str) -> bool {
    text.len() <= 16
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
