//! What single agents get, and agents that do not decide as their group does: what an audit asks beyond a run. Counted and
//! done only where somebody asks for it.

use std::collections::BTreeMap;

use super::minds::Minds;
use super::population::Population;
use super::rewards::Rewards;
use super::simulation::Simulation;
use super::speak::add_tables_of;
use crate::base::{AgentId, Outcome};

/// What an agent got, its share in its team's among it, without shaping.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Account {
    /// Reward of all ticks.
    pub total: f64,
    /// Of these, reward of episodes that ended.
    pub ended: f64,
    /// How many ended.
    pub episodes: u64,
}

impl Account {
    /// The mean reward of the episodes that ended; of the one under way, where none did.
    #[must_use]
    pub fn per_episode(&self) -> f64 {
        if self.episodes == 0 { self.total } else { self.ended / self.episodes as f64 }
    }
}

/// The accounts of all agents, by id.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_agent: BTreeMap<AgentId, (Account, f64)>,
}

impl Accounts {
    /// An agent's reward of a tick. Between two ends everything belongs to one episode.
    pub fn credit(&mut self, agent: AgentId, value: f32, outcome: Outcome) {
        let (account, open) = self.by_agent.entry(agent).or_default();
        account.total += f64::from(value);
        *open += f64::from(value);
        if outcome != Outcome::Continues {
            account.ended += std::mem::take(open);
            account.episodes += 1;
        }
    }
}

impl Simulation {
    /// The agents that a group will have at its first tick, in their order; of use before that tick only.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<AgentId> {
        let population = self.world().resource::<Population>();
        match population.groups.iter().position(|known| &*known.name == group) {
            Some(place) => population.asked_for(place as u16),
            None => Vec::new(),
        }
    }

    /// Lets `agent` decide by another policy than its group, all else being equal: its id, its chance, its language model
    /// and its place in the world. To be called before the first tick, for one of [`Self::members`]. False, and nothing
    /// is changed, where there is no such agent or policy, or the policy was made to see and do something else.
    pub fn assign(&mut self, agent: AgentId, policy: &str) -> bool {
        let population = self.world.resource::<Population>();
        let Some(group) = population.group_of_birth(agent) else { return false };
        let group = &population.groups[usize::from(group)];
        let (own, paced) = (usize::from(group.policy), group.decide_every > 1);
        let mut minds = self.world.resource_mut::<Minds>();
        let Some(place) = minds.entries.iter().position(|entry| &*entry.name == policy) else { return false };
        if minds.entries[place].space != minds.entries[own].space {
            return false;
        }
        minds.entries[place].paced |= paced;
        add_tables_of(&mut self.world, place);
        self.world.resource_mut::<Population>().assigned.insert(agent, place as u16);
        true
    }

    /// From the next tick on, what each agent gets is counted.
    pub fn count_payoffs(&mut self) {
        self.world.resource_mut::<Rewards>().accounts = Some(Accounts::default());
    }

    /// What each agent got since [`Self::count_payoffs`], by id; agents that got nothing and ended nothing are not in it.
    #[must_use]
    pub fn payoffs(&self) -> BTreeMap<AgentId, Account> {
        let accounts = self.world().resource::<Rewards>().accounts.as_ref();
        let all = accounts.into_iter().flat_map(|accounts| &accounts.by_agent);
        all.map(|(&agent, &(account, _))| (agent, account)).collect()
    }
}
