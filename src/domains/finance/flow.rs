//! The crowd: orders that come by chance alone, in continuous time inside a tick (zero intelligence).
//!
//! Cont, Stoikov and Talreja 2010: limit orders arrive i ticks from the opposite best price at rate k·i^−α, market
//! orders at rate μ a side, and each resting order is cancelled at rate θ; all orders are of one size. Sums of
//! exponential times are simulated exactly, event by event (Gillespie 1977); a tick's end cuts the last wait short,
//! which changes nothing, because such waits have no memory.

use rand::{Rng, RngExt};

use super::book::{OrderId, Side};
use super::exchange::{AssetId, CROWD, Exchange};

/// Rates of the crowd, per tick of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowRates {
    /// k: limit orders one tick from the opposite best price, on each side.
    pub limit: f64,
    /// α: how the rate falls with distance, as distance^−α.
    pub limit_decay: f64,
    /// The furthest distance.
    pub distance_max: u32,
    /// μ: market orders, on each side.
    pub market: f64,
    /// θ: cancellations, for each resting order of the crowd.
    pub cancel: f64,
    /// Shares of an order.
    pub shares: u32,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A limit order; none where its price would have been below one tick.
    Limit(Option<OrderId>),
    /// A market order.
    Market,
    /// A cancellation.
    Cancel(OrderId),
}

/// The crowd of one asset. Remembers the last best prices, for when a side of the book is empty.
#[derive(Clone, Debug)]
pub struct Flow {
    asset: AssetId,
    rates: FlowRates,
    /// Σ of the limit rates up to each distance, on one side.
    limit_sums: Vec<f64>,
    bid: u32,
    ask: u32,
}

impl Flow {
    /// A crowd that trades `asset`, and takes `bid` and `ask` for the best prices until the book shows others.
    #[must_use]
    pub fn new(asset: AssetId, rates: FlowRates, bid: u32, ask: u32) -> Self {
        let mut sum = 0.0;
        let limit_sums = (1..=rates.distance_max)
            .map(|distance| {
                sum += rate_at(rates, distance);
                sum
            })
            .collect();
        Self { asset, rates, limit_sums, bid, ask }
    }

    /// Fills an empty book about as full as it will be on average: at each distance the orders that arrive in the
    /// mean lifetime of one, and at least one.
    pub fn open_book(&self, exchange: &mut Exchange) {
        for distance in 1..=self.rates.distance_max {
            let lifetime = 1.0 / self.rates.cancel.max(0.1);
            let orders = (rate_at(self.rates, distance) * lifetime).round().clamp(1.0, 1000.0) as u32;
            for _ in 0..orders {
                for (side, price) in [
                    (Side::Buy, self.ask.checked_sub(distance).filter(|&price| price > 0)),
                    (Side::Sell, Some(self.bid + distance)),
                ] {
                    if let Some(price) = price {
                        let placed = exchange.limit(CROWD, self.asset, side, price, self.rates.shares);
                        placed.expect("a listed asset, a price above zero");
                    }
                }
            }
        }
    }

    /// The next event after `wait` units of time, if it comes before `wait` has reached `until`.
    pub fn next_event(
        &mut self,
        exchange: &mut Exchange,
        wait: &mut f64,
        until: f64,
        draw: &mut impl Rng,
    ) -> Option<Event> {
        self.look(exchange);
        let limits = self.limit_sums.last().copied().unwrap_or(0.0);
        let cancels = self.rates.cancel * exchange.crowd(self.asset).len() as f64;
        let total = 2.0 * (limits + self.rates.market) + cancels;
        if total <= 0.0 {
            *wait = until;
            return None;
        }
        *wait += -(1.0 - draw.random::<f64>()).ln() / total;
        if *wait >= until {
            return None;
        }
        let mut place = draw.random::<f64>() * total;
        if place < cancels {
            let crowd = exchange.crowd(self.asset);
            let id = crowd[((place / self.rates.cancel) as usize).min(crowd.len() - 1)];
            exchange.cancel(self.asset, id).expect("the crowd knows its resting orders");
            return Some(Event::Cancel(id));
        }
        place -= cancels;
        let half = limits + self.rates.market;
        let side = if place < half { Side::Buy } else { Side::Sell };
        if side == Side::Sell {
            place -= half;
        }
        if place >= limits {
            exchange.market(CROWD, self.asset, side, self.rates.shares).expect("orders have shares");
            return Some(Event::Market);
        }
        let distance = self.limit_sums.partition_point(|&sum| sum <= place) as u32 + 1;
        let distance = distance.min(self.rates.distance_max);
        let price = match side {
            Side::Buy => self.ask.checked_sub(distance),
            Side::Sell => self.bid.checked_add(distance),
        };
        // A price below one tick is no price: that order is not placed.
        let placed = price.and_then(|price| exchange.limit(CROWD, self.asset, side, price, self.rates.shares).ok());
        Some(Event::Limit(placed.flatten()))
    }

    /// Lets `duration` units of time pass; gives the number of events.
    pub fn run(&mut self, exchange: &mut Exchange, duration: f64, draw: &mut impl Rng) -> u64 {
        let mut wait = 0.0;
        let mut events = 0;
        while self.next_event(exchange, &mut wait, duration, draw).is_some() {
            events += 1;
        }
        events
    }

    /// Takes note of the best prices. Where a side is empty its last best price counts, but never one that the other
    /// side has passed meanwhile.
    fn look(&mut self, exchange: &Exchange) {
        let book = exchange.book(self.asset);
        let (bid, ask) = (book.best(Side::Buy), book.best(Side::Sell));
        self.bid = bid.unwrap_or_else(|| self.bid.min(ask.map_or(u32::MAX, |ask| ask.saturating_sub(1))));
        self.ask = ask.unwrap_or_else(|| self.ask.max(self.bid + 1));
    }
}

fn rate_at(rates: FlowRates, distance: u32) -> f64 {
    rates.limit * f64::from(distance).powf(-rates.limit_decay)
}
