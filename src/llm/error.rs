//! Why a model file cannot be used.

use std::path::PathBuf;

/// Why a model could not be loaded; every variant names the file and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("model file {} cannot be read: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// It is no GGUF file of a known version.
    #[error("{} is no GGUF model file: {problem}", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        problem: String,
    },
    /// Its structure is broken, as after an interrupted download.
    #[error("model file {} is damaged: {problem}; fetch it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is broken.
        problem: String,
    },
    /// It holds a model of another architecture.
    #[error("model file {} holds a model of architecture {found:?}; those that can be run are {known}", path.display())]
    Architecture {
        /// The file.
        path: PathBuf,
        /// The architecture it names.
        found: String,
        /// The architectures that can be run.
        known: String,
    },
    /// A tensor is not there.
    #[error("model file {} has no tensor {tensor:?}", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor has another shape than the settings in the file ask for.
    #[error("model file {}: tensor {tensor:?} has shape {found:?}, but the file's settings ask for {expected:?}", path.display())]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Rows and columns asked for.
        expected: Vec<usize>,
        /// Rows and columns found.
        found: Vec<usize>,
    },
    /// It needs something that is not built in.
    #[error("model file {} cannot be run: {problem}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it needs.
        problem: String,
    },
    /// A kernel was asked for that this processor cannot run.
    #[error(
        "kernel {kernel:?} needs the processor features {features}, which this machine lacks; choose another or \"auto\""
    )]
    Kernel {
        /// The kernel.
        kernel: String,
        /// What it needs.
        features: &'static str,
    },
}
