//! Networks by candle's tensors and automatic gradients: the second engine behind [`Approximator`]. Dense layers and the
//! Transformer encoder begin with the same weights as by our own kernels and lie in the same slab; only the order in
//! which sums are taken differs. It pays where layers are wide: a small network costs more in tensors than in sums.
//!
//! Bits are the same for any number of threads, and not on every processor: candle's products use what instructions
//! there are, fused ones too.

use std::sync::OnceLock;

use candle_core::{D, Device, Result, Tensor, Var};

use super::approximator::{Approximator, SlabArray};
use super::encoder::{EPSILON, EncoderShape, EncoderSizes};
use super::kernels::Nonlinearity;
use super::layers::{Layer, Trace};
use super::network::Network;
use crate::base::{Chance, Purpose};

/// What is added to the score of a place where nothing was seen: its weight becomes exactly 0.
const NOTHING_SEEN: f32 = -1e9;

const SHAPES: &str = "shapes of tensors are ours and fit";

/// The outputs of the last way there, with candle's record of how they came about.
#[derive(Debug, Default)]
pub(super) struct Tape {
    outputs: Option<Tensor>,
    results: Vec<f32>,
}

/// What is computed.
#[derive(Clone, Debug)]
enum Architecture {
    Dense(Vec<Layer>),
    Encoder(EncoderShape),
}

/// A network computed by candle.
#[derive(Debug)]
pub struct CandleNetwork {
    architecture: Architecture,
    arrays: Vec<SlabArray>,
    parameters: Vec<f32>,
    /// The parameters as tensors, one an array; made when they are first needed after a change.
    variables: OnceLock<Vec<Var>>,
}

impl CandleNetwork {
    /// The dense network that [`Network::new`] makes.
    #[must_use]
    pub fn dense(network: Network) -> Self {
        let arrays = network.arrays();
        let Network { layers, parameters } = network;
        Self { architecture: Architecture::Dense(layers.into_vec()), arrays, parameters, variables: OnceLock::new() }
    }

    /// The encoder that [`super::TransformerEncoder::new`] makes.
    #[must_use]
    pub fn encoder(sizes: EncoderSizes, hidden: Nonlinearity, last_gain: f32, key: (Chance, Purpose, u64)) -> Self {
        let shape = EncoderShape::new(sizes, hidden);
        let (arrays, parameters) = (shape.arrays(), shape.begin(last_gain, key));
        Self { architecture: Architecture::Encoder(shape), arrays, parameters, variables: OnceLock::new() }
    }

    fn variables(&self) -> &[Var] {
        self.variables.get_or_init(|| {
            let make = |array: &SlabArray| {
                let values: Vec<f32> = array.values(&self.parameters).collect();
                Var::from_vec(values, array.shape.as_slice(), &Device::Cpu).expect(SHAPES)
            };
            self.arrays.iter().map(make).collect()
        })
    }

    fn outputs_of(&self, features: &[f32], rows: usize) -> Result<Tensor> {
        let mut variables = self.variables().iter().map(Var::as_tensor);
        match &self.architecture {
            Architecture::Dense(layers) => {
                let features = &features[..rows * self.inputs()];
                let mut x = Tensor::from_slice(features, (rows, self.inputs()), &Device::Cpu)?;
                for layer in layers {
                    x = dense(&x, *layer, &mut variables)?;
                }
                Ok(x)
            }
            Architecture::Encoder(shape) => encoder(shape, features, rows, &mut variables),
        }
    }

    fn learn(&self, tape: &Tape, output_gradients: &[f32], gradients: &mut [f32]) -> Result<()> {
        let outputs = tape.outputs.as_ref().expect("the way there comes before the way back");
        let weights = Tensor::from_slice(output_gradients, outputs.shape(), &Device::Cpu)?;
        let found = (outputs * weights)?.sum_all()?.backward()?;
        for (array, variable) in self.arrays.iter().zip(self.variables()) {
            let Some(of) = found.get(variable) else { continue };
            for (place, value) in array.places(gradients).zip(of.flatten_all()?.to_vec1::<f32>()?) {
                *place += value;
            }
        }
        Ok(())
    }
}

/// y = f(x W + b).
fn dense<'t>(x: &Tensor, layer: Layer, variables: &mut impl Iterator<Item = &'t Tensor>) -> Result<Tensor> {
    let mut next = || variables.next().expect("an array for each part");
    let sums = x.matmul(next())?.broadcast_add(next())?;
    match layer.nonlinearity {
        Nonlinearity::Linear => Ok(sums),
        Nonlinearity::Tanh => sums.tanh(),
        Nonlinearity::Rectified => sums.relu(),
    }
}

fn layer_norm<'t>(x: &Tensor, variables: &mut impl Iterator<Item = &'t Tensor>) -> Result<Tensor> {
    let mut next = || variables.next().expect("an array for each part");
    let around = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let deviation = (around.sqr()?.mean_keepdim(D::Minus1)? + f64::from(EPSILON))?.sqrt()?;
    around.broadcast_div(&deviation)?.broadcast_mul(next())?.broadcast_add(next())
}

