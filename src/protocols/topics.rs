//! Topics: whoever has subscribed gets what is published, where roles have the right to.

use std::sync::Arc;

use super::rights::{Problem, Refusal, Right, Rights};
use crate::base::AgentId;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Topic {
    name: Arc<str>,
    rights: Rights,
    /// In `AgentId` order.
    subscribers: Vec<AgentId>,
}

/// All topics, by number in the order in which they were declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    topics: Vec<Topic>,
}

impl Topics {
    /// Declares a topic; its number is that of [`super::Recipients::Topic`].
    ///
    /// # Panics
    /// With more than 65,536 topics: they are ours.
    pub fn declare(&mut self, name: &str, rights: Rights) -> u16 {
        let number = u16::try_from(self.topics.len()).expect("few topics");
        self.topics.push(Topic { name: name.into(), rights, subscribers: Vec::new() });
        number
    }

    /// Whether an agent of this role may publish, or subscribe.
    ///
    /// # Errors
    /// When it may not, or there is no such topic.
    pub fn check(&self, topic: u16, agent: AgentId, role: u16, right: Right) -> Result<(), Refusal> {
        let Some(found) = self.topics.get(usize::from(topic)) else {
            return Err(Refusal { agent, place: format!("topic {topic}"), problem: Problem::Unknown });
        };
        if found.rights.allow(right, role) {
            return Ok(());
        }
        Err(Refusal { agent, place: format!("topic \"{}\"", found.name), problem: Problem::Right(right) })
    }

    /// From now on `agent` gets what is published. Twice is once.
    ///
    /// # Errors
    /// When its role may not read the topic, or there is none.
    pub fn subscribe(&mut self, topic: u16, agent: AgentId, role: u16) -> Result<(), Refusal> {
        self.check(topic, agent, role, Right::Read)?;
        let subscribers = &mut self.topics[usize::from(topic)].subscribers;
        if let Err(place) = subscribers.binary_search(&agent) {
            subscribers.insert(place, agent);
        }
        Ok(())
    }

    /// From now on `agent` gets nothing of the topic any more.
    pub fn unsubscribe(&mut self, topic: u16, agent: AgentId) {
        if let Some(topic) = self.topics.get_mut(usize::from(topic))
            && let Ok(place) = topic.subscribers.binary_search(&agent)
        {
            topic.subscribers.remove(place);
        }
    }

    /// Who gets what is published, in `AgentId` order; nobody where there is no such topic.
    #[must_use]
    pub fn subscribers(&self, topic: u16) -> &[AgentId] {
        self.topics.get(usize::from(topic)).map_or(&[], |topic| &topic.subscribers)
    }

    /// The number of the topic with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u16> {
        self.topics.iter().position(|topic| &*topic.name == name).and_then(|place| u16::try_from(place).ok())
    }
}
