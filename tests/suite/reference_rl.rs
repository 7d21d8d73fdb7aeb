//! Value iteration and the tabular learners against exact values of standard tasks, and the reference world's dynamics
//! against Gymnasium's. The numbers and how they were obtained: `tests/suite/data/mdp_optimal_values.json`.

use llmagentos::base::{
    Action, ActionMenu, AgentId, Chance, DecisionBatch, Learner, LegalActions, Outcome, Purpose, Space, Tick,
    TransitionBatch, TransitionTable,
};
use llmagentos::domains::reference::{CartPole, LakeMap, cliff_walking, frozen_lake, taxi, taxi_legal};
use llmagentos::rl::{ALGORITHMS, greedy_policy, policy_values, start_value, value_iteration};
use llmagentos::scenario::Scenario;
use rand::RngExt as _;
use serde_json::Value;

const DISCOUNT: f64 = 0.99;

fn published() -> Value {
    serde_json::from_str(include_str!("data/mdp_optimal_values.json")).expect("JSON")
}

fn task(name: &str) -> TransitionTable {
    match name {
        "frozen_lake_4x4_slippery" => frozen_lake(LakeMap::Four, true),
        "frozen_lake_4x4" => frozen_lake(LakeMap::Four, false),
        "frozen_lake_8x8_slippery" => frozen_lake(LakeMap::Eight, true),
        "frozen_lake_8x8" => frozen_lake(LakeMap::Eight, false),
        "cliff_walking" => cliff_walking(),
        "taxi" => taxi(),
        other => panic!("a task \"{other}\" without a table"),
    }
}

#[test]
fn value_iteration_finds_the_published_values_of_the_published_tasks() {
    for (name, entry) in published()["tasks"].as_object().expect("tasks") {
        let table = task(name);
        let values = value_iteration(&table, DISCOUNT, 1e-13);
        let theirs = entry["values"].as_array().expect("values");
        assert_eq!(values.len(), theirs.len(), "{name}");
        for (state, (ours, theirs)) in values.iter().zip(theirs).enumerate() {
            let theirs = theirs.as_f64().expect("a number");
            assert!((ours - theirs).abs() < 1e-9, "{name}, state {state}: {ours}, published {theirs}");
        }
        assert_eq!(table.starts.len() as u64, entry["starts"].as_u64().expect("a count"), "{name}");
        let (start, theirs) = (start_value(&table, &values), entry["start_value"].as_f64().expect("a number"));
        assert!((start - theirs).abs() < 1e-9, "{name}: {start} at the start, published {theirs}");
        let greedy = policy_values(&table, &greedy_policy(&table, &values, DISCOUNT), DISCOUNT, 1e-13);
        assert!((start_value(&table, &greedy) - theirs).abs() < 1e-9, "{name}: the greedy policy is not the best");
    }
}

#[test]
fn the_pole_moves_as_published() {
    let cart_pole = &published()["cart_pole"];
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().expect("numbers").iter().map(|number| number.as_f64().expect("a number")).collect()
    };
    let mut ours = CartPole { state: numbers(&cart_pole["start"]).try_into().expect("four") };
    let states = cart_pole["states"].as_array().expect("states");
    for (step, (state, action)) in states.iter().zip(numbers(&cart_pole["actions"])).enumerate() {
        let fell = ours.push(action > 0.5);
        for (ours, theirs) in ours.state.iter().zip(numbers(state)) {
            assert!((ours - theirs).abs() < 1e-9, "step {step}: {ours}, published {theirs}");
        }
        assert_eq!(fell, step + 1 == states.len(), "step {step}");
    }
}

#[test]
fn the_taxis_mask_leaves_what_changes_something() {
    let table = taxi();
    // Row 0, column 0, passenger at the red stand (0, 0), destination green: south and pick-up; a wall is no way east at
    // column 1, and the edge none north or west. East is open.
    assert_eq!(taxi_legal(&table, 1), LegalActions(0b01_0101));
    for state in 0..table.states {
        let legal = taxi_legal(&table, state);
        for action in 0..6 {
            let branch = table.follows(state, action)[0];
            assert_eq!(legal.allows(Action(action as u16)), branch.next != state || branch.terminated, "{state}");
        }
        assert!(legal.count() > 0);
    }
}

