//! Finds the value that a key path names: `learning_rate`, `state[2].feature`, `agents.front.policy`.

use super::source::Span;
use super::tree::{Node, Value};

/// The place of the value at `path` below `root`; of the nearest table or list around it where it is absent.
pub(super) fn locate(root: &Node, path: &str) -> Span {
    let mut node = root;
    for step in path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty()) {
        match child(node, step) {
            Some(next) => node = next,
            None => break,
        }
    }
    node.span
}

/// The value under a key, an index, or (in a list of tables) a name.
pub(super) fn child<'a>(node: &'a Node, step: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Table(table) => table.get(step).map(|entry| &entry.node),
        Value::List(list) => match list.iter().find(|item| element_name(item) == Some(step)) {
            Some(item) => Some(item),
            None => list.get(step.parse::<usize>().ok()?),
        },
        _ => None,
    }
}

/// The name of a list's element: its `name`, else its `role`.
pub(super) fn element_name(item: &Node) -> Option<&str> {
    item.get("name").or_else(|| item.get("role")).and_then(Node::text)
}
