//! The FIPA Query Interaction Protocol (SC00027H): one asks another whether something is so, or what it is.
//!
//! ```text
//! start --query-if | query-ref--> asked --agree--> agreed --inform | failure--> end (done, failed)
//! ```
//!
//! and otherwise as a request. What answers `query-if` is `inform` with the amount 1 for true and 0 for false.

use super::exchange::{self, Exchange, Purpose};
use super::terms::{Checks, TermsError};
use crate::base::AgentId;

/// Terms of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryTerms {
    /// Ticks for the answer to a query, or to its being called off.
    pub reply_ticks: u32,
    /// Ticks for the answer after it was agreed to give one.
    pub work_ticks: u32,
}

impl QueryTerms {
    pub(super) fn check(self, checks: &Checks) -> Result<(), TermsError> {
        checks.ticks("reply_ticks", self.reply_ticks)?;
        checks.ticks("work_ticks", self.work_ticks)
    }

    pub(super) fn ticks_max(self) -> u64 {
        exchange::ticks_max(self.reply_ticks, self.work_ticks)
    }
}

pub(super) fn machine(terms: QueryTerms, initiator: AgentId, participant: AgentId) -> Exchange {
    Exchange::new(Purpose::Knowledge, initiator, participant, terms.reply_ticks, terms.work_ticks)
}
