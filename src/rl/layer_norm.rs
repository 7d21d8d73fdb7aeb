//! Layer norm (Ba, Kiros and Hinton 2016), there and back: each row to mean 0 and variance 1, then times a gain and plus a
//! shift that are learned.

use pulp::{Simd, WithSimd};

use super::encoder::EPSILON;
use super::kernels::{LANES, vectorised};

/// A layer norm: what was normalised, the factors 1/σ, and the results.
#[derive(Debug, Default)]
pub(super) struct NormTrace {
    normalised: Vec<f32>,
    factors: Vec<f32>,
    pub results: Vec<f32>,
}

impl NormTrace {
    /// LN(x) = (x − mean) / √(variance + ε) · gain + shift, row by row.
    pub fn forward(&mut self, parameters: &[f32], start: usize, x: &[f32], width: usize) {
        self.normalised.resize(x.len(), 0.0);
        self.results.resize(x.len(), 0.0);
        self.factors.resize(x.len() / width, 0.0);
        let (gain, shift) = parameters[start..start + 2 * width].split_at(width);
        vectorised(Normalise { trace: self, x, gain, shift });
    }

    /// Adds to `below` what gradients of the results make of those of x, and learns gain and shift.
    pub fn backward(&self, parameters: &[f32], start: usize, above: &[f32], below: &mut [f32], gradients: &mut [f32]) {
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
