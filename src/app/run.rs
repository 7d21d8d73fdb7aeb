//! `run`: from a checked scenario to a whole run folder.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::assets::{Assets, Progress};
use super::comparison::{Contender, comparison_table, contenders};
use super::error::AppError;
use super::forecast::Forecast;
use super::prepare::{Preparation, Prepared};
use super::progress::RunBar;
use super::registry::{domain_of, kinds};
use crate::base::{LanguageError, LanguageModel, PolicyFile};
use crate::llm::{CallSources, LanguageHub, Prices, SharedModel};
use crate::record::{Manifest, PartialReplay, RunFolder, Settled, sha256_hex, write_policy};
use crate::scenario::Scenario;
use crate::sim::{BuildError, Domain, Mind, Options, SimError, Simulation};

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
    /// Seconds from the start to the end, fetches included.
    pub seconds: f64,
}

/// The transcript of a run inside its folder, or of one of its contenders.
fn transcript_name(place: &str) -> String {
    format!("{place}llm.jsonl")
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
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|error| AppError::Threads { threads: options.threads, problem: error.to_string() })?;
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
    };
    let started = Instant::now();
    let prepared = Prepared::new(scenario, &mut preparation)?;
    let loaded = started.elapsed();
    let mut course = Course {
        scenario,
        domain: domain_of(scenario)?,
        prepared: &prepared,
        options,
        folder: &mut folder,
        phases: vec![("prepare".to_owned(), loaded)],
        ticks: 0,
        partial_replay: BTreeMap::new(),
    };
    if let Some(text) = pool.install(|| course.forecast())? {
        preparation.progress.note(&text);
    }
    let minds = prepared.minds(scenario)?;
    let (summary, learned) = pool.install(|| course.run("", "running", minds, true))?;
    let mut comparison = vec![(String::from("this run"), summary.clone())];
    if options.compare {
        for Contender { name, group_policy, mind } in contenders(scenario, &prepared, &learned)? {
            let mut minds = prepared.minds(scenario)?;
            for entry in minds.iter_mut().filter(|(policy, _)| *policy == group_policy) {
                entry.1 = Mind::Fixed(Arc::clone(&mind));
            }
            let place = format!("compare/{name}/");
            let (summary, _) = pool.install(|| course.run(&place, &name, minds, false))?;
            comparison.push((name, summary));
        }
    }
    let (phases, ticks, partial_replay) = (course.phases, course.ticks, course.partial_replay);
    for (place, replay) in &partial_replay {
        if let Some(departure) = &replay.departure {
            preparation.progress.note(&format!("{place}: live from here on: {departure}"));
        }
    }
    if comparison.len() > 1 {
        folder.append("", &comparison_table(&comparison))?;
    }
    folder.close_tables()?;
    folder.write("scenario.toml", resolved.as_bytes())?;
    let scenario_sha256 = sha256_hex(resolved.as_bytes());
    for (name, policy) in &learned {
        folder.write(&format!("policies/{name}.safetensors"), &write_policy(policy, &scenario_sha256))?;
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
        ticks: scenario.ticks,
        compare: options.compare,
        outcome: "complete".to_owned(),
        models,
        partial_replay,
        data: prepared.data_sources.clone(),
        loaded_policies: prepared.saved_sources.clone(),
        summary,
        files: Vec::new(),
    };
    manifest.files = folder.sums()?;
    let text = serde_json::to_string_pretty(&manifest).expect("plain data") + "\n";
    folder.write("manifest.json", text.as_bytes())?;
    let seconds = started.elapsed().as_secs_f64();
    let mut language = serde_json::Map::new();
    for (name, times) in &prepared.times {
        let prices = Prices::of(&scenario.models[name]);
        language.insert(name.clone(), times.json(prices));
        if let Some(prices) = prices {
            preparation.progress.note(&times.cost(name, prices));
        }
    }
    folder.write("timings.json", timings(&phases, ticks, seconds, options.threads, language).as_bytes())?;
    let folder = folder.publish(&folder_name(scenario, &scenario_sha256))?;
    Ok(RunOutcome { folder, manifest, comparison, seconds })
}

/// `<scenario>-<hash8>-s<seed>`.
fn folder_name(scenario: &Scenario, scenario_sha256: &str) -> String {
    format!("{}-{}-s{}", scenario.name, &scenario_sha256[..8], scenario.seed)
}

fn timings(
    phases: &[(String, Duration)],
    ticks: u64,
    seconds: f64,
    threads: usize,
    language: serde_json::Map<String, serde_json::Value>,
) -> String {
    let mut simulated = Duration::ZERO;
    let parts: serde_json::Map<String, serde_json::Value> = phases
        .iter()
        .map(|(name, duration)| {
            if name != "prepare" {
                simulated += *duration;
            }
            (name.clone(), json!(duration.as_secs_f64()))
        })
        .collect();
    let value = json!({
        "seconds": seconds,
        "threads": threads,
        "ticks_per_second": ticks as f64 / simulated.as_secs_f64().max(1e-9),
        "phases_seconds": parts,
        "language": language,
    });
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

/// One after another, the run itself and what it is compared with.
struct Course<'a> {
    scenario: &'a Scenario,
    domain: &'static dyn Domain,
    prepared: &'a Prepared,
    options: &'a RunOptions,
    folder: &'a mut RunFolder,
    phases: Vec<(String, Duration)>,
    ticks: u64,
    partial_replay: BTreeMap<String, PartialReplay>,
}

