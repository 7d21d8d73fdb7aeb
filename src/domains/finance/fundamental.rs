//! What the share is worth: a value that reverts to its mean (Uhlenbeck and Ornstein 1930), and jumps on dated news.

use std::collections::VecDeque;

use rand::{Rng, RngExt};

use super::settings::FundamentalSettings;

/// The fundamental value, in ticks, and what it was before.
#[derive(Clone, Debug)]
pub struct Fundamental {
    mean: f64,
    /// e^−κ: what one tick leaves of a distance from the mean.
    kept: f64,
    /// Standard deviation of one tick's own movement.
    deviation: f64,
    /// The latest at the back.
    values: VecDeque<f64>,
    /// How many ticks back can be asked for.
    memory: usize,
}

impl Fundamental {
    /// A value at its mean, that remembers `memory` ticks.
    #[must_use]
    pub fn new(settings: &FundamentalSettings, mean: f64, memory: u32) -> Self {
        let kappa = settings.reversion;
        // The exact transition of dF = κ(m − F) dt + σ dW over one tick; without reversion it is a random walk.
        let spread = if kappa > 0.0 { (1.0 - (-2.0 * kappa).exp()) / (2.0 * kappa) } else { 1.0 };
        Self {
            mean,
            kept: (-kappa).exp(),
            deviation: settings.volatility * spread.sqrt(),
            values: VecDeque::from([mean]),
            memory: memory as usize,
        }
    }

    /// One tick passes, with this shock at its end. The value stays at or above one tick.
    pub fn step(&mut self, normal: f64, shock: f64) {
        let value = self.mean + (self.value() - self.mean) * self.kept + self.deviation * normal + shock;
        self.values.push_back(value.max(1.0));
        if self.values.len() > self.memory + 1 {
            self.values.pop_front();
        }
    }

    /// Now, in ticks of price.
    #[must_use]
    pub fn value(&self) -> f64 {
        *self.values.back().expect("there is always a value")
    }

    /// As it was `memory` ticks ago, or at the start.
    #[must_use]
    pub fn remembered(&self) -> f64 {
        *self.values.front().expect("there is always a value")
    }
}

/// A draw from the normal distribution with mean 0 and variance 1 (Box and Muller 1958).
pub fn standard_normal(draw: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - draw.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * draw.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Chance, Purpose};

    /// Stationary variance σ²/2κ and autocorrelation e^−κt of the Ornstein–Uhlenbeck process: 0.3²/0.04 = 2.25.
    #[test]
    fn the_value_has_the_variance_and_memory_of_its_process() {
        let settings = FundamentalSettings { reversion: 0.02, volatility: 0.3 };
        let mut fundamental = Fundamental::new(&settings, 1000.0, 20);
        let mut draw = Chance::new(1).keyed(Purpose::named("test.finance.fundamental"), 0, 0);
        let (mut squares, mut products, count) = (0.0, 0.0, 400_000);
        for _ in 0..count {
            fundamental.step(standard_normal(&mut draw), 0.0);
            let now = fundamental.value() - 1000.0;
            squares += now * now;
            products += now * (fundamental.remembered() - 1000.0);
        }
        let variance = squares / f64::from(count);
        // About 400,000 × 0.02 = 8,000 independent stretches: a standard error of 2.25 × √(2/8000) = 0.036.
        assert!((variance - 2.25).abs() < 0.15, "variance {variance}");
        let correlation = products / squares;
        assert!((correlation - (-0.4_f64).exp()).abs() < 0.03, "correlation at 20 ticks {correlation}");
    }

    #[test]
    fn a_shock_stays_and_fades_with_the_reversion() {
        let settings = FundamentalSettings { reversion: 0.1, volatility: 0.0 };
        let mut fundamental = Fundamental::new(&settings, 100.0, 3);
        fundamental.step(0.0, 10.0);
        assert!((fundamental.value() - 110.0).abs() < 1e-12);
        for _ in 0..10 {
            fundamental.step(0.0, 0.0);
        }
        assert!((fundamental.value() - (100.0 + 10.0 * (-1.0_f64).exp())).abs() < 1e-9);
    }
}
