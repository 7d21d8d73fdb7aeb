//! The arguments of `audit`, and what the scenario gets from them: everything that decides a byte stands in its table
//! `[audit]`, so that the folder alone says how to do it again.

use std::path::PathBuf;

use clap::Args;

use crate::app::cli::CommonArguments;
use crate::app::error::AppError;
use crate::app::prepare::load_scenario;
use crate::app::teach::with_policies;
use crate::scenario::{Override, Scenario};

/// Arguments of `audit`.
#[derive(Args)]
pub struct AuditArguments {
    /// The scenario file
    pub scenario: PathBuf,
    /// The train or run folder whose policies are audited [default: what each policy's `load` names]
    #[arg(long, value_name = "RUN")]
    pub policies: Option<PathBuf>,
    /// Refute by gains that are surely larger than this, whatever the scenario says
    #[arg(long, value_name = "GAIN")]
    pub epsilon: Option<f64>,
    /// Simulate every profile and deviation with so many seeds
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub seeds: Option<u32>,
    /// Train each best response for so many ticks; 0: none
    #[arg(long, value_name = "TICKS", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    pub budget: Option<u64>,
    /// Run each simulation for so many ticks
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub ticks: Option<u64>,
    /// Count the seeds from another one: they are this plus 2000000, 2000001, and so on
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Change any setting, for example audit.coalitions=2
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Put the audit folder into this folder
    #[arg(long, default_value = "results")]
    pub out: PathBuf,
    /// Write the outcome as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub common: CommonArguments,
}

impl AuditArguments {
    /// The scenario, with the policies to be audited as `load` in it, and a learner for each group that has none to look
    /// for its best response.
    pub fn scenario(&self) -> Result<Scenario, AppError> {
        let mut overrides = self.set.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>, _>>()?;
        overrides.extend(self.seed.map(Override::seed));
        let numbers = [
            ("epsilon", self.epsilon.map(|epsilon| format!("{epsilon:?}"))),
            ("seeds", self.seeds.map(|seeds| seeds.to_string())),
            ("budget", self.budget.map(|budget| budget.to_string())),
            ("ticks", self.ticks.map(|ticks| ticks.to_string())),
        ];
        for (key, value) in numbers {
            if let Some(value) = value {
                overrides.push(Override::parse(&format!("audit.{key}={value}"))?);
            }
        }
        let scenario = load_scenario(&self.scenario, &overrides)?;
        overrides.extend(own_learners(&scenario)?);
        let scenario = load_scenario(&self.scenario, &overrides)?;
        with_policies(scenario, &self.scenario, overrides, self.policies.as_deref())
    }
}

/// A deep Q-network for each group that is audited and names no learner: it takes any features, and exploration falls over
/// the first half of the budget.
fn own_learners(scenario: &Scenario) -> Result<Vec<Override>, AppError> {
    let settings = scenario.audit.clone().unwrap_or_default();
    let budget = scenario.audit_budget();
    let mut overrides = Vec::new();
    if scenario.audit.is_none() {
        overrides.push(Override::parse(&format!("audit.epsilon={:?}", settings.epsilon))?);
    }
    if budget == 0 {
        return Ok(overrides);
    }
    for group in scenario.agents.iter().filter(|group| settings.includes(&group.name) && group.count > 0) {
        if settings.best_response(&group.name).is_some() {
            continue;
        }
        let mut name = format!("response-{}", group.name);
        name.truncate(64);
        let half = (budget / 2).max(1);
        for setting in [
            "kind=\"dqn\"".to_owned(),
            format!("exploration_ticks={half}"),
            format!("learning_starts={}", (budget / 50).clamp(1, 1000)),
        ] {
            overrides.push(Override::parse(&format!("policy.{name}.{setting}"))?);
        }
        overrides.push(Override::parse(&format!("audit.best_response.{}=\"{name}\"", group.name))?);
    }
    Ok(overrides)
}
