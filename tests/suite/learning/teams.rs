//! Learners for many agents: separate networks that come and go with their agents, and a central critic.

use std::collections::BTreeMap;
use std::sync::Arc;

use llmagentos::base::{
    Action, ActionMenu, AgentId, Chance, DecisionBatch, Learner, LegalActions, Outcome, PolicyFile, Space, Tick,
    TransitionBatch,
};
use llmagentos::domains::DOMAINS;
use llmagentos::domains::reference::{ResourceSharingSettings, best_return, return_of};
use llmagentos::record::{read_policy, write_policy};
use llmagentos::rl::ALGORITHMS;
use llmagentos::scenario::{Override, Scenario};
use llmagentos::sim::{DomainData, Mind, Options, Simulation, spaces_of_policies};

use super::poles::Silent;

fn scenario(policy: &str, domain: &str, ticks: u64) -> Scenario {
    let text = format!(
        "name = \"pool\"\nticks = 1\n[[agents]]\nrole = \"resource_sharing\"\ncount = 8\npolicy = \"share\"\n\
         [domain]\nkind = \"reference\"\n{domain}\n[policy.share]\n{policy}\n"
    );
    Scenario::parse("pool.toml", &text, &[Override::seed(5), Override::ticks(ticks)]).expect("sound")
}

pub fn learner(scenario: &Scenario) -> Box<dyn Learner> {
    let domain = DOMAINS.iter().find(|domain| domain.kind().name == "reference").expect("there");
    let spaces = spaces_of_policies(scenario, *domain).expect("fits");
    let section = &scenario.policies["share"];
    let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()).expect("known");
    (algorithm.build)(section, &spaces["share"]).expect("builds")
}

pub fn simulation(scenario: &Scenario, mind: Mind) -> Simulation {
    let domain = DOMAINS.iter().find(|domain| domain.kind().name == "reference").expect("there");
    let options = Options {
        minds: vec![("share".to_owned(), mind)],
        advisors: std::collections::BTreeMap::new(),
        voices: std::collections::BTreeMap::new(),
        language: Arc::new(Silent),
        data: DomainData::default(),
        personas: BTreeMap::new(),
        messages: false,
        shuffle_systems: None,
    };
    Simulation::build(scenario, *domain, options).expect("builds")
}

/// What was learned, and the mean return of the last episodes.
fn run(policy: &str, domain: &str, ticks: u64, last: usize) -> (PolicyFile, f64) {
    let scenario = scenario(policy, domain, ticks);
    let mut simulation = simulation(&scenario, Mind::Learning(learner(&scenario)));
    for _ in 0..ticks {
        simulation.step().expect("nothing fails");
    }
    let returns = simulation.tables().get("episodes").expect("there").numbers("return");
    let last = &returns[returns.len() - last.min(returns.len())..];
    (simulation.learned()["share"].clone(), last.iter().sum::<f64>() / last.len() as f64)
}

const KINDS: [&str; 2] = [
    "kind = \"mappo\"\nrollout = 128\nminibatch = 100\nepochs = 2\nnormalise = { observations = true, rewards = true }\n\
     network = { hidden = [16] }",
    "kind = \"ippo\"\nrollout = 24\nminibatch = 10\nepochs = 2\nnormalise = { observations = true, rewards = true }\n\
     network = { hidden = [16] }",
];

#[test]
fn threads_change_no_bit_of_a_team() {
    for policy in KINDS {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| write_policy(&run(policy, "", 100, 1).0, "abc"))
        };
        let one = run(1);
        assert_eq!(one, run(2), "{policy}");
        assert_eq!(one, run(8), "{policy}");
    }
}

#[test]
fn agents_learn_to_share() {
    // Two who share a pool of one unit that comes back at once. Chance brings 8.4 a game, always to take 11.2, to take at
    // high need only 13.3, and the best is 14.2.
    let domain = "resource_sharing = { team = 2, capacity = 1, rounds = 8, regrowth = [1, 1], price_swing = 0.5 }";
    let settings = ResourceSharingSettings {
        team: 2,
        capacity: 1,
        rounds: 8,
        regrowth: [1, 1],
        price_swing: 0.5,
        ..ResourceSharingSettings::default()
    };
    let best = best_return(&settings);
    let rest = "minibatch = 64\nepochs = 4\ndiscount = 0.9\nnetwork = { hidden = [16] }\n\
                optimiser = { learning_rate = 0.01 }\nnormalise = { rewards = true }";
    for (kind, rollout, ticks, share) in [("mappo", 512, 1600, 0.85), ("ippo", 128, 1600, 0.8)] {
        let (_, mean) = run(&format!("kind = \"{kind}\"\nrollout = {rollout}\n{rest}"), domain, ticks, 400);
        assert!(mean > share * best, "{kind}: {mean}, the best is {best}");
        assert!(mean < 1.15 * best, "{kind}: {mean} is more than can be, {best}");
    }
}

