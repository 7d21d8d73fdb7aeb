//! Histories: what a policy that asks for one is handed at decisions and in transitions, and that it makes the difference
//! where memory is needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use llmagentos::base::{
    Action, AgentId, DecisionBatch, LanguageError, LanguageService, LanguageUsage, LearnError, LearnStats, Learner,
    Outcome, Policy, PolicyError, PolicyFile, PolicyFileError, Reply, Request, Tick, TransitionBatch,
};
use llmagentos::domains::DOMAINS;
use llmagentos::record::write_policy;
use llmagentos::rl::ALGORITHMS;
use llmagentos::scenario::{Override, Scenario};
use llmagentos::sim::{DomainData, Mind, Options, Simulation, spaces_of_policies};

/// The reference world asks no language model.
struct Silent;

impl LanguageService for Silent {
    fn answer(&self, _: Tick, _: u16, _: &[AgentId], requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        assert!(requests.is_empty(), "nobody has a language model");
        Ok(Vec::new())
    }

    fn usage(&self) -> LanguageUsage {
        LanguageUsage::default()
    }
}

/// What was handed over.
#[derive(Default)]
struct Seen {
    /// Tick, agent, row.
    decisions: Vec<(u64, u32, Vec<f32>)>,
    /// Tick of the decision, agent, rows before and behind, outcome.
    transitions: Vec<(u64, u32, Vec<f32>, Vec<f32>, Outcome)>,
}

const HISTORY: usize = 3;

/// Pushes the cart to the right in turn with the left, and keeps what it sees.
struct Probe {
    seen: Arc<Mutex<Seen>>,
}

impl Policy for Probe {
    fn history(&self) -> usize {
        HISTORY
    }

    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        let mut seen = self.seen.lock().expect("one thread");
        for (row, (agent, action)) in decisions.agents.iter().zip(actions).enumerate() {
            seen.decisions.push((decisions.tick.0, agent.0, decisions.row(row).to_vec()));
            *action = Action((decisions.tick.0 % 2) as u16);
        }
        Ok(())
    }
}

impl Learner for Probe {
    fn learn(&mut self, batch: &TransitionBatch<'_>) -> Result<LearnStats, LearnError> {
        let mut seen = self.seen.lock().expect("one thread");
        let width = batch.features.len() / batch.agents.len();
        for (row, agent) in batch.agents.iter().enumerate() {
            let of = |values: &[f32]| values[row * width..(row + 1) * width].to_vec();
            let (before, behind) = (of(batch.features), of(batch.next_features));
            seen.transitions.push((batch.decided[row].0, agent.0, before, behind, batch.outcomes[row]));
        }
        Ok(LearnStats::default())
    }

    fn policy(&self) -> Arc<dyn Policy> {
        Arc::new(Self { seen: Arc::clone(&self.seen) })
    }

    fn deployed(&self) -> Arc<dyn Policy> {
        self.policy()
    }

    fn save(&self) -> PolicyFile {
        PolicyFile::default()
    }

    fn load(&mut self, _: &PolicyFile) -> Result<(), PolicyFileError> {
        Ok(())
    }
}

fn scenario(text: &str, ticks: u64, seed: u64) -> Scenario {
    Scenario::parse("history.toml", text, &[Override::seed(seed), Override::ticks(ticks)]).expect("sound")
}

