//! A decision list (Rivest 1987): the first rule whose conditions all hold, and whose action is legal, decides.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

#[derive(Clone, Copy)]
enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
}

struct Condition {
    feature: usize,
    operator: Operator,
    number: f32,
}

impl Condition {
    fn holds(&self, features: &[f32]) -> bool {
        let value = features[self.feature];
        match self.operator {
            Operator::Less => value < self.number,
            Operator::LessOrEqual => value <= self.number,
            Operator::Greater => value > self.number,
            Operator::GreaterOrEqual => value >= self.number,
            #[expect(clippy::float_cmp, reason = "features such as counts and flags are whole numbers")]
            Operator::Equal => value == self.number,
        }
    }
}

struct DecisionList {
    rules: Vec<(Vec<Condition>, Action)>,
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
        let conditions = rule
            .when
            .iter()
            .enumerate()
            .map(|(place, text)| parse_condition(text, space, section, &format!("rules[{index}].when[{place}]")))
            .collect::<Result<_, _>>()?;
        rules.push((conditions, Action(action as u16)));
    }
    Ok(Arc::new(DecisionList { rules }))
}

fn parse_condition(text: &str, space: &Space, section: &Section, at: &str) -> Result<Condition, ScenarioError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let &[feature, operator, number] = words.as_slice() else {
        return Err(section.invalid(
            at,
            format!("\"{text}\" is not a condition"),
            "write FEATURE OPERATOR NUMBER with spaces between, for example \"confidence >= 0.5\"",
        ));
    };
    let Some(column) = space.features.iter().position(|&name| name == feature) else {
        return Err(section.invalid(
            at,
            format!("agents with this policy do not see a feature \"{feature}\""),
            one_of(feature, &space.features),
        ));
    };
    let operator = match operator {
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "==" => Operator::Equal,
        other => {
            return Err(section.invalid(at, format!("\"{other}\" is not an operator"), "use < <= > >= or =="));
        }
    };
    let number: f32 = number.parse().ok().filter(|number: &f32| number.is_finite()).ok_or_else(|| {
        section.invalid(at, format!("\"{number}\" is not a number"), "compare with a number, for example 0.5")
    })?;
    Ok(Condition { feature: column, operator, number })
}

impl Policy for DecisionList {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        for (row, action) in actions.iter_mut().enumerate() {
            let (features, legal) = (decisions.row(row), decisions.legal[row]);
            *action = self
                .rules
                .iter()
                .find(|(conditions, action)| {
                    legal.allows(*action) && conditions.iter().all(|condition| condition.holds(features))
                })
                .map_or_else(|| legal.nth(0).expect("never empty"), |&(_, action)| action);
        }
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, _: &[Action]) -> Option<Vec<f64>> {
        Some(vec![0.0; decisions.agents.len()])
    }
}
