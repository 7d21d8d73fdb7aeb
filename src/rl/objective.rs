//! The arithmetic of a policy's objective, and of how well values foretold returns.

use super::experience::Experience;
use crate::base::{Action, LegalActions, Outcome};

/// What is needed to make probabilities of logarithms of odds: their largest, and the logarithm of the sum.
pub(super) struct Shares {
    /// The logarithm of the sum of all odds.
    pub log_sum: f32,
}

impl Shares {
    pub fn of(odds: &[f32], legal: LegalActions) -> Self {
        let most = legal.iter().map(|action| odds[action.index()]).fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = legal.iter().map(|action| (odds[action.index()] - most).exp()).sum();
        Self { log_sum: most + sum.ln() }
    }

    pub fn log_probability(&self, odds: &[f32], action: Action) -> f32 {
        odds[action.index()] - self.log_sum
    }

    pub fn probability(&self, odds: &[f32], action: Action) -> f32 {
        self.log_probability(odds, action).exp()
    }
}

/// Advantages by generalised advantage estimation (Schulman et al. 2016, equation 16) and what the values should
/// have been, from the temporal-difference errors and, row by row, whether the agent's next row follows it.
pub(super) fn advantages(rollout: &Experience, errors: &[f32], decay: f32) -> Vec<f32> {
    let mut order: Vec<usize> = (0..rollout.len()).collect();
    order.sort_by_key(|&row| rollout.agents[row]);
    let mut advantages = vec![0.0; rollout.len()];
    let mut later: Option<usize> = None;
    for &row in order.iter().rev() {
        let follows = rollout.outcomes[row] == Outcome::Continues;
        let next = later.filter(|&next| follows && rollout.agents[next] == rollout.agents[row]);
        advantages[row] = errors[row] + next.map_or(0.0, |next| decay * advantages[next]);
        later = Some(row);
    }
    advantages
}

/// What is gained by having done it, and the slope of that by the log-probability: the clipped surrogate objective
/// (Schulman et al. 2017, equation 7), or without a clip the policy gradient.
pub(super) fn surrogate(clip: Option<f32>, log_ratio: f32, advantage: f32) -> (f32, f32) {
    let Some(clip) = clip else { return (log_ratio * advantage, advantage) };
    let ratio = log_ratio.exp();
    let clipped = ratio.clamp(1.0 - clip, 1.0 + clip) * advantage;
    let plain = ratio * advantage;
    if plain <= clipped { (plain, plain) } else { (clipped, 0.0) }
}

/// Mean and standard deviation.
pub(super) fn mean_and_deviation(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let count = values.clone().count() as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / count;
    let squares: f64 = values.map(|value| (f64::from(value) - mean).powi(2)).sum();
    (mean as f32, ((squares / (count - 1.0)).sqrt() + 1e-8) as f32)
}

/// 1 − Var(returns − values) / Var(returns); 0 where returns do not vary.
pub(super) fn explained_variance(values: &[f32], returns: &[f32]) -> f64 {
    let variance = |numbers: &[f64]| {
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / numbers.len() as f64
    };
    let left: Vec<f64> = returns.iter().zip(values).map(|(of, value)| f64::from(of - value)).collect();
    let all = variance(&returns.iter().map(|&of| f64::from(of)).collect::<Vec<_>>());
    if all > 0.0 { 1.0 - variance(&left) / all } else { 0.0 }
}
