//! Where conversations are kept: by number in pages, so that looking one up is two steps. A page goes when all of its
//! conversations are forgotten.

use std::collections::VecDeque;

use crate::protocols::{Conversation, ConversationId};

/// Conversations of a page.
const PAGE: usize = 256;

/// Conversations whose numbers follow each other. Neighbours belong to different threads: they must not share what the
/// processor hands over at once, which is up to two cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Page {
    /// Written over by the next that come, not wiped: what is forgotten is only no longer `here`.
    places: Vec<Option<Conversation>>,
    /// A bit for each place: whether its conversation is kept.
    here: [u64; PAGE / 64],
    /// A bit for each place: whether its conversation holds memory elsewhere, which it is wiped to give back.
    holding: [u64; PAGE / 64],
}

impl Page {
    fn is_here(&self, place: usize) -> bool {
        self.here[place / 64] >> (place % 64) & 1 == 1
    }

    fn is_empty(&self) -> bool {
        self.here.iter().all(|&bits| bits == 0)
    }

    pub fn get(&self, id: ConversationId) -> Option<&Conversation> {
        let place = id.0 as usize % PAGE;
        if self.is_here(place) { self.places.get(place)?.as_ref() } else { None }
    }

    /// The conversation with this number, which is one of the page's.
    #[inline]
    pub fn get_mut(&mut self, id: ConversationId) -> Option<&mut Conversation> {
        let place = id.0 as usize % PAGE;
        if self.is_here(place) { self.places.get_mut(place)?.as_mut() } else { None }
    }

    /// Reads something of whatever lies in a conversation's place, so that it is near when the place is written to.
    #[inline]
    pub fn touch(&self, id: ConversationId) -> u64 {
        let place = self.places.get(id.0 as usize % PAGE);
        place.and_then(Option::as_ref).map_or(0, |one| one.deadline().0)
    }

    /// Keeps a new conversation, whose number is one of the page's.
    #[inline]
    pub fn keep(&mut self, id: ConversationId, conversation: Conversation) -> &mut Conversation {
        let place = id.0 as usize % PAGE;
        self.here[place / 64] |= 1 << (place % 64);
        self.holding[place / 64] |= u64::from(conversation.holds_memory()) << (place % 64);
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        self.places[place].insert(conversation)
    }

    /// Forgets a conversation, if it has the one with this number.
    #[inline]
    pub fn forget(&mut self, id: ConversationId) {
        let (word, bit) = (id.0 as usize % PAGE / 64, 1 << (id.0 % 64));
        self.here[word] &= !bit;
        if self.holding[word] & bit > 0 {
            self.holding[word] &= !bit;
            self.places[id.0 as usize % PAGE] = None;
        }
    }
}

/// Which page a conversation is in, counted from the one with number `first`; far beyond the last where it is before that.
#[inline]
fn page_from(first: usize, id: ConversationId) -> usize {
    (id.0 as usize / PAGE).wrapping_sub(first)
}

/// How pages are shared out, in turn: to a power of two of shares.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sharing {
    /// The first page's number.
    first: usize,
    bits: u32,
}

impl Sharing {
    /// Which share a conversation falls to, and which page of the share it is in; the page is none that the share has
    /// where there is no such conversation.
    #[inline]
    pub fn find(self, id: ConversationId) -> (usize, usize) {
        let page = page_from(self.first, id);
        (page & ((1 << self.bits) - 1), page >> self.bits)
    }
}

/// Conversations by number.
#[derive(Debug, Default)]
pub(super) struct KeptConversations {
    /// From the first on that has a conversation, or may get one.
    pages: VecDeque<Page>,
    /// Pages before them: all of their conversations are over.
    passed: usize,
    /// Memory of pages that went, for new ones: given back and asked for anew each time it would cost more than the talk.
    spare: Vec<Vec<Option<Conversation>>>,
}

impl KeptConversations {
    pub fn get(&self, id: ConversationId) -> Option<&Conversation> {
        self.pages.get(page_from(self.passed, id))?.get(id)
    }

    pub fn get_mut(&mut self, id: ConversationId) -> Option<&mut Conversation> {
        self.pages.get_mut(page_from(self.passed, id))?.get_mut(id)
    }

    /// Forgets a conversation.
    pub fn forget(&mut self, id: ConversationId) {
        if let Some(page) = self.pages.get_mut(page_from(self.passed, id)) {
            page.forget(id);
        }
    }

    /// Makes room for all conversations whose numbers are below `next`.
    pub fn make_room(&mut self, next: ConversationId) {
        while (self.passed + self.pages.len()) * PAGE < next.0 as usize {
            let places = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(PAGE));
            self.pages.push_back(Page { places, ..Page::default() });
        }
    }

    /// Shares out all pages. `shares` is a power of two.
    pub fn share(&mut self, shares: usize) -> (Sharing, Vec<Vec<&mut Page>>) {
        let mut shared: Vec<_> = (0..shares).map(|_| Vec::with_capacity(self.pages.len() / shares + 1)).collect();
        for (place, page) in self.pages.iter_mut().enumerate() {
            shared[place % shares].push(page);
        }
        (Sharing { first: self.passed, bits: shares.trailing_zeros() }, shared)
    }

    /// Lets pages go of which no conversation is left. None will come with a number below `given`, the first that was
    /// not yet given away.
    pub fn turn_pages(&mut self, given: ConversationId) {
        let begun = (given.0 as usize / PAGE).saturating_sub(self.passed);
        for page in self.pages.iter_mut().take(begun).filter(|page| page.is_empty() && page.places.capacity() > 0) {
            self.spare.push(std::mem::take(&mut page.places));
        }
        while self.passed < given.0 as usize / PAGE && self.pages.front().is_some_and(Page::is_empty) {
            self.pages.pop_front();
            self.passed += 1;
        }
    }
}
