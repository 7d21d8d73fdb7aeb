//! The kernels' arithmetic in plain Rust: what the vector kernels must agree with, bit for bit.

use super::blocks::{Offsets, Part, Quants, Scales, TileBlock};
use super::numbers::{NumberFormat, Numbers, half_to_single};
use super::rows::{RowBlock, apart};
use super::{BLOCK, LANES, WORDS};

/// Sums of R rows for one tile of quantised weights.
pub fn quantised<B: TileBlock, const R: usize>(tile: &[B], rows: &[RowBlock], sums: &mut [[f32; LANES]; R]) {
    let rows: [&[RowBlock]; R] = apart(rows, tile.len() * B::PARTS);
    *sums = [[0.0; LANES]; R];
    for (number, block) in tile.iter().enumerate() {
        for place in 0..B::PARTS {
            let part = block.part(place);
            for lane in 0..LANES {
                let quants = quants(&part, lane);
                let (scale, offset) = (scale(&part, lane), offset(&part, lane));
                for (sums, row) in sums.iter_mut().zip(&rows) {
                    let input = &row[number * B::PARTS + place];
                    let mut halves = [0; 2];
                    for (word, value) in input.words.iter().enumerate() {
                        for (byte, value) in value.to_le_bytes().into_iter().enumerate() {
                            halves[word / (WORDS / 2)] += quants[4 * word + byte] * i32::from(value.cast_signed());
                        }
                    }
                    let dot = match part.factors {
                        None => halves[0] + halves[1],
                        Some([first, second]) => {
                            halves[0] * i32::from(first[lane]) + halves[1] * i32::from(second[lane])
                        }
                    };
                    sums[lane] = (scale * input.scale).mul_add(dot as f32, sums[lane]);
                    if let Some(offset) = offset {
                        sums[lane] = offset.mul_add(input.scaled_sum, sums[lane]);
                    }
                }
            }
        }
    }
}

/// Sums of R rows for one tile of real-number weights, over the inputs in order.
pub fn real<N: NumberFormat, const R: usize>(tile: &[[N::Stored; LANES]], rows: &[f32], sums: &mut [[f32; LANES]; R]) {
    let rows: [&[f32]; R] = apart(rows, tile.len());
    *sums = [[0.0; LANES]; R];
    for (input, numbers) in tile.iter().enumerate() {
        let numbers = N::view(numbers);
        for (sums, row) in sums.iter_mut().zip(&rows) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum = numbers.single(lane).mul_add(row[input], *sum);
            }
        }
    }
}

/// The weights of one output, as they stand in the file.
pub fn weights<B: TileBlock>(tile: &[B], lane: usize, output: &mut [f32]) {
    let parts = tile.iter().flat_map(|block| (0..B::PARTS).map(|part| block.part(part)));
    for (part, output) in parts.zip(output.chunks_exact_mut(BLOCK)) {
        let (scale, offset) = (scale(&part, lane), offset(&part, lane));
        for (place, (output, quant)) in output.iter_mut().zip(quants(&part, lane)).enumerate() {
            let factor = part.factors.map_or(1.0, |factors| f32::from(factors[place / 16][lane]));
            *output = scale * factor * quant as f32;
            if let Some(offset) = offset {
                *output += offset;
            }
        }
    }
}

/// The real-number weights of one output.
pub fn real_weights<N: NumberFormat>(tile: &[[N::Stored; LANES]], lane: usize, output: &mut [f32]) {
    for (output, numbers) in output.iter_mut().zip(tile) {
        let numbers: Numbers<'_> = N::view(numbers);
        *output = numbers.single(lane);
    }
}

fn quants(part: &Part<'_>, lane: usize) -> [i32; BLOCK] {
    std::array::from_fn(|place| {
        let (word, byte) = (place / 4, place % 4);
        let low = |words: &[[[u8; 4]; LANES]; WORDS / 2]| words[word % 4][lane][byte] >> (word / 4 * 4) & 15;
        let stored = match part.quants {
            Quants::Four(words) => i32::from(low(words)),
            Quants::Five(words, high) => i32::from(low(words) | (high[lane][byte] >> word & 1) << 4),
            Quants::Six(words, high) => i32::from(low(words) | (high[word / 4][lane][byte] >> (word % 4 * 2) & 3) << 4),
            Quants::Eight(words) => i32::from(words[word][lane][byte]),
        };
        stored - part.zero
    })
}

fn scale(part: &Part<'_>, lane: usize) -> f32 {
    match part.scales {
        Scales::Plain(scales) => half_to_single(scales[lane]),
        Scales::Times(scales, factors) => half_to_single(scales[lane]) * f32::from(factors[lane]),
    }
}

fn offset(part: &Part<'_>, lane: usize) -> Option<f32> {
    match part.offsets {
        Offsets::None => None,
        Offsets::Plain(offsets) => Some(half_to_single(offsets[lane])),
        Offsets::LessTimes(minima, factors) => Some(-(half_to_single(minima[lane]) * f32::from(factors[lane]))),
    }
}
