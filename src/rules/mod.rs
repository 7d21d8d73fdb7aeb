//! Policies written by hand: chance, decision lists declared in the scenario, and tactics of concession.

mod concession;
mod decision_list;
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
    Rule { kind: &concession::KIND, build: concession::build },
];
