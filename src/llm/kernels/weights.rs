//! Weights packed in tiles of sixteen outputs, and their products with rows of activations.

use candle_core::quantized::GgmlDType;
use rayon::prelude::*;

use super::blocks::{Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0, TileBlock};
use super::numbers::{Brain, Half, NumberFormat, Single};
use super::rows::QuantisedRows;
use super::{BLOCK, Kernel, LANES, plain};
#[cfg(target_arch = "x86_64")]
use super::{avx2, vnni};

/// Activation rows that are worked on together, so that a weight block is unpacked once for all of them.
const ROWS: usize = 8;
/// Rows of a parallel task: few enough that threads end at about the same time.
const BAND: usize = 64;
/// Vector operations a parallel task should at least have, so that handing it out does not cost more than it gains.
const TASK_STEPS: usize = 600;

/// Rows of activations in the form that the weights want.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// For weights of whole numbers.
    Blocks(&'a QuantisedRows),
    /// For weights of real numbers: rows of so many numbers.
    Numbers(&'a [f32], usize),
}

impl Input<'_> {
    fn rows(self) -> usize {
        match self {
            Self::Blocks(rows) => rows.rows(),
            Self::Numbers(values, width) => values.len() / width,
        }
    }
}

/// Weights of one format.
trait Tiles: Send + Sync {
    /// Whether they want [`Input::Blocks`].
    fn wants_blocks(&self) -> bool;
    /// Vector operations a tile takes for a row, about.
    fn steps(&self) -> usize;
    /// The products of one tile with 8, 4, 2 or 1 rows from `row` on.
    fn products(&self, kernel: Kernel, tile: usize, input: Input<'_>, row: usize, sums: &mut [[f32; LANES]]);
    /// The weights of one output.
    fn weights(&self, output: usize, values: &mut [f32]);
}

/// Weights in tiles.
pub struct TiledWeights {
    kernel: Kernel,
    outputs: usize,
    inputs: usize,
    tiles: Box<dyn Tiles>,
}

impl TiledWeights {
    /// Packs weights (`outputs` rows of `inputs` columns, as they stand in the file); none for a format that has no
    /// kernel here or a width that is no whole number of blocks.
    pub fn pack(kernel: Kernel, kind: GgmlDType, (outputs, inputs): (usize, usize), bytes: &[u8]) -> Option<Self> {
        if inputs == 0 || bytes.len() != (outputs * inputs).checked_div(kind.block_size())? * kind.type_size() {
            return None;
        }
        let tiles = match kind {
            GgmlDType::Q4_0 => blocks::<Q4_0>(inputs, bytes)?,
            GgmlDType::Q4_1 => blocks::<Q4_1>(inputs, bytes)?,
            GgmlDType::Q5_0 => blocks::<Q5_0>(inputs, bytes)?,
            GgmlDType::Q5_1 => blocks::<Q5_1>(inputs, bytes)?,
            GgmlDType::Q8_0 => blocks::<Q8_0>(inputs, bytes)?,
            GgmlDType::Q4K => blocks::<Q4K>(inputs, bytes)?,
            GgmlDType::Q5K => blocks::<Q5K>(inputs, bytes)?,
            GgmlDType::Q6K => blocks::<Q6K>(inputs, bytes)?,
            GgmlDType::F32 => numbers::<Single>(inputs, bytes),
            GgmlDType::F16 => numbers::<Half>(inputs, bytes),
            GgmlDType::BF16 => numbers::<Brain>(inputs, bytes),
            _ => return None,
        };
        Some(Self { kernel, outputs, inputs, tiles })
    }

    /// The kernel they are for.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Numbers a row of the output has.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Whether [`Self::multiply`] wants [`Input::Blocks`].
    pub fn wants_blocks(&self) -> bool {
        self.tiles.wants_blocks()
    }

    /// Writes the weights of one output, in single precision: a row of the matrix.
    pub fn weights(&self, output: usize, values: &mut [f32]) {
        assert!(output < self.outputs && values.len() == self.inputs, "a row of the matrix");
        self.tiles.weights(output, values);
    }

