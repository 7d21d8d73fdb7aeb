//! The memory of shared prompt beginnings: their keys and values, within a budget of bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attention::KeyValues;

/// Keys and values by the tokens they were computed from. When the budget is exceeded, what was used least recently
/// goes first; uses are counted, so that what goes depends on the calls alone.
#[derive(Debug, Default)]
pub(super) struct PrefixCache {
    budget: usize,
    bytes: usize,
    uses: u64,
    entries: BTreeMap<Arc<[u32]>, Entry>,
    by_use: BTreeMap<u64, Arc<[u32]>>,
}

#[derive(Debug)]
struct Entry {
    values: Arc<KeyValues>,
    last_use: u64,
}

impl PrefixCache {
    /// An empty cache that keeps at most `budget` bytes.
    pub fn new(budget: usize) -> Self {
        Self { budget, ..Self::default() }
    }

    /// What was computed for these tokens.
    pub fn find(&mut self, tokens: &[u32]) -> Option<Arc<KeyValues>> {
        let (key, entry) = self.entries.get_key_value(tokens)?;
        let (key, values, last_use) = (key.clone(), entry.values.clone(), entry.last_use);
        self.uses += 1;
        self.by_use.remove(&last_use);
        self.by_use.insert(self.uses, key);
        if let Some(entry) = self.entries.get_mut(tokens) {
            entry.last_use = self.uses;
        }
        Some(values)
    }

    /// Keeps what was computed for these tokens, which were not found before.
    pub fn keep(&mut self, tokens: &[u32], values: Arc<KeyValues>) {
        let key: Arc<[u32]> = tokens.into();
        self.uses += 1;
        self.bytes += values.bytes();
        self.by_use.insert(self.uses, key.clone());
        self.entries.insert(key, Entry { values, last_use: self.uses });
        while self.bytes > self.budget
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            if let Some(entry) = self.entries.remove(&oldest) {
                self.bytes -= entry.values.bytes();
            }
        }
    }
}
