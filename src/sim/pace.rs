//! Agents that do not decide at every tick: who is due, and what the others do in between.
//!
//! An action that is held is an option in the sense of Sutton, Precup and Singh (1999): it lasts until its agent is due
//! again, until it is no longer legal, or until the episode ends. A learner is told of decisions only, each with all
//! the reward that came until the next: a semi-Markov decision process whose discount counts decisions.

use bevy_ecs::component::Component;
use bevy_ecs::system::Query;

use super::minds::ObservationBatch;
use crate::base::{Action, AgentId, LegalActions, Tick};

/// How often an agent decides. Only agents of groups with `decide_every` above 1 have one. Written in Decide and Close,
/// read in Learn.
#[derive(Component, Clone, Copy, Debug)]
pub struct Pace {
    /// Ticks between two decisions.
    pub every: u32,
    /// What was decided last in this episode.
    pub(super) last: Option<Action>,
}

impl Pace {
    /// A pace before the first decision.
    #[must_use]
    pub fn new(every: u32) -> Self {
        Self { every, last: None }
    }

    /// Whether it is the agent's turn: agents of one pace take turns by their number.
    #[must_use]
    pub fn is_due(&self, tick: Tick, agent: AgentId) -> bool {
        (tick.0 + u64::from(agent.0)).is_multiple_of(u64::from(self.every))
    }

    /// What the agent goes on doing, if it does not decide now.
    fn held(self, tick: Tick, agent: AgentId, legal: LegalActions) -> Option<Action> {
        self.last.filter(|&action| !self.is_due(tick, agent) && legal.allows(action))
    }
}

/// Puts the rows of those who decide now before the rows of those who go on with what they do, both in the order they
/// had.
pub(super) fn hold(tick: Tick, batch: &mut ObservationBatch, width: usize, paces: &Query<&mut Pace>) {
    let held: Vec<Option<Action>> = (0..batch.agents.len())
        .map(|row| paces.get(batch.entities[row]).ok()?.held(tick, batch.agents[row], batch.legal[row]))
        .collect();
    let (holding, mut order): (Vec<usize>, Vec<usize>) = (0..held.len()).partition(|&row| held[row].is_some());
    batch.due = order.len();
    batch.held = held.iter().flatten().copied().collect();
    if !holding.is_empty() {
        order.extend(holding);
        batch.arrange(&order, width);
    }
}
