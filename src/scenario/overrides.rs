//! Overrides: `agents.front.count=12` puts one value over what the file says.

use std::collections::BTreeSet;
use std::sync::Arc;

use miette::NamedSource;

use super::check::advisor;
use super::error::{Problems, ScenarioError};
use super::path::element_name;
use super::source::{Sources, Span};
use super::tree::{Entry, Node, Table, Value, parse_value};
use super::words::{entries, suggest};

/// One value to put over what the file says: a dotted path of keys and a TOML value. A group of agents goes by its
/// name, `agents.NAME.key`; a key with unusual characters stands in quotes. A value that is not TOML is taken as text.
#[derive(Clone, Debug)]
pub struct Override {
    /// How it was asked for: `--set agents.front.count=12`, `--seed 7`.
    name: String,
    /// What places within it count in.
    text: String,
    keys: Vec<Key>,
    value: Node,
}

#[derive(Clone, Debug)]
struct Key {
    name: String,
    start: usize,
    end: usize,
}

impl Override {
    /// Reads `path=value`.
    ///
    /// # Errors
    /// When there is no `=`, the path is not a path of keys, or a value that starts like a list, a table or quoted
    /// text is not valid TOML.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let sources = Sources::file(&source_name(text), text);
        // Source 1, so that nothing takes the place for one in the file.
        let sources = Sources(vec![Arc::clone(&sources.0[0]), Arc::clone(&sources.0[0])]);
        let mistake = |start: usize, end: usize, message: &str| {
            let help = "an override is a path of keys and a value: `agents.front.count=12`, `policy.front.kind=random`";
            Problems::single(&sources, Span { source: 1, start, end }, message, "here", help)
        };
        super::error::check_size(&source_name("…"), text.len() as u64)?;
        let Some(equals) = equals_sign(text) else {
            return Err(mistake(0, text.len(), "the override has no `=`"));
        };
        let keys = split_keys(&text[..equals]).map_err(|(start, end, message)| mistake(start, end, message))?;
        let raw = &text[equals + 1..];
        let start = equals + 1 + (raw.len() - raw.trim_start().len());
        let trimmed = raw.trim();
        if trimmed.is_empty() {
            return Err(mistake(equals, text.len(), "the override has no value"));
        }
        let value = match parse_value(&sources, 1, start) {
            Ok(node) => node,
            // What begins like TOML is meant as TOML, and so is a number that is no sound one: its mistake counts.
            Err(error) if trimmed.starts_with(['[', '{', '"', '\'']) || is_number(trimmed) => return Err(error),
            Err(_) => {
                let span = Span { source: 1, start, end: start + trimmed.len() };
                Node { span, value: Value::Text(trimmed.to_owned()) }
            }
        };
        Ok(Self { name: source_name(text), text: text.to_owned(), keys, value })
    }

    /// Another seed, as `--seed` gives it.
    #[must_use]
    pub fn seed(seed: u64) -> Self {
        Self::number("seed", seed)
    }

    /// Another number of ticks, as `--ticks` gives it.
    #[must_use]
    pub fn ticks(ticks: u64) -> Self {
        Self::number("ticks", ticks)
    }

    fn number(key: &str, number: u64) -> Self {
        let text = number.to_string();
        let span = Span { source: 1, start: 0, end: text.len() };
        // A number beyond what TOML can say stays text and is refused with the others by its key's type.
        let value = i64::try_from(number).map_or_else(|_| Value::Text(text.clone()), Value::Whole);
        let keys = vec![Key { name: key.to_owned(), start: 0, end: text.len() }];
        Self { name: format!("--{key} {number}"), text, keys, value: Node { span, value } }
    }

    /// The override as it was asked for: `--set agents.front.count=12`, `--seed 7`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn source_name(text: &str) -> String {
    format!("--set {text}")
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
        || (text.starts_with(['+', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'_')))
}

/// The first `=` that is not within quotes.
fn equals_sign(text: &str) -> Option<usize> {
    let mut quote = None;
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (None, '=') => return Some(index),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    None
}

fn split_keys(path: &str) -> Result<Vec<Key>, (usize, usize, &'static str)> {
    let keys = toml_edit::Key::parse(path).map_err(|_| (0, path.len().max(1), "this is not a path of keys"))?;
    let mut found = Vec::with_capacity(keys.len());
    let mut from = 0;
    for key in keys {
        let written = key.display_repr().into_owned();
        let start = path[from..].find(&written).map_or(from, |at| from + at);
        from = (start + written.len()).min(path.len());
        found.push(Key { name: key.get().to_owned(), start, end: from });
    }
    Ok(found)
}

/// Puts every override over the tree, and its text beside the sources.
pub(super) fn apply(overrides: &[Override], root: &mut Node, sources: &mut Sources) -> Result<(), ScenarioError> {
    for one in overrides {
        sources.0.push(Arc::new(NamedSource::new(&one.name, one.text.clone())));
    }
    let with_kind = |one: &Override| match one.keys.as_slice() {
        [table, name, kind] if kind.name == "kind" => Some((table.name.clone(), name.name.clone())),
        _ => None,
    };
    let new_sections = overrides.iter().filter_map(with_kind).collect();
    for (index, one) in overrides.iter().enumerate() {
        Application { one, source: index + 1, new_sections: &new_sections, sources }.apply(root)?;
    }
    Ok(())
}

/// One override on its way into the tree.
struct Application<'a> {
    one: &'a Override,
    source: usize,
    /// The sections that overrides give a kind: these may be new.
    new_sections: &'a BTreeSet<(String, String)>,
    sources: &'a Sources,
}

