//! A conversation: one protocol between an initiator and its participants, from the first message to the outcome.

use std::sync::Arc;

use super::envelope::{ConversationId, Envelope, Protocol, Recipients};
use super::moves::{Addressee, Amounts, Move};
use super::outcome::Outcome;
use super::rejection::{Reason, Rejection};
use super::terms::{AnyMachine, Terms};
use crate::base::{AgentId, Performative, Tick};

/// Names of the numbers that [`Conversation::features`] gives, in order.
pub const FEATURES: [&str; 15] = [
    "may_speak",
    "is_initiator",
    "ticks_left_share",
    "time_spent_share",
    "amount_at_stake_share",
    "may_cfp",
    "may_propose",
    "may_accept",
    "may_reject",
    "may_agree",
    "may_refuse",
    "may_inform",
    "may_failure",
    "may_cancel",
    "may_request_or_query",
];

/// What becomes of a conversation after a message or a deadline.
pub(super) enum After {
    /// The state is the same, and so is its deadline.
    Stay,
    /// A new state, for so many ticks.
    Enter(u32),
    /// It is over.
    End(Outcome),
}

/// The rules of one protocol in one conversation. Moves are the only source of what is legal: the conversation asks for
/// them before it applies anything.
pub(super) trait Machine {
    /// The state's name.
    fn state(&self) -> &'static str;

    /// Everything that `agent` may say now.
    fn visit_moves(&self, agent: AgentId, visit: &mut impl FnMut(Move));

    /// Whom the first of [`Self::visit_moves`] addresses that an envelope makes, if it makes one, with the conversation's
    /// audience and participants.
    #[inline]
    fn find(&self, envelope: &Envelope, audience: &Recipients, participants: &[AgentId]) -> Option<Addressee> {
        let mut found = None;
        self.visit_moves(envelope.sender, &mut |possible| {
            if found.is_none()
                && possible.fits(envelope)
                && possible.reaches(&envelope.recipients, audience, participants)
            {
                found = Some(possible.to);
            }
        });
        found
    }

    /// Takes in a message that is one of the sender's moves, and whom that addresses.
    fn apply(&mut self, envelope: &Envelope, to: Addressee) -> After;

    /// The state's deadline has passed: its declared consequence.
    fn expire(&mut self) -> After;

    /// The amount on the table and its range, if there is one.
    fn at_stake(&self) -> Option<(i64, Amounts)> {
        None
    }
}

/// Who takes part beside the initiator, in `AgentId` order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Participants {
    One(AgentId),
    Many(Arc<Vec<AgentId>>),
}

impl Participants {
    /// Those who are there to take part in what a first message opens: its sender is left out of them.
    ///
    /// # Errors
    /// When they are too few or too many.
    pub fn of(terms: &Terms, first: &Envelope, there: &[AgentId]) -> Result<Self, Rejection> {
        if let [one] = there
            && *one != first.sender
        {
            return Ok(Self::One(*one));
        }
        let mut sorted: Vec<AgentId> = there.iter().copied().filter(|agent| *agent != first.sender).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let reason = match sorted.as_slice() {
            [] => Reason::Participants("there is nobody to talk to"),
            [one] => return Ok(Self::One(*one)),
            _ if terms.is_between_two() => Reason::Participants("this protocol is between two"),
            _ => return Ok(Self::Many(Arc::new(sorted))),
        };
        Err(Rejection::of(first, terms.protocol(), "start", reason, Vec::new()))
    }

    fn as_slice(&self) -> &[AgentId] {
        match self {
            Self::One(agent) => std::slice::from_ref(agent),
            Self::Many(agents) => agents,
        }
    }
}

/// How far a conversation is. What is over needs no machine any more: the outcome takes its place.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    UnderWay(AnyMachine),
    Over(Outcome),
}

/// A conversation under way, or over. Two cache lines: a million of them are looked up in any order.
#[derive(Clone, Debug, PartialEq)]
#[repr(align(64))]
pub struct Conversation {
    id: ConversationId,
    protocol: Protocol,
    initiator: AgentId,
    participants: Participants,
    audience: Recipients,
    opened: Tick,
    spoken: Tick,
    entered: Tick,
    deadline: Tick,
    ends_by: Tick,
    steps: u32,
    stage: Stage,
}

