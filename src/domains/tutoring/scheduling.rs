//! Review scheduling in its pure form: items that fade, and the question which to review next.
//!
//! The environment of Reddy, Levine and Dragan (2017, section 4) with exponential forgetting, made deterministic: the
//! difficulties are quantiles of the log-normal distribution they are drawn from there, and the reward is the mean
//! recall itself. Unlike in that paper's public code, all items count as reviewed at time 0, so recall never exceeds 1.

use super::memory::{Memory, normal_quantile};

/// Median difficulty θ, per unit of time.
pub const FORGETTING_MEDIAN: f64 = 0.077;
/// Time between two reviews.
pub const DELAY: f64 = 5.0;

/// Items under review. Each step the policy sees recall now, then [`DELAY`] passes and the chosen item is reviewed.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewDeck {
    /// θ of each item.
    pub forgetting: Vec<f64>,
    /// Memory of each item.
    pub memories: Vec<Memory>,
    /// Now.
    pub time: f64,
}

/// A rule that picks the next item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReviewRule {
    /// One after another.
    RoundRobin,
    /// The item that is recalled least.
    LowestRecall,
    /// The item whose recall is nearest this threshold.
    Threshold(f64),
    /// The item whose review gives the highest mean recall at the next step.
    Greedy,
}

impl ReviewDeck {
    /// `items` items whose difficulties are the (i + ½)/n quantiles of LogN(ln 0.077, 1).
    #[must_use]
    pub fn new(items: usize) -> Self {
        let forgetting = (0..items)
            .map(|item| FORGETTING_MEDIAN * normal_quantile((item as f64 + 0.5) / items as f64).exp())
            .collect();
        Self { forgetting, memories: vec![Memory::new(0.0); items], time: 0.0 }
    }

    /// Recall of every item now.
    pub fn recall(&self) -> impl Iterator<Item = f64> {
        self.memories.iter().zip(&self.forgetting).map(|(memory, &forgetting)| memory.recall(forgetting, self.time))
    }

    /// Time passes, `item` is reviewed; gives the mean recall right after.
    pub fn review(&mut self, item: usize) -> f64 {
        self.time += DELAY;
        self.memories[item].review(self.time);
        self.recall().sum::<f64>() / self.memories.len() as f64
    }

    /// The item that `rule` picks at step `step`; of equals the first.
    #[must_use]
    pub fn pick(&self, rule: ReviewRule, step: usize) -> usize {
        match rule {
            ReviewRule::RoundRobin => step % self.memories.len(),
            ReviewRule::LowestRecall => first_least(self.recall()),
            ReviewRule::Threshold(threshold) => first_least(self.recall().map(|recall| (recall - threshold).abs())),
            ReviewRule::Greedy => first_least((0..self.memories.len()).map(|item| -self.clone().review(item))),
        }
    }

    /// Mean reward of `steps` steps under a rule, from a fresh deck of `items`.
    #[must_use]
    pub fn mean_recall(items: usize, steps: usize, rule: ReviewRule) -> f64 {
        let mut deck = Self::new(items);
        let sum: f64 = (0..steps)
            .map(|step| {
                let item = deck.pick(rule, step);
                deck.review(item)
            })
            .sum();
        sum / steps as f64
    }

    /// The exact expectation of the mean reward when each step reviews an item drawn uniformly.
    ///
    /// Item by item: the k-th review falls on step j with probability C(j−1, k−1) qᵏ (1−q)^(j−k), q = 1/n, and while no
    /// further one comes, recall falls geometrically.
    #[must_use]
    pub fn expected_recall_of_random(items: usize, steps: usize) -> f64 {
        let chosen = 1.0 / items as f64;
        let deck = Self::new(items);
        let sum_of = |forgetting: f64, strength: f64, first_age: f64, terms: usize| {
            let ratio = (1.0 - chosen) * (-forgetting * DELAY / strength).exp();
            ratio.powf(first_age) * (1.0 - ratio.powf(terms as f64)) / (1.0 - ratio)
        };
        let mut total = 0.0;
        for &forgetting in &deck.forgetting {
            total += sum_of(forgetting, 1.0, 1.0, steps);
            // weights[k]: probability that the (k + 1)-th review is at this step.
            let mut seen = vec![0.0; steps + 1];
            seen[0] = 1.0;
            for step in 1..=steps {
                for reviews in (1..=step).rev() {
                    let now = seen[reviews - 1] * chosen;
                    total += now * sum_of(forgetting, 1.0 + reviews as f64, 0.0, steps - step + 1);
                    seen[reviews] = seen[reviews] * (1.0 - chosen) + now;
                }
                seen[0] *= 1.0 - chosen;
            }
        }
        total / (items * steps) as f64
    }

    /// The best sequence of `steps` reviews and its mean reward, by exhaustive search; of equals the first. Takes
    /// items^steps time.
    #[must_use]
    pub fn optimum(items: usize, steps: usize) -> (Vec<usize>, f64) {
        let mut best = (Vec::new(), f64::NEG_INFINITY);
        Self::new(items).search(steps, 0.0, &mut Vec::new(), &mut best);
        (best.0, best.1 / steps as f64)
    }

    fn search(&self, steps_left: usize, sum: f64, done: &mut Vec<usize>, best: &mut (Vec<usize>, f64)) {
        if steps_left == 0 {
            if sum > best.1 {
                *best = (done.clone(), sum);
            }
            return;
        }
        for item in 0..self.memories.len() {
            let mut next = self.clone();
            let reward = next.review(item);
            done.push(item);
            next.search(steps_left - 1, sum + reward, done, best);
            done.pop();
        }
    }
}

/// The place of the least value, the first of equals.
pub fn first_least(values: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::INFINITY);
    for (place, value) in values.enumerate() {
        if value < best.1 {
            best = (place, value);
        }
    }
    best.0
}
