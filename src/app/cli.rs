//! The command line: arguments in, exit code out. Data goes to stdout, talk to stderr.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, CommandFactory, Parser, Subcommand};

use super::assets::{self, AssetError, AssetSettings, Assets, AssetsCommand, TerminalProgress};
use super::audit::{AuditArguments, audit_json, audit_table};
use super::bench::{BenchOptions, bench_llm};
use super::error::{AppError, ExitCode};
use super::estimate::estimate_scenario;
use super::game::{self, GameCommand};
use super::generate::{GenerateOptions, generate_personas};
use super::prepare::load_scenario;
use super::prompt::{Whose, prompts_of};
use super::registry::kinds;
use super::run::{COMPLETE, RunOptions, RunOutcome, Task, carry_out_task, run_scenario};
use super::show::{
    bench_table, estimate_table, intervals_json, intervals_table, summary_json, summary_table, training_table,
};
use super::teach::{EvaluateArguments, TrainArguments};
use super::verify::{VerifyOptions, verify_run};
use crate::scenario::{Override, Scenario, json_schema, reference};

/// Simulates many agents with language models, learning policies and mailboxes. The same scenario with the same seed
/// writes the same bytes.
#[derive(Parser)]
#[command(name = "llmagentos", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 a bug or the system's refusal, 2 wrong command line or scenario, \
3 an asset or model is missing, 4 outputs differ from the record, 5 a language budget was spent before the last tick, 6 an audit found a gain above ε, 130 interrupted";

#[derive(Subcommand)]
enum Command {
    /// Run a scenario and write its run folder
    Run(RunArguments),
    /// Train a scenario's policies: evaluate them now and then with other seeds, keep the best, stop when it is enough
    Train(TrainArguments),
    /// Compare trained policies, frozen, with what their groups name in `compare`, on the same seeds
    Evaluate(EvaluateArguments),
    /// Ask whether anybody gains by leaving the policies that a scenario declares, alone or in pairs
    Audit(AuditArguments),
    /// Check a scenario without running it
    Check {
        #[command(flatten)]
        scenario: ScenarioArguments,
        /// Write the resolved scenario, every setting in it, to stdout
        #[arg(long)]
        resolved: bool,
    },
    /// Run a finished run again and compare every byte
    Verify {
        /// A run folder
        run: PathBuf,
        /// Answer from the run's own transcripts; needs no model
        #[arg(long)]
        replay: bool,
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Print what an agent's language model read at a tick of a finished run, and what it answered
    Prompt {
        /// A run folder
        run: PathBuf,
        /// The agent's id and the tick, for example 3@120
        #[arg(value_name = "AGENT@TICK")]
        whose: Whose,
        /// Look into the run of this contender instead (a folder below compare/)
        #[arg(long, value_name = "NAME")]
        contender: Option<String>,
    },
    /// Measure speeds on this machine
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Make a file of personas for a group of agents
    Generate {
        /// A file that declares them
        spec: PathBuf,
        /// Put them into this file
        #[arg(long)]
        out: PathBuf,
        /// Use another seed
        #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
        seed: Option<u64>,
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Fetch and check the models and data that scenarios use
    #[command(subcommand)]
    Assets(AssetsCommand),
    /// Solve games, let learning rules play them, run auctions and other mechanisms
    #[command(subcommand)]
    Game(GameCommand),
    /// Write the JSON Schema of scenario files
    Schema {
        /// Write the reference as Markdown instead
        #[arg(long)]
        markdown: bool,
        /// Write the JSON Schema of the files that `game` reads instead
        #[arg(long, conflicts_with = "markdown")]
        game: bool,
    },
    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum BenchCommand {
    /// The embedded language model: prefill, decode, menu decisions, load time, memory
    Llm {
        /// A model of the catalogue, or a GGUF file
        #[arg(long, default_value = "smollm2-135m-instruct-q4_1")]
        model: String,
        /// Take each measure so often, and give the best
        #[arg(long, default_value_t = 3, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=1000))]
        repetitions: u32,
        /// Write the result as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        common: CommonArguments,
    },
}

#[derive(Args)]
pub(super) struct ScenarioArguments {
    /// The scenario file
    pub scenario: PathBuf,
    /// Use another seed
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Run so many ticks
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    ticks: Option<u64>,
    /// Change any setting, for example agents.service.count=12
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl ScenarioArguments {
    /// What the arguments put over what the file says.
    pub fn overrides(&self) -> Result<Vec<Override>, AppError> {
        let mut overrides = self.set.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>, _>>()?;
        overrides.extend(self.seed.map(Override::seed));
        overrides.extend(self.ticks.map(Override::ticks));
        Ok(overrides)
    }
}

#[derive(Args)]
pub(super) struct CommonArguments {
    /// Threads; results do not depend on it [default: all of this machine]
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Fetch nothing; what is not in the cache is an error that says how to get it
    #[arg(long)]
    offline: bool,
    /// Write results and errors only
    #[arg(long, short)]
    quiet: bool,
}

impl CommonArguments {
    fn threads(&self) -> usize {
        self.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }
}

#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Args)]
struct RunArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// Put the run folder into this folder
    #[arg(long, default_value = "results")]
    out: PathBuf,
    /// Answer from the transcripts of this run folder; needs no model
    #[arg(long, value_name = "RUN")]
    replay: Option<PathBuf>,
    /// With --replay: go on with the scenario's models at the first call that the transcript does not hold
    #[arg(long, requires = "replay")]
    then_live: bool,
    /// Leave out the policies that groups are compared with
    #[arg(long)]
    no_compare: bool,
    /// Tell what the run will ask its language models, how long it will take and what it will cost, and stop there
    #[arg(long, conflicts_with = "replay")]
    estimate: bool,
    /// For an estimate, ask each model so many requests in earnest
    #[arg(long, value_name = "REQUESTS", default_value_t = 256, requires = "estimate", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pilot: u64,
    /// Write the summary as JSON
    #[arg(long)]
    json: bool,
    /// After the run, print what this agent's language model read at this tick (see also `llmagentos prompt`)
    #[arg(long, value_name = "AGENT@TICK", conflicts_with = "json")]
    show_prompt: Option<Whose>,
    #[command(flatten)]
    common: CommonArguments,
}

/// Runs the command line and gives the exit code.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which stream each goes to.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Ok } as u8;
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&stop);
    // A second Ctrl-C while the first is being heeded changes nothing; a failure to listen leaves the default: an end.
    let _ = ctrlc::set_handler(move || heard.store(true, Ordering::Relaxed));
    match carry_out(cli.command, &stop) {
        Ok(code) => code as u8,
        // Whoever reads has read enough.
        Err(AppError::Output(error) | AppError::Asset(AssetError::Output(error)))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            ExitCode::Ok as u8
        }
        Err(error) => {
            report(&error);
            error.exit_code() as u8
        }
    }
}

