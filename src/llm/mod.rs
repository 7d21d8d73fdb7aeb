//! Language models inside the process: the embedded model, the hub through which every request goes, and its replay.
//!
//! Knows no agent's mind and no clock. Everything that uses `unsafe` is in `kernels`.

mod scripted;
mod service;
mod transcript;

pub use scripted::ScriptedModel;
pub use service::{HubUsage, LanguageHub};
pub use transcript::{Record, RecordError};
