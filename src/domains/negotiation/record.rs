//! What the record shows: a row a tick, a row an agent, a row a session.

use bevy_ecs::entity::Entity;
use bevy_ecs::system::ResMut;
use bevy_ecs::world::World;

use super::state::{Negotiations, Outcome, Party, Session};
use crate::base::Tick;
use crate::record::{Column, TableSpec, Value};
use crate::sim::Tables;

/// Columns of `metrics.csv`.
pub const METRICS: [Column; 8] = [
    Column::new("sessions", "sessions", "sessions whose outcome was heard"),
    Column::new("zones", "sessions", "those of them in which some price would have suited both"),
    Column::new("deals", "sessions", "those with a deal"),
    Column::new("losses", "sessions", "deals in which one side went beyond its limit"),
    Column::new("offers", "offers", "offers in all of them"),
    Column::new("price_mean", "cents", "mean price of the deals; empty without any"),
    Column::new("buyer_payoff", "cents", "discounted gains of all buyers"),
    Column::new("seller_payoff", "cents", "discounted gains of all sellers"),
];

/// The domain's columns of `agents.csv`.
pub const AGENTS: [Column; 8] = [
    Column::new("sessions", "sessions", "sessions that ended"),
    Column::new("deals", "sessions", "those with a deal"),
    Column::new("losses", "sessions", "deals beyond its own limit"),
    Column::new("offers", "offers", "its own offers"),
    Column::new("rejected", "messages", "its messages that the protocol did not allow"),
    Column::new("payoff", "cents", "its discounted gains"),
    Column::new("payoff_mean", "cents", "the same a session; empty before the first"),
    Column::new("surplus_share", "share", "its gains over what there was to gain together in its sessions"),
];

/// `negotiations.csv`.
#[must_use]
pub fn negotiations() -> TableSpec {
    TableSpec {
        name: "negotiations",
        about: "a session, when its outcome is heard",
        columns: vec![
            Column::new("tick", "ticks", "when the outcome was heard"),
            Column::new("session", "", "its number among each agent's own, from 0"),
            Column::new("conversation", "", "number of its conversation; empty where none was opened"),
            Column::new("buyer", "", "agent id of the buyer"),
            Column::new("seller", "", "agent id of the seller"),
            Column::new("opener", "", "who made the first offer, buyer or seller"),
            Column::new("value", "cents", "what the item is worth to the buyer"),
            Column::new("cost", "cents", "what it costs the seller"),
            Column::new("zone", "cents", "value less cost: what there is to gain together"),
            Column::new("outcome", "", "done, refused, no-answer or not-opened"),
            Column::new("offers", "offers", "offers of both sides"),
            Column::new("price", "cents", "the price agreed on; empty without a deal"),
            Column::new("discount", "share", "what is left of a gain after so many offers; empty without a deal"),
            Column::new("buyer_payoff", "cents", "value less price, discounted; 0 without a deal"),
            Column::new("seller_payoff", "cents", "price less cost, discounted; 0 without a deal"),
            Column::new("efficiency", "share", "both payoffs over the zone; empty where no price suits both"),
        ],
    }
}

/// A session's row.
pub fn write_session(tables: &mut Tables, tick: Tick, session: &Session, outcome: &Outcome, discount: f64) {
    let [buyer_payoff, seller_payoff] = outcome.payoffs;
    let zone = session.zone();
    let opener = if session.seller_opens { "seller" } else { "buyer" };
    let left = outcome.price.map(|_| (1..outcome.offers).fold(1.0, |left, _| left * discount));
    tables.push(
        "negotiations",
        [
            tick.0.into(),
            session.number.into(),
            session.conversation.map(|conversation| conversation.0).into(),
            session.buyer.0.into(),
            session.seller.0.into(),
            opener.into(),
            Value::Int(session.value),
            Value::Int(session.cost),
            Value::Int(zone),
            outcome.ending.into(),
            outcome.offers.into(),
            outcome.price.map_or(Value::Empty, Value::Int),
            left.into(),
            buyer_payoff.into(),
            seller_payoff.into(),
            (zone > 0).then(|| (buyer_payoff + seller_payoff) / zone as f64).into(),
        ],
    );
}

/// The tick's row.
pub fn record_tick(mut negotiations: ResMut<Negotiations>, mut tables: ResMut<Tables>) {
    let counts = std::mem::take(&mut negotiations.now);
    negotiations.so_far.add(&counts);
    tables.metrics([
        Value::from(counts.sessions),
        Value::from(counts.zones),
        Value::from(counts.deals),
        Value::from(counts.losses),
        Value::from(counts.offers),
        Value::from((counts.deals > 0).then(|| counts.prices as f64 / counts.deals as f64)),
        Value::from(counts.payoffs[0]),
        Value::from(counts.payoffs[1]),
    ]);
}

/// The domain's part of an agent's row.
#[must_use]
pub fn agent_row(world: &World, entity: Entity) -> Vec<Value> {
    let Some(party) = world.get::<Party>(entity) else { return vec![Value::Empty; AGENTS.len()] };
    let totals = &party.totals;
    let per = |whole: f64| (whole > 0.0).then(|| totals.payoff / whole);
    vec![
        totals.sessions.into(),
        totals.deals.into(),
        totals.losses.into(),
        totals.offers.into(),
        totals.rejected.into(),
        totals.payoff.into(),
        per(totals.sessions as f64).into(),
        per(totals.available as f64).into(),
    ]
}
