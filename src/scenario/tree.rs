//! The text as a tree of values, each with the place where it was written.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Problems, ScenarioError};
use super::source::{Sources, Span};

/// Tables and lists within each other; beyond it lies no sensible scenario, and every walk over a tree may recurse.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The value; for a table with a header, the header.
    pub span: Span,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Whole(i64),
    Number(f64),
    Truth(bool),
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Entry>;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key_span: Span,
    pub node: Node,
}

impl Node {
    pub fn table(&self) -> Option<&Table> {
        if let Value::Table(table) = &self.value { Some(table) } else { None }
    }

    pub fn table_mut(&mut self) -> Option<&mut Table> {
        if let Value::Table(table) = &mut self.value { Some(table) } else { None }
    }

    pub fn list(&self) -> Option<&[Node]> {
        if let Value::List(list) = &self.value { Some(list) } else { None }
    }

    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The value under a key, where this is a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        Some(&self.table()?.get(key)?.node)
    }

    /// What the value is, in words: "text", "a whole number".
    pub fn words(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "text",
            Value::Whole(_) => "a whole number",
            Value::Number(_) => "a number with a decimal point",
            Value::Truth(_) => "true or false",
            Value::Date(_) => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Reads a whole file.
pub(super) fn parse_file(sources: &Sources) -> Result<Node, ScenarioError> {
    let text = sources.0[0].inner();
    let document = DeTable::parse(text).map_err(|error| syntax(sources, 0, 0, &error))?;
    let span = Span::new(0, 0..0);
    let mut problems = Problems::new(sources);
    let table = convert_table(document.into_inner(), 0, 0, 0, &mut problems);
    problems.finish()?;
    Ok(Node { span, value: Value::Table(table) })
}

/// Reads one value that starts at byte `offset` of its source.
pub(super) fn parse_value(sources: &Sources, source: usize, offset: usize) -> Result<Node, ScenarioError> {
    let text = &sources.0[source].inner()[offset..];
    let value = DeValue::parse(text).map_err(|error| syntax(sources, source, offset, &error))?;
    let mut problems = Problems::new(sources);
    let node = convert(value, source, offset, 0, &mut problems);
    problems.finish()?;
    Ok(node)
}

fn syntax(sources: &Sources, source: usize, offset: usize, error: &toml::de::Error) -> ScenarioError {
    let length = sources.0[source].inner().len();
    let range = error.span().unwrap_or(0..0);
    let (start, end) = ((range.start + offset).min(length), (range.end + offset).min(length));
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let at_end_of_line = sources.0[source].inner()[start..].trim_start_matches([' ', '\t', '\r']).chars().next();
    let message = match message.as_str() {
        "string values must be quoted, expected literal string"
            if matches!(at_end_of_line, None | Some('\n' | '#')) =>
        {
            "a value is missing after the `=`".to_owned()
        }
        "string values must be quoted, expected literal string" => {
            "this is no value; text stands in \"quotes\"".to_owned()
        }
        _ => message,
    };
    let help = match message.as_str() {
        text if text.contains("duplicate key") => "every key stands once in its table; remove one of the two",
        text if text.contains("recur") => "take some of the nesting away",
        _ => "a scenario is a TOML file: `key = value` lines, text in \"quotes\", [tables] and [[lists of tables]]",
    };
    Problems::single(sources, Span { source, start, end }, format!("not valid TOML: {message}"), "here", help)
}

fn convert(value: Spanned<DeValue<'_>>, source: usize, offset: usize, depth: usize, problems: &mut Problems) -> Node {
    let range = value.span();
    let span = Span::new(source, range.start + offset..range.end + offset);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(digits) => {
            Value::Whole(i64::from_str_radix(digits.as_str(), digits.radix()).unwrap_or_else(|_| {
                let message = format!("the whole number {digits} does not fit in 64 bits");
                let help = format!("whole numbers lie between {} and {}", i64::MIN, i64::MAX);
                problems.add(span, message, "too large", help);
                0
            }))
        }
        DeValue::Float(digits) => Value::Number(finite(digits.as_str(), span, problems)),
        DeValue::Boolean(truth) => Value::Truth(truth),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(_) | DeValue::Table(_) if depth >= MAX_DEPTH => {
            let message = format!("tables and lists stand within each other more than {MAX_DEPTH} deep");
            problems.add(span, message, "too deep", "take some of the nesting away");
            Value::List(Vec::new())
        }
        DeValue::Array(list) => {
            Value::List(list.into_iter().map(|item| convert(item, source, offset, depth + 1, problems)).collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(table, source, offset, depth + 1, problems)),
    };
    Node { span, value }
}

fn convert_table(table: DeTable<'_>, source: usize, offset: usize, depth: usize, problems: &mut Problems) -> Table {
    let mut entries = Table::new();
    for (key, value) in table {
        let range = key.span();
        let key_span = Span::new(source, range.start + offset..range.end + offset);
        let node = convert(value, source, offset, depth, problems);
        entries.insert(key.into_inner().into_owned(), Entry { key_span, node });
    }
    entries
}

fn finite(digits: &str, span: Span, problems: &mut Problems) -> f64 {
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => number,
        _ => {
            let message = format!("{digits} is not a finite number");
            problems.add(span, message, "not finite", "numbers in a scenario are finite: no inf, no nan");
            0.0
        }
    }
}
