//! A simulation: a world of agents that is stepped tick by tick. No global state, so several live side by side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::{
    IntoScheduleConfigs, LogLevel, Schedule, ScheduleBuildSettings, ScheduleLabel, SingleThreadedExecutor,
};
use bevy_ecs::system::ScheduleSystem;
use bevy_ecs::world::World;

use super::decide::{clear_decisions, decide};
use super::domain::{BuildError, Domain, DomainData};
use super::language::{Language, LanguageQueue, answer_requests};
use super::learn::{credit_rewards, learn};
use super::mail::{Mail, Texts, deliver_mail};
use super::minds::{DecisionMemory, Mind, MindEntry, Minds, ObservationBatch, Observations};
use super::phase::Phase;
use super::population::{Birth, Directory, Group, Population, cross_barrier};
use super::tables::{Tables, agent_columns, close_rows, learning_columns, message_columns, metric_columns};
use super::{PersonaId, RoleId};
use crate::base::{
    AgentId, Chance, LanguageError, LanguageService, LearnError, LearnStats, PolicyError, PolicyFile, Space, Tick,
};
use crate::record::{Column, TableSpec};
use crate::scenario::Scenario;

/// The tick's own facts. Read by everyone.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Now {
    /// The tick.
    pub tick: Tick,
    /// The run's chance.
    pub chance: Chance,
    /// Simulated seconds a tick.
    pub seconds_per_tick: f64,
    /// Whether this is the scenario's last tick.
    pub last: bool,
}

/// Why a simulation had to stop.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A policy could not decide.
    #[error("tick {tick}: policy \"{policy}\" could not decide: {error}")]
    Policy {
        /// When.
        tick: Tick,
        /// Which.
        policy: String,
        /// Why.
        error: PolicyError,
    },
    /// A learner could not learn.
    #[error("policy \"{policy}\" could not learn: {error}")]
    Learn {
        /// Which.
        policy: String,
        /// Why.
        error: LearnError,
    },
    /// A language model could not answer.
    #[error("tick {tick}: {error}")]
    Language {
        /// When.
        tick: Tick,
        /// Why.
        error: LanguageError,
    },
    /// The world itself found something that cannot go on.
    #[error("tick {tick}: {problem}")]
    World {
        /// When.
        tick: Tick,
        /// What.
        problem: String,
    },
}

/// Where a system says that the run cannot go on; the first to say so is heard.
#[derive(Resource, Default, Debug)]
pub struct Failure(Mutex<Option<SimError>>);

impl Failure {
    /// The run stops at the end of this tick with this error.
    pub fn set(&self, error: SimError) {
        let mut slot = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        slot.get_or_insert(error);
    }

