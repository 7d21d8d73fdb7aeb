//! Weights that are no whole numbers: single, half and brain precision, sixteen outputs side by side.

use super::LANES;

/// Sixteen outputs' weights for one input.
#[derive(Clone, Copy)]
pub enum Numbers<'a> {
    Single(&'a [f32; LANES]),
    Half(&'a [u16; LANES]),
    Brain(&'a [u16; LANES]),
}

/// A format of numbers.
pub trait NumberFormat: Send + Sync {
    /// How a number is stored.
    type Stored: Copy + Default + Send + Sync;
    /// Its bytes.
    const BYTES: usize;
    /// Reads it from the file.
    fn read(bytes: &[u8]) -> Self::Stored;
    /// Sixteen of them.
    fn view(numbers: &[Self::Stored; LANES]) -> Numbers<'_>;
}

/// `F32`.
pub struct Single;
/// `F16`, IEEE 754 half precision.
pub struct Half;
/// `BF16`, the upper half of single precision.
pub struct Brain;

impl NumberFormat for Single {
    type Stored = f32;
    const BYTES: usize = 4;

    fn read(bytes: &[u8]) -> f32 {
        f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    #[inline(always)]
    fn view(numbers: &[f32; LANES]) -> Numbers<'_> {
        Numbers::Single(numbers)
    }
}

impl NumberFormat for Half {
    type Stored = u16;
    const BYTES: usize = 2;

    fn read(bytes: &[u8]) -> u16 {
        u16::from_le_bytes([bytes[0], bytes[1]])
    }

    #[inline(always)]
    fn view(numbers: &[u16; LANES]) -> Numbers<'_> {
        Numbers::Half(numbers)
    }
}

impl NumberFormat for Brain {
    type Stored = u16;
    const BYTES: usize = 2;

    fn read(bytes: &[u8]) -> u16 {
        u16::from_le_bytes([bytes[0], bytes[1]])
    }

    #[inline(always)]
    fn view(numbers: &[u16; LANES]) -> Numbers<'_> {
        Numbers::Brain(numbers)
    }
}

impl Numbers<'_> {
    /// One of them in single precision.
    pub fn single(self, lane: usize) -> f32 {
        match self {
            Self::Single(numbers) => numbers[lane],
            Self::Half(numbers) => half_to_single(numbers[lane]),
            Self::Brain(numbers) => f32::from_bits(u32::from(numbers[lane]) << 16),
        }
    }
}

/// IEEE 754 half precision to single precision.
pub fn half_to_single(half: u16) -> f32 {
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
