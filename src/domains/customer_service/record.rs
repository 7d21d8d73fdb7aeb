//! What the record shows: a row a tick, a row a member of staff, a row a customer.

use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Query, ResMut};
use bevy_ecs::world::World;

use super::state::{Customer, Desk, Ending, Staff};
use crate::base::{AgentId, Tick};
use crate::record::{Column, TableSpec, Value};
use crate::sim::{Population, Tables};

/// Columns of `metrics.csv`.
pub const METRICS: [Column; 12] = [
    Column::new("arrivals", "customers", "customers who arrived"),
    Column::new("waiting", "customers", "customers in the queue for a service agent, at the end of the tick"),
    Column::new("waiting_specialist", "customers", "customers in the queue for a specialist, at the end of the tick"),
    Column::new("in_service", "customers", "customers being served, at the end of the tick"),
    Column::new("resolved_right", "customers", "cases closed with everything done that was needed"),
    Column::new("resolved_wrong", "customers", "cases closed or spoilt without that"),
    Column::new("abandoned", "customers", "customers who gave up waiting"),
    Column::new("hung_up", "customers", "customers who hung up while being served"),
    Column::new("transfers", "customers", "customers handed to a specialist"),
    Column::new("mean_wait_minutes", "minutes", "mean wait of those first served this tick; empty when none was"),
    Column::new("reward", "reward", "reward of all staff"),
    Column::new("reader_accuracy", "share", "first guesses of the reader this tick that were right; empty when none"),
];

/// The domain's columns of `agents.csv`.
pub const AGENTS: [Column; 8] = [
    Column::new("cases", "cases", "cases taken; empty for customers, as are all that follow"),
    Column::new("resolved_right", "cases", "cases closed with everything done that was needed"),
    Column::new("resolved_wrong", "cases", "cases closed or spoilt without that"),
    Column::new("hung_up", "cases", "customers who hung up"),
    Column::new("transfers", "cases", "cases handed over"),
    Column::new("acts", "acts", "acts in all cases"),
    Column::new("occupancy", "share", "share of ticks with a customer"),
    Column::new("reward", "reward", "reward in all cases"),
];

/// `episodes.csv`.
#[must_use]
pub fn episodes() -> TableSpec {
    TableSpec {
        name: "episodes",
        about: "a customer whose case is over",
        columns: vec![
            Column::new("tick", "ticks", "when the case ended"),
            Column::new("customer", "", "the customer's number, in order of arrival"),
            Column::new("agent", "", "the customer's agent id"),
            Column::new("task", "", "id of the benchmark's task"),
            Column::new("arrived", "ticks", "when they arrived"),
            Column::new("wait_ticks", "ticks", "ticks until first served; empty when they never were"),
            Column::new("needs", "", "what they needed, joined by +"),
            Column::new("first_guess", "", "what the reader took the first sentence for"),
            Column::new("first_guess_right", "0 or 1", "whether they needed that"),
            Column::new("outcome", "", "right, wrong, abandoned or hung_up"),
            Column::new("staff", "", "agent id of who served them first"),
            Column::new("closed_by", "", "agent id of who served them last"),
            Column::new("transfers", "", "how often they were handed over"),
            Column::new("turns", "acts", "acts of the staff"),
            Column::new("asked_again", "acts", "how often they were asked to say more"),
        ],
    }
}

/// A case is over: counted, written down, and the customer leaves.
pub fn end_case(
    desk: &mut Desk,
    population: &mut Population,
    tables: &mut Tables,
    tick: Tick,
    (id, staff): (AgentId, AgentId),
    customer: &Customer,
    ending: Ending,
) {
    let outcome = match ending {
        Ending::Right => {
            desk.now.right += 1;
            "right"
        }
        Ending::HungUp => {
            desk.now.hung_up += 1;
            "hung_up"
        }
        Ending::Wrong | Ending::Transferred | Ending::TransferredRight => {
            desk.now.wrong += 1;
            "wrong"
        }
    };
    write_episode(desk, tables, tick, id, Some(staff), customer, outcome);
    population.despawn(id);
}

/// A customer gives up waiting.
pub fn abandon(
    desk: &mut Desk,
    population: &mut Population,
    tables: &mut Tables,
    tick: Tick,
    id: AgentId,
    customer: &Customer,
) {
    desk.now.abandoned += 1;
    write_episode(desk, tables, tick, id, None, customer, "abandoned");
    population.despawn(id);
}

fn write_episode(
    desk: &Desk,
    tables: &mut Tables,
    tick: Tick,
    id: AgentId,
    closed_by: Option<AgentId>,
    customer: &Customer,
    outcome: &str,
) {
    let task = &desk.tasks[customer.task];
    tables.push(
        "episodes",
        [
            tick.0.into(),
            customer.number.into(),
            id.0.into(),
            std::sync::Arc::clone(&task.id).into(),
            customer.arrived.0.into(),
            customer.wait.into(),
            task.needs.names().as_str().into(),
            customer.first_guess.map(super::intents::Intent::name).into(),
            customer.first_guess.map(|guess| task.needs.has(guess)).into(),
            outcome.into(),
            customer.first_staff.map(|staff| staff.0).into(),
            closed_by.map(|staff| staff.0).into(),
            customer.transfers.into(),
            customer.file.turns.into(),
            customer.file.asked_again.into(),
        ],
    );
}

/// The tick's row.
pub fn record_tick(
    now: bevy_ecs::system::Res<crate::sim::Now>,
    mut desk: ResMut<Desk>,
    mut tables: ResMut<Tables>,
    staff: Query<&Staff>,
) {
    let counts = std::mem::take(&mut desk.now);
    desk.tenth(now.tick).add(&counts);
    let in_service = staff.iter().filter(|member| member.customer.is_some()).count() as u64;
    let minutes = now.seconds_per_tick / 60.0;
    let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
    tables.metrics([
        Value::from(counts.arrivals),
        Value::from(desk.queue.len() as u64),
        Value::from(desk.specialist_queue.len() as u64),
        Value::from(in_service),
        Value::from(counts.right),
        Value::from(counts.wrong),
        Value::from(counts.abandoned),
        Value::from(counts.hung_up),
        Value::from(counts.transfers),
        Value::from(mean(counts.wait_ticks as f64 * minutes, counts.served)),
        Value::from(counts.reward),
        Value::from(mean(counts.first_guesses_right as f64, counts.first_guesses)),
    ]);
}

/// The domain's part of an agent's row.
#[must_use]
pub fn agent_row(world: &World, entity: Entity) -> Vec<Value> {
    let Some(member) = world.get::<Staff>(entity) else { return vec![Value::Empty; AGENTS.len()] };
    let ticks = world.resource::<crate::sim::Now>().tick.0 + 1;
    let totals = &member.totals;
    vec![
        totals.cases.into(),
        totals.right.into(),
        totals.wrong.into(),
        totals.hung_up.into(),
        totals.transfers.into(),
        totals.acts.into(),
        (totals.busy_ticks as f64 / ticks as f64).into(),
        totals.reward.into(),
    ]
}
