//! Who lives: births and deaths at one barrier a tick, in the order in which they were asked for, and the way from an
//! agent's number to its entity.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::{EntityWorldMut, World};

use super::components::{
    Agent, Choice, Llm, Mailbox, Menu, Observation, PersonaId, PolicySlot, Reward, RewardTerms, RoleId,
};
use super::minds::Minds;
use super::pace::Pace;
use super::rewards::Rewards;
use crate::base::AgentId;

/// A group of agents as the scenario declares it.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name, unique in the scenario.
    pub name: Arc<str>,
    /// What its agents are there for.
    pub role: RoleId,
    /// How they speak.
    pub persona: PersonaId,
    /// Who decides for them: a place in the scenario's `[policy]` table.
    pub policy: u16,
    /// What they read and speak with: a place in the scenario's `[llm]` table.
    pub llm: Option<u16>,
    /// What they are able to do beyond their role.
    pub capabilities: Vec<String>,
    /// How many there are at the start.
    pub count: u32,
    /// Every how many ticks they decide.
    pub decide_every: u32,
    /// Whether it goes on when a model's budget is spent: it declares a `fallback`.
    pub goes_on: bool,
}

/// The living, by id.
#[derive(Resource, Debug, Default)]
pub struct Directory {
    alive: Vec<(AgentId, Entity)>,
    /// Rank among the living by id; `u32::MAX` for the dead.
    rows: Vec<u32>,
}

impl Directory {
    /// Everyone alive, in `AgentId` order.
    #[must_use]
    pub fn alive(&self) -> &[(AgentId, Entity)] {
        &self.alive
    }

    /// How many are alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.alive.len()
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alive.is_empty()
    }

    /// An agent's rank among the living.
    #[must_use]
    pub fn row(&self, agent: AgentId) -> Option<u32> {
        self.rows.get(agent.index()).copied().filter(|&row| row != u32::MAX)
    }

    /// Whether everyone who was ever born is alive, so that ranks are ids.
    pub(super) fn is_dense(&self) -> bool {
        self.alive.len() == self.rows.len()
    }

    /// An agent's entity, while it lives.
    #[must_use]
    pub fn entity(&self, agent: AgentId) -> Option<Entity> {
        self.row(agent).map(|row| self.alive[row as usize].1)
    }
}

/// One of a group whose agents are not all alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// How they speak.
    pub persona: PersonaId,
    /// What the domain reads of them.
    pub traits: BTreeMap<String, f64>,
}

/// Adds a domain's own components to an agent that is being born.
pub type Birth = Box<dyn FnOnce(&mut EntityWorldMut<'_>) + Send + Sync>;

/// Where births and deaths are asked for; they happen at the next barrier.
#[derive(Resource, Default)]
pub struct Population {
    /// The scenario's groups; those a domain adds stand behind them.
    pub groups: Vec<Group>,
    /// Names of the roles.
    pub roles: Vec<Arc<str>>,
    /// Texts of the personas.
    pub personas: Vec<Arc<str>>,
    /// For groups whose agents are not all alike: who they are, in turn.
    pub(super) casts: BTreeMap<u16, Arc<[Member]>>,
    /// How many agents were asked for, by group; of groups with a cast only.
    cast_so_far: BTreeMap<u16, usize>,
    /// Who decides for agents that do not decide as their group does: places in the `[policy]` table.
    pub(super) assigned: BTreeMap<AgentId, u16>,
    next: u32,
    births: Vec<(AgentId, u16, PersonaId, Option<Birth>)>,
    deaths: Vec<AgentId>,
}

impl Population {
    /// Asks for an agent of `group`; it lives from the next barrier on. Its id is final at once, so mail can be
    /// addressed to it.
    pub fn spawn(&mut self, group: u16, birth: Option<Birth>) -> AgentId {
        let id = AgentId(self.next);
        self.next = self.next.checked_add(1).expect("fewer than 2^32 agents in a run");
        let persona = self.upcoming(group).map(|member| member.persona);
        if self.casts.contains_key(&group) {
            *self.cast_so_far.entry(group).or_default() += 1;
        }
        let persona = persona.unwrap_or_else(|| self.groups[usize::from(group)].persona);
        self.births.push((id, group, persona, birth));
        id
    }

    /// Who the next agent of a group will be, where the group has personas of its own.
    #[must_use]
    pub fn upcoming(&self, group: u16) -> Option<&Member> {
        let cast = self.casts.get(&group)?;
        cast.get(self.cast_so_far.get(&group).copied().unwrap_or(0) % cast.len().max(1))
    }

    /// Asks for an agent's end at the next barrier. Asking twice is asking once; an agent whose birth is still waiting
    /// is not born; an id that nobody has yet is passed over.
    pub fn despawn(&mut self, agent: AgentId) {
        if agent.0 < self.next {
            self.deaths.push(agent);
        }
    }

    /// How many agents have ever been asked for.
    #[must_use]
    pub fn ever(&self) -> u32 {
        self.next
    }

    /// The agents of a group that wait to be born, in the order of their ids.
    pub(super) fn asked_for(&self, group: u16) -> Vec<AgentId> {
        self.births.iter().filter(|&&(_, of, ..)| of == group).map(|&(id, ..)| id).collect()
    }

    /// The group of an agent that waits to be born.
    pub(super) fn group_of_birth(&self, agent: AgentId) -> Option<u16> {
        self.births.iter().find(|&&(id, ..)| id == agent).map(|&(_, group, ..)| group)
    }

    /// Who is asked for and waits for the barrier, with their groups, by id.
    pub(super) fn unborn(&self) -> impl Iterator<Item = (AgentId, u16)> {
        self.births.iter().map(|&(agent, group, ..)| (agent, group))
    }

    /// The role with this name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<RoleId> {
        self.roles.iter().position(|role| &**role == name).map(|index| RoleId(index as u16))
    }
}

