//! Language models inside the process: the embedded model, the hub through which every request goes, and its replay.
//!
//! Knows no agent's mind and no clock. Everything that uses `unsafe` is in `kernels`.

mod attend;
mod attention;
mod backends;
mod calibration;
mod candle_model;
mod error;
mod gguf;
mod kernels;
mod linear;
mod network;
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
pub use kernels::KernelChoice;
pub use scripted::ScriptedModel;
pub use service::{HubUsage, LanguageHub};
pub use shared_model::SharedModel;
pub use transcript::{Record, RecordError};
