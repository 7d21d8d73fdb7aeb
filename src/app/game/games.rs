//! Games from files, and those that are built in.

use std::path::Path;

use serde_json::{Map, Value};

use super::read::{Problem, check_keys, kind, list, load, need, numbers, suggest, text, whole};
use crate::games::{Classic, NormalForm, Profile, profile_count};

/// Games that need no file.
pub const BUILT_IN: [&str; 9] = [
    "kuhn",
    "leduc",
    "battle-of-sexes",
    "chicken",
    "coordination",
    "matching-pennies",
    "prisoners-dilemma",
    "rock-paper-scissors",
    "stag-hunt",
];

/// Of those the ones in extensive form.
pub const EXTENSIVE: [&str; 2] = ["kuhn", "leduc"];

const KEYS: [&str; 8] = ["A", "B", "zero_sum", "payoffs", "shape", "actions", "start", "extreme_equilibria"];

/// A game with the names of its actions, where play starts, and what the file expects of the answer.
pub struct NamedGame {
    pub game: NormalForm,
    pub names: Vec<Vec<String>>,
    pub start: Option<Profile>,
    pub expected: Map<String, Value>,
}

impl NamedGame {
    /// Names of a profile's actions.
    pub fn profile(&self, index: usize) -> Vec<&str> {
        self.game.profile(index).into_iter().zip(&self.names).map(|(action, names)| names[action].as_str()).collect()
    }
}

/// The built-in game of this name, or the one in the file.
pub fn normal_form(path: &Path, entry: Option<&str>) -> Result<NamedGame, Problem> {
    let name = path.to_str().unwrap_or_default();
    if EXTENSIVE.contains(&name) {
        return Err(Problem::new(
            "this game is in extensive form: its normal form is out of reach",
            format!("approach its equilibrium: llmagentos game play {name} --method cfr+"),
        ));
    }
    if let Some(object) = built_in(name) {
        return parse(&object);
    }
    if !path.exists() {
        return Err(Problem::new(
            "there is no such file, and no such game is built in",
            suggest(name, BUILT_IN.into_iter()),
        ));
    }
    parse(&load(path, entry)?)
}

fn built_in(name: &str) -> Option<Map<String, Value>> {
    let classic = match name {
        "battle-of-sexes" => Classic::named("battle_of_the_sexes"),
        name if BUILT_IN.contains(&name) => Classic::named(&name.replace('-', "_")),
        _ => None,
    }?;
    let matrix = |payoffs: &[f64]| payoffs.chunks(classic.actions.len()).map(<[f64]>::to_vec).collect::<Vec<_>>();
    let value = serde_json::json!({
        "A": matrix(classic.rows), "B": matrix(classic.columns), "actions": [classic.actions, classic.actions],
    });
    value.as_object().cloned()
}

fn parse(object: &Map<String, Value>) -> Result<NamedGame, Problem> {
    let is_collection = !object.is_empty()
        && object.values().all(Value::is_object)
        && !object.keys().any(|key| KEYS.contains(&key.as_str()));
    if is_collection {
        let names: Vec<&str> = object.keys().map(String::as_str).collect();
        return Err(Problem::new(
            format!("it holds {} games by name: {}", names.len(), names.join(", ")),
            "choose one with --entry NAME",
        ));
    }
    check_keys(object, &KEYS)?;
    let names = object.get("actions").map(action_names).transpose()?;
    if let Some(names) = &names {
        profile_count(&names.iter().map(Vec::len).collect::<Vec<_>>())?;
    }
    let game = if object.contains_key("payoffs") { many_players(object)? } else { two_players(object)? };
    let counted = |count: &usize| (0..*count).map(|action| action.to_string()).collect();
    let names = names.unwrap_or_else(|| game.actions().iter().map(counted).collect());
    let lengths: Vec<usize> = names.iter().map(Vec::len).collect();
    if lengths != game.actions() {
        return Err(Problem::new(
            format!("`actions` names {} actions, the payoffs are for {}", shape(&lengths), shape(game.actions())),
            "name each action once, a list a player",
        ));
    }
    let start = object.get("start").map(|value| start(value, &game)).transpose()?;
    let expected = object.iter().filter(|(key, _)| *key == "extreme_equilibria");
    let expected = expected.map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok(NamedGame { game, names, start, expected })
}

