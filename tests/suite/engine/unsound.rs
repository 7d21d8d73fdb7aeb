//! Worlds that hand in what cannot be, through whole simulations: the run stops and says who, when and what. And how the
//! returns of episodes are counted, whoever decides.

use std::sync::{Arc, Mutex};

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{ActionMenu, LegalActions, Outcome, Space, TextId};
use llmagentos::rl::ALGORITHMS;
use llmagentos::scenario::Scenario;
use llmagentos::sim::{
    Agent, Builder, Directory, EpisodeReturns, Mind, Now, Observations, Phase, PolicySlot, Reward, Simulation,
};

use super::{ByRule, Plain, Recorder, build, scenario};

/// What happens to one of the two agents in one tick.
#[derive(Clone, Copy)]
struct Moment {
    sees: f32,
    /// What it may do; `None` where it is not asked.
    legal: Option<u64>,
    reward: f32,
    outcome: Outcome,
}

const CALM: Moment = Moment { sees: 0.5, legal: Some(0b11), reward: 1.0, outcome: Outcome::Continues };

#[derive(Resource, Clone)]
struct Script(Vec<[Moment; 2]>);

fn see(
    now: Res<Now>,
    script: Res<Script>,
    directory: Res<Directory>,
    mut observations: ResMut<Observations>,
    agents: Query<(&Agent, &PolicySlot)>,
) {
    for &(_, entity) in directory.alive() {
        let (agent, slot) = agents.get(entity).expect("every agent has them");
        let moment = script.0[now.tick.0 as usize][agent.id.index()];
        if let Some(legal) = moment.legal {
            observations.push(agent.id, entity, *slot, &[moment.sees], LegalActions(legal), TextId::EMPTY);
        }
    }
}

fn reward(now: Res<Now>, script: Res<Script>, mut agents: Query<(&Agent, &mut Reward)>) {
    for (agent, mut reward) in &mut agents {
        let moment = script.0[now.tick.0 as usize][agent.id.index()];
        *reward = Reward { value: moment.reward, outcome: moment.outcome };
    }
}

fn simulation(script: &[[Moment; 2]], mind: Mind) -> Simulation {
    let script = Script(script.to_vec());
    let ticks = script.0.len();
    let world = Plain {
        features: &["level"],
        actions: &["stay", "go"],
        build: move |builder: &mut Builder| {
            builder.insert_resource(script.clone());
            builder.spawn(0, None);
            builder.spawn(0, None);
            builder.add_systems(Phase::Interpret, see);
            builder.add_systems(Phase::Reward, reward);
        },
    };
    build(&scenario(ticks, 2, 1), &world, mind).expect("it builds")
}

/// The learners of the registry, with what each cannot do without.
fn learners() -> Vec<Mind> {
    let space = Space::new(&["level"], ActionMenu::new(&["stay", "go"]));
    let learner = |algorithm: &llmagentos::rl::Algorithm| {
        let name = algorithm.kind.name;
        let state = "state = [{ feature = \"level\", edges = [0.0] }]\n";
        let parse = |settings: &str| {
            let text = format!(
                "name = \"a\"\nticks = 1\n[policy.p]\nkind = \"{name}\"\n{settings}[domain]\nkind = \"none\"\n"
            );
            Scenario::parse("a.toml", &text, &[]).expect("sound").policies["p"].clone()
        };
        // The tabular ones have to be told what a state is; the others have no such setting.
        (algorithm.build)(&parse(state), &space).or_else(|_| (algorithm.build)(&parse(""), &space))
    };
    let learners: Vec<Mind> =
        ALGORITHMS.iter().filter_map(|algorithm| learner(algorithm).ok()).map(Mind::Learning).collect();
    assert!(learners.len() >= 8, "only {} learners do with these settings", learners.len());
    learners
}

fn rule() -> Mind {
    Mind::Fixed(Arc::new(ByRule(|_, _, legal| legal.trailing_zeros() as u16)))
}

/// What ends the run of a script.
fn failure(script: &[[Moment; 2]], mind: Mind) -> String {
    let mut simulation = simulation(script, mind);
    while !simulation.is_over() {
        if let Err(error) = simulation.step() {
            return error.to_string();
        }
    }
    panic!("the run went on to its end")
}

