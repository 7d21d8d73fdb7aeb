//! Messages between agents, and the texts they carry.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::AgentId;

/// What a message does, in FIPA's words (FIPA00037, communicative acts) where they have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Performative {
    /// States something.
    #[default]
    Inform,
    /// Asks for something to be told.
    Query,
    /// Asks for something to be done.
    Request,
    /// Asks whether what was understood is right.
    QueryIf,
    /// Says that it is.
    Confirm,
    /// Says that it is not.
    Disconfirm,
    /// Offers to do something, or tells that it was done.
    Propose,
    /// Takes the offer.
    Accept,
    /// Turns the offer down.
    Reject,
    /// Hands the conversation to somebody else.
    Transfer,
    /// Ends the conversation.
    Close,
    /// Says that it will do what was asked.
    Agree,
    /// Says that it will not.
    Refuse,
    /// Calls off what was asked.
    Cancel,
    /// Calls for proposals.
    CallForProposal,
    /// Says that it tried and failed.
    Failure,
    /// Says that a message was not understood.
    NotUnderstood,
    /// Asks for the thing that a description fits.
    QueryRef,
    /// Asks to be told whenever something changes.
    Subscribe,
    /// Tells whether something is so.
    InformIf,
    /// Tells the thing that a description fits.
    InformRef,
    /// Asks for a message to be passed on to others.
    Propagate,
    /// Asks for a message to be passed on in the sender's place.
    Proxy,
    /// Asks for something to be done once something is so.
    RequestWhen,
    /// Asks for something to be done each time that something becomes so.
    RequestWhenever,
}

impl Performative {
    /// All of them. `query`, `transfer` and `close` are the program's own; the other 22 are all of FIPA's.
    pub const ALL: [Self; 25] = [
        Self::Inform,
        Self::Query,
        Self::Request,
        Self::QueryIf,
        Self::Confirm,
        Self::Disconfirm,
        Self::Propose,
        Self::Accept,
        Self::Reject,
        Self::Transfer,
        Self::Close,
        Self::Agree,
        Self::Refuse,
        Self::Cancel,
        Self::CallForProposal,
        Self::Failure,
        Self::NotUnderstood,
        Self::QueryRef,
        Self::Subscribe,
        Self::InformIf,
        Self::InformRef,
        Self::Propagate,
        Self::Proxy,
        Self::RequestWhen,
        Self::RequestWhenever,
    ];

    /// The word that records carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inform => "inform",
            Self::Query => "query",
            Self::Request => "request",
            Self::QueryIf => "query-if",
            Self::Confirm => "confirm",
            Self::Disconfirm => "disconfirm",
            Self::Propose => "propose",
            Self::Accept => "accept-proposal",
            Self::Reject => "reject-proposal",
            Self::Transfer => "transfer",
            Self::Close => "close",
            Self::Agree => "agree",
            Self::Refuse => "refuse",
            Self::Cancel => "cancel",
            Self::CallForProposal => "cfp",
            Self::Failure => "failure",
            Self::NotUnderstood => "not-understood",
            Self::QueryRef => "query-ref",
            Self::Subscribe => "subscribe",
            Self::InformIf => "inform-if",
            Self::InformRef => "inform-ref",
            Self::Propagate => "propagate",
            Self::Proxy => "proxy",
            Self::RequestWhen => "request-when",
            Self::RequestWhenever => "request-whenever",
        }
    }
}

/// A text in the run's [`TextArena`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextId(pub u32);

impl TextId {
    /// The empty text, present in every arena.
    pub const EMPTY: Self = Self(0);
}

/// One letter: 20 bytes, so that a million of them fit where a cache can follow. Words live in the arena.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Message {
    /// Who sent it.
    pub sender: AgentId,
    /// Who gets it at the next tick.
    pub recipient: AgentId,
    /// What it does.
    pub performative: Performative,
    /// A small number whose meaning the domain fixes (an intent, an item, a slot).
    pub topic: u16,
    /// An amount whose meaning the domain fixes.
    pub amount: f32,
    /// Its words.
    pub text: TextId,
}

/// Every text of a run, once. Grows with the number of *different* texts.
#[derive(Debug)]
pub struct TextArena {
    texts: Vec<Arc<str>>,
    ids: BTreeMap<Arc<str>, TextId>,
}

impl Default for TextArena {
    fn default() -> Self {
        let empty: Arc<str> = Arc::from("");
        Self { texts: vec![Arc::clone(&empty)], ids: BTreeMap::from([(empty, TextId::EMPTY)]) }
    }
}

impl TextArena {
    /// The id of `text`, which is added if it is new.
    pub fn intern(&mut self, text: &str) -> TextId {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = TextId(u32::try_from(self.texts.len()).expect("fewer than 2^32 different texts"));
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.ids.insert(text, id);
        id
    }

    /// The text with this id.
    ///
    /// # Panics
    /// When the id comes from another arena.
    #[must_use]
    pub fn get(&self, id: TextId) -> &Arc<str> {
        &self.texts[id.0 as usize]
    }

    /// How many different texts there are, the empty one included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Never: the empty text is always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}
