//! How learners do on the pole and the cart, over five seeds: `cargo bench --bench learning [-- NAME …]`, with the names
//! of scenarios in `scenarios/reference/`; without any, all that are listed here; `seed=N` takes one seed, `seeds=N` the first N. Says for each seed after how many steps
//! of the environments the frozen policy first holds the pole for 475 steps on average, after how many the last hundred
//! episodes of training do, what the policy at the end does, and how many steps a second of one processor takes. `teams`
//! compares learners with and without a central critic on the shared pool, `bank` measures separate small networks.

mod bank;
mod teams;

use std::io::Write;
use std::sync::Arc;

use llmagentos::base::{AgentId, LanguageError, LanguageService, Reply, Request, Tick};
use llmagentos::domains::DOMAINS;
use llmagentos::rl::ALGORITHMS;
use llmagentos::rules::RULES;
use llmagentos::scenario::{Override, Scenario};
use llmagentos::sim::{DomainData, Mind, Options, Simulation};

/// A scenario, the steps to train for, and the steps between evaluations.
const COURSES: [(&str, u64, u64); 4] = [
    ("cart_pole_ppo", 72_000, 2_000),
    ("cart_pole_a2c", 200_000, 10_000),
    ("cart_pole_reinforce", 200_000, 10_000),
    ("cart_pole_dqn", 50_000, 2_000),
];
const SEEDS: u64 = 5;
const EVALUATIONS: u64 = 20;
const SOLVED: f64 = 475.0;

/// Seconds that this thread has had a processor, as Linux tells it.
fn processor_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("this measurement needs Linux");
    let nanoseconds = told.split(' ').next().and_then(|first| first.parse::<f64>().ok()).expect("a number");
    nanoseconds / 1e9
}

/// The reference world asks no language model.
struct Silent;

impl LanguageService for Silent {
    fn answer(&self, _: Tick, _: u16, _: &[AgentId], requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        assert!(requests.is_empty(), "nobody has a language model");
        Ok(Vec::new())
    }

    fn usage(&self) -> llmagentos::base::LanguageUsage {
        llmagentos::base::LanguageUsage::default()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let number = |key: &str| arguments.iter().find_map(|one| one.strip_prefix(key)?.parse::<u64>().ok());
    let seeds = match (number("seed="), number("seeds=")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(SEEDS),
    };
    let wanted: Vec<&String> = arguments.iter().filter(|one| !one.contains('=')).collect();
    // One thread, so that its processor time is all there is.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let mut out = std::io::stdout();
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| *wanted == name);
    if asked("bank") {
        bank::measure(&mut out);
    }
    if asked("teams") {
        pool.install(|| teams::measure(&mut std::io::stdout()));
    }
    for (name, steps, every) in COURSES {
        if !asked(name) {
            continue;
        }
        let path = format!("{}/scenarios/reference/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).expect("a scenario");
        for seed in seeds.clone() {
            let course = pool.install(|| train(name, &text, seed, steps, every));
            let reached = |steps: Option<u64>| steps.map_or_else(|| "never".to_owned(), |steps| steps.to_string());
            writeln!(
                out,
                "{name} seed {seed}: evaluation ≥ {SOLVED} at {}, last 100 episodes at {}; at the end {:.1}; {:.0} steps a second",
                reached(course.evaluated),
                reached(course.trained),
                course.last,
                course.speed,
            )
            .expect("standard output");
        }
    }
}

struct Course {
    evaluated: Option<u64>,
    trained: Option<u64>,
    last: f64,
    speed: f64,
}

fn simulation(text: &str, seed: u64, ticks: u64, file: Option<&llmagentos::base::PolicyFile>) -> Simulation {
    let scenario = Scenario::parse("bench.toml", text, &[Override::seed(seed), Override::ticks(ticks)]).expect("sound");
    let domain = DOMAINS.iter().find(|domain| domain.kind().name == "reference").expect("there");
    let spaces = llmagentos::sim::spaces_of_policies(&scenario, *domain).expect("fits");
    let minds = scenario.policies.iter().map(|(name, section)| {
        let rule = RULES.iter().find(|rule| rule.kind.name == section.kind());
        let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind());
        let mind = match (rule, algorithm) {
            (Some(rule), _) => Mind::Fixed((rule.build)(section, &spaces[name]).expect("builds")),
            (None, Some(algorithm)) => {
                let mut learner = (algorithm.build)(section, &spaces[name]).expect("builds");
                match file {
                    None => Mind::Learning(learner),
                    Some(file) => {
                        learner.load(file).expect("it fits");
                        Mind::Fixed(learner.deployed())
                    }
                }
            }
            (None, None) => panic!("no policy of kind {}", section.kind()),
        };
        (name.clone(), mind)
    });
    let options = Options {
        advisors: std::collections::BTreeMap::new(),
        voices: std::collections::BTreeMap::new(),
        personas: std::collections::BTreeMap::new(),
        minds: minds.collect(),
        language: Arc::new(Silent),
        data: DomainData::default(),
        messages: false,
        shuffle_systems: None,
    };
    Simulation::build(&scenario, *domain, options).expect("builds")
}

/// Mean return of the first episode of each of twenty copies, under the frozen policy.
fn evaluate(text: &str, seed: u64, file: &llmagentos::base::PolicyFile) -> f64 {
    let count = text.lines().find(|line| line.starts_with("count")).expect("a count");
    let text = text.replace(count, &format!("count = {EVALUATIONS}"));
    let mut simulation = simulation(&text, seed + 1_000, 501, Some(file));
    let mut first = vec![None; EVALUATIONS as usize];
    for _ in 0..501 {
        simulation.step().expect("nothing fails");
        let episodes = simulation.tables().get("episodes").expect("there");
        for (agent, returned) in episodes.numbers("agent").into_iter().zip(episodes.numbers("return")) {
            first[agent as usize].get_or_insert(returned);
        }
        simulation.tables_mut().clear();
    }
    first.iter().map(|returned| returned.unwrap_or(500.0)).sum::<f64>() / EVALUATIONS as f64
}

fn train(name: &str, text: &str, seed: u64, steps: u64, every: u64) -> Course {
    let agents: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("count = ").and_then(|count| count.parse().ok()))
        .unwrap_or_else(|| panic!("{name} does not say how many agents there are"));
    let ticks = steps / agents;
    let mut simulation = simulation(text, seed, ticks, None);
    let (mut evaluated, mut trained, mut last, mut seconds) = (None, None, 0.0, 0.0);
    let mut returns: Vec<f64> = Vec::new();
    let mut before = processor_seconds();
    for tick in 1..=ticks {
        simulation.step().expect("nothing fails");
        returns.extend(simulation.tables().get("episodes").expect("there").numbers("return"));
        simulation.tables_mut().clear();
        let mean = returns[returns.len().saturating_sub(100)..].iter().sum::<f64>() / 100.0;
        if trained.is_none() && returns.len() >= 100 && mean >= SOLVED {
            trained = Some(tick * agents);
        }
        if (tick * agents).is_multiple_of(every) || tick == ticks {
            seconds += processor_seconds() - before;
            last = evaluate(text, seed, &simulation.learned()["balance"]);
            if evaluated.is_none() && last >= SOLVED {
                evaluated = Some(tick * agents);
            }
            before = processor_seconds();
        }
    }
    Course { evaluated, trained, last, speed: (ticks * agents) as f64 / seconds }
}
