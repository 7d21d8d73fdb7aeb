//! Envelopes of letters that do not arrive at the next tick: kept until their letter was read, or dropped.

use crate::protocols::Envelope;
use crate::sim::mail::Mark;

/// Set in the mark of a letter whose envelope is held.
const FIRST_HELD: u32 = 1 << 31;

/// Envelopes by the marks of their letters. A mark of 0 stands for no envelope, here as everywhere.
#[derive(Debug, Default)]
pub(super) struct HeldEnvelopes {
    places: Vec<Option<Envelope>>,
    free: Vec<u32>,
    /// Places whose letters were delivered at this tick.
    read: Vec<u32>,
}

fn place_of(mark: Mark) -> Option<u32> {
    (mark.envelope & FIRST_HELD != 0).then_some(mark.envelope & !FIRST_HELD)
}

impl HeldEnvelopes {
    /// Keeps an envelope for one letter, and gives the mark by which it is found.
    pub fn hold(&mut self, envelope: Envelope) -> Mark {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        assert!(place < FIRST_HELD, "fewer than 2^31 letters are on their way");
        let conversation = envelope.conversation;
        self.places[place as usize] = Some(envelope);
        Mark { envelope: place | FIRST_HELD, conversation }
    }

    /// The envelope of a mark, if it is held here.
    pub fn get(&self, mark: Mark) -> Option<&Envelope> {
        self.places.get(place_of(mark)? as usize)?.as_ref()
    }

    /// Its letter will not arrive.
    pub fn let_go(&mut self, mark: Mark) {
        if let Some(place) = place_of(mark) {
            self.places[place as usize] = None;
            self.free.push(place);
        }
    }

    /// Its letter is delivered, and read at this tick.
    pub fn will_read(&mut self, mark: Mark) {
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
