//! Settings of `kind = "openai"`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use crate::scenario::{ScenarioError, Section, Settings};

/// Settings of `kind = "openai"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenAiSettings {
    /// Where the interface begins, without `/chat/completions`: `http://127.0.0.1:8080/v1`.
    #[schemars(length(min = 8, max = 2000))]
    pub url: String,
    /// The model's name, as the server knows it.
    #[schemars(length(min = 1, max = 500))]
    pub model: String,
    /// Name of the environment variable that holds the key; none for a server that wants none. The key itself is
    /// written nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// Calls under way at the same time, at most.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: u32,
    /// Longest time for one call, from the look-up of the name to the last byte of the answer.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 0.01, max = 86400))]
    pub timeout_seconds: f64,
    /// How often a call is tried again that failed for a reason that may pass: a timeout, a broken connection, status
    /// 408, 409, 425, 429 or 5xx, an answer that is not what was asked for.
    #[serde(default = "default_retries")]
    #[schemars(range(max = 100))]
    pub retries: u32,
    /// Longest wait before the first new try; twice as long before each further one. The wait is drawn between half of
    /// it and all of it. A longer `Retry-After` of the server is obeyed.
    #[serde(default = "default_backoff")]
    #[schemars(range(min = 0, max = 3600))]
    pub backoff_seconds: f64,
    /// No wait before a new try is longer than this; a server that asks for a longer one ends the run.
    #[serde(default = "default_wait_max")]
    #[schemars(range(min = 0, max = 86400))]
    pub wait_max_seconds: f64,
    /// How a choice is made.
    #[serde(default)]
    pub scoring: Scoring,
    /// Likeliest tokens to ask for when a choice is made by log-probabilities; hosted servers allow 20, some 5.
    #[serde(default = "default_top")]
    #[schemars(range(min = 2, max = 1000))]
    pub top_logprobs: u32,
    /// Temperature of a choice by `json_schema`; texts are written at the temperature that whoever asks for them gives.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2))]
    pub temperature: f64,
    /// Which field of a call bounds the answer; newer hosted models know `max_completion_tokens` only.
    #[serde(default)]
    pub token_limit_field: TokenLimitField,
    /// The model for vectors of texts, where it is another one than `model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_model: Option<String>,
}

/// How a choice is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scoring {
    /// By log-probabilities where the server tells them for at least one of the options, else by JSON schema.
    #[default]
    Auto,
    /// By the log-probabilities of the answer's first token; an error where the server does not tell them.
    Logprobs,
    /// The server writes one of the options into JSON: an answer without doubt or degree.
    JsonSchema,
}

/// The field of a call that bounds the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenLimitField {
    /// Known to nearly all servers.
    #[default]
    MaxTokens,
    /// What the newer models of `OpenAI` want.
    MaxCompletionTokens,
}

impl TokenLimitField {
    /// Its name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

fn default_concurrency() -> u32 {
    4
}
fn default_timeout() -> f64 {
    60.0
}
fn default_retries() -> u32 {
    4
}
fn default_backoff() -> f64 {
    1.0
}
fn default_wait_max() -> f64 {
    120.0
}
fn default_top() -> u32 {
    20
}

impl Settings for OpenAiSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        const EXAMPLE: &str = "for example url = \"http://127.0.0.1:8080/v1\"";
        // Before anything is said that would show it.
        if self.url.contains(['@', '?', '#']) {
            return Err(section.invalid_hidden(
                "url",
                "may hold a name and password or a key, which would be written into every run folder",
                "put the key into an environment variable and name that with `api_key_env`",
            ));
        }
        let host = self.url.parse::<Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
        if !(self.url.starts_with("http://") || self.url.starts_with("https://")) || host.is_none() {
            return Err(section.invalid("url", "`url` is no address that begins with http:// or https://", EXAMPLE));
        }
        if self.url.trim_end_matches('/').ends_with("/chat/completions") {
            let message = "`url` is where the interface begins: `/chat/completions` is put behind it";
            return Err(section.invalid("url", message, EXAMPLE));
        }
        let name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if self.api_key_env.as_deref().is_some_and(|variable| !name(variable)) {
            return Err(section.invalid_hidden(
                "api_key_env",
                "is no name of an environment variable (capital letters, digits and `_`)",
                "give the name of the variable that holds the key, for example \"OPENAI_API_KEY\", not the key",
            ));
        }
        Ok(())
    }
}
