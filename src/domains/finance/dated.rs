//! Dated things behind a clock that only goes forward, so that nobody can look ahead.

use crate::base::Tick;

/// Things with a date, readable only once the clock has come to it. There is no way to ask for what is dated later:
/// whoever holds this by shared reference sees what was dated up to the tick that the clock was last turned to.
#[derive(Clone, Debug)]
pub struct Dated<T> {
    entries: Vec<(Tick, T)>,
    /// Entries before this place are dated before today.
    past: usize,
    /// Entries before this place are dated today or before.
    known: usize,
}

impl<T> Dated<T> {
    /// These things, none of them readable yet. Things of one date keep their order.
    #[must_use]
    pub fn new(mut entries: Vec<(Tick, T)>) -> Self {
        entries.sort_by_key(|&(tick, _)| tick);
        Self { entries, past: 0, known: 0 }
    }

    /// Turns the clock to `now`. It is never turned back.
    pub fn turn_to(&mut self, now: Tick) {
        let before = |date: Tick| self.entries.partition_point(|&(tick, _)| tick < date);
        let past = before(now);
        let known = before(Tick(now.0.saturating_add(1)));
        self.past = self.past.max(past);
        self.known = self.known.max(known);
    }

    /// What is dated today.
    #[must_use]
    pub fn today(&self) -> &[(Tick, T)] {
        &self.entries[self.past..self.known]
    }

    /// What is dated today or before, oldest first. A thing's place in it never changes.
    #[must_use]
    pub fn known(&self) -> &[(Tick, T)] {
        &self.entries[..self.known]
    }
}
