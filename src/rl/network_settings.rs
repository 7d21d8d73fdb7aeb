//! Settings that all learners with networks share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::approximator::Approximator;
use super::candle::CandleNetwork;
use super::encoder::{EncoderSizes, TransformerEncoder};
use super::kernels::Nonlinearity;
use super::network::Network;
use super::sight::Sight;
use crate::base::{Chance, Purpose};
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
    /// How many of its own observations an agent decides by, those of earlier decisions of the episode and the one it has
    /// now; 1: the one it has now.
    #[schemars(range(min = 1, max = 256))]
    pub history: u32,
    /// A Transformer encoder that reads the history; the hidden layers stand behind it. None: they read it as one row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderSettings>,
    /// What computes them.
    pub engine: Engine,
}

/// A Transformer encoder (Vaswani et al. 2017).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EncoderSettings {
    /// Blocks of attention and feed-forward.
    #[schemars(range(min = 1, max = 12))]
    pub layers: u32,
    /// Heads of attention; they share the width.
    #[schemars(range(min = 1, max = 64))]
    pub heads: u32,
    /// Numbers that an observation becomes: a multiple of 8 and of `heads`.
    #[schemars(range(min = 8, max = 1024))]
    pub width: u32,
    /// Numbers inside the position-wise feed-forward; four times the width is usual in large models.
    #[schemars(range(min = 1, max = 4096))]
    pub feed_forward: u32,
}

impl Default for EncoderSettings {
    fn default() -> Self {
        Self { layers: 2, heads: 2, width: 32, feed_forward: 64 }
    }
}

/// What computes networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// The program's own kernels: the same bits on every processor.
    #[default]
    Kernels,
    /// Candle's tensors with automatic gradients: for wide layers; bits differ between kinds of processors.
    Candle,
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
        Self { hidden: vec![64, 64], activation: Activation::Tanh, history: 1, encoder: None, engine: Engine::Kernels }
    }
}

impl NetworkSettings {
    /// Checks them where they stand, under the key `network`.
    ///
    /// # Errors
    /// When a width is outside its range.
    pub fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        if let Some(width) = self.hidden.iter().find(|width| !(1..=1024).contains(*width)) {
            let message = format!("{width} is outside [1, 1024]");
            return Err(section.invalid("network.hidden", message, "[64, 64] is usual"));
        }
        if let Some(EncoderSettings { width, heads, .. }) = &self.encoder
            && !(width.is_multiple_of(8) && width.is_multiple_of(*heads))
        {
            let message = format!("{width} is no multiple of 8 and of {heads} heads");
            return Err(section.invalid("network.encoder.width", message, "32 with 2 heads is a good start"));
        }
        Ok(())
    }

    /// What fixes the shapes and the meaning of saved arrays; the engine does not.
    #[must_use]
    pub fn layout(&self) -> Self {
        Self { engine: Engine::default(), ..self.clone() }
    }

    /// How rows of observations of so many features lie.
    #[must_use]
    pub fn sight(&self, features: usize) -> Sight {
        Sight { features, history: self.history as usize }
    }

    /// The network from rows of [`Self::sight`] to `outputs`, untrained: weights are drawn from chance, those of its last
    /// layer times `last_gain`.
    #[must_use]
    pub fn build(
        &self,
        features: usize,
        outputs: usize,
        last_gain: f32,
        key: (Chance, Purpose, u64),
    ) -> Box<dyn Approximator> {
        let nonlinearity = self.nonlinearity();
        let Some(encoder) = &self.encoder else {
            let widths = self.widths(self.sight(features).width(), outputs);
            let network = Network::new(&widths, nonlinearity, (std::f32::consts::SQRT_2, last_gain), key);
            return match self.engine {
                Engine::Kernels => Box::new(network),
                Engine::Candle => Box::new(CandleNetwork::dense(network)),
            };
        };
        let sizes = EncoderSizes {
            features,
            history: self.history as usize,
            width: encoder.width as usize,
            layers: encoder.layers as usize,
            heads: encoder.heads as usize,
            feed_forward: encoder.feed_forward as usize,
            hidden: self.hidden.iter().map(|&width| width as usize).collect(),
            outputs,
        };
        match self.engine {
            Engine::Kernels => Box::new(TransformerEncoder::new(sizes, nonlinearity, last_gain, key)),
            Engine::Candle => Box::new(CandleNetwork::encoder(sizes, nonlinearity, last_gain, key)),
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
