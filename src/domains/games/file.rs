//! A game from a JSON file of the format that `llmagentos game` reads (`docs/GAMES.md`), as settings.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::settings::GameSettings;
use crate::games::profile_count;

/// What a file says beside the payoffs that does not matter to play: where a learning rule starts, and what a solver is
/// expected to find.
const PASSED_OVER: [&str; 2] = ["start", "extreme_equilibria"];

/// What a file may say of the payoffs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "A")]
    a: Option<Vec<Vec<f64>>>,
    #[serde(rename = "B")]
    b: Option<Vec<Vec<f64>>>,
    #[serde(default)]
    zero_sum: bool,
    payoffs: Option<Vec<Value>>,
    shape: Option<Vec<usize>>,
    actions: Option<Vec<Vec<String>>>,
}

/// The settings `given`, with the payoffs that the file's text has.
///
/// # Errors
/// A sentence that says what is wrong with the file.
pub(super) fn read(text: &str, given: &GameSettings) -> Result<GameSettings, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    let Value::Object(mut object) = value else { return Err("holds no object".to_owned()) };
    if let Some(entry) = &given.entry {
        let names: Vec<String> = object.keys().cloned().collect();
        object = match object.remove(entry) {
            Some(Value::Object(object)) => object,
            _ => return Err(format!("has no game \"{entry}\"; it has {}", names.join(", "))),
        };
    } else if !object.is_empty() && object.values().all(Value::is_object) {
        let names: Vec<&str> = object.keys().map(String::as_str).collect();
        return Err(format!("holds several games: choose one with `entry`, of {}", names.join(", ")));
    }
    of(object, given)
}

fn of(mut object: Map<String, Value>, given: &GameSettings) -> Result<GameSettings, String> {
    for key in PASSED_OVER {
        object.remove(key);
    }
    let file: File = serde_json::from_value(Value::Object(object)).map_err(|error| format!("is no game: {error}"))?;
    let mut shape = file.shape;
    let mut payoffs = None;
    if let Some(arrays) = file.payoffs {
        let found = match &shape {
            Some(shape) => vec![profile_count(shape).map_err(|error| error.to_string())?],
            None => nesting(arrays.first(), arrays.len()),
        };
        let mut flat = Vec::with_capacity(arrays.len());
        for (player, array) in arrays.iter().enumerate() {
            let mut numbers = Vec::new();
            flatten(array, &found, &format!("payoffs[{player}]"), &mut numbers)?;
            flat.push(numbers);
        }
        shape.get_or_insert(found);
        payoffs = Some(flat);
    }
    Ok(GameSettings {
        a: file.a,
        b: file.b,
        zero_sum: file.zero_sum,
        payoffs,
        shape,
        actions: file.actions,
        path: None,
        entry: None,
        ..given.clone()
    })
}

/// The shape that the first entries on each level tell.
fn nesting(mut level: Option<&Value>, depth: usize) -> Vec<usize> {
    let mut shape = Vec::new();
    for _ in 0..depth {
        let entries = level.and_then(Value::as_array);
        shape.push(entries.map_or(0, Vec::len));
        level = entries.and_then(|entries| entries.first());
    }
    shape
}

fn flatten(value: &Value, shape: &[usize], place: &str, into: &mut Vec<f64>) -> Result<(), String> {
    let [needed, deeper @ ..] = shape else {
        into.push(value.as_f64().ok_or_else(|| format!("has {value} at {place}, which is no number"))?);
        return Ok(());
    };
    let entries = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.len() != *needed {
        return Err(format!("has {} entries at {place} where {needed} are needed", entries.len()));
    }
    for (index, entry) in entries.iter().enumerate() {
        flatten(entry, deeper, &format!("{place}[{index}]"), into)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{GameSettings, read};

    #[test]
    fn both_ways_to_write_three_players_are_one() {
        let given = GameSettings { rounds: 3, ..GameSettings::default() };
        let flat = r#"{"shape": [2, 1, 2], "payoffs": [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12.5]]}"#;
        let nested = r#"{"payoffs": [[[[1, 2]], [[3, 4]]], [[[5, 6]], [[7, 8]]], [[[9, 10]], [[11, 12.5]]]]}"#;
        let found = read(flat, &given).expect("sound");
        assert_eq!(found, read(nested, &given).expect("sound"));
        assert_eq!((found.shape, found.rounds), (Some(vec![2, 1, 2]), 3));
    }

    #[test]
    fn mistakes_are_told() {
        let given = GameSettings::default();
        for (text, said) in [
            ("{\"A\": [[1]", "is no JSON"),
            ("[]", "holds no object"),
            ("{\"one\": {}, \"other\": {}}", "choose one with `entry`, of one, other"),
            ("{\"A\": [[1]], \"C\": 1}", "unknown field `C`"),
            ("{\"payoffs\": [[[1, 2], [3]], [[1, 2], [3, 4]]]}", "has 1 entries at payoffs[0][1] where 2 are needed"),
            ("{\"payoffs\": [[[\"x\"]], [[1]]]}", "is no number"),
        ] {
            let error = read(text, &given).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
        let several = r#"{"one": {"A": [[1, 2]], "zero_sum": true, "start": [[1], [0.5, 0.5]]}, "other": {}}"#;
        let entry = |name: &str| GameSettings { entry: Some(name.to_owned()), ..GameSettings::default() };
        assert_eq!(read(several, &entry("one")).expect("sound").a, Some(vec![vec![1.0, 2.0]]));
        assert!(read(several, &entry("two")).expect_err("absent").contains("it has one, other"));
    }
}
