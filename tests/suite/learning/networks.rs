//! Kernels, gradients and steps against plain 64-bit arithmetic.

use llmagentos::base::{Chance, Purpose};
use llmagentos::rl::{
    Adam, Approximator as _, Network, Nonlinearity, OptimiserSettings, Priorities, Product, Schedule, Trace, padded,
};
use rand::RngExt as _;

const NUMBERS: Purpose = Purpose::named("test.learning.numbers");

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut draw = Chance::new(seed).keyed(NUMBERS, 0, 0);
    (0..count).map(|_| 2.0 * draw.random::<f32>() - 1.0).collect()
}

#[test]
fn a_product_is_right_and_has_the_same_bits_with_and_without_special_instructions() {
    for (m, k, n) in [(1, 1, 8), (3, 5, 8), (4, 64, 64), (7, 4, 24), (64, 64, 16), (9, 2, 8)] {
        let (left, right, bias) = (numbers(m * k, 1), numbers(k * n, 2), numbers(n, 3));
        let transposed: Vec<f32> = (0..k * m).map(|place| left[(place % m) * k + place / m]).collect();
        let mut outputs = Vec::new();
        for (left, left_strides, plainly) in
            [(&left, (k, 1), false), (&left, (k, 1), true), (&transposed, (1, m), false)]
        {
            let mut output = vec![f32::NAN; m * n];
            let product = Product {
                sizes: (m, k, n),
                left,
                left_strides,
                right: &right,
                bias: Some(&bias),
                output: &mut output,
                accumulate: false,
            };
            if plainly {
                product.compute_plainly();
            } else {
                product.compute();
            }
            outputs.push(output);
        }
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&outputs[0]), bits(&outputs[1]), "{m}×{k}×{n}: instructions show");
        assert_eq!(bits(&outputs[0]), bits(&outputs[2]), "{m}×{k}×{n}: transposing shows");
        for (place, output) in outputs[0].iter().enumerate() {
            let (row, column) = (place / n, place % n);
            let summands = (0..k).map(|at| f64::from(left[row * k + at]) * f64::from(right[at * n + column]));
            let exact = f64::from(bias[column]) + summands.sum::<f64>();
            assert!((f64::from(*output) - exact).abs() < 1e-5, "{m}×{k}×{n} at {place}: {output}, not {exact}");
        }
    }
}

#[test]
fn the_hyperbolic_tangent_is_within_four_ten_millionths() {
    let inputs: Vec<f32> = (-4000..4000).map(|step| step as f32 / 300.0).collect();
    let mut results = inputs.clone();
    Nonlinearity::Tanh.apply(&mut results);
    for (input, result) in inputs.iter().zip(results) {
        let exact = f64::from(*input).tanh();
        assert!((f64::from(result) - exact).abs() < 4e-7, "tanh {input}: {result}, not {exact}");
    }
}

const WEIGHTS: Purpose = Purpose::named("test.learning.weights");

/// The outputs of a network by plain 64-bit arithmetic, from the arrays that it saves.
fn exactly(network: &Network, nonlinearity: Nonlinearity, parameters: &[f32], features: &[f64]) -> Vec<f64> {
    let arrays = network.save("n", parameters);
    let layers = arrays.len() / 2;
    let mut values = features.to_vec();
    for layer in 0..layers {
        let (weights, bias) = (&arrays[2 * layer], &arrays[2 * layer + 1]);
        let outputs = bias.values.len();
        let sum = |output: usize| {
            let summands =
                values.iter().enumerate().map(|(input, value)| value * weights.values[input * outputs + output]);
            bias.values[output] + summands.sum::<f64>()
        };
        let bend = |value: f64| match nonlinearity {
            _ if layer + 1 == layers => value,
            Nonlinearity::Tanh => value.tanh(),
            Nonlinearity::Rectified => value.max(0.0),
            Nonlinearity::Linear => value,
        };
        values = (0..outputs).map(sum).map(bend).collect();
    }
    values
}

#[test]
fn gradients_agree_with_differences_in_64_bits() {
    for (widths, nonlinearity) in [
        (vec![4, 64, 64, 2], Nonlinearity::Tanh),
        (vec![3, 9, 1], Nonlinearity::Rectified),
        (vec![5, 2], Nonlinearity::Tanh),
        (vec![2, 7, 12, 17, 3], Nonlinearity::Tanh),
    ] {
        let network = Network::new(&widths, nonlinearity, (1.4, 1.0), (Chance::new(5), WEIGHTS, 0));
        let rows = 6;
        let (inputs, outputs) = (network.inputs(), network.outputs());
        let features = numbers(rows * inputs, 6);
        // The loss is a weighted sum of the outputs, so that its gradients are the weights.
        let weights = numbers(rows * outputs, 7);
        let mut output_gradients = vec![0.0; rows * network.stride()];
        for (row, weights) in weights.chunks(outputs).enumerate() {
            output_gradients[row * network.stride()..][..outputs].copy_from_slice(weights);
        }
        let mut trace = Trace::default();
        let found = network.forward(&features, rows, &mut trace).to_vec();
        let loss = |parameters: &[f32]| -> f64 {
            (0..rows)
                .map(|row| {
                    let seen: Vec<f64> =
                        features[row * inputs..(row + 1) * inputs].iter().map(|&value| f64::from(value)).collect();
                    let values = exactly(&network, nonlinearity, parameters, &seen);
                    for (value, found) in values.iter().zip(&found[row * network.stride()..]) {
                        if parameters == network.parameters {
                            assert!((value - f64::from(*found)).abs() < 1e-5, "{widths:?}: {found}, not {value}");
                        }
                    }
                    let weights = &weights[row * outputs..(row + 1) * outputs];
                    values.iter().zip(weights).map(|(value, weight)| value * f64::from(*weight)).sum::<f64>()
                })
                .sum()
        };
        loss(&network.parameters);
        let mut gradients = vec![0.0; network.parameters.len()];
        network.backward(&features, rows, &output_gradients, &mut trace, &mut gradients);
        let mut draw = Chance::new(8).keyed(NUMBERS, 1, 1);
        let largest = gradients.iter().fold(0.0_f64, |most, value| most.max(f64::from(value.abs())));
        for _ in 0..60 {
            let place = draw.random_range(0..gradients.len());
            // Steps that 32 bits hold exactly.
            let step = 2.0_f32.powi(-10);
            let at = |sign: f32| {
                let mut moved = network.parameters.clone();
                moved[place] += sign * step;
                (loss(&moved), f64::from(moved[place]))
            };
            let ((above, high), (below, low)) = (at(1.0), at(-1.0));
            let difference = (above - below) / (high - low);
            let error = (f64::from(gradients[place]) - difference).abs();
            assert!(
                error < 1e-3 * difference.abs().max(0.01 * largest),
                "{widths:?}, parameter {place}: {}, by differences {difference}",
                gradients[place]
            );
        }
    }
}

