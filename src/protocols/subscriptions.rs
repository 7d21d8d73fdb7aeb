//! Subscriptions to topics: whoever has subscribed gets what is published, where roles have the right to.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::rights::{Refusal, Right, Rights};
use crate::base::AgentId;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Topic {
    name: Arc<str>,
    rights: Rights,
    subscribers: BTreeSet<AgentId>,
}

/// All topics, by number in the order in which they were declared, and who has subscribed to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscriptions {
    topics: Vec<Topic>,
}

impl Subscriptions {
    /// Declares a topic; its number is that of [`super::Recipients::Topic`].
    ///
    /// # Panics
    /// With more than 65,536 topics: they are ours.
    pub fn declare(&mut self, name: &str, rights: Rights) -> u16 {
        let number = u16::try_from(self.topics.len()).expect("few topics");
        self.topics.push(Topic { name: name.into(), rights, subscribers: BTreeSet::new() });
        number
    }

    /// Whether an agent of this role may publish, or subscribe.
    ///
    /// # Errors
    /// When it may not, or there is no such topic.
    pub fn check(&self, topic: u16, role: u16, right: Right) -> Result<(), Refusal> {
        match self.topics.get(usize::from(topic)) {
            None => Err(Refusal::Unknown),
            Some(topic) if topic.rights.allow(right, role) => Ok(()),
            Some(_) => Err(Refusal::Right(right)),
        }
    }

    /// From now on `agent` gets what is published. Twice is once: says whether it is new.
    ///
    /// # Errors
    /// When its role may not read the topic, or there is none.
    pub fn subscribe(&mut self, topic: u16, agent: AgentId, role: u16) -> Result<bool, Refusal> {
        self.check(topic, role, Right::Read)?;
        Ok(self.topics[usize::from(topic)].subscribers.insert(agent))
    }

    /// From now on `agent` gets nothing of the topic any more. Says whether it had subscribed.
    pub fn unsubscribe(&mut self, topic: u16, agent: AgentId) -> bool {
        self.topics.get_mut(usize::from(topic)).is_some_and(|topic| topic.subscribers.remove(&agent))
    }

    /// Forgets subscribers of a topic who are not there any more.
    pub fn keep(&mut self, topic: u16, is_there: impl Fn(AgentId) -> bool) {
        if let Some(topic) = self.topics.get_mut(usize::from(topic)) {
            topic.subscribers.retain(|&agent| is_there(agent));
        }
    }

    /// Who gets what is published, in `AgentId` order; nobody where there is no such topic.
    pub fn subscribers(&self, topic: u16) -> impl Iterator<Item = AgentId> + '_ {
        self.topics.get(usize::from(topic)).into_iter().flat_map(|topic| topic.subscribers.iter().copied())
    }

    /// The number of the topic with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u16> {
        self.topics.iter().position(|topic| &*topic.name == name).and_then(|place| u16::try_from(place).ok())
    }

    /// A topic's name.
    #[must_use]
    pub fn name(&self, topic: u16) -> Option<&Arc<str>> {
        self.topics.get(usize::from(topic)).map(|topic| &topic.name)
    }

    /// How many topics there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.topics.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }
}