impl Course<'_> {
    /// The hub of a run, and the SHA-256 of the record that it begins with where it can go on with models.
    fn hub(&self, place: &str) -> Result<(LanguageHub, Option<String>), AppError> {
        let transcript: Box<dyn Write + Send> = Box::new(self.folder.stream(&transcript_name(place))?);
        let models = || {
            let of = |(name, model): &(String, SharedModel)| {
                (name.clone(), Box::new(model.clone()) as Box<dyn LanguageModel>)
            };
            self.prepared.models.iter().map(of).collect()
        };
        let Some(replay) = &self.options.replay else {
            return Ok((LanguageHub::new(models(), Some(transcript)), None));
        };
        let path = replay.join(transcript_name(place));
        let unusable = |problem: String| AppError::Transcript { path: path.clone(), problem };
        let text = std::fs::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
        let unreadable = |error: crate::llm::RecordError| unusable(error.to_string());
        if self.options.then_live {
            let hub = LanguageHub::replay_then(&text, models(), Some(transcript)).map_err(unreadable)?;
            return Ok((hub, Some(sha256_hex(text.as_bytes()))));
        }
        let names = self.scenario.models.keys().cloned().collect();
        Ok((LanguageHub::replay(&text, names, Some(transcript)).map_err(unreadable)?, None))
    }

    fn simulation(
        &self,
        hub: Arc<LanguageHub>,
        minds: Vec<(String, Mind)>,
        messages: bool,
    ) -> Result<Simulation, AppError> {
        let options = Options {
            minds,
            language: hub,
            data: self.prepared.data.clone(),
            personas: self.prepared.personas.clone(),
            messages,
            shuffle_systems: self.options.shuffle_systems,
        };
        Simulation::build(self.scenario, self.domain, options).map_err(|error| match error {
            BuildError::Data { key, problem } => AppError::Data {
                key: key.to_owned(),
                path: self.prepared.data_sources.get(key).map_or(key, |source| &source.source).into(),
                problem,
            },
            other => other.into(),
        })
    }

    /// How long the run will take, measured on the models that it will use.
    fn forecast(&self) -> Result<Option<String>, AppError> {
        // What is replayed first may never ask a model.
        if self.prepared.models.is_empty() || self.options.replay.is_some() {
            return Ok(None);
        }
        let silent = Arc::new(LanguageHub::new(Vec::new(), None));
        let simulation = self.simulation(silent, self.prepared.minds(self.scenario)?, false)?;
        match Forecast::measure(&self.prepared.models, self.domain.forecast(&simulation)) {
            Ok(forecast) => Ok(Some(forecast.text())),
            // A model that answers from a transcript takes no time worth telling.
            Err(LanguageError::Replay(_)) => Ok(None),
            Err(error) => Err(SimError::Language { tick: simulation.tick(), error }.into()),
        }
    }

    fn run(
        &mut self,
        place: &str,
        label: &str,
        minds: Vec<(String, Mind)>,
        messages: bool,
    ) -> Result<(Vec<Settled>, BTreeMap<String, PolicyFile>), AppError> {
        let started = Instant::now();
        let (hub, record) = self.hub(place)?;
        let hub = Arc::new(hub);
        let mut simulation = self.simulation(Arc::clone(&hub), minds, messages)?;
        let mut bar = RunBar::new(self.scenario.ticks, self.options.quiet, label, self.domain.live());
        while !simulation.is_over() {
            if self.options.stop.load(Ordering::Relaxed) {
                return Err(AppError::Interrupted);
            }
            match simulation.step() {
                Err(SimError::Language { error: LanguageError::Interrupted, .. }) => return Err(AppError::Interrupted),
                outcome => outcome?,
            }
            bar.advance(&simulation);
            for table in simulation.tables().iter() {
                self.folder.append(place, table)?;
            }
            simulation.tables_mut().clear();
        }
        drop(bar);
        hub.finish().map_err(|error| SimError::Language { tick: simulation.tick(), error })?;
        self.ticks += self.scenario.ticks;
        let phase = if place.is_empty() { "run" } else { place.trim_end_matches('/') };
        self.phases.push((phase.to_owned(), started.elapsed()));
        if let Some(transcript_sha256) = record {
            let CallSources { from_record, from_models, remembered, departure } = hub.sources();
            let replay = PartialReplay { transcript_sha256, from_record, from_models, remembered, departure };
            self.partial_replay.insert(phase.to_owned(), replay);
        }
        Ok((self.domain.summary(&simulation), simulation.learned()))
    }
}
