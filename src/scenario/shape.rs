//! Checks a tree against a JSON Schema: keys, types, ranges, choices, lengths. Finds every problem, not the first.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::error::Problems;
use super::source::Span;
use super::tree::{Node, Table, Value};
use super::words::{
    bounds, choices, describe, entries, follow, join, length_words, nearest, present, suggest, type_of,
};

/// A schema with what it refers to, and where problems go.
pub(super) struct Shape<'s, 'p, 'q> {
    pub definitions: &'s Map<String, Json>,
    pub problems: &'p mut Problems<'q>,
    /// Keys of the top of the file, to say so where one was written below a table's header.
    pub top_keys: &'s [&'s str],
}

impl Shape<'_, '_, '_> {
    /// Checks a value; `path` is what messages call it, in the words of an override.
    pub fn check(&mut self, node: &Node, schema: &Json, path: &str) {
        let outer = schema;
        let schema = present(schema, self.definitions);
        if let Some(words) = choices(schema) {
            return self.check_choice(node, schema, &words, path);
        }
        match (type_of(schema), &node.value) {
            (Some("object"), Value::Table(table)) => self.check_table(table, node.span, schema, path),
            (Some("array"), Value::List(list)) => self.check_list(node, list, schema, path),
            (Some("integer"), Value::Whole(whole)) => self.check_whole(node, *whole, schema, path),
            (Some("number"), Value::Whole(whole)) => self.check_number(node, *whole as f64, schema, path),
            (Some("number"), Value::Number(number)) => self.check_number(node, *number, schema, path),
            (Some("string"), Value::Text(text)) => self.check_text(node, text, schema, path),
            (Some("boolean"), Value::Truth(_)) => {}
            (Some(_), _) => self.wrong_type(node, schema, path),
            (None, _) => {
                if let Some(branches) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Json::as_array) {
                    self.check_branches(node, outer, branches, path);
                }
            }
        }
    }

    /// Says what was found and what is needed.
    fn wrong_type(&mut self, node: &Node, schema: &Json, path: &str) {
        let needed = describe(schema, self.definitions);
        let message = format!("`{path}` must be {}, but is {}", kind_words(schema), node.words());
        let help = match (type_of(schema), &node.value) {
            (Some("integer" | "number"), Value::Text(text)) if text.parse::<f64>().is_ok() => {
                format!("leave the quotes away: {text}; needed: {needed}")
            }
            (Some("integer"), Value::Number(_)) => format!("leave the decimal point away; needed: {needed}"),
            (Some("boolean"), Value::Text(text)) if matches!(text.as_str(), "true" | "false") => {
                format!("leave the quotes away: {text}")
            }
            (Some("string"), Value::Whole(_) | Value::Number(_) | Value::Truth(_) | Value::Date(_)) => {
                "put it in quotes to make it text".to_owned()
            }
            (Some("array"), Value::Table(_)) => {
                format!("write a list of tables with two brackets: [[{path}]]")
            }
            (Some("array"), _) => format!("put it in brackets to make it a list; needed: {needed}"),
            (Some("object"), Value::List(_)) => {
                let name = match path {
                    "policy" | "llm" => ".NAME",
                    "rights" => ".ROLE",
                    _ => "",
                };
                format!("write a table with single brackets: [{path}{name}]")
            }
            _ => format!("needed: {needed}"),
        };
        self.problems.add(node.span, message, format!("this is {}", node.words()), help);
    }

    fn check_choice(&mut self, node: &Node, schema: &Json, words: &[&str], path: &str) {
        let Some(text) = node.text() else {
            let message = format!("`{path}` must be text, but is {}", node.words());
            let help = format!("needed: {}", describe(schema, self.definitions));
            return self.problems.add(node.span, message, format!("this is {}", node.words()), help);
        };
        if !words.contains(&text) {
            let message = format!("`{path}` cannot be \"{text}\"");
            self.problems.add(node.span, message, "unknown choice", suggest(text, words, "choices", ""));
        }
    }

    fn check_table(&mut self, table: &Table, header: Span, schema: &Json, path: &str) {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&empty);
        let mut mistyped = Vec::new();
        for (key, entry) in table {
            if self.problems.is_full() {
                return;
            }
            let inner = join(path, key);
            if let Some(property) = properties.get(key) {
                self.check(&entry.node, property, &inner);
                continue;
            }
            match schema.get("additionalProperties") {
                Some(Json::Bool(true)) => {}
                Some(values @ Json::Object(_)) => self.check(&entry.node, values, &inner),
                _ => {
                    mistyped.extend(nearest(key, properties.keys().map(String::as_str)));
                    self.unknown_key(key, entry.key_span, properties, path);
                }
            }
        }
        let required = schema.get("required").and_then(Json::as_array);
        for key in required.into_iter().flatten().filter_map(Json::as_str) {
            // A mistyped key is one problem, not a key too many and a key too few.
            if table.contains_key(key) || mistyped.contains(&key) {
                continue;
            }
            let property = properties.get(key).unwrap_or(&Json::Null);
            let meaning = first_sentence(description(property, self.definitions));
            let needed = describe(property, self.definitions);
            let message = format!("{} lacks the key `{key}`", table_words(path));
            let colon = if meaning.is_empty() { "" } else { ": " };
            let help = match type_of(present(property, self.definitions)) {
                Some("object") => format!("add a table [{}]{colon}{meaning}", join(path, key)),
                _ => format!("add `{key} = …`, {needed}{colon}{meaning}"),
            };
            self.problems.add(header, message, format!("`{key}` is missing here"), help);
        }
    }

    fn unknown_key(&mut self, key: &str, span: Span, properties: &Map<String, Json>, path: &str) {
        let allowed: Vec<&str> = properties.keys().map(String::as_str).collect();
        let message = format!("{} has no key `{key}`", table_words(path));
        let mut help = suggest(key, &allowed, "keys it has", "it has no keys at all");
        if !path.is_empty() && self.top_keys.contains(&key) {
            help = format!("`{key}` belongs at the top of the file, before the first [table]; {help}");
        }
        self.problems.add(span, message, "unknown key", help);
    }

    fn check_list(&mut self, node: &Node, list: &[Node], schema: &Json, path: &str) {
        let bound = |key: &str| schema.get(key).and_then(Json::as_u64);
        let count = list.len() as u64;
        if bound("minItems").is_some_and(|low| count < low) || bound("maxItems").is_some_and(|high| count > high) {
            let allowed = length_words(schema).unwrap_or_default();
            let message = format!("`{path}` has {}, but must have {allowed}", entries(count));
            let help = format!("needed: {}", describe(schema, self.definitions));
            self.problems.add(node.span, message, entries(count), help);
        }
        let unique = schema.get("uniqueItems").and_then(Json::as_bool) == Some(true);
        let mut seen = BTreeSet::new();
        for (index, item) in list.iter().enumerate() {
            if self.problems.is_full() {
                return;
            }
            let inner = element_path(path, index, item);
            let positional = schema.get("prefixItems").and_then(|items| items.get(index));
            if let Some(items) = positional.or_else(|| schema.get("items").filter(|items| items.is_object())) {
                self.check(item, items, &inner);
            }
            if let Some(text) = item.text()
                && unique
                && !seen.insert(text)
            {
                let message = format!("`{path}` names \"{text}\" twice");
                self.problems.add(item.span, message, "again", "leave one of them away");
            }
        }
    }

    fn check_whole(&mut self, node: &Node, whole: i64, schema: &Json, path: &str) {
        let limits = bounds(schema);
        let exact = |value: &Json| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
        let below = limits.least.is_some_and(|(low, allowed)| match exact(low) {
            Some(low) => i128::from(whole) < low + i128::from(!allowed),
            None => low.as_f64().is_some_and(|low| (whole as f64) < low),
        });
        let above = limits.greatest.is_some_and(|(high, allowed)| match exact(high) {
            Some(high) => i128::from(whole) > high - i128::from(!allowed),
            None => high.as_f64().is_some_and(|high| (whole as f64) > high),
        });
        let (format_low, format_high) = match schema.get("format").and_then(Json::as_str) {
            Some("uint8") => (0, u64::from(u8::MAX)),
            Some("uint16") => (0, u64::from(u16::MAX)),
            Some("uint32") => (0, u64::from(u32::MAX)),
            Some("uint" | "uint64") => (0, u64::MAX),
            Some("int8") => (i64::from(i8::MIN), i8::MAX as u64),
            Some("int16") => (i64::from(i16::MIN), i16::MAX as u64),
            Some("int32") => (i64::from(i32::MIN), i32::MAX as u64),
            _ => (i64::MIN, u64::MAX),
        };
        let fits = whole >= format_low && (whole < 0 || whole as u64 <= format_high);
        if below || above || !fits {
            let range = limits.words().filter(|_| below || above);
            let range = range.unwrap_or_else(|| format!("from {format_low} to {format_high}"));
            self.out_of_range(node, &whole.to_string(), &range, schema, path);
        }
    }

    fn check_number(&mut self, node: &Node, number: f64, schema: &Json, path: &str) {
        let limits = bounds(schema);
        let outside = |limit: Option<(&Json, bool)>, side: Ordering| {
            limit.is_some_and(|(bound, allowed)| {
                let order = bound.as_f64().and_then(|bound| number.partial_cmp(&bound));
                order == Some(side) || (!allowed && order == Some(Ordering::Equal))
            })
        };
        let too_small = outside(limits.least, Ordering::Less);
        let too_large = outside(limits.greatest, Ordering::Greater);
        if too_small || too_large {
            let range = limits.words().unwrap_or_default();
            self.out_of_range(node, &number.to_string(), &range, schema, path);
        } else if schema.get("format").and_then(Json::as_str) == Some("float") && number.abs() > f64::from(f32::MAX) {
            self.out_of_range(node, &number.to_string(), &format!("at most {:e}", f32::MAX), schema, path);
        }
    }

    fn out_of_range(&mut self, node: &Node, found: &str, range: &str, schema: &Json, path: &str) {
        let message = format!("`{path}` is {found}, but must be {range}");
        let help = format!("needed: {}", describe(schema, self.definitions));
        self.problems.add(node.span, message, "out of range", help);
    }

    fn check_text(&mut self, node: &Node, text: &str, schema: &Json, path: &str) {
        if schema.get("pattern").and_then(Json::as_str) == Some(super::words::NAME_PATTERN)
            && !super::words::is_name(text)
        {
            let message = format!("`{path}` is \"{}\", which is not a name", text.escape_debug());
            let help = format!("a name is {}", super::words::NAME_RULE);
            return self.problems.add(node.span, message, "not a name", help);
        }
        let length = text.chars().count() as u64;
        let bound = |key: &str| schema.get(key).and_then(Json::as_u64);
        let message = match (bound("minLength"), bound("maxLength")) {
            (Some(low), _) if length < low && length == 0 => format!("`{path}` is empty"),
            (Some(low), _) if length < low => {
                format!("`{path}` has {length} characters, but needs at least {low}")
            }
            (_, Some(high)) if length > high => {
                format!("`{path}` has {length} characters, but at most {high} are allowed")
            }
            _ => return,
        };
        let meaning = first_sentence(description(schema, self.definitions));
        self.problems.add(node.span, message, format!("{length} characters"), meaning);
    }

    /// An enum with fields: the branch is chosen by the tag, by the single key, or by the type.
    fn check_branches(&mut self, node: &Node, schema: &Json, branches: &[Json], path: &str) {
        let definitions = self.definitions;
        let branches: Vec<&Json> = branches.iter().map(|branch| follow(branch, definitions)).collect();
        if let (Some(table), Some(tag)) = (node.table(), common_tag(&branches)) {
            let Some(entry) = table.get(tag) else {
                let words: Vec<&str> = branches.iter().filter_map(|branch| tag_value(branch, tag)).collect();
                let message = format!("{} lacks the key `{tag}`", table_words(path));
                let help = suggest("", &words, "choices", "");
                return self.problems.add(node.span, message, format!("`{tag}` is missing here"), help);
            };
            let text = entry.node.text();
            if let Some(branch) = branches.iter().find(|branch| text.is_some() && tag_value(branch, tag) == text) {
                return self.check(node, branch, path);
            }
            let words: Vec<&str> = branches.iter().filter_map(|branch| tag_value(branch, tag)).collect();
            let inner = join(path, tag);
            let choice = serde_json::json!({ "enum": words });
            return self.check_choice(&entry.node, &choice, &words, &inner);
        }
        if let Some(table) = node.table() {
            let single = branches.iter().find(|branch| {
                let required = branch.get("required").and_then(Json::as_array);
                required
                    .is_some_and(|keys| keys.len() == 1 && keys[0].as_str().is_some_and(|key| table.contains_key(key)))
            });
            if let Some(branch) = single {
                return self.check(node, branch, path);
            }
        }
        let fits = |branch: &&&Json| match (&node.value, type_of(branch)) {
            (Value::Text(text), _) => match choices(branch) {
                Some(words) => words.contains(&text.as_str()),
                None => type_of(branch) == Some("string"),
            },
            (Value::Whole(_), name) => matches!(name, Some("integer" | "number")),
            (Value::Number(_), name) => name == Some("number"),
            (Value::Truth(_), name) => name == Some("boolean"),
            (Value::List(_), name) => name == Some("array"),
            (Value::Table(_), name) => name == Some("object"),
            (Value::Date(_), _) => false,
        };
        if let Some(branch) = branches.iter().find(fits) {
            return self.check(node, branch, path);
        }
        let needed = describe(schema, definitions);
        let message = format!("`{path}` does not fit: it is {}", node.words());
        self.problems.add(node.span, message, format!("this is {}", node.words()), format!("needed: {needed}"));
    }
}

