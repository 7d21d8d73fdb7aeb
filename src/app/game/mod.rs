//! `llmagentos game`: solves, plays and runs the mechanisms that a JSON file describes.

mod games;
mod incentives;
mod mechanism;
mod play;
mod read;
mod solve;
mod voting;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use serde_json::Value;

use super::error::{AppError, ExitCode};
use play::PlayArguments;
use read::Problem;

/// The JSON Schema of the files that these commands read.
pub const SCHEMA: &str = include_str!("../../../assets/game.schema.json");

/// The commands below `game`.
#[derive(Clone, Debug, Subcommand)]
pub enum GameCommand {
    /// Find the equilibria of a game in normal form: all of them, as fractions, where two play
    Solve {
        #[command(flatten)]
        file: FileArguments,
    },
    /// Let a learning rule play a game, and say how far from an equilibrium it gets
    Play {
        #[command(flatten)]
        file: FileArguments,
        #[command(flatten)]
        play: PlayArguments,
    },
    /// Run an auction or allocation on bids and test whether it is truthful, or count votes
    Mechanism {
        #[command(flatten)]
        file: FileArguments,
    },
}

/// Which file, which part of it, and how to answer.
#[derive(Args, Clone, Debug)]
pub struct FileArguments {
    /// A JSON file (docs/GAMES.md has the formats), or the name of a game that is built in, such as kuhn
    file: PathBuf,
    /// Take this entry of a file that holds several by name
    #[arg(long, value_name = "NAME")]
    entry: Option<String>,
    /// Write the answer as JSON
    #[arg(long)]
    json: bool,
}

/// What a command found.
struct Answer {
    json: Value,
    text: String,
    /// What the file expected otherwise.
    differences: Vec<String>,
}

/// Carries a command out.
///
/// # Errors
/// When the file cannot be used, the answer is out of reach, or the user interrupts.
pub fn run(command: GameCommand, stop: &Arc<AtomicBool>, stdout: &mut impl Write) -> Result<ExitCode, AppError> {
    let (GameCommand::Solve { file } | GameCommand::Play { file, .. } | GameCommand::Mechanism { file }) = &command;
    let (path, json) = (file.file.clone(), file.json);
    let answer = interruptible(stop, move || match &command {
        GameCommand::Solve { file } => solve::solve(&file.file, file.entry.as_deref()),
        GameCommand::Play { file, play } => play::play(&file.file, file.entry.as_deref(), play),
        GameCommand::Mechanism { file } => mechanism::mechanism(&file.file, file.entry.as_deref()),
    })?
    .map_err(|problem| file_error(&path, &problem))?;
    if json {
        serde_json::to_writer_pretty(&mut *stdout, &answer.json).map_err(io::Error::from)?;
        writeln!(stdout)?;
    } else {
        writeln!(stdout, "{}", answer.text.trim_end())?;
    }
    stdout.flush()?;
    if answer.differences.is_empty() {
        return Ok(ExitCode::Ok);
    }
    Err(AppError::Expected { path, differences: answer.differences })
}

fn file_error(path: &Path, problem: &Problem) -> AppError {
    AppError::File { path: path.to_owned(), problem: problem.what.clone(), help: problem.help.clone() }
}

/// Does the work on a thread of its own, so that an interrupt need not wait for it.
fn interruptible<T: Send + 'static>(
    stop: &AtomicBool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    let (done, result) = mpsc::channel();
    let worker = thread::spawn(move || {
        // Nobody listens any more once the user has interrupted.
        let _ = done.send(work());
    });
    loop {
        match result.recv_timeout(Duration::from_millis(20)) {
            Ok(answer) => return Ok(answer),
            Err(mpsc::RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => return Err(AppError::Interrupted),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // The worker panicked, which is our own mistake: hand it on.
            Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("a worker that ends has sent its answer"),
            },
        }
    }
}

/// Rows below a header, numbers to the right but for the first column.
fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for part in [TableComponent::HeaderLines, TableComponent::MiddleHeaderIntersections] {
        table.set_style(part, '─');
    }
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// What the file expects of keys that the answer has too, and the answer says otherwise.
fn differences(expected: &serde_json::Map<String, Value>, answer: &Value) -> Vec<String> {
    let same = |(key, value): &(&String, &Value)| answer.get(key.as_str()).is_none_or(|found| alike(value, found));
    let told = |(key, value): (&String, &Value)| {
        format!("`{key}` is {} where the file expects {value}", answer.get(key.as_str()).unwrap_or(&Value::Null))
    };
    expected.iter().filter(|pair| !same(pair)).map(told).collect()
}

/// Are two values the same, 5 and 5.0 being so too? Numbers may differ by rounding.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs().max(1.0),
            _ => one == other,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| alike(value, other)))
        }
        _ => one == other,
    }
}
