//! `evaluate`: frozen policies against the declared ones on the same seeds, with paired differences and intervals.

use std::time::Instant;

use serde::Serialize;

use super::comparison::contenders;
use super::course::{Course, Ran};
use super::deciders::Deciders;
use super::error::AppError;
use super::progress::RunBar;
use super::stage::{Rehearsal, Stage};
use super::training::learners;
use crate::base::{MeanInterval, mean_interval};
use crate::record::{Column, Settled, Table, TableSpec, Value};
use crate::scenario::{EVALUATE_SEEDS_FROM, Scenario};
use crate::sim::Mind;

/// How sure an interval is.
const LEVEL: f64 = 0.95;

/// One measure of one contender over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IntervalRow {
    /// What is measured.
    pub measure: String,
    /// Who.
    pub contender: String,
    /// Seeds with a value.
    pub seeds: usize,
    /// Their mean.
    pub mean: Option<f64>,
    /// Half the width of its 95% interval.
    pub half_width: Option<f64>,
    /// Seeds in which the first contender has a value too.
    pub pairs: usize,
    /// The mean of what the first contender has more than this one, seed by seed; `None` for the first itself.
    pub difference: Option<f64>,
    /// Half the width of its 95% interval.
    pub difference_half_width: Option<f64>,
}

/// `evaluation.csv`.
#[must_use]
pub fn seed_columns() -> TableSpec {
    TableSpec {
        name: "evaluation",
        about: "one measure of one contender with one seed",
        columns: vec![
            Column::new("seed", "", "the seed: customers, starts, luck, the same for all contenders"),
            Column::new("contender", "", "`trained`, a policy of the scenario, or `untrained`"),
            Column::new(
                "measure",
                "",
                "what is measured, as in the summary; `return of NAME` for a policy that learns",
            ),
            Column::new("value", "", "its value; shares as fractions; empty where there is none"),
        ],
    }
}

/// `intervals.csv`.
#[must_use]
pub fn interval_columns() -> TableSpec {
    TableSpec {
        name: "intervals",
        about: "one measure of one contender over all seeds",
        columns: vec![
            Column::new("measure", "", "what is measured"),
            Column::new("contender", "", "whose"),
            Column::new("seeds", "seeds", "seeds with a value"),
            Column::new("mean", "", "mean over them"),
            Column::new(
                "half_width",
                "",
                "half the width of the mean's 95% interval, by Student's t; empty below two seeds",
            ),
            Column::new("pairs", "seeds", "seeds in which the first contender has a value too"),
            Column::new("difference", "", "mean of what the first contender has more, seed by seed; empty for itself"),
            Column::new("difference_half_width", "", "half the width of the difference's 95% interval"),
        ],
    }
}

/// A contender of an evaluation: its name and all policies of its simulation.
type Entrant = (String, Deciders);

impl Course<'_> {
    /// Runs the frozen policies and what they are compared with on so many seeds.
    pub fn evaluate(mut self, seeds: u32) -> Result<Ran, AppError> {
        let Self { stage, folder, ran } = &mut self;
        let scenario = stage.scenario;
        let started = Instant::now();
        let further = (0..u64::from(seeds)).map(|number| EVALUATE_SEEDS_FROM + number);
        let variants: Vec<Scenario> = further.map(|further| scenario.for_evaluation(further)).collect();
        let bar = RunBar::over(u64::from(seeds), "seed", stage.options.quiet, "evaluating", &[]);
        let of_seeds = stage.for_each(variants.len(), folder, |number, folder| {
            let variant = &variants[number];
            let mut found: Vec<(String, Rehearsal)> = Vec::new();
            for (name, deciders) in entrants(stage)? {
                let place = format!("seeds/s{}/{name}/", variant.seed);
                found.push((name, stage.rehearse(variant, &place, deciders, folder)?));
            }
            bar.count();
            Ok(found)
        })?;
        drop(bar);
        let mut table = Table::new(seed_columns());
        let mut measured: Vec<Vec<(String, Vec<Settled>)>> = Vec::new();
        for (variant, found) in variants.iter().zip(of_seeds) {
            let mut contenders = Vec::new();
            for (name, rehearsal) in found {
                let summary = with_returns(scenario, &rehearsal);
                for Settled { name: measure, number, .. } in &summary {
                    table.push([
                        variant.seed.into(),
                        name.as_str().into(),
                        measure.as_str().into(),
                        Value::from(*number),
                    ]);
                }
                ran.take(&format!("seeds/s{}/{name}", variant.seed), rehearsal.played);
                contenders.push((name, summary));
            }
            measured.push(contenders);
        }
        folder.append("", &table)?;
        ran.intervals = intervals(&measured);
        folder.append("", &interval_table(&ran.intervals))?;
        ran.comparison = means(&measured, &ran.intervals);
        ran.ticks_run = scenario.evaluate_ticks();
        ran.seeds = variants.iter().map(|variant| variant.seed).collect();
        ran.phases.push(("evaluate".to_owned(), started.elapsed()));
        Ok(self.ran)
    }
}

