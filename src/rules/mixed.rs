//! Mixtures declared in the scenario: the first rule whose conditions hold says how likely each action is.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::Conditions;
use crate::base::{Action, DecisionBatch, LegalActions, Policy, PolicyError, Purpose, Space};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType, one_of};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "mixed",
    about: "the first rule whose conditions hold says how likely each action is: mixtures, tit for tat, a poker strategy",
    settings: SettingsType::of::<MixedSettings>(),
};

/// Settings of `kind = "mixed"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixedSettings {
    /// The rules, tried from the first to the last. Where none fits, every legal action is as likely as the others.
    pub rules: Vec<MixtureSettings>,
}

/// One rule.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixtureSettings {
    /// Conditions, all of which must hold: `"FEATURE OPERATOR NUMBER"` with one of `< <= > >= ==`. None: always.
    #[serde(default)]
    pub when: Vec<String>,
    /// How likely each action is, by its name in the menu; actions that are not named are never taken. Probabilities sum
    /// to 1. Where some are not legal, the others keep their proportions; where none is, the next rule is tried.
    pub play: BTreeMap<String, f64>,
}

impl Settings for MixedSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        for (index, rule) in self.rules.iter().enumerate() {
            for (name, probability) in &rule.play {
                if !(0.0..=1.0).contains(probability) {
                    let key = format!("rules[{index}].play.{name}");
                    return Err(section.invalid(
                        &key,
                        format!("{probability} is no probability"),
                        "give a number in [0, 1]",
                    ));
                }
            }
            let sum: f64 = rule.play.values().sum();
            if (sum - 1.0).abs() > 1e-6 {
                let key = format!("rules[{index}].play");
                let help = "let the probabilities of a rule sum to 1";
                return Err(section.invalid(&key, format!("the probabilities sum to {sum}"), help));
            }
        }
        Ok(())
    }
}

const DRAW: Purpose = Purpose::named("rules.mixed");

struct Mixed {
    /// Conditions, and a probability for each action of the menu.
    rules: Vec<(Conditions, Vec<f64>)>,
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Arc<dyn Policy>, ScenarioError> {
    let settings = section.settings::<MixedSettings>()?;
    let mut rules = Vec::new();
    for (index, rule) in settings.rules.iter().enumerate() {
        let mut mixture = vec![0.0; space.menu.len()];
        for (name, probability) in &rule.play {
            let Some(action) = space.menu.names.iter().position(|known| known == name) else {
                return Err(section.invalid(
                    &format!("rules[{index}].play.{name}"),
                    format!("agents with this policy have no action \"{name}\""),
                    one_of(name, &space.menu.names),
                ));
            };
            mixture[action] = *probability;
        }
        rules.push((Conditions::read(&rule.when, space, section, &format!("rules[{index}].when"))?, mixture));
    }
    Ok(Arc::new(Mixed { rules }))
}

impl Mixed {
    /// How likely each action of the menu is.
    fn probabilities(&self, features: &[f32], legal: LegalActions, menu: usize) -> Vec<f64> {
        let allowed = |mixture: &[f64]| legal.iter().map(|action| mixture[action.index()]).sum::<f64>();
        let fitting = self.rules.iter().find(|(when, mixture)| allowed(mixture) > 0.0 && when.hold(features));
        let mut probabilities = vec![0.0; menu];
        for action in legal.iter() {
            probabilities[action.index()] = match fitting {
                Some((_, mixture)) => mixture[action.index()] / allowed(mixture),
                None => 1.0 / f64::from(legal.count()),
            };
        }
        probabilities
    }
}

impl Policy for Mixed {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        for (row, action) in actions.iter_mut().enumerate() {
            let mixture = self.probabilities(decisions.row(row), decisions.legal[row], decisions.space.menu.len());
            *action = drawn(DRAW, decisions, row, &mixture);
        }
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, actions: &[Action]) -> Option<Vec<f64>> {
        let menu = decisions.space.menu.len();
        let likely = |row: usize| self.probabilities(decisions.row(row), decisions.legal[row], menu);
        Some(actions.iter().enumerate().map(|(row, action)| likely(row)[action.index()].ln()).collect())
    }
}

/// The action that a row draws from a mixture over its menu. Rounding may leave a crumb behind the last likely one.
pub(super) fn drawn(purpose: Purpose, decisions: &DecisionBatch<'_>, row: usize, mixture: &[f64]) -> Action {
    let mut left: f64 = decisions.chance.draw(purpose, decisions.tick, decisions.agents[row]).random();
    let mut last = Action(0);
    for (place, probability) in mixture.iter().enumerate().filter(|(_, probability)| **probability > 0.0) {
        last = Action(place as u16);
        left -= probability;
        if left < 0.0 {
            break;
        }
    }
    last
}
