//! What a learner is told, against a second telling of the rules; and what becomes of choices.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{AgentId, LegalActions, Outcome, TextId, TransitionBatch};
use llmagentos::sim::{
    Agent, Builder, Choice, Directory, Menu, Mind, Now, Observation, Observations, Phase, PolicySlot, Population,
    Reward, Simulation,
};
use proptest::prelude::*;

use super::{ByRule, Plain, Recorder, build, scenario};

const COUNT: u32 = 3;
const ACTIONS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What happens to one agent in one tick.
#[derive(Clone, Copy, Debug)]
struct Happening {
    /// What it may do; none when it sees nothing.
    legal: u64,
    /// In quarters, so that sums are exact in any order.
    quarters: i8,
    outcome: Outcome,
    dies: bool,
}

#[derive(Clone, Debug)]
struct Step {
    /// By agent; agents past the end see nothing.
    agents: Vec<Happening>,
    births: usize,
}

fn scripts() -> impl Strategy<Value = Vec<Step>> {
    let outcome =
        prop_oneof![6 => Just(Outcome::Continues), 1 => Just(Outcome::Terminated), 1 => Just(Outcome::Truncated)];
    let legal = prop_oneof![1 => Just(0_u64), 2 => 1_u64..32];
    let happening = (legal, -8_i8..8, outcome, prop::bool::weighted(0.1))
        .prop_map(|(legal, quarters, outcome, dies)| Happening { legal, quarters, outcome, dies });
    let step = (prop::collection::vec(happening, 10), prop_oneof![3 => Just(0_usize), 1 => Just(1)])
        .prop_map(|(agents, births)| Step { agents, births });
    prop::collection::vec(step, 1..14)
}

/// The action that the test's policy wants; in every fourth case one that is not legal.
fn wanted(tick: u64, agent: u32, legal: u64) -> u16 {
    let turn = tick * 7 + u64::from(agent) * 3;
    if turn.is_multiple_of(4) {
        return if legal == 0b11111 { 63 } else { (!legal).trailing_zeros() as u16 };
    }
    let legal = LegalActions(legal);
    legal.nth(turn as u32 % legal.count()).expect("below the count").0
}

/// The action that is carried out, and whether the wanted one was legal.
fn done(tick: u64, agent: u32, legal: u64) -> (u16, bool) {
    let wanted = wanted(tick, agent, legal);
    if wanted < 64 && legal >> wanted & 1 == 1 { (wanted, true) } else { (legal.trailing_zeros() as u16, false) }
}

fn sight(tick: u64, agent: u32) -> [f32; 2] {
    [tick as f32 + 1.0, agent as f32 + 0.5]
}

/// A row that a learner is told.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    tick: u64,
    agent: u32,
    features: Vec<f32>,
    action: u16,
    reward: f32,
    next_features: Vec<f32>,
    next_legal: u64,
    outcome: Outcome,
}

fn told(batch: &TransitionBatch<'_>, row: usize) -> Told {
    Told {
        tick: batch.tick.0,
        agent: batch.agents[row].0,
        features: batch.features[row * 2..row * 2 + 2].to_vec(),
        action: batch.actions[row].0,
        reward: batch.rewards[row],
        next_features: batch.next_features[row * 2..row * 2 + 2].to_vec(),
        next_legal: batch.next_legal[row].0,
        outcome: batch.outcomes[row],
    }
}

/// A decision whose outcome is open.
struct Open {
    tick: u64,
    action: u16,
    reward: f32,
    outcome: Outcome,
}

