//! Shaping by a potential: on tables it changes values as it should and no best action; a learner gets there sooner.

use std::collections::BTreeMap;

use llmagentos::base::{ActionMenu, Branch, Outcome, Space, TransitionTable};
use llmagentos::domains::reference::{LakeMap, cliff_walking, frozen_lake};
use llmagentos::rl::{action_value, greedy_policy, policy_values, start_value, value_iteration};
use llmagentos::scenario::PotentialSettings;
use llmagentos::sim::{Mind, Potential};

use super::{learner, noted, scenario, simulation, step};

const DISCOUNT: f64 = 0.99;

fn settings(constant: f64, linear: &[(&str, f64)], table: &[(&str, Vec<f64>)]) -> PotentialSettings {
    PotentialSettings {
        constant,
        linear: linear.iter().map(|&(name, weight)| (name.to_owned(), weight)).collect(),
        table: table.iter().map(|(name, entries)| ((*name).to_owned(), entries.clone())).collect::<BTreeMap<_, _>>(),
    }
}

fn grid_space() -> Space {
    Space::new(&["place", "row", "column"], ActionMenu::new(&["a", "b", "c", "d"]))
}

fn seen(state: usize, columns: usize) -> [f32; 3] {
    [state as f32, (state / columns) as f32, (state % columns) as f32]
}

/// The table with `added` put on top of each reward.
fn with(table: &TransitionTable, added: impl Fn(usize, &Branch) -> f64) -> TransitionTable {
    TransitionTable::new(table.states, table.actions, table.starts.clone(), |state, action| {
        let more = |branch: &Branch| Branch { reward: branch.reward + added(state, branch), ..*branch };
        table.follows(state, action).iter().map(more).collect()
    })
}

/// All actions of a state that are as good as the best.
fn best_actions(table: &TransitionTable, values: &[f64], state: usize) -> Vec<usize> {
    let worth: Vec<f64> =
        (0..table.actions).map(|action| action_value(table, values, DISCOUNT, state, action)).collect();
    let best = worth.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (0..table.actions).filter(|&action| worth[action] > best - 1e-9).collect()
}

#[test]
fn shaping_by_a_potential_leaves_every_best_action_the_best() {
    // Ng, Harada and Russell (1999), corollary 2: V′ = V − Φ and the same best actions.
    let tables = [
        ("lake", frozen_lake(LakeMap::Eight, true), 8),
        ("dry lake", frozen_lake(LakeMap::Four, false), 4),
        ("cliff", cliff_walking(), 12),
    ];
    let places: Vec<f64> = (0..48).map(|place: i32| f64::from(place * 37 % 23) - 7.5).collect();
    let potentials = [
        settings(-2.0, &[("row", 1.5), ("column", 0.25)], &[]),
        settings(0.0, &[("column", -3.0)], &[("place", places)]),
    ];
    for (name, table, columns) in tables {
        let plain = value_iteration(&table, DISCOUNT, 1e-13);
        for potential in &potentials {
            let potential = Potential::new(potential, &grid_space()).expect("its features are there");
            let shaped = with(&table, |state, branch| {
                let outcome = if branch.terminated { Outcome::Terminated } else { Outcome::Continues };
                potential.added(DISCOUNT, &seen(state, columns), &seen(branch.next, columns), outcome)
            });
            let values = value_iteration(&shaped, DISCOUNT, 1e-13);
            for state in 0..table.states {
                let expected = plain[state] - potential.of(&seen(state, columns));
                assert!((values[state] - expected).abs() < 1e-9, "{name}, {state}: {} for {expected}", values[state]);
                let (before, after) = (best_actions(&table, &plain, state), best_actions(&shaped, &values, state));
                assert_eq!(before, after, "{name}, state {state}");
            }
        }
    }
}

#[test]
fn a_bonus_that_is_no_potential_changes_the_best_policy() {
    // Two points for a step on the cliff's upper edge: who wants them never comes home.
    let table = cliff_walking();
    let bribed = with(&table, |_, branch| if branch.next < 12 { 2.0 } else { 0.0 });
    let plain = start_value(&table, &value_iteration(&table, DISCOUNT, 1e-12));
    let policy = greedy_policy(&bribed, &value_iteration(&bribed, DISCOUNT, 1e-12), DISCOUNT);
    let value = start_value(&table, &policy_values(&table, &policy, DISCOUNT, 1e-12));
    assert!(plain > -13.0 && value < -90.0, "{plain} and {value}");
}

#[test]
fn a_potential_is_read_as_declared_and_cut_off_episodes_keep_theirs() {
    let tables = [("row", vec![0.5, -1.0])];
    let potential = Potential::new(&settings(10.0, &[("column", 2.0)], &tables), &grid_space()).expect("fits");
    assert!((potential.of(&[0.0, 0.0, 3.0]) - 16.5).abs() < 1e-12);
    assert!((potential.of(&[0.0, 7.0, 0.0]) - 9.0).abs() < 1e-12, "larger values have the last entry");
    let (here, there) = ([0.0, 0.0, 0.0], [0.0, 0.0, 1.0]);
    for (outcome, expected) in
        [(Outcome::Continues, 0.9 * 12.5 - 10.5), (Outcome::Truncated, 0.9 * 12.5 - 10.5), (Outcome::Terminated, -10.5)]
    {
        assert!((potential.added(0.9, &here, &there, outcome) - expected).abs() < 1e-12, "{outcome:?}");
    }
    let error = Potential::new(&settings(0.0, &[("colum", 1.0)], &[]), &grid_space()).expect_err("no such feature");
    assert!(error.to_string().contains("column"), "{error}");
}

