//! What the world keeps: the sessions under way, who takes part, and sums.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;
use rand::RngExt;

use super::bargain::Side;
use super::settings::NegotiationSettings;
use crate::base::{AgentId, Chance, Purpose, Tick};
use crate::protocols::ConversationId;
use crate::sim::{TermsId, Ticket};

const VALUE: Purpose = Purpose::named("negotiation.value");
const COST: Purpose = Purpose::named("negotiation.cost");

/// All negotiations of a run.
#[derive(Resource)]
pub struct Negotiations {
    /// The settings.
    pub settings: NegotiationSettings,
    /// Terms of sessions that a buyer opens, and of those that a seller opens.
    pub terms: [TermsId; 2],
    /// Buyers, in `AgentId` order.
    pub buyers: Vec<AgentId>,
    /// Sellers, in `AgentId` order; as many.
    pub sellers: Vec<AgentId>,
    /// How long the run is.
    pub ticks: u64,
    /// How many sessions each agent has begun.
    pub begun: u64,
    /// The sessions under way; session *i* is that of the *i*-th buyer.
    pub sessions: Vec<Session>,
    /// Sessions by the conversation they are held in.
    pub by_conversation: BTreeMap<ConversationId, usize>,
    /// This tick.
    pub now: Counts,
    /// All ticks.
    pub so_far: Counts,
    /// By group of the scenario.
    pub groups: Vec<Tally>,
}

/// One meeting of a buyer and a seller.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number among each agent's own, from 0.
    pub number: u64,
    /// Who buys.
    pub buyer: AgentId,
    /// Who sells.
    pub seller: AgentId,
    /// What the item is worth to the buyer, in cents.
    pub value: i64,
    /// What it costs the seller, in cents.
    pub cost: i64,
    /// Whether the seller makes the first offer.
    pub seller_opens: bool,
    /// Where it is held, once the first offer is on its way.
    pub conversation: Option<ConversationId>,
    /// How it ended, once it has.
    pub result: Option<Outcome>,
}

/// What a session came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended, as protocols call it; `not-opened` where no first offer was ever made.
    pub ending: &'static str,
    /// Offers of both sides.
    pub offers: u32,
    /// The price that was agreed on, in cents.
    pub price: Option<i64>,
    /// Discounted gains of buyer and seller, in cents.
    pub payoffs: [f64; 2],
}

impl Session {
    /// What there is to gain together, in cents; nothing or less where no price suits both.
    pub fn zone(&self) -> i64 {
        self.value - self.cost
    }

    /// The side of the seller or the buyer.
    pub fn side(&self, sells: bool, settings: &NegotiationSettings) -> Side {
        Side { sells, limit: if sells { self.cost } else { self.value }, prices: settings.prices() }
    }

    /// The other party.
    pub fn other(&self, agent: AgentId) -> AgentId {
        if agent == self.buyer { self.seller } else { self.buyer }
    }
}

impl Negotiations {
    /// The next sessions begin: in the *n*-th each buyer meets the seller *n* places further on, so that everybody meets
    /// everybody; values and costs depend on the seed, the agent and *n* alone.
    pub fn begin(&mut self, chance: Chance) {
        let number = self.begun;
        self.begun += 1;
        self.by_conversation.clear();
        let count = self.buyers.len();
        let draw = |purpose, agent: AgentId, range: super::settings::Cents| {
            chance.keyed(purpose, number, u64::from(agent.0)).random_range(range.least..=range.greatest)
        };
        let sessions = self.buyers.iter().enumerate().map(|(place, &buyer)| {
            let seller = self.sellers[(place + (number % count as u64) as usize) % count];
            Session {
                number,
                buyer,
                seller,
                value: draw(VALUE, buyer, self.settings.value),
                cost: draw(COST, seller, self.settings.cost),
                seller_opens: self.settings.seller_opens(number),
                conversation: None,
                result: None,
            }
        });
        self.sessions = sessions.collect();
    }

    /// The session in which the agent with this place among its role sits.
    pub fn session_of(&self, sells: bool, place: usize) -> usize {
        if !sells {
            return place;
        }
        let count = self.sellers.len();
        let shift = (self.begun.saturating_sub(1) % count.max(1) as u64) as usize;
        (place + count - shift) % count
    }

    /// Whether sessions begin at this tick.
    pub fn begins_at(&self, tick: Tick) -> bool {
        tick.0.is_multiple_of(self.settings.session_ticks())
    }

    /// Whether all sessions are over when this tick is.
    pub fn ends_at(&self, tick: Tick) -> bool {
        (tick.0 + 1).is_multiple_of(self.settings.session_ticks())
    }
}

