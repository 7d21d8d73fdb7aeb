//! The arithmetic of small networks in `f32`: a product of matrices, tanh and its kin, and the step of Adam.
//!
//! Every output is one sum taken in one order, whichever instructions take it: vectors run over outputs, never over what
//! is summed, and multiply and add are two roundings, never a fused one. A processor with AVX2 and one without give the
//! same bits. Widths of outputs are multiples of [`LANES`]; who has fewer pads with zeros.

#[cfg(target_arch = "x86_64")]
use pulp::x86::V3;
use pulp::{Scalar256b, Simd, WithSimd};

/// Outputs that are computed side by side.
pub const LANES: usize = 8;

/// Rows of a product that are computed side by side.
const ROWS: usize = 4;

/// Vectors of a row that are computed side by side where it stands alone: it is memory then that one waits for, and it
/// is read from front to back.
const WIDE: usize = 8;

/// Room for `count` numbers, in whole vectors.
#[must_use]
pub const fn padded(count: usize) -> usize {
    count.next_multiple_of(LANES)
}

/// Runs with the widest instructions that the processor has.
pub(super) fn vectorised<Operation: WithSimd>(operation: Operation) -> Operation::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = V3::try_new() {
        return Simd::vectorize(simd, operation);
    }
    Simd::vectorize(Scalar256b, operation)
}

/// `output[m×n] (+)= left[m×k] · right[k×n]`, summed over k from 0 up. Element (i, k) of `left` stands at
/// i·`left_strides.0` + k·`left_strides.1`, so that a transposed matrix needs no copy; `right` and `output` are row-major
/// and n wide.
#[derive(Debug)]
pub struct Product<'a> {
    /// Rows, summands, columns: m, k, n.
    pub sizes: (usize, usize, usize),
    /// The left matrix.
    pub left: &'a [f32],
    /// From row to row, and from summand to summand.
    pub left_strides: (usize, usize),
    /// The right matrix.
    pub right: &'a [f32],
    /// What every row of the output begins with instead of zeros: n numbers.
    pub bias: Option<&'a [f32]>,
    /// The output.
    pub output: &'a mut [f32],
    /// Begin with what stands in the output.
    pub accumulate: bool,
}

impl Product<'_> {
    /// Computes it.
    ///
    /// # Panics
    /// When n is no multiple of `LANES` or a matrix is too short.
    pub fn compute(self) {
        self.check();
        vectorised(self);
    }

    /// The same, without special instructions: for tests.
    pub fn compute_plainly(self) {
        self.check();
        Simd::vectorize(Scalar256b, self);
    }

    fn check(&self) {
        let (m, k, n) = self.sizes;
        let (row, summand) = self.left_strides;
        assert!(n.is_multiple_of(LANES), "{n} columns");
        assert!(self.right.len() >= k * n && self.output.len() >= m * n, "a matrix is too short");
        assert!(k > 0, "nothing to sum");
        assert!(m == 0 || self.left.len() > (m - 1) * row + (k - 1) * summand, "the left matrix is too short");
        assert!(self.bias.is_none_or(|bias| bias.len() >= n), "the bias is too short");
    }
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (m, _, n) = self.sizes;
        let mut row = 0;
        while row < m {
            let rows = if row + ROWS <= m { ROWS } else { 1 };
            let mut column = 0;
            while column < n {
                let left = n - column;
                if rows == 1 && left >= WIDE * LANES {
                    self.tile::<S, 1, WIDE>(simd, row, column);
                    column += WIDE * LANES;
                } else if left >= 2 * LANES {
                    if rows == ROWS {
                        self.tile::<S, ROWS, 2>(simd, row, column);
                    } else {
                        self.tile::<S, 1, 2>(simd, row, column);
                    }
                    column += 2 * LANES;
                } else {
                    if rows == ROWS {
                        self.tile::<S, ROWS, 1>(simd, row, column);
                    } else {
                        self.tile::<S, 1, 1>(simd, row, column);
                    }
                    column += LANES;
                }
            }
            row += rows;
        }
    }
}

