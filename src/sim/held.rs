//! Envelopes of letters that do not arrive at the next tick: kept until their letter was read, or dropped.

use crate::protocols::Envelope;

/// Set in the mark of a letter whose envelope is held.
const HELD: u32 = 1 << 31;

/// Envelopes by the marks of their letters. A mark that is 0 stands for no envelope, here as everywhere.
#[derive(Debug, Default)]
pub(super) struct HeldEnvelopes {
    places: Vec<Option<Envelope>>,
    free: Vec<u32>,
    /// Places whose letters were delivered at this tick.
    read: Vec<u32>,
}

fn place_of(mark: u32) -> Option<u32> {
    (mark & HELD != 0).then_some(mark & !HELD)
}

impl HeldEnvelopes {
    /// Keeps an envelope for one letter, and gives the mark by which it is found.
    pub fn hold(&mut self, envelope: Envelope) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        assert!(place < HELD, "fewer than 2^31 letters are on their way");
        self.places[place as usize] = Some(envelope);
        place | HELD
    }

    /// Whether a mark is of an envelope held here, and which.
    pub fn get(&self, mark: u32) -> Option<Option<&Envelope>> {
        Some(self.places.get(place_of(mark)? as usize).and_then(Option::as_ref))
    }

    /// Its letter will not arrive.
    pub fn let_go(&mut self, mark: u32) {
        if let Some(place) = place_of(mark) {
            self.places[place as usize] = None;
            self.free.push(place);
        }
    }

    /// Its letter is delivered, and read at this tick.
    pub fn will_read(&mut self, mark: u32) {
        self.read.extend(place_of(mark));
    }

    /// Forgets what was delivered at the last tick.
    pub fn forget_read(&mut self) {
        for place in std::mem::take(&mut self.read) {
            self.places[place as usize] = None;
            self.free.push(place);
        }
    }
}
