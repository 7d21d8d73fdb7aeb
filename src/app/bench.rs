//! `bench llm`: what the embedded model does on this machine, in a second and in memory.
//!
//! Speeds are the best of a few repetitions: what else runs on a machine makes it slower, never faster.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::Serialize;

use super::assets::{Assets, Progress};
use super::error::AppError;
use super::run::pool_of;
use crate::base::{Ask, Choices, LanguageError, LanguageModel, Prompt, Reply, Request, Tick};
use crate::llm::{BackendError, CandleModel, CandleOptions};
use crate::sim::SimError;

/// What is to be measured, and how.
pub struct BenchOptions {
    /// A catalogue id, or the path of a GGUF file.
    pub model: String,
    /// Threads of the pool.
    pub threads: usize,
    /// How often each measure is taken.
    pub repetitions: u32,
    /// Set by Ctrl-C.
    pub stop: Arc<AtomicBool>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct LlmBench {
    /// As it was named.
    pub model: String,
    /// What computes: backend, kernel, architecture, SHA-256 of the file.
    pub identity: std::collections::BTreeMap<String, String>,
    /// Threads of the pool.
    pub threads: usize,
    /// How often each measure was taken; the best is given.
    pub repetitions: u32,
    /// Seconds to load the file, which the system has read before.
    pub load_seconds: f64,
    /// Prompt tokens a second, by the prompt's length.
    pub prefill: Vec<Speed>,
    /// Written tokens a second of all sequences together, by their number.
    pub decode: Vec<Speed>,
    /// Decisions among five options a second: 300 tokens shared by all, 40 of each one's own, 32 at a time.
    pub menu_decisions_per_second: f64,
    /// Tokens of a menu decision's prompt.
    pub menu_prompt_tokens: u32,
    /// Of these, shared with all others.
    pub menu_shared_tokens: u32,
    /// Resident memory of the process after loading, in MiB; `None` where the system does not tell.
    pub loaded_mib: Option<f64>,
    /// The most it was while 64 sequences were written.
    pub decode_64_peak_mib: Option<f64>,
}

/// A speed at a size.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Speed {
    /// Tokens of the prompt, or sequences.
    pub size: usize,
    /// Tokens a second.
    pub tokens_per_second: f64,
}

const PREFILLS: [usize; 2] = [256, 512];
const BATCHES: [usize; 4] = [1, 8, 32, 64];
/// Tokens that each sequence writes.
const WRITTEN: u32 = 64;
const OPTIONS: [&str; 5] = ["exchange", "return", "cancel", "modify", "transfer"];
const DECISIONS: usize = 32;

/// Measures a model.
///
/// # Errors
/// When it cannot be had, loaded or asked.
pub fn bench_llm(assets: &Assets, progress: &mut dyn Progress, options: &BenchOptions) -> Result<LlmBench, AppError> {
    let given = Path::new(&options.model);
    let path: PathBuf = if given.exists() { given.to_owned() } else { assets.pull(&options.model, progress)? };
    pool_of(options.threads)?.install(|| measure(&path, options))
}

fn measure(path: &Path, options: &BenchOptions) -> Result<LlmBench, AppError> {
    let load = || {
        let started = Instant::now();
        // All 64 sequences are to be written side by side.
        let stop = Arc::clone(&options.stop);
        let model = CandleModel::load(path, CandleOptions { batch_tokens: 1 << 14, stop, ..CandleOptions::default() });
        Ok::<_, AppError>((model.map_err(BackendError::from)?, started.elapsed().as_secs_f64()))
    };
    let mut load_seconds = f64::INFINITY;
    for _ in 1..options.repetitions {
        load_seconds = load_seconds.min(load()?.1);
    }
    let (model, seconds) = load()?;
    let loaded_mib = memory("VmRSS:");
    let bench = Bench { model, repetitions: options.repetitions };
    // The order matters to memory alone: what is freed may stay with the process.
    let forget_peak = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let mut decode = Vec::new();
    for size in BATCHES.into_iter().rev() {
        decode.insert(0, Speed { size, tokens_per_second: bench.decode(size)? });
    }
    let decode_64_peak_mib = memory("VmHWM:").filter(|_| forget_peak);
    let prefill = PREFILLS
        .into_iter()
        .map(|size| Ok(Speed { size, tokens_per_second: bench.prefill(size)? }))
        .collect::<Result<_, AppError>>()?;
    let (menu_decisions_per_second, decided) = bench.decide()?;
    Ok(LlmBench {
        model: options.model.clone(),
        identity: bench.model.identity().into_iter().collect(),
        threads: options.threads,
        repetitions: options.repetitions,
        load_seconds: load_seconds.min(seconds),
        prefill,
        decode,
        menu_decisions_per_second,
        menu_prompt_tokens: decided.tokens.prompt,
        menu_shared_tokens: decided.tokens.reused,
        loaded_mib,
        decode_64_peak_mib,
    })
}