/// How a table is called in a message.
pub(super) fn table_words(path: &str) -> String {
    if path.is_empty() { "the top of the file".to_owned() } else { format!("`{path}`") }
}

/// The path of a list's element: by its name where it has one, as an override would name it.
pub(super) fn element_path(path: &str, index: usize, item: &Node) -> String {
    let name = if path == "agents" { item.get("name").or_else(|| item.get("role")).and_then(Node::text) } else { None };
    name.map_or_else(|| format!("{path}[{index}]"), |name| join(path, name))
}

/// The description of a schema, or of what it refers to.
pub(super) fn description<'a>(schema: &'a Json, definitions: &'a Map<String, Json>) -> &'a str {
    let own = schema.get("description").and_then(Json::as_str);
    own.or_else(|| present(schema, definitions).get("description").and_then(Json::as_str)).unwrap_or("")
}

fn first_sentence(text: &str) -> &str {
    let line = text.split("\n\n").next().unwrap_or("");
    line.split_inclusive(". ").next().unwrap_or("").trim_end_matches(['.', ' '])
}

fn kind_words(schema: &Json) -> &'static str {
    match type_of(schema) {
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("boolean") => "true or false",
        Some("string") => "text",
        Some("array") => "a list",
        _ => "a table",
    }
}

/// The key whose constant value tells the branches of an enum apart.
pub(super) fn common_tag<'a>(branches: &[&'a Json]) -> Option<&'a str> {
    let first = branches.first()?.get("properties")?.as_object()?;
    first.keys().map(String::as_str).find(|key| branches.iter().all(|branch| tag_value(branch, key).is_some()))
}

pub(super) fn tag_value<'a>(branch: &'a Json, tag: &str) -> Option<&'a str> {
    branch.get("properties")?.get(tag)?.get("const")?.as_str()
}
