//! A linear map `output = input · weightsᵀ` over many rows, behind a trait: candle's quantised product as the portable
//! backend, the tiles of [`super::kernels`] where the processor has what they need.
//!
//! A backend gives a row the same bits whatever other rows are beside it and however many threads there are.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};
use rayon::prelude::*;

use super::kernels::{Input, Kernel, QuantisedRows, TiledWeights, first_damaged_block};
use crate::base::LanguageError;

/// Rows of activations, quantised at most once however many maps read them.
pub(super) struct Activations<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub width: usize,
    quantised: OnceLock<QuantisedRows>,
}

impl<'a> Activations<'a> {
    /// `values` holds `rows` rows of `width` numbers.
    pub fn new(values: &'a [f32], width: usize) -> Self {
        Self { values, rows: values.len() / width, width, quantised: OnceLock::new() }
    }

    fn quantised(&self, kernel: Kernel) -> &QuantisedRows {
        self.quantised.get_or_init(|| QuantisedRows::new(kernel, self.values, self.width))
    }
}

/// A linear map from `width` numbers to `outputs()` numbers, row by row.
pub(super) trait Linear: Send + Sync {
    /// Numbers a row of the output has.
    fn outputs(&self) -> usize;

    /// Brings the input into the form that [`Self::apply`] wants; without it `apply` does so.
    fn prepare(&self, _input: &Activations<'_>) {}

    /// Writes `input.rows` rows of `outputs()` numbers.
    fn apply(&self, input: &Activations<'_>, output: &mut [f32]) -> Result<(), LanguageError>;

    /// Writes the weights of one output: `width` numbers, as embeddings are looked up.
    fn weights(&self, output: usize, values: &mut [f32]) -> Result<(), LanguageError>;
}

/// Why weights cannot be used.
#[derive(Debug)]
pub(super) enum WeightProblem {
    /// A block's scale or offset, or a number, is infinite or no number.
    Damaged(String),
    /// candle refuses them.
    Refused(candle_core::Error),
}

impl From<candle_core::Error> for WeightProblem {
    fn from(error: candle_core::Error) -> Self {
        Self::Refused(error)
    }
}

/// The map with these weights (`outputs` rows of `inputs` columns, in the format `kind`).
pub(super) fn linear(
    kernel: Kernel,
    kind: GgmlDType,
    (outputs, inputs): (usize, usize),
    bytes: &[u8],
) -> Result<Arc<dyn Linear>, WeightProblem> {
    undamaged(kind, bytes)?;
    if kernel != Kernel::Portable
        && let Some(weights) = TiledWeights::pack(kernel, kind, (outputs, inputs), bytes)
    {
        return Ok(Arc::new(Tiled { weights }));
    }
    let weights = Arc::new(quantised_tensor(kind, (outputs, inputs), bytes)?);
    let product = QMatMul::from_arc(weights.clone())?;
    // For these formats candle computes a single row by another order of additions than several rows.
    let pairs = matches!(kind, GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 | GgmlDType::Q6K);
    Ok(Arc::new(Portable { product, weights, outputs, pairs }))
}

/// Several maps of the same input, side by side: threads that are done with one go on with the next.
pub(super) fn apply_all<const N: usize>(
    input: &Activations<'_>,
    maps: [(&dyn Linear, &mut [f32]); N],
) -> Result<(), LanguageError> {
    // Prepared before there are parallel tasks: one of them could otherwise wait for the other's preparation.
    for (map, _) in &maps {
        map.prepare(input);
    }
    maps.into_par_iter().try_for_each(|(map, output)| map.apply(input, output))
}

/// A row of weights that are used one by one (a norm's), in single precision.
pub(super) fn vector(kind: GgmlDType, length: usize, bytes: &[u8]) -> Result<Vec<f32>, WeightProblem> {
    undamaged(kind, bytes)?;
    Ok(quantised_tensor(kind, (1, length), bytes)?.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()?)
}

fn undamaged(kind: GgmlDType, bytes: &[u8]) -> Result<(), WeightProblem> {
    match first_damaged_block(kind, bytes) {
        None => Ok(()),
        Some(number) => {
            let what = if kind.block_size() == 1 { "number" } else { "the scale of block" };
            Err(WeightProblem::Damaged(format!("{what} {number} ({kind:?}) is infinite or no number")))
        }
    }
}

/// A tensor of candle's with these bytes.
fn quantised_tensor(kind: GgmlDType, (rows, columns): (usize, usize), bytes: &[u8]) -> candle_core::Result<QTensor> {
    // candle reads the bytes in place as blocks; a fresh allocation is aligned for them, a part of a file is not.
    let aligned = bytes.to_vec();
    QTensor::new(QStorage::from_data(Cow::Owned(aligned), &Device::Cpu, kind)?, (rows, columns))
}

struct Portable {
    product: QMatMul,
    weights: Arc<QTensor>,
    outputs: usize,
    pairs: bool,
}

impl Linear for Portable {
    fn outputs(&self) -> usize {
        self.outputs
    }

    fn apply(&self, input: &Activations<'_>, output: &mut [f32]) -> Result<(), LanguageError> {
        let compute = || -> candle_core::Result<Vec<f32>> {
            let mut values = input.values.to_vec();
            let mut rows = input.rows;
            if self.pairs && rows == 1 {
                values.extend_from_slice(input.values);
                rows = 2;
            }
            let tensor = Tensor::from_vec(values, (rows, input.width), &Device::Cpu)?;
            self.product.forward(&tensor)?.flatten_all()?.to_vec1::<f32>()
        };
        let result = compute().map_err(candle_failed)?;
        output.copy_from_slice(&result[..output.len()]);
        Ok(())
    }

    fn weights(&self, output: usize, values: &mut [f32]) -> Result<(), LanguageError> {
        let compute = || -> candle_core::Result<Vec<f32>> {
            let place = Tensor::from_vec(vec![output as u32], 1, &Device::Cpu)?;
            self.weights.embedding(&place)?.flatten_all()?.to_vec1()
        };
        values.copy_from_slice(&compute().map_err(candle_failed)?);
        Ok(())
    }
}

fn candle_failed(error: candle_core::Error) -> LanguageError {
    LanguageError::Backend(format!("candle: {error}"))
}

struct Tiled {
    weights: TiledWeights,
}

impl Linear for Tiled {
    fn outputs(&self) -> usize {
        self.weights.outputs()
    }

    fn prepare(&self, input: &Activations<'_>) {
        if self.weights.wants_blocks() {
            input.quantised(self.weights.kernel());
        }
    }

    fn apply(&self, input: &Activations<'_>, output: &mut [f32]) -> Result<(), LanguageError> {
        let input = if self.weights.wants_blocks() {
            Input::Blocks(input.quantised(self.weights.kernel()))
        } else {
            Input::Numbers(input.values, input.width)
        };
        self.weights.multiply(input, output);
        Ok(())
    }

    fn weights(&self, output: usize, values: &mut [f32]) -> Result<(), LanguageError> {
        self.weights.weights(output, values);
        Ok(())
    }
}
