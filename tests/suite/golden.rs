//! What a fixed scenario writes, byte for byte, kept in `tests/golden/service_desk/`.
//!
//! A change that is meant is taken over with
//! `LLMAGENTOS_RENEW_GOLDEN=1 cargo test --test suite golden`, and read in the diff before it is committed.
//!
//! The numbers come from integer and IEEE 754 basic arithmetic, which is the same everywhere, and from `exp` and `ln` of
//! the system's mathematics library (waiting times, log-probabilities), which may be one unit in the last place off
//! on another processor or system: a difference in a last digit there is no mistake of the program.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::support::{WORLDS, run_into};

/// Not kept: many times the size of all others, and it follows from them.
const LEFT_OUT: &str = "messages.csv";

#[test]
fn golden_worlds() {
    for (domain, scenario, ticks) in WORLDS {
        golden_world(domain, scenario, ticks);
    }
}

#[test]
fn golden_language_policy() {
    golden_world("language_policy", "tests/suite/data/prompted_desk.toml", "60");
}

/// Compares one world's tables, or renews them and says so.
#[expect(clippy::print_stderr, reason = "who renews the files should read that it happened")]
fn golden_world(domain: &str, scenario: &str, ticks: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(domain);
    let out = TempDir::new().unwrap();
    let run = run_into(out.path(), scenario, &["--ticks", ticks]);
    let mut names: Vec<String> = fs::read_dir(&run)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv") && !path.ends_with(LEFT_OUT))
        .map(|path| path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned())
        .collect();
    names.sort();
    let mut found: Vec<(PathBuf, String)> =
        names.iter().map(|name| (folder.join(name), fs::read_to_string(run.join(name)).expect(name))).collect();
    found.push((folder.join("manifest.json"), lasting_manifest(&run)));

    if std::env::var_os("LLMAGENTOS_RENEW_GOLDEN").is_some_and(|value| !value.is_empty()) {
        fs::create_dir_all(&folder).expect("a folder");
        for (path, text) in &found {
            fs::write(path, text).expect("written");
        }
        eprintln!("renewed {} files in {}: read the diff", found.len(), folder.display());
        return;
    }
    for (path, text) in &found {
        let golden = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if golden == *text {
            continue;
        }
        let same = golden.lines().zip(text.lines()).take_while(|(old, new)| old == new).count();
        panic!(
            "{}:{}: golden {:?}, now {:?}; if the change is meant: LLMAGENTOS_RENEW_GOLDEN=1 cargo test --test suite golden",
            path.display(),
            same + 1,
            golden.lines().nth(same),
            text.lines().nth(same)
        );
    }
}

/// The manifest without what every release changes, and of the files only their names: a hash that differs tells
/// nobody what changed.
fn lasting_manifest(run: &Path) -> String {
    let text = fs::read_to_string(run.join("manifest.json")).expect("a manifest");
    let mut manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let object = manifest.as_object_mut().expect("an object");
    object.remove("version").expect("a version");
    object.remove("commit").expect("a commit");
    for file in object["files"].as_array_mut().expect("files") {
        *file = file["name"].take();
    }
    serde_json::to_string_pretty(&manifest).expect("JSON") + "\n"
}
