//! What the record shows: a row a tick, a row an agent, a row a headline that was read.

use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Query, Res, ResMut};
use bevy_ecs::world::World;

use super::book::Side;
use super::spaces::Kind;
use super::state::{Analyst, Market, Trader};
use crate::record::{Column, TableSpec, Value};
use crate::sim::{Failure, Now, SimError, Tables};

/// Columns of `metrics.csv`.
pub const METRICS: [Column; 18] = [
    Column::new("price", "ticks of price", "middle between best bid and ask; the last there was where a side is empty"),
    Column::new("fundamental", "ticks of price", "what the share is worth"),
    Column::new("spread", "ticks of price", "best ask less best bid; empty where a side is empty"),
    Column::new("depth_bid", "shares", "shares at the best bid"),
    Column::new("depth_ask", "shares", "shares at the best ask"),
    Column::new("imbalance", "−1 to 1", "(depth_bid − depth_ask) / (depth_bid + depth_ask); 0 for an empty book"),
    Column::new("resting", "orders", "orders in the book"),
    Column::new("volume", "shares", "shares traded this tick"),
    Column::new("volatility", "ticks of price", "root mean square of the price's movement in a tick, over the last 60"),
    Column::new("orders", "orders", "orders that agents placed"),
    Column::new("crowd_events", "events", "limit orders, market orders and cancellations of the crowd"),
    Column::new("headlines", "headlines", "headlines that came out"),
    Column::new("read", "headlines", "headlines that analysts read"),
    Column::new("reader_accuracy", "share", "of these, read as what their words say; empty when none"),
    Column::new("reports", "reports", "reports of a rise or fall"),
    Column::new("report_truth", "share", "of these, reports of what the value did that day; empty when none"),
    Column::new("profit_traders", "ticks of price", "mean profit so far of agents with role trader; empty without any"),
    Column::new("reward", "reward", "reward of all agents who trade"),
];

/// The domain's columns of `agents.csv`.
pub const AGENTS: [Column; 11] = [
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
            Column::new("headline", "", "its words"),
            Column::new("origin", "", "fresh, stale, false, neutral, or file"),
            Column::new("tone", "", "what its words say: negative, neutral or positive"),
            Column::new("shock", "ticks of price", "by how much the value jumped at its date"),
            Column::new("reading", "", "what the analyst's language model took it for"),
            Column::new("negative", "share", "probability that the model gave to negative"),
            Column::new("neutral", "share", "probability that the model gave to neutral"),
            Column::new("positive", "share", "probability that the model gave to positive"),
            Column::new("right", "0 or 1", "whether reading and tone agree"),
            Column::new("report", "", "what the analyst mailed to the traders: a tone, or withheld"),
        ],
    }
}

/// The tick's row.
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
    let mut counts = std::mem::take(&mut market.now);
    counts.volume = market.exchange.volume() - market.all.volume;
    market.all.add(&counts);
    let (mut profit, mut count) = (0.0, 0_u64);
    for trader in traders.iter().filter(|trader| trader.kind == Kind::Trader) {
        profit += trader.wealth;
        count += 1;
    }
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let book = market.exchange.book();
    let spread = match market.quotes() {
        (Some(bid), Some(ask)) => Some(u64::from(ask - bid)),
        _ => None,
    };
    tables.metrics([
        Value::from(market.mid()),
        Value::from(market.fundamental.value()),
        Value::from(spread),
        Value::from(book.depth(Side::Buy)),
        Value::from(book.depth(Side::Sell)),
        Value::from(market.imbalance()),
        Value::from(book.len() as u64),
        Value::from(counts.volume),
        Value::from(market.volatility()),
        Value::from(counts.orders),
        Value::from(counts.crowd_events),
        Value::from(counts.headlines),
        Value::from(counts.read),
        Value::from(share(counts.read_right, counts.read)),
        Value::from(counts.reports),
        Value::from(share(counts.reports_true, counts.reports)),
        Value::from((count > 0).then(|| profit / count as f64)),
        Value::from(counts.reward),
    ]);
}

/// What must never be: money or shares made or lost, a bid at or above an ask. Ends the run.
fn unsound(market: &Market) -> Option<String> {
    let totals = market.exchange.totals();
    if totals != (0, 0) {
        return Some(format!("all accounts together hold {} ticks and {} shares, not nothing", totals.0, totals.1));
    }
    match market.quotes() {
        (Some(bid), Some(ask)) if bid >= ask => Some(format!("the book is crossed: bid {bid}, ask {ask}")),
        _ => None,
    }
}

/// The domain's part of an agent's row.
#[must_use]
pub fn agent_row(world: &World, entity: Entity) -> Vec<Value> {
    let mut row = vec![Value::Empty; AGENTS.len()];
    if let Some(trader) = world.get::<Trader>(entity) {
        let account = world.resource::<Market>().exchange.account(trader.account);
        row[0] = trader.wealth.into();
        row[1] = Value::Int(account.cash);
        row[2] = Value::Int(account.shares);
        row[3] = account.orders.into();
        row[4] = account.volume.into();
        row[5] = trader.reports.into();
        row[10] = trader.reward.into();
    } else if let Some(analyst) = world.get::<Analyst>(entity) {
        row[6] = analyst.read.into();
        row[7] = analyst.right.into();
        row[8] = analyst.reports.into();
        row[9] = analyst.reports_true.into();
        row[10] = analyst.reward.into();
    }
    row
}
