//! What a scenario may set of a policy that imitates a language model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::checks::within;
use super::super::network_settings::NetworkSettings;
use super::super::optimiser::OptimiserSettings;
use crate::scenario::{ScenarioError, Section, Settings};

/// Settings of `kind = "distilled"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistilledSettings {
    /// Who is imitated.
    pub advice: TeacherSettings,
    /// The network.
    #[serde(default)]
    pub network: NetworkSettings,
    /// How gradients become steps.
    #[serde(default = "default_optimiser")]
    pub optimiser: OptimiserSettings,
    /// How likely the network's own likeliest action must be for it to be sure, in (0, 1].
    #[serde(default = "default_confidence")]
    pub confidence: f64,
    /// Share of recent checks, in (0, 1], in which a network that was sure must have agreed with the advisor, so that it
    /// answers alone where it is sure.
    #[serde(default = "default_agreement")]
    pub agreement: f64,
    /// How many checks are recent; it answers alone only once there were so many.
    #[serde(default = "default_checks")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub checks: u32,
    /// Share of the decisions that it would answer alone on which the advisor is asked all the same, drawn from the run's
    /// chance.
    #[serde(default = "default_spot_checks")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub spot_checks: f64,
    /// How many of the advisor's latest answers are kept to learn from.
    #[serde(default = "default_kept")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub kept: u32,
    /// New answers after which the network learns.
    #[serde(default = "default_learn_every")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub learn_every: u32,
    /// Gradient steps that it takes then.
    #[serde(default = "default_steps")]
    #[schemars(range(min = 1, max = 100_000))]
    pub gradient_steps: u32,
    /// Answers of a gradient step.
    #[serde(default = "default_minibatch")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub minibatch: u32,
    /// Learn and ask at all; `false` keeps the network as it is, and it answers alone.
    #[serde(default = "default_learn")]
    pub learn: bool,
    /// Start from a policy that an earlier run saved: its run folder (the policy of the same name) or its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
}

/// Who is imitated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeacherSettings {
    /// The `[policy.NAME]`, of kind `language_model`, that is asked what it would do. Its `temperature` says how decided
    /// it is: a network that imitates undecided answers is never sure.
    pub from: String,
}

fn default_optimiser() -> OptimiserSettings {
    OptimiserSettings { learning_rate: 3e-3, ..OptimiserSettings::default() }
}
fn default_confidence() -> f64 {
    0.9
}
fn default_agreement() -> f64 {
    0.95
}
fn default_checks() -> u32 {
    100
}
fn default_spot_checks() -> f64 {
    0.05
}
fn default_kept() -> u32 {
    4096
}
fn default_learn_every() -> u32 {
    32
}
fn default_steps() -> u32 {
    16
}
fn default_minibatch() -> u32 {
    64
}
fn default_learn() -> bool {
    true
}

impl Settings for DistilledSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        self.network.validate(section)?;
        self.optimiser.validate(section)?;
        within(section, "confidence", self.confidence, false)?;
        within(section, "agreement", self.agreement, false)
    }
}
