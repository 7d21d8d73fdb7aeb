//! Proximal policy optimisation (Schulman, Wolski, Dhariwal, Radford and Klimov 2017), the variant with a clipped
//! objective. With r = π(a|s) / π°(a|s), where π° is the policy that decided, and the advantage Â of generalised advantage
//! estimation (Schulman et al. 2016, equation 16), each gradient step climbs (equation 9)
//!
//! mean of min(r Â, clip(r, 1 − ε, 1 + ε) Â) − c₁ (V(s) − return)² + c₂ entropy.
//!
//! Policy and values have a network each. Values are not clipped. A step that was cut off is bootstrapped from what was
//! seen last, a step that ended the episode from nothing.

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
    name: "ppo",
    about: "proximal policy optimisation (Schulman et al. 2017): networks for policy and values, clipped steps",
    settings: SettingsType::of::<PpoSettings>(),
};

/// Settings of `kind = "ppo"`, "mappo" and "ippo".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PpoSettings {
    /// The networks of policy and values.
    pub network: NetworkSettings,
    /// How gradients become steps.
    pub optimiser: OptimiserSettings,
    /// What is brought to one scale.
    pub normalise: NormaliseSettings,
    /// Transitions after which they are learned from: of all agents together, with "ippo" of each.
    #[schemars(range(min = 2, max = 10_000_000))]
    pub rollout: u64,
    /// How often a rollout is gone through.
    #[schemars(range(min = 1, max = 1000))]
    pub epochs: u32,
    /// Transitions of a gradient step.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub minibatch: u32,
    /// γ, in [0, 1]: what reward one decision later is worth.
    pub discount: f64,
    /// λ of generalised advantage estimation, in [0, 1].
    pub lambda: f64,
    /// ε, in (0, 1]: how far the odds of an action may move at an update.
    pub clip: f64,
    /// Stop an update once the policy has moved further than this, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1e-6, max = 100.0))]
    pub divergence_max: Option<f64>,
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

impl Default for PpoSettings {
    fn default() -> Self {
        Self {
            network: NetworkSettings::default(),
            optimiser: OptimiserSettings::default(),
            normalise: NormaliseSettings::default(),
            rollout: 2048,
            epochs: 10,
            minibatch: 64,
            discount: 0.99,
            lambda: 0.95,
            clip: 0.2,
            divergence_max: None,
            entropy: 0.0,
            value_factor: 0.5,
            normalise_advantages: true,
            advice: None,
            learn: true,
            load: None,
        }
    }
}

impl Settings for PpoSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        self.network.validate(section)?;
        self.optimiser.validate(section)?;
        self.advice.as_ref().map_or(Ok(()), |advice| advice.validate(section))?;
        within(section, "discount", self.discount, true)?;
        within(section, "lambda", self.lambda, true)?;
        within(section, "clip", self.clip, false)
    }
}

pub(super) fn load_from(section: &Section) -> Result<Option<String>, ScenarioError> {
    Ok(section.settings::<PpoSettings>()?.load)
}

/// How it learns with these settings.
pub(super) fn plan(kind: &'static str, settings: &PpoSettings) -> Plan {
    Plan {
        kind,
        network: settings.network.clone(),
        optimiser: settings.optimiser.clone(),
        normalise: settings.normalise.clone(),
        enough: Enough::Transitions(settings.rollout),
        epochs: settings.epochs,
        minibatch: settings.minibatch as usize,
        discount: settings.discount,
        lambda: settings.lambda,
        clip: Some(settings.clip as f32),
        divergence_max: settings.divergence_max,
        entropy: settings.entropy as f32,
        value_factor: settings.value_factor as f32,
        normalise_advantages: settings.normalise_advantages,
        learn: settings.learn,
        advice: settings.advice.clone(),
        central: false,
    }
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<PpoSettings>()?;
    Ok(Box::new(ActorCritic::new(plan(KIND.name, &settings), space.clone())))
}
