//! The catalogue: what can be fetched, from where, and the checksums it must have.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;
use thiserror::Error;

/// Everything that can be fetched. Parsed strictly: unknown keys, repeated ids and malformed checksums are refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// The Python packages that carry the files.
    #[serde(rename = "package", default)]
    pub packages: Vec<Package>,
    /// The files themselves, in the order in which they are listed.
    #[serde(rename = "asset", default)]
    pub assets: Vec<Asset>,
}

/// A Python package, pinned to one wheel file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The name that pip knows it by.
    pub name: String,
    /// The exact version.
    pub version: String,
    /// The wheel's file name.
    pub wheel: String,
    /// The wheel's size in bytes.
    pub bytes: u64,
    /// The wheel's SHA-256, 64 lowercase hexadecimal digits.
    pub sha256: String,
}

/// One file that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// The name by which scenarios and the command ask for it.
    pub id: String,
    /// What it is, in a line.
    pub what: String,
    /// The licence, as an SPDX expression.
    pub licence: String,
    /// The file name it has in the cache.
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// The name of the package that carries it.
    pub package: String,
    /// Its path inside the wheel.
    pub member: String,
    /// Where the model hub has the same file, if it does.
    pub hub: Option<HubFile>,
}

/// A file on the model hub: `{endpoint}/{repository}/resolve/main/{file}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubFile {
    /// `owner/name`.
    pub repository: String,
    /// The path inside the repository.
    pub file: String,
}

/// What is wrong with a catalogue.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CatalogError {
    /// It is not TOML of the expected shape.
    #[error("the catalogue of assets does not parse: {0}")]
    Syntax(String),
    /// An entry holds a value that cannot be used.
    #[error("the catalogue of assets: {entry}: {what}")]
    Entry {
        /// Which entry, for example `asset "tiny"`.
        entry: String,
        /// What is wrong with it.
        what: String,
    },
}

static EMBEDDED: LazyLock<Catalog> = LazyLock::new(|| {
    Catalog::parse(include_str!("../../../assets/catalog.toml")).expect("the catalogue built into the program is valid")
});

impl Catalog {
    /// The catalogue that is built into the program, `assets/catalog.toml`.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads a catalogue and checks every entry.
    ///
    /// # Errors
    /// [`CatalogError`] names the first entry that cannot be used.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let catalog: Self = toml::from_str(text).map_err(|error| CatalogError::Syntax(error.to_string()))?;
        let mut seen = BTreeSet::new();
        for package in &catalog.packages {
            package
                .check()
                .and_then(|()| unique(&mut seen, &package.name))
                .map_err(|what| CatalogError::Entry { entry: format!("package \"{}\"", package.name), what })?;
        }
        let mut seen = BTreeSet::new();
        for asset in &catalog.assets {
            asset
                .check()
                .and_then(|()| unique(&mut seen, &asset.id))
                .and_then(|()| {
                    catalog.package(asset).map(|_| ()).ok_or("its package is not in the catalogue".to_owned())
                })
                .map_err(|what| CatalogError::Entry { entry: format!("asset \"{}\"", asset.id), what })?;
        }
        Ok(catalog)
    }

    /// The asset of that id.
    pub fn asset(&self, id: &str) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.id == id)
    }

    /// The package that carries `asset`; always there in a catalogue that was parsed.
    pub fn package(&self, asset: &Asset) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == asset.package)
    }

    /// The known id nearest to a mistyped one, if one is near enough to be meant.
    pub fn nearest(&self, id: &str) -> Option<&str> {
        self.assets
            .iter()
            .map(|asset| (strsim::jaro_winkler(&asset.id, &id.to_lowercase()), asset.id.as_str()))
            .filter(|(likeness, _)| *likeness > 0.75)
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .map(|(_, id)| id)
    }
}

impl Package {
    fn check(&self) -> Result<(), String> {
        word("name", &self.name)?;
        word("version", &self.version)?;
        word("wheel", &self.wheel)?;
        if Path::new(&self.wheel).extension() != Some("whl".as_ref()) {
            return Err(format!("wheel = \"{}\" is not the name of a wheel (.whl)", self.wheel));
        }
        pinned(self.bytes, &self.sha256)
    }
}

impl Asset {
    fn check(&self) -> Result<(), String> {
        word("id", &self.id)?;
        word("file", &self.file)?;
        path("member", &self.member)?;
        if let Some(hub) = &self.hub {
            path("hub.repository", &hub.repository)?;
            path("hub.file", &hub.file)?;
        }
        pinned(self.bytes, &self.sha256)
    }
}

fn unique<'a>(seen: &mut BTreeSet<&'a str>, name: &'a str) -> Result<(), String> {
    if seen.insert(name) { Ok(()) } else { Err("the name appears twice".to_owned()) }
}

/// Ids and file names become folder names, file names, arguments of pip and parts of a URL: plain characters only, and
/// no leading dot or dash, so that none can leave the cache or be read as an option.
fn word(key: &str, text: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if text.bytes().all(plain) && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_') {
        Ok(())
    } else {
        Err(format!("{key} = \"{text}\" must be letters, digits, '.', '_' or '-', and begin with neither '.' nor '-'"))
    }
}

fn path(key: &str, text: &str) -> Result<(), String> {
    text.split('/').try_for_each(|part| word(key, part))
}

fn pinned(bytes: u64, sha256: &str) -> Result<(), String> {
    if bytes == 0 {
        return Err("bytes = 0: an empty file cannot be catalogued".to_owned());
    }
    if sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        Ok(())
    } else {
        Err(format!("sha256 = \"{sha256}\" is not 64 lowercase hexadecimal digits"))
    }
}
