//! Advantage actor-critic (Mnih et al. 2016, algorithm S3, all agents in step): short rollouts, each gone through once,
//! all of it one gradient step along
//!
//! mean of Â ∇ ln π(a|s) − c₁ ∇(V(s) − return)² + c₂ ∇ entropy.
//!
//! With `lambda = 1`, as published, Â is what came in the rollout and the value behind it, less the value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor_critic::ActorCritic;
use super::checks::within;
use super::network_settings::{NetworkSettings, NormaliseSettings};
use super::optimiser::OptimiserSettings;
use super::plan::{Enough, Plan};
use super::prior::AdviceSettings;
use crate::base::{Learner, Space};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "a2c",
    about: "advantage actor-critic (Mnih et al. 2016): networks for policy and values, one step a short rollout",
    settings: SettingsType::of::<A2cSettings>(),
};

/// Settings of `kind = "a2c"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct A2cSettings {
    /// The networks of policy and values.
    pub network: NetworkSettings,
    /// How gradients become steps.
    pub optimiser: OptimiserSettings,
    /// What is brought to one scale.
    pub normalise: NormaliseSettings,
    /// Transitions, of all agents together, after which they are learned from.
    #[schemars(range(min = 2, max = 10_000_000))]
    pub rollout: u64,
    /// γ, in [0, 1]: what reward one decision later is worth.
    pub discount: f64,
    /// λ of generalised advantage estimation, in [0, 1].
    pub lambda: f64,
    /// c₂: what a nat of entropy is worth.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub entropy: f64,
    /// c₁: what a squared error of a value costs.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub value_factor: f64,
    /// Bring the advantages of a gradient step to mean 0 and variance 1.
    pub normalise_advantages: bool,
    /// Who advises the policy while it learns, and how much that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<AdviceSettings>,
    /// Learn at all; `false` keeps the policy as it is and takes its likeliest action.
    pub learn: bool,
    /// Start from a policy that an earlier run saved: its run folder (the policy of the same name) or its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
}

impl Default for A2cSettings {
    fn default() -> Self {
        Self {
            network: NetworkSettings::default(),
            optimiser: OptimiserSettings { learning_rate: 7e-4, ..OptimiserSettings::default() },
            normalise: NormaliseSettings::default(),
            rollout: 64,
            discount: 0.99,
            lambda: 1.0,
            entropy: 0.0,
            value_factor: 0.5,
            normalise_advantages: false,
            advice: None,
            learn: true,
            load: None,
        }
    }
}

impl Settings for A2cSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        self.network.validate(section)?;
        self.optimiser.validate(section)?;
        self.advice.as_ref().map_or(Ok(()), |advice| advice.validate(section))?;
        within(section, "discount", self.discount, true)?;
        within(section, "lambda", self.lambda, true)
    }
}

pub(super) fn load_from(section: &Section) -> Result<Option<String>, ScenarioError> {
    Ok(section.settings::<A2cSettings>()?.load)
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<A2cSettings>()?;
    let plan = Plan {
        kind: KIND.name,
        network: settings.network,
        optimiser: settings.optimiser,
        normalise: settings.normalise,
        enough: Enough::Transitions(settings.rollout),
        epochs: 1,
        minibatch: 0,
        discount: settings.discount,
        lambda: settings.lambda,
        clip: None,
        divergence_max: None,
        entropy: settings.entropy as f32,
        value_factor: settings.value_factor as f32,
        normalise_advantages: settings.normalise_advantages,
        learn: settings.learn,
        advice: settings.advice,
        central: false,
    };
    Ok(Box::new(ActorCritic::new(plan, space.clone())))
}
