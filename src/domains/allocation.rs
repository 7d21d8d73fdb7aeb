//! Who does which task and what is paid for it, as a component that any domain can use: a setting, and a pure function from
//! what bidders ask to awards and payments, on the mechanisms of [`crate::games::mechanisms`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::games::mechanisms::{
    AMOUNT_MAX, MechanismError, Money, SingleItemRule, TaskRule, assign_tasks, single_item_auction,
};

/// How tasks are allocated and paid. A bidder asks an amount for each task and does at most as many as it has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Allocation {
    /// Tasks one after another, each to the lowest proposal, paid what it asks (Smith 1980).
    ContractNet,
    /// The cheapest assignment of all tasks together, each paid what its bidder asks.
    FirstPrice,
    /// Tasks one after another, each to the lowest bidder, paid the second lowest bid or the reserve (Vickrey 1961).
    SecondPrice,
    /// The cheapest assignment of all tasks together, each bidder paid what the others would cost more without it
    /// (Vickrey 1961, Clarke 1971, Groves 1973; for tasks Nisan and Ronen 2001).
    Vcg,
}

impl Allocation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ContractNet, Self::FirstPrice, Self::SecondPrice, Self::Vcg];

    /// The name by which scenarios and tables know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ContractNet => "contract_net",
            Self::FirstPrice => "first_price",
            Self::SecondPrice => "second_price",
            Self::Vcg => "vcg",
        }
    }
}

/// What bidders ask, and what the buyer would pay at most.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `amounts[bidder][task]`, in the smallest unit; `None` where the bidder does not want the task.
    pub amounts: &'a [Vec<Option<Money>>],
    /// How many tasks each bidder can do; what it asks for several is the sum.
    pub capacities: &'a [usize],
    /// The most that is paid for a task; a bid at the reserve is accepted, one above it never.
    pub reserve: Money,
}

/// Who does what, and for how much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Awards {
    /// The bidder that does each task; `None` where it stays undone.
    pub providers: Vec<Option<usize>>,
    /// What each bidder is paid for all its tasks together.
    pub payments: Vec<Money>,
}

/// Allocates the tasks by a rule. Of equally cheap allocations the one with more tasks done is taken, then the one whose
/// bidders have the lowest numbers.
///
/// # Errors
/// When there is no bidder or no task, rows differ in length, an amount is negative or too large, or it would take too long.
pub fn allocate(rule: Allocation, asked: &Asked<'_>) -> Result<Awards, MechanismError> {
    let tasks = check(asked)?;
    let mut awards = Awards { providers: vec![None; tasks], payments: vec![0; asked.amounts.len()] };
    let seats = Seats::of(asked, None);
    if seats.0.is_empty() {
        return Ok(awards);
    }
    match rule {
        Allocation::ContractNet => {
            let outcome =
                assign_tasks(&seats.costs(asked, |_, amount| amount), Some(asked.reserve), TaskRule::ContractNet)?;
            awards.providers = seats.providers(&outcome.allocation, tasks);
            pay_as_bid(asked, &mut awards);
        }
        Allocation::FirstPrice => {
            awards.providers = cheapest(asked, None)?;
            pay_as_bid(asked, &mut awards);
        }
        Allocation::SecondPrice => one_by_one(asked, &mut awards)?,
        Allocation::Vcg => {
            awards.providers = cheapest(asked, None)?;
            let total = total_cost(asked, &awards.providers);
            for bidder in 0..asked.amounts.len() {
                let own: Money = asked_for(asked, &awards.providers, bidder);
                if awards.providers.contains(&Some(bidder)) {
                    let without = total_cost(asked, &cheapest(asked, Some(bidder))?);
                    awards.payments[bidder] = without - (total - own);
                }
            }
        }
    }
    Ok(awards)
}

/// The lowest sum of costs at which the tasks can be done, those that stay undone counting at the reserve.
///
/// # Errors
/// As [`allocate`].
pub fn lowest_cost(asked: &Asked<'_>) -> Result<Money, MechanismError> {
    check(asked)?;
    Ok(total_cost(asked, &cheapest(asked, None)?))
}

fn check(asked: &Asked<'_>) -> Result<usize, MechanismError> {
    let wrong = |what: String, help| Err(MechanismError::Shape { what, help });
    let tasks = asked.amounts.first().map_or(0, Vec::len);
    if tasks == 0 {
        return wrong("there are no bidders or no tasks".into(), "give a row of amounts a bidder, an amount a task");
    }
    if asked.capacities.len() != asked.amounts.len() {
        let what = format!("{} capacities for {} bidders", asked.capacities.len(), asked.amounts.len());
        return wrong(what, "give every bidder one capacity");
    }
    if !(0..=AMOUNT_MAX).contains(&asked.reserve) {
        return Err(MechanismError::Amount { what: "the reserve".into(), found: asked.reserve, low: 0 });
    }
    let found = (asked.reserve + 1) as u128 * tie_factor(tasks, asked.amounts.len()) as u128;
    if found > AMOUNT_MAX as u128 {
        return Err(MechanismError::TooLarge {
            what: "the reserve times tasks² times bidders, which breaks ties exactly",
            found,
            limit: AMOUNT_MAX as u128,
            help: "count in a larger unit, or allocate in several rounds",
        });
    }
    for (bidder, row) in asked.amounts.iter().enumerate() {
        if row.len() != tasks {
            let what = format!("bidder {bidder} has {} amounts, bidder 0 has {tasks}", row.len());
            return wrong(what, "give every bidder one amount a task, or none for a task that it does not want");
        }
        for (task, &amount) in row.iter().enumerate() {
            if let Some(found) = amount.filter(|amount| !(0..=AMOUNT_MAX).contains(amount)) {
                let what = format!("what bidder {bidder} asks for task {task}");
                return Err(MechanismError::Amount { what, found, low: 0 });
            }
        }
    }
    Ok(tasks)
}