/// softmax over the last dimension.
fn softmax(x: &Tensor) -> Result<Tensor> {
    let shares = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    shares.broadcast_div(&shares.sum_keepdim(D::Minus1)?)
}

/// The encoder over rows of as many places as its history has, those unseen masked.
fn encoder<'t>(
    shape: &EncoderShape,
    features: &[f32],
    rows: usize,
    variables: &mut impl Iterator<Item = &'t Tensor>,
) -> Result<Tensor> {
    let EncoderSizes { features: count, history, width, heads, .. } = shape.sizes;
    let (mut seen, mut mask) = (Vec::with_capacity(rows * history * count), Vec::with_capacity(rows * history));
    for row in features.chunks(shape.sight().width()).take(rows) {
        seen.extend_from_slice(&row[..history * count]);
        let unseen = history - shape.sight().seen(row);
        mask.extend((0..history).map(|place| if place < unseen { NOTHING_SEEN } else { 0.0 }));
    }
    let mask = Tensor::from_vec(mask, (rows, 1, 1, history), &Device::Cpu)?;
    let positions: Vec<f32> = shape.positions().chunks(width).rev().flatten().copied().collect();
    let positions = Tensor::from_vec(positions, (1, history, width), &Device::Cpu)?;
    let x = Tensor::from_vec(seen, (rows * history, count), &Device::Cpu)?;
    let x = dense(&x, shape.embedding, variables)?.reshape((rows, history, width))?;
    let mut x = x.broadcast_add(&positions)?.reshape((rows * history, width))?;
    for (place, block) in shape.blocks.iter().enumerate() {
        let newest_only = place + 1 == shape.blocks.len();
        let queries = if newest_only { 1 } else { history };
        let newest = |x: &Tensor| x.narrow(1, history - queries, queries);
        let normed = layer_norm(&x, variables)?;
        let all = dense(&normed, block.attention, variables)?.reshape((rows, history, 3 * width))?;
        let in_heads = |part: &Tensor, count: usize| {
            part.reshape((rows, count, heads, width / heads))?.transpose(1, 2)?.contiguous()
        };
        let query = in_heads(&newest(&all.narrow(2, 0, width)?)?, queries)?;
        let (key, value) =
            (in_heads(&all.narrow(2, width, width)?, history)?, in_heads(&all.narrow(2, 2 * width, width)?, history)?);
        let scale = 1.0 / ((width / heads) as f64).sqrt();
        let scores = (query.matmul(&key.transpose(2, 3)?.contiguous()?)? * scale)?.broadcast_add(&mask)?;
        let mixed = softmax(&scores)?.matmul(&value)?.transpose(1, 2)?.reshape((rows * queries, width))?;
        let kept = newest(&x.reshape((rows, history, width))?)?.reshape((rows * queries, width))?;
        x = (kept + dense(&mixed, block.mixed, variables)?)?;
        let normed = layer_norm(&x, variables)?;
        let inner = dense(&normed, block.inner, variables)?;
        x = (&x + dense(&inner, block.outer, variables)?)?;
    }
    x = layer_norm(&x, variables)?;
    for layer in &shape.head {
        x = dense(&x, *layer, variables)?;
    }
    Ok(x)
}

impl Approximator for CandleNetwork {
    fn inputs(&self) -> usize {
        match &self.architecture {
            Architecture::Dense(layers) => layers[0].inputs,
            Architecture::Encoder(shape) => shape.sight().width(),
        }
    }

    fn outputs(&self) -> usize {
        match &self.architecture {
            Architecture::Dense(layers) => layers[layers.len() - 1].outputs,
            Architecture::Encoder(shape) => shape.sizes.outputs,
        }
    }

    fn stride(&self) -> usize {
        self.outputs()
    }

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        self.variables = OnceLock::new();
        &mut self.parameters
    }

    fn forward<'t>(&self, features: &[f32], rows: usize, trace: &'t mut Trace) -> &'t [f32] {
        let outputs = self.outputs_of(features, rows).expect(SHAPES);
        trace.tape.results = outputs.flatten_all().and_then(|flat| flat.to_vec1()).expect(SHAPES);
        trace.tape.outputs = Some(outputs);
        &trace.tape.results
    }

    fn backward(&self, _: &[f32], rows: usize, output_gradients: &[f32], trace: &mut Trace, gradients: &mut [f32]) {
        self.learn(&trace.tape, &output_gradients[..rows * self.stride()], gradients).expect(SHAPES);
        trace.tape.outputs = None;
    }

    fn arrays(&self) -> Vec<SlabArray> {
        self.arrays.clone()
    }

    fn boxed_clone(&self) -> Box<dyn Approximator> {
        // Tensors share their numbers: a copy makes its own.
        let (architecture, arrays) = (self.architecture.clone(), self.arrays.clone());
        let parameters = self.parameters.clone();
        Box::new(Self { architecture, arrays, parameters, variables: OnceLock::new() })
    }
}
