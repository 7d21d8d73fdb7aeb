//! What a scenario may set of deep Q-learning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rl::checks::within;
use crate::rl::network_settings::{Activation, NetworkSettings};
use crate::rl::optimiser::OptimiserSettings;
use crate::scenario::{ScenarioError, Section, Settings};

/// Settings of `kind = "dqn"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DqnSettings {
    /// The network of values.
    pub network: NetworkSettings,
    /// How gradients become steps.
    pub optimiser: OptimiserSettings,
    /// What is brought to one scale; rewards are not.
    pub normalise: NormaliseObservations,
    /// Transitions that are kept; the oldest make room.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub replay: u64,
    /// Transitions to wait for before the first gradient step.
    #[schemars(range(min = 1))]
    pub learning_starts: u64,
    /// Gradient steps a transition, in (0, 64]: 0.5 is one every two.
    pub gradient_steps: f64,
    /// Transitions after which gradient steps are taken, all that fall between together: until then who decides stays as
    /// it is.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub learn_every: u64,
    /// Transitions of a gradient step.
    #[schemars(range(min = 1, max = 65536))]
    pub minibatch: u32,
    /// Gradient steps after which Q⁻ becomes Q.
    #[schemars(range(min = 1))]
    pub target_every: u64,
    /// τ, in (0, 1]: share of the way that Q⁻ moves towards Q at each gradient step, instead of `target_every`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_rate: Option<f64>,
    /// What of the mean of the weights is kept at a gradient step, in [0, 1): that mean is what is deployed and
    /// evaluated, not what explores. 0: no mean, the last weights.
    pub averaging: f64,
    /// γ, in [0, 1]: what reward one decision later is worth.
    pub discount: f64,
    /// Decisions whose rewards are summed before a value is asked.
    #[schemars(range(min = 1, max = 1000))]
    pub steps: u32,
    /// Let Q choose the action that Q⁻ values.
    pub double: bool,
    /// Learn the value of a state apart from the advantages of its actions.
    pub dueling: bool,
    /// Draw transitions by how wrong their values were.
    pub prioritised: Option<PrioritySettings>,
    /// ε at the start, in [0, 1]: share of actions drawn at random among the legal ones.
    pub exploration: f64,
    /// ε at the end, in [0, 1].
    pub exploration_final: f64,
    /// Ticks over which ε falls linearly from the one to the other.
    pub exploration_ticks: u64,
    /// Learn at all; `false` keeps the network as it is and explores nothing.
    pub learn: bool,
    /// Start from a policy that an earlier run saved: its run folder (the policy of the same name) or its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
}

/// What deep Q-learning brings to one scale.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NormaliseObservations {
    /// Each feature to mean 0 and variance 1, as seen so far.
    pub observations: bool,
}

/// Prioritised replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PrioritySettings {
    /// α, in [0, 1]: 0 draws all alike.
    pub exponent: f64,
    /// β at the start, in [0, 1]: how far weights undo the bias of the draw; it rises to 1.
    pub correction: f64,
    /// Transitions over which β rises.
    #[schemars(range(min = 1))]
    pub correction_transitions: u64,
}

impl Default for PrioritySettings {
    fn default() -> Self {
        Self { exponent: 0.6, correction: 0.4, correction_transitions: 100_000 }
    }
}

impl Default for DqnSettings {
    fn default() -> Self {
        Self {
            network: NetworkSettings { activation: Activation::Relu, ..NetworkSettings::default() },
            optimiser: OptimiserSettings { learning_rate: 5e-4, gradient_norm: 10.0, ..OptimiserSettings::default() },
            normalise: NormaliseObservations::default(),
            replay: 100_000,
            learning_starts: 1000,
            gradient_steps: 0.5,
            learn_every: 1,
            minibatch: 64,
            target_every: 250,
            target_rate: None,
            averaging: 0.0,
            discount: 0.99,
            steps: 1,
            double: true,
            dueling: false,
            prioritised: None,
            exploration: 1.0,
            exploration_final: 0.05,
            exploration_ticks: 5000,
            learn: true,
            load: None,
        }
    }
}

impl Settings for DqnSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        self.network.validate(section)?;
        self.optimiser.validate(section)?;
        within(section, "discount", self.discount, true)?;
        within(section, "exploration", self.exploration, true)?;
        within(section, "exploration_final", self.exploration_final, true)?;
        if !(self.gradient_steps > 0.0 && self.gradient_steps <= 64.0) {
            let message = format!("{} is outside (0, 64]", self.gradient_steps);
            return Err(section.invalid("gradient_steps", message, "0.5 is usual"));
        }
        if let Some(rate) = self.target_rate {
            within(section, "target_rate", rate, false)?;
        }
        if !(0.0..1.0).contains(&self.averaging) {
            let message = format!("{} is outside [0, 1)", self.averaging);
            return Err(section.invalid("averaging", message, "0.999 is usual, 0 for none"));
        }
        if let Some(prioritised) = &self.prioritised {
            within(section, "prioritised.exponent", prioritised.exponent, true)?;
            within(section, "prioritised.correction", prioritised.correction, true)?;
        }
        Ok(())
    }
}
