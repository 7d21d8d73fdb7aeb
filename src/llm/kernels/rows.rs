//! Rows of activations in blocks of 32 eight-bit numbers, the right side of every quantised product.

use rayon::prelude::*;

use super::{BLOCK, WORDS};

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
    pub fn new(values: &[f32], width: usize) -> Self {
        let mut blocks = vec![RowBlock::default(); values.len() / BLOCK];
        let pairs = values.par_chunks_exact(BLOCK).zip(blocks.par_iter_mut());
        pairs.with_min_len(256).for_each(|(values, block)| *block = quantise(values));
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

    /// The blocks of one row.
    #[inline]
    pub fn row(&self, row: usize) -> &[RowBlock] {
        &self.values[row * self.blocks..][..self.blocks]
    }
}

fn quantise(values: &[f32]) -> RowBlock {
    /// Adding this to a small number rounds it to a whole one, ties to even, and leaves it in the lowest bits.
    const ROUNDER: f32 = 12_582_912.0;
    let peak = values.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
    let inverse = if peak > 0.0 { 127.0 / peak } else { 0.0 };
    let scale = peak / 127.0;
    let mut block = RowBlock { scale, ..RowBlock::default() };
    for (place, (word, values)) in block.words.iter_mut().zip(values.chunks_exact(4)).enumerate() {
        let numbers: [i8; 4] = std::array::from_fn(|place| {
            (values[place] * inverse + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits()) as i8
        });
        block.sums[place / (WORDS / 2)] += numbers.iter().map(|number| i32::from(*number)).sum::<i32>();
        *word = i32::from_le_bytes(numbers.map(|number| number.to_le_bytes()[0]));
    }
    block.scaled_sum = scale * (block.sums[0] + block.sums[1]) as f32;
    block
}
