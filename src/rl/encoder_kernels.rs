//! The Transformer encoder of `encoder.rs`, there and back, by our own kernels. The observations of all rows lie one
//! behind another without gaps, as many a row as were seen; the last block computes the newest of each row only, since
//! nothing else is asked for.
//!
//! Sums are taken in one order and never with fused steps: every processor gives the same bits.

use pulp::{Simd, WithSimd};

use super::encoder::{EPSILON, EncoderShape};
use super::kernels::{LANES, add, padded, vectorised};
use super::layers::Layer;

/// What the way there leaves for the way back, and room for both.
#[derive(Debug, Default)]
pub struct EncoderTrace {
    /// Observations, one behind another, and where each row's begin; the end behind the last.
    tokens: Vec<f32>,
    starts: Vec<usize>,
    blocks: Vec<BlockTrace>,
    pooled: NormTrace,
    head: Vec<Vec<f32>>,
    x: Vec<f32>,
    room: [Vec<f32>; 4],
    transposed: Vec<f32>,
    attention: AttentionRoom,
}

#[derive(Debug, Default)]
struct BlockTrace {
    before_attention: NormTrace,
    /// Queries, keys and values of each observation.
    attention: Vec<f32>,
    /// Weights of attention: by row, head and query.
    weights: Vec<f32>,
    mixed: Vec<f32>,
    before_forward: NormTrace,
    inner: Vec<f32>,
}

/// A layer norm: what was normalised, the factors 1/σ, and the results.
#[derive(Debug, Default)]
struct NormTrace {
    normalised: Vec<f32>,
    factors: Vec<f32>,
    results: Vec<f32>,
}

pub(super) fn forward<'t>(
    shape: &EncoderShape,
    parameters: &[f32],
    positions: &[f32],
    (features, rows): (&[f32], usize),
    trace: &'t mut EncoderTrace,
) -> &'t [f32] {
    let (count, width) = (shape.sizes.features, shape.sizes.width);
    let EncoderTrace { tokens, starts, blocks, pooled, head, x, room: [result, ..], attention, .. } = trace;
    blocks.resize_with(shape.blocks.len(), BlockTrace::default);
    head.resize_with(shape.head.len(), Vec::new);
    tokens.clear();
    starts.clear();
    for row in features.chunks(shape.sight().width()).take(rows) {
        starts.push(tokens.len() / count);
        let seen = shape.sight().seen(row);
        let end = shape.sizes.history * count;
        tokens.extend_from_slice(&row[end - seen * count..end]);
    }
    let all = tokens.len() / count;
    starts.push(all);
    shape.embedding.forward(parameters, (tokens, count), all, x);
    for pair in starts.windows(2) {
        for (age, place) in (pair[0]..pair[1]).rev().enumerate() {
            add(&mut x[place * width..(place + 1) * width], &positions[age * width..(age + 1) * width]);
        }
    }
    for (place, (block, trace)) in shape.blocks.iter().zip(blocks).enumerate() {
        let newest_only = place + 1 == shape.blocks.len();
        trace.before_attention.forward(parameters, block.norm_attention, &x[..all * width], width);
        block.attention.forward(parameters, (&trace.before_attention.results, width), all, &mut trace.attention);
        let queries = if newest_only { rows } else { all };
        trace.mixed.resize(queries * width, 0.0);
        let seen = starts.windows(2).map(|pair| (pair[1] - pair[0]).pow(2)).sum::<usize>();
        trace.weights.resize(shape.sizes.heads * if newest_only { all } else { seen }, 0.0);
        vectorised(Attend {
            shape,
            starts,
            newest_only,
            attention: &trace.attention,
            weights: &mut trace.weights,
            mixed: &mut trace.mixed,
            room: attention,
        });
        if newest_only {
            for (row, &end) in starts[1..].iter().enumerate() {
                x.copy_within((end - 1) * width..end * width, row * width);
            }
        }
        block.mixed.forward(parameters, (&trace.mixed, width), queries, result);
        add(&mut x[..queries * width], result);
        trace.before_forward.forward(parameters, block.norm_forward, &x[..queries * width], width);
        block.inner.forward(parameters, (&trace.before_forward.results, width), queries, &mut trace.inner);
        block.outer.forward(parameters, (&trace.inner, block.inner.width()), queries, result);
        add(&mut x[..queries * width], result);
    }
    pooled.forward(parameters, shape.norm, &x[..rows * width], width);
    for (place, layer) in shape.head.iter().enumerate() {
        let (before, after) = head.split_at_mut(place);
        let input = before.last().map_or(&pooled.results, |results| results);
        layer.forward(parameters, (input, padded(layer.inputs)), rows, &mut after[0]);
    }
    let last = shape.head.len() - 1;
    &head[last][..rows * shape.head[last].width()]
}

