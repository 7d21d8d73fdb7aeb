//! How likely a policy does what, asked beside its decisions: for worlds that say how their agents choose.

use std::sync::Arc;

use bevy_ecs::system::{Res, SystemParam};

use super::minds::{Mind, Minds};
use super::now::Now;
use crate::base::{Action, AgentId, DecisionBatch, LegalActions, Policy};

/// How far from 1 the probabilities of a policy's actions may sum.
const SUM_TOLERANCE: f64 = 1e-4;

/// Asks policies how likely they do what.
#[derive(SystemParam)]
pub struct Odds<'w> {
    minds: Res<'w, Minds>,
    now: Res<'w, Now>,
}

impl Odds<'_> {
    /// The probabilities with which a policy, by its place in the scenario's `[policy]` table, as it is now would choose for
    /// an agent that sees these features: one for each action of its menu. `None` where it does not say so, where it
    /// decides by more than the present, and where it would have to ask a language model.
    #[must_use]
    pub fn of(&self, policy: u16, agent: AgentId, features: &[f32], legal: LegalActions) -> Option<Vec<f64>> {
        let entry = self.minds.entries.get(usize::from(policy))?;
        let policy: Arc<dyn Policy> = match (&entry.mind, &entry.fallback) {
            (_, Some(fallback)) if entry.fallen => Arc::clone(fallback),
            (Mind::Fixed(policy), _) => Arc::clone(policy),
            (Mind::Learning(learner), _) => learner.policy(),
            (Mind::Language(_), _) => return None,
        };
        if policy.history() > 1 || entry.advisor.is_some() {
            return None;
        }
        let decisions = DecisionBatch {
            tick: self.now.tick,
            chance: self.now.chance,
            space: &entry.space,
            agents: &[agent],
            features,
            legal: &[legal],
            words: &[],
            word_ids: &[],
            advice: &[],
        };
        odds_of(&*policy, &decisions)
    }
}

/// The probabilities of a batch of one row.
fn odds_of(policy: &dyn Policy, decisions: &DecisionBatch<'_>) -> Option<Vec<f64>> {
    let legal = decisions.legal[0];
    let mut odds = vec![0.0; decisions.space.menu.len()];
    for action in legal.iter() {
        odds[action.index()] = policy.log_probabilities(decisions, &[action])?[0].exp();
    }
    let sum: f64 = odds.iter().sum();
    if (sum - 1.0).abs() <= SUM_TOLERANCE {
        return Some(odds.into_iter().map(|odds| odds / sum).collect());
    }
    // A policy that draws nothing is certain of whatever it did, and does not look at what it is asked about.
    let mut chosen = [Action(0)];
    policy.decide(decisions, &mut chosen).ok()?;
    let certain = policy.log_probabilities(decisions, &chosen)?[0].abs() <= SUM_TOLERANCE;
    odds.fill(0.0);
    *odds.get_mut(chosen[0].index())? = 1.0;
    (certain && legal.allows(chosen[0])).then_some(odds)
}
