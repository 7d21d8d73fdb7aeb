//! What a scenario may set under `[domain]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{ScenarioError, Section, Settings};

/// Settings of `kind = "customer_service"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerServiceSettings {
    /// Mean number of customers that arrive in an hour (a Poisson process).
    pub arrivals_per_hour: f64,
    /// Mean of the exponential time that a customer waits in a queue before giving up, in minutes.
    #[serde(default = "default_patience")]
    pub patience_minutes: f64,
    /// Messages of one and the same member of staff after which a customer hangs up.
    #[serde(default = "default_turns_max")]
    pub turns_max: u32,
    /// Chance, in [0, 1), that a customer misunderstands a question for confirmation and answers the opposite.
    #[serde(default = "default_misunderstanding")]
    pub misunderstanding: f64,
    /// The tasks: a file in tau2-bench's format instead of the catalogue's 114 retail tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_path: Option<String>,
    /// The shop's database: a file in tau2-bench's format instead of the catalogue's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_path: Option<String>,
    /// What events are worth to the staff.
    #[serde(default)]
    pub reward: RewardSettings,
}

/// What events are worth to the member of staff that they happen to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RewardSettings {
    /// A case closed with everything done that the customer needed, or handed to a specialist who alone could do it.
    pub resolved: f32,
    /// A case closed or spoilt without that.
    pub wrong: f32,
    /// A customer who hangs up.
    pub abandoned: f32,
    /// A case handed to a specialist that did not need one.
    pub transfer: f32,
    /// Each act.
    pub act: f32,
}

impl Default for RewardSettings {
    fn default() -> Self {
        Self { resolved: 20.0, wrong: -20.0, abandoned: -20.0, transfer: -8.0, act: -1.0 }
    }
}

fn default_patience() -> f64 {
    10.0
}
fn default_turns_max() -> u32 {
    15
}
fn default_misunderstanding() -> f64 {
    0.05
}

impl Settings for CustomerServiceSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        let check = |key: &str, good: bool, value: f64, range: &str| {
            if good {
                return Ok(());
            }
            Err(section.invalid(key, format!("{value} is outside {range}"), format!("give a number in {range}")))
        };
        let positive = |value: f64| value > 0.0 && value.is_finite();
        check(
            "arrivals_per_hour",
            self.arrivals_per_hour >= 0.0 && self.arrivals_per_hour <= 1e6,
            self.arrivals_per_hour,
            "[0, 1000000]",
        )?;
        check("patience_minutes", positive(self.patience_minutes), self.patience_minutes, "(0, ∞)")?;
        check("turns_max", self.turns_max >= 1, f64::from(self.turns_max), "[1, ∞)")?;
        check("misunderstanding", (0.0..1.0).contains(&self.misunderstanding), self.misunderstanding, "[0, 1)")?;
        for (key, value) in [
            ("reward.resolved", self.reward.resolved),
            ("reward.wrong", self.reward.wrong),
            ("reward.abandoned", self.reward.abandoned),
            ("reward.transfer", self.reward.transfer),
            ("reward.act", self.reward.act),
        ] {
            check(key, value.is_finite() && value.abs() <= 1e6, f64::from(value), "[−1000000, 1000000]")?;
        }
        Ok(())
    }
}
