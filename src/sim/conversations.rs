//! Conversations in a simulation: what agents say in a tick is checked against its protocols when the tick closes, by
//! sender and then by the order of saying; what is admitted travels in the ordinary mail, what is not is told with its
//! reason, and deadlines pass.

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};

use super::boundaries::{Breach, Breaches};
use super::components::{Agent, Mailbox};
use super::held::HeldEnvelopes;
use super::kept::{KeptConversations, TOGETHER};
use super::mail::{BY_TOPIC, Mail, Mark};
use super::now::{Now, Recording};
use super::population::Directory;
use super::rights::RoleRights;
use super::tables::Tables;
use super::timers::Timers;
use super::topics::{TopicId, Topics};
use crate::base::{AgentId, Message, Performative, TextId, Tick};
use crate::protocols::{
    Addressee, Content, Conversation, ConversationId, Envelope, Move, Protocol, Recipients, Rejection, Right, Terms,
    TermsError,
};
use crate::record::{Column, TableSpec, Value};

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

/// All conversations under way, and those that came to an outcome at the last tick. Domains speak in Act and Send; what
/// they said is checked in Close, and read at the next tick.
#[derive(Resource, Debug, Default)]
pub struct Conversations {
    terms: Vec<Terms>,
    outbox: Outbox,
    admitted: Vec<Envelope>,
    rejected: Vec<Rejection>,
    kept: KeptConversations,
    next: u32,
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
            // Inboxes are read one after another, and envelopes lie all over memory: see `look_up`.
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
        self.rejected.clear();
        let mut closing = Closing {
            counts: ConversationCounts { open: self.counts.open, ..ConversationCounts::default() },
            over: std::mem::take(&mut self.over),
            timers: &mut self.timers,
            record,
        };
        for id in closing.over.drain(..) {
            self.kept.forget(id);
        }
        let (mut said, terms) = self.outbox.take_in_order();
        let mut turned_away = Vec::new();
        for (place, (envelope, terms)) in said.iter().zip(&terms).enumerate() {
            if place.is_multiple_of(TOGETHER) {
                self.kept.look_up(&said[place..]);
            }
            let id = envelope.conversation;
            let checked = match (present.forbids(envelope), terms) {
                (Some(what), _) => {
                    Err(Rejection::not_permitted(envelope, self.kept.get(id).map(Conversation::state), what))
                }
                (None, Some(terms)) => {
                    let terms = &self.terms[usize::from(terms.0)];
                    match present.of(&envelope.recipients) {
                        Participants::One(agent) => Conversation::open(terms, envelope, &[agent]),
                        Participants::Many(agents) => Conversation::open(terms, envelope, &agents),
                    }
                    .map(|conversation| {
                        closing.counts.open += 1;
                        (&*self.kept.keep(conversation), None)
                    })
                }
                (None, None) => match self.kept.get_mut(id) {
                    Some(conversation) => {
                        let before = conversation.deadline();
                        conversation.admit(envelope).map(|()| (&*conversation, Some(before)))
                    }
                    None => Err(Rejection::unknown(envelope)),
                },
            };
            match checked {
                Ok((conversation, before)) => {
                    closing.counts.admitted += 1;
                    post(envelope, place - turned_away.len(), conversation, mail);
                    closing.record.said(if terms.is_some() { "opened" } else { "said" }, conversation, envelope);
                    closing.follow(conversation, before);
                }
                Err(rejection) => {
                    closing.counts.rejected += 1;
                    closing.record.rejected(&rejection, envelope);
                    self.rejected.push(rejection);
                    turned_away.push(place);
                }
            }
        }
        let mut turned_away = turned_away.into_iter().peekable();
        let mut place = 0..said.len();
        if turned_away.peek().is_some() {
            said.retain(|_| turned_away.next_if_eq(&place.next().unwrap_or_default()).is_none());
        }
        self.kept.turn_pages(ConversationId(self.next));
        closing.pass_deadlines(now, &mut self.kept);
        (self.counts, self.over) = (closing.counts, closing.over);
        self.outbox.give_back(std::mem::replace(&mut self.admitted, said), terms);
    }
}

