//! `[train]`: how `llmagentos train` judges what is learned, and how long `llmagentos evaluate` looks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::Scenario;

/// How `llmagentos train` judges what is learned: the policies learned so far are frozen every now and then, and run in
/// simulations of their own, of the same scenario with other seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TrainSettings {
    /// Every how many ticks the policies are evaluated; before the first tick and after the last they are in any case.
    /// 0: a tenth of the run.
    #[schemars(range(max = 1_000_000_000))]
    pub evaluate_every: u64,
    /// Ticks of each simulation of an evaluation, and of `llmagentos evaluate`. 0: a tenth of the run.
    #[schemars(range(max = 1_000_000_000))]
    pub evaluate_ticks: u64,
    /// Seeds of an evaluation, a simulation each: the run's own seed plus 1000000, 1000001, and so on.
    #[schemars(range(min = 1, max = 1000))]
    pub evaluate_seeds: u32,
    /// What counts: a measure of the domain's summary. Left away it is the mean return of the episodes of the agents whose
    /// policy learns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// Whether more of it is better.
    pub larger_is_better: bool,
    /// Stop after so many evaluations in a row without one better than all before. 0: never.
    #[schemars(range(max = 1_000_000))]
    pub patience: u32,
    /// Stop when the measure is as good as this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            evaluate_every: 0,
            evaluate_ticks: 0,
            evaluate_seeds: 3,
            measure: None,
            larger_is_better: true,
            patience: 0,
            target: None,
        }
    }
}

/// How far the first seed of an evaluation during training lies from the run's own.
pub const TRAIN_SEEDS_FROM: u64 = 1_000_000;
/// The same for `llmagentos evaluate`: what chose the best checkpoint should not judge it too.
pub const EVALUATE_SEEDS_FROM: u64 = 2_000_000;

impl Scenario {
    /// Ticks between two evaluations of a training, at least 1.
    #[must_use]
    pub fn evaluate_every(&self) -> u64 {
        self.or_a_tenth(self.train.evaluate_every)
    }

    /// Ticks of a simulation of an evaluation, at least 1.
    #[must_use]
    pub fn evaluate_ticks(&self) -> u64 {
        self.or_a_tenth(self.train.evaluate_ticks)
    }

    fn or_a_tenth(&self, ticks: u64) -> u64 {
        if ticks > 0 { ticks } else { (self.ticks / 10).max(1) }
    }

    /// The same scenario with a seed that lies so far from its own (beyond the largest, 2⁶³ − 1, they begin at 0 again),
    /// and the length of an evaluation.
    #[must_use]
    pub fn for_evaluation(&self, seed_further: u64) -> Self {
        let seed = self.seed.wrapping_add(seed_further) & (u64::MAX >> 1);
        let mut scenario = self.clone();
        (scenario.seed, scenario.ticks) = (seed, self.evaluate_ticks());
        scenario
    }
}