const ENVIRONMENT: Purpose = Purpose::named("test.reference_rl.environment");
const WALKERS: u32 = 64;

/// How one algorithm is to learn one task.
struct Course {
    kind: &'static str,
    settings: &'static str,
    ticks: u64,
}

fn untrained(kind: &str, settings: &str, table: &TransitionTable, space: &Space) -> Box<dyn Learner> {
    let text = format!(
        "name = \"r\"\nticks = 1\n[policy.p]\nkind = \"{kind}\"\nstate = [{{ feature = \"place\", levels = {} }}]\n\
         discount = {DISCOUNT}\n{settings}\n[domain]\nkind = \"none\"\n",
        table.states
    );
    let section = Scenario::parse("r.toml", &text, &[]).expect("sound").policies["p"].clone();
    let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == kind).expect("known");
    (algorithm.build)(&section, space).expect("builds")
}

/// Learns from walkers that start anywhere.
fn trained(course: &Course, table: &TransitionTable, space: &Space, seed: u64) -> Box<dyn Learner> {
    let mut learner = untrained(course.kind, course.settings, table, space);
    let ends = |state: usize| (0..table.actions).all(|action| table.follows(state, action)[0].terminated);
    let chance = Chance::new(seed);
    let agents: Vec<AgentId> = (0..WALKERS).map(AgentId).collect();
    let open: Vec<usize> = (0..table.states).filter(|&state| !ends(state)).collect();
    let mut places: Vec<usize> = agents.iter().map(|agent| open[agent.index() % open.len()]).collect();
    let legal = vec![LegalActions::all(table.actions); agents.len()];
    let mut actions = vec![Action(0); agents.len()];
    for tick in (0..course.ticks).map(Tick) {
        let features: Vec<f32> = places.iter().map(|&place| place as f32).collect();
        let decisions = DecisionBatch {
            tick,
            chance,
            space,
            agents: &agents,
            features: &features,
            legal: &legal,
            words: &[],
            word_ids: &[],
            advice: &[],
        };
        learner.policy().decide(&decisions, &mut actions).expect("a table can always decide");
        let (mut rewards, mut next_features, mut next_legal, mut outcomes) = (vec![], vec![], vec![], vec![]);
        for (row, place) in places.iter_mut().enumerate() {
            let mut draw = chance.draw(ENVIRONMENT, tick, agents[row]);
            let branch = table.draw(*place, actions[row].index(), draw.random());
            let ended = branch.terminated;
            rewards.push(branch.reward as f32);
            next_features.push(if ended { 0.0 } else { branch.next as f32 });
            next_legal.push(if ended { LegalActions::default() } else { legal[row] });
            outcomes.push(if ended { Outcome::Terminated } else { Outcome::Continues });
            *place = if ended { open[draw.random_range(0..open.len())] } else { branch.next };
        }
        let batch = TransitionBatch {
            tick,
            chance,
            space,
            agents: &agents,
            features: &features,
            legal: &legal,
            actions: &actions,
            decided: &vec![tick; agents.len()],
            rewards: &rewards,
            next_features: &next_features,
            next_legal: &next_legal,
            outcomes: &outcomes,
            central: &[],
            next_central: &[],
            terms: &[],
            advice: &[],
        };
        learner.learn(&batch).expect("all numbers are finite");
    }
    learner
}

fn space(table: &TransitionTable) -> Space {
    Space::new(&["place"], ActionMenu::new(&["a", "b", "c", "d", "e", "f"][..table.actions]))
}

/// The exact value, at the start, of the policy that is deployed.
fn deployed_value(table: &TransitionTable, space: &Space, learner: &dyn Learner) -> f64 {
    let agents: Vec<AgentId> = (0..table.states as u32).map(AgentId).collect();
    let features: Vec<f32> = (0..table.states).map(|place| place as f32).collect();
    let legal = vec![LegalActions::all(table.actions); table.states];
    let decisions = DecisionBatch {
        tick: Tick(0),
        chance: Chance::new(0),
        space,
        agents: &agents,
        features: &features,
        legal: &legal,
        words: &[],
        word_ids: &[],
        advice: &[],
    };
    let mut actions = vec![Action(0); table.states];
    learner.deployed().decide(&decisions, &mut actions).expect("a table can always decide");
    let policy: Vec<usize> = actions.iter().map(|action| action.index()).collect();
    start_value(table, &policy_values(table, &policy, DISCOUNT, 1e-12))
}

