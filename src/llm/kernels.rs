//! Products of quantised weights and quantised activations, and the choice of a kernel for this processor.
//!
//! The only module with `unsafe`. Weights are packed in tiles of sixteen outputs, so that a vector lane is an output
//! and nothing is ever summed across lanes. Integer sums are exact and the real-number steps have one order, so that
//! all kernels here give the same bits, for any number of rows and of threads.
//!
//! An output is Σ over blocks of 32 inputs of `scale·d·Σ q·x + offset·d·Σ x`, with weights `scale·q + offset` and
//! activations `d·x`, x in −127 to 127: the arithmetic of ggml's `Q4_1`×`Q8_1` and `Q8_0`×`Q8_0`, with d and d·Σx kept
//! in single precision.
#![expect(unsafe_code, reason = "vector instructions and disjoint parallel writes; each use says why it is sound")]

use candle_core::quantized::GgmlDType;
use rayon::prelude::*;

use super::attention::{self, AttentionTask};
use super::error::LoadError;

/// Which code computes the products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelChoice {
    /// The fastest this processor has of the vector kernels and plain Rust, which all give the same bits.
    #[default]
    Auto,
    /// candle's own quantised product, the reference. Its answers differ from the other kernels' in last digits, and it
    /// computes in threads of its own.
    Portable,
    /// The arithmetic of the vector kernels in plain Rust, on any processor: the same bits, slowly.
    Plain,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 with VNNI.
    Vnni,
}

/// A [`KernelChoice`] that this processor can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    Portable,
    Plain,
    Avx2,
    Vnni,
}

impl Kernel {
    /// Turns a choice into a kernel.
    pub fn choose(choice: KernelChoice) -> Result<Self, LoadError> {
        let missing = |features| LoadError::Kernel { kernel: format!("{choice:?}").to_lowercase(), features };
        let wish = match choice {
            KernelChoice::Auto if has_vnni() => KernelChoice::Vnni,
            KernelChoice::Auto if has_avx2() => KernelChoice::Avx2,
            KernelChoice::Auto => KernelChoice::Plain,
            other => other,
        };
        match wish {
            KernelChoice::Portable => Ok(Self::Portable),
            KernelChoice::Auto | KernelChoice::Plain => Ok(Self::Plain),
            KernelChoice::Avx2 if has_avx2() => Ok(Self::Avx2),
            KernelChoice::Avx2 => Err(missing("AVX2, FMA and F16C")),
            KernelChoice::Vnni if has_vnni() => Ok(Self::Vnni),
            KernelChoice::Vnni => Err(missing("AVX-512F and AVX-512 VNNI")),
        }
    }

    /// The name that goes into the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "candle-qmatmul",
            Self::Plain => "tiles-plain",
            Self::Avx2 => "tiles-avx2",
            Self::Vnni => "tiles-avx512-vnni",
        }
    }

    /// [`attention::attend`], compiled for this kernel's instructions. Same source, same order, same bits.
    pub fn attend(self, task: &AttentionTask<'_>, scores: &mut Vec<f32>, output: &mut [f32]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel is only chosen when the processor has its features.
            Self::Vnni => unsafe { x86::attend_avx512(task, scores, output) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2 => unsafe { x86::attend_avx2(task, scores, output) },
            _ => attention::attend(task, scores, output),
        }
    }

    /// [`attention::gate`], compiled for this kernel's instructions.
    pub fn gate(self, gate: &mut [f32], up: &[f32]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel is only chosen when the processor has its features.
            Self::Vnni => unsafe { x86::gate_avx512(gate, up) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2 => unsafe { x86::gate_avx2(gate, up) },
            _ => attention::gate(gate, up),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_vnni() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") && has_avx2()
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_vnni() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

/// Inputs a block has.
const BLOCK: usize = 32;
/// Outputs a tile has.
const LANES: usize = 16;
/// Four inputs of one output lie side by side in a 32-bit word; a block has this many words an output.
const WORDS: usize = BLOCK / 4;
/// Activation rows that are worked on together, so that a weight block is unpacked once for all of them.
const ROWS: usize = 8;
/// Vector operations a parallel task should at least have, so that handing it out does not cost more than it gains.
const TASK_BLOCKS: usize = 600;

/// Sixteen outputs × 32 inputs of `Q4_1`: word j of an output holds its inputs 4j.. in the low and 16+4j.. in the high
/// halves of the bytes, as the file does.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct FourBitBlock {
    scales: [u16; LANES],
    offsets: [u16; LANES],
    words: [[[u8; 4]; LANES]; WORDS / 2],
}

/// Sixteen outputs × 32 inputs of `Q8_0`.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct EightBitBlock {
    scales: [u16; LANES],
    words: [[[i8; 4]; LANES]; WORDS],
}

