//! The run folder: written under a temporary name beside its place, and renamed when it is whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::transitions::TransitionFile;
use super::{CsvTable, Table};
use crate::base::{Space, Transitions};

/// Why something could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A row could not be written.
    #[error("cannot write to {path}: {source}")]
    Csv {
        /// The table's file.
        path: PathBuf,
        /// What went wrong.
        source: csv::Error,
    },
}

/// A file and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// Path inside the folder, with `/`.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Of its bytes.
    pub sha256: String,
}

/// A run folder in the making. Dropped before [`RunFolder::publish`], it takes everything it wrote with it.
pub struct RunFolder {
    parent: PathBuf,
    temporary: PathBuf,
    /// Open tables by their file's name inside the folder.
    tables: BTreeMap<String, CsvTable<File>>,
    /// The same of recorded transitions.
    transitions: BTreeMap<String, TransitionFile<File>>,
    /// Held for as long as the folder is not published: a folder whose lock is free belongs to a dead process. It lies
    /// beside the folder, so that it covers the renaming too.
    _lock: Lock,
}

const PARTIAL: &str = ".partial-";
const LOCK: &str = ".lock";

/// A locked file that goes when it is dropped.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// A new file, locked; `None` where its name is taken.
    fn take(path: &Path) -> Result<Option<Self>, RecordError> {
        let file = match File::create_new(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(io("create a folder in the results folder:", path)(error)),
        };
        file.lock().map_err(io("lock", path))?;
        // Between the two steps another process may have swept it as the lock of a dead one.
        Ok(path.exists().then(|| Self { path: path.to_owned(), _file: file }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is still held. What cannot be removed is swept by a later run.
        let _ = fs::remove_file(&self.path);
    }
}

/// The folder of recorded transitions in a run folder.
pub const TRANSITIONS: &str = "transitions";

/// The one file whose bytes may differ between equal runs.
const TIMINGS: &str = "timings.json";

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RecordError {
    let path = path.to_owned();
    move |source| RecordError::Io { action, path, source }
}

impl RunFolder {
    /// Starts a folder below `parent`, which is made if it is not there. Leftovers of runs that were killed are
    /// removed. `token` tells this process from others.
    ///
    /// # Errors
    /// When the folder cannot be made or locked.
    pub fn create(parent: &Path, token: u32) -> Result<Self, RecordError> {
        fs::create_dir_all(parent).map_err(io("create the results folder", parent))?;
        sweep(parent);
        for attempt in 0..1000 {
            let temporary = parent.join(format!("{PARTIAL}{token}-{attempt}"));
            let Some(lock) = Lock::take(&lock_of(&temporary))? else { continue };
            fs::create_dir(&temporary).map_err(io("create a folder in the results folder:", &temporary))?;
            let (tables, transitions) = (BTreeMap::new(), BTreeMap::new());
            return Ok(Self { parent: parent.to_owned(), temporary, tables, transitions, _lock: lock });
        }
        let taken = std::io::Error::other("its temporary names are all taken by runs under way");
        Err(io("create a folder in the results folder", parent)(taken))
    }

    /// Where the files stand until the folder is published.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Appends a table's rows to its CSV file below `place` (`""`, or a folder inside this one that ends in `/`), which
    /// starts with the header.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&mut self, place: &str, table: &Table) -> Result<(), RecordError> {
        let name = format!("{place}{}.csv", table.spec.name);
        let path = self.temporary.join(&name);
        let csv_error = |source| RecordError::Csv { path: path.clone(), source };
        if !self.tables.contains_key(&name) {
            let file = create_file(&path)?;
            self.tables.insert(name.clone(), CsvTable::new(&table.spec, file).map_err(csv_error)?);
        }
        self.tables.get_mut(&name).expect("just made").append(table).map_err(csv_error)
    }

    /// Appends what agents of one policy did to `transitions/POLICY.csv`, which starts with the header.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append_transitions(&mut self, policy: &str, space: &Space, rows: &Transitions) -> Result<(), RecordError> {
        let name = format!("{TRANSITIONS}/{policy}.csv");
        let path = self.temporary.join(&name);
        let csv_error = |source| RecordError::Csv { path: path.clone(), source };
        if !self.transitions.contains_key(&name) {
            let file = create_file(&path)?;
            self.transitions.insert(name.clone(), TransitionFile::new(space, file).map_err(csv_error)?);
        }
        self.transitions.get_mut(&name).expect("just made").append(rows).map_err(csv_error)
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RecordError> {
        let path = self.temporary.join(name);
        create_file(&path)?;
        fs::write(&path, bytes).map_err(io("write", &path))
    }

    /// A file that grows line by line while the run goes on.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn stream(&self, name: &str) -> Result<BufWriter<File>, RecordError> {
        let path = self.temporary.join(name);
        Ok(BufWriter::with_capacity(1 << 16, create_file(&path)?))
    }

    /// Closes the tables; after this only [`RunFolder::write`] may add files.
    ///
    /// # Errors
    /// When what is left in their buffers cannot be written.
    pub fn close_tables(&mut self) -> Result<(), RecordError> {
        for (name, table) in std::mem::take(&mut self.tables) {
            let path = self.temporary.join(name);
            table.finish().and_then(|file| file.sync_all()).map_err(io("write", &path))?;
        }
        for (name, transitions) in std::mem::take(&mut self.transitions) {
            let path = self.temporary.join(name);
            transitions.finish().and_then(|file| file.sync_all()).map_err(io("write", &path))?;
        }
        Ok(())
    }

    /// Hashes of all files, by name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn sums(&self) -> Result<Vec<FileSum>, RecordError> {
        sums_of(&self.temporary)
    }

    /// Gives the whole folder its name. If a folder of that name is there already and holds the same bytes, it stays
    /// and only gets the new timings; if it holds others, the new one is named `NAME.2`, `NAME.3`, … and nothing is
    /// lost.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn publish(mut self, name: &str) -> Result<PathBuf, RecordError> {
        self.close_tables()?;
        let ours = sums_of(&self.temporary)?;
        for attempt in 1..10_000 {
            let target = self.parent.join(if attempt == 1 { name.to_owned() } else { format!("{name}.{attempt}") });
            if target.exists() {
                if !sums_of(&target).is_ok_and(|theirs| same_bytes(&ours, &theirs)) {
                    continue;
                }
                let timings = self.temporary.join(TIMINGS);
                if timings.exists() {
                    fs::rename(&timings, target.join(TIMINGS)).map_err(io("renew timings.json in", &target))?;
                }
                return Ok(target);
            }
            match fs::rename(&self.temporary, &target) {
                Ok(()) => {
                    self.temporary = PathBuf::new();
                    return Ok(target);
                }
                // Another process was faster: look again at what it wrote.
                Err(error) if target.exists() => {
                    if attempt == 9_999 {
                        return Err(io("rename the finished run to", &target)(error));
                    }
                }
                Err(error) => return Err(io("rename the finished run to", &target)(error)),
            }
        }
        let target = self.parent.join(name);
        Err(io("find a free name for", &target)(std::io::Error::other("all are taken")))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.temporary.as_os_str().is_empty() {
            self.tables.clear();
            self.transitions.clear();
            // Nothing can be done about a failure here; a later run sweeps what is left.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

fn lock_of(temporary: &Path) -> PathBuf {
    let mut path = temporary.as_os_str().to_owned();
    path.push(LOCK);
    path.into()
}

/// Makes a file, and the folder it stands in.
fn create_file(path: &Path) -> Result<File, RecordError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io("create", folder))?;
    }
    File::create(path).map_err(io("create", path))
}