fn lake(shaping: &str, discount: &str) -> String {
    format!(
        "[[agents]]\nrole = \"frozen_lake\"\npolicy = \"walk\"\n{shaping}\n[policy.walk]\nkind = \"q_learning\"\n\
         state = [{{ feature = \"place\", levels = 64 }}]\n{discount}\nexploration = 0.1\nexploration_final = 0.1\n"
    )
}

/// On a lake of eight by eight that is not slippery Φ = (row + column) / 14 − 1, which is 0 at the goal.
const POTENTIAL: &str = "constant = -1.0, linear = { row = 0.07142857142857142, column = 0.07142857142857142 }";

#[test]
fn learners_are_told_more_and_the_record_is_not() {
    let domain = "frozen_lake = { map = \"8x8\", slippery = false, time_limit = 9 }";
    let shaping = format!("reward = {{ shaping = {{ discount = 0.9, potential = {{ {POTENTIAL} }} }} }}");
    let (plain, _) = noted(&scenario(100, 1, &lake("", ""), domain));
    let (shaped, simulation) = noted(&scenario(100, 1, &lake(&shaping, ""), domain));
    // An episode of nine steps from Φ = −1, discounted: Σ 0.9ᵏ F = 0.9⁹ Φ(last) + 1, also where it was cut off.
    let returns = |told: &[super::Told]| -> Vec<f64> {
        let episodes = told.chunks_exact(9);
        episodes.map(|steps| steps.iter().rev().fold(0.0, |sum, step| f64::from(step.2) + 0.9 * sum)).collect()
    };
    assert_eq!(returns(&plain["walk"]), [0.0; 11], "nobody gets there in nine steps");
    for returned in returns(&shaped["walk"]) {
        let last = (returned - 1.0) / 0.9_f64.powi(9);
        let steps = (last + 1.0) * 14.0;
        assert!((steps - steps.round()).abs() < 1e-4 && (0.0..14.0).contains(&steps.round()), "{steps} from the start");
    }
    let record = simulation.tables().get("learning").expect("there").numbers("reward_mean");
    assert!(!record.is_empty() && record.iter().all(|mean| mean.abs() < 1e-6), "{record:?}");
    let rewards = simulation.tables().get("rewards").expect("there").numbers("reward");
    assert!(rewards.iter().all(|&reward| reward == 0.0), "{rewards:?}");
}

/// On the small lake Φ = (row + column) / 6. It is never negative, so that a table that begins at 0 is drawn towards the goal:
/// shaping is the same as to begin at Q = Φ (Wiewiora 2003).
const TOWARDS: &str = "linear = { row = 0.16666666666666666, column = 0.16666666666666666 }";

/// Episodes until the greedy policy of the table goes the shortest way.
fn episodes_to_the_best(shaping: &str, seed: u64) -> usize {
    let domain = "frozen_lake = { slippery = false }";
    let ticks = 20_000;
    let scenario = scenario(ticks, seed, &lake(shaping, "discount = 0.99"), domain);
    let mut simulation = simulation(&scenario, vec![("walk".into(), Mind::Learning(learner(&scenario, "walk", None)))]);
    let table = frozen_lake(LakeMap::Four, false);
    let mut episodes = 0;
    for _ in 0..ticks {
        step(&mut simulation, 1);
        let ended = simulation.tables().get("episodes").expect("there").rows().len();
        simulation.tables_mut().clear();
        if ended == 0 {
            continue;
        }
        episodes += ended;
        let learned = &simulation.learned()["walk"];
        let values = &learned.tensors.iter().find(|tensor| tensor.name == "values").expect("there").values;
        let mut place = 0;
        for _ in 0..6 {
            let row = &values[place * 4..place * 4 + 4];
            let best = (0..4).fold(0, |best, action| if row[action] > row[best] { action } else { best });
            place = table.follows(place, best)[0].next;
        }
        if place == 15 {
            return episodes;
        }
    }
    panic!("never with {shaping:?} and seed {seed}");
}

#[test]
fn a_shaped_learner_needs_fewer_episodes() {
    let shaping = format!("reward = {{ shaping = {{ potential = {{ {TOWARDS} }} }} }}");
    let (mut plain, mut shaped) = (Vec::new(), Vec::new());
    for seed in 0..5 {
        plain.push(episodes_to_the_best("", seed));
        shaped.push(episodes_to_the_best(&shaping, seed));
    }
    let (all_plain, all_shaped): (usize, usize) = (plain.iter().sum(), shaped.iter().sum());
    assert!(4 * all_shaped < all_plain, "{plain:?} without, {shaped:?} with");
}