#[test]
fn the_best_that_a_team_can_agree_on_is_what_enumeration_finds() {
    // Two agents, two rounds, a pool of two that regrows by one or two: small enough to try every pair of rules (who takes
    // at which needs, in the first round and in the second for each pool that is left), round by round, by hand.
    let settings = ResourceSharingSettings {
        team: 2,
        rounds: 2,
        capacity: 2,
        regrowth: [1, 2],
        needs: [0.5, 1.0, 4.0],
        ..ResourceSharingSettings::default()
    };
    // In the last round taking costs nothing but where both take one unit, and with two in the pool everybody takes:
    // 2 × 5.5/3. With one unit left (both took), the better of "both take, and halve it", (5.5 + 5.5)/3/2, and of rules
    // under which one leaves at low or middling need. Enumerated here without the program's own recursion.
    let takes = |rule: u32, need: usize| rule >> need & 1 == 1;
    let round = |pool: u32, rules: [u32; 2], needs: [usize; 2]| {
        let takers = [takes(rules[0], needs[0]), takes(rules[1], needs[1])];
        let count = takers.iter().filter(|take| **take).count() as u32;
        let part = if count > pool { f64::from(pool) / f64::from(count) } else { 1.0 };
        let gain: f64 = (0..2).filter(|&seat| takers[seat]).map(|seat| part * settings.needs[needs[seat]]).sum();
        let left = pool.saturating_sub(count);
        (gain, (left + if left >= 1 { 2 } else { 1 }).min(2))
    };
    let cases: Vec<[usize; 2]> = (0..9).map(|case| [case / 3, case % 3]).collect();
    let rules: Vec<[u32; 2]> = (0..64).map(|pair| [pair / 8, pair % 8]).collect();
    let last = |pool: u32| {
        let mean = |rules: &[u32; 2]| cases.iter().map(|&needs| round(pool, *rules, needs).0).sum::<f64>() / 9.0;
        rules.iter().map(mean).fold(0.0, f64::max)
    };
    let lasts = [last(0), last(1), last(2)];
    let first = |rules: &[u32; 2]| {
        let value = |&needs: &[usize; 2]| {
            let (gain, pool) = round(2, *rules, needs);
            gain + lasts[pool as usize]
        };
        cases.iter().map(value).sum::<f64>() / 9.0
    };
    let best = rules.iter().map(first).fold(0.0, f64::max);
    assert!((lasts[2] - 11.0 / 3.0).abs() < 1e-12, "all take what is there for all: {}", lasts[2]);
    assert!((best_return(&settings) - best).abs() < 1e-12, "{} found, {best} enumerated", best_return(&settings));
    // Who takes whatever it needs empties the pool at once: 2 × 5.5/3 and then one unit for two.
    let greedy = 11.0 / 3.0 + 5.5 / 3.0;
    assert!((return_of(&settings, 0b111) - greedy).abs() < 1e-12, "{}", return_of(&settings, 0b111));
    assert!(greedy < best, "it pays to leave something");
}

#[test]
fn the_world_pays_what_dynamic_programming_says() {
    // Agents who always take, and 8 of them in 400 episodes: the mean return within four standard errors.
    struct Takes;
    impl llmagentos::base::Policy for Takes {
        fn decide(
            &self,
            decisions: &DecisionBatch<'_>,
            actions: &mut [Action],
        ) -> Result<(), llmagentos::base::PolicyError> {
            for (row, action) in actions.iter_mut().enumerate() {
                // At middling need or more: features 3 and 4.
                let seen = decisions.row(row);
                *action = Action(u16::from(seen[3] + seen[4] > 0.5));
            }
            Ok(())
        }
    }
    let scenario = scenario("kind = \"random\"", "", 6400);
    let mut simulation = simulation(&scenario, Mind::Fixed(Arc::new(Takes)));
    for _ in 0..6400 {
        simulation.step().expect("nothing fails");
    }
    let returns = simulation.tables().get("episodes").expect("there").numbers("return");
    // Four agents of a team have one and the same return.
    let count = returns.len() as f64 / 4.0;
    let mean = returns.iter().sum::<f64>() / returns.len() as f64;
    let deviation = (returns.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / returns.len() as f64).sqrt();
    let exact = return_of(&ResourceSharingSettings::default(), 0b110);
    assert_eq!(count as u64, 800);
    assert!((mean - exact).abs() < 4.0 * deviation / count.sqrt(), "{mean} ± {deviation}, exactly {exact}");
}

#[test]
fn a_central_critic_needs_something_to_see() {
    let section = Scenario::parse(
        "pole.toml",
        "name = \"pole\"\nticks = 1\n[[agents]]\nrole = \"cart_pole\"\ncount = 1\npolicy = \"share\"\n[domain]\n\
         kind = \"reference\"\n[policy.share]\nkind = \"mappo\"\n",
        &[],
    )
    .expect("sound")
    .policies["share"]
        .clone();
    let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == "mappo").expect("known");
    let space = Space::new(&["position"], ActionMenu::new(&["left", "right"]));
    let error = (algorithm.build)(&section, &space).err().expect("refused").to_string();
    assert!(error.contains("learns with a central critic"), "{error}");
}

