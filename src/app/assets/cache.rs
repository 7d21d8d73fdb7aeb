//! The cache folder: `{cache}/{id}/{file}`, each file either whole and checked or absent.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::catalog::{Asset, Package};
use super::error::{AssetError, Failure};
use super::progress::Progress;
use super::settings::AssetSettings;

const LOCK_POLL: Duration = Duration::from_millis(100);
const COPY_BYTES: usize = 64 * 1024;

/// Held while a package's files are fetched; the system lets go of it when the process ends, however it ends.
/// One lock serves all files of a package, because one download serves them all.
pub(super) struct FetchLock {
    _file: File,
    /// A folder that only the holder uses, removed when the lock is dropped.
    pub folder: PathBuf,
}

impl Drop for FetchLock {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next holder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where `asset` lies once it is fetched.
pub(super) fn target(settings: &AssetSettings, asset: &Asset) -> PathBuf {
    settings.cache_dir.join(&asset.id).join(&asset.file)
}

/// The cached file if it is there in its catalogued size; what is there instead if not.
pub(super) fn cached(settings: &AssetSettings, asset: &Asset) -> Result<PathBuf, String> {
    let path = target(settings, asset);
    match fs::metadata(&path) {
        Ok(found) if !found.is_file() => Err(format!("{} is not a file", path.display())),
        Ok(found) if found.len() != asset.bytes => {
            Err(format!("{} has {} bytes, not the catalogued {}", path.display(), found.len(), asset.bytes))
        }
        Ok(_) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!("there is no {}", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Takes the fetch lock of `package`, waiting while another process or thread has it.
pub(super) fn lock(
    settings: &AssetSettings,
    asset: &Asset,
    package: &Package,
    progress: &mut dyn Progress,
) -> Result<FetchLock, AssetError> {
    let package_dir = settings.cache_dir.join(".fetch").join(&package.name);
    create_dir(&package_dir)?;
    let path = package_dir.join("lock");
    let file = File::options().create(true).append(true).open(&path).map_err(|source| AssetError::Cache {
        action: "open the lock file",
        path: path.clone(),
        source,
    })?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => {
                return Err(AssetError::Cache { action: "lock the file", path, source });
            }
        }
        if settings.stopped() {
            return Err(AssetError::Interrupted { id: asset.id.clone() });
        }
        if !told {
            progress.note(&format!("another process is fetching {}; waiting for it", package.name));
            told = true;
        }
        thread::sleep(LOCK_POLL);
    }
    // What a killed fetch left behind. A pip that outlived it may still write there, so this may fail; the folder taken
    // now has another name, and the next holder tries again.
    for stale in fs::read_dir(&package_dir).into_iter().flatten().flatten() {
        if stale.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir_all(stale.path());
        }
    }
    let folder = package_dir.join(process::id().to_string());
    create_dir(&folder)?;
    Ok(FetchLock { _file: file, folder })
}

/// Copies `source` into the cache as `asset`: to a `.part` file, which gets its name only once its size and SHA-256 are
/// the catalogued ones. Reads at most one byte more than the catalogued size. The fetch lock must be held.
pub(super) fn place(
    settings: &AssetSettings,
    asset: &Asset,
    source: &mut dyn Read,
    progress: &mut dyn Progress,
) -> Result<PathBuf, Failure> {
    let path = target(settings, asset);
    create_dir(&settings.cache_dir.join(&asset.id)).map_err(Failure::Final)?;
    let part = path.with_file_name(format!("{}.part", asset.file));
    let placed = copy_checked(settings, asset, source, &part, progress).and_then(|()| {
        fs::rename(&part, &path)
            .map_err(|source| Failure::Final(AssetError::Cache { action: "put in place", path: path.clone(), source }))
    });
    if placed.is_err() {
        let _ = fs::remove_file(&part);
    }
    placed.map(|()| path)
}

fn copy_checked(
    settings: &AssetSettings,
    asset: &Asset,
    source: &mut dyn Read,
    part: &Path,
    progress: &mut dyn Progress,
) -> Result<(), Failure> {
    let broken = |source| Failure::Final(AssetError::Cache { action: "write", path: part.to_owned(), source });
    let mut file = File::create(part).map_err(broken)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    let mut done: u64 = 0;
    loop {
        let read = source.read(&mut buffer);
        if settings.stopped() {
            return Err(Failure::Final(AssetError::Interrupted { id: asset.id.clone() }));
        }
        let chunk = match read {
            Ok(0) => break,
            Ok(count) => &buffer[..count],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Source(format!("broke off after {done} bytes: {error}"))),
        };
        done += chunk.len() as u64;
        if done > asset.bytes {
            return Err(Failure::Source(format!("is longer than the catalogued {} bytes", asset.bytes)));
        }
        digest.update(chunk);
        file.write_all(chunk).map_err(broken)?;
        progress.advance(done);
    }
    if done < asset.bytes {
        return Err(Failure::Source(format!("ended after {done} of {} bytes", asset.bytes)));
    }
    let found = hexadecimal(digest.finalize().as_slice());
    if found != asset.sha256 {
        return Err(Failure::Source(format!("has SHA-256 {found}, the catalogue says {}", asset.sha256)));
    }
    file.sync_all().map_err(broken)
}

/// The SHA-256 of a whole file, as 64 lowercase hexadecimal digits; `None` once `stopped` says so.
pub(super) fn file_sha256(path: &Path, stopped: impl Fn() -> bool) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        if stopped() {
            return Ok(None);
        }
        match file.read(&mut buffer)? {
            0 => return Ok(Some(hexadecimal(digest.finalize().as_slice()))),
            count => digest.update(&buffer[..count]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn create_dir(path: &Path) -> Result<(), AssetError> {
    fs::create_dir_all(path).map_err(|source| AssetError::Cache {
        action: "create the folder",
        path: path.to_owned(),
        source,
    })
}
