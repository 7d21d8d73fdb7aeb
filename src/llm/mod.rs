//! Language models: the embedded one, those behind a URL, the hub through which every request goes, and its replay.
//!
//! Knows no agent's mind and no clock. Everything that uses `unsafe` is in `kernels`.

mod attend;
mod attention;
mod backends;
mod calibration;
mod candle_model;
mod error;
mod fill;
mod generation;
mod gguf;
mod kernels;
mod linear;
mod memory;
mod mind;
mod network;
mod openai;
mod overflow;
mod prefix_cache;
mod sampling;
mod scripted;
mod service;
mod shared_model;
mod text_scores;
mod tokenizer;
mod transcript;

pub use backends::{BACKENDS, Backend, BackendError, LoadContext, ModelFile};
pub use candle_model::{CandleModel, CandleOptions};
pub use error::LoadError;
pub use fill::{Filler, Spelling};
pub use generation::{
    GENERATION, GenerationError, GenerationModels, GenerationSettings, TraitSettings, WriteSettings, generate,
};
pub use kernels::KernelChoice;
pub use mind::{MINDS, MindFile, MindKind, Template, TemplateError, estimate_tokens};
pub use openai::{OpenAiSettings, Scoring, TokenLimitField};
pub use overflow::Overflow;
pub use scripted::ScriptedModel;
pub use service::{CallSources, LanguageHub, Spent};
pub use shared_model::SharedModel;
pub use text_scores::TokenScore;
pub use tokenizer::TemplateChoice;
pub use transcript::{Record, RecordError, RecordedCall};