/// Everybody who is run with each seed: the scenario's own policies first, as they are deployed; then the same with one
/// group's policy exchanged.
fn entrants(stage: &Stage<'_>) -> Result<Vec<Entrant>, AppError> {
    let Stage { scenario, prepared, .. } = stage;
    let own = || Deciders::new(scenario, frozen(prepared.minds(scenario)?));
    let first = if learners(scenario).next().is_some() { "trained" } else { "own" };
    let mut all = vec![(first.to_owned(), own()?)];
    for contender in contenders(scenario, prepared, None)? {
        let (name, mut deciders) = (contender.name.clone(), own()?);
        deciders.exchange(contender);
        all.push((name, deciders));
    }
    Ok(all)
}

fn frozen(minds: Vec<(String, Mind)>) -> Vec<(String, Mind)> {
    let freeze = |mind| match mind {
        Mind::Learning(learner) => Mind::Fixed(learner.deployed()),
        other => other,
    };
    minds.into_iter().map(|(name, mind)| (name, freeze(mind))).collect()
}

/// The summary, and behind it the mean return of each policy that learns and by which a group decides.
fn with_returns(scenario: &Scenario, rehearsal: &Rehearsal) -> Vec<Settled> {
    let decides = |name: &&str| scenario.agents.iter().any(|group| group.policy == **name);
    let returns = learners(scenario).filter(decides).map(|name| {
        let mean = rehearsal.returns.get(name).and_then(crate::sim::EpisodeReturns::mean);
        Settled::number(&format!("return of {name}"), mean)
    });
    rehearsal.summary.iter().cloned().chain(returns).collect()
}

/// The value of a measure in a summary.
fn value_of(summary: &[Settled], measure: &str) -> Option<f64> {
    summary.iter().find(|settled| settled.name == measure)?.number
}

/// For each measure of the first contender, each contender's mean and what the first has more.
fn intervals(measured: &[Vec<(String, Vec<Settled>)>]) -> Vec<IntervalRow> {
    let Some(seed) = measured.first() else { return Vec::new() };
    let mut rows = Vec::new();
    for Settled { name: measure, .. } in &seed[0].1 {
        for (place, (contender, _)) in seed.iter().enumerate() {
            let value = |seed: &Vec<(String, Vec<Settled>)>, place: usize| value_of(&seed[place].1, measure);
            let values: Vec<f64> = measured.iter().filter_map(|seed| value(seed, place)).collect();
            let pair = |seed| Some(value(seed, 0)? - value(seed, place)?);
            let more: Vec<f64> = if place == 0 { Vec::new() } else { measured.iter().filter_map(pair).collect() };
            let (own, difference) = (mean_interval(&values, LEVEL), mean_interval(&more, LEVEL));
            rows.push(IntervalRow {
                measure: measure.clone(),
                contender: contender.clone(),
                seeds: values.len(),
                mean: own.map(|own| own.mean),
                half_width: own.and_then(|own| own.half_width),
                pairs: more.len(),
                difference: difference.map(|MeanInterval { mean, .. }| mean),
                difference_half_width: difference.and_then(|difference| difference.half_width),
            });
        }
    }
    rows
}

fn interval_table(rows: &[IntervalRow]) -> Table {
    let mut table = Table::new(interval_columns());
    for row in rows {
        table.push([
            row.measure.as_str().into(),
            row.contender.as_str().into(),
            (row.seeds as u64).into(),
            Value::from(row.mean),
            Value::from(row.half_width),
            (row.pairs as u64).into(),
            Value::from(row.difference),
            Value::from(row.difference_half_width),
        ]);
    }
    table
}

/// Each contender's means, as a summary.
fn means(measured: &[Vec<(String, Vec<Settled>)>], rows: &[IntervalRow]) -> Vec<(String, Vec<Settled>)> {
    let Some(seed) = measured.first() else { return Vec::new() };
    let of = |(contender, _): &(String, Vec<Settled>)| {
        let own = rows.iter().filter(|row| row.contender == *contender);
        let settled = own.map(|row| {
            let shares = seed[0].1.iter().any(|settled| settled.name == row.measure && settled.shown.contains('%'));
            if shares { Settled::share(&row.measure, row.mean) } else { Settled::number(&row.measure, row.mean) }
        });
        (contender.clone(), settled.collect())
    };
    seed.iter().map(of).collect()
}
