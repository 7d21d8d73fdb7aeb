//! Mechanisms: the reference figures, brute force over all allocations, and truthfulness on whole grids of types.

use llmagentos::games::mechanisms::{
    Bundle, CombinatorialRule, MechanismError, Money, MultiUnitRule, Outcome, PositionRule, SingleItemRule, TaskRule,
    assign_tasks, combinatorial_auction, mcafee_auction, multi_unit_auction, position_auction, scan_incentives,
    single_item_auction,
};
use proptest::prelude::*;
use serde_json::Value;

use super::reference;

const SINGLE_ITEM: [SingleItemRule; 3] =
    [SingleItemRule::FirstPrice, SingleItemRule::SecondPrice, SingleItemRule::ThirdPrice];

fn amounts(value: &Value) -> Vec<Money> {
    value.as_array().expect("a list").iter().map(|one| one.as_i64().expect("a whole number").into()).collect()
}

fn amount(value: &Value) -> Money {
    value.as_i64().expect("a whole number").into()
}

/// Bids of the reference: every letter of a bundle's name is an item.
fn bundles(entry: &Value) -> Vec<Vec<Bundle>> {
    let items: Vec<&str> =
        entry["items"].as_array().expect("items").iter().map(|item| item.as_str().expect("a name")).collect();
    let number = |letter: char| items.iter().position(|item| item.starts_with(letter)).expect("a known item");
    let own = |bids: &Value| {
        let bids = bids.as_object().expect("bundles").iter();
        bids.map(|(name, value)| Bundle { items: name.chars().map(number).collect(), value: amount(value) }).collect()
    };
    entry["bids"].as_array().expect("bids").iter().map(own).collect()
}

#[test]
fn second_price_auctions_have_the_reference_figures() {
    let reference = reference("mechanisms.json");
    for name in ["second_price_distinct", "second_price_single_bidder", "second_price_reserve8"] {
        let entry = &reference[name];
        let reserve = entry.get("reserve").map_or(0, amount);
        let outcome = single_item_auction(&amounts(&entry["bids"]), reserve, SingleItemRule::SecondPrice).unwrap();
        let winner = outcome.allocation.iter().position(|won| !won.is_empty()).expect("it is sold");
        assert_eq!(winner as u64, entry["winner"].as_u64().unwrap(), "{name}");
        assert_eq!(outcome.payments[winner], amount(&entry["payment"]), "{name}");
        assert_eq!(outcome.utilities(), amounts(&entry["utilities"]), "{name}");
    }
}

#[test]
fn vcg_auctions_have_the_reference_figures() {
    let reference = reference("mechanisms.json");
    for name in ["vcg_two_apples_A5_B2_C6for2", "vcg_revenue_nonmonotone_before", "vcg_threshold_global_vs_locals"] {
        let entry = &reference[name];
        let items = entry["items"].as_array().expect("items").len();
        let outcome = combinatorial_auction(items, &bundles(entry), CombinatorialRule::Vcg).unwrap();
        assert_eq!(outcome.welfare(), amount(&entry["welfare"]), "{name}");
        assert_eq!(outcome.payments, amounts(&entry["payments"]), "{name}");
        assert_eq!(outcome.utilities(), amounts(&entry["utilities"]), "{name}");
        assert_eq!(outcome.revenue(), amount(&entry["revenue"]), "{name}");
    }
}

