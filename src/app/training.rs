//! `train`: a run whose aim is what is learned. Every now and then the policies are frozen and run in simulations of their
//! own; the best of them is kept beside the last.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::course::{Course, Ran, THIS_RUN, write_tables};
use super::deciders::Deciders;
use super::error::AppError;
use super::progress::RunBar;
use super::registry::minds;
use super::stage::{Rehearsal, Stage};
use crate::base::{Policy, PolicyFile};
use crate::record::{CheckpointRow, Column, RunFolder, Settled, Table, TableSpec, TrainingRow, Value};
use crate::rl::ALGORITHMS;
use crate::scenario::{Scenario, TRAIN_SEEDS_FROM, one_of};
use crate::sim::{Mind, Simulation};

/// What is measured where the scenario names nothing.
const RETURN: &str = "return";
/// The policy in a row that speaks of all together.
const ALL: &str = "all";

/// `evaluations.csv`.
#[must_use]
pub fn evaluation_columns() -> TableSpec {
    TableSpec {
        name: "evaluations",
        about: "what the frozen policies of a tick came to with one seed",
        columns: vec![
            Column::new("tick", "ticks", "ticks that had been learned from; 0: the policies as they began"),
            Column::new("policy", "", "name of the policy in the scenario; `all` for what the training is judged by"),
            Column::new("seed", "", "seed of the evaluation"),
            Column::new(
                "measure",
                "",
                "`return`, the mean return of the policy's episodes, or the scenario's `measure`",
            ),
            Column::new("value", "", "its value; empty where there is none"),
        ],
    }
}

/// The policies of a scenario that learn.
pub(super) fn learners(scenario: &Scenario) -> impl Iterator<Item = &str> {
    let learns = |kind: &str| ALGORITHMS.iter().any(|algorithm| algorithm.kind.name == kind);
    scenario.policies.iter().filter(move |(_, section)| learns(section.kind())).map(|(name, _)| name.as_str())
}

/// What was learned until a tick, and how good it was.
struct Checkpoint {
    tick: u64,
    value: Option<f64>,
    learned: BTreeMap<String, PolicyFile>,
}

/// Who evaluates what is learned, and says when it is enough.
struct Judge<'a> {
    stage: &'a Stage<'a>,
    /// The policies by which a group decides and which learn.
    learners: Vec<String>,
    best: Checkpoint,
    /// When the last evaluation was, and its value.
    last: (u64, Option<f64>),
    evaluations: u64,
    /// Evaluations since one was better than all before.
    without_improvement: u32,
    stopped: Option<&'static str>,
    took: Duration,
}

