//! What policies declare of their reader and their speaker, where the domain's systems find it.

use std::collections::BTreeMap;

use bevy_ecs::resource::Resource;

use super::components::PolicySlot;
use super::domain::{Domain, LanguageParts};
use crate::scenario::{PolicyLanguage, ReaderSettings, Scenario, ScenarioError, SpeakerSettings, Words};

/// The reader and the speaker of every policy, in the order of the policies' names.
#[derive(Resource, Debug, Default)]
pub struct Voices(pub(super) Vec<PolicyLanguage>);

impl Voices {
    /// How language models read for an agent's policy.
    #[must_use]
    pub fn reader(&self, slot: PolicySlot) -> ReaderSettings {
        self.reader_of(slot.policy)
    }

    /// How language models read for a policy, by its place in the scenario's `[policy]` table.
    #[must_use]
    pub fn reader_of(&self, policy: u16) -> ReaderSettings {
        self.0.get(usize::from(policy)).and_then(|policy| policy.reader).unwrap_or_default()
    }

    /// How what an agent's policy does is put into words.
    #[must_use]
    pub fn speaker(&self, slot: PolicySlot) -> SpeakerSettings {
        self.speaker_of(slot.policy)
    }

    /// How what a policy does is put into words, by its place in the scenario's `[policy]` table.
    #[must_use]
    pub fn speaker_of(&self, policy: u16) -> SpeakerSettings {
        self.0.get(usize::from(policy)).and_then(|policy| policy.speaker).unwrap_or_default()
    }
}

/// The word a scenario has for a way of wording.
fn word(words: Words) -> &'static str {
    match words {
        Words::Choose => "choose",
        Words::Fixed => "fixed",
        Words::Write => "write",
    }
}

/// Refuses a reader for a role that reads nothing, and a speaker for one that does not speak so.
pub(super) fn check_voices(scenario: &Scenario, domain: &dyn Domain) -> Result<(), ScenarioError> {
    let mut roles: BTreeMap<&str, LanguageParts> = BTreeMap::new();
    for group in &scenario.agents {
        let parts = *roles.entry(&group.role).or_insert_with(|| domain.language_parts(&group.role));
        for name in group.policies() {
            let Some(PolicyLanguage { reader, speaker }) = scenario.voices.get(name) else { continue };
            let refuse = |key: &str, problem: &str, help: String| {
                let message = format!("role \"{}\", which `policy.{name}` decides for, {problem}", group.role);
                Err(scenario.invalid(&format!("policy.{name}.{key}"), message, help))
            };
            if reader.is_some() && !parts.reads {
                return refuse("reader", "reads nothing with a language model", "take `reader` away".to_owned());
            }
            let Some(speaker) = speaker else { continue };
            if parts.words.is_empty() {
                let help = "take `speaker` away".to_owned();
                return refuse("speaker", "says nothing that a language model words", help);
            }
            if !parts.words.contains(&speaker.words) {
                let known: Vec<String> = parts.words.iter().map(|&words| format!("\"{}\"", word(words))).collect();
                let problem = format!("cannot have its words in the way \"{}\"", word(speaker.words));
                return refuse("speaker.words", &problem, format!("here words are {}", known.join(" or ")));
            }
        }
    }
    Ok(())
}
