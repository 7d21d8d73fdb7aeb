//! Limits of costs: the road's best under a limit by a linear programme, and Lagrangian PPO that holds it.

use llmagentos::base::{
    ActionMenu, AgentId, Chance, DecisionBatch, Learner, LegalActions, Outcome, PolicyFile, Purpose, Space, Tick,
    TransitionBatch,
};
use llmagentos::domains::reference::{road, road_fuel};
use llmagentos::record::write_policy;
use llmagentos::rl::ALGORITHMS;
use llmagentos::scenario::Scenario;
use llmagentos::sim::{Mind, Simulation};
use microlp::{ComparisonOp, OptimizationDirection, Problem};
use rand::RngExt as _;

use super::{learner, scenario, simulation, step};

/// The most progress a step that a mean of so much fuel allows: a linear programme over how often each action is taken in each
/// state, which must enter every state as often as leave it (Altman 1999, section 4.2).
fn best_progress(fuel: f64) -> f64 {
    let table = road();
    let mut programme = Problem::new(OptimizationDirection::Maximize);
    let mut often = Vec::new();
    for state in 0..table.states {
        for action in 0..table.actions {
            let branches = table.follows(state, action);
            let made: f64 = branches.iter().map(|branch| branch.probability * branch.reward).sum();
            often.push(programme.add_var(made, (0.0, 1.0)));
        }
    }
    for next in 0..table.states {
        let mut flow = Vec::new();
        for (place, &variable) in often.iter().enumerate() {
            let (state, action) = (place / table.actions, place % table.actions);
            let branches = table.follows(state, action).iter().filter(|branch| branch.next == next);
            let enters: f64 = branches.map(|branch| branch.probability).sum();
            flow.push((variable, enters - f64::from(u8::from(state == next))));
        }
        programme.add_constraint(flow, ComparisonOp::Eq, 0.0);
    }
    programme.add_constraint(often.iter().map(|&variable| (variable, 1.0)), ComparisonOp::Eq, 1.0);
    let burnt = often.iter().enumerate().map(|(place, &variable)| (variable, road_fuel(place % table.actions)));
    programme.add_constraint(burnt, ComparisonOp::Le, fuel);
    let outcome = programme.solve().expect("standing still is allowed");
    outcome.into_solution().expect("nobody interrupts").objective()
}

#[test]
fn the_roads_best_progress_under_a_limit_is_that_of_its_page() {
    let page = include_str!("../../../docs/domains/reference.md");
    for fuel in [0.3, 0.6, 0.9, 1.2, 4.0 / 3.0] {
        let best = best_progress(fuel);
        assert!(page.contains(&format!("{best:.4}")), "{best:.4} with {fuel} of fuel");
    }
    assert!((best_progress(4.0 / 3.0) - 1.0).abs() < 1e-9 && best_progress(1.3) < 1.0 - 1e-3, "full speed takes 4/3");
}

const PPO: &str = "kind = \"ppo\"";
const LIMITED: &str = "kind = \"ppo_lagrangian\"\nlimits = [{ term = \"fuel\", mean = 0.9 }]\n\
                       multiplier = { learning_rate = 0.3, proportional = 1.5, start = 0.5 }";
const COMMON: &str = "rollout = 1024\nminibatch = 256\nepochs = 4\ndiscount = 0.95\nentropy = 0.003\n\
                      normalise_advantages = false\nnetwork = { hidden = [16] }\n\
                      optimiser = { learning_rate = 0.01, schedule = \"linear\", schedule_transitions = 61440 }";

fn drive(policy: &str, ticks: u64, seed: u64) -> Scenario {
    let group =
        format!("[[agents]]\nrole = \"road\"\ncount = 32\npolicy = \"drive\"\n[policy.drive]\n{policy}\n{COMMON}\n");
    scenario(ticks, seed, &group, "")
}