enum Tiles {
    Four(Vec<FourBitBlock>),
    Eight(Vec<EightBitBlock>),
}

/// Quantised weights in tiles.
pub(super) struct TiledWeights {
    kernel: Kernel,
    outputs: usize,
    blocks: usize,
    tiles: Tiles,
}

impl TiledWeights {
    /// Packs weights of the file's formats `Q4_1` and `Q8_0`; none for other formats or a width that is no whole number
    /// of blocks.
    pub fn pack(kernel: Kernel, kind: GgmlDType, (outputs, inputs): (usize, usize), bytes: &[u8]) -> Option<Self> {
        if !inputs.is_multiple_of(BLOCK) || inputs == 0 {
            return None;
        }
        let blocks = inputs / BLOCK;
        let places = |tile: usize| {
            let lanes = LANES.min(outputs - tile * LANES);
            (0..blocks).map(move |block| (0..lanes).map(move |lane| (lane, (tile * LANES + lane) * blocks + block)))
        };
        let tile_count = outputs.div_ceil(LANES);
        let tiles = match kind {
            GgmlDType::Q4_1 => {
                Tiles::Four((0..tile_count).flat_map(places).map(|lanes| four_bit_block(bytes, lanes)).collect())
            }
            GgmlDType::Q8_0 => {
                Tiles::Eight((0..tile_count).flat_map(places).map(|lanes| eight_bit_block(bytes, lanes)).collect())
            }
            _ => return None,
        };
        Some(Self { kernel, outputs, blocks, tiles })
    }

    /// Numbers a row of the output has.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Writes the products of all rows with the weights; threads take outputs, never parts of a sum.
    pub fn multiply(&self, input: &QuantisedRows, output: &mut [f32]) {
        assert_eq!(input.blocks, self.blocks, "rows must be as wide as the weights");
        assert_eq!(output.len(), input.rows * self.outputs, "there must be a row of output for each row of input");
        let target = Target(output.as_mut_ptr());
        let least = (TASK_BLOCKS / (self.blocks * input.rows).max(1)).max(1);
        (0..self.outputs.div_ceil(LANES)).into_par_iter().with_min_len(least).for_each(|tile| {
            let width = LANES.min(self.outputs - tile * LANES);
            let mut sums = [[0.0; LANES]; ROWS];
            let mut row = 0;
            while row < input.rows {
                let count = ROWS.min(input.rows - row);
                self.tile(tile, input, row, &mut sums[..count]);
                for (place, sums) in sums[..count].iter().enumerate() {
                    let start = (row + place) * self.outputs + tile * LANES;
                    // SAFETY: start + width ≤ rows · outputs, asserted above to be the output's length; each (row, tile)
                    // is written by one task only, so that no two tasks touch the same numbers.
                    unsafe {
                        if width == LANES {
                            target.at(start).cast::<[f32; LANES]>().write_unaligned(*sums);
                        } else {
                            std::ptr::copy_nonoverlapping(sums.as_ptr(), target.at(start), width);
                        }
                    }
                }
                row += count;
            }
        });
    }

    /// The sums of one tile for the rows from `row` on: a full group has its own compiled loop, a rest goes by four
    /// and by one.
    fn tile(&self, tile: usize, input: &QuantisedRows, mut row: usize, sums: &mut [[f32; LANES]]) {
        let mut left = sums;
        while !left.is_empty() {
            let done = if let Some(group) = left.first_chunk_mut::<ROWS>() {
                self.rows(tile, input, row, group);
                ROWS
            } else if let Some(group) = left.first_chunk_mut::<4>() {
                self.rows(tile, input, row, group);
                4
            } else if let Some(group) = left.first_chunk_mut::<1>() {
                self.rows(tile, input, row, group);
                1
            } else {
                break;
            };
            left = &mut left[done..];
            row += done;
        }
    }

