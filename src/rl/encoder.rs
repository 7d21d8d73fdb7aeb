//! A small Transformer encoder over the last observations of an agent (Vaswani et al. 2017): its parts, its parameters
//! and how they begin. What computes it: `encoder_kernels.rs` by our own kernels, `candle.rs` by tensors.
//!
//! With the observations o₁ … oₙ of a row, oldest first, n ≤ `history`, and d the encoder's width:
//!
//! - xᵢ = oᵢ Wₑ + bₑ + PE(n − i), PE(p)₂ₖ = sin(p / 10000^(2k/d)), PE(p)₂ₖ₊₁ = cos(p / 10000^(2k/d)) (section 3.5; the
//!   position is the observation's age, so that the newest always has position 0);
//! - in each block x ← x + `MultiHead`(LN(x)) Wₒ + bₒ, then x ← x + FFN(LN(x)): the layer norm (Ba, Kiros and Hinton 2016)
//!   stands before each part instead of behind the sum (Xiong et al. 2020), which needs no warm-up;
//! - Attention(Q, K, V) = softmax(Q Kᵀ / √dₖ) V (equation 1), in `heads` heads of dₖ = d / `heads` numbers side by side
//!   (section 3.2.2); FFN(x) = max(0, x W₁ + b₁) W₂ + b₂ (equation 2); no dropout;
//! - y = LN(xₙ), what the newest observation has become, goes through dense layers to the outputs.
//!
//! Places where the episode is younger than the history do not exist: nothing attends to them.

use super::approximator::{Approximator, SlabArray};
use super::encoder_kernels::{backward, forward};
use super::kernels::{LANES, Nonlinearity, padded};
use super::layers::{Layer, Trace};
use super::sight::Sight;
use crate::base::{Chance, Purpose};

/// Added to variances in layer norms.
pub const EPSILON: f32 = 1e-5;

/// How large an encoder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderSizes {
    /// Numbers of an observation.
    pub features: usize,
    /// Observations of a row, at most.
    pub history: usize,
    /// d: numbers that an observation becomes; a multiple of 8 and of `heads`.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Numbers inside the position-wise feed-forward.
    pub feed_forward: usize,
    /// Widths of the hidden dense layers behind the encoder.
    pub hidden: Vec<usize>,
    /// Outputs.
    pub outputs: usize,
}

/// One block: attention and feed-forward, each behind a layer norm. Norms are told by where their gain begins in the
/// slab; the shift follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub norm_attention: usize,
    /// To queries, keys and values, side by side.
    pub attention: Layer,
    /// From the heads, side by side.
    pub mixed: Layer,
    pub norm_forward: usize,
    pub inner: Layer,
    pub outer: Layer,
}

/// Where an encoder's parts lie in the slab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EncoderShape {
    pub sizes: EncoderSizes,
    pub embedding: Layer,
    pub blocks: Vec<Block>,
    pub norm: usize,
    pub head: Vec<Layer>,
    pub length: usize,
}

impl EncoderShape {
    pub fn new(sizes: EncoderSizes, hidden: Nonlinearity) -> Self {
        let width = sizes.width;
        assert!(width.is_multiple_of(LANES) && width.is_multiple_of(sizes.heads), "{sizes:?}");
        let mut length = 0;
        let mut dense = |inputs: usize, outputs: usize, nonlinearity: Nonlinearity| {
            let layer = Layer { inputs, outputs, start: length, nonlinearity };
            length = layer.end();
            layer
        };
        let embedding = dense(sizes.features, width, Nonlinearity::Linear);
        let mut blocks = Vec::new();
        for _ in 0..sizes.layers {
            let attention = dense(width, 3 * width, Nonlinearity::Linear);
            let mixed = dense(width, width, Nonlinearity::Linear);
            let inner = dense(width, sizes.feed_forward, Nonlinearity::Rectified);
            let outer = dense(sizes.feed_forward, width, Nonlinearity::Linear);
            blocks.push(Block { norm_attention: 0, attention, mixed, norm_forward: 0, inner, outer });
        }
        let mut widths = vec![width];
        widths.extend(&sizes.hidden);
        widths.push(sizes.outputs);
        let last = widths.len() - 2;
        let bend = |place: usize| if place == last { Nonlinearity::Linear } else { hidden };
        let head = widths.windows(2).enumerate().map(|(place, pair)| dense(pair[0], pair[1], bend(place))).collect();
        for block in &mut blocks {
            block.norm_attention = length;
            block.norm_forward = length + 2 * width;
            length += 4 * width;
        }
        Self { embedding, blocks, norm: length, head, length: length + 2 * width, sizes }
    }

    /// How a row lies.
    pub fn sight(&self) -> Sight {
        Sight { features: self.sizes.features, history: self.sizes.history }
    }

