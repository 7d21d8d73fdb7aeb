//! The reference page of the scenario file, written from the schema.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::file::MINIMAL_EXAMPLE;
use super::language::COMMON_KEYS;
use super::schema::json_schema;
use super::section::Kinds;
use super::shape::{common_tag, description, tag_value};
use super::words::{choices, describe, follow, join, present, type_of};

/// The page as Markdown: every key with its type, range, default and meaning; a section for every kind.
#[must_use]
pub fn reference(kinds: &Kinds) -> String {
    let schema = json_schema(kinds);
    let empty = Map::new();
    let definitions = schema["$defs"].as_object().unwrap_or(&empty);
    let mut page = Page { text: String::new(), definitions };
    page.paragraph("# The scenario file");
    page.paragraph("This page is written from the program's own types; edit those, not it.");
    page.paragraph(description(&schema, definitions));
    page.paragraph(
        "A scenario is a TOML file. Keys that no table here names are errors, and so are numbers out of range, `inf` and \
         `nan`. `--set path=value` puts a value over that of the file: the path is the key's, with a group of agents by \
         its name, as in `--set agents.front.count=12`.",
    );
    page.paragraph(&format!("A small one:\n\n```toml\n{MINIMAL_EXAMPLE}```"));
    page.paragraph("## The top of the file");
    let properties = &schema["properties"];
    let is_table =
        |key: &str| matches!(key, "clock" | "agents" | "policy" | "llm" | "domain" | "record" | "train" | "audit");
    page.rows(&schema, |key| !is_table(key));
    let tables = [
        ("clock", "[clock]"),
        ("agents", "[[agents]]"),
        ("record", "[record]"),
        ("train", "[train]"),
        ("audit", "[audit]"),
    ];
    for (key, header) in tables {
        page.paragraph(&format!("## `{header}`"));
        page.paragraph(description(&properties[key], definitions));
        let table = present(&properties[key], definitions);
        page.rows(follow(table.get("items").unwrap_or(table), definitions), |_| true);
    }
    let sections = [("policy", "[policy.NAME]"), ("llm", "[llm.NAME]"), ("domain", "[domain]")];
    for (key, header) in sections {
        page.paragraph(&format!("## `{header}`"));
        page.paragraph(description(&properties[key], definitions));
        let schema = if key == "domain" { &properties[key] } else { &properties[key]["additionalProperties"] };
        let kinds = schema["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
        let common = if key == "llm" { COMMON_KEYS } else { &[] };
        if let (Some(kind), false) = (kinds.first(), common.is_empty()) {
            page.paragraph("Every kind has these keys beside its own:");
            page.rows(kind, |key| common.contains(&key));
        }
        for kind in kinds {
            page.kind(key, kind, common);
        }
    }
    page.text
}

struct Page<'a> {
    text: String,
    definitions: &'a Map<String, Value>,
}

