//! The world moves on: people give up, hang up, are served, arrive.

use bevy_ecs::system::{Query, Res, ResMut};
use rand::RngExt;
use rand::seq::SliceRandom;

use super::record::end_case;
use super::spaces::Asked;
use super::state::{CaseFile, Customer, Desk, Ending, Staff};
use crate::base::{AgentId, Chance, Purpose, Tick, TraitSpec};
use crate::sim::{Agent, Directory, Now, Population, Tables};

const ARRIVALS: Purpose = Purpose::named("customer_service.arrivals");
const PATIENCE: Purpose = Purpose::named("customer_service.patience");
const TASKS: Purpose = Purpose::named("customer_service.tasks");

const PATIENCE_TRAIT: &str = "patience_minutes";
const TURNS_TRAIT: &str = "turns_max";
const MISUNDERSTANDING_TRAIT: &str = "misunderstanding";

/// What personas may say of customers, each in place of the setting with the same name.
pub static TRAITS: &[TraitSpec] = &[
    TraitSpec {
        name: PATIENCE_TRAIT,
        about: "mean of the exponential time that the customer waits in a queue, in minutes",
        low: 0.01,
        high: 10_000.0,
    },
    TraitSpec {
        name: TURNS_TRAIT,
        about: "messages of one member of staff after which the customer hangs up; cut to a whole number",
        low: 1.0,
        high: 10_000.0,
    },
    TraitSpec {
        name: MISUNDERSTANDING_TRAIT,
        about: "chance that the customer misunderstands a question for confirmation",
        low: 0.0,
        high: 0.999,
    },
];

/// Customers who waited too long leave; those who were asked too much hang up.
pub fn lose_patience(
    now: Res<Now>,
    directory: Res<Directory>,
    mut desk: ResMut<Desk>,
    mut population: ResMut<Population>,
    mut tables: ResMut<Tables>,
    mut staff: Query<(&Agent, &mut Staff)>,
    customers: Query<&Customer>,
) {
    let desk = &mut *desk;
    let mut gone: Vec<AgentId> = Vec::new();
    for queue in [&mut desk.queue, &mut desk.specialist_queue] {
        queue.retain(|&id| {
            let Some(customer) = directory.entity(id).and_then(|entity| customers.get(entity).ok()) else {
                return true;
            };
            let stays = now.tick.0 < customer.queued.0 + customer.patience;
            if !stays {
                gone.push(id);
            }
            stays
        });
    }
    for id in gone {
        if let Some(customer) = directory.entity(id).and_then(|entity| customers.get(entity).ok()) {
            super::record::abandon(desk, &mut population, &mut tables, now.tick, id, customer);
        }
    }
    for &(_, entity) in directory.alive() {
        let Ok((agent, mut member)) = staff.get_mut(entity) else { continue };
        let (Some(id), None) = (member.customer, member.ended) else { continue };
        let Some(customer) = directory.entity(id).and_then(|entity| customers.get(entity).ok()) else { continue };
        if member.acted && customer.file.messages >= customer.turns_max {
            member.ended = Some(Ending::HungUp);
            end_case(desk, &mut population, &mut tables, now.tick, (id, agent.id), customer, Ending::HungUp);
        }
    }
}

/// Who has been free longest takes who has waited longest.
pub fn route_waiting_customers(
    now: Res<Now>,
    directory: Res<Directory>,
    mut desk: ResMut<Desk>,
    mut staff: Query<(&Agent, &mut Staff)>,
    mut customers: Query<&mut Customer>,
) {
    let desk = &mut *desk;
    for specialist in [false, true] {
        let queue = if specialist { &mut desk.specialist_queue } else { &mut desk.queue };
        if queue.is_empty() {
            continue;
        }
        let mut free: Vec<(u64, AgentId)> = staff
            .iter()
            .filter(|(_, member)| member.specialist == specialist && member.customer.is_none())
            .map(|(agent, member)| (member.free_since, agent.id))
            .collect();
        free.sort_unstable();
        for (_, staff_id) in free {
            let Some(&id) = queue.front() else { break };
            // Who arrived this very tick is not born yet.
            let Some(mut customer) = directory.entity(id).and_then(|entity| customers.get_mut(entity).ok()) else {
                break;
            };
            queue.pop_front();
            if customer.wait.is_none() {
                let wait = now.tick.0 - customer.arrived.0;
                customer.wait = Some(wait);
                desk.now.served += 1;
                desk.now.wait_ticks += wait;
                customer.first_staff = Some(staff_id);
            }
            customer.staff = Some(staff_id);
            customer.file.messages = 0;
            let entity = directory.entity(staff_id).expect("the free are alive");
            let (_, mut member) = staff.get_mut(entity).expect("the free are staff");
            member.customer = Some(id);
            member.totals.cases += 1;
            if specialist {
                // The case file came along: the specialist begins.
                member.to_act = true;
                customer.asked = None;
            } else {
                customer.asked = Some(Asked::Opening);
            }
        }
    }
}