/// The barrier: deaths, then births, both in id order. Rows of mailboxes are renewed only where somebody left.
pub(super) fn cross_barrier(world: &mut World) {
    let mut population = world.resource_mut::<Population>();
    if population.births.is_empty() && population.deaths.is_empty() {
        return;
    }
    let births = std::mem::take(&mut population.births);
    let mut deaths = std::mem::take(&mut population.deaths);
    deaths.sort_unstable();
    deaths.dedup();

    world.resource_scope::<Directory, _>(|world, mut directory| {
        world.resource_scope::<Minds, _>(|world, mut minds| {
            bury(world, &mut directory, &mut minds, &deaths);
            for (id, group, persona, birth) in births {
                if deaths.binary_search(&id).is_ok() {
                    continue;
                }
                let row = directory.alive.len() as u32;
                let (role, policy, llm, decide_every) = {
                    let population = world.resource::<Population>();
                    let group = &population.groups[usize::from(group)];
                    let policy = population.assigned.get(&id).copied().unwrap_or(group.policy);
                    (group.role, policy, group.llm, group.decide_every)
                };
                let slot = minds.enter(policy, group);
                let terms = world.resource::<Rewards>().has_terms(group);
                let mut entity = world.spawn((
                    Agent { id, role, persona, group },
                    Llm { model: llm },
                    PolicySlot { policy, slot },
                    Mailbox { row },
                    Observation::NONE,
                    Menu::default(),
                    Choice::default(),
                    Reward::default(),
                ));
                if decide_every > 1 {
                    entity.insert(Pace::new(decide_every));
                }
                if terms {
                    entity.insert(RewardTerms::default());
                }
                if let Some(birth) = birth {
                    birth(&mut entity);
                }
                let entity = entity.id();
                directory.alive.push((id, entity));
                directory.rows.resize(id.index() + 1, u32::MAX);
                directory.rows[id.index()] = row;
            }
        });
    });
}

fn bury(world: &mut World, directory: &mut Directory, minds: &mut Minds, deaths: &[AgentId]) {
    let mut first_row = None;
    for &agent in deaths {
        let Some(row) = directory.row(agent) else { continue };
        let (_, entity) = directory.alive[row as usize];
        first_row = Some(first_row.map_or(row, |first: u32| first.min(row)));
        if let Some(&slot) = world.get::<PolicySlot>(entity) {
            minds.leave(slot, agent);
        }
        world.despawn(entity);
        directory.rows[agent.index()] = u32::MAX;
    }
    let Some(first) = first_row else { return };
    let Directory { alive, rows } = directory;
    alive.retain(|(agent, _)| rows[agent.index()] != u32::MAX);
    for (row, &(agent, entity)) in alive.iter().enumerate().skip(first as usize) {
        rows[agent.index()] = row as u32;
        if let Some(mut mailbox) = world.get_mut::<Mailbox>(entity) {
            mailbox.row = row as u32;
        }
    }
}
