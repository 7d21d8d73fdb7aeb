//! What all simulations of a command share, and how one of them is carried through to its last tick.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::deciders::Deciders;
use super::error::AppError;
use super::prepare::Prepared;
use super::registry::domain_of;
use super::run::{RunOptions, pool_of};
use crate::base::LanguageModel;
use crate::llm::{CallSources, LanguageHub, RecordError, SharedModel};
use crate::record::{BudgetRow, LanguageRow, PartialReplay, RunFolder, Settled, sha256_hex};
use crate::scenario::Scenario;
use crate::sim::{BuildError, Domain, EpisodeReturns, Options, SimError, Simulation};

/// What the simulations of a command share.
pub(super) struct Stage<'a> {
    /// The scenario as it was given.
    pub scenario: &'a Scenario,
    /// Its world.
    pub domain: &'static dyn Domain,
    /// Its data, models and saved policies.
    pub prepared: &'a Prepared,
    /// How the command is carried out.
    pub options: &'a RunOptions,
}

/// The hub of one simulation, and the SHA-256 of the record that it begins with where it can go on with models.
pub(super) struct Voice {
    pub hub: Arc<LanguageHub>,
    record: Option<String>,
}

/// What became of a simulation, beside its tables.
#[derive(Default)]
pub(super) struct Played {
    /// Ticks that were finished.
    pub ticks: u64,
    /// The language model whose budget ended it before its last tick.
    pub stopped_by: Option<String>,
    /// What went through its language models.
    pub language: Vec<LanguageRow>,
    /// Budgets that were spent.
    pub budgets_spent: Vec<BudgetRow>,
    /// Where the answers came from, where a replay went on live.
    pub partial_replay: Option<PartialReplay>,
}

/// A simulation with policies that stay as they are, of which only the outcome is kept.
pub(super) struct Rehearsal {
    /// The domain's summary.
    pub summary: Vec<Settled>,
    /// What episodes brought, by policy.
    pub returns: BTreeMap<String, EpisodeReturns>,
    /// What became of it.
    pub played: Played,
}

/// The transcript of a run inside its folder, or of one of its contenders.
pub(super) fn transcript_name(place: &str) -> String {
    format!("{place}llm.jsonl")
}

impl<'a> Stage<'a> {
    pub fn new(scenario: &'a Scenario, prepared: &'a Prepared, options: &'a RunOptions) -> Result<Self, AppError> {
        Ok(Self { scenario, domain: domain_of(scenario)?, prepared, options })
    }

    /// The hub of a simulation whose files stand at `place` inside the folder. A transcript is written even where there is
    /// no model to ask; it is empty then.
    pub fn voice(&self, place: &str, folder: &RunFolder) -> Result<Voice, AppError> {
        let transcript: Box<dyn Write + Send> = Box::new(folder.stream(&transcript_name(place))?);
        let settings = self.scenario.language.values().copied().collect();
        let models = || {
            let of = |(name, model): &(String, SharedModel)| {
                (name.clone(), Box::new(model.clone()) as Box<dyn LanguageModel>)
            };
            self.prepared.models.iter().map(of).collect()
        };
        let clock = self.prepared.clock();
        let voice = |hub: LanguageHub, record| Voice { hub: Arc::new(hub), record };
        let Some(replay) = &self.options.replay else {
            let hub = LanguageHub::new(models(), Some(transcript));
            return Ok(voice(hub.with_settings(settings).with_clock(clock), None));
        };
        let path = replay.join(transcript_name(place));
        let unusable = |problem: String| AppError::Transcript { path: path.clone(), problem };
        let text = std::fs::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
        let unreadable = |error: RecordError| unusable(error.to_string());
        if self.options.then_live {
            let hub = LanguageHub::replay_then(&text, models(), Some(transcript)).map_err(unreadable)?;
            return Ok(voice(hub.with_settings(settings).with_clock(clock), Some(sha256_hex(text.as_bytes()))));
        }
        let names = self.scenario.models.keys().cloned().collect();
        let hub = LanguageHub::replay(&text, names, Some(transcript)).map_err(unreadable)?;
        Ok(voice(hub.with_settings(settings), None))
    }

    /// A hub that nobody asks.
    pub fn silence() -> Voice {
        Voice { hub: Arc::new(LanguageHub::new(Vec::new(), None)), record: None }
    }

