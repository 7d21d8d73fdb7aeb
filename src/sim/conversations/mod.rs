//! Conversations in a simulation: what agents say in a tick is checked against its protocols when the tick closes, by
//! sender and then by the order of saying; what is admitted travels in the ordinary mail, what is not is told with its
//! reason, and deadlines pass.

mod hearing;
mod held;
mod kept;
mod outbox;
mod present;
mod record;
mod timers;

use std::ops::Range;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};

use self::hearing::{Hearing, Verdict, Verdicts};
use self::held::HeldEnvelopes;
use self::kept::KeptConversations;
use self::outbox::Outbox;
use self::present::Present;
use self::record::Record;
pub use self::record::{conversation_columns, conversation_metric_columns};
use self::timers::Timers;
use super::boundaries::Breaches;
use super::components::{Agent, Mailbox};
use super::mail::{BY_TOPIC, Mail, Mark};
use super::now::{Now, Recording};
use super::population::Directory;
use super::rights::RoleRights;
use super::tables::Tables;
use super::topics::Topics;
use crate::base::{AgentId, Message, Performative, TextId, Tick};
use crate::protocols::{
    Addressee, Content, Conversation, ConversationId, Envelope, Move, Recipients, Rejection, Terms, TermsError,
};
use crate::record::Value;

/// Terms that a domain has declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TermsId(u16);

/// What happened to conversations in a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConversationCounts {
    /// Conversations under way when the tick closed.
    pub open: u64,
    /// Messages admitted, those that opened a conversation included.
    pub admitted: u64,
    /// Messages rejected.
    pub rejected: u64,
    /// Deadlines that passed.
    pub expired: u64,
    /// Conversations that came to an outcome.
    pub ended: u64,
}

/// How many letters further the envelope is brought near while an inbox is read.
const AHEAD: usize = 16;

/// How many messages are checked, and then posted, before the next are: so many that it is worth the threads' while, so few
/// that they lie near meanwhile.
const BLOCK: usize = 1 << 16;

/// All conversations under way, and those that came to an outcome at the last tick. Domains speak in Act and Send; what
/// they said is checked in Close, and read at the next tick.
#[derive(Resource, Debug, Default)]
pub struct Conversations {
    terms: Vec<Terms>,
    outbox: Outbox,
    verdicts: Verdicts,
    admitted: Vec<Envelope>,
    rejected: Vec<Rejection>,
    kept: KeptConversations,
    next: u32,
    /// The first number that was not yet given away at the last close.
    given: ConversationId,
    timers: Timers,
    over: Vec<ConversationId>,
    counts: ConversationCounts,
    /// Envelopes of letters that a network has not delivered yet.
    held: HeldEnvelopes,
}

impl Conversations {
    /// Declares terms on which agents may converse; a domain does so when it is built.
    ///
    /// # Errors
    /// When no conversation can be held on them.
    ///
    /// # Panics
    /// With more than 65,536 terms: they are ours.
    pub fn declare(&mut self, terms: Terms) -> Result<TermsId, TermsError> {
        terms.check()?;
        let id = TermsId(u16::try_from(self.terms.len()).expect("few terms"));
        self.terms.push(terms);
        Ok(id)
    }

    /// Whether any terms were declared.
    pub(super) fn is_used(&self) -> bool {
        !self.terms.is_empty()
    }

    /// Says what opens a conversation. The number is final at once; the conversation exists from the close of this tick
    /// on, if its first message is admitted.
    #[inline]
    pub fn open(
        &mut self,
        tick: Tick,
        terms: TermsId,
        sender: AgentId,
        recipients: Recipients,
        said: (Performative, Content, TextId),
    ) -> ConversationId {
        let conversation = ConversationId(self.next);
        self.next = self.next.checked_add(1).expect("fewer than 2^32 conversations in a run");
        let protocol = self.terms[usize::from(terms.0)].protocol();
        let (performative, content, words) = said;
        let envelope = Envelope { performative, conversation, sender, recipients, protocol, content, words, tick };
        self.outbox.push(Some(terms), envelope);
        conversation
    }

    /// Says something in a conversation, allowed or not.
    #[inline]
    pub fn say(&mut self, envelope: Envelope) {
        self.outbox.push(None, envelope);
    }

