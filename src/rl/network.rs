//! A network: dense layers with parameters of their own, how they begin and how they are kept, and gradients of a batch
//! over all threads.

use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::kernels::{Nonlinearity, add};
use super::layers::{Layers, Trace};
use super::optimiser::Adam;
use crate::base::{Chance, PolicyFile, PolicyFileError, Purpose, TensorData};

/// Rows of which one thread computes the gradient. Fixed, and partial sums are added in order, so that neither threads
/// nor their number can change a bit.
pub const CHUNK_ROWS: usize = 64;

/// Layers and their parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    layers: Layers,
    /// Weights and biases of all layers.
    pub parameters: Vec<f32>,
}

/// Parameters to begin with. Weights are orthogonal (Saxe, `McClelland` and Ganguli 2014) times `gain` for all layers but
/// the last and times `last_gain` for that; biases are zero. `number` tells apart the networks of one learner.
#[must_use]
pub fn begin_parameters(
    layers: &Layers,
    (gain, last_gain): (f32, f32),
    (chance, purpose, number): (Chance, Purpose, u64),
) -> Vec<f32> {
    let mut parameters = vec![0.0; layers.parameters()];
    let count = layers.iter().len();
    for (place, layer) in layers.iter().enumerate() {
        let gain = if place + 1 == count { last_gain } else { gain };
        let mut draw = chance.keyed(purpose, number, place as u64);
        let weights = orthogonal(layer.inputs, layer.outputs, &mut draw);
        for (row, values) in weights.chunks(layer.outputs).enumerate() {
            for (column, &value) in values.iter().enumerate() {
                parameters[layer.start + row * layer.width() + column] = gain * value as f32;
            }
        }
    }
    parameters
}

impl Network {
    /// A network of these widths, from inputs to outputs, whose parameters are those of [`begin_parameters`].
    ///
    /// # Panics
    /// With fewer than two widths, or one of zero.
    #[must_use]
    pub fn new(widths: &[usize], hidden: Nonlinearity, gains: (f32, f32), drawn: (Chance, Purpose, u64)) -> Self {
        let layers = Layers::new(widths, hidden);
        let parameters = begin_parameters(&layers, gains, drawn);
        Self { layers, parameters }
    }

    /// A network of these layers with these parameters.
    ///
    /// # Panics
    /// When there are more or fewer than the layers have.
    #[must_use]
    pub fn with(layers: Layers, parameters: Vec<f32>) -> Self {
        assert_eq!(layers.parameters(), parameters.len(), "parameters of other layers");
        Self { layers, parameters }
    }

    /// Numbers that a row of input has.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.layers.inputs()
    }

    /// Numbers that a row of output has, padding left out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers.outputs()
    }

    /// Numbers from one row of output to the next.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.layers.stride()
    }

    /// Computes the outputs of `rows` rows of features; they stand in `trace` until the next call.
    pub fn forward<'t>(&self, features: &[f32], rows: usize, trace: &'t mut Trace) -> &'t [f32] {
        self.layers.forward(&self.parameters, features, rows, trace)
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
        self.layers.backward(&self.parameters, (features, rows), output_gradients, trace, gradients);
    }

    /// The parameters as arrays of a saved policy, under names that begin with `name`; `slab` is the parameters
    /// themselves, or moments of the same shape.
    #[must_use]
    pub fn save(&self, name: &str, slab: &[f32]) -> Vec<TensorData> {
        self.layers.save(name, slab, None)
    }

    /// The slab that [`Self::save`] made arrays of.
    ///
    /// # Errors
    /// When an array is missing, has another shape or holds what is no finite number.
    pub fn load(&self, name: &str, file: &PolicyFile) -> Result<Vec<f32>, PolicyFileError> {
        self.layers.load(name, file, None)
    }

    /// The network with Adam's memory of it, to be changed where they stand.
    pub(super) fn with_memory<'a>(&'a mut self, adam: &'a mut Adam) -> NetworkMut<'a> {
        NetworkMut {
            layers: &self.layers,
            parameters: &mut self.parameters,
            first: &mut adam.first,
            second: &mut adam.second,
            steps: &mut adam.steps,
        }
    }
}

/// A network and Adam's memory of its gradients, wherever they are kept.
pub(super) struct NetworkMut<'a> {
    pub layers: &'a Layers,
    pub parameters: &'a mut [f32],
    pub first: &'a mut [f32],
    pub second: &'a mut [f32],
    pub steps: &'a mut u64,
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
fn orthogonal(inputs: usize, outputs: usize, draw: &mut impl Rng) -> Vec<f64> {
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
