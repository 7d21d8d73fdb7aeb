//! `llmagentos assets`: data on stdout, talk on stderr.

use std::io::Write;
use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use super::error::AssetError;
use super::progress::TerminalProgress;
use super::{Asset, Assets, Listed};

/// Fetch and check the models and data that scenarios use.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum AssetsCommand {
    /// List what can be fetched and what is in the cache.
    List {
        /// Write a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Fetch what is missing and write where each file lies.
    Pull {
        /// The assets to fetch.
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// Fetch every catalogued asset.
        #[arg(long)]
        all: bool,
    },
    /// Write where a fetched file lies; fails if it is not in the cache.
    Path {
        /// The asset.
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Read cached files whole and check their SHA-256.
    Verify {
        /// The assets to check; without any, all that are in the cache.
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    what: &'a str,
    licence: &'a str,
    bytes: u64,
    sha256: &'a str,
    cached: bool,
    path: &'a Path,
    package: &'a str,
    version: &'a str,
    hub: Option<&'a str>,
}

/// Carries out `command`. Results go to `stdout`, notes to `stderr`; with `bar`, a bar is drawn on the process's stderr
/// if that is a terminal.
///
/// # Errors
/// The first [`AssetError`]; `verify` checks all that it was asked to before it returns one.
pub fn run(
    command: &AssetsCommand,
    assets: &Assets,
    stdout: &mut impl Write,
    stderr: &mut impl Write,
    bar: bool,
) -> Result<(), AssetError> {
    match command {
        AssetsCommand::List { json: true } => list_json(&assets.list(), stdout),
        AssetsCommand::List { json: false } => list_table(&assets.list(), stdout),
        AssetsCommand::Pull { ids, all } => {
            let every = assets.list().into_iter().map(|row| row.asset.id.clone()).collect();
            let ids: &Vec<String> = if *all { &every } else { ids };
            // A mistyped id should not show only after a long download.
            ids.iter().try_for_each(|id| assets.asset(id).map(|_| ()))?;
            for id in ids {
                let path = assets.pull(id, &mut TerminalProgress::new(stderr, bar))?;
                writeln!(stdout, "{}", path.display())?;
            }
            Ok(())
        }
        AssetsCommand::Path { id } => Ok(writeln!(stdout, "{}", assets.path(id)?.display())?),
        AssetsCommand::Verify { ids } => verify(ids, assets, stdout, stderr),
    }
}

fn verify(ids: &[String], assets: &Assets, stdout: &mut impl Write, stderr: &mut impl Write) -> Result<(), AssetError> {
    let listed = assets.list();
    let cached = listed.iter().filter(|row| row.cached).map(|row| row.asset.id.as_str());
    let ids: Vec<&str> = if ids.is_empty() { cached.collect() } else { ids.iter().map(String::as_str).collect() };
    if ids.is_empty() {
        // A closed stderr is no reason to fail.
        let _ = writeln!(stderr, "nothing is in the cache at {}", assets.settings().cache_dir.display());
    }
    let mut first = None;
    for id in ids {
        match assets.verify(id) {
            Ok(path) => writeln!(stdout, "ok       {id}  {}", path.display())?,
            Err(error @ AssetError::Damaged { .. }) => {
                writeln!(stdout, "damaged  {id}")?;
                first.get_or_insert(error);
            }
            Err(error @ AssetError::Missing { .. }) => {
                writeln!(stdout, "missing  {id}")?;
                first.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    first.map_or(Ok(()), Err)
}

fn list_json(listed: &[Listed<'_>], stdout: &mut impl Write) -> Result<(), AssetError> {
    let rows: Vec<Row<'_>> = listed
        .iter()
        .map(|row| Row {
            id: &row.asset.id,
            what: &row.asset.what,
            licence: &row.asset.licence,
            bytes: row.asset.bytes,
            sha256: &row.asset.sha256,
            cached: row.cached,
            path: &row.path,
            package: &row.package.name,
            version: &row.package.version,
            hub: row.asset.hub.as_ref().map(|hub| hub.repository.as_str()),
        })
        .collect();
    serde_json::to_writer_pretty(&mut *stdout, &rows).map_err(std::io::Error::from)?;
    Ok(writeln!(stdout)?)
}

fn list_table(listed: &[Listed<'_>], stdout: &mut impl Write) -> Result<(), AssetError> {
    let width = |cell: fn(&Asset) -> &str| listed.iter().map(|row| cell(row.asset).len()).max().unwrap_or(0);
    let (id_width, licence_width) = (width(|asset| &asset.id), width(|asset| &asset.licence));
    for row in listed {
        let (asset, state) = (row.asset, if row.cached { "cached" } else { "absent" });
        let size = asset.bytes as f64 / 1e6;
        let (id, licence, what) = (&asset.id, &asset.licence, &asset.what);
        writeln!(stdout, "{id:id_width$}  {state}  {size:7.2} MB  {licence:licence_width$}  {what}")?;
    }
    Ok(())
}
