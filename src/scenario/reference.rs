//! The reference page of the scenario file, written from the schema.

use super::section::Kinds;

/// The page as Markdown.
#[must_use]
pub fn reference(kinds: &Kinds) -> String {
    let _ = super::schema::json_schema(kinds);
    String::new()
}
