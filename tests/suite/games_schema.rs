//! The JSON Schema of game files against the documented examples, the reference files and files that are wrong.

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::support::{llmagentos, said};

/// Whether a value fits a schema of the few words that ours uses; any other word is a mistake of the schema.
fn fits(value: &Value, schema: &Value, all: &Value) -> bool {
    let schema = schema.as_object().expect("a schema is an object");
    schema.iter().all(|(word, rule)| match word.as_str() {
        "$schema" | "$defs" | "title" | "description" => true,
        "$ref" => {
            let name = rule.as_str().and_then(|place| place.strip_prefix("#/$defs/")).expect("a place in $defs");
            fits(value, &all["$defs"][name], all)
        }
        "anyOf" => rule.as_array().expect("a list").iter().any(|one| fits(value, one, all)),
        "enum" => rule.as_array().expect("a list").contains(value),
        "type" => match rule.as_str().expect("a word") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.is_u64() || value.is_i64(),
            other => panic!("type {other}"),
        },
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("a number")),
        "minItems" => value.as_array().is_none_or(|list| list.len() as u64 >= rule.as_u64().expect("a count")),
        "minProperties" => value.as_object().is_none_or(|keys| keys.len() as u64 >= rule.as_u64().expect("a count")),
        "required" => value.as_object().is_none_or(|keys| {
            rule.as_array().expect("a list").iter().all(|key| keys.contains_key(key.as_str().expect("a key")))
        }),
        "items" => value.as_array().is_none_or(|list| list.iter().all(|item| fits(item, rule, all))),
        "properties" => value
            .as_object()
            .is_none_or(|keys| keys.iter().all(|(key, value)| rule.get(key).is_none_or(|rule| fits(value, rule, all)))),
        "additionalProperties" => value.as_object().is_none_or(|keys| {
            let declared = schema.get("properties").and_then(Value::as_object);
            let further = keys.iter().filter(|(key, _)| declared.is_none_or(|declared| !declared.contains_key(*key)));
            let mut further = further.map(|(_, value)| value);
            if rule == &json!(false) { further.next().is_none() } else { further.all(|value| fits(value, rule, all)) }
        }),
        other => panic!("the schema says `{other}`, which this test does not know"),
    })
}

fn schema() -> Value {
    let (stdout, stderr, code) = said(&llmagentos(&["schema", "--game"]));
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

#[test]
fn the_schema_takes_every_documented_file() {
    let schema = schema();
    let page = include_str!("../../docs/GAMES.md");
    // Blocks of JSON, and files that a shown command prints.
    let shown = page.lines().filter(|line| line.starts_with('{') && line.ends_with('}'));
    let mut examples: Vec<Value> =
        shown.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    assert!(examples.len() >= 2, "the page shows fewer files than it did: {}", examples.len());
    for file in ["nash_bimatrix.json", "mechanisms.json"] {
        let Value::Object(entries) = super::games::reference(file) else { panic!("{file} holds no object") };
        // Entries that are results of other programs, and no input.
        let inputs = |(name, _): &(String, Value)| !name.starts_with("analytic") && !name.starts_with("ic_");
        let entries: Map<String, Value> = entries.into_iter().filter(inputs).collect();
        examples.extend(entries.values().cloned());
        examples.push(entries.into());
    }
    for example in &examples {
        assert!(fits(example, &schema, &schema), "{example}");
    }
}

#[test]
fn the_schema_and_the_command_refuse_the_same_mistakes() {
    let schema = schema();
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("game.json");
    let sound = json!({ "A": [[1, 2]], "zero_sum": true, "actions": [["a"], ["b", "c"]], "start": [[1], [0.5, 0.5]] });
    let three = json!({ "payoffs": [[[[1, 2]]], [[[3, 4]]], [[[5, 6]]]] });
    let flat = json!({ "payoffs": [[1, 2], [3, 4]], "shape": [1, 2] });
    let wrong = [
        json!({ "A": [[1, "2"]], "zero_sum": true }),
        json!({ "A": [], "zero_sum": true }),
        json!({ "A": [[1, 2]] }),
        json!({ "A": [[1, 2]], "zero_sum": 1 }),
        json!({ "A": [[1, 2]], "zero_sum": true, "actoins": [["a"], ["b", "c"]] }),
        json!({ "A": [[1, 2]], "zero_sum": true, "actions": ["a", "b"] }),
        json!({ "payoffs": [[1, 2], [3, 4]], "shape": [1, 0] }),
        json!({ "payoffs": [["x"]] }),
        json!({}),
        json!([1]),
    ];
    let takes = |file: &Value| {
        std::fs::write(&path, file.to_string()).expect("written");
        said(&llmagentos(&["game", "solve", path.to_str().expect("UTF-8"), "--json"])).2 == 0
    };
    for file in [sound, three, flat] {
        assert!(fits(&file, &schema, &schema) && takes(&file), "{file}");
    }
    for file in wrong {
        assert!(!fits(&file, &schema, &schema), "the schema takes {file}");
        assert!(!takes(&file), "the command takes {file}");
    }
}
