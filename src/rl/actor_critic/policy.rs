//! The policy of PPO and its relatives: an action drawn by a network's odds, or the likeliest.

use std::sync::Arc;

use rand::RngExt;

use super::begin;
use crate::base::{Action, DecisionBatch, LegalActions, Policy, PolicyError, Purpose, Space};
use crate::rl::network::Trace;
use crate::rl::normalise::Moments;
use crate::rl::objective::Shares;
use crate::rl::plan::Plan;
use crate::rl::policy_network::PolicyNetwork;
use crate::rl::prior::Pull;
use crate::rl::sight::Sight;

pub(in crate::rl) const DRAW: Purpose = Purpose::named("rl.actor_critic.draw");

/// Rows of a decision that are computed together.
pub(super) const DECIDE_ROWS: usize = 256;

/// The policy as published: a network, whose outputs are the logarithms of odds.
pub(super) struct Published {
    pub plan: Arc<Plan>,
    pub space: Space,
    pub network: PolicyNetwork,
    pub moments: Option<Moments>,
    /// Take the likeliest action instead of drawing one.
    pub greedy: bool,
    /// What advice counts.
    pub pull: Pull,
}

impl Published {
    fn sight(&self) -> Sight {
        self.plan.network.sight(self.space.features.len())
    }
}

impl Policy for Published {
    fn history(&self) -> usize {
        self.sight().history
    }

    fn wants_advice(&self, _: &DecisionBatch<'_>, wanted: &mut [bool]) {
        wanted.fill(self.pull.weight > 0.0 || (self.pull.divergence > 0.0 && !self.greedy));
    }

    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        let network = self.network.in_run(decisions.chance, || {
            let [policy, _] = begin(&self.plan, &self.space, decisions.chance, 0);
            policy
        });
        let (inputs, stride) = (network.inputs(), network.stride());
        let (mut trace, mut seen, mut mixed) = (Trace::default(), Vec::new(), Vec::new());
        for (block, actions) in actions.chunks_mut(DECIDE_ROWS).enumerate() {
            let first = block * DECIDE_ROWS;
            seen.clear();
            seen.extend_from_slice(&decisions.features[first * inputs..(first + actions.len()) * inputs]);
            if let Some(moments) = &self.moments {
                self.sight().normalise(moments, &mut seen);
            }
            let outputs = network.forward(&seen, actions.len(), &mut trace);
            for ((row, action), odds) in (first..).zip(actions).zip(outputs.chunks(stride)) {
                let legal = decisions.legal[row];
                let odds = self.pull.mixed(odds, decisions.advice(row), &mut mixed);
                let uniform =
                    (!self.greedy).then(|| decisions.chance.draw(DRAW, decisions.tick, decisions.agents[row]).random());
                *action = choose(odds, legal, uniform);
            }
        }
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, actions: &[Action]) -> Option<Vec<f64>> {
        if self.greedy {
            return Some(vec![0.0; actions.len()]);
        }
        let network = self.network.get(decisions.chance)?;
        let (mut trace, mut seen) = (Trace::default(), decisions.features.to_vec());
        if let Some(moments) = &self.moments {
            self.sight().normalise(moments, &mut seen);
        }
        let outputs = network.forward(&seen, actions.len(), &mut trace);
        let mut mixed = Vec::new();
        let of = |(row, (&action, odds)): (usize, (&Action, &[f32]))| {
            let odds = self.pull.mixed(odds, decisions.advice(row), &mut mixed);
            f64::from(Shares::of(odds, decisions.legal[row]).log_probability(odds, action)).min(0.0)
        };
        Some(actions.iter().zip(outputs.chunks(network.stride())).enumerate().map(of).collect())
    }
}

/// The action that a number drawn from [0, 1) stands for under these odds, or without one the likeliest.
pub(in crate::rl) fn choose(odds: &[f32], legal: LegalActions, uniform: Option<f32>) -> Action {
    let Some(mut left) = uniform else {
        let better = |best: Action, next: Action| if odds[next.index()] > odds[best.index()] { next } else { best };
        return legal.iter().reduce(better).expect("something is legal");
    };
    let shares = Shares::of(odds, legal);
    for candidate in legal.iter() {
        left -= shares.probability(odds, candidate);
        if left < 0.0 {
            return candidate;
        }
    }
    legal.nth(0).expect("something is legal")
}