#[test]
fn the_other_mechanisms_have_the_reference_figures() {
    let reference = reference("mechanisms.json");
    let entry = &reference["vcg_task_allocation_4agents_3tasks"];
    let costs: Vec<Vec<Money>> = entry["cost_matrix_agents_x_tasks"].as_array().unwrap().iter().map(amounts).collect();
    let outcome = assign_tasks(&costs, None, TaskRule::Vcg).unwrap();
    assert_eq!(-outcome.welfare(), amount(&entry["total_cost"]));
    let received: Vec<Money> = outcome.payments.iter().map(|payment| -payment).collect();
    assert_eq!(received, amounts(&entry["payments_received"]));
    assert_eq!(outcome.utilities(), amounts(&entry["utilities"]));
    for (agent, task) in entry["assignment_agent_to_task"].as_object().unwrap() {
        assert_eq!(outcome.allocation[agent.parse::<usize>().unwrap()], [task.as_u64().unwrap() as usize]);
    }

    // Amounts doubled, so that the price 5.5 is whole.
    let entry = &reference["mcafee_no_reduction_price_inside"];
    let doubled = |key: &str| -> Vec<Money> { amounts(&entry[key]).iter().map(|value| value * 2).collect() };
    let found = mcafee_auction(&doubled("buyers"), &doubled("sellers")).unwrap();
    assert_eq!(found.efficient_trades as u64, entry["k"].as_u64().unwrap());
    assert_eq!(found.trades as u64, entry["trades"].as_u64().unwrap());
    let price = Some((entry["buy_price"].as_f64().unwrap() * 2.0) as Money);
    assert_eq!((found.buy_price, found.sell_price), (price, price));
    assert_eq!(found.outcome.revenue(), amount(&entry["budget_surplus"]));

    let entry = &reference["position_auction_gsp"];
    let clicks = amounts(&entry["clicks"]);
    let outcome = position_auction(&clicks, &amounts(&entry["bids"]), PositionRule::GeneralisedSecondPrice).unwrap();
    assert_eq!(outcome.payments[..2], amounts(&entry["total"]));
    let each: Vec<Money> = outcome.payments.iter().zip(&clicks).map(|(total, clicks)| total / clicks).collect();
    assert_eq!(each, amounts(&entry["price_per_click"]));
    // By hand: the first takes 100 clicks each from the bids of 4 and of 2, the second 100 from the bid of 2.
    let outcome = position_auction(&clicks, &amounts(&entry["bids"]), PositionRule::Vcg).unwrap();
    assert_eq!(outcome.payments, [600, 200, 0]);
}

/// Value types: a won item is worth the type.
fn sold(agent: usize, value: &Money, outcome: &Outcome) -> Money {
    value * outcome.allocation[agent].len() as Money
}

fn highest(types: &[Money], count: usize) -> Money {
    let mut types = types.to_vec();
    types.sort_unstable_by_key(|value| std::cmp::Reverse(*value));
    types.into_iter().take(count).sum()
}

#[test]
fn incentive_scans_have_the_reference_figures() {
    let reference = reference("mechanisms.json");
    let grids: Vec<Vec<Money>> = vec![(0..=10).collect(); 3];
    for (name, rule) in [("second_price", SingleItemRule::SecondPrice), ("first_price", SingleItemRule::FirstPrice)] {
        let entry = &reference[format!("ic_regret_scan_3bidders_grid0_10_{name}")];
        let report =
            scan_incentives(&grids, |bids| single_item_auction(bids, 0, rule), sold, |types| highest(types, 1))
                .unwrap();
        assert_eq!(report.profiles, 1331);
        assert_eq!(report.gain_max, amount(&entry["max_unilateral_gain"]), "{name}");
        let worst = report.worst.map(|worst| {
            let types: Vec<i64> = worst.types.iter().map(|value| *value as i64).collect();
            serde_json::json!({ "types": types, "bidder": worst.agent, "report": worst.report as i64 })
        });
        assert_eq!(serde_json::json!(worst), entry["first_worst_case"], "{name}");
        assert!(report.utility_min >= 0, "nobody loses by the truth");
        assert_eq!(report.welfare_loss_max, 0);
        assert!(report.revenue_range.0 >= 0);
    }
    // In a third-price auction the truth is not best either: bidding more wins more cheaply.
    let rule = SingleItemRule::ThirdPrice;
    let report =
        scan_incentives(&grids, |bids| single_item_auction(bids, 0, rule), sold, |types| highest(types, 1)).unwrap();
    assert!(report.gain_max > 0, "{report:?}");
}

