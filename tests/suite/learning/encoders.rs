//! The Transformer encoder against plain 64-bit arithmetic, by both engines, and what engines have in common.

use llmagentos::base::{Chance, PolicyFile, Purpose, TensorData};
use llmagentos::rl::{
    Approximator, CandleNetwork, EncoderSizes, Network, Nonlinearity, Trace, TransformerEncoder, Worker, over_chunks,
};
use rand::RngExt as _;

const NUMBERS: Purpose = Purpose::named("test.encoders.numbers");
const WEIGHTS: Purpose = Purpose::named("test.encoders.weights");

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut draw = Chance::new(seed).keyed(NUMBERS, 0, 0);
    (0..count).map(|_| 2.0 * draw.random::<f32>() - 1.0).collect()
}

fn key() -> (Chance, Purpose, u64) {
    (Chance::new(5), WEIGHTS, 0)
}

fn sizes() -> EncoderSizes {
    EncoderSizes {
        features: 3,
        history: 5,
        width: 16,
        layers: 2,
        heads: 2,
        feed_forward: 20,
        hidden: vec![12],
        outputs: 3,
    }
}

/// Both engines, their parameters moved off their beginnings so that no shift is zero and no gain one.
fn engines(sizes: &EncoderSizes) -> [Box<dyn Approximator>; 2] {
    let mut engines: [Box<dyn Approximator>; 2] = [
        Box::new(TransformerEncoder::new(sizes.clone(), Nonlinearity::Tanh, 1.0, key())),
        Box::new(CandleNetwork::encoder(sizes.clone(), Nonlinearity::Tanh, 1.0, key())),
    ];
    assert_eq!(engines[0].parameters(), engines[1].parameters(), "engines begin alike");
    for engine in &mut engines {
        for (place, array) in engine.arrays().iter().enumerate() {
            let count = array.shape.iter().product();
            let moves = numbers(count, 100 + place as u64);
            let moved: Vec<f32> =
                array.values(engine.parameters()).zip(moves).map(|(value, by)| value + 0.3 * by).collect();
            array.put(engine.parameters_mut(), moved.into_iter());
        }
    }
    engines
}

/// Rows of a history of which 1, 2, … observations were seen.
fn rows(sizes: &EncoderSizes, count: usize) -> Vec<f32> {
    let mut rows = Vec::new();
    for row in 0..count {
        let seen = row % sizes.history + 1;
        rows.resize(rows.len() + (sizes.history - seen) * sizes.features, 0.0);
        rows.extend(numbers(seen * sizes.features, 10 + row as u64));
        rows.push(seen as f32 / sizes.history as f32);
    }
    rows
}

/// The arrays of a network by name, in 64 bits.
struct Arrays(Vec<TensorData>);

impl Arrays {
    fn get(&self, name: &str) -> &[f64] {
        &self.0.iter().find(|array| array.name == format!("n.{name}")).unwrap_or_else(|| panic!("{name}")).values
    }

    /// x W + b.
    fn dense(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (weights, bias) = (self.get(&format!("{name}.weights")), self.get(&format!("{name}.bias")));
        let sum = |output: usize| {
            x.iter().enumerate().map(|(input, value)| value * weights[input * bias.len() + output]).sum::<f64>()
        };
        (0..bias.len()).map(|output| bias[output] + sum(output)).collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let (gain, shift) = (self.get(&format!("{name}.gain")), self.get(&format!("{name}.shift")));
        (0..x.len()).map(|at| (x[at] - mean) / (variance + 1e-5).sqrt() * gain[at] + shift[at]).collect()
    }
}

fn plus(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(left, right)| left + right).collect()
}

