//! Every learner learns a chain whose values are known, repeats itself, is saved and loaded whole, and refuses what
//! does not fit it.

use std::sync::Arc;

use llmagentos::base::{
    Action, ActionMenu, AgentId, Chance, DecisionBatch, LearnError, Learner, LegalActions, Outcome, Policy, PolicyFile,
    Purpose, Space, TensorData, Tick, TransitionBatch, Transitions,
};
use llmagentos::record::{read_policy, write_policy};
use llmagentos::rl::{ALGORITHMS, Algorithm, Discretiser, QLearning, TabularSettings};
use rand::RngExt as _;

use super::policy_section;

/// A corridor of five places; a step to the right from the last is worth 1 and ends the episode, all else is worth
/// nothing. In the first place one cannot go left. γ = 0.9, so the best value of place s is 0.9^(4 − s).
const PLACES: usize = 5;
const DISCOUNT: f64 = 0.9;
/// Walkers that are asked what they would do.
const ASKED: usize = 30;
const LEFT: Action = Action(0);
const RIGHT: Action = Action(1);

fn space() -> Space {
    let own = Space::new(&["noise", "place"], ActionMenu::new(&["left", "right"]));
    Space { central: ["wind"].into(), terms: ["effort"].into(), ..own }
}

fn legal(place: usize) -> LegalActions {
    if place == 0 { LegalActions(0b10) } else { LegalActions(0b11) }
}

/// Settings with which an algorithm learns the corridor. A new algorithm needs a line here.
fn settings(kind: &str) -> &'static str {
    match kind {
        "q_learning" | "sarsa" | "expected_sarsa" | "double_q" => {
            "state = [{ feature = \"place\", levels = 5 }]\nlearning_rate = 0.2\ndiscount = 0.9\n\
             exploration = 1.0\nexploration_final = 1.0"
        }
        // Rows of the corridor are unlike each other: no row follows another, and what is behind the next counts by values.
        "ppo" | "mappo" => {
            "discount = 0.9\nlambda = 0.0\nrollout = 128\nminibatch = 64\nepochs = 4\nentropy = 0.5\n\
             network = { hidden = [16] }\noptimiser = { learning_rate = 0.01 }"
        }
        // Each of the walkers learns from its own steps alone.
        "ippo" => {
            "discount = 0.9\nlambda = 0.0\nrollout = 50\nminibatch = 50\nepochs = 8\nentropy = 0.2\n\
             network = { hidden = [16] }\noptimiser = { learning_rate = 0.01 }"
        }
        // A limit that nobody comes near.
        "ppo_lagrangian" => {
            "limits = [{ term = \"effort\", mean = 10.0 }]\ndeploy = \"greedy\"\n\
             discount = 0.9\nlambda = 0.0\nrollout = 128\nminibatch = 64\nepochs = 4\nentropy = 0.5\n\
             network = { hidden = [16] }\noptimiser = { learning_rate = 0.01 }"
        }
        "a2c" => {
            "discount = 0.9\nlambda = 0.0\nrollout = 32\nentropy = 0.5\nnormalise_advantages = true\n\
             network = { hidden = [16] }\noptimiser = { learning_rate = 0.01 }"
        }
        "reinforce" => {
            "discount = 0.9\nepisodes = 8\nentropy = 0.5\nnetwork = { hidden = [16] }\n\
             optimiser = { learning_rate = 0.01 }"
        }
        // It learns from the advice, and from nothing else.
        "distilled" => {
            "advice = { from = \"mind\" }\nchecks = 8\nlearn_every = 16\nnetwork = { hidden = [16] }\n\
             optimiser = { learning_rate = 0.01 }"
        }
        "dqn" => {
            "discount = 0.9\nreplay = 2000\nlearning_starts = 64\ngradient_steps = 0.1\ntarget_every = 20\n\
             exploration = 1.0\nexploration_final = 1.0\nnetwork = { hidden = [16] }\n\
             optimiser = { learning_rate = 0.01 }"
        }
        "behaviour_cloning" => {
            "data = [\"x\"]\nheld_out = 0.0\nepochs = 2\nnetwork = { hidden = [16] }\noptimiser = { learning_rate = 0.01 }"
        }
        "cql" => {
            "data = [\"x\"]\ndiscount = 0.9\nconservatism = 0.01\nepochs = 5\nminibatch = 64\ntarget_every = 20\n\
             network = { hidden = [16] }\noptimiser = { learning_rate = 0.01 }"
        }
        other => panic!("give settings with which algorithm \"{other}\" learns the corridor"),
    }
}

/// Ticks after which the corridor is learned.
fn enough(algorithm: &Algorithm) -> u64 {
    if algorithm.kind.name == "ippo" { 2000 } else { 300 }
}