impl Product<'_> {
    /// `R` rows by `V` vectors of the output, their sums held in registers.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, row: usize, column: usize) {
        let (_, k, n) = self.sizes;
        let (row_stride, summand_stride) = self.left_strides;
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        if let Some(bias) = self.bias {
            let vectors = S::as_simd_f32s(&bias[column..column + V * LANES]).0;
            for sums in &mut sums {
                sums.copy_from_slice(&vectors[..V]);
            }
        } else if self.accumulate {
            for (offset, sums) in sums.iter_mut().enumerate() {
                let start = (row + offset) * n + column;
                let vectors = S::as_simd_f32s(&self.output[start..start + V * LANES]).0;
                sums.copy_from_slice(&vectors[..V]);
            }
        }
        let mut left: [&[f32]; R] = [&[]; R];
        for (offset, left) in left.iter_mut().enumerate() {
            *left = &self.left[(row + offset) * row_stride..];
        }
        for summand in 0..k {
            let start = summand * n + column;
            let right = S::as_simd_f32s(&self.right[start..start + V * LANES]).0;
            for offset in 0..R {
                let factor = simd.splat_f32s(left[offset][summand * summand_stride]);
                for vector in 0..V {
                    let product = simd.mul_f32s(factor, right[vector]);
                    sums[offset][vector] = simd.add_f32s(sums[offset][vector], product);
                }
            }
        }
        for (offset, sums) in sums.iter().enumerate() {
            let start = (row + offset) * n + column;
            let vectors = S::as_mut_simd_f32s(&mut self.output[start..start + V * LANES]).0;
            vectors[..V].copy_from_slice(sums);
        }
    }
}

/// What a layer does with its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonlinearity {
    /// Nothing.
    Linear,
    /// tanh, as a quotient of polynomials of degree 13 and 6 in x on [−7.9, 7.9]; within 4·10⁻⁷ of tanh.
    Tanh,
    /// max(x, 0).
    Rectified,
}

impl Nonlinearity {
    /// Applies it to numbers in whole vectors.
    pub fn apply(self, values: &mut [f32]) {
        vectorised(Apply { nonlinearity: self, values });
    }

    /// Multiplies gradients by its derivative, which follows from its own results.
    pub fn differentiate(self, results: &[f32], gradients: &mut [f32]) {
        vectorised(Differentiate { nonlinearity: self, results, gradients });
    }
}

struct Apply<'a> {
    nonlinearity: Nonlinearity,
    values: &'a mut [f32],
}

/// Coefficients of x, x³, … x¹³ and of 1, x², x⁴, x⁶: the approximation that Eigen uses.
const TANH_ABOVE: [f32; 7] =
    [4.893_524_6e-3, 6.372_619_3e-4, 1.485_722_4e-5, 5.122_297_1e-8, -8.604_672e-11, 2.000_188e-13, -2.760_768_4e-16];
const TANH_BELOW: [f32; 4] = [4.893_525e-3, 2.268_434_6e-3, 1.185_347_1e-4, 1.198_258_4e-6];
const TANH_MAX: f32 = 7.904_5;

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (vectors, rest) = S::as_mut_simd_f32s(self.values);
        assert!(rest.is_empty(), "whole vectors");
        match self.nonlinearity {
            Nonlinearity::Linear => {}
            Nonlinearity::Rectified => {
                let zero = simd.splat_f32s(0.0);
                for vector in vectors {
                    *vector = simd.max_f32s(*vector, zero);
                }
            }
            Nonlinearity::Tanh => {
                let (most, least) = (simd.splat_f32s(TANH_MAX), simd.splat_f32s(-TANH_MAX));
                for vector in vectors {
                    let x = simd.max_f32s(simd.min_f32s(*vector, most), least);
                    let square = simd.mul_f32s(x, x);
                    let mut above = simd.splat_f32s(TANH_ABOVE[6]);
                    for coefficient in TANH_ABOVE[..6].iter().rev() {
                        above = simd.add_f32s(simd.mul_f32s(above, square), simd.splat_f32s(*coefficient));
                    }
                    let mut below = simd.splat_f32s(TANH_BELOW[3]);
                    for coefficient in TANH_BELOW[..3].iter().rev() {
                        below = simd.add_f32s(simd.mul_f32s(below, square), simd.splat_f32s(*coefficient));
                    }
                    *vector = simd.div_f32s(simd.mul_f32s(above, x), below);
                }
            }
        }
    }
}