/// Bidders with room for several tasks stand in the assignment several times.
struct Seats(Vec<usize>);

impl Seats {
    fn of(asked: &Asked<'_>, without: Option<usize>) -> Self {
        let tasks = asked.amounts[0].len();
        let bidders = (0..asked.amounts.len()).filter(|&bidder| Some(bidder) != without);
        Self(bidders.flat_map(|bidder| vec![bidder; asked.capacities[bidder].min(tasks)]).collect())
    }

    /// A row a seat; what nobody would pay costs more than the reserve.
    fn costs(&self, asked: &Asked<'_>, scaled: impl Fn(usize, Money) -> Money) -> Vec<Vec<Money>> {
        let cost = |bidder: usize, amount: Option<Money>| {
            let amount = amount.filter(|&amount| amount <= asked.reserve);
            scaled(bidder, amount.unwrap_or(asked.reserve + 1))
        };
        let row = |&bidder: &usize| asked.amounts[bidder].iter().map(|&amount| cost(bidder, amount)).collect();
        self.0.iter().map(row).collect()
    }

    fn providers(&self, allocation: &[Vec<usize>], tasks: usize) -> Vec<Option<usize>> {
        let mut providers = vec![None; tasks];
        for (seat, own) in allocation.iter().enumerate() {
            for &task in own {
                providers[task] = Some(self.0[seat]);
            }
        }
        providers
    }
}

/// By what costs are multiplied to leave room for the numbers of those who do the tasks.
fn tie_factor(tasks: usize, bidders: usize) -> Money {
    let (tasks, bidders) = (tasks as Money, bidders as Money);
    tasks * tasks * bidders + 1
}

/// The cheapest assignment, with ties as [`allocate`] says: costs are multiplied, and bidders' numbers, the buyer's last,
/// added below.
fn cheapest(asked: &Asked<'_>, without: Option<usize>) -> Result<Vec<Option<usize>>, MechanismError> {
    let (tasks, bidders) = (asked.amounts[0].len(), asked.amounts.len());
    let seats = Seats::of(asked, without);
    if seats.0.is_empty() {
        return Ok(vec![None; tasks]);
    }
    let (factor, buyer) = (tie_factor(tasks, bidders), (bidders * tasks) as Money);
    // To leave a task undone counts for more than all numbers of bidders together.
    let costs = seats.costs(asked, |bidder, amount| amount * factor + bidder as Money);
    let outcome = assign_tasks(&costs, Some(asked.reserve * factor + buyer), TaskRule::FirstPrice)?;
    Ok(seats.providers(&outcome.allocation, tasks))
}

/// Second-price auctions one after another, over what lies between a bid and the reserve.
fn one_by_one(asked: &Asked<'_>, awards: &mut Awards) -> Result<(), MechanismError> {
    let mut room = asked.capacities.to_vec();
    for task in 0..awards.providers.len() {
        let bids = (0..asked.amounts.len()).filter(|&bidder| room[bidder] > 0);
        let bids: Vec<(usize, Money)> =
            bids.filter_map(|bidder| Some((bidder, asked.reserve - asked.amounts[bidder][task]?))).collect();
        if bids.is_empty() {
            continue;
        }
        let values: Vec<Money> = bids.iter().map(|bid| bid.1).collect();
        let outcome = single_item_auction(&values, 0, SingleItemRule::SecondPrice)?;
        if let Some(place) = outcome.allocation.iter().position(|won| !won.is_empty()) {
            let bidder = bids[place].0;
            awards.providers[task] = Some(bidder);
            awards.payments[bidder] += asked.reserve - outcome.payments[place];
            room[bidder] -= 1;
        }
    }
    Ok(())
}

fn asked_for(asked: &Asked<'_>, providers: &[Option<usize>], bidder: usize) -> Money {
    let own = providers.iter().enumerate().filter(|task| *task.1 == Some(bidder));
    own.map(|(task, _)| asked.amounts[bidder][task].unwrap_or(asked.reserve)).sum()
}

fn pay_as_bid(asked: &Asked<'_>, awards: &mut Awards) {
    for bidder in 0..asked.amounts.len() {
        awards.payments[bidder] = asked_for(asked, &awards.providers, bidder);
    }
}

fn total_cost(asked: &Asked<'_>, providers: &[Option<usize>]) -> Money {
    let cost = |(task, provider): (usize, &Option<usize>)| {
        provider.and_then(|bidder| asked.amounts[bidder][task]).unwrap_or(asked.reserve)
    };
    providers.iter().enumerate().map(cost).sum()
}