/// Removes folders of runs that were killed: partial ones whose lock nobody holds. The lock goes last and is held until
/// then, so that no folder is ever without one.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(folder) = name.strip_suffix(LOCK).filter(|name| name.starts_with(PARTIAL)) else { continue };
        let path = entry.path();
        if let Ok(lock) = File::open(&path)
            && lock.try_lock().is_ok()
        {
            let folder = parent.join(folder);
            if fs::remove_dir_all(&folder).is_ok() || !folder.exists() {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

fn same_bytes(ours: &[FileSum], theirs: &[FileSum]) -> bool {
    let of_run =
        |sums: &[FileSum]| -> Vec<FileSum> { sums.iter().filter(|sum| sum.name != TIMINGS).cloned().collect() };
    of_run(ours) == of_run(theirs)
}

/// SHA-256 of bytes, in lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// Length and SHA-256 of a file, read piece by piece.
///
/// # Errors
/// When it cannot be read.
pub fn sha256_of(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((bytes, hex(&hasher.finalize())));
        }
        bytes += count as u64;
        hasher.update(&buffer[..count]);
    }
}

/// Hashes of all files below a folder, by name.
///
/// # Errors
/// When one cannot be read.
pub fn sums_of(folder: &Path) -> Result<Vec<FileSum>, RecordError> {
    let mut sums = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(place) = waiting.pop() {
        for entry in fs::read_dir(&place).map_err(io("read", &place))? {
            let path = entry.map_err(io("read", &place))?.path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let (bytes, sha256) = sha256_of(&path).map_err(io("read", &path))?;
            sums.push(FileSum { name, bytes, sha256 });
        }
    }
    sums.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(sums)
}
