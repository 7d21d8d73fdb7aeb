//! The JSON Schema of a scenario file, for editors and for the reference page.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::file::ScenarioFile;
use super::language::LanguageSettings;
use super::policy_language::PolicyLanguage;
use super::section::{Kind, Kinds};

pub(super) fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// The schema of one type as it is checked and published, and what it refers to.
pub(super) fn schema_of<T: JsonSchema>() -> (Value, Map<String, Value>) {
    let mut generator = generator();
    let mut schema = T::json_schema(&mut generator).to_value();
    let definitions = tidy_definitions(generator.take_definitions(true));
    tidy(&mut schema, &definitions);
    (schema, definitions)
}

/// The schema of a whole file (draft 2020-12): `policy`, `llm` and `domain` are one of the kinds, told apart by `kind`.
#[must_use]
pub fn json_schema(kinds: &Kinds) -> Value {
    let mut generator = generator();
    let mut schema = ScenarioFile::json_schema(&mut generator).to_value();
    let properties = &mut schema["properties"];
    let keys_of = |schema: Value| schema["properties"].as_object().cloned().unwrap_or_default();
    let of_models = keys_of(LanguageSettings::json_schema(&mut generator).to_value());
    let of_policies = keys_of(PolicyLanguage::json_schema(&mut generator).to_value());
    for (key, known, common) in [("policy", kinds.policies, &of_policies), ("llm", kinds.models, &of_models)] {
        if !known.is_empty() {
            properties[key]["additionalProperties"] = one_of(known, common, &mut generator);
        }
    }
    if !kinds.domains.is_empty() {
        let about = properties["domain"]["description"].clone();
        properties["domain"] = one_of(kinds.domains, &Map::new(), &mut generator);
        properties["domain"]["description"] = about;
    }
    let mut definitions = tidy_definitions(generator.take_definitions(true));
    if !kinds.policies.is_empty() && !kinds.models.is_empty() && !kinds.domains.is_empty() {
        definitions.remove("AnySection");
        definitions.remove("ModelSection");
        definitions.remove("PolicySection");
    }
    tidy(&mut schema, &definitions);
    schema["$defs"] = Value::Object(definitions);
    let mut root = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "LLMAgentOS scenario" });
    if let (Some(root), Value::Object(schema)) = (root.as_object_mut(), schema) {
        root.extend(schema.into_iter().filter(|(key, _)| key != "title"));
    }
    root
}

fn one_of(kinds: &[&Kind], common: &Map<String, Value>, generator: &mut SchemaGenerator) -> Value {
    json!({ "oneOf": kinds.iter().map(|kind| kind_schema(kind, common, generator)).collect::<Vec<_>>() })
}

/// The settings of a kind with the key `kind` put before them, and behind them those that all its like have.
fn kind_schema(kind: &Kind, common: &Map<String, Value>, generator: &mut SchemaGenerator) -> Value {
    let settings = (kind.settings.schema)(generator).to_value();
    let mut properties = Map::new();
    properties.insert("kind".to_owned(), json!({ "const": kind.name, "description": kind.about }));
    if let Some(own) = settings.get("properties").and_then(Value::as_object) {
        properties.extend(own.clone());
    }
    properties.extend(common.clone());
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

fn tidy_definitions(mut definitions: Map<String, Value>) -> Map<String, Value> {
    let untouched = definitions.clone();
    for schema in definitions.values_mut() {
        tidy(schema, &untouched);
    }
    definitions
}

/// Makes a schema say what the program does, all the way down:
/// a key that no field names is refused; the tag of an enum and the fields of the struct behind it are one table;
/// a single-precision default has its own digits, not those of the double nearest to it.
fn tidy(schema: &mut Value, definitions: &Map<String, Value>) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.contains_key("properties") {
        merge_reference(object, definitions);
    }
    if object.get("type").and_then(Value::as_str) == Some("object") && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if object.get("format").and_then(Value::as_str) == Some("float")
        && let Some(default) = object.get_mut("default")
    {
        shorten(default);
    }
    for key in ["properties", "patternProperties"] {
        if let Some(fields) = object.get_mut(key).and_then(Value::as_object_mut) {
            for field in fields.values_mut() {
                tidy(field, definitions);
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            tidy(inner, definitions);
        }
    }
    for key in ["oneOf", "anyOf", "allOf", "prefixItems"] {
        if let Some(branches) = object.get_mut(key).and_then(Value::as_array_mut) {
            for branch in branches {
                tidy(branch, definitions);
            }
        }
    }
}

fn merge_reference(object: &mut Map<String, Value>, definitions: &Map<String, Value>) {
    let name = object.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next());
    let Some(target) = name.and_then(|name| definitions.get(name)).cloned() else { return };
    object.remove("$ref");
    if let (Some(Value::Object(own)), Some(Value::Object(more))) =
        (object.get_mut("properties"), target.get("properties"))
    {
        own.extend(more.clone());
    }
    let more = target.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Value::Array(required) = object.entry("required").or_insert_with(|| json!([])) {
        required.extend(more);
    }
}

fn shorten(default: &mut Value) {
    if let Some(number) = default.as_f64()
        && let Ok(short) = (number as f32).to_string().parse::<f64>()
    {
        *default = json!(short);
    }
}
