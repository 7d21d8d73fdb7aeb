//! Every policy, hand-written or learned, chooses legal actions only, and equally when asked again.

use std::sync::Arc;

use llmagentos::base::{Action, ActionMenu, AgentId, Chance, DecisionBatch, LegalActions, Policy, Space, Tick};
use llmagentos::rl::ALGORITHMS;
use llmagentos::rules::RULES;
use proptest::prelude::*;

use super::policy_section;

/// Two features and six actions.
pub fn space() -> Space {
    let own = Space::new(&["mood", "place"], ActionMenu::new(&["a", "b", "c", "d", "e", "f"]));
    Space { central: ["wind"].into(), terms: ["effort"].into(), ..own }
}

/// Settings with which a kind works in [`space`]. A new kind needs a line here, and gets all tests of this folder.
fn settings(kind: &str) -> &'static str {
    match kind {
        "random" => "",
        "decision_list" => {
            "rules = [{ when = [\"mood > 0.5\", \"place <= 3\"], act = \"f\" }, { when = [\"mood == 0\"], act = \"c\" }, { act = \"b\" }]"
        }
        "concession" => {
            "beta = 0.5\ntime = \"mood\"\nasked = \"place\"\naccept = \"a\"\nreject = \"b\"\nlevels = [{ act = \"c\", share = 0.0 }, { act = \"e\", share = 1.0 }]"
        }
        "mixed" => {
            "rules = [{ when = [\"mood > 0.5\"], play = { a = 0.25, f = 0.75 } }, { play = { b = 0.5, c = 0.25, d = 0.25 } }]"
        }
        "ppo" | "ippo" | "mappo" | "a2c" | "reinforce" | "dqn" => "network = { hidden = [8] }",
        "ppo_lagrangian" => "limits = [{ term = \"effort\", mean = 10.0 }]\nnetwork = { hidden = [8] }",
        "distilled" => "advice = { from = \"mind\" }\nnetwork = { hidden = [8] }",
        "behaviour_cloning" | "cql" => "network = { hidden = [8] }\ndata = [\"x\"]",
        "q_learning" | "sarsa" | "expected_sarsa" | "double_q" => {
            "state = [{ feature = \"mood\", edges = [-1.0, 0.0, 1.0] }, { feature = \"place\", levels = 5 }]"
        }
        other => panic!("give settings with which policy kind \"{other}\" works here"),
    }
}

/// Plays poker and nothing else: `games_world.rs` has it at its tables.
const POKER_ONLY: &str = "cfr";

/// All policies of the registries: rules, and learners while they explore and once they are deployed.
fn policies() -> Vec<(String, Arc<dyn Policy>)> {
    let section = |kind: &str| policy_section(&format!("kind = \"{kind}\"\n{}", settings(kind)));
    let mut policies = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.kind.name != POKER_ONLY) {
        policies.push((rule.kind.name.to_owned(), (rule.build)(&section(rule.kind.name), &space()).expect("builds")));
    }
    for algorithm in ALGORITHMS {
        let learner = (algorithm.build)(&section(algorithm.kind.name), &space()).expect("builds");
        policies.push((format!("{} while it learns", algorithm.kind.name), learner.policy()));
        policies.push((format!("{} deployed", algorithm.kind.name), learner.deployed()));
    }
    policies
}