/// The right rows, and how many choices were not legal in each tick.
fn brute_force(script: &[Step]) -> (Vec<Told>, Vec<f64>) {
    let (mut rows, mut illegal) = (Vec::new(), Vec::new());
    let mut open: BTreeMap<u32, Open> = BTreeMap::new();
    let mut alive: Vec<u32> = (0..COUNT).collect();
    let (mut leaving, mut next) = (Vec::new(), COUNT);
    for (tick, step) in script.iter().enumerate() {
        let tick = tick as u64;
        alive.retain(|agent| !leaving.contains(agent));
        for &agent in &alive {
            assert!(!leaving.contains(&agent));
        }
        alive.extend((next - step_births(script, tick)..next).filter(|_| tick > 0));
        let mut now = Vec::new();
        for (&agent, past) in &open {
            let legal = happening(step, agent).map_or(0, |happening| happening.legal);
            let row = |next_features: Vec<f32>, next_legal, outcome| Told {
                tick,
                agent,
                features: sight(past.tick, agent).to_vec(),
                action: past.action,
                reward: past.reward,
                next_features,
                next_legal,
                outcome,
            };
            let gone = leaving.contains(&agent);
            if past.outcome == Outcome::Terminated || (gone && past.outcome == Outcome::Continues) {
                now.push(row(vec![0.0; 2], 0, Outcome::Terminated));
            } else if !gone && legal != 0 {
                now.push(row(sight(tick, agent).to_vec(), legal, past.outcome));
            }
        }
        for row in &now {
            open.remove(&row.agent);
        }
        // A cut-off episode whose agent left unseen has nothing to look ahead to: it teaches nothing.
        open.retain(|agent, _| !leaving.contains(agent));
        rows.extend(now);
        leaving.clear();
        let mut wrong = 0;
        for &agent in &alive {
            let Some(happening) = happening(step, agent) else { continue };
            if happening.legal != 0 {
                let (action, good) = done(tick, agent, happening.legal);
                wrong += u32::from(!good);
                open.insert(agent, Open { tick, action, reward: 0.0, outcome: Outcome::Continues });
            }
            if let Some(open) = open.get_mut(&agent).filter(|open| open.outcome != Outcome::Terminated) {
                open.reward += f32::from(happening.quarters) / 4.0;
                if happening.outcome != Outcome::Continues {
                    open.outcome = happening.outcome;
                }
            }
            if happening.dies {
                leaving.push(agent);
            }
        }
        illegal.push(f64::from(wrong));
        next += step.births as u32;
    }
    (rows, illegal)
}

/// How many were asked for in the tick before.
fn step_births(script: &[Step], tick: u64) -> u32 {
    if tick == 0 { 0 } else { script[tick as usize - 1].births as u32 }
}

fn happening(step: &Step, agent: u32) -> Option<&Happening> {
    step.agents.get(agent as usize)
}

#[derive(Resource)]
struct Script(Vec<Step>);

fn observe(
    now: Res<Now>,
    script: Res<Script>,
    directory: Res<Directory>,
    slots: Query<&PolicySlot>,
    mut observations: ResMut<Observations>,
) {
    let step = &script.0[now.tick.0 as usize];
    // From the last to the first: the engine puts rows into order itself.
    for &(id, entity) in directory.alive().iter().rev() {
        let legal = happening(step, id.0).map_or(0, |happening| happening.legal);
        if legal != 0 {
            let slot = *slots.get(entity).expect("the living have one");
            observations.push(id, entity, slot, &sight(now.tick.0, id.0), LegalActions(legal), TextId::EMPTY);
        }
    }
}

fn look_at_choices(
    now: Res<Now>,
    script: Res<Script>,
    observations: Res<Observations>,
    agents: Query<(&Agent, &PolicySlot, &Choice, &Menu, &Observation)>,
) {
    let step = &script.0[now.tick.0 as usize];
    for (agent, slot, choice, menu, observation) in &agents {
        let legal = happening(step, agent.id.0).map_or(0, |happening| happening.legal);
        let right = (legal != 0).then(|| done(now.tick.0, agent.id.0, legal).0);
        assert_eq!(choice.action.map(|action| action.0), right, "agent {} at tick {}", agent.id, now.tick);
        assert_eq!(menu.legal.0, legal);
        if legal == 0 {
            assert_eq!(observation.row, Observation::NONE.row);
        } else {
            assert_eq!(observations.row(slot.policy, observation.row, 2), sight(now.tick.0, agent.id.0));
        }
    }
}

