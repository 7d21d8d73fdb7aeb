//! What a scenario may set under `[domain]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{ScenarioError, Section, Settings};

/// Settings of `kind = "reference"`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReferenceSettings {
    /// The pole on a cart; role `cart_pole`.
    pub cart_pole: CartPoleSettings,
    /// The way over a frozen lake; role `frozen_lake`.
    pub frozen_lake: FrozenLakeSettings,
    /// The way along a cliff; role `cliff_walking`.
    pub cliff_walking: CliffWalkingSettings,
    /// The taxi; role `taxi`.
    pub taxi: TaxiSettings,
    /// The coordination game; role `coordination`.
    pub coordination: CoordinationSettings,
    /// The bar; role `bar`.
    pub bar: BarSettings,
    /// The hilly road; role `road`.
    pub road: RoadSettings,
    /// The cue to be remembered; role `recall`.
    pub recall: RecallSettings,
    /// The pool that a team shares; role `resource_sharing`.
    pub resource_sharing: ResourceSharingSettings,
}

/// `CartPole-v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CartPoleSettings {
    /// Steps after which an episode is cut off; 0: never.
    pub time_limit: u32,
}

/// The map of a lake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LakeMap {
    /// Four by four places.
    #[default]
    #[serde(rename = "4x4")]
    Four,
    /// Eight by eight places.
    #[serde(rename = "8x8")]
    Eight,
}

/// `FrozenLake-v1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FrozenLakeSettings {
    /// The map.
    pub map: LakeMap,
    /// Whether one slips: one goes the way one wants, or to either side of it, each with probability 1/3.
    pub slippery: bool,
    /// Steps after which an episode is cut off; 0: never. 100 is usual for the small lake, 200 for the large one.
    pub time_limit: u32,
}

/// `CliffWalking-v1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CliffWalkingSettings {
    /// Steps after which an episode is cut off; 0: never, as published.
    pub time_limit: u32,
}

/// `Taxi-v4`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaxiSettings {
    /// Steps after which an episode is cut off; 0: never.
    pub time_limit: u32,
    /// Forbid what would change nothing: driving into a wall, picking up nobody, setting down nobody or nowhere.
    pub masked: bool,
}

/// A repeated game of two with one payoff for both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CoordinationSettings {
    /// Rounds of an episode.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rounds: u32,
    /// What both get: row by one's own choice of the one, column by that of the other. At first the climbing game of
    /// Claus and Boutilier (1998).
    pub payoff: [[f64; 3]; 3],
}

/// The bar problem of Wolpert and Tumer (2002). All agents of role `bar` go to one bar, and every tick is an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BarSettings {
    /// c: with how many guests a night is worth most.
    #[schemars(range(min = 0.1, max = 1e6))]
    pub capacity: f64,
}

/// A lorry on a hilly road.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoadSettings {
    /// Steps after which an episode is cut off; 0: never.
    pub time_limit: u32,
}

impl Default for BarSettings {
    fn default() -> Self {
        Self { capacity: 6.0 }
    }
}

/// A cue that is shown once and asked for later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecallSettings {
    /// Steps from the cue to the question, at most: an episode draws from 1 to this, each as likely.
    #[schemars(range(min = 1, max = 1000))]
    pub delay: u32,
}

impl Default for RecallSettings {
    fn default() -> Self {
        Self { delay: 6 }
    }
}

/// A pool that a team shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceSharingSettings {
    /// Agents of a team.
    #[schemars(range(min = 2, max = 4))]
    pub team: u32,
    /// Rounds of an episode.
    #[schemars(range(min = 1, max = 10_000))]
    pub rounds: u32,
    /// Units that the pool holds at most, and at first.
    #[schemars(range(min = 1, max = 64))]
    pub capacity: u32,
    /// Units that regrow in a round: with less than half of the pool left, and with half or more.
    pub regrowth: [u32; 2],
    /// What a unit is worth at low, middling and high need; each is as likely, for each agent and round.
    pub needs: [f64; 3],
    /// How far the price lies above or below 1, in [0, 1]; nobody who takes sees it.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub price_swing: f64,
    /// Probability that the price changes sides from one round to the next.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub price_change: f64,
}

impl Default for CartPoleSettings {
    fn default() -> Self {
        Self { time_limit: 500 }
    }
}

impl Default for FrozenLakeSettings {
    fn default() -> Self {
        Self { map: LakeMap::Four, slippery: true, time_limit: 100 }
    }
}

impl Default for TaxiSettings {
    fn default() -> Self {
        Self { time_limit: 200, masked: false }
    }
}

impl Default for CoordinationSettings {
    fn default() -> Self {
        Self { rounds: 10, payoff: [[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]] }
    }
}

impl Default for ResourceSharingSettings {
    fn default() -> Self {
        Self {
            team: 4,
            rounds: 16,
            capacity: 6,
            regrowth: [1, 2],
            needs: [0.2, 1.0, 3.0],
            price_swing: 0.8,
            price_change: 0.2,
        }
    }
}

impl Settings for ReferenceSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        if self.resource_sharing.needs.iter().any(|need| !(need.is_finite() && need.abs() <= 1e6)) {
            let help = "give numbers in [−1000000, 1000000]";
            return Err(section.invalid("resource_sharing.needs", "a need is no number that can be summed", help));
        }
        if self.resource_sharing.regrowth.iter().any(|&units| units > 64) {
            let problem = "a pool of at most 64 units cannot regrow by more";
            return Err(section.invalid("resource_sharing.regrowth", problem, "give numbers in [0, 64]"));
        }
        if self.coordination.payoff.iter().flatten().any(|payoff| !(payoff.is_finite() && payoff.abs() <= 1e6)) {
            let help = "give numbers in [−1000000, 1000000]";
            return Err(section.invalid("coordination.payoff", "a payoff is no number that can be summed", help));
        }
        Ok(())
    }
}