fn build(scenario: &Scenario, mind: Mind) -> Simulation {
    let domain = DOMAINS.iter().find(|domain| domain.kind().name == "reference").expect("there");
    let options = Options {
        minds: vec![("p".to_owned(), mind)],
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

fn poles(more: &str) -> String {
    format!(
        "name = \"h\"\nticks = 1\n[[agents]]\nrole = \"cart_pole\"\ncount = 3\npolicy = \"p\"\n{more}\n\
         [domain]\nkind = \"reference\"\n[domain.cart_pole]\ntime_limit = 7\n[policy.p]\nkind = \"random\"\n"
    )
}

fn probed(text: &str, ticks: u64, learning: bool) -> Seen {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let probe = Probe { seen: Arc::clone(&seen) };
    let mind = if learning { Mind::Learning(Box::new(probe)) } else { Mind::Fixed(Arc::new(probe)) };
    let mut simulation = build(&scenario(text, ticks, 3), mind);
    for _ in 0..ticks {
        simulation.step().expect("nothing fails");
    }
    drop(simulation);
    std::mem::take(&mut seen.lock().expect("one thread"))
}

/// The observations of a row that were seen, oldest first.
fn observations(row: &[f32]) -> Vec<&[f32]> {
    assert_eq!(row.len(), HISTORY * 4 + 1);
    let seen = (row[HISTORY * 4] * HISTORY as f32).round() as usize;
    let all: Vec<&[f32]> = row[..HISTORY * 4].chunks(4).collect();
    assert!(all[..HISTORY - seen].iter().all(|unseen| *unseen == [0.0; 4]), "what was not seen is zero");
    all[HISTORY - seen..].to_vec()
}

#[test]
fn a_row_holds_the_last_observations_of_the_episode_and_no_others() {
    for (learning, pace) in [(false, 1), (true, 1), (true, 2)] {
        // The limit cuts episodes off after seven steps; agents that hold an action for two ticks decide at each second.
        let seen = probed(&poles(&format!("decide_every = {pace}")), 60, learning);
        let mut episodes = 0;
        for agent in 0..3 {
            let rows = seen.decisions.iter().filter(|decision| decision.1 == agent);
            let mut last: Vec<Vec<f32>> = Vec::new();
            for (tick, _, row) in rows {
                let found = observations(row);
                if found.len() == 1 {
                    (episodes, last) = (episodes + 1, Vec::new());
                }
                last.push(found[found.len() - 1].to_vec());
                let expected = &last[last.len().saturating_sub(HISTORY)..];
                assert_eq!(found, expected, "agent {agent} at tick {tick}");
            }
        }
        assert!(episodes >= 3 * 7, "{episodes} episodes began");
    }
}

#[test]
fn transitions_lead_from_row_to_row_up_to_the_end_of_an_episode() {
    let seen = probed(&poles(""), 60, true);
    let decided: BTreeMap<(u64, u32), &Vec<f32>> =
        seen.decisions.iter().map(|(tick, agent, row)| ((*tick, *agent), row)).collect();
    let mut ends = BTreeMap::new();
    for (tick, agent, before, behind, outcome) in &seen.transitions {
        assert_eq!(before, decided[&(*tick, *agent)], "what was decided by is learned from");
        *ends.entry(*outcome as u8).or_insert(0) += 1;
        match outcome {
            Outcome::Continues => assert_eq!(behind, decided[&(tick + 1, *agent)], "agent {agent} at tick {tick}"),
            Outcome::Terminated => assert!(behind.iter().all(|value| *value == 0.0)),
            Outcome::Truncated => {
                let (before, behind) = (observations(before), observations(behind));
                assert_eq!(behind.len(), HISTORY, "seven steps fill it");
                assert_eq!(behind[..HISTORY - 1], before[1..], "the last sight follows its own episode");
                let next = observations(decided[&(tick + 1, *agent)]);
                assert_eq!(next.len(), 1, "another episode begins");
                assert_ne!(next[0], behind[HISTORY - 1]);
            }
        }
    }
    assert!(ends[&(Outcome::Continues as u8)] > 100 && ends[&(Outcome::Truncated as u8)] >= 15, "{ends:?}");
}

fn recall(policy: &str) -> String {
    format!(
        "name = \"r\"\nticks = 1\n[[agents]]\nrole = \"recall\"\ncount = 32\npolicy = \"p\"\n\
         [domain]\nkind = \"reference\"\n[domain.recall]\ndelay = 4\n[policy.p]\n{policy}\n"
    )
}

fn learner(scenario: &Scenario) -> Box<dyn Learner> {
    let domain = DOMAINS.iter().find(|domain| domain.kind().name == "reference").expect("there");
    let spaces = spaces_of_policies(scenario, *domain).expect("fits");
    let section = &scenario.policies["p"];
    let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()).expect("known");
    (algorithm.build)(section, &spaces["p"]).expect("builds")
}

/// What was learned, and the returns of all episodes.
fn run(policy: &str, ticks: u64, seed: u64) -> (PolicyFile, Vec<f64>) {
    let scenario = scenario(&recall(policy), ticks, seed);
    let mut simulation = build(&scenario, Mind::Learning(learner(&scenario)));
    for _ in 0..ticks {
        simulation.step().expect("nothing fails");
    }
    let returns = simulation.tables().get("episodes").expect("there").numbers("return");
    (simulation.learned()["p"].clone(), returns)
}

/// Mean return of the frozen policy.
fn evaluated(policy: &str, saved: &PolicyFile) -> f64 {
    let scenario = scenario(&recall(policy), 100, 77);
    let mut learner = learner(&scenario);
    learner.load(saved).expect("it fits");
    let mut simulation = build(&scenario, Mind::Fixed(learner.deployed()));
    for _ in 0..100 {
        simulation.step().expect("nothing fails");
    }
    let returns = simulation.tables().get("episodes").expect("there").numbers("return");
    returns.iter().sum::<f64>() / returns.len() as f64
}

const PPO: &str = "kind = \"ppo\"\nrollout = 512\nminibatch = 128\nepochs = 4\ndiscount = 1.0\nentropy = 0.01\n\
                   optimiser = { learning_rate = 0.003 }\n";
const NETWORKS: [&str; 3] = [
    "network = { hidden = [32] }",
    "network = { history = 5, hidden = [32] }",
    "network = { history = 5, hidden = [], encoder = { layers = 1, heads = 2, width = 16, feed_forward = 16 } }",
];

#[test]
fn what_was_seen_before_is_recalled_with_a_history_and_not_without() {
    // Without memory the best mean return is 0.5, with it 1 (docs/domains/reference.md). Some 1,900 episodes are seen
    // for evaluation: three standard errors are 0.035.
    for (network, least, most) in [(NETWORKS[0], 0.46, 0.54), (NETWORKS[1], 0.95, 1.0), (NETWORKS[2], 0.95, 1.0)] {
        let policy = format!("{PPO}{network}");
        let (saved, _) = run(&policy, 500, 1);
        let value = evaluated(&policy, &saved);
        assert!((least..=most).contains(&value), "{value}: {network}");
    }
}

/// All of it that has a state of its own, and short.
const SHORT: [&str; 3] = [
    "kind = \"ppo\"\nrollout = 300\nminibatch = 150\nepochs = 2\nnormalise = { observations = true }\n\
     network = { history = 5, hidden = [8], encoder = { layers = 2, heads = 2, width = 16, feed_forward = 16 } }",
    "kind = \"a2c\"\nrollout = 200\nnetwork = { history = 5, hidden = [], engine = \"candle\", encoder = { layers = 1, heads = 1, width = 8 } }",
    "kind = \"dqn\"\nreplay = 500\nlearning_starts = 200\nminibatch = 130\ngradient_steps = 0.02\nsteps = 3\n\
     network = { history = 5, hidden = [8], encoder = { layers = 1, heads = 1, width = 8 } }",
];

#[test]
fn encoders_learn_alike_on_any_number_of_threads_and_go_on_from_what_was_saved() {
    for policy in SHORT {
        let learned = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            write_policy(&pool.install(|| run(policy, 40, 5).0), "abc")
        };
        let one = learned(1);
        for threads in [2, 8] {
            assert!(learned(threads) == one, "{threads} threads: {policy}");
        }
        let scenario = scenario(&recall(policy), 40, 5);
        let reborn = Reborn { learner: learner(&scenario), scenario: scenario.clone(), births: vec![7, 23] };
        let mut simulation = build(&scenario, Mind::Learning(Box::new(reborn)));
        for _ in 0..40 {
            simulation.step().expect("nothing fails");
        }
        assert!(write_policy(&simulation.learned()["p"], "abc") == one, "having been saved shows: {policy}");
    }
}

