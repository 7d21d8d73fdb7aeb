//! What agents saw at the last decisions of their episode, for policies that decide by more than the present
//! ([`crate::base::Policy::history`]). An action that is held is no decision, and what is seen meanwhile is not kept.

use std::collections::BTreeMap;

use super::minds::ObservationBatch;
use crate::base::{AgentId, Outcome, history_width};

/// The last observations of each agent of a policy.
#[derive(Debug)]
pub(super) struct Histories {
    features: usize,
    length: usize,
    of: BTreeMap<AgentId, History>,
}

#[derive(Debug, Default)]
struct History {
    /// Observations, oldest first.
    seen: Vec<f32>,
    /// The episode was cut off: what is handed in next begins another.
    cut: bool,
}

impl Histories {
    /// Of observations of `features` numbers, at most `length` of them.
    pub fn new(features: usize, length: usize) -> Self {
        Self { features, length, of: BTreeMap::new() }
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        history_width(self.features, self.length)
    }

    /// Writes a row into `rows`: what the agent saw in this episode, and now.
    fn write(&self, agent: AgentId, now: &[f32], rows: &mut Vec<f32>) {
        let earlier = self.of.get(&agent).map_or(&[][..], |history| &history.seen);
        let kept = earlier.len().min((self.length - 1) * self.features);
        let seen = kept / self.features + 1;
        rows.resize(rows.len() + (self.length - seen) * self.features, 0.0);
        rows.extend_from_slice(&earlier[earlier.len() - kept..]);
        rows.extend_from_slice(now);
        rows.push(seen as f32 / self.length as f32);
    }

    /// Takes in what is seen at this tick's decisions, and puts what is decided by in `batch.seen`. Where an episode was
    /// cut off, what was seen last in it is followed up to there.
    pub fn follow(&mut self, batch: &mut ObservationBatch) {
        let width = self.features;
        let mut last = Vec::with_capacity(batch.last_agents.len() * self.width());
        for (&agent, features) in batch.last_agents.iter().zip(batch.last_features.chunks(width)) {
            self.write(agent, features, &mut last);
        }
        let handed_in = batch.last_rows();
        let central = batch.central.len() / batch.agents.len().max(1);
        batch.seen.clear();
        for row in 0..batch.due {
            let (agent, now) = (batch.agents[row], &batch.features[row * width..(row + 1) * width]);
            if self.of.get(&agent).is_some_and(|history| history.cut) {
                if !handed_in.contains_key(&agent) {
                    // Nothing was handed in as the last of the episode: this is taken for it, and for the first of the next.
                    self.write(agent, now, &mut last);
                    batch.last_agents.push(agent);
                    batch.last_central.extend_from_slice(&batch.central[row * central..(row + 1) * central]);
                    batch.last_legal.push(batch.legal[row]);
                }
                self.of.remove(&agent);
            }
            self.write(agent, now, &mut batch.seen);
            let history = self.of.entry(agent).or_default();
            if history.seen.len() == self.length * width {
                history.seen.drain(..width);
            }
            history.seen.extend_from_slice(now);
        }
        batch.last_features = last;
    }

    /// The agent's episode ended.
    pub fn end(&mut self, agent: AgentId, outcome: Outcome) {
        match outcome {
            Outcome::Continues => {}
            Outcome::Terminated => self.leave(agent),
            Outcome::Truncated => {
                if let Some(history) = self.of.get_mut(&agent) {
                    history.cut = true;
                }
            }
        }
    }

    /// The agent is forgotten.
    pub fn leave(&mut self, agent: AgentId) {
        self.of.remove(&agent);
    }
}
