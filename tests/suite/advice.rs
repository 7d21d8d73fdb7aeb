//! Learners that a language model advises: who is asked, what reaches a learner, what a prior does to a policy, and when a
//! network answers alone. The models are scripted and say so in their names.

mod runs;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{
    Action, ActionMenu, AgentId, Chance, DecisionBatch, Learner, LegalActions, Outcome, Policy, PolicyError, Space,
    TextId, Tick, TransitionBatch,
};
use llmagentos::llm::{LanguageHub, MINDS, ScriptedModel};
use llmagentos::rl::ALGORITHMS;
use llmagentos::scenario::Scenario;
use llmagentos::sim::{Agent, Builder, DomainData, Mind, Now, Observations, Options, Phase, PolicySlot, Simulation};

use super::engine::{ByRule, Plain, Recorder};

/// Asks for advice on agents with an even number, and does the first thing that is legal.
struct EvenAsk;

impl Policy for EvenAsk {
    fn wants_advice(&self, decisions: &DecisionBatch<'_>, wanted: &mut [bool]) {
        assert!(decisions.advice.is_empty());
        wanted.iter_mut().zip(decisions.agents).for_each(|(wanted, agent)| *wanted = agent.0 % 2 == 0);
    }

    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        for (row, action) in actions.iter_mut().enumerate() {
            assert_eq!(decisions.advice(row).is_some(), decisions.agents[row].0.is_multiple_of(2));
            *action = decisions.legal[row].nth(0).expect("something is legal");
        }
        Ok(())
    }
}

/// A learner that is told things and writes them down.
struct Told {
    inner: Recorder<(u32, u64, u16, Option<Vec<f32>>)>,
}

impl Learner for Told {
    fn learn(
        &mut self,
        batch: &TransitionBatch<'_>,
    ) -> Result<llmagentos::base::LearnStats, llmagentos::base::LearnError> {
        self.inner.learn(batch)
    }
    fn policy(&self) -> Arc<dyn Policy> {
        Arc::new(EvenAsk)
    }
    fn deployed(&self) -> Arc<dyn Policy> {
        self.policy()
    }
    fn save(&self) -> llmagentos::base::PolicyFile {
        self.inner.save()
    }
    fn load(&mut self, file: &llmagentos::base::PolicyFile) -> Result<(), llmagentos::base::PolicyFileError> {
        self.inner.load(file)
    }
}

fn hand_in(now: Res<Now>, mut observations: ResMut<Observations>, agents: Query<(Entity, &Agent, &PolicySlot)>) {
    for (entity, agent, slot) in &agents {
        // Agent 4 never has a choice.
        let legal = LegalActions(if agent.id.0 == 4 { 0b010 } else { 0b101 });
        observations.push(agent.id, entity, *slot, &[(now.tick.0 % 3) as f32], legal, TextId::EMPTY);
    }
}

