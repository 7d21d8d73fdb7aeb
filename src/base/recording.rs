//! Transitions in columns that outlive their tick: what a run writes down of its policies, and what a learner reads of
//! other runs.

use super::{Action, AgentId, LegalActions, Outcome, Tick};

/// Transitions of one policy, in the order in which they became known: by tick, and within one by `AgentId`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transitions {
    /// Whose.
    pub agents: Vec<AgentId>,
    /// When each was decided.
    pub decided: Vec<Tick>,
    /// What was seen: as many numbers a row as its space has features.
    pub features: Vec<f32>,
    /// What might have been done.
    pub legal: Vec<LegalActions>,
    /// What was done.
    pub actions: Vec<Action>,
    /// Natural logarithm of the probability with which the policy did it, where that is known.
    pub log_probabilities: Vec<Option<f64>>,
    /// Reward until the next decision or the end of the episode.
    pub rewards: Vec<f32>,
    /// The parts of rewards and costs: as many numbers a row as its space has terms.
    pub terms: Vec<f32>,
    /// What was seen next; zeros where the episode terminated.
    pub next_features: Vec<f32>,
    /// What might have been done next; nothing where the episode terminated.
    pub next_legal: Vec<LegalActions>,
    /// How each ended.
    pub outcomes: Vec<Outcome>,
}

impl Transitions {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// Forgets all, and keeps the room.
    pub fn clear(&mut self) {
        self.agents.clear();
        self.decided.clear();
        self.features.clear();
        self.legal.clear();
        self.actions.clear();
        self.log_probabilities.clear();
        self.rewards.clear();
        self.terms.clear();
        self.next_features.clear();
        self.next_legal.clear();
        self.outcomes.clear();
    }

    /// The episodes: rows of one agent, in their order, up to one that does not go on. In the order of their first rows.
    #[must_use]
    pub fn episodes(&self) -> Vec<Vec<usize>> {
        let mut open: std::collections::BTreeMap<AgentId, usize> = std::collections::BTreeMap::new();
        let mut episodes: Vec<Vec<usize>> = Vec::new();
        for (row, &agent) in self.agents.iter().enumerate() {
            let episode = *open.entry(agent).or_insert_with(|| {
                episodes.push(Vec::new());
                episodes.len() - 1
            });
            episodes[episode].push(row);
            if self.outcomes[row] != Outcome::Continues {
                open.remove(&agent);
            }
        }
        episodes
    }
}