pub(super) fn backward(
    shape: &EncoderShape,
    parameters: &[f32],
    output_gradients: &[f32],
    trace: &mut EncoderTrace,
    gradients: &mut [f32],
) {
    let width = shape.sizes.width;
    let EncoderTrace { tokens, starts, blocks, pooled, head, x: dx, room, transposed, attention } = trace;
    let [above, below, of_attention, of_tokens] = room;
    let (rows, all) = (starts.len() - 1, starts[starts.len() - 1]);
    above.clear();
    above.extend_from_slice(output_gradients);
    for (place, layer) in shape.head.iter().enumerate().rev() {
        let of = rows * layer.width();
        layer.nonlinearity.differentiate(&head[place][..of], &mut above[..of]);
        let input = if place == 0 { &pooled.results } else { &head[place - 1] };
        layer.learn((input, padded(layer.inputs)), rows, above, gradients);
        layer.below(parameters, above, rows, transposed, below);
        std::mem::swap(above, below);
    }
    dx.clear();
    dx.resize(rows * width, 0.0);
    pooled.backward(parameters, shape.norm, &above[..rows * width], dx, gradients);
    for (place, (block, trace)) in shape.blocks.iter().zip(blocks).enumerate().rev() {
        let newest_only = place + 1 == shape.blocks.len();
        let queries = if newest_only { rows } else { all };
        let through = |layer: Layer,
                       input: (&[f32], usize),
                       rows,
                       above: &[f32],
                       gradients: &mut [f32],
                       transposed: &mut Vec<f32>,
                       below: &mut Vec<f32>| {
            layer.learn(input, rows, above, gradients);
            layer.below(parameters, above, rows, transposed, below);
        };
        let inner = block.inner.width();
        through(block.outer, (&trace.inner, inner), queries, dx, gradients, transposed, above);
        block.inner.nonlinearity.differentiate(&trace.inner[..queries * inner], &mut above[..queries * inner]);
        through(block.inner, (&trace.before_forward.results, width), queries, above, gradients, transposed, below);
        trace.before_forward.backward(parameters, block.norm_forward, &below[..queries * width], dx, gradients);
        through(block.mixed, (&trace.mixed, width), queries, dx, gradients, transposed, below);
        of_attention.clear();
        of_attention.resize(all * 3 * width, 0.0);
        vectorised(AttendBack {
            shape,
            starts,
            newest_only,
            attention: &trace.attention,
            weights: &trace.weights,
            mixed: below,
            gradients: of_attention,
            room: attention,
        });
        if newest_only {
            of_tokens.clear();
            of_tokens.resize(all * width, 0.0);
            for (row, &end) in starts[1..].iter().enumerate() {
                of_tokens[(end - 1) * width..end * width].copy_from_slice(&dx[row * width..(row + 1) * width]);
            }
            std::mem::swap(dx, of_tokens);
        }
        through(
            block.attention,
            (&trace.before_attention.results, width),
            all,
            of_attention,
            gradients,
            transposed,
            below,
        );
        trace.before_attention.backward(parameters, block.norm_attention, &below[..all * width], dx, gradients);
    }
    shape.embedding.learn((tokens, shape.sizes.features), all, dx, gradients);
}

impl NormTrace {
    /// LN(x) = (x − mean) / √(variance + ε) · gain + shift, row by row.
    fn forward(&mut self, parameters: &[f32], start: usize, x: &[f32], width: usize) {
        self.normalised.resize(x.len(), 0.0);
        self.results.resize(x.len(), 0.0);
        self.factors.resize(x.len() / width, 0.0);
        let (gain, shift) = parameters[start..start + 2 * width].split_at(width);
        vectorised(Normalise { trace: self, x, gain, shift });
    }

    /// Adds to `below` what gradients of the results make of those of x, and learns gain and shift.
    fn backward(&self, parameters: &[f32], start: usize, above: &[f32], below: &mut [f32], gradients: &mut [f32]) {
        let width = above.len() / self.factors.len().max(1);
        let gain = &parameters[start..start + width];
        let (of_gain, of_shift) = gradients[start..start + 2 * width].split_at_mut(width);
        vectorised(NormaliseBack { trace: self, above, gain, below, of_gain, of_shift });
    }
}

