//! Learners with networks on the pole and the cart, through ordinary scenarios: they learn, repeat themselves for any
//! number of threads, go on from what was saved as if nothing had happened, and refuse what they cannot learn from.

use std::collections::BTreeMap;
use std::sync::Arc;

use llmagentos::base::{AgentId, LanguageError, LanguageService, LanguageUsage, PolicyFile, Reply, Request, Tick};
use llmagentos::domains::DOMAINS;
use llmagentos::record::write_policy;
use llmagentos::rl::ALGORITHMS;
use llmagentos::scenario::{Override, Scenario};
use llmagentos::sim::{DomainData, Mind, Options, Simulation, spaces_of_policies};

/// The reference world asks no language model.
pub struct Silent;

impl LanguageService for Silent {
    fn answer(&self, _: Tick, _: u16, _: &[AgentId], requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        assert!(requests.is_empty(), "nobody has a language model");
        Ok(Vec::new())
    }

    fn usage(&self) -> LanguageUsage {
        LanguageUsage::default()
    }
}

fn scenario(policy: &str, ticks: u64, seed: u64) -> Scenario {
    let text = format!(
        "name = \"pole\"\nticks = 1\n[[agents]]\nrole = \"cart_pole\"\ncount = 8\npolicy = \"balance\"\n\
         [domain]\nkind = \"reference\"\n[policy.balance]\n{policy}\n"
    );
    Scenario::parse("pole.toml", &text, &[Override::seed(seed), Override::ticks(ticks)]).expect("sound")
}

fn simulation(scenario: &Scenario, saved: Option<&PolicyFile>, frozen: bool) -> Simulation {
    let domain = DOMAINS.iter().find(|domain| domain.kind().name == "reference").expect("there");
    let spaces = spaces_of_policies(scenario, *domain).expect("fits");
    let section = &scenario.policies["balance"];
    let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()).expect("known");
    let mut learner = (algorithm.build)(section, &spaces["balance"]).expect("builds");
    if let Some(saved) = saved {
        learner.load(saved).expect("it fits");
    }
    let mind = if frozen { Mind::Fixed(learner.deployed()) } else { Mind::Learning(learner) };
    let options = Options {
        minds: vec![("balance".to_owned(), mind)],
        advisors: BTreeMap::new(),
        voices: BTreeMap::new(),
        language: Arc::new(Silent),
        data: DomainData::default(),
        personas: BTreeMap::new(),
        messages: false,
        shuffle_systems: None,
    };
    Simulation::build(scenario, *domain, options).expect("builds")
}

/// What was learned, and the returns of all episodes.
fn run(policy: &str, ticks: u64, seed: u64) -> (PolicyFile, Vec<f64>) {
    let mut simulation = simulation(&scenario(policy, ticks, seed), None, false);
    for _ in 0..ticks {
        simulation.step().expect("nothing fails");
    }
    let returns = simulation.tables().get("episodes").expect("there").numbers("return");
    (simulation.learned()["balance"].clone(), returns)
}

/// Mean return of the frozen policy over at least eight episodes.
fn evaluated(policy: &str, saved: &PolicyFile) -> f64 {
    let mut simulation = simulation(&scenario(policy, 501, 77), Some(saved), true);
    for _ in 0..501 {
        simulation.step().expect("nothing fails");
    }
    let returns = simulation.tables().get("episodes").expect("there").numbers("return");
    assert!(returns.len() >= 8, "every episode ends within 500 steps");
    returns.iter().sum::<f64>() / returns.len() as f64
}

const PPO: &str = "kind = \"ppo\"\nrollout = 512\nminibatch = 128\nepochs = 8\n\
                   optimiser = { learning_rate = 0.002, schedule = \"linear\", schedule_transitions = 72000 }";
const A2C: &str = "kind = \"a2c\"\nrollout = 64\nlambda = 0.95\noptimiser = { learning_rate = 0.002 }";
const REINFORCE: &str = "kind = \"reinforce\"\nepisodes = 8\noptimiser = { learning_rate = 0.01 }";
const DQN: &str = "kind = \"dqn\"\nreplay = 20000\nlearning_starts = 500\nminibatch = 128\ntarget_every = 100\nsteps = 5\n\
                   dueling = true\nexploration_final = 0.02\nexploration_ticks = 400\n\
                   optimiser = { learning_rate = 0.001 }";
