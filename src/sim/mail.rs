//! Mail: outboxes of one tick become inboxes of the next, by a counting sort into one flat array with an offset a
//! recipient. No list per agent is ever made.

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Res, ResMut};

use super::components::Mailbox;
use super::conversations::Conversations;
use super::network::Network;
use super::now::Now;
use super::population::Directory;
use crate::base::{Message, TextArena, Tick};
use crate::protocols::ConversationId;

/// What stands behind a letter: an envelope, and the conversation that it belongs to. Kept beside the letters, so that
/// whoever needs the conversation only does not have to look the envelope up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where the envelope is found; 0 for a letter that belongs to no conversation.
    pub envelope: u32,
    pub conversation: ConversationId,
}

/// Set in the mark of a letter that came by a topic; the bits below are the topic's number. Other marks lead to envelopes.
pub(super) const BY_TOPIC: u32 = 1 << 30;

impl Mark {
    /// The mark of a letter that came by a topic.
    pub fn by_topic(topic: u16) -> Self {
        Self { envelope: BY_TOPIC | u32::from(topic), ..Self::default() }
    }

    /// The topic that a letter with this mark came by.
    pub fn topic(self) -> Option<u16> {
        (self.envelope >> 16 == BY_TOPIC >> 16).then_some(self.envelope as u16)
    }
}

/// All letters of a tick. Inboxes are ordered by sender, then by the order in which that sender sent.
#[derive(Resource, Debug, Default)]
pub struct Mail {
    outgoing: Vec<Message>,
    delivered: Vec<Message>,
    /// `offsets[row]..offsets[row + 1]` is the inbox of the agent in that row.
    offsets: Vec<u32>,
    /// Row of each outgoing letter's recipient, kept between the two passes of the sort.
    rows: Vec<u32>,
    /// Where each delivered letter stood among the outgoing.
    sources: Vec<u32>,
    in_order: bool,
    undeliverable: u64,
    /// For each outgoing letter what stands behind it. Shorter than `outgoing` where the last
    /// letters have none, so that mail without conversations pays nothing.
    marks: Vec<Mark>,
    delivered_marks: Vec<Mark>,
}

/// The texts that messages carry.
#[derive(Resource, Debug, Default)]
pub struct Texts(pub TextArena);

impl Mail {
    /// Puts a letter into its sender's outbox; it arrives at the next tick.
    pub fn send(&mut self, message: Message) {
        self.in_order = self.outgoing.last().is_none_or(|last| self.in_order && last.sender <= message.sender);
        self.outgoing.push(message);
    }

    /// Puts a letter with something behind it into its sender's outbox.
    pub(super) fn send_marked(&mut self, message: Message, mark: Mark) {
        self.marks.resize(self.outgoing.len(), Mark::default());
        self.marks.push(mark);
        self.send(message);
    }

