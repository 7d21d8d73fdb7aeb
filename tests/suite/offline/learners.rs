//! Cloning and conservative Q-learning on recordings whose answers are known.

use std::sync::Arc;

use llmagentos::base::{
    Action, ActionMenu, AgentId, Chance, DecisionBatch, LearnError, Learner, LegalActions, Outcome, Purpose, Space,
    Tick, TransitionTable, Transitions,
};
use llmagentos::domains::reference::{LakeMap, frozen_lake};
use llmagentos::rl::{ALGORITHMS, policy_values, start_value, value_iteration};
use llmagentos::scenario::Scenario;
use rand::RngExt as _;

const DRAW: Purpose = Purpose::named("test.offline.draw");

fn learner(kind: &str, settings: &str, space: &Space) -> Box<dyn Learner> {
    let text = format!(
        "name = \"r\"\nticks = 1\n[policy.p]\nkind = \"{kind}\"\ndata = [\"x\"]\n{settings}\n[domain]\nkind = \"none\"\n"
    );
    let section = Scenario::parse("r.toml", &text, &[]).expect("sound").policies["p"].clone();
    let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == kind).expect("known");
    (algorithm.build)(&section, space).expect("builds")
}

fn studied(kind: &str, settings: &str, space: &Space, recording: &Transitions, seed: u64) -> Box<dyn Learner> {
    let mut learner = learner(kind, settings, space);
    learner.give(Arc::new([recording.clone()]));
    learner.study(Chance::new(seed)).expect("learns");
    learner
}

/// What a policy does in rows of features, the same for many agents.
fn choices(learner: &dyn Learner, space: &Space, features: &[f32], legal: LegalActions) -> Vec<Action> {
    let count = features.len() / space.features.len();
    let mut actions = vec![Action(0); count];
    let decisions = DecisionBatch {
        tick: Tick(0),
        chance: Chance::new(5),
        space,
        agents: &(0..count as u32).map(AgentId).collect::<Vec<_>>(),
        features,
        legal: &vec![legal; count],
        words: &[],
        word_ids: &[],
        advice: &[],
    };
    learner.deployed().decide(&decisions, &mut actions).expect("it can decide");
    actions
}

fn coin_space() -> Space {
    Space::new(&["x", "y"], ActionMenu::new(&["left", "right", "never"]))
}

/// Decisions of 2,000 episodes of two each at random places; action 2 is never legal.
fn coin(choose: impl Fn(f32, f32) -> u16) -> Transitions {
    let mut rows = Transitions::default();
    for number in 0..4000_u32 {
        let mut draw = Chance::new(1).keyed(DRAW, u64::from(number), 0);
        let (x, y) = (draw.random::<f32>() * 6.0 - 3.0, draw.random::<f32>() * 100.0);
        rows.agents.push(AgentId(number % 8));
        rows.decided.push(Tick(u64::from(number / 8)));
        rows.features.extend([x, y]);
        rows.legal.push(LegalActions(0b011));
        rows.actions.push(Action(choose(x, draw.random())));
        rows.log_probabilities.push(None);
        rows.rewards.push(0.0);
        let ends = number / 8 % 2 == 1;
        rows.next_features.extend(if ends { [0.0; 2] } else { [x, y] });
        rows.next_legal.push(LegalActions(if ends { 0 } else { 0b011 }));
        rows.outcomes.push(if ends { Outcome::Terminated } else { Outcome::Continues });
    }
    rows
}