    /// Makes a move of an agent.
    pub fn make(
        &mut self,
        tick: Tick,
        id: ConversationId,
        sender: AgentId,
        said: Move,
        content: Content,
        words: TextId,
    ) {
        let Some(conversation) = self.get(id) else { return };
        let recipients = match said.to {
            Addressee::Agent(agent) => Recipients::Agent(agent),
            Addressee::All => conversation.audience().clone(),
        };
        let (performative, protocol) = (said.performative, conversation.protocol());
        self.say(Envelope { performative, conversation: id, sender, recipients, protocol, content, words, tick });
    }

    /// A conversation under way, or over since the last tick.
    #[must_use]
    pub fn get(&self, id: ConversationId) -> Option<&Conversation> {
        self.kept.get(id)
    }

    /// The letters that reached a mailbox this tick, each with its envelope if it belongs to a conversation. A letter's
    /// amount is the envelope's rounded to a float, its topic the item where that is small enough.
    pub fn inbox<'a>(
        &'a self,
        mail: &'a Mail,
        mailbox: Mailbox,
    ) -> impl Iterator<Item = (&'a Message, Option<&'a Envelope>)> {
        let (marks, further) = (mail.marks(mailbox), mail.marks_behind(mailbox, AHEAD));
        mail.inbox(mailbox).iter().enumerate().map(move |(place, message)| {
            let mark = marks.get(place).copied().unwrap_or_default();
            // Inboxes are read one after another, and envelopes lie all over memory: see `hearing::TOGETHER`.
            if let Some(far) =
                further.get(place).and_then(|&mark| self.admitted.get((mark.envelope as usize).checked_sub(1)?))
            {
                std::hint::black_box(far.tick.0 ^ u64::from(far.conversation.0));
            }
            (message, self.behind(mark))
        })
    }

    /// The envelope behind a letter with this mark.
    fn behind(&self, mark: Mark) -> Option<&Envelope> {
        self.held.get(mark).or_else(|| self.admitted.get((mark.envelope as usize).checked_sub(1)?))
    }

    /// Keeps the envelope behind a letter that arrives later than at the next tick, and gives the mark by which it is then
    /// found.
    pub(super) fn hold(&mut self, mark: Mark) -> Mark {
        if mark.topic().is_some() {
            return mark;
        }
        self.behind(mark).cloned().map_or(Mark::default(), |envelope| self.held.hold(envelope))
    }

    /// The letter with this mark will not arrive.
    pub(super) fn let_go(&mut self, mark: Mark) {
        self.held.let_go(mark);
    }

    /// The letter with this mark is delivered at this tick.
    pub(super) fn will_read(&mut self, mark: Mark) {
        self.held.will_read(mark);
    }

    /// What was delivered at the last tick need no longer be kept.
    pub(super) fn forget_read(&mut self) {
        self.held.forget_read();
    }

    /// Messages that were admitted when the last tick closed, in the order in which they were.
    #[must_use]
    pub fn admitted(&self) -> &[Envelope] {
        &self.admitted
    }

    /// Messages that were rejected when the last tick closed.
    #[must_use]
    pub fn rejected(&self) -> &[Rejection] {
        &self.rejected
    }

    /// What came to an outcome when the last tick closed, in the order in which it did.
    pub fn ended(&self) -> impl Iterator<Item = &Conversation> {
        self.over.iter().filter_map(|&id| self.get(id))
    }

    /// What happened at the close of the last tick.
    #[must_use]
    pub fn counts(&self) -> ConversationCounts {
        self.counts
    }

    /// The engine's columns of `metrics` on conversations; none where no terms were declared.
    pub(super) fn metrics(&self) -> impl Iterator<Item = Value> + use<> {
        let ConversationCounts { open, admitted, rejected, expired, ended } = self.counts;
        let all = [open, admitted, rejected, expired, ended];
        all.into_iter().map(Value::from).take(if self.is_used() { all.len() } else { 0 })
    }

    fn close(&mut self, now: Tick, present: &Present<'_, '_, '_>, mail: &mut Mail, record: &mut Record<'_>) {
        for id in self.over.drain(..) {
            self.kept.forget(id);
        }
        self.kept.turn_pages(self.given);
        self.given = ConversationId(self.next);
        self.kept.make_room(self.given);
        self.counts = ConversationCounts { open: self.counts.open, ..ConversationCounts::default() };
        self.outbox.put_in_order();
        let forbidden = present.forbidden(&self.outbox);
        for block in self.outbox.blocks(BLOCK) {
            let Self { outbox, terms, kept, verdicts, timers, .. } = &mut *self;
            let hearing = Hearing { outbox, terms, present, forbidden: &forbidden, with_states: record.is_kept() };
            self.counts.open += hearing.hear(block.clone(), kept, verdicts, timers);
            self.tell(block, mail, record);
        }
        self.take_over_admitted();
        self.pass_deadlines(now, record);
    }

    /// Puts what was admitted into the mail, and everything on record.
    fn tell(&mut self, block: Range<usize>, mail: &mut Mail, record: &mut Record<'_>) {
        let counts = &mut self.counts;
        let mut rejections = self.verdicts.rejections()[counts.rejected as usize..].iter();
        let mut verdict_of = self.verdicts.reader();
        let messages = self.outbox.said[block.clone()].iter().zip(&self.outbox.about[block]);
        for (envelope, about) in messages {
            let (verdict, state) = verdict_of(about.conversation);
            if verdict == Verdict::Rejected {
                counts.rejected += 1;
                rejections.next().into_iter().for_each(|(_, rejection)| record.rejected(rejection, envelope));
                continue;
            }
            counts.admitted += 1;
            post(envelope, counts.admitted, &self.kept, mail);
            record.said(if about.terms.is_some() { "opened" } else { "said" }, state, envelope);
            if verdict == Verdict::Ended {
                counts.ended += 1;
                counts.open -= 1;
                self.over.push(about.conversation);
                if record.is_kept() {
                    self.kept.get(about.conversation).into_iter().for_each(|conversation| record.outcome(conversation));
                }
            }
        }
    }

    /// What was admitted is read at the next tick, in the outbox's own memory.
    fn take_over_admitted(&mut self) {
        std::mem::swap(&mut self.admitted, &mut self.outbox.said);
        self.outbox.clear();
        self.rejected.clear();
        let rejections = self.verdicts.rejections();
        if !rejections.is_empty() {
            let (mut place, mut rejected) = (0.., rejections.iter().map(|rejection| rejection.0).peekable());
            self.admitted.retain(|_| place.next().is_some_and(|place| rejected.next_if_eq(&place).is_none()));
            self.rejected.extend(self.verdicts.take_rejections());
        }
    }

    fn pass_deadlines(&mut self, now: Tick, record: &mut Record<'_>) {
        let Self { timers, kept, over, counts, .. } = self;
        let is_due = |one: &Conversation| one.outcome().is_none() && one.deadline() <= now;
        while let Some(ids) = timers.pass(now, |id| kept.get(id).is_some_and(is_due)) {
            for id in ids {
                let Some(conversation) = kept.get_mut(id) else { continue };
                let state = conversation.state();
                counts.expired += u64::from(conversation.expire(now));
                record.deadline(conversation, state);
                if conversation.outcome().is_some() {
                    record.outcome(conversation);
                    over.push(id);
                    counts.ended += 1;
                    counts.open -= 1;
                } else {
                    timers.set(conversation.deadline(), id);
                }
            }
        }
    }
}

