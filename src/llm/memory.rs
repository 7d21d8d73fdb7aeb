//! Answers that are kept for equal requests: those not asked for longest are the first to go.

use std::collections::BTreeMap;

/// SHA-256 of a request.
pub(super) type RequestKey = [u8; 32];

/// Values by request, in the order of their last use. The order is one of uses, not of clocks: the same uses leave the
/// same memory.
#[derive(Debug)]
pub(super) struct Memory<V> {
    entries: BTreeMap<RequestKey, (u64, V)>,
    by_use: BTreeMap<u64, RequestKey>,
    uses: u64,
}

impl<V> Default for Memory<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }
}

impl<V> Memory<V> {
    /// Whether there is a value; looking is no use of it.
    pub fn contains(&self, key: &RequestKey) -> bool {
        self.entries.contains_key(key)
    }

    /// Uses a value.
    pub fn recall(&mut self, key: &RequestKey) -> Option<&V> {
        let (used, value) = self.entries.get_mut(key)?;
        self.by_use.remove(used);
        *used = self.uses;
        self.by_use.insert(self.uses, *key);
        self.uses += 1;
        Some(value)
    }

    /// Keeps a value, which counts as its first use.
    pub fn keep(&mut self, key: RequestKey, value: V) {
        if let Some((used, _)) = self.entries.insert(key, (self.uses, value)) {
            self.by_use.remove(&used);
        }
        self.by_use.insert(self.uses, key);
        self.uses += 1;
    }

    /// Lets go of what was not used longest, until there are `most`.
    pub fn shrink(&mut self, most: usize) {
        while self.entries.len() > most
            && let Some((_, key)) = self.by_use.pop_first()
        {
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[test]
    fn what_was_not_used_longest_goes_first() {
        let key = |number: u8| [number; 32];
        let mut memory = Memory::default();
        for number in 0..4 {
            memory.keep(key(number), number);
        }
        assert_eq!(memory.recall(&key(0)), Some(&0));
        assert!(memory.contains(&key(1)), "looking is no use");
        memory.keep(key(2), 20);
        memory.shrink(2);
        let kept: Vec<u8> = (0..4).filter(|&number| memory.contains(&key(number))).collect();
        assert_eq!(kept, [0, 2]);
        assert_eq!(memory.recall(&key(2)), Some(&20));
        assert_eq!(memory.recall(&key(1)), None);
        memory.shrink(0);
        assert!(!memory.contains(&key(2)));
    }
}