#[test]
fn a_clone_learns_the_probabilities_of_who_was_recorded() {
    let space = coin_space();
    // Right with probability 0.8 where x is positive and 0.3 elsewhere; the best that can be said of a row is then
    // −(H(0.8) + H(0.3)) / 2 = −0.5556 nats, and the likelier action is taken in 75% of rows.
    let recording = coin(|x, draw| u16::from(draw < if x > 0.0 { 0.8 } else { 0.3 }));
    let mut clone = learner("behaviour_cloning", "choosing = \"drawn\"\nheld_out = 0.25", &space);
    clone.give(Arc::new([recording]));
    let studies = clone.study(Chance::new(2)).expect("learns");
    let log_probability = studies.iter().filter_map(|study| study.held_out_log_probability).fold(f64::MIN, f64::max);
    assert!((log_probability + 0.5556).abs() < 0.05, "{log_probability}");
    let accuracy = studies.last().and_then(|study| study.held_out_accuracy).expect("held out");
    assert!((accuracy - 0.75).abs() < 0.04, "{accuracy}");
    assert!(studies.len() < 50, "learning stops where nothing is gained: {} epochs", studies.len());
    assert_eq!(
        studies.iter().map(|study| study.epoch).collect::<Vec<_>>(),
        (1..=studies.len() as u64).collect::<Vec<_>>()
    );
    // Drawn, it does what was recorded about as often; what is not legal never.
    let drawn = choices(&*clone, &space, &[2.0, 50.0].repeat(2000), LegalActions(0b011));
    let right = drawn.iter().filter(|action| action.0 == 1).count() as f64 / 2000.0;
    assert!((right - 0.8).abs() < 0.06, "{right}");
    assert!(drawn.iter().all(|action| action.0 < 2));
    assert_eq!(choices(&*clone, &space, &[2.0, 50.0], LegalActions(0b100)), [Action(2)]);
}

#[test]
fn a_clone_of_a_rule_follows_it() {
    let space = coin_space();
    let clone = studied("behaviour_cloning", "", &space, &coin(|x, _| u16::from(x > 0.5)), 1);
    for (x, action) in [(-2.0, 0), (0.2, 0), (0.8, 1), (2.5, 1)] {
        assert_eq!(choices(&*clone, &space, &[x, 30.0], LegalActions(0b011)), [Action(action)], "at {x}");
    }
}

#[test]
fn too_little_to_learn_from_is_said() {
    let space = coin_space();
    let told = |kind: &str, rows: Option<Transitions>| {
        let mut learner = learner(kind, "", &space);
        if let Some(rows) = rows {
            learner.give(Arc::new([rows]));
        }
        match learner.study(Chance::new(0)) {
            Err(LearnError::Recording(told)) => told,
            other => panic!("{other:?}"),
        }
    };
    for kind in ["behaviour_cloning", "cql"] {
        assert!(told(kind, None).contains("no recorded transitions"));
    }
    let mut one = coin(|_, _| 0);
    one.agents.fill(AgentId(0));
    one.outcomes.fill(Outcome::Continues);
    assert!(told("behaviour_cloning", Some(one)).contains("one episode only"));
    let mut forced = coin(|_, _| 0);
    forced.legal.fill(LegalActions(0b001));
    assert!(told("behaviour_cloning", Some(forced)).contains("no decision between two actions"));
}

/// What 64 walkers at random meet on a lake whose places are seen one by one, 0 or 1.
fn lake(table: &TransitionTable, space: &Space, ticks: u64) -> Transitions {
    let one_hot = |place: usize| (0..table.states).map(move |other| if other == place { 1.0 } else { 0.0 });
    let mut rows = Transitions::default();
    // They start anywhere but where an episode is over, and again there when it is.
    let ends = |state: &usize| (0..table.actions).all(|action| table.follows(*state, action)[0].terminated);
    let open: Vec<usize> = (0..table.states).filter(|state| !ends(state)).collect();
    let mut places: Vec<usize> = (0..64).map(|walker| open[walker % open.len()]).collect();
    for tick in 0..ticks {
        for (walker, place) in places.iter_mut().enumerate() {
            let mut draw = Chance::new(3).keyed(DRAW, tick, walker as u64);
            let action = draw.random_range(0..table.actions);
            let branch = table.draw(*place, action, draw.random());
            rows.agents.push(AgentId(walker as u32));
            rows.decided.push(Tick(tick));
            rows.features.extend(one_hot(*place));
            rows.legal.push(LegalActions::all(space.menu.len()));
            rows.actions.push(Action(action as u16));
            rows.log_probabilities.push(Some(-(table.actions as f64).ln()));
            rows.rewards.push(branch.reward as f32);
            let next = if branch.terminated { vec![0.0; table.states] } else { one_hot(branch.next).collect() };
            rows.next_features.extend(next);
            rows.next_legal.push(if branch.terminated { LegalActions::default() } else { LegalActions::all(4) });
            rows.outcomes.push(if branch.terminated { Outcome::Terminated } else { Outcome::Continues });
            *place = if branch.terminated { open[draw.random_range(0..open.len())] } else { branch.next };
        }
    }
    rows
}

