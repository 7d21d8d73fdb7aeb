//! Why a message was not admitted.

use std::fmt;

use super::envelope::{ConversationId, Envelope, Protocol};
use super::moves::Move;
use crate::base::{AgentId, Performative, Tick};

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no such conversation.
    Unknown,
    /// The conversation is over.
    Ended,
    /// The envelope names another protocol.
    Protocol(Protocol),
    /// The sender has no part in the conversation.
    NotAParty,
    /// It is not the sender's turn.
    Turn,
    /// The sender may speak, but not this performative.
    Performative,
    /// What it holds is of another kind, or out of bounds.
    Content(String),
    /// It is addressed to somebody else.
    Recipients,
    /// It was sent beyond the state's deadline, or before something that was already said.
    Tick(Tick),
    /// The conversation cannot be opened with these participants.
    Participants(&'static str),
    /// Whatever the protocol says, the sender's role may not do it; what.
    NotPermitted(String),
}

impl Reason {
    /// The word that records carry.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown-conversation",
            Self::Ended => "ended",
            Self::Protocol(_) => "protocol",
            Self::NotAParty => "not-a-party",
            Self::Turn => "not-its-turn",
            Self::Performative => "performative",
            Self::Content(_) => "content",
            Self::Recipients => "recipients",
            Self::Tick(_) => "tick",
            Self::Participants(_) => "participants",
            Self::NotPermitted(_) => "not-permitted",
        }
    }
}

/// A message that was not admitted: nothing changed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The conversation it named.
    pub conversation: ConversationId,
    /// The conversation's protocol, or the one that the envelope names where there is no conversation.
    pub protocol: Protocol,
    /// The state in which it came.
    pub state: &'static str,
    /// Who sent it.
    pub sender: AgentId,
    /// What it was to do.
    pub performative: Performative,
    /// What is wrong.
    pub reason: Reason,
    /// What the sender may say in this state.
    pub expected: Vec<Move>,
}

impl Rejection {
    /// The rejection of an envelope that names no conversation there is.
    #[must_use]
    pub fn unknown(envelope: &Envelope) -> Self {
        Self::of(envelope, envelope.protocol, "none", Reason::Unknown, Vec::new())
    }

    /// The rejection of an envelope whose sender's role lacks a right; `state` is the conversation's, where there is one.
    #[must_use]
    pub fn not_permitted(envelope: &Envelope, state: Option<&'static str>, what: String) -> Self {
        Self::of(envelope, envelope.protocol, state.unwrap_or("none"), Reason::NotPermitted(what), Vec::new())
    }

    pub(super) fn of(
        envelope: &Envelope,
        protocol: Protocol,
        state: &'static str,
        reason: Reason,
        expected: Vec<Move>,
    ) -> Self {
        let Envelope { conversation, sender, performative, .. } = *envelope;
        Self { conversation, protocol, state, sender, performative, reason, expected }
    }
}

impl std::error::Error for Rejection {}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conversation, protocol, state, sender, performative, reason, expected } = self;
        let word = performative.name();
        write!(formatter, "{} {conversation}, state {state}: agent {sender} may not say {word}: ", protocol.name())?;
        match reason {
            Reason::Unknown => formatter.write_str("there is no such conversation")?,
            Reason::Ended => formatter.write_str("the conversation is over")?,
            Reason::Protocol(other) => write!(formatter, "the message follows {}", other.name())?,
            Reason::NotAParty => formatter.write_str("it has no part in this conversation")?,
            Reason::Turn => formatter.write_str("others are to speak now")?,
            Reason::Performative => formatter.write_str("this state does not know it")?,
            Reason::Content(content) => write!(formatter, "{content} does not fit")?,
            Reason::Recipients => formatter.write_str("it is addressed to others than it must be")?,
            Reason::Tick(tick) => write!(formatter, "tick {tick} is too late, or before what was said")?,
            Reason::Participants(problem) => formatter.write_str(problem)?,
            Reason::NotPermitted(what) => write!(formatter, "not permitted: {what}")?,
        }
        for (place, expected) in expected.iter().enumerate() {
            formatter.write_str(if place == 0 { "; expected: " } else { ", " })?;
            // A long list helps nobody: a manager with a thousand bids may accept or reject each of them.
            if place == 8 {
                return formatter.write_str("and more");
            }
            write!(formatter, "{expected}")?;
        }
        Ok(())
    }
}
