//! `verify`: runs a run again and compares bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::assets::{Assets, Progress};
use super::error::AppError;
use super::prepare::load_scenario;
use super::run::{RunOptions, Task, carry_out_task, read_manifest};
use crate::base::BudgetUnit;
use crate::record::{FileSum, Manifest, sums_of};

/// How to verify.
pub struct VerifyOptions {
    /// Threads for batches.
    pub threads: usize,
    /// Answer from the run's own transcripts, without any model.
    pub replay: bool,
    /// No bar, no talk.
    pub quiet: bool,
    /// Set by Ctrl-C.
    pub stop: Arc<AtomicBool>,
}

/// The resolved scenario inside a run folder.
const SCENARIO: &str = "scenario.toml";

/// The first difference between a record and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file inside the run folder.
    pub file: String,
    /// Counted from 1; `None` where a file is missing or more than there should be.
    pub place: Option<(usize, usize)>,
    /// What differs.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(formatter, "{}:{line}:{column}: {}", self.file, self.what),
            None => write!(formatter, "{}: {}", self.file, self.what),
        }
    }
}

/// Runs the folder's scenario again beside it and compares every byte, then the folder with its own manifest.
/// Gives the first difference, or `None` when there is none.
///
/// # Errors
/// When the folder is no run, or the run cannot be repeated.
pub fn verify_run(
    folder: &Path,
    assets: &Assets,
    progress: &mut dyn Progress,
    options: &VerifyOptions,
) -> Result<Option<Difference>, AppError> {
    let manifest = read_manifest(folder)?;
    let recorded = sums_of(folder)?;
    // Another scenario makes another run: its differences would say nothing about the recorded one.
    match recorded.iter().find(|sum| sum.name == SCENARIO) {
        None => return Ok(Some(absent(SCENARIO, "is missing from the run folder"))),
        Some(sum) if sum.sha256 != manifest.scenario_sha256 => {
            let what = "is not the scenario that was run: its SHA-256 differs from the manifest's";
            return Ok(Some(absent(SCENARIO, what)));
        }
        Some(_) => {}
    }
    let scenario = load_scenario(&folder.join(SCENARIO), &[])?;
    if manifest.version != env!("CARGO_PKG_VERSION") {
        progress.note(&format!(
            "the run was written by version {}, this is {}: differences may be due to that",
            manifest.version,
            env!("CARGO_PKG_VERSION")
        ));
    }
    if manifest.budgets_spent.iter().any(|spent| spent.unit == BudgetUnit::Seconds) && !options.replay {
        progress
            .note("a budget of seconds was spent in this run: the clock decided when, and only --replay repeats it");
    }
    let task = Task::of(&manifest).ok_or_else(|| AppError::File {
        path: folder.join(MANIFEST),
        problem: format!(
            "the folder was written by the command \"{}\", which this version does not have",
            manifest.command
        ),
        help: "take the version that wrote it".to_owned(),
    })?;
    let scratch = Scratch::new("verify")?;
    let outcome = carry_out_task(
        task,
        &scenario,
        assets,
        progress,
        &RunOptions {
            threads: options.threads,
            out: scratch.0.clone(),
            replay: options.replay.then(|| folder.to_owned()),
            then_live: false,
            compare: manifest.compare,
            quiet: options.quiet,
            stop: Arc::clone(&options.stop),
            shuffle_systems: None,
        },
    );
    let again = match outcome {
        Ok(again) => again,
        // A transcript that does not fit is a difference, if the file is not what the run wrote.
        Err(error) => {
            return match own_difference(folder, &manifest.files, &recorded) {
                Some(difference) => Ok(Some(difference)),
                None => Err(error),
            };
        }
    };
    for (name, source) in &manifest.data {
        if again.manifest.data.get(name).is_some_and(|now| now.sha256 != source.sha256) {
            progress.note(&format!(
                "{}: the domain's `{name}` is not the file that the run read: differences may be due to that",
                source.source
            ));
        }
    }
    let repeated = sums_of(&again.folder)?;
    for sum in repeated.iter().filter(|sum| ![TIMINGS, MANIFEST].contains(&sum.name.as_str())) {
        match recorded.iter().find(|old| old.name == sum.name) {
            None => return Ok(Some(absent(&sum.name, "is missing from the run folder"))),
            Some(old) if old.sha256 != sum.sha256 => {
                let (old, new) = (read(folder, &sum.name)?, read(&again.folder, &sum.name)?);
                return Ok(first_difference(&sum.name, &old, &new));
            }
            Some(_) => {}
        }
    }
    if let Some(sum) =
        recorded.iter().find(|old| old.name != TIMINGS && repeated.iter().all(|sum| sum.name != old.name))
    {
        return Ok(Some(absent(&sum.name, "stands in the run folder, but the run does not write it")));
    }
    // A replay writes what it reads: a changed answer that changes nothing else shows only here.
    if let Some(difference) = own_difference(folder, &manifest.files, &recorded) {
        return Ok(Some(difference));
    }
    let (mut old, new) = (read(folder, MANIFEST)?, read(&again.folder, MANIFEST)?);
    if !options.replay && !manifest.partial_replay.is_empty() {
        // Which answers were an earlier run's is not to be repeated by models.
        old = (serde_json::to_string_pretty(&Manifest { partial_replay: BTreeMap::new(), ..manifest })
            .expect("plain data")
            + "\n")
            .into_bytes();
    }
    Ok(first_difference(MANIFEST, &by_the_same_build(&old, &new), &new))
}