#[test]
fn what_an_advisor_says_reaches_policy_and_learner() {
    let text = "name = \"advised\"\nticks = 8\n[[agents]]\nrole = \"worker\"\ncount = 6\npolicy = \"mind\"\nllm = \"scripted\"\n\
                [policy.mind]\nkind = \"given\"\n[policy.prompted]\nkind = \"language_model\"\n\
                [llm.scripted]\nkind = \"scripted\"\n[domain]\nkind = \"plain\"\n";
    let scenario = Scenario::parse("advised.toml", text, &[]).expect("sound");
    let build = |builder: &mut Builder| {
        builder.spawn_group(0, || Marked);
        builder.add_systems(Phase::Interpret, hand_in);
    };
    let world = Plain { features: &["mood"], actions: &["rest", "wait", "work"], build };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = |batch: &TransitionBatch<'_>, row: usize| {
        let advice = batch.advice(row).map(<[f32]>::to_vec);
        (batch.agents[row].0, batch.decided[row].0, batch.actions[row].0, advice)
    };
    let inner = Recorder { policy: Arc::new(ByRule(|_, _, _| 0)), seen: Arc::clone(&seen), read: told };
    let space = Space::new(&["mood"], ActionMenu::new(&["rest", "wait", "work"]));
    let advisor = (MINDS[0].build)(&scenario.policies["prompted"], &space, &[]).expect("builds");
    let hub = Arc::new(LanguageHub::new(vec![("scripted".into(), Box::new(ScriptedModel::default()))], None));
    let options = Options {
        minds: vec![("mind".to_owned(), Mind::Learning(Box::new(Told { inner })))],
        advisors: BTreeMap::from([("mind".to_owned(), advisor)]),
        voices: BTreeMap::new(),
        language: hub.clone(),
        data: DomainData(BTreeMap::new()),
        personas: BTreeMap::new(),
        messages: false,
        shuffle_systems: None,
    };
    let mut simulation = Simulation::build(&scenario, &world, options).unwrap_or_else(|error| panic!("{error}"));
    while !simulation.is_over() {
        simulation.step().unwrap_or_else(|error| panic!("{error}"));
    }
    let seen = seen.lock().expect("nobody panicked");
    assert_eq!(seen.len(), 6 * 7, "all but the last decisions have an outcome");
    for (agent, tick, _, advice) in seen.iter() {
        let Some(advice) = advice else {
            assert_eq!(agent % 2, 1, "agent {agent} at {tick}");
            continue;
        };
        assert_eq!(agent % 2, 0);
        if *agent == 4 {
            assert_eq!(advice[..], [f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY]);
            continue;
        }
        assert!(advice[1].is_infinite() && advice[1] < 0.0, "what is not legal");
        let sum: f64 = advice.iter().map(|value| f64::from(*value).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6 && advice[0].is_finite() && advice[2].is_finite(), "{advice:?}");
    }
    // Agents 0 and 2 at eight ticks: agent 4 has no choice, the others are not asked about. The requests of agents that
    // see the same are one.
    let usage = llmagentos::base::LanguageService::usage(&*hub);
    assert_eq!((usage.calls, usage.deduplicated), (16, 8));
    let lines = simulation.advice_summary();
    assert_eq!(lines[0].shown, "40.0% (16 of 40)", "{lines:?}");
}

#[derive(bevy_ecs::component::Component)]
struct Marked;

fn space() -> Space {
    Space::new(&["x"], ActionMenu::new(&["left", "right"]))
}

fn learner(text: &str) -> Box<dyn Learner> {
    let text = format!("name = \"a\"\nticks = 1\n[policy.mind]\n{text}\n[domain]\nkind = \"plain\"\n");
    let scenario = Scenario::parse("a.toml", &text, &[]).unwrap_or_else(|error| panic!("{error}: {text}"));
    let section = &scenario.policies["mind"];
    let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()).expect("known");
    (algorithm.build)(section, &space()).unwrap_or_else(|error| panic!("{error}"))
}

const ROWS: u32 = 64;

fn agents() -> Vec<AgentId> {
    (0..ROWS).map(AgentId).collect()
}

fn features(tick: u64) -> Vec<f32> {
    (0..ROWS).map(|agent| ((tick + u64::from(agent)) % 4) as f32).collect()
}

/// An advisor that is right by nine in ten where x is below 2, and by six in ten elsewhere.
fn advice(features: &[f32]) -> Vec<f32> {
    let row = |x: &f32| if *x < 2.0 { [0.1_f32.ln(), 0.9_f32.ln()] } else { [0.4_f32.ln(), 0.6_f32.ln()] };
    features.iter().flat_map(row).collect()
}

/// What a policy wants to know, and what it does with `advice`, empty for none.
fn ask(policy: &dyn Policy, tick: u64, advice: &[f32]) -> (Vec<bool>, Vec<Action>) {
    let (agents, features, space) = (agents(), features(tick), space());
    let mut decisions = DecisionBatch {
        tick: Tick(tick),
        chance: Chance::new(3),
        space: &space,
        agents: &agents,
        features: &features,
        legal: &[LegalActions(0b11); ROWS as usize],
        words: &[],
        word_ids: &[],
        advice: &[],
    };
    let (mut wanted, mut actions) = (vec![false; agents.len()], vec![Action(0); agents.len()]);
    policy.wants_advice(&decisions, &mut wanted);
    decisions.advice = advice;
    policy.decide(&decisions, &mut actions).expect("it decides");
    (wanted, actions)
}