/// 2 × 3.
fn shape(lengths: &[usize]) -> String {
    lengths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

fn action_names(value: &Value) -> Result<Vec<Vec<String>>, Problem> {
    let mut all = Vec::new();
    for (player, own) in list(value, "actions")?.iter().enumerate() {
        let place = format!("actions[{player}]");
        let mut names: Vec<String> = Vec::new();
        for (index, name) in list(own, &place)?.iter().enumerate() {
            let name = text(name, &format!("{place}[{index}]"))?;
            if names.iter().any(|other| other == name) {
                return Err(Problem::new(
                    format!("{place} has \"{name}\" twice"),
                    "give every action of a player its own name",
                ));
            }
            names.push(name.to_owned());
        }
        all.push(names);
    }
    Ok(all)
}

fn two_players(object: &Map<String, Value>) -> Result<NormalForm, Problem> {
    let help = "a two-player game has `A` and `B`, the payoffs of the row and the column player, or `A` and \
                \"zero_sum\": true; a game of more players has `payoffs`";
    let a = matrix(need(object, "A", help)?, "A", None)?;
    let zero_sum = match object.get("zero_sum") {
        None => false,
        Some(Value::Bool(flag)) => *flag,
        Some(other) => return Err(Problem::new(format!("`zero_sum` is {}, not true or false", kind(other)), help)),
    };
    let b = if zero_sum {
        if object.contains_key("B") {
            return Err(Problem::new("`B` and \"zero_sum\": true exclude each other", "take one of them out"));
        }
        // The sum puts zeros right: there is no -0.
        a.iter().map(|row| row.iter().map(|value| 0.0 - value).collect()).collect()
    } else {
        matrix(need(object, "B", help)?, "B", Some((a.len(), a[0].len())))?
    };
    Ok(NormalForm::bimatrix(&a, &b)?)
}

/// A matrix of one shape, which may be given.
fn matrix(value: &Value, place: &str, shape: Option<(usize, usize)>) -> Result<Vec<Vec<f64>>, Problem> {
    let rows = list(value, place)?;
    let empty =
        || Problem::new(format!("the game is empty: `{place}` has no entries"), "give at least one row and one column");
    if let Some((needed, columns)) = shape
        && rows.len() != needed
    {
        let what = format!("`{place}` has {} rows, `A` has {needed}", rows.len());
        return Err(Problem::new(what, format!("give {needed} rows of {columns} numbers")));
    }
    let mut found: Vec<Vec<f64>> = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let place = format!("{place}[{index}]");
        let row = numbers(row, &place)?;
        let needed = shape.map_or_else(|| found.first().map_or(row.len(), Vec::len), |shape| shape.1);
        if row.len() != needed {
            let what = format!("{place} has {} numbers where {needed} are needed", row.len());
            return Err(Problem::new(what, "all rows of `A` and `B` have one length"));
        }
        found.push(row);
    }
    if found.first().is_none_or(Vec::is_empty) {
        return Err(empty());
    }
    Ok(found)
}

fn many_players(object: &Map<String, Value>) -> Result<NormalForm, Problem> {
    if let Some(key) = ["A", "B", "zero_sum"].into_iter().find(|key| object.contains_key(*key)) {
        return Err(Problem::new(format!("`payoffs` and `{key}` exclude each other"), "take one of them out"));
    }
    let given = object.get("shape").map(|value| -> Result<Vec<usize>, Problem> {
        let counts = list(value, "shape")?.iter().enumerate();
        counts.map(|(player, count)| whole(count, &format!("shape[{player}]"), 1, u64::from(u32::MAX))).collect()
    });
    let given = given.transpose()?;
    if let Some(given) = &given {
        profile_count(given)?;
    }
    let arrays = list(object.get("payoffs").unwrap_or(&Value::Null), "payoffs")?;
    let players = given.as_ref().map_or(arrays.len(), Vec::len);
    if players == 0 || arrays.len() != players {
        let what = format!("`payoffs` has {} arrays for {players} players", arrays.len());
        return Err(Problem::new(what, "give one payoff array a player"));
    }
    if let Some(shape) = given {
        let arrays = arrays.iter().enumerate().map(|(player, value)| numbers(value, &format!("payoffs[{player}]")));
        return Ok(NormalForm::new(shape, arrays.collect::<Result<Vec<_>, _>>()?)?);
    }
    // The first entries on every level tell the shape; everything else has to follow it.
    let mut shape = Vec::with_capacity(players);
    let mut level = &arrays[0];
    for depth in 0..players {
        let place = format!("payoffs[0]{}", "[0]".repeat(depth));
        let nested = format!("lists nested {players} deep, the first player's action outermost");
        let entries = list(level, &place)
            .map_err(|problem| Problem::new(problem.what, format!("the payoffs of {players} players are {nested}")))?;
        shape.push(entries.len());
        match entries.first() {
            Some(first) => level = first,
            None => {
                return Err(Problem::new(
                    format!("the game is empty: {place} has no entries"),
                    "give every player at least one action",
                ));
            }
        }
    }
    let count = profile_count(&shape)?;
    let mut payoffs = Vec::with_capacity(players);
    for (player, value) in arrays.iter().enumerate() {
        let mut flat = Vec::with_capacity(count);
        flatten(value, &shape, &format!("payoffs[{player}]"), &mut flat)?;
        payoffs.push(flat);
    }
    Ok(NormalForm::new(shape, payoffs)?)
}

fn flatten(value: &Value, shape: &[usize], place: &str, into: &mut Vec<f64>) -> Result<(), Problem> {
    let [needed, deeper @ ..] = shape else {
        into.push(super::read::number(value, place)?);
        return Ok(());
    };
    let entries = list(value, place)?;
    if entries.len() != *needed {
        let what = format!("{place} has {} entries where {needed} are needed", entries.len());
        return Err(Problem::new(
            what,
            "all payoff arrays have one shape: as many entries on a level as that player has actions",
        ));
    }
    for (index, entry) in entries.iter().enumerate() {
        flatten(entry, deeper, &format!("{place}[{index}]"), into)?;
    }
    Ok(())
}

/// One mixture a player; one mixture alone is that of all.
fn start(value: &Value, game: &NormalForm) -> Result<Profile, Problem> {
    let mut profile: Profile = Vec::new();
    for (player, mixture) in list(value, "start")?.iter().enumerate() {
        profile.push(numbers(mixture, &format!("start[{player}]"))?);
    }
    if profile.len() == 1 {
        profile = vec![profile.remove(0); game.players()];
    }
    game.check(&profile)?;
    Ok(profile)
}
