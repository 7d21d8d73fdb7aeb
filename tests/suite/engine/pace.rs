//! Agents that decide every so many ticks, against a second telling of the rules; and who decides when a budget is spent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{
    Action, BudgetUnit, DecisionBatch, LanguageError, LegalActions, Outcome, Policy, PolicyError, TextId,
    TransitionBatch,
};
use llmagentos::llm::LanguageHub;
use llmagentos::scenario::Scenario;
use llmagentos::sim::{
    Agent, Builder, Choice, Directory, DomainData, Mind, Now, Observations, Options, Phase, PolicySlot, Reward,
    Simulation,
};

use super::{ByRule, Plain, Recorder};

const TICKS: u64 = 60;
const COUNT: u32 = 5;

fn scenario(more: &str, count: u32) -> Scenario {
    let text = format!(
        "name = \"plain\"\nseed = 1\nticks = {TICKS}\n\n\
         [[agents]]\nrole = \"worker\"\ncount = {count}\npolicy = \"mind\"\n{more}\n\
         [policy.mind]\nkind = \"given\"\n\n[policy.other]\nkind = \"given\"\n\n[domain]\nkind = \"plain\"\n"
    );
    Scenario::parse("plain.toml", &text, &[]).expect("a sound scenario")
}

/// What an agent may do: all but one of four, another one each few ticks; nothing at all now and then.
fn legal(tick: u64, agent: u32) -> u64 {
    if (tick + 3 * u64::from(agent)).is_multiple_of(11) {
        0
    } else {
        0b1111 & !(1 << ((tick / 3 + u64::from(agent)) % 4))
    }
}

/// What the policy decides.
fn decided(tick: u64, agent: u32, legal: u64) -> u16 {
    let legal = LegalActions(legal);
    legal.nth((tick * 7 + u64::from(agent) * 3) as u32 % legal.count()).expect("below the count").0
}

/// The reward of a tick, in quarters, so that sums are exact.
fn quarters(tick: u64, agent: u32) -> f32 {
    ((tick * 5 + u64::from(agent)) % 9) as f32 / 4.0
}

/// Agent 2 has episodes of thirteen ticks.
fn ends(tick: u64, agent: u32) -> bool {
    agent == 2 && tick % 13 == 12
}

#[derive(Resource, Default)]
struct Done(Vec<(u64, u32, u16)>);

fn observe(
    now: Res<Now>,
    directory: Res<Directory>,
    slots: Query<&PolicySlot>,
    mut observations: ResMut<Observations>,
) {
    for &(id, entity) in directory.alive().iter().rev() {
        let mask = legal(now.tick.0, id.0);
        if mask != 0 {
            let slot = *slots.get(entity).expect("the living have one");
            observations.push(id, entity, slot, &[now.tick.0 as f32], LegalActions(mask), TextId::EMPTY);
        }
    }
}

fn act(now: Res<Now>, mut agents: Query<(&Agent, &Choice, &mut Reward)>, mut done: ResMut<Done>) {
    for (agent, choice, mut reward) in &mut agents {
        reward.value += quarters(now.tick.0, agent.id.0);
        if ends(now.tick.0, agent.id.0) {
            reward.outcome = Outcome::Terminated;
        }
        if let Some(action) = choice.action {
            done.0.push((now.tick.0, agent.id.0, action.0));
        }
    }
}

fn world() -> Plain<impl Fn(&mut Builder) + Sync> {
    Plain {
        features: &["tick"],
        actions: &["a", "b", "c", "d"],
        build: |builder: &mut Builder| {
            builder.insert_resource(Done::default());
            builder.spawn_group(0, || Unused);
            builder.add_systems(Phase::Interpret, observe);
            builder.add_systems(Phase::Act, act);
        },
    }
}

#[derive(bevy_ecs::component::Component)]
struct Unused;

fn simulate(scenario: &Scenario, mind: Mind, other: Mind) -> Simulation {
    let options = Options {
        advisors: std::collections::BTreeMap::new(),
        voices: std::collections::BTreeMap::new(),
        personas: std::collections::BTreeMap::new(),
        minds: vec![("mind".to_owned(), mind), ("other".to_owned(), other)],
        language: Arc::new(LanguageHub::new(vec![], None)),
        data: DomainData(BTreeMap::new()),
        messages: true,
        shuffle_systems: None,
    };
    Simulation::build(scenario, &world(), options).unwrap_or_else(|error| panic!("{error}"))
}

/// A transition as the learner is told: when it ended, whose it was, when it began, what was done, its reward.
type Told = (u64, u32, f32, u16, f32, Outcome);

fn told(batch: &TransitionBatch<'_>, row: usize) -> Told {
    let (agent, action) = (batch.agents[row].0, batch.actions[row].0);
    (batch.tick.0, agent, batch.features[row], action, batch.rewards[row], batch.outcomes[row])
}

