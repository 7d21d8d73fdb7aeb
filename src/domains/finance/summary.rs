//! What a run came to, in words a manager understands.

use super::exchange::CROWD;
use super::market::Market;
use super::spaces::Kind;
use super::state::Trader;
use crate::record::Settled;
use crate::sim::{Directory, Simulation};

/// The lines of the summary.
pub fn of(simulation: &Simulation) -> Vec<Settled> {
    let world = simulation.world();
    let market = world.resource::<Market>();
    let traders: Vec<&Trader> =
        world.resource::<Directory>().alive().iter().filter_map(|&(_, entity)| world.get::<Trader>(entity)).collect();
    let profit = |kind: Kind| {
        let of_kind = traders.iter().filter(|trader| trader.kind == kind);
        (of_kind.clone().map(|trader| trader.wealth).sum::<f64>(), of_kind.count() as u64)
    };
    let (all, sums) = (market.all(), market.sums());
    // The sums count each asset's ticks.
    let ticks = sums.ticks / market.assets.len() as u64;
    let (traders_profit, traders_count) = profit(Kind::Trader);
    let (momentum_profit, momentum_count) = profit(Kind::Momentum);
    let (value_profit, value_count) = profit(Kind::Value);
    vec![
        Settled::count("shares traded", all.volume),
        Settled::mean("mean spread (ticks of price)", sums.spread, sums.quoted),
        Settled::mean("volatility a tick (ticks of price)", (sums.squares * sums.ticks as f64).sqrt(), sums.ticks),
        Settled::mean("mean distance of price from value (ticks of price)", sums.mispricing, sums.ticks),
        Settled::count("headlines", all.headlines),
        Settled::part("headlines read as what they say", all.read_right, all.read),
        Settled::part("reports that came true", all.reports_true, all.reports),
        Settled::mean("profit a trader (ticks of price)", traders_profit, traders_count),
        Settled::mean("profit a trader, second half", traders_profit - market.profit_at_half, traders_count),
        Settled::mean("reward a trader and 100 ticks", 100.0 * all.reward_traders, traders_count * ticks),
        Settled::mean("profit a value trader", value_profit, value_count),
        Settled::mean("profit a momentum trader", momentum_profit, momentum_count),
        Settled::mean("profit of the crowd", market.wealth(CROWD), 1),
    ]
}
