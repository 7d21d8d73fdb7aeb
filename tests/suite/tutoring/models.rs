//! Knowledge and memory against closed forms and exhaustive search.

use llmagentos::base::{Action, AgentId, Chance, LegalActions, Outcome, Purpose, Space, Tick, TransitionBatch};
use llmagentos::base::{ActionMenu, DecisionBatch};
use llmagentos::domains::tutoring::{DELAY, KnowledgeModel, ReviewDeck, ReviewRule, normal_quantile};
use llmagentos::rl::ALGORITHMS;
use llmagentos::scenario::Scenario;
use rand::RngExt;

fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected} ± {tolerance}");
}

/// Bayes' rule by hand (also computed with a second, independent program): L0 .4, T .2, G .2, S .1, answers 0110111.
#[test]
fn knowledge_tracing_follows_bayes_rule() {
    let model = KnowledgeModel { known_at_start: 0.4, learn: 0.2, guess: 0.2, slip: 0.1 };
    let before = [0.4, 0.261_538, 0.691_566, 0.927_862, 0.693_227, 0.928_372, 0.986_515];
    let (mut known, mut log_likelihood) = (model.known_at_start, 0.0);
    for (answer, expected) in [0, 1, 1, 0, 1, 1, 1].into_iter().zip(before) {
        near(known, expected, 1e-6);
        let right = model.right(known, 1.0);
        log_likelihood += if answer == 1 { right } else { 1.0 - right }.ln();
        known = model.step(known, answer == 1);
    }
    near(known, 0.997_577, 1e-6);
    near(log_likelihood, -4.543_463, 1e-6);
}

/// What a wrong answer says is less when recall is unsure, and nothing at all when recall is nil and guesses never fail.
#[test]
fn an_answer_that_recall_explains_says_less_of_knowledge() {
    let model = KnowledgeModel { known_at_start: 0.5, learn: 0.0, guess: 0.2, slip: 0.1 };
    // By hand: P(wrong | known) = .1 at recall 1, ½·.1 + ½·.8 = .45 at recall ½; P(wrong | not) = .8.
    near(model.given_answer(0.5, 1.0, false), 0.1 / 0.9, 1e-12);
    near(model.given_answer(0.5, 0.5, false), 0.45 / 1.25, 1e-12);
    near(model.given_answer(0.5, 0.0, false), 0.5, 1e-12);
}

/// Mean number of items until P(L) ≥ .95, by the distribution of P(L) on a grid and by 10⁶ simulated learners in
/// another program: 5.555, 8.454, 13.044 (± .02).
#[test]
fn mastery_takes_as_many_items_as_the_grid_says() {
    const LEARNER: Purpose = Purpose::named("test.tutoring.learner");
    for ((known_at_start, learn, guess, slip), expected) in
        [((0.4, 0.2, 0.2, 0.1), 5.555), ((0.2, 0.15, 0.2, 0.1), 8.454), ((0.1, 0.1, 0.3, 0.1), 13.044)]
    {
        let model = KnowledgeModel { known_at_start, learn, guess, slip };
        let learners: u64 = 400_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for learner in 0..learners {
            let mut draw = Chance::new(1).keyed(LEARNER, learner, 0);
            let mut truth = draw.random::<f64>() < known_at_start;
            let (mut known, mut items) = (known_at_start, 0.0);
            while known < 0.95 {
                let right = if truth { draw.random::<f64>() >= slip } else { draw.random::<f64>() < guess };
                truth |= draw.random::<f64>() < learn;
                known = model.step(known, right);
                items += 1.0;
            }
            sum += items;
            squares += items * items;
        }
        let count = learners as f64;
        let mean: f64 = sum / count;
        let error = ((squares / count - mean * mean) / count).sqrt();
        near(mean, expected, 3.0 * error + 0.000_5);
    }
}

/// Φ⁻¹(.975) and Φ⁻¹(.5) from tables (1.959963984540054, 0).
#[test]
fn normal_quantiles_are_those_of_the_tables() {
    near(normal_quantile(0.975), 1.959_963_984_540_054, 1e-12);
    near(normal_quantile(0.5), 0.0, 1e-12);
    near(normal_quantile(0.025), -1.959_963_984_540_054, 1e-12);
}

/// 30 items, 200 steps; each value computed twice in other programs, the random one as an exact expectation.
#[test]
fn review_rules_reach_their_exact_recall() {
    for (rule, expected) in [
        (ReviewRule::RoundRobin, 0.388_864_841_9),
        (ReviewRule::LowestRecall, 0.316_495_124_9),
        (ReviewRule::Threshold(0.25), 0.428_278_088_7),
    ] {
        near(ReviewDeck::mean_recall(30, 200, rule), expected, 1e-9);
    }
    near(ReviewDeck::expected_recall_of_random(30, 200), 0.324_061_099_7, 1e-9);
}

