//! Topics in a simulation: agents subscribe and publish in Act and Send; when the tick closes, subscriptions change first,
//! then what was published is put into the ordinary mail, a letter a subscriber, by sender and in the order of publishing.

use bevy_ecs::resource::Resource;

use super::components::{Agent, Mailbox, RoleId};
use super::mail::{Mail, Mark};
use super::sharing::Close;
use crate::base::{AgentId, Message};
use crate::protocols::{Refusal, Right, Rights, Subscriptions};
use crate::record::{Column, TableSpec, Value};

/// A topic that the domain has; its number is that of [`crate::protocols::Recipients::Topic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicId(pub u16);

/// All topics and who has subscribed to them.
#[derive(Resource, Debug, Default)]
pub struct Topics {
    subscriptions: Subscriptions,
    said: Vec<(AgentId, RoleId, TopicId, Said)>,
    published: u64,
}

#[derive(Debug)]
enum Said {
    Subscribe,
    Unsubscribe,
    Publish(Message),
}

impl Topics {
    pub(super) fn declare(&mut self, name: &str, rights: Rights) {
        self.subscriptions.declare(name, rights);
    }

    /// The topic with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<TopicId> {
        self.subscriptions.find(name).map(TopicId)
    }

    /// Subscribes an agent, from the close of this tick on: it gets what is published at this tick too.
    pub fn subscribe(&mut self, agent: &Agent, topic: TopicId) {
        self.said.push((agent.id, agent.role, topic, Said::Subscribe));
    }

    /// Takes a subscription back, from the close of this tick on.
    pub fn unsubscribe(&mut self, agent: &Agent, topic: TopicId) {
        self.said.push((agent.id, agent.role, topic, Said::Unsubscribe));
    }

    /// Publishes a letter: everyone else who has subscribed by the close of this tick gets it at the next. Sender and
    /// recipients are filled in.
    pub fn publish(&mut self, agent: &Agent, topic: TopicId, letter: Message) {
        self.said.push((agent.id, agent.role, topic, Said::Publish(letter)));
    }

    /// Who had subscribed when the tick began, in `AgentId` order. Somebody who has left since stays in the list until
    /// something is published.
    pub fn subscribers(&self, topic: TopicId) -> impl Iterator<Item = AgentId> + '_ {
        self.subscriptions.subscribers(topic.0)
    }

    /// Whether agents of a role may subscribe to a topic, or publish.
    #[must_use]
    pub fn may(&self, role: RoleId, topic: TopicId, right: Right) -> bool {
        self.subscriptions.check(topic.0, role.0, right).is_ok()
    }

    /// The letters that reached a mailbox this tick, each with its topic if it came by one.
    pub fn inbox(mail: &Mail, mailbox: Mailbox) -> impl Iterator<Item = (&Message, Option<TopicId>)> {
        let marks = mail.marks(mailbox);
        mail.inbox(mailbox).iter().enumerate().map(move |(place, message)| {
            let mark = marks.get(place).copied().unwrap_or_default();
            (message, mark.topic().map(TopicId))
        })
    }

    /// Letters that were published when the last tick closed, each counted once.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.published
    }

    pub(super) fn is_used(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    pub(super) fn name(&self, topic: u16) -> &str {
        self.subscriptions.name(topic).map_or("unknown", |name| name)
    }

    pub(super) fn refusal(&self, topic: u16, role: RoleId, right: Right) -> Option<Refusal> {
        self.subscriptions.check(topic, role.0, right).err()
    }

    /// Takes in what was said.
    pub(super) fn close(&mut self, mail: &mut Mail, close: &mut Close<'_>) {
        self.published = 0;
        let mut said = std::mem::take(&mut self.said);
        said.sort_by_key(|one| one.0);
        for one in &said {
            let &(agent, role, topic, ref what) = one;
            match what {
                Said::Subscribe => match self.subscriptions.subscribe(topic.0, agent, role.0) {
                    Ok(_) => close.topic(self, "subscribed", one.0, topic, None),
                    Err(refusal) => {
                        self.refuse((agent, role), topic, ("subscribe to", "not subscribed"), &refusal, close);
                    }
                },
                Said::Unsubscribe => {
                    self.subscriptions.unsubscribe(topic.0, agent);
                    close.topic(self, "unsubscribed", agent, topic, None);
                }
                Said::Publish(_) => {}
            }
        }
        for (agent, role, topic, what) in said {
            let Said::Publish(letter) = what else { continue };
            if let Err(refusal) = self.subscriptions.check(topic.0, role.0, Right::Write) {
                self.refuse((agent, role), topic, ("publish to", "not published"), &refusal, close);
                continue;
            }
            self.subscriptions.keep(topic.0, |agent| close.directory.row(agent).is_some());
            let mut reached = 0_u64;
            for recipient in self.subscriptions.subscribers(topic.0).filter(|&recipient| recipient != agent) {
                mail.send_marked(Message { sender: agent, recipient, ..letter }, Mark::by_topic(topic.0));
                reached += 1;
            }
            self.published += 1;
            close.topic(self, "published", agent, topic, Some(reached));
        }
    }

    fn refuse(
        &self,
        (agent, role): (AgentId, RoleId),
        topic: TopicId,
        (tried, instead): (&str, &str),
        refusal: &Refusal,
        close: &mut Close<'_>,
    ) {
        close.breach((agent, role), refusal, format!("{tried} {}", self.name(topic.0)), instead);
        close.topic(self, "refused", agent, topic, None);
    }
}

/// Columns of `topics.csv`.
#[must_use]
pub fn topic_columns() -> TableSpec {
    TableSpec {
        name: "topics",
        about: "a subscription to a topic, or something published",
        columns: vec![
            Column::new("tick", "ticks", "the tick at whose close it happened"),
            Column::new("topic", "", "the topic's name"),
            Column::new("event", "", "subscribed, unsubscribed, published or refused"),
            Column::new("agent", "", "agent id of who did it"),
            Column::new("reached", "agents", "to how many subscribers it was sent; empty where nothing was published"),
        ],
    }
}

impl Close<'_> {
    fn topic(&mut self, topics: &Topics, event: &str, agent: AgentId, topic: TopicId, reached: Option<u64>) {
        let Some(tables) = &mut self.tables else { return };
        let row = [
            Value::from(self.tick.0),
            Value::from(topics.name(topic.0)),
            Value::from(event),
            Value::from(agent.0),
            Value::from(reached),
        ];
        tables.push("topics", row);
    }
}