#[test]
fn vickrey_and_one_unit_uniform_prices_are_truthful_and_pay_as_bid_is_not() {
    let grids: Vec<Vec<Money>> = vec![(0..=6).collect(); 4];
    let gain = |rule: MultiUnitRule| {
        let settle =
            |bids: &[Money]| multi_unit_auction(&bids.iter().map(|bid| vec![*bid]).collect::<Vec<_>>(), 2, 1, rule);
        scan_incentives(&grids, settle, sold, |types| highest(types, 2)).unwrap().gain_max
    };
    assert_eq!(gain(MultiUnitRule::Uniform), 0);
    assert_eq!(gain(MultiUnitRule::Vickrey), 0);
    assert_eq!(gain(MultiUnitRule::PayAsBid), 5);
    // Two who want two units each of two: marginal values (high, low). Uniform pricing pays for hiding demand.
    let types: Vec<[Money; 2]> = (0..=4).flat_map(|high| (0..=high).map(move |low| [high, low])).collect();
    let grids = vec![types; 2];
    let worth =
        |agent: usize, value: &[Money; 2], outcome: &Outcome| value[..outcome.allocation[agent].len()].iter().sum();
    let best = |types: &[[Money; 2]]| highest(&types.concat(), 2);
    let report = |rule: MultiUnitRule| {
        let settle = |bids: &[[Money; 2]]| {
            multi_unit_auction(&bids.iter().map(|bid| bid.to_vec()).collect::<Vec<_>>(), 2, 0, rule)
        };
        scan_incentives(&grids, settle, worth, best).unwrap()
    };
    assert!(report(MultiUnitRule::Uniform).gain_max > 0);
    let vickrey = report(MultiUnitRule::Vickrey);
    assert_eq!((vickrey.gain_max, vickrey.welfare_loss_max), (0, 0));
    assert!(vickrey.utility_min >= 0);
}

#[test]
fn combinatorial_vcg_is_truthful_on_a_whole_grid_and_pay_as_bid_is_not() {
    // Two items; each of three bidders values a, b and both at 0, 2 or 4, with free disposal.
    let types: Vec<[Money; 3]> = (0..27).map(|n| [n / 9 * 2, n / 3 % 3 * 2, n % 3 * 2]).collect();
    let types: Vec<[Money; 3]> = types.into_iter().filter(|[a, b, both]| both >= a && both >= b).collect();
    let grids = vec![types; 3];
    let bids = |types: &[[Money; 3]]| -> Vec<Vec<Bundle>> {
        let own = |[a, b, both]: &[Money; 3]| {
            let bundle = |items: &[usize], value: &Money| Bundle { items: items.to_vec(), value: *value };
            vec![bundle(&[0], a), bundle(&[1], b), bundle(&[0, 1], both)]
        };
        types.iter().map(own).collect()
    };
    let worth = |agent: usize, [a, b, both]: &[Money; 3], outcome: &Outcome| match outcome.allocation[agent][..] {
        [] => 0,
        [0] => *a,
        [_] => *b,
        _ => *both,
    };
    // The best of all ways to give two items to three bidders.
    let best = |types: &[[Money; 3]]| {
        let mut best = 0;
        for (one, other) in (0..9).map(|n| (n / 3, n % 3)) {
            best = best.max(if one == other { types[one][2] } else { types[one][0] + types[other][1] });
        }
        best
    };
    let report = |rule: CombinatorialRule| {
        scan_incentives(&grids, |types| combinatorial_auction(2, &bids(types), rule), worth, best).unwrap()
    };
    let vcg = report(CombinatorialRule::Vcg);
    assert_eq!((vcg.gain_max, vcg.welfare_loss_max), (0, 0));
    assert!(vcg.utility_min >= 0 && vcg.revenue_range.0 >= 0);
    assert!(report(CombinatorialRule::PayAsBid).gain_max > 0);
}

