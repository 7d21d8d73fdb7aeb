//! The registry of language-model backends: what `[llm.NAME]` may be.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::candle_model::{CandleModel, CandleOptions, hexadecimal};
use super::error::LoadError;
use super::kernels::KernelChoice;
use super::overflow::Overflow;
use super::scripted::ScriptedModel;
use super::tokenizer::TemplateChoice;
use super::transcript::Record;
use crate::base::{LanguageError, LanguageModel, Reply, Request};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType};

/// A file that a backend needs; the app finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// A catalogue id, used when no path is given.
    pub asset: Option<String>,
    /// A path that the scenario gives.
    pub path: Option<String>,
}

/// What every backend is given besides its settings.
#[derive(Clone, Debug)]
pub struct LoadContext {
    /// When this becomes true, work ends with [`LanguageError::Interrupted`].
    pub stop: Arc<AtomicBool>,
    /// The run's seed.
    pub seed: u64,
}

/// Why a backend could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The settings are wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The model cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The transcript cannot be used.
    #[error("the transcript {path} cannot be used: {problem}")]
    Transcript {
        /// Which.
        path: String,
        /// Why.
        problem: String,
    },
}

/// A kind of language model.
pub struct Backend {
    /// Its name, line and settings.
    pub kind: &'static Kind,
    /// The file it needs, if any.
    pub file: fn(&Section) -> Result<Option<ModelFile>, ScenarioError>,
    /// Makes it ready. The path is that of the file it needs.
    pub load: fn(&Section, Option<&Path>, &LoadContext) -> Result<Box<dyn LanguageModel>, BackendError>,
}

/// Every backend. Adding one is one file and one line here.
pub static BACKENDS: &[Backend] = &[
    Backend { kind: &CANDLE, file: candle_file, load: load_candle },
    Backend { kind: &super::openai::OPENAI, file: |_| Ok(None), load: super::openai::load },
    Backend { kind: &REPLAY, file: replay_file, load: load_replay },
    Backend { kind: &SCRIPTED, file: |_| Ok(None), load: load_scripted },
];

static CANDLE: Kind = Kind {
    name: "candle",
    about: "a GGUF model (llama, qwen2, qwen3, gemma3), run in this process on the CPU",
    settings: SettingsType::of::<CandleSettings>(),
};

/// Settings of `kind = "candle"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CandleSettings {
    /// The model's id in the catalogue (`llmagentos assets list`); fetched on first use.
    #[serde(default = "default_model")]
    pub model: String,
    /// A GGUF file to use instead of the catalogue's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which code multiplies: "auto" takes the fastest that the processor has, and all it takes give the same bits.
    #[serde(default)]
    pub kernel: KernelSetting,
    /// Memory for the keys and values of prompt beginnings that many requests share, in MiB.
    #[serde(default = "default_prefix_cache")]
    #[schemars(range(max = 65536))]
    pub prefix_cache_mib: u32,
    /// Longest prompt and reply together, in tokens; the model's own context where that is shorter.
    #[serde(default = "default_context")]
    #[schemars(range(min = 16, max = 1_048_576))]
    pub context_tokens: u32,
    /// What is done with a prompt that is longer than that.
    #[serde(default)]
    pub overflow: OverflowSetting,
    /// Where the texts around a prompt come from.
    #[serde(default)]
    pub template: TemplateSetting,
    /// Tokens that are worked on at the same time; bounds memory.
    #[serde(default = "default_batch")]
    #[schemars(range(min = 16, max = 1_048_576))]
    pub batch_tokens: u32,
}

/// Which code multiplies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KernelSetting {
    /// The fastest of "vnni", "avx2" and "plain" that the processor has.
    #[default]
    Auto,
    /// candle's own quantised product.
    Portable,
    /// The vector kernels' arithmetic in plain Rust.
    Plain,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 with VNNI.
    Vnni,
}

/// What is done with a prompt that does not fit into the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverflowSetting {
    /// The run stops with an error that names the agent.
    #[default]
    Error,
    /// The beginning of what the user says first (the prefix) is left out, as many words as must be.
    TruncateOldest,
}

/// Where the texts around a prompt come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TemplateSetting {
    /// From the model file's own chat template.
    #[default]
    File,
    /// From none: system text, an empty line, the user's text, a line break. For base models.
    Plain,
}

