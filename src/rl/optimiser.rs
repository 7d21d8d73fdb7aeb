//! Adam with weights that decay apart from the gradient, its schedule and the clipping of gradients, all as declared
//! settings, with moments that can be saved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::approximator::Approximator;
use super::checks::array;
use super::kernels::{AdamStep, norm};
use crate::base::{PolicyFile, PolicyFileError, TensorData};
use crate::scenario::{ScenarioError, Section};

/// How gradients become steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserSettings {
    /// α, in (0, 1]: the length of a step.
    pub learning_rate: f64,
    /// How α changes from the first transition to the last of `schedule_transitions`.
    pub schedule: Schedule,
    /// Transitions over which the schedule runs; past them α stays where it is.
    #[schemars(range(min = 1))]
    pub schedule_transitions: u64,
    /// Longest gradient: a longer one is cut to this norm. 0: never.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub gradient_norm: f64,
    /// β₁ of Adam, in [0, 1): what of the mean gradient is kept at a step.
    pub beta1: f64,
    /// β₂ of Adam, in [0, 1): what of the mean squared gradient is kept at a step.
    pub beta2: f64,
    /// ε of Adam, added to the root of the mean squared gradient.
    pub epsilon: f64,
    /// λ of `AdamW`, in [0, 1]: weights shrink by α λ of themselves at a step.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub weight_decay: f64,
}

/// How a setting changes with time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Not at all.
    #[default]
    Constant,
    /// Linearly down to nothing.
    Linear,
    /// Down to nothing along half a cosine.
    Cosine,
}

impl Schedule {
    /// The factor at this share of the time.
    #[must_use]
    pub fn factor(self, share: f64) -> f64 {
        let share = share.clamp(0.0, 1.0);
        match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - share,
            Self::Cosine => f64::midpoint(1.0, (std::f64::consts::PI * share).cos()),
        }
    }
}

impl Default for OptimiserSettings {
    fn default() -> Self {
        Self {
            learning_rate: 3e-4,
            schedule: Schedule::Constant,
            schedule_transitions: 100_000,
            gradient_norm: 0.5,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-5,
            weight_decay: 0.0,
        }
    }
}

impl OptimiserSettings {
    /// Checks them where they stand, under the key `optimiser`.
    ///
    /// # Errors
    /// When a number is outside its range.
    pub fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        let check = |key: &str, good: bool, value: f64, range: &str, help: &str| {
            let key = format!("optimiser.{key}");
            if good { Ok(()) } else { Err(section.invalid(&key, format!("{value} is outside {range}"), help)) }
        };
        let rate = self.learning_rate;
        check(
            "learning_rate",
            rate > 0.0 && rate <= 1.0,
            rate,
            "(0, 1]",
            "0.0003 is usual; with 1 hardly anything learns",
        )?;
        check("beta1", (0.0..1.0).contains(&self.beta1), self.beta1, "[0, 1)", "0.9 is usual")?;
        check("beta2", (0.0..1.0).contains(&self.beta2), self.beta2, "[0, 1)", "0.999 is usual")?;
        let epsilon = self.epsilon;
        check("epsilon", (1e-12..=1.0).contains(&epsilon), epsilon, "[1e-12, 1]", "0.00001 is usual")
    }

    /// α after this many transitions.
    #[must_use]
    pub fn rate(&self, transitions: u64) -> f64 {
        self.learning_rate * self.schedule.factor(transitions as f64 / self.schedule_transitions as f64)
    }
}

/// Adam's memory of one network's gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
    pub(super) steps: u64,
}

impl Adam {
    /// With no step taken.
    #[must_use]
    pub fn new(network: &dyn Approximator) -> Self {
        let count = network.parameters().len();
        Self { first: vec![0.0; count], second: vec![0.0; count], steps: 0 }
    }

    /// Takes one step with step length `rate`, `scale` times the gradients.
    pub fn step(
        &mut self,
        settings: &OptimiserSettings,
        rate: f64,
        network: &mut dyn Approximator,
        gradients: &[f32],
        scale: f64,
    ) {
        let Self { first, second, steps } = self;
        step(settings, rate, network.parameters_mut(), (first, second, steps), gradients, scale);
    }

    /// The moments and the number of steps as arrays of a saved policy.
    #[must_use]
    pub fn save(&self, name: &str, network: &dyn Approximator) -> Vec<TensorData> {
        let mut tensors = network.save(&format!("{name}.first"), &self.first);
        tensors.extend(network.save(&format!("{name}.second"), &self.second));
        let steps = TensorData { name: format!("{name}.steps"), shape: vec![1], values: vec![self.steps as f64] };
        tensors.push(steps);
        tensors
    }

    /// What [`Self::save`] saved.
    ///
    /// # Errors
    /// When an array is missing, has another shape or holds what is no finite number.
    pub fn load(name: &str, network: &dyn Approximator, file: &PolicyFile) -> Result<Self, PolicyFileError> {
        Ok(Self {
            first: network.load(&format!("{name}.first"), file)?,
            second: network.load(&format!("{name}.second"), file)?,
            steps: array(file, &format!("{name}.steps"), &[1])?[0] as u64,
        })
    }
}

/// One step of Adam with step length `rate`, `scale` times the gradients, for parameters and their moments and steps
/// wherever they are kept.
pub(super) fn step(
    settings: &OptimiserSettings,
    rate: f64,
    parameters: &mut [f32],
    (first, second, steps): (&mut [f32], &mut [f32], &mut u64),
    gradients: &[f32],
    scale: f64,
) {
    *steps += 1;
    let left = |beta: f64| 1.0 - beta.powi(i32::try_from(*steps).unwrap_or(i32::MAX));
    AdamStep {
        parameters,
        gradients,
        first,
        second,
        scale: scale as f32,
        betas: (settings.beta1 as f32, settings.beta2 as f32),
        corrected: ((rate / left(settings.beta1)) as f32, (1.0 / left(settings.beta2)) as f32),
        epsilon: settings.epsilon as f32,
        keep: (1.0 - rate * settings.weight_decay) as f32,
    }
    .take();
}

/// The factor that cuts gradients of several networks together to a norm, 1 where they are shorter; and their norm.
#[must_use]
pub fn clipping(gradients: &[&[f32]], longest: f64) -> (f64, f64) {
    let length = gradients.iter().map(|part| norm(part).powi(2)).sum::<f64>().sqrt();
    (if longest > 0.0 && length > longest { longest / length } else { 1.0 }, length)
}
