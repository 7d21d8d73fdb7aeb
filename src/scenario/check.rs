//! What makes a scenario sound beyond each value: names are unlike, references point at something.

use std::collections::{BTreeMap, BTreeSet};

use super::audit::check_audit;
use super::error::Problems;
use super::file::{MAX_AGENTS, ScenarioFile, TOP_KEYS};
use super::path::element_name;
use super::schema::schema_of;
use super::shape::Shape;
use super::tree::{Node, Value};
use super::words::{NAME_RULE, is_name, suggest};

/// Keys, types and ranges of the file itself; what is within sections is left to their kinds.
pub(super) fn check_shape(root: &Node, problems: &mut Problems) {
    let (schema, definitions) = schema_of::<ScenarioFile>();
    Shape { definitions: &definitions, problems, top_keys: TOP_KEYS }.check(root, &schema, "");
}

/// Names of groups and sections, and what groups name. Looks at the tree, so that it speaks even where types are off.
pub(super) fn check_references(root: &Node, problems: &mut Problems) {
    for key in ["policy", "llm", "rights"] {
        for (name, entry) in root.get(key).and_then(Node::table).into_iter().flatten() {
            if !is_name(name) {
                let message = format!("\"{}\" cannot name a table of `{key}`", name.escape_debug());
                problems.add(entry.key_span, message, "not a name", format!("a name is {NAME_RULE}"));
            }
        }
    }
    for entry in root.get("policy").and_then(Node::table).into_iter().flat_map(BTreeMap::values) {
        if let Some(node) = advisor(&entry.node) {
            check_reference(root, node, "policy", problems);
        }
    }
    let recorded = root.get("record").and_then(|record| record.get("transitions")).and_then(Node::list);
    for node in recorded.unwrap_or_default() {
        check_reference(root, node, "policy", problems);
    }
    check_audit(root, problems, |node, problems| check_reference(root, node, "policy", problems));
    let groups = root.get("agents").and_then(Node::list).unwrap_or_default();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut agents: i64 = 0;
    for group in groups {
        if problems.is_full() {
            break;
        }
        if let Some(name) = element_name(group)
            && !names.insert(name)
        {
            let span = group.get("name").or_else(|| group.get("role")).map_or(group.span, |node| node.span);
            let message = format!("two groups of agents have the name \"{name}\"");
            let help = "give each group a `name` of its own; a group without one is named after its role";
            problems.add(span, message, "again", help);
        }
        for key in ["policy", "llm"] {
            if let Some(node) = group.get(key) {
                check_reference(root, node, key, problems);
            }
        }
        if let Some(node) = group.get("fallback") {
            check_reference(root, node, "policy", problems);
        }
        for node in group.get("compare").and_then(Node::list).unwrap_or_default() {
            check_reference(root, node, "policy", problems);
        }
        agents += match group.get("count").map(|count| &count.value) {
            None => 1,
            Some(Value::Whole(count)) if (0..=i64::from(MAX_AGENTS)).contains(count) => *count,
            // Told by its own range or type.
            Some(_) => 0,
        };
        if agents > i64::from(MAX_AGENTS) {
            let span = group.get("count").map_or(group.span, |count| count.span);
            let message = format!("up to this group there are {agents} agents, but all groups may have {MAX_AGENTS}");
            problems.add(span, message, "too many", "make the groups smaller");
            break;
        }
    }
}

/// What a policy's section names as its advisor, `advice.from`.
pub(super) fn advisor(policy: &Node) -> Option<&Node> {
    policy.get("advice")?.get("from")
}

fn check_reference(root: &Node, node: &Node, key: &str, problems: &mut Problems) {
    let Some(name) = node.text() else { return };
    let table = root.get(key).and_then(Node::table);
    if is_name(name) && !table.is_some_and(|table| table.contains_key(name)) {
        let declared: Vec<&str> = table.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let what = if key == "policy" { "policy" } else { "language model" };
        let message = format!("there is no {what} \"{name}\"");
        let absent = format!("none is declared; add a table [{key}.{name}] with its `kind`");
        problems.add(node.span, message, "not declared", suggest(name, &declared, "declared are", &absent));
    }
}
