//! The kernels in AVX-512 with VNNI. Every function here is called only on processors with the features it names.

use std::arch::x86_64::{
    __m128i, __m256i, __m512, __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_castsi512_ps, _mm512_cvtepi8_epi32,
    _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_mullo_epi32,
    _mm512_or_si512, _mm512_rolv_epi32, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_ps, _mm512_xor_si512,
};

use super::super::attention::{self, AttentionTask};
use super::blocks::{Halves, LowBits, Offsets, Quants, Scales, TileBlock};
use super::numbers::{NumberFormat, Numbers};
use super::rows::RowBlock;
use super::{LANES, WORDS};

/// Sums of R rows for one tile of quantised weights.
#[target_feature(enable = "avx512f,avx512vnni")]
pub fn quantised<B: TileBlock, const R: usize>(tile: &[B], rows: &[&[RowBlock]; R], sums: &mut [[f32; LANES]; R]) {
    let rows: [&[RowBlock]; R] = std::array::from_fn(|row| &rows[row][..tile.len() * B::PARTS]);
    let mut totals = [_mm512_setzero_ps(); R];
    for (number, block) in tile.iter().enumerate() {
        for place in 0..B::PARTS {
            let part = block.part(place);
            let inputs: [&RowBlock; R] = std::array::from_fn(|row| &rows[row][number * B::PARTS + place]);
            let (weights, zero) = unpack(part.quants, part.zero);
            let scales = match part.scales {
                Scales::Plain(scales) => halves(scales),
                Scales::Times(scales, factors) => _mm512_mul_ps(halves(scales), small(factors)),
            };
            let offsets = match part.offsets {
                Offsets::None => _mm512_setzero_ps(),
                Offsets::Plain(offsets) => halves(offsets),
                Offsets::LessTimes(minima, factors) => _mm512_mul_ps(halves(minima), small(factors)),
            };
            let factors = part.factors.map(|[first, second]| [signed(first), signed(second)]);
            for (total, input) in totals.iter_mut().zip(inputs) {
                let (low, high) = input.words.split_at(WORDS / 2);
                let dot = match factors {
                    None => {
                        let dot = _mm512_set1_epi32(-zero * (input.sums[0] + input.sums[1]));
                        add_dots(add_dots(dot, &weights[..WORDS / 2], low), &weights[WORDS / 2..], high)
                    }
                    Some([first, second]) => {
                        let [one, two] = input.sums.map(|sum| _mm512_set1_epi32(-zero * sum));
                        let one = add_dots(one, &weights[..WORDS / 2], low);
                        let two = add_dots(two, &weights[WORDS / 2..], high);
                        _mm512_add_epi32(_mm512_mullo_epi32(one, first), _mm512_mullo_epi32(two, second))
                    }
                };
                let factor = _mm512_mul_ps(scales, _mm512_set1_ps(input.scale));
                *total = _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(dot), *total);
                *total = match part.offsets {
                    Offsets::None => *total,
                    Offsets::Plain(_) => _mm512_fmadd_ps(offsets, _mm512_set1_ps(input.scaled_sum), *total),
                    Offsets::LessTimes(..) => _mm512_fnmadd_ps(offsets, _mm512_set1_ps(input.scaled_sum), *total),
                };
            }
        }
    }
    store(&totals, sums);
}

/// Sums of R rows for one tile of real-number weights, over the inputs in order.
#[target_feature(enable = "avx512f")]
pub fn real<N: NumberFormat, const R: usize>(
    tile: &[[N::Stored; LANES]],
    rows: &[&[f32]; R],
    sums: &mut [[f32; LANES]; R],
) {
    let rows: [&[f32]; R] = std::array::from_fn(|row| &rows[row][..tile.len()]);
    let mut totals = [_mm512_setzero_ps(); R];
    for (input, numbers) in tile.iter().enumerate() {
        let weights = match N::view(numbers) {
            // SAFETY: sixteen numbers are read from sixteen.
            Numbers::Single(numbers) => unsafe { _mm512_loadu_ps(numbers.as_ptr()) },
            Numbers::Half(numbers) => halves(numbers),
            Numbers::Brain(numbers) => {
                // SAFETY: 32 bytes are read from 32 bytes.
                let numbers = unsafe { std::ptr::read_unaligned(numbers.as_ptr().cast::<__m256i>()) };
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(numbers)))
            }
        };
        for (total, row) in totals.iter_mut().zip(rows) {
            *total = _mm512_fmadd_ps(weights, _mm512_set1_ps(row[input]), *total);
        }
    }
    store(&totals, sums);
}