struct Bench {
    model: CandleModel,
    repetitions: u32,
}

impl Bench {
    fn timed(&self, requests: &[Request]) -> Result<(f64, Vec<Reply>), AppError> {
        let started = Instant::now();
        let replies = self.model.answer(requests).map_err(failed)?;
        Ok((started.elapsed().as_secs_f64(), replies))
    }

    /// Tokens a second of a prompt that is `size` tokens long.
    fn prefill(&self, size: usize) -> Result<f64, AppError> {
        let mut best: f64 = 0.0;
        for repetition in 0..self.repetitions {
            let mut words = size;
            // A word is a token; the template has some of its own.
            for _ in 0..4 {
                let found = self.model.prompt_tokens(&prompt("", "", &fox(repetition, words))).map_err(failed)?.len();
                words = (words + size).saturating_sub(found);
            }
            let options: Arc<[Arc<str>]> = ["A".into(), "B".into()].into();
            let ask = Ask::Choose(Choices { options, content_free: None });
            let (seconds, replies) = self.timed(&[Request { prompt: prompt("", "", &fox(repetition, words)), ask }])?;
            let tokens = replies[0].tokens;
            best = best.max(f64::from(tokens.prompt - tokens.reused) / seconds);
        }
        Ok(best)
    }

    /// Tokens a second that `size` sequences write together, their prompts not counted.
    fn decode(&self, size: usize) -> Result<f64, AppError> {
        let requests = |tokens_max: u32| -> Vec<Request> {
            let suffix = |number: usize| format!("Write a long story about the {number} foxes of the forest.");
            let ask = Ask::Write { tokens_max, temperature: 0.0, draw: 0 };
            (0..size).map(|number| Request { prompt: prompt("", "", &suffix(number)), ask: ask.clone() }).collect()
        };
        let mut best: f64 = 0.0;
        for _ in 0..self.repetitions {
            let written = |replies: &[Reply]| -> u32 { replies.iter().map(|reply| reply.tokens.answer).sum() };
            let (start, first) = self.timed(&requests(1))?;
            let (seconds, replies) = self.timed(&requests(WRITTEN))?;
            let tokens = written(&replies).saturating_sub(written(&first));
            best = best.max(f64::from(tokens) / (seconds - start).max(1e-9));
        }
        Ok(best)
    }

    /// Decisions a second, and one of them.
    fn decide(&self) -> Result<(f64, Reply), AppError> {
        let options: Arc<[Arc<str>]> = OPTIONS.into_iter().map(Arc::from).collect();
        let request = |number: usize| Request {
            prompt: prompt("Read.", &"fox ".repeat(285), &format!("{number} {}", "dog ".repeat(32))),
            ask: Ask::Choose(Choices { options: Arc::clone(&options), content_free: None }),
        };
        let requests: Vec<Request> = (0..DECISIONS).map(request).collect();
        self.timed(&requests[..1])?;
        let mut best: f64 = 0.0;
        let mut decided = None;
        for _ in 0..self.repetitions {
            let (seconds, mut replies) = self.timed(&requests)?;
            best = best.max(DECISIONS as f64 / seconds);
            decided = replies.pop();
        }
        Ok((best, decided.expect("at least one repetition")))
    }
}

fn prompt(system: &str, prefix: &str, suffix: &str) -> Prompt {
    Prompt { system: system.into(), prefix: prefix.into(), suffix: suffix.into() }
}

fn fox(number: u32, words: usize) -> String {
    format!("{number}{}", " fox".repeat(words))
}

fn failed(error: LanguageError) -> AppError {
    match error {
        LanguageError::Interrupted => AppError::Interrupted,
        error => SimError::Language { tick: Tick(0), error }.into(),
    }
}

/// A line of what Linux says of this process, in MiB.
fn memory(name: &str) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}