/// A Poisson number of customers arrives.
pub fn let_customers_arrive(now: Res<Now>, mut desk: ResMut<Desk>, mut population: ResMut<Population>) {
    let mut draw = now.chance.world(ARRIVALS, now.tick);
    let count = poisson(desk.arrival_rate, &mut draw);
    for _ in 0..count {
        arrive(&mut desk, &mut population, now.chance, now.tick);
    }
    desk.now.arrivals += count;
}

/// One more customer, at the end of the queue. Who they are depends on their number only, so that two runs that
/// differ in their staff have the same customers.
pub fn arrive(desk: &mut Desk, population: &mut Population, chance: Chance, tick: Tick) {
    let number = desk.customers;
    desk.customers += 1;
    let mut draw = chance.keyed(PATIENCE, u64::from(number), 0);
    let own = |name: &str| population.upcoming(desk.customer_group)?.traits.get(name).copied();
    let mean_patience = own(PATIENCE_TRAIT).map_or(desk.patience_ticks, |minutes| minutes * desk.ticks_per_minute);
    let turns_max = own(TURNS_TRAIT).map_or(desk.settings.turns_max, |turns| turns as u32);
    let misunderstanding = own(MISUNDERSTANDING_TRAIT).unwrap_or(desk.settings.misunderstanding);
    // At least one tick: nobody arrives and gives up at once.
    let patience = (-(1.0 - draw.random::<f64>()).ln() * mean_patience).ceil().max(1.0) as u64;
    let task = task_of_customer(chance, number, desk.tasks.len());
    let customer = Customer {
        number,
        task,
        arrived: tick,
        queued: tick,
        wait: None,
        patience,
        turns_max,
        misunderstanding,
        staff: None,
        asked: None,
        asked_about: None,
        next_sentence: 0,
        needs: desk.tasks[task].needs,
        file: CaseFile::default(),
        first_guess: None,
        transfers: 0,
        first_staff: None,
    };
    let id = population.spawn(
        desk.customer_group,
        Some(Box::new(move |entity| {
            entity.insert(customer);
        })),
    );
    desk.queue.push_back(id);
}

/// Customers work through all tasks in a shuffled order, then through all of them again in another.
fn task_of_customer(chance: Chance, number: u32, tasks: usize) -> usize {
    let (round, place) = (number as usize / tasks, number as usize % tasks);
    let mut order: Vec<usize> = (0..tasks).collect();
    order.shuffle(&mut chance.keyed(TASKS, round as u64, 0));
    order[place]
}

/// A Poisson draw by counting exponential gaps (Knuth 1969), in pieces small enough for `exp` not to underflow.
fn poisson(mean: f64, draw: &mut impl RngExt) -> u64 {
    let mut left = mean;
    let mut count = 0;
    while left > 0.0 {
        let piece = left.min(30.0);
        left -= piece;
        let limit = (-piece).exp();
        let mut product = draw.random::<f64>();
        while product > limit {
            count += 1;
            product *= draw.random::<f64>();
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_has_its_mean_and_variance() {
        // Mean and variance are both λ; the standard error of the mean over n draws is sqrt(λ/n).
        for mean in [0.3, 4.0, 75.0] {
            let draws: Vec<f64> =
                (0..20_000).map(|tick| poisson(mean, &mut Chance::new(1).world(ARRIVALS, Tick(tick))) as f64).collect();
            let average = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|draw| (draw - average).powi(2)).sum::<f64>() / 19_999.0;
            assert!((average - mean).abs() < 4.0 * (mean / 20_000.0).sqrt(), "{average} for {mean}");
            assert!((variance / mean - 1.0).abs() < 0.06, "{variance} for {mean}");
        }
    }

    #[test]
    fn every_round_of_customers_has_every_task_once() {
        for round in 0..3_u32 {
            let mut seen: Vec<usize> =
                (0..7).map(|place| task_of_customer(Chance::new(5), round * 7 + place, 7)).collect();
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
        }
    }
}