impl Page<'_> {
    fn paragraph(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.push_str(if self.text.is_empty() { "" } else { "\n" });
            self.text.push_str(text.trim_end());
            self.text.push('\n');
        }
    }

    fn kind(&mut self, key: &str, schema: &Value, common: &[&str]) {
        let name = schema["title"].as_str().unwrap_or_default();
        let about = schema["properties"]["kind"]["description"].as_str().unwrap_or_default();
        self.paragraph(&format!("### {key} `{name}`"));
        self.paragraph(about);
        let more = description(schema, self.definitions);
        if more != about {
            self.paragraph(more);
        }
        let is_own = |key: &str| key != "kind" && !common.contains(&key);
        if schema["properties"].as_object().is_some_and(|keys| keys.keys().any(|key| is_own(key))) {
            self.rows(schema, is_own);
        } else {
            self.paragraph(&format!("It has no settings of its own beside `kind = \"{name}\"`."));
        }
    }

    /// A table with a row for every key, and for every key within it.
    fn rows(&mut self, schema: &Value, wanted: impl Fn(&str) -> bool) {
        let mut rows = Vec::new();
        self.collect(schema, "", "", &wanted, &mut rows);
        self.paragraph("| key | value | default | meaning |\n|---|---|---|---|");
        for row in rows {
            let cells = row.map(|cell| cell.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" "));
            // Writing to a text cannot fail.
            let _ = writeln!(self.text, "| {} |", cells.join(" | "));
        }
    }

    fn collect(
        &self,
        schema: &Value,
        path: &str,
        condition: &str,
        wanted: &dyn Fn(&str) -> bool,
        rows: &mut Vec<[String; 4]>,
    ) {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, property) in schema["properties"].as_object().into_iter().flatten().filter(|(key, _)| wanted(key)) {
            let path = join(path, key);
            let default = match property.get("default") {
                _ if required.contains(&key.as_str()) => "required".to_owned(),
                Some(default) => code(default),
                None => "none".to_owned(),
            };
            let mut meaning = description(property, self.definitions).to_owned();
            for (word, about) in self.choice_meanings(property) {
                let _ = write!(meaning, " `\"{word}\"`: {about}");
            }
            meaning.insert_str(0, condition);
            rows.push([format!("`{path}`"), describe(property, self.definitions), default, meaning]);
            self.collect_within(property, &path, rows);
        }
    }

    /// The keys of a table, of a list's tables, or of the tables an enum may be.
    fn collect_within(&self, property: &Value, path: &str, rows: &mut Vec<[String; 4]>) {
        let schema = present(property, self.definitions);
        if choices(schema).is_some() {
            return;
        }
        match type_of(schema) {
            Some("array") => {
                if let Some(items) = schema.get("items") {
                    self.collect_within(items, &format!("{path}[]"), rows);
                }
            }
            Some("object") => {
                self.collect(schema, path, "", &|_| true, rows);
                if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
                    self.collect_within(values, &format!("{path}.NAME"), rows);
                }
            }
            _ => self.collect_branches(schema, path, rows),
        }
    }

    fn collect_branches(&self, schema: &Value, path: &str, rows: &mut Vec<[String; 4]>) {
        let branches = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
        let branches: Vec<&Value> =
            branches.into_iter().flatten().map(|branch| follow(branch, self.definitions)).collect();
        let tag = common_tag(&branches);
        if let Some(tag) = tag {
            let choice = |branch: &&Value| {
                Some((tag_value(branch, tag)?.to_owned(), description(branch, self.definitions).to_owned()))
            };
            let words: Vec<(String, String)> = branches.iter().filter_map(choice).collect();
            let allowed: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let mut meaning = String::from("Which form it has.");
            for (word, about) in words {
                let _ = write!(meaning, " `\"{word}\"`: {about}");
            }
            let value = format!("one of {}", allowed.join(", "));
            rows.push([format!("`{}`", join(path, tag)), value, "required".to_owned(), meaning]);
        }
        for branch in branches {
            let condition = match tag {
                Some(tag) => format!("With `{tag} = \"{}\"`: ", tag_value(branch, tag).unwrap_or_default()),
                None => String::new(),
            };
            self.collect(branch, path, &condition, &|key| Some(key) != tag, rows);
        }
    }

    fn choice_meanings(&self, property: &Value) -> Vec<(String, String)> {
        let schema = present(property, self.definitions);
        let branches = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let meaning = |branch: &Value| {
            let about = branch.get("description")?.as_str()?;
            Some((branch.get("const")?.as_str()?.to_owned(), about.to_owned()))
        };
        branches.filter_map(meaning).collect()
    }
}

/// A default as TOML would have it.
fn code(value: &Value) -> String {
    fn toml(value: &Value) -> String {
        match value {
            Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
            Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
            Value::Object(fields) => {
                let fields = fields.iter().filter(|(_, value)| !value.is_null());
                let fields: Vec<String> = fields.map(|(key, value)| format!("{key} = {}", toml(value))).collect();
                format!("{{ {} }}", fields.join(", "))
            }
            _ => value.to_string(),
        }
    }
    if value.is_null() { "none".to_owned() } else { format!("`{}`", toml(value)) }
}