fn learner(algorithm: &Algorithm) -> Box<dyn Learner> {
    let name = algorithm.kind.name;
    (algorithm.build)(&policy_section(&format!("kind = \"{name}\"\n{}", settings(name))), &space()).expect("builds")
}

/// A batch in owned columns.
#[derive(Clone)]
struct Rows {
    tick: u64,
    features: Vec<f32>,
    legal: Vec<LegalActions>,
    actions: Vec<Action>,
    rewards: Vec<f32>,
    next_features: Vec<f32>,
    next_legal: Vec<LegalActions>,
    outcomes: Vec<Outcome>,
}

const WALK: Purpose = Purpose::named("test.contract.walk");

impl Rows {
    /// What 32 walkers at random places meet at a tick; walkers 8, 16 and 24 are cut off.
    fn at(tick: u64) -> Self {
        let (mut features, mut legals, mut actions, mut rewards) = (vec![], vec![], vec![], vec![]);
        let (mut next_features, mut next_legal, mut outcomes) = (vec![], vec![], vec![]);
        for agent in 0..32 {
            let mut draw = Chance::new(9).draw(WALK, Tick(tick), AgentId(agent));
            let place = draw.random_range(0..PLACES);
            let action = if place > 0 && draw.random::<bool>() { LEFT } else { RIGHT };
            let ended = action == RIGHT && place + 1 == PLACES;
            features.extend([draw.random::<f32>(), place as f32]);
            legals.push(legal(place));
            actions.push(action);
            rewards.push(if ended { 1.0 } else { 0.0 });
            let next = if action == RIGHT { place + 1 } else { place - 1 };
            next_features.extend(if ended { [0.0; 2] } else { [draw.random::<f32>(), next as f32] });
            next_legal.push(if ended { LegalActions::default() } else { legal(next) });
            outcomes.push(match agent {
                _ if ended => Outcome::Terminated,
                8 | 16 | 24 => Outcome::Truncated,
                _ => Outcome::Continues,
            });
        }
        Self { tick, features, legal: legals, actions, rewards, next_features, next_legal, outcomes }
    }

    /// What a good advisor would say: go right, nine times in ten.
    fn advice(&self) -> Vec<f32> {
        let row = |legal: &LegalActions| {
            if legal.allows(LEFT) { [0.1_f32.ln(), 0.9_f32.ln()] } else { [f32::NEG_INFINITY, 0.0] }
        };
        self.legal.iter().flat_map(row).collect()
    }

    fn teach(&self, learner: &mut dyn Learner) -> Result<llmagentos::base::LearnStats, LearnError> {
        let agents: Vec<AgentId> = (0..self.actions.len() as u32).map(|row| AgentId(row + 100)).collect();
        learner.learn(&TransitionBatch {
            tick: Tick(self.tick),
            chance: Chance::new(9),
            space: &space(),
            agents: &agents,
            features: &self.features,
            legal: &self.legal,
            actions: &self.actions,
            decided: &vec![Tick(self.tick); agents.len()],
            rewards: &self.rewards,
            next_features: &self.next_features,
            next_legal: &self.next_legal,
            outcomes: &self.outcomes,
            central: &vec![0.5; agents.len()],
            next_central: &vec![0.5; agents.len()],
            terms: &vec![0.5; agents.len()],
            advice: &self.advice(),
        })
    }
}

/// The same transitions as a recording; of a teacher that always goes right, where a policy is to do what was done.
fn recorded(kind: &str, ticks: u64) -> Transitions {
    let mut recording = Transitions::default();
    for tick in 0..ticks {
        let rows = Rows::at(tick);
        for row in 0..rows.actions.len() {
            if kind == "behaviour_cloning" && rows.actions[row] == LEFT {
                continue;
            }
            recording.agents.push(AgentId(row as u32 + 100));
            recording.decided.push(Tick(tick));
            recording.features.extend(&rows.features[2 * row..2 * row + 2]);
            recording.legal.push(rows.legal[row]);
            recording.actions.push(rows.actions[row]);
            recording.log_probabilities.push(None);
            recording.rewards.push(rows.rewards[row]);
            recording.next_features.extend(&rows.next_features[2 * row..2 * row + 2]);
            recording.next_legal.push(rows.next_legal[row]);
            recording.outcomes.push(rows.outcomes[row]);
        }
    }
    recording
}

fn taught(algorithm: &Algorithm, ticks: u64) -> Box<dyn Learner> {
    let mut learner = learner(algorithm);
    if learner.studies() && ticks > 0 {
        learner.give(Arc::new([recorded(algorithm.kind.name, ticks)]));
        learner.study(Chance::new(9)).expect("there is enough to learn from");
    }
    for tick in 0..ticks {
        Rows::at(tick).teach(&mut *learner).expect("all numbers are finite");
    }
    learner
}