fn report(error: &AppError) {
    let mut stderr = io::stderr().lock();
    let _ = match error {
        AppError::Scenario(error) | AppError::Backend(crate::llm::BackendError::Scenario(error)) => {
            let handler = miette::GraphicalReportHandler::new_themed(theme()).with_width(100).with_links(false);
            let mut text = String::new();
            match handler.render_report(&mut text, error) {
                Ok(()) => writeln!(stderr, "{}", text.trim_end()),
                Err(_) => writeln!(stderr, "error: {error}"),
            }
        }
        other => writeln!(stderr, "error: {other}"),
    };
}

fn theme() -> miette::GraphicalTheme {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !io::stderr().is_terminal();
    if plain { miette::GraphicalTheme::unicode_nocolor() } else { miette::GraphicalTheme::unicode() }
}

fn asset_store(offline: bool, stop: &Arc<AtomicBool>) -> Result<Assets, AppError> {
    let mut settings = AssetSettings::from_environment()?;
    settings.offline |= offline;
    settings.stop = Arc::clone(stop);
    Ok(Assets::new(settings))
}

fn carry_out(command: Command, stop: &Arc<AtomicBool>) -> Result<ExitCode, AppError> {
    let mut stdout = io::stdout().lock();
    match command {
        Command::Run(arguments) if arguments.estimate => {
            let estimate = with_scenario(&arguments, stop, |scenario, assets, progress, options| {
                estimate_scenario(scenario, assets, progress, options, arguments.pilot)
            })?;
            if arguments.json {
                serde_json::to_writer_pretty(&mut stdout, &estimate).map_err(io::Error::from)?;
                writeln!(stdout)?;
            } else {
                writeln!(stdout, "{}", estimate_table(&estimate))?;
            }
        }
        Command::Run(arguments) => {
            let outcome = with_scenario(&arguments, stop, run_scenario)?;
            if arguments.json {
                serde_json::to_writer_pretty(&mut stdout, &summary_json(&outcome)).map_err(io::Error::from)?;
                writeln!(stdout)?;
            } else {
                writeln!(stdout, "{}", summary_table(&outcome))?;
                if let Some(whose) = arguments.show_prompt {
                    writeln!(stdout, "{}", prompts_of(&outcome.folder, None, whose)?)?;
                }
                writeln!(stdout, "{}", outcome.folder.display())?;
            }
            if outcome.manifest.outcome != COMPLETE {
                return Ok(ExitCode::BudgetSpent);
            }
        }
        Command::Train(arguments) => {
            let scenario = arguments.scenario()?;
            let options = run_options(&arguments.common, arguments.out.clone(), stop);
            let outcome = with_task(Task::Train, &scenario, &arguments.common, stop, &options)?;
            write_outcome(&mut stdout, &outcome, arguments.json.then(|| summary_json(&outcome)), training_table)?;
            if outcome.manifest.outcome != COMPLETE {
                return Ok(ExitCode::BudgetSpent);
            }
        }
        Command::Evaluate(arguments) => {
            let scenario = arguments.scenario()?;
            let options = run_options(&arguments.common, arguments.out.clone(), stop);
            let task = Task::Evaluate { seeds: arguments.seeds };
            let outcome = with_task(task, &scenario, &arguments.common, stop, &options)?;
            write_outcome(&mut stdout, &outcome, arguments.json.then(|| intervals_json(&outcome)), intervals_table)?;
            if outcome.manifest.outcome != COMPLETE {
                return Ok(ExitCode::BudgetSpent);
            }
        }
        Command::Audit(arguments) => {
            let scenario = arguments.scenario()?;
            let options = run_options(&arguments.common, arguments.out.clone(), stop);
            let outcome = with_task(Task::Audit, &scenario, &arguments.common, stop, &options)?;
            write_outcome(&mut stdout, &outcome, arguments.json.then(|| audit_json(&outcome)), audit_table)?;
            stdout.flush()?;
            if outcome.manifest.outcome != COMPLETE {
                return Ok(ExitCode::BudgetSpent);
            }
            if outcome.audit.is_some_and(|audit| audit.refuted) {
                return Ok(ExitCode::Refuted);
            }
        }
        Command::Prompt { run, whose, contender } => {
            write!(stdout, "{}", prompts_of(&run, contender.as_deref(), whose)?)?;
        }
        Command::Check { scenario, resolved } => {
            let checked = load_scenario(&scenario.scenario, &scenario.overrides()?)?;
            if resolved {
                write!(stdout, "{}", checked.resolved(&kinds())?)?;
            } else {
                let agents: u64 = checked.agents.iter().map(|group| u64::from(group.count)).sum();
                writeln!(
                    stdout,
                    "{}: sound ({}, {} ticks, {agents} agents at the start, seed {})",
                    scenario.scenario.display(),
                    checked.domain.kind(),
                    checked.ticks,
                    checked.seed
                )?;
            }
        }
        Command::Verify { run, replay, common } => {
            let assets = asset_store(common.offline, stop)?;
            let options =
                VerifyOptions { threads: common.threads(), replay, quiet: common.quiet, stop: Arc::clone(stop) };
            let difference = talk(common.quiet, |progress| verify_run(&run, &assets, progress, &options))?;
            if let Some(difference) = difference {
                writeln!(stdout, "differs: {difference}")?;
                return Ok(ExitCode::Differs);
            }
            writeln!(stdout, "{}: the same bytes", run.display())?;
        }
        Command::Bench(BenchCommand::Llm { model, repetitions, json, common }) => {
            let assets = asset_store(common.offline, stop)?;
            let options = BenchOptions { model, threads: common.threads(), repetitions, stop: Arc::clone(stop) };
            let bench = talk(common.quiet, |progress| bench_llm(&assets, progress, &options))?;
            if json {
                serde_json::to_writer_pretty(&mut stdout, &bench).map_err(io::Error::from)?;
                writeln!(stdout)?;
            } else {
                writeln!(stdout, "{}", bench_table(&bench))?;
            }
        }
        Command::Generate { spec, out, seed, common } => {
            let assets = asset_store(common.offline, stop)?;
            let options = GenerateOptions { out, seed, threads: common.threads(), stop: Arc::clone(stop) };
            let (count, diversity) =
                talk(common.quiet, |progress| generate_personas(&spec, &assets, progress, &options))?;
            let distance =
                diversity.mean_distance.map_or_else(|| "not measured".to_owned(), |found| format!("{found:.4}"));
            writeln!(
                stdout,
                "{}: {count} personas; mean distance {distance}, distinct-1 {:.3}, distinct-2 {:.3}",
                options.out.display(),
                diversity.distinct_1,
                diversity.distinct_2
            )?;
        }
        Command::Assets(command) => {
            let assets = asset_store(false, stop)?;
            assets::run(&command, &assets, &mut stdout, &mut io::stderr(), true)?;
        }
        Command::Game(command) => return game::run(command, stop, &mut stdout),
        Command::Schema { game: true, .. } => write!(stdout, "{}", game::SCHEMA)?,
        Command::Schema { markdown: true, .. } => write!(stdout, "{}", reference(&kinds()))?,
        Command::Schema { markdown: false, .. } => {
            serde_json::to_writer_pretty(&mut stdout, &json_schema(&kinds())).map_err(io::Error::from)?;
            writeln!(stdout)?;
        }
        Command::Completions { shell } => {
            // The generator takes no refusal from its writer: it gets a buffer that never refuses.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "llmagentos", &mut script);
            stdout.write_all(&script)?;
        }
    }
    stdout.flush()?;
    Ok(ExitCode::Ok)
}

