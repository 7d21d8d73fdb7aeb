//! How many separate small networks a bank learns and asks a second: 1,024 of 4-64-64-2 with a batch of 64 each, and
//! 10,000 of them with a row each. The best of some rounds, by the clock.

use std::io::Write;
use std::time::Instant;

use llmagentos::base::{Chance, Purpose};
use llmagentos::rl::{Bank, Layers, Nonlinearity, OptimiserSettings, begin_parameters};

const WEIGHTS: Purpose = Purpose::named("bench.bank.weights");
const WIDTHS: [usize; 4] = [4, 64, 64, 2];
const BATCH: usize = 64;

fn bank(slots: usize) -> Bank {
    let layers = Layers::new(&WIDTHS, Nonlinearity::Tanh);
    let mut bank = Bank::new(layers.clone());
    for slot in 0..slots {
        // Drawing is slow and not what is measured: a few different networks will do.
        let weights = begin_parameters(&layers, (1.4, 1.0), (Chance::new(1), WEIGHTS, slot as u64 % 8));
        bank.put(slot, &weights);
    }
    bank
}

/// Rounds a second, the best of some.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn best(rounds: u32, mut round: impl FnMut()) -> f64 {
    (0..rounds).fold(0.0, |best: f64, _| {
        let start = Instant::now();
        round();
        best.max(1.0 / start.elapsed().as_secs_f64())
    })
}

/// Measures with one thread and with two, and writes what it found.
pub fn measure(out: &mut impl Write) {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let (updates, decisions) = pool.install(|| {
            let slots = 1024;
            let mut learning = bank(slots);
            let numbers = |count: usize| (0..count).map(|at| (at * 31 % 17) as f32 / 17.0 - 0.5).collect::<Vec<_>>();
            let (features, targets) = (numbers(slots * BATCH * WIDTHS[0]), numbers(slots * BATCH * WIDTHS[3]));
            let settings = OptimiserSettings { gradient_norm: 0.0, weight_decay: 0.01, ..OptimiserSettings::default() };
            let updates = best(10, || {
                learning.regress((&features, &targets, BATCH), &settings, 1e-3);
            });
            let many = 10_000;
            let asked = bank(many).weights();
            let (features, mut outputs) = (numbers(many * WIDTHS[0]), vec![0.0; many * asked.layers().stride()]);
            let decisions = best(20, || asked.ask_each(&features, &mut outputs));
            (updates * slots as f64, decisions * many as f64)
        });
        writeln!(
            out,
            "bank, {threads} threads: {updates:.0} agent-updates a second, {decisions:.0} decisions a second"
        )
        .expect("standard output");
    }
}
