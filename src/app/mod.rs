//! The application floor: files, the wall clock and the terminal live only here; the network too, but for models behind a
//! URL.

pub mod assets;
mod bench;
mod cli;
mod comparison;
mod course;
mod error;
mod estimate;
mod forecast;
mod game;
mod generate;
mod meter;
mod pilot;
mod prepare;
mod progress;
mod prompt;
mod recordings;
mod registry;
mod run;
mod show;
mod verify;

pub use cli::main_with;
pub use error::{AppError, ExitCode};
pub use estimate::{Estimate, estimate_scenario};
pub use generate::{GenerateOptions, generate_personas};
pub use prepare::{Preparation, Prepared, load_scenario};
pub use prompt::{Whose, prompts_of};
pub use registry::{POLICY_KINDS, check_scenario, domain_of, kinds};
pub use run::{BUDGET_SPENT, COMPLETE, RunOptions, RunOutcome, run_scenario};
pub use verify::{Difference, VerifyOptions, verify_run};
