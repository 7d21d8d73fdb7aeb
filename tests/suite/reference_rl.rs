//! Tabular Q-learning against exact values of two standard tasks.
//!
//! The optimal values were obtained by value iteration to 10⁻¹³ on the transition tables that Gymnasium publishes for
//! `FrozenLake-v1` (4×4, slippery) and `CliffWalking-v1`, and checked by solving the linear equations of the greedy
//! policy. Here the tasks are written down a second time, from their descriptions, and value iteration must find the
//! same numbers first.

use llmagentos::base::{
    Action, ActionMenu, AgentId, Chance, DecisionBatch, Learner, LegalActions, Outcome, Purpose, Space, Tick,
    TransitionBatch,
};
use llmagentos::rl::{Discretiser, QLearning, QLearningSettings, StateFeature};
use llmagentos::scenario::Scenario;
use rand::RngExt as _;

const DISCOUNT: f64 = 0.99;

/// (probability, next state, reward, whether the episode ends).
type Branch = (f64, usize, f64, bool);

/// A task with four actions: left, down, right, up.
struct Task {
    states: usize,
    start: usize,
    branches: fn(usize, usize) -> Vec<Branch>,
    /// States in which episodes end.
    ends: fn(usize) -> bool,
}

fn step(place: usize, action: usize, rows: usize, columns: usize) -> usize {
    let (row, column) = (place / columns, place % columns);
    let (row, column) = match action {
        0 => (row, column.saturating_sub(1)),
        1 => ((row + 1).min(rows - 1), column),
        2 => (row, (column + 1).min(columns - 1)),
        _ => (row.saturating_sub(1), column),
    };
    row * columns + column
}

/// SFFF / FHFH / FFFH / HFFG: holes and the goal end the episode, the goal is worth 1, and the ice is slippery: one
/// goes the way one wants, or to either side of it, each with probability 1/3.
const FROZEN_LAKE: Task =
    Task { states: 16, start: 0, branches: slide, ends: |state| [5, 7, 11, 12, 15].contains(&state) };

fn slide(state: usize, action: usize) -> Vec<Branch> {
    let ways = [(action + 3) % 4, action, (action + 1) % 4];
    ways.map(|way| step(state, way, 4, 4))
        .map(|next| (1.0 / 3.0, next, if next == 15 { 1.0 } else { 0.0 }, (FROZEN_LAKE.ends)(next)))
        .to_vec()
}

/// Four rows of twelve: start and goal are the corners of the last row, a cliff between them. A step costs 1; one over
/// the cliff costs 100 and leads back to the start.
const CLIFF_WALKING: Task = Task { states: 48, start: 36, branches: walk, ends: |state| state > 36 };

fn walk(state: usize, action: usize) -> Vec<Branch> {
    let next = step(state, action, 4, 12);
    let fell = (37..47).contains(&next);
    vec![(1.0, if fell { 36 } else { next }, if fell { -100.0 } else { -1.0 }, next == 47)]
}

/// Optimal values of FrozenLake-v1 4×4, slippery, γ = 0.99.
const FROZEN_LAKE_VALUES: [f64; 16] = [
    0.542_025_931_998_802_4,
    0.498_803_187_227_231_05,
    0.470_695_690_553_684_54,
    0.456_851_699_654_763_13,
    0.558_450_960_241_362_5,
    0.0,
    0.358_348_071_981_839_27,
    0.0,
    0.591_798_744_855_032_8,
    0.643_079_824_767_475_8,
    0.615_207_557_876_254_6,
    0.0,
    0.0,
    0.741_720_438_988_438,
    0.862_837_430_148_515_7,
    0.0,
];

/// Optimal value of CliffWalking-v1 at its start, γ = 0.99: 13 steps of −1.
const CLIFF_WALKING_START: f64 = -12.247_897_700_103_202;

fn worth(task: &Task, values: &[f64], state: usize, action: usize) -> f64 {
    let branch =
        |&(chance, next, reward, ends): &Branch| chance * (reward + if ends { 0.0 } else { DISCOUNT * values[next] });
    (task.branches)(state, action).iter().map(branch).sum()
}

/// Values under `choose`, which picks a value for a state out of those of its actions; iterated until no value moves by
/// more than 10⁻¹².
fn values(task: &Task, choose: impl Fn(usize, [f64; 4]) -> f64) -> Vec<f64> {
    let mut values = vec![0.0; task.states];
    loop {
        let mut moved = 0.0_f64;
        for state in (0..task.states).filter(|state| !(task.ends)(*state)) {
            let value = choose(state, std::array::from_fn(|action| worth(task, &values, state, action)));
            moved = moved.max((value - values[state]).abs());
            values[state] = value;
        }
        if moved < 1e-12 {
            return values;
        }
    }
}