// A third line would show in every tick.
const _: () = assert!(size_of::<Conversation>() == 128 && size_of::<Envelope>() <= 64);

impl Conversation {
    /// Opens a conversation with its first message. `participants` is who the message's recipients are; its sender is
    /// left out of them.
    ///
    /// # Errors
    /// When the first message is none that opens this protocol, or the participants are too few or too many.
    pub fn open(terms: &Terms, first: &Envelope, participants: &[AgentId]) -> Result<Self, Rejection> {
        let mut conversation = Self::start(terms, first, Participants::of(terms, first, participants)?);
        conversation.admit(first)?;
        Ok(conversation)
    }

    /// The conversation that a first message opens, before the message is taken in.
    #[inline]
    pub(crate) fn start(terms: &Terms, first: &Envelope, participants: Participants) -> Self {
        let machine = terms.machine(first.sender, participants.as_slice());
        Self {
            id: first.conversation,
            protocol: terms.protocol(),
            initiator: first.sender,
            participants,
            audience: first.recipients.clone(),
            opened: first.tick,
            spoken: first.tick,
            entered: first.tick,
            deadline: first.tick,
            ends_by: Tick(first.tick.0.saturating_add(terms.ticks_max())),
            steps: 0,
            stage: Stage::UnderWay(machine),
        }
    }

    /// Whether it holds memory beside itself, or may come to.
    pub(crate) fn holds_memory(&self) -> bool {
        let lies_flat = matches!(self.stage, Stage::UnderWay(AnyMachine::Exchange(_)))
            && matches!(self.participants, Participants::One(_))
            && !matches!(self.audience, Recipients::Agents(_));
        !lies_flat
    }

    /// Takes in a message, or says why not. A rejected message changes nothing.
    ///
    /// # Errors
    /// When the conversation is over, or the message is none of its sender's [`Self::moves`].
    pub fn admit(&mut self, envelope: &Envelope) -> Result<(), Rejection> {
        let in_time = (self.spoken..=self.deadline).contains(&envelope.tick);
        let fits = envelope.conversation == self.id && envelope.protocol == self.protocol && in_time;
        let Stage::UnderWay(machine) = &mut self.stage else { return Err(self.refusal(envelope)) };
        let found = if fits { machine.find(envelope, &self.audience, self.participants.as_slice()) } else { None };
        let Some(to) = found else { return Err(self.refusal(envelope)) };
        let after = machine.apply(envelope, to);
        self.steps += 1;
        self.spoken = envelope.tick;
        self.go_on(after, envelope.tick);
        Ok(())
    }

    /// Why a message is not admitted that is none of its sender's moves.
    #[cold]
    fn refusal(&self, envelope: &Envelope) -> Rejection {
        let reason = match &self.stage {
            Stage::Over(_) => Reason::Ended,
            _ if envelope.conversation != self.id => Reason::Unknown,
            _ if envelope.protocol != self.protocol => Reason::Protocol(envelope.protocol),
            _ if envelope.tick < self.spoken || envelope.tick > self.deadline => Reason::Tick(envelope.tick),
            _ if !self.is_party(envelope.sender) => Reason::NotAParty,
            Stage::UnderWay(machine) => self.nearest(machine, envelope),
        };
        Rejection::of(envelope, self.protocol, self.state(), reason, self.moves(envelope.sender))
    }

    /// What the sender's move that comes nearest to a message lacks.
    fn nearest(&self, machine: &AnyMachine, envelope: &Envelope) -> Reason {
        let mut nearest = Reason::Turn;
        machine.visit_moves(envelope.sender, &mut |possible| {
            let reaches = possible.reaches(&envelope.recipients, &self.audience, self.participants());
            if possible.performative != envelope.performative {
                if nearest == Reason::Turn {
                    nearest = Reason::Performative;
                }
            } else if possible.fits(envelope) {
                nearest = Reason::Recipients;
            } else if reaches || !matches!(nearest, Reason::Recipients) {
                nearest = Reason::Content(envelope.content.to_string());
            }
        });
        nearest
    }