/// All that has a state of its own, and short.
const SHORT: [&str; 4] = [
    "kind = \"ppo\"\nrollout = 200\nminibatch = 150\nepochs = 2\nnormalise = { observations = true, rewards = true }",
    "kind = \"a2c\"\nrollout = 50\nnormalise = { rewards = true }",
    "kind = \"reinforce\"\nepisodes = 3",
    "kind = \"dqn\"\nreplay = 150\nlearning_starts = 60\nminibatch = 130\ngradient_steps = 0.1\nsteps = 3\ntarget_every = 7\n\
     prioritised = { exponent = 0.7 }",
];

#[test]
fn ppo_learns_to_hold_the_pole() {
    // A random policy holds it for 22 steps on average, this one for 475 and more within 30,000 steps on 5 of 5 seeds
    // (docs/LEARNING.md); here half of these steps have to do for a part of it.
    let (saved, returns) = run(PPO, 2000, 3);
    assert!(returns[..20].iter().sum::<f64>() / 20.0 < 60.0, "it began with chance");
    let value = evaluated(PPO, &saved);
    assert!(value > 300.0, "{value}");
}

#[test]
fn the_other_learners_with_networks_get_better_at_it() {
    for (policy, ticks, least) in [(A2C, 3000, 100.0), (REINFORCE, 3000, 100.0), (DQN, 1500, 60.0)] {
        let (saved, _) = run(policy, ticks, 1);
        let value = evaluated(policy, &saved);
        assert!(value > least, "{value} after {ticks} ticks: {policy}");
    }
}

#[test]
fn what_is_learned_does_not_depend_on_threads() {
    for policy in SHORT {
        let learned = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            write_policy(&pool.install(|| run(policy, 120, 5).0), "abc")
        };
        let one = learned(1);
        for threads in [2, 8] {
            assert!(learned(threads) == one, "{threads} threads: {policy}");
        }
        assert!(write_policy(&run(policy, 120, 6).0, "abc") != one, "the seed does not show: {policy}");
    }
}

#[test]
fn a_policy_of_another_shape_is_refused() {
    for (policy, change, expected) in [
        (SHORT[0], "network = { hidden = [32] }", "networks or normalisers differ"),
        (SHORT[0], "network = { activation = \"relu\" }", "networks or normalisers differ"),
        (SHORT[3], "dueling = true", "networks or replays differ"),
    ] {
        let (saved, _) = run(policy, 60, 1);
        let other = scenario(&format!("{policy}\n{change}"), 60, 1);
        let domain = DOMAINS.iter().find(|domain| domain.kind().name == "reference").expect("there");
        let spaces = spaces_of_policies(&other, *domain).expect("fits");
        let section = &other.policies["balance"];
        let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()).expect("known");
        let mut learner = (algorithm.build)(section, &spaces["balance"]).expect("builds");
        let error = learner.load(&saved).expect_err(expected).to_string();
        assert!(error.contains(expected) && error.contains("hidden"), "{error}");
    }
}

#[test]
fn settings_that_cannot_learn_are_refused() {
    for (policy, expected) in [
        ("kind = \"ppo\"\noptimiser = { learning_rate = 10.0 }", "10 is outside (0, 1]"),
        ("kind = \"ppo\"\nnetwork = { hidden = [0] }", "0 is outside [1, 1024]"),
        ("kind = \"dqn\"\nreplay = 1000000000", "and this machine has"),
        ("kind = \"dqn\"\ngradient_steps = 0.0", "0 is outside (0, 64]"),
        ("kind = \"a2c\"\nlambda = 1.5", "1.5 is outside [0, 1]"),
    ] {
        let scenario = scenario(policy, 10, 1);
        let domain = DOMAINS.iter().find(|domain| domain.kind().name == "reference").expect("there");
        let spaces = spaces_of_policies(&scenario, *domain).expect("fits");
        let section = &scenario.policies["balance"];
        let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()).expect("known");
        let error = (algorithm.build)(section, &spaces["balance"]).err().expect(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}
