//! Many separate networks of one shape, side by side: one slab of weights and one for each moment of Adam, indexed by
//! slot. Threads share the slots and never a network, so that neither threads nor their number can change a bit.

use std::sync::Arc;

use rayon::prelude::*;

use super::approximator::{Approximator, SlabArray};
use super::checks::array;
use super::layers::{Layers, Trace};
use super::optimiser::{Adam, OptimiserSettings, clipping, step};
use crate::base::{PolicyFile, PolicyFileError, TensorData};

/// Slots that a thread takes at a time.
const SLOTS: usize = 16;

/// Networks of one shape and what Adam remembers of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Bank {
    layers: Arc<Layers>,
    weights: Arc<Vec<f32>>,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: Vec<u64>,
}

/// The networks of a bank as they were at one moment, to be asked.
#[derive(Clone, Debug)]
pub struct BankWeights {
    layers: Arc<Layers>,
    weights: Arc<Vec<f32>>,
}

impl BankWeights {
    /// How many networks there are.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.weights.len() / self.layers.parameters()
    }

    /// The layers of each.
    #[must_use]
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The parameters in a slot.
    ///
    /// # Panics
    /// When there is no such slot.
    #[must_use]
    pub fn parameters(&self, slot: usize) -> &[f32] {
        let count = self.layers.parameters();
        &self.weights[slot * count..(slot + 1) * count]
    }

    /// Asks every network for one row: row *i* of the features goes to slot *i*, and so do its outputs, padded to
    /// [`Layers::stride`].
    ///
    /// # Panics
    /// When there are other than one row a slot.
    pub fn ask_each(&self, features: &[f32], outputs: &mut [f32]) {
        let (inputs, stride, count) = (self.layers.inputs(), self.layers.stride(), self.layers.parameters());
        assert_eq!(features.len(), self.slots() * inputs, "a row of features a slot");
        assert_eq!(outputs.len(), self.slots() * stride, "a row of outputs a slot");
        let rows = features.par_chunks(SLOTS * inputs).zip(outputs.par_chunks_mut(SLOTS * stride));
        let blocks = self.weights.par_chunks(SLOTS * count).zip(rows);
        blocks.for_each_init(Trace::default, |trace, (weights, (features, outputs))| {
            let rows = features.chunks(inputs).zip(outputs.chunks_mut(stride));
            for (parameters, (features, outputs)) in weights.chunks(count).zip(rows) {
                outputs.copy_from_slice(self.layers.forward(parameters, features, 1, trace));
            }
        });
    }
}

/// A network of a bank and Adam's memory of it.
pub(super) struct Slot<'a> {
    layers: &'a Layers,
    parameters: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    steps: &'a mut u64,
}

impl Slot<'_> {
    /// Copies it into a network of its own of the same layers, to be worked on by who knows no bank.
    pub fn lend(&self, network: &mut dyn Approximator, adam: &mut Adam) {
        network.parameters_mut().copy_from_slice(self.parameters);
        adam.first.copy_from_slice(self.first);
        adam.second.copy_from_slice(self.second);
        adam.steps = *self.steps;
    }

    /// Copies it back.
    pub fn take_back(&mut self, network: &dyn Approximator, adam: &Adam) {
        self.parameters.copy_from_slice(network.parameters());
        self.first.copy_from_slice(&adam.first);
        self.second.copy_from_slice(&adam.second);
        *self.steps = adam.steps;
    }
}

/// What one network of a bank is worked on with; kept by a thread from network to network.
#[derive(Debug, Default)]
struct Desk {
    trace: Trace,
    gradients: Vec<f32>,
    outputs: Vec<f32>,
}

impl Bank {
    /// A bank of such networks, without any.
    #[must_use]
    pub fn new(layers: Layers) -> Self {
        let weights = Arc::default();
        Self { layers: Arc::new(layers), weights, first: Vec::new(), second: Vec::new(), steps: Vec::new() }
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.steps.len()
    }

    /// The layers of each network.
    #[must_use]
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The networks as they are now. Later changes do not reach them: a bank whose weights are still held elsewhere
    /// copies them before it changes them.
    #[must_use]
    pub fn weights(&self) -> BankWeights {
        BankWeights { layers: Arc::clone(&self.layers), weights: Arc::clone(&self.weights) }
    }

    /// Puts a network that has taken no step into a slot: one of those that are there, or a new one behind them.
    ///
    /// # Panics
    /// When the slot is further behind, or the network of another size.
    pub fn put(&mut self, slot: usize, parameters: &[f32]) {
        let count = self.layers.parameters();
        assert_eq!(parameters.len(), count, "parameters of other layers");
        assert!(slot <= self.slots(), "slot {slot} of {}", self.slots());
        let weights = Arc::make_mut(&mut self.weights);
        if slot == self.steps.len() {
            self.steps.push(0);
            weights.resize(weights.len() + count, 0.0);
            self.first.resize(self.first.len() + count, 0.0);
            self.second.resize(self.second.len() + count, 0.0);
        }
        let span = slot * count..(slot + 1) * count;
        weights[span.clone()].copy_from_slice(parameters);
        self.first[span.clone()].fill(0.0);
        self.second[span].fill(0.0);
        self.steps[slot] = 0;
    }

