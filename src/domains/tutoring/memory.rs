//! Exponential forgetting: recall of one item as time passes and reviews add up.
//!
//! The EFC model of Reddy, Levine and Dragan, "Accelerating human learning with deep reinforcement learning" (2017),
//! after Ebbinghaus: p = exp(−θ Δ / S) with θ the item's difficulty, Δ the time since its last review and S its
//! strength, 1 at first and one more with every review.

/// Memory of one item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// S, ≥ 1.
    pub strength: f64,
    /// When it was last reviewed, in the unit of time of 1/θ.
    pub reviewed: f64,
}

impl Memory {
    /// As it is before any review, at time `now`.
    #[must_use]
    pub fn new(now: f64) -> Self {
        Self { strength: 1.0, reviewed: now }
    }

    /// Probability of recall at `now` for an item of difficulty `forgetting` (θ), in [0, 1]: a time before the last
    /// review counts as that review.
    #[must_use]
    pub fn recall(&self, forgetting: f64, now: f64) -> f64 {
        (-forgetting * (now - self.reviewed).max(0.0) / self.strength).exp()
    }

    /// It is reviewed at `now`.
    pub fn review(&mut self, now: f64) {
        self.strength += 1.0;
        self.reviewed = now;
    }
}

/// Φ⁻¹: the standard normal quantile of a probability in (0, 1), to about 1e-15.
///
/// Bisection on Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/15 + …), Marsaglia, "Evaluating the normal distribution" (2004),
/// within ±8; beyond that the bound is given.
#[must_use]
pub fn normal_quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if normal_distribution(middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Φ(x) for |x| ≤ 8.
fn normal_distribution(x: f64) -> f64 {
    let (mut sum, mut term, mut odd) = (x, x, 1.0);
    loop {
        odd += 2.0;
        term *= x * x / odd;
        let longer = sum + term;
        if longer.total_cmp(&sum).is_eq() {
            break;
        }
        sum = longer;
    }
    0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}
