//! The engine, tested through small worlds that are written here: mail, births and deaths, learning, phases, failures.
//!
//! What a simulation must do is said a second time, slowly and plainly, in `brute_force`, and the two are compared.

mod brute_force;
mod commons;
mod conversations;
mod crowd;
mod learning;
mod mail_and_population;
mod pace;
mod phases;
mod rights;
mod sharing;
mod unsound;

use std::collections::BTreeMap;
use std::sync::Arc;

use llmagentos::base::{
    Action, ActionMenu, DecisionBatch, LearnError, LearnStats, Learner, Policy, PolicyError, PolicyFile,
    PolicyFileError, Space, TransitionBatch,
};
use llmagentos::llm::LanguageHub;
use llmagentos::record::{Settled, TableSpec};
use llmagentos::scenario::{Kind, Scenario, ScenarioError, Section, Settings, SettingsType};
use llmagentos::sim::{
    BuildError, Builder, DataNeed, Domain, DomainData, LanguageForecast, Mind, Options, RoleSpace, Simulation,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct NoSettings {}

impl Settings for NoSettings {}

static KIND: Kind = Kind { name: "plain", about: "a world of a test", settings: SettingsType::of::<NoSettings>() };

/// A world of one role, `worker`, that a test makes of a function.
pub struct Plain<F> {
    /// Names of what its agents see.
    pub features: &'static [&'static str],
    /// Names of what they do.
    pub actions: &'static [&'static str],
    /// Adds the systems.
    pub build: F,
}

impl<F: Fn(&mut Builder) + Sync> Domain for Plain<F> {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn roles(&self, _: &Section) -> Result<Vec<RoleSpace>, ScenarioError> {
        let space = Space::new(self.features, ActionMenu::new(self.actions));
        Ok(vec![RoleSpace { role: "worker", about: "works", space, capabilities: &[], needs_llm: false }])
    }

    fn data(&self, _: &Section) -> Result<Vec<DataNeed>, ScenarioError> {
        Ok(vec![])
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![]
    }

    fn build(&self, _: &Scenario, _: &DomainData, builder: &mut Builder) -> Result<(), BuildError> {
        (self.build)(builder);
        Ok(())
    }

    fn forecast(&self, _: &Simulation) -> LanguageForecast {
        LanguageForecast::default()
    }

    fn live(&self) -> &'static [&'static str] {
        &[]
    }

    fn summary(&self, _: &Simulation) -> Vec<Settled> {
        vec![]
    }
}

/// A scenario of `count` workers in the plain world.
pub fn scenario(ticks: usize, count: u32, seed: u64) -> Scenario {
    let text = format!(
        "name = \"plain\"\nseed = {seed}\nticks = {ticks}\n\n\
         [[agents]]\nrole = \"worker\"\ncount = {count}\npolicy = \"mind\"\n\n\
         [policy.mind]\nkind = \"given\"\n\n[domain]\nkind = \"plain\"\n"
    );
    Scenario::parse("plain.toml", &text, &[]).expect("a sound scenario")
}

/// A simulation of the scenario in this world, with this mind for everyone.
pub fn build(scenario: &Scenario, domain: &dyn Domain, mind: Mind) -> Result<Simulation, BuildError> {
    let options = Options {
        minds: vec![("mind".to_owned(), mind)],
        advisors: BTreeMap::new(),
        voices: BTreeMap::new(),
        language: Arc::new(LanguageHub::new(vec![], None)),
        data: DomainData(BTreeMap::new()),
        personas: BTreeMap::new(),
        messages: true,
        shuffle_systems: None,
    };
    Simulation::build(scenario, domain, options)
}

/// A policy that a test makes of a function from tick, agent and legal mask to an action.
pub struct ByRule(pub fn(u64, u32, u64) -> u16);

impl Policy for ByRule {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        for (row, action) in actions.iter_mut().enumerate() {
            *action = Action((self.0)(decisions.tick.0, decisions.agents[row].0, decisions.legal[row].0));
        }
        Ok(())
    }
}

/// Decides by a rule and writes down every batch it is to learn from.
pub struct Recorder<T> {
    pub policy: Arc<ByRule>,
    pub seen: Arc<std::sync::Mutex<Vec<T>>>,
    pub read: fn(&TransitionBatch<'_>, usize) -> T,
}

impl<T: Send> Learner for Recorder<T> {
    fn learn(&mut self, batch: &TransitionBatch<'_>) -> Result<LearnStats, LearnError> {
        let rows = (0..batch.agents.len()).map(|row| (self.read)(batch, row));
        self.seen.lock().expect("no test panics while it holds this").extend(rows);
        Ok(LearnStats { transitions: batch.agents.len() as u64, ..LearnStats::default() })
    }

    fn policy(&self) -> Arc<dyn Policy> {
        Arc::clone(&self.policy) as Arc<dyn Policy>
    }

    fn deployed(&self) -> Arc<dyn Policy> {
        self.policy()
    }

    fn save(&self) -> PolicyFile {
        PolicyFile::default()
    }

    fn load(&mut self, _: &PolicyFile) -> Result<(), PolicyFileError> {
        Ok(())
    }
}
