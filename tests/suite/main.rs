//! The one integration binary: each module tests one part from outside.

mod architecture;
mod assets;
mod chance;
mod contract;
mod engine;
mod llm_unit;
mod reference_llm;
mod reference_rl;
mod scenario;
mod support;
