//! The kernels in AVX2 with FMA and F16C, eight outputs at a time. Every function here is called only on processors with
//! the features it names.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_loadl_epi64, _mm256_abs_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps,
    _mm256_and_si256, _mm256_castsi256_ps, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32,
    _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_mullo_epi32, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sign_epi8,
    _mm256_slli_epi32, _mm256_sllv_epi32, _mm256_srli_epi32, _mm256_srlv_epi32, _mm256_storeu_ps, _mm256_sub_epi32,
};

use super::super::attend::{self, AttentionTask, Lanes, Room};
use super::super::attention;
use super::blocks::{Halves, LowBits, Offsets, Quants, SHIFTS_OF_ONE, SHIFTS_OF_TWO, Scales, TileBlock};
use super::numbers::{NumberFormat, Numbers};
use super::rows::{self, RowBlock, apart};
use super::{LANES, WORDS};

/// Outputs a vector has.
const HALF: usize = LANES / 2;

/// Sums of R rows for one tile of quantised weights.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn quantised<B: TileBlock, const R: usize>(tile: &[B], rows: &[RowBlock], sums: &mut [[f32; LANES]; R]) {
    let rows: [&[RowBlock]; R] = apart(rows, tile.len() * B::PARTS);
    for half in 0..2 {
        let mut totals = [_mm256_setzero_ps(); R];
        for (number, block) in tile.iter().enumerate() {
            for place in 0..B::PARTS {
                let part = block.part(place);
                let mut inputs = [&rows[0][0]; R];
                for (input, row) in inputs.iter_mut().zip(&rows) {
                    *input = &row[number * B::PARTS + place];
                }
                let weights = unpack(part.quants, half);
                let together = match part.quants {
                    // Sums of two products are below 2^15 as long as no more than this many are added: 16·15·127,
                    // 8·31·127, 4·63·127 and 2·128·127.
                    Quants::Four(_) => 8,
                    Quants::Five(..) => 4,
                    Quants::Six(..) => 2,
                    Quants::Eight(_) => 1,
                };
                let signed = matches!(part.quants, Quants::Eight(_));
                let scales = match part.scales {
                    Scales::Plain(scales) => halves(scales, half),
                    Scales::Times(scales, factors) => _mm256_mul_ps(halves(scales, half), small(factors, half)),
                };
                let offsets = match part.offsets {
                    Offsets::None => _mm256_setzero_ps(),
                    Offsets::Plain(offsets) => halves(offsets, half),
                    Offsets::LessTimes(minima, factors) => _mm256_mul_ps(halves(minima, half), small(factors, half)),
                };
                let factors = part.factors.map(|[one, two]| [signed_bytes(one, half), signed_bytes(two, half)]);
                for (total, input) in totals.iter_mut().zip(inputs) {
                    let dot = match factors {
                        None => {
                            let dot = dots(&weights, &input.words, together, signed);
                            match part.zero {
                                0 => dot,
                                zero => {
                                    let taken = _mm256_set1_epi32(zero * (input.sums[0] + input.sums[1]));
                                    _mm256_sub_epi32(dot, taken)
                                }
                            }
                        }
                        Some([first, second]) => {
                            let (low, high) = input.words.split_at(WORDS / 2);
                            let one = dots(&weights[..WORDS / 2], low, together, signed);
                            let two = dots(&weights[WORDS / 2..], high, together, signed);
                            let one = _mm256_sub_epi32(one, _mm256_set1_epi32(part.zero * input.sums[0]));
                            let two = _mm256_sub_epi32(two, _mm256_set1_epi32(part.zero * input.sums[1]));
                            _mm256_add_epi32(_mm256_mullo_epi32(one, first), _mm256_mullo_epi32(two, second))
                        }
                    };
                    let factor = _mm256_mul_ps(scales, _mm256_set1_ps(input.scale));
                    *total = _mm256_fmadd_ps(factor, _mm256_cvtepi32_ps(dot), *total);
                    *total = match part.offsets {
                        Offsets::None => *total,
                        Offsets::Plain(_) => _mm256_fmadd_ps(offsets, _mm256_set1_ps(input.scaled_sum), *total),
                        Offsets::LessTimes(..) => _mm256_fnmadd_ps(offsets, _mm256_set1_ps(input.scaled_sum), *total),
                    };
                }
            }
        }
        store(&totals, sums, half);
    }
}

