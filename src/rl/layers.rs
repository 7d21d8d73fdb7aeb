//! The arithmetic of dense layers in `f32`, from rows of features to rows of outputs and back with gradients, on
//! parameters that stand wherever their owner keeps them: a network of its own, or a slot of a bank.
//!
//! Parameters lie in one slab: for each layer its weights, inputs × padded outputs, row-major, then its padded bias.
//! Padding is zero and stays zero: it has no gradient. Gradients lie in a slab of the same shape.

use rand::{Rng, RngExt};

use super::approximator::SlabArray;
use super::candle::Tape;
use super::encoder_kernels::EncoderTrace;
use super::kernels::{Nonlinearity, Product, add, padded};

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

/// Dense layers one after another, without their parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers(Vec<Layer>);

/// Results of all layers for the rows of a batch, kept for the way back.
#[derive(Debug, Default)]
pub struct Trace {
    results: Vec<Vec<f32>>,
    gradients: [Vec<f32>; 2],
    transposed: Vec<f32>,
    pub(super) encoder: EncoderTrace,
    pub(super) tape: Tape,
}

impl Layers {
    /// Layers of these widths, from inputs to outputs; the last is linear.
    ///
    /// # Panics
    /// With fewer than two widths, or one of zero.
    #[must_use]
    pub fn new(widths: &[usize], hidden: Nonlinearity) -> Self {
        assert!(widths.len() >= 2 && widths.iter().all(|&width| width > 0), "widths {widths:?}");
        let mut layers = Vec::new();
        let mut start = 0;
        for (place, pair) in widths.windows(2).enumerate() {
            let nonlinearity = if place + 2 == widths.len() { Nonlinearity::Linear } else { hidden };
            let layer = Layer { inputs: pair[0], outputs: pair[1], start, nonlinearity };
            start = layer.end();
            layers.push(layer);
        }
        Self(layers)
    }

    /// The layers.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Layer> + ExactSizeIterator {
        self.0.iter()
    }

    /// The layers themselves.
    pub(super) fn into_vec(self) -> Vec<Layer> {
        self.0
    }

    /// Parameters of all of them, padding included.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.last().end()
    }

    /// Numbers that a row of input has.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.0[0].inputs
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

    fn last(&self) -> Layer {
        *self.0.last().expect("there is a layer")
    }

    /// Computes the outputs of `rows` rows of features; they stand in `trace` until the next call.
    pub fn forward<'t>(&self, parameters: &[f32], features: &[f32], rows: usize, trace: &'t mut Trace) -> &'t [f32] {
        trace.results.resize_with(self.0.len(), Vec::new);
        for (place, layer) in self.0.iter().enumerate() {
            let (before, after) = trace.results.split_at_mut(place);
            let (input, stride) = match before.last() {
                None => (features, layer.inputs),
                Some(results) => (&results[..], padded(layer.inputs)),
            };
            layer.forward(parameters, (input, stride), rows, &mut after[0]);
        }
        &trace.results[self.0.len() - 1][..rows * self.stride()]
    }

    /// Adds to `gradients` what the gradients of the outputs (`rows` × [`Self::stride`]) make of the parameters, for the
    /// rows of the last [`Self::forward`] with these parameters and this trace.
    pub fn backward(
        &self,
        parameters: &[f32],
        (features, rows): (&[f32], usize),
        output_gradients: &[f32],
        trace: &mut Trace,
        gradients: &mut [f32],
    ) {
        let Trace { results, gradients: [above, below], transposed, .. } = trace;
        above.clear();
        above.extend_from_slice(&output_gradients[..rows * self.stride()]);
        for (place, layer) in self.0.iter().enumerate().rev() {
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
            layer.below(parameters, above, rows, transposed, below);
            std::mem::swap(above, below);
        }
    }

    /// Where the arrays of each layer lie in a slab.
    #[must_use]
    pub fn arrays(&self) -> Vec<SlabArray> {
        self.0.iter().enumerate().flat_map(|(place, layer)| layer.arrays(&place.to_string())).collect()
    }
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
