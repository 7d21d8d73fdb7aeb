//! The one integration binary: each module tests one part from outside.

mod architecture;
mod assets;
mod chance;
mod command;
mod contract;
mod determinism;
mod economy;
mod embedding;
mod end_to_end;
mod engine;
mod errors;
mod fill;
mod finance;
mod games;
mod games_command;
mod generation;
mod golden;
mod llm_unit;
mod mind;
mod models;
mod openai;
mod reference_llm;
mod reference_rl;
mod scenario;
mod support;
mod tutoring;
