//! What a scenario may set under `[domain]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::book::PRICE_MAX;
use crate::scenario::{ScenarioError, Section, Settings};

/// Settings of `kind = "finance"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FinanceSettings {
    /// The first price, and the mean of the fundamental value, in ticks.
    pub price_start: u32,
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
    /// How many ticks a trader keeps an analyst's report in mind.
    pub report_memory_ticks: u32,
    /// Length of a trading session, in ticks: what learners count as an episode. Nothing is closed at its end.
    pub session_ticks: u32,
    /// The company whose share is traded; generated headlines name it.
    pub company: String,
    /// A CSV file with the columns `tick,headline,truth` in place of generated headlines. `truth` is negative, neutral
    /// or positive: where the value moves at that tick, by `news.shock_ticks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headlines_path: Option<String>,
    /// The crowd's orders.
    pub flow: FlowSettings,
    /// What the share is worth.
    pub fundamental: FundamentalSettings,
    /// Headlines and the shocks that they tell of.
    pub news: NewsSettings,
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
            price_start: 1000,
            order_shares: 1,
            inventory_max: 5,
            value_inventory_max: 1000,
            inventory_penalty: 0.01,
            return_ticks: 20,
            value_lag_ticks: 20,
            value_error_ticks: 1.0,
            value_activity: 0.3,
            momentum_activity: 0.1,
            report_memory_ticks: 60,
            session_ticks: 500,
            company: "Acme".to_owned(),
            headlines_path: None,
            flow: FlowSettings::default(),
            fundamental: FundamentalSettings::default(),
            news: NewsSettings::default(),
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
        let check = |key: &str, low: f64, value: f64, high: f64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            let range = format!("[{low}, {high}]");
            Err(section.invalid(key, format!("{value} is outside {range}"), format!("give a number in {range}")))
        };
        let price = |key: &str, value: u32| check(key, 1.0, f64::from(value), f64::from(PRICE_MAX / 2));
        price("price_start", self.price_start)?;
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
        if self.company.trim().is_empty() {
            return Err(section.invalid("company", "a company needs a name", "for example `company = \"Acme\"`"));
        }
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
        Ok(())
    }
}
