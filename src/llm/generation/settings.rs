//! What a file for `llmagentos generate` may say.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::traits::placeholders;
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType};

/// The whole file, but its `[llm.NAME]` tables.
pub static GENERATION: Kind =
    Kind { name: "generation", about: "personas to be made", settings: SettingsType::of::<GenerationSettings>() };

/// Personas to be made: how many, with which traits, and where their texts come from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerationSettings {
    /// How many personas.
    #[schemars(range(min = 1, max = 60000))]
    pub count: u32,
    /// Where all chance comes from.
    #[serde(default)]
    #[schemars(range(max = 9_223_372_036_854_775_807_u64))]
    pub seed: u64,
    /// The text of every persona, with traits as `{name}`; left away where a model writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether no two personas may have the same traits.
    #[serde(default)]
    pub without_repetition: bool,
    /// Least mean distance of two personas' texts, from 0 (all alike) on; below it nothing is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2))]
    pub diversity_min: Option<f64>,
    /// The `[llm.NAME]` that tells how far texts are from each other; the one that writes, where it is left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedder: Option<String>,
    /// The traits by name.
    #[serde(default)]
    pub traits: BTreeMap<String, TraitSettings>,
    /// How a model writes the texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteSettings>,
}

/// How a trait is drawn: `low` and `high`, or `values`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraitSettings {
    /// Least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Greatest number; all between are as likely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Digits behind the point that numbers are rounded to.
    #[serde(default = "default_decimals")]
    #[schemars(range(max = 6))]
    pub decimals: u32,
    /// Values and their weights: numbers in quotes, or words for the text.
    #[serde(default)]
    pub values: BTreeMap<String, f64>,
    /// Whether it stands in the text only, and no domain is to read it. Words always do.
    #[serde(default)]
    pub only_for_text: bool,
}

/// How a model writes the texts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteSettings {
    /// The `[llm.NAME]` that writes.
    pub llm: String,
    /// The system turn.
    #[serde(default = "default_system")]
    pub system: String,
    /// What is asked for, with traits as `{name}`.
    pub instruction: String,
    /// Texts to begin from; some are shown as examples.
    #[serde(default)]
    pub seeds: Vec<String>,
    /// How many of them are shown, drawn anew for each persona.
    #[serde(default = "default_examples")]
    #[schemars(range(max = 100))]
    pub examples: u32,
    /// Sampling temperature.
    #[serde(default = "default_temperature")]
    #[schemars(range(min = 0, max = 2))]
    pub temperature: f32,
    /// Most tokens of a text.
    #[serde(default = "default_tokens")]
    #[schemars(range(min = 4, max = 2000))]
    pub tokens_max: u32,
    /// How often a text is asked for again that is too short, or that another persona has already.
    #[serde(default = "default_tries")]
    #[schemars(range(max = 100))]
    pub tries: u32,
}

fn default_decimals() -> u32 {
    2
}
fn default_system() -> String {
    "You invent people for a simulation. Each is told in one sentence.".to_owned()
}
fn default_examples() -> u32 {
    3
}
fn default_temperature() -> f32 {
    0.9
}
fn default_tokens() -> u32 {
    48
}
fn default_tries() -> u32 {
    8
}

impl Settings for GenerationSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        for (name, drawn) in &self.traits {
            let key = format!("traits.{name}");
            match (drawn.low, drawn.high, drawn.values.is_empty()) {
                (Some(low), Some(high), true) if low <= high => {}
                (None, None, false) => {
                    if drawn.values.values().any(|weight| *weight < 0.0) || drawn.values.values().sum::<f64>() <= 0.0 {
                        return Err(section.invalid(
                            &key,
                            "weights are not negative, and one is above 0",
                            "for example values = { calm = 3, cross = 1 }",
                        ));
                    }
                }
                _ => {
                    let help = "give low and high, with low ≤ high, or values with weights";
                    return Err(section.invalid(&key, format!("trait `{name}` is not drawn from anything"), help));
                }
            }
        }
        let (key, template) = match (&self.text, &self.write) {
            (Some(text), None) => ("text", text),
            (None, Some(write)) => ("write.instruction", &write.instruction),
            _ => {
                let help = "a template is filled in, a model writes: declare one of the two";
                return Err(section.invalid("text", "there must be either `text` or `[write]`", help));
            }
        };
        if let Some(unknown) = placeholders(template).find(|name| !self.traits.contains_key(*name)) {
            let names: Vec<&str> = self.traits.keys().map(String::as_str).collect();
            let message = format!("`{{{unknown}}}` is no trait");
            return Err(section.invalid(key, message, format!("the traits are: {}", names.join(", "))));
        }
        if self.diversity_min.is_some() && self.embedder.is_none() && self.write.is_none() {
            let help = "add a table [llm.NAME] and `embedder = \"NAME\"`";
            return Err(section.invalid("diversity_min", "no model tells how far texts are from each other", help));
        }
        Ok(())
    }
}
