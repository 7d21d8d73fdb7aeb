//! What other runs recorded, read for the policies that learn from it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::AppError;
use super::registry::domain_of;
use super::run::read_manifest;
use crate::base::Transitions;
use crate::record::{DataSource, TRANSITIONS, read_transitions, sha256_of};
use crate::rl::{ALGORITHMS, RecordingSource};
use crate::scenario::Scenario;
use crate::sim::spaces_of_policies;

/// Recordings by the name of the policy that learns from them, in the order in which its section names them.
pub(super) type Recordings = BTreeMap<String, Arc<[Transitions]>>;

/// Reads what the policies of a checked scenario learn from, and says where it came from.
///
/// # Errors
/// When a file is missing, is not what its run wrote, or was recorded for other agents.
pub(super) fn load_recordings(
    scenario: &Scenario,
    sources: &mut BTreeMap<String, DataSource>,
) -> Result<Recordings, AppError> {
    let spaces = spaces_of_policies(scenario, domain_of(scenario)?)?;
    let mut recordings = Recordings::new();
    for (name, section) in &scenario.policies {
        let Some(algorithm) = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()) else {
            continue;
        };
        let mut read = Vec::new();
        for (number, source) in (algorithm.recordings)(section)?.into_iter().enumerate() {
            let (path, expected) = locate(name, &source)?;
            let unusable = |problem: String| AppError::Recording { policy: name.clone(), path: path.clone(), problem };
            let (_, sha256) = sha256_of(&path).map_err(|error| unusable(told(&error)))?;
            if expected.is_some_and(|expected| expected != sha256) {
                return Err(unusable("is not what its run wrote: its SHA-256 differs from the run's manifest".into()));
            }
            let file = File::open(&path).map_err(|error| unusable(told(&error)))?;
            read.push(read_transitions(file, &spaces[name]).map_err(unusable)?);
            sources.insert(format!("policy.{name}.data[{number}]"), DataSource { source: source.path, sha256 });
        }
        if !read.is_empty() {
            recordings.insert(name.clone(), read.into());
        }
    }
    Ok(recordings)
}

/// The file that a section means, and the SHA-256 that it must have where it lies in a run folder.
fn locate(policy: &str, source: &RecordingSource) -> Result<(PathBuf, Option<String>), AppError> {
    let place = Path::new(&source.path);
    if !place.is_dir() {
        return Ok((place.to_owned(), None));
    }
    let unusable = |problem: String| AppError::Recording { policy: policy.to_owned(), path: place.to_owned(), problem };
    let manifest = read_manifest(place)?;
    let recorded: Vec<(&str, &str)> = manifest
        .files
        .iter()
        .filter_map(|file| {
            let name = file.name.strip_prefix(TRANSITIONS)?.strip_prefix('/')?.strip_suffix(".csv")?;
            Some((name, file.sha256.as_str()))
        })
        .collect();
    let names = recorded.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let (name, sha256) = match (&source.policy, &recorded[..]) {
        (_, []) => return Err(unusable("the run recorded no transitions".into())),
        (None, [only]) => *only,
        (None, _) => {
            let problem = format!("the run recorded those of {names}: say which with `data_policy`");
            return Err(unusable(problem));
        }
        (Some(wanted), _) => *recorded.iter().find(|(name, _)| name == wanted).ok_or_else(|| {
            unusable(format!("the run recorded no transitions of a policy \"{wanted}\", but those of {names}"))
        })?,
    };
    Ok((place.join(TRANSITIONS).join(format!("{name}.csv")), Some(sha256.to_owned())))
}

fn told(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        _ => error.to_string(),
    }
}