/// The outputs for one row by the equations as they stand in `docs/LEARNING.md`, all observations through all blocks.
fn exactly(sizes: &EncoderSizes, arrays: &Arrays, row: &[f32]) -> Vec<f64> {
    let seen = (f64::from(row[row.len() - 1]) * sizes.history as f64).round() as usize;
    let first = (sizes.history - seen) * sizes.features;
    let width = sizes.width;
    let mut x: Vec<Vec<f64>> = row[first..sizes.history * sizes.features]
        .chunks(sizes.features)
        .enumerate()
        .map(|(place, observation)| {
            let observation: Vec<f64> = observation.iter().map(|&value| f64::from(value)).collect();
            let age = (seen - 1 - place) as f64;
            let position: Vec<f64> = (0..width)
                .map(|at| {
                    let angle = age / 10_000_f64.powf((at / 2 * 2) as f64 / width as f64);
                    if at % 2 == 0 { angle.sin() } else { angle.cos() }
                })
                .collect();
            plus(&arrays.dense("embedding", &observation), &position)
        })
        .collect();
    for layer in 0..sizes.layers {
        let name = |part: &str| format!("block.{layer}.{part}");
        let all: Vec<Vec<f64>> =
            x.iter().map(|x| arrays.dense(&name("attention"), &arrays.norm(&name("norm_attention"), x))).collect();
        let part = width / sizes.heads;
        let mixed: Vec<Vec<f64>> = (0..seen)
            .map(|query| {
                let mut mixed = Vec::new();
                for head in 0..sizes.heads {
                    let of = |kind: usize, at: usize| &all[at][kind * width + head * part..][..part];
                    let score = |at: usize| {
                        let product: f64 = of(0, query).iter().zip(of(1, at)).map(|(left, right)| left * right).sum();
                        (product / (part as f64).sqrt()).exp()
                    };
                    let sum: f64 = (0..seen).map(score).sum();
                    mixed.extend(
                        (0..part).map(|column| (0..seen).map(|at| score(at) / sum * of(2, at)[column]).sum::<f64>()),
                    );
                }
                mixed
            })
            .collect();
        for (x, mixed) in x.iter_mut().zip(&mixed) {
            *x = plus(x, &arrays.dense(&name("mixed"), mixed));
            let mut inner = arrays.dense(&name("inner"), &arrays.norm(&name("norm_forward"), x));
            for value in &mut inner {
                *value = value.max(0.0);
            }
            *x = plus(x, &arrays.dense(&name("outer"), &inner));
        }
    }
    let mut y = arrays.norm("norm", &x[seen - 1]);
    for place in 0..=sizes.hidden.len() {
        y = arrays.dense(&place.to_string(), &y);
        if place < sizes.hidden.len() {
            for value in &mut y {
                *value = value.tanh();
            }
        }
    }
    y
}

/// Outputs and the gradients of Σ outputs · weights.
fn there_and_back(engine: &dyn Approximator, features: &[f32], count: usize, weights: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (outputs, stride) = (engine.outputs(), engine.stride());
    let mut trace = Trace::default();
    let found = engine.forward(features, count, &mut trace);
    let found: Vec<f32> = found.chunks(stride).flat_map(|row| row[..outputs].to_vec()).collect();
    let mut output_gradients = vec![0.0; count * stride];
    for (row, weights) in weights.chunks(outputs).enumerate() {
        output_gradients[row * stride..][..outputs].copy_from_slice(weights);
    }
    let mut gradients = vec![0.0; engine.parameters().len()];
    engine.backward(features, count, &output_gradients, &mut trace, &mut gradients);
    (found, gradients)
}

#[test]
fn the_encoder_computes_its_equations_with_both_engines() {
    for sizes in [sizes(), EncoderSizes { history: 1, layers: 1, heads: 4, hidden: vec![], ..sizes() }] {
        let features = if sizes.history == 1 { numbers(7 * sizes.features, 3) } else { rows(&sizes, 7) };
        let width = features.len() / 7;
        for (engine, name) in engines(&sizes).iter().zip(["kernels", "candle"]) {
            let arrays = Arrays(engine.save("n", engine.parameters()));
            let (found, _) = there_and_back(&**engine, &features, 7, &vec![1.0; 7 * sizes.outputs]);
            for (row, found) in features.chunks(width).zip(found.chunks(sizes.outputs)) {
                let row = if sizes.history == 1 { [row, &[1.0]].concat() } else { row.to_vec() };
                for (found, exact) in found.iter().zip(exactly(&sizes, &arrays, &row)) {
                    assert!((f64::from(*found) - exact).abs() < 1e-5, "{name}: {found}, not {exact}");
                }
            }
        }
    }
}