/// What agents said in this tick, in the order of saying.
#[derive(Debug, Default)]
struct Outbox {
    said: Vec<Envelope>,
    /// For each message the terms on which it opens a conversation, if it does.
    terms: Vec<Option<TermsId>>,
    /// Whether some message comes after one of a sender with a higher number.
    is_mixed: bool,
}

impl Outbox {
    fn push(&mut self, terms: Option<TermsId>, envelope: Envelope) {
        self.is_mixed |= self.said.last().is_some_and(|last| last.sender > envelope.sender);
        self.said.push(envelope);
        self.terms.push(terms);
    }

    /// What was said and the terms, by sender and then by the order of saying.
    fn take_in_order(&mut self) -> (Vec<Envelope>, Vec<Option<TermsId>>) {
        let Self { said, terms, is_mixed } = std::mem::take(self);
        if !is_mixed {
            return (said, terms);
        }
        let mut pairs: Vec<_> = said.into_iter().zip(terms).collect();
        pairs.sort_by_key(|pair| pair.0.sender);
        pairs.into_iter().unzip()
    }

    /// Takes memory back that is no longer needed.
    fn give_back(&mut self, mut said: Vec<Envelope>, mut terms: Vec<Option<TermsId>>) {
        said.clear();
        terms.clear();
        (self.said, self.terms) = (said, terms);
    }
}

/// Puts an admitted message, the so many-th, into the mail.
fn post(envelope: &Envelope, place: usize, conversation: &Conversation, mail: &mut Mail) {
    let place = u32::try_from(place + 1).ok().filter(|&place| place < BY_TOPIC);
    let place = place.expect("fewer than 2^30 messages in a tick");
    let mark = Mark { envelope: place, conversation: envelope.conversation };
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
    for &recipient in conversation.participants() {
        mail.send_marked(Message { recipient, ..message }, mark);
    }
}

/// What the close of a tick adds to, step by step.
struct Closing<'a, 'r> {
    counts: ConversationCounts,
    over: Vec<ConversationId>,
    timers: &'a mut Timers,
    record: &'a mut Record<'r>,
}

impl Closing<'_, '_> {
    /// What follows a step: a timer for the new state, or the outcome.
    fn follow(&mut self, conversation: &Conversation, before: Option<Tick>) {
        if conversation.outcome().is_some() {
            self.record.outcome(conversation);
            self.over.push(conversation.id());
            self.counts.ended += 1;
            self.counts.open -= 1;
        } else if before != Some(conversation.deadline()) {
            self.timers.set(conversation.deadline(), conversation.id());
        }
    }

    fn pass_deadlines(&mut self, now: Tick, kept: &mut KeptConversations) {
        while let Some(ids) = self.timers.pass(now) {
            for id in ids {
                let Some(conversation) = kept.get_mut(id).filter(|one| one.outcome().is_none()) else { continue };
                let (before, state) = (conversation.deadline(), conversation.state());
                let passed = conversation.expire(now);
                if passed > 0 {
                    self.counts.expired += u64::from(passed);
                    self.record.deadline(conversation, state);
                    self.follow(conversation, Some(before));
                }
            }
        }
    }
}

/// Who is there to be addressed.
struct Present<'a, 'w, 's> {
    directory: &'a Directory,
    agents: &'a Query<'w, 's, &'static Agent>,
    rights: &'a RoleRights,
    topics: &'a Topics,
    breaches: &'a Breaches,
}

enum Participants {
    One(AgentId),
    Many(Vec<AgentId>),
}

impl Present<'_, '_, '_> {
    /// What right the sender's role lacks to say this, if it lacks one: a breach, which is named.
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

    fn of(&self, recipients: &Recipients) -> Participants {
        let alive = || self.directory.alive().iter();
        Participants::Many(match recipients {
            Recipients::Agent(agent) => return Participants::One(*agent),
            Recipients::Agents(agents) => agents.to_vec(),
            Recipients::Role(role) => {
                let has = |entity| self.agents.get(entity).is_ok_and(|agent| agent.role.0 == *role);
                alive().filter(|one| has(one.1)).map(|one| one.0).collect()
            }
            Recipients::Topic(topic) => {
                self.topics.subscribers(TopicId(*topic)).filter(|&agent| self.directory.row(agent).is_some()).collect()
            }
            Recipients::Everyone => alive().map(|one| one.0).collect(),
        })
    }
}

