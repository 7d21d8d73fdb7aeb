//! Tasks for agents with costs, one task an agent at most: reverse VCG, pay as bid, and the contract net.

use pathfinding::kuhn_munkres::kuhn_munkres_min;
use pathfinding::matrix::Matrix;

use super::{MechanismError, Money, Outcome, check_amounts};

/// Most steps, counted as tasks² · agents for an assignment; with VCG there is one more assignment a task.
pub const STEPS_MAX: u128 = 4_000_000_000;

/// How tasks go to agents and what is paid for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskRule {
    /// The cheapest assignment; an agent is paid by how much the others' costs would rise without it. Truthful.
    Vcg,
    /// The cheapest assignment; an agent is paid the cost that it reported.
    FirstPrice,
    /// The contract net (Smith 1980) without strategy: tasks are announced one after another, each goes to the cheapest
    /// agent that is still free, the first of equal ones, and is paid what that agent asked.
    ContractNet,
}

/// Gives every task to an agent. `costs[agent][task]` is what the task costs the agent. With a `reserve` a task that is
/// dearer stays undone, and counts as done by the buyer at that price.
///
/// # Errors
/// When rows differ in length, an amount is out of range, agents are too few (with VCG and no reserve there must be one
/// more than tasks: without a rival there is no price), or it takes more than [`STEPS_MAX`].
pub fn assign_tasks(costs: &[Vec<Money>], reserve: Option<Money>, rule: TaskRule) -> Result<Outcome, MechanismError> {
    let tasks = check(costs, reserve, rule)?;
    let everybody: Vec<usize> = (0..costs.len()).collect();
    let mut outcome = Outcome::nothing(costs.len());
    let given = match rule {
        TaskRule::ContractNet => one_after_another(costs, tasks, reserve),
        TaskRule::Vcg | TaskRule::FirstPrice => cheapest(costs, &everybody, tasks, reserve),
    };
    let total = total_cost(costs, &given, reserve);
    for (task, agent) in given.iter().enumerate() {
        let Some(agent) = *agent else { continue };
        let cost = costs[agent][task];
        outcome.allocation[agent].push(task);
        outcome.values[agent] = -cost;
        outcome.payments[agent] = match rule {
            TaskRule::FirstPrice | TaskRule::ContractNet => -cost,
            TaskRule::Vcg => {
                let others: Vec<usize> = everybody.iter().copied().filter(|&other| other != agent).collect();
                let without = total_cost(costs, &cheapest(costs, &others, tasks, reserve), reserve);
                -(without - (total - cost))
            }
        };
    }
    Ok(outcome)
}

fn check(costs: &[Vec<Money>], reserve: Option<Money>, rule: TaskRule) -> Result<usize, MechanismError> {
    let wrong = |what: String, help| Err(MechanismError::Shape { what, help });
    let tasks = costs.first().map_or(0, Vec::len);
    if tasks == 0 {
        return wrong("there are no agents or no tasks".into(), "give a row of costs an agent, a cost a task");
    }
    for (agent, row) in costs.iter().enumerate() {
        if row.len() != tasks {
            let what = format!("agent {agent} has {} costs, agent 0 has {tasks}", row.len());
            return wrong(what, "give every agent one cost a task");
        }
        check_amounts(&format!("agent {agent}'s cost"), row, 0)?;
    }
    check_amounts("reserve", reserve.as_slice(), 0)?;
    let assignment = (tasks * tasks) as u128 * (costs.len() + tasks) as u128;
    let found = match rule {
        TaskRule::Vcg => assignment * (tasks as u128 + 1),
        TaskRule::FirstPrice | TaskRule::ContractNet => assignment,
    };
    if found > STEPS_MAX {
        return Err(MechanismError::TooLarge {
            what: "steps of the assignment, tasks² · agents and with VCG that for every task",
            found,
            limit: STEPS_MAX,
            help: "allocate in several rounds, or use a rule without an assignment a task",
        });
    }
    let needed = if rule == TaskRule::Vcg { tasks + 1 } else { tasks };
    if reserve.is_none() && costs.len() < needed {
        let help = if rule == TaskRule::Vcg {
            "reverse VCG needs one agent more than tasks, or a reserve price: without a rival there is no price"
        } else {
            "give at least as many agents as tasks, or a reserve price at which tasks stay undone"
        };
        return wrong(format!("{} agents for {tasks} tasks", costs.len()), help);
    }
    Ok(tasks)
}

/// For each task the agent of the cheapest assignment among `agents` (Kuhn 1955, Munkres 1957); none where it is left
/// to the buyer.
fn cheapest(costs: &[Vec<Money>], agents: &[usize], tasks: usize, reserve: Option<Money>) -> Vec<Option<usize>> {
    // The buyer stands in as one more agent a task.
    let stand_ins = if reserve.is_some() { tasks } else { 0 };
    let cost = |(task, column): (usize, usize)| match agents.get(column) {
        Some(&agent) => costs[agent][task],
        None => reserve.unwrap_or(0),
    };
    let (_, columns) = kuhn_munkres_min(&Matrix::from_fn(tasks, agents.len() + stand_ins, cost));
    columns.into_iter().map(|column| agents.get(column).copied()).collect()
}

fn one_after_another(costs: &[Vec<Money>], tasks: usize, reserve: Option<Money>) -> Vec<Option<usize>> {
    let mut free = vec![true; costs.len()];
    let mut given = Vec::with_capacity(tasks);
    for task in 0..tasks {
        let bidders = (0..costs.len()).filter(|&agent| free[agent]);
        let best = bidders.min_by_key(|&agent| costs[agent][task]);
        let best = best.filter(|&agent| reserve.is_none_or(|reserve| costs[agent][task] <= reserve));
        if let Some(agent) = best {
            free[agent] = false;
        }
        given.push(best);
    }
    given
}

fn total_cost(costs: &[Vec<Money>], given: &[Option<usize>], reserve: Option<Money>) -> Money {
    let cost = |(task, agent): (usize, &Option<usize>)| agent.map_or(reserve.unwrap_or(0), |agent| costs[agent][task]);
    given.iter().enumerate().map(cost).sum()
}
