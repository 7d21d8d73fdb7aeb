//! Keys and values of a sequence, and the element-wise steps of a layer, in plain Rust.
//!
//! Every number is made inside one thread by additions in one order.
#![expect(clippy::inline_always, reason = "the kernels compile these bodies again for their own instructions")]

use std::sync::Arc;

/// Positions whose keys lie side by side, so that their scores are computed as one vector.
pub(super) const LANES: usize = 16;

/// Sizes of a cache of keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheShape {
    pub layers: usize,
    pub heads: usize,
    pub head_width: usize,
}

/// The keys and values of consecutive positions, with room for a fixed number of them.
#[derive(Clone, Debug)]
pub(super) struct KeyValues {
    shape: CacheShape,
    /// Positions there is room for.
    capacity: usize,
    length: usize,
    /// By (layer, head), group of 16 positions, dimension, position in the group.
    keys: Vec<f32>,
    /// By (layer, head), position, dimension.
    values: Vec<f32>,
}

impl KeyValues {
    /// Room for `positions` positions.
    pub fn new(shape: CacheShape, positions: usize) -> Self {
        let numbers = |positions: usize| shape.layers * shape.heads * shape.head_width * positions;
        // Keys are read in whole groups; values one by one, so that a short branch need not have sixteen of them.
        let keys = vec![0.0; numbers(positions.next_multiple_of(LANES))];
        Self { shape, capacity: positions, length: 0, keys, values: vec![0.0; numbers(positions)] }
    }

    /// Positions that are filled.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Bytes it takes.
    pub fn bytes(&self) -> usize {
        (self.keys.len() + self.values.len()) * size_of::<f32>()
    }

    /// Numbers a key or value of one head has.
    pub fn head_width(&self) -> usize {
        self.shape.head_width
    }

    /// The keys of one head, in groups of 16 positions.
    pub fn keys(&self, layer: usize, head: usize) -> &[f32] {
        let capacity = self.capacity.next_multiple_of(LANES);
        &self.keys[self.head(layer, head, capacity)..][..capacity * self.shape.head_width]
    }

    /// The values of one head, by position.
    pub fn values(&self, layer: usize, head: usize) -> &[f32] {
        &self.values[self.head(layer, head, self.capacity)..][..self.capacity * self.shape.head_width]
    }

    /// Where a head begins among heads of `capacity` positions.
    fn head(&self, layer: usize, head: usize, capacity: usize) -> usize {
        (layer * self.shape.heads + head) * capacity * self.shape.head_width
    }

    /// Writes one layer's key and value (all heads) of one position.
    pub fn write(&mut self, layer: usize, position: usize, key: &[f32], value: &[f32]) {
        let width = self.shape.head_width;
        for (head, (key, value)) in key.chunks_exact(width).zip(value.chunks_exact(width)).enumerate() {
            let start = self.head(layer, head, self.capacity);
            self.values[start + position * width..][..width].copy_from_slice(value);
            let start = self.head(layer, head, self.capacity.next_multiple_of(LANES));
            let group = start + position / LANES * LANES * width + position % LANES;
            for (dimension, number) in key.iter().enumerate() {
                self.keys[group + dimension * LANES] = *number;
            }
        }
    }

    /// Says that positions up to `length` are filled in all layers.
    pub fn filled(&mut self, length: usize) {
        debug_assert!(length <= self.capacity);
        self.length = length;
    }
}

/// A sequence in the making: what lies before it, shared with others, and its own part.
#[derive(Debug)]
pub(super) struct Sequence {
    /// Parts of other caches that come before, each with how many of its positions count.
    pub before: Vec<(Arc<KeyValues>, usize)>,
    /// Its own positions.
    pub own: KeyValues,
}

impl Sequence {
    /// Positions before its own.
    pub fn start(&self) -> usize {
        self.before.iter().map(|(_, length)| length).sum()
    }
}

/// A sum in sixteen strands that are then added in order.
#[inline(always)]
pub(super) fn sum(values: &[f32]) -> f32 {
    let (groups, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for group in groups {
        for lane in 0..LANES {
            sums[lane] += group[lane];
        }
    }
    for (sum, value) in sums.iter_mut().zip(rest) {
        *sum += value;
    }
    sums.iter().sum()
}

/// `SwiGLU`: gate ← gate · σ(gate) · up.
#[inline(always)]
pub(super) fn gate(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

/// GELU by its tanh form (Hendrycks and Gimpel 2016), gated: gate ← gate · σ(2·√(2/π)·(gate + 0.044715·gate³)) · up.
pub(super) fn gelu_gate(gate: &mut [f32], up: &[f32]) {
    const SCALE: f32 = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::SQRT_2;
    for (gate, up) in gate.iter_mut().zip(up) {
        let inner = SCALE * *gate * (1.0 + 0.044_715 * *gate * *gate);
        *gate = *gate / (1.0 + exp(-inner)) * up;
    }
}

/// RMS norm of one row (Zhang and Sennrich 2019) with weights.
#[inline(always)]
pub(super) fn rms_norm(row: &[f32], weights: &[f32], epsilon: f32, output: &mut [f32]) {
    let (groups, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for group in groups {
        for lane in 0..LANES {
            sums[lane] += group[lane] * group[lane];
        }
    }
    for (sum, value) in sums.iter_mut().zip(rest) {
        *sum += value * value;
    }
    let mean = sums.iter().sum::<f32>() / row.len() as f32;
    let scale = 1.0 / (mean + epsilon).sqrt();
    for ((output, value), weight) in output.iter_mut().zip(row).zip(weights) {
        *output = value * scale * weight;
    }
}

/// Rotary positions (Su et al. 2021) in the order GGUF stores llama's heads: neighbours form a pair. `turns` holds
/// cosine and sine for each pair of a head; dimensions beyond the pairs stay as they are.
#[inline(always)]
pub(super) fn rotate(heads: &mut [f32], head_width: usize, turns: &[(f32, f32)]) {
    for head in heads.chunks_exact_mut(head_width) {
        for (pair, (cosine, sine)) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
            let [real, imaginary] = *pair;
            *pair = [real * cosine - imaginary * sine, real * sine + imaginary * cosine];
        }
    }
}

/// As [`rotate`], where a pair is a number of the turned part's first half and its like in the second.
pub(super) fn rotate_halves(heads: &mut [f32], head_width: usize, turns: &[(f32, f32)]) {
    for head in heads.chunks_exact_mut(head_width) {
        let (first, second) = head.split_at_mut(turns.len());
        for ((first, second), (cosine, sine)) in first.iter_mut().zip(second).zip(turns) {
            (*first, *second) = (*first * cosine - *second * sine, *first * sine + *second * cosine);
        }
    }
}

/// e^x to within two units in the last place, without a call, so that loops over it become vector code and its bits do
/// not depend on the machine's mathematics library. Below −87 it is e^−87, about 10^−38. Polynomial of Cephes' `expf`.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const ROUNDER: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
    let whole = shifted - ROUNDER;
    // ln 2 in two parts, the first with few digits, so that the remainder is exact.
    let rest = x - whole * 0.693_359_4 - whole * -2.121_944_4e-4;
    let mut series = 1.987_569_1e-4_f32;
    series = series * rest + 1.398_2e-3;
    series = series * rest + 8.333_452e-3;
    series = series * rest + 4.166_579_6e-2;
    series = series * rest + 1.666_666_5e-1;
    series = series * rest + 0.5;
    let value = series * rest * rest + rest + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()).cast_signed();
    value * f32::from_bits(((exponent + 127) << 23) as u32)
}
