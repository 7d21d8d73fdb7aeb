//! Who is there to be addressed, and what their roles may say.

use bevy_ecs::system::Query;

use super::outbox::Outbox;
use crate::base::AgentId;
use crate::protocols::{Envelope, Participants, Recipients, Rejection, Right, Terms};
use crate::sim::boundaries::{Breach, Breaches};
use crate::sim::components::Agent;
use crate::sim::population::Directory;
use crate::sim::rights::RoleRights;
use crate::sim::topics::{TopicId, Topics};

/// Who is there to be addressed.
pub(super) struct Present<'a, 'w, 's> {
    pub directory: &'a Directory,
    pub agents: &'a Query<'w, 's, &'static Agent>,
    pub rights: &'a RoleRights,
    pub topics: &'a Topics,
    pub breaches: &'a Breaches,
}

impl Present<'_, '_, '_> {
    /// The messages that their senders' roles may not say, by place, with what they may not: breaches, which are named.
    pub fn forbidden(&self, outbox: &Outbox) -> Vec<(u32, String)> {
        if !self.rights.limits_protocols && !outbox.is_to_topics {
            return Vec::new();
        }
        let forbids = |(place, envelope)| Some((place, self.forbids(envelope)?));
        (0..).zip(&outbox.said).filter_map(forbids).collect()
    }

    fn forbids(&self, envelope: &Envelope) -> Option<String> {
        let topic = if let Recipients::Topic(topic) = envelope.recipients { Some(topic) } else { None };
        if topic.is_none() && !self.rights.limits_protocols {
            return None;
        }
        let agent = self.agents.get(self.directory.entity(envelope.sender)?).ok()?;
        let protocol = envelope.protocol.name();
        let (right, what) = if !self.rights.may_speak(agent.role, envelope.protocol) {
            ("protocol", format!("its role may not speak by {protocol}"))
        } else if self.topics.refusal(topic?, agent.role, Right::Write).is_some() {
            ("write", format!("its role may not write to {}", self.topics.name(topic?)))
        } else {
            return None;
        };
        let tried = match topic {
            Some(topic) => format!("{} by {protocol} to {}", envelope.performative.name(), self.topics.name(topic)),
            None => format!("{} by {protocol}", envelope.performative.name()),
        };
        let (agent, role, instead) = (agent.id, agent.role, "rejected".to_owned());
        self.breaches.name(Breach { agent, role, right, tried, instead });
        Some(what)
    }

    /// Those who are there to take part in what a first message opens.
    pub fn participants(&self, terms: &Terms, first: &Envelope) -> Result<Participants, Rejection> {
        let alive = || self.directory.alive().iter();
        let there: Vec<AgentId> = match &first.recipients {
            Recipients::Agent(agent) => return Participants::of(terms, first, &[*agent]),
            Recipients::Agents(agents) => return Participants::of(terms, first, agents),
            Recipients::Role(role) => {
                let has = |entity| self.agents.get(entity).is_ok_and(|agent| agent.role.0 == *role);
                alive().filter(|one| has(one.1)).map(|one| one.0).collect()
            }
            Recipients::Topic(topic) => {
                self.topics.subscribers(TopicId(*topic)).filter(|&agent| self.directory.row(agent).is_some()).collect()
            }
            Recipients::Everyone => alive().map(|one| one.0).collect(),
        };
        Participants::of(terms, first, &there)
    }
}
