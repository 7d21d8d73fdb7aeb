//! The state of the world: the market, those who trade, those who read, and what is counted.

use std::collections::VecDeque;

use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;

use super::book::{OrderId, Side, TraderId};
use super::dated::Dated;
use super::exchange::Exchange;
use super::flow::Flow;
use super::fundamental::Fundamental;
use super::news::Headline;
use super::settings::FinanceSettings;
use super::spaces::Kind;
use crate::base::{AgentId, TextId, Tick};
use crate::sim::{LanguageForecast, Ticket};

/// The news, behind its clock. Turned in Deliver; everybody else can only read, and only what is out.
#[derive(Resource, Debug)]
pub struct Wire(pub Dated<Headline>);

/// Somebody who trades. Written in Observe (reports), Act (orders) and Reward (wealth).
#[derive(Component, Clone, Debug)]
pub struct Trader {
    /// What they see and when they act.
    pub kind: Kind,
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

/// What is counted in a tick, and summed over the run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Headlines that came out.
    pub headlines: u64,
    /// Headlines read.
    pub read: u64,
    /// Of these, read as what their words say.
    pub read_right: u64,
    /// Reports of a rise or fall.
    pub reports: u64,
    /// Of these, reports of what the value did.
    pub reports_true: u64,
    /// Orders that agents placed.
    pub orders: u64,
    /// Events of the crowd.
    pub crowd_events: u64,
    /// Shares traded.
    pub volume: u64,
    /// Reward of all who trade.
    pub reward: f64,
    /// Reward of those with role `trader`.
    pub reward_traders: f64,
}

/// The market.
#[derive(Resource)]
pub struct Market {
    /// The domain's settings.
    pub settings: FinanceSettings,
    /// Book and accounts.
    pub exchange: Exchange,
    /// The crowd.
    pub flow: Flow,
    /// What the share is worth.
    pub fundamental: Fundamental,
    /// Mid prices at the ends of the last ticks, the latest at the back; never empty.
    pub mids: VecDeque<f64>,
    /// Everybody with role `trader`: reports go to them.
    pub readers: Vec<AgentId>,
    /// How many analysts there are.
    pub analysts: usize,
    /// The headlines' texts in the run's arena, by their places among those that are out; filled as they come out.
    pub texts: Vec<TextId>,
    /// This tick's counts.
    pub now: Counts,
    /// The run's counts.
    pub all: Counts,
    /// Sums over ticks, for means.
    pub sums: Sums,
    /// Profit of all with role `trader`, when half the run was over.
    pub profit_at_half: f64,
    /// Ticks of the run.
    pub ticks: u64,
    /// What the run will need of language models.
    pub forecast: LanguageForecast,
}

/// Sums over the ticks of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// Ticks.
    pub ticks: u64,
    /// Ticks with both a bid and an ask.
    pub quoted: u64,
    /// Spread in these, in ticks of price.
    pub spread: f64,
    /// |mid − fundamental value|.
    pub mispricing: f64,
    /// Squared movement of the mid.
    pub squares: f64,
}

/// Over how many ticks the column `volatility` looks back.
pub const VOLATILITY_TICKS: usize = 60;

impl Market {
    /// The middle between the best bid and ask; where a side is empty, the last there was.
    #[must_use]
    pub fn mid(&self) -> f64 {
        match self.quotes() {
            (Some(bid), Some(ask)) => f64::midpoint(f64::from(bid), f64::from(ask)),
            _ => *self.mids.back().expect("there is always a mid"),
        }
    }

    /// Best bid and best ask.
    #[must_use]
    pub fn quotes(&self) -> (Option<u32>, Option<u32>) {
        (self.exchange.book().best(Side::Buy), self.exchange.book().best(Side::Sell))
    }

    /// (shares at the best bid − shares at the best ask) / both; 0 for an empty book.
    #[must_use]
    pub fn imbalance(&self) -> f64 {
        let (bid, ask) = (self.exchange.book().depth(Side::Buy), self.exchange.book().depth(Side::Sell));
        if bid + ask == 0 { 0.0 } else { (bid as f64 - ask as f64) / (bid + ask) as f64 }
    }

    /// Movement of the mid over the last `return_ticks` ticks, or since the start, in ticks of price.
    #[must_use]
    pub fn last_return(&self) -> f64 {
        let back = (self.settings.return_ticks as usize).min(self.mids.len() - 1);
        self.mids[self.mids.len() - 1] - self.mids[self.mids.len() - 1 - back]
    }

    /// Standard deviation of the mid's movement a tick over the last `VOLATILITY_TICKS` ticks (around zero);
    /// `None` at the first.
    #[must_use]
    pub fn volatility(&self) -> Option<f64> {
        let first = self.mids.len().saturating_sub(VOLATILITY_TICKS + 1);
        let moves = self.mids.len() - 1 - first;
        let squares: f64 =
            (first + 1..self.mids.len()).map(|place| (self.mids[place] - self.mids[place - 1]).powi(2)).sum();
        (moves > 0).then(|| (squares / moves as f64).sqrt())
    }

    /// Cash and shares of an account at this mid price.
    #[must_use]
    pub fn wealth(&self, account: TraderId, mid: f64) -> f64 {
        let account = self.exchange.account(account);
        account.cash as f64 + account.shares as f64 * mid
    }

    /// Most shares that an agent of this kind may own, or owe.
    #[must_use]
    pub fn shares_max(&self, kind: Kind) -> i64 {
        let orders = match kind {
            Kind::Value => self.settings.value_inventory_max,
            Kind::Momentum | Kind::Trader => self.settings.inventory_max,
        };
        i64::from(orders) * i64::from(self.settings.order_shares)
    }

    /// An agent's shares in orders' worth.
    #[must_use]
    pub fn inventory(&self, account: TraderId) -> f64 {
        self.exchange.account(account).shares as f64 / f64::from(self.settings.order_shares)
    }
}

impl Counts {
    /// Adds another tick's.
    pub fn add(&mut self, other: &Self) {
        self.headlines += other.headlines;
        self.read += other.read;
        self.read_right += other.read_right;
        self.reports += other.reports;
        self.reports_true += other.reports_true;
        self.orders += other.orders;
        self.crowd_events += other.crowd_events;
        self.volume += other.volume;
        self.reward += other.reward;
        self.reward_traders += other.reward_traders;
    }
}
