//! Rewards between worlds and learners: named terms and their weights, teams, what would have been without an agent,
//! shaping by a potential, and limits of costs.

mod limits;
mod shaping;
mod terms;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use llmagentos::base::{
    Action, AgentId, DecisionBatch, LanguageError, LanguageService, LanguageUsage, LearnError, LearnStats, Learner,
    Policy, PolicyError, PolicyFile, PolicyFileError, Reply, Request, Tick, TransitionBatch,
};
use llmagentos::domains::DOMAINS;
use llmagentos::rl::ALGORITHMS;
use llmagentos::scenario::Scenario;
use llmagentos::sim::{Domain, DomainData, Mind, Options, Simulation, spaces_of_policies};

/// The reference world asks no language model.
struct Silent;

impl LanguageService for Silent {
    fn answer(&self, _: Tick, _: u16, _: &[AgentId], requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        assert!(requests.is_empty(), "nobody has a language model");
        Ok(Vec::new())
    }

    fn usage(&self) -> LanguageUsage {
        LanguageUsage::default()
    }
}

/// What a learner was told of one agent: when, reward, and the terms.
type Told = (Tick, AgentId, f32, Vec<f32>);

/// Learns nothing, notes what it is told, and lets agent n do action n, n + 1, … of what is legal.
struct Notes(Arc<Mutex<Vec<Told>>>);

struct Turns;

impl Policy for Turns {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        for ((action, legal), agent) in actions.iter_mut().zip(decisions.legal).zip(decisions.agents) {
            let turn = (u64::from(agent.0) * 3 / 2 + decisions.tick.0) % u64::from(legal.count());
            *action = legal.nth(turn as u32).expect("below the count");
        }
        Ok(())
    }
}

impl Learner for Notes {
    fn learn(&mut self, batch: &TransitionBatch<'_>) -> Result<LearnStats, LearnError> {
        let width = batch.space.terms.len();
        let mut notes = self.0.lock().expect("one learner");
        for (row, &agent) in batch.agents.iter().enumerate() {
            let terms = batch.terms[row * width..(row + 1) * width].to_vec();
            notes.push((batch.decided[row], agent, batch.rewards[row], terms));
        }
        let reward = batch.rewards.iter().map(|&reward| f64::from(reward)).sum();
        Ok(LearnStats { transitions: batch.agents.len() as u64, reward, ..LearnStats::default() })
    }

    fn policy(&self) -> Arc<dyn Policy> {
        Arc::new(Turns)
    }

    fn deployed(&self) -> Arc<dyn Policy> {
        Arc::new(Turns)
    }

    fn save(&self) -> PolicyFile {
        PolicyFile::default()
    }

    fn load(&mut self, _: &PolicyFile) -> Result<(), PolicyFileError> {
        Ok(())
    }
}

fn reference() -> &'static dyn Domain {
    DOMAINS.iter().copied().find(|domain| domain.kind().name == "reference").expect("there")
}

/// A scenario of the reference world: groups and policies, and settings of the domain.
fn scenario(ticks: u64, seed: u64, groups: &str, domain: &str) -> Scenario {
    let text = format!(
        "name = \"rewards\"\nticks = {ticks}\nseed = {seed}\n{groups}\n[domain]\nkind = \"reference\"\n{domain}\n\
         [record]\nlearning_every = 10\n"
    );
    Scenario::parse("rewards.toml", &text, &[]).unwrap_or_else(|error| panic!("{error:?}"))
}

fn simulation(scenario: &Scenario, minds: Vec<(String, Mind)>) -> Simulation {
    let options = Options {
        minds,
        advisors: BTreeMap::new(),
        voices: BTreeMap::new(),
        language: Arc::new(Silent),
        data: DomainData::default(),
        personas: BTreeMap::new(),
        messages: false,
        shuffle_systems: None,
    };
    Simulation::build(scenario, reference(), options).unwrap_or_else(|error| panic!("{error:?}"))
}

/// The learner that a section of a scenario names, with what was saved of it.
fn learner(scenario: &Scenario, policy: &str, saved: Option<&PolicyFile>) -> Box<dyn Learner> {
    let spaces = spaces_of_policies(scenario, reference()).unwrap_or_else(|error| panic!("{error:?}"));
    let section = &scenario.policies[policy];
    let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()).expect("known");
    let mut learner = (algorithm.build)(section, &spaces[policy]).unwrap_or_else(|error| panic!("{error:?}"));
    if let Some(saved) = saved {
        learner.load(saved).expect("it fits");
    }
    learner
}

fn step(simulation: &mut Simulation, ticks: u64) {
    for _ in 0..ticks {
        simulation.step().expect("nothing fails");
    }
}

/// Runs a scenario whose policies all only take notes; what was told to each policy, and the simulation.
fn noted(scenario: &Scenario) -> (BTreeMap<String, Vec<Told>>, Simulation) {
    let notes: BTreeMap<&String, Arc<Mutex<Vec<Told>>>> =
        scenario.policies.keys().map(|name| (name, Arc::default())).collect();
    let mind = |(name, notes): (&&String, &Arc<Mutex<Vec<Told>>>)| {
        ((*name).clone(), Mind::Learning(Box::new(Notes(Arc::clone(notes)))))
    };
    let mut simulation = simulation(scenario, notes.iter().map(mind).collect());
    step(&mut simulation, scenario.ticks);
    let told = |(name, notes): (&String, Arc<Mutex<Vec<Told>>>)| (name.clone(), notes.lock().expect("over").clone());
    (notes.into_iter().map(told).collect(), simulation)
}
