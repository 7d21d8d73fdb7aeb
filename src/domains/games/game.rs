//! A game as the scenario declares it: its rules, its seats, what they may do and see.

use super::names::lasting;
use super::settings::{ClassicName, GameSettings, GamesSettings};
use crate::base::{ActionMenu, LegalActions, Space};
use crate::games::{Classic, GameError, NormalForm, Poker, Tree, profile_count};
use crate::scenario::{ScenarioError, Section};
use crate::sim::RoleSpace;

/// Most players of a game.
const PLAYERS_MAX: usize = 4;
/// Most actions of a player: a menu's.
const ACTIONS_MAX: usize = 64;
/// Most characters of an action's name.
const NAME_MAX: usize = 64;

/// What a reward consists of.
pub(super) const TERMS: [&str; 2] = ["payoff", "others"];
/// What one of each is worth unless a group says otherwise.
pub(super) const TERM_WEIGHTS: [f64; 2] = [1.0, 0.0];

/// How a game goes.
#[derive(Clone, Debug)]
pub(super) enum Rules {
    /// All choose at once.
    Matrix(NormalForm),
    /// Move by move, with cards.
    Cards(Poker),
}

/// A game.
#[derive(Clone, Debug)]
pub(super) struct Game {
    /// Its name in the scenario.
    pub name: &'static str,
    /// The roles of its players, in their order.
    pub roles: Vec<&'static str>,
    /// Names of what each player may do.
    pub actions: Vec<Vec<&'static str>>,
    /// How it goes.
    pub rules: Rules,
    /// Rounds of an episode.
    pub rounds: u32,
}

/// What is wrong at a key of a game's table, and what to do.
type Wrong = (String, String, String);

fn wrong(key: &str, what: impl Into<String>, help: impl Into<String>) -> Wrong {
    (key.to_owned(), what.into(), help.into())
}

/// An error of the floor below as one of this table.
fn refused(key: &str, error: &GameError) -> Wrong {
    let text = error.to_string();
    let (what, help) = text.split_once("\n\n").unwrap_or((&text, "see docs/domains/games.md"));
    wrong(key, what, help)
}

impl Game {
    /// All games of a scenario, by name.
    pub fn all(settings: &GamesSettings, section: &Section) -> Result<Vec<Self>, ScenarioError> {
        let games = settings.games.iter();
        games
            .map(|(name, game)| {
                Self::of(name, game).map_err(|(key, what, help)| {
                    let key = if key.is_empty() { format!("games.{name}") } else { format!("games.{name}.{key}") };
                    section.invalid(&key, format!("game \"{name}\": {what}"), help)
                })
            })
            .collect()
    }

