//! What a group's agents are rewarded for, beyond what its world gives them: weights of terms, a share in a team, shaping.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a group's agents are rewarded for. Left away, it is what their world gives each for itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RewardSettings {
    /// What one of each term is worth, by the names that the role has for them. A term left away keeps the worth that the
    /// domain gives it; without any the reward is the domain's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub terms: BTreeMap<String, f64>,
    /// w: an agent gets (1 − w) of its own reward and w of the mean over its team, at every tick.
    #[serde(skip_serializing_if = "is_nothing")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub team: f64,
    /// The groups that make up the team; this one alone where it is left away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("uniqueItems" = true))]
    pub team_groups: Vec<String>,
    /// What learners get on top, to learn sooner; the best policy stays the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shaping: Option<ShapingSettings>,
}

impl RewardSettings {
    /// Whether the world's own reward is all there is.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn is_nothing(number: &f64) -> bool {
    *number == 0.0
}

/// Potential-based shaping: γ Φ(s′) − Φ(s) is added to what a learner sees as reward (Ng, Harada and Russell 1999).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ShapingSettings {
    /// γ; the learner's own where it is left away, and no other where the learner has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub discount: Option<f64>,
    /// Φ.
    pub potential: PotentialSettings,
}

/// Φ(s), the sum of a constant, of features times weights and of entries of tables. It is 0 after the end of an episode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PotentialSettings {
    /// What every state has.
    #[serde(skip_serializing_if = "is_nothing")]
    pub constant: f64,
    /// Weights of features, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub linear: BTreeMap<String, f64>,
    /// For a feature that counts from 0, by name, what each of its values has; larger values have the last entry.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub table: BTreeMap<String, Vec<f64>>,
}
