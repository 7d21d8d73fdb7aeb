//! Blocks of quantised weights as they lie in memory: sixteen outputs side by side, each format at the size it has in
//! the file.
//!
//! A format says what a block of 32 inputs is made of ([`Part`]) and how to fill it from the file; the kernels know the
//! parts only. Layouts of the files: ggml's `ggml-common.h` and `ggml-quants.c`.

use super::{BLOCK, LANES, WORDS};

/// The low four bits of 32 inputs: word j of an output holds its inputs 4j.. in the low and 16+4j.. in the high halves
/// of the bytes.
pub type LowBits = [[[u8; 4]; LANES]; WORDS / 2];
/// One more bit: bit j of byte b of an output belongs to input 4j+b.
pub type HighBit = [[u8; 4]; LANES];
/// Two more bits, of the first and the second sixteen inputs: bits 2k and 2k+1 of byte b belong to input 4k+b.
pub type HighBits = [[[u8; 4]; LANES]; 2];
/// How far to the left bit j of [`HighBit`] goes to become bit 4 of word j.
pub const SHIFTS_OF_ONE: [i32; WORDS] = [4, 3, 2, 1, 0, -1, -2, -3];
/// How far to the left bits 2k and 2k+1 of [`HighBits`] go to become bits 4 and 5 of word k of their half.
pub const SHIFTS_OF_TWO: [i32; WORDS / 2] = [4, 2, 0, -2];
/// Eight bits with a sign.
pub type Bytes = [[[i8; 4]; LANES]; WORDS];
/// Half-precision numbers as bits.
pub type Halves = [u16; LANES];

/// Where the whole numbers q of a block stand.
#[derive(Clone, Copy)]
pub enum Quants<'a> {
    Four(&'a LowBits),
    Five(&'a LowBits, &'a HighBit),
    Six(&'a LowBits, &'a HighBits),
    Eight(&'a Bytes),
}

/// What a q is multiplied by.
#[derive(Clone, Copy)]
pub enum Scales<'a> {
    Plain(&'a Halves),
    /// The product of both, which single precision holds exactly.
    Times(&'a Halves, &'a [u8; LANES]),
}

/// What is then added.
#[derive(Clone, Copy)]
pub enum Offsets<'a> {
    None,
    Plain(&'a Halves),
    /// Less the product of both, which single precision holds exactly.
    LessTimes(&'a Halves, &'a [u8; LANES]),
}

/// A block of 32 inputs: weights are `scale · factor · (q − zero) + offset`, with a factor for each sixteen inputs.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    pub quants: Quants<'a>,
    pub zero: i32,
    pub scales: Scales<'a>,
    pub offsets: Offsets<'a>,
    pub factors: Option<[&'a [i8; LANES]; 2]>,
}

/// A block of a format, for sixteen outputs.
pub trait TileBlock: Copy + Send + Sync {
    /// Parts of 32 inputs it has.
    const PARTS: usize;
    /// Bytes of the file's block for one output.
    const BYTES: usize;
    /// Weights that are all zero.
    const EMPTY: Self;
    /// Takes over the file's block for one output.
    fn fill(&mut self, lane: usize, bytes: &[u8]);
    /// What it is made of.
    fn part(&self, part: usize) -> Part<'_>;
}

const NO_LOW: LowBits = [[[0; 4]; LANES]; WORDS / 2];

fn half(bytes: &[u8], place: usize) -> u16 {
    u16::from_le_bytes([bytes[place], bytes[place + 1]])
}

/// Sixteen bytes that hold input j in the low and 16+j in the high half of byte j, as they are wanted here.
fn copy_low(low: &mut LowBits, lane: usize, bytes: &[u8]) {
    for (word, bytes) in low.iter_mut().zip(bytes.as_chunks::<4>().0) {
        word[lane] = *bytes;
    }
}

fn fill_low(low: &mut LowBits, lane: usize, quants: &[u8; BLOCK]) {
    for (number, word) in low.iter_mut().enumerate() {
        word[lane] =
            std::array::from_fn(|byte| (quants[4 * number + byte] & 15) | (quants[16 + 4 * number + byte] & 15) << 4);
    }
}

fn fill_high_bit(high: &mut HighBit, lane: usize, quants: &[u8; BLOCK]) {
    high[lane] =
        std::array::from_fn(|byte| (0..WORDS).fold(0, |bits, word| bits | (quants[4 * word + byte] >> 4 & 1) << word));
}

/// Four bytes that hold the bit of input j as bit j.
fn spread_high_bit(high: &mut HighBit, lane: usize, bytes: &[u8]) {
    let bits = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    high[lane] = std::array::from_fn(|byte| {
        (0..WORDS).fold(0, |sum, word| sum | ((bits >> (4 * word + byte) & 1) as u8) << word)
    });
}

fn fill_high_bits(high: &mut HighBits, lane: usize, quants: &[u8; BLOCK]) {
    for (quants, high) in quants.as_chunks::<16>().0.iter().zip(high) {
        high[lane] = std::array::from_fn(|byte| {
            (0..WORDS / 2).fold(0, |bits, word| bits | (quants[4 * word + byte] >> 4 & 3) << (2 * word))
        });
    }
}

/// `Q4_0`: d·(q − 8).
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Q4_0 {
    words: LowBits,
    scales: Halves,
}

impl TileBlock for Q4_0 {
    const PARTS: usize = 1;
    const BYTES: usize = 18;
    const EMPTY: Self = Self { words: NO_LOW, scales: [0; LANES] };

    fn fill(&mut self, lane: usize, bytes: &[u8]) {
        self.scales[lane] = half(bytes, 0);
        copy_low(&mut self.words, lane, &bytes[2..]);
    }

    #[inline(always)]
    fn part(&self, _part: usize) -> Part<'_> {
        Part {
            quants: Quants::Four(&self.words),
            zero: 8,
            scales: Scales::Plain(&self.scales),
            offsets: Offsets::None,
            factors: None,
        }
    }
}