/// Hands in a transition for each of these agents.
fn teach(learner: &mut dyn Learner, tick: u64, agents: &[u32]) {
    let count = agents.len();
    let agents: Vec<AgentId> = agents.iter().map(|&agent| AgentId(agent)).collect();
    let seen: Vec<f32> = (0..count * 9).map(|at| ((at as u64 * 31 + tick * 7) % 11) as f32 / 11.0).collect();
    let rewards: Vec<f32> = (0..count).map(|at| ((at as u64 + tick) % 3) as f32).collect();
    let scenario = scenario("kind = \"random\"", "", 1);
    let domain = DOMAINS.iter().find(|domain| domain.kind().name == "reference").expect("there");
    let spaces = spaces_of_policies(&scenario, *domain).expect("fits");
    let batch = TransitionBatch {
        tick: Tick(tick),
        chance: Chance::new(9),
        space: &spaces["share"],
        agents: &agents,
        features: &seen,
        legal: &vec![LegalActions::all(2); count],
        actions: &vec![Action((tick % 2) as u16); count],
        decided: &vec![Tick(tick); count],
        rewards: &rewards,
        next_features: &seen,
        next_legal: &vec![LegalActions::all(2); count],
        outcomes: &vec![Outcome::Continues; count],
        central: &vec![0.5; count * 5],
        next_central: &vec![0.5; count * 5],
        terms: &[],
        advice: &[],
    };
    learner.learn(&batch).expect("finite");
}

/// Shape and values of an array.
fn array<'f>(file: &'f PolicyFile, name: &str) -> &'f llmagentos::base::TensorData {
    file.tensors.iter().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("no array {name}"))
}

#[test]
fn agents_that_come_and_go_get_and_give_back_slots() {
    let scenario = scenario(KINDS[1], "", 1);
    let mut learner = learner(&scenario);
    for tick in 0..30 {
        teach(&mut *learner, tick, &[3, 4, 7]);
    }
    learner.leave(AgentId(4));
    // What it did last still comes in; then its slot is free, and the next who comes has it.
    teach(&mut *learner, 30, &[3, 4, 7]);
    for tick in 31..40 {
        teach(&mut *learner, tick, &[3, 7]);
    }
    let file = learner.save();
    assert_eq!(array(&file, "members").values, [3.0, 0.0, 0.0, 7.0, 2.0, 0.0]);
    for tick in 40..80 {
        teach(&mut *learner, tick, &[3, 7, 8, 12]);
    }
    let file = learner.save();
    assert_eq!(array(&file, "members").values, [3.0, 0.0, 0.0, 7.0, 2.0, 0.0, 8.0, 1.0, 0.0, 12.0, 3.0, 0.0]);
    // Agent 8 learned as it would have in a run in which nobody had its slot before.
    let mut other = self::learner(&scenario);
    for tick in 40..80 {
        teach(&mut *other, tick, &[3, 7, 8, 12]);
    }
    let other = other.save();
    let own = |file: &PolicyFile, slot: usize| {
        let weights = array(file, "policy.0.weights");
        let size = weights.values.len() / weights.shape[0];
        weights.values[slot * size..(slot + 1) * size].to_vec()
    };
    assert_eq!(own(&file, 1), own(&other, 2));
    assert_ne!(own(&file, 1), own(&file, 3), "each has its own");
    // In the middle of all this everything can be saved: members, slots, rollouts, moments.
    learner.leave(AgentId(7));
    let saved = write_policy(&learner.save(), "abc");
    let mut copy = self::learner(&scenario);
    copy.load(&read_policy(&saved).expect("readable")).expect("it fits");
    for tick in 80..120 {
        teach(&mut *learner, tick, &[3, 8, 12, 13]);
        teach(&mut *copy, tick, &[3, 8, 12, 13]);
    }
    assert_eq!(copy.save(), learner.save());
}

#[test]
fn what_a_central_critic_learned_comes_back_whole() {
    let scenario = scenario(KINDS[0], "", 1);
    let mut original = learner(&scenario);
    for tick in 0..50 {
        teach(&mut *original, tick, &[0, 1, 2, 3, 4]);
    }
    let file = read_policy(&write_policy(&original.save(), "abc")).expect("readable");
    let mut copy = learner(&scenario);
    copy.load(&file).expect("it fits");
    for tick in 50..120 {
        teach(&mut *original, tick, &[0, 1, 2, 3, 4]);
        teach(&mut *copy, tick, &[0, 1, 2, 3, 4]);
    }
    assert_eq!(copy.save(), original.save());
    assert_eq!(array(&file, "value.0.weights").shape, [14, 16], "own features and central ones");
    assert_eq!(array(&file, "policy.0.weights").shape, [9, 16], "the policy sees its own alone");
    let mut damaged = file.clone();
    damaged.tensors.retain(|tensor| tensor.name != "rollout.central");
    let error = learner(&scenario).load(&damaged).expect_err("an array is missing").to_string();
    assert!(error.contains("rollout.central"), "{error}");
}
