//! What every `[policy.NAME]` may say of language, whatever its kind: how much what a language model reads counts in what the
//! policy sees, and how what it does is put into words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table `[policy.NAME]`: its kind, the settings common to all kinds, and keys that belong to the kind.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub(super) struct PolicySection {
    /// Which kind this is; the keys not named here belong to it.
    #[expect(dead_code, reason = "it is here for the schema; sections are read from the tree")]
    kind: String,
    #[serde(flatten)]
    pub common: PolicyLanguage,
}

/// The keys of [`PolicyLanguage`], which no kind's own settings may have.
pub(super) const POLICY_KEYS: &[&str] = &["reader", "speaker"];

/// Settings of every `[policy.NAME]`: the language model as the policy's reader and as its speaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyLanguage {
    /// How the language model reads for the policy, where its role has something to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<ReaderSettings>,
    /// How what the policy does is put into words, where its role speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<SpeakerSettings>,
}

/// How a language model reads for a policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReaderSettings {
    /// How much a reading counts in what the policy sees, against what it knows otherwise: the power to which the reader's
    /// probabilities are raised. 0: the model is not asked to read.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub weight: f64,
}

impl Default for ReaderSettings {
    fn default() -> Self {
        Self { weight: one() }
    }
}

fn one() -> f64 {
    1.0
}

/// How what a policy does is put into words.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpeakerSettings {
    /// Who words what the policy does: the agents' language model, or nobody.
    pub words: Words,
    /// With `words = "write"`: most tokens of a sentence.
    #[schemars(range(min = 1, max = 256))]
    pub tokens_max: u32,
    /// With `words = "write"`: sampling temperature; 0 takes the likeliest word each time.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub temperature: f32,
    /// With `words = "write"`: how many different sentences for one and the same act are asked for.
    #[schemars(range(min = 1, max = 100))]
    pub variants: u32,
}

impl Default for SpeakerSettings {
    fn default() -> Self {
        Self { words: Words::Choose, tokens_max: 24, temperature: 0.0, variants: 1 }
    }
}

/// How a language model words an act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Words {
    /// It says which of a few given sentences its persona would say, and one is drawn by that. Small models can.
    #[default]
    Choose,
    /// The first of the given sentences, always: no model is asked.
    Fixed,
    /// It writes a sentence of its own. Needs a model that can: one of 135M parameters mostly cannot.
    Write,
}