/// `Q4_1`: d·q + m.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Q4_1 {
    words: LowBits,
    scales: Halves,
    offsets: Halves,
}

impl TileBlock for Q4_1 {
    const PARTS: usize = 1;
    const BYTES: usize = 20;
    const EMPTY: Self = Self { words: NO_LOW, scales: [0; LANES], offsets: [0; LANES] };

    fn fill(&mut self, lane: usize, bytes: &[u8]) {
        self.scales[lane] = half(bytes, 0);
        self.offsets[lane] = half(bytes, 2);
        copy_low(&mut self.words, lane, &bytes[4..]);
    }

    #[inline(always)]
    fn part(&self, _part: usize) -> Part<'_> {
        Part {
            quants: Quants::Four(&self.words),
            zero: 0,
            scales: Scales::Plain(&self.scales),
            offsets: Offsets::Plain(&self.offsets),
            factors: None,
        }
    }
}

/// `Q5_0`: d·(q − 16).
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub struct Q5_0 {
    words: LowBits,
    high: HighBit,
    scales: Halves,
}

impl TileBlock for Q5_0 {
    const PARTS: usize = 1;
    const BYTES: usize = 22;
    const EMPTY: Self = Self { words: NO_LOW, high: [[0; 4]; LANES], scales: [0; LANES] };

    fn fill(&mut self, lane: usize, bytes: &[u8]) {
        self.scales[lane] = half(bytes, 0);
        copy_low(&mut self.words, lane, &bytes[6..]);
        spread_high_bit(&mut self.high, lane, &bytes[2..6]);
    }

    #[inline(always)]
    fn part(&self, _part: usize) -> Part<'_> {
        Part {
            quants: Quants::Five(&self.words, &self.high),
            zero: 16,
            scales: Scales::Plain(&self.scales),
            offsets: Offsets::None,
            factors: None,
        }
    }
}

/// `Q5_1`: d·q + m.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Q5_1 {
    words: LowBits,
    high: HighBit,
    scales: Halves,
    offsets: Halves,
}

