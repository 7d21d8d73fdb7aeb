//! Mail: outboxes of one tick become inboxes of the next, by a counting sort into one flat array with an offset a
//! recipient. No list per agent is ever made.

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Res, ResMut};

use super::components::Mailbox;
use super::population::Directory;
use crate::base::{Message, TextArena};

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
        if !self.in_order {
            self.outgoing.sort_by_key(|message| message.sender);
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
        for (message, &row) in self.outgoing.iter().zip(&self.rows).rev() {
            if row != u32::MAX {
                let end = &mut self.offsets[row as usize];
                *end -= 1;
                self.delivered[*end as usize] = *message;
            }
        }
        self.outgoing.clear();
        self.in_order = true;
    }
}

/// The system of [`super::Phase::Deliver`].
pub(super) fn deliver_mail(mut mail: ResMut<Mail>, directory: Res<Directory>) {
    mail.deliver(&directory);
}