proptest! {
    #[test]
    fn every_policy_chooses_legal_actions_only_and_the_same_when_asked_again(
        seed: u64,
        tick in 0_u64..2000,
        rows in prop::collection::vec((any::<u32>(), 1_u64..64, prop::num::f32::ANY, prop::num::f32::ANY), 1..20),
    ) {
        let space = space();
        let agents: Vec<AgentId> = rows.iter().map(|row| AgentId(row.0)).collect();
        let legal: Vec<LegalActions> = rows.iter().map(|row| LegalActions(row.1)).collect();
        let features: Vec<f32> = rows.iter().flat_map(|row| [row.2, row.3]).collect();
        let (tick, chance) = (Tick(tick), Chance::new(seed));
        let decisions = DecisionBatch {
            tick, chance, space: &space, agents: &agents, features: &features, legal: &legal, words: &[], word_ids: &[],
            advice: &[],
        };
        for (name, policy) in policies() {
            let mut actions = vec![Action(77); rows.len()];
            policy.decide(&decisions, &mut actions).expect("it can decide");
            for (action, legal) in actions.iter().zip(&legal) {
                prop_assert!(legal.allows(*action), "{}: {:?} of {:b}", name, action, legal.0);
            }
            let mut again = vec![Action(78); rows.len()];
            policy.decide(&decisions, &mut again).expect("it can decide");
            prop_assert_eq!(&actions, &again, "{} is not a function of what it is asked", &name);
            if policy.splits() {
                for (row, &action) in actions.iter().enumerate() {
                    let alone = DecisionBatch {
                        agents: &agents[row..=row], features: &features[row * 2..row * 2 + 2], legal: &legal[row..=row],
                        ..decisions
                    };
                    let mut one = [Action(79)];
                    policy.decide(&alone, &mut one).expect("it can decide");
                    prop_assert_eq!(one[0], action, "{} says that rows may be split, but a row alone is decided otherwise", &name);
                }
            }
        }
    }
}

#[test]
fn the_random_policy_takes_every_legal_action_equally_often() {
    let policies = policies();
    let (_, random) = policies.iter().find(|(name, _)| name == "random").expect("registered");
    let count = 30_000;
    let space = space();
    let agents: Vec<AgentId> = (0..count).map(AgentId).collect();
    let legal = vec![LegalActions(0b10_1011); count as usize];
    let features = vec![0.0; count as usize * 2];
    let mut actions = vec![Action(0); count as usize];
    let decisions = DecisionBatch {
        tick: Tick(4),
        chance: Chance::new(2),
        space: &space,
        agents: &agents,
        features: &features,
        legal: &legal,
        words: &[],
        word_ids: &[],
        advice: &[],
    };
    random.decide(&decisions, &mut actions).expect("it can decide");
    for action in legal[0].iter() {
        let share = actions.iter().filter(|chosen| **chosen == action).count() as f64 / f64::from(count);
        // Four standard errors of a share of a quarter: 4 √(0.25 · 0.75 / 30000) = 0.01.
        assert!((share - 0.25).abs() < 0.01, "{action:?}: {share}");
    }
}

#[test]
fn a_decision_list_takes_the_first_rule_that_holds_and_is_legal() {
    let policies = policies();
    let (_, list) = policies.iter().find(|(name, _)| name == "decision_list").expect("registered");
    let space = space();
    // (what is seen, what is legal, what is right): f where mood > 0.5 and place ≤ 3, c where mood is 0, else b.
    let cases = [
        ([0.6, 3.0], 0b11_1111, 5),
        ([0.6, 4.0], 0b11_1111, 1),
        ([0.5, 0.0], 0b11_1111, 1),
        ([0.0, 9.0], 0b11_1111, 2),
    ];
    let illegal = [([0.6, 3.0], 0b01_1111, 1), ([0.0, 0.0], 0b11_1011, 1), ([0.6, 3.0], 0b01_1000, 3)];
    for (seen, legal, right) in cases.into_iter().chain(illegal) {
        let decisions = DecisionBatch {
            tick: Tick(0),
            chance: Chance::new(0),
            space: &space,
            agents: &[AgentId(0)],
            features: &seen,
            legal: &[LegalActions(legal)],
            words: &[],
            word_ids: &[],
            advice: &[],
        };
        let mut actions = [Action(9)];
        list.decide(&decisions, &mut actions).expect("it can decide");
        assert_eq!(actions[0], Action(right), "{seen:?} {legal:b}");
    }
}
