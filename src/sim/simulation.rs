//! A simulation: a world of agents that is stepped tick by tick. No global state, so several live side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::schedule::{
    IntoScheduleConfigs, LogLevel, Schedule, ScheduleBuildSettings, ScheduleLabel, SingleThreadedExecutor,
};
use bevy_ecs::world::World;

use super::advice::{add_advice_table, advice_summary};
use super::boundaries::{Breaches, record_breaches};
use super::builder::{AgentTable, Builder};
use super::conversations::{Conversations, conversation_columns, conversation_metric_columns, hold_conversations};
use super::decide::{clear_decisions, decide};
use super::domain::{BuildError, Domain, DomainData};
use super::failure::{Failure, SimError, going_on};
use super::history::Histories;
use super::language::{Language, LanguageCounted, LanguageQueue, answer_requests};
use super::learn::learn;
use super::limits::{close_limits, limit_columns};
use super::mail::{Mail, Texts, deliver_mail};
use super::minds::{DecisionMemory, Mind, MindEntry, Minds, ObservationBatch, Observations, Widths};
use super::network::{EDGES, network_metric_columns, network_of};
use super::now::{Now, Recording};
use super::phase::Phase;
use super::population::{Directory, Population, cross_barrier};
use super::returns::{EpisodeReturns, ReturnCount, tally_returns};
use super::rewards::{Rewards, close_rewards, credit_rewards};
use super::rights::RoleRights;
use super::sharing::{add_sharing_tables, declare_places, share};
use super::spaces::{population_of, spaces_of_policies};
use super::speak::{add_tables, write_memories};
use super::tables::{
    Tables, agent_columns, close_rows, learning_columns, message_columns, metric_columns, study_columns,
};
use super::voices::Voices;
use crate::base::{
    Chance, LanguageMind, LanguageService, LearnStats, Persona, Policy, PolicyFile, Space, Tick, Transitions,
};
use crate::record::{Settled, TableSpec};
use crate::scenario::{PolicyLanguage, Scenario};

/// What a simulation is built from besides its scenario.
pub struct Options {
    /// One mind for each policy of the scenario, in the order of its names.
    pub minds: Vec<(String, Mind)>,
    /// Who advises the minds that have an advisor, by the name of the advised.
    pub advisors: BTreeMap<String, Box<dyn LanguageMind>>,
    /// The readers and speakers of policies that declare one, by the policy's name.
    pub voices: BTreeMap<String, PolicyLanguage>,
    /// Answers for agents with a language model.
    pub language: Arc<dyn LanguageService>,
    /// The domain's files.
    pub data: DomainData,
    /// Who the agents are, by the name of their group, where they are not all alike.
    pub personas: BTreeMap<String, Vec<Persona>>,
    /// Write `messages` and transitions, if the scenario records them.
    pub messages: bool,
    /// Runs systems that have no order among them in an order shuffled by this number. Results must not change: a
    /// test uses this.
    pub shuffle_systems: Option<u64>,
}

#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TickSchedule;

