//! Settings that all learners with networks share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kernels::Nonlinearity;
use crate::scenario::{ScenarioError, Section};

/// The networks of a learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// Widths of the hidden layers, 1 to 1024 each, at most four; none: a linear function.
    #[schemars(length(max = 4))]
    pub hidden: Vec<u32>,
    /// What hidden layers do with their sums.
    pub activation: Activation,
}

/// What hidden layers do with their sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// The positive part.
    Relu,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { hidden: vec![64, 64], activation: Activation::Tanh }
    }
}

impl NetworkSettings {
    /// Checks them where they stand, under the key `network`.
    ///
    /// # Errors
    /// When a width is outside its range.
    pub fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        match self.hidden.iter().find(|width| !(1..=1024).contains(*width)) {
            None => Ok(()),
            Some(width) => {
                Err(section.invalid("network.hidden", format!("{width} is outside [1, 1024]"), "[64, 64] is usual"))
            }
        }
    }

    /// Widths from inputs to outputs.
    #[must_use]
    pub fn widths(&self, inputs: usize, outputs: usize) -> Vec<usize> {
        let hidden = self.hidden.iter().map(|&width| width as usize);
        std::iter::once(inputs).chain(hidden).chain([outputs]).collect()
    }

    /// The nonlinearity, and the gain of orthogonal weights that goes with it.
    #[must_use]
    pub fn nonlinearity(&self) -> Nonlinearity {
        match self.activation {
            Activation::Tanh => Nonlinearity::Tanh,
            Activation::Relu => Nonlinearity::Rectified,
        }
    }
}

/// What is brought to one scale.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NormaliseSettings {
    /// Each feature to mean 0 and variance 1, as seen so far.
    pub observations: bool,
    /// Rewards by the standard deviation of the discounted return so far.
    pub rewards: bool,
}
