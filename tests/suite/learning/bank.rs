//! The bank of separate networks: its gradients against 64-bit differences, its bits for any number of threads, and what
//! it keeps.

use llmagentos::base::{Chance, PolicyFile, Purpose};
use llmagentos::rl::{Bank, Layers, Nonlinearity, OptimiserSettings, begin_parameters};
use rand::RngExt as _;

const NUMBERS: Purpose = Purpose::named("test.bank.numbers");
const WEIGHTS: Purpose = Purpose::named("test.bank.weights");

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut draw = Chance::new(seed).keyed(NUMBERS, 0, 0);
    (0..count).map(|_| 2.0 * draw.random::<f32>() - 1.0).collect()
}

fn bank(widths: &[usize], nonlinearity: Nonlinearity, slots: usize) -> Bank {
    let layers = Layers::new(widths, nonlinearity);
    let mut bank = Bank::new(layers.clone());
    for slot in 0..slots {
        bank.put(slot, &begin_parameters(&layers, (1.4, 1.0), (Chance::new(3), WEIGHTS, slot as u64)));
    }
    bank
}

/// The mean squared error of a network by plain 64-bit arithmetic; weights and biases as they are saved, layer by layer.
fn loss(arrays: &[Vec<f64>], nonlinearity: Nonlinearity, features: &[f32], targets: &[f32], rows: usize) -> f64 {
    let (inputs, outputs) = (features.len() / rows, targets.len() / rows);
    let mut sum = 0.0;
    for row in 0..rows {
        let mut values: Vec<f64> = features[row * inputs..(row + 1) * inputs].iter().map(|&v| f64::from(v)).collect();
        for (layer, pair) in arrays.chunks(2).enumerate() {
            let (weights, bias) = (&pair[0], &pair[1]);
            let of = |output: usize| {
                let summands = values.iter().enumerate().map(|(at, value)| value * weights[at * bias.len() + output]);
                let value = bias[output] + summands.sum::<f64>();
                match nonlinearity {
                    _ if 2 * (layer + 1) == arrays.len() => value,
                    Nonlinearity::Tanh => value.tanh(),
                    Nonlinearity::Rectified => value.max(0.0),
                    Nonlinearity::Linear => value,
                }
            };
            values = (0..bias.len()).map(of).collect();
        }
        let errors = values.iter().zip(&targets[row * outputs..]).map(|(value, target)| value - f64::from(*target));
        sum += errors.map(|error| error * error).sum::<f64>();
    }
    sum / targets.len() as f64
}

/// Weights and biases of one slot, layer by layer.
fn arrays(bank: &Bank, name: &str, slot: usize) -> Vec<Vec<f64>> {
    let saved = bank.save("n");
    let own = saved.iter().filter(|array| array.name.starts_with(name) && !array.name.ends_with("steps"));
    own.map(|array| {
        let size = array.values.len() / bank.slots();
        array.values[slot * size..(slot + 1) * size].to_vec()
    })
    .collect()
}

#[test]
fn the_banks_gradients_agree_with_differences_in_64_bits() {
    // With β₁ = 0 Adam's first moment after one step is the gradient itself.
    let settings = OptimiserSettings { beta1: 0.0, gradient_norm: 0.0, ..OptimiserSettings::default() };
    for (widths, nonlinearity) in [
        (vec![4, 64, 64, 2], Nonlinearity::Tanh),
        (vec![3, 9, 1], Nonlinearity::Rectified),
        (vec![5, 2], Nonlinearity::Linear),
        (vec![2, 7, 12, 17, 3], Nonlinearity::Tanh),
    ] {
        let (slots, rows) = (3, 6);
        let before = bank(&widths, nonlinearity, slots);
        let (inputs, outputs) = (rows * widths[0], rows * widths[widths.len() - 1]);
        let (features, targets) = (numbers(slots * inputs, 6), numbers(slots * outputs, 7));
        let mut after = before.clone();
        let losses = after.regress((&features, &targets, rows), &settings, 1e-3);
        for slot in 0..slots {
            let (seen, wanted) = (&features[slot * inputs..][..inputs], &targets[slot * outputs..][..outputs]);
            let weights = arrays(&before, "n.", slot);
            let of = |weights: &[Vec<f64>]| loss(weights, nonlinearity, seen, wanted, rows);
            assert!((losses[slot] - of(&weights)).abs() < 1e-5, "{widths:?}: loss {}", losses[slot]);
            let gradients = arrays(&after, "adam.n.first", slot);
            let largest = gradients.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
            let mut draw = Chance::new(8).keyed(NUMBERS, 1, slot as u64);
            for _ in 0..40 {
                let array = draw.random_range(0..weights.len());
                let place = draw.random_range(0..weights[array].len());
                let at = |change: f64| {
                    let mut moved = weights.clone();
                    moved[array][place] += change;
                    of(&moved)
                };
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                let found = gradients[array][place];
                assert!(
                    (found - difference).abs() < 1e-3 * difference.abs().max(0.01 * largest),
                    "{widths:?}, slot {slot}, array {array} at {place}: {found}, by differences {difference}"
                );
            }
        }
    }
}

