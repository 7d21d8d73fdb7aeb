//! A world of two roles, editors and workers, with tools, topics and a blackboard as a test gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use llmagentos::base::{ActionMenu, Space};
use llmagentos::llm::LanguageHub;
use llmagentos::record::{Settled, TableSpec};
use llmagentos::scenario::{Kind, Scenario, ScenarioError, Section, SettingsType};
use llmagentos::sim::{
    BuildError, Builder, DataNeed, Domain, DomainData, LanguageForecast, Mind, Options, Place, Powers, RoleSpace,
    Simulation,
};

use super::NoSettings;

static KIND: Kind = Kind { name: "commons", about: "a world of a test", settings: SettingsType::of::<NoSettings>() };

/// What its agents do, in menu order.
pub const ACTIONS: [&str; 3] = ["wait", "dig", "sell"];

/// A world of editors and workers.
pub struct Commons {
    /// What they share.
    pub places: fn() -> Vec<Place>,
    /// What workers have beside their menu.
    pub powers: Powers,
    /// Adds agents and systems.
    pub build: fn(&mut Builder),
}

impl Commons {
    /// Nobody, and nothing shared.
    pub fn default_world() -> Self {
        Self { places: Vec::new, powers: Powers { tools: &[("shovel", &["dig"])], harmless: &["wait"] }, build: |_| {} }
    }
}

impl Domain for Commons {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn roles(&self, _: &Section) -> Result<Vec<RoleSpace>, ScenarioError> {
        let space = Space::new(&["level"], ActionMenu::new(&ACTIONS));
        let role = |role| RoleSpace { role, about: "", space: space.clone(), capabilities: &[], needs_llm: false };
        Ok(vec![role("editor"), role("worker")])
    }

    fn powers(&self, role: &str) -> Powers {
        if role == "worker" { self.powers } else { Powers::default() }
    }

    fn places(&self, _: &Section) -> Result<Vec<Place>, ScenarioError> {
        Ok((self.places)())
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

/// A simulation whose systems run in a shuffled order, where they have none.
pub fn build_shuffled(
    scenario: &Scenario,
    domain: &dyn Domain,
    mind: Mind,
    shuffle: Option<u64>,
) -> Result<Simulation, BuildError> {
    let options = Options {
        minds: vec![("mind".to_owned(), mind)],
        advisors: BTreeMap::new(),
        voices: BTreeMap::new(),
        language: Arc::new(LanguageHub::new(vec![], None)),
        data: DomainData(BTreeMap::new()),
        personas: BTreeMap::new(),
        messages: true,
        shuffle_systems: shuffle,
    };
    Simulation::build(scenario, domain, options)
}
