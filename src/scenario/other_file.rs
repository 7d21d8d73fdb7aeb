//! Files that are no scenarios but are written, checked and complained about like them.

use std::collections::BTreeMap;

use super::error::{Problems, ScenarioError, check_size};
use super::section::Section;
use super::source::Sources;
use super::tree::{Value, parse_file};

/// Reads a TOML file as one section of this kind, and its `[llm.NAME]` tables as sections of their own.
///
/// # Errors
/// Wrong syntax, and models without a `kind`. Settings are checked when they are read.
pub fn section_file(
    file_name: &str,
    text: &str,
    kind: &str,
) -> Result<(Section, BTreeMap<String, Section>), ScenarioError> {
    check_size(file_name, text.len() as u64)?;
    let sources = Sources::file(file_name, text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut root = parse_file(&sources)?;
    let models = root.table_mut().and_then(|table| table.remove("llm"));
    let mut sections = BTreeMap::new();
    if let Some(entry) = models {
        let wrong = |span, message: String| {
            let help = "a table [llm.NAME] has a `kind`, such as \"candle\"";
            Problems::single(&sources, span, message, "here", help)
        };
        let Value::Table(tables) = &entry.node.value else {
            return Err(wrong(entry.node.span, "`llm` is no table of models".to_owned()));
        };
        for (name, model) in tables {
            let path = format!("llm.{name}");
            let section = Section::new(&path, name, &model.node, &sources)
                .ok_or_else(|| wrong(model.node.span, format!("`{path}` lacks the key `kind`")))?;
            sections.insert(name.clone(), section);
        }
    }
    Ok((Section::whole(kind, root, &sources), sections))
}
