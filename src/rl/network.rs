//! A network of dense layers in `f32`: from rows of features to rows of outputs, and back with gradients.
//!
//! Parameters lie in one slab: for each layer its weights, inputs × padded outputs, row-major, then its padded bias.
//! Padding is zero and stays zero: it has no gradient. Gradients lie in a slab of the same shape.

use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::approximator::{Approximator, SlabArray};
use super::candle::Tape;
use super::encoder_kernels::EncoderTrace;
use super::kernels::{Nonlinearity, Product, add, padded};
use crate::base::{Chance, Purpose};

/// Rows of which one thread computes the gradient. Fixed, and partial sums are added in order, so that neither threads
/// nor their number can change a bit.
pub const CHUNK_ROWS: usize = 64;

/// One dense layer: y = f(x W + b).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    pub inputs: usize,
    pub outputs: usize,
    /// Where its weights begin in the slab; its bias follows them.
    pub start: usize,
    pub nonlinearity: Nonlinearity,
}

impl Layer {
    pub fn width(self) -> usize {
        padded(self.outputs)
    }

    pub fn bias(self) -> usize {
        self.start + self.inputs * self.width()
    }

    pub fn end(self) -> usize {
        self.bias() + self.width()
    }

    /// Its weights and its bias, under the names `NAME.weights` and `NAME.bias`.
    pub fn arrays(self, name: &str) -> [SlabArray; 2] {
        let (stride, outputs) = (self.width(), self.outputs);
        let (weights, bias) = (vec![self.inputs, outputs], vec![outputs]);
        [
            SlabArray { name: format!("{name}.weights"), shape: weights, start: self.start, stride },
            SlabArray { name: format!("{name}.bias"), shape: bias, start: self.bias(), stride },
        ]
    }

    /// Puts orthogonal weights times `gain` into the slab.
    pub fn begin(self, parameters: &mut [f32], gain: f32, draw: &mut impl Rng) {
        let weights = orthogonal(self.inputs, self.outputs, draw);
        let [of_weights, _] = self.arrays("");
        of_weights.put(parameters, weights.iter().map(|&value| gain * value as f32));
    }

    /// Its results for rows that lie `stride` apart.
    pub fn forward(self, parameters: &[f32], (input, stride): (&[f32], usize), rows: usize, output: &mut Vec<f32>) {
        output.resize(rows * self.width(), 0.0);
        Product {
            sizes: (rows, self.inputs, self.width()),
            left: input,
            left_strides: (stride, 1),
            right: &parameters[self.start..self.bias()],
            bias: Some(&parameters[self.bias()..self.end()]),
            output,
            accumulate: false,
        }
        .compute();
        self.nonlinearity.apply(&mut output[..rows * self.width()]);
    }

    /// Adds dW = xᵀ dy and db = Σ dy, over the rows in order; dy is that of its sums.
    pub fn learn(self, (input, stride): (&[f32], usize), rows: usize, above: &[f32], gradients: &mut [f32]) {
        Product {
            sizes: (self.inputs, rows, self.width()),
            left: input,
            left_strides: (1, stride),
            right: above,
            bias: None,
            output: &mut gradients[self.start..self.bias()],
            accumulate: true,
        }
        .compute();
        for row in above[..rows * self.width()].chunks(self.width()) {
            add(&mut gradients[self.bias()..self.end()], row);
        }
    }

    /// dx = dy Wᵀ, in rows of whole vectors.
    pub fn below(
        self,
        parameters: &[f32],
        above: &[f32],
        rows: usize,
        transposed: &mut Vec<f32>,
        below: &mut Vec<f32>,
    ) {
        let (width, inputs) = (self.width(), padded(self.inputs));
        transposed.clear();
        transposed.resize(self.outputs * inputs, 0.0);
        for (input, weights) in parameters[self.start..self.bias()].chunks(width).enumerate() {
            for (output, &weight) in weights[..self.outputs].iter().enumerate() {
                transposed[output * inputs + input] = weight;
            }
        }
        below.resize(rows * inputs, 0.0);
        Product {
            sizes: (rows, self.outputs, inputs),
            left: above,
            left_strides: (width, 1),
            right: transposed,
            bias: None,
            output: below,
            accumulate: false,
        }
        .compute();
    }
}