impl Course<'_> {
    /// Trains the scenario's policies.
    pub fn train(mut self) -> Result<Ran, AppError> {
        let Self { stage, folder, ran } = &mut self;
        let (scenario, options) = (stage.scenario, stage.options);
        let started = Instant::now();
        let voice = stage.voice("", folder)?;
        let deciders = Deciders::new(scenario, stage.prepared.minds(scenario)?)?;
        let mut simulation = stage.simulation(scenario, &voice, deciders, true)?;
        let mut judge = Judge::new(stage, &simulation)?;
        let mut bar = RunBar::new(scenario.ticks, options.quiet, "training", stage.domain.live());
        judge.evaluate(&simulation, ran, folder)?;
        bar.say(judge.words());
        let (mut transitions, mut ending) = (0, false);
        let played = stage.play(THIS_RUN, &voice, &mut simulation, &mut |simulation| {
            bar.advance(simulation);
            transitions += write_tables(simulation, "", folder)?;
            let done = simulation.tick().0;
            if !ending && (done.is_multiple_of(scenario.evaluate_every()) || simulation.is_over()) {
                judge.evaluate(simulation, ran, folder)?;
                bar.say(judge.words());
                if judge.stopped.is_some() && !simulation.is_over() {
                    // One tick more, so that what a run writes at its end is written.
                    simulation.end_after_next_tick();
                    ending = true;
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        drop(bar);
        let stopped = if played.stopped_by.is_some() { Some(BUDGET_SPENT) } else { judge.stopped };
        let Judge { best, last, evaluations, took, .. } = judge;
        ran.ticks_run = played.ticks;
        ran.transitions = transitions;
        ran.take("run", played);
        ran.phases.push(("run".to_owned(), started.elapsed().saturating_sub(took)));
        ran.phases.push(("evaluations".to_owned(), took));
        let mut summary = stage.domain.summary(&simulation);
        summary.extend(simulation.advice_summary());
        summary.extend(simulation.rights_summary());
        ran.comparison.push((THIS_RUN.to_owned(), summary));
        ran.checkpoint = simulation.learned();
        let row = |folder: &str, best, tick, value| CheckpointRow { folder: folder.to_owned(), best, tick, value };
        let value_at_end = (last.0 == ran.ticks_run).then_some(last.1).flatten();
        ran.training = Some(TrainingRow {
            measure: scenario.train.measure.clone().unwrap_or_else(|| RETURN.to_owned()),
            larger_is_better: scenario.train.larger_is_better,
            evaluations,
            seeds: seeds(scenario).map(|number| scenario.for_evaluation(number).seed).collect(),
            stopped: stopped.unwrap_or("the last tick").to_owned(),
            policies: vec![
                row("policies", true, best.tick, best.value),
                row("checkpoint", best.tick == ran.ticks_run, ran.ticks_run, value_at_end),
            ],
        });
        ran.learned = best.learned;
        Ok(self.ran)
    }
}

/// [`TrainingRow::stopped`] of a training that had to stop.
const BUDGET_SPENT: &str = "a language budget was spent";

/// How far the seeds of an evaluation lie from the scenario's own.
fn seeds(scenario: &Scenario) -> impl Iterator<Item = u64> + use<> {
    (0..u64::from(scenario.train.evaluate_seeds)).map(|number| TRAIN_SEEDS_FROM + number)
}

impl<'a> Judge<'a> {
    fn new(stage: &'a Stage<'a>, simulation: &Simulation) -> Result<Self, AppError> {
        let scenario = stage.scenario;
        let decides = |name: &&str| scenario.agents.iter().any(|group| group.policy == **name);
        let learners: Vec<String> = learners(scenario).filter(decides).map(str::to_owned).collect();
        if learners.is_empty() {
            let kinds: Vec<&str> = ALGORITHMS.iter().map(|algorithm| algorithm.kind.name).collect();
            let help = format!("give a group a policy of a kind that learns: {}", kinds.join(", "));
            return Err(scenario.invalid("policy", "no group decides by a policy that learns", help).into());
        }
        Ok(Self {
            stage,
            learners,
            best: Checkpoint { tick: 0, value: None, learned: simulation.learned() },
            last: (0, None),
            evaluations: 0,
            without_improvement: 0,
            stopped: None,
            took: Duration::ZERO,
        })
    }

    /// Runs what was learned so far with every seed, writes it down, and keeps it if nothing before was better.
    fn evaluate(&mut self, simulation: &Simulation, ran: &mut Ran, folder: &mut RunFolder) -> Result<(), AppError> {
        let started = Instant::now();
        let (stage, scenario, tick) = (self.stage, self.stage.scenario, simulation.tick().0);
        let variants: Vec<Scenario> = seeds(scenario).map(|further| scenario.for_evaluation(further)).collect();
        // A policy each: one that has learned nothing draws its network at its first decision, from the chance it meets
        // there, and seeds that are worked on side by side must not share that.
        let frozen: Vec<_> = variants.iter().map(|_| simulation.deployed()).collect();
        let rehearsals = stage.for_each(variants.len(), folder, |number, folder| {
            let variant = &variants[number];
            let place = format!("evaluations/{tick}/s{}/", variant.seed);
            stage.rehearse(variant, &place, frozen_deciders(variant, &frozen[number])?, folder)
        })?;
        let mut table = Table::new(evaluation_columns());
        let mut values = Vec::new();
        for (variant, rehearsal) in variants.iter().zip(rehearsals) {
            let value = self.judge(&rehearsal)?;
            let mut row = |policy: &str, measure: &str, value: Option<f64>| {
                table.push([tick.into(), policy.into(), variant.seed.into(), measure.into(), Value::from(value)]);
            };
            for name in &self.learners {
                row(name, RETURN, rehearsal.returns.get(name).and_then(crate::sim::EpisodeReturns::mean));
            }
            row(ALL, scenario.train.measure.as_deref().unwrap_or(RETURN), value);
            values.extend(value);
            if rehearsal.played.stopped_by.is_some() {
                self.stopped = Some(BUDGET_SPENT);
            }
            ran.take(&format!("evaluations/{tick}/s{}", variant.seed), rehearsal.played);
        }
        folder.append("", &table)?;
        // A seed without a value would change what the mean is of: all of them have one, or the evaluation has none.
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        self.settle(tick, (values.len() == variants.len()).then_some(mean), simulation);
        self.took += started.elapsed();
        Ok(())
    }

    /// The value of one simulation.
    fn judge(&self, rehearsal: &Rehearsal) -> Result<Option<f64>, AppError> {
        let scenario = self.stage.scenario;
        let Some(measure) = &scenario.train.measure else {
            let means: Option<Vec<f64>> = self
                .learners
                .iter()
                .map(|name| rehearsal.returns.get(name).and_then(crate::sim::EpisodeReturns::mean))
                .collect();
            return Ok(means.map(|means| means.iter().sum::<f64>() / means.len() as f64));
        };
        match rehearsal.summary.iter().find(|settled| settled.name == *measure) {
            Some(settled) => Ok(settled.number),
            None => Err(unknown_measure(scenario, measure, &rehearsal.summary)),
        }
    }

    fn settle(&mut self, tick: u64, value: Option<f64>, simulation: &Simulation) {
        let settings = &self.stage.scenario.train;
        let better = |one: f64, other: f64| if settings.larger_is_better { one > other } else { one < other };
        self.evaluations += 1;
        self.last = (tick, value);
        if self.stopped.is_some() {
            return;
        }
        let best = self.best.value;
        let improves = value.is_some_and(|value| best.is_none_or(|best| better(value, best)));
        // Of two that are equally good, the one that has learned longer.
        let holds = match (value, best) {
            (Some(value), Some(best)) => !better(best, value),
            (None, Some(_)) => false,
            _ => true,
        };
        if holds {
            self.best = Checkpoint { tick, value, learned: simulation.learned() };
        }
        self.without_improvement = if improves { 0 } else { self.without_improvement + 1 };
        if value.zip(settings.target).is_some_and(|(value, target)| !better(target, value)) {
            self.stopped = Some("the target was reached");
        } else if settings.patience > 0 && self.without_improvement >= settings.patience {
            self.stopped = Some("no improvement");
        }
    }

    /// Where the training stands, in words.
    fn words(&self) -> String {
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
        let Checkpoint { tick, value, .. } = &self.best;
        format!("evaluation {}, best {} at tick {tick}", shown(self.last.1), shown(*value))
    }
}

/// The scenario's policies, those that learn in their place as they are deployed.
fn frozen_deciders(scenario: &Scenario, frozen: &BTreeMap<String, Arc<dyn Policy>>) -> Result<Deciders, AppError> {
    let mut minds = minds(scenario)?;
    for (name, mind) in &mut minds {
        if let Some(policy) = frozen.get(name) {
            *mind = Mind::Fixed(Arc::clone(policy));
        }
    }
    Deciders::new(scenario, minds)
}

fn unknown_measure(scenario: &Scenario, measure: &str, summary: &[Settled]) -> AppError {
    let known: Vec<&str> = summary.iter().map(|settled| settled.name.as_str()).collect();
    let help = format!("{}; left away, it is the mean return of an episode", one_of(measure, &known));
    scenario.invalid("train.measure", format!("no measure of the summary is called {measure:?}"), help).into()
}
