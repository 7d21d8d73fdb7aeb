//! Policies that do not learn: chance, decision lists and mixtures declared in the scenario, tactics of concession, solved
//! games.

mod cfr;
mod concession;
mod conditions;
mod decision_list;
mod mixed;
mod random;

use std::sync::Arc;

use crate::base::{Policy, Space};
use crate::scenario::{Kind, ScenarioError, Section};

/// A hand-written policy of the registry.
pub struct Rule {
    /// Its name, line and settings.
    pub kind: &'static Kind,
    /// Makes the policy for what its agents see and do.
    pub build: fn(&Section, &Space) -> Result<Arc<dyn Policy>, ScenarioError>,
}

/// Every hand-written policy. Adding one is one file and one line here.
pub static RULES: &[Rule] = &[
    Rule { kind: &random::KIND, build: random::build },
    Rule { kind: &decision_list::KIND, build: decision_list::build },
    Rule { kind: &mixed::KIND, build: mixed::build },
    Rule { kind: &cfr::KIND, build: cfr::build },
    Rule { kind: &concession::KIND, build: concession::build },
];