/// Columns of `protocols.csv`.
#[must_use]
pub fn conversation_columns() -> TableSpec {
    TableSpec {
        name: "protocols",
        about: "a step of a conversation, or its outcome",
        columns: vec![
            Column::new("tick", "ticks", "the tick at whose close it happened"),
            Column::new("conversation", "", "number of the conversation"),
            Column::new("protocol", "", "its rules"),
            Column::new("event", "", "opened, said, rejected, deadline or ended"),
            Column::new("state", "", "the state afterwards; for a deadline the state whose it was"),
            Column::new("sender", "", "agent id of who spoke"),
            Column::new("performative", "", "what the message did or was to do, in FIPA's words"),
            Column::new("item", "", "the item in it, as the domain numbers it"),
            Column::new("amount", "", "the exact amount in it, in the domain's smallest unit"),
            Column::new("detail", "", "why it was rejected with what was expected; or who does what for how much"),
        ],
    }
}

/// The engine's columns of `metrics.csv` where a domain has declared terms of conversations.
#[must_use]
pub fn conversation_metric_columns() -> Vec<Column> {
    vec![
        Column::new("conversations_open", "conversations", "conversations under way when the tick closed"),
        Column::new("protocol_admitted", "messages", "messages of conversations that were admitted"),
        Column::new("protocol_rejected", "messages", "messages that their protocol did not allow"),
        Column::new("protocol_deadlines", "deadlines", "deadlines of conversations that passed"),
        Column::new("conversations_ended", "conversations", "conversations that came to an outcome"),
    ]
}

/// Where steps are written down, if they are.
struct Record<'a> {
    tick: Tick,
    tables: Option<&'a mut Tables>,
}

impl Record<'_> {
    fn row(
        &mut self,
        event: &str,
        (conversation, protocol, state): (ConversationId, Protocol, &str),
        envelope: Option<&Envelope>,
        detail: Value,
    ) {
        let Some(tables) = &mut self.tables else { return };
        let amount = envelope.and_then(|envelope| envelope.content.amount());
        let row = [
            Value::from(self.tick.0),
            Value::from(conversation.0),
            Value::from(protocol.name()),
            Value::from(event),
            Value::from(state),
            Value::from(envelope.map(|envelope| envelope.sender.0)),
            Value::from(envelope.map(|envelope| envelope.performative.name())),
            Value::from(envelope.and_then(|envelope| envelope.content.item())),
            amount.map_or(Value::Empty, Value::Int),
            detail,
        ];
        tables.push("protocols", row);
    }

    fn said(&mut self, event: &str, conversation: &Conversation, envelope: &Envelope) {
        if self.tables.is_some() {
            let about = (conversation.id(), conversation.protocol(), conversation.state());
            self.row(event, about, Some(envelope), Value::Empty);
        }
    }

    fn rejected(&mut self, rejection: &Rejection, envelope: &Envelope) {
        if self.tables.is_some() {
            let about = (rejection.conversation, rejection.protocol, rejection.state);
            self.row("rejected", about, Some(envelope), Value::from(rejection.to_string().as_str()));
        }
    }

    fn deadline(&mut self, conversation: &Conversation, state: &str) {
        if self.tables.is_some() {
            self.row("deadline", (conversation.id(), conversation.protocol(), state), None, Value::Empty);
        }
    }

    fn outcome(&mut self, conversation: &Conversation) {
        let Some(outcome) = conversation.outcome().filter(|_| self.tables.is_some()) else { return };
        let about = (conversation.id(), conversation.protocol(), conversation.state());
        self.row("ended", about, None, Value::from(outcome.to_string().as_str()));
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
