//! The JSON Schema of a scenario file, for editors and for the reference page.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::file::ScenarioFile;
use super::section::{Kind, Kinds};

/// Closes every table: a key that no field names is an error, in an editor as in the program.
#[derive(Clone)]
struct CloseTables;

impl Transform for CloseTables {
    fn transform(&mut self, schema: &mut Schema) {
        let is_struct = schema.get("type").and_then(Value::as_str) == Some("object")
            && schema.get("additionalProperties").is_none()
            && schema.get("patternProperties").is_none();
        if is_struct {
            schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
        transform_subschemas(self, schema);
    }
}

pub(super) fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with_transform(CloseTables).into_generator()
}

pub(super) fn closed(mut schema: Schema) -> Schema {
    CloseTables.transform(&mut schema);
    schema
}

/// The schema of a whole file (draft 2020-12): `policy`, `llm` and `domain` are one of the kinds, told apart by `kind`.
#[must_use]
pub fn json_schema(kinds: &Kinds) -> Value {
    let mut generator = generator();
    let mut schema = closed(ScenarioFile::json_schema(&mut generator)).to_value();
    let properties = &mut schema["properties"];
    for (key, known) in [("policy", kinds.policies), ("llm", kinds.models)] {
        if !known.is_empty() {
            properties[key]["additionalProperties"] = one_of(known, &mut generator);
        }
    }
    if !kinds.domains.is_empty() {
        let about = properties["domain"]["description"].clone();
        properties["domain"] = one_of(kinds.domains, &mut generator);
        properties["domain"]["description"] = about;
    }
    let definitions = generator.take_definitions(true);
    schema["$defs"] = Value::Object(definitions);
    let mut root = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "LLMAgentOS scenario" });
    if let (Some(root), Value::Object(schema)) = (root.as_object_mut(), schema) {
        root.extend(schema.into_iter().filter(|(key, _)| key != "title"));
    }
    root
}

fn one_of(kinds: &[&Kind], generator: &mut SchemaGenerator) -> Value {
    json!({ "oneOf": kinds.iter().map(|kind| kind_schema(kind, generator)).collect::<Vec<_>>() })
}

/// The settings of a kind with the key `kind` put before them.
fn kind_schema(kind: &Kind, generator: &mut SchemaGenerator) -> Value {
    let settings = closed((kind.settings.schema)(generator)).to_value();
    let mut properties = serde_json::Map::new();
    properties.insert("kind".to_owned(), json!({ "const": kind.name, "description": kind.about }));
    if let Some(own) = settings.get("properties").and_then(Value::as_object) {
        properties.extend(own.clone());
    }
    let mut required = vec![json!("kind")];
    required.extend(settings.get("required").and_then(Value::as_array).cloned().unwrap_or_default());
    json!({
        "title": kind.name,
        "description": settings.get("description").cloned().unwrap_or_else(|| json!(kind.about)),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