#[test]
fn reverse_vcg_is_truthful_on_a_whole_grid_and_the_others_are_not() {
    // Three agents, two tasks, costs of 0 to 3 each.
    let types: Vec<[Money; 2]> = (0..16).map(|n| [n / 4, n % 4]).collect();
    let grids = vec![types; 3];
    let worth = |agent: usize, costs: &[Money; 2], outcome: &Outcome| {
        -outcome.allocation[agent].iter().map(|task| costs[*task]).sum::<Money>()
    };
    let best = |types: &[[Money; 2]]| {
        let pairs = (0..9).map(|n| (n / 3, n % 3)).filter(|(one, other)| one != other);
        -pairs.map(|(one, other)| types[one][0] + types[other][1]).min().expect("three agents")
    };
    let report = |rule: TaskRule, reserve: Option<Money>| {
        let settle = |types: &[[Money; 2]]| {
            assign_tasks(&types.iter().map(|row| row.to_vec()).collect::<Vec<_>>(), reserve, rule)
        };
        scan_incentives(&grids, settle, worth, best).unwrap()
    };
    let vcg = report(TaskRule::Vcg, None);
    assert_eq!((vcg.gain_max, vcg.welfare_loss_max), (0, 0));
    assert!(vcg.utility_min >= 0 && vcg.revenue_range.1 <= 0, "the buyer pays");
    assert_eq!(report(TaskRule::Vcg, Some(2)).gain_max, 0, "with a reserve too");
    assert!(report(TaskRule::FirstPrice, None).gain_max > 0);
    let net = report(TaskRule::ContractNet, None);
    assert!(net.gain_max > 0 && net.welfare_loss_max > 0, "the contract net is greedy: {net:?}");
}

#[test]
fn the_double_auction_is_truthful_and_never_in_deficit() {
    let grids: Vec<Vec<Money>> = vec![(0..=5).map(|value| value * 2).collect(); 5];
    let settle = |types: &[Money]| mcafee_auction(&types[..3], &types[3..]).map(|found| found.outcome);
    let worth =
        |agent: usize, value: &Money, outcome: &Outcome| sold(agent, value, outcome) * if agent < 3 { 1 } else { -1 };
    let best = |types: &[Money]| {
        let (mut bids, mut asks) = (types[..3].to_vec(), types[3..].to_vec());
        bids.sort_unstable_by(|one, other| other.cmp(one));
        asks.sort_unstable();
        bids.iter().zip(&asks).map(|(bid, ask)| (bid - ask).max(0)).sum()
    };
    let report = scan_incentives(&grids, settle, worth, best).unwrap();
    assert_eq!(report.gain_max, 0, "{report:?}");
    assert!(report.utility_min >= 0 && report.revenue_range.0 >= 0);
    assert!(report.welfare_loss_max > 0, "it may lose the least valuable trade");
    // Middle of the next pair outside: buyers 10, 9, 2 and sellers 1, 8, 30 have k = 2 and (2 + 30)/2 = 16 > 9.
    let found = mcafee_auction(&[10, 9, 2], &[1, 8, 30]).unwrap();
    assert_eq!((found.efficient_trades, found.trades), (2, 1));
    assert_eq!((found.buy_price, found.sell_price, found.outcome.revenue()), (Some(9), Some(8), 1));
    let none = mcafee_auction(&[1, 2], &[3]).unwrap();
    assert_eq!((none.trades, none.buy_price), (0, None));
}

#[test]
fn vcg_sells_positions_truthfully_and_generalised_second_price_does_not() {
    let grids: Vec<Vec<Money>> = vec![(0..=5).collect(); 3];
    let clicks = [10, 9];
    let worth = |agent: usize, value: &Money, outcome: &Outcome| {
        outcome.allocation[agent].iter().map(|place| clicks[*place] * value).sum::<Money>()
    };
    let best = |types: &[Money]| clicks[0] * highest(types, 1) + clicks[1] * (highest(types, 2) - highest(types, 1));
    let report = |rule: PositionRule| {
        scan_incentives(&grids, |bids| position_auction(&clicks, bids, rule), worth, best).unwrap()
    };
    let vcg = report(PositionRule::Vcg);
    assert_eq!((vcg.gain_max, vcg.welfare_loss_max), (0, 0));
    let generalised = report(PositionRule::GeneralisedSecondPrice);
    assert!(generalised.gain_max > 0 && generalised.utility_min >= 0, "{generalised:?}");
}

