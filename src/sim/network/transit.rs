//! Letters on their way: what waits at its sender, what travels, and what arrives at a tick.

use std::collections::{BTreeMap, VecDeque};

use bevy_ecs::resource::Resource;
use rand::RngExt as _;

use super::NetworkCounts;
use super::links::Links;
use crate::base::{AgentId, Chance, Message, Purpose, Tick};
use crate::scenario::NetworkSettings;
use crate::sim::conversations::Conversations;
use crate::sim::mail::Mark;

const FATE: Purpose = Purpose::named("sim.network.fate");

/// No place: an agent that the topology does not link.
const OUTSIDE: u32 = u32::MAX;

/// A letter and what the network has to know of it.
#[derive(Clone, Copy, Debug)]
struct Letter {
    message: Message,
    /// What stands behind it: while it waits or travels, an envelope that is held.
    mark: Mark,
    /// When the network got it: the tick after it was sent.
    posted: Tick,
    /// Which of its sender's letters of that tick it is, counted from 0.
    number: u32,
    /// Ticks that its link takes at least.
    latency: u32,
}

/// What waits at a sender.
#[derive(Debug, Default)]
struct Queue {
    letters: VecDeque<Letter>,
    /// Letters that have left at this tick.
    left: u32,
}

/// The network of a run.
#[derive(Resource, Debug)]
pub(in crate::sim) struct Network {
    links: Links,
    /// Places of agents by number; beyond it, and where it says [`OUTSIDE`], they are linked with everyone.
    places: Vec<u32>,
    chance: Chance,
    latency: u32,
    jitter: u32,
    loss: f64,
    retries: u32,
    retry_after: u32,
    duplication: f64,
    bandwidth: u32,
    queue_max: usize,
    /// Senders at whom letters wait.
    waiting: BTreeMap<AgentId, Queue>,
    /// What travels, by the tick at which it arrives.
    travelling: BTreeMap<Tick, Vec<Letter>>,
    counts: NetworkCounts,
}

/// A tick's letters and the envelopes behind them.
struct Post<'a> {
    now: Tick,
    arrived: Vec<Letter>,
    conversations: &'a mut Conversations,
}

impl Network {
    pub(super) fn new(settings: &NetworkSettings, links: Links, agents: &[u32], chance: Chance) -> Self {
        let mut places = vec![OUTSIDE; agents.last().map_or(0, |&last| last as usize + 1)];
        for (place, &agent) in (0..).zip(agents) {
            places[agent as usize] = place;
        }
        Self {
            links,
            places,
            chance,
            latency: settings.latency,
            jitter: settings.jitter,
            loss: settings.loss,
            retries: settings.retries,
            retry_after: settings.retry_after,
            duplication: settings.duplication,
            bandwidth: settings.bandwidth.unwrap_or(u32::MAX),
            queue_max: settings.queue_max as usize,
            waiting: BTreeMap::new(),
            travelling: BTreeMap::new(),
            counts: NetworkCounts::default(),
        }
    }

    /// What it did when mail was last delivered.
    pub fn counts(&self) -> NetworkCounts {
        self.counts
    }

    /// Takes the letters sent at the last tick, by sender and in the order of sending, each with its mark (fewer marks mean
    /// that the last letters have none), and leaves in their place those that arrive at this tick, in the same order: by
    /// sender, and of one sender by when they were sent.
    pub fn carry(
        &mut self,
        now: Tick,
        outgoing: &mut Vec<Message>,
        marks: &mut Vec<Mark>,
        conversations: &mut Conversations,
    ) {
        conversations.forget_read();
        let sent = outgoing.len() as u64;
        self.counts = NetworkCounts { sent, under_way: self.counts.under_way, ..NetworkCounts::default() };
        let arrived = self.travelling.remove(&now).unwrap_or_default();
        let mut post = Post { now, arrived, conversations };
        self.send_off_waiting(&mut post);
        self.take_in(outgoing, marks, &mut post);
        let mut arrived = post.arrived;
        let order = |letter: &Letter| (letter.message.sender, letter.posted, letter.number);
        if !arrived.is_sorted_by_key(order) {
            arrived.sort_by_key(order);
        }
        self.counts.delivered = arrived.len() as u64;
        self.counts.under_way += sent + self.counts.duplicated;
        self.counts.under_way -= self.counts.delivered + self.counts.dropped();
        let any_marks = arrived.iter().any(|letter| letter.mark.envelope > 0);
        outgoing.clear();
        marks.clear();
        for letter in &arrived {
            let ticks = now.0 - letter.posted.0 + 1;
            self.counts.ticks += ticks;
            self.counts.late += u64::from(ticks > 1);
            outgoing.push(letter.message);
            if any_marks {
                marks.push(letter.mark);
                conversations.will_read(letter.mark);
            }
        }
    }

