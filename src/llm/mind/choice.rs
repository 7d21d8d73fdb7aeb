//! From the scores of the legal actions to one of them.

use crate::base::{Action, LanguageDecision, LegalActions};

use super::settings::Choose;

/// Weights of the legal actions, and their sum: the softmax of the scores divided by `temperature`, before division. What
/// is no finite number counts as impossible, and where all are, all count the same.
fn weigh(scores: &[f64], temperature: f64) -> (Vec<f64>, f64) {
    let peak = scores.iter().copied().filter(|score| score.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores
        .iter()
        .map(|score| match score.is_finite() {
            true => ((score - peak) / temperature).exp(),
            false if peak == f64::NEG_INFINITY => 1.0,
            false => 0.0,
        })
        .collect();
    let total = weights.iter().sum();
    (weights, total)
}

/// Logarithms of the probabilities of all actions of a menu of `width`: those by which [`choose`] chooses, −∞ for what
/// is not legal or impossible. A legal action that is only very unlikely has a finite one.
pub(super) fn log_probabilities(
    scores: &[f64],
    legal: LegalActions,
    temperature: f64,
    width: usize,
) -> impl Iterator<Item = f32> {
    let (_, total) = weigh(scores, temperature);
    let peak = scores.iter().copied().filter(|score| score.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    let mut row = vec![f32::NEG_INFINITY; width];
    for (action, &score) in legal.iter().zip(scores) {
        row[action.index()] = match score.is_finite() {
            true => ((score - peak) / temperature - total.ln()) as f32,
            false if peak == f64::NEG_INFINITY => -total.ln() as f32,
            false => f32::NEG_INFINITY,
        };
    }
    row.into_iter()
}

/// The chosen action. `scores` has one number a legal action, in menu order; what is no finite number counts as
/// impossible, and where all are, all count the same. `uniform` is asked for a number in [0, 1) where one is drawn.
///
/// Probabilities are the softmax of the scores divided by `temperature`; the decision carries that of its action.
pub(super) fn choose(
    scores: &[f64],
    legal: LegalActions,
    how: Choose,
    temperature: f64,
    uniform: impl FnOnce() -> f64,
) -> LanguageDecision {
    let (weights, total) = weigh(scores, temperature);
    let best = || {
        let mut best = 0;
        for (place, weight) in weights.iter().enumerate() {
            // Scores, not weights: two scores that differ may have the same weight.
            let better = scores[place].is_finite() && (!scores[best].is_finite() || scores[place] > scores[best]);
            if *weight > 0.0 && better {
                best = place;
            }
        }
        best
    };
    let place = match how {
        Choose::Best => best(),
        Choose::Sample => {
            let mut left = uniform() * total;
            let drawn = weights.iter().position(|weight| {
                left -= weight;
                *weight > 0.0 && left < 0.0
            });
            // The sum may fall short of the total by a rounding.
            drawn.unwrap_or_else(best)
        }
    };
    let action = legal.nth(place as u32).unwrap_or_else(|| legal.nth(0).unwrap_or(Action(0)));
    let log_probability = (weights.get(place).copied().unwrap_or(1.0) / total).ln();
    LanguageDecision { action, log_probability, options: legal.count() }
}