#[test]
fn weights_are_orthogonal_and_padding_is_nothing() {
    let network = Network::new(&[6, 10, 3], Nonlinearity::Tanh, (2.0, 1.0), (Chance::new(1), WEIGHTS, 0));
    let weights = &network.save("n", &network.parameters)[0].values;
    for left in 0..6 {
        for right in 0..6 {
            let product: f64 = (0..10).map(|at| weights[left * 10 + at] * weights[right * 10 + at]).sum();
            let exact = if left == right { 4.0 } else { 0.0 };
            assert!((product - exact).abs() < 1e-5, "rows {left} and {right}: {product}");
        }
    }
    assert_eq!(padded(10), 16);
    let kept = network.save("n", &network.parameters).iter().map(|array| array.values.len()).sum::<usize>();
    assert_eq!(kept, 6 * 10 + 10 + 10 * 3 + 3);
    let other = Network::new(&[6, 10, 3], Nonlinearity::Tanh, (2.0, 1.0), (Chance::new(2), WEIGHTS, 0));
    assert_ne!(network, other, "weights are drawn from chance");
}

#[test]
fn adam_takes_the_published_steps() {
    let settings =
        OptimiserSettings { learning_rate: 0.1, epsilon: 1e-8, weight_decay: 0.01, ..OptimiserSettings::default() };
    let mut network = Network::new(&[1, 1], Nonlinearity::Linear, (1.0, 1.0), (Chance::new(1), WEIGHTS, 0));
    let mut adam = Adam::new(&network);
    // Kingma and Ba 2015, algorithm 1, in 64 bits, with the decay of Loshchilov and Hutter 2019, algorithm 2.
    let (mut weight, mut first, mut second) = (f64::from(network.parameters[0]), 0.0_f64, 0.0_f64);
    for step in 1..=20 {
        let gradient = weight - 3.0 + f64::from(step) * 0.1;
        let mut gradients = vec![0.0; network.parameters.len()];
        gradients[0] = gradient as f32;
        adam.step(&settings, 0.1, &mut network, &gradients, 0.5);
        let clipped = 0.5 * gradient;
        first = 0.9 * first + 0.1 * clipped;
        second = 0.999 * second + 0.001 * clipped * clipped;
        let (mean, spread) = (first / (1.0 - 0.9_f64.powi(step)), second / (1.0 - 0.999_f64.powi(step)));
        weight = weight * (1.0 - 0.1 * 0.01) - 0.1 * mean / (spread.sqrt() + 1e-8);
        assert!((weight - f64::from(network.parameters[0])).abs() < 1e-5, "step {step}");
    }
    assert!(network.parameters[1..].iter().all(|value| *value == 0.0), "what has no gradient stays");
}

#[test]
#[expect(clippy::float_cmp, reason = "the schedules are exact at these places")]
fn schedules_go_from_all_to_nothing() {
    let at = |schedule: Schedule| [0.0, 0.5, 1.0, 2.0].map(|share| schedule.factor(share));
    assert_eq!(at(Schedule::Constant), [1.0; 4]);
    assert_eq!(at(Schedule::Linear), [1.0, 0.5, 0.0, 0.0]);
    for (found, exact) in at(Schedule::Cosine).into_iter().zip([1.0, 0.5, 0.0, 0.0]) {
        assert!((found - exact).abs() < 1e-12, "{found}");
    }
}

#[test]
fn priorities_are_drawn_in_proportion() {
    let mut priorities = Priorities::new(5);
    for (place, priority) in [1.0, 0.0, 3.0, 4.0, 2.0].into_iter().enumerate() {
        priorities.set(place, priority);
    }
    assert!((priorities.total() - 10.0).abs() < 1e-12);
    let found: Vec<usize> = [0.0, 0.9, 1.0, 3.9, 4.0, 7.9, 8.0, 9.9, 10.0].map(|mass| priorities.find(mass)).to_vec();
    assert_eq!(found, [0, 0, 2, 2, 3, 3, 4, 4, 4]);
    priorities.set(3, 0.0);
    assert_eq!(priorities.find(5.0), 4, "nothing is found where there is nothing");
}
