//! What can go wrong in the program, and the exit code that says so.

use std::path::PathBuf;

use super::assets::AssetError;
use crate::llm::{BackendError, GenerationError, LoadError};
use crate::record::RecordError;
use crate::scenario::ScenarioError;
use crate::sim::{BuildError, SimError};

/// Documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All went well.
    Ok = 0,
    /// Our own bug, or the system refused something we could not foresee.
    Internal = 1,
    /// The command line or a scenario is wrong.
    Usage = 2,
    /// An asset or a backend is missing.
    Missing = 3,
    /// Outputs differ from the record.
    Differs = 4,
    /// The budget of a language model was spent before the last tick; what was recorded until then is in the folder.
    BudgetSpent = 5,
    /// An audit found a gain above ε.
    Refuted = 6,
    /// The user interrupted.
    Interrupted = 130,
}

/// Any failure of a command.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The scenario is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A file that was named cannot be used.
    #[error("{}: {problem}\n\n{help}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        help: String,
    },
    /// A model or data file is not to be had.
    #[error(transparent)]
    Asset(#[from] AssetError),
    /// A language model cannot be made ready.
    #[error("{}{}", .0, model_help(.0))]
    Backend(#[from] BackendError),
    /// A file that the domain reads does not hold what it should.
    #[error("{}: {problem}\n\nthe domain reads its `{key}` from it: mend the file, or name another with `{key}_path` in [domain]", path.display())]
    Data {
        /// The domain's name for it.
        key: String,
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The simulation cannot be built.
    #[error(transparent)]
    Build(BuildError),
    /// The simulation had to stop.
    #[error("{0}\n\nnothing of this run was kept")]
    Sim(#[from] SimError),
    /// The results cannot be written.
    #[error("{}\n\nnothing of this run was kept; {}", .0, record_help(.0))]
    Record(#[from] RecordError),
    /// A saved policy cannot be loaded.
    #[error("policy \"{policy}\" cannot start from {}: {problem}\n\nname a run of a scenario with the same `state`, roles and domain, or take `load` away", path.display())]
    SavedPolicy {
        /// The policy's name in the scenario.
        policy: String,
        /// What was to be loaded.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// What another run recorded cannot be learned from.
    #[error("policy \"{policy}\" cannot learn from {}: {problem}\n\nname run folders in `data` whose scenario has `[record] transitions = [\"POLICY\"]` for agents with the same features and actions", path.display())]
    Recording {
        /// The policy's name in the scenario.
        policy: String,
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A transcript cannot be replayed.
    #[error("{}: {problem}\n\nreplay needs the whole folder of a finished run of this scenario, as the run left it", path.display())]
    Transcript {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// Personas cannot be made as declared.
    #[error("{0}\n\nnothing was written")]
    Generation(#[from] GenerationError),
    /// A file of a game holds what is expected, and the answer is another.
    #[error("{}: the answer is not what the file expects: {}\n\ntake the expected keys out of the file, or mend what it asks", path.display(), differences.join("; "))]
    Expected {
        /// Which.
        path: PathBuf,
        /// In what they differ.
        differences: Vec<String>,
    },
    /// A scenario cannot be audited.
    #[error("{problem}\n\n{help}")]
    Audit {
        /// What is wrong.
        problem: String,
        /// What to do.
        help: String,
    },
    /// The user interrupted.
    #[error("interrupted; nothing of this run was kept")]
    Interrupted,
    /// The rayon pool could not be made.
    #[error("cannot start {threads} threads: {problem}\n\nname fewer with --threads")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system said.
        problem: String,
    },
    /// Standard output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

/// What to do about a model that cannot be made ready, where the message does not say it.
fn model_help(error: &BackendError) -> &'static str {
    match error {
        BackendError::Load(LoadError::Unreadable { .. }) => {
            "\n\nname a GGUF file with `path` in the scenario's [llm.NAME], or an asset with `model`"
        }
        BackendError::Load(_) => {
            "\n\nname another file with `path` in the scenario's [llm.NAME], or an asset with `model`: \
             `llmagentos assets list` shows those that are known to run"
        }
        BackendError::Transcript { .. } => "\n\nname the llm.jsonl of a finished run with `transcript`",
        BackendError::Scenario(_) => "",
    }
}

fn record_help(error: &RecordError) -> &'static str {
    use std::io::ErrorKind;
    match error {
        RecordError::Io { source, .. }
            if matches!(source.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory) =>
        {
            "a file is in the way: choose another folder with --out, or move it"
        }
        _ => "free space or choose another folder with --out",
    }
}

impl From<BuildError> for AppError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Scenario(error) => Self::Scenario(error),
            other => Self::Build(other),
        }
    }
}

impl AppError {
    /// The exit code that says so.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Interrupted => ExitCode::Interrupted,
            Self::Asset(error) if error.is_interrupted() => ExitCode::Interrupted,
            Self::Asset(error) if error.is_missing() => ExitCode::Missing,
            Self::Backend(BackendError::Load(_) | BackendError::Transcript { .. }) => ExitCode::Missing,
            Self::Asset(error) if error.is_usage() => ExitCode::Usage,
            Self::Backend(BackendError::Scenario(_))
            | Self::Generation(GenerationError::Impossible(_))
            | Self::Scenario(_)
            | Self::File { .. }
            | Self::Data { .. }
            | Self::Audit { .. }
            | Self::SavedPolicy { .. }
            | Self::Recording { .. }
            | Self::Sim(SimError::Learn { error: crate::base::LearnError::Recording(_), .. })
            | Self::Transcript { .. }
            | Self::Build(BuildError::Data { .. } | BuildError::Scenario(_))
            | Self::Threads { .. } => ExitCode::Usage,
            Self::Expected { .. }
            | Self::Sim(SimError::Language { error: crate::base::LanguageError::Replay(_), .. }) => ExitCode::Differs,
            Self::Sim(SimError::Language { error: crate::base::LanguageError::Unavailable(_), .. })
            | Self::Generation(GenerationError::Language(crate::base::LanguageError::Unavailable(_))) => {
                ExitCode::Missing
            }
            Self::Asset(_)
            | Self::Build(_)
            | Self::Generation(_)
            | Self::Sim(_)
            | Self::Record(_)
            | Self::Output(_) => ExitCode::Internal,
        }
    }
}