/// Teaches what came of these actions at a tick: going left is worth 1, whatever the advisor says.
fn teach(learner: &mut dyn Learner, tick: u64, actions: &[Action], advice: &[f32]) -> llmagentos::base::LearnStats {
    let rewards: Vec<f32> = actions.iter().map(|action| if action.0 == 0 { 1.0 } else { 0.0 }).collect();
    learner
        .learn(&TransitionBatch {
            tick: Tick(tick),
            chance: Chance::new(3),
            space: &space(),
            agents: &agents(),
            features: &features(tick),
            legal: &[LegalActions(0b11); ROWS as usize],
            actions,
            decided: &vec![Tick(tick); actions.len()],
            rewards: &rewards,
            next_features: &vec![0.0; actions.len()],
            next_legal: &vec![LegalActions::default(); actions.len()],
            outcomes: &vec![Outcome::Terminated; actions.len()],
            central: &[],
            next_central: &[],
            terms: &[],
            advice,
        })
        .expect("all numbers are finite")
}

/// Ticks of deciding and learning, with advice where it is wanted; how many rows were asked at each.
fn live(learner: &mut dyn Learner, ticks: std::ops::Range<u64>) -> Vec<usize> {
    let tick = |tick: u64| {
        let policy = learner.policy();
        let (wanted, _) = ask(&*policy, tick, &[]);
        let mut given = advice(&features(tick));
        for (row, _) in wanted.iter().enumerate().filter(|(_, wanted)| !**wanted) {
            given[row * 2..row * 2 + 2].fill(f32::NAN);
        }
        let asked = wanted.iter().filter(|wanted| **wanted).count();
        let (_, actions) = ask(&*policy, tick, if asked == 0 { &[] } else { &given });
        teach(learner, tick, &actions, &given);
        asked
    };
    ticks.map(tick).collect()
}

const PPO: &str = "kind = \"ppo\"\nrollout = 128\nminibatch = 64\nepochs = 4\nnetwork = { hidden = [16] }\n\
                   optimiser = { learning_rate = 0.01 }";

#[test]
fn a_cold_learner_does_as_advised_and_a_trained_one_leaves_the_advice_behind() {
    for kind in ["ppo", "a2c", "reinforce"] {
        let settings = PPO.replace("ppo", kind);
        let settings = match kind {
            "ppo" => settings,
            "a2c" => settings.replace("minibatch = 64\nepochs = 4\n", ""),
            _ => settings.replace("rollout = 128\nminibatch = 64\nepochs = 4\n", "episodes = 128\n"),
        };
        let advised = "advice = { from = \"mind\", weight_transitions = 6400, divergence = 0.02 }";
        let mut learner = learner(&format!("{settings}\n{advised}"));
        let rights = |learner: &dyn Learner| -> usize {
            let of = |tick: u64| ask(&*learner.policy(), tick, &advice(&features(tick))).1;
            (1000..1020).flat_map(of).filter(|action| action.0 == 1).count()
        };
        // Half of the rows are advised to go right by 0.9, the others by 0.6: 960 of 1,280, and 100 are six deviations.
        let cold = rights(&*learner);
        assert!((860..1060).contains(&cold), "{kind}: {cold}");
        let asked = live(&mut *learner, 0..120);
        assert_eq!(asked[0], 64, "{kind}");
        assert!(asked[..100].iter().all(|&asked| asked == 64), "{kind}: β is above 0 for 6,400 transitions: {asked:?}");
        assert!(asked[102..].iter().all(|&asked| asked == 0), "{kind}: nobody is asked any more: {asked:?}");
        let trained = rights(&*learner);
        assert!(trained < 300, "{kind}: going left pays, and it goes right {trained} times of 1280");
    }
}

