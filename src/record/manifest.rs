//! The manifest: everything that is needed to run a run again, and what it wrote.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::FileSum;
use crate::base::{BudgetUnit, LanguageUsage, Tick};

/// A file that a run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    /// The catalogue's id, or the path as the scenario gives it.
    pub source: String,
    /// Of the bytes that were read.
    pub sha256: String,
}

/// What went through a language model in a run, or in one that it is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguageRow {
    /// `this run`, or the contender's name.
    pub run: String,
    /// The model's name in the scenario.
    pub model: String,
    /// What went through.
    #[serde(flatten)]
    pub usage: LanguageUsage,
}

/// A budget of language that was spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetRow {
    /// `this run`, or the contender's name.
    pub run: String,
    /// The model's name in the scenario.
    pub model: String,
    /// Of what.
    pub unit: BudgetUnit,
    /// At which tick the model was asked for more.
    pub tick: Tick,
    /// Whether the run stopped there; otherwise it went on by the policy it falls back to.
    pub stopped: bool,
    /// Requests of the world itself that were answered since as if every option were equally likely.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub answered_evenly: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none_of_them(count: &u64) -> bool {
    *count == 0
}

impl fmt::Display for BudgetRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, model, unit, tick, stopped, answered_evenly } = self;
        write!(formatter, "{run}: the budget of {unit} of language model \"{model}\" was spent at tick {tick}: ")?;
        formatter.write_str(if *stopped {
            "the run stopped there, and what it had recorded is kept"
        } else {
            "from there on groups decided by their `fallback`"
        })?;
        match answered_evenly {
            0 => Ok(()),
            count => write!(formatter, ", and {count} readings and choices of words were left to equal odds"),
        }
    }
}

/// Where the answers of a partly replayed run came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialReplay {
    /// SHA-256 of the record.
    pub transcript_sha256: String,
    /// Calls that it answered.
    pub from_record: u64,
    /// Calls that models answered.
    pub from_models: u64,
    /// Calls after the record's end whose answer was remembered from either.
    pub remembered: u64,
    /// The call at which the record ended to match, and how; none where it matched to the end.
    pub departure: Option<String>,
}

/// Numbers that a run ended with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Its name.
    pub name: String,
    /// Its value; `None` where there is none, such as a share of nothing.
    pub number: Option<f64>,
    /// Its value as a person reads it.
    pub shown: String,
}

impl Settled {
    /// A count.
    #[must_use]
    pub fn count(name: &str, count: u64) -> Self {
        Self { name: name.to_owned(), number: Some(count as f64), shown: count.to_string() }
    }

    /// A number, shown with two digits.
    #[must_use]
    pub fn number(name: &str, number: Option<f64>) -> Self {
        let shown = number.map_or_else(|| NOTHING.to_owned(), |number| format!("{number:.2}"));
        Self { name: name.to_owned(), number, shown }
    }

    /// A mean of `count` things that sum up to `sum`.
    #[must_use]
    pub fn mean(name: &str, sum: f64, count: u64) -> Self {
        Self::number(name, (count > 0).then(|| sum / count as f64))
    }

    /// A share, shown in per cent.
    #[must_use]
    pub fn share(name: &str, share: Option<f64>) -> Self {
        let shown = share.map_or_else(|| NOTHING.to_owned(), |share| format!("{:.1}%", 100.0 * share));
        Self { name: name.to_owned(), number: share, shown }
    }

    /// The share that `part` is of `whole`, shown with both.
    #[must_use]
    pub fn part(name: &str, part: u64, whole: u64) -> Self {
        let mut settled = Self::share(name, (whole > 0).then(|| part as f64 / whole as f64));
        if whole > 0 {
            settled.shown = format!("{} ({part} of {whole})", settled.shown);
        }
        settled
    }
}

/// How a training went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRow {
    /// What it was judged by: `return`, or a measure of the summary.
    pub measure: String,
    /// Whether more of it is better.
    pub larger_is_better: bool,
    /// Evaluations, the one before the first tick among them.
    pub evaluations: u64,
    /// The seeds of each.
    pub seeds: Vec<u64>,
    /// Why it ended.
    pub stopped: String,
    /// What is kept of what was learned.
    pub policies: Vec<CheckpointRow>,
}

/// Policies of one tick of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointRow {
    /// The folder that holds them, inside the train folder.
    pub folder: String,
    /// Whether no evaluation found better ones.
    pub best: bool,
    /// Ticks that they had learned from.
    pub tick: u64,
    /// What their evaluation came to; `None` where it had no value, or there was none at this tick.
    pub value: Option<f64>,
}

/// What is shown where there is no number.
const NOTHING: &str = "–";

/// `manifest.json`. Holds no wall-clock time and no path of a machine, so that it too is the same for the same run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of this file.
    pub format: u32,
    /// The program's version.
    pub version: String,
    /// The commit it was built from; `unknown` for builds outside a release from a checkout.
    pub commit: String,
    /// The scenario's name.
    pub scenario: String,
    /// SHA-256 of `scenario.toml`, the resolved scenario.
    pub scenario_sha256: String,
    /// The seed.
    pub seed: u64,
    /// Ticks run.
    pub ticks: u64,
    /// Whether the policies that groups are compared with were run too.
    pub compare: bool,
    /// `complete`, or `budget spent` where the run or one it is compared with stopped before its last tick.
    pub outcome: String,
    /// The command that wrote the folder: `run`, `train`, `evaluate` or `audit`.
    #[serde(default = "run")]
    pub command: String,
    /// How the training went, after `train`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingRow>,
    /// The seeds, after `evaluate` and `audit`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// Each language model: backend, kernel, weights.
    pub models: BTreeMap<String, BTreeMap<String, String>>,
    /// For a run that was answered by an earlier run's record first and by models then: where the answers came from, for
    /// the run itself (`run`) and for each that it is compared with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partial_replay: BTreeMap<String, PartialReplay>,
    /// Each file that the domain read.
    pub data: BTreeMap<String, DataSource>,
    /// Each saved policy that was loaded.
    pub loaded_policies: BTreeMap<String, DataSource>,
    /// What went through the language models, by run and model.
    #[serde(default)]
    pub language: Vec<LanguageRow>,
    /// The budgets of language that were spent.
    #[serde(default)]
    pub budgets_spent: Vec<BudgetRow>,
    /// What came out.
    pub summary: Vec<Settled>,
    /// Every other file of the folder, except timings.json.
    pub files: Vec<FileSum>,
}

/// Folders of versions that knew one command.
fn run() -> String {
    "run".to_owned()
}