/// 3 items, 10 steps; the optimum by brute force over all 3^10 sequences in another program.
#[test]
fn the_optimum_of_a_small_deck_is_found() {
    let (sequence, value) = ReviewDeck::optimum(3, 10);
    near(value, 0.854_315_765_0, 1e-9);
    assert_eq!(sequence, [2, 1, 0, 2, 1, 2, 0, 2, 1, 2]);
    near(ReviewDeck::mean_recall(3, 10, ReviewRule::Greedy), 0.851_496, 1e-6);
    near(ReviewDeck::mean_recall(3, 10, ReviewRule::RoundRobin), 0.819_262, 1e-6);
}

const LEARNER: &str = r#"
name = "deck"
ticks = 1

[[agents]]
role = "reviewer"
policy = "deck"

[policy.deck]
kind = "q_learning"
learning_rate = 0.2
discount = 1.0
exploration = 1.0
exploration_final = 0.05
exploration_ticks = 3000
initial_value = 0.0
state = [
  { feature = "reviews_0", levels = 10 }, { feature = "age_0", levels = 10 },
  { feature = "reviews_1", levels = 10 }, { feature = "age_1", levels = 10 },
  { feature = "reviews_2", levels = 10 }, { feature = "age_2", levels = 10 },
]

[domain]
kind = "tutoring"
"#;

fn seen(deck: &ReviewDeck) -> [f32; 6] {
    let mut features = [0.0; 6];
    for (item, memory) in deck.memories.iter().enumerate() {
        features[2 * item] = memory.strength as f32 - 1.0;
        features[2 * item + 1] = ((deck.time - memory.reviewed) / DELAY) as f32;
    }
    features
}

/// The learner of the house, through its trait, on the deck of three: 100 decks at a time, each step a tick. The bar
/// is 99% of the exhaustive optimum, .8543157650, for the policy it deploys.
#[test]
fn q_learning_comes_within_a_percent_of_the_optimum() {
    const DECKS: usize = 100;
    const STEPS: usize = 10;
    let scenario = Scenario::parse("deck.toml", LEARNER, &[]).unwrap();
    let names = ["reviews_0", "age_0", "reviews_1", "age_1", "reviews_2", "age_2"];
    let space = Space::new(&names, ActionMenu::new(&["first", "second", "third"]));
    let mut learner = (ALGORITHMS[0].build)(&scenario.policies["deck"], &space).unwrap();
    let agents: Vec<AgentId> = (0..DECKS as u32).map(AgentId).collect();
    let legal = vec![LegalActions::all(3); DECKS];
    let chance = Chance::new(5);
    let mut tick = 0;
    for _ in 0..300 {
        let mut decks = vec![ReviewDeck::new(3); DECKS];
        for step in 0..STEPS {
            let features: Vec<f32> = decks.iter().flat_map(seen).collect();
            let mut actions = vec![Action(0); DECKS];
            let batch = DecisionBatch {
                tick: Tick(tick),
                chance,
                space: &space,
                agents: &agents,
                features: &features,
                legal: &legal,
                words: &[],
                word_ids: &[],
                advice: &[],
            };
            learner.policy().decide(&batch, &mut actions).unwrap();
            let rewards: Vec<f32> = decks
                .iter_mut()
                .zip(&actions)
                .map(|(deck, action)| (deck.review(action.index()) / STEPS as f64) as f32)
                .collect();
            let next: Vec<f32> = decks.iter().flat_map(seen).collect();
            let over = step + 1 == STEPS;
            let outcomes = vec![if over { Outcome::Terminated } else { Outcome::Continues }; DECKS];
            tick += 1;
            let decided = vec![Tick(tick); DECKS];
            let transitions = TransitionBatch {
                tick: Tick(tick),
                chance,
                space: &space,
                agents: &agents,
                features: &features,
                legal: &legal,
                actions: &actions,
                decided: &decided,
                rewards: &rewards,
                next_features: &next,
                next_legal: &legal,
                outcomes: &outcomes,
                central: &[],
                next_central: &[],
                terms: &[],
                advice: &[],
            };
            learner.learn(&transitions).unwrap();
        }
    }
    let policy = learner.deployed();
    let mut deck = ReviewDeck::new(3);
    let mut sum = 0.0;
    for step in 0..STEPS {
        let features = seen(&deck);
        let mut action = [Action(0)];
        let batch = DecisionBatch {
            tick: Tick(step as u64),
            chance,
            space: &space,
            agents: &agents[..1],
            features: &features,
            legal: &legal[..1],
            words: &[],
            word_ids: &[],
            advice: &[],
        };
        policy.decide(&batch, &mut action).unwrap();
        sum += deck.review(action[0].index());
    }
    let (_, optimum) = ReviewDeck::optimum(3, STEPS);
    let reached = sum / STEPS as f64 / optimum;
    assert!(reached >= 0.99, "{reached} of the optimum");
    assert!(reached <= 1.0 + 1e-9, "better than the optimum: {reached}");
}
