//! The market: the exchange, what belongs to each asset, and what is counted.

use std::collections::VecDeque;
use std::ops::AddAssign;

use bevy_ecs::resource::Resource;

use super::book::{Side, TraderId};
use super::exchange::{AssetId, Exchange};
use super::flow::Flow;
use super::fundamental::Fundamental;
use super::settings::FinanceSettings;
use super::spaces::Kind;
use crate::base::{AgentId, TextId};
use crate::sim::LanguageForecast;

/// The market.
#[derive(Resource)]
pub struct Market {
    /// The domain's settings.
    pub settings: FinanceSettings,
    /// Books and accounts.
    pub exchange: Exchange,
    /// What belongs to each asset, in the order of the list.
    pub assets: Vec<Asset>,
    /// How many analysts there are.
    pub analysts: usize,
    /// The headlines' texts in the run's arena, by their places among those that are out; filled as they come out.
    pub texts: Vec<TextId>,
    /// Profit of all with role `trader`, when half the run was over.
    pub profit_at_half: f64,
    /// Ticks of the run.
    pub ticks: u64,
    /// What the run will need of language models.
    pub forecast: LanguageForecast,
}

/// What belongs to an asset besides its book.
pub struct Asset {
    /// Its crowd.
    pub flow: Flow,
    /// What a share is worth.
    pub fundamental: Fundamental,
    /// Mid prices at the ends of the last ticks, the latest at the back; never empty.
    pub mids: VecDeque<f64>,
    /// Everybody with role `trader` who trades it: reports on it go to them.
    pub readers: Vec<AgentId>,
    /// This tick's counts.
    pub now: Counts,
    /// The run's counts.
    pub all: Counts,
    /// Sums over ticks, for means.
    pub sums: Sums,
}

/// What is counted of an asset in a tick, and summed over the run.
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
    /// All listed assets.
    pub fn listed(&self) -> impl Iterator<Item = AssetId> + use<> {
        (0..self.assets.len() as u16).map(AssetId)
    }

    /// What belongs to an asset.
    #[must_use]
    pub fn asset(&self, asset: AssetId) -> &Asset {
        &self.assets[asset.index()]
    }

    /// What is counted of an asset in this tick.
    pub fn counts(&mut self, asset: AssetId) -> &mut Counts {
        &mut self.assets[asset.index()].now
    }

    /// The run's counts of all assets together.
    #[must_use]
    pub fn all(&self) -> Counts {
        let mut all = Counts::default();
        self.assets.iter().for_each(|asset| all += asset.all);
        all
    }

    /// The run's sums of all assets together: its ticks are those of each asset.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        self.assets.iter().for_each(|asset| sums += asset.sums);
        sums
    }

    /// The middle between an asset's best bid and ask; where a side is empty, the last there was.
    #[must_use]
    pub fn mid(&self, asset: AssetId) -> f64 {
        match self.quotes(asset) {
            (Some(bid), Some(ask)) => f64::midpoint(f64::from(bid), f64::from(ask)),
            _ => *self.asset(asset).mids.back().expect("there is always a mid"),
        }
    }

    /// An asset's best bid and best ask.
    #[must_use]
    pub fn quotes(&self, asset: AssetId) -> (Option<u32>, Option<u32>) {
        let book = self.exchange.book(asset);
        (book.best(Side::Buy), book.best(Side::Sell))
    }

    /// An asset's best ask less its best bid, in ticks of price; `None` where a side is empty.
    #[must_use]
    pub fn spread(&self, asset: AssetId) -> Option<u32> {
        let (bid, ask) = self.quotes(asset);
        Some(ask?.saturating_sub(bid?))
    }

    /// (shares at an asset's best bid − shares at its best ask) / both; 0 for an empty book.
    #[must_use]
    pub fn imbalance(&self, asset: AssetId) -> f64 {
        let book = self.exchange.book(asset);
        let (bid, ask) = (book.depth(Side::Buy), book.depth(Side::Sell));
        if bid + ask == 0 { 0.0 } else { (bid as f64 - ask as f64) / (bid + ask) as f64 }
    }

    /// How far an asset's price is from its value, in ticks of price.
    #[must_use]
    pub fn mispricing(&self, asset: AssetId) -> f64 {
        (self.mid(asset) - self.asset(asset).fundamental.value()).abs()
    }

    /// Movement of an asset's mid over the last `return_ticks` ticks, or since the start, in ticks of price.
    #[must_use]
    pub fn last_return(&self, asset: AssetId) -> f64 {
        let mids = &self.asset(asset).mids;
        let back = (self.settings.return_ticks as usize).min(mids.len() - 1);
        mids[mids.len() - 1] - mids[mids.len() - 1 - back]
    }

    /// Cash and shares of an account, each asset at its mid price now.
    #[must_use]
    pub fn wealth(&self, account: TraderId) -> f64 {
        let account = self.exchange.account(account);
        let shares = self.listed().zip(&account.shares).filter(|&(_, &shares)| shares != 0);
        account.cash as f64 + shares.map(|(asset, &shares)| shares as f64 * self.mid(asset)).sum::<f64>()
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

    /// An agent's shares of an asset in orders' worth.
    #[must_use]
    pub fn inventory(&self, account: TraderId, asset: AssetId) -> f64 {
        self.exchange.account(account).shares[asset.index()] as f64 / f64::from(self.settings.order_shares)
    }
}

impl Asset {
    /// Mean square of the mid's movement a tick over the last `VOLATILITY_TICKS` ticks (around zero); `None` at the
    /// first.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        let first = self.mids.len().saturating_sub(VOLATILITY_TICKS + 1);
        let moves = self.mids.len() - 1 - first;
        let squares: f64 =
            (first + 1..self.mids.len()).map(|place| (self.mids[place] - self.mids[place - 1]).powi(2)).sum();
        (moves > 0).then(|| squares / moves as f64)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
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

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.ticks += other.ticks;
        self.quoted += other.quoted;
        self.spread += other.spread;
        self.mispricing += other.mispricing;
        self.squares += other.squares;
    }
}