#[test]
fn auctions_of_uniform_values_bring_the_analytic_revenue() {
    // Values uniform on [0, 1], as the middles of a grid; every profile of it once.
    let reference = reference("mechanisms.json");
    for (bidders, points, tolerance) in [(2_usize, 300_usize, 1e-4), (3, 60, 1e-3), (5, 12, 1e-2)] {
        let entry = &reference["analytic_uniform01"][format!("n={bidders}")];
        let value = |point: usize| (2 * point + 1) as Money * bidders as Money;
        let one = (2 * points * bidders) as f64;
        let revenue = |reserve: Money, rule: SingleItemRule, shade: Money| {
            let mut sum = 0;
            for profile in 0..points.pow(bidders as u32) {
                let types = (0..bidders).map(|bidder| value(profile / points.pow(bidder as u32) % points));
                let bids: Vec<Money> =
                    types.map(|value| value * (bidders as Money - shade) / bidders as Money).collect();
                sum += single_item_auction(&bids, reserve, rule).unwrap().revenue();
            }
            sum as f64 / one / points.pow(bidders as u32) as f64
        };
        let expected = entry["expected_revenue_first_and_second"].as_f64().unwrap();
        let second = revenue(0, SingleItemRule::SecondPrice, 0);
        assert!((second - expected).abs() < tolerance, "n={bidders}: {second} for {expected}");
        // Everybody bids (n − 1)/n of its value, the equilibrium of the first price.
        let first = revenue(0, SingleItemRule::FirstPrice, 1);
        assert!((first - expected).abs() < tolerance, "n={bidders}: {first} for {expected}");
        if let Some(myerson) = entry["myerson_revenue"].as_f64() {
            let reserve = (entry["optimal_reserve"].as_f64().unwrap() * one) as Money;
            let with = revenue(reserve, SingleItemRule::SecondPrice, 0);
            assert!((with - myerson).abs() < tolerance, "n={bidders}: {with} for {myerson}");
            for other in [reserve * 8 / 10, reserve * 12 / 10] {
                assert!(revenue(other, SingleItemRule::SecondPrice, 0) < with, "a reserve of {other} brings more");
            }
        }
    }
}

#[test]
fn shading_by_one_nth_is_the_best_answer_to_itself() {
    // First price, n bidders uniform on [0, 1], the others bid (n − 1)/n of their values: the chance to win with b is
    // (b·n/(n − 1))^(n−1), so (v − b)·b^(n−1) is highest at b = v·(n − 1)/n, the figure of the reference.
    let reference = reference("mechanisms.json");
    for bidders in [2_i32, 3, 5] {
        let text = reference["analytic_uniform01"][format!("n={bidders}")]["first_price_bne"].as_str().unwrap();
        let shade: f64 = text.split_once('=').unwrap().1.parse().unwrap();
        let gain =
            |bid: f64| (1.0 - bid) * (bid * f64::from(bidders) / f64::from(bidders - 1)).min(1.0).powi(bidders - 1);
        let best = (0..=10_000)
            .map(|step| f64::from(step) / 10_000.0)
            .max_by(|one, other| gain(*one).total_cmp(&gain(*other)));
        assert!((best.unwrap() - shade).abs() < 2e-4, "n={bidders}: {best:?} for {shade}");
    }
}