    fn take(&self) -> Option<SimError> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

/// What is recorded, and how often.
#[derive(Resource, Clone, Copy, Debug)]
pub(super) struct Recording {
    pub messages: bool,
    pub learning_every: u64,
}

/// What a simulation is built from besides its scenario.
pub struct Options {
    /// One mind for each policy of the scenario, in the order of its names.
    pub minds: Vec<(String, Mind)>,
    /// Answers for agents with a language model.
    pub language: Arc<dyn LanguageService>,
    /// The domain's files.
    pub data: DomainData,
    /// Write `messages`, if the scenario records them.
    pub messages: bool,
    /// Runs systems that have no order among them in an order shuffled by this number. Results must not change: a
    /// test uses this.
    pub shuffle_systems: Option<u64>,
}

#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TickSchedule;

/// What a domain adds to.
pub struct Builder {
    /// The world, for resources. Agents come through `spawn` or [`Population`].
    pub world: World,
    schedule: Schedule,
    metrics: Vec<Column>,
    agents: Option<AgentTable>,
}

/// The domain's part of `agents.csv`.
struct AgentTable {
    columns: Vec<Column>,
    rows: AgentRows,
}

/// Writes a domain's part of an agent's row.
type AgentRows = fn(&World, bevy_ecs::entity::Entity) -> Vec<crate::record::Value>;

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

/// A running simulation.
pub struct Simulation {
    world: World,
    schedule: Schedule,
    ticks: u64,
    agents: Option<AgentTable>,
    agents_every: u64,
}

impl Simulation {
    /// Builds a simulation from a checked scenario.
    ///
    /// # Errors
    /// When the domain cannot use the scenario or its data.
    pub fn build(scenario: &Scenario, domain: &dyn Domain, options: Options) -> Result<Self, BuildError> {
        let spaces = spaces_of_policies(scenario, domain)?;
        let mut entries = Vec::new();
        let mut batches = Vec::new();
        for (name, mind) in options.minds {
            let space = spaces[&name].clone();
            let memory = matches!(mind, Mind::Learning(_)).then(|| DecisionMemory::new(space.features.len()));
            let name = Arc::from(name);
            entries.push(MindEntry { name, mind, space, memory, stats: LearnStats::default(), agents: 0 });
            batches.push(ObservationBatch::default());
        }
        let mut world = World::new();
        world.insert_resource(Now {
            tick: Tick(0),
            chance: Chance::new(scenario.seed),
            seconds_per_tick: scenario.clock.seconds_per_tick,
            last: scenario.ticks == 1,
        });
        world.insert_resource(Recording {
            messages: options.messages && scenario.record.messages,
            learning_every: scenario.record.learning_every,
        });
        world.insert_resource(Failure::default());
        world.insert_resource(Language(options.language));
        world.insert_resource(LanguageQueue::default());
        world.insert_resource(Mail::default());
        world.insert_resource(Texts::default());
        world.insert_resource(Directory::default());
        world.insert_resource(Observations { batches });
        world.insert_resource(Minds { entries, illegal: 0 });
        world.insert_resource(population_of(scenario));
        world.insert_resource(Tables::default());

        let mut builder =
            Builder { world, schedule: new_schedule(options.shuffle_systems), metrics: vec![], agents: None };
        domain.build(scenario, &options.data, &mut builder)?;
        let Builder { mut world, mut schedule, metrics, agents } = builder;

        let mut tables = world.resource_mut::<Tables>();
        let (before, behind) = metric_columns();
        let columns = before.into_iter().chain(metrics).chain(behind).collect();
        tables.add(TableSpec { name: "metrics", about: "a tick", columns });
        tables.add(learning_columns());
        if options.messages && scenario.record.messages {
            tables.add(message_columns());
        }
        if let Some(agents) = &agents {
            let columns = agent_columns().into_iter().chain(agents.columns.iter().copied()).collect();
            tables.add(TableSpec { name: "agents", about: "an agent", columns });
        }
        if let Err(error) = schedule.initialize(&mut world) {
            return Err(BuildError::Schedule(error.to_string(schedule.graph(), &world)));
        }
        Ok(Self { world, schedule, ticks: scenario.ticks, agents, agents_every: scenario.record.agents_every })
    }

    /// Moves the world on by one tick. Runs inside the rayon pool of the caller.
    ///
    /// # Errors
    /// When a policy, a learner, a language model or the world itself cannot go on; the simulation is then of no
    /// further use.
    pub fn step(&mut self) -> Result<(), SimError> {
        self.schedule.run(&mut self.world);
        if let Some(error) = self.world.resource::<Failure>().take() {
            return Err(error);
        }
        let now = *self.world.resource::<Now>();
        let every = self.agents_every;
        if now.last || (every > 0 && (now.tick.0 + 1).is_multiple_of(every)) {
            self.write_agents(now.tick);
        }
        let mut now = self.world.resource_mut::<Now>();
        now.tick = Tick(now.tick.0 + 1);
        now.last = now.tick.0 + 1 == self.ticks;
        Ok(())
    }

    /// The tick that comes next.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.world.resource::<Now>().tick
    }

    /// Whether all the scenario's ticks are over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.tick().0 >= self.ticks
    }

    /// The rows written since they were last cleared.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        self.world.resource::<Tables>()
    }

    /// The same, to clear them.
    pub fn tables_mut(&mut self) -> bevy_ecs::change_detection::Mut<'_, Tables> {
        self.world.resource_mut::<Tables>()
    }

    /// The world, for domains' summaries, tests and views.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What each learner has learned so far, by policy name.
    #[must_use]
    pub fn learned(&self) -> BTreeMap<String, PolicyFile> {
        let minds = self.world.resource::<Minds>();
        minds
            .entries
            .iter()
            .filter_map(|entry| match &entry.mind {
                Mind::Learning(learner) => Some((entry.name.to_string(), learner.save())),
                Mind::Fixed(_) => None,
            })
            .collect()
    }

    fn write_agents(&mut self, tick: Tick) {
        let Some(agents) = &self.agents else { return };
        let directory = self.world.resource::<Directory>();
        let population = self.world.resource::<Population>();
        let mut rows = Vec::with_capacity(directory.len());
        for &(id, entity) in directory.alive() {
            let Some(agent) = self.world.get::<super::Agent>(entity) else { continue };
            let mut row = vec![
                tick.0.into(),
                id.0.into(),
                Arc::clone(&population.roles[usize::from(agent.role.0)]).into(),
                Arc::clone(&population.groups[usize::from(agent.group)].name).into(),
            ];
            row.extend((agents.rows)(&self.world, entity));
            rows.push(row);
        }
        let mut tables = self.world.resource_mut::<Tables>();
        for row in rows {
            tables.push("agents", row);
        }
    }
}