/// Means a step of progress and fuel over the rows of `rewards.csv` from `first` on.
fn means(simulation: &Simulation, first: usize) -> [f64; 2] {
    let table = simulation.tables().get("rewards").expect("there");
    ["progress", "fuel"].map(|name| {
        let sums = &table.numbers(name)[first..];
        sums.iter().sum::<f64>() / sums.len() as f64 / 320.0
    })
}

/// What was learned, and the means of the deployed policy.
fn driven(policy: &str, seed: u64) -> (PolicyFile, [f64; 2]) {
    let learned = {
        let scenario = drive(policy, 1920, seed);
        let minds = vec![("drive".into(), Mind::Learning(learner(&scenario, "drive", None)))];
        let mut simulation = simulation(&scenario, minds);
        step(&mut simulation, 1920);
        simulation.learned()["drive"].clone()
    };
    let scenario = drive(policy, 2000, seed + 100);
    let deployed = learner(&scenario, "drive", Some(&learned)).deployed();
    let mut simulation = simulation(&scenario, vec![("drive".into(), Mind::Fixed(deployed))]);
    step(&mut simulation, 2000);
    (learned, means(&simulation, 10))
}

#[test]
fn lagrangian_ppo_holds_a_limit_that_ppo_breaks() {
    let (_, [progress, fuel]) = driven(PPO, 1);
    assert!(progress > 0.97 && fuel > 1.3, "without a limit: progress {progress}, fuel {fuel}");
    let (learned, [progress, fuel]) = driven(LIMITED, 1);
    assert!((0.85..=0.95).contains(&fuel), "fuel {fuel}");
    assert!(progress > 0.85 * best_progress(fuel), "progress {progress} of {}", best_progress(fuel));
    let tensor = learned.tensors.iter().find(|tensor| tensor.name == "limits.multipliers").expect("there");
    assert!(tensor.values[1] > 0.1, "fuel has a price: {:?}", tensor.values);
}

#[test]
fn limits_are_a_table() {
    let scenario = drive(LIMITED, 80, 1);
    let minds = vec![("drive".into(), Mind::Learning(learner(&scenario, "drive", None)))];
    let mut simulation = simulation(&scenario, minds);
    step(&mut simulation, 80);
    let table = simulation.tables().get("limits").expect("there");
    assert_eq!(table.rows().len(), 8);
    assert_eq!(table.numbers("limit"), [0.9; 8]);
    // 1024 transitions are there at the 33rd tick: three rows without a mean, and five with one.
    let (means, multipliers) = (table.numbers("mean"), table.numbers("multiplier"));
    assert_eq!((means.len(), multipliers.len()), (5, 8));
    assert!(means[0] > 1.0, "chance burns 4/3: {means:?}");
    // The first step of the controller, by hand: I = 0.5 + 0.3 e, and λ = I + 1.5 e.
    assert!((multipliers[3] - 0.5 - 1.8 * (means[0] - 0.9)).abs() < 1e-9, "{multipliers:?}");
}

const WORLD: Purpose = Purpose::named("test.limits.world");

/// Feeds a learner ticks of a world that does not hang on its actions but for what they earn and cost.
fn feed(learner: &mut dyn Learner, space: &Space, ticks: std::ops::Range<u64>) {
    let chance = Chance::new(9);
    let agents: Vec<AgentId> = (0..6).map(AgentId).collect();
    let seen = |tick: u64| -> Vec<f32> {
        agents
            .iter()
            .flat_map(|&agent| {
                let mut draw = chance.draw(WORLD, Tick(tick), agent);
                [draw.random::<f32>(), draw.random::<f32>()]
            })
            .collect()
    };
    let legal = vec![LegalActions::all(3); agents.len()];
    let mut actions = vec![llmagentos::base::Action(0); agents.len()];
    for tick in ticks {
        let features = seen(tick);
        let decisions = DecisionBatch {
            tick: Tick(tick),
            chance,
            space,
            agents: &agents,
            features: &features,
            legal: &legal,
            words: &[],
            word_ids: &[],
            advice: &[],
        };
        learner.policy().decide(&decisions, &mut actions).expect("a network can always decide");
        let rewards: Vec<f32> = actions.iter().map(|action| f32::from(action.0)).collect();
        let terms: Vec<f32> = rewards.iter().flat_map(|&reward| [reward, reward * reward, 1.0]).collect();
        let ends = |agent: &AgentId| match (tick + u64::from(agent.0)) % 7 {
            0 => Outcome::Terminated,
            3 => Outcome::Truncated,
            _ => Outcome::Continues,
        };
        let outcomes: Vec<Outcome> = agents.iter().map(ends).collect();
        let batch = TransitionBatch {
            tick: Tick(tick + 1),
            chance,
            space,
            agents: &agents,
            features: &features,
            legal: &legal,
            actions: &actions,
            decided: &vec![Tick(tick); agents.len()],
            rewards: &rewards,
            next_features: &seen(tick + 1),
            next_legal: &legal,
            outcomes: &outcomes,
            central: &[],
            next_central: &[],
            terms: &terms,
            advice: &[],
        };
        learner.learn(&batch).expect("finite");
    }
}

