//! Deep Q-learning's policy: the best legal action, or with probability ε any.

use std::sync::Arc;

use rand::RngExt;

use super::settings::DqnSettings;
use crate::base::{Action, Chance, DecisionBatch, Policy, PolicyError, Purpose, Space, Tick};
use crate::rl::action_values::best;
use crate::rl::approximator::Approximator;
use crate::rl::network::Trace;
use crate::rl::normalise::Moments;
use crate::rl::policy_network::PolicyNetwork;

const WEIGHTS: Purpose = Purpose::named("rl.dqn.weights");
const EXPLORE: Purpose = Purpose::named("rl.dqn.explore");

/// Rows of a decision that are computed together.
const DECIDE_ROWS: usize = 256;

/// The network that a run begins with.
pub(super) fn begin(settings: &DqnSettings, space: &Space, chance: Chance) -> Box<dyn Approximator> {
    let outputs = space.menu.len() + usize::from(settings.dueling);
    settings.network.build(space.features.len(), outputs, 1.0, (chance, WEIGHTS, 0))
}

/// The policy as published.
pub(super) struct Published {
    pub settings: Arc<DqnSettings>,
    pub space: Space,
    pub network: PolicyNetwork,
    pub moments: Option<Moments>,
    /// Explore nothing.
    pub greedy: bool,
}

/// ε at a tick.
pub(super) fn exploration(settings: &DqnSettings, tick: Tick) -> f64 {
    if tick.0 >= settings.exploration_ticks {
        return settings.exploration_final;
    }
    let share = tick.0 as f64 / settings.exploration_ticks as f64;
    settings.exploration + (settings.exploration_final - settings.exploration) * share
}

impl Published {
    fn normalise(&self, rows: &mut [f32]) {
        if let Some(moments) = &self.moments {
            self.settings.network.sight(self.space.features.len()).normalise(moments, rows);
        }
    }
}

impl Policy for Published {
    fn history(&self) -> usize {
        self.settings.network.history as usize
    }

    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        let network = self.network.in_run(decisions.chance, || begin(&self.settings, &self.space, decisions.chance));
        let (inputs, stride) = (network.inputs(), network.stride());
        let exploration = if self.greedy { 0.0 } else { exploration(&self.settings, decisions.tick) };
        let (mut trace, mut seen) = (Trace::default(), Vec::new());
        for (block, actions) in actions.chunks_mut(DECIDE_ROWS).enumerate() {
            let first = block * DECIDE_ROWS;
            seen.clear();
            seen.extend_from_slice(&decisions.features[first * inputs..(first + actions.len()) * inputs]);
            self.normalise(&mut seen);
            let outputs = network.forward(&seen, actions.len(), &mut trace);
            for ((row, action), outputs) in (first..).zip(actions).zip(outputs.chunks(stride)) {
                let legal = decisions.legal[row];
                *action = best(outputs, legal);
                if exploration > 0.0 {
                    let mut draw = decisions.chance.draw(EXPLORE, decisions.tick, decisions.agents[row]);
                    if draw.random::<f64>() < exploration {
                        *action = legal.nth(draw.random_range(0..legal.count())).expect("below the count");
                    }
                }
            }
        }
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, actions: &[Action]) -> Option<Vec<f64>> {
        let network = self.network.get(decisions.chance)?;
        let exploration = if self.greedy { 0.0 } else { exploration(&self.settings, decisions.tick) };
        let (mut trace, mut seen) = (Trace::default(), decisions.features.to_vec());
        self.normalise(&mut seen);
        let outputs = network.forward(&seen, actions.len(), &mut trace);
        let of = |(row, (&action, outputs)): (usize, (&Action, &[f32]))| {
            let greedy = if action == best(outputs, decisions.legal[row]) { 1.0 - exploration } else { 0.0 };
            (greedy + exploration / f64::from(decisions.legal[row].count())).ln()
        };
        Some(actions.iter().zip(outputs.chunks(network.stride())).enumerate().map(of).collect())
    }
}