fn new_schedule(shuffle: Option<u64>) -> Schedule {
    let mut schedule = Schedule::new(TickSchedule);
    schedule.set_executor(SingleThreadedExecutor::new());
    schedule.set_build_settings(ScheduleBuildSettings {
        ambiguity_detection: LogLevel::Error,
        shuffle_seed: shuffle,
        ..ScheduleBuildSettings::default()
    });
    for pair in Phase::ALL.windows(2) {
        schedule.configure_sets(pair[0].before(pair[1]));
    }
    schedule.add_systems((
        cross_barrier.in_set(Phase::Barrier),
        deliver_mail.in_set(Phase::Deliver),
        clear_decisions.in_set(Phase::Deliver),
        answer_requests.in_set(Phase::Read),
        learn.in_set(Phase::Learn),
        decide.in_set(Phase::Decide),
        answer_requests.in_set(Phase::Word),
        (credit_rewards, close_rows).chain().in_set(Phase::Close),
    ));
    schedule
}

/// What each policy's agents see and may do: the space of the roles that use it, which must be one and the same.
///
/// # Errors
/// When a group has a role or capability the domain does not know, lacks a language model it needs, or shares a
/// policy with a role that sees something else.
pub fn spaces_of_policies(
    scenario: &Scenario,
    domain: &dyn Domain,
) -> Result<BTreeMap<String, Space>, crate::scenario::ScenarioError> {
    let roles = domain.roles(&scenario.domain)?;
    let mut spaces: BTreeMap<String, (Space, String)> = BTreeMap::new();
    for group in &scenario.agents {
        let at = |key: &str| format!("agents.{}.{key}", group.name);
        let known: Vec<&str> = roles.iter().map(|role| role.role).collect();
        let Some(role) = roles.iter().find(|role| role.role == group.role) else {
            return Err(scenario.invalid(
                &at("role"),
                format!("domain \"{}\" has no role \"{}\"", domain.kind().name, group.role),
                crate::scenario::one_of(&group.role, &known),
            ));
        };
        if let Some(unknown) = group.capabilities.iter().find(|&name| !role.capabilities.contains(&name.as_str())) {
            return Err(scenario.invalid(
                &at("capabilities"),
                format!("role \"{}\" has no capability \"{unknown}\"", role.role),
                crate::scenario::one_of(unknown, role.capabilities),
            ));
        }
        if role.needs_llm && group.llm.is_none() {
            return Err(scenario.invalid(
                &at("llm"),
                format!("agents of role \"{}\" need a language model", role.role),
                "add `llm = \"NAME\"` to the group, and a table [llm.NAME]",
            ));
        }
        for (key, policy) in
            std::iter::once(("policy", &group.policy)).chain(group.compare.iter().map(|other| ("compare", other)))
        {
            let (space, other) =
                spaces.entry(policy.clone()).or_insert_with(|| (role.space.clone(), group.role.clone()));
            if *space != role.space {
                return Err(scenario.invalid(
                    &at(key),
                    format!(
                        "policy \"{policy}\" already serves role \"{other}\", which sees and does other things than \"{}\"",
                        role.role
                    ),
                    "give each role a policy of its own",
                ));
            }
        }
    }
    Ok(spaces.into_iter().map(|(name, (space, _))| (name, space)).collect())
}

fn population_of(scenario: &Scenario) -> Population {
    let mut population = Population::default();
    let place = |names: &mut Vec<Arc<str>>, name: &str| {
        names.iter().position(|known| &**known == name).unwrap_or_else(|| {
            names.push(Arc::from(name));
            names.len() - 1
        }) as u16
    };
    let policies: Vec<&String> = scenario.policies.keys().collect();
    let models: Vec<&String> = scenario.models.keys().collect();
    for group in &scenario.agents {
        let position = |names: &[&String], name: &String| {
            names.iter().position(|known| *known == name).expect("a parsed scenario's references hold") as u16
        };
        let declared = Group {
            name: Arc::from(group.name.as_str()),
            role: RoleId(place(&mut population.roles, &group.role)),
            persona: PersonaId(place(&mut population.personas, &group.persona)),
            policy: position(&policies, &group.policy),
            llm: group.llm.as_ref().map(|name| position(&models, name)),
            capabilities: group.capabilities.clone(),
            count: group.count,
        };
        population.groups.push(declared);
    }
    population
}
