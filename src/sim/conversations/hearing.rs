//! Checking what was said in a tick. No conversation knows of another, so several threads share them: each goes through
//! all messages, and takes in those for its own conversations. What comes out is the same however many they are.

use std::ops::Range;

use rayon::prelude::*;

use super::kept::{KeptConversations, Page, Sharing};
use super::outbox::Outbox;
use super::present::Present;
use super::timers::Timers;
use crate::protocols::{Conversation, ConversationId, Rejection, Terms};

/// Fewer messages than this are not worth a second thread.
const ALONE: usize = 4096;

/// More than so many threads would spend their time on passing over each other's messages.
const SHARES_MAX: usize = 16;

/// How many messages are taken in together. Their conversations lie all over memory: looking them up at once lets the
/// processor wait for them side by side.
const TOGETHER: usize = 64;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Rejected,
    Admitted,
    /// Admitted, and it brought its conversation to an outcome.
    Ended,
}

/// What became of the messages of a block for the conversations of a share, in the order of the outbox.
#[derive(Debug, Default)]
struct Heard {
    verdicts: Vec<Verdict>,
    /// States afterwards; none where they are not asked for.
    states: Vec<&'static str>,
    rejections: Vec<(u32, Rejection)>,
    timers: Timers,
    opened: u64,
}

/// What became of the messages of a tick, block by block.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    sharing: Sharing,
    /// More than there were shares, where a block before had more: kept for their memory.
    shares: Vec<Heard>,
    /// By place in the outbox.
    rejections: Vec<(u32, Rejection)>,
}

impl Verdicts {
    /// The messages that were rejected, by place in the outbox.
    pub fn rejections(&self) -> &[(u32, Rejection)] {
        &self.rejections
    }

    /// Takes them out, at the end of a tick.
    pub fn take_rejections(&mut self) -> impl Iterator<Item = Rejection> {
        self.rejections.drain(..).map(|rejection| rejection.1)
    }

    /// To be asked for each message of the last block in turn.
    pub fn reader(&self) -> impl FnMut(ConversationId) -> (Verdict, &'static str) {
        let mut places = vec![0; self.shares.len()];
        move |conversation| {
            let share = self.sharing.find(conversation).0;
            let place = places[share];
            places[share] += 1;
            let Heard { verdicts, states, .. } = &self.shares[share];
            (verdicts[place], states.get(place).copied().unwrap_or_default())
        }
    }

    /// Takes in what the shares have found. Says how many conversations were opened.
    fn gather(&mut self, timers: &mut Timers) -> u64 {
        let (before, mut opened) = (self.rejections.len(), 0);
        for share in &mut self.shares {
            opened += std::mem::take(&mut share.opened);
            self.rejections.append(&mut share.rejections);
            timers.append(&mut share.timers);
        }
        if self.shares.len() > 1 {
            self.rejections[before..].sort_unstable_by_key(|rejection| rejection.0);
        }
        opened
    }
}

/// What is the same for all messages of a tick.
pub(super) struct Hearing<'a, 'w, 's> {
    pub outbox: &'a Outbox,
    pub terms: &'a [Terms],
    pub present: &'a Present<'a, 'w, 's>,
    /// Messages that their senders' roles may not say, by place, with what they may not.
    pub forbidden: &'a [(u32, String)],
    /// Whether states are asked for.
    pub with_states: bool,
}

impl Hearing<'_, '_, '_> {
    /// Hears a block of messages: opens conversations, takes in what is allowed, and sets deadlines. Says how many were
    /// opened.
    pub fn hear(
        &self,
        block: Range<usize>,
        kept: &mut KeptConversations,
        verdicts: &mut Verdicts,
        timers: &mut Timers,
    ) -> u64 {
        let few = block.len() < ALONE;
        let shares = if few { 1 } else { rayon::current_num_threads().next_power_of_two().min(SHARES_MAX) };
        let (sharing, pages) = kept.share(shares);
        verdicts.sharing = sharing;
        verdicts.shares.resize_with(shares.max(verdicts.shares.len()), Heard::default);
        let hear = |(share, (pages, heard)): (usize, (Vec<&mut Page>, &mut Heard))| {
            // On the thread's own stack while it is added to: side by side in memory they would wait for each other.
            *heard = self.hear_share(block.clone(), (sharing, share), pages, std::mem::take(heard));
        };
        if few {
            pages.into_iter().zip(&mut verdicts.shares).enumerate().for_each(hear);
        } else {
            pages.into_par_iter().zip(&mut verdicts.shares).enumerate().for_each(hear);
        }
        verdicts.gather(timers)
    }

    fn hear_share(
        &self,
        block: Range<usize>,
        (sharing, share): (Sharing, usize),
        mut pages: Vec<&mut Page>,
        mut heard: Heard,
    ) -> Heard {
        heard.verdicts.clear();
        heard.states.clear();
        let mut ours = Vec::with_capacity(TOGETHER);
        for (begin, together) in (block.start..).step_by(TOGETHER).zip(self.outbox.about[block].chunks(TOGETHER)) {
            ours.clear();
            for (place, about) in (begin..).zip(together) {
                let (its_share, page) = sharing.find(about.conversation);
                if its_share == share {
                    ours.push((place, page, about.conversation));
                }
            }
            // The sum is of no use but to keep the looking up from being left out.
            let far =
                |&(_, page, id): &(usize, usize, ConversationId)| pages.get(page).map_or(0, |page| page.touch(id));
            std::hint::black_box(ours.iter().map(far).fold(0, u64::wrapping_add));
            for &(place, page, _) in &ours {
                let page = pages.get_mut(page).map(|page| &mut **page);
                match self.hear_one(place, page, &mut heard) {
                    Ok(verdict) => heard.verdicts.push(verdict),
                    Err(rejection) => {
                        heard.verdicts.push(Verdict::Rejected);
                        heard.rejections.push((place as u32, rejection));
                        if self.with_states {
                            heard.states.push("");
                        }
                    }
                }
            }
        }
        heard
    }

    #[inline]
    fn hear_one(&self, place: usize, page: Option<&mut Page>, heard: &mut Heard) -> Result<Verdict, Rejection> {
        let envelope = &self.outbox.said[place];
        let id = envelope.conversation;
        if let Ok(found) = self.forbidden.binary_search_by_key(&place, |forbidden| forbidden.0 as usize) {
            let state = page.and_then(|page| page.get(id)).map(Conversation::state);
            return Err(Rejection::not_permitted(envelope, state, self.forbidden[found].1.clone()));
        }
        let Some(page) = page else { return Err(Rejection::unknown(envelope)) };
        let (conversation, before) = if let Some(terms) = self.outbox.about[place].terms {
            let terms = &self.terms[usize::from(terms.0)];
            let participants = self.present.participants(terms, envelope)?;
            (page.keep(id, Conversation::start(terms, envelope, participants)), None)
        } else {
            let Some(conversation) = page.get_mut(id) else { return Err(Rejection::unknown(envelope)) };
            let before = conversation.deadline();
            (conversation, Some(before))
        };
        if let Err(rejection) = conversation.admit(envelope) {
            if before.is_none() {
                page.forget(id);
            }
            return Err(rejection);
        }
        heard.opened += u64::from(before.is_none());
        if self.with_states {
            heard.states.push(conversation.state());
        }
        if conversation.outcome().is_some() {
            return Ok(Verdict::Ended);
        }
        if before != Some(conversation.deadline()) {
            heard.timers.set(conversation.deadline(), id);
        }
        Ok(Verdict::Admitted)
    }
}
