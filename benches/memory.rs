//! How much memory a million agents take: `cargo bench --bench memory` (Linux). Aim: at most 300 MB resident at the peak,
//! building included, with a letter from each agent in each of three ticks.

mod plain_world;

use std::io::Write;

const AGENTS: u32 = 1_000_000;

fn main() {
    let before = peak();
    let mut simulation = plain_world::simulation(AGENTS, false);
    let built = peak();
    for _ in 0..3 {
        simulation.step().expect("nothing fails");
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{AGENTS} agents: peak {} before, {} when built, {} after 3 ticks", before, built, peak())
        .expect("standard output");
}

/// The largest resident set of this process so far, as the system tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
}