struct Differentiate<'a> {
    nonlinearity: Nonlinearity,
    results: &'a [f32],
    gradients: &'a mut [f32],
}

impl WithSimd for Differentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (results, (gradients, rest)) = (S::as_simd_f32s(self.results).0, S::as_mut_simd_f32s(self.gradients));
        assert!(rest.is_empty() && results.len() >= gradients.len(), "whole vectors");
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        match self.nonlinearity {
            Nonlinearity::Linear => {}
            Nonlinearity::Rectified => {
                for (gradient, &result) in gradients.iter_mut().zip(results) {
                    let passes = simd.greater_than_f32s(result, zero);
                    *gradient = simd.select_f32s(passes, *gradient, zero);
                }
            }
            Nonlinearity::Tanh => {
                for (gradient, &result) in gradients.iter_mut().zip(results) {
                    let slope = simd.sub_f32s(one, simd.mul_f32s(result, result));
                    *gradient = simd.mul_f32s(*gradient, slope);
                }
            }
        }
    }
}

/// One step of Adam over parameters in whole vectors (Kingma and Ba 2015, algorithm 1; with decay of weights apart from
/// the gradient: Loshchilov and Hutter 2019, algorithm 2).
pub struct AdamStep<'a> {
    /// The parameters.
    pub parameters: &'a mut [f32],
    /// Their gradients.
    pub gradients: &'a [f32],
    /// First moments.
    pub first: &'a mut [f32],
    /// Second moments.
    pub second: &'a mut [f32],
    /// Factor on the gradients: the clipping of their norm.
    pub scale: f32,
    /// β₁ and β₂.
    pub betas: (f32, f32),
    /// α / (1 − β₁ᵗ), and 1 / (1 − β₂ᵗ).
    pub corrected: (f32, f32),
    /// ε.
    pub epsilon: f32,
    /// 1 − α λ: what of a parameter is left before the step.
    pub keep: f32,
}

impl AdamStep<'_> {
    /// Takes it.
    pub fn take(self) {
        vectorised(self);
    }
}

impl WithSimd for AdamStep<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (parameters, rest) = S::as_mut_simd_f32s(self.parameters);
        assert!(rest.is_empty(), "whole vectors");
        let gradients = S::as_simd_f32s(self.gradients).0;
        let (first, second) = (S::as_mut_simd_f32s(self.first).0, S::as_mut_simd_f32s(self.second).0);
        let all = |value: f32| simd.splat_f32s(value);
        let (scale, keep, epsilon) = (all(self.scale), all(self.keep), all(self.epsilon));
        let (beta1, rest1) = (all(self.betas.0), all(1.0 - self.betas.0));
        let (beta2, rest2) = (all(self.betas.1), all(1.0 - self.betas.1));
        let (rate, correction) = (all(self.corrected.0), all(self.corrected.1));
        for (((parameter, &gradient), first), second) in parameters.iter_mut().zip(gradients).zip(first).zip(second) {
            let gradient = simd.mul_f32s(gradient, scale);
            *first = simd.add_f32s(simd.mul_f32s(beta1, *first), simd.mul_f32s(rest1, gradient));
            let square = simd.mul_f32s(gradient, gradient);
            *second = simd.add_f32s(simd.mul_f32s(beta2, *second), simd.mul_f32s(rest2, square));
            let spread = simd.add_f32s(simd.sqrt_f32s(simd.mul_f32s(*second, correction)), epsilon);
            let step = simd.div_f32s(simd.mul_f32s(rate, *first), spread);
            *parameter = simd.sub_f32s(simd.mul_f32s(*parameter, keep), step);
        }
    }
}

/// Adds numbers to numbers.
pub fn add(to: &mut [f32], from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// The root of the sum of squares, summed in order in 64 bits.
#[must_use]
pub fn norm(values: &[f32]) -> f64 {
    // Eight sums side by side, so that none waits for the last; the order is fixed all the same.
    let mut sums = [0.0_f64; LANES];
    for chunk in values.chunks(LANES) {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    sums.iter().sum::<f64>().sqrt()
}