    /// What an observation of each age has added: `history` × `width`, the newest first.
    pub fn positions(&self) -> Vec<f32> {
        let EncoderSizes { history, width, .. } = self.sizes;
        let of = |place: usize| {
            let (age, pair) = ((place / width) as f64, (place % width) / 2);
            let angle = age / 10_000_f64.powf(2.0 * pair as f64 / width as f64);
            (if place.is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
        };
        (0..history * width).map(of).collect()
    }

    pub fn arrays(&self) -> Vec<SlabArray> {
        let width = self.sizes.width;
        let norm = |name: String, start: usize| {
            let one = |part: &str, start| SlabArray {
                name: format!("{name}.{part}"),
                shape: vec![width],
                start,
                stride: width,
            };
            [one("gain", start), one("shift", start + width)]
        };
        let mut arrays: Vec<SlabArray> = self.embedding.arrays("embedding").into();
        for (place, block) in self.blocks.iter().enumerate() {
            let named = |part: &str| format!("block.{place}.{part}");
            arrays.extend(norm(named("norm_attention"), block.norm_attention));
            arrays.extend(block.attention.arrays(&named("attention")));
            arrays.extend(block.mixed.arrays(&named("mixed")));
            arrays.extend(norm(named("norm_forward"), block.norm_forward));
            arrays.extend(block.inner.arrays(&named("inner")));
            arrays.extend(block.outer.arrays(&named("outer")));
        }
        arrays.extend(norm("norm".to_owned(), self.norm));
        for (place, layer) in self.head.iter().enumerate() {
            arrays.extend(layer.arrays(&place.to_string()));
        }
        arrays
    }

    /// Parameters at the start: orthogonal weights (√2 times before a rectifier and in hidden layers behind the encoder,
    /// `last_gain` times at the outputs), biases and shifts of zero, gains of one.
    pub fn begin(&self, last_gain: f32, (chance, purpose, number): (Chance, Purpose, u64)) -> Vec<f32> {
        let root = std::f32::consts::SQRT_2;
        let mut layers = vec![(self.embedding, 1.0)];
        for block in &self.blocks {
            layers.extend([(block.attention, 1.0), (block.mixed, 1.0), (block.inner, root), (block.outer, 1.0)]);
        }
        let last = self.head.len() - 1;
        layers.extend(
            self.head.iter().enumerate().map(|(at, &layer)| (layer, if at == last { last_gain } else { root })),
        );
        let mut parameters = vec![0.0; self.length];
        for (place, (layer, gain)) in layers.into_iter().enumerate() {
            layer.begin(&mut parameters, gain, &mut chance.keyed(purpose, number, place as u64));
        }
        let norms = self.blocks.iter().flat_map(|block| [block.norm_attention, block.norm_forward]);
        for start in norms.chain([self.norm]) {
            parameters[start..start + self.sizes.width].fill(1.0);
        }
        parameters
    }
}

/// The encoder by our own kernels.
#[derive(Clone, Debug)]
pub struct TransformerEncoder {
    shape: EncoderShape,
    positions: Vec<f32>,
    parameters: Vec<f32>,
}

impl TransformerEncoder {
    /// An encoder of these sizes; `hidden` bends the dense layers behind it, `last_gain` and the key are as with
    /// [`super::Network::new`].
    ///
    /// # Panics
    /// When the width is no multiple of 8 and of the heads.
    #[must_use]
    pub fn new(sizes: EncoderSizes, hidden: Nonlinearity, last_gain: f32, key: (Chance, Purpose, u64)) -> Self {
        let shape = EncoderShape::new(sizes, hidden);
        Self { positions: shape.positions(), parameters: shape.begin(last_gain, key), shape }
    }
}

impl Approximator for TransformerEncoder {
    fn inputs(&self) -> usize {
        self.shape.sight().width()
    }

    fn outputs(&self) -> usize {
        self.shape.sizes.outputs
    }

    fn stride(&self) -> usize {
        padded(self.outputs())
    }

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    fn forward<'t>(&self, features: &[f32], rows: usize, trace: &'t mut Trace) -> &'t [f32] {
        forward(&self.shape, &self.parameters, &self.positions, (features, rows), &mut trace.encoder)
    }

    fn backward(&self, _: &[f32], rows: usize, output_gradients: &[f32], trace: &mut Trace, gradients: &mut [f32]) {
        let output_gradients = &output_gradients[..rows * self.stride()];
        backward(&self.shape, &self.parameters, output_gradients, &mut trace.encoder, gradients);
    }

    fn arrays(&self) -> Vec<SlabArray> {
        self.shape.arrays()
    }

    fn boxed_clone(&self) -> Box<dyn Approximator> {
        Box::new(self.clone())
    }
}