/// What a policy does in each place, asked for many agents at a tick.
fn choices(policy: &dyn Policy, tick: u64) -> Vec<Action> {
    let places: Vec<usize> = (0..ASKED).map(|row| row % PLACES).collect();
    let features: Vec<f32> = places.iter().flat_map(|&place| [0.5, place as f32]).collect();
    let legal: Vec<LegalActions> = places.iter().map(|&place| legal(place)).collect();
    // Walkers themselves: with some algorithms each knows what it learned alone.
    let agents: Vec<AgentId> = (0..ASKED as u32).map(|row| AgentId(row + 100)).collect();
    let mut actions = vec![Action(0); ASKED];
    let decisions = DecisionBatch {
        tick: Tick(tick),
        chance: Chance::new(4),
        space: &space(),
        agents: &agents,
        features: &features,
        legal: &legal,
        words: &[],
        word_ids: &[],
        advice: &[],
    };
    policy.decide(&decisions, &mut actions).expect("it can decide");
    actions
}

#[test]
fn every_algorithm_learns_the_corridor() {
    for algorithm in ALGORITHMS {
        let learner = taught(algorithm, enough(algorithm));
        assert_eq!(choices(&*learner.deployed(), 0), [RIGHT; ASKED], "{} does not go right", algorithm.kind.name);
        let untaught = taught(algorithm, 0);
        assert_ne!(learner.save(), untaught.save(), "{} learned nothing", algorithm.kind.name);
    }
}

#[test]
fn every_algorithm_says_what_it_learned_from() {
    for algorithm in ALGORITHMS {
        let rows = Rows::at(0);
        let stats = rows.teach(&mut *learner(algorithm)).expect("finite");
        let ended = rows.outcomes.iter().filter(|outcome| **outcome != Outcome::Continues).count() as u64;
        assert_eq!((stats.transitions, stats.episodes), (32, ended), "{}", algorithm.kind.name);
        assert!((stats.reward - rows.rewards.iter().map(|reward| f64::from(*reward)).sum::<f64>()).abs() < 1e-9);
        assert!(stats.error.is_finite() && stats.error >= 0.0);
    }
}

#[test]
fn q_learning_finds_the_corridors_values() {
    let section = policy_section(&format!("kind = \"q_learning\"\n{}", settings("q_learning")));
    let settings: TabularSettings = section.settings().expect("sound");
    let discretiser = Discretiser::new(&settings.state, &space(), &section).expect("sound");
    let mut learner = QLearning::new(settings, discretiser, space());
    for tick in 0..600 {
        Rows::at(tick).teach(&mut learner).expect("finite");
    }
    let value = |place: usize| (place + 1..PLACES).map(|_| DISCOUNT).product::<f64>();
    for place in 0..PLACES {
        let right = learner.values()[place * 2 + 1];
        assert!((right - value(place)).abs() < 1e-6, "right of {place}: {right}, not {}", value(place));
        if place > 0 {
            let left = learner.values()[place * 2];
            assert!((left - DISCOUNT * value(place - 1)).abs() < 1e-6, "left of {place}: {left}");
        }
    }
    assert!(learner.values()[0].abs() < 1e-12, "what was never legal was never tried");
}

#[test]
fn learning_repeats_itself_and_saved_policies_have_equal_bytes() {
    for algorithm in ALGORITHMS {
        let [first, second] =
            [taught(algorithm, 40), taught(algorithm, 40)].map(|one| write_policy(&one.save(), "abc"));
        assert_eq!(first, second, "{}", algorithm.kind.name);
        assert_ne!(first, write_policy(&taught(algorithm, 41).save(), "abc"), "{}", algorithm.kind.name);
    }
}

#[test]
fn a_saved_policy_comes_back_whole() {
    for algorithm in ALGORITHMS {
        let mut original = taught(algorithm, 25);
        let bytes = write_policy(&original.save(), "abc");
        let file = read_policy(&bytes).expect("readable");
        assert_eq!(file, original.save());
        let mut copy = learner(algorithm);
        copy.load(&file).expect("it fits");
        assert_eq!(write_policy(&copy.save(), "abc"), bytes);
        for tick in 0..20 {
            assert_eq!(choices(&*copy.policy(), tick), choices(&*original.policy(), tick));
            assert_eq!(choices(&*copy.deployed(), tick), choices(&*original.deployed(), tick));
        }
        for tick in 25..40 {
            Rows::at(tick).teach(&mut *copy).expect("finite");
            Rows::at(tick).teach(&mut *original).expect("finite");
        }
        assert_eq!(
            copy.save(),
            original.save(),
            "{}: learning goes on as if nothing had happened",
            algorithm.kind.name
        );
    }
}