#[test]
fn what_cannot_be_stops_the_run_and_names_agent_tick_and_what() {
    let with = |tick: usize, agent: usize, moment: Moment| {
        let mut script = vec![[CALM; 2]; 6];
        script[tick][agent] = moment;
        script
    };
    for (script, expected) in [
        (with(2, 1, Moment { sees: f32::NAN, ..CALM }), "tick 2: agent 1 sees `level` = NAN, not a finite number"),
        (
            with(0, 0, Moment { sees: f32::NEG_INFINITY, ..CALM }),
            "tick 0: agent 0 sees `level` = -inf, not a finite number",
        ),
        (with(3, 0, Moment { reward: f32::NAN, ..CALM }), "tick 3: agent 0: its reward is NAN, not a finite number"),
        // Nothing follows the last tick: it is told all the same.
        (
            with(5, 1, Moment { reward: f32::INFINITY, ..CALM }),
            "tick 5: agent 1: its reward is inf, not a finite number",
        ),
        (
            with(4, 1, Moment { legal: Some(0), ..CALM }),
            "tick 4: agent 1 is to decide by policy \"mind\" and has no legal action",
        ),
    ] {
        for mind in learners().into_iter().chain([rule()]) {
            assert_eq!(failure(&script, mind), expected.replace("NAN", "NaN"));
        }
    }
}

/// An episode that ends before its agent has decided anything.
const ENDS_UNASKED: Moment = Moment { legal: None, outcome: Outcome::Terminated, ..CALM };

#[test]
fn an_episode_without_a_decision_teaches_nothing() {
    let script = [[CALM, ENDS_UNASKED]; 4];
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder {
        policy: Arc::new(ByRule(|_, _, _| 0)),
        seen: Arc::clone(&seen),
        read: |batch, row| (batch.agents[row].0, batch.outcomes[row]),
    };
    let mut run = simulation(&script, Mind::Learning(Box::new(recorder)));
    (0..4).for_each(|_| run.step().expect("nothing fails"));
    assert_eq!(*seen.lock().expect("no panic"), [(0, Outcome::Continues); 3]);
    for mind in learners() {
        let mut run = simulation(&script, mind);
        run.count_returns();
        (0..4).for_each(|_| run.step().expect("nothing fails"));
        // Agent 0 alone, which has not ended: its four rewards.
        assert_eq!(run.returns()["mind"], EpisodeReturns { episodes: 1, sum: 4.0 });
    }
}

#[test]
fn returns_are_those_of_whole_episodes() {
    let at = |reward: f32, outcome: Outcome| Moment { reward, outcome, ..CALM };
    let script = [
        [at(1.0, Outcome::Continues), at(0.5, Outcome::Continues)],
        [at(2.0, Outcome::Terminated), at(0.5, Outcome::Continues)],
        // Not asked, so that its next episode has not begun: this is nobody's.
        [Moment { legal: None, ..at(100.0, Outcome::Continues) }, at(0.25, Outcome::Continues)],
        [at(4.0, Outcome::Truncated), at(0.25, Outcome::Continues)],
        // Begun, and not over: agent 0 has ended others, agent 1 none.
        [at(8.0, Outcome::Continues), at(1.0, Outcome::Continues)],
    ];
    let mut run = simulation(&script, rule());
    assert!(run.returns().is_empty(), "nobody asked");
    run.count_returns();
    (0..5).for_each(|_| run.step().expect("nothing fails"));
    let returns = run.returns()["mind"];
    assert_eq!(returns, EpisodeReturns { episodes: 3, sum: 3.0 + 4.0 + 2.5 });
    assert_eq!(returns.mean(), Some(9.5 / 3.0));
    assert_eq!(EpisodeReturns::default().mean(), None);
}

#[test]
fn a_run_can_be_brought_to_its_end() {
    let mut run = simulation(&[[CALM; 2]; 9], learners().remove(0));
    (0..3).for_each(|_| run.step().expect("nothing fails"));
    run.tables_mut().clear();
    run.end_after_next_tick();
    assert!(!run.is_over());
    run.step().expect("nothing fails");
    assert!(run.is_over());
    // What is left of the window of `learning_every` ticks is written, as after the last tick of all.
    assert_eq!(run.tables().get("learning").expect("there").numbers("tick"), [3.0]);
}