/// The whole numbers of 32 inputs as bytes without a sign, four inputs a word, and what has been added to them.
#[inline]
#[target_feature(enable = "avx512f")]
fn unpack(quants: Quants<'_>, zero: i32) -> ([__m512i; WORDS], i32) {
    let mut weights = [_mm512_setzero_si512(); WORDS];
    match quants {
        Quants::Four(low) => unpack_low(low, &mut weights),
        Quants::Five(low, high) => {
            unpack_low(low, &mut weights);
            let (high, mask) = (load(high), _mm512_set1_epi8(16));
            for (word, weights) in weights.iter_mut().enumerate() {
                // Bit `word` of every byte goes to bit 4; what crosses a byte's border is masked away.
                let turned = _mm512_rolv_epi32(high, _mm512_set1_epi32(4 - word as i32));
                *weights = _mm512_or_si512(*weights, _mm512_and_si512(turned, mask));
            }
        }
        Quants::Six(low, high) => {
            unpack_low(low, &mut weights);
            let mask = _mm512_set1_epi8(48);
            for (word, weights) in weights.iter_mut().enumerate() {
                let shift = 4 - 2 * (word % (WORDS / 2)) as i32;
                let turned = _mm512_rolv_epi32(load(&high[word / (WORDS / 2)]), _mm512_set1_epi32(shift));
                *weights = _mm512_or_si512(*weights, _mm512_and_si512(turned, mask));
            }
        }
        // The instruction wants its left side without a sign: 128 is added, and 128·Σx is taken off at the start.
        Quants::Eight(words) => {
            for (weights, words) in weights.iter_mut().zip(words) {
                *weights = _mm512_xor_si512(load(words), _mm512_set1_epi8(-128));
            }
            return (weights, 128);
        }
    }
    (weights, zero)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn unpack_low(low: &LowBits, weights: &mut [__m512i; WORDS]) {
    let mask = _mm512_set1_epi8(15);
    for (word, packed) in low.iter().enumerate() {
        let packed = load(packed);
        weights[word] = _mm512_and_si512(packed, mask);
        weights[word + WORDS / 2] = _mm512_and_si512(_mm512_srli_epi32::<4>(packed), mask);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add_dots(mut dot: __m512i, weights: &[__m512i], words: &[i32]) -> __m512i {
    for (weights, word) in weights.iter().zip(words) {
        dot = _mm512_dpbusd_epi32(dot, *weights, _mm512_set1_epi32(*word));
    }
    dot
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load<T>(words: &[[T; 4]; LANES]) -> __m512i {
    const { assert!(size_of::<T>() == 1) };
    // SAFETY: 64 bytes are read from 64 bytes.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn halves(halves: &Halves) -> __m512 {
    // SAFETY: 32 bytes are read from 32 bytes.
    _mm512_cvtph_ps(unsafe { std::ptr::read_unaligned(halves.as_ptr().cast::<__m256i>()) })
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small(numbers: &[u8; LANES]) -> __m512 {
    // SAFETY: 16 bytes are read from 16 bytes.
    let numbers = unsafe { std::ptr::read_unaligned(numbers.as_ptr().cast::<__m128i>()) };
    _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(numbers))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn signed(numbers: &[i8; LANES]) -> __m512i {
    // SAFETY: 16 bytes are read from 16 bytes.
    _mm512_cvtepi8_epi32(unsafe { std::ptr::read_unaligned(numbers.as_ptr().cast::<__m128i>()) })
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store<const R: usize>(totals: &[__m512; R], sums: &mut [[f32; LANES]; R]) {
    for (total, sums) in totals.iter().zip(sums) {
        // SAFETY: sixteen numbers are written to sixteen.
        unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), *total) };
    }
}

/// [`attention::attend`], compiled for these instructions.
#[target_feature(enable = "avx512f")]
pub fn attend(task: &AttentionTask<'_>, scores: &mut Vec<f32>, output: &mut [f32]) {
    attention::attend(task, scores, output);
}

/// [`attention::gate`], compiled for these instructions.
#[target_feature(enable = "avx512f")]
pub fn gate(gate: &mut [f32], up: &[f32]) {
    attention::gate(gate, up);
}
