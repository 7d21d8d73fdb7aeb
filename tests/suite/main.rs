//! All tests, in one binary.

mod llm_unit;
mod reference_llm;
mod support;
