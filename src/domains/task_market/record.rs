//! What the record shows: a row a tick, a row an agent, a row a market and window of rounds.

use std::sync::Arc;

use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Res, ResMut};
use bevy_ecs::world::World;

use super::state::{Bidder, Dispatcher, Hall, Step, Sums};
use crate::record::{Column, Settled, TableSpec, Value};
use crate::sim::{Now, Simulation, Tables};

/// Columns of `metrics.csv`, over all markets; 0 and empty at ticks at which nothing is awarded.
pub const METRICS: [Column; 9] = [
    Column::new("tasks", "tasks", "tasks that were called for, once a market"),
    Column::new("proposals", "proposals", "proposals for them"),
    Column::new("truthful", "proposals", "of these, proposals that ask the cost"),
    Column::new("markup_mean", "units", "what a proposal asks above its cost, on average; empty without any"),
    Column::new("awarded", "tasks", "tasks that were awarded"),
    Column::new("welfare_optimal", "units", "what the best allocation by true costs is worth"),
    Column::new("welfare", "units", "what the tasks awarded are worth less what they truly cost"),
    Column::new("costs", "units", "true costs of the tasks awarded"),
    Column::new("payments", "units", "what was paid for them"),
];

/// The domain's columns of `agents.csv`; a dispatcher has a market only.
pub const AGENTS: [Column; 10] = [
    Column::new("market", "", "its market"),
    Column::new("place", "", "its place among the market's bidders, from 0"),
    Column::new("proposals", "proposals", "proposals so far"),
    Column::new("truthful_share", "share", "share of them that ask the cost; empty without any"),
    Column::new("markup_mean", "units", "what they ask above the cost, on average; empty without any"),
    Column::new("shade", "share", "what they ask above costs, of the room up to the reserve; empty without any"),
    Column::new("awarded", "tasks", "tasks awarded so far"),
    Column::new("costs", "units", "what these cost it"),
    Column::new("payments", "units", "what it was paid"),
    Column::new("utility", "units", "payments less costs"),
];

/// The table of markets.
#[must_use]
pub fn markets() -> TableSpec {
    TableSpec {
        name: "markets",
        about: "a market's last `window` rounds",
        columns: vec![
            Column::new("tick", "ticks", "when the last of the rounds was awarded"),
            Column::new("market", "", "the market's name"),
            Column::new("allocation", "", "how it allocates and pays"),
            Column::new("rounds", "rounds", "rounds in the window"),
            Column::new("tasks", "tasks", "tasks that arrived"),
            Column::new("proposals", "proposals", "proposals for them"),
            Column::new("truthful_share", "share", "share of proposals that ask the cost; empty without any"),
            Column::new("markup_mean", "units", "what a proposal asks above its cost, on average; empty without any"),
            Column::new("shade", "share", "what proposals ask above costs, of the room up to the reserve"),
            Column::new("awarded", "tasks", "tasks that were awarded"),
            Column::new("welfare_optimal", "units", "what the best allocation by true costs is worth"),
            Column::new("welfare", "units", "what the tasks awarded are worth less what they truly cost"),
            Column::new("efficiency", "share", "welfare as a share of the best; empty where nothing is worth doing"),
            Column::new("costs", "units", "true costs of the tasks awarded"),
            Column::new("payments", "units", "what was paid for them"),
            Column::new("utility", "units", "what bidders gained: payments less costs"),
            Column::new("surplus", "units", "what the dispatcher gained: values of the tasks awarded less payments"),
        ],
    }
}