    /// All networks in the order of their slots, to be changed side by side.
    pub(super) fn networks(&mut self) -> impl IndexedParallelIterator<Item = Slot<'_>> {
        let (count, layers) = (self.layers.parameters(), &*self.layers);
        let moments = self.first.par_chunks_mut(count).zip(self.second.par_chunks_mut(count));
        let weights = Arc::make_mut(&mut self.weights).par_chunks_mut(count);
        let slots = weights.zip(moments).zip(&mut self.steps);
        slots.map(move |((parameters, (first, second)), steps)| Slot { layers, parameters, first, second, steps })
    }

    /// One step of every network towards targets of its own: `rows` rows of features each, `rows` × outputs numbers each
    /// that they should have given, the mean squared error over all of these as loss. Gives each network's loss before
    /// the step.
    ///
    /// # Panics
    /// When features or targets are other than `rows` rows a slot, or there are no rows.
    pub fn regress(
        &mut self,
        (features, targets, rows): (&[f32], &[f32], usize),
        settings: &OptimiserSettings,
        rate: f64,
    ) -> Vec<f64> {
        let (inputs, outputs) = (rows * self.layers.inputs(), rows * self.layers.outputs());
        let (stride, width) = (self.layers.stride(), self.layers.outputs());
        assert!(rows > 0, "nothing to learn from");
        assert_eq!(features.len(), self.slots() * inputs, "{rows} rows of features a slot");
        assert_eq!(targets.len(), self.slots() * outputs, "{rows} rows of targets a slot");
        let lessons = features.par_chunks(inputs).zip(targets.par_chunks(outputs));
        let losses = self.networks().zip(lessons).with_min_len(SLOTS).map_init(
            Desk::default,
            |desk, (slot, (features, targets))| {
                let found = slot.layers.forward(slot.parameters, features, rows, &mut desk.trace);
                desk.outputs.clear();
                desk.outputs.resize(rows * stride, 0.0);
                let mut loss = 0.0;
                let rows_of = found.chunks(stride).zip(targets.chunks(width)).zip(desk.outputs.chunks_mut(stride));
                for ((found, targets), gradients) in rows_of {
                    for ((gradient, found), target) in gradients.iter_mut().zip(found).zip(targets) {
                        let error = found - target;
                        loss += f64::from(error * error);
                        *gradient = 2.0 * error / outputs as f32;
                    }
                }
                desk.gradients.clear();
                desk.gradients.resize(slot.parameters.len(), 0.0);
                let batch = (features, rows);
                let (trace, gradients) = (&mut desk.trace, &mut desk.gradients);
                slot.layers.backward(slot.parameters, batch, &desk.outputs, trace, gradients);
                let (clip, _) = clipping(&[gradients], settings.gradient_norm);
                step(settings, rate, slot.parameters, (slot.first, slot.second, slot.steps), gradients, clip);
                loss / outputs as f64
            },
        );
        losses.collect()
    }

    /// Weights, moments and steps as arrays of a saved policy; the first dimension of each is the slot.
    #[must_use]
    pub fn save(&self, name: &str) -> Vec<TensorData> {
        let mut tensors = self.save_slabs(name, &self.weights);
        tensors.extend(self.save_slabs(&format!("adam.{name}.first"), &self.first));
        tensors.extend(self.save_slabs(&format!("adam.{name}.second"), &self.second));
        let values = self.steps.iter().map(|&steps| steps as f64).collect();
        tensors.push(TensorData { name: format!("adam.{name}.steps"), shape: vec![self.slots()], values });
        tensors
    }

    /// What [`Self::save`] saved: `slots` networks of these layers.
    ///
    /// # Errors
    /// When an array is missing, has another shape or holds what is no finite number.
    pub fn load(name: &str, layers: Layers, slots: usize, file: &PolicyFile) -> Result<Self, PolicyFileError> {
        let steps = array(file, &format!("adam.{name}.steps"), &[slots])?;
        let slabs = |name: &str| load_slabs(&layers, name, slots, file);
        Ok(Self {
            weights: Arc::new(slabs(name)?),
            first: slabs(&format!("adam.{name}.first"))?,
            second: slabs(&format!("adam.{name}.second"))?,
            steps: steps.into_iter().map(|count| count as u64).collect(),
            layers: Arc::new(layers),
        })
    }

    fn save_slabs(&self, name: &str, slabs: &[f32]) -> Vec<TensorData> {
        let save = |one: &SlabArray| {
            let each = slabs.chunks_exact(self.layers.parameters());
            let values = each.flat_map(|slab| one.values(slab)).map(f64::from).collect();
            let shape = [&[self.slots()], &one.shape[..]].concat();
            TensorData { name: format!("{name}.{}", one.name), shape, values }
        };
        self.layers.arrays().iter().map(save).collect()
    }
}

fn load_slabs(layers: &Layers, name: &str, slots: usize, file: &PolicyFile) -> Result<Vec<f32>, PolicyFileError> {
    let mut slabs = vec![0.0; slots * layers.parameters()];
    for one in layers.arrays() {
        let shape = [&[slots], &one.shape[..]].concat();
        let values = array(file, &format!("{name}.{}", one.name), &shape)?;
        let each = values.chunks(one.shape.iter().product());
        for (slab, values) in slabs.chunks_exact_mut(layers.parameters()).zip(each) {
            one.put(slab, values.iter().map(|&value| value as f32));
        }
    }
    Ok(slabs)
}
