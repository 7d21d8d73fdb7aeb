//! What a run is compared with: the same customers, the same chance, another policy.

use std::collections::BTreeMap;

use super::error::AppError;
use super::prepare::Prepared;
use crate::base::{Chance, PolicyFile};
use crate::record::{Column, Settled, Table, TableSpec, Value};
use crate::scenario::Scenario;
use crate::sim::{Mind, SimError};

/// A policy that takes the place of a group's own.
pub struct Contender {
    /// Its name: a policy of the scenario, or `untrained`, `trained`.
    pub name: String,
    /// The policy whose place it takes.
    pub group_policy: String,
    /// The policy of the scenario that it is, whose advisor it has.
    pub policy: String,
    /// It.
    pub mind: Mind,
}

/// For every group with `compare`: each policy named there, and, where the group's own policy learns, that policy as
/// it was before the run and as it is after it, neither learning nor exploring any more. Where nothing was `learned` in
/// this run, because the policies were loaded, it is that policy as it would be without what was loaded.
///
/// # Errors
/// When a policy cannot be made.
pub fn contenders(
    scenario: &Scenario,
    prepared: &Prepared,
    learned: Option<&BTreeMap<String, PolicyFile>>,
) -> Result<Vec<Contender>, AppError> {
    let mut contenders = Vec::new();
    let several = scenario.agents.iter().filter(|group| !group.compare.is_empty()).count() > 1;
    for group in scenario.agents.iter().filter(|group| !group.compare.is_empty()) {
        let mut minds: BTreeMap<String, Mind> = prepared.minds(scenario)?.into_iter().collect();
        let prefix = if several { format!("{}-", group.name) } else { String::new() };
        let mut add = |name: &str, policy: &String, mind| {
            let (group_policy, policy) = (group.policy.clone(), policy.clone());
            contenders.push(Contender { name: format!("{prefix}{name}"), group_policy, policy, mind });
        };
        for name in &group.compare {
            // The group's own policy is needed below; named here, it is looked at and stays.
            let mind = match minds.get_mut(name) {
                Some(Mind::Fixed(policy)) => Mind::Fixed(policy.clone()),
                Some(Mind::Learning(learner)) => {
                    // One that learns from recordings has done so before it decides.
                    let failed = |error| SimError::Learn { policy: name.clone(), error };
                    learner.study(Chance::new(scenario.seed)).map_err(failed)?;
                    Mind::Fixed(learner.deployed())
                }
                _ => minds.remove(name).expect("a checked scenario names policies that there are"),
            };
            add(name, name, mind);
        }
        let Some(Mind::Learning(learner)) = minds.get_mut(&group.policy) else { continue };
        match learned {
            None => {
                let fresh = super::registry::minds(scenario)?.into_iter().find(|(name, _)| *name == group.policy);
                if let Some((_, Mind::Learning(fresh))) = fresh {
                    add("untrained", &group.policy, Mind::Fixed(fresh.deployed()));
                }
            }
            Some(learned) => {
                let Some(file) = learned.get(&group.policy) else { continue };
                add("untrained", &group.policy, Mind::Fixed(learner.deployed()));
                learner.load(file).map_err(|error| AppError::SavedPolicy {
                    policy: group.policy.clone(),
                    path: "the table just learned".into(),
                    problem: error.to_string(),
                })?;
                add("trained", &group.policy, Mind::Fixed(learner.deployed()));
            }
        }
    }
    Ok(contenders)
}

/// `comparison.csv`.
#[must_use]
pub fn comparison_spec() -> TableSpec {
    TableSpec {
        name: "comparison",
        about: "one measure of one contender",
        columns: vec![
            Column::new("contender", "", "`this run`, a policy of the scenario, `untrained` or `trained`"),
            Column::new("measure", "", "what is measured, as in the summary"),
            Column::new("value", "", "its value; shares as fractions; empty where there is none"),
        ],
    }
}

/// The contenders' summaries as rows.
#[must_use]
pub fn comparison_table(summaries: &[(String, Vec<Settled>)]) -> Table {
    let mut table = Table::new(comparison_spec());
    for (contender, summary) in summaries {
        for settled in summary {
            table.push([contender.as_str().into(), settled.name.as_str().into(), Value::from(settled.number)]);
        }
    }
    table
}
