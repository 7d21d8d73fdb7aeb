//! The application floor: files, the wall clock and the terminal live only here; the network too, but for models behind a
//! URL.

pub mod assets;
mod audit;
mod bench;
mod cli;
mod comparison;
mod course;
mod deciders;
mod error;
mod estimate;
mod forecast;
mod game;
mod generate;
mod intervals;
mod meter;
mod pilot;
mod prepare;
mod progress;
mod prompt;
mod recordings;
mod registry;
mod run;
mod show;
mod stage;
mod teach;
mod training;
mod verify;

pub use audit::{
    AuditReport, CoalitionRow, DeviationRow, EquilibriumRow, GroupVerdict, PayoffRow, ProfileRow, coalition_columns,
    deviation_columns, equilibrium_columns, payoff_columns, profile_columns,
};
pub use cli::main_with;
pub use comparison::comparison_spec;
pub use error::{AppError, ExitCode};
pub use estimate::{Estimate, estimate_scenario};
pub use generate::{GenerateOptions, generate_personas};
pub use intervals::{IntervalRow, interval_columns, seed_columns};
pub use prepare::{Preparation, Prepared, load_scenario};
pub use prompt::{Whose, prompts_of};
pub use registry::{POLICY_KINDS, check_scenario, domain_of, kinds};
pub use run::{BUDGET_SPENT, COMPLETE, RunOptions, RunOutcome, Task, carry_out_task, run_scenario};
pub use training::evaluation_columns;
pub use verify::{Difference, VerifyOptions, verify_run};
