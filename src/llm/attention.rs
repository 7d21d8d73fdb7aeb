//! Keys and values of a sequence, attention over them, and the element-wise steps of a layer, in plain Rust.
//!
//! Every number is made inside one thread by additions in one order, whatever lies in which part of a sequence: a
//! score is a sum over the dimensions in order, a weighted value a sum over the positions in order.
#![expect(clippy::inline_always, reason = "the kernels compile these bodies again for their own instructions")]

use std::sync::Arc;

/// Positions whose keys lie side by side, so that their scores are computed as one vector.
const LANES: usize = 16;

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
        let capacity = positions.next_multiple_of(LANES);
        let numbers = shape.layers * shape.heads * shape.head_width * capacity;
        Self { shape, capacity, length: 0, keys: vec![0.0; numbers], values: vec![0.0; numbers] }
    }

    /// Positions that are filled.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Bytes it takes.
    pub fn bytes(&self) -> usize {
        (self.keys.len() + self.values.len()) * size_of::<f32>()
    }

    fn head(&self, layer: usize, head: usize) -> usize {
        (layer * self.shape.heads + head) * self.capacity * self.shape.head_width
    }

    /// Writes one layer's key and value (all heads) of one position.
    pub fn write(&mut self, layer: usize, position: usize, key: &[f32], value: &[f32]) {
        let width = self.shape.head_width;
        for (head, (key, value)) in key.chunks_exact(width).zip(value.chunks_exact(width)).enumerate() {
            let start = self.head(layer, head);
            self.values[start + position * width..][..width].copy_from_slice(value);
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

/// One row's attention to everything up to its own position, for the query heads of one key-value head.
pub(super) struct AttentionTask<'a> {
    pub sequence: &'a Sequence,
    pub layer: usize,
    /// The key-value head.
    pub head: usize,
    /// The row's position in the sequence's own part.
    pub own_position: usize,
    /// The first position of the whole sequence that it sees.
    pub first: usize,
    /// The queries, one after another, already scaled by 1/√width.
    pub queries: &'a [f32],
}

/// Softmax attention: writes as many numbers as the task has in its queries. `scores` is room to work in.
///
/// Up to four query heads go together, so that a key is read once for them and their sums do not wait for each other.
#[inline(always)]
pub(super) fn attend(task: &AttentionTask<'_>, scores: &mut Vec<f32>, output: &mut [f32]) {
    let width = task.sequence.own.shape.head_width;
    for (queries, output) in task.queries.chunks(4 * width).zip(output.chunks_mut(4 * width)) {
        match queries.len() / width {
            4 => attend_heads::<4>(task, queries, scores, output),
            3 => attend_heads::<3>(task, queries, scores, output),
            2 => attend_heads::<2>(task, queries, scores, output),
            _ => attend_heads::<1>(task, queries, scores, output),
        }
    }
}

#[inline(always)]
fn attend_heads<const HEADS: usize>(
    task: &AttentionTask<'_>,
    queries: &[f32],
    scores: &mut Vec<f32>,
    output: &mut [f32],
) {
    let width = task.sequence.own.shape.head_width;
    let own = (&task.sequence.own, task.own_position + 1);
    let parts = || task.sequence.before.iter().map(|(part, length)| (&**part, *length)).chain([own]);
    let positions: usize = parts().map(|(_, length)| length).sum();
    // A row of scores a head; the last group of a part is computed whole, and overwritten by the part after it.
    let stride = (positions + LANES).next_multiple_of(LANES);
    scores.clear();
    scores.resize(HEADS * stride, 0.0);
    let mut first = 0;
    for (part, length) in parts() {
        let start = part.head(task.layer, task.head);
        let keys = &part.keys[start..start + length.next_multiple_of(LANES) * width];
        let unseen = task.first.saturating_sub(first) / LANES;
        for (group, keys) in keys.chunks_exact(LANES * width).enumerate().skip(unseen) {
            let sums = products::<HEADS>(queries, keys.as_chunks().0);
            for (head, sums) in sums.iter().enumerate() {
                scores[head * stride + first + group * LANES..][..LANES].copy_from_slice(sums);
            }
        }
        first += length;
    }
    let mut totals = [0.0; HEADS];
    for (total, scores) in totals.iter_mut().zip(scores.chunks_exact_mut(stride)) {
        let scores = &mut scores[task.first..positions];
        let peak = scores.iter().fold(f32::NEG_INFINITY, |peak, score| if *score > peak { *score } else { peak });
        for score in scores.iter_mut() {
            *score = exp(*score - peak);
        }
        *total = sum(scores);
    }
    for ((output, scores), total) in output.chunks_exact_mut(width).zip(scores.chunks_exact(stride)).zip(totals) {
        output.fill(0.0);
        let mut first = 0;
        for (part, length) in parts() {
            let start = part.head(task.layer, task.head);
            let unseen = task.first.saturating_sub(first).min(length);
            let values = &part.values[start + unseen * width..start + length * width];
            add_weighted(values, &scores[first + unseen..first + length], output);
            first += length;
        }
        let inverse = 1.0 / total;
        for output in output.iter_mut() {
            *output *= inverse;
        }
    }
}

/// The products of queries with the keys of sixteen positions (by dimension, position).
#[inline(always)]
fn products<const HEADS: usize>(queries: &[f32], keys: &[[f32; LANES]]) -> [[f32; LANES]; HEADS] {
    let mut sums = [[0.0_f32; LANES]; HEADS];
    let queries: [&[f32]; HEADS] = std::array::from_fn(|head| &queries[head * keys.len()..][..keys.len()]);
    for (dimension, keys) in keys.iter().enumerate() {
        for head in 0..HEADS {
            let number = queries[head][dimension];
            for lane in 0..LANES {
                sums[head][lane] += number * keys[lane];
            }
        }
    }
    sums
}

/// Adds the rows of `values`, each times its weight, to `output`, in order.
#[inline(always)]
fn add_weighted(values: &[f32], weights: &[f32], output: &mut [f32]) {
    /// Dimensions whose sums are kept in registers together.
    const TOGETHER: usize = 64;
    let width = output.len();
    let (wide, rest) = output.as_chunks_mut::<TOGETHER>();
    let covered = wide.len() * TOGETHER;
    for (place, output) in wide.iter_mut().enumerate() {
        let mut sums = *output;
        for (value, weight) in values.chunks_exact(width).zip(weights) {
            let Some(value) = value[place * TOGETHER..].first_chunk::<TOGETHER>() else { continue };
            for lane in 0..TOGETHER {
                sums[lane] += weight * value[lane];
            }
        }
        *output = sums;
    }
    for (value, weight) in values.chunks_exact(width).zip(weights) {
        for (output, value) in rest.iter_mut().zip(&value[covered..]) {
            *output += weight * value;
        }
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
