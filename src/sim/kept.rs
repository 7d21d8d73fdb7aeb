//! Where conversations are kept: by number in pages, so that looking one up is two steps. A page goes when all of its
//! conversations are over.

use std::collections::VecDeque;

use crate::protocols::{Conversation, ConversationId};

/// Conversations of a page.
const PAGE: usize = 256;

/// How many are looked up together.
const TOGETHER: usize = 64;

/// Conversations whose numbers follow each other.
#[derive(Debug, Default)]
struct Page {
    places: Vec<Option<Conversation>>,
    /// How many there are.
    kept: u32,
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

    pub fn get(&self, id: ConversationId) -> Option<&Conversation> {
        self.pages.get(self.page(id)?)?.places.get(id.0 as usize % PAGE)?.as_ref()
    }

    pub fn get_mut(&mut self, id: ConversationId) -> Option<&mut Conversation> {
        let page = self.page(id)?;
        self.pages.get_mut(page)?.places.get_mut(id.0 as usize % PAGE)?.as_mut()
    }

    /// Keeps a new conversation, whose number comes after those of all pages that went.
    pub fn keep(&mut self, conversation: Conversation) {
        let id = conversation.id();
        let (page, place) = (self.page(id).expect("a number that was not given away before"), id.0 as usize % PAGE);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, Page::default);
        }
        let Page { places, kept } = &mut self.pages[page];
        if places.capacity() == 0 {
            *places = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(PAGE));
        }
        if places.len() <= place {
            places.resize_with(place + 1, || None);
        }
        places[place] = Some(conversation);
        *kept += 1;
    }

    /// Brings conversations near. The sum is of no use but to keep the looking from being left out.
    pub fn look_up(&self, ids: impl Iterator<Item = ConversationId>) -> u64 {
        let far = |id| self.get(id).map_or(0, |one| one.deadline().0 ^ u64::from(one.outcome().is_some()));
        std::hint::black_box(ids.map(far).fold(0, u64::wrapping_add))
    }

    /// Forgets `over`, in the order in which they came to an outcome: that is the order in which outcomes lie in memory.
    pub fn forget(&mut self, over: &[ConversationId]) {
        for together in over.chunks(TOGETHER) {
            self.look_up(together.iter().copied());
            for id in together {
                let page = &mut self.pages[id.0 as usize / PAGE - self.passed];
                page.places[id.0 as usize % PAGE] = None;
                page.kept -= 1;
            }
        }
    }

    /// Lets pages go of which no conversation is left. None will come with a number below `next`.
    pub fn turn_pages(&mut self, next: ConversationId) {
        let begun = (next.0 as usize / PAGE).saturating_sub(self.passed);
        for page in self.pages.iter_mut().take(begun).filter(|page| page.kept == 0 && page.places.capacity() > 0) {
            let mut places = std::mem::take(&mut page.places);
            places.clear();
            self.spare.push(places);
        }
        for _ in 0..begun {
            match self.pages.front() {
                Some(page) if page.kept == 0 => self.pages.pop_front(),
                Some(_) => break,
                None => None,
            };
            self.passed += 1;
        }
    }
}
