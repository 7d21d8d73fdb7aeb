//! What makes a scenario sound beyond each value: names are unlike, references point at something.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::error::Problems;
use super::file::{MAX_AGENTS, ScenarioFile, TOP_KEYS};
use super::path::element_name;
use super::schema::{closed, generator};
use super::shape::{Place, Shape};
use super::tree::{Node, Value};
use super::words::{NAME_RULE, is_name, suggest};

/// Keys, types and ranges of the file itself; what is within sections is left to their kinds.
pub(super) fn check_shape(root: &Node, problems: &mut Problems) {
    let mut generator = generator();
    let schema = closed(ScenarioFile::json_schema(&mut generator));
    let definitions = generator.take_definitions(true);
    Shape { definitions: &definitions, problems, top_keys: TOP_KEYS }.check(
        root,
        schema.as_value(),
        Place { path: "" },
    );
}

/// Names of groups and sections, and what groups name. Looks at the tree, so that it speaks even where types are off.
pub(super) fn check_references(root: &Node, problems: &mut Problems) {
    for key in ["policy", "llm"] {
        for (name, entry) in root.get(key).and_then(Node::table).into_iter().flatten() {
            if !is_name(name) {
                let message = format!("\"{}\" cannot name a table of `{key}`", name.escape_debug());
                problems.add(entry.key_span, message, "not a name", format!("a name is {NAME_RULE}"));
            }
        }
    }
    let groups = root.get("agents").and_then(Node::list).unwrap_or_default();
    let mut first_with_name: BTreeMap<&str, &Node> = BTreeMap::new();
    let mut agents: i64 = 0;
    for group in groups {
        if let Some(name) = element_name(group) {
            if first_with_name.contains_key(name) {
                let span = group.get("name").or_else(|| group.get("role")).map_or(group.span, |node| node.span);
                let message = format!("two groups of agents have the name \"{name}\"");
                let help = "give each group a `name` of its own; a group without one is named after its role";
                problems.add(span, message, "again", help);
            }
            first_with_name.entry(name).or_insert(group);
        }
        for key in ["policy", "llm"] {
            if let Some(node) = group.get(key) {
                check_reference(root, node, key, problems);
            }
        }
        for node in group.get("compare").and_then(Node::list).unwrap_or_default() {
            check_reference(root, node, "policy", problems);
        }
        agents = agents.saturating_add(match group.get("count").map(|count| &count.value) {
            Some(Value::Whole(count)) => *count,
            _ => 1,
        });
        if agents > i64::from(MAX_AGENTS) && group.get("count").is_none_or(|count| within_limit(count)) {
            let span = group.get("count").map_or(group.span, |count| count.span);
            let message = format!("up to this group there are {agents} agents, but all groups may have {MAX_AGENTS}");
            problems.add(span, message, "too many", "make the groups smaller");
            break;
        }
    }
}

fn within_limit(count: &Node) -> bool {
    matches!(count.value, Value::Whole(count) if count <= i64::from(MAX_AGENTS))
}

fn check_reference(root: &Node, node: &Node, key: &str, problems: &mut Problems) {
    let Some(name) = node.text() else { return };
    let declared: Vec<&str> =
        root.get(key).and_then(Node::table).into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if is_name(name) && !declared.contains(&name) {
        let what = if key == "policy" { "policy" } else { "language model" };
        let message = format!("there is no {what} \"{name}\"");
        let none = format!("none is declared; add a table [{key}.{name}] with its `kind`");
        problems.add(node.span, message, "not declared", suggest(name, &declared, "declared are", &none));
    }
}