    /// A simulation of the scenario, or of the same one with another seed or length.
    pub fn simulation(
        &self,
        scenario: &Scenario,
        voice: &Voice,
        deciders: Deciders,
        messages: bool,
    ) -> Result<Simulation, AppError> {
        let options = Options {
            minds: deciders.minds,
            advisors: deciders.advisors,
            voices: deciders.voices,
            language: Arc::clone(&voice.hub) as _,
            data: self.prepared.data.clone(),
            personas: self.prepared.personas.clone(),
            messages,
            shuffle_systems: self.options.shuffle_systems,
        };
        Simulation::build(scenario, self.domain, options).map_err(|error| match error {
            BuildError::Data { key, problem } => AppError::Data {
                key: key.to_owned(),
                path: self.prepared.data_sources.get(key).map_or(key, |source| &source.source).into(),
                problem,
            },
            other => other.into(),
        })
    }

    /// Steps a simulation to its end, and lets `after` see it after each tick; `after` clears the tables, and may break
    /// off. In the manifest it is called `name`.
    pub fn play(
        &self,
        name: &str,
        voice: &Voice,
        simulation: &mut Simulation,
        after: &mut dyn FnMut(&mut Simulation) -> Result<ControlFlow<()>, AppError>,
    ) -> Result<Played, AppError> {
        let hub = &voice.hub;
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
            if after(simulation)?.is_break() || stopped_by.is_some() {
                break;
            }
        }
        hub.finish().map_err(|error| SimError::Language { tick: simulation.tick(), error })?;
        let row = |(model, usage)| LanguageRow { run: name.to_owned(), model, usage };
        let budget = |(model, spent): (String, crate::llm::Spent)| BudgetRow {
            run: name.to_owned(),
            stopped: stopped_by.as_deref() == Some(model.as_str()),
            model,
            unit: spent.unit,
            tick: spent.tick,
            answered_evenly: spent.evenly,
        };
        let partial_replay = voice.record.clone().map(|transcript_sha256| {
            let CallSources { from_record, from_models, remembered, departure } = hub.sources();
            PartialReplay { transcript_sha256, from_record, from_models, remembered, departure }
        });
        Ok(Played {
            ticks: simulation.tick().0,
            language: hub.usage_by_model().into_iter().map(row).collect(),
            budgets_spent: hub.spent().into_iter().map(budget).collect(),
            partial_replay,
            stopped_by,
        })
    }

    /// Runs policies that stay as they are, with the returns of their episodes counted. Its transcript, where the scenario
    /// has language models, goes to `place` inside the folder; `place` without its last `/` is also its name.
    pub fn rehearse(
        &self,
        scenario: &Scenario,
        place: &str,
        deciders: Deciders,
        folder: Option<&RunFolder>,
    ) -> Result<Rehearsal, AppError> {
        let voice = match folder {
            Some(folder) if !self.scenario.models.is_empty() => self.voice(place, folder)?,
            _ => Self::silence(),
        };
        let mut simulation = self.simulation(scenario, &voice, deciders, false)?;
        simulation.count_returns();
        let played = self.play(place.trim_end_matches('/'), &voice, &mut simulation, &mut |simulation| {
            simulation.tables_mut().clear();
            Ok(ControlFlow::Continue(()))
        })?;
        let mut summary = self.domain.summary(&simulation);
        summary.extend(simulation.advice_summary());
        summary.extend(simulation.rights_summary());
        Ok(Rehearsal { summary, returns: simulation.returns(), played })
    }

    /// Does `work` for the numbers below `count`, and gives what came of each in their order. Where no language model is
    /// asked, several are at work at a time, each on one thread, so that what they share is read only; otherwise one after
    /// another, since a model uses all threads and writes a transcript.
    pub fn for_each<T: Send>(
        &self,
        count: usize,
        folder: &RunFolder,
        work: impl Fn(usize, Option<&RunFolder>) -> Result<T, AppError> + Sync,
    ) -> Result<Vec<T>, AppError> {
        let workers = self.options.threads.min(count);
        if !self.scenario.models.is_empty() || workers < 2 {
            return (0..count).map(|number| work(number, Some(folder))).collect();
        }
        let lane = |worker: usize| -> Result<Vec<Result<T, AppError>>, AppError> {
            let numbers = (worker..count).step_by(workers);
            Ok(pool_of(1)?.install(|| numbers.map(|number| work(number, None)).collect()))
        };
        let lanes: Vec<Result<Vec<Result<T, AppError>>, AppError>> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..workers).map(|worker| scope.spawn(move || lane(worker))).collect();
            // A panic in a lane is our mistake, and goes on here.
            running
                .into_iter()
                .map(|lane| lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut lanes = lanes.into_iter().map(|lane| lane.map(Vec::into_iter)).collect::<Result<Vec<_>, _>>()?;
        (0..count).map(|number| lanes[number % workers].next().expect("a lane has its numbers")).collect()
    }
}
