//! How an algorithm of the actor-critic family learns: what its settings come to.

use super::network_settings::{NetworkSettings, NormaliseSettings};
use super::optimiser::OptimiserSettings;
use super::prior::AdviceSettings;

/// When transitions have been gathered for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// So many transitions.
    Transitions(u64),
    /// So many whole episodes.
    Episodes(u64),
}

/// How one algorithm learns, read from its settings.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The algorithm's name.
    pub kind: &'static str,
    /// The networks.
    pub network: NetworkSettings,
    /// The steps.
    pub optimiser: OptimiserSettings,
    /// What is brought to one scale.
    pub normalise: NormaliseSettings,
    /// How long transitions are gathered.
    pub enough: Enough,
    /// How often the rollout is gone through.
    pub epochs: u32,
    /// Transitions of a gradient step; 0: all.
    pub minibatch: usize,
    /// γ.
    pub discount: f64,
    /// λ of generalised advantage estimation; 1: what came minus what was expected.
    pub lambda: f64,
    /// How far the policy may move from the one that decided; `None`: the plain policy gradient.
    pub clip: Option<f32>,
    /// Stop an update beyond this divergence.
    pub divergence_max: Option<f64>,
    /// Factor of the entropy.
    pub entropy: f32,
    /// Factor of the squared error of values.
    pub value_factor: f32,
    /// Bring advantages of a gradient step to mean 0 and variance 1.
    pub normalise_advantages: bool,
    /// Learn at all.
    pub learn: bool,
    /// A prior of the policy.
    pub advice: Option<AdviceSettings>,
    /// Values of what agents see and of what only a critic sees, instead of the former alone.
    pub central: bool,
}