/// The tick's row, and each market's where a window is full or the run ends.
pub fn record_tick(now: Res<Now>, mut hall: ResMut<Hall>, mut tables: ResMut<Tables>) {
    let hall = &mut *hall;
    let window = u64::from(hall.settings.window);
    let mut all = Sums::default();
    let settled = Step::of(now.tick) == Step::Award;
    for market in &mut hall.markets {
        if settled {
            all.add(&market.round);
            market.window.add(&market.round);
            market.all.add(&market.round);
            if now.tick.0 >= hall.late_from {
                market.late.add(&market.round);
            }
        }
        if market.window.rounds == window || (now.last && market.window.rounds > 0) {
            let sums = std::mem::take(&mut market.window);
            tables.push(
                "markets",
                [
                    now.tick.0.into(),
                    Arc::clone(&market.name).into(),
                    market.allocation.name().into(),
                    sums.rounds.into(),
                    sums.tasks.into(),
                    sums.proposals.into(),
                    sums.truthful_share().into(),
                    sums.markup_mean().into(),
                    sums.shade().into(),
                    sums.awarded.into(),
                    Value::Int(sums.welfare_optimal),
                    Value::Int(sums.welfare),
                    sums.efficiency().into(),
                    Value::Int(sums.costs),
                    Value::Int(sums.payments),
                    Value::Int(sums.payments - sums.costs),
                    Value::Int(sums.values - sums.payments),
                ],
            );
        }
    }
    tables.metrics([
        all.tasks.into(),
        all.proposals.into(),
        all.truthful.into(),
        all.markup_mean().into(),
        all.awarded.into(),
        Value::Int(all.welfare_optimal),
        Value::Int(all.welfare),
        Value::Int(all.costs),
        Value::Int(all.payments),
    ]);
}

/// The domain's part of an agent's row.
#[must_use]
pub fn agent_row(world: &World, entity: Entity) -> Vec<Value> {
    let hall = world.resource::<Hall>();
    let name = |market: usize| Value::from(Arc::clone(&hall.markets[market].name));
    let Some(bidder) = world.get::<Bidder>(entity) else {
        let market = world.get::<Dispatcher>(entity).map_or(Value::Empty, |dispatcher| name(dispatcher.market));
        return std::iter::once(market).chain(vec![Value::Empty; AGENTS.len() - 1]).collect();
    };
    let sums = &bidder.sums;
    vec![
        name(bidder.market),
        (bidder.place as u64).into(),
        sums.proposals.into(),
        sums.truthful_share().into(),
        sums.markup_mean().into(),
        sums.shade().into(),
        sums.awarded.into(),
        Value::Int(sums.costs),
        Value::Int(sums.payments),
        Value::Int(sums.payments - sums.costs),
    ]
}

/// The lines of the summary: each market over the whole run, and how its bidders bid in the last tenth.
#[must_use]
pub fn summary(simulation: &Simulation) -> Vec<Settled> {
    let hall = simulation.world().resource::<Hall>();
    let reserve = f64::from(hall.settings.reserve);
    let lines = |market: &super::state::Market| {
        let name = |what: &str| format!("{}: {what}", market.name);
        let (all, late) = (&market.all, &market.late);
        let in_reserve = |amount: i64| amount as f64 / reserve;
        let turns = all.rounds * market.bidders.len() as u64;
        [
            Settled::count(&name("tasks"), all.tasks),
            Settled::share(&name("efficiency"), all.efficiency()),
            Settled::share(&name("efficiency, last tenth"), late.efficiency()),
            Settled::mean(&name("payment a task awarded, of the reserve"), in_reserve(all.payments), all.awarded),
            Settled::mean(&name("payment a task awarded, last tenth"), in_reserve(late.payments), late.awarded),
            Settled::mean(
                &name("utility a bidder and 100 rounds, of the reserve"),
                100.0 * in_reserve(all.payments - all.costs),
                turns,
            ),
            Settled::share(&name("truthful proposals"), all.truthful_share()),
            Settled::share(&name("truthful proposals, last tenth"), late.truthful_share()),
            Settled::share(&name("markup, of the room to the reserve"), all.shade()),
            Settled::share(&name("markup, last tenth"), late.shade()),
        ]
    };
    hall.markets.iter().flat_map(lines).collect()
}