fn default_model() -> String {
    "smollm2-135m-instruct-q4_1".to_owned()
}
fn default_prefix_cache() -> u32 {
    256
}
fn default_context() -> u32 {
    8192
}
fn default_batch() -> u32 {
    4096
}

impl Settings for CandleSettings {}

fn candle_file(section: &Section) -> Result<Option<ModelFile>, ScenarioError> {
    let settings = section.settings::<CandleSettings>()?;
    Ok(Some(ModelFile { asset: Some(settings.model), path: settings.path }))
}

fn load_candle(
    section: &Section,
    path: Option<&Path>,
    context: &LoadContext,
) -> Result<Box<dyn LanguageModel>, BackendError> {
    let settings = section.settings::<CandleSettings>()?;
    let path = path.expect("candle asks for a file");
    let options = CandleOptions {
        prefix_cache_bytes: (settings.prefix_cache_mib as usize) << 20,
        stop: Arc::clone(&context.stop),
        kernel: match settings.kernel {
            KernelSetting::Auto => KernelChoice::Auto,
            KernelSetting::Portable => KernelChoice::Portable,
            KernelSetting::Plain => KernelChoice::Plain,
            KernelSetting::Avx2 => KernelChoice::Avx2,
            KernelSetting::Vnni => KernelChoice::Vnni,
        },
        batch_tokens: settings.batch_tokens as usize,
        context_tokens: settings.context_tokens as usize,
        overflow: match settings.overflow {
            OverflowSetting::Error => Overflow::Error,
            OverflowSetting::TruncateOldest => Overflow::TruncateOldest,
        },
        template: match settings.template {
            TemplateSetting::File => TemplateChoice::File,
            TemplateSetting::Plain => TemplateChoice::Plain,
        },
        seed: context.seed,
    };
    Ok(Box::new(CandleModel::load(path, options)?))
}

static REPLAY: Kind = Kind {
    name: "replay",
    about: "answers known from the llm.jsonl of an earlier run; a request that is not in it is an error",
    settings: SettingsType::of::<ReplaySettings>(),
};

/// Settings of `kind = "replay"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaySettings {
    /// Path of the llm.jsonl.
    pub transcript: String,
}

impl Settings for ReplaySettings {}

/// Answers by request, whoever asks and whenever.
struct ReplayModel {
    replies: BTreeMap<String, Reply>,
    digest: String,
}

fn replay_file(section: &Section) -> Result<Option<ModelFile>, ScenarioError> {
    Ok(Some(ModelFile { asset: None, path: Some(section.settings::<ReplaySettings>()?.transcript) }))
}

fn load_replay(
    section: &Section,
    path: Option<&Path>,
    _: &LoadContext,
) -> Result<Box<dyn LanguageModel>, BackendError> {
    section.settings::<ReplaySettings>()?;
    let path = path.expect("replay asks for a file");
    let failed = |problem: String| BackendError::Transcript { path: path.display().to_string(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let record = Record::parse(&text).map_err(|error| failed(error.to_string()))?;
    let replies = record.fresh_replies().map(|(request, reply)| (key(request), reply)).collect();
    Ok(Box::new(ReplayModel { replies, digest: hexadecimal(&Sha256::digest(text.as_bytes())) }))
}

fn key(request: &Request) -> String {
    serde_json::to_string(request).expect("plain data")
}

impl LanguageModel for ReplayModel {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        let reply = |request: &Request| {
            self.replies.get(&key(request)).cloned().ok_or_else(|| {
                LanguageError::Replay(format!(
                    "the transcript holds no answer to a request that ends {:?}; use a live backend, or the scenario that wrote the transcript",
                    request.prompt.suffix
                ))
            })
        };
        requests.iter().map(reply).collect()
    }

    fn identity(&self) -> Vec<(String, String)> {
        vec![("backend".into(), "replay".into()), ("transcript_sha256".into(), self.digest.clone())]
    }
}

static SCRIPTED: Kind = Kind {
    name: "scripted",
    about: "no model: fixed answers made from the words of the request, for tests of everything around a model",
    settings: SettingsType::of::<ScriptedSettings>(),
};

/// Settings of `kind = "scripted"`: none.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptedSettings {}

impl Settings for ScriptedSettings {}

fn load_scripted(section: &Section, _: Option<&Path>, _: &LoadContext) -> Result<Box<dyn LanguageModel>, BackendError> {
    section.settings::<ScriptedSettings>()?;
    Ok(Box::new(ScriptedModel::default()))
}
