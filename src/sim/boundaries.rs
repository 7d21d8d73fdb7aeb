//! Where rights meet the tick: actions that a role may not do are withheld from menus before anybody decides, or blocked
//! once chosen; every breach, of whatever right, is counted and named.

use std::sync::{Arc, Mutex, PoisonError};

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut, SystemParam};

use super::components::{Agent, RoleId};
use super::failure::SimError;
use super::minds::{MindEntry, ObservationBatch};
use super::now::Now;
use super::population::{Directory, Population};
use super::rights::{Barred, RoleRight, RoleRights};
use super::tables::Tables;
use crate::base::{Action, AgentId, LegalActions, Tick};
use crate::record::{Column, Settled, TableSpec, Value};

/// Something that an agent tried and its role has no right to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// Who tried it.
    pub agent: AgentId,
    /// Its role.
    pub role: RoleId,
    /// The right it lacks: `action`, `tool`, `protocol`, `read` or `write`.
    pub right: &'static str,
    /// What it tried.
    pub tried: String,
    /// What was done instead.
    pub instead: String,
}

/// The breaches of a tick, and how many there have been.
#[derive(Resource, Debug, Default)]
pub struct Breaches {
    /// Behind a lock, because whoever only reads may breach a right too. Put in order when the tick closes.
    found: Mutex<Vec<Breach>>,
    /// At the close of the last tick, in order.
    last: Vec<Breach>,
    withheld: u64,
    total: u64,
    total_withheld: u64,
}

impl Breaches {
    /// Names a breach.
    pub(super) fn name(&self, breach: Breach) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).push(breach);
    }

    /// The breaches of the last tick that has closed, by agent.
    #[must_use]
    pub fn last(&self) -> &[Breach] {
        &self.last
    }

    /// The engine's columns of `metrics` on breaches, where there are rights to breach, and on what was withheld, where a
    /// scenario declares rights.
    pub(super) fn metrics(&self, rights: &RoleRights, places: bool) -> impl Iterator<Item = Value> + use<> {
        let breaches = (rights.declared || places).then_some(self.last.len() as u64);
        let withheld = rights.declared.then_some(self.withheld);
        breaches.into_iter().chain(withheld).map(Value::from)
    }

    /// Lines of the summary of a run whose scenario declares rights.
    pub(super) fn summary(&self, rights: &RoleRights) -> Vec<Settled> {
        if !rights.declared {
            return Vec::new();
        }
        vec![
            Settled::count("breaches of rights, blocked", self.total),
            Settled::count("actions withheld from menus", self.total_withheld),
        ]
    }
}

/// Columns of `breaches.csv`.
#[must_use]
pub fn breach_columns() -> TableSpec {
    TableSpec {
        name: "breaches",
        about: "something that an agent tried and its role has no right to",
        columns: vec![
            Column::new("tick", "ticks", "when it was tried"),
            Column::new("agent", "", "agent id"),
            Column::new("role", "", "its role"),
            Column::new("right", "", "the right it lacks: action, tool, protocol, read or write"),
            Column::new("tried", "", "what it tried"),
            Column::new("instead", "", "what was done instead"),
        ],
    }
}

/// Holds decisions to the rights of those who decide.
#[derive(SystemParam)]
pub(super) struct Boundaries<'w, 's> {
    rights: Res<'w, RoleRights>,
    breaches: ResMut<'w, Breaches>,
    directory: Res<'w, Directory>,
    population: Res<'w, Population>,
    agents: Query<'w, 's, &'static Agent>,
}

impl Boundaries<'_, '_> {
    /// A new tick: nothing has been withheld yet.
    pub fn begin(&mut self) {
        if self.rights.limits_actions {
            self.breaches.withheld = 0;
        }
    }

    /// Takes what may not be done out of the menus of a policy's agents, where it is withheld, and marks it in all.
    ///
    /// # Errors
    /// When nothing is left in a menu.
    pub fn restrict(&mut self, tick: Tick, entry: &MindEntry, batch: &mut ObservationBatch) -> Result<(), SimError> {
        if !self.rights.limits_actions {
            return Ok(());
        }
        let ObservationBatch { agents, entities, legal, last_agents, last_legal, forbidden, .. } = batch;
        for (row, &entity) in entities.iter().enumerate() {
            let right = self.agents.get(entity).ok().and_then(|agent| self.rights.of(agent.role));
            let Some(right) = right else { continue };
            let (kept, taken) = split(legal[row], right);
            if taken.count() == 0 {
                continue;
            }
            forbidden.resize(entities.len(), LegalActions::default());
            forbidden[row] = taken;
            if right.blocks {
                continue;
            }
            self.breaches.withheld += u64::from(taken.count());
            self.breaches.total_withheld += u64::from(taken.count());
            legal[row] = kept;
            if kept.count() == 0 {
                return Err(self.nothing_left(tick, entry, agents[row], taken));
            }
        }
        for (&agent, legal) in last_agents.iter().zip(last_legal) {
            let right = self.agent(agent).and_then(|agent| self.rights.of(agent.role));
            if let Some(right) = right.filter(|right| !right.blocks) {
                *legal = split(*legal, right).0;
            }
        }
        Ok(())
    }

