//! What a scenario may set of a policy that decides with a language model.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{ScenarioError, Section, Settings};

/// Settings of `kind = "language_model"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LanguagePolicySettings {
    /// What the model is told to do; the prompt's part that all agents share begins with it.
    #[serde(default = "default_instructions")]
    pub instructions: String,
    /// How the action is taken from the options' scores.
    #[serde(default)]
    pub choose: Choose,
    /// What scores are divided by before they become probabilities: below 1 the likelier options gain.
    #[serde(default = "one")]
    #[schemars(range(min = 0.01, max = 100.0))]
    pub temperature: f32,
    /// Whether the options' scores after a prompt that says nothing are taken away from their scores (contextual
    /// calibration, Zhao et al. 2021), so that an action is not chosen because its words are common.
    #[serde(default = "yes")]
    pub calibrate: bool,
    /// How many of the examples a prompt shows.
    #[serde(default = "default_examples_shown")]
    #[schemars(range(max = 64))]
    pub examples_shown: u32,
    /// Which of the examples a prompt shows.
    #[serde(default)]
    pub examples_by: ExamplesBy,
    /// A JSON file with more examples, behind those given here: a list of tables with the keys of `examples`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples_path: Option<String>,
    /// How alike two texts are, for examples by similarity and for memories.
    #[serde(default)]
    pub similarity: SimilaritySetting,
    /// A template of the prompt to use instead of the one that comes with the program (docs/PROMPTS.md).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_path: Option<String>,
    /// What the model reads of the numbers that an agent sees, and in which order; all of them, under their own names,
    /// where the list is empty.
    #[serde(default)]
    pub features: Vec<FeatureSettings>,
    /// What the model reads for an action; its name, with blanks for `_`, where it is not listed.
    #[serde(default)]
    pub actions: Vec<ActionSettings>,
    /// Actions that the model may choose among, by their names in the menu: those of them that are legal, or all legal ones
    /// where none is; all where the list is empty. An advisor scores all legal ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choose_from: Vec<String>,
    /// Situations with the action that is right in them.
    #[serde(default)]
    pub examples: Vec<ExampleSettings>,
    /// Most tokens of each section of the prompt.
    #[serde(default)]
    pub budget: BudgetSettings,
    /// What agents remember; nothing where it is left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemorySettings>,
}

/// How the action is taken from the options' scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choose {
    /// The option with the highest score; of equals the first in the menu.
    #[default]
    Best,
    /// An option drawn with the run's chance, by the probabilities that the scores give.
    Sample,
}

/// Which of the examples a prompt shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExamplesBy {
    /// The first; they stand in the part of the prompt that all agents share, and are read by the model once.
    #[default]
    Declaration,
    /// Those most like the situation, the most similar last; each prompt then has examples of its own.
    Similarity,
}

/// How alike two texts are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimilaritySetting {
    /// The cosine of the model's own embeddings of them; a call for each new text.
    #[default]
    Embedding,
    /// The cosine of their counts of words; no calls.
    Words,
}

/// A number that an agent sees, in words.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureSettings {
    /// Its name, as the role has it.
    pub feature: String,
    /// What the model reads for the name; the name, with blanks for `_`, where it is left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Words for its values 0, 1, 2, …; with `edges` for the ranges between them. An empty word leaves the line out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Rising bounds: the first of `values` stands for numbers below the first bound, the last for those from the last
    /// bound on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<f32>,
}

/// An action, in words.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionSettings {
    /// Its name, as the role has it.
    pub action: String,
    /// What the model reads for it, and says to choose it.
    pub text: String,
}

/// A situation with the action that is right in it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExampleSettings {
    /// Numbers that are seen, by the name of the feature; what is not named has no line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, f32>,
    /// Words that are seen besides.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
    /// The action, by its name in the menu.
    pub act: String,
}

/// Most tokens of each section of the prompt, counted by the estimate of docs/PROMPTS.md. What is longer is cut:
/// whole lines of texts from their end, whole items of lists from the least useful on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetSettings {
    /// Of the persona.
    #[schemars(range(max = 65536))]
    pub persona: u32,
    /// Of the instructions.
    #[schemars(range(max = 65536))]
    pub instructions: u32,
    /// Of the examples; by declaration the last go first, by similarity the least similar.
    #[schemars(range(max = 65536))]
    pub examples: u32,
    /// Of memories; those with the lowest score go first.
    #[schemars(range(max = 65536))]
    pub memory: u32,
    /// Of the messages received this tick; the first go first.
    #[schemars(range(max = 65536))]
    pub inbox: u32,
    /// Of what is seen: the lines of the numbers, then the words.
    #[schemars(range(max = 65536))]
    pub situation: u32,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { persona: 96, instructions: 512, examples: 768, memory: 256, inbox: 256, situation: 512 }
    }
}

/// What agents remember (docs/PROMPTS.md has the equations; Park et al. 2023, "Generative Agents").
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MemorySettings {
    /// Most experiences of an agent; the one with the lowest recency and importance gives way to a new one.
    #[schemars(range(min = 1, max = 10000))]
    pub entries: u32,
    /// Most experiences that a prompt shows.
    #[schemars(range(max = 64))]
    pub shown: u32,
    /// Weight of recency, ≥ 0.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub recency: f32,
    /// Weight of importance, ≥ 0.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub importance: f32,
    /// Weight of relevance to the situation, ≥ 0; at 0 no text is compared and no embedding asked for.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub relevance: f32,
    /// Ticks after which recency has fallen to a half.
    #[schemars(range(min = 0.001, max = 1_000_000_000.0))]
    pub half_life_ticks: f32,
    /// The size of a reward at which importance is a half.
    #[schemars(range(min = 0.000_001, max = 1_000_000_000.0))]
    pub reward_half: f32,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self {
            entries: 64,
            shown: 4,
            recency: 1.0,
            importance: 1.0,
            relevance: 1.0,
            half_life_ticks: 200.0,
            reward_half: 1.0,
        }
    }
}

fn default_instructions() -> String {
    "Read the situation and choose the best of the possible actions.".to_owned()
}
fn default_examples_shown() -> u32 {
    8
}
fn one() -> f32 {
    1.0
}
fn yes() -> bool {
    true
}

impl Settings for LanguagePolicySettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        for (place, feature) in self.features.iter().enumerate() {
            let at = |key: &str| format!("features[{place}].{key}");
            if feature.edges.is_empty() {
                continue;
            }
            if !feature.edges.iter().all(|edge| edge.is_finite())
                || !feature.edges.windows(2).all(|pair| pair[0] < pair[1])
            {
                let help = "write each bound once, from the lowest to the highest";
                return Err(section.invalid(&at("edges"), "the bounds do not rise", help));
            }
            if feature.values.len() != feature.edges.len() + 1 {
                let message = format!(
                    "{} bounds make {} ranges, but there are {} words",
                    feature.edges.len(),
                    feature.edges.len() + 1,
                    feature.values.len()
                );
                return Err(section.invalid(&at("values"), message, "give each range a word; it may be empty"));
            }
        }
        Ok(())
    }
}
