//! Potential-based shaping: a learner sees r + γ Φ(s′) − Φ(s) instead of r, and the best policy stays the best (Ng, Harada
//! and Russell 1999, theorem 1). Φ is 0 after the end of an episode; one that was cut off counts as what was seen last in it.

use crate::base::{Outcome, Space};
use crate::scenario::{PotentialSettings, Scenario, ScenarioError, one_of};

/// Φ, over the features of one role.
#[derive(Clone, Debug, PartialEq)]
pub struct Potential {
    constant: f64,
    /// (feature, weight), by the features' names.
    linear: Vec<(usize, f64)>,
    /// (feature, what each value has), by the features' names.
    tables: Vec<(usize, Vec<f64>)>,
}

impl Potential {
    /// Φ as declared for this role.
    ///
    /// # Errors
    /// The key below `potential` that does not fit, and why not: a name that is no feature (with what it might be), or a
    /// table without an entry.
    pub fn new(settings: &PotentialSettings, space: &Space) -> Result<Self, PotentialError> {
        let place = |part: &str, name: &str| {
            space.features.iter().position(|&known| known == name).ok_or_else(|| PotentialError {
                key: format!("{part}.{name}"),
                problem: format!("there is no feature \"{name}\""),
                help: one_of(name, &space.features),
            })
        };
        let mut potential = Self { constant: settings.constant, linear: Vec::new(), tables: Vec::new() };
        for (name, &weight) in &settings.linear {
            potential.linear.push((place("linear", name)?, weight));
        }
        for (name, entries) in &settings.table {
            if entries.is_empty() {
                let (key, problem) = (format!("table.{name}"), "a table needs an entry".to_owned());
                return Err(PotentialError { key, problem, help: "give one for each value of the feature".to_owned() });
            }
            potential.tables.push((place("table", name)?, entries.clone()));
        }
        Ok(potential)
    }

    /// Φ(s) of what is seen in s: one number a feature.
    #[must_use]
    pub fn of(&self, features: &[f32]) -> f64 {
        let linear: f64 = self.linear.iter().map(|&(feature, weight)| weight * f64::from(features[feature])).sum();
        let entry = |(feature, entries): &(usize, Vec<f64>)| {
            // A negative number and one that is none count as 0.
            entries[(features[*feature].round() as usize).min(entries.len() - 1)]
        };
        self.constant + linear + self.tables.iter().map(entry).sum::<f64>()
    }

    /// γ Φ(s′) − Φ(s), in the unit of rewards; `next` is what is seen in s′.
    #[must_use]
    pub fn added(&self, discount: f64, features: &[f32], next: &[f32], outcome: Outcome) -> f64 {
        let future = if outcome == Outcome::Terminated { 0.0 } else { discount * self.of(next) };
        future - self.of(features)
    }
}

/// Why a potential cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {problem}; {help}")]
pub struct PotentialError {
    /// The key below `potential`.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub help: String,
}

/// The shaping of one group.
#[derive(Clone, Debug)]
pub(super) struct Shaping {
    pub potential: Potential,
    pub discount: f64,
}

impl Shaping {
    /// As a group declares it, for a policy whose learner discounts by `learners`.
    ///
    /// # Errors
    /// When Φ names no feature, or the discount is not the learner's: the best policy would not stay the best.
    pub fn new(
        scenario: &Scenario,
        group: &crate::scenario::AgentGroup,
        space: &Space,
        learners: Option<f64>,
    ) -> Result<Option<Self>, ScenarioError> {
        let Some(settings) = &group.reward.shaping else { return Ok(None) };
        let at = |key: &str| format!("agents.{}.reward.shaping.{key}", group.name);
        let potential = Potential::new(&settings.potential, space)
            .map_err(|error| scenario.invalid(&at(&format!("potential.{}", error.key)), error.problem, error.help))?;
        let discount = match (settings.discount, learners) {
            (Some(own), Some(learners)) if own.to_bits() != learners.to_bits() => {
                return Err(scenario.invalid(
                    &at("discount"),
                    format!("shaping discounts by {own}, but policy \"{}\" by {learners}", group.policy),
                    "leave it away: the learner's own is taken",
                ));
            }
            (Some(discount), _) | (None, Some(discount)) => discount,
            (None, None) => {
                let problem = format!("policy \"{}\" does not say by what it discounts", group.policy);
                return Err(scenario.invalid(&at("discount"), problem, "name the `discount` of the learner's target"));
            }
        };
        Ok(Some(Self { potential, discount }))
    }
}
