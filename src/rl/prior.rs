//! A language model's advice as a prior of a learned policy. With z the outputs of the policy's network and p the
//! probabilities that the advisor gives to the legal actions, the policy is
//!
//! π(a|s) ∝ exp(z(a) + β ln p(a)),
//!
//! in decisions and in gradients alike, and c₃ KL(π ‖ p) is added to the loss (Jaques et al. 2017, "Sequence Tutor", has the
//! same divergence from a pretrained model as a part of the reward). β and c₃ fall linearly over the learner's first
//! transitions; once both are 0 nobody is asked any more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::array;
use crate::base::{Action, LegalActions, PolicyFile, PolicyFileError, TensorData, TransitionBatch};

/// Who advises a learner, and how much that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdviceSettings {
    /// The `[policy.NAME]`, of kind `language_model`, that is asked what it would do.
    pub from: String,
    /// β at the first transition: what the advisor's log-probabilities count beside the network's outputs.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub weight: f64,
    /// β after `weight_transitions`; at 0 the advisor is asked no more.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub weight_final: f64,
    /// Transitions over which β, and `divergence`, change.
    #[serde(default = "default_transitions")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub weight_transitions: u64,
    /// c₃ at the first transition: what a nat of divergence of the policy from the advice costs. It falls to 0 over
    /// `weight_transitions`.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub divergence: f64,
}

fn one() -> f64 {
    1.0
}
fn default_transitions() -> u64 {
    20_000
}

impl AdviceSettings {
    /// What the advice counts after this many transitions.
    pub(super) fn pull(&self, transitions: u64) -> Pull {
        let share = (transitions as f64 / self.weight_transitions as f64).min(1.0);
        let weight = self.weight + (self.weight_final - self.weight) * share;
        Pull { weight: weight as f32, divergence: (self.divergence * (1.0 - share)) as f32 }
    }
}

/// What the advice counts now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pull {
    /// β.
    pub weight: f32,
    /// c₃.
    pub divergence: f32,
}

impl Pull {
    /// The logarithms of odds with the advice in them: `odds` itself where it counts nothing.
    pub fn mixed<'a>(self, odds: &'a [f32], advice: Option<&[f32]>, room: &'a mut Vec<f32>) -> &'a [f32] {
        let Some(advice) = advice.filter(|_| self.weight > 0.0) else { return odds };
        room.clear();
        room.extend_from_slice(odds);
        room.iter_mut().zip(advice).for_each(|(odds, &advised)| *odds += self.weight * advised.max(LEAST));
        room
    }
}

/// The least log-probability that counts: what an advisor holds for impossible remains possible to learn.
const LEAST: f32 = -30.0;

/// The advice that belongs to the rows of a rollout.
#[derive(Clone, Debug, Default)]
pub(super) struct Advice {
    width: usize,
    rows: Vec<f32>,
}

impl Advice {
    /// Of menus of so many actions.
    pub fn new(width: usize) -> Self {
        Self { width, rows: Vec::new() }
    }

    /// Takes in row `row` of a batch: nothing counts where nobody was asked, or where something is not legal.
    pub fn push(&mut self, batch: &TransitionBatch<'_>, row: usize) {
        let legal: LegalActions = batch.legal[row];
        let advice = batch.advice(row);
        let of = |place: usize| {
            let allowed = legal.0 >> place & 1 == 1;
            advice.filter(|_| allowed).map_or(0.0, |advice| advice[place].max(LEAST))
        };
        self.rows.extend((0..self.width).map(of));
    }