    /// Closes every state whose deadline `now` has reached, by its declared consequence; to be called when all messages
    /// of the tick are in. Says how many deadlines passed.
    pub fn expire(&mut self, now: Tick) -> u32 {
        let mut passed = 0;
        while self.deadline <= now {
            let Stage::UnderWay(machine) = &mut self.stage else { break };
            passed += 1;
            let after = machine.expire();
            self.go_on(after, now);
        }
        passed
    }

    fn go_on(&mut self, after: After, now: Tick) {
        match after {
            After::Stay => {}
            After::Enter(ticks) => {
                self.entered = now;
                self.deadline = Tick(now.0.saturating_add(u64::from(ticks)));
            }
            After::End(outcome) => self.stage = Stage::Over(outcome),
        }
    }

    /// Everything that `agent` may say now; empty where it has no part or it is not its turn.
    #[must_use]
    pub fn moves(&self, agent: AgentId) -> Vec<Move> {
        let mut moves = Vec::new();
        if let Stage::UnderWay(machine) = &self.stage {
            machine.visit_moves(agent, &mut |possible| moves.push(possible));
        }
        moves
    }

    /// What a learner sees of the conversation from `agent`'s side, each in [0, 1]; names in [`FEATURES`]. Of one that is
    /// over, nothing may be said and nothing is at stake.
    #[must_use]
    pub fn features(&self, agent: AgentId, now: Tick) -> [f32; FEATURES.len()] {
        let mut features = [0.0; FEATURES.len()];
        if let Stage::UnderWay(machine) = &self.stage {
            machine.visit_moves(agent, &mut |possible| {
                features[0] = 1.0;
                let place = match possible.performative {
                    Performative::CallForProposal => 5,
                    Performative::Propose => 6,
                    Performative::Accept => 7,
                    Performative::Reject => 8,
                    Performative::Agree => 9,
                    Performative::Refuse => 10,
                    Performative::Inform => 11,
                    Performative::Failure => 12,
                    Performative::Cancel => 13,
                    Performative::Request | Performative::QueryIf | Performative::QueryRef => 14,
                    _ => return,
                };
                features[place] = 1.0;
            });
            if let Some((amount, range)) = machine.at_stake() {
                let width = (range.greatest - range.least).max(1) as f32;
                features[4] = ((amount - range.least) as f32 / width).clamp(0.0, 1.0);
            }
        }
        let share = |part: u64, whole: u64| (part as f32 / whole.max(1) as f32).clamp(0.0, 1.0);
        features[1] = f32::from(u8::from(agent == self.initiator));
        features[2] = share(self.deadline.0.saturating_sub(now.0), self.deadline.0 - self.entered.0);
        features[3] = share(now.0.saturating_sub(self.opened.0), self.ends_by.0 - self.opened.0);
        features
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> ConversationId {
        self.id
    }

    /// Its rules.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Who opened it.
    #[must_use]
    pub fn initiator(&self) -> AgentId {
        self.initiator
    }

    /// How the first message addressed the others; what goes to all of them has to say the same.
    #[must_use]
    pub fn audience(&self) -> &Recipients {
        &self.audience
    }

    /// The others, in `AgentId` order.
    #[must_use]
    pub fn participants(&self) -> &[AgentId] {
        self.participants.as_slice()
    }

    /// Whether `agent` has a part in it.
    #[must_use]
    pub fn is_party(&self, agent: AgentId) -> bool {
        agent == self.initiator || self.participants().binary_search(&agent).is_ok()
    }

    /// The name of its state; `ended` when it is over.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match &self.stage {
            Stage::UnderWay(machine) => machine.state(),
            Stage::Over(_) => "ended",
        }
    }

    /// The last tick at which a message is in time for this state.
    #[must_use]
    pub fn deadline(&self) -> Tick {
        self.deadline
    }

    /// The tick at whose end it is over, whatever is said, if [`Self::expire`] is asked at each tick.
    #[must_use]
    pub fn ends_by(&self) -> Tick {
        self.ends_by
    }

    /// When it was opened.
    #[must_use]
    pub fn opened(&self) -> Tick {
        self.opened
    }

    /// How many messages were admitted.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// What it came to, once it is over.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.stage {
            Stage::UnderWay(_) => None,
            Stage::Over(outcome) => Some(outcome),
        }
    }
}
