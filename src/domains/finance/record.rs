//! What the record shows: a row a tick, a row a tick and asset, a row an agent, a row a headline that was read.

use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Query, Res, ResMut};
use bevy_ecs::world::World;

use super::book::Side;
use super::exchange::AssetId;
use super::market::{Counts, Market};
use super::spaces::Kind;
use super::state::{Analyst, Trader};
use crate::record::{Column, TableSpec, Value};
use crate::sim::{Failure, Now, SimError, Tables};

/// Columns of `metrics.csv`: all assets together.
pub const METRICS: [Column; 15] = [
    Column::new(
        "spread",
        "ticks of price",
        "mean spread of the assets with a bid and an ask; empty where none has both",
    ),
    Column::new("mispricing", "ticks of price", "mean distance of an asset's price from its value"),
    Column::new(
        "volatility",
        "ticks of price",
        "root mean square of the assets' volatilities; empty at the first tick",
    ),
    Column::new("resting", "orders", "orders in the books"),
    Column::new("volume", "shares", "shares traded this tick"),
    Column::new("orders", "orders", "orders that agents placed"),
    Column::new("crowd_events", "events", "limit orders, market orders and cancellations of the crowds"),
    Column::new("headlines", "headlines", "headlines that came out"),
    Column::new("read", "headlines", "headlines that analysts read"),
    Column::new("reader_accuracy", "share", "of these, read as what their words say; empty when none"),
    Column::new("reports", "reports", "reports of a rise or fall"),
    Column::new("report_truth", "share", "of these, reports of what the value did that day; empty when none"),
    Column::new("profit_traders", "ticks of price", "mean profit so far of agents with role trader; empty without any"),
    Column::new("reward_traders", "reward", "reward of agents with role trader"),
    Column::new("reward", "reward", "reward of all agents who trade"),
];

/// `assets.csv`.
#[must_use]
pub fn assets() -> TableSpec {
    TableSpec {
        name: "assets",
        about: "a tick of one asset",
        columns: vec![
            Column::new("tick", "ticks", "the tick, counted from 0"),
            Column::new("asset", "", "the asset's name"),
            Column::new(
                "price",
                "ticks of price",
                "middle between best bid and ask; the last there was where a side is empty",
            ),
            Column::new("fundamental", "ticks of price", "what a share is worth"),
            Column::new("spread", "ticks of price", "best ask less best bid; empty where a side is empty"),
            Column::new("depth_bid", "shares", "shares at the best bid"),
            Column::new("depth_ask", "shares", "shares at the best ask"),
            Column::new(
                "imbalance",
                "−1 to 1",
                "(depth_bid − depth_ask) / (depth_bid + depth_ask); 0 for an empty book",
            ),
            Column::new("resting", "orders", "orders in the book"),
            Column::new("volume", "shares", "shares traded this tick"),
            Column::new(
                "volatility",
                "ticks of price",
                "root mean square of the price's movement in a tick, over the last 60; empty at the first tick",
            ),
            Column::new("orders", "orders", "orders that agents placed"),
            Column::new("crowd_events", "events", "limit orders, market orders and cancellations of the crowd"),
            Column::new("headlines", "headlines", "headlines about it that came out"),
            Column::new("read", "headlines", "headlines about it that analysts read"),
            Column::new("reports", "reports", "reports of a rise or fall of it"),
        ],
    }
}

/// The domain's columns of `agents.csv`.
pub const AGENTS: [Column; 12] = [
    Column::new("asset", "", "name of the asset that it trades; empty for analysts"),
    Column::new("profit", "ticks of price", "cash, and shares at the middle price; empty for analysts"),
    Column::new("cash", "ticks of price", "money earned less money paid; empty for analysts"),
    Column::new("inventory", "shares", "shares owned; below zero owed; empty for analysts"),
    Column::new("orders", "orders", "orders placed; empty for analysts"),
    Column::new("volume", "shares", "shares bought and sold; empty for analysts"),
    Column::new("reports_received", "reports", "analysts' reports received; empty for analysts"),
    Column::new("headlines_read", "headlines", "headlines read; empty for those who trade"),
    Column::new("headlines_right", "headlines", "of these, read as what their words say; empty for those who trade"),
    Column::new("reports_sent", "reports", "reports of a rise or fall; empty for those who trade"),
    Column::new("reports_true", "reports", "of these, reports of what the value did; empty for those who trade"),
    Column::new("reward", "reward", "reward over the run"),
];

/// `readings.csv`.
#[must_use]
pub fn readings() -> TableSpec {
    TableSpec {
        name: "readings",
        about: "a headline, as an analyst read it",
        columns: vec![
            Column::new("tick", "ticks", "when it was read"),
            Column::new("date", "ticks", "when it came out"),
            Column::new("analyst", "", "agent id of who read it"),
            Column::new("asset", "", "name of the asset that it is about"),
            Column::new("headline", "", "its words"),
            Column::new("origin", "", "fresh, stale, false, neutral, or file"),
            Column::new("tone", "", "what its words say: negative, neutral or positive"),
            Column::new("shock", "ticks of price", "by how much the value jumped at its date"),
            Column::new("reading", "", "what the analyst's language model took it for"),
            Column::new("negative", "share", "probability that the model gave to negative"),
            Column::new("neutral", "share", "probability that the model gave to neutral"),
            Column::new("positive", "share", "probability that the model gave to positive"),
            Column::new("right", "0 or 1", "whether reading and tone agree"),
            Column::new("report", "", "what the analyst mailed to the asset's traders: a tone, or withheld"),
        ],
    }
}

