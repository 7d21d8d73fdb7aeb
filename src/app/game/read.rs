//! JSON files of games and bids: typed reading that says where it stumbled.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::games::{GameError, TreeError, VotingError, mechanisms::MechanismError};

/// Largest file that is read.
const BYTES_MAX: u64 = 256 << 20;

/// Whole numbers beyond it are no longer told apart.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What is wrong with a file or a question, and what to do.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What and where.
    pub what: String,
    /// What next.
    pub help: String,
}

impl Problem {
    /// A problem in two sentences.
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }

    /// An error of the games floor: what, an empty line, what next.
    fn of(error: &dyn std::error::Error) -> Self {
        let text = error.to_string();
        let (what, help) = text.split_once("\n\n").unwrap_or((&text, "see docs/GAMES.md"));
        Self::new(what, help)
    }
}

impl From<GameError> for Problem {
    fn from(error: GameError) -> Self {
        Self::of(&error)
    }
}

impl From<TreeError> for Problem {
    fn from(error: TreeError) -> Self {
        Self::of(&error)
    }
}

impl From<VotingError> for Problem {
    fn from(error: VotingError) -> Self {
        Self::of(&error)
    }
}

impl From<MechanismError> for Problem {
    fn from(error: MechanismError) -> Self {
        Self::of(&error)
    }
}

/// The object that a file holds, or the entry of it with this name.
pub fn load(path: &Path, entry: Option<&str>) -> Result<Map<String, Value>, Problem> {
    let unreadable = |error: std::io::Error| Problem::new(format!("cannot be read: {error}"), "name a JSON file");
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > BYTES_MAX {
        return Err(Problem::new(format!("it has {length} bytes; the limit is {BYTES_MAX}"), "split the game"));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let value: Value = serde_json::from_str(&text).map_err(|error| not_json(&text, &error))?;
    let Value::Object(mut whole) = value else {
        return Err(Problem::new(
            format!("it holds {}, not an object", kind(&value)),
            "docs/GAMES.md has the formats: {\"A\": [[…]], \"B\": [[…]]} is a game",
        ));
    };
    let Some(entry) = entry else { return Ok(whole) };
    let names: Vec<String> = whole.keys().cloned().collect();
    match whole.remove(entry) {
        Some(Value::Object(part)) => Ok(part),
        Some(other) => {
            Err(Problem::new(format!("its entry \"{entry}\" is {}, not an object", kind(&other)), "name another entry"))
        }
        None => {
            Err(Problem::new(format!("it has no entry \"{entry}\""), suggest(entry, names.iter().map(String::as_str))))
        }
    }
}

fn not_json(text: &str, error: &serde_json::Error) -> Problem {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let spelled = ["NaN", "Infinity", "nan", "inf"].into_iter().find(|word| line.contains(word));
    let help = match spelled {
        Some(word) => format!(
            "line {} has `{word}`: JSON knows finite numbers only; every payoff and amount must be one",
            error.line()
        ),
        None if text.trim().is_empty() => "the file is empty: docs/GAMES.md has the formats".to_owned(),
        None => "mend it there; docs/GAMES.md has the formats".to_owned(),
    };
    Problem::new(format!("no JSON: {error}"), help)
}

/// "did you mean", or all names where none is near.
pub fn suggest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let near = names.iter().map(|name| (strsim::jaro_winkler(word, name), *name)).filter(|near| near.0 > 0.75);
    match near.max_by(|one, other| one.0.total_cmp(&other.0)) {
        Some((_, name)) => format!("did you mean \"{name}\"?"),
        None => format!("known: {}", names.join(", ")),
    }
}

/// Refuses keys that mean nothing.
pub fn check_keys(object: &Map<String, Value>, known: &[&str]) -> Result<(), Problem> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Problem::new(format!("unknown key `{key}`"), suggest(key, known.iter().copied()))),
        None => Ok(()),
    }
}

/// The value of a key that must be there.
pub fn need<'a>(object: &'a Map<String, Value>, key: &str, help: &str) -> Result<&'a Value, Problem> {
    object.get(key).ok_or_else(|| Problem::new(format!("the key `{key}` is missing"), help))
}

/// A value in words.
pub fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("the text \"{text}\""),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A finite number that is kept exactly.
pub fn number(value: &Value, place: &str) -> Result<f64, Problem> {
    let found = match value {
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    let Some(found) = found.filter(|found| found.is_finite()) else {
        return Err(Problem::new(format!("{place} is {}, not a number", kind(value)), "give a finite number"));
    };
    if found.abs() > WHOLE_MAX {
        return Err(Problem::new(format!("{place} is {value}, beyond ±2^53"), "use a larger unit"));
    }
    Ok(found)
}

/// A whole number from `low` to `high`.
pub fn whole(value: &Value, place: &str, low: u64, high: u64) -> Result<usize, Problem> {
    let help = || format!("give a whole number from {low} to {high}");
    let found = value
        .as_u64()
        .ok_or_else(|| Problem::new(format!("{place} is {}, not a whole number", kind(value)), help()))?;
    if !(low..=high).contains(&found) {
        return Err(Problem::new(format!("{place} is {found}"), help()));
    }
    Ok(found as usize)
}

/// A list.
pub fn list<'a>(value: &'a Value, place: &str) -> Result<&'a [Value], Problem> {
    match value {
        Value::Array(list) => Ok(list),
        other => Err(Problem::new(format!("{place} is {}, not a list", kind(other)), "give a list: [ … ]")),
    }
}

/// A list of numbers.
pub fn numbers(value: &Value, place: &str) -> Result<Vec<f64>, Problem> {
    list(value, place)?.iter().enumerate().map(|(index, value)| number(value, &format!("{place}[{index}]"))).collect()
}

/// A text.
pub fn text<'a>(value: &'a Value, place: &str) -> Result<&'a str, Problem> {
    value
        .as_str()
        .ok_or_else(|| Problem::new(format!("{place} is {}, not a text", kind(value)), "give a text in quotes"))
}
