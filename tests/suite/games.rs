//! The floor of games and mechanisms against reference values and against what must hold for any game.
//!
//! Where the values in `data/games` come from stands in `data/games/SOURCES.md`.

mod equilibria;
mod evolution;
mod mechanisms;
mod poker;
mod voting;

use serde_json::Value;

/// A file of reference values.
pub fn reference(name: &str) -> Value {
    let path = format!("{}/tests/suite/data/games/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A JSON array of arrays of numbers.
pub fn matrix(value: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}