fn optimal(task: &Task) -> Vec<f64> {
    values(task, |_, worths| worths.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

#[test]
fn the_tasks_are_the_published_ones() {
    for (state, (ours, theirs)) in optimal(&FROZEN_LAKE).iter().zip(FROZEN_LAKE_VALUES).enumerate() {
        assert!((ours - theirs).abs() < 1e-9, "state {state}: {ours}, published {theirs}");
    }
    let start = optimal(&CLIFF_WALKING)[CLIFF_WALKING.start];
    assert!((start - CLIFF_WALKING_START).abs() < 1e-9, "{start}");
}

const ENVIRONMENT: Purpose = Purpose::named("test.reference_rl.environment");
const WALKERS: u32 = 64;

/// Learns from walkers that start anywhere and choose at random.
fn trained(task: &Task, learning_rate: f64, ticks: u64, seed: u64) -> QLearning {
    let space = Space { features: ["place"].into(), menu: ActionMenu::new(&["left", "down", "right", "up"]) };
    let settings = QLearningSettings {
        state: vec![StateFeature { feature: "place".into(), levels: Some(task.states as u32), edges: None }],
        learning_rate,
        harmonic_start: true,
        discount: DISCOUNT,
        exploration: 1.0,
        exploration_final: 1.0,
        exploration_ticks: 0,
        initial_value: 0.0,
        learn: true,
        load: None,
    };
    let text = "name = \"r\"\nticks = 1\n[policy.p]\nkind = \"q_learning\"\n[domain]\nkind = \"none\"\n";
    let section = Scenario::parse("r.toml", text, &[]).expect("sound").policies["p"].clone();
    let discretiser = Discretiser::new(&settings.state, &space, &section).expect("sound");
    let mut learner = QLearning::new(settings, discretiser, space.clone());

    let chance = Chance::new(seed);
    let agents: Vec<AgentId> = (0..WALKERS).map(AgentId).collect();
    let open: Vec<usize> = (0..task.states).filter(|state| !(task.ends)(*state)).collect();
    let mut places: Vec<usize> = agents.iter().map(|agent| open[agent.index() % open.len()]).collect();
    let legal = vec![LegalActions::all(4); agents.len()];
    let mut actions = vec![Action(0); agents.len()];
    for tick in (0..ticks).map(Tick) {
        let features: Vec<f32> = places.iter().map(|&place| place as f32).collect();
        let decisions = DecisionBatch {
            tick,
            chance,
            space: &space,
            agents: &agents,
            features: &features,
            legal: &legal,
            words: &[],
            word_ids: &[],
        };
        learner.policy().decide(&decisions, &mut actions).expect("a table can always decide");
        let (mut rewards, mut next_features, mut next_legal, mut outcomes) = (vec![], vec![], vec![], vec![]);
        for (row, place) in places.iter_mut().enumerate() {
            let mut draw = chance.draw(ENVIRONMENT, tick, agents[row]);
            let mut left = draw.random::<f64>();
            let branches = (task.branches)(*place, actions[row].index());
            let fits = |branch: &&Branch| {
                left -= branch.0;
                left < 0.0
            };
            let &(_, next, reward, ends) = branches.iter().find(fits).unwrap_or(&branches[0]);
            rewards.push(reward as f32);
            next_features.push(if ends { 0.0 } else { next as f32 });
            next_legal.push(if ends { LegalActions::default() } else { legal[row] });
            outcomes.push(if ends { Outcome::Terminated } else { Outcome::Continues });
            *place = if ends { open[draw.random_range(0..open.len())] } else { next };
        }
        let batch = TransitionBatch {
            tick,
            chance,
            space: &space,
            agents: &agents,
            features: &features,
            actions: &actions,
            rewards: &rewards,
            next_features: &next_features,
            next_legal: &next_legal,
            outcomes: &outcomes,
        };
        learner.learn(&batch).expect("all numbers are finite");
    }
    learner
}

/// The exact value, at the start, of the policy that is deployed.
fn deployed_value(task: &Task, learner: &QLearning) -> f64 {
    let greedy = |state: usize| {
        let row = &learner.values()[state * 4..state * 4 + 4];
        (0..4).max_by(|&left, &right| row[left].total_cmp(&row[right])).expect("four actions")
    };
    values(task, |state, worths| worths[greedy(state)])[task.start]
}

#[test]
fn q_learning_is_within_one_percent_of_the_optimum_on_the_frozen_lake() {
    for seed in 0..5 {
        let value = deployed_value(&FROZEN_LAKE, &trained(&FROZEN_LAKE, 0.01, 5000, seed));
        let best = FROZEN_LAKE_VALUES[0];
        assert!(value >= 0.99 * best && value <= best + 1e-9, "seed {seed}: {value} of {best}");
    }
}

#[test]
fn q_learning_finds_the_shortest_way_past_the_cliff() {
    for seed in 0..5 {
        let learner = trained(&CLIFF_WALKING, 0.5, 3000, seed);
        let value = deployed_value(&CLIFF_WALKING, &learner);
        assert!((value - CLIFF_WALKING_START).abs() < 0.01 * CLIFF_WALKING_START.abs(), "seed {seed}: {value}");
        let believed = learner.values()[36 * 4 + 3];
        assert!((believed - CLIFF_WALKING_START).abs() < 1e-3, "seed {seed}: the table says {believed}");
    }
}

#[test]
fn a_table_that_learned_nothing_is_far_from_the_optimum() {
    let value = deployed_value(&FROZEN_LAKE, &trained(&FROZEN_LAKE, 0.01, 0, 0));
    assert!(value < 0.5 * FROZEN_LAKE_VALUES[0], "{value}");
}
