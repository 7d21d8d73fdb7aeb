//! Who decides in a simulation: its policies, and the language policies that advise them.

use std::collections::BTreeMap;

use super::comparison::Contender;
use super::error::AppError;
use super::registry::advisors;
use crate::base::LanguageMind;
use crate::scenario::{PolicyLanguage, Scenario};
use crate::sim::Mind;

/// All policies of a simulation by their names in the scenario, with their readers and speakers, and the advisors of those
/// that have one.
pub(super) struct Deciders {
    pub minds: Vec<(String, Mind)>,
    pub advisors: BTreeMap<String, Box<dyn LanguageMind>>,
    pub voices: BTreeMap<String, PolicyLanguage>,
}

impl Deciders {
    /// These policies, with the advisors that the scenario gives them.
    pub fn new(scenario: &Scenario, minds: Vec<(String, Mind)>) -> Result<Self, AppError> {
        Ok(Self { minds, advisors: advisors(scenario)?, voices: scenario.voices.clone() })
    }

    /// Lets a contender, with its advisor, reader and speaker, take the place of a group's policy, with its.
    pub fn exchange(&mut self, contender: Contender) {
        let Contender { group_policy, policy, mind, .. } = contender;
        if let Some(entry) = self.minds.iter_mut().find(|(name, _)| *name == group_policy) {
            entry.1 = mind;
        }
        let voice = self.voices.get(&policy).copied().unwrap_or_default();
        self.voices.insert(group_policy.clone(), voice);
        if let Some(advisor) = self.advisors.remove(&policy) {
            self.advisors.insert(group_policy, advisor);
        } else {
            self.advisors.remove(&group_policy);
        }
    }
}
