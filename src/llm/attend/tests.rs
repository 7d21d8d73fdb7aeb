//! Bundled attention against attention written down query by query, bit for bit.

use std::sync::Arc;

use super::super::attention::{CacheShape, KeyValues, LANES, Sequence};
use super::super::kernels::{Kernel, KernelChoice};
use super::{AttentionTask, Room, Seen, bundles, soften};

const LAYERS: usize = 2;

/// Numbers from −1 to 1 (Lehmer's generator, modulus 2³¹ − 1).
struct Numbers(u64);

impl Numbers {
    fn take(&mut self, count: usize) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0 * 48_271 % 2_147_483_647;
            self.0 as f32 / 1_073_741_824.0 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }
}

fn filled(shape: CacheShape, positions: usize, numbers: &mut Numbers) -> KeyValues {
    let mut values = KeyValues::new(shape, positions);
    for layer in 0..shape.layers {
        for position in 0..positions {
            let width = shape.heads * shape.head_width;
            let key: Vec<f32> = numbers.take(width).iter().map(|number| number * 3.0).collect();
            values.write(layer, position, &key, &numbers.take(width));
        }
    }
    values.filled(positions);
    values
}

/// Sequences that share everything, something, and nothing with others.
fn sequences(shape: CacheShape, numbers: &mut Numbers) -> Vec<Sequence> {
    let shared = Arc::new(filled(shape, 37, numbers));
    let branch = Arc::new(filled(shape, 18, numbers));
    let befores = [
        vec![(shared.clone(), 37)],
        vec![(shared.clone(), 37)],
        vec![(shared.clone(), 20)],
        vec![(shared.clone(), 37), (branch.clone(), 18)],
        vec![(shared.clone(), 37), (branch.clone(), 18)],
        vec![(shared, 16), (branch, 17)],
        vec![],
    ];
    befores.into_iter().map(|before| Sequence { before, own: filled(shape, 21, numbers) }).collect()
}

/// One query's attention, position by position.
fn alone(sequence: &Sequence, seen: &Seen, layer: usize, head: usize, query: &[f32]) -> Vec<f32> {
    let width = query.len();
    let own = (&sequence.own, seen.own_position + 1);
    let parts = sequence.before.iter().map(|(part, length)| (&**part, *length)).chain([own]);
    let positions: Vec<(&KeyValues, usize)> =
        parts.flat_map(|(part, length)| (0..length).map(move |position| (part, position))).skip(seen.first).collect();
    let score = |(part, position): &(&KeyValues, usize)| {
        let keys = &part.keys(layer, head)[position / LANES * LANES * width + position % LANES..];
        let mut sum = 0.0_f32;
        for (dimension, number) in query.iter().enumerate() {
            sum += number * keys[dimension * LANES];
        }
        sum
    };
    let mut weights: Vec<f32> = positions.iter().map(score).collect();
    let total = soften(&mut weights);
    let mut output = vec![0.0_f32; width];
    for (weight, (part, position)) in weights.iter().zip(&positions) {
        for (output, value) in output.iter_mut().zip(&part.values(layer, head)[position * width..]) {
            *output += weight * value;
        }
    }
    let inverse = 1.0 / total;
    output.iter().map(|number| number * inverse).collect()
}

#[test]
fn bundles_give_the_bits_of_queries_alone() {
    let mut numbers = Numbers(7);
    // Query heads a key-value head and widths, some that fill no vector; and how far back a row sees.
    for (group, head_width, window) in [(3, 64, 1000), (1, 96, 1000), (7, 40, 1000), (2, 8, 12), (3, 64, 25)] {
        let shape = CacheShape { layers: LAYERS, heads: 2, head_width };
        let sequences = sequences(shape, &mut numbers);
        let mut seen = Vec::new();
        for (sequence, count) in [(0, 9), (1, 1), (0, 2), (2, 3), (3, 1), (4, 2), (5, 5), (6, 3), (1, 4)] {
            let before = seen.iter().filter(|seen: &&Seen| seen.sequence == sequence).count();
            for own_position in before..before + count {
                let position = sequences[sequence].start() + own_position;
                seen.push(Seen { sequence, own_position, first: (position + 1).saturating_sub(window) });
            }
        }
        let row_width = shape.heads * group * head_width;
        let queries = numbers.take(seen.len() * row_width);
        let bundles = bundles(&sequences, &seen, group);
        assert_eq!(bundles.iter().map(|bundle| bundle.rows.len()).sum::<usize>(), seen.len());
        for choice in [KernelChoice::Plain, KernelChoice::Avx2, KernelChoice::Vnni] {
            let Ok(kernel) = Kernel::choose(choice) else { continue };
            let mut room = Room::default();
            for bundle in &bundles {
                let heads = 0..shape.heads;
                let queries = &queries[bundle.rows.start * row_width..bundle.rows.end * row_width];
                let task = AttentionTask { sequences: &sequences, seen: &seen, bundle, layer: 1, heads, queries };
                let mut output = vec![f32::NAN; queries.len()];
                kernel.attend(&task, &mut room, &mut output);
                for (number, (query, output)) in
                    queries.chunks_exact(head_width).zip(output.chunks_exact(head_width)).enumerate()
                {
                    let row = bundle.rows.start + number / (shape.heads * group);
                    let head = number / group % shape.heads;
                    let expected = alone(&sequences[seen[row].sequence], &seen[row], 1, head, query);
                    let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<u32>>();
                    assert_eq!(bits(output), bits(&expected), "row {row}, head {head}, {kernel:?}, {group} queries");
                }
            }
        }
    }
}
