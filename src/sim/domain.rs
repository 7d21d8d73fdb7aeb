//! What a world must bring to be simulated.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::builder::Builder;
use super::rights::{Place, Powers};
use crate::base::{LegalActions, Space, TraitSpec};
use crate::scenario::{Kind, Scenario, ScenarioError, Section, Words};

/// A role that a domain knows, and what its agents see and may do.
#[derive(Clone, Debug)]
pub struct RoleSpace {
    /// The role's name, as groups in the scenario give it.
    pub role: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// What its agents see and may do.
    pub space: Space,
    /// Capabilities that groups of this role may declare.
    pub capabilities: &'static [&'static str],
    /// Whether its agents cannot work without a language model.
    pub needs_llm: bool,
}

/// A file that a domain needs; the app finds and reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataNeed {
    /// The domain's own name for it.
    pub key: &'static str,
    /// A catalogue id, unless `path` is given.
    pub asset: &'static str,
    /// A path that the scenario gives instead.
    pub path: Option<String>,
}

/// The files a domain asked for, by key.
#[derive(Clone, Debug, Default)]
pub struct DomainData(pub BTreeMap<&'static str, Arc<[u8]>>);

/// How much language a run will need: different requests only, since equal ones are answered once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LanguageForecast {
    /// Different texts to choose an answer for.
    pub readings: u64,
    /// Characters of these texts, without what they share.
    pub reading_characters: u64,
    /// Different replies to write.
    pub writings: u64,
    /// Most tokens of them together.
    pub writing_tokens: u64,
}

/// What a language model does for the policies of a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LanguageParts {
    /// Whether it reads what becomes features that the policy sees.
    pub reads: bool,
    /// The ways in which what the policy does can be put into words; none where the role does not speak.
    pub words: &'static [Words],
}

/// Why a simulation could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The scenario asks for something that cannot be.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A data file does not hold what it should.
    #[error("the data file `{key}` cannot be used: {problem}")]
    Data {
        /// The domain's name for it.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Systems of one phase touch the same data without an order between them. Our mistake.
    #[error("the systems of this simulation have no fixed order: {0}")]
    Schedule(String),
}

/// The probabilities with which a group's agents choose from their menu, one for each of its actions: given the group's
/// name, what an agent sees and what is legal.
pub type Strategy<'a> = dyn FnMut(&str, &[f32], LegalActions) -> Vec<f64> + 'a;

/// A world: who lives in it, what they see, what their actions do, what it is worth. A domain adds its components,
/// resources and systems through the [`Builder`], each system to a [`super::Phase`].
pub trait Domain: Sync {
    /// Its registry entry: name, line, settings.
    fn kind(&self) -> &'static Kind;

    /// The roles it knows.
    ///
    /// # Errors
    /// When the section's settings are wrong.
    fn roles(&self, section: &Section) -> Result<Vec<RoleSpace>, ScenarioError>;

    /// Checks what sections alone cannot say: how the groups of agents, the length of the run and the settings fit
    /// together. `check` asks it before anything is fetched, and every simulation asks it before it is built. The
    /// settings of all sections are sound, and all roles known, by then.
    ///
    /// # Errors
    /// What [`Scenario::invalid`] or [`Section::invalid`] makes of the key that does not fit.
    fn check(&self, _scenario: &Scenario) -> Result<(), ScenarioError> {
        Ok(())
    }

    /// The files it needs.
    ///
    /// # Errors
    /// When the section's settings are wrong.
    fn data(&self, section: &Section) -> Result<Vec<DataNeed>, ScenarioError>;

    /// What language models do for policies of a role, which those may set (`reader`, `speaker`).
    fn language_parts(&self, _role: &str) -> LanguageParts {
        LanguageParts::default()
    }

    /// How many agents of its own it brings into the world at the start, behind those that groups declare.
    fn agents_of_its_own(&self, _scenario: &Scenario) -> u32 {
        0
    }

    /// The traits of personas that it reads for agents of a role.
    fn traits(&self, _role: &str) -> &'static [TraitSpec] {
        &[]
    }

    /// The tools of a role, and what its agents may do in the place of an action that is blocked: what a scenario's
    /// `[rights.ROLE]` may speak of beside the actions of its menu.
    fn powers(&self, _role: &str) -> Powers {
        Powers::default()
    }

    /// The topics and sections of the blackboard that its agents share, each kind numbered in this order. The engine makes
    /// [`super::Topics`] and [`super::Blackboard`] of them before the world is built.
    ///
    /// # Errors
    /// When the section's settings are wrong.
    fn places(&self, _section: &Section) -> Result<Vec<Place>, ScenarioError> {
        Ok(Vec::new())
    }

    /// Its own columns of `metrics.csv`, `agents.csv` and whole tables of its own, for the docs and the tests that
    /// hold the docs to them.
    fn tables(&self) -> Vec<crate::record::TableSpec>;

    /// What one of each of a role's reward terms ([`Space::terms`]) is worth unless a group says otherwise, in their order;
    /// 0 where it is left away. A group that names no weights gets what the domain itself puts into [`super::Reward`].
    ///
    /// # Errors
    /// When the section's settings are wrong.
    fn term_weights(&self, _section: &Section, _role: &str) -> Result<Vec<f64>, ScenarioError> {
        Ok(Vec::new())
    }

    /// Adds the world to a simulation.
    ///
    /// # Errors
    /// When the scenario or the data cannot be used.
    fn build(&self, scenario: &Scenario, data: &DomainData, builder: &mut Builder) -> Result<(), BuildError>;

    /// How much language a run of this simulation will need, before its first tick; an upper estimate.
    fn forecast(&self, simulation: &super::Simulation) -> LanguageForecast;

    /// The exact `NashConv` of the policies by which the scenario's groups choose, where the world is a game small enough to
    /// be enumerated: the sum over players of what the best deviation would bring each. `None` everywhere else.
    fn nash_conv(&self, _scenario: &Scenario, _strategy: &mut Strategy<'_>) -> Option<f64> {
        None
    }

    /// Columns of `metrics.csv` whose sums are shown while a run goes on; at most three.
    fn live(&self) -> &'static [&'static str];

    /// What the run came to, in a few lines that a manager understands.
    fn summary(&self, simulation: &super::Simulation) -> Vec<crate::record::Settled>;
}
