//! How models and data are fetched: pinned in a catalogue, kept in a cache, checked before they are used.
//!
//! The order is cache, model hub, package index. Nothing is printed here but by [`run`]; a fetch tells of itself
//! through [`Progress`]. Nothing takes its place in the cache before its size and SHA-256 were found right.

mod cache;
mod catalog;
mod command;
mod error;
mod hub;
mod package;
mod progress;
mod redact;
mod settings;

use std::fs::File;
use std::path::{Path, PathBuf};

pub use catalog::{Asset, Catalog, CatalogError, HubFile, Package};
pub use command::{AssetsCommand, run};
pub use error::{AssetError, Attempt};
pub use progress::{Progress, Silent, TerminalProgress};
pub use settings::{AssetSettings, DEFAULT_HUB_ENDPOINT};

use error::{Failure, directions};

/// A catalogue with a cache: the one way to a model or data file.
#[derive(Clone, Debug)]
pub struct Assets {
    catalog: Catalog,
    settings: AssetSettings,
}

/// One line of the list of assets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The catalogue's entry.
    pub asset: &'a Asset,
    /// The package that carries it.
    pub package: &'a Package,
    /// Where it lies, or will lie once fetched.
    pub path: PathBuf,
    /// Whether it is there in its catalogued size.
    pub cached: bool,
}

impl Assets {
    /// The catalogue that is built into the program.
    pub fn new(settings: AssetSettings) -> Self {
        Self::with_catalog(settings, Catalog::embedded().clone())
    }

    /// Another catalogue.
    pub fn with_catalog(settings: AssetSettings, catalog: Catalog) -> Self {
        Self { catalog, settings }
    }

    /// The settings in use.
    pub fn settings(&self) -> &AssetSettings {
        &self.settings
    }

    /// Every catalogued asset, in the catalogue's order.
    pub fn list(&self) -> Vec<Listed<'_>> {
        let listed = |asset| {
            let path = cache::target(&self.settings, asset);
            Some(Listed { asset, package: self.catalog.package(asset)?, path, cached: self.is_cached(asset) })
        };
        self.catalog.assets.iter().filter_map(listed).collect()
    }

    /// The catalogue's entry of that id.
    ///
    /// # Errors
    /// [`AssetError::Unknown`], with the nearest known id.
    pub fn asset(&self, id: &str) -> Result<&Asset, AssetError> {
        self.catalog.asset(id).ok_or_else(|| AssetError::Unknown {
            id: id.to_owned(),
            suggestion: self.catalog.nearest(id).map(str::to_owned),
        })
    }

    /// The cached file, if it is there in its catalogued size. Cheap: the content is not read.
    ///
    /// # Errors
    /// [`AssetError::Unknown`] or [`AssetError::Missing`].
    pub fn path(&self, id: &str) -> Result<PathBuf, AssetError> {
        let asset = self.asset(id)?;
        cache::cached(&self.settings, asset).map_err(|found| AssetError::Missing { id: id.to_owned(), found })
    }

    /// The cached file, fetched first if it is missing: from the model hub where it has one, else with pip.
    ///
    /// # Errors
    /// [`AssetError::Unknown`]; [`AssetError::Offline`] at once when fetching is switched off;
    /// [`AssetError::Unavailable`] with every source that failed; [`AssetError::Cache`] when the cache cannot be
    /// written; [`AssetError::Interrupted`] once the stop flag is set.
    pub fn pull(&self, id: &str, progress: &mut dyn Progress) -> Result<PathBuf, AssetError> {
        let asset = self.asset(id)?;
        if let Ok(path) = cache::cached(&self.settings, asset) {
            return Ok(path);
        }
        let Some(package) = self.catalog.package(asset) else {
            return Err(AssetError::Unavailable { id: id.to_owned(), attempts: Vec::new(), directions: String::new() });
        };
        let target = std::path::absolute(cache::target(&self.settings, asset))
            .unwrap_or_else(|_| cache::target(&self.settings, asset));
        let directions = directions(asset, package, &target);
        if self.settings.offline {
            return Err(AssetError::Offline { id: id.to_owned(), directions });
        }
        let lock = cache::lock(&self.settings, asset, package, progress)?;
        // Whoever held the lock before may have fetched it.
        if let Ok(path) = cache::cached(&self.settings, asset) {
            return Ok(path);
        }
        let mut attempts = Vec::new();
        if let Some(hub) = &asset.hub {
            match hub::fetch(&self.settings, asset, hub, progress) {
                Ok(path) => return Ok(path),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Source(what)) => {
                    progress.note(&format!("model hub: {what}; trying the package index"));
                    attempts.push(Attempt { source: format!("model hub ({})", hub.repository), what });
                }
            }
        }
        let fetched = package::fetch(&self.settings, &self.catalog, asset, package, &lock, &mut attempts, progress)?;
        fetched.ok_or(AssetError::Unavailable { id: id.to_owned(), attempts, directions })
    }

    /// The cached file after its whole content was read and its SHA-256 found right.
    ///
    /// # Errors
    /// As [`Self::path`]; [`AssetError::Damaged`] when the content is not the catalogued one; [`AssetError::Cache`]
    /// when it cannot be read; [`AssetError::Interrupted`] once the stop flag is set.
    pub fn verify(&self, id: &str) -> Result<PathBuf, AssetError> {
        let asset = self.asset(id)?;
        let path = self.path(id)?;
        match cache::file_sha256(&path, || self.settings.stopped()) {
            Ok(Some(found)) if found == asset.sha256 => Ok(path),
            Ok(Some(found)) => {
                Err(AssetError::Damaged { id: id.to_owned(), path, expected: asset.sha256.clone(), found })
            }
            Ok(None) => Err(AssetError::Interrupted { id: id.to_owned() }),
            Err(source) => Err(AssetError::Cache { action: "read", path, source }),
        }
    }

    /// A file that the user names outright instead of an asset: it must be there, be a file and be readable.
    ///
    /// # Errors
    /// [`AssetError::File`].
    pub fn explicit(path: &Path) -> Result<PathBuf, AssetError> {
        let unusable = |what: String| AssetError::File { path: path.to_owned(), what };
        let file = File::open(path).map_err(|error| unusable(error.to_string()))?;
        let found = file.metadata().map_err(|error| unusable(error.to_string()))?;
        if found.is_file() { Ok(path.to_owned()) } else { Err(unusable("it is not a file".to_owned())) }
    }

    fn is_cached(&self, asset: &Asset) -> bool {
        cache::cached(&self.settings, asset).is_ok()
    }
}
