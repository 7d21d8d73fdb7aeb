//! From logits to a token: the likeliest, or one drawn with the run's chance.

use rand::{Rng, RngExt};
use sha2::{Digest, Sha256};

use super::attention::exp;
use crate::base::{Chance, Purpose};

const REPLY: Purpose = Purpose::named("llm reply");

/// Takes the tokens of one reply.
pub(super) struct Sampler<G> {
    temperature: f64,
    generator: G,
}

/// A sampler whose draws are a function of the seed, the prompt's text and `draw`.
pub(super) fn sampler(seed: u64, prompt: &str, draw: u32, temperature: f32) -> Sampler<impl Rng + Send + use<>> {
    let digest = Sha256::digest(prompt.as_bytes());
    let key = digest.iter().take(8).fold(0_u64, |key, byte| (key << 8) | u64::from(*byte));
    Sampler { temperature: f64::from(temperature), generator: Chance::new(seed).keyed(REPLY, key, u64::from(draw)) }
}

impl<G: Rng> Sampler<G> {
    /// The next token: at temperature 0 the likeliest, the lowest of equals; otherwise one drawn from the softmax of
    /// the logits divided by the temperature.
    pub fn take(&mut self, logits: &[f32]) -> u32 {
        let mut best = 0;
        for (token, logit) in logits.iter().enumerate() {
            if *logit > logits[best] {
                best = token;
            }
        }
        if self.temperature <= 0.0 {
            return best as u32;
        }
        let peak = f64::from(logits[best]);
        let weight = |logit: &f32| ((f64::from(*logit) - peak) / self.temperature).exp();
        let total: f64 = logits.iter().map(weight).sum();
        let mut left = self.generator.random::<f64>() * total;
        for (token, logit) in logits.iter().enumerate() {
            left -= weight(logit);
            if left < 0.0 {
                return token as u32;
            }
        }
        best as u32
    }
}

/// ln Σ exp over a row of logits, in sixteen double-precision strands that are added in order.
pub(super) fn log_sum_exp(logits: &[f32]) -> f64 {
    let peak = logits.iter().fold(f32::NEG_INFINITY, |peak, logit| if *logit > peak { *logit } else { peak });
    let (groups, rest) = logits.as_chunks::<16>();
    let mut sums = [0.0_f64; 16];
    for group in groups {
        for (sum, logit) in sums.iter_mut().zip(group) {
            *sum += f64::from(exp(logit - peak));
        }
    }
    for (sum, logit) in sums.iter_mut().zip(rest) {
        *sum += f64::from(exp(logit - peak));
    }
    f64::from(peak) + sums.iter().sum::<f64>().ln()
}
