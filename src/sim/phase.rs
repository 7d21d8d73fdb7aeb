//! The phases of a tick, in order.

use bevy_ecs::schedule::SystemSet;

/// Where in a tick a system stands. Phases run strictly one after another; nothing flows back up within a tick, and
/// mail crosses a tick boundary.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Births and deaths asked for at the last tick happen; the only point at which agents come and go.
    Barrier,
    /// Last tick's outboxes become this tick's inboxes.
    Deliver,
    /// The domain writes what each agent sees, and asks language models to read words.
    Observe,
    /// Language models answer what Observe asked.
    Read,
    /// The domain turns the answers into numbers and hands in the observations.
    Interpret,
    /// The last choice and its reward are paired with this observation; learners renew policies.
    Learn,
    /// Each policy is asked once for all its agents.
    Decide,
    /// The domain carries out the choices in `AgentId` order, and asks language models for words.
    Act,
    /// Language models answer what Act asked.
    Word,
    /// The domain sends the messages whose words were waited for.
    Send,
    /// The world moves on.
    Advance,
    /// The domain says how well each agent did.
    Reward,
    /// Metrics become rows.
    Record,
    /// The engine adds its own columns and closes the tick's rows.
    Close,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 14] = [
        Self::Barrier,
        Self::Deliver,
        Self::Observe,
        Self::Read,
        Self::Interpret,
        Self::Learn,
        Self::Decide,
        Self::Act,
        Self::Word,
        Self::Send,
        Self::Advance,
        Self::Reward,
        Self::Record,
        Self::Close,
    ];
}