fn within_one_percent_on_five_seeds(name: &str, courses: &[Course]) {
    let table = task(name);
    let space = space(&table);
    let best = start_value(&table, &value_iteration(&table, DISCOUNT, 1e-13));
    for course in courses {
        for seed in 0..5 {
            let value = deployed_value(&table, &space, &*trained(course, &table, &space, seed));
            let short = (best - value) / best.abs();
            assert!((-1e-9..=0.01).contains(&short), "{}, {name}, seed {seed}: {value} of {best}", course.kind);
        }
    }
}

/// Learners that look at what is best may walk at random. Those that learn what their own walk is worth must mostly do
/// what is best; what was seldom tried is worth more than it can be, so that it is tried until it is known.
const RANDOM_WALK: &str = "learning_rate = 0.01\nexploration = 1.0\nexploration_final = 1.0";
const BY_OPTIMISM: &str = "learning_rate = 0.01\nharmonic_start = false\ninitial_value = 1.0\nexploration = 0.01\n\
                           exploration_final = 0.01";

#[test]
fn tabular_learners_are_within_one_percent_of_the_optimum_on_the_frozen_lake() {
    let courses = [
        Course { kind: "q_learning", settings: RANDOM_WALK, ticks: 5000 },
        Course { kind: "double_q", settings: RANDOM_WALK, ticks: 8000 },
        Course { kind: "sarsa", settings: BY_OPTIMISM, ticks: 16000 },
        Course { kind: "expected_sarsa", settings: BY_OPTIMISM, ticks: 16000 },
    ];
    within_one_percent_on_five_seeds("frozen_lake_4x4_slippery", &courses);
}

#[test]
fn tabular_learners_find_the_shortest_way_past_the_cliff() {
    let walk = "learning_rate = 0.5\nexploration = 1.0\nexploration_final = 1.0";
    // On the shortest way a step aside costs 100: who learns what its own walk is worth finds it only without one. What was
    // never tried is worth more than anything tried, so that all is tried all the same.
    let rest = "learning_rate = 0.1\nharmonic_start = false\nexploration = 0.0\nexploration_final = 0.0";
    let courses = [
        Course { kind: "q_learning", settings: walk, ticks: 3000 },
        Course { kind: "double_q", settings: walk, ticks: 3000 },
        Course { kind: "sarsa", settings: rest, ticks: 6000 },
        Course { kind: "expected_sarsa", settings: rest, ticks: 6000 },
    ];
    within_one_percent_on_five_seeds("cliff_walking", &courses);
}

#[test]
fn who_explores_along_the_cliff_learns_the_safe_way_and_q_learning_the_short_one() {
    // Sutton and Barto 2018, example 6.6: ε = 0.1, α = 0.5; SARSA goes round by the upper rows, Q-learning along the edge.
    let table = task("cliff_walking");
    let space = space(&table);
    let settings = "learning_rate = 0.5\nharmonic_start = false\nexploration = 0.1\nexploration_final = 0.1";
    let value = |kind| {
        let learner = trained(&Course { kind, settings, ticks: 3000 }, &table, &space, 1);
        deployed_value(&table, &space, &*learner)
    };
    let shortest = start_value(&table, &value_iteration(&table, DISCOUNT, 1e-13));
    assert!((value("q_learning") - shortest).abs() < 1e-6);
    let safe = value("expected_sarsa");
    assert!(safe < shortest - 0.5 && safe > -20.0, "{safe} is neither the long way nor a way");
}

#[test]
fn a_table_that_learned_nothing_is_far_from_the_optimum() {
    let table = task("frozen_lake_4x4_slippery");
    let space = space(&table);
    let untaught = Course { kind: "q_learning", settings: RANDOM_WALK, ticks: 0 };
    let value = deployed_value(&table, &space, &*trained(&untaught, &table, &space, 0));
    assert!(value < 0.27, "{value}, where the best is 0.542");
}