/// Gives `work` a way to tell of itself on stderr, or none.
fn talk<T>(quiet: bool, work: impl FnOnce(&mut dyn assets::Progress) -> T) -> T {
    if quiet {
        return work(&mut assets::Silent);
    }
    let mut stderr = io::stderr();
    work(&mut TerminalProgress::new(&mut stderr, true))
}

/// Reads what a run is made of, and hands it to `work`.
fn with_scenario<T>(
    arguments: &RunArguments,
    stop: &Arc<AtomicBool>,
    work: impl FnOnce(&Scenario, &Assets, &mut dyn assets::Progress, &RunOptions) -> Result<T, AppError>,
) -> Result<T, AppError> {
    let scenario = load_scenario(&arguments.scenario.scenario, &arguments.scenario.overrides()?)?;
    let assets = asset_store(arguments.common.offline, stop)?;
    let options = RunOptions {
        replay: arguments.replay.clone(),
        then_live: arguments.then_live,
        compare: !arguments.no_compare,
        ..run_options(&arguments.common, arguments.out.clone(), stop)
    };
    talk(arguments.common.quiet, |progress| work(&scenario, &assets, progress, &options))
}

/// How anything is carried out into a folder.
fn run_options(common: &CommonArguments, out: PathBuf, stop: &Arc<AtomicBool>) -> RunOptions {
    RunOptions {
        threads: common.threads(),
        out,
        replay: None,
        then_live: false,
        compare: true,
        quiet: common.quiet,
        stop: Arc::clone(stop),
        shuffle_systems: None,
    }
}

fn with_task(
    task: Task,
    scenario: &Scenario,
    common: &CommonArguments,
    stop: &Arc<AtomicBool>,
    options: &RunOptions,
) -> Result<RunOutcome, AppError> {
    let assets = asset_store(common.offline, stop)?;
    talk(common.quiet, |progress| carry_out_task(task, scenario, &assets, progress, options))
}

/// Writes what came out: as JSON where there is any, and otherwise as a table with the folder below it.
fn write_outcome(
    stdout: &mut dyn Write,
    outcome: &RunOutcome,
    json: Option<serde_json::Value>,
    table: fn(&RunOutcome) -> String,
) -> Result<(), AppError> {
    if let Some(json) = json {
        serde_json::to_writer_pretty(&mut *stdout, &json).map_err(io::Error::from)?;
        writeln!(stdout)?;
    } else {
        writeln!(stdout, "{}\n{}", table(outcome), outcome.folder.display())?;
    }
    Ok(())
}
