//! What request and query have in common: one asks, the other refuses or does, and says how it went.

use super::conversation::{After, Machine};
use super::envelope::{Envelope, Recipients};
use super::moves::{Addressee, Amounts, Expected, Move};
use super::outcome::{Award, Ending, Outcome};
use crate::base::{AgentId, Performative};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Asked,
    Agreed,
    Cancelling,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To do something.
    Action,
    /// To tell something.
    Knowledge,
    /// To tell whether something is so; known once it was asked.
    Truth,
}

/// The machine between one who asks and one who answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exchange {
    initiator: AgentId,
    participant: AgentId,
    purpose: Purpose,
    state: State,
    /// The initiator calls off at most once.
    may_cancel: bool,
    item: u32,
    reply_ticks: u32,
    work_ticks: u32,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Asks,
    Answers,
}

/// What may be said once it was asked, first that it is called off, which may be said but once.
const ASKED: [(Side, Performative); 6] = [
    (Side::Asks, Performative::Cancel),
    (Side::Answers, Performative::Agree),
    (Side::Answers, Performative::Refuse),
    (Side::Answers, Performative::NotUnderstood),
    (Side::Answers, Performative::Inform),
    (Side::Answers, Performative::Failure),
];

/// The same once it was agreed to.
const AGREED: [(Side, Performative); 3] =
    [(Side::Asks, Performative::Cancel), (Side::Answers, Performative::Inform), (Side::Answers, Performative::Failure)];

/// The same once it was called off.
const CANCELLING: [(Side, Performative); 2] =
    [(Side::Answers, Performative::Inform), (Side::Answers, Performative::Failure)];

/// False and true.
const TRUTH: Amounts = Amounts { least: 0, greatest: 1 };

/// Most ticks of an exchange: asked, agreed, called off in vain, agreed again.
pub(super) fn ticks_max(reply_ticks: u32, work_ticks: u32) -> u64 {
    2 * u64::from(reply_ticks) + 2 * u64::from(work_ticks)
}

impl Exchange {
    pub fn new(purpose: Purpose, initiator: AgentId, participant: AgentId, reply_ticks: u32, work_ticks: u32) -> Self {
        let state = State::Start;
        Self { initiator, participant, purpose, state, may_cancel: true, item: 0, reply_ticks, work_ticks }
    }

    /// What may be said in this state, and by which side.
    fn moves(&self) -> &'static [(Side, Performative)] {
        match self.state {
            State::Start if self.purpose == Purpose::Action => &[(Side::Asks, Performative::Request)],
            State::Start => &[(Side::Asks, Performative::QueryRef), (Side::Asks, Performative::QueryIf)],
            State::Asked => &ASKED[usize::from(!self.may_cancel)..],
            State::Agreed => &AGREED[usize::from(!self.may_cancel)..],
            State::Cancelling => &CANCELLING,
        }
    }

    fn speaker(&self, side: Side) -> AgentId {
        match side {
            Side::Asks => self.initiator,
            Side::Answers => self.participant,
        }
    }

    /// One of [`Self::moves`].
    fn move_of(&self, side: Side, performative: Performative) -> Move {
        let content = match self.state {
            State::Start => Expected::Item,
            State::Asked | State::Agreed if performative == Performative::Inform && self.purpose == Purpose::Truth => {
                Expected::Amount(TRUTH)
            }
            _ => Expected::Nothing,
        };
        let other = match side {
            Side::Asks => self.participant,
            Side::Answers => self.initiator,
        };
        Move::new(performative, Addressee::Agent(other), content)
    }

    fn end(ending: Ending) -> After {
        After::End(Outcome::without(ending))
    }
}

impl Machine for Exchange {
    fn state(&self) -> &'static str {
        match self.state {
            State::Start => "start",
            State::Asked => "asked",
            State::Agreed => "agreed",
            State::Cancelling => "cancelling",
        }
    }

    fn visit_moves(&self, agent: AgentId, visit: &mut impl FnMut(Move)) {
        for &(side, performative) in self.moves() {
            if agent == self.speaker(side) {
                visit(self.move_of(side, performative));
            }
        }
    }

    #[inline]
    fn find(&self, envelope: &Envelope, audience: &Recipients, participants: &[AgentId]) -> Option<Addressee> {
        let is_said = |&(side, performative): &(Side, Performative)| {
            performative == envelope.performative && envelope.sender == self.speaker(side)
        };
        let &(side, performative) = self.moves().iter().find(|said| is_said(said))?;
        let said = self.move_of(side, performative);
        (said.fits(envelope) && said.reaches(&envelope.recipients, audience, participants)).then_some(said.to)
    }

    fn apply(&mut self, envelope: &Envelope, _: Addressee) -> After {
        let state = self.state;
        match envelope.performative {
            Performative::Agree => {
                self.state = State::Agreed;
                After::Enter(self.work_ticks)
            }
            Performative::Refuse => Self::end(Ending::Refused),
            Performative::NotUnderstood => Self::end(Ending::NotUnderstood),
            Performative::Cancel => {
                self.state = State::Cancelling;
                self.may_cancel = false;
                After::Enter(self.reply_ticks)
            }
            Performative::Failure if state == State::Cancelling => {
                // It could not be called off: the work goes on.
                self.state = State::Agreed;
                After::Enter(self.work_ticks)
            }
            Performative::Inform if state == State::Cancelling => Self::end(Ending::Cancelled),
            Performative::Failure => Self::end(Ending::Failed),
            Performative::Inform => {
                let (provider, receiver, item) = (self.participant, self.initiator, self.item);
                let work = Award { provider, receiver, item, amount: 0 };
                After::End(Outcome::done(work))
            }
            opening => {
                if opening == Performative::QueryIf {
                    self.purpose = Purpose::Truth;
                }
                self.item = envelope.content.item().unwrap_or(0);
                self.state = State::Asked;
                After::Enter(self.reply_ticks)
            }
        }
    }

    fn expire(&mut self) -> After {
        // Whoever calls off and hears nothing takes it for called off; any other silence is told as one.
        Self::end(if self.state == State::Cancelling { Ending::Cancelled } else { Ending::NoAnswer })
    }
}
