//! Rows of activations in blocks of 32 eight-bit numbers, the right side of every quantised product.

use rayon::prelude::*;

use super::{BLOCK, Kernel, WORDS};

/// A block: its numbers are `scale · x` with x in −127 to 127.
#[derive(Clone, Copy, Default)]
#[repr(C, align(16))]
pub struct RowBlock {
    /// Four numbers a word.
    pub words: [i32; WORDS],
    /// What an x of one stands for.
    pub scale: f32,
    /// scale · Σx.
    pub scaled_sum: f32,
    /// Σx over the first and over the second sixteen numbers.
    pub sums: [i32; 2],
}

/// Quantised rows, one after another.
pub struct QuantisedRows {
    rows: usize,
    blocks: usize,
    values: Vec<RowBlock>,
}

impl QuantisedRows {
    /// Quantises rows of `width` numbers; `width` is a whole number of blocks.
    pub fn new(kernel: Kernel, values: &[f32], width: usize) -> Self {
        let mut blocks = vec![RowBlock::default(); values.len() / BLOCK];
        let groups = values.par_chunks(TASK_BLOCKS * BLOCK).zip(blocks.par_chunks_mut(TASK_BLOCKS));
        groups.for_each(|(values, blocks)| kernel.quantise(values, blocks));
        Self { rows: values.len() / width, blocks: width / BLOCK, values: blocks }
    }

    /// Rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Blocks a row has.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// The blocks of `count` rows from `row` on.
    #[inline]
    pub fn of_rows(&self, row: usize, count: usize) -> &[RowBlock] {
        &self.values[row * self.blocks..][..count * self.blocks]
    }
}

/// Rows of `length` things that lie one after another. A loop, because a closure would be compiled without the caller's
/// instructions and then called.
#[inline(always)]
pub fn apart<T, const R: usize>(rows: &[T], length: usize) -> [&[T]; R] {
    assert_eq!(rows.len(), R * length, "so many rows");
    let mut apart: [&[T]; R] = [&[]; R];
    for (place, row) in apart.iter_mut().enumerate() {
        *row = &rows[place * length..(place + 1) * length];
    }
    apart
}

/// Adding this to a small number rounds it to a whole one, ties to even, and leaves it in the lowest bits.
pub const ROUNDER: f32 = 12_582_912.0;

/// Blocks that a parallel task quantises.
const TASK_BLOCKS: usize = 256;

/// Quantises blocks of 32 numbers. Largest values and whole sums are the same in any order.
#[inline(always)]
pub fn quantise(values: &[f32], blocks: &mut [RowBlock]) {
    let (groups, _) = values.as_chunks::<BLOCK>();
    for (values, block) in groups.iter().zip(blocks) {
        let (low, high) = values.split_at(BLOCK / 2);
        let mut peaks = [0.0_f32; BLOCK / 2];
        for (peak, (low, high)) in peaks.iter_mut().zip(low.iter().zip(high)) {
            *peak = if high.abs() > low.abs() { high.abs() } else { low.abs() };
        }
        for half in [8, 4, 2, 1] {
            for place in 0..half {
                let other = peaks[place + half];
                peaks[place] = if other > peaks[place] { other } else { peaks[place] };
            }
        }
        let peak = peaks[0];
        let inverse = if peak > 0.0 { 127.0 / peak } else { 0.0 };
        let mut numbers = [0_i8; BLOCK];
        for (number, value) in numbers.iter_mut().zip(values) {
            *number = (value * inverse + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits()) as i8;
        }
        let (halves, _) = numbers.as_chunks::<{ BLOCK / 2 }>();
        for (sum, half) in block.sums.iter_mut().zip(halves) {
            *sum = half.iter().map(|number| i32::from(*number)).sum();
        }
        for (word, numbers) in block.words.iter_mut().zip(numbers.as_chunks::<4>().0) {
            *word = i32::from_le_bytes(numbers.map(i8::cast_unsigned));
        }
        block.scale = peak / 127.0;
        block.scaled_sum = block.scale * (block.sums[0] + block.sums[1]) as f32;
    }
}