/// The tick's rows: one of each asset, and one of all together.
pub fn record_tick(
    now: Res<Now>,
    failure: Res<Failure>,
    mut market: ResMut<Market>,
    mut tables: ResMut<Tables>,
    traders: Query<&Trader>,
) {
    let market = &mut *market;
    if let Some(problem) = unsound(market) {
        failure.set(SimError::World { tick: now.tick, problem });
    }
    let mut together = Together::default();
    for id in market.listed() {
        let mut counts = std::mem::take(market.counts(id));
        counts.volume = market.exchange.volume(id) - market.asset(id).all.volume;
        market.assets[id.index()].all += counts;
        together.add(market, id, counts);
        tables.push("assets", asset_row(&now, market, id, &counts));
    }
    let (mut profit, mut count) = (0.0, 0_u64);
    for trader in traders.iter().filter(|trader| trader.kind == Kind::Trader) {
        profit += trader.wealth;
        count += 1;
    }
    let Together { counts, spread, quoted, mispricing, variance, resting } = together;
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let assets = market.assets.len() as f64;
    tables.metrics([
        Value::from((quoted > 0).then(|| spread / quoted as f64)),
        Value::from(mispricing / assets),
        Value::from(variance.map(|variance| (variance / assets).sqrt())),
        Value::from(resting),
        Value::from(counts.volume),
        Value::from(counts.orders),
        Value::from(counts.crowd_events),
        Value::from(counts.headlines),
        Value::from(counts.read),
        Value::from(share(counts.read_right, counts.read)),
        Value::from(counts.reports),
        Value::from(share(counts.reports_true, counts.reports)),
        Value::from((count > 0).then(|| profit / count as f64)),
        Value::from(counts.reward_traders),
        Value::from(counts.reward),
    ]);
}

/// Sums over the assets of a tick.
#[derive(Default)]
struct Together {
    counts: Counts,
    spread: f64,
    quoted: u64,
    mispricing: f64,
    variance: Option<f64>,
    resting: u64,
}

impl Together {
    fn add(&mut self, market: &Market, id: AssetId, counts: Counts) {
        self.counts += counts;
        if let Some(spread) = market.spread(id) {
            self.spread += f64::from(spread);
            self.quoted += 1;
        }
        self.mispricing += market.mispricing(id);
        // All assets have been there for as many ticks: they all have a variance, or none has.
        if let Some(variance) = market.asset(id).variance() {
            *self.variance.get_or_insert_default() += variance;
        }
        self.resting += market.exchange.book(id).len() as u64;
    }
}

fn asset_row(now: &Now, market: &Market, id: AssetId, counts: &Counts) -> [Value; 16] {
    let (asset, book) = (market.asset(id), market.exchange.book(id));
    [
        Value::from(now.tick.0),
        Value::from(market.exchange.name(id)),
        Value::from(market.mid(id)),
        Value::from(asset.fundamental.value()),
        Value::from(market.spread(id).map(u64::from)),
        Value::from(book.depth(Side::Buy)),
        Value::from(book.depth(Side::Sell)),
        Value::from(market.imbalance(id)),
        Value::from(book.len() as u64),
        Value::from(counts.volume),
        Value::from(asset.variance().map(f64::sqrt)),
        Value::from(counts.orders),
        Value::from(counts.crowd_events),
        Value::from(counts.headlines),
        Value::from(counts.read),
        Value::from(counts.reports),
    ]
}

/// What must never be: money or shares made or lost, a bid at or above an ask. Ends the run.
fn unsound(market: &Market) -> Option<String> {
    let (cash, shares) = market.exchange.totals();
    if cash != 0 {
        return Some(format!("all accounts together hold {cash} ticks of money, not nothing"));
    }
    for id in market.listed() {
        let name = market.exchange.name(id);
        if shares[id.index()] != 0 {
            return Some(format!("all accounts together hold {} shares of {name}, not nothing", shares[id.index()]));
        }
        if let (Some(bid), Some(ask)) = market.quotes(id)
            && bid >= ask
        {
            return Some(format!("the book of {name} is crossed: bid {bid}, ask {ask}"));
        }
    }
    None
}

/// The domain's part of an agent's row.
#[must_use]
pub fn agent_row(world: &World, entity: Entity) -> Vec<Value> {
    let mut row = vec![Value::Empty; AGENTS.len()];
    if let Some(trader) = world.get::<Trader>(entity) {
        let exchange = &world.resource::<Market>().exchange;
        let account = exchange.account(trader.account);
        row[0] = exchange.name(trader.asset).into();
        row[1] = trader.wealth.into();
        row[2] = Value::Int(account.cash);
        row[3] = Value::Int(account.shares[trader.asset.index()]);
        row[4] = account.orders.into();
        row[5] = account.volume.into();
        row[6] = trader.reports.into();
        row[11] = trader.reward.into();
    } else if let Some(analyst) = world.get::<Analyst>(entity) {
        row[7] = analyst.read.into();
        row[8] = analyst.right.into();
        row[9] = analyst.reports.into();
        row[10] = analyst.reports_true.into();
        row[11] = analyst.reward.into();
    }
    row
}