/// A learner that is saved and begun anew from that behind each of these ticks.
struct Reborn {
    learner: Box<dyn Learner>,
    scenario: Scenario,
    births: Vec<u64>,
}

impl Learner for Reborn {
    fn learn(&mut self, batch: &TransitionBatch<'_>) -> Result<LearnStats, LearnError> {
        let stats = self.learner.learn(batch)?;
        if self.births.contains(&batch.tick.0) {
            let saved = self.learner.save();
            self.learner = learner(&self.scenario);
            self.learner.load(&saved).expect("it fits");
        }
        Ok(stats)
    }

    fn policy(&self) -> Arc<dyn Policy> {
        self.learner.policy()
    }

    fn deployed(&self) -> Arc<dyn Policy> {
        self.learner.deployed()
    }

    fn save(&self) -> PolicyFile {
        self.learner.save()
    }

    fn load(&mut self, file: &PolicyFile) -> Result<(), PolicyFileError> {
        self.learner.load(file)
    }
}

#[test]
fn settings_of_an_encoder_that_do_not_fit_are_refused() {
    let refused = |network: &str| {
        let scenario = scenario(&recall(&format!("kind = \"ppo\"\n{network}")), 10, 1);
        let domain = DOMAINS.iter().find(|domain| domain.kind().name == "reference").expect("there");
        let spaces = spaces_of_policies(&scenario, *domain).expect("fits");
        let section = &scenario.policies["p"];
        let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == "ppo").expect("known");
        (algorithm.build)(section, &spaces["p"]).err().expect(network).to_string()
    };
    let error = refused("network = { history = 5, encoder = { width = 24, heads = 5 } }");
    assert!(error.contains("24 is no multiple of 8 and of 5 heads"), "{error}");
    let (saved, _) = run(SHORT[0], 1, 1);
    let other = scenario(&recall(&SHORT[0].replace("history = 5", "history = 6")), 1, 1);
    let error = learner(&other).load(&saved).expect_err("another history").to_string();
    assert!(error.contains("networks or normalisers differ") && error.contains("history\\\":6"), "{error}");
}