/// Layers and their parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub(super) layers: Vec<Layer>,
    /// Weights and biases of all layers.
    pub parameters: Vec<f32>,
}

/// Results of all layers for the rows of a batch, kept for the way back.
#[derive(Debug, Default)]
pub struct Trace {
    results: Vec<Vec<f32>>,
    gradients: [Vec<f32>; 2],
    transposed: Vec<f32>,
    pub(super) encoder: EncoderTrace,
    pub(super) tape: Tape,
}

impl Network {
    /// A network of these widths, from inputs to outputs. Weights are orthogonal (Saxe, `McClelland` and Ganguli 2014) times
    /// `gain` for all layers but the last and times `last_gain` for that; biases are zero. `number` tells apart the
    /// networks of one learner.
    ///
    /// # Panics
    /// With fewer than two widths, or one of zero.
    #[must_use]
    pub fn new(
        widths: &[usize],
        hidden: Nonlinearity,
        (gain, last_gain): (f32, f32),
        (chance, purpose, number): (Chance, Purpose, u64),
    ) -> Self {
        assert!(widths.len() >= 2 && widths.iter().all(|&width| width > 0), "widths {widths:?}");
        let mut layers = Vec::new();
        let mut start = 0;
        for (place, pair) in widths.windows(2).enumerate() {
            let nonlinearity = if place + 2 == widths.len() { Nonlinearity::Linear } else { hidden };
            let layer = Layer { inputs: pair[0], outputs: pair[1], start, nonlinearity };
            start = layer.end();
            layers.push(layer);
        }
        let mut parameters = vec![0.0; start];
        for (place, layer) in layers.iter().enumerate() {
            let gain = if place + 1 == layers.len() { last_gain } else { gain };
            let mut draw = chance.keyed(purpose, number, place as u64);
            layer.begin(&mut parameters, gain, &mut draw);
        }
        Self { layers, parameters }
    }

    /// Numbers that a row of input has.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// Numbers that a row of output has, padding left out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.last().outputs
    }

    /// Numbers from one row of output to the next.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.last().width()
    }

    fn last(&self) -> &Layer {
        self.layers.last().expect("a network has a layer")
    }

    /// Computes the outputs of `rows` rows of features; they stand in `trace` until the next call.
    pub fn forward<'t>(&self, features: &[f32], rows: usize, trace: &'t mut Trace) -> &'t [f32] {
        trace.results.resize_with(self.layers.len(), Vec::new);
        for (place, layer) in self.layers.iter().enumerate() {
            let (before, after) = trace.results.split_at_mut(place);
            let (input, stride) = match before.last() {
                None => (features, layer.inputs),
                Some(results) => (&results[..], padded(layer.inputs)),
            };
            layer.forward(&self.parameters, (input, stride), rows, &mut after[0]);
        }
        &trace.results[self.layers.len() - 1][..rows * self.stride()]
    }

    /// Adds to `gradients` what the gradients of the outputs (`rows` × [`Self::stride`]) make of the parameters, for the
    /// rows of the last [`Self::forward`] with this trace.
    pub fn backward(
        &self,
        features: &[f32],
        rows: usize,
        output_gradients: &[f32],
        trace: &mut Trace,
        gradients: &mut [f32],
    ) {
        let Trace { results, gradients: [above, below], transposed, .. } = trace;
        above.clear();
        above.extend_from_slice(&output_gradients[..rows * self.stride()]);
        for (place, layer) in self.layers.iter().enumerate().rev() {
            let width = layer.width();
            layer.nonlinearity.differentiate(&results[place][..rows * width], &mut above[..rows * width]);
            let input = match place.checked_sub(1) {
                None => (features, layer.inputs),
                Some(before) => (&results[before][..], padded(layer.inputs)),
            };
            layer.learn(input, rows, above, gradients);
            if place == 0 {
                break;
            }
            layer.below(&self.parameters, above, rows, transposed, below);
            std::mem::swap(above, below);
        }
    }
}