/// Sums of R rows for one tile of real-number weights, over the inputs in order.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn real<N: NumberFormat, const R: usize>(tile: &[[N::Stored; LANES]], rows: &[f32], sums: &mut [[f32; LANES]; R]) {
    let rows: [&[f32]; R] = apart(rows, tile.len());
    for half in 0..2 {
        let mut totals = [_mm256_setzero_ps(); R];
        for (input, numbers) in tile.iter().enumerate() {
            let weights = match N::view(numbers) {
                Numbers::Single(numbers) => {
                    let numbers: &[f32; HALF] = part_of(numbers, half);
                    // SAFETY: eight numbers are read from eight.
                    unsafe { _mm256_loadu_ps(numbers.as_ptr()) }
                }
                Numbers::Half(numbers) => halves(numbers, half),
                Numbers::Brain(numbers) => {
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(eight_words(numbers, half))))
                }
            };
            for (total, row) in totals.iter_mut().zip(&rows) {
                *total = _mm256_fmadd_ps(weights, _mm256_set1_ps(row[input]), *total);
            }
        }
        store(&totals, sums, half);
    }
}

/// The whole numbers of 32 inputs as bytes, four inputs a word.
#[inline]
#[target_feature(enable = "avx2")]
fn unpack(quants: Quants<'_>, half: usize) -> [__m256i; WORDS] {
    let mut weights = [_mm256_setzero_si256(); WORDS];
    match quants {
        Quants::Four(low) => unpack_low(low, &mut weights, half),
        Quants::Five(low, high) => {
            unpack_low(low, &mut weights, half);
            let (high, mask) = (load(high, half), _mm256_set1_epi8(16));
            for (shift, weights) in SHIFTS_OF_ONE.into_iter().zip(&mut weights) {
                *weights = _mm256_or_si256(*weights, _mm256_and_si256(turn(high, shift), mask));
            }
        }
        Quants::Six(low, high) => {
            unpack_low(low, &mut weights, half);
            let mask = _mm256_set1_epi8(48);
            for (high, weights) in high.iter().zip(weights.as_chunks_mut::<{ WORDS / 2 }>().0) {
                let high = load(high, half);
                for (shift, weights) in SHIFTS_OF_TWO.into_iter().zip(weights) {
                    *weights = _mm256_or_si256(*weights, _mm256_and_si256(turn(high, shift), mask));
                }
            }
        }
        Quants::Eight(words) => {
            for (weights, words) in weights.iter_mut().zip(words) {
                *weights = load(words, half);
            }
        }
    }
    weights
}

#[inline]
#[target_feature(enable = "avx2")]
fn unpack_low(low: &LowBits, weights: &mut [__m256i; WORDS], half: usize) {
    let mask = _mm256_set1_epi8(15);
    for (word, packed) in low.iter().enumerate() {
        let packed = load(packed, half);
        weights[word] = _mm256_and_si256(packed, mask);
        weights[word + WORDS / 2] = _mm256_and_si256(_mm256_srli_epi32::<4>(packed), mask);
    }
}

/// Shifts to the left, or to the right by a negative number.
#[inline]
#[target_feature(enable = "avx2")]
fn turn(words: __m256i, shift: i32) -> __m256i {
    if shift >= 0 {
        _mm256_sllv_epi32(words, _mm256_set1_epi32(shift))
    } else {
        _mm256_srlv_epi32(words, _mm256_set1_epi32(-shift))
    }
}

/// Products of weights and a row's words, `together` of them added up in sixteen bits. Weights with a sign lend it to
/// the row's numbers first.
#[inline]
#[target_feature(enable = "avx2")]
fn dots(weights: &[__m256i], words: &[i32], together: usize, signed: bool) -> __m256i {
    let ones = _mm256_set1_epi16(1);
    let mut dot = _mm256_setzero_si256();
    for (weights, words) in weights.chunks(together).zip(words.chunks(together)) {
        let mut pairs = _mm256_setzero_si256();
        for (weights, word) in weights.iter().zip(words) {
            let value = _mm256_set1_epi32(*word);
            let products = if signed {
                _mm256_maddubs_epi16(_mm256_abs_epi8(*weights), _mm256_sign_epi8(value, *weights))
            } else {
                _mm256_maddubs_epi16(*weights, value)
            };
            pairs = _mm256_add_epi16(pairs, products);
        }
        dot = _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, ones));
    }
    dot
}