impl TileBlock for Q5_1 {
    const PARTS: usize = 1;
    const BYTES: usize = 24;
    const EMPTY: Self = Self { words: NO_LOW, high: [[0; 4]; LANES], scales: [0; LANES], offsets: [0; LANES] };

    fn fill(&mut self, lane: usize, bytes: &[u8]) {
        self.scales[lane] = half(bytes, 0);
        self.offsets[lane] = half(bytes, 2);
        copy_low(&mut self.words, lane, &bytes[8..]);
        spread_high_bit(&mut self.high, lane, &bytes[4..8]);
    }

    #[inline(always)]
    fn part(&self, _part: usize) -> Part<'_> {
        Part {
            quants: Quants::Five(&self.words, &self.high),
            zero: 0,
            scales: Scales::Plain(&self.scales),
            offsets: Offsets::Plain(&self.offsets),
            factors: None,
        }
    }
}

/// `Q8_0`: d·q.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub struct Q8_0 {
    scales: Halves,
    words: Bytes,
}

impl TileBlock for Q8_0 {
    const PARTS: usize = 1;
    const BYTES: usize = 34;
    const EMPTY: Self = Self { scales: [0; LANES], words: [[[0; 4]; LANES]; WORDS] };

    fn fill(&mut self, lane: usize, bytes: &[u8]) {
        self.scales[lane] = half(bytes, 0);
        for (word, quants) in self.words.iter_mut().zip(bytes[2..].as_chunks::<4>().0) {
            word[lane] = quants.map(u8::cast_signed);
        }
    }

    #[inline(always)]
    fn part(&self, _part: usize) -> Part<'_> {
        Part {
            quants: Quants::Eight(&self.words),
            zero: 0,
            scales: Scales::Plain(&self.scales),
            offsets: Offsets::None,
            factors: None,
        }
    }
}

/// Parts of a block of a `K` format.
const K_PARTS: usize = 8;

/// The eight scales and eight minima of six bits each that `Q4_K` and `Q5_K` keep in twelve bytes.
fn six_bit_pair(packed: &[u8], part: usize) -> (u8, u8) {
    if part < 4 {
        (packed[part] & 63, packed[part + 4] & 63)
    } else {
        let (low, high) = (packed[part + 4] & 15, packed[part + 4] >> 4);
        (low | packed[part - 4] >> 6 << 4, high | packed[part] >> 6 << 4)
    }
}

/// Parts 2k and 2k+1 of `Q4_K` and `Q5_K` are the low and high halves of the same 32 bytes.
fn half_bytes(bytes: &[u8], part: usize) -> [u8; BLOCK] {
    let bytes = &bytes[part / 2 * BLOCK..];
    std::array::from_fn(|place| bytes[place] >> (part % 2 * 4) & 15)
}

/// `Q4_K`: d·s·q − dmin·m, with whole numbers s and m for each 32 inputs.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Q4K {
    words: [LowBits; K_PARTS],
    scales: Halves,
    minima: Halves,
    scale_factors: [[u8; LANES]; K_PARTS],
    minimum_factors: [[u8; LANES]; K_PARTS],
}

impl TileBlock for Q4K {
    const PARTS: usize = K_PARTS;
    const BYTES: usize = 144;
    const EMPTY: Self = Self {
        words: [NO_LOW; K_PARTS],
        scales: [0; LANES],
        minima: [0; LANES],
        scale_factors: [[0; LANES]; K_PARTS],
        minimum_factors: [[0; LANES]; K_PARTS],
    };

    fn fill(&mut self, lane: usize, bytes: &[u8]) {
        self.scales[lane] = half(bytes, 0);
        self.minima[lane] = half(bytes, 2);
        for part in 0..K_PARTS {
            (self.scale_factors[part][lane], self.minimum_factors[part][lane]) = six_bit_pair(&bytes[4..16], part);
            fill_low(&mut self.words[part], lane, &half_bytes(&bytes[16..], part));
        }
    }

