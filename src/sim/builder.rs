//! What a domain adds its world to.

use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::{IntoScheduleConfigs, Schedule};
use bevy_ecs::system::ScheduleSystem;
use bevy_ecs::world::World;

use super::phase::Phase;
use super::population::{Birth, Group, Population};
use super::tables::Tables;
use crate::base::AgentId;
use crate::record::{Column, TableSpec};

/// What a domain adds to.
pub struct Builder {
    /// The world, for resources. Agents come through `spawn` or [`Population`].
    pub world: World,
    pub(super) schedule: Schedule,
    pub(super) metrics: Vec<Column>,
    pub(super) agents: Option<AgentTable>,
}

/// The domain's part of `agents.csv`.
pub(super) struct AgentTable {
    pub columns: Vec<Column>,
    pub rows: AgentRows,
}

/// Writes a domain's part of an agent's row.
pub(super) type AgentRows = fn(&World, bevy_ecs::entity::Entity) -> Vec<crate::record::Value>;

impl Builder {
    /// Adds systems to a phase. Two systems of a phase that touch the same data need an order (`.chain()`,
    /// `.before(…)`): without one the simulation does not build.
    pub fn add_systems<M>(&mut self, phase: Phase, systems: impl IntoScheduleConfigs<ScheduleSystem, M>) {
        self.schedule.add_systems(systems.in_set(phase));
    }

    /// Adds a resource.
    pub fn insert_resource(&mut self, resource: impl Resource) {
        self.world.insert_resource(resource);
    }

    /// Asks for an agent of a group at the first barrier.
    pub fn spawn(&mut self, group: u16, birth: Option<Birth>) -> AgentId {
        self.world.resource_mut::<Population>().spawn(group, birth)
    }

    /// Asks for all agents that a group declares, each with this component.
    pub fn spawn_group<C: Component>(&mut self, group: u16, component: impl Fn() -> C) {
        let count = self.world.resource::<Population>().groups[usize::from(group)].count;
        for _ in 0..count {
            let component = component();
            self.spawn(
                group,
                Some(Box::new(move |entity| {
                    entity.insert(component);
                })),
            );
        }
    }

    /// The scenario's groups.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.world.resource::<Population>().groups
    }

    /// Declares the domain's columns of `metrics.csv`; its Record systems fill them with [`Tables::metrics`].
    pub fn metric_columns(&mut self, columns: &[Column]) {
        self.metrics = columns.to_vec();
    }

    /// Declares the domain's columns of `agents.csv`, and how they are read off an agent.
    pub fn agent_rows(&mut self, columns: &[Column], rows: AgentRows) {
        self.agents = Some(AgentTable { columns: columns.to_vec(), rows });
    }

    /// Adds a table of the domain's own.
    pub fn add_table(&mut self, spec: TableSpec) {
        self.world.resource_mut::<Tables>().add(spec);
    }
}
