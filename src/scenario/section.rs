//! Sections whose keys belong to a registry entry: `[policy.NAME]`, `[llm.NAME]`, `[domain]`.

use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Problems, ScenarioError};
use super::language::{COMMON_KEYS, LanguageSettings};
use super::path::locate;
use super::policy_language::{POLICY_KEYS, PolicyLanguage};
use super::read::Reader;
use super::schema::schema_of;
use super::shape::Shape;
use super::source::{Sources, Span};
use super::tree::{Node, Value};
use super::words::suggest;

/// How the path of an `[llm.NAME]` begins.
const MODELS: &str = "llm.";
/// How the path of a `[policy.NAME]` begins.
const POLICIES: &str = "policy.";

/// One `[policy.NAME]`, one `[llm.NAME]`, or `[domain]`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Section {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: String,
    name: String,
    kind: String,
    kind_span: Span,
    /// The table without `kind`; its span is the header's.
    body: Node,
    sources: Sources,
}

/// The settings of one kind: a struct with named fields, a doc line on each, ranges as `#[schemars(range(…))]`, and
/// `#[serde(default)]` where a key may be left away.
///
/// Unknown keys, wrong types and the schema's ranges, lengths and choices are refused before `validate` is asked.
pub trait Settings: DeserializeOwned + Serialize + JsonSchema {
    /// Checks what a schema cannot say: how settings fit together.
    ///
    /// # Errors
    /// What [`Section::invalid`] makes of the key that does not fit.
    fn validate(&self, _section: &Section) -> Result<(), ScenarioError> {
        Ok(())
    }
}

/// A settings type, as data for a registry.
#[derive(Clone, Copy, Debug)]
pub struct SettingsType {
    /// Reads and checks a section, and gives every setting with its default filled in, without `kind`.
    pub resolve: fn(&Section) -> Result<toml::Table, ScenarioError>,
    /// The JSON Schema of the settings, without `kind`.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl SettingsType {
    /// The entry for a type.
    #[must_use]
    pub const fn of<T: Settings>() -> Self {
        Self { resolve: resolve::<T>, schema: <T as JsonSchema>::json_schema }
    }
}

/// What every registry entry says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The value of `kind` in the scenario.
    pub name: &'static str,
    /// One sentence for lists and the reference page.
    pub about: &'static str,
    /// The type of its settings.
    pub settings: SettingsType,
}

/// All kinds a scenario may name.
#[derive(Clone, Copy, Debug)]
pub struct Kinds<'a> {
    /// For `[policy.NAME]`.
    pub policies: &'a [&'a Kind],
    /// For `[llm.NAME]`.
    pub models: &'a [&'a Kind],
    /// For `[domain]`.
    pub domains: &'a [&'a Kind],
}

impl Section {
    /// Makes a section of a table whose `kind` is known to be text.
    pub(super) fn new(path: &str, name: &str, table: &Node, sources: &Sources) -> Option<Self> {
        let mut body = table.clone();
        let kind = body.table_mut()?.remove("kind")?.node;
        let kind_span = kind.span;
        if let Some(table) = body.table_mut() {
            table.retain(|key, _| !common_keys(path).contains(&key.as_str()));
        }
        let Value::Text(kind) = kind.value else { return None };
        let (path, name) = (path.to_owned(), name.to_owned());
        Some(Self { inner: Arc::new(Inner { path, name, kind, kind_span, body, sources: sources.clone() }) })
    }

    /// A section that is a whole file.
    pub(super) fn whole(kind: &str, body: Node, sources: &Sources) -> Self {
        let (path, name, kind_span) = (String::new(), kind.to_owned(), body.span);
        Self { inner: Arc::new(Inner { path, name, kind: kind.to_owned(), kind_span, body, sources: sources.clone() }) }
    }