    /// The marks of the letters in an inbox, one each; empty when no letter of this tick has one.
    pub(super) fn marks(&self, mailbox: Mailbox) -> &[Mark] {
        let row = mailbox.row as usize;
        match (self.offsets.get(row), self.offsets.get(row + 1)) {
            (Some(&start), Some(&end)) => self.delivered_marks.get(start as usize..end as usize).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// The marks of the letters that stand so many places behind those of an inbox, as far as there are any.
    pub(super) fn marks_behind(&self, mailbox: Mailbox, further: usize) -> &[Mark] {
        let start = self.offsets.get(mailbox.row as usize).map_or(usize::MAX, |&start| start as usize);
        self.delivered_marks.get(start.saturating_add(further)..).unwrap_or(&[])
    }

    /// The letters that `mailbox`'s owner received this tick.
    #[must_use]
    pub fn inbox(&self, mailbox: Mailbox) -> &[Message] {
        let row = mailbox.row as usize;
        match (self.offsets.get(row), self.offsets.get(row + 1)) {
            (Some(&start), Some(&end)) => &self.delivered[start as usize..end as usize],
            _ => &[],
        }
    }

    /// The same, each with the conversation that it belongs to, if it belongs to one. Sooner read than
    /// [`Conversations::inbox`], which brings the envelopes too.
    #[inline]
    pub fn inbox_with_conversations(
        &self,
        mailbox: Mailbox,
    ) -> impl Iterator<Item = (&Message, Option<ConversationId>)> {
        let marks = self.marks(mailbox);
        self.inbox(mailbox).iter().enumerate().map(move |(place, message)| {
            let mark = marks.get(place).filter(|mark| mark.envelope > 0 && mark.topic().is_none());
            (message, mark.map(|mark| mark.conversation))
        })
    }

    /// All letters sent so far this tick, in the order of sending.
    #[must_use]
    pub fn outgoing(&self) -> &[Message] {
        &self.outgoing
    }

    /// All letters delivered this tick.
    #[must_use]
    pub fn delivered(&self) -> &[Message] {
        &self.delivered
    }

    /// Letters of the last delivery whose recipient had left or never was.
    #[must_use]
    pub fn undeliverable(&self) -> u64 {
        self.undeliverable
    }

    /// Puts what arrives at this tick in the place of what was sent at the last.
    fn go_through(&mut self, network: &mut Network, now: Tick, conversations: &mut Conversations) {
        self.complete();
        network.carry(now, &mut self.outgoing, &mut self.marks, conversations);
    }

    /// Every letter has its mark if any has one, and they are in order.
    fn complete(&mut self) {
        if !self.marks.is_empty() {
            self.marks.resize(self.outgoing.len(), Mark::default());
        }
        if !self.in_order {
            self.put_in_order();
            self.in_order = true;
        }
    }

    /// Turns outboxes into inboxes.
    pub fn deliver(&mut self, directory: &Directory) {
        self.complete();
        let rows_alive = directory.len();
        self.offsets.clear();
        self.offsets.resize(rows_alive + 1, 0);
        self.rows.clear();
        let recipients = self.outgoing.iter().map(|message| message.recipient);
        if directory.is_dense() {
            // Nobody has left: a row is an id, and needs no looking up.
            self.rows.extend(recipients.map(|agent| if agent.index() < rows_alive { agent.0 } else { u32::MAX }));
        } else {
            self.rows.extend(recipients.map(|agent| directory.row(agent).unwrap_or(u32::MAX)));
        }
        for &row in &self.rows {
            if let Some(count) = self.offsets.get_mut(row as usize).filter(|_| row != u32::MAX) {
                *count += 1;
            }
        }
        // Counts become ends; filling from the back turns ends into starts and keeps the order of equal keys.
        let mut total = 0;
        for count in &mut self.offsets {
            total += *count;
            *count = total;
        }
        self.undeliverable = (self.outgoing.len() - total as usize) as u64;
        // Every place is written below: what stood there need not be wiped first.
        self.sources.resize(total as usize, 0);
        for (place, &row) in self.rows.iter().enumerate().rev() {
            if row != u32::MAX {
                let end = &mut self.offsets[row as usize];
                *end -= 1;
                self.sources[*end as usize] = place as u32;
            }
        }
        self.delivered.clear();
        self.delivered.extend(self.sources.iter().map(|&place| self.outgoing[place as usize]));
        self.delivered_marks.clear();
        if !self.marks.is_empty() {
            self.delivered_marks.extend(self.sources.iter().map(|&place| self.marks[place as usize]));
        }
        self.outgoing.clear();
        self.marks.clear();
        self.in_order = true;
    }

    /// By sender, and of one sender in the order of sending.
    fn put_in_order(&mut self) {
        if self.marks.is_empty() {
            self.outgoing.sort_by_key(|message| message.sender);
            return;
        }
        let mut pairs: Vec<(Message, Mark)> = self.outgoing.iter().copied().zip(self.marks.iter().copied()).collect();
        pairs.sort_by_key(|pair| pair.0.sender);
        self.outgoing.clear();
        self.marks.clear();
        for (message, mark) in pairs {
            self.outgoing.push(message);
            self.marks.push(mark);
        }
    }
}

/// The system of [`super::Phase::Deliver`].
pub(super) fn deliver_mail(
    now: Res<Now>,
    directory: Res<Directory>,
    mut mail: ResMut<Mail>,
    mut conversations: ResMut<Conversations>,
    network: Option<ResMut<Network>>,
) {
    if let Some(mut network) = network {
        mail.go_through(&mut network, now.tick, &mut conversations);
    }
    mail.deliver(&directory);
}