/// Gives an array another shape of as many numbers.
fn transpose_one(tensors: &mut [TensorData]) {
    let oblong = |tensor: &&mut TensorData| tensor.shape.windows(2).any(|pair| pair[0] != pair[1]);
    tensors.iter_mut().find(oblong).expect("there is one").shape.rotate_left(1);
}

#[test]
fn a_saved_policy_for_something_else_is_refused() {
    let changes: [(fn(&mut PolicyFile), &str); 6] = [
        (|file| file.kind = "other".into(), "algorithms differ: it was saved with \"other\""),
        (|file| file.features[1] = "room".into(), "features differ: it was saved with [\"noise\", \"room\"]"),
        (|file| file.actions.push("wait".into()), "actions differ: it was saved with [\"left\", \"right\", \"wait\"]"),
        (|file| file.layout.push(' '), "it was saved with"),
        (|file| file.tensors.truncate(0), "has no array"),
        (|file| transpose_one(&mut file.tensors), "has no array"),
    ];
    for algorithm in ALGORITHMS {
        for (change, expected) in &changes {
            let mut file = taught(algorithm, 3).save();
            change(&mut file);
            let mut other = learner(algorithm);
            let error = other.load(&file).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(other.save(), learner(algorithm).save(), "a refused policy changes nothing");
        }
        let mut file = taught(algorithm, 3).save();
        let large = file.tensors.iter_mut().find(|tensor| tensor.values.len() > 3).expect("there");
        large.values[3] = f64::NAN;
        let error = learner(algorithm).load(&file).expect_err("no policy acts on NaN").to_string();
        assert!(error.contains("NaN in cell 3"), "{error}");
    }
}

#[test]
fn damaged_bytes_are_refused_and_never_half_read() {
    for algorithm in ALGORITHMS {
        let bytes = write_policy(&taught(algorithm, 3).save(), "abc");
        for length in [0, 1, 7, 8, 9, 40, bytes.len() / 2, bytes.len() - 1] {
            let error = read_policy(&bytes[..length]).expect_err("cut off");
            assert!(error.contains("not a safetensors file") || error.contains("damaged"), "{length}: {error}");
        }
        let error = read_policy(&[&bytes[..], &[0]].concat()).expect_err("a byte too many");
        assert!(error.contains("not a safetensors file") || error.contains("damaged"), "{error}");
    }
    assert!(read_policy(b"a,b,c\n1,2,3\n").is_err());
}

#[test]
fn a_number_that_is_not_finite_is_refused_with_its_agent_and_tick() {
    let spoils: [(fn(&mut Rows), &str); 4] = [
        (|rows| rows.rewards[5] = f32::NAN, "agent 105 at tick 17: its reward is NaN, not a finite number"),
        (|rows| rows.rewards[5] = f32::INFINITY, "agent 105 at tick 17: its reward is inf, not a finite number"),
        (|rows| rows.features[7] = f32::NAN, "agent 103 at tick 17: feature \"place\" is NaN, not a finite number"),
        (
            |rows| rows.next_features[8] = f32::NEG_INFINITY,
            "agent 104 at tick 17: feature \"noise\" is -inf, not a finite number",
        ),
    ];
    for algorithm in ALGORITHMS {
        for (spoil, expected) in &spoils {
            let mut rows = Rows::at(17);
            spoil(&mut rows);
            let mut learner = taught(algorithm, 3);
            let error = rows.teach(&mut *learner).expect_err(expected);
            assert_eq!(error.to_string(), *expected);
            assert_eq!(learner.save(), taught(algorithm, 3).save(), "nothing is learned from a refused batch");
        }
    }
}

#[test]
fn what_is_deployed_explores_nothing() {
    for algorithm in ALGORITHMS {
        let learner = taught(algorithm, enough(algorithm));
        if learner.studies() {
            // What is learned before the run is deployed in it.
            assert_eq!(choices(&*learner.policy(), 7), choices(&*learner.deployed(), 7), "{}", algorithm.kind.name);
            continue;
        }
        // Early: a policy that is drawn from comes to be certain, one that was told to explore always does not. What is
        // distilled asks instead of exploring.
        if algorithm.kind.name == "distilled" {
            continue;
        }
        let beginner = taught(algorithm, 3).policy();
        let explores = (0..20).any(|tick| choices(&*beginner, tick).contains(&LEFT));
        assert!(explores, "{} explores nothing while it learns", algorithm.kind.name);
        for tick in 0..200 {
            assert_eq!(choices(&*learner.deployed(), tick), [RIGHT; ASKED], "{}", algorithm.kind.name);
        }
    }
}
