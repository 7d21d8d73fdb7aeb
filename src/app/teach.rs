//! The arguments of `train` and `evaluate`, and the policies of an earlier folder that they begin with.

use std::path::{Path, PathBuf};

use clap::Args;

use super::cli::{CommonArguments, ScenarioArguments};
use super::error::AppError;
use super::prepare::load_scenario;
use super::training::learners;
use crate::scenario::{Override, Scenario};

/// Arguments of `train`.
#[derive(Args)]
pub(super) struct TrainArguments {
    #[command(flatten)]
    pub scenario: ScenarioArguments,
    /// Put the train folder into this folder
    #[arg(long, default_value = "results")]
    pub out: PathBuf,
    /// Go on learning from what stands in checkpoint/ of this train folder
    #[arg(long, value_name = "RUN")]
    pub resume: Option<PathBuf>,
    /// Write the outcome as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub common: CommonArguments,
}

/// Arguments of `evaluate`.
#[derive(Args)]
pub(super) struct EvaluateArguments {
    /// The scenario file
    pub scenario: PathBuf,
    /// The train or run folder whose policies are evaluated [default: what each policy's `load` names]
    #[arg(long, value_name = "RUN")]
    pub policies: Option<PathBuf>,
    /// Run every contender with so many seeds
    #[arg(long, default_value_t = 20, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub seeds: u32,
    /// Count the seeds from another one: they are this plus 2000000, 2000001, and so on
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Run each simulation for so many ticks, whatever the scenario says of evaluations
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub ticks: Option<u64>,
    /// Change any setting, for example agents.service.count=12
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Put the evaluation folder into this folder
    #[arg(long, default_value = "results")]
    pub out: PathBuf,
    /// Write the outcome as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub common: CommonArguments,
}

impl TrainArguments {
    /// The scenario, with what is resumed as `load` in it.
    pub fn scenario(&self) -> Result<Scenario, AppError> {
        let overrides = self.scenario.overrides()?;
        let scenario = load_scenario(&self.scenario.scenario, &overrides)?;
        match &self.resume {
            None => Ok(scenario),
            Some(run) => starting_from(&scenario, &self.scenario.scenario, overrides, run, "checkpoint"),
        }
    }
}

impl EvaluateArguments {
    /// The scenario, with the policies to be evaluated as `load` in it.
    pub fn scenario(&self) -> Result<Scenario, AppError> {
        let mut overrides = self.set.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>, _>>()?;
        overrides.extend(self.seed.map(Override::seed));
        if let Some(ticks) = self.ticks {
            overrides.push(Override::parse(&format!("train.evaluate_ticks={ticks}"))?);
        }
        let scenario = load_scenario(&self.scenario, &overrides)?;
        with_policies(scenario, &self.scenario, overrides, self.policies.as_deref())
    }
}

/// The scenario with what the folder `run` holds of its policies, or, without one, as it is where each policy that learns
/// and decides for a group has something to `load`.
pub(super) fn with_policies(
    scenario: Scenario,
    path: &Path,
    overrides: Vec<Override>,
    run: Option<&Path>,
) -> Result<Scenario, AppError> {
    if let Some(run) = run {
        return starting_from(&scenario, path, overrides, run, "policies");
    }
    let loads = super::prepare::loaded(&scenario)?;
    let own = |name: &&str| scenario.agents.iter().any(|group| group.policy == **name);
    let without = learners(&scenario).filter(own).find(|name| !loads.contains(*name)).map(str::to_owned);
    match without {
        None => Ok(scenario),
        Some(name) => {
            let message = format!("policy \"{name}\" learns, and nothing says what it has learned");
            let help =
                "name a folder that `llmagentos train` or `run` wrote with --policies, or give the policy `load`";
            Err(scenario.invalid(&format!("policy.{name}"), message, help).into())
        }
    }
}

/// The names of the policies that a folder holds.
pub(super) fn policies_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".safetensors").map(str::to_owned);
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names
}

/// What a folder holds, in words.
pub(super) fn listing(policies: &[String]) -> String {
    match policies {
        [] => "no saved policies".to_owned(),
        names => format!("the policies {}", names.join(", ")),
    }
}

/// The scenario with `load` of every policy that learns set to what `place` inside the run's folder holds of it. The
/// policies by which groups decide have to be there.
fn starting_from(
    scenario: &Scenario,
    path: &Path,
    mut overrides: Vec<Override>,
    run: &Path,
    place: &str,
) -> Result<Scenario, AppError> {
    let folder = run.join(place);
    let unusable = |problem: String| AppError::File {
        path: run.to_owned(),
        problem,
        help: match place {
            "checkpoint" => "name a folder that `llmagentos train` printed",
            _ => "name a folder that `llmagentos train` or `llmagentos run` printed",
        }
        .to_owned(),
    };
    if !run.is_dir() {
        let problem = if run.exists() { "is a file, not a folder" } else { "there is no such folder" };
        return Err(unusable(problem.to_owned()));
    }
    let found = policies_in(&folder);
    if found.is_empty() {
        return Err(unusable(format!("holds no {place}/NAME.safetensors")));
    }
    // Whoever looks for a best response begins with nothing.
    let responds = |name: &str| scenario.agents.iter().any(|group| scenario.best_response(&group.name) == Some(name));
    for name in learners(scenario).filter(|name| !responds(name)) {
        if !found.iter().any(|found| found == name) {
            let needed = scenario.agents.iter().any(|group| group.policy == name);
            if needed {
                return Err(unusable(format!(
                    "its {place}/ has no {name}.safetensors for the scenario's policy \"{name}\", only {}",
                    listing(&found)
                )));
            }
            continue;
        }
        let file = folder.join(format!("{name}.safetensors"));
        let source = if place == "policies" { run } else { &file };
        let Some(source) = source.to_str() else {
            return Err(unusable("its path is not UTF-8, and a scenario is".to_owned()));
        };
        let quoted = serde_json::to_string(source).expect("a text");
        overrides.push(Override::parse(&format!("policy.{name}.load={quoted}"))?);
    }
    load_scenario(path, &overrides)
}
