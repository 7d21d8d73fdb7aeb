//! The FIPA Request Interaction Protocol (SC00026H): one asks another to do something.
//!
//! ```text
//! start --request--> asked --agree--> agreed --inform | failure--> end (done, failed)
//!                    asked --inform | failure--> end              (agree may be left out)
//!                    asked --refuse | not-understood--> end
//!       asked, agreed --cancel--> cancelling --inform--> end (cancelled)
//!                                 cancelling --failure--> agreed  (it could not be called off; once)
//! deadlines: asked, agreed: no-answer; cancelling: cancelled
//! ```

use super::exchange::{self, Exchange, Purpose};
use super::terms::{Checks, TermsError};
use crate::base::AgentId;

/// Terms of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestTerms {
    /// Ticks for the answer to a request, or to its being called off.
    pub reply_ticks: u32,
    /// Ticks for the work after it was agreed to.
    pub work_ticks: u32,
}

impl RequestTerms {
    pub(super) fn check(self, checks: &Checks) -> Result<(), TermsError> {
        checks.ticks("reply_ticks", self.reply_ticks)?;
        checks.ticks("work_ticks", self.work_ticks)
    }

    pub(super) fn ticks_max(self) -> u64 {
        exchange::ticks_max(self.reply_ticks, self.work_ticks)
    }
}

pub(super) fn machine(terms: RequestTerms, initiator: AgentId, participant: AgentId) -> Exchange {
    Exchange::new(Purpose::Action, initiator, participant, terms.reply_ticks, terms.work_ticks)
}