    /// Writes the products of all rows with the weights; threads take outputs, never parts of a sum.
    #[expect(unsafe_code, reason = "parallel writes to disjoint places")]
    pub fn multiply(&self, input: Input<'_>, output: &mut [f32]) {
        let rows = input.rows();
        assert_eq!(output.len(), rows * self.outputs, "there must be a row of output for each row of input");
        let target = Target(output.as_mut_ptr());
        let bands = rows.div_ceil(BAND).max(1);
        let least = (TASK_STEPS / (self.tiles.steps() * rows.min(BAND)).max(1)).max(1);
        let tasks = self.outputs.div_ceil(LANES) * bands;
        (0..tasks).into_par_iter().with_min_len(least).for_each(|task| {
            let (tile, band) = (task / bands, task % bands);
            let width = LANES.min(self.outputs - tile * LANES);
            let mut room = [[0.0; LANES]; ROWS];
            let mut row = band * BAND;
            let end = rows.min(row + BAND);
            while row < end {
                // 8, 4, 2 and 1 rows have loops of their own; a sum is the same in all of them.
                let count = ROWS.min(1 << (end - row).ilog2());
                let sums = &mut room[..count];
                self.tiles.products(self.kernel, tile, input, row, sums);
                for (place, sums) in sums.iter().enumerate() {
                    let start = (row + place) * self.outputs + tile * LANES;
                    // SAFETY: start + width ≤ rows · outputs, asserted above to be the output's length; each (row, tile)
                    // is written by one task only, so that no two tasks touch the same numbers.
                    unsafe {
                        if width == LANES {
                            target.at(start).cast::<[f32; LANES]>().write_unaligned(*sums);
                        } else {
                            std::ptr::copy_nonoverlapping(sums.as_ptr(), target.at(start), width);
                        }
                    }
                }
                row += count;
            }
        });
    }
}

/// Where tasks write; sound because each writes its own part only.
#[derive(Clone, Copy)]
struct Target(*mut f32);

#[expect(unsafe_code, reason = "parallel writes to disjoint places")]
// SAFETY: the pointer is only used for writes to disjoint places, see `TiledWeights::multiply`.
unsafe impl Send for Target {}
#[expect(unsafe_code, reason = "parallel writes to disjoint places")]
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// # Safety
    /// `place` must lie inside the allocation.
    #[expect(unsafe_code, reason = "parallel writes to disjoint places")]
    unsafe fn at(&self, place: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(place) }
    }
}

/// Weights of whole numbers.
struct BlockTiles<B> {
    /// Blocks of the file a row of weights has.
    blocks: usize,
    tiles: Vec<B>,
}

fn blocks<B: TileBlock + 'static>(inputs: usize, bytes: &[u8]) -> Option<Box<dyn Tiles>> {
    if !inputs.is_multiple_of(B::PARTS * BLOCK) {
        return None;
    }
    let blocks = inputs / (B::PARTS * BLOCK);
    let outputs = bytes.len() / B::BYTES / blocks;
    let mut tiles = vec![B::EMPTY; outputs.div_ceil(LANES) * blocks];
    tiles.par_chunks_exact_mut(blocks).zip(bytes.par_chunks(LANES * blocks * B::BYTES)).for_each(|(tile, bytes)| {
        for (lane, row) in bytes.chunks_exact(blocks * B::BYTES).enumerate() {
            for (block, bytes) in tile.iter_mut().zip(row.chunks_exact(B::BYTES)) {
                block.fill(lane, bytes);
            }
        }
    });
    Some(Box::new(BlockTiles { blocks, tiles }))
}

impl<B: TileBlock> BlockTiles<B> {
    fn tile(&self, tile: usize) -> &[B] {
        &self.tiles[tile * self.blocks..][..self.blocks]
    }