    #[inline(always)]
    fn part(&self, part: usize) -> Part<'_> {
        Part {
            quants: Quants::Four(&self.words[part]),
            zero: 0,
            scales: Scales::Times(&self.scales, &self.scale_factors[part]),
            offsets: Offsets::LessTimes(&self.minima, &self.minimum_factors[part]),
            factors: None,
        }
    }
}

/// `Q5_K`: as `Q4_K`, with a fifth bit.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Q5K {
    words: [LowBits; K_PARTS],
    high: [HighBit; K_PARTS],
    scales: Halves,
    minima: Halves,
    scale_factors: [[u8; LANES]; K_PARTS],
    minimum_factors: [[u8; LANES]; K_PARTS],
}

impl TileBlock for Q5K {
    const PARTS: usize = K_PARTS;
    const BYTES: usize = 176;
    const EMPTY: Self = Self {
        words: [NO_LOW; K_PARTS],
        high: [[[0; 4]; LANES]; K_PARTS],
        scales: [0; LANES],
        minima: [0; LANES],
        scale_factors: [[0; LANES]; K_PARTS],
        minimum_factors: [[0; LANES]; K_PARTS],
    };

    fn fill(&mut self, lane: usize, bytes: &[u8]) {
        self.scales[lane] = half(bytes, 0);
        self.minima[lane] = half(bytes, 2);
        let high = &bytes[16..48];
        for part in 0..K_PARTS {
            (self.scale_factors[part][lane], self.minimum_factors[part][lane]) = six_bit_pair(&bytes[4..16], part);
            let low = half_bytes(&bytes[48..], part);
            let quants = std::array::from_fn(|place| low[place] | (high[place] >> part & 1) << 4);
            fill_low(&mut self.words[part], lane, &quants);
            fill_high_bit(&mut self.high[part], lane, &quants);
        }
    }

    #[inline(always)]
    fn part(&self, part: usize) -> Part<'_> {
        Part {
            quants: Quants::Five(&self.words[part], &self.high[part]),
            zero: 0,
            scales: Scales::Times(&self.scales, &self.scale_factors[part]),
            offsets: Offsets::LessTimes(&self.minima, &self.minimum_factors[part]),
            factors: None,
        }
    }
}

/// `Q6_K`: d·s·(q − 32), with a whole number s for each 16 inputs.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub struct Q6K {
    words: [LowBits; K_PARTS],
    high: [HighBits; K_PARTS],
    factors: [[[i8; LANES]; 2]; K_PARTS],
    scales: Halves,
}

impl TileBlock for Q6K {
    const PARTS: usize = K_PARTS;
    const BYTES: usize = 210;
    const EMPTY: Self = Self {
        words: [NO_LOW; K_PARTS],
        high: [[[[0; 4]; LANES]; 2]; K_PARTS],
        factors: [[[0; LANES]; 2]; K_PARTS],
        scales: [0; LANES],
    };

    fn fill(&mut self, lane: usize, bytes: &[u8]) {
        self.scales[lane] = half(bytes, 208);
        for part in 0..K_PARTS {
            // Four parts share 64 bytes of low halves and 32 of pairs of high bits.
            let (group, quarter) = (part / 4, part % 4);
            let low = &bytes[group * 64 + quarter % 2 * 32..];
            let high = &bytes[128 + group * 32..];
            let quants = std::array::from_fn(|place| {
                (low[place] >> (quarter / 2 * 4) & 15) | (high[place] >> (2 * quarter) & 3) << 4
            });
            fill_low(&mut self.words[part], lane, &quants);
            fill_high_bits(&mut self.high[part], lane, &quants);
            for (half, factors) in self.factors[part].iter_mut().enumerate() {
                factors[lane] = bytes[192 + 2 * part + half].cast_signed();
            }
        }
    }

    #[inline(always)]
    fn part(&self, part: usize) -> Part<'_> {
        let [first, second] = &self.factors[part];
        Part {
            quants: Quants::Six(&self.words[part], &self.high[part]),
            zero: 32,
            scales: Scales::Plain(&self.scales),
            offsets: Offsets::None,
            factors: Some([first, second]),
        }
    }
}