    /// The dotted path of the section's table: `policy.front`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.inner.path
    }

    /// The last part of the path: `front`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether this is an `[llm.NAME]`.
    pub(super) fn is_model(&self) -> bool {
        self.inner.path.starts_with(MODELS)
    }

    /// Whether this is a `[policy.NAME]`.
    pub(super) fn is_policy(&self) -> bool {
        self.inner.path.starts_with(POLICIES)
    }

    /// The value of `kind`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.inner.kind
    }

    /// Reads the settings and checks them.
    ///
    /// # Errors
    /// Unknown and missing keys, wrong types, numbers out of range, and what [`Settings::validate`] finds.
    pub fn settings<T: Settings>(&self) -> Result<T, ScenarioError> {
        let (mut schema, definitions) = schema_of::<T>();
        // The common keys have been checked and are no longer in the body; a mistyped one should still be told.
        if self.is_model() {
            add_common_keys::<LanguageSettings>(&mut schema);
        } else if self.is_policy() {
            add_common_keys::<PolicyLanguage>(&mut schema);
        }
        let mut problems = Problems::new(&self.inner.sources);
        let mut shape = Shape { definitions: &definitions, problems: &mut problems, top_keys: super::file::TOP_KEYS };
        shape.check(&self.inner.body, &schema, &self.inner.path);
        problems.finish()?;
        let settings = T::deserialize(Reader(&self.inner.body)).map_err(|error| {
            let span = error.span.unwrap_or(self.inner.body.span);
            let message = format!("`{}` does not fit: {}", self.inner.path, error.message);
            Problems::single(&self.inner.sources, span, message, "here", "see the reference of this kind's settings")
        })?;
        settings.validate(self)?;
        Ok(settings)
    }

    /// An error about one setting. `key` is a path within the section, such as `learning_rate` or `state[2].feature`.
    /// It points at the value, or at the section's header where the key is absent.
    #[must_use]
    pub fn invalid(&self, key: &str, message: impl Into<String>, help: impl Into<String>) -> ScenarioError {
        let span = if key == "kind" { self.inner.kind_span } else { locate(&self.inner.body, key) };
        Problems::single(&self.inner.sources, span, message, format!("`{key}`"), help)
    }

    /// An error about one setting whose text must not be shown, because it may hold a password.
    #[must_use]
    pub fn invalid_hidden(&self, key: &str, message: &str, help: &str) -> ScenarioError {
        let file = self.inner.sources.0.first().map_or("scenario", |source| source.name());
        ScenarioError::without_place(file, format!("`{}.{key}` {message}", self.path()), help)
    }

    /// The error for a `kind` that is none of those known.
    #[must_use]
    pub fn invalid_kind(&self, known: &[&str]) -> ScenarioError {
        let message = format!("`{}` has the unknown kind \"{}\"", self.path(), self.kind());
        let help = suggest(self.kind(), known, "kinds", "this program knows no kinds for this section");
        Problems::single(&self.inner.sources, self.inner.kind_span, message, "unknown kind", help)
    }

    /// An error about the section as a whole.
    pub(super) fn unwanted(&self, message: impl Into<String>, help: impl Into<String>) -> ScenarioError {
        Problems::single(&self.inner.sources, self.inner.body.span, message, "not used", help)
    }

    /// Every setting with its default filled in, without `kind`.
    pub(super) fn resolve(&self, kinds: &[&Kind]) -> Result<toml::Table, ScenarioError> {
        match kinds.iter().find(|kind| kind.name == self.kind()) {
            Some(kind) => (kind.settings.resolve)(self),
            None => Err(self.invalid_kind(&kinds.iter().map(|kind| kind.name).collect::<Vec<_>>())),
        }
    }
}

/// The keys that all sections with such a path may have.
fn common_keys(path: &str) -> &'static [&'static str] {
    if path.starts_with(MODELS) {
        COMMON_KEYS
    } else if path.starts_with(POLICIES) {
        POLICY_KEYS
    } else {
        &[]
    }
}

/// Makes the keys that every section of its sort may have known to a kind's schema.
fn add_common_keys<T: JsonSchema>(schema: &mut serde_json::Value) {
    let (common, _) = schema_of::<T>();
    let Some(object) = schema.as_object_mut() else { return };
    let properties = object.entry("properties").or_insert_with(|| serde_json::json!({}));
    if let (Some(properties), Some(common)) = (properties.as_object_mut(), common["properties"].as_object()) {
        properties.extend(common.clone());
    }
}

fn resolve<T: Settings>(section: &Section) -> Result<toml::Table, ScenarioError> {
    let settings = section.settings::<T>()?;
    // Through text, because it writes an `f32` with its own shortest digits; as a table it would become a long `f64`.
    let text = toml::to_string(&settings).map_err(|error| error.to_string());
    let table = text.and_then(|text| toml::from_str(&text).map_err(|error| error.to_string()));
    table.map_err(|error| {
        section.invalid("", format!("the settings of `{}` cannot be written as TOML: {error}", section.path()), "")
    })
}