/// A running simulation.
pub struct Simulation {
    pub(super) world: World,
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
        domain.check(scenario)?;
        let rewards = Rewards::new(scenario, domain, &options.minds)?;
        let limited =
            |(_, mind): &(String, Mind)| matches!(mind, Mind::Learning(learner) if !learner.limits().is_empty());
        let limited = options.minds.iter().any(limited);
        let voice = |(name, _): &(String, Mind)| options.voices.get(name).copied().unwrap_or_default();
        let voices = Voices(options.minds.iter().map(voice).collect());
        let mut entries = Vec::new();
        let mut batches = Vec::new();
        let fixed = |name: &String| {
            options.minds.iter().find_map(|(known, mind)| match mind {
                Mind::Fixed(policy) if known == name => Some(Arc::clone(policy)),
                _ => None,
            })
        };
        let mut fallbacks: BTreeMap<&str, Arc<dyn Policy>> = BTreeMap::new();
        for group in &scenario.agents {
            let Some(name) = &group.fallback else { continue };
            let policy = fixed(name).ok_or_else(|| {
                let message = format!("policy \"{name}\" cannot be fallen back to: it does not stay as it is");
                let help = "name a hand-written policy, such as one of kind \"decision_list\" or \"random\"";
                scenario.invalid(&format!("agents.{}.fallback", group.name), message, help)
            })?;
            fallbacks.insert(&group.policy, policy);
        }
        let mut advisors = options.advisors;
        for (name, mind) in options.minds {
            let Some(space) = spaces.get(&name).cloned() else {
                let help = "name it in a group (`policy`, `compare`), or leave it out of the minds";
                return Err(scenario.invalid(&format!("policy.{name}"), "no group of agents uses it", help).into());
            };
            let fallback = fallbacks.remove(name.as_str());
            let paced = scenario.agents.iter().any(|group| group.policy == name && group.decide_every > 1);
            let advisor = advisors.remove(&name);
            let history = mind.history();
            let histories = (history > 1).then(|| Histories::new(space.features.len(), history));
            let mut widths = Widths::of(&space, history);
            widths.advice = if advisor.is_some() { space.menu.len() } else { 0 };
            let is_own = scenario.agents.iter().any(|group| group.policy == name);
            let recorded =
                (options.messages && is_own && scenario.record.transitions.contains(&name)).then(Transitions::default);
            let keeps = recorded.is_some() || matches!(mind, Mind::Learning(_));
            let memory = keeps.then(|| DecisionMemory::new(widths));
            let name = Arc::from(name);
            entries.push(MindEntry {
                name,
                mind,
                space,
                advisor,
                advised: Default::default(),
                fallback,
                fallen: false,
                paced,
                histories,
                memory,
                recorded,
                studied: false,
                studies: Vec::new(),
                stats: LearnStats::default(),
                agents: 0,
                returns: None,
            });
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
        world.insert_resource(LanguageCounted::default());
        world.insert_resource(LanguageQueue::default());
        world.insert_resource(voices);
        world.insert_resource(Mail::default());
        world.insert_resource(Conversations::default());
        world.insert_resource(Texts::default());
        world.insert_resource(Directory::default());
        world.insert_resource(Observations { batches });
        world.insert_resource(Minds { entries, illegal: 0, repeated: 0 });
        let reward_columns = rewards.columns();
        world.insert_resource(rewards);
        let population = population_of(scenario, &options.personas);
        world.insert_resource(RoleRights::new(scenario, domain, &population)?);
        world.insert_resource(Breaches::default());
        world.insert_resource(population);
        declare_places(&mut world, &domain.places(&scenario.domain)?);
        world.insert_resource(Tables::default());

        let mut builder =
            Builder { world, schedule: new_schedule(options.shuffle_systems), metrics: vec![], agents: None };
        domain.build(scenario, &options.data, &mut builder)?;
        let Builder { mut world, mut schedule, metrics, agents } = builder;

        let sharing = add_sharing_tables(&mut world, options.messages && scenario.record.messages);
        if let Some(settings) = &scenario.network {
            let edges = options.data.0.get(EDGES).map(|bytes| &**bytes);
            let network = network_of(scenario, settings, world.resource::<Population>(), edges)?;
            world.insert_resource(network);
        }
        let converses = world.resource::<Conversations>().is_used();
        let studies = |entry: &MindEntry| matches!(&entry.mind, Mind::Learning(learner) if learner.studies());
        let any_studies = world.resource::<Minds>().entries.iter().any(studies);
        let mut tables = world.resource_mut::<Tables>();
        let (before, mut behind) = metric_columns();
        if converses {
            behind.extend(conversation_metric_columns());
        }
        behind.extend(sharing);
        if scenario.network.is_some() {
            behind.extend(network_metric_columns());
        }
        let columns = before.into_iter().chain(metrics).chain(behind).collect();
        tables.add(TableSpec { name: "metrics", about: "a tick", columns });
        tables.add(learning_columns());
        tables.add(reward_columns);
        if limited {
            tables.add(limit_columns());
        }
        if any_studies {
            tables.add(study_columns());
        }
        if options.messages && scenario.record.messages {
            tables.add(message_columns());
            if converses {
                tables.add(conversation_columns());
            }
        }
        add_tables(&mut world, scenario);
        add_advice_table(&mut world, scenario);
        let mut tables = world.resource_mut::<Tables>();
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
        if now.last {
            write_memories(&mut self.world, now.tick);
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

    /// What agents did whose transitions are recorded, since it was last cleared: name and space of each such policy.
    pub fn recorded(&self) -> impl Iterator<Item = (&str, &Space, &Transitions)> {
        let entries = self.world.resource::<Minds>().entries.iter();
        entries.filter_map(|entry| Some((&*entry.name, &entry.space, entry.recorded.as_ref()?)))
    }

    /// Forgets it.
    pub fn clear_recorded(&mut self) {
        let mut minds = self.world.resource_mut::<Minds>();
        minds.entries.iter_mut().filter_map(|entry| entry.recorded.as_mut()).for_each(Transitions::clear);
    }

    /// The world, for domains' summaries, tests and views.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// How often advisors were asked and agreed, as lines of a summary; none where no policy that is used has one.
    #[must_use]
    pub fn advice_summary(&self) -> Vec<Settled> {
        advice_summary(self.world.resource::<Minds>())
    }

    /// How often rights were breached, and actions withheld, as lines of a summary; none where no rights are declared.
    #[must_use]
    pub fn rights_summary(&self) -> Vec<Settled> {
        self.world.resource::<Breaches>().summary(self.world.resource::<RoleRights>())
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
                Mind::Fixed(_) | Mind::Language(_) => None,
            })
            .collect()
    }

