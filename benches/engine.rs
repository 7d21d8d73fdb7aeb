//! How long a tick takes the engine itself, an agent: `cargo bench --bench engine`, on as many threads as there are cores or
//! `RAYON_NUM_THREADS` says. Aim: at most 60 ns an agent and tick on one core of a current machine, a letter sent and
//! delivered included.

mod plain_world;

use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    let pool = rayon::ThreadPoolBuilder::new().build().expect("threads can be started");
    pool.install(divan::main);
}

/// An item is an agent in a tick.
#[divan::bench(args = [1_000, 100_000, 1_000_000], sample_count = 20, sample_size = 3)]
fn tick(bencher: Bencher<'_, '_>, agents: u32) {
    step(bencher, agents, false);
}

/// The same where each letter is a request, or its answer: opened, checked, delivered and closed. Aim: at most twice the
/// time of plain mail. A sample is an even number of ticks, half of them requests.
#[divan::bench(args = [1_000, 100_000, 1_000_000], sample_count = 10, sample_size = 4)]
fn tick_of_conversations(bencher: Bencher<'_, '_>, agents: u32) {
    step(bencher, agents, true);
}

fn step(bencher: Bencher<'_, '_>, agents: u32, converses: bool) {
    let mut simulation = plain_world::simulation(agents, converses);
    for _ in 0..3 {
        simulation.step().expect("nothing fails");
    }
    bencher.counter(ItemsCount::new(agents)).bench_local(|| {
        simulation.step().expect("nothing fails");
        simulation.tables_mut().clear();
    });
}
