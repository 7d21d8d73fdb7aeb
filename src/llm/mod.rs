//! Language models: the embedded one, those behind a URL, the hub through which every request goes, and its replay.
//!
//! Knows no agent's mind and no clock. Everything that uses `unsafe` is in `kernels`.

mod attention;
mod backends;
mod calibration;
mod candle_model;
mod error;
mod generation;
mod gguf;
mod kernels;
mod linear;
mod network;
mod openai;
mod prefix_cache;
mod sampling;
mod scripted;
mod service;
mod shared_model;
mod tokenizer;
mod transcript;

pub use backends::{BACKENDS, Backend, BackendError, LoadContext, ModelFile};
pub use candle_model::{CandleModel, CandleOptions};
pub use error::LoadError;
pub use generation::{
    GENERATION, GenerationError, GenerationModels, GenerationSettings, TraitSettings, WriteSettings, generate,
};
pub use kernels::KernelChoice;
pub use openai::{OpenAiSettings, Prices, Scoring, TokenLimitField};
pub use scripted::ScriptedModel;
pub use service::{CallSources, HubUsage, LanguageHub};
pub use shared_model::SharedModel;
pub use transcript::{Record, RecordError};