/// A sum in eight parts side by side, then these in order.
#[inline(always)]
fn sum(values: impl Iterator<Item = [f32; LANES]>) -> f32 {
    let mut sums = [0.0; LANES];
    for chunk in values {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    sums.iter().sum()
}

struct Normalise<'a> {
    trace: &'a mut NormTrace,
    x: &'a [f32],
    gain: &'a [f32],
    shift: &'a [f32],
}

impl WithSimd for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.gain.len();
        let NormTrace { normalised, factors, results } = self.trace;
        let rows = self.x.chunks_exact(width).zip(normalised.chunks_exact_mut(width));
        for (((x, normalised), result), factor) in rows.zip(results.chunks_exact_mut(width)).zip(factors) {
            let mean = sum(x.as_chunks().0.iter().copied()) / width as f32;
            let squares = |chunk: &[f32; LANES]| chunk.map(|value| (value - mean) * (value - mean));
            let variance = sum(x.as_chunks().0.iter().map(squares)) / width as f32;
            *factor = 1.0 / (variance + EPSILON).sqrt();
            for place in 0..width {
                normalised[place] = (x[place] - mean) * *factor;
                result[place] = normalised[place] * self.gain[place] + self.shift[place];
            }
        }
    }
}

struct NormaliseBack<'a> {
    trace: &'a NormTrace,
    above: &'a [f32],
    gain: &'a [f32],
    below: &'a mut [f32],
    of_gain: &'a mut [f32],
    of_shift: &'a mut [f32],
}

impl WithSimd for NormaliseBack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.gain.len();
        let rows = self.above.chunks_exact(width).zip(self.trace.normalised.chunks_exact(width));
        for (((above, normalised), below), factor) in
            rows.zip(self.below.chunks_exact_mut(width)).zip(&self.trace.factors)
        {
            let (above, normalised) = (above.as_chunks::<LANES>().0, normalised.as_chunks::<LANES>().0);
            let gain = self.gain.as_chunks::<LANES>().0;
            let scaled =
                |place: usize| -> [f32; LANES] { std::array::from_fn(|lane| above[place][lane] * gain[place][lane]) };
            let mean = sum((0..gain.len()).map(scaled)) / width as f32;
            let along = |place: usize| -> [f32; LANES] {
                let scaled = scaled(place);
                std::array::from_fn(|lane| scaled[lane] * normalised[place][lane])
            };
            let along = sum((0..gain.len()).map(along)) / width as f32;
            for place in 0..gain.len() {
                let scaled = scaled(place);
                for lane in 0..LANES {
                    let (at, value) = (place * LANES + lane, normalised[place][lane]);
                    self.of_gain[at] += above[place][lane] * value;
                    self.of_shift[at] += above[place][lane];
                    below[at] += factor * (scaled[lane] - mean - value * along);
                }
            }
        }
    }
}

/// Keys and values of a row and head with the observations in columns, and numbers for each observation.
#[derive(Debug, Default)]
struct AttentionRoom {
    keys: Vec<f32>,
    values: Vec<f32>,
    of: Vec<f32>,
}

/// One row and head: which observations, which queries among them, and where its numbers stand.
struct Part {
    first: usize,
    seen: usize,
    /// The first query, counted from the first observation.
    query: usize,
    /// Where the first query's row of mixed values is.
    mixed: usize,
    /// Where its weights begin.
    weights: usize,
    column: usize,
}

/// All rows and heads in order.
#[inline(always)]
fn parts(shape: &EncoderShape, starts: &[usize], newest_only: bool, mut each: impl FnMut(Part)) {
    let (heads, width) = (shape.sizes.heads, shape.sizes.width);
    let mut weights = 0;
    for (row, pair) in starts.windows(2).enumerate() {
        let (first, seen) = (pair[0], pair[1] - pair[0]);
        let query = if newest_only { seen - 1 } else { 0 };
        for head in 0..heads {
            let mixed = if newest_only { row } else { first };
            each(Part { first, seen, query, mixed, weights, column: head * (width / heads) });
            weights += (seen - query) * seen;
        }
    }
}

