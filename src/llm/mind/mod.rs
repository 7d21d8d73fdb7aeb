//! Policies that decide with a language model: what their prompts hold, what their agents remember, and how an action
//! is taken from the scores of the menu. Ask through the run's language service, as everyone does.

mod choice;
mod examples;
mod memory;
mod policy;
mod prompting;
mod registry;
mod sections;
mod settings;
mod similarity;
mod situation;
mod template;

pub use registry::{MINDS, MindFile, MindKind};
pub use sections::estimate_tokens;
pub use template::{Template, TemplateError};