    fn agent(&self, agent: AgentId) -> Option<&Agent> {
        self.directory.entity(agent).and_then(|entity| self.agents.get(entity).ok())
    }

    fn role_name(&self, agent: AgentId) -> Arc<str> {
        self.agent(agent)
            .map_or_else(|| "".into(), |agent| Arc::clone(&self.population.roles[usize::from(agent.role.0)]))
    }

    fn nothing_left(&self, tick: Tick, entry: &MindEntry, agent: AgentId, taken: LegalActions) -> SimError {
        let role = self.role_name(agent);
        let names: Vec<String> =
            taken.iter().map(|action| format!("`{}`", entry.space.menu.names[action.index()])).collect();
        SimError::World {
            tick,
            problem: format!(
                "agent {agent} has nothing left that it may do: [rights.{role}] withholds {}, which is all that its world offers it now; allow one of them",
                names.join(", ")
            ),
        }
    }

    /// Puts something harmless in the place of what is blocked, and names every breach.
    ///
    /// # Errors
    /// When nothing harmless is legal.
    pub fn block(
        &self,
        tick: Tick,
        entry: &MindEntry,
        batch: &ObservationBatch,
        tried: &[(usize, Action)],
        actions: &mut [Action],
    ) -> Result<(), SimError> {
        let names = &entry.space.menu.names;
        for &(row, action) in tried {
            let Ok(agent) = self.agents.get(batch.entities[row]) else { continue };
            let Some(right) = self.rights.of(agent.role) else { continue };
            if right.blocks {
                let harmless = right.harmless.iter().copied().find(|&other| batch.legal[row].allows(other));
                actions[row] = harmless.ok_or_else(|| SimError::World {
                    tick,
                    problem: format!(
                        "agent {} chose `{}`, which [rights.{}] blocks, and none of what it may do instead ({}) is legal now",
                        agent.id,
                        names[action.index()],
                        self.role_name(agent.id),
                        right.harmless.iter().map(|one| format!("`{}`", names[one.index()])).collect::<Vec<_>>().join(", ")
                    ),
                })?;
            }
            let (kind, tried) = match right.barred_from(action) {
                Some(Barred::Tool(tool)) => ("tool", format!("{} by {tool}", names[action.index()])),
                _ => ("action", names[action.index()].to_owned()),
            };
            let instead = names[actions[row].index()].to_owned();
            self.breaches.name(Breach { agent: agent.id, role: agent.role, right: kind, tried, instead });
        }
        Ok(())
    }
}

/// What is to be done although it may not be: the rows, with the actions. What was chosen is asked before illegal choices
/// are replaced.
pub(super) fn forbidden(batch: &ObservationBatch, actions: &[Action]) -> Vec<(usize, Action)> {
    let tried = |(row, &action): (usize, &Action)| {
        batch.forbidden.get(row).is_some_and(|taken| taken.allows(action)).then_some((row, action))
    };
    if batch.forbidden.is_empty() { Vec::new() } else { actions.iter().enumerate().filter_map(tried).collect() }
}

/// What of a menu a role may do, and what it may not.
fn split(legal: LegalActions, right: &RoleRight) -> (LegalActions, LegalActions) {
    (LegalActions(legal.0 & right.allowed.0), LegalActions(legal.0 & !right.allowed.0))
}

/// The system of [`super::Phase::Close`] that puts the tick's breaches in order and writes them down.
pub(super) fn record_breaches(
    now: Res<Now>,
    population: Res<Population>,
    mut breaches: ResMut<Breaches>,
    mut tables: ResMut<Tables>,
) {
    let Breaches { found, last, total, .. } = &mut *breaches;
    last.clear();
    last.append(found.get_mut().unwrap_or_else(PoisonError::into_inner));
    // Whoever names breaches may do so from several systems without an order among them.
    last.sort_unstable();
    *total += last.len() as u64;
    for breach in last {
        let row = [
            Value::from(now.tick.0),
            Value::from(breach.agent.0),
            Value::from(population.roles.get(usize::from(breach.role.0)).map(Arc::clone)),
            Value::from(breach.right),
            Value::from(breach.tried.as_str()),
            Value::from(breach.instead.as_str()),
        ];
        tables.push("breaches", row);
    }
}
