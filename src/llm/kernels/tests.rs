//! Every format in every kernel on random blocks: against each other bit for bit, and against candle's reading of them.

use std::borrow::Cow;

use candle_core::Device;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};

use super::{BLOCK, Input, Kernel, KernelChoice, QuantisedRows, TiledWeights, first_damaged_block};

const FORMATS: [GgmlDType; 11] = [
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q5_1,
    GgmlDType::Q8_0,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
    GgmlDType::F32,
    GgmlDType::F16,
    GgmlDType::BF16,
];

/// Outputs: less than a tile, a tile, and tiles with a rest.
const OUTPUTS: [usize; 4] = [1, 5, 16, 53];

/// Steele et al. 2014, `SplitMix64`.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// From −1 to 1.
    fn real(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// Random weights; all bits are random but the exponents of scales and real numbers, so that none is infinite.
fn weights(kind: GgmlDType, outputs: usize, inputs: usize, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = numbers.bytes(outputs * inputs / kind.block_size() * kind.type_size());
    let halves: &[usize] = match kind {
        GgmlDType::Q4_0 | GgmlDType::Q5_0 | GgmlDType::Q8_0 | GgmlDType::F16 => &[1],
        GgmlDType::Q4_1 | GgmlDType::Q5_1 | GgmlDType::Q4K | GgmlDType::Q5K => &[1, 3],
        GgmlDType::Q6K => &[209],
        _ => &[],
    };
    for block in bytes.chunks_exact_mut(kind.type_size()) {
        for place in halves {
            // Exponents from −15 (no longer normal) to 0.
            block[*place] &= 0b1011_1111;
        }
        match kind {
            GgmlDType::BF16 => block[1] = block[1] & 0b1000_0000 | 0x3e,
            GgmlDType::F32 => block[3] = block[3] & 0b1000_0000 | 0x3e,
            _ => {}
        }
    }
    bytes
}

fn inputs(kind: GgmlDType) -> usize {
    match kind.block_size() {
        1 => 51,
        BLOCK => 9 * BLOCK,
        block => 2 * block,
    }
}

/// Rows of ordinary numbers, with some blocks of nothing and one large number now and then.
fn rows(count: usize, width: usize, numbers: &mut Numbers) -> Vec<f32> {
    let mut rows: Vec<f32> = (0..count * width).map(|_| numbers.real()).collect();
    for block in rows.chunks_mut(BLOCK) {
        match numbers.next() % 8 {
            0 => block.fill(0.0),
            1 => block[0] *= 50.0,
            _ => {}
        }
    }
    rows
}

fn product(weights: &TiledWeights, rows: &[f32], width: usize) -> Vec<f32> {
    let mut output = vec![f32::NAN; rows.len() / width * weights.outputs()];
    if weights.wants_blocks() {
        weights.multiply(Input::Blocks(&QuantisedRows::new(weights.kernel(), rows, width)), &mut output);
    } else {
        weights.multiply(Input::Numbers(rows, width), &mut output);
    }
    output
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn packed(kernel: Kernel, kind: GgmlDType, shape: (usize, usize), bytes: &[u8]) -> TiledWeights {
    TiledWeights::pack(kernel, kind, shape, bytes).expect("a format with a kernel")
}

fn kernels() -> Vec<Kernel> {
    [KernelChoice::Avx2, KernelChoice::Vnni].into_iter().filter_map(|choice| Kernel::choose(choice).ok()).collect()
}

/// What candle reads out of the bytes.
fn dequantised(kind: GgmlDType, shape: (usize, usize), bytes: &[u8]) -> Vec<f32> {
    let storage = QStorage::from_data(Cow::Owned(bytes.to_vec()), &Device::Cpu, kind).expect("candle knows it");
    let tensor = QTensor::new(storage, shape).expect("whole blocks");
    let read = tensor.dequantize(&Device::Cpu).and_then(|tensor| tensor.flatten_all()?.to_vec1());
    read.expect("candle reads it")
}

#[test]
fn every_kernel_gives_the_bits_of_the_plain_one() {
    let mut numbers = Numbers(1);
    for kind in FORMATS {
        let width = inputs(kind);
        for outputs in OUTPUTS {
            let bytes = weights(kind, outputs, width, &mut numbers);
            let rows = rows(15, width, &mut numbers);
            let plain = product(&packed(Kernel::Plain, kind, (outputs, width), &bytes), &rows, width);
            assert!(plain.iter().all(|number| number.is_finite()), "{kind:?}");
            for kernel in kernels() {
                let found = product(&packed(kernel, kind, (outputs, width), &bytes), &rows, width);
                assert_eq!(bits(&found), bits(&plain), "{kind:?}, {outputs} outputs, {kernel:?}");
            }
        }
    }
}

#[test]
fn extreme_numbers_do_not_overflow() {
    // All weights' and activations' whole numbers at their ends: where sixteen-bit sums would run over first.
    for kind in FORMATS.into_iter().filter(|kind| kind.block_size() > 1) {
        let width = inputs(kind);
        for fill in [0xff_u8, 0x80, 0x7f, 0] {
            let mut bytes = vec![fill; 16 * width / kind.block_size() * kind.type_size()];
            for block in bytes.chunks_exact_mut(kind.type_size()) {
                let place = if kind == GgmlDType::Q6K { 208 } else { 0 };
                block[place..place + 2].copy_from_slice(&0x3c00_u16.to_le_bytes());
                if !matches!(kind, GgmlDType::Q4_0 | GgmlDType::Q5_0 | GgmlDType::Q8_0 | GgmlDType::Q6K) {
                    block[2..4].copy_from_slice(&0x3c00_u16.to_le_bytes());
                }
            }
            for value in [1.0, -1.0] {
                let rows = vec![value; 2 * width];
                let plain = product(&packed(Kernel::Plain, kind, (16, width), &bytes), &rows, width);
                let exact: f64 = dequantised(kind, (16, width), &bytes)[..width].iter().copied().map(f64::from).sum();
                assert!(
                    (f64::from(plain[0]) - exact * f64::from(value)).abs() <= 1e-5 * exact.abs(),
                    "{kind:?} {fill}"
                );
                for kernel in kernels() {
                    let found = product(&packed(kernel, kind, (16, width), &bytes), &rows, width);
                    assert_eq!(bits(&found), bits(&plain), "{kind:?} {fill} {kernel:?}");
                }
            }
        }
    }
}

#[test]
fn products_are_those_of_candles_weights_but_for_the_rounding_of_activations() {
    let mut numbers = Numbers(2);
    for kind in FORMATS {
        let (outputs, width) = (21, inputs(kind));
        let bytes = weights(kind, outputs, width, &mut numbers);
        let exact = dequantised(kind, (outputs, width), &bytes);
        let rows = rows(3, width, &mut numbers);
        let found = product(&packed(Kernel::Plain, kind, (outputs, width), &bytes), &rows, width);
        for (row, found) in rows.chunks_exact(width).zip(found.chunks_exact(outputs)) {
            for (weights, found) in exact.chunks_exact(width).zip(found) {
                let (mut sum, mut tolerance) = (0.0, 0.0);
                for (weights, row) in weights.chunks(BLOCK).zip(row.chunks(BLOCK)) {
                    let peak = row.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
                    // A number of a block is rounded by at most half a step of a 127th of the largest.
                    let step = if kind.block_size() == 1 { 0.0 } else { f64::from(peak) / 254.0 };
                    for (weight, value) in weights.iter().zip(row) {
                        let (weight, value) = (f64::from(*weight), f64::from(*value));
                        sum += weight * value;
                        tolerance += weight.abs() * (step + 1e-5 * value.abs());
                    }
                }
                assert!((f64::from(*found) - sum).abs() <= tolerance + 1e-6, "{kind:?}: {found} and {sum}");
            }
        }
    }
}

#[test]
fn rows_of_weights_are_those_that_candle_reads() {
    let mut numbers = Numbers(3);
    for kind in FORMATS {
        let (outputs, width) = (21, inputs(kind));
        let bytes = weights(kind, outputs, width, &mut numbers);
        let tiles = packed(Kernel::Plain, kind, (outputs, width), &bytes);
        let exact = dequantised(kind, (outputs, width), &bytes);
        for (output, exact) in exact.chunks_exact(width).enumerate() {
            let mut row = vec![f32::NAN; width];
            tiles.weights(output, &mut row);
            assert_eq!(row, exact, "{kind:?}, output {output}");
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_rows_beside_or_on_threads() {
    let mut numbers = Numbers(4);
    let pools = [1, 2, 8]
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads"));
    let kernel = Kernel::choose(KernelChoice::Auto).expect("there is always one");
    for kind in FORMATS {
        let (outputs, width) = (200, inputs(kind));
        let weights = packed(kernel, kind, (outputs, width), &weights(kind, outputs, width, &mut numbers));
        let rows = rows(32, width, &mut numbers);
        let whole = bits(&product(&weights, &rows, width));
        for pool in &pools {
            for batch in [1, 3, 8, 32] {
                let parts = rows.chunks(batch * width);
                let found: Vec<f32> = pool.install(|| parts.flat_map(|rows| product(&weights, rows, width)).collect());
                let threads = pool.current_num_threads();
                assert_eq!(bits(&found), whole, "{kind:?}, batches of {batch}, {threads} threads");
            }
        }
    }
}

#[test]
fn every_kernel_rounds_activations_alike() {
    let mut numbers = Numbers(6);
    let mut values = rows(40, 9 * BLOCK, &mut numbers);
    // Exact ties, the smallest numbers there are, and zeros with a sign.
    values[..BLOCK].iter_mut().enumerate().for_each(|(place, value)| *value = place as f32 * 0.5 - 8.0);
    values[BLOCK - 1] = 127.0;
    values[BLOCK..2 * BLOCK].fill(1e-44);
    values[2 * BLOCK..3 * BLOCK].fill(-0.0);
    let read = |kernel: Kernel| {
        let mut blocks = vec![super::RowBlock::default(); values.len() / BLOCK];
        kernel.quantise(&values, &mut blocks);
        let bits =
            blocks.iter().map(|block| (block.words, block.scale.to_bits(), block.scaled_sum.to_bits(), block.sums));
        bits.collect::<Vec<_>>()
    };
    let plain = read(Kernel::Plain);
    assert_eq!(plain[0].3, [-68, 179], "ties go to the even number");
    for kernel in kernels() {
        assert_eq!(read(kernel), plain, "{kernel:?}");
    }
}

#[test]
fn damaged_blocks_are_found() {
    let mut numbers = Numbers(5);
    for kind in FORMATS {
        let bytes = weights(kind, 4, inputs(kind), &mut numbers);
        assert_eq!(first_damaged_block(kind, &bytes), None, "{kind:?}");
        let places: &[usize] = match kind {
            GgmlDType::Q4_1 | GgmlDType::Q5_1 | GgmlDType::Q4K | GgmlDType::Q5K => &[1, 3],
            GgmlDType::Q6K => &[209],
            GgmlDType::F32 => &[3],
            _ => &[1],
        };
        for place in places {
            let mut broken = bytes.clone();
            let end = 2 * kind.type_size() + place;
            // The upper bytes of an infinity: half precision has five bits of exponent, the others eight.
            let upper: [u8; 2] =
                if matches!(kind, GgmlDType::BF16 | GgmlDType::F32) { [0x80, 0x7f] } else { [0, 0x7c] };
            broken[end - 1..=end].copy_from_slice(&upper);
            assert_eq!(first_damaged_block(kind, &broken), Some(2), "{kind:?}");
        }
    }
}

#[test]
fn what_has_no_kernel_is_left_to_candle() {
    assert!(TiledWeights::pack(Kernel::Plain, GgmlDType::Q2K, (1, 256), &[0; 84]).is_none());
    assert!(TiledWeights::pack(Kernel::Plain, GgmlDType::Q8_0, (2, 32), &[0; 34]).is_none());
}
