//! What a scenario may set under `[domain]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::game::Game;
use crate::scenario::{ScenarioError, Section, Settings};

/// Settings of `kind = "games"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GamesSettings {
    /// Every how many ticks exploitability.csv, players.csv and play.csv get their rows; the play since the rows before is
    /// their window.
    #[serde(default = "default_record_every")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub record_every: u64,
    /// The games, each a `[domain.games.NAME]` table. The roles of game NAME are `NAME_row` and `NAME_column`, or
    /// `NAME_player_1`, `NAME_player_2`, … in games of more than two and in poker.
    pub games: BTreeMap<String, GameSettings>,
}

fn default_record_every() -> u64 {
    100
}

/// A game that needs no payoffs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassicName {
    /// Both win by meeting, each rather where it likes to be.
    BattleOfTheSexes,
    /// Who swerves loses face; who does not may lose more. Hawk and dove.
    Chicken,
    /// Both win by doing the same.
    Coordination,
    /// One wins by doing the same, the other by not.
    MatchingPennies,
    /// To defect pays whatever the other does, and both lose by it.
    PrisonersDilemma,
    /// Each of three beats one and loses to the other.
    RockPaperScissors,
    /// The stag needs both, the hare one.
    StagHunt,
    /// Three cards, one bet (Kuhn 1950).
    KuhnPoker,
    /// Six cards, two rounds of bets (Southey et al. 2005).
    LeducPoker,
}

/// A game: `classic`, or `A` with `B` or `zero_sum`, or `payoffs`, or the `path` of a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GameSettings {
    /// A game that everybody knows by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classic: Option<ClassicName>,
    /// What the row player gets: a list for each of its actions, with a number for each of the column player's.
    #[serde(default, rename = "A", skip_serializing_if = "Option::is_none")]
    pub a: Option<Vec<Vec<f64>>>,
    /// What the column player gets, in the same shape.
    #[serde(default, rename = "B", skip_serializing_if = "Option::is_none")]
    pub b: Option<Vec<Vec<f64>>>,
    /// The column player gets what the row player loses; instead of `B`.
    #[serde(default)]
    pub zero_sum: bool,
    /// What each of two to four players gets: a list a player with a number for every combination of actions, the last
    /// player's action changing fastest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payoffs: Option<Vec<Vec<f64>>>,
    /// With `payoffs`: how many actions each player has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<usize>>,
    /// Names of the actions, a list a player; `action_0`, `action_1`, … where they are left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<Vec<String>>>,
    /// A JSON file with the payoffs, of the format that `llmagentos game` reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// With `path`: which of the file's games, where it holds several by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Rounds of an episode in which players see what was done in the round before. A hand of poker is an episode of its
    /// own, whatever stands here.
    #[serde(default = "default_rounds")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rounds: u32,
}

fn default_rounds() -> u32 {
    1
}

impl Settings for GamesSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        if self.games.is_empty() {
            let help = "add one, for example `[domain.games.dilemma]` with `classic = \"prisoners_dilemma\"`";
            return Err(section.invalid("games", "there is no game to be played", help));
        }
        Game::all(self, section).map(|_| ())
    }
}
