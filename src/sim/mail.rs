//! Mail: outboxes of one tick become inboxes of the next, by a counting sort into one flat array with an offset a
//! recipient. No list per agent is ever made.

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Res, ResMut};

use super::components::Mailbox;
use super::population::Directory;
use crate::base::{Message, TextArena};

/// Set in the mark of a letter that came by a topic, below a bit that is not; the other bits are the topic's number. Other
/// marks lead to envelopes.
const BY_TOPIC: u32 = 1 << 30;

/// The mark of a letter that comes by a topic.
pub(super) fn mark_of_topic(topic: u16) -> u32 {
    BY_TOPIC | u32::from(topic)
}

/// The topic by which a letter with this mark came, if it came by one.
pub(super) fn topic_of_mark(mark: u32) -> Option<u16> {
    (mark >> 30 == 1).then_some(mark as u16)
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
    in_order: bool,
    undeliverable: u64,
    /// For each outgoing letter the mark of what stands behind it, 0 for none. Shorter than `outgoing` where the last
    /// letters have none, so that mail without conversations pays nothing.
    marks: Vec<u32>,
    delivered_marks: Vec<u32>,
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
    pub(super) fn send_marked(&mut self, message: Message, mark: u32) {
        self.marks.resize(self.outgoing.len(), 0);
        self.marks.push(mark);
        self.send(message);
    }

    /// The marks of the letters in an inbox, one each; empty when no letter of this tick has one.
    pub(super) fn marks(&self, mailbox: Mailbox) -> &[u32] {
        let row = mailbox.row as usize;
        match (self.offsets.get(row), self.offsets.get(row + 1)) {
            (Some(&start), Some(&end)) => self.delivered_marks.get(start as usize..end as usize).unwrap_or(&[]),
            _ => &[],
        }
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

    /// Turns outboxes into inboxes.
    pub fn deliver(&mut self, directory: &Directory) {
        if !self.marks.is_empty() {
            self.marks.resize(self.outgoing.len(), 0);
        }
        if !self.in_order {
            self.put_in_order();
        }
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
        self.delivered.resize(total as usize, Message::default());
        self.delivered_marks.clear();
        if !self.marks.is_empty() {
            self.delivered_marks.resize(total as usize, 0);
        }
        for (place, (message, &row)) in self.outgoing.iter().zip(&self.rows).enumerate().rev() {
            if row != u32::MAX {
                let end = &mut self.offsets[row as usize];
                *end -= 1;
                self.delivered[*end as usize] = *message;
                if let Some(&mark) = self.marks.get(place) {
                    self.delivered_marks[*end as usize] = mark;
                }
            }
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
        let mut pairs: Vec<(Message, u32)> = self.outgoing.iter().copied().zip(self.marks.iter().copied()).collect();
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
pub(super) fn deliver_mail(mut mail: ResMut<Mail>, directory: Res<Directory>) {
    mail.deliver(&directory);
}
