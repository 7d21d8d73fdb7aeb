//! What ascending and descending auctions have in common: prices are called, bidders take them, the seller accepts one.

use super::conversation::{After, Machine};
use super::envelope::Envelope;
use super::moves::{Addressee, Amounts, Expected, Move};
use super::outcome::{Award, Ending, Outcome};
use super::terms::{Checks, TermsError};
use crate::base::{AgentId, Performative};

/// Where prices go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Prices, steps and deadlines of either auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Calling {
    pub direction: Direction,
    pub prices: Amounts,
    pub step_least: i64,
    pub calls_max: u32,
    pub bid_ticks: u32,
    pub seller_ticks: u32,
}

impl Calling {
    pub fn check(&self, checks: &Checks) -> Result<(), TermsError> {
        checks.ticks("bid_ticks", self.bid_ticks)?;
        checks.ticks("seller_ticks", self.seller_ticks)?;
        checks.amounts("prices", self.prices)?;
        checks.within("step_least", self.step_least, Amounts { least: 1, greatest: super::moves::AMOUNT_MAX })?;
        checks.within("calls_max", i64::from(self.calls_max), Amounts { least: 1, greatest: 1_000_000 })
    }

    /// The announcement, and for each call its bids, the seller's choice and the next call.
    pub fn ticks_max(&self) -> u64 {
        let a_call = u64::from(self.bid_ticks) + 2 * u64::from(self.seller_ticks);
        u64::from(self.seller_ticks) + u64::from(self.calls_max) * a_call
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Announced,
    Called,
    Choosing,
    Standing,
}

/// The machine of an auction by open calls.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OpenCry {
    calls: Calling,
    seller: AgentId,
    /// In `AgentId` order, with whether each has taken the price that is called.
    bidders: Vec<(AgentId, bool)>,
    state: State,
    item: u32,
    price: i64,
    called: u32,
    /// Who holds the item so far, and at which price.
    leader: Option<(AgentId, i64)>,
}

impl OpenCry {
    pub fn new(calls: Calling, seller: AgentId, participants: &[AgentId]) -> Self {
        let bidders = participants.iter().map(|&agent| (agent, false)).collect();
        let price = match calls.direction {
            Direction::Up => calls.prices.least,
            Direction::Down => calls.prices.greatest,
        };
        Self { calls, seller, bidders, state: State::Start, item: 0, price, called: 0, leader: None }
    }

    /// Prices that may be called next; none where the auction has come to its end.
    fn next_prices(&self) -> Option<Amounts> {
        let Calling { prices, step_least, direction, calls_max, .. } = self.calls;
        if self.called == 0 {
            return Some(prices);
        }
        let next = match direction {
            Direction::Up => Amounts { least: self.price.saturating_add(step_least), ..prices },
            Direction::Down => Amounts { greatest: self.price.saturating_sub(step_least), ..prices },
        };
        (self.called < calls_max && next.least <= next.greatest).then_some(next)
    }

    fn is_bidding(&self, place: usize) -> bool {
        let (agent, taken) = self.bidders[place];
        !taken && self.leader.is_none_or(|leader| leader.0 != agent)
    }

    /// The item goes to the leader, if there is one.
    fn hammer(&self) -> After {
        After::End(match self.leader {
            Some((receiver, amount)) => {
                Outcome::done(Award { provider: self.seller, receiver, item: self.item, amount })
            }
            None => Outcome::without(Ending::NoDeal),
        })
    }

    /// All bids for a price are in.
    fn close_call(&mut self) -> After {
        if self.bidders.iter().any(|bidder| bidder.1) {
            self.state = State::Choosing;
            return After::Enter(self.calls.seller_ticks);
        }
        if self.calls.direction == Direction::Up {
            return self.hammer();
        }
        self.stand()
    }

    /// The seller may call another price, if there is any.
    fn stand(&mut self) -> After {
        if self.next_prices().is_none() {
            return self.hammer();
        }
        self.state = State::Standing;
        After::Enter(self.calls.seller_ticks)
    }

    fn accept(&mut self, bidder: AgentId) -> After {
        self.leader = Some((bidder, self.price));
        match self.calls.direction {
            Direction::Up => self.stand(),
            Direction::Down => self.hammer(),
        }
    }
}

impl Machine for OpenCry {
    fn state(&self) -> &'static str {
        match self.state {
            State::Start => "start",
            State::Announced => "announced",
            State::Called => "called",
            State::Choosing => "choosing",
            State::Standing => "standing",
        }
    }

    fn visit_moves(&self, agent: AgentId, visit: &mut impl FnMut(Move)) {
        if agent != self.seller {
            let place = self.bidders.binary_search_by_key(&agent, |bidder| bidder.0);
            if self.state == State::Called && place.is_ok_and(|place| self.is_bidding(place)) {
                let price = Amounts { least: self.price, greatest: self.price };
                visit(Move::new(Performative::Propose, Addressee::Agent(self.seller), Expected::Amount(price)));
            }
            return;
        }
        match self.state {
            State::Start => visit(Move::new(Performative::Inform, Addressee::All, Expected::Item)),
            State::Announced | State::Standing => {
                if let Some(prices) = self.next_prices() {
                    let content = Expected::Offer(Some(self.item), prices);
                    visit(Move::new(Performative::CallForProposal, Addressee::All, content));
                }
                if self.state == State::Standing {
                    visit(Move::new(Performative::Inform, Addressee::All, Expected::Nothing));
                }
            }
            State::Called => {}
            State::Choosing => {
                for &(bidder, _) in self.bidders.iter().filter(|bidder| bidder.1) {
                    visit(Move::new(Performative::Accept, Addressee::Agent(bidder), Expected::Nothing));
                }
            }
        }
    }

    fn apply(&mut self, envelope: &Envelope, to: Addressee) -> After {
        match (envelope.performative, to) {
            (Performative::CallForProposal, _) => {
                self.price = envelope.content.amount().unwrap_or(self.price);
                self.called += 1;
                self.bidders.iter_mut().for_each(|bidder| bidder.1 = false);
                self.state = State::Called;
                After::Enter(self.calls.bid_ticks)
            }
            (Performative::Accept, Addressee::Agent(bidder)) => self.accept(bidder),
            (Performative::Propose, _) => {
                if let Ok(place) = self.bidders.binary_search_by_key(&envelope.sender, |bidder| bidder.0) {
                    self.bidders[place].1 = true;
                }
                let waiting = (0..self.bidders.len()).any(|place| self.is_bidding(place));
                if waiting { After::Stay } else { self.close_call() }
            }
            _ if self.state == State::Start => {
                self.item = envelope.content.item().unwrap_or(0);
                self.state = State::Announced;
                After::Enter(self.calls.seller_ticks)
            }
            _ => self.hammer(),
        }
    }

    fn expire(&mut self) -> After {
        match self.state {
            State::Start | State::Announced | State::Standing => self.hammer(),
            State::Called => self.close_call(),
            // The seller is silent: the first who took the price has it.
            State::Choosing => match self.bidders.iter().find(|bidder| bidder.1).map(|bidder| bidder.0) {
                Some(first) => self.accept(first),
                None => self.hammer(),
            },
        }
    }

    fn at_stake(&self) -> Option<(i64, Amounts)> {
        (self.called > 0).then_some((self.price, self.calls.prices))
    }
}
