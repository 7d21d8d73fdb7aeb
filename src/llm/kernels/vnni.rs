//! The kernels in AVX-512 with VNNI. Every function here is called only on processors with the features it names.

use std::arch::x86_64::{
    __m128i, __m256i, __m512, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_abs_ps, _mm512_add_epi32, _mm512_add_ps,
    _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cvtepi8_epi32, _mm512_cvtepi32_epi8,
    _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_max_ps, _mm512_mul_ps,
    _mm512_mullo_epi32, _mm512_or_si512, _mm512_reduce_add_epi32, _mm512_reduce_max_ps, _mm512_rolv_epi32,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_slli_epi32,
    _mm512_srai_epi32, _mm512_srli_epi32, _mm512_storeu_ps, _mm512_sub_epi32, _mm512_xor_si512,
};

use super::super::attend::{self, AttentionTask, Lanes, Room};
use super::super::attention;
use super::blocks::{Halves, LowBits, Offsets, Quants, SHIFTS_OF_ONE, SHIFTS_OF_TWO, Scales, TileBlock};
use super::numbers::{NumberFormat, Numbers};
use super::rows::{ROUNDER, RowBlock, apart};
use super::{BLOCK, LANES, WORDS};

/// Sums of R rows for one tile of quantised weights.
#[target_feature(enable = "avx512f,avx512vnni")]
pub fn quantised<B: TileBlock, const R: usize>(tile: &[B], rows: &[RowBlock], sums: &mut [[f32; LANES]; R]) {
    let rows: [&[RowBlock]; R] = apart(rows, tile.len() * B::PARTS);
    let mut totals = [_mm512_setzero_ps(); R];
    for (number, block) in tile.iter().enumerate() {
        for place in 0..B::PARTS {
            let part = block.part(place);
            fetch_ahead(block, place);
            let mut inputs = [&rows[0][0]; R];
            for (input, row) in inputs.iter_mut().zip(&rows) {
                *input = &row[number * B::PARTS + place];
            }
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

/// Bytes between the weights that are multiplied and those that are fetched from memory meanwhile: what a few rows take
/// longer to compute than memory takes to answer.
const AHEAD: usize = 2560;

/// Has the cache fetch what stands [`AHEAD`] of a part of a block. Weights are read once for a few rows, and tiles lie one
/// after another, so that what comes next is mostly in the next tile; the processor's own look-ahead ends at each page.
#[inline]
#[target_feature(enable = "avx512f")]
fn fetch_ahead<B: TileBlock>(block: &B, place: usize) {
    let bytes = size_of::<B>() / B::PARTS;
    let start = std::ptr::from_ref(block).cast::<i8>().wrapping_add(AHEAD + place * bytes);
    for line in (0..bytes).step_by(64) {
        // A hint, which reads nothing: any address may be given.
        _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line));
    }
}

/// Sums of R rows for one tile of real-number weights, over the inputs in order.
#[target_feature(enable = "avx512f")]
pub fn real<N: NumberFormat, const R: usize>(tile: &[[N::Stored; LANES]], rows: &[f32], sums: &mut [[f32; LANES]; R]) {
    let rows: [&[f32]; R] = apart(rows, tile.len());
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
        for (total, row) in totals.iter_mut().zip(&rows) {
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
            for (shift, weights) in SHIFTS_OF_ONE.into_iter().zip(&mut weights) {
                // What crosses a byte's border is masked away.
                let turned = _mm512_rolv_epi32(high, _mm512_set1_epi32(shift));
                *weights = _mm512_or_si512(*weights, _mm512_and_si512(turned, mask));
            }
        }
        Quants::Six(low, high) => {
            unpack_low(low, &mut weights);
            let mask = _mm512_set1_epi8(48);
            for (high, weights) in high.iter().zip(weights.as_chunks_mut::<{ WORDS / 2 }>().0) {
                let high = load(high);
                for (shift, weights) in SHIFTS_OF_TWO.into_iter().zip(weights) {
                    let turned = _mm512_rolv_epi32(high, _mm512_set1_epi32(shift));
                    *weights = _mm512_or_si512(*weights, _mm512_and_si512(turned, mask));
                }
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

/// [`attend::attend`] in these instructions.
#[target_feature(enable = "avx512f")]
pub fn attend(task: &AttentionTask<'_>, room: &mut Room, output: &mut [f32]) {
    attend::attend::<Vector>(task, room, output);
}

/// [`quantise`](super::rows::quantise) in these instructions.
#[target_feature(enable = "avx512f")]
pub fn quantise(values: &[f32], blocks: &mut [RowBlock]) {
    let rounder = _mm512_set1_ps(ROUNDER);
    for (values, block) in values.as_chunks::<BLOCK>().0.iter().zip(blocks) {
        // SAFETY: twice sixteen numbers are read from 32.
        let halves = unsafe { [_mm512_loadu_ps(values.as_ptr()), _mm512_loadu_ps(values.as_ptr().add(LANES))] };
        let peak = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(halves[0]), _mm512_abs_ps(halves[1])));
        let inverse = _mm512_set1_ps(if peak > 0.0 { 127.0 / peak } else { 0.0 });
        let (words, _) = block.words.as_chunks_mut::<{ WORDS / 2 }>();
        for ((half, words), sum) in halves.into_iter().zip(words).zip(&mut block.sums) {
            let rounded = _mm512_castps_si512(_mm512_add_ps(_mm512_mul_ps(half, inverse), rounder));
            let numbers = _mm512_sub_epi32(rounded, _mm512_castps_si512(rounder));
            // SAFETY: 16 bytes are written to 16 bytes.
            unsafe { std::ptr::write_unaligned(words.as_mut_ptr().cast::<__m128i>(), _mm512_cvtepi32_epi8(numbers)) };
            // The bytes that were written, with their signs: numbers that were no numbers leave more than a byte.
            *sum = _mm512_reduce_add_epi32(_mm512_srai_epi32::<24>(_mm512_slli_epi32::<24>(numbers)));
        }
        block.scale = peak / 127.0;
        block.scaled_sum = block.scale * (block.sums[0] + block.sums[1]) as f32;
    }
}

/// [`attention::gate`], compiled for these instructions.
#[target_feature(enable = "avx512f")]
pub fn gate(gate: &mut [f32], up: &[f32]) {
    attention::gate(gate, up);
}

/// Sixteen numbers of [`attend()`], which alone uses it: that is why its functions may count on the processor.
#[derive(Clone, Copy)]
struct Vector(__m512);

impl Lanes for Vector {
    const MANY: bool = true;

    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: the processor has AVX-512, see above.
        Self(unsafe { _mm512_setzero_ps() })
    }

    #[inline(always)]
    fn splat(number: f32) -> Self {
        // SAFETY: the processor has AVX-512, see above.
        Self(unsafe { _mm512_set1_ps(number) })
    }

    #[inline(always)]
    fn load(numbers: &[f32; LANES]) -> Self {
        // SAFETY: the processor has AVX-512, see above; sixteen numbers are read from sixteen.
        Self(unsafe { _mm512_loadu_ps(numbers.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, numbers: &mut [f32; LANES]) {
        // SAFETY: the processor has AVX-512, see above; sixteen numbers are written to sixteen.
        unsafe { _mm512_storeu_ps(numbers.as_mut_ptr(), self.0) };
    }

    #[inline(always)]
    fn add_product(self, left: Self, right: Self) -> Self {
        // SAFETY: the processor has AVX-512, see above.
        Self(unsafe { _mm512_add_ps(self.0, _mm512_mul_ps(left.0, right.0)) })
    }
}
