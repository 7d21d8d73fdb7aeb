//! Who lives in the market: those who trade, those who read; and the wire that brings the news.

use std::collections::VecDeque;

use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;

use super::book::{OrderId, TraderId};
use super::dated::Dated;
use super::exchange::AssetId;
use super::news::Headline;
use super::spaces::Kind;
use crate::base::Tick;
use crate::sim::Ticket;

/// The news of all assets, behind its clock. Turned in Deliver; everybody else can only read, and only what is out.
#[derive(Resource, Debug)]
pub struct Wire(pub Dated<Headline>);

/// Somebody who trades. Written in Observe (reports), Act (orders) and Reward (wealth).
#[derive(Component, Clone, Debug)]
pub struct Trader {
    /// What they see and when they act.
    pub kind: Kind,
    /// What they trade.
    pub asset: AssetId,
    /// Their account at the exchange.
    pub account: TraderId,
    /// Their order in the book, while something of it rests.
    pub order: Option<OrderId>,
    /// Cash and shares at the mid price, at the end of the last tick.
    pub wealth: f64,
    /// The last report: when it came, and what it said, in [−1, 1].
    pub report: Option<(Tick, f32)>,
    /// Reports received.
    pub reports: u64,
    /// Reward over the run.
    pub reward: f64,
}

impl Trader {
    /// Somebody with an empty account who has heard nothing yet.
    #[must_use]
    pub fn new(kind: Kind, asset: AssetId, account: TraderId) -> Self {
        Self { kind, asset, account, order: None, wealth: 0.0, report: None, reports: 0, reward: 0.0 }
    }
}

/// A headline that was read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Its place among the headlines that are out.
    pub headline: usize,
    /// Probabilities of the three tones, worst first.
    pub probabilities: [f64; 3],
    /// The likeliest tone: −1, 0 or +1.
    pub tone: i8,
}

impl Reading {
    /// A reading by its probabilities; of equal ones the first counts.
    #[must_use]
    pub fn new(headline: usize, probabilities: [f64; 3]) -> Self {
        let better = |best: usize, other: usize| if probabilities[other] > probabilities[best] { other } else { best };
        let tone = (0..3).fold(0, better) as i8 - 1;
        Self { headline, probabilities, tone }
    }

    /// Probability of the likeliest tone.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        self.probabilities[(self.tone + 1) as usize]
    }
}

/// Somebody who reads. Written in Observe, Interpret, Act and Reward.
#[derive(Component, Clone, Debug, Default)]
pub struct Analyst {
    /// Their place among the analysts: headlines are dealt out in turn.
    pub place: usize,
    /// Headlines to be read, by their places among those that are out.
    pub backlog: VecDeque<usize>,
    /// The one being read, and the answer to come.
    pub asked: Option<(usize, Ticket)>,
    /// What was read this tick.
    pub reading: Option<Reading>,
    /// What this tick's report is worth.
    pub earned: f32,
    /// Headlines read.
    pub read: u64,
    /// Of these, read as what their words say.
    pub right: u64,
    /// Reports of a rise or fall.
    pub reports: u64,
    /// Of these, reports of what the value did.
    pub reports_true: u64,
    /// Reward over the run.
    pub reward: f64,
}
