//! From numbers to table rows: a state discretisation as a scenario declares it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Space;
use crate::scenario::{ScenarioError, Section, one_of};

/// One feature of the state of a tabular learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateFeature {
    /// Name of a number that the policy's agents see.
    pub feature: String,
    /// For a whole number 0, 1, …: how many values it takes; larger ones count as the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<u32>,
    /// For any number: rising edges; n edges make n + 1 bins, and a number on an edge belongs to the bin above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<Vec<f64>>,
}

enum Bins {
    Levels(u32),
    Edges(Vec<f64>),
}

/// Turns a row of features into a state number below [`Discretiser::states`].
pub struct Discretiser {
    parts: Vec<(usize, Bins)>,
    states: usize,
}

/// Most states of a table: 2²⁴ states of 10 actions are 1.3 GB.
const STATES_MAX: usize = 1 << 24;

impl Discretiser {
    /// The discretisation that `section` declares under `state`, for agents that see `space`.
    ///
    /// # Errors
    /// When a feature is unknown, has neither or both of `levels` and `edges`, or edges do not rise; when there would
    /// be more than 2²⁴ states.
    pub fn new(state: &[StateFeature], space: &Space, section: &Section) -> Result<Self, ScenarioError> {
        let mut parts = Vec::new();
        let mut states = 1_usize;
        for (index, part) in state.iter().enumerate() {
            let at = |key: &str| format!("state[{index}].{key}");
            let Some(column) = space.features.iter().position(|&name| name == part.feature) else {
                return Err(section.invalid(
                    &at("feature"),
                    format!("agents with this policy do not see a feature \"{}\"", part.feature),
                    one_of(&part.feature, &space.features),
                ));
            };
            let bins = match (&part.levels, &part.edges) {
                (Some(levels), None) if *levels >= 2 => Bins::Levels(*levels),
                (Some(_), None) => {
                    return Err(section.invalid(&at("levels"), "a feature needs at least 2 levels", "leave it out"));
                }
                (None, Some(edges)) => {
                    let rising = edges.windows(2).all(|pair| pair[0] < pair[1]);
                    if edges.is_empty() || !rising || edges.iter().any(|edge| !edge.is_finite()) {
                        return Err(section.invalid(
                            &at("edges"),
                            "edges must be finite numbers that rise",
                            "for example `edges = [0.4, 0.7]` for three bins",
                        ));
                    }
                    Bins::Edges(edges.clone())
                }
                _ => {
                    return Err(section.invalid(
                        &format!("state[{index}]"),
                        format!("feature \"{}\" needs either `levels` or `edges`", part.feature),
                        "`levels = 5` for a whole number 0 to 4, `edges = [0.4, 0.7]` for bins of any number",
                    ));
                }
            };
            let count = match &bins {
                Bins::Levels(levels) => *levels as usize,
                Bins::Edges(edges) => edges.len() + 1,
            };
            states = states.saturating_mul(count);
            parts.push((column, bins));
        }
        if states > STATES_MAX {
            return Err(section.invalid(
                "state",
                format!("{states} states are more than a table can hold ({STATES_MAX})"),
                "use fewer features, levels or edges",
            ));
        }
        Ok(Self { parts, states })
    }

    /// How many states there are.
    #[must_use]
    pub fn states(&self) -> usize {
        self.states
    }

    /// The state of a row of features; mixed radix, the first declared feature is the most significant.
    #[must_use]
    pub fn state(&self, features: &[f32]) -> usize {
        self.parts.iter().fold(0, |state, (column, bins)| {
            let value = f64::from(features[*column]);
            match bins {
                Bins::Levels(levels) => {
                    state * *levels as usize + (value.max(0.0).round() as usize).min(*levels as usize - 1)
                }
                Bins::Edges(edges) => state * (edges.len() + 1) + edges.partition_point(|&edge| edge <= value),
            }
        })
    }
}