/// Someone who negotiates.
#[derive(Component, Clone, Debug, Default)]
pub struct Party {
    /// Whether it sells.
    pub sells: bool,
    /// Its place among all of its role.
    pub place: usize,
    /// Whether it is asked to speak at this tick.
    pub turn: Turn,
    /// Its own last offer of this session, in cents.
    pub own: Option<i64>,
    /// The other's last offer that reached it, in cents.
    pub other: Option<i64>,
    /// The one before that.
    pub other_before: Option<i64>,
    /// When the last offer that reached it was made.
    pub heard: Option<Tick>,
    /// What it is about to say.
    pub saying: Option<Saying>,
    /// Offers made since it was last paid.
    pub offered: u32,
    /// What it came to.
    pub totals: Tally,
}

/// Whether an agent is asked to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// It has nothing to say.
    #[default]
    Waits,
    /// It makes the first offer.
    Opens,
    /// An offer has reached it.
    Answers(ConversationId),
}

/// A message that waits for what language models say of it.
#[derive(Clone, Debug)]
pub struct Saying {
    /// What it does.
    pub act: super::spaces::Act,
    /// The price in it, where it is known already.
    pub price: Option<i64>,
    /// The form that a model fills in, with the price or the words.
    pub form: Option<Ticket>,
    /// The choice among phrases.
    pub choice: Option<Ticket>,
    /// Phrases, with `{price}` in the place of the price; the first is said where nobody chooses.
    pub phrases: Arc<[Arc<str>]>,
}

/// Sums over a tick or a run, by session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Sessions that ended.
    pub sessions: u64,
    /// Those in which some price would have suited both.
    pub zones: u64,
    /// Deals.
    pub deals: u64,
    /// Deals where a price would have suited both.
    pub zone_deals: u64,
    /// Deals in which one side went beyond its limit.
    pub losses: u64,
    /// Offers in all sessions.
    pub offers: u64,
    /// Offers in those with a deal.
    pub deal_offers: u64,
    /// Prices of all deals, in cents.
    pub prices: i64,
    /// What there was to gain, in cents.
    pub available: i64,
    /// Discounted gains of buyers and sellers, in cents.
    pub payoffs: [f64; 2],
}

impl Counts {
    /// Adds what happened elsewhere, or later.
    pub fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.zones += other.zones;
        self.deals += other.deals;
        self.zone_deals += other.zone_deals;
        self.losses += other.losses;
        self.offers += other.offers;
        self.deal_offers += other.deal_offers;
        self.prices += other.prices;
        self.available += other.available;
        self.payoffs.iter_mut().zip(other.payoffs).for_each(|(sum, payoff)| *sum += payoff);
    }

    /// Adds a session.
    pub fn session(&mut self, session: &Session, outcome: &Outcome) {
        let zone = session.zone();
        let deal = outcome.price.is_some();
        let beyond = outcome.price.is_some_and(|price| price > session.value || price < session.cost);
        self.add(&Self {
            sessions: 1,
            zones: u64::from(zone > 0),
            deals: u64::from(deal),
            zone_deals: u64::from(deal && zone > 0),
            losses: u64::from(beyond),
            offers: u64::from(outcome.offers),
            deal_offers: if deal { u64::from(outcome.offers) } else { 0 },
            prices: outcome.price.unwrap_or(0),
            available: zone.max(0),
            payoffs: outcome.payoffs,
        });
    }
}

/// Sums over sessions from one side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Sessions that ended.
    pub sessions: u64,
    /// Those in which some price would have suited both.
    pub zones: u64,
    /// Deals.
    pub deals: u64,
    /// Deals where a price would have suited both.
    pub zone_deals: u64,
    /// Deals beyond its own limit.
    pub losses: u64,
    /// Its own offers.
    pub offers: u64,
    /// Its messages that were rejected.
    pub rejected: u64,
    /// Its discounted gains, in cents.
    pub payoff: f64,
    /// What there was to gain for both together in its sessions, in cents.
    pub available: i64,
}

impl Tally {
    /// Adds a session that the one with this limit had.
    pub fn session(&mut self, session: &Session, outcome: &Outcome, sells: bool, offers: u32) {
        let deal = outcome.price.is_some();
        let loss = match (outcome.price, sells) {
            (Some(price), true) => price < session.cost,
            (Some(price), false) => price > session.value,
            (None, _) => false,
        };
        self.sessions += 1;
        self.zones += u64::from(session.zone() > 0);
        self.deals += u64::from(deal);
        self.zone_deals += u64::from(deal && session.zone() > 0);
        self.losses += u64::from(loss);
        self.offers += u64::from(offers);
        self.payoff += outcome.payoffs[usize::from(sells)];
        self.available += session.zone().max(0);
    }
}
