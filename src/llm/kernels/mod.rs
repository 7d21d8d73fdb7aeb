//! Products of weights and activations, and the choice of a kernel for this processor.
//!
//! The only folder with `unsafe`. Weights are packed in tiles of sixteen outputs, so that a vector lane is an output
//! and nothing is ever summed across lanes. Integer sums are exact and the real-number steps have one order, so that
//! all kernels here give the same bits, for any number of rows and of threads.
//!
//! For weights of whole numbers an output is Σ over blocks of 32 inputs of `scale·d·Σ (q−zero)·x + offset·d·Σ x`, with
//! activations `d·x`, x in −127 to 127: the arithmetic of ggml's `Q4_1`×`Q8_1` and `Q8_0`×`Q8_0`, with d and d·Σx kept in
//! single precision. For weights of real numbers it is Σ w·x over the inputs in order, each step rounded once.

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions; each use says why it is sound")]
mod avx2;
mod blocks;
mod damage;
mod numbers;
mod plain;
mod rows;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions; each use says why it is sound")]
mod vnni;
mod weights;

pub(super) use damage::first_damaged_block;
pub(super) use rows::QuantisedRows;
use rows::RowBlock;
pub(super) use weights::{Input, TiledWeights};

use super::attend::{self, AttentionTask, Room};
use super::attention;
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

    /// [`attend::attend`], compiled for this kernel's instructions. Same source, same order, same bits.
    #[expect(unsafe_code, reason = "functions for vector instructions; the kernel says that the processor has them")]
    pub fn attend(self, task: &AttentionTask<'_>, room: &mut Room, output: &mut [f32]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel is only chosen when the processor has its features.
            Self::Vnni => unsafe { vnni::attend(task, room, output) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2 => unsafe { avx2::attend(task, room, output) },
            _ => attend::attend::<[f32; LANES]>(task, room, output),
        }
    }

    /// [`rows::quantise`], compiled for this kernel's instructions.
    #[expect(unsafe_code, reason = "functions for vector instructions; the kernel says that the processor has them")]
    fn quantise(self, values: &[f32], blocks: &mut [RowBlock]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel is only chosen when the processor has its features.
            Self::Vnni => unsafe { vnni::quantise(values, blocks) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2 => unsafe { avx2::quantise(values, blocks) },
            _ => rows::quantise(values, blocks),
        }
    }

    /// [`attention::gate`], compiled for this kernel's instructions.
    #[expect(unsafe_code, reason = "functions for vector instructions; the kernel says that the processor has them")]
    pub fn gate(self, gate: &mut [f32], up: &[f32]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel is only chosen when the processor has its features.
            Self::Vnni => unsafe { vnni::gate(gate, up) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2 => unsafe { avx2::gate(gate, up) },
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
