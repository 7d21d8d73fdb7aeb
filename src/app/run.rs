//! `run`: from a checked scenario to a whole run folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde_json::json;

use super::assets::{Assets, Progress};
use super::audit::AuditReport;
use super::comparison::comparison_table;
use super::course::{Course, Ran};
use super::error::AppError;
use super::intervals::IntervalRow;
use super::meter::Metered;
use super::prepare::{Preparation, Prepared};
use super::registry::kinds;
use crate::base::LanguageModel;
use crate::llm::SharedModel;
use crate::record::{Manifest, RunFolder, Settled, sha256_hex, write_policy};
use crate::scenario::Scenario;

/// How a run is carried out. Nothing here changes a byte of its outputs.
pub struct RunOptions {
    /// Threads for batches.
    pub threads: usize,
    /// Folder that the run folder is put into.
    pub out: PathBuf,
    /// Answer from the transcripts of this run folder instead of from models.
    pub replay: Option<PathBuf>,
    /// With `replay`: go on with the models at the first call that the transcript does not hold.
    pub then_live: bool,
    /// Also run the policies that groups are compared with.
    pub compare: bool,
    /// No bar, no talk.
    pub quiet: bool,
    /// Set by Ctrl-C.
    pub stop: Arc<AtomicBool>,
    /// Runs systems without an order among them in a shuffled one.
    pub shuffle_systems: Option<u64>,
}

/// What a run left.
pub struct RunOutcome {
    /// Its folder.
    pub folder: PathBuf,
    /// What stands in its manifest.
    pub manifest: Manifest,
    /// Each contender's name and summary, the run itself first.
    pub comparison: Vec<(String, Vec<Settled>)>,
    /// What an evaluation found.
    pub intervals: Vec<IntervalRow>,
    /// What an audit found.
    pub audit: Option<AuditReport>,
    /// Seconds from the start to the end, fetches included.
    pub seconds: f64,
}

/// [`Manifest::outcome`] of a run that took all its ticks, and of one that stopped because a budget was spent.
pub const COMPLETE: &str = "complete";
/// See [`COMPLETE`].
pub const BUDGET_SPENT: &str = "budget spent";

/// What is done with a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// It is run, and then what it is compared with.
    Run,
    /// Its policies are trained.
    Train,
    /// Its policies, which learn no more, are compared on so many seeds.
    Evaluate {
        /// How many.
        seeds: u32,
    },
    /// It is asked whether anybody gains by leaving its policies.
    Audit,
}

impl Task {
    /// [`Manifest::command`].
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Train => "train",
            Self::Evaluate { .. } => "evaluate",
            Self::Audit => "audit",
        }
    }

    /// What a folder's manifest says was done; `None` for a command that this version does not know.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Option<Self> {
        match manifest.command.as_str() {
            "run" => Some(Self::Run),
            "train" => Some(Self::Train),
            "evaluate" => Some(Self::Evaluate { seeds: u32::try_from(manifest.seeds.len()).ok()? }),
            "audit" => Some(Self::Audit),
            _ => None,
        }
    }
}

/// Runs a scenario.
///
/// # Errors
/// When something is not to be had, cannot go on, or cannot be written; nothing is left behind then.
pub fn run_scenario(
    scenario: &Scenario,
    assets: &Assets,
    progress: &mut dyn Progress,
    options: &RunOptions,
) -> Result<RunOutcome, AppError> {
    carry_out_task(Task::Run, scenario, assets, progress, options)
}

