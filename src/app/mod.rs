//! The application floor: files, the wall clock, the network and the terminal live only here.

pub mod assets;
mod cli;
mod comparison;
mod error;
mod forecast;
mod game;
mod prepare;
mod progress;
mod registry;
mod run;
mod show;
mod verify;

pub use cli::main_with;
pub use error::{AppError, ExitCode};
pub use prepare::{Preparation, Prepared, load_scenario};
pub use registry::{POLICY_KINDS, check_scenario, domain_of, kinds};
pub use run::{RunOptions, RunOutcome, run_scenario};
pub use verify::{Difference, VerifyOptions, verify_run};
