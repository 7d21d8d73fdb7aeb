//! What a central critic brings on the shared pool: `scenarios/reference/resource_sharing_*.toml`, the same but for the
//! critic and whose networks they are, over ten seeds. The frozen policy at the end, its likeliest actions, on 400 episodes
//! that no training met; there the price is 1. Its mean is 1 and no policy sees it, so that this changes no expectation,
//! and takes luck out of the comparison.

use std::io::Write;

use llmagentos::base::PolicyFile;
use llmagentos::domains::reference::{ReferenceSettings, best_return};
use llmagentos::scenario::{Override, Scenario};

use super::simulation;

const SEEDS: u64 = 10;
/// 97.5 % of Student's t with nine degrees of freedom.
const STUDENT: f64 = 2.262;
const KINDS: [&str; 3] = ["mappo", "ppo", "ippo"];
const EVALUATION: u64 = 3200;

fn returns(text: &str, seed: u64, ticks: u64, file: Option<&PolicyFile>) -> (Vec<f64>, PolicyFile) {
    let mut simulation = simulation(text, seed, ticks, file);
    for _ in 0..ticks {
        simulation.step().expect("nothing fails");
    }
    let returns = simulation.tables().get("episodes").expect("there").numbers("return");
    (returns, simulation.learned().remove("share").unwrap_or_default())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Trains and evaluates each kind on each seed, and writes what it found.
pub fn measure(out: &mut impl Write) {
    for kind in KINDS {
        let path = format!("{}/scenarios/reference/resource_sharing_{kind}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).expect("a scenario");
        let scenario = Scenario::parse("bench.toml", &text, &[Override::seed(0)]).expect("sound");
        let settings = scenario.domain.settings::<ReferenceSettings>().expect("sound");
        let best = best_return(&settings.resource_sharing);
        let (mut last, mut deployed) = (Vec::new(), Vec::new());
        for seed in 0..SEEDS {
            let (trained, file) = returns(&text, seed, scenario.ticks, None);
            last.push(mean(&trained[trained.len() * 4 / 5..]));
            let steady = text.replace("price_swing = 0.9", "price_swing = 0.0");
            assert_ne!(steady, text, "the scenario has a price that swings");
            deployed.push(mean(&returns(&steady, seed + 1_000, EVALUATION, Some(&file)).0));
        }
        for (what, values) in [("last fifth of training", last), ("frozen", deployed)] {
            let centre = mean(&values);
            let variance = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / (SEEDS - 1) as f64;
            let half = STUDENT * (variance / SEEDS as f64).sqrt();
            let seeds: Vec<String> = values.iter().map(|value| format!("{value:.2}")).collect();
            writeln!(
                out,
                "resource_sharing_{kind}, {what}: {centre:.2} ± {half:.2} of {best:.2}; seeds {}",
                seeds.join(" ")
            )
            .expect("standard output");
        }
    }
}
