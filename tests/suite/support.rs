//! What several tests need.

use std::io::{Error, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use llmagentos::app::assets::{AssetSettings, Assets, Silent};

/// A scenario with a scripted model and made-up tasks: fast, and without any download.
pub const SERVICE_DESK: &str = "tests/suite/data/service_desk.toml";

/// For every domain a scenario with a scripted model, and ticks enough for all of its tables to fill below some 10 kB.
pub const WORLDS: [(&str, &str, &str); 7] = [
    ("customer_service", SERVICE_DESK, "120"),
    ("finance", "tests/suite/data/market.toml", "120"),
    ("games", "tests/suite/data/parlour.toml", "120"),
    ("negotiation", "tests/suite/data/bargain.toml", "120"),
    ("reference", "tests/suite/data/playground.toml", "120"),
    ("task_market", "tests/suite/data/contractors.toml", "24"),
    ("tutoring", "tests/suite/data/classroom.toml", "120"),
];

/// A writer whose text can be looked at while someone else owns it.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    /// All that was written.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panicked").clone()).expect("a transcript is UTF-8")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.0.lock().expect("no writer panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// The assets as a user has them: fetched once into the user's cache.
pub fn assets() -> Assets {
    Assets::new(AssetSettings::from_environment().expect("a place for the cache"))
}

/// The language model that the tests of the embedded model run on.
pub fn model_file() -> PathBuf {
    assets().pull("smollm2-135m-instruct-q4_1", &mut Silent).expect("the model can be fetched")
}

/// The command, run from the root of the repository.
pub fn llmagentos(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llmagentos"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .output()
        .expect("the command starts")
}

/// Standard output and error, and the exit code, as a person sees them.
pub fn said(output: &Output) -> (String, String, i32) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr), output.status.code().expect("an exit code"))
}

/// Runs a scenario into `out` with more arguments, and gives its run folder.
pub fn run_into(out: &Path, scenario: &str, more: &[&str]) -> PathBuf {
    let out = out.to_str().expect("UTF-8");
    let output = llmagentos(&[&["run", scenario, "--quiet", "--out", out], more].concat());
    let (stdout, stderr, code) = said(&output);
    assert_eq!(code, 0, "{stderr}");
    PathBuf::from(stdout.lines().last().expect("the folder is printed"))
}