/// Eight of sixteen.
#[inline]
fn part_of<T>(numbers: &[T; LANES], half: usize) -> &[T; HALF] {
    numbers[half * HALF..].first_chunk().expect("half of the numbers")
}

#[inline]
#[target_feature(enable = "avx2")]
fn load<T>(words: &[[T; 4]; LANES], half: usize) -> __m256i {
    const { assert!(size_of::<T>() == 1) };
    // SAFETY: 32 bytes are read from 32 bytes.
    unsafe { _mm256_loadu_si256(part_of(words, half).as_ptr().cast::<__m256i>()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn eight_words(words: &[u16; LANES], half: usize) -> __m128i {
    // SAFETY: 16 bytes are read from 16 bytes.
    unsafe { std::ptr::read_unaligned(part_of(words, half).as_ptr().cast::<__m128i>()) }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn halves(halves: &Halves, half: usize) -> __m256 {
    _mm256_cvtph_ps(eight_words(halves, half))
}

#[inline]
#[target_feature(enable = "avx2")]
fn eight_bytes<T>(numbers: &[T; LANES], half: usize) -> __m128i {
    const { assert!(size_of::<T>() == 1) };
    // SAFETY: 8 bytes are read from 8 bytes.
    unsafe { _mm_loadl_epi64(part_of(numbers, half).as_ptr().cast::<__m128i>()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn small(numbers: &[u8; LANES], half: usize) -> __m256 {
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight_bytes(numbers, half)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn signed_bytes(numbers: &[i8; LANES], half: usize) -> __m256i {
    _mm256_cvtepi8_epi32(eight_bytes(numbers, half))
}

#[inline]
#[target_feature(enable = "avx2")]
fn store<const R: usize>(totals: &[__m256; R], sums: &mut [[f32; LANES]; R], half: usize) {
    for (total, sums) in totals.iter().zip(sums) {
        let sums: &mut [f32; HALF] = sums[half * HALF..].first_chunk_mut().expect("half of the numbers");
        // SAFETY: eight numbers are written to eight.
        unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), *total) };
    }
}

/// [`attend::attend`] in these instructions.
#[target_feature(enable = "avx2")]
pub fn attend(task: &AttentionTask<'_>, room: &mut Room, output: &mut [f32]) {
    attend::attend::<Pair>(task, room, output);
}

/// [`rows::quantise`], compiled for these instructions.
#[target_feature(enable = "avx2")]
pub fn quantise(values: &[f32], blocks: &mut [RowBlock]) {
    rows::quantise(values, blocks);
}

/// [`attention::gate`], compiled for these instructions.
#[target_feature(enable = "avx2")]
pub fn gate(gate: &mut [f32], up: &[f32]) {
    attention::gate(gate, up);
}

/// Sixteen numbers of [`attend()`], which alone uses it: that is why its functions may count on the processor.
#[derive(Clone, Copy)]
struct Pair(__m256, __m256);

impl Lanes for Pair {
    const MANY: bool = false;

    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: the processor has AVX2, see above.
        unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
    }

    #[inline(always)]
    fn splat(number: f32) -> Self {
        // SAFETY: the processor has AVX2, see above.
        unsafe { Self(_mm256_set1_ps(number), _mm256_set1_ps(number)) }
    }

    #[inline(always)]
    fn load(numbers: &[f32; LANES]) -> Self {
        // SAFETY: the processor has AVX2, see above; sixteen numbers are read from sixteen.
        unsafe { Self(_mm256_loadu_ps(numbers.as_ptr()), _mm256_loadu_ps(numbers.as_ptr().add(HALF))) }
    }

    #[inline(always)]
    fn store(self, numbers: &mut [f32; LANES]) {
        // SAFETY: the processor has AVX2, see above; sixteen numbers are written to sixteen.
        unsafe {
            _mm256_storeu_ps(numbers.as_mut_ptr(), self.0);
            _mm256_storeu_ps(numbers.as_mut_ptr().add(HALF), self.1);
        }
    }

    #[inline(always)]
    fn add_product(self, left: Self, right: Self) -> Self {
        // SAFETY: the processor has AVX2, see above.
        unsafe {
            Self(
                _mm256_add_ps(self.0, _mm256_mul_ps(left.0, right.0)),
                _mm256_add_ps(self.1, _mm256_mul_ps(left.1, right.1)),
            )
        }
    }
}