impl Approximator for Network {
    fn inputs(&self) -> usize {
        self.inputs()
    }

    fn outputs(&self) -> usize {
        self.outputs()
    }

    fn stride(&self) -> usize {
        self.stride()
    }

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    fn forward<'t>(&self, features: &[f32], rows: usize, trace: &'t mut Trace) -> &'t [f32] {
        self.forward(features, rows, trace)
    }

    fn backward(
        &self,
        features: &[f32],
        rows: usize,
        output_gradients: &[f32],
        trace: &mut Trace,
        gradients: &mut [f32],
    ) {
        self.backward(features, rows, output_gradients, trace, gradients);
    }

    fn arrays(&self) -> Vec<SlabArray> {
        self.layers.iter().enumerate().flat_map(|(place, layer)| layer.arrays(&place.to_string())).collect()
    }

    fn boxed_clone(&self) -> Box<dyn Approximator> {
        Box::new(self.clone())
    }
}

/// Sums over the rows of a batch, computed in chunks of [`CHUNK_ROWS`] rows on all threads and added in order. `chunk`
/// is given a range of rows and adds their part to a slab of `parameters` zeros, and gives other sums of its own.
pub fn over_chunks<Sums: Send + Default + std::ops::AddAssign>(
    rows: usize,
    gradients: &mut [f32],
    workers: &mut Vec<Worker>,
    chunk: impl Fn(std::ops::Range<usize>, &mut Worker, &mut [f32]) -> Sums + Sync,
) -> Sums {
    let count = rows.div_ceil(CHUNK_ROWS);
    workers.resize_with(count.max(workers.len()), Worker::default);
    let work = |place: usize, worker: &mut Worker| {
        let mut slab = std::mem::take(&mut worker.gradients);
        slab.clear();
        slab.resize(gradients.len(), 0.0);
        let sums = chunk(place * CHUNK_ROWS..rows.min((place + 1) * CHUNK_ROWS), worker, &mut slab);
        worker.gradients = slab;
        sums
    };
    let sums: Vec<Sums> = if count == 1 {
        vec![work(0, &mut workers[0])]
    } else {
        workers[..count].par_iter_mut().enumerate().map(|(place, worker)| work(place, worker)).collect()
    };
    gradients.fill(0.0);
    let mut total = Sums::default();
    for (worker, sums) in workers[..count].iter().zip(sums) {
        add(gradients, &worker.gradients);
        total += sums;
    }
    total
}

/// Room that a chunk's gradient is computed in, kept from batch to batch.
#[derive(Debug, Default)]
pub struct Worker {
    gradients: Vec<f32>,
    /// Of the networks that are asked.
    pub traces: [Trace; 2],
    /// Rows of features.
    pub features: Vec<f32>,
    /// Gradients of outputs.
    pub outputs: Vec<f32>,
}

/// A matrix of inputs × outputs with orthonormal rows or columns, whichever are fewer: Gram and Schmidt's, twice over,
/// on normal draws.
pub(super) fn orthogonal(inputs: usize, outputs: usize, draw: &mut impl Rng) -> Vec<f64> {
    let (count, length) = (inputs.min(outputs), inputs.max(outputs));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    while vectors.len() < count {
        let mut vector: Vec<f64> = (0..length).map(|_| normal(draw)).collect();
        for _ in 0..2 {
            for other in &vectors {
                let shared: f64 = vector.iter().zip(other).map(|(left, right)| left * right).sum();
                vector.iter_mut().zip(other).for_each(|(value, other)| *value -= shared * other);
            }
        }
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length > 1e-6 {
            for value in &mut vector {
                *value /= length;
            }
            vectors.push(vector);
        }
    }
    let at = |row: usize, column: usize| if inputs <= outputs { vectors[row][column] } else { vectors[column][row] };
    (0..inputs * outputs).map(|place| at(place / outputs, place % outputs)).collect()
}

/// A standard normal number (Box and Muller 1958).
fn normal(draw: &mut impl Rng) -> f64 {
    let (radius, angle): (f64, f64) = (draw.random(), draw.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}
