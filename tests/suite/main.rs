//! The one integration binary: each module tests one part from outside.

mod architecture;
mod assets;
mod chance;
mod command;
mod contract;
mod determinism;
mod end_to_end;
mod engine;
mod errors;
mod finance;
mod golden;
mod learning;
mod llm_unit;
mod reference_llm;
mod reference_rl;
mod scenario;
mod support;
mod tutoring;