#[test]
fn conservative_q_learning_makes_more_of_random_walks_than_cloning_does() {
    const PLACES: [&str; 16] =
        ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15"];
    let table = frozen_lake(LakeMap::Four, true);
    let space = Space::new(&PLACES, ActionMenu::new(&["left", "down", "right", "up"]));
    let recording = lake(&table, &space, 400);
    let identity: Vec<f32> = (0..256).map(|cell| if cell / 16 == cell % 16 { 1.0 } else { 0.0 }).collect();
    let value = |learner: &dyn Learner| {
        let actions = choices(learner, &space, &identity, LegalActions::all(4));
        let policy: Vec<usize> = actions.iter().map(|action| action.index()).collect();
        start_value(&table, &policy_values(&table, &policy, 0.99, 1e-12))
    };
    let linear = "network = { hidden = [] }\nnormalise_observations = false\n";
    for seed in 0..3 {
        let settings = format!(
            "{linear}conservatism = 0.05\nepochs = 30\ntarget_every = 50\n\
             optimiser = {{ learning_rate = 0.02, schedule = \"linear\", schedule_transitions = 768000, gradient_norm = 10.0 }}"
        );
        let conservative = value(&*studied("cql", &settings, &space, &recording, seed));
        let cloned = value(&*studied("behaviour_cloning", linear, &space, &recording, seed));
        // The best is 0.5420 (tests/suite/data/mdp_optimal_values.json); who walks at random gets 0.0120, by iterating the
        // mean over actions; whom a clone of these takes for likelier is chance.
        let best = start_value(&table, &value_iteration(&table, 0.99, 1e-12));
        assert!(conservative > 0.9 * best, "seed {seed}: {conservative} of {best}");
        assert!(cloned < 0.3, "seed {seed}: {cloned}");
    }
}

#[test]
fn conservatism_holds_values_of_what_was_not_done_down() {
    let space = coin_space();
    // Action 1 is done in one row of ten; its values are lower the more conservative the learner.
    let recording = coin(|_, draw| u16::from(draw < 0.1));
    let gap = |conservatism: &str| {
        let mut learner = learner("cql", &format!("conservatism = {conservatism}\nepochs = 15"), &space);
        learner.give(Arc::new([recording.clone()]));
        learner.study(Chance::new(1)).expect("learns").last().and_then(|study| study.gap).expect("conservative")
    };
    let (weak, strong) = (gap("0.01"), gap("10.0"));
    // A policy that is drawn by exp Q can do no better than the entropy of 0.1: 0.325 nats.
    assert!(strong < weak && (strong - 0.325).abs() < 0.05, "{weak}, {strong}");
}

#[test]
fn what_was_learned_is_the_same_for_any_number_of_threads_and_comes_back_whole() {
    let space = coin_space();
    let recording = coin(|x, _| u16::from(x > 0.0));
    for kind in ["behaviour_cloning", "cql"] {
        let learn = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| studied(kind, "minibatch = 500\nepochs = 3", &space, &recording, 4).save())
        };
        let file = learn(1);
        assert_eq!(file, learn(8), "{kind}");
        let mut copy = learner(kind, "learn = false", &space);
        copy.load(&file).expect("it fits");
        assert_eq!(copy.save(), file, "{kind}");
        assert!(copy.study(Chance::new(9)).expect("nothing to do").is_empty());
        let original = studied(kind, "minibatch = 500\nepochs = 3", &space, &recording, 4);
        let places: Vec<f32> = (0..100).flat_map(|place| [place as f32 / 20.0 - 2.5, place as f32]).collect();
        let legal = LegalActions(0b011);
        assert_eq!(choices(&*copy, &space, &places, legal), choices(&*original, &space, &places, legal), "{kind}");
    }
}