/// Runs, trains, evaluates or audits a scenario's policies, into a folder of its own.
///
/// # Errors
/// As [`run_scenario`].
pub fn carry_out_task(
    task: Task,
    scenario: &Scenario,
    assets: &Assets,
    progress: &mut dyn Progress,
    options: &RunOptions,
) -> Result<RunOutcome, AppError> {
    let pool = pool_of(options.threads)?;
    let resolved = scenario.resolved(&kinds())?;
    let replayed = options.replay.as_deref().map(read_manifest).transpose()?;
    // The folder comes before the models: an unwritable place should show at once.
    let mut folder = RunFolder::create(&options.out, std::process::id())?;
    let mut preparation = Preparation {
        assets,
        progress,
        stop: Arc::clone(&options.stop),
        pool: &pool,
        without_models: options.replay.is_some() && !options.then_live,
        pilot: None,
    };
    let started = Instant::now();
    let prepared = Prepared::new(scenario, &mut preparation)?;
    let loaded = started.elapsed();
    let course = Course::new(scenario, &prepared, options, &mut folder)?;
    // An evaluation asks as often as its policies are many, and they are no two alike.
    if task == Task::Run
        && let Some(text) = pool.install(|| course.forecast())?
    {
        preparation.progress.note(&text);
    }
    let ran = pool.install(|| match task {
        Task::Run => course.run_all(),
        Task::Train => course.train(),
        Task::Evaluate { seeds } => course.evaluate(seeds),
        Task::Audit => course.audit(),
    })?;
    let Ran {
        comparison,
        learned,
        checkpoint,
        intervals,
        audit,
        ticks_run,
        language,
        budgets_spent,
        partial_replay,
        ..
    } = ran;
    let speed = Speed { ticks: ran.ticks, transitions: ran.transitions, phases: ran.phases };
    for spent in &budgets_spent {
        preparation.progress.note(&spent.to_string());
    }
    for (place, replay) in &partial_replay {
        if let Some(departure) = &replay.departure {
            preparation.progress.note(&format!("{place}: live from here on: {departure}"));
        }
    }
    if task == Task::Run && comparison.len() > 1 {
        folder.append("", &comparison_table(&comparison))?;
    }
    folder.close_tables()?;
    folder.write("scenario.toml", resolved.as_bytes())?;
    let scenario_sha256 = sha256_hex(resolved.as_bytes());
    for (place, policies) in [("policies", &learned), ("checkpoint", &checkpoint)] {
        for (name, policy) in policies {
            folder.write(&format!("{place}/{name}.safetensors"), &write_policy(policy, &scenario_sha256))?;
        }
    }
    let (models, partial_replay) = if let Some(manifest) = replayed.filter(|_| !options.then_live) {
        (manifest.models, manifest.partial_replay)
    } else {
        let of = |(name, model): &(String, SharedModel)| (name.clone(), model.identity().into_iter().collect());
        (prepared.models.iter().map(of).collect(), partial_replay)
    };
    let mut manifest = Manifest {
        format: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("LLMAGENTOS_COMMIT").to_owned(),
        scenario: scenario.name.clone(),
        scenario_sha256: scenario_sha256.clone(),
        seed: scenario.seed,
        ticks: ticks_run,
        compare: options.compare,
        command: task.command().to_owned(),
        training: ran.training,
        seeds: ran.seeds,
        outcome: if ran.complete { COMPLETE } else { BUDGET_SPENT }.to_owned(),
        models,
        partial_replay,
        data: prepared.data_sources.clone(),
        loaded_policies: prepared.saved_sources.clone(),
        language,
        budgets_spent,
        summary: comparison[0].1.clone(),
        files: Vec::new(),
    };
    manifest.files = folder.sums()?;
    let text = serde_json::to_string_pretty(&manifest).expect("plain data") + "\n";
    folder.write("manifest.json", text.as_bytes())?;
    let seconds = started.elapsed().as_secs_f64();
    let models = prepared.metered();
    for (name, metered) in &models {
        if let Some(cost) = metered.cost(scenario, name) {
            let Metered { requests, prompt_tokens, answer_tokens, .. } = metered;
            preparation.progress.note(&format!(
                "[llm.{name}]: {requests} requests, {prompt_tokens} prompt and {answer_tokens} answer tokens: {cost:.4} at the declared price"
            ));
        }
    }
    let timings = timings(scenario, &loaded, &speed, (seconds, options.threads), &models);
    folder.write("timings.json", timings.as_bytes())?;
    let folder = folder.publish(&folder_name(task, scenario, &scenario_sha256))?;
    Ok(RunOutcome { folder, manifest, comparison, intervals, audit, seconds })
}

/// `<scenario>-<hash8>-s<seed>`, and behind it the command where it is not `run`.
fn folder_name(task: Task, scenario: &Scenario, scenario_sha256: &str) -> String {
    let name = format!("{}-{}-s{}", scenario.name, &scenario_sha256[..8], scenario.seed);
    if task == Task::Run { name } else { format!("{name}-{}", task.command()) }
}

/// A pool of so many threads.
pub(super) fn pool_of(threads: usize) -> Result<rayon::ThreadPool, AppError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| AppError::Threads { threads, problem: error.to_string() })
}

/// How much was done, and how long it took.
struct Speed {
    /// Ticks of all simulations.
    ticks: u64,
    /// Transitions that were learned from in the run itself.
    transitions: u64,
    phases: Vec<(String, Duration)>,
}

fn timings(
    scenario: &Scenario,
    loaded: &Duration,
    Speed { ticks, transitions, phases }: &Speed,
    (seconds, threads): (f64, usize),
    models: &[(String, Metered)],
) -> String {
    let a_second = |count: u64, duration: Duration| count as f64 / duration.as_secs_f64().max(1e-9);
    let simulated: Duration = phases.iter().map(|(_, duration)| *duration).sum();
    let run = phases.iter().find(|(name, _)| name == "run").map_or(Duration::ZERO, |(_, duration)| *duration);
    let prepare = (String::from("prepare"), *loaded);
    let parts: serde_json::Map<String, serde_json::Value> = std::iter::once(&prepare)
        .chain(phases)
        .map(|(name, duration)| (name.clone(), json!(duration.as_secs_f64())))
        .collect();
    let model = |(name, metered): &(String, Metered)| {
        let mut value = json!(metered);
        if let Some(cost) = metered.cost(scenario, name) {
            value["cost"] = json!(cost);
        }
        (name.clone(), value)
    };
    let models: serde_json::Map<String, serde_json::Value> = models.iter().map(model).collect();
    let mut value = json!({
        "seconds": seconds,
        "threads": threads,
        "ticks_per_second": a_second(*ticks, simulated),
        "phases_seconds": parts,
        "models": models,
    });
    if *transitions > 0 {
        value["learning_steps"] = json!(transitions);
        value["learning_steps_per_second"] = json!(a_second(*transitions, run));
    }
    serde_json::to_string_pretty(&value).expect("plain data") + "\n"
}

/// Reads the manifest of a run folder.
///
/// # Errors
/// When there is none, or it is not one.
pub fn read_manifest(folder: &Path) -> Result<Manifest, AppError> {
    let path = folder.join("manifest.json");
    let unusable = |problem: String| AppError::File {
        path: path.clone(),
        problem,
        help: "name a run folder: one that `llmagentos run` printed".to_owned(),
    };
    let text = std::fs::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| unusable(format!("not a manifest: {error}")))
}
