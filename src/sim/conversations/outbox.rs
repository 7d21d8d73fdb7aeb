//! What agents said in a tick, until it closes.

use std::ops::Range;

use super::TermsId;
use crate::protocols::{ConversationId, Envelope, Recipients};

/// What a message is about, kept apart from it: short enough to be gone through again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub conversation: ConversationId,
    /// The terms on which it opens the conversation, if it does.
    pub terms: Option<TermsId>,
}

/// Messages in the order of saying.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub said: Vec<Envelope>,
    pub about: Vec<About>,
    /// Whether some message comes after one of a sender with a higher number.
    is_mixed: bool,
    /// Whether some message goes to a topic.
    pub is_to_topics: bool,
}

impl Outbox {
    #[inline]
    pub fn push(&mut self, terms: Option<TermsId>, envelope: Envelope) {
        self.is_mixed |= self.said.last().is_some_and(|last| last.sender > envelope.sender);
        self.is_to_topics |= matches!(envelope.recipients, Recipients::Topic(_));
        self.about.push(About { conversation: envelope.conversation, terms });
        self.said.push(envelope);
    }

    pub fn clear(&mut self) {
        self.said.clear();
        self.about.clear();
        (self.is_mixed, self.is_to_topics) = (false, false);
    }

    /// The places of its messages, in blocks.
    pub fn blocks(&self, block: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let all = self.said.len();
        (0..all).step_by(block).map(move |begin| begin..all.min(begin + block))
    }

    /// By sender, and of one sender in the order of saying.
    pub fn put_in_order(&mut self) {
        if self.is_mixed {
            let mut pairs: Vec<_> = self.said.drain(..).zip(self.about.drain(..)).collect();
            pairs.sort_by_key(|pair| pair.0.sender);
            (self.said, self.about) = pairs.into_iter().unzip();
            self.is_mixed = false;
        }
    }
}