    fn of(name: &str, given: &GameSettings) -> Result<Self, Wrong> {
        let fits = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
        if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
            return Err(wrong("", "roles are called after it", "call it by 1 to 40 of a-z, 0-9 and _"));
        }
        let read = from_file(given)?;
        let settings = read.as_ref().unwrap_or(given);
        let (rules, known) = rules(settings).map_err(|(key, what, help)| match read {
            Some(_) => ("path".to_owned(), format!("the file's {what}"), help),
            None => (key, what, help),
        })?;
        let players = match &rules {
            Rules::Matrix(game) => game.players(),
            Rules::Cards(_) => 2,
        };
        let seat = |player: usize| match (&rules, player) {
            (Rules::Matrix(game), 0) if game.players() == 2 => "row".to_owned(),
            (Rules::Matrix(game), _) if game.players() == 2 => "column".to_owned(),
            _ => format!("player_{}", player + 1),
        };
        let roles = (0..players).map(|player| lasting(&format!("{name}_{}", seat(player)))).collect();
        let actions = match (known, &rules) {
            (Some(known), _) => vec![known.to_vec(); players],
            (None, Rules::Matrix(game)) => names(settings.actions.as_deref(), game.actions())?,
            (None, Rules::Cards(poker)) => vec![poker.actions().to_vec(); players],
        };
        Ok(Self { name: lasting(name), roles, actions, rules, rounds: settings.rounds })
    }

    /// How many play.
    pub fn players(&self) -> usize {
        self.roles.len()
    }

    /// What a player sees and may do.
    pub fn role_space(&self, player: usize) -> RoleSpace {
        let features = match &self.rules {
            Rules::Cards(poker) => poker.features().to_vec(),
            Rules::Matrix(game) => {
                let others: &[&str] = match game.players() {
                    2 => &["other_last"],
                    3 => &["other_1_last", "other_2_last"],
                    _ => &["other_1_last", "other_2_last", "other_3_last"],
                };
                [&["round", "own_last"], others].concat()
            }
        };
        RoleSpace {
            role: self.roles[player],
            about: "a player of the game that its name begins with",
            space: Space::new(&features, ActionMenu::new(&self.actions[player])).with_terms(&TERMS),
            capabilities: &[],
            needs_llm: false,
        }
    }

    /// What a player of a game in normal form sees: the round from 0, and what it and the others did in the round before,
    /// as 1 more than the action's number, 0 in the first round.
    pub fn see(round: u32, last: Option<&[usize]>, player: usize, players: usize) -> Vec<f32> {
        let did = |one: usize| last.map_or(0.0, |actions| actions[one] as f32 + 1.0);
        let others = (0..players).filter(|other| *other != player);
        [round as f32, did(player)].into_iter().chain(others.map(did)).collect()
    }

    /// What is legal for a player of a game in normal form.
    pub fn legal(&self, player: usize) -> LegalActions {
        LegalActions::all(self.actions[player].len())
    }

    /// The game laid out, where it is one of cards.
    pub fn tree(&self) -> Option<Tree> {
        match &self.rules {
            Rules::Matrix(_) => None,
            Rules::Cards(poker) => Some(poker.tree()),
        }
    }

    /// What the payoffs are, in words, to one of two players; nothing for larger games and for cards, whose rules are no
    /// list.
    pub fn words(&self, player: usize) -> String {
        let Rules::Matrix(game) = &self.rules else { return String::new() };
        if game.players() != 2 || game.profiles() > 16 {
            return String::new();
        }
        let other = 1 - player;
        let lines = self.actions[player].iter().enumerate().map(|(own, name)| {
            let cells = self.actions[other].iter().enumerate().map(|(their, name)| {
                let profile = if player == 0 { [own, their] } else { [their, own] };
                format!("{} where the other plays {name}", game.payoffs(player)[game.index(&profile)])
            });
            format!("Playing {name} brings you {}.", cells.collect::<Vec<_>>().join(", "))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The settings with the payoffs of the file that they name; none where they name no file.
fn from_file(given: &GameSettings) -> Result<Option<GameSettings>, Wrong> {
    let Some(path) = &given.path else {
        return match given.entry {
            Some(_) => Err(wrong("entry", "`entry` means nothing without `path`", "take it out, or name a file")),
            None => Ok(None),
        };
    };
    let beside = [
        ("classic", given.classic.is_some()),
        ("A", given.a.is_some()),
        ("B", given.b.is_some()),
        ("zero_sum", given.zero_sum),
        ("payoffs", given.payoffs.is_some()),
        ("shape", given.shape.is_some()),
        ("actions", given.actions.is_some()),
    ];
    if let Some((key, _)) = beside.iter().find(|(_, there)| *there) {
        return Err(wrong(key, format!("`{key}` and `path` exclude each other"), "take one of them out"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        let help = "paths count from the folder in which the program is started; the file has to be UTF-8 text";
        wrong("path", format!("{path} cannot be read: {error}"), help)
    })?;
    let read = super::file::read(&text, given);
    read.map(Some).map_err(|problem| wrong("path", format!("{path} {problem}"), "docs/GAMES.md has the format"))
}

/// The largest payoff, either side of zero: the sum of a few still is a number in single precision.
const PAYOFF_MAX: f64 = 1e30;

/// The rules, and the names of the actions where the game is a classic.
fn rules(settings: &GameSettings) -> Result<(Rules, Option<&'static [&'static str]>), Wrong> {
    let given: Vec<&str> =
        [("classic", settings.classic.is_some()), ("A", settings.a.is_some()), ("payoffs", settings.payoffs.is_some())]
            .iter()
            .filter(|(_, given)| *given)
            .map(|(key, _)| *key)
            .collect();
    let help = "give `classic = \"NAME\"`, or `A` with `B` or `zero_sum = true`, or `payoffs` with `shape`";
    match given[..] {
        [] => return Err(wrong("", "it says nothing of its payoffs", help)),
        [_] => {}
        [first, second, ..] => {
            return Err(wrong(second, format!("`{first}` and `{second}` exclude each other"), "take one of them out"));
        }
    }
    let needless = |key: &str, there: bool, beside: &str| {
        if there { Err(wrong(key, format!("`{key}` means nothing beside `{beside}`"), "take it out")) } else { Ok(()) }
    };
    if let Some(name) = settings.classic {
        needless("B", settings.b.is_some(), "classic")?;
        needless("zero_sum", settings.zero_sum, "classic")?;
        needless("shape", settings.shape.is_some(), "classic")?;
        needless("actions", settings.actions.is_some(), "classic")?;
        return Ok(classic(name));
    }
    let game = if let Some(payoffs) = &settings.payoffs {
        needless("B", settings.b.is_some(), "payoffs")?;
        needless("zero_sum", settings.zero_sum, "payoffs")?;
        let Some(shape) = &settings.shape else {
            return Err(wrong(
                "",
                "`payoffs` without `shape`",
                "say how many actions each player has: `shape = [2, 2, 2]`",
            ));
        };
        profile_count(shape).map_err(|error| refused("shape", &error))?;
        NormalForm::new(shape.clone(), payoffs.clone()).map_err(|error| refused("payoffs", &error))?
    } else {
        needless("shape", settings.shape.is_some(), "A")?;
        two_players(settings)?
    };
    if !(2..=PLAYERS_MAX).contains(&game.players()) {
        let help = format!("give payoffs of 2 to {PLAYERS_MAX} players");
        return Err(wrong("payoffs", format!("it is a game of {}", game.players()), help));
    }
    if let Some(most) = game.actions().iter().find(|count| **count > ACTIONS_MAX) {
        let key = if settings.payoffs.is_some() { "shape" } else { "A" };
        return Err(wrong(key, format!("a player has {most} actions"), format!("a menu has at most {ACTIONS_MAX}")));
    }
    let largest =
        (0..game.players()).flat_map(|player| game.payoffs(player)).fold(0.0, |most: f64, one| most.max(one.abs()));
    if largest > PAYOFF_MAX {
        let key = if settings.payoffs.is_some() { "payoffs" } else { "A" };
        let help = format!("give payoffs of size at most {PAYOFF_MAX:e}: rewards are kept in single precision");
        return Err(wrong(key, format!("there is a payoff of size {largest:e}"), help));
    }
    Ok((Rules::Matrix(game), None))
}

fn classic(name: ClassicName) -> (Rules, Option<&'static [&'static str]>) {
    let name = match name {
        ClassicName::KuhnPoker => return (Rules::Cards(Poker::Kuhn), None),
        ClassicName::LeducPoker => return (Rules::Cards(Poker::Leduc), None),
        ClassicName::BattleOfTheSexes => "battle_of_the_sexes",
        ClassicName::Chicken => "chicken",
        ClassicName::Coordination => "coordination",
        ClassicName::MatchingPennies => "matching_pennies",
        ClassicName::PrisonersDilemma => "prisoners_dilemma",
        ClassicName::RockPaperScissors => "rock_paper_scissors",
        ClassicName::StagHunt => "stag_hunt",
    };
    let classic = Classic::named(name).expect("each name here is one of a classic");
    (Rules::Matrix(classic.game()), Some(classic.actions))
}

fn two_players(settings: &GameSettings) -> Result<NormalForm, Wrong> {
    let a = settings.a.as_deref().unwrap_or_default();
    let columns = a.first().map_or(0, Vec::len);
    if columns == 0 {
        return Err(wrong("A", "the matrix is empty", "give at least one row and one column"));
    }
    let even = |key: &str, matrix: &[Vec<f64>]| {
        if matrix.len() != a.len() {
            let what = format!("`{key}` has {} rows, `A` has {}", matrix.len(), a.len());
            return Err(wrong(key, what, format!("give {} rows of {columns} numbers", a.len())));
        }
        match matrix.iter().position(|row| row.len() != columns) {
            None => Ok(()),
            Some(row) => {
                let what = format!("row {row} of `{key}` has {} numbers where {columns} are needed", matrix[row].len());
                Err(wrong(&format!("{key}[{row}]"), what, "all rows of `A` and `B` have one length"))
            }
        }
    };
    even("A", a)?;
    let b: Vec<Vec<f64>> = match (&settings.b, settings.zero_sum) {
        (Some(_), true) => {
            return Err(wrong("B", "`B` and `zero_sum = true` exclude each other", "take one of them out"));
        }
        (None, false) => {
            let help = "give `B`, the payoffs of the column player, or `zero_sum = true`";
            return Err(wrong("A", "`A` alone says nothing of the column player", help));
        }
        (Some(b), false) => b.clone(),
        // The difference puts zeros right: there is no -0.
        (None, true) => a.iter().map(|row| row.iter().map(|value| 0.0 - value).collect()).collect(),
    };
    even("B", &b)?;
    NormalForm::bimatrix(a, &b).map_err(|error| match error {
        GameError::NotFinite { player: 1, .. } => refused("B", &error),
        error => refused("A", &error),
    })
}

fn names(given: Option<&[Vec<String>]>, counts: &[usize]) -> Result<Vec<Vec<&'static str>>, Wrong> {
    let Some(given) = given else {
        let numbered = |count: &usize| (0..*count).map(|action| lasting(&format!("action_{action}"))).collect();
        return Ok(counts.iter().map(numbered).collect());
    };
    let lengths: Vec<usize> = given.iter().map(Vec::len).collect();
    if lengths != counts {
        let what = format!("`actions` names {lengths:?} actions, the payoffs are for {counts:?}");
        return Err(wrong("actions", what, "name each action once, a list a player"));
    }
    for (player, names) in given.iter().enumerate() {
        for (place, name) in names.iter().enumerate() {
            let key = format!("actions[{player}][{place}]");
            if name.trim().is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
                let help = format!("give 1 to {NAME_MAX} characters on one line");
                return Err(wrong(&key, format!("{name:?} is no name for an action"), help));
            }
            if names[..place].contains(name) {
                let help = "give every action of a player its own name";
                return Err(wrong(&key, format!("\"{name}\" stands there twice"), help));
            }
        }
    }
    Ok(given.iter().map(|names| names.iter().map(|name| lasting(name)).collect()).collect())
}