/// Puts an admitted message, the so many-th, into the mail.
fn post(envelope: &Envelope, number: u64, kept: &KeptConversations, mail: &mut Mail) {
    assert!(number < u64::from(BY_TOPIC), "fewer than 2^30 messages in a tick");
    let mark = Mark { envelope: number as u32, conversation: envelope.conversation };
    let message = Message {
        sender: envelope.sender,
        recipient: envelope.sender,
        performative: envelope.performative,
        topic: envelope.content.item().and_then(|item| u16::try_from(item).ok()).unwrap_or(0),
        amount: envelope.content.amount().map_or(0.0, |amount| amount as f32),
        text: envelope.words,
    };
    if let Recipients::Agent(recipient) = envelope.recipients {
        mail.send_marked(Message { recipient, ..message }, mark);
        return;
    }
    for &recipient in kept.get(envelope.conversation).map_or(&[][..], Conversation::participants) {
        mail.send_marked(Message { recipient, ..message }, mark);
    }
}

/// The system of [`super::Phase::Close`] that checks what was said.
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
pub(super) fn hold_conversations(
    now: Res<Now>,
    recording: Res<Recording>,
    directory: Res<Directory>,
    agents: Query<&'static Agent>,
    (rights, topics, breaches): (Res<RoleRights>, Res<Topics>, Res<Breaches>),
    mut conversations: ResMut<Conversations>,
    mut mail: ResMut<Mail>,
    mut tables: ResMut<Tables>,
) {
    if !conversations.is_used() {
        return;
    }
    let mut record = Record { tick: now.tick, tables: recording.messages.then_some(&mut *tables) };
    let present =
        Present { directory: &directory, agents: &agents, rights: &rights, topics: &topics, breaches: &breaches };
    conversations.close(now.tick, &present, &mut mail, &mut record);
}
