//! Scaled dot-product attention in heads (Vaswani et al. 2017, equation 1 and section 3.2.2), there and back, over rows of
//! observations that lie one behind another.

use pulp::{Simd, WithSimd};

use super::encoder::EncoderShape;

/// Keys and values of a row and head with the observations in columns, and numbers for each observation.
#[derive(Debug, Default)]
pub(super) struct AttentionRoom {
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

/// `to[j] += Σ left[c] · right[c][j]`, c from 0 up.
#[inline(always)]
fn across(left: &[f32], right: &[f32], to: &mut [f32]) {
    for (factor, row) in left.iter().zip(right.chunks_exact(to.len())) {
        for (to, value) in to.iter_mut().zip(row) {
            *to += factor * value;
        }
    }
}

/// To the mixed values of the heads, and the weights by which they are mixed.
pub(super) struct Attend<'a> {
    pub shape: &'a EncoderShape,
    pub starts: &'a [usize],
    pub newest_only: bool,
    pub attention: &'a [f32],
    pub weights: &'a mut [f32],
    pub mixed: &'a mut [f32],
    pub room: &'a mut AttentionRoom,
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

/// Back from gradients of the mixed values to those of queries, keys and values.
pub(super) struct AttendBack<'a> {
    pub shape: &'a EncoderShape,
    pub starts: &'a [usize],
    pub newest_only: bool,
    pub attention: &'a [f32],
    pub weights: &'a [f32],
    /// Gradients of the mixed values.
    pub mixed: &'a [f32],
    /// Gradients of queries, keys and values.
    pub gradients: &'a mut [f32],
    pub room: &'a mut AttentionRoom,
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
