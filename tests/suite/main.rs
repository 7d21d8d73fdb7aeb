//! The one integration binary: each module tests one part from outside.

mod assets;
mod llm_unit;
mod reference_llm;
mod scenario;
mod support;
mod tutoring;
