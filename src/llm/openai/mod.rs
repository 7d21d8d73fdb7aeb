//! Language models behind a URL that speaks `OpenAI`'s chat interface: a llama.cpp server, vLLM, Ollama, a hosted one.
//!
//! A server promises no bytes: equal requests may get other answers tomorrow. What a run was told stands in its
//! transcript, and a replay of that is exact. Knows no clock: waiting is left to the operating system.

mod call;
mod choice;
mod model;
mod secret;
mod settings;
mod wire;

use std::path::Path;

use super::backends::{BackendError, LoadContext};
use crate::base::LanguageModel;
use crate::scenario::{Kind, Section, SettingsType};

pub use settings::{OpenAiSettings, Scoring, TokenLimitField};

/// The registry entry.
pub(super) static OPENAI: Kind = Kind {
    name: "openai",
    about: "a model behind any URL with OpenAI's chat interface: a server of your own, or a hosted one",
    settings: SettingsType::of::<OpenAiSettings>(),
};

/// Makes a model ready; nothing is sent yet.
pub(super) fn load(
    section: &Section,
    _: Option<&Path>,
    context: &LoadContext,
) -> Result<Box<dyn LanguageModel>, BackendError> {
    let settings = section.settings::<OpenAiSettings>()?;
    let key = secret::Secret::of_variable(settings.api_key_env.as_deref())
        .map_err(|problem| section.invalid("api_key_env", problem, "set it in the shell that starts the program"))?;
    Ok(Box::new(model::OpenAiModel::new(section.path(), settings, key, context)))
}