const TWO: &str = "kind = \"ppo_lagrangian\"\nrollout = 50\nminibatch = 30\nepochs = 2\n\
                   limits = [{ term = \"square\", mean = 1.0 }, { term = \"steps\", mean = 3.0, per = \"episode\" }]\n\
                   multiplier = { proportional = 0.1, derivative = 0.2, start = 0.3 }";

fn fresh(policy: &str, space: &Space) -> Result<Box<dyn Learner>, String> {
    let text = format!("name = \"l\"\nticks = 1\n[policy.p]\n{policy}\n[domain]\nkind = \"none\"\n");
    let section = Scenario::parse("l.toml", &text, &[]).expect("sound").policies["p"].clone();
    let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()).expect("known");
    (algorithm.build)(&section, space).map_err(|error| error.to_string())
}

fn space() -> Space {
    Space::new(&["a", "b"], ActionMenu::new(&["x", "y", "z"])).with_terms(&["own", "square", "steps"])
}

#[test]
fn learning_under_limits_goes_on_with_the_same_bits() {
    let space = space();
    let whole = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let mut learner = fresh(TWO, &space).expect("builds");
            feed(&mut *learner, &space, 0..100);
            write_policy(&learner.save(), "abc")
        })
    };
    let one = whole(1);
    assert!(whole(2) == one && whole(8) == one, "threads change bits");
    // 35 ticks are in the middle of a rollout, with episodes open.
    for cut in [4, 35] {
        let (mut first, mut second) = (fresh(TWO, &space).expect("builds"), fresh(TWO, &space).expect("builds"));
        feed(&mut *first, &space, 0..cut);
        second.load(&first.save()).expect("it fits");
        assert_eq!(first.limits(), second.limits());
        feed(&mut *second, &space, cut..100);
        assert!(write_policy(&second.save(), "abc") == one, "cut at {cut}");
    }
}

#[test]
fn limits_that_do_not_fit_are_refused() {
    let space = space();
    for (change, expected) in [
        (("\"square\"", "\"squar\""), "no reward term \"squar\""),
        (("limits = [", "limits = [] # ["), "must have"),
        (("mean = 1.0", "mean = \"low\""), "must be a number"),
    ] {
        let error = fresh(&TWO.replace(change.0, change.1), &space).err().expect(expected);
        assert!(error.contains(expected), "{error}");
    }
    let mut learner = fresh(TWO, &space).expect("builds");
    let saved = learner.save();
    let mut other = fresh(&TWO.replace("per = \"episode\"", "per = \"decision\""), &space).expect("builds");
    let error = other.load(&saved).expect_err("another limit").to_string();
    assert!(error.contains("differ"), "{error}");
    feed(&mut *learner, &space, 0..10);
    let mut broken = learner.save();
    broken.tensors.retain(|tensor| tensor.name != "limits.open");
    assert!(learner.load(&broken).expect_err("an array is missing").to_string().contains("limits.open"));
}
