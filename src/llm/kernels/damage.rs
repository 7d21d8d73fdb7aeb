//! Numbers in a model file that no sound model holds: what is infinite or no number at all.

use candle_core::quantized::GgmlDType;

/// The first block of a tensor whose scale or offset is not finite; for formats of real numbers, the first such number.
pub fn first_damaged_block(kind: GgmlDType, bytes: &[u8]) -> Option<usize> {
    let half = |block: &[u8], place: usize| u16::from_le_bytes([block[place], block[place + 1]]);
    let half_is_finite = |block: &[u8], place: usize| half(block, place) >> 10 & 31 != 31;
    // Where a block keeps its half-precision numbers.
    let places: &[usize] = match kind {
        GgmlDType::Q4_0 | GgmlDType::Q5_0 | GgmlDType::Q8_0 | GgmlDType::F16 => &[0],
        GgmlDType::Q4_1 | GgmlDType::Q5_1 | GgmlDType::Q8_1 | GgmlDType::Q4K | GgmlDType::Q5K => &[0, 2],
        GgmlDType::Q2K => &[80, 82],
        GgmlDType::Q3K => &[108],
        GgmlDType::Q6K => &[208],
        GgmlDType::BF16 => {
            return bytes.chunks_exact(2).position(|number| half(number, 0) >> 7 & 255 == 255);
        }
        GgmlDType::F32 => {
            return bytes.as_chunks::<4>().0.iter().position(|number| !f32::from_le_bytes(*number).is_finite());
        }
        // What candle uses inside and no file holds.
        GgmlDType::Q8K => &[],
    };
    bytes.chunks_exact(kind.type_size()).position(|block| places.iter().any(|place| !half_is_finite(block, *place)))
}
