//! One after another, the run itself and what it is compared with, into an open run folder.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::comparison::{Contender, contenders};
use super::error::AppError;
use super::forecast::Forecast;
use super::prepare::Prepared;
use super::progress::RunBar;
use super::registry::domain_of;
use super::run::RunOptions;
use crate::base::{LanguageError, LanguageModel, PolicyFile};
use crate::llm::{CallSources, LanguageHub, RecordError, SharedModel};
use crate::record::{BudgetRow, LanguageRow, PartialReplay, RunFolder, Settled, sha256_hex};
use crate::scenario::Scenario;
use crate::sim::{BuildError, Domain, Mind, Options, SimError, Simulation};

/// A run and its contenders on their way.
pub(super) struct Course<'a> {
    scenario: &'a Scenario,
    domain: &'static dyn Domain,
    prepared: &'a Prepared,
    options: &'a RunOptions,
    folder: &'a mut RunFolder,
    ran: Ran,
}

/// What came of a run and its contenders.
#[derive(Default)]
pub(super) struct Ran {
    /// Each one's name and summary, the run itself first.
    pub comparison: Vec<(String, Vec<Settled>)>,
    /// What the run's learners learned.
    pub learned: BTreeMap<String, PolicyFile>,
    /// Ticks of the run itself.
    pub ticks_run: u64,
    /// Ticks of all.
    pub ticks: u64,
    /// How long each took.
    pub phases: Vec<(String, Duration)>,
    /// What went through the language models of each.
    pub language: Vec<LanguageRow>,
    /// Budgets that were spent.
    pub budgets_spent: Vec<BudgetRow>,
    /// Where the answers came from, by `run` or `compare/NAME`, where a replay went on live.
    pub partial_replay: BTreeMap<String, PartialReplay>,
    /// Whether all took all their ticks.
    pub complete: bool,
}

/// What the run itself is called among its contenders.
const THIS_RUN: &str = "this run";

/// The transcript of a run inside its folder, or of one of its contenders.
pub(super) fn transcript_name(place: &str) -> String {
    format!("{place}llm.jsonl")
}

impl<'a> Course<'a> {
    /// A course whose files go into `folder`.
    pub fn new(
        scenario: &'a Scenario,
        prepared: &'a Prepared,
        options: &'a RunOptions,
        folder: &'a mut RunFolder,
    ) -> Result<Self, AppError> {
        let ran = Ran { complete: true, ..Ran::default() };
        Ok(Self { scenario, domain: domain_of(scenario)?, prepared, options, folder, ran })
    }

    /// Runs the scenario, and then what it is compared with, unless the run itself had to stop: contenders of another
    /// length would be no comparison.
    pub fn run_all(mut self) -> Result<Ran, AppError> {
        let minds = self.prepared.minds(self.scenario)?;
        self.ran.learned = self.run("", THIS_RUN, minds, true)?;
        self.ran.ticks_run = self.ran.ticks;
        if self.options.compare && self.ran.complete {
            for Contender { name, group_policy, mind } in contenders(self.scenario, self.prepared, &self.ran.learned)? {
                let mut minds = self.prepared.minds(self.scenario)?;
                if let Some(entry) = minds.iter_mut().find(|(policy, _)| *policy == group_policy) {
                    entry.1 = mind;
                }
                self.run(&format!("compare/{name}/"), &name, minds, false)?;
            }
        }
        Ok(self.ran)
    }