    #[expect(unsafe_code, reason = "functions for vector instructions; the kernel says that the processor has them")]
    fn group<const R: usize>(
        &self,
        kernel: Kernel,
        tile: usize,
        input: &QuantisedRows,
        row: usize,
        sums: &mut [[f32; LANES]; R],
    ) {
        let rows = input.of_rows(row, R);
        match kernel {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel is only chosen when the processor has its features.
            Kernel::Vnni => unsafe { vnni::quantised(self.tile(tile), rows, sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kernel::Avx2 => unsafe { avx2::quantised(self.tile(tile), rows, sums) },
            _ => plain::quantised(self.tile(tile), rows, sums),
        }
    }
}

impl<B: TileBlock> Tiles for BlockTiles<B> {
    fn wants_blocks(&self) -> bool {
        true
    }

    fn steps(&self) -> usize {
        self.blocks * B::PARTS
    }

    fn products(&self, kernel: Kernel, tile: usize, input: Input<'_>, row: usize, sums: &mut [[f32; LANES]]) {
        let Input::Blocks(input) = input else { panic!("whole-number weights are asked with quantised rows") };
        assert_eq!(input.blocks(), self.blocks * B::PARTS, "rows must be as wide as the weights");
        if let Ok(sums) = <&mut [_; 8]>::try_from(&mut *sums) {
            self.group(kernel, tile, input, row, sums);
        } else if let Ok(sums) = <&mut [_; 4]>::try_from(&mut *sums) {
            self.group(kernel, tile, input, row, sums);
        } else if let Ok(sums) = <&mut [_; 2]>::try_from(&mut *sums) {
            self.group(kernel, tile, input, row, sums);
        } else if let Ok(sums) = <&mut [_; 1]>::try_from(&mut *sums) {
            self.group(kernel, tile, input, row, sums);
        }
    }

    fn weights(&self, output: usize, values: &mut [f32]) {
        plain::weights(self.tile(output / LANES), output % LANES, values);
    }
}

/// Weights of real numbers, by tile and input.
struct NumberTiles<N: NumberFormat> {
    inputs: usize,
    tiles: Vec<[N::Stored; LANES]>,
}

fn numbers<N: NumberFormat + 'static>(inputs: usize, bytes: &[u8]) -> Box<dyn Tiles> {
    let outputs = bytes.len() / N::BYTES / inputs;
    let mut tiles = vec![[N::Stored::default(); LANES]; outputs.div_ceil(LANES) * inputs];
    tiles.par_chunks_exact_mut(inputs).zip(bytes.par_chunks(LANES * inputs * N::BYTES)).for_each(|(tile, bytes)| {
        for (lane, row) in bytes.chunks_exact(inputs * N::BYTES).enumerate() {
            for (numbers, bytes) in tile.iter_mut().zip(row.chunks_exact(N::BYTES)) {
                numbers[lane] = N::read(bytes);
            }
        }
    });
    Box::new(NumberTiles::<N> { inputs, tiles })
}

impl<N: NumberFormat> NumberTiles<N> {
    fn tile(&self, tile: usize) -> &[[N::Stored; LANES]] {
        &self.tiles[tile * self.inputs..][..self.inputs]
    }

    #[expect(unsafe_code, reason = "functions for vector instructions; the kernel says that the processor has them")]
    fn group<const R: usize>(
        &self,
        kernel: Kernel,
        tile: usize,
        input: &[f32],
        row: usize,
        sums: &mut [[f32; LANES]; R],
    ) {
        let rows = &input[row * self.inputs..][..R * self.inputs];
        match kernel {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel is only chosen when the processor has its features.
            Kernel::Vnni => unsafe { vnni::real::<N, R>(self.tile(tile), rows, sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kernel::Avx2 => unsafe { avx2::real::<N, R>(self.tile(tile), rows, sums) },
            _ => plain::real::<N, R>(self.tile(tile), rows, sums),
        }
    }
}

impl<N: NumberFormat> Tiles for NumberTiles<N> {
    fn wants_blocks(&self) -> bool {
        false
    }

    fn steps(&self) -> usize {
        self.inputs / 8
    }

    fn products(&self, kernel: Kernel, tile: usize, input: Input<'_>, row: usize, sums: &mut [[f32; LANES]]) {
        let Input::Numbers(input, width) = input else { panic!("real-number weights are asked with plain rows") };
        assert_eq!(width, self.inputs, "rows must be as wide as the weights");
        if let Ok(sums) = <&mut [_; 8]>::try_from(&mut *sums) {
            self.group(kernel, tile, input, row, sums);
        } else if let Ok(sums) = <&mut [_; 4]>::try_from(&mut *sums) {
            self.group(kernel, tile, input, row, sums);
        } else if let Ok(sums) = <&mut [_; 2]>::try_from(&mut *sums) {
            self.group(kernel, tile, input, row, sums);
        } else if let Ok(sums) = <&mut [_; 1]>::try_from(&mut *sums) {
            self.group(kernel, tile, input, row, sums);
        }
    }

    fn weights(&self, output: usize, values: &mut [f32]) {
        plain::real_weights::<N>(self.tile(output / LANES), output % LANES, values);
    }
}
