//! Who decides in the simulations of an audit: every policy as it is deployed, learning nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::deciders::Deciders;
use crate::app::error::AppError;
use crate::app::prepare::loaded;
use crate::app::stage::Stage;
use crate::base::{Action, Chance, DecisionBatch, Learner, Policy, PolicyError};
use crate::sim::{Mind, SimError};

/// The policies of a scenario, frozen.
pub struct Deciding {
    /// Those that simulations may share: written by hand, or learned already.
    shared: BTreeMap<String, Arc<dyn Policy>>,
    /// Those by which best responses are looked for; nobody decides by them but a deviating agent.
    responses: BTreeSet<String>,
}

/// Stands for a policy by which nobody decides.
struct Nobody;

impl Policy for Nobody {
    fn decide(&self, _: &DecisionBatch<'_>, _: &mut [Action]) -> Result<(), PolicyError> {
        Err(PolicyError::Other("a best response is not trained yet, and nobody decides by it".to_owned()))
    }
}

impl Deciding {
    /// Makes the scenario's policies.
    pub fn new(stage: &Stage<'_>) -> Result<Self, AppError> {
        let scenario = stage.scenario;
        let responses: BTreeSet<String> =
            scenario.agents.iter().filter_map(|group| scenario.best_response(&group.name)).map(str::to_owned).collect();
        for group in &scenario.agents {
            if let Some(name) = group.policies().find(|name| responses.contains(*name)) {
                let message =
                    format!("group \"{}\" decides by policy \"{name}\" itself, or is compared with it", group.name);
                let help = "give the best response a table of its own, [policy.NAME], that no group names";
                return Err(scenario.invalid("audit.best_response", message, help).into());
            }
        }
        let known = loaded(scenario)?;
        let mut shared = BTreeMap::new();
        for (name, mind) in stage.prepared.minds(scenario)? {
            let is_response = responses.contains(&name);
            match mind {
                Mind::Learning(_) if is_response => {}
                _ if is_response => {
                    let message = format!("policy \"{name}\" does not learn, so that it finds no best response");
                    let help = "name a policy of a kind that learns, such as \"dqn\" or \"q_learning\"";
                    return Err(scenario.invalid("audit.best_response", message, help).into());
                }
                Mind::Fixed(policy) => {
                    shared.insert(name, policy);
                }
                // One that has learned nothing draws its network from the chance it meets first: each simulation has its own.
                Mind::Learning(mut learner) if known.contains(&name) || learner.studies() => {
                    study(&name, scenario.seed, &mut *learner)?;
                    shared.insert(name, learner.deployed());
                }
                _ => {}
            }
        }
        Ok(Self { shared, responses })
    }

    /// The policies of one simulation; `response` takes its place among them under its name.
    pub fn frozen(&self, stage: &Stage<'_>, response: Option<(&str, Mind)>) -> Result<Deciders, AppError> {
        let scenario = stage.scenario;
        let known = |name: &String| self.shared.contains_key(name) || self.responses.contains(name);
        let mut own: BTreeMap<String, Mind> = if scenario.policies.keys().all(known) {
            BTreeMap::new()
        } else {
            stage.prepared.minds(scenario)?.into_iter().collect()
        };
        let mut response = response;
        let mut minds = Vec::new();
        for name in scenario.policies.keys() {
            let mind = if let Some((_, mind)) = response.take_if(|(wanted, _)| *wanted == name) {
                mind
            } else if self.responses.contains(name) {
                Mind::Fixed(Arc::new(Nobody))
            } else if let Some(policy) = self.shared.get(name) {
                Mind::Fixed(Arc::clone(policy))
            } else {
                match own.remove(name).expect("the scenario's policies were all made") {
                    Mind::Learning(learner) => Mind::Fixed(learner.deployed()),
                    other => other,
                }
            };
            minds.push((name.clone(), mind));
        }
        Deciders::new(scenario, minds)
    }

    /// The policy of this name, where it decides by numbers alone and is the same in every simulation.
    pub fn shared(&self, name: &str) -> Option<&Arc<dyn Policy>> {
        self.shared.get(name)
    }
}

/// One that learns from recordings does so before it decides.
pub fn study(name: &str, seed: u64, learner: &mut dyn Learner) -> Result<(), AppError> {
    let failed = |error| SimError::Learn { policy: name.to_owned(), error };
    learner.study(Chance::new(seed)).map_err(failed)?;
    Ok(())
}
