//! One after another, the run itself and what it is compared with, into an open run folder.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::audit::AuditReport;
use super::comparison::contenders;
use super::deciders::Deciders;
use super::error::AppError;
use super::forecast::Forecast;
use super::intervals::IntervalRow;
use super::prepare::Prepared;
use super::progress::RunBar;
use super::run::RunOptions;
use super::stage::{Played, Stage};
use crate::base::{LanguageError, PolicyFile};
use crate::llm::MINDS;
use crate::record::{BudgetRow, LanguageRow, PartialReplay, RunFolder, Settled, TrainingRow};
use crate::scenario::{AgentGroup, Scenario, Section};
use crate::sim::{SimError, Simulation};

/// A run and its contenders on their way.
pub(super) struct Course<'a> {
    pub stage: Stage<'a>,
    pub folder: &'a mut RunFolder,
    pub ran: Ran,
}

/// What came of a command's simulations.
#[derive(Default)]
pub(super) struct Ran {
    /// Each one's name and summary, the run itself first; of an evaluation the means over its seeds.
    pub comparison: Vec<(String, Vec<Settled>)>,
    /// What the run's learners learned; of a training the best of it.
    pub learned: BTreeMap<String, PolicyFile>,
    /// What the learners of a training had learned at its end.
    pub checkpoint: BTreeMap<String, PolicyFile>,
    /// How a training went.
    pub training: Option<TrainingRow>,
    /// The seeds of an evaluation.
    pub seeds: Vec<u64>,
    /// What an evaluation found.
    pub intervals: Vec<IntervalRow>,
    /// What an audit found.
    pub audit: Option<AuditReport>,
    /// Transitions that learners learned from.
    pub transitions: u64,
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

impl Ran {
    /// Takes over what became of a simulation; `phase` is its name in `partial_replay`.
    pub fn take(&mut self, phase: &str, played: Played) {
        self.ticks += played.ticks;
        self.complete &= played.stopped_by.is_none();
        self.language.extend(played.language);
        self.budgets_spent.extend(played.budgets_spent);
        self.partial_replay.extend(played.partial_replay.map(|replay| (phase.to_owned(), replay)));
    }
}

/// What the run itself is called among its contenders.
pub(super) const THIS_RUN: &str = "this run";

impl<'a> Course<'a> {
    /// A course whose files go into `folder`.
    pub fn new(
        scenario: &'a Scenario,
        prepared: &'a Prepared,
        options: &'a RunOptions,
        folder: &'a mut RunFolder,
    ) -> Result<Self, AppError> {
        let ran = Ran { complete: true, ..Ran::default() };
        Ok(Self { stage: Stage::new(scenario, prepared, options)?, folder, ran })
    }

    /// Runs the scenario, and then what it is compared with, unless the run itself had to stop: contenders of another
    /// length would be no comparison.
    pub fn run_all(mut self) -> Result<Ran, AppError> {
        let Stage { scenario, prepared, options, .. } = self.stage;
        let deciders = || Deciders::new(scenario, prepared.minds(scenario)?);
        self.ran.learned = self.run("", THIS_RUN, deciders()?, true)?;
        self.ran.ticks_run = self.ran.ticks;
        if options.compare && self.ran.complete {
            for contender in contenders(scenario, prepared, Some(&self.ran.learned))? {
                let mut deciders = deciders()?;
                let name = contender.name.clone();
                deciders.exchange(contender);
                self.run(&format!("compare/{name}/"), &name, deciders, false)?;
            }
        }
        Ok(self.ran)
    }

    /// How long the run will take, measured on the models that it will use.
    pub fn forecast(&self) -> Result<Option<String>, AppError> {
        let Stage { scenario, domain, prepared, options } = self.stage;
        // What is replayed first may never ask a model.
        if prepared.models.is_empty() || options.replay.is_some() {
            return Ok(None);
        }
        let deciders = Deciders::new(scenario, prepared.minds(scenario)?)?;
        let simulation = self.stage.simulation(scenario, &Stage::silence(), deciders, false)?;
        let forecast = Forecast::measure(&prepared.models, domain.forecast(&simulation));
        prepared.forget_meters();
        match forecast {
            Ok(forecast) => Ok(Some(forecast.text() + &self.decisions_by_language())),
            // A model that answers from a transcript takes no time worth telling.
            Err(LanguageError::Replay(_)) => Ok(None),
            Err(error) => Err(SimError::Language { tick: simulation.tick(), error }.into()),
        }
    }

    /// What the forecast does not know: how often policies of kind `language_model` will ask. At most, that is.
    fn decisions_by_language(&self) -> String {
        let asks = |policy: &String| {
            let kind = self.stage.scenario.policies.get(policy).map(Section::kind);
            MINDS.iter().any(|mind| Some(mind.kind.name) == kind)
        };
        let groups: Vec<&AgentGroup> = self.stage.scenario.agents.iter().filter(|group| asks(&group.policy)).collect();
        if groups.is_empty() {
            return String::new();
        }
        let most: u64 = groups
            .iter()
            .map(|group| {
                u64::from(group.count) * self.stage.scenario.ticks.div_ceil(u64::from(group.decide_every.max(1)))
            })
            .sum();
        let names: Vec<String> = groups.iter().map(|group| format!("\"{}\"", group.name)).collect();
        format!(
            "; besides, {} decide by language, up to {most} times from the start's number of agents: --estimate counts \
             and times that",
            names.join(", ")
        )
    }

    fn run(
        &mut self,
        place: &str,
        name: &str,
        deciders: Deciders,
        messages: bool,
    ) -> Result<BTreeMap<String, PolicyFile>, AppError> {
        let started = Instant::now();
        let Self { stage, folder, ran } = self;
        let voice = stage.voice(place, folder)?;
        let mut simulation = stage.simulation(stage.scenario, &voice, deciders, messages)?;
        let label = if place.is_empty() { "running" } else { name };
        let mut bar = RunBar::new(stage.scenario.ticks, stage.options.quiet, label, stage.domain.live());
        let mut transitions = 0;
        let played = stage.play(name, &voice, &mut simulation, &mut |simulation| {
            bar.advance(simulation);
            transitions += write_tables(simulation, place, folder)?;
            Ok(ControlFlow::Continue(()))
        })?;
        drop(bar);
        let phase = if place.is_empty() { "run" } else { place.trim_end_matches('/') };
        ran.take(phase, played);
        if place.is_empty() {
            ran.transitions = transitions;
        }
        ran.phases.push((phase.to_owned(), started.elapsed()));
        let mut summary = stage.domain.summary(&simulation);
        summary.extend(simulation.advice_summary());
        summary.extend(simulation.rights_summary());
        ran.comparison.push((name.to_owned(), summary));
        Ok(simulation.learned())
    }
}

/// Appends the tick's rows to their files and forgets them. Gives the transitions that learners told of learning from.
pub(super) fn write_tables(simulation: &mut Simulation, place: &str, folder: &mut RunFolder) -> Result<u64, AppError> {
    let learning = simulation.tables().get("learning").map(|table| table.numbers("transitions"));
    for table in simulation.tables().iter() {
        folder.append(place, table)?;
    }
    for (policy, space, rows) in simulation.recorded() {
        folder.append_transitions(policy, space, rows)?;
    }
    simulation.tables_mut().clear();
    simulation.clear_recorded();
    Ok(learning.unwrap_or_default().iter().sum::<f64>() as u64)
}