    /// The policy of each learner as it is used once learning is over, by policy name.
    #[must_use]
    pub fn deployed(&self) -> BTreeMap<String, Arc<dyn Policy>> {
        let minds = self.world.resource::<Minds>();
        let learners = minds.entries.iter().filter_map(|entry| match &entry.mind {
            Mind::Learning(learner) => Some((entry.name.to_string(), learner.deployed())),
            Mind::Fixed(_) | Mind::Language(_) => None,
        });
        learners.collect()
    }

    /// From the next tick on, the returns of episodes are counted.
    pub fn count_returns(&mut self) {
        for entry in &mut self.world.resource_mut::<Minds>().entries {
            entry.returns = Some(ReturnCount::default());
        }
    }

    /// The episodes since [`Self::count_returns`] and what they brought, by policy name; empty where that was not called.
    /// An agent's episode that is not over counts only where the agent has ended none.
    #[must_use]
    pub fn returns(&self) -> BTreeMap<String, EpisodeReturns> {
        let minds = self.world.resource::<Minds>();
        let counted = minds.entries.iter().filter_map(|entry| Some((entry.name.to_string(), entry.returns.as_ref()?)));
        counted.map(|(name, returns)| (name, returns.so_far())).collect()
    }

    /// Makes the next tick the last one: the rows that are written at the end are written then.
    pub fn end_after_next_tick(&mut self) {
        let mut now = self.world.resource_mut::<Now>();
        now.last = true;
        self.ticks = now.tick.0 + 1;
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
    for phase in Phase::ALL {
        schedule.configure_sets(phase.run_if(going_on));
    }
    schedule.add_systems((
        cross_barrier.in_set(Phase::Barrier),
        deliver_mail.in_set(Phase::Deliver),
        clear_decisions.in_set(Phase::Deliver),
        answer_requests.in_set(Phase::Read),
        learn.in_set(Phase::Learn),
        decide.in_set(Phase::Decide),
        answer_requests.in_set(Phase::Word),
        (tally_returns, credit_rewards, close_rewards, close_limits).chain().in_set(Phase::Close).before(share),
        (share, hold_conversations, record_breaches, close_rows).chain().in_set(Phase::Close),
    ));
    schedule
}
