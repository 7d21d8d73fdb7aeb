//! The component: published figures, brute force over all allocations, truthfulness on whole grids, mistakes.

use llmagentos::domains::allocation::{Allocation, Asked, Awards, allocate, lowest_cost};
use llmagentos::games::mechanisms::{MechanismError, Money, Outcome, TaskRule, assign_tasks, scan_incentives};
use proptest::prelude::*;
use serde_json::Value;

type Amounts = Vec<Vec<Option<Money>>>;

fn reference() -> Value {
    serde_json::from_str(include_str!("../data/games/mechanisms.json")).expect("JSON")
}

fn whole(value: &Value) -> Money {
    value.as_i64().expect("a whole number").into()
}

fn wholes(value: &Value) -> Vec<Money> {
    value.as_array().expect("a list").iter().map(whole).collect()
}

#[test]
fn published_auctions_turned_round_have_the_published_figures() {
    // A bid of b for an item is a request of 100 − b for a task, and a reserve of r one of 100 − r.
    let reference = reference();
    for name in ["second_price_distinct", "second_price_single_bidder", "second_price_reserve8"] {
        let entry = &reference[name];
        let amounts: Amounts = wholes(&entry["bids"]).iter().map(|bid| vec![Some(100 - bid)]).collect();
        let reserve = 100 - entry.get("reserve").map_or(0, whole);
        let capacities = vec![1; amounts.len()];
        for rule in [Allocation::SecondPrice, Allocation::Vcg] {
            let asked = Asked { amounts: &amounts, capacities: &capacities, reserve };
            let awards = allocate(rule, &asked).unwrap();
            let winner = awards.providers[0].expect("it is awarded");
            assert_eq!(winner as u64, entry["winner"].as_u64().unwrap(), "{name}");
            assert_eq!(100 - awards.payments[winner], whole(&entry["payment"]), "{name}");
            let utility = awards.payments[winner] - amounts[winner][0].unwrap();
            assert_eq!(utility, wholes(&entry["utilities"])[winner], "{name}");
        }
    }
}

#[test]
fn the_published_task_assignment_has_the_published_figures() {
    let reference = reference();
    let entry = &reference["vcg_task_allocation_4agents_3tasks"];
    let rows = entry["cost_matrix_agents_x_tasks"].as_array().unwrap();
    let amounts: Amounts = rows.iter().map(|row| wholes(row).into_iter().map(Some).collect()).collect();
    // A reserve that is never reached.
    let asked = Asked { amounts: &amounts, capacities: &[1; 4], reserve: 1000 };
    let awards = allocate(Allocation::Vcg, &asked).unwrap();
    assert_eq!(awards.payments, wholes(&entry["payments_received"]));
    assert_eq!(lowest_cost(&asked).unwrap(), whole(&entry["total_cost"]));
    for (agent, task) in entry["assignment_agent_to_task"].as_object().unwrap() {
        assert_eq!(awards.providers[task.as_u64().unwrap() as usize], Some(agent.parse().unwrap()));
    }
    let as_bid = allocate(Allocation::FirstPrice, &asked).unwrap();
    assert_eq!(as_bid.providers, awards.providers);
    assert_eq!(as_bid.payments.iter().sum::<Money>(), whole(&entry["total_cost"]));
}

/// The best of all allocations: cost with undone tasks at the reserve, tasks undone, sum of bidders' numbers.
fn best(amounts: &Amounts, room: &mut [usize], reserve: Money, task: usize) -> (Money, usize, usize) {
    if amounts.is_empty() || task == amounts[0].len() {
        return (0, 0, 0);
    }
    let (cost, undone, numbers) = best(amounts, room, reserve, task + 1);
    let mut least = (cost + reserve, undone + 1, numbers);
    for bidder in 0..amounts.len() {
        let Some(amount) = amounts[bidder][task].filter(|&amount| amount <= reserve && room[bidder] > 0) else {
            continue;
        };
        room[bidder] -= 1;
        let (cost, undone, numbers) = best(amounts, room, reserve, task + 1);
        room[bidder] += 1;
        least = least.min((cost + amount, undone, numbers + bidder));
    }
    least
}

/// The rules that go from task to task, as one would write them down: provider and payment of each task.
fn greedy(amounts: &Amounts, capacities: &[usize], reserve: Money, second: bool) -> Vec<Option<(usize, Money)>> {
    let mut room = capacities.to_vec();
    (0..amounts[0].len())
        .map(|task| {
            let mut bids: Vec<(Money, usize)> = (0..amounts.len())
                .filter(|&bidder| room[bidder] > 0)
                .filter_map(|bidder| Some((amounts[bidder][task].filter(|&amount| amount <= reserve)?, bidder)))
                .collect();
            bids.sort_unstable();
            let &(lowest, bidder) = bids.first()?;
            room[bidder] -= 1;
            let next = bids.get(1).map_or(reserve, |bid| bid.0);
            Some((bidder, if second { next } else { lowest }))
        })
        .collect()
}

