//! The scenario file: its types, spans, validation, overrides, resolved form, JSON Schema and reference page.
//!
//! Touches no file: a text and its name go in. A section's settings are a struct with [`Settings`]; its JSON Schema
//! is what checks the text (keys, types, ranges), what editors read and what the reference page is written from.

mod audit;
mod check;
mod error;
mod file;
mod language;
mod network;
mod other_file;
mod overrides;
mod path;
mod policy_language;
mod read;
mod reference;
mod resolved;
mod reward;
mod rights;
mod schema;
mod section;
mod shape;
mod source;
mod train;
mod tree;
mod words;

pub use audit::{AUDIT_SEEDS_FROM, AuditSettings, BestResponses, Payoff};
pub use error::{MAX_BYTES, ScenarioError, check_size};
pub use file::{AgentGroup, Clock, MAX_AGENTS, MINIMAL_EXAMPLE, RecordSettings, Scenario};
pub use language::{Budget, LanguageSettings, Price, Remember};
pub use network::{NetworkSettings, Topology};
pub use other_file::section_file;
pub use overrides::Override;
pub use policy_language::{PolicyLanguage, ReaderSettings, SpeakerSettings, Words};
pub use reference::reference;
pub use reward::{PotentialSettings, RewardSettings, ShapingSettings};
pub use rights::{RightsSettings, WhenBreached};
pub use schema::json_schema;
pub use section::{Kind, Kinds, Section, Settings, SettingsType};
pub use train::{EVALUATE_SEEDS_FROM, TRAIN_SEEDS_FROM, TrainSettings};
pub use words::one_of;
