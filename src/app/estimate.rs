//! `run --estimate`: what a run will ask its language models, how long it will take and what it will cost.
//!
//! The whole run is tried in a folder for temporary files that goes afterwards, its contenders included. Each model is
//! asked its first requests in earnest and imitated from then on ([`super::pilot`]): calls, memory, budgets and the
//! time of everything but the models are those of a run that really took place.

use std::time::Instant;

use serde::Serialize;

use super::assets::{Assets, Progress};
use super::course::{Course, Ran};
use super::error::AppError;
use super::meter::Metered;
use super::prepare::{Preparation, Prepared};
use super::run::{RunOptions, pool_of};
use super::verify::Scratch;
use crate::base::LanguageUsage;
use crate::record::{BudgetRow, RunFolder};
use crate::scenario::Scenario;

/// What a run will take.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    /// The scenario's name.
    pub scenario: String,
    /// Ticks of the run and of all that it is compared with.
    pub ticks: u64,
    /// Seconds from start to end, on this machine with these threads.
    pub seconds: f64,
    /// Each language model.
    pub models: Vec<ModelEstimate>,
    /// Budgets that will be spent.
    pub budgets_spent: Vec<BudgetRow>,
    /// Requests that each model was asked in earnest for this, at most.
    pub pilot: u64,
}

/// What a run and all that it is compared with will take of one model.
#[derive(Clone, Debug, Serialize)]
pub struct ModelEstimate {
    /// Its name in the scenario.
    pub model: String,
    /// Requests of agents.
    pub calls: u64,
    /// Of these, equal to one of the same tick.
    pub deduplicated: u64,
    /// Of these, known from earlier ticks.
    pub remembered: u64,
    /// What the model itself answers.
    #[serde(flatten)]
    pub metered: Metered,
    /// What that costs at the scenario's `price_per_million_tokens`; `None` where it gives none.
    pub price: Option<f64>,
}

/// Tries a run, and asks each model about `pilot` requests in earnest for it. Of `options`, `out` is not used.
///
/// # Errors
/// As for the run itself.
pub fn estimate_scenario(
    scenario: &Scenario,
    assets: &Assets,
    progress: &mut dyn Progress,
    options: &RunOptions,
    pilot: u64,
) -> Result<Estimate, AppError> {
    let pool = pool_of(options.threads)?;
    let scratch = Scratch::new("estimate")?;
    let mut folder = RunFolder::create(&scratch.0, std::process::id())?;
    let stop = std::sync::Arc::clone(&options.stop);
    let mut preparation =
        Preparation { assets, progress, stop, pool: &pool, without_models: false, pilot: Some(pilot) };
    let started = Instant::now();
    let prepared = Prepared::new(scenario, &mut preparation)?;
    let course = Course::new(scenario, &prepared, options, &mut folder)?;
    let ran = pool.install(|| course.run_all())?;
    folder.close_tables()?;
    folder.sums()?;
    let metered = prepared.metered();
    let models: f64 = metered.iter().map(|(_, metered)| metered.seconds - metered.waited).sum();
    Ok(Estimate {
        scenario: scenario.name.clone(),
        ticks: ran.ticks,
        seconds: started.elapsed().as_secs_f64() + models,
        models: metered.into_iter().map(|(name, metered)| model_estimate(scenario, &ran, name, metered)).collect(),
        budgets_spent: ran.budgets_spent,
        pilot,
    })
}

fn model_estimate(scenario: &Scenario, ran: &Ran, model: String, metered: Metered) -> ModelEstimate {
    let mut usage = LanguageUsage::default();
    ran.language.iter().filter(|row| row.model == model).for_each(|row| usage.add(&row.usage));
    let price = metered.cost(scenario, &model);
    let LanguageUsage { calls, deduplicated, remembered, .. } = usage;
    ModelEstimate { model, calls, deduplicated, remembered, metered, price }
}
