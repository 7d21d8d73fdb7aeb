//! Tutoring: students learn school arithmetic from tutors who choose, message by message, what comes next.
//! The model and its sources: `docs/domains/tutoring.md`.

mod knowledge;
mod memory;
mod scheduling;

pub use knowledge::KnowledgeModel;
pub use memory::{Memory, normal_quantile};
pub use scheduling::{DELAY, ReviewDeck, ReviewRule};