/// The highest welfare by trying every bidder's every bundle.
fn brute_force(bids: &[Vec<Bundle>], taken: u64) -> Money {
    let Some((own, others)) = bids.split_first() else { return 0 };
    let mut best = brute_force(others, taken);
    for bundle in own {
        let set = bundle.items.iter().fold(0, |set, item| set | 1_u64 << item);
        if set & taken == 0 {
            best = best.max(bundle.value + brute_force(others, taken | set));
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn winner_determination_is_exact_and_vcg_takes_no_more_than_bids(
        bids in prop::collection::vec(prop::collection::vec((1_u64..64, 0_i64..20), 0..4), 1..6),
    ) {
        let bundle = |&(set, value): &(u64, i64)| Bundle { items: (0..6).filter(|item| set >> item & 1 == 1).collect(), value: value.into() };
        let bids: Vec<Vec<Bundle>> = bids.iter().map(|own| own.iter().map(bundle).collect()).collect();
        let outcome = combinatorial_auction(6, &bids, CombinatorialRule::Vcg).unwrap();
        prop_assert_eq!(outcome.welfare(), brute_force(&bids, 0));
        let mut given: Vec<usize> = outcome.allocation.concat();
        given.sort_unstable();
        prop_assert!(given.windows(2).all(|two| two[0] != two[1]), "an item went twice");
        prop_assert!(outcome.is_individually_rational());
        for (bidder, own) in bids.iter().enumerate() {
            prop_assert!(outcome.payments[bidder] >= 0);
            let mut without = bids.clone();
            without[bidder].clear();
            let harm = brute_force(&without, 0) - (outcome.welfare() - outcome.values[bidder]);
            prop_assert_eq!(outcome.payments[bidder], harm, "{:?}", own);
        }
        let greedy = combinatorial_auction(6, &bids, CombinatorialRule::PayAsBid).unwrap();
        prop_assert_eq!(greedy.revenue(), greedy.welfare());
    }

    #[test]
    fn payments_to_agents_are_what_the_others_would_lack(costs in prop::collection::vec(prop::collection::vec(0_i64..30, 3), 4..7)) {
        let costs: Vec<Vec<Money>> = costs.iter().map(|row| row.iter().map(|cost| Money::from(*cost)).collect()).collect();
        let outcome = assign_tasks(&costs, None, TaskRule::Vcg).unwrap();
        let cheapest = |without: Option<usize>| {
            let mut best = Money::MAX;
            let agents = costs.len();
            for n in 0..agents.pow(3) {
                let trio = [n % agents, n / agents % agents, n / agents / agents];
                let different = trio[0] != trio[1] && trio[0] != trio[2] && trio[1] != trio[2];
                if different && !trio.iter().any(|agent| Some(*agent) == without) {
                    best = best.min((0..3).map(|task| costs[trio[task]][task]).sum());
                }
            }
            best
        };
        prop_assert_eq!(-outcome.welfare(), cheapest(None));
        for agent in 0..costs.len() {
            let due = if outcome.allocation[agent].is_empty() { 0 } else { cheapest(Some(agent)) - cheapest(None) - outcome.values[agent] };
            prop_assert_eq!(-outcome.payments[agent], due);
        }
        prop_assert!(-assign_tasks(&costs, None, TaskRule::ContractNet).unwrap().welfare() >= cheapest(None));
        // A reserve above all costs changes no assignment's cost; one of zero leaves everything undone.
        prop_assert_eq!(assign_tasks(&costs, Some(1000), TaskRule::FirstPrice).unwrap().welfare(), outcome.welfare());
    }

    #[test]
    fn double_auctions_balance_and_lose_at_most_one_trade(
        buyers in prop::collection::vec(0_i64..40, 1..8), sellers in prop::collection::vec(0_i64..40, 1..8),
    ) {
        let money = |values: &[i64]| -> Vec<Money> { values.iter().map(|value| Money::from(*value)).collect() };
        let found = mcafee_auction(&money(&buyers), &money(&sellers)).unwrap();
        prop_assert!(found.outcome.revenue() >= 0, "a deficit");
        prop_assert!(found.outcome.is_individually_rational());
        prop_assert!(found.trades == found.efficient_trades || found.trades + 1 == found.efficient_trades);
        let trades = found.outcome.allocation.iter().filter(|pairs| !pairs.is_empty()).count();
        prop_assert_eq!(trades, 2 * found.trades);
    }

    #[test]
    fn prices_of_one_item_fall_from_rule_to_rule(bids in prop::collection::vec(-3_i64..30, 1..8), reserve in 0_i64..20) {
        let bids: Vec<Money> = bids.into_iter().map(Money::from).collect();
        let outcomes = SINGLE_ITEM.map(|rule| single_item_auction(&bids, reserve.into(), rule).unwrap());
        let highest = *bids.iter().max().unwrap();
        let welfare = if highest >= reserve.into() { highest } else { 0 };
        for outcome in &outcomes {
            prop_assert_eq!(outcome.welfare(), welfare);
            prop_assert!(outcome.is_individually_rational());
        }
        prop_assert!(outcomes[0].revenue() >= outcomes[1].revenue() && outcomes[1].revenue() >= outcomes[2].revenue());
        let one_unit: Vec<Vec<Money>> = bids.iter().map(|bid| vec![*bid]).collect();
        let vickrey = multi_unit_auction(&one_unit, 1, reserve.into(), MultiUnitRule::Vickrey).unwrap();
        prop_assert_eq!(vickrey.payments, outcomes[1].payments.clone(), "one unit is one item");
    }
}

#[test]
fn what_cannot_be_settled_is_refused() {
    let shape = |result: Result<Outcome, MechanismError>| matches!(result, Err(MechanismError::Shape { .. }));
    assert!(shape(single_item_auction(&[], 0, SingleItemRule::FirstPrice)));
    assert!(shape(multi_unit_auction(&[vec![1, 2]], 2, 0, MultiUnitRule::Vickrey)));
    assert!(shape(assign_tasks(&[vec![1, 2], vec![1]], None, TaskRule::FirstPrice)));
    assert!(shape(assign_tasks(&[vec![1, 2], vec![2, 1]], None, TaskRule::Vcg)), "no rival, no price");
    assert!(assign_tasks(&[vec![1, 2], vec![2, 1]], Some(9), TaskRule::Vcg).is_ok());
    assert!(shape(position_auction(&[1, 2], &[3], PositionRule::Vcg)));
    assert!(shape(combinatorial_auction(2, &[vec![Bundle { items: vec![2], value: 1 }]], CombinatorialRule::Vcg)));
    assert!(shape(combinatorial_auction(2, &[vec![Bundle { items: vec![], value: 1 }]], CombinatorialRule::Vcg)));
    assert!(matches!(
        single_item_auction(&[Money::MAX], 0, SingleItemRule::FirstPrice),
        Err(MechanismError::Amount { found: Money::MAX, .. })
    ));
    let long = vec![vec![1; 500]; 501];
    assert!(matches!(assign_tasks(&long, None, TaskRule::Vcg), Err(MechanismError::TooLarge { .. })));
    let grids: Vec<Vec<Money>> = vec![(0..=10).collect(); 9];
    let scan = scan_incentives(&grids, |bids| single_item_auction(bids, 0, SingleItemRule::FirstPrice), sold, |_| 0);
    assert!(matches!(scan, Err(MechanismError::TooLarge { found: 2_357_947_691, .. })));
    // Bids that overlap at random on 64 items, all worth about the same an item: the search gives up with a count.
    let mut state = 7_u64;
    let mut next = |range: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % range
    };
    let hard: Vec<Vec<Bundle>> = (0..600)
        .map(|_| {
            let mut items: Vec<usize> = (0..5).map(|_| next(64) as usize).collect();
            items.sort_unstable();
            items.dedup();
            let value = items.len() as Money * 1000 + Money::from(next(50));
            vec![Bundle { items, value }]
        })
        .collect();
    let given_up = combinatorial_auction(64, &hard, CombinatorialRule::PayAsBid);
    assert!(matches!(given_up, Err(MechanismError::TooLarge { .. })), "{given_up:?}");
}