    /// What has waited goes first.
    fn send_off_waiting(&mut self, post: &mut Post<'_>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for queue in waiting.values_mut() {
            queue.left = 0;
            while queue.left < self.bandwidth
                && let Some(letter) = queue.letters.pop_front()
            {
                queue.left += 1;
                self.send_off(letter, true, post);
            }
        }
        self.waiting = waiting;
    }

    /// New letters leave at once, join their sender's queue, or are dropped.
    fn take_in(&mut self, outgoing: &[Message], marks: &[Mark], post: &mut Post<'_>) {
        let mut number = 0;
        // Letters of this sender that have left, where none of them has to wait.
        let mut left = 0;
        for (place, &message) in outgoing.iter().enumerate() {
            if place > 0 && outgoing[place - 1].sender == message.sender {
                number += 1;
            } else {
                number = 0;
                left = self.waiting.get(&message.sender).map_or(0, |queue| queue.left);
            }
            let mark = marks.get(place).copied().unwrap_or_default();
            let mut letter = Letter { message, mark, posted: post.now, number, latency: 1 };
            // What one says to oneself does not go through the network.
            if message.sender == message.recipient {
                post.arrived.push(letter);
                continue;
            }
            let Some(latency) = self.latency_between(message.sender, message.recipient) else {
                self.counts.unreachable += 1;
                continue;
            };
            letter.latency = latency;
            if left < self.bandwidth {
                left += 1;
                self.send_off(letter, false, post);
                continue;
            }
            let queue = self.waiting.entry(message.sender).or_default();
            if queue.letters.len() < self.queue_max {
                letter.mark = post.conversations.hold(mark);
                queue.letters.push_back(letter);
            } else {
                self.counts.overflowed += 1;
            }
        }
        self.waiting.retain(|_, queue| !queue.letters.is_empty());
    }

    /// The latency between two agents; `None` where they are not linked.
    fn latency_between(&self, from: AgentId, to: AgentId) -> Option<u32> {
        let place = |agent: AgentId| self.places.get(agent.index()).copied().filter(|&place| place != OUTSIDE);
        let own = match (place(from), place(to)) {
            (Some(from), Some(to)) => self.links.between(from, to)?,
            _ => None,
        };
        Some(own.unwrap_or(self.latency))
    }

    /// A letter leaves its sender: it is lost, or arrives once or twice.
    fn send_off(&mut self, letter: Letter, is_held: bool, post: &mut Post<'_>) {
        let (mut copies, mut extra, mut again) = (1, [0, 0], 0);
        if self.loss > 0.0 || self.duplication > 0.0 || self.jitter > 0 {
            let second = u64::from(letter.message.sender.0) << 32 | u64::from(letter.number);
            let mut draw = self.chance.keyed(FATE, letter.posted.0, second);
            // All are drawn whatever is asked for, so that another loss does not change who is late.
            let (mut lost, doubled) = (draw.random::<f64>() < self.loss, draw.random::<f64>() < self.duplication);
            extra = [draw.random_range(0..=self.jitter), draw.random_range(0..=self.jitter)];
            while lost && again < self.retries {
                again += 1;
                lost = draw.random::<f64>() < self.loss;
            }
            self.counts.retried += u64::from(again);
            copies = if lost { 0 } else { 1 + usize::from(doubled) };
            self.counts.lost += u64::from(lost);
            self.counts.duplicated += u64::from(copies == 2);
        }
        for extra in extra.into_iter().take(copies) {
            // A latency of 1 arrives at the delivery at which the letter leaves.
            let waited = u64::from(again) * u64::from(self.retry_after);
            let ticks = u64::from(letter.latency) + u64::from(extra) - 1 + waited;
            let stays = ticks > 0 || is_held;
            let mark = if stays { post.conversations.hold(letter.mark) } else { letter.mark };
            let copy = Letter { mark, ..letter };
            if ticks == 0 {
                post.arrived.push(copy);
            } else {
                self.travelling.entry(Tick(post.now.0 + ticks)).or_default().push(copy);
            }
        }
        if is_held {
            post.conversations.let_go(letter.mark);
        }
    }
}