/// What a bidder asks for the tasks that it does.
fn asked_by(bidder: usize, amounts: &Amounts, awards: &Awards) -> Money {
    let own = awards.providers.iter().enumerate().filter(|task| *task.1 == Some(bidder));
    own.map(|(task, _)| amounts[bidder][task].expect("nobody does what it did not ask for")).sum()
}

fn markets() -> impl Strategy<Value = (Amounts, Vec<usize>, Money)> {
    (1_usize..=4, 1_usize..=3).prop_flat_map(|(bidders, tasks)| {
        let amount = prop::option::weighted(0.85, 0_i128..=8);
        let amounts = prop::collection::vec(prop::collection::vec(amount, tasks), bidders);
        (amounts, prop::collection::vec(0_usize..=2, bidders), 0_i128..=9)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_does_what_brute_force_does((amounts, capacities, reserve) in markets()) {
        let asked = Asked { amounts: &amounts, capacities: &capacities, reserve };
        let optimum = best(&amounts, &mut capacities.clone(), reserve, 0);
        for rule in Allocation::ALL {
            let awards = allocate(rule, &asked).unwrap();
            let greedily = |second| greedy(&amounts, &capacities, reserve, second);
            match rule {
                Allocation::ContractNet | Allocation::SecondPrice => {
                    let expected = greedily(rule == Allocation::SecondPrice);
                    let providers: Vec<Option<usize>> = expected.iter().map(|one| Some((*one)?.0)).collect();
                    prop_assert_eq!(&awards.providers, &providers, "{:?}", rule);
                    for bidder in 0..amounts.len() {
                        let own = expected.iter().flatten().filter(|one| one.0 == bidder);
                        prop_assert_eq!(awards.payments[bidder], own.map(|one| one.1).sum::<Money>(), "{:?}", rule);
                    }
                }
                Allocation::FirstPrice | Allocation::Vcg => {
                    let undone = awards.providers.iter().filter(|provider| provider.is_none()).count();
                    let numbers = awards.providers.iter().flatten().sum::<usize>();
                    let asked: Money = (0..amounts.len()).map(|bidder| asked_by(bidder, &amounts, &awards)).sum();
                    prop_assert_eq!((asked + reserve * undone as Money, undone, numbers), optimum, "{:?}", rule);
                }
            }
            for bidder in 0..amounts.len() {
                let (own, payment) = (asked_by(bidder, &amounts, &awards), awards.payments[bidder]);
                let count = awards.providers.iter().filter(|provider| **provider == Some(bidder)).count();
                prop_assert!(count <= capacities[bidder]);
                prop_assert!(payment >= own, "{:?}: bidder {} loses by taking part", rule, bidder);
                prop_assert!(payment <= reserve * count as Money, "{:?}: more than the reserve, or without an award", rule);
                match rule {
                    Allocation::ContractNet | Allocation::FirstPrice => prop_assert_eq!(payment, own),
                    Allocation::Vcg if count > 0 => {
                        let mut others = capacities.clone();
                        others[bidder] = 0;
                        let without = best(&amounts, &mut others, reserve, 0).0;
                        prop_assert_eq!(payment, without - (optimum.0 - own), "Clarke's payment");
                    }
                    Allocation::Vcg | Allocation::SecondPrice => {}
                }
            }
        }
        prop_assert_eq!(lowest_cost(&asked).unwrap(), optimum.0);
    }

    #[test]
    fn with_one_task_each_it_is_the_assignment_of_the_games_floor((amounts, _, reserve) in markets()) {
        let capacities = vec![1; amounts.len()];
        let asked = Asked { amounts: &amounts, capacities: &capacities, reserve };
        let row = |row: &Vec<Option<Money>>| row.iter().map(|amount| amount.unwrap_or(100)).collect::<Vec<_>>();
        let costs: Vec<Vec<Money>> = amounts.iter().map(row).collect();
        for (rule, theirs) in [(Allocation::Vcg, TaskRule::Vcg), (Allocation::ContractNet, TaskRule::ContractNet)] {
            let awards = allocate(rule, &asked).unwrap();
            let outcome = assign_tasks(&costs, Some(reserve), theirs).unwrap();
            // Of several cheapest assignments either may take another; utilities by Clarke's payments are the same.
            let gains: Vec<Money> =
                (0..amounts.len()).map(|bidder| awards.payments[bidder] - asked_by(bidder, &amounts, &awards)).collect();
            prop_assert_eq!(gains, outcome.utilities(), "{:?}", rule);
        }
        if amounts[0].len() == 1 {
            let second = allocate(Allocation::SecondPrice, &asked).unwrap();
            prop_assert_eq!(second, allocate(Allocation::Vcg, &asked).unwrap(), "Vickrey's auction is VCG for one task");
        }
    }
}

/// The most that anybody of three gains by a false report, over all profiles of costs from 0 to 3 (and of not wanting a
/// task), and the most welfare that is lost at true reports.
fn scan(rule: Allocation, tasks: usize, capacities: [usize; 3]) -> (Money, Money, Money) {
    const RESERVE: Money = 3;
    let count = 5_usize.pow(tasks as u32);
    let one = |number: usize| match number {
        4 => None,
        cost => Some(cost as Money),
    };
    let types: Vec<Vec<Option<Money>>> =
        (0..count).map(|number| (0..tasks).map(|task| one(number / 5_usize.pow(task as u32) % 5)).collect()).collect();
    // Who does not want a task would lose more by doing it than it can be paid.
    let cost = |one: Option<Money>| one.unwrap_or(RESERVE * 10);
    let settle = |reports: &[Vec<Option<Money>>]| {
        let amounts: Amounts = reports.to_vec();
        let awards = allocate(rule, &Asked { amounts: &amounts, capacities: &capacities, reserve: RESERVE })?;
        let mut outcome = Outcome::nothing(3);
        for (task, provider) in awards.providers.iter().enumerate() {
            if let Some(bidder) = *provider {
                outcome.allocation[bidder].push(task);
                outcome.values[bidder] -= cost(amounts[bidder][task]);
            }
        }
        outcome.payments = awards.payments.iter().map(|payment| -payment).collect();
        // The buyer, as it were, pays the reserve for what stays undone: welfare counts what it saves.
        Ok(outcome)
    };
    let worth = |bidder: usize, own: &Vec<Option<Money>>, outcome: &Outcome| {
        -outcome.allocation[bidder].iter().map(|&task| cost(own[task])).sum::<Money>()
    };
    let report = scan_incentives(&vec![types; 3], settle, worth, |_| 0).unwrap();
    (report.gain_max, report.utility_min, report.revenue_range.1)
}

#[test]
fn vcg_is_truthful_whatever_the_room_and_the_others_are_not() {
    for capacities in [[1, 1, 1], [2, 1, 1], [1, 2, 0]] {
        let (gain, utility, revenue) = scan(Allocation::Vcg, 2, capacities);
        assert_eq!(gain, 0, "{capacities:?}");
        assert!(utility >= 0 && revenue <= 0, "nobody loses by the truth, and the buyer pays");
        assert!(scan(Allocation::FirstPrice, 2, capacities).0 > 0);
        assert!(scan(Allocation::ContractNet, 2, capacities).0 > 0);
    }
    // One second-price auction is truthful; two of them one after the other are not: it can pay to lose the first.
    assert_eq!(scan(Allocation::SecondPrice, 1, [1, 1, 1]).0, 0);
    assert!(scan(Allocation::SecondPrice, 2, [1, 1, 1]).0 > 0);
}

#[test]
fn greedy_awards_can_cost_more_than_the_best_assignment() {
    // Bidder 0 is the cheapest at both tasks, and the only one who can do the second.
    let amounts: Amounts = vec![vec![Some(1), Some(2)], vec![Some(2), None]];
    let asked = Asked { amounts: &amounts, capacities: &[1, 1], reserve: 10 };
    let net = allocate(Allocation::ContractNet, &asked).unwrap();
    assert_eq!((net.providers, net.payments), (vec![Some(0), None], vec![1, 0]));
    let first = allocate(Allocation::FirstPrice, &asked).unwrap();
    assert_eq!((first.providers, first.payments), (vec![Some(1), Some(0)], vec![2, 2]));
    // Without bidder 0: 2 + 10; without bidder 1: 1 + 10. Total 4.
    assert_eq!(allocate(Allocation::Vcg, &asked).unwrap().payments, [10, 9]);
}

#[test]
fn what_cannot_be_allocated_is_told() {
    let told = |amounts: &Amounts, capacities: &[usize], reserve: Money| {
        let asked = Asked { amounts, capacities, reserve };
        let errors: Vec<MechanismError> = Allocation::ALL.map(|rule| allocate(rule, &asked).unwrap_err()).into();
        assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
        assert_eq!(lowest_cost(&asked).unwrap_err(), errors[0]);
        errors[0].to_string()
    };
    let one: Amounts = vec![vec![Some(1)], vec![Some(2)]];
    assert!(told(&vec![], &[], 5).starts_with("there are no bidders or no tasks"));
    assert!(told(&vec![vec![], vec![]], &[1, 1], 5).starts_with("there are no bidders or no tasks"));
    assert!(told(&one, &[1], 5).starts_with("1 capacities for 2 bidders"));
    let ragged = vec![vec![Some(1)], vec![Some(2), None]];
    assert!(told(&ragged, &[1, 1], 5).starts_with("bidder 1 has 2 amounts, bidder 0 has 1"));
    let negative = vec![vec![Some(1)], vec![Some(-2)]];
    assert!(told(&negative, &[1, 1], 5).starts_with("what bidder 1 asks for task 0 is -2 units"));
    assert!(told(&one, &[1, 1], -1).starts_with("the reserve is -1 units"));
    assert!(told(&one, &[1, 1], 1_000_000_000_000_000).contains("count in a larger unit"));
    // Nobody has room, or wants to: nothing is awarded, and nothing paid.
    for (amounts, capacities) in [(one, [0, 0]), (vec![vec![None], vec![None]], [1, 1])] {
        for rule in Allocation::ALL {
            let awards = allocate(rule, &Asked { amounts: &amounts, capacities: &capacities, reserve: 5 }).unwrap();
            assert_eq!(awards, Awards { providers: vec![None], payments: vec![0, 0] });
        }
    }
}
