//! What every `[llm.NAME]` may say, whatever its kind: how long answers are remembered, what may be spent, what it costs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table `[llm.NAME]`: its kind, the settings common to all kinds, and keys that belong to the kind.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub(super) struct ModelSection {
    /// Which kind this is; the keys not named here belong to it.
    #[expect(dead_code, reason = "it is here for the schema; sections are read from the tree")]
    kind: String,
    #[serde(flatten)]
    pub common: LanguageSettings,
}

/// The keys of [`LanguageSettings`], which no kind's own settings may have.
pub(super) const COMMON_KEYS: &[&str] = &["remember", "remember_entries", "budget", "price_per_million_tokens"];

/// Settings of every `[llm.NAME]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LanguageSettings {
    /// How long an answer serves for equal requests. Within a tick the model is always asked once.
    #[serde(default)]
    pub remember: Remember,
    /// The most answers that are kept from tick to tick with `remember = "run"`; those not asked for longest go first.
    /// 0: all.
    #[serde(default)]
    #[schemars(range(max = 1_000_000_000))]
    pub remember_entries: u32,
    /// What the model may take in a run, and in each run it is compared with; no end where a number is left away.
    #[serde(default)]
    pub budget: Budget,
    /// What the model costs, in any currency; `llmagentos run --estimate` reckons with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_per_million_tokens: Option<Price>,
}

/// How long an answer serves for equal requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remember {
    /// For the tick in which it was given.
    #[default]
    Tick,
    /// For the whole run and those it is compared with.
    Run,
}

/// What a model may take. When it is spent, groups with `fallback` go on by that policy and by readings that say
/// nothing, and otherwise the run stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Most requests that the model is asked; those answered from memory do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 9_223_372_036_854_775_807_i64))]
    pub calls: Option<u64>,
    /// Tokens of prompts and answers after which the model is asked no more; the last 64 requests may go beyond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 9_223_372_036_854_775_807_i64))]
    pub tokens: Option<u64>,
    /// Seconds of the model's work after which it is asked no more. The clock on the wall decides: such a run is
    /// repeated exactly by `--replay` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1e9))]
    pub seconds: Option<f64>,
}

impl Budget {
    /// Whether there is any.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.calls.is_none() && self.tokens.is_none() && self.seconds.is_none()
    }
}

/// What a million tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of prompts.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub input: f64,
    /// Of answers.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub output: f64,
}
