//! Where the cache lies, which sources may be asked and how long they are waited for.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::error::AssetError;

/// The model hub that is asked when `HF_ENDPOINT` is not set.
pub const DEFAULT_HUB_ENDPOINT: &str = "https://huggingface.co";

/// How assets are fetched and kept.
#[derive(Clone, Debug)]
pub struct AssetSettings {
    /// The folder that holds the fetched files: `{cache_dir}/{id}/{file}`.
    pub cache_dir: PathBuf,
    /// Whether every source but the cache is out of bounds.
    pub offline: bool,
    /// The model hub, without a slash at its end.
    pub hub_endpoint: String,
    /// Commands (program, then arguments) that start Python; each is tried in turn with `-m pip` appended.
    pub python: Vec<Vec<OsString>>,
    /// The longest wait for the hub's name to resolve, and again for the connection with its TLS handshake.
    pub connect_timeout: Duration,
    /// The longest wait for the hub's next bytes.
    pub stall_timeout: Duration,
    /// How long pip may run without writing anything before it is ended.
    pub package_stall_timeout: Duration,
    /// Set to `true` (by Ctrl-C) to end a fetch at the next chance.
    pub stop: Arc<AtomicBool>,
}

impl AssetSettings {
    /// The usual settings with the cache in `cache_dir`: online, the default hub, `python3` then `python`.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            offline: false,
            hub_endpoint: DEFAULT_HUB_ENDPOINT.to_owned(),
            python: vec![vec!["python3".into()], vec!["python".into()]],
            connect_timeout: Duration::from_secs(3),
            stall_timeout: Duration::from_secs(10),
            package_stall_timeout: Duration::from_mins(2),
            stop: Arc::default(),
        }
    }

    /// The settings that the environment asks for: `LLMAGENTOS_CACHE`, else `XDG_CACHE_HOME/llmagentos`, else
    /// `HOME/.cache/llmagentos`; `LLMAGENTOS_OFFLINE`; `HF_ENDPOINT`.
    ///
    /// # Errors
    /// [`AssetError::NoCacheDir`] when none of the three variables is set.
    pub fn from_environment() -> Result<Self, AssetError> {
        Self::from_variables(|name| env::var_os(name))
    }

    /// As [`Self::from_environment`], with the variables looked up by `variable`. A variable that is set to nothing
    /// counts as not set. `LLMAGENTOS_OFFLINE` is on for any value but `0`, `false` and `no`.
    ///
    /// # Errors
    /// As [`Self::from_environment`].
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, AssetError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // The XDG base directory specification says that a relative path there must be ignored.
        let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
        let cache_dir = set("LLMAGENTOS_CACHE")
            .map(PathBuf::from)
            .or_else(|| set("XDG_CACHE_HOME").and_then(absolute).map(|path| path.join("llmagentos")))
            .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache").join("llmagentos")))
            .ok_or(AssetError::NoCacheDir)?;
        let mut settings = Self::new(cache_dir);
        settings.offline = set("LLMAGENTOS_OFFLINE")
            .is_some_and(|value| !["0", "false", "no"].contains(&value.to_string_lossy().to_lowercase().as_str()));
        if let Some(endpoint) = set("HF_ENDPOINT") {
            endpoint.to_string_lossy().trim_end_matches('/').clone_into(&mut settings.hub_endpoint);
        }
        Ok(settings)
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
