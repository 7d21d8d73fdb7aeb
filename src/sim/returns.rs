//! Returns of episodes, counted apart for each policy, whoever decides by it: what an evaluation judges by. Counted only
//! where somebody asks for it, in Close, before rewards are emptied into the memories of learners.

use std::collections::BTreeMap;

use bevy_ecs::system::{Query, Res, ResMut};

use super::components::{Agent, Choice, PolicySlot, Reward, RewardTerms};
use super::minds::Minds;
use super::population::Directory;
use super::rewards::Rewards;
use crate::base::{AgentId, Outcome};

/// Episodes of the agents of one policy, and what they brought, not discounted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpisodeReturns {
    /// How many.
    pub episodes: u64,
    /// Reward of all together.
    pub sum: f64,
}

impl EpisodeReturns {
    /// The mean return; `None` where there was no episode.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.episodes > 0).then(|| self.sum / self.episodes as f64)
    }

    fn add(&mut self, returned: f64) {
        self.episodes += 1;
        self.sum += returned;
    }
}

/// The count of one policy on its way. An episode begins with a decision: what an agent gets before its first one, and an
/// end that comes before any, belong to none, as in the memories of learners.
#[derive(Debug, Default)]
pub(super) struct ReturnCount {
    ended: EpisodeReturns,
    running: BTreeMap<AgentId, Running>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Running {
    /// Reward of the episode that has begun.
    open: Option<f64>,
    /// Whether the agent has ended an episode before.
    ended_one: bool,
}

impl ReturnCount {
    fn count(&mut self, agent: AgentId, decided: bool, reward: f64, outcome: Outcome) {
        let running = self.running.entry(agent).or_default();
        if decided {
            running.open.get_or_insert(0.0);
        }
        let Some(open) = &mut running.open else { return };
        *open += reward;
        if outcome != Outcome::Continues {
            self.ended.add(*open);
            *running = Running { open: None, ended_one: true };
        }
    }

    /// An agent leaves the world, and so ends its episode.
    pub fn leave(&mut self, agent: AgentId) {
        if let Some(Running { open: Some(returned), .. }) = self.running.remove(&agent) {
            self.ended.add(returned);
        }
    }

    /// All episodes so far. One that is not over counts as it is where its agent has ended none; otherwise worlds without
    /// ends, and policies too good to end, would have no returns at all.
    pub fn so_far(&self) -> EpisodeReturns {
        let mut all = self.ended;
        for running in self.running.values().filter(|running| !running.ended_one) {
            if let Some(returned) = running.open {
                all.add(returned);
            }
        }
        all
    }
}

/// Counts the tick's rewards, in `AgentId` order.
pub(super) fn tally_returns(
    directory: Res<Directory>,
    mut minds: ResMut<Minds>,
    rewards: Res<Rewards>,
    agents: Query<(&Agent, &PolicySlot, &Choice, &Reward, Option<&RewardTerms>)>,
) {
    if minds.entries.iter().all(|entry| entry.returns.is_none()) {
        return;
    }
    for &(id, entity) in directory.alive() {
        let Ok((agent, slot, choice, reward, terms)) = agents.get(entity) else { continue };
        if let Some(returns) = &mut minds.entries[usize::from(slot.policy)].returns {
            let terms = terms.copied().unwrap_or_default().values;
            let own = rewards.own(agent.group, reward.value, &terms);
            returns.count(id, choice.action.is_some(), f64::from(own), reward.outcome);
        }
    }
}
