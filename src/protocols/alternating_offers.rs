//! Bargaining by alternating offers (Rubinstein 1982), with an end: after the last offer there is only yes or no.
//!
//! ```text
//! start --propose--> offered --propose by the other--> offered … (up to `offers_max` in all)
//!                    offered --accept-proposal by the other--> end (done)
//!                    offered --reject-proposal by the other--> end (refused)
//! deadline: offered: no-answer
//! ```

use super::conversation::{After, Machine};
use super::envelope::Envelope;
use super::moves::{Addressee, Amounts, Expected, Move};
use super::outcome::{Award, Ending, Outcome};
use super::terms::{Checks, TermsError};
use crate::base::{AgentId, Performative};

/// Terms of a bargain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlternatingOffersTerms {
    /// Ticks for the answer to an offer.
    pub offer_ticks: u32,
    /// Most offers of both sides together; at least 1.
    pub offers_max: u32,
    /// What may be offered.
    pub amounts: Amounts,
    /// Whether who opens sells; else it buys.
    pub initiator_sells: bool,
}

impl AlternatingOffersTerms {
    pub(super) fn check(&self, checks: &Checks) -> Result<(), TermsError> {
        checks.ticks("offer_ticks", self.offer_ticks)?;
        checks.within("offers_max", i64::from(self.offers_max), Amounts { least: 1, greatest: 1_000_000 })?;
        checks.amounts("amounts", self.amounts)
    }

    pub(super) fn ticks_max(&self) -> u64 {
        u64::from(self.offer_ticks) * u64::from(self.offers_max)
    }
}

/// The machine of a bargain.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AlternatingOffers {
    terms: AlternatingOffersTerms,
    initiator: AgentId,
    participant: AgentId,
    item: u32,
    amount: i64,
    /// Offers made; the initiator's are the first, third and so on.
    offers: u32,
}

impl AlternatingOffers {
    pub fn new(terms: &AlternatingOffersTerms, initiator: AgentId, participant: AgentId) -> Self {
        Self { terms: *terms, initiator, participant, item: 0, amount: terms.amounts.least, offers: 0 }
    }

    /// Who is to speak, and to whom.
    fn turn(&self) -> (AgentId, AgentId) {
        if self.offers.is_multiple_of(2) {
            (self.initiator, self.participant)
        } else {
            (self.participant, self.initiator)
        }
    }
}

impl Machine for AlternatingOffers {
    fn state(&self) -> &'static str {
        if self.offers == 0 { "start" } else { "offered" }
    }

    fn visit_moves(&self, agent: AgentId, visit: &mut impl FnMut(Move)) {
        let (speaker, other) = self.turn();
        if agent != speaker {
            return;
        }
        let to = Addressee::Agent(other);
        if self.offers < self.terms.offers_max {
            let item = (self.offers > 0).then_some(self.item);
            visit(Move::new(Performative::Propose, to, Expected::Offer(item, self.terms.amounts)));
        }
        if self.offers > 0 {
            visit(Move::new(Performative::Accept, to, Expected::Nothing));
            visit(Move::new(Performative::Reject, to, Expected::Nothing));
        }
    }

    fn apply(&mut self, envelope: &Envelope, _: Addressee) -> After {
        match envelope.performative {
            Performative::Accept => {
                let (seller, buyer) = if self.terms.initiator_sells {
                    (self.initiator, self.participant)
                } else {
                    (self.participant, self.initiator)
                };
                let bargain = Award { provider: seller, receiver: buyer, item: self.item, amount: self.amount };
                After::End(Outcome::done(bargain))
            }
            Performative::Reject => After::End(Outcome::without(Ending::Refused)),
            _ => {
                self.item = envelope.content.item().unwrap_or(self.item);
                self.amount = envelope.content.amount().unwrap_or(self.amount);
                self.offers += 1;
                After::Enter(self.terms.offer_ticks)
            }
        }
    }

    fn expire(&mut self) -> After {
        After::End(Outcome::without(Ending::NoAnswer))
    }

    fn at_stake(&self) -> Option<(i64, Amounts)> {
        (self.offers > 0).then_some((self.amount, self.terms.amounts))
    }
}