#[test]
fn gradients_of_the_encoder_agree_with_differences_in_64_bits_in_every_group_of_parameters() {
    let sizes = sizes();
    let (count, outputs) = (6, sizes.outputs);
    let features = rows(&sizes, count);
    let weights = numbers(count * outputs, 7);
    let width = features.len() / count;
    for (engine, engine_name) in engines(&sizes).iter().zip(["kernels", "candle"]) {
        let (_, gradients) = there_and_back(&**engine, &features, count, &weights);
        let mut arrays = Arrays(engine.save("n", engine.parameters()));
        let found = engine.save("n", &gradients);
        for (group, found) in found.iter().enumerate() {
            let name = &found.name;
            let largest = found.values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            let mut draw = Chance::new(8).keyed(NUMBERS, 1, group as u64);
            for _ in 0..4 {
                let place = draw.random_range(0..found.values.len());
                let mut loss = |by: f64| {
                    arrays.0[group].values[place] += by;
                    let rows = features.chunks(width).zip(weights.chunks(outputs));
                    let sum: f64 = rows
                        .map(|(row, weights)| {
                            let values = exactly(&sizes, &arrays, row);
                            values.iter().zip(weights).map(|(value, &weight)| value * f64::from(weight)).sum::<f64>()
                        })
                        .sum();
                    arrays.0[group].values[place] -= by;
                    sum
                };
                let difference = (loss(1e-5) - loss(-1e-5)) / 2e-5;
                let error = (found.values[place] - difference).abs();
                // Keys' shifts do not change a softmax: their gradients are nothing but rounding.
                let scale = difference.abs().max(0.01 * largest).max(1e-3);
                assert!(
                    error < 1e-3 * scale,
                    "{engine_name}, {name}[{place}]: {}, by differences {difference}",
                    found.values[place]
                );
            }
        }
    }
}

#[test]
fn engines_agree_on_dense_layers_and_files_go_from_one_to_the_other() {
    let network = Network::new(&[5, 70, 9, 2], Nonlinearity::Tanh, (1.4, 1.0), key());
    let mut candle = CandleNetwork::dense(Network::new(&[5, 70, 9, 2], Nonlinearity::Tanh, (1.4, 1.0), key()));
    let (features, weights) = (numbers(9 * 5, 1), numbers(9 * 2, 2));
    let ours = there_and_back(&network, &features, 9, &weights);
    let theirs = there_and_back(&candle, &features, 9, &weights);
    for (ours, theirs) in ours.0.iter().zip(&theirs.0).chain(ours.1.iter().zip(&theirs.1)) {
        assert!((ours - theirs).abs() < 2e-5, "{ours}, candle {theirs}");
    }
    let other = Network::new(&[5, 70, 9, 2], Nonlinearity::Tanh, (1.4, 1.0), (Chance::new(6), WEIGHTS, 0));
    let file = PolicyFile { tensors: other.save("n", &other.parameters), ..PolicyFile::default() };
    let loaded = candle.load("n", &file).expect("the same names and shapes");
    assert_eq!(loaded, other.parameters);
    candle.parameters_mut().copy_from_slice(&loaded);
    assert_ne!(there_and_back(&candle, &features, 9, &weights).0, theirs.0, "old weights are still in use");
}

#[test]
fn what_an_encoder_saves_it_loads() {
    for engine in engines(&sizes()) {
        let file = PolicyFile { tensors: engine.save("n", engine.parameters()), ..PolicyFile::default() };
        assert_eq!(engine.load("n", &file).expect("it fits"), engine.parameters());
        let other = CandleNetwork::encoder(EncoderSizes { layers: 3, ..sizes() }, Nonlinearity::Tanh, 1.0, key());
        let error = other.load("n", &file).expect_err("a block is missing").to_string();
        assert!(error.contains("block.2"), "{error}");
    }
}

#[test]
fn engines_give_the_same_bits_for_any_number_of_threads() {
    let sizes = EncoderSizes { width: 32, feed_forward: 64, history: 8, hidden: vec![64], ..sizes() };
    let count = 300;
    let features = rows(&sizes, count);
    let width = features.len() / count;
    let weights = numbers(count * 64, 7);
    let wide = || Network::new(&[width, 256, 256, 3], Nonlinearity::Rectified, (1.4, 1.0), key());
    let [ours, theirs] = engines(&sizes);
    for engine in [ours, theirs, Box::new(wide()), Box::new(CandleNetwork::dense(wide()))] {
        let gradients = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let mut gradients = vec![0.0; engine.parameters().len()];
            pool.install(|| {
                over_chunks::<f64>(count, &mut gradients, &mut Vec::<Worker>::new(), |range, worker, slab| {
                    let features = &features[range.start * width..range.end * width];
                    let trace = &mut worker.traces[0];
                    let outputs = engine.forward(features, range.len(), trace);
                    let sum = outputs.iter().map(|value| f64::from(*value)).sum();
                    let of = &weights[range.start * engine.stride()..range.end * engine.stride()];
                    engine.backward(features, range.len(), of, trace, slab);
                    sum
                });
            });
            gradients.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        let one = gradients(1);
        for threads in [2, 8] {
            assert!(gradients(threads) == one, "{threads} threads show");
        }
    }
}