#[test]
fn threads_change_no_bit_of_a_bank() {
    let settings = OptimiserSettings::default();
    let (slots, rows) = (50, 70);
    let (features, targets) = (numbers(slots * rows * 4, 1), numbers(slots * rows * 2, 2));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let mut bank = bank(&[4, 20, 20, 2], Nonlinearity::Tanh, slots);
            let first = bank.regress((&features, &targets, rows), &settings, 3e-3);
            let mut last = Vec::new();
            for _ in 0..20 {
                last = bank.regress((&features, &targets, rows), &settings, 3e-3);
            }
            assert!(last.iter().zip(&first).all(|(last, first)| last < first), "every network learns");
            let mut outputs = vec![0.0; slots * bank.layers().stride()];
            bank.weights().ask_each(&features[..slots * 4], &mut outputs);
            (bank.save("n"), losses_bits(&last), outputs.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(8));
}

fn losses_bits(losses: &[f64]) -> Vec<u64> {
    losses.iter().map(|loss| loss.to_bits()).collect()
}

#[test]
fn a_bank_comes_back_whole_and_a_slot_that_is_put_anew_remembers_nothing() {
    let settings = OptimiserSettings::default();
    let layers = Layers::new(&[3, 10, 2], Nonlinearity::Tanh);
    let mut original = bank(&[3, 10, 2], Nonlinearity::Tanh, 5);
    let (features, targets) = (numbers(5 * 4 * 3, 1), numbers(5 * 4 * 2, 2));
    original.regress((&features, &targets, 4), &settings, 1e-3);
    let file = PolicyFile { tensors: original.save("n"), ..PolicyFile::default() };
    let mut copy = Bank::load("n", layers.clone(), 5, &file).expect("it fits");
    assert_eq!(copy, original);
    assert!(Bank::load("n", layers.clone(), 4, &file).is_err(), "a slot too many");
    let held = copy.weights();
    let weights = begin_parameters(&layers, (1.4, 1.0), (Chance::new(3), WEIGHTS, 99));
    copy.put(2, &weights);
    assert_eq!(held.parameters(2), original.weights().parameters(2), "who holds the old weights keeps them");
    assert_eq!(copy.weights().parameters(2), weights);
    for (fresh, worn) in
        arrays(&copy, "adam.n", 2).iter().flatten().zip(arrays(&original, "adam.n", 2).iter().flatten())
    {
        assert!(*fresh == 0.0 && worn.is_finite());
    }
    assert_eq!(arrays(&copy, "n.", 3), arrays(&original, "n.", 3), "its neighbours stay as they are");
    // A network that takes its steps in a full bank and one that takes them alone do the same.
    copy.regress((&features, &targets, 4), &settings, 1e-3);
    let mut alone = Bank::new(layers);
    alone.put(0, &weights);
    alone.regress((&features[2 * 12..3 * 12], &targets[2 * 8..3 * 8], 4), &settings, 1e-3);
    assert_eq!(alone.weights().parameters(0), copy.weights().parameters(2));
}