impl Application<'_> {
    fn apply(&self, root: &mut Node) -> Result<(), ScenarioError> {
        let mut value = self.one.value.clone();
        move_to_source(&mut value, self.source);
        let mut node = root;
        for depth in 0..self.one.keys.len() {
            node = self.step(node, depth)?;
        }
        *node = value;
        Ok(())
    }

    fn span(&self, depth: usize) -> Span {
        let key = &self.one.keys[depth];
        Span { source: self.source, start: key.start, end: key.end }
    }

    fn mistake(&self, depth: usize, message: String, help: String) -> ScenarioError {
        Problems::single(self.sources, self.span(depth), message, "here", help)
    }

    /// The slot that the key at `depth` names within `node`; made where a table lacks it.
    fn step<'t>(&self, node: &'t mut Node, depth: usize) -> Result<&'t mut Node, ScenarioError> {
        let key = self.one.keys[depth].name.as_str();
        let above = self.one.keys[..depth].iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(".");
        let words = node.words();
        match &mut node.value {
            Value::Table(table) => {
                let within_section =
                    depth == 1 && matches!(above.as_str(), "policy" | "llm") && self.one.keys.len() > 2;
                let is_new = !table.contains_key(key) && !self.new_sections.contains(&(above.clone(), key.to_owned()));
                if within_section && is_new {
                    let declared: Vec<&str> = table.keys().map(String::as_str).collect();
                    let help = suggest(key, &declared, "declared are", "none is declared");
                    let help = format!("{help}; for a new one, set `{above}.{key}.kind` too");
                    return Err(self.mistake(depth, format!("there is no table [{above}.{key}]"), help));
                }
                let span = self.span(depth);
                let absent = Entry { key_span: span, node: Node { span, value: Value::Table(Table::new()) } };
                let entry = table.entry(key.to_owned()).or_insert(absent);
                if depth + 1 == self.one.keys.len() {
                    entry.key_span = span;
                }
                Ok(&mut entry.node)
            }
            Value::List(list) => {
                let count = list.len();
                let by_name = list.iter().position(|item| element_name(item) == Some(key));
                let names: Vec<String> = list.iter().filter_map(element_name).map(str::to_owned).collect();
                let index = by_name.or_else(|| key.parse().ok());
                index.and_then(|index| list.get_mut(index)).ok_or_else(|| {
                    if above == "agents" {
                        let names: Vec<&str> = names.iter().map(String::as_str).collect();
                        let help = suggest(key, &names, "groups", "the scenario has no groups");
                        return self.mistake(depth, format!("there is no group of agents named `{key}`"), help);
                    }
                    let help = format!("it has {}, counted from 0", entries(count as u64));
                    self.mistake(depth, format!("the list `{above}` has no entry `{key}`"), help)
                })
            }
            _ => {
                let help = "set the value itself, or a key of a table".to_owned();
                Err(self.mistake(depth, format!("`{above}` is {words} and has no key `{key}`"), help))
            }
        }
    }
}

fn move_to_source(node: &mut Node, source: usize) {
    node.span.source = source;
    match &mut node.value {
        Value::List(list) => list.iter_mut().for_each(|item| move_to_source(item, source)),
        Value::Table(table) => {
            for entry in table.values_mut() {
                entry.key_span.source = source;
                move_to_source(&mut entry.node, source);
            }
        }
        _ => {}
    }
}

/// Takes away the sections that groups of the file used and, after the overrides, no longer use: trying another policy
/// is no reason to ask for the first one's table to be removed. A section that an override speaks about stays.
pub(super) fn drop_replaced_sections(before: &Node, root: &mut Node) {
    for key in ["policy", "llm"] {
        let (was_used, is_used) = (used_names(before, key), used_names(root, key));
        let Some(entry) = root.table_mut().and_then(|table| table.get_mut(key)) else { continue };
        if let Some(sections) = entry.node.table_mut() {
            sections.retain(|name, section| {
                is_used.contains(name) || !was_used.contains(name) || speaks_override(&section.node)
            });
        }
    }
}

/// The policies that groups decide by, are compared with and fall back to, that advise, and that look for best responses; or
/// the models that groups have.
fn used_names(root: &Node, key: &str) -> BTreeSet<String> {
    let groups = root.get("agents").and_then(Node::list).unwrap_or_default();
    let mut names: Vec<&Node> = groups.iter().filter_map(|group| group.get(key)).collect();
    if key == "policy" {
        names.extend(groups.iter().filter_map(|group| group.get("fallback")));
        names.extend(groups.iter().filter_map(|group| group.get("compare")?.list()).flatten());
        let policies = root.get("policy").and_then(Node::table).into_iter().flatten();
        names.extend(policies.filter_map(|(_, entry)| advisor(&entry.node)));
        let responses = root.get("audit").and_then(|audit| audit.get("best_response"));
        names.extend(responses);
        let by_group = responses.and_then(Node::table).into_iter().flatten();
        names.extend(by_group.map(|(_, entry)| &entry.node));
    }
    names.into_iter().filter_map(|node| node.text().map(str::to_owned)).collect()
}

fn speaks_override(node: &Node) -> bool {
    node.span.is_in_override()
        || match &node.value {
            Value::List(list) => list.iter().any(speaks_override),
            Value::Table(table) => table.values().any(|entry| speaks_override(&entry.node)),
            _ => false,
        }
}