#[test]
fn advice_that_counts_nothing_changes_no_bit() {
    let nothing = "advice = { from = \"mind\", weight = 0.0 }";
    let [mut with, mut without] = [format!("{PPO}\n{nothing}"), PPO.to_owned()].map(|text| learner(&text));
    assert!(live(&mut *with, 0..20).iter().all(|&asked| asked == 0));
    live(&mut *without, 0..20);
    let mut saved = with.save();
    saved.tensors.retain(|tensor| tensor.name != "rollout.advice");
    assert_eq!(saved, without.save());
}

#[test]
fn a_prior_that_is_saved_in_the_middle_goes_on_with_the_same_bits() {
    let text = format!("{PPO}\nadvice = {{ from = \"mind\", weight_transitions = 4000, divergence = 0.1 }}");
    // 13 ticks of 64 rows: the rollout of 128 is half full, β has fallen by a fifth.
    let mut whole = learner(&text);
    live(&mut *whole, 0..13);
    let mut resumed = learner(&text);
    resumed.load(&whole.save()).expect("it fits");
    assert_eq!(resumed.save(), whole.save());
    for tick in 13..40 {
        let [left, right] = [&whole, &resumed].map(|one| ask(&*one.policy(), tick, &advice(&features(tick))));
        assert_eq!(left, right, "tick {tick}");
        live(&mut *whole, tick..tick + 1);
        live(&mut *resumed, tick..tick + 1);
    }
    assert_eq!(resumed.save(), whole.save());
    // A learner without an advisor takes up what was learned with one, and the other way round.
    learner(PPO).load(&whole.save()).expect("it fits");
    let mut plain = learner(PPO);
    live(&mut *plain, 0..3);
    learner(&text).load(&plain.save()).expect("it fits");
}

const DISTILLED: &str = "kind = \"distilled\"\nadvice = { from = \"mind\" }\nconfidence = 0.7\nagreement = 0.9\nchecks = 64\n\
                         spot_checks = 0.1\nlearn_every = 64\nnetwork = { hidden = [16] }\noptimiser = { learning_rate = 0.01 }";

#[test]
fn a_network_takes_over_where_it_is_sure_and_asks_elsewhere() {
    let mut learner = learner(DISTILLED);
    let asked = live(&mut *learner, 0..60);
    assert_eq!(asked[..2], [64, 64], "who knows nothing asks always");
    // The advisor is sure of itself where x is below 2: of those 32 rows one in ten is a spot check. On the other 32 the
    // network comes to hold 0.6 for true, which is not sure enough, and asks.
    let late = &asked[40..];
    let mean = late.iter().sum::<usize>() as f64 / late.len() as f64;
    assert!((mean - 35.2).abs() < 2.0, "{mean} of 64 rows are asked: {late:?}");
    let (wanted, actions) = ask(&*learner.policy(), 60, &[]);
    for (x, wanted) in features(60).iter().zip(&wanted) {
        assert!(*wanted || *x < 2.0, "x = {x} is answered alone");
    }
    assert!(actions.iter().all(|action| action.0 == 1), "it imitates");
    assert!(ask(&*learner.deployed(), 60, &[]).0.iter().all(|wanted| !wanted), "what is deployed asks nobody");
    // An advisor that changes its mind: the spot checks find out, and the advisor is asked on all rows again.
    let opposite: Vec<f32> = features(0).iter().flat_map(|_| [0.9_f32.ln(), 0.1_f32.ln()]).collect();
    let stats = teach(&mut *learner, 61, &[Action(1); ROWS as usize], &opposite);
    assert!(stats.checked > 0 && stats.agreed == 0, "{stats:?}");
    assert!(ask(&*learner.policy(), 62, &[]).0.iter().all(|wanted| *wanted));
}

#[test]
fn what_is_distilled_goes_on_with_the_same_bits() {
    let mut whole = learner(DISTILLED);
    live(&mut *whole, 0..25);
    let mut resumed = learner(DISTILLED);
    resumed.load(&whole.save()).expect("it fits");
    let [left, right] = [&mut whole, &mut resumed].map(|one| live(&mut **one, 25..50));
    assert_eq!(left, right, "as many are asked");
    assert_eq!(resumed.save(), whole.save());
}
