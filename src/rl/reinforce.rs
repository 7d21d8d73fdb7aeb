//! REINFORCE with a baseline (Williams 1992, section 3; Sutton and Barto 2018, section 13.4): once enough episodes have
//! ended, one gradient step along
//!
//! mean of (G − V(s)) ∇ ln π(a|s) − c₁ ∇(V(s) − G)² + c₂ ∇ entropy,
//!
//! with G the discounted return from there on. Episodes that are still open then count as far as they went, with the
//! value of where they stand, and so do those that were cut off.

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
    name: "reinforce",
    about: "REINFORCE with a learned baseline (Williams 1992): a network for the policy, returns of whole episodes",
    settings: SettingsType::of::<ReinforceSettings>(),
};

/// Settings of `kind = "reinforce"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReinforceSettings {
    /// The networks of policy and baseline.
    pub network: NetworkSettings,
    /// How gradients become steps.
    pub optimiser: OptimiserSettings,
    /// What is brought to one scale.
    pub normalise: NormaliseSettings,
    /// Episodes, of all agents together, after which they are learned from.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub episodes: u64,
    /// γ, in [0, 1]: what reward one decision later is worth.
    pub discount: f64,
    /// c₂: what a nat of entropy is worth.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub entropy: f64,
    /// c₁: what a squared error of the baseline costs.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub value_factor: f64,
    /// Bring G − V of a gradient step to mean 0 and variance 1.
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

impl Default for ReinforceSettings {
    fn default() -> Self {
        Self {
            network: NetworkSettings::default(),
            optimiser: OptimiserSettings { learning_rate: 3e-3, ..OptimiserSettings::default() },
            normalise: NormaliseSettings::default(),
            episodes: 8,
            discount: 0.99,
            entropy: 0.0,
            value_factor: 0.5,
            normalise_advantages: true,
            advice: None,
            learn: true,
            load: None,
        }
    }
}

impl Settings for ReinforceSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        self.network.validate(section)?;
        self.optimiser.validate(section)?;
        self.advice.as_ref().map_or(Ok(()), |advice| advice.validate(section))?;
        within(section, "discount", self.discount, true)
    }
}

pub(super) fn load_from(section: &Section) -> Result<Option<String>, ScenarioError> {
    Ok(section.settings::<ReinforceSettings>()?.load)
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<ReinforceSettings>()?;
    let plan = Plan {
        kind: KIND.name,
        network: settings.network,
        optimiser: settings.optimiser,
        normalise: settings.normalise,
        enough: Enough::Episodes(settings.episodes),
        epochs: 1,
        minibatch: 0,
        discount: settings.discount,
        lambda: 1.0,
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
