//! Where conversations are kept: by number in pages, so that looking one up is two steps. A page goes when all of its
//! conversations are forgotten.

use std::collections::VecDeque;

use crate::protocols::{Conversation, ConversationId, Envelope};

/// Conversations of a page.
const PAGE: usize = 256;

/// How many are looked up together.
pub(super) const TOGETHER: usize = 64;

/// Conversations whose numbers follow each other.
#[derive(Debug, Default)]
struct Page {
    /// Written over by the next that come, not wiped: what is forgotten is only no longer `here`.
    places: Vec<Option<Conversation>>,
    /// A bit for each place.
    here: [u64; PAGE / 64],
}

impl Page {
    fn is_here(&self, place: usize) -> bool {
        self.here[place / 64] >> (place % 64) & 1 == 1
    }

    fn is_empty(&self) -> bool {
        self.here.iter().all(|&bits| bits == 0)
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
    fn page(&self, id: ConversationId) -> Option<usize> {
        (id.0 as usize / PAGE).checked_sub(self.passed)
    }

    #[inline]
    pub fn get(&self, id: ConversationId) -> Option<&Conversation> {
        let place = id.0 as usize % PAGE;
        let page = self.pages.get(self.page(id)?).filter(|page| page.is_here(place))?;
        page.places.get(place)?.as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, id: ConversationId) -> Option<&mut Conversation> {
        let (page, place) = (self.page(id)?, id.0 as usize % PAGE);
        let page = self.pages.get_mut(page).filter(|page| page.is_here(place))?;
        page.places.get_mut(place)?.as_mut()
    }

    /// Keeps a new conversation, whose number comes after those of all pages that went.
    pub fn keep(&mut self, conversation: Conversation) -> &mut Conversation {
        let id = conversation.id();
        let (page, place) = (self.page(id).expect("a number that was not given away before"), id.0 as usize % PAGE);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, Page::default);
        }
        let Page { places, here } = &mut self.pages[page];
        if places.capacity() == 0 {
            *places = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(PAGE));
        }
        if places.len() <= place {
            places.resize_with(place + 1, || None);
        }
        here[place / 64] |= 1 << (place % 64);
        places[place].insert(conversation)
    }

    /// Brings the conversations of the next messages near. They lie all over memory: looking some up at once lets the
    /// processor wait for them side by side. The sum is of no use but to keep the looking from being left out.
    pub fn look_up(&self, next: &[Envelope]) -> u64 {
        let near = next.iter().take(TOGETHER).map(|envelope| envelope.conversation);
        let far = |id| self.get(id).map_or(0, |one| one.deadline().0 ^ u64::from(one.outcome().is_some()));
        std::hint::black_box(near.map(far).fold(0, u64::wrapping_add))
    }

    /// Forgets a conversation.
    pub fn forget(&mut self, id: ConversationId) {
        if let Some(page) = self.page(id).and_then(|page| self.pages.get_mut(page)) {
            let place = id.0 as usize % PAGE;
            page.here[place / 64] &= !(1 << (place % 64));
        }
    }

    /// Lets pages go of which no conversation is left. None will come with a number below `next`.
    pub fn turn_pages(&mut self, next: ConversationId) {
        let begun = (next.0 as usize / PAGE).saturating_sub(self.passed);
        for page in self.pages.iter_mut().take(begun).filter(|page| page.is_empty() && page.places.capacity() > 0) {
            self.spare.push(std::mem::take(&mut page.places));
        }
        for _ in 0..begun {
            match self.pages.front() {
                Some(page) if page.is_empty() => self.pages.pop_front(),
                Some(_) => break,
                None => None,
            };
            self.passed += 1;
        }
    }
}
