//! The resolved form: a scenario's whole text with every default written out, in one fixed order.

use super::error::ScenarioError;
use super::file::Scenario;
use super::section::{Kinds, Section};

/// A line longer than this has its list broken into one entry a line.
const LINE_CHARACTERS: usize = 110;

impl Scenario {
    /// The scenario as TOML with all defaults filled in; read again, it resolves to the same text.
    ///
    /// # Errors
    /// As [`Scenario::check`] for kinds and settings.
    pub fn resolved(&self, kinds: &Kinds) -> Result<String, ScenarioError> {
        let mut text = String::from("# A scenario with every setting written out.\n");
        line(&mut text, "name", &self.name.as_str().into());
        if let Some(title) = &self.title {
            line(&mut text, "title", &title.as_str().into());
        }
        line(&mut text, "seed", &whole(self.seed));
        line(&mut text, "ticks", &whole(self.ticks));
        text.push_str("\n[clock]\n");
        line(&mut text, "seconds_per_tick", &self.clock.seconds_per_tick.into());
        text.push_str("\n[record]\n");
        line(&mut text, "messages", &self.record.messages.into());
        line(&mut text, "agents_every", &whole(self.record.agents_every));
        line(&mut text, "learning_every", &whole(self.record.learning_every));
        let names = self.record.transitions.iter().map(|name| toml::Value::from(name.as_str())).collect();
        line(&mut text, "transitions", &toml::Value::Array(names));
        text.push_str("\n[train]\n");
        for (key, value) in &toml::Table::try_from(&self.train).expect("numbers and words") {
            line(&mut text, key, value);
        }
        if let Some(audit) = &self.audit {
            text.push_str("\n[audit]\n");
            for (key, value) in &toml::Table::try_from(audit).expect("numbers and words") {
                line(&mut text, key, value);
            }
        }
        if let Some(network) = &self.network {
            text.push_str("\n[network]\n");
            for (key, value) in &toml::Table::try_from(network).expect("numbers and words") {
                line(&mut text, key, value);
            }
        }
        for group in &self.agents {
            text.push_str("\n[[agents]]\n");
            line(&mut text, "role", &group.role.as_str().into());
            line(&mut text, "name", &group.name.as_str().into());
            line(&mut text, "count", &i64::from(group.count).into());
            line(&mut text, "persona", &group.persona.as_str().into());
            if let Some(personas) = &group.personas {
                line(&mut text, "personas", &personas.as_str().into());
            }
            line(&mut text, "policy", &group.policy.as_str().into());
            line(&mut text, "compare", &group.compare.clone().into());
            if let Some(fallback) = &group.fallback {
                line(&mut text, "fallback", &fallback.as_str().into());
            }
            line(&mut text, "decide_every", &i64::from(group.decide_every).into());
            if let Some(llm) = &group.llm {
                line(&mut text, "llm", &llm.as_str().into());
            }
            line(&mut text, "capabilities", &group.capabilities.clone().into());
            if !group.reward.is_default() {
                let reward = toml::Value::try_from(&group.reward).expect("names and finite numbers");
                line(&mut text, "reward", &reward);
            }
        }
        for (role, rights) in &self.rights {
            text.extend(["\n[rights.", role, "]\n"]);
            for (key, value) in &toml::Table::try_from(rights).expect("names and words") {
                line(&mut text, key, value);
            }
        }
        for (section, known) in self.sections(kinds) {
            write_section(&mut text, section, &section.resolve(known)?);
            if let Some(common) = self.language.get(section.name()).filter(|_| section.is_model()) {
                write_common(&mut text, common);
            }
            if let Some(common) = self.voices.get(section.name()).filter(|_| section.is_policy()) {
                write_common(&mut text, common);
            }
        }
        Ok(text)
    }
}

/// What all sections of a sort may say; a table only where there is anything in it.
fn write_common(text: &mut String, common: &impl serde::Serialize) {
    // Through text, because it writes an `f32` with its own shortest digits.
    let written = toml::to_string(common).expect("numbers and words");
    let value: toml::Table = toml::from_str(&written).expect("it was just written");
    for (key, value) in &value {
        if value.as_table().is_none_or(|table| !table.is_empty()) {
            line(text, key, value);
        }
    }
}

fn write_section(text: &mut String, section: &Section, settings: &toml::Table) {
    text.extend(["\n[", section.path(), "]\n"]);
    line(text, "kind", &section.kind().into());
    for (key, value) in settings {
        line(text, key, value);
    }
}

/// A number that fits: the text it was read from is TOML, whose whole numbers are `i64`.
fn whole(number: u64) -> toml::Value {
    toml::Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn line(text: &mut String, key: &str, value: &toml::Value) {
    let key = toml_edit::Key::new(key).to_string();
    let plain = format!("{key} = {value}");
    match value {
        toml::Value::Array(items) if plain.len() > LINE_CHARACTERS => {
            text.extend([key.as_str(), " = [\n"]);
            for item in items {
                text.extend(["  ", item.to_string().as_str(), ",\n"]);
            }
            text.push_str("]\n");
        }
        _ => {
            text.push_str(&plain);
            text.push('\n');
        }
    }
}
