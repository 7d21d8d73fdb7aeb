//! The one integration binary: each module tests one part from outside.

mod assets;
mod command;
mod determinism;
mod end_to_end;
mod errors;
mod golden;
mod llm_unit;
mod reference_llm;
mod scenario;
mod support;
