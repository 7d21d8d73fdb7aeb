//! A network of dense layers with parameters of its own, and gradients of a batch over all threads.

use rayon::prelude::*;

use super::approximator::{Approximator, SlabArray};
use super::kernels::{Nonlinearity, add};
use super::layers::Layers;
pub use super::layers::Trace;
use crate::base::{Chance, Purpose};

/// Rows of which one thread computes the gradient. Fixed, and partial sums are added in order, so that neither threads
/// nor their number can change a bit.
pub const CHUNK_ROWS: usize = 64;

/// Layers and their parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub(super) layers: Layers,
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
        layer.begin(&mut parameters, gain, &mut draw);
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
        self.layers.arrays()
    }

    fn boxed_clone(&self) -> Box<dyn Approximator> {
        Box::new(self.clone())
    }
}

/// Sums over the rows of a batch, computed in chunks of fixed size on all threads and added in order. `chunk`
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
