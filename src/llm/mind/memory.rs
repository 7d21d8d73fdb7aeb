//! What one agent remembers: a bounded list of experiences, from which those are called to mind that are recent, matter,
//! and have to do with the situation (Park et al. 2023, "Generative Agents: Interactive Simulacra of Human Behavior",
//! section 4.1).

use std::sync::Arc;

use super::settings::MemorySettings;
use super::similarity::Vector;
use crate::base::Tick;

/// An experience.
#[derive(Clone, Debug)]
pub(super) struct Experience {
    /// When it happened.
    pub tick: Tick,
    /// When it was last called to mind; when it happened, before that.
    pub recalled: Tick,
    /// In [0, 1].
    pub importance: f64,
    pub text: Arc<str>,
    /// Its text as a vector, once somebody needed it.
    pub vector: Option<Vector>,
}

/// The experiences of one agent, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub experiences: Vec<Experience>,
}

/// How much a reward matters: r ↦ |r| / (|r| + h), 0 for nothing, a half at h, below 1 always.
pub(super) fn importance(reward: f64, reward_half: f32) -> f64 {
    let size = reward.abs();
    if size.is_finite() { size / (size + f64::from(reward_half)) } else { 1.0 }
}

/// 2^(−age / half-life).
fn recency(experience: &Experience, now: Tick, settings: &MemorySettings) -> f64 {
    let age = now.0.saturating_sub(experience.recalled.0) as f64;
    (-age / f64::from(settings.half_life_ticks)).exp2()
}

impl Memory {
    /// Takes in an experience. One with the same text is not kept twice: it becomes as new as this one. Where there is
    /// no place, the one with the lowest weighted recency and importance goes first, of equals the oldest; that may
    /// be the new one.
    pub fn take_in(&mut self, experience: Experience, now: Tick, settings: &MemorySettings) {
        if let Some(place) = self.experiences.iter().position(|known| known.text == experience.text) {
            let known = self.experiences.remove(place);
            self.experiences.push(Experience { vector: known.vector, ..experience });
            return;
        }
        self.experiences.push(experience);
        if self.experiences.len() > settings.entries as usize {
            let worth = |experience: &Experience| {
                f64::from(settings.recency) * recency(experience, now, settings)
                    + f64::from(settings.importance) * experience.importance
            };
            let mut least = (0, worth(&self.experiences[0]));
            for (place, experience) in self.experiences.iter().enumerate().skip(1) {
                let worth = worth(experience);
                if worth < least.1 {
                    least = (place, worth);
                }
            }
            self.experiences.remove(least.0);
        }
    }

    /// Places of the experiences, from the highest score to the lowest; of equals the younger stands first.
    ///
    /// Each of recency, importance and relevance (cosine with `query`) is scaled to [0, 1] over the agent's
    /// experiences (0 where all are equal), as in the paper; the score is their weighted sum.
    pub fn ranked(&self, query: Option<&Vector>, now: Tick, settings: &MemorySettings) -> Vec<usize> {
        let scaled = |mut values: Vec<f64>| -> Vec<f64> {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for value in &mut values {
                *value = if high > low { (*value - low) / (high - low) } else { 0.0 };
            }
            values
        };
        let of = |value: &dyn Fn(&Experience) -> f64| scaled(self.experiences.iter().map(value).collect());
        let recency = of(&|experience| recency(experience, now, settings));
        let importance = of(&|experience| experience.importance);
        let relevance = of(&|experience| match (query, &experience.vector) {
            (Some(query), Some(vector)) => query.cosine(vector),
            _ => 0.0,
        });
        let score = |place: usize| {
            f64::from(settings.recency) * recency[place]
                + f64::from(settings.importance) * importance[place]
                + f64::from(settings.relevance) * relevance[place]
        };
        let scores: Vec<f64> = (0..self.experiences.len()).map(score).collect();
        let mut places: Vec<usize> = (0..scores.len()).collect();
        places.sort_by(|&left, &right| scores[right].total_cmp(&scores[left]).then(right.cmp(&left)));
        places
    }
}