    fn rows<const R: usize>(&self, tile: usize, input: &QuantisedRows, row: usize, sums: &mut [[f32; LANES]; R]) {
        let range = tile * self.blocks..(tile + 1) * self.blocks;
        match (&self.tiles, self.kernel) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel is only chosen when the processor has its features.
            (Tiles::Four(tiles), Kernel::Vnni) => unsafe { x86::four_vnni(&tiles[range], input, row, sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            (Tiles::Eight(tiles), Kernel::Vnni) => unsafe { x86::eight_vnni(&tiles[range], input, row, sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            (Tiles::Four(tiles), Kernel::Avx2) => unsafe { x86::four_avx2(&tiles[range], input, row, sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            (Tiles::Eight(tiles), Kernel::Avx2) => unsafe { x86::eight_avx2(&tiles[range], input, row, sums) },
            (Tiles::Four(tiles), _) => four_plain(&tiles[range], input, row, sums),
            (Tiles::Eight(tiles), _) => eight_plain(&tiles[range], input, row, sums),
        }
    }
}

/// Where tasks write; sound because each writes its own part only.
#[derive(Clone, Copy)]
struct Target(*mut f32);

// SAFETY: the pointer is only used for writes to disjoint places, see `TiledWeights::multiply`.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// # Safety
    /// `place` must lie inside the allocation.
    unsafe fn at(&self, place: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(place) }
    }
}

fn four_bit_block(bytes: &[u8], lanes: impl Iterator<Item = (usize, usize)>) -> FourBitBlock {
    let mut tile = FourBitBlock { scales: [0; LANES], offsets: [0; LANES], words: [[[0; 4]; LANES]; WORDS / 2] };
    for (lane, place) in lanes {
        let block = &bytes[place * 20..(place + 1) * 20];
        tile.scales[lane] = u16::from_le_bytes([block[0], block[1]]);
        tile.offsets[lane] = u16::from_le_bytes([block[2], block[3]]);
        for (word, quants) in tile.words.iter_mut().zip(block[4..].chunks_exact(4)) {
            word[lane].copy_from_slice(quants);
        }
    }
    tile
}

fn eight_bit_block(bytes: &[u8], lanes: impl Iterator<Item = (usize, usize)>) -> EightBitBlock {
    let mut tile = EightBitBlock { scales: [0; LANES], words: [[[0; 4]; LANES]; WORDS] };
    for (lane, place) in lanes {
        let block = &bytes[place * 34..(place + 1) * 34];
        tile.scales[lane] = u16::from_le_bytes([block[0], block[1]]);
        for (word, quants) in tile.words.iter_mut().zip(block[2..].chunks_exact(4)) {
            word[lane] = std::array::from_fn(|byte| i8::from_le_bytes([quants[byte]]));
        }
    }
    tile
}

/// Rows of activations in blocks of 32 eight-bit numbers with a scale and a sum.
pub(super) struct QuantisedRows {
    rows: usize,
    blocks: usize,
    /// Four numbers a word, eight words a block.
    words: Vec<[i32; WORDS]>,
    /// A block's scale d, its scaled sum d·Σx and its plain sum Σx.
    scales: Vec<(f32, f32, i32)>,
}

impl QuantisedRows {
    /// Quantises rows of `width` numbers; `width` is a whole number of blocks.
    pub fn new(values: &[f32], width: usize) -> Self {
        let mut words = vec![[0; WORDS]; values.len() / BLOCK];
        let mut scales = vec![(0.0, 0.0, 0); values.len() / BLOCK];
        let blocks = values.par_chunks_exact(BLOCK).zip(words.par_iter_mut()).zip(scales.par_iter_mut());
        blocks.with_min_len(256).for_each(|((values, words), scale)| *scale = quantise(values, words));
        Self { rows: values.len() / width, blocks: width / BLOCK, words, scales }
    }

    #[inline]
    fn block(&self, row: usize, block: usize) -> (&[i32; WORDS], (f32, f32, i32)) {
        let place = row * self.blocks + block;
        (&self.words[place], self.scales[place])
    }
}

fn quantise(values: &[f32], words: &mut [i32; WORDS]) -> (f32, f32, i32) {
    /// Adding this to a small number rounds it to a whole one, ties to even, and leaves it in the lowest bits.
    const ROUNDER: f32 = 12_582_912.0;
    let peak = values.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
    let inverse = if peak > 0.0 { 127.0 / peak } else { 0.0 };
    let scale = peak / 127.0;
    let mut sum = 0;
    for (word, values) in words.iter_mut().zip(values.chunks_exact(4)) {
        let numbers: [i8; 4] = std::array::from_fn(|place| {
            (values[place] * inverse + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits()) as i8
        });
        sum += numbers.iter().map(|number| i32::from(*number)).sum::<i32>();
        *word = i32::from_le_bytes(numbers.map(|number| number.to_le_bytes()[0]));
    }
    (scale, scale * sum as f32, sum)
}

fn four_plain<const R: usize>(tile: &[FourBitBlock], input: &QuantisedRows, row: usize, sums: &mut [[f32; LANES]; R]) {
    for (place, sums) in sums.iter_mut().enumerate() {
        *sums = [0.0; LANES];
        for (number, block) in tile.iter().enumerate() {
            let (words, (scale, scaled_sum, _)) = input.block(row + place, number);
            for (lane, sum) in sums.iter_mut().enumerate() {
                let mut dot = 0;
                for (word, weights) in block.words.iter().enumerate() {
                    let low = words[word].to_le_bytes();
                    let high = words[word + WORDS / 2].to_le_bytes();
                    for byte in 0..4 {
                        let weight = weights[lane][byte];
                        dot += i32::from(weight & 15) * i32::from(low[byte].cast_signed());
                        dot += i32::from(weight >> 4) * i32::from(high[byte].cast_signed());
                    }
                }
                *sum = (half_to_single(block.scales[lane]) * scale).mul_add(dot as f32, *sum);
                *sum = half_to_single(block.offsets[lane]).mul_add(scaled_sum, *sum);
            }
        }
    }
}

fn eight_plain<const R: usize>(
    tile: &[EightBitBlock],
    input: &QuantisedRows,
    row: usize,
    sums: &mut [[f32; LANES]; R],
) {
    for (place, sums) in sums.iter_mut().enumerate() {
        *sums = [0.0; LANES];
        for (number, block) in tile.iter().enumerate() {
            let (words, (scale, _, _)) = input.block(row + place, number);
            for (lane, sum) in sums.iter_mut().enumerate() {
                let mut dot = 0;
                for (weights, word) in block.words.iter().zip(words) {
                    for (weight, value) in weights[lane].iter().zip(word.to_le_bytes()) {
                        dot += i32::from(*weight) * i32::from(value.cast_signed());
                    }
                }
                *sum = (half_to_single(block.scales[lane]) * scale).mul_add(dot as f32, *sum);
            }
        }
    }
}

/// IEEE 754 half precision to single precision.
pub(super) fn half_to_single(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10) & 31;
    let fraction = u32::from(half) & 1023;
    match exponent {
        0 => {
            let small = fraction as f32 * f32::from_bits(0x3380_0000); // 2^-24
            f32::from_bits(small.to_bits() | sign)
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

/// The vector kernels. Every function here is called only on processors with the features it names.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, __m256, __m256i, __m512, __m512i, _mm256_abs_epi8, _mm256_add_epi16, _mm256_add_epi32,
        _mm256_and_si256, _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_si256, _mm256_madd_epi16,
        _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sign_epi8, _mm256_srli_epi32, _mm256_storeu_ps,
        _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps,
        _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
        _mm512_setzero_si512, _mm512_srli_epi32, _mm512_storeu_ps, _mm512_xor_si512,
    };

    use super::super::attention::{self, AttentionTask};
    use super::{EightBitBlock, FourBitBlock, LANES, QuantisedRows, WORDS};

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn four_vnni<const R: usize>(
        tile: &[FourBitBlock],
        input: &QuantisedRows,
        row: usize,
        sums: &mut [[f32; LANES]; R],
    ) {
        let low = _mm512_set1_epi8(15);
        let mut totals = [_mm512_setzero_ps(); R];
        for (number, block) in tile.iter().enumerate() {
            let mut weights = [_mm512_setzero_si512(); WORDS];
            for (word, packed) in block.words.iter().enumerate() {
                let packed = load_512(packed);
                weights[word] = _mm512_and_si512(packed, low);
                weights[word + WORDS / 2] = _mm512_and_si512(_mm512_srli_epi32::<4>(packed), low);
            }
            let scales = halves_512(&block.scales);
            let offsets = halves_512(&block.offsets);
            for (place, total) in totals.iter_mut().enumerate() {
                let (words, (scale, scaled_sum, _)) = input.block(row + place, number);
                let mut dot = _mm512_setzero_si512();
                for (weights, word) in weights.iter().zip(words) {
                    dot = _mm512_dpbusd_epi32(dot, *weights, _mm512_set1_epi32(*word));
                }
                let factor = _mm512_mul_ps(scales, _mm512_set1_ps(scale));
                *total = _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(dot), *total);
                *total = _mm512_fmadd_ps(offsets, _mm512_set1_ps(scaled_sum), *total);
            }
        }
        store_512(&totals, sums);
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn eight_vnni<const R: usize>(
        tile: &[EightBitBlock],
        input: &QuantisedRows,
        row: usize,
        sums: &mut [[f32; LANES]; R],
    ) {
        // The instruction wants its left side unsigned: weights go in 128 too large, and 128·Σx is taken off at the start.
        let flip = _mm512_set1_epi8(-128);
        let mut totals = [_mm512_setzero_ps(); R];
        for (number, block) in tile.iter().enumerate() {
            let mut weights = [_mm512_setzero_si512(); WORDS];
            for (weights, words) in weights.iter_mut().zip(&block.words) {
                *weights = _mm512_xor_si512(load_512(words), flip);
            }
            let scales = halves_512(&block.scales);
            for (place, total) in totals.iter_mut().enumerate() {
                let (words, (scale, _, sum)) = input.block(row + place, number);
                let mut dot = _mm512_set1_epi32(-128 * sum);
                for (weights, word) in weights.iter().zip(words) {
                    dot = _mm512_dpbusd_epi32(dot, *weights, _mm512_set1_epi32(*word));
                }
                let factor = _mm512_mul_ps(scales, _mm512_set1_ps(scale));
                *total = _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(dot), *total);
            }
        }
        store_512(&totals, sums);
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    pub fn four_avx2<const R: usize>(
        tile: &[FourBitBlock],
        input: &QuantisedRows,
        row: usize,
        sums: &mut [[f32; LANES]; R],
    ) {
        let low = _mm256_set1_epi8(15);
        let ones = _mm256_set1_epi16(1);
        for half in 0..2 {
            let mut totals = [_mm256_setzero_ps(); R];
            for (number, block) in tile.iter().enumerate() {
                let mut weights = [_mm256_setzero_si256(); WORDS];
                for (word, packed) in block.words.iter().enumerate() {
                    let packed = load_256(packed, half);
                    weights[word] = _mm256_and_si256(packed, low);
                    weights[word + WORDS / 2] = _mm256_and_si256(_mm256_srli_epi32::<4>(packed), low);
                }
                let scales = halves_256(&block.scales, half);
                let offsets = halves_256(&block.offsets, half);
                for (place, total) in totals.iter_mut().enumerate() {
                    let (words, (scale, scaled_sum, _)) = input.block(row + place, number);
                    // Eight sums of two products of at most 15·127 stay below 2^15.
                    let mut pairs = _mm256_setzero_si256();
                    for (weights, word) in weights.iter().zip(words) {
                        pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(*weights, _mm256_set1_epi32(*word)));
                    }
                    let dot = _mm256_madd_epi16(pairs, ones);
                    let factor = _mm256_mul_ps(scales, _mm256_set1_ps(scale));
                    *total = _mm256_fmadd_ps(factor, _mm256_cvtepi32_ps(dot), *total);
                    *total = _mm256_fmadd_ps(offsets, _mm256_set1_ps(scaled_sum), *total);
                }
            }
            store_256(&totals, sums, half);
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    pub fn eight_avx2<const R: usize>(
        tile: &[EightBitBlock],
        input: &QuantisedRows,
        row: usize,
        sums: &mut [[f32; LANES]; R],
    ) {
        let ones = _mm256_set1_epi16(1);
        for half in 0..2 {
            let mut totals = [_mm256_setzero_ps(); R];
            for (number, block) in tile.iter().enumerate() {
                let scales = halves_256(&block.scales, half);
                for (place, total) in totals.iter_mut().enumerate() {
                    let (words, (scale, _, _)) = input.block(row + place, number);
                    let mut dot = _mm256_setzero_si256();
                    for (weights, word) in block.words.iter().zip(words) {
                        // |w| · (x with w's sign): at most two products of 128·127, below 2^15.
                        let weights = load_256(weights, half);
                        let value = _mm256_sign_epi8(_mm256_set1_epi32(*word), weights);
                        let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), value);
                        dot = _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, ones));
                    }
                    let factor = _mm256_mul_ps(scales, _mm256_set1_ps(scale));
                    *total = _mm256_fmadd_ps(factor, _mm256_cvtepi32_ps(dot), *total);
                }
            }
            store_256(&totals, sums, half);
        }
    }