/// Half of the reward comes in Act, with its outcome; the rest in Reward.
fn reward(now: Res<Now>, script: Res<Script>, mut agents: Query<(&Agent, &mut Reward)>) {
    let step = &script.0[now.tick.0 as usize];
    for (agent, mut reward) in &mut agents {
        let Some(happening) = happening(step, agent.id.0) else { continue };
        reward.value += f32::from(happening.quarters) / 8.0;
        reward.outcome = happening.outcome;
    }
}

fn come_and_go(now: Res<Now>, script: Res<Script>, directory: Res<Directory>, mut population: ResMut<Population>) {
    let step = &script.0[now.tick.0 as usize];
    for _ in 0..step.births {
        population.spawn(0, None);
    }
    for (agent, happening) in step.agents.iter().enumerate() {
        let agent = AgentId(agent as u32);
        if happening.dies && directory.row(agent).is_some() {
            population.despawn(agent);
        }
    }
}

fn run(script: &[Step]) -> (Vec<Told>, Simulation) {
    let world = Plain {
        features: &["tick", "agent"],
        actions: &ACTIONS,
        build: |builder: &mut Builder| {
            builder.insert_resource(Script(script.to_vec()));
            for _ in 0..COUNT {
                builder.spawn(0, None);
            }
            builder.add_systems(Phase::Interpret, observe);
            builder.add_systems(Phase::Act, (look_at_choices, reward));
            builder.add_systems(Phase::Advance, come_and_go);
            builder.add_systems(Phase::Reward, reward);
        },
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder { policy: Arc::new(ByRule(wanted)), seen: Arc::clone(&seen), read: told };
    let mut simulation =
        build(&scenario(script.len(), COUNT, 1), &world, Mind::Learning(Box::new(recorder))).expect("it builds");
    while !simulation.is_over() {
        simulation.step().expect("nothing fails");
    }
    let told = std::mem::take(&mut *seen.lock().expect("no panic held it"));
    (told, simulation)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_learner_is_told_what_the_brute_force_tells(script in scripts()) {
        let (rows, illegal) = brute_force(&script);
        let (told, simulation) = run(&script);
        prop_assert_eq!(told, rows);
        prop_assert_eq!(simulation.tables().get("metrics").expect("there").numbers("actions_illegal"), illegal);
    }
}

/// One agent that sees, does and gets what is said; the others see nothing.
fn alone(steps: &[(u64, i8, Outcome, bool)]) -> Vec<Told> {
    let script: Vec<Step> = steps
        .iter()
        .map(|&(legal, quarters, outcome, dies)| Step {
            agents: vec![Happening { legal, quarters, outcome, dies }],
            births: 0,
        })
        .collect();
    run(&script).0
}

#[test]
fn reward_is_summed_until_the_agent_decides_again() {
    use Outcome::Continues;
    let told = alone(&[
        (1, 4, Continues, false),
        (0, 2, Continues, false),
        (0, -1, Continues, false),
        (1, 9, Continues, false),
    ]);
    assert_eq!(told.len(), 1, "the last decision is still open");
    assert_eq!((told[0].tick, told[0].reward, told[0].outcome), (3, 1.25, Continues));
    assert_eq!((&told[0].features[..], &told[0].next_features[..]), (&sight(0, 0)[..], &sight(3, 0)[..]));
}

#[test]
fn an_ended_episode_has_nothing_after_it_and_a_cut_off_one_has() {
    use Outcome::{Continues, Terminated, Truncated};
    let told = alone(&[(1, 4, Terminated, false), (3, 8, Truncated, false), (7, 0, Continues, false)]);
    assert_eq!(told.len(), 2);
    assert_eq!((told[0].outcome, told[0].next_legal, &told[0].next_features[..]), (Terminated, 0, &[0.0, 0.0][..]));
    assert_eq!((told[1].outcome, told[1].next_legal, &told[1].next_features[..]), (Truncated, 7, &sight(2, 0)[..]));
}

#[test]
fn an_agent_that_dies_ends_its_episode() {
    let told = alone(&[(1, 6, Outcome::Continues, true), (1, 0, Outcome::Continues, false)]);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].tick, told[0].reward, told[0].outcome, told[0].next_legal), (1, 1.5, Outcome::Terminated, 0));
}