const TIMINGS: &str = "timings.json";
const MANIFEST: &str = "manifest.json";

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, AppError> {
    std::fs::read(folder.join(name)).map_err(|error| AppError::File {
        path: folder.join(name),
        problem: error.to_string(),
        help: "make it readable".to_owned(),
    })
}

/// The recorded manifest with version and commit of the build that repeats it: who repeats a run is not the record's
/// affair.
fn by_the_same_build(recorded: &[u8], repeated: &[u8]) -> Vec<u8> {
    let of_the_build =
        |line: &[u8]| [&b"  \"version\": "[..], b"  \"commit\": "].into_iter().find(|start| line.starts_with(start));
    let mut text = Vec::with_capacity(recorded.len());
    for line in recorded.split_inclusive(|&byte| byte == b'\n') {
        let other = of_the_build(line)
            .and_then(|start| repeated.split_inclusive(|&byte| byte == b'\n').find(|other| other.starts_with(start)));
        text.extend_from_slice(other.unwrap_or(line));
    }
    text
}

/// A file that is not what the manifest says it was when the run ended.
fn own_difference(folder: &Path, manifest: &[FileSum], recorded: &[FileSum]) -> Option<Difference> {
    let changed = manifest.iter().find(|sum| recorded.iter().all(|found| found != *sum))?;
    let there = folder.join(&changed.name).exists();
    Some(absent(
        &changed.name,
        if there { "is not what the run wrote: its SHA-256 differs from the manifest's" } else { "is missing" },
    ))
}

fn absent(file: &str, what: &str) -> Difference {
    Difference { file: file.to_owned(), place: None, what: what.to_owned() }
}

fn first_difference(name: &str, old: &[u8], new: &[u8]) -> Option<Difference> {
    if old == new {
        return None;
    }
    let at = old.iter().zip(new).position(|(left, right)| left != right).unwrap_or(old.len().min(new.len()));
    let line = old[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
    let line_start = old[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
    // Columns count characters; a byte that continues a character is not one.
    let column = old[line_start..at].iter().filter(|&&byte| byte & 0xc0 != 0x80).count() + 1;
    let excerpt = |bytes: &[u8]| -> String {
        let from = at.saturating_sub(20).max(line_start).min(bytes.len());
        let to = (at + 30).min(bytes.len());
        let text = String::from_utf8_lossy(&bytes[from..to]).into_owned();
        text.split('\n').next().unwrap_or_default().to_owned()
    };
    Some(Difference {
        file: name.to_owned(),
        place: Some((line, column)),
        what: format!("recorded {:?}, repeated {:?}", excerpt(old), excerpt(new)),
    })
}

/// A folder for temporary files that goes when it is dropped.
pub(super) struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(purpose: &str) -> Result<Self, AppError> {
        let path = std::env::temp_dir().join(format!("llmagentos-{purpose}-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| AppError::File {
            path: path.clone(),
            problem: error.to_string(),
            help: format!("{purpose} writes its run into the folder for temporary files (TMPDIR)"),
        })?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
