//! Personas: who an agent is, in words and in numbers, and the file that holds many.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Who one agent is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// In words, for language models.
    pub text: Arc<str>,
    /// In numbers, for the domain, which knows the names.
    #[serde(default)]
    pub traits: BTreeMap<String, f64>,
}

/// A trait that a domain reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraitSpec {
    /// Its name.
    pub name: &'static str,
    /// What it does, with its unit.
    pub about: &'static str,
    /// Its least value.
    pub low: f64,
    /// Its greatest value.
    pub high: f64,
}

/// How unlike the texts of personas are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diversity {
    /// Mean over all pairs of 1 − the cosine of their vectors; none where no model embedded them, or for one persona.
    pub mean_distance: Option<f64>,
    /// Different words over all words (distinct-1 of Li et al. 2016).
    pub distinct_1: f64,
    /// Different pairs of neighbouring words over all of them (distinct-2).
    pub distinct_2: f64,
}

/// A file of personas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonaFile {
    /// Format of this file: 1.
    pub format: u32,
    /// What made it; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<serde_json::Value>,
    /// How unlike they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diversity: Option<Diversity>,
    /// The personas, in the order in which agents take them.
    pub personas: Vec<Persona>,
}

/// Personas in a run have 16-bit numbers.
const MOST: usize = 60_000;

impl PersonaFile {
    /// Reads a file for a role whose domain reads these traits.
    ///
    /// # Errors
    /// When it is no such file, or a trait is unknown or out of its range; tells which.
    pub fn read(text: &str, role: &str, known: &[TraitSpec]) -> Result<Self, String> {
        let file: Self = serde_json::from_str(text).map_err(|error| format!("is no file of personas: {error}"))?;
        if file.format != 1 {
            return Err(format!("has format {}; this program reads format 1", file.format));
        }
        if file.personas.is_empty() || file.personas.len() > MOST {
            return Err(format!("holds {} personas; there must be 1 to {MOST}", file.personas.len()));
        }
        for (number, persona) in file.personas.iter().enumerate() {
            for (name, value) in &persona.traits {
                let Some(spec) = known.iter().find(|spec| spec.name == name) else {
                    let names: Vec<&str> = known.iter().map(|spec| spec.name).collect();
                    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                    return Err(format!(
                        "gives persona {number} the trait {name:?}, but role {role:?} of this domain knows {names}"
                    ));
                };
                if !(spec.low..=spec.high).contains(value) {
                    return Err(format!(
                        "gives persona {number} {name} = {value}, which is outside {} to {}",
                        spec.low, spec.high
                    ));
                }
            }
        }
        Ok(file)
    }
}
