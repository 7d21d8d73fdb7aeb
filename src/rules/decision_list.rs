//! A decision list (Rivest 1987): the first rule whose conditions all hold, and whose action is legal, decides.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::Conditions;
use crate::base::{Action, DecisionBatch, Policy, PolicyError, Space};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType, one_of};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "decision_list",
    about: "the first rule whose conditions hold and whose action is legal decides (Rivest 1987)",
    settings: SettingsType::of::<DecisionListSettings>(),
};

/// Settings of `kind = "decision_list"`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionListSettings {
    /// The rules, tried from the first to the last. Where none fits, the lowest legal action of the menu is taken.
    pub rules: Vec<RuleSettings>,
}

/// One rule.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSettings {
    /// Conditions, all of which must hold: `"FEATURE OPERATOR NUMBER"` with one of `< <= > >= ==`. None: always.
    #[serde(default)]
    pub when: Vec<String>,
    /// The action, by its name in the menu.
    pub act: String,
}

impl Settings for DecisionListSettings {}

struct DecisionList {
    rules: Vec<(Conditions, Action)>,
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Arc<dyn Policy>, ScenarioError> {
    let settings = section.settings::<DecisionListSettings>()?;
    let mut rules = Vec::new();
    for (index, rule) in settings.rules.iter().enumerate() {
        let Some(action) = space.menu.names.iter().position(|&name| name == rule.act) else {
            return Err(section.invalid(
                &format!("rules[{index}].act"),
                format!("agents with this policy have no action \"{}\"", rule.act),
                one_of(&rule.act, &space.menu.names),
            ));
        };
        let conditions = Conditions::read(&rule.when, space, section, &format!("rules[{index}].when"))?;
        rules.push((conditions, Action(action as u16)));
    }
    Ok(Arc::new(DecisionList { rules }))
}

impl Policy for DecisionList {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        for (row, action) in actions.iter_mut().enumerate() {
            let (features, legal) = (decisions.row(row), decisions.legal[row]);
            *action = self
                .rules
                .iter()
                .find(|(conditions, action)| legal.allows(*action) && conditions.hold(features))
                .map_or_else(|| legal.nth(0).expect("never empty"), |&(_, action)| action);
        }
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, _: &[Action]) -> Option<Vec<f64>> {
        Some(vec![0.0; decisions.agents.len()])
    }
}