    #[target_feature(enable = "avx512f")]
    fn load_512<T>(words: &[[T; 4]; LANES]) -> __m512i {
        const { assert!(size_of::<T>() == 1) };
        // SAFETY: 64 bytes are read from 64 bytes.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f")]
    fn halves_512(halves: &[u16; LANES]) -> __m512 {
        // SAFETY: 32 bytes are read from 32 bytes.
        _mm512_cvtph_ps(unsafe { std::ptr::read_unaligned(halves.as_ptr().cast::<__m256i>()) })
    }

    #[target_feature(enable = "avx512f")]
    fn store_512<const R: usize>(totals: &[__m512; R], sums: &mut [[f32; LANES]; R]) {
        for (total, sums) in totals.iter().zip(sums) {
            // SAFETY: sixteen numbers are written to sixteen.
            unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), *total) };
        }
    }

    #[target_feature(enable = "avx2")]
    fn load_256<T>(words: &[[T; 4]; LANES], half: usize) -> __m256i {
        const { assert!(size_of::<T>() == 1) };
        let words: &[[T; 4]; LANES / 2] = words[half * LANES / 2..].first_chunk().expect("half of the words");
        // SAFETY: 32 bytes are read from 32 bytes.
        unsafe { _mm256_loadu_si256(words.as_ptr().cast::<__m256i>()) }
    }

    #[target_feature(enable = "avx2,f16c")]
    fn halves_256(halves: &[u16; LANES], half: usize) -> __m256 {
        let halves: &[u16; LANES / 2] = halves[half * LANES / 2..].first_chunk().expect("half of the numbers");
        // SAFETY: 16 bytes are read from 16 bytes.
        _mm256_cvtph_ps(unsafe { std::ptr::read_unaligned(halves.as_ptr().cast::<__m128i>()) })
    }

    #[target_feature(enable = "avx2")]
    fn store_256<const R: usize>(totals: &[__m256; R], sums: &mut [[f32; LANES]; R], half: usize) {
        for (total, sums) in totals.iter().zip(sums) {
            let sums: &mut [f32; LANES / 2] = sums[half * LANES / 2..].first_chunk_mut().expect("half of the numbers");
            // SAFETY: eight numbers are written to eight.
            unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), *total) };
        }
    }

    #[target_feature(enable = "avx512f")]
    pub fn attend_avx512(task: &AttentionTask<'_>, scores: &mut Vec<f32>, output: &mut [f32]) {
        attention::attend(task, scores, output);
    }

    #[target_feature(enable = "avx2")]
    pub fn attend_avx2(task: &AttentionTask<'_>, scores: &mut Vec<f32>, output: &mut [f32]) {
        attention::attend(task, scores, output);
    }

    #[target_feature(enable = "avx512f")]
    pub fn gate_avx512(gate: &mut [f32], up: &[f32]) {
        attention::gate(gate, up);
    }

    #[target_feature(enable = "avx2")]
    pub fn gate_avx2(gate: &mut [f32], up: &[f32]) {
        attention::gate(gate, up);
    }
}