/// What agents do and learn, tick by tick.
fn brute_force(every: u64) -> (Vec<(u64, u32, u16)>, Vec<Told>, u64) {
    let (mut done, mut told, mut repeated) = (Vec::new(), Vec::new(), 0);
    let mut last: BTreeMap<u32, u16> = BTreeMap::new();
    let mut open: BTreeMap<u32, (u64, u16, f32, Outcome)> = BTreeMap::new();
    for tick in 0..TICKS {
        for agent in 0..COUNT {
            let mask = legal(tick, agent);
            let kept = last.get(&agent).copied().filter(|action| mask >> action & 1 == 1);
            let due = (tick + u64::from(agent)).is_multiple_of(every);
            let decides = mask != 0 && (due || kept.is_none());
            if let Some(&(since, action, reward, outcome)) = open.get(&agent)
                && (outcome == Outcome::Terminated || decides)
            {
                told.push((tick, agent, since as f32, action, reward, outcome));
                open.remove(&agent);
            }
            if mask == 0 {
            } else if decides {
                let action = decided(tick, agent, mask);
                done.push((tick, agent, action));
                last.insert(agent, action);
                open.insert(agent, (tick, action, 0.0, Outcome::Continues));
            } else if let Some(action) = kept {
                done.push((tick, agent, action));
                repeated += 1;
            }
            if let Some((.., reward, outcome)) = open.get_mut(&agent).filter(|open| open.3 != Outcome::Terminated) {
                *reward += quarters(tick, agent);
                if ends(tick, agent) {
                    *outcome = Outcome::Terminated;
                }
            }
            if ends(tick, agent) {
                last.remove(&agent);
            }
        }
    }
    (done, told, repeated)
}

#[test]
fn actions_are_held_until_their_turn_and_learned_from_as_one() {
    for every in [1, 2, 4, 7] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder { policy: Arc::new(ByRule(decided)), seen: Arc::clone(&seen), read: told };
        let scenario = scenario(&format!("compare = [\"other\"]\ndecide_every = {every}\n"), COUNT);
        let other = Mind::Fixed(Arc::new(ByRule(decided)));
        let mut simulation = simulate(&scenario, Mind::Learning(Box::new(recorder)), other);
        while !simulation.is_over() {
            simulation.step().expect("nothing fails");
        }
        let (done, told, repeated) = brute_force(every);
        assert_eq!(repeated > 0, every > 1, "the test must hold some actions");
        assert_eq!(simulation.world().resource::<Done>().0, done, "every {every}");
        assert_eq!(*seen.lock().expect("no panic held it"), told, "every {every}");
        let metrics = simulation.tables().get("metrics").expect("there");
        assert_eq!(metrics.numbers("actions_repeated").iter().sum::<f64>() as u64, repeated);
        assert!(metrics.numbers("actions_illegal").iter().all(|&illegal| illegal < 0.5));
    }
}

/// Decides by a rule until its language model may take no more.
struct Spendthrift;

impl Policy for Spendthrift {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        if decisions.tick.0 >= 20 {
            return Err(LanguageError::BudgetSpent { model: "small".into(), unit: BudgetUnit::Calls }.into());
        }
        actions.fill(Action(decisions.legal[0].nth(0).expect("legal").0));
        Ok(())
    }
}

#[test]
fn a_spent_budget_stops_the_run_or_falls_back() {
    let minds = || (Mind::Fixed(Arc::new(Spendthrift)), Mind::Fixed(Arc::new(ByRule(decided))));
    let (mind, other) = minds();
    let mut falling = simulate(&scenario("fallback = \"other\"\n", 1), mind, other);
    while !falling.is_over() {
        falling.step().expect("the other policy takes over");
    }
    let done = &falling.world().resource::<Done>().0;
    assert_eq!(done.last().map(|last| last.0), Some(TICKS - 1));
    for &(tick, agent, action) in done {
        let mask = legal(tick, agent);
        let right = if tick < 20 { mask.trailing_zeros() as u16 } else { decided(tick, agent, mask) };
        assert_eq!(action, right, "tick {tick}");
    }

    let (mind, other) = minds();
    let mut stopping = simulate(&scenario("compare = [\"other\"]\n", 1), mind, other);
    let error = loop {
        if let Err(error) = stopping.step() {
            break error;
        }
    };
    assert_eq!((stopping.tick().0, error.budget_spent().as_deref()), (20, Some("small")), "{error}");
    // The tick is not finished: nothing of it is done or recorded.
    assert!(stopping.world().resource::<Done>().0.iter().all(|done| done.0 < 20));
    assert_eq!(stopping.tables().get("metrics").expect("there").rows().count(), 20);
}

#[test]
fn a_learner_is_nothing_to_fall_back_to() {
    let learner = Recorder { policy: Arc::new(ByRule(decided)), seen: Arc::default(), read: told };
    let options = Options {
        advisors: std::collections::BTreeMap::new(),
        voices: std::collections::BTreeMap::new(),
        personas: std::collections::BTreeMap::new(),
        minds: vec![
            ("mind".to_owned(), Mind::Fixed(Arc::new(Spendthrift))),
            ("other".to_owned(), Mind::Learning(Box::new(learner))),
        ],
        language: Arc::new(LanguageHub::new(vec![], None)),
        data: DomainData(BTreeMap::new()),
        messages: true,
        shuffle_systems: None,
    };
    let Err(error) = Simulation::build(&scenario("fallback = \"other\"\n", 1), &world(), options) else {
        panic!("it was built")
    };
    assert!(error.to_string().contains("\"other\" cannot be fallen back to"), "{error}");
}