    /// The hub of a run, and the SHA-256 of the record that it begins with where it can go on with models.
    fn hub(&self, place: &str) -> Result<(LanguageHub, Option<String>), AppError> {
        let transcript: Box<dyn Write + Send> = Box::new(self.folder.stream(&transcript_name(place))?);
        let settings = self.scenario.language.values().copied().collect();
        let models = || {
            let of = |(name, model): &(String, SharedModel)| {
                (name.clone(), Box::new(model.clone()) as Box<dyn LanguageModel>)
            };
            self.prepared.models.iter().map(of).collect()
        };
        let clock = self.prepared.clock();
        let Some(replay) = &self.options.replay else {
            let hub = LanguageHub::new(models(), Some(transcript));
            return Ok((hub.with_settings(settings).with_clock(clock), None));
        };
        let path = replay.join(transcript_name(place));
        let unusable = |problem: String| AppError::Transcript { path: path.clone(), problem };
        let text = std::fs::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
        let unreadable = |error: RecordError| unusable(error.to_string());
        if self.options.then_live {
            let hub = LanguageHub::replay_then(&text, models(), Some(transcript)).map_err(unreadable)?;
            return Ok((hub.with_settings(settings).with_clock(clock), Some(sha256_hex(text.as_bytes()))));
        }
        let names = self.scenario.models.keys().cloned().collect();
        let hub = LanguageHub::replay(&text, names, Some(transcript)).map_err(unreadable)?;
        Ok((hub.with_settings(settings), None))
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
    pub fn forecast(&self) -> Result<Option<String>, AppError> {
        // What is replayed first may never ask a model.
        if self.prepared.models.is_empty() || self.options.replay.is_some() {
            return Ok(None);
        }
        let silent = Arc::new(LanguageHub::new(Vec::new(), None));
        let simulation = self.simulation(silent, self.prepared.minds(self.scenario)?, false)?;
        let forecast = Forecast::measure(&self.prepared.models, self.domain.forecast(&simulation));
        self.prepared.forget_meters();
        match forecast {
            Ok(forecast) => Ok(Some(forecast.text())),
            // A model that answers from a transcript takes no time worth telling.
            Err(LanguageError::Replay(_)) => Ok(None),
            Err(error) => Err(SimError::Language { tick: simulation.tick(), error }.into()),
        }
    }

    fn run(
        &mut self,
        place: &str,
        name: &str,
        minds: Vec<(String, Mind)>,
        messages: bool,
    ) -> Result<BTreeMap<String, PolicyFile>, AppError> {
        let started = Instant::now();
        let (hub, record) = self.hub(place)?;
        let hub = Arc::new(hub);
        let mut simulation = self.simulation(Arc::clone(&hub), minds, messages)?;
        let label = if place.is_empty() { "running" } else { name };
        let mut bar = RunBar::new(self.scenario.ticks, self.options.quiet, label, self.domain.live());
        let mut stopped_by = None;
        while !simulation.is_over() {
            if self.options.stop.load(Ordering::Relaxed) {
                return Err(AppError::Interrupted);
            }
            match simulation.step() {
                Ok(()) => {}
                Err(error) if error.is_interrupted() => return Err(AppError::Interrupted),
                Err(error) => {
                    stopped_by = Some(error.budget_spent().ok_or(error)?);
                    // Of a tick that was not finished nothing is kept; every table has its header.
                    simulation.tables_mut().clear();
                    simulation.clear_recorded();
                }
            }
            bar.advance(&simulation);
            for table in simulation.tables().iter() {
                self.folder.append(place, table)?;
            }
            for (policy, space, rows) in simulation.recorded() {
                self.folder.append_transitions(policy, space, rows)?;
            }
            simulation.tables_mut().clear();
            simulation.clear_recorded();
            if stopped_by.is_some() {
                break;
            }
        }
        drop(bar);
        hub.finish().map_err(|error| SimError::Language { tick: simulation.tick(), error })?;
        self.ran.ticks += simulation.tick().0;
        self.ran.complete &= stopped_by.is_none();
        let row = |(model, usage)| LanguageRow { run: name.to_owned(), model, usage };
        self.ran.language.extend(hub.usage_by_model().into_iter().map(row));
        self.ran.budgets_spent.extend(hub.spent().into_iter().map(|(model, spent)| BudgetRow {
            run: name.to_owned(),
            stopped: stopped_by.as_deref() == Some(model.as_str()),
            model,
            unit: spent.unit,
            tick: spent.tick,
        }));
        let phase = if place.is_empty() { "run" } else { place.trim_end_matches('/') };
        if let Some(transcript_sha256) = record {
            let CallSources { from_record, from_models, remembered, departure } = hub.sources();
            let replay = PartialReplay { transcript_sha256, from_record, from_models, remembered, departure };
            self.ran.partial_replay.insert(phase.to_owned(), replay);
        }
        self.ran.phases.push((phase.to_owned(), started.elapsed()));
        self.ran.comparison.push((name.to_owned(), self.domain.summary(&simulation)));
        Ok(simulation.learned())
    }
}
