//! What request and query have in common: one asks, the other refuses or does, and says how it went.

use super::conversation::{After, Machine};
use super::envelope::Envelope;
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
        let (asks, answers) = (agent == self.initiator, agent == self.participant);
        let to_initiator = Addressee::Agent(self.initiator);
        let to_participant = Addressee::Agent(self.participant);
        let mut say = |who: bool, performative, to, content| {
            if who {
                visit(Move::new(performative, to, content));
            }
        };
        let answer = if self.purpose == Purpose::Truth { Expected::Amount(TRUTH) } else { Expected::Nothing };
        match self.state {
            State::Start if self.purpose == Purpose::Action => {
                say(asks, Performative::Request, to_participant, Expected::Item);
            }
            State::Start => {
                say(asks, Performative::QueryRef, to_participant, Expected::Item);
                say(asks, Performative::QueryIf, to_participant, Expected::Item);
            }
            State::Asked | State::Agreed => {
                if self.state == State::Asked {
                    say(answers, Performative::Agree, to_initiator, Expected::Nothing);
                    say(answers, Performative::Refuse, to_initiator, Expected::Nothing);
                    say(answers, Performative::NotUnderstood, to_initiator, Expected::Nothing);
                }
                say(answers, Performative::Inform, to_initiator, answer);
                say(answers, Performative::Failure, to_initiator, Expected::Nothing);
                say(asks && self.may_cancel, Performative::Cancel, to_participant, Expected::Nothing);
            }
            State::Cancelling => {
                say(answers, Performative::Inform, to_initiator, Expected::Nothing);
                say(answers, Performative::Failure, to_initiator, Expected::Nothing);
            }
        }
    }

    fn apply(&mut self, envelope: &Envelope, said: Move) -> After {
        let state = self.state;
        match said.performative {
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
