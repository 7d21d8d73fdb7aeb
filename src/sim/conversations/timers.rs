//! Deadlines of conversations, by tick.

use std::collections::BTreeMap;

use crate::base::Tick;
use crate::protocols::ConversationId;

/// Which conversations to look at when; among them those whose deadline has been overtaken.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_tick: BTreeMap<Tick, Vec<ConversationId>>,
    /// The deadline that was set last, with all that were set to it in a row: most have the same.
    last: (Tick, Vec<ConversationId>),
}

impl Timers {
    pub fn set(&mut self, deadline: Tick, id: ConversationId) {
        if self.last.0 != deadline {
            self.file();
            self.last.0 = deadline;
        }
        self.last.1.push(id);
    }

    fn file(&mut self) {
        if self.last.1.is_empty() {
            return;
        }
        let filed = self.by_tick.entry(self.last.0).or_default();
        if filed.is_empty() {
            *filed = std::mem::take(&mut self.last.1);
        } else {
            filed.append(&mut self.last.1);
        }
    }

    /// Takes over what others have set.
    pub fn append(&mut self, others: &mut Self) {
        others.file();
        for (deadline, mut ids) in std::mem::take(&mut others.by_tick) {
            self.by_tick.entry(deadline).or_default().append(&mut ids);
        }
    }

    /// Takes out the earliest of the deadlines that `now` has reached, with those of its conversations, by number, that it
    /// still concerns.
    pub fn pass(&mut self, now: Tick, concerns: impl Fn(ConversationId) -> bool) -> Option<Vec<ConversationId>> {
        self.file();
        let mut ids = self.by_tick.first_entry().filter(|entry| *entry.key() <= now)?.remove();
        ids.retain(|&id| concerns(id));
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }
}
