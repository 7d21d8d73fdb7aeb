//! Any legal action, each as likely as the others.

use std::sync::Arc;

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Action, DecisionBatch, Policy, PolicyError, Purpose, Space};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "random",
    about: "any legal action, each as likely as the others",
    settings: SettingsType::of::<RandomSettings>(),
};

/// Settings of `kind = "random"`: none.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomSettings {}

impl Settings for RandomSettings {}

const DRAW: Purpose = Purpose::named("rules.random");

struct Random;

pub(super) fn build(section: &Section, _: &Space) -> Result<Arc<dyn Policy>, ScenarioError> {
    section.settings::<RandomSettings>()?;
    Ok(Arc::new(Random))
}

impl Policy for Random {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        for (row, action) in actions.iter_mut().enumerate() {
            let legal = decisions.legal[row];
            let mut draw = decisions.chance.draw(DRAW, decisions.tick, decisions.agents[row]);
            *action = legal.nth(draw.random_range(0..legal.count())).expect("below the count");
        }
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, _: &[Action]) -> Option<Vec<f64>> {
        Some(decisions.legal.iter().map(|legal| -f64::from(legal.count()).ln()).collect())
    }
}
