//! `generate`: makes a file of personas.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::assets::{Assets, Progress};
use super::error::AppError;
use super::prepare::{Preparation, load_model, read_text};
use super::registry::kinds;
use crate::base::{Diversity, LanguageModel, PersonaFile};
use crate::llm::{GENERATION, GenerationError, GenerationModels, GenerationSettings, generate};
use crate::record::sha256_hex;
use crate::scenario::section_file;

/// How to generate.
pub struct GenerateOptions {
    /// Where the file is put.
    pub out: PathBuf,
    /// Instead of the seed in the file.
    pub seed: Option<u64>,
    /// Threads for models; the file does not depend on it.
    pub threads: usize,
    /// Set by Ctrl-C.
    pub stop: Arc<AtomicBool>,
}

/// Makes the personas that the file `spec` declares and writes them.
///
/// # Errors
/// When the declaration is wrong, a model is not to be had, or the personas are too much alike; nothing is written then.
pub fn generate_personas(
    spec: &Path,
    assets: &Assets,
    progress: &mut dyn Progress,
    options: &GenerateOptions,
) -> Result<(usize, Diversity), AppError> {
    let text = read_text(spec, "name a file that declares personas; docs/GENERATION.md shows some")?;
    let (section, models) = section_file(&spec.display().to_string(), &text, GENERATION.name)?;
    let mut settings = section.settings::<GenerationSettings>()?;
    settings.seed = options.seed.unwrap_or(settings.seed);
    for model in models.values() {
        let known: Vec<&str> = kinds().models.iter().map(|kind| kind.name).collect();
        let kind =
            kinds().models.iter().find(|kind| kind.name == model.kind()).ok_or_else(|| model.invalid_kind(&known))?;
        (kind.settings.resolve)(model)?;
    }
    let writer = settings.write.as_ref().map(|write| write.llm.clone());
    let embedder = settings.embedder.clone().or_else(|| writer.clone());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|error| AppError::Threads { threads: options.threads, problem: error.to_string() })?;
    let mut preparation = Preparation {
        assets,
        progress,
        stop: Arc::clone(&options.stop),
        pool: &pool,
        without_models: false,
        pilot: None,
    };
    let mut loaded: BTreeMap<String, Box<dyn LanguageModel>> = BTreeMap::new();
    for (key, name) in [("write.llm", &writer), ("embedder", &embedder)] {
        let Some(name) = name else { continue };
        let Some(model) = models.get(name) else {
            let known: Vec<&str> = models.keys().map(String::as_str).collect();
            let message = format!("there is no table [llm.{name}]");
            return Err(section.invalid(key, message, format!("the models are: {}", known.join(", "))).into());
        };
        if !loaded.contains_key(name) {
            loaded.insert(name.clone(), load_model(settings.seed, model, &mut preparation)?);
        }
    }
    let of = |name: &Option<String>| name.as_ref().map(|name| &*loaded[name]);
    let generation_models = GenerationModels { writer: of(&writer), embedder: of(&embedder) };
    let (personas, diversity) =
        pool.install(|| generate(&settings, generation_models)).map_err(|error| match error {
            GenerationError::Language(crate::base::LanguageError::Interrupted) => AppError::Interrupted,
            error => AppError::Generation(error),
        })?;
    let identities: BTreeMap<&String, BTreeMap<String, String>> =
        loaded.iter().map(|(name, model)| (name, model.identity().into_iter().collect())).collect();
    let count = personas.len();
    let file = PersonaFile {
        format: 1,
        made: Some(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "seed": settings.seed,
            "spec_sha256": sha256_hex(text.as_bytes()),
            "models": identities,
        })),
        diversity: Some(diversity),
        personas,
    };
    let text = serde_json::to_string_pretty(&file).expect("plain data") + "\n";
    let unwritable = |error: std::io::Error| AppError::File {
        path: options.out.clone(),
        problem: error.to_string(),
        help: "name a file that can be written with --out".to_owned(),
    };
    // Whole or not at all.
    let mut part = options.out.clone().into_os_string();
    part.push(".part");
    std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, &options.out)).map_err(unwritable)?;
    Ok((count, diversity))
}
