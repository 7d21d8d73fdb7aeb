//! The registry of policies that decide with a language model: what else `[policy.NAME]` may be.

use super::policy::LanguagePolicy;
use super::settings::LanguagePolicySettings;
use crate::base::{LanguageMind, Space};
use crate::scenario::{Kind, ScenarioError, Section, SettingsType};

/// A file that such a policy reads; the app finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MindFile {
    /// The setting that names it.
    pub key: &'static str,
    /// Its path, as the scenario gives it.
    pub path: String,
    /// What it holds; empty until it was read.
    pub text: String,
}

/// A kind of policy that asks its agents' language models.
pub struct MindKind {
    /// Its name, line and settings.
    pub kind: &'static Kind,
    /// The files it reads.
    pub files: fn(&Section) -> Result<Vec<MindFile>, ScenarioError>,
    /// Makes it for what its agents see and do, with the files read.
    pub build: fn(&Section, &Space, &[MindFile]) -> Result<Box<dyn LanguageMind>, ScenarioError>,
}

/// Every such policy. Adding one is one file and one line here.
pub static MINDS: &[MindKind] = &[MindKind { kind: &LANGUAGE_MODEL, files, build }];

static LANGUAGE_MODEL: Kind = Kind {
    name: "language_model",
    about: "the group's language model reads the situation and chooses among the legal actions by score",
    settings: SettingsType::of::<LanguagePolicySettings>(),
};

fn files(section: &Section) -> Result<Vec<MindFile>, ScenarioError> {
    let settings = section.settings::<LanguagePolicySettings>()?;
    let named = [("template_path", settings.template_path), ("examples_path", settings.examples_path)];
    let file = |(key, path): (&'static str, Option<String>)| Some(MindFile { key, path: path?, text: String::new() });
    Ok(named.into_iter().filter_map(file).collect())
}

fn build(section: &Section, space: &Space, files: &[MindFile]) -> Result<Box<dyn LanguageMind>, ScenarioError> {
    Ok(Box::new(LanguagePolicy::new(section, space, files)?))
}