/// Copies `seen` rows of `part` numbers, `stride` apart, into columns.
#[inline(always)]
fn turn(from: &[f32], (seen, part, stride): (usize, usize, usize), to: &mut Vec<f32>) {
    to.resize(seen * part, 0.0);
    for (observation, row) in from.chunks(stride).take(seen).enumerate() {
        for (place, value) in row[..part].iter().enumerate() {
            to[place * seen + observation] = *value;
        }
    }
}

/// to[j] += Σ left[c] · right[c][j], c from 0 up.
#[inline(always)]
fn across(left: &[f32], right: &[f32], to: &mut [f32]) {
    for (factor, row) in left.iter().zip(right.chunks_exact(to.len())) {
        for (to, value) in to.iter_mut().zip(row) {
            *to += factor * value;
        }
    }
}

struct Attend<'a> {
    shape: &'a EncoderShape,
    starts: &'a [usize],
    newest_only: bool,
    attention: &'a [f32],
    weights: &'a mut [f32],
    mixed: &'a mut [f32],
    room: &'a mut AttentionRoom,
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.shape.sizes.width;
        let (part, stride) = (width / self.shape.sizes.heads, 3 * width);
        let scale = 1.0 / (part as f32).sqrt();
        parts(self.shape, self.starts, self.newest_only, |at| {
            let Part { first, seen, column, .. } = at;
            let rows = &self.attention[first * stride..(first + seen) * stride];
            turn(&rows[width + column..], (seen, part, stride), &mut self.room.keys);
            let weights = self.weights[at.weights..].chunks_exact_mut(seen);
            for (query, weights) in (at.query..seen).zip(weights) {
                weights.fill(0.0);
                across(&rows[query * stride + column..][..part], &self.room.keys, weights);
                let mut most = f32::NEG_INFINITY;
                for weight in &mut *weights {
                    *weight *= scale;
                    most = most.max(*weight);
                }
                let mut all = 0.0;
                for weight in &mut *weights {
                    *weight = (*weight - most).exp();
                    all += *weight;
                }
                let start = (at.mixed + query - at.query) * width + column;
                let mixed = &mut self.mixed[start..start + part];
                mixed.fill(0.0);
                for (weight, row) in weights.iter_mut().zip(rows.chunks_exact(stride)) {
                    *weight /= all;
                    for (mixed, value) in mixed.iter_mut().zip(&row[2 * width + column..][..part]) {
                        *mixed += *weight * value;
                    }
                }
            }
        });
    }
}

struct AttendBack<'a> {
    shape: &'a EncoderShape,
    starts: &'a [usize],
    newest_only: bool,
    attention: &'a [f32],
    weights: &'a [f32],
    /// Gradients of the mixed values.
    mixed: &'a [f32],
    /// Gradients of queries, keys and values.
    gradients: &'a mut [f32],
    room: &'a mut AttentionRoom,
}

impl WithSimd for AttendBack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.shape.sizes.width;
        let (part, stride) = (width / self.shape.sizes.heads, 3 * width);
        let scale = 1.0 / (part as f32).sqrt();
        parts(self.shape, self.starts, self.newest_only, |at| {
            let Part { first, seen, column, .. } = at;
            let span = first * stride..(first + seen) * stride;
            let (rows, gradients) = (&self.attention[span.clone()], &mut self.gradients[span]);
            turn(&rows[2 * width + column..], (seen, part, stride), &mut self.room.values);
            let weights = self.weights[at.weights..].chunks_exact(seen);
            for (query, weights) in (at.query..seen).zip(weights) {
                let start = (at.mixed + query - at.query) * width + column;
                let above = &self.mixed[start..start + part];
                // dp = dm Vᵀ; ds = p (dp − Σ p dp) / √dₖ.
                let of = &mut self.room.of;
                of.clear();
                of.resize(seen, 0.0);
                across(above, &self.room.values, of);
                let shared: f32 = weights.iter().zip(&*of).map(|(weight, of)| weight * of).sum();
                for (observation, (&weight, of)) in weights.iter().zip(&mut *of).enumerate() {
                    *of = scale * weight * (*of - shared);
                    let row = observation * stride + column;
                    for place in 0..part {
                        gradients[row + 2 * width + place] += weight * above[place];
                        gradients[row + width + place] += *of * rows[query * stride + column + place];
                        gradients[query * stride + column + place] += *of * rows[row + width + place];
                    }
                }
            }
        });
    }
}
