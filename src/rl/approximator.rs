//! What learners ask of a network, whichever it is made of: rows of features become rows of outputs, and gradients of
//! outputs become gradients of parameters. Parameters lie in one slab of 32-bit numbers, so that one optimiser serves
//! all and everything can be saved.
//!
//! | engine | dense layers | Transformer encoder |
//! |---|---|---|
//! | `kernels`: our own, same bits on every processor | `network.rs` | `encoder.rs`, `encoder_kernels.rs` |
//! | `candle`: tensors with automatic gradients | `candle.rs` | `candle.rs` |

use super::checks::array;
use super::network::Trace;
use crate::base::{PolicyFile, PolicyFileError, TensorData};

/// A function with parameters that can be learned. Rows do not see each other, and a chunk of rows gives the same bits
/// in whichever thread it is computed.
pub trait Approximator: Send + Sync {
    /// Numbers that a row of input has.
    fn inputs(&self) -> usize;

    /// Numbers that a row of output has, padding left out.
    fn outputs(&self) -> usize;

    /// Numbers from one row of output to the next.
    fn stride(&self) -> usize;

    /// All parameters: whole vectors of 8 numbers, padding included.
    fn parameters(&self) -> &[f32];

    /// The same, to change them. Padding is zero and has to stay so.
    fn parameters_mut(&mut self) -> &mut [f32];

    /// Computes the outputs of `rows` rows of features; they stand in `trace` until the next call.
    fn forward<'t>(&self, features: &[f32], rows: usize, trace: &'t mut Trace) -> &'t [f32];

    /// Adds to `gradients` what the gradients of the outputs (`rows` × [`Self::stride`]) make of the parameters, for the
    /// rows of the last [`Self::forward`] with this trace.
    fn backward(
        &self,
        features: &[f32],
        rows: usize,
        output_gradients: &[f32],
        trace: &mut Trace,
        gradients: &mut [f32],
    );

    /// Where each array of parameters lies in the slab.
    fn arrays(&self) -> Vec<SlabArray>;

    /// A copy.
    fn boxed_clone(&self) -> Box<dyn Approximator>;

    /// The parameters as arrays of a saved policy, under names that begin with `name`; `slab` is the parameters
    /// themselves, or moments of the same shape.
    fn save(&self, name: &str, slab: &[f32]) -> Vec<TensorData> {
        self.arrays().iter().map(|one| one.save(name, slab)).collect()
    }

    /// The slab that [`Self::save`] made arrays of.
    ///
    /// # Errors
    /// When an array is missing, has another shape or holds what is no finite number.
    fn load(&self, name: &str, file: &PolicyFile) -> Result<Vec<f32>, PolicyFileError> {
        let mut slab = vec![0.0; self.parameters().len()];
        for one in self.arrays() {
            one.load(name, file, &mut slab)?;
        }
        Ok(slab)
    }
}

impl Clone for Box<dyn Approximator> {
    fn clone(&self) -> Self {
        self.boxed_clone()
    }
}

/// An array of parameters in a slab: a matrix, row-major, or a row of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlabArray {
    /// Its name behind that of the network.
    pub name: String,
    /// Rows and columns, or columns alone.
    pub shape: Vec<usize>,
    /// Where it begins.
    pub start: usize,
    /// Numbers from one row to the next; those past the columns are padding.
    pub stride: usize,
}

impl SlabArray {
    fn columns(&self) -> usize {
        self.shape[self.shape.len() - 1]
    }

    fn rows(&self) -> usize {
        if self.shape.len() == 1 { 1 } else { self.shape[0] }
    }

    /// Its numbers, padding left out.
    pub fn values<'s>(&self, slab: &'s [f32]) -> impl Iterator<Item = f32> + 's {
        let columns = self.columns();
        let rows = slab[self.start..self.start + self.rows() * self.stride].chunks(self.stride);
        rows.flat_map(move |row| &row[..columns]).copied()
    }

    /// The same, to change them.
    pub fn places<'s>(&self, slab: &'s mut [f32]) -> impl Iterator<Item = &'s mut f32> {
        let (columns, end) = (self.columns(), self.start + self.rows() * self.stride);
        slab[self.start..end].chunks_mut(self.stride).flat_map(move |row| &mut row[..columns])
    }

    /// Puts numbers into it.
    pub fn put(&self, slab: &mut [f32], values: impl Iterator<Item = f32>) {
        for (place, value) in self.places(slab).zip(values) {
            *place = value;
        }
    }

    fn save(&self, name: &str, slab: &[f32]) -> TensorData {
        let values = self.values(slab).map(f64::from).collect();
        TensorData { name: format!("{name}.{}", self.name), shape: self.shape.clone(), values }
    }

    fn load(&self, name: &str, file: &PolicyFile, slab: &mut [f32]) -> Result<(), PolicyFileError> {
        let values = array(file, &format!("{name}.{}", self.name), &self.shape)?;
        self.put(slab, values.iter().map(|&value| value as f32));
        Ok(())
    }
}
