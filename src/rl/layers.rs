//! The arithmetic of dense layers in `f32`, from rows of features to rows of outputs and back with gradients, on
//! parameters that stand wherever their owner keeps them: a network of its own, or a slot of a bank.
//!
//! Parameters lie in one slab: for each layer its weights, inputs × padded outputs, row-major, then its padded bias.
//! Padding is zero and stays zero: it has no gradient. Gradients lie in a slab of the same shape.

use super::checks::array;
use super::kernels::{Nonlinearity, Product, add, padded};
use crate::base::{PolicyFile, PolicyFileError, TensorData};

/// One dense layer: y = f(x W + b).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    pub inputs: usize,
    pub outputs: usize,
    /// Where its weights begin in the slab; its bias follows them.
    pub start: usize,
    nonlinearity: Nonlinearity,
}

impl Layer {
    /// Numbers from one row of weights to the next.
    pub fn width(self) -> usize {
        padded(self.outputs)
    }

    /// Where its bias begins.
    pub fn bias(self) -> usize {
        self.start + self.inputs * self.width()
    }

    /// Where the next layer begins.
    pub fn end(self) -> usize {
        self.bias() + self.width()
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
            let output = &mut after[0];
            output.resize(rows * layer.width(), 0.0);
            Product {
                sizes: (rows, layer.inputs, layer.width()),
                left: input,
                left_strides: (stride, 1),
                right: &parameters[layer.start..layer.bias()],
                bias: Some(&parameters[layer.bias()..layer.end()]),
                output,
                accumulate: false,
            }
            .compute();
            layer.nonlinearity.apply(&mut output[..rows * layer.width()]);
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
        let Trace { results, gradients: [above, below], transposed } = trace;
        above.clear();
        above.extend_from_slice(&output_gradients[..rows * self.stride()]);
        for (place, layer) in self.0.iter().enumerate().rev() {
            let (width, inputs) = (layer.width(), padded(layer.inputs));
            layer.nonlinearity.differentiate(&results[place][..rows * width], &mut above[..rows * width]);
            let (input, stride) = match place.checked_sub(1) {
                None => (features, layer.inputs),
                Some(before) => (&results[before][..], inputs),
            };
            // dW = xᵀ dy and db = Σ dy, over the rows in order.
            Product {
                sizes: (layer.inputs, rows, width),
                left: input,
                left_strides: (1, stride),
                right: above,
                bias: None,
                output: &mut gradients[layer.start..layer.bias()],
                accumulate: true,
            }
            .compute();
            for row in above[..rows * width].chunks(width) {
                add(&mut gradients[layer.bias()..layer.end()], row);
            }
            if place == 0 {
                break;
            }
            // dx = dy Wᵀ.
            transposed.clear();
            transposed.resize(layer.outputs * inputs, 0.0);
            for (input, weights) in parameters[layer.start..layer.bias()].chunks(width).enumerate() {
                for (output, &weight) in weights[..layer.outputs].iter().enumerate() {
                    transposed[output * inputs + input] = weight;
                }
            }
            below.resize(rows * inputs, 0.0);
            Product {
                sizes: (rows, layer.outputs, inputs),
                left: above,
                left_strides: (width, 1),
                right: transposed,
                bias: None,
                output: below,
                accumulate: false,
            }
            .compute();
            std::mem::swap(above, below);
        }
    }

    /// Parameters, or moments of the same shape, as arrays of a saved policy, padding left out, under names that begin
    /// with `name`: of one network, or of `networks` of them, whose slabs follow each other.
    #[must_use]
    pub fn save(&self, name: &str, slabs: &[f32], networks: Option<usize>) -> Vec<TensorData> {
        let shape = |of: &[usize]| networks.into_iter().chain(of.iter().copied()).collect();
        let each = || slabs.chunks_exact(self.parameters());
        let mut tensors = Vec::new();
        for (place, layer) in self.0.iter().enumerate() {
            let rows = each().flat_map(|slab| slab[layer.start..layer.bias()].chunks(layer.width()));
            let weights = rows.flat_map(|row| &row[..layer.outputs]).map(|&value| f64::from(value)).collect();
            let bias = each().flat_map(|slab| &slab[layer.bias()..][..layer.outputs]);
            let bias = bias.map(|&value| f64::from(value)).collect();
            let name = |part: &str| format!("{name}.{place}.{part}");
            let weights_shape = shape(&[layer.inputs, layer.outputs]);
            tensors.push(TensorData { name: name("weights"), shape: weights_shape, values: weights });
            tensors.push(TensorData { name: name("bias"), shape: shape(&[layer.outputs]), values: bias });
        }
        tensors
    }

    /// The slabs that [`Self::save`] made arrays of.
    ///
    /// # Errors
    /// When an array is missing, has another shape or holds what is no finite number.
    pub fn load(&self, name: &str, file: &PolicyFile, networks: Option<usize>) -> Result<Vec<f32>, PolicyFileError> {
        let shape = |of: &[usize]| networks.into_iter().chain(of.iter().copied()).collect::<Vec<_>>();
        let mut slabs = vec![0.0; self.parameters() * networks.unwrap_or(1)];
        for (place, layer) in self.0.iter().enumerate() {
            let find = |part: &str, of: &[usize]| array(file, &format!("{name}.{place}.{part}"), &shape(of));
            let weights = find("weights", &[layer.inputs, layer.outputs])?;
            let bias = find("bias", &[layer.outputs])?;
            let each = weights.chunks(layer.inputs * layer.outputs).zip(bias.chunks(layer.outputs));
            for (slab, (weights, bias)) in slabs.chunks_exact_mut(self.parameters()).zip(each) {
                let rows = slab[layer.start..layer.end()].chunks_mut(layer.width());
                for (row, values) in rows.zip(weights.chunks(layer.outputs).chain([bias])) {
                    row.iter_mut().zip(values).for_each(|(to, &from)| *to = from as f32);
                }
            }
        }
        Ok(slabs)
    }
}
