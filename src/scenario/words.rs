//! Phrases that errors and the reference page share.

use serde_json::{Map, Value};

/// The candidate that a mistyped word most likely means, if one is near.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let word = plain(word);
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&word, &plain(candidate));
    let limit = (word.chars().count() / 3).max(1);
    candidates.into_iter().filter(|candidate| distance(candidate) <= limit).min_by_key(distance)
}

/// "did you mean `x`? `what`: a, b, c"; without the first part where nothing is near.
pub(super) fn suggest(word: &str, candidates: &[&str], what: &str, none: &str) -> String {
    if candidates.is_empty() {
        return none.to_owned();
    }
    let listed = format!("{what}: {}", listing(candidates));
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {listed}"),
        None => listed,
    }
}

/// Help for a word that is none of those allowed: "did you mean `x`? allowed are: `a`, `b`".
#[must_use]
pub fn one_of(word: &str, allowed: &[&str]) -> String {
    suggest(word, allowed, "allowed are", "there is none to choose from")
}

/// "`a`, `b`, `c`", cut after 40.
pub(super) fn listing(words: &[&str]) -> String {
    let mut text = words.iter().take(40).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    if words.len() > 40 {
        text.extend([" and ", (words.len() - 40).to_string().as_str(), " more"]);
    }
    text
}

/// Whether a text may name a role, a group, a policy, a model or a scenario. Such names become file names and
/// columns, so they have no capitals, blanks or dots.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

/// The rule of [`is_name`] in words.
pub(super) const NAME_RULE: &str = "1 to 64 of the characters a-z, 0-9, `_` and `-`";
/// The rule of [`is_name`] as a regular expression, for JSON Schema.
pub(super) const NAME_PATTERN: &str = "^[a-z0-9_-]{1,64}$";

/// A dotted key path with one more key.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A schema with its `$ref` followed; keys beside the `$ref` win.
pub(super) fn follow<'a>(schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next());
    target.and_then(|name| definitions.get(name)).unwrap_or(schema)
}

/// The schema of the value itself where it may also be absent (`Option`).
pub(super) fn present<'a>(schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    let schema = follow(schema, definitions);
    let is_null = |branch: &&Value| branch.get("type").and_then(Value::as_str) == Some("null");
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(branches) if branches.len() == 2 && branches.iter().any(|branch| is_null(&branch)) => {
            branches.iter().find(|branch| !is_null(branch)).map_or(schema, |branch| follow(branch, definitions))
        }
        _ => schema,
    }
}

/// The type a schema asks for, `null` aside.
pub(super) fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => Some(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ if schema.get("properties").is_some() => Some("object"),
        _ => None,
    }
}

/// The words a text must be one of, where the schema is such a choice.
pub(super) fn choices(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![word]);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter(|word| !word.is_null()).map(Value::as_str).collect();
    }
    let branches = schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()?;
    let words: Vec<Vec<&str>> = branches.iter().map(choices).collect::<Option<_>>()?;
    Some(words.into_iter().flatten().collect())
}

/// The least and the greatest allowed value and whether they are themselves allowed.
pub(super) struct Bounds<'a> {
    pub least: Option<(&'a Value, bool)>,
    pub greatest: Option<(&'a Value, bool)>,
}

pub(super) fn bounds(schema: &Value) -> Bounds<'_> {
    let bound = |inclusive: &str, exclusive: &str| {
        let exclusive = schema.get(exclusive).filter(|value| value.is_number()).map(|value| (value, false));
        exclusive.or_else(|| schema.get(inclusive).filter(|value| value.is_number()).map(|value| (value, true)))
    };
    Bounds { least: bound("minimum", "exclusiveMinimum"), greatest: bound("maximum", "exclusiveMaximum") }
}

/// A bound as a person writes it: 1, not 1.0.
fn number(value: &Value) -> String {
    value.as_f64().filter(|_| value.is_f64()).map_or_else(|| value.to_string(), |number| number.to_string())
}

impl Bounds<'_> {
    /// "from 0 to 1", "above 0 and at most 1"; None where there are none.
    pub fn words(&self) -> Option<String> {
        let least = self
            .least
            .map(|(value, allowed)| format!("{} {}", if allowed { "at least" } else { "above" }, number(value)));
        let greatest = self
            .greatest
            .map(|(value, allowed)| format!("{} {}", if allowed { "at most" } else { "below" }, number(value)));
        match (self.least, self.greatest) {
            (Some((low, true)), Some((high, true))) => Some(format!("from {} to {}", number(low), number(high))),
            _ => match (least, greatest) {
                (Some(least), Some(greatest)) => Some(format!("{least} and {greatest}")),
                (least, greatest) => least.or(greatest),
            },
        }
    }
}

/// What a schema allows, in words: "a whole number from 0 to 9", "one of `a`, `b`", "a list of text".
pub(super) fn describe(schema: &Value, definitions: &Map<String, Value>) -> String {
    let schema = present(schema, definitions);
    if let Some(words) = choices(schema) {
        let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        return if quoted.len() == 1 { quoted.concat() } else { format!("one of {}", quoted.join(", ")) };
    }
    let ranged = |what: &str| match bounds(schema).words() {
        Some(range) => format!("{what} {range}"),
        None => what.to_owned(),
    };
    match type_of(schema) {
        Some("integer") => ranged("a whole number"),
        Some("number") => ranged("a number"),
        Some("boolean") => "true or false".to_owned(),
        Some("string") if schema.get("pattern").and_then(Value::as_str) == Some(NAME_PATTERN) => {
            format!("a name: {NAME_RULE}")
        }
        Some("string") => "text".to_owned(),
        Some("array") => {
            let items = schema.get("items").filter(|items| items.is_object());
            let length = length_words(schema).map_or(String::new(), |words| format!(" of {words}"));
            match (items, schema.get("prefixItems").and_then(Value::as_array)) {
                (Some(items), _) => format!("a list{length}, each {}", describe(items, definitions)),
                (None, Some(items)) => {
                    let items: Vec<String> = items.iter().map(|item| describe(item, definitions)).collect();
                    format!("a list{length}: {}", items.join(", "))
                }
                (None, None) => format!("a list{length}"),
            }
        }
        Some("object") => "a table".to_owned(),
        _ => match schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
            Some(branches) => {
                let mut words: Vec<String> = branches.iter().map(|branch| describe(branch, definitions)).collect();
                words.dedup();
                words.join(" or ")
            }
            None => "any value".to_owned(),
        },
    }
}

/// "1 entry", "3 entries".
pub(super) fn entries(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// "2 entries", "at least 1 entry", "1 to 4 entries".
pub(super) fn length_words(schema: &Value) -> Option<String> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
    match (bound("minItems"), bound("maxItems")) {
        (Some(low), Some(high)) if low == high => Some(entries(low)),
        (Some(low), Some(high)) => Some(format!("{low} to {}", entries(high))),
        (Some(low), None) => Some(format!("at least {}", entries(low))),
        (None, Some(high)) => Some(format!("at most {}", entries(high))),
        (None, None) => None,
    }
}