    /// What row `row` was advised.
    pub fn row(&self, row: usize) -> Option<&[f32]> {
        self.rows.get(row * self.width..(row + 1) * self.width)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// As an array of a saved policy.
    pub fn save(&self) -> TensorData {
        let values = self.rows.iter().map(|&value| f64::from(value)).collect();
        TensorData { name: "rollout.advice".into(), shape: vec![self.rows.len() / self.width, self.width], values }
    }

    /// What [`Self::save`] saved, for `rows` rows. A policy that was saved by a learner without advisor has none.
    pub fn load(width: usize, rows: usize, file: &PolicyFile) -> Result<Self, PolicyFileError> {
        let name = "rollout.advice";
        if !file.tensors.iter().any(|tensor| tensor.name == name) {
            return Ok(Self { width, rows: vec![0.0; rows * width] });
        }
        let values = array(file, name, &[rows, width])?;
        Ok(Self { width, rows: values.into_iter().map(|value| value as f32).collect() })
    }
}

/// The divergence KL(π ‖ p) of a row in nats, for log-probabilities `of(action)` of the policy.
pub(super) fn divergence(legal: LegalActions, advice: &[f32], of: impl Fn(usize) -> f32) -> f32 {
    legal.iter().map(|action| of(action.index()).exp() * (of(action.index()) - advice[action.index()])).sum()
}

/// Its slope by the logarithm of the odds of an action, for that action's log-probability and advice.
pub(super) fn divergence_slope(log_probability: f32, advised: f32, divergence: f32) -> f32 {
    log_probability.exp() * (log_probability - advised - divergence)
}

/// Rows of a batch on which an advisor was asked and more than one action was legal, and those of them in which what was
/// done is what the advisor held for likeliest.
pub(super) fn compare(batch: &TransitionBatch<'_>) -> (u64, u64) {
    let (mut checked, mut agreed) = (0, 0);
    for (row, legal) in batch.legal.iter().enumerate().filter(|(_, legal)| legal.count() > 1) {
        let Some(advice) = batch.advice(row) else { continue };
        checked += 1;
        agreed += u64::from(likeliest(*legal, advice) == batch.actions[row].index());
    }
    (checked, agreed)
}

/// The likeliest legal action; of equals the first.
pub(super) fn likeliest(legal: LegalActions, values: &[f32]) -> usize {
    let better = |best: usize, next: usize| if values[next] > values[best] { next } else { best };
    legal.iter().map(Action::index).reduce(better).expect("something is legal")
}

#[cfg(test)]
mod tests {
    use super::super::objective::Shares;
    use super::*;

    /// The same in 64 bits, straight from the definition.
    fn exact(odds: &[f64], advice: &[f64], weight: f64) -> f64 {
        let mixed: Vec<f64> = odds.iter().zip(advice).map(|(odds, advised)| odds + weight * advised).collect();
        let sum: f64 = mixed.iter().map(|odds| odds.exp()).sum();
        mixed.iter().zip(advice).map(|(odds, advised)| odds.exp() / sum * (odds - sum.ln() - advised)).sum()
    }

    #[test]
    fn the_divergence_and_its_slope_are_those_of_64_bits() {
        let legal = LegalActions(0b1011);
        let places = [0, 1, 3];
        let odds = [0.4_f32, -1.2, 9.0, 0.7];
        let advice = [(0.6_f32).ln(), (0.1_f32).ln(), f32::NEG_INFINITY, (0.3_f32).ln()];
        let wide = |values: &[f32]| places.map(|place| f64::from(values[place]));
        for weight in [0.0, 0.5, 2.0] {
            let mut room = Vec::new();
            let mixed = Pull { weight, divergence: 1.0 }.mixed(&odds, Some(&advice), &mut room);
            let shares = Shares::of(mixed, legal);
            let of = |place: usize| shares.log_probability(mixed, Action(place as u16));
            let found = divergence(legal, &advice, of);
            let expected = exact(&wide(&odds), &wide(&advice), f64::from(weight));
            assert!((f64::from(found) - expected).abs() < 1e-6, "{found}, not {expected}");
            for (rank, place) in places.into_iter().enumerate() {
                let moved = |by: f64| {
                    let mut odds = wide(&odds);
                    odds[rank] += by;
                    exact(&odds, &wide(&advice), f64::from(weight))
                };
                let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let slope = f64::from(divergence_slope(of(place), advice[place], found));
                assert!((slope - expected).abs() < 1e-5, "β {weight}, action {place}: {slope}, not {expected}");
            }
        }
    }

    #[test]
    fn what_counts_falls_linearly_and_stays() {
        let settings = AdviceSettings {
            from: String::new(),
            weight: 2.0,
            weight_final: 0.5,
            weight_transitions: 100,
            divergence: 0.4,
        };
        let pull = |transitions| settings.pull(transitions);
        assert_eq!(pull(0), Pull { weight: 2.0, divergence: 0.4 });
        assert_eq!(pull(50), Pull { weight: 1.25, divergence: 0.2 });
        assert_eq!(pull(1000), Pull { weight: 0.5, divergence: 0.0 });
    }
}
