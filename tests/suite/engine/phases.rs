//! The order of a tick, systems without an order, failures, and simulations side by side.

use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::IntoScheduleConfigs;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{AgentId, LegalActions, Message, Purpose, TextId, Tick};
use llmagentos::record::Value;
use llmagentos::sim::{
    Agent, BuildError, Builder, Choice, Directory, Failure, Mail, Mind, Now, Observations, Phase, PolicySlot, SimError,
    Simulation,
};
use rand::RngExt as _;

use super::{ByRule, Plain, build, scenario};

#[derive(Resource, Default)]
struct Log(Vec<(u64, Phase)>);

fn nobody_decides() -> Mind {
    Mind::Fixed(std::sync::Arc::new(ByRule(|_, _, _| 0)))
}

fn plain(build: impl Fn(&mut Builder) + Sync) -> impl llmagentos::sim::Domain {
    Plain { features: &[], actions: &["wait"], build }
}

#[test]
fn phases_run_in_the_documented_order() {
    // The engine alone works in Barrier, on the whole world: no other system can stand there without an order.
    let watched = &Phase::ALL[1..];
    let world = plain(|builder| {
        builder.insert_resource(Log::default());
        // Added from the last to the first: the order must come from the phases.
        for &phase in watched.iter().rev() {
            builder.add_systems(phase, move |now: Res<Now>, mut log: ResMut<Log>| log.0.push((now.tick.0, phase)));
        }
    });
    let mut simulation = build(&scenario(3, 0, 1), &world, nobody_decides()).expect("it builds");
    while !simulation.is_over() {
        simulation.step().expect("nothing fails");
    }
    let expected: Vec<(u64, Phase)> = (0..3).flat_map(|tick| watched.iter().map(move |&phase| (tick, phase))).collect();
    assert_eq!(simulation.world().resource::<Log>().0, expected);
    let documented = "Barrier Deliver Observe Read Interpret Learn Decide Act Word Send Advance Reward Record Close";
    assert_eq!(Phase::ALL.map(|phase| format!("{phase:?}")).join(" "), documented);
}

fn first_writer(mut log: ResMut<Log>) {
    log.0.clear();
}

fn second_writer(mut log: ResMut<Log>) {
    log.0.push((0, Phase::Act));
}

#[test]
fn two_systems_that_touch_the_same_need_an_order() {
    let unordered = plain(|builder| {
        builder.insert_resource(Log::default());
        builder.add_systems(Phase::Act, (first_writer, second_writer));
    });
    let Err(error) = build(&scenario(1, 0, 1), &unordered, nobody_decides()) else { panic!("it was built") };
    assert!(matches!(error, BuildError::Schedule(_)), "{error}");
    let said = error.to_string();
    assert!(said.contains("first_writer") && said.contains("second_writer") && said.contains("Log"), "{said}");
    let ordered = plain(|builder| {
        builder.insert_resource(Log::default());
        builder.add_systems(Phase::Act, (first_writer, second_writer).chain());
    });
    assert!(build(&scenario(1, 0, 1), &ordered, nobody_decides()).is_ok());
    let in_two_phases = plain(|builder| {
        builder.insert_resource(Log::default());
        builder.add_systems(Phase::Act, first_writer);
        builder.add_systems(Phase::Advance, second_writer);
    });
    assert!(build(&scenario(1, 0, 1), &in_two_phases, nobody_decides()).is_ok());
}

#[test]
fn the_first_failure_of_a_tick_stops_the_run_and_is_the_one_told() {
    let world = plain(|builder| {
        let fail = |problem: &'static str| {
            move |now: Res<Now>, failure: Res<Failure>| {
                if now.tick == Tick(2) {
                    failure.set(SimError::World { tick: now.tick, problem: problem.to_owned() });
                }
            }
        };
        builder.add_systems(Phase::Act, fail("the well is dry"));
        builder.add_systems(Phase::Advance, fail("and something else"));
    });
    let mut simulation = build(&scenario(9, 0, 1), &world, nobody_decides()).expect("it builds");
    assert!(simulation.step().is_ok() && simulation.step().is_ok());
    let error = simulation.step().expect_err("tick 2 fails");
    assert_eq!(error.to_string(), "tick 2: the well is dry");
    assert!(matches!(error, SimError::World { tick: Tick(2), .. }));
}

const RECIPIENT: Purpose = Purpose::named("test.engine.recipient");

fn decide_all(agents: Query<(&Agent, &PolicySlot)>, directory: Res<Directory>, mut observations: ResMut<Observations>) {
    for &(id, entity) in directory.alive() {
        let (_, slot) = agents.get(entity).expect("the living");
        observations.push(id, entity, *slot, &[id.0 as f32], LegalActions::all(4), TextId::EMPTY);
    }
}

fn chat(now: Res<Now>, directory: Res<Directory>, agents: Query<&Choice>, mut mail: ResMut<Mail>) {
    for &(id, entity) in directory.alive() {
        let topic = agents.get(entity).ok().and_then(|choice| choice.action).expect("all decided").0;
        let recipient = AgentId(now.chance.draw(RECIPIENT, now.tick, id).random_range(0..directory.len() as u32 + 1));
        mail.send(Message { sender: id, recipient, topic, ..Message::default() });
    }
}

fn chatter(seed: u64) -> Simulation {
    let world = Plain {
        features: &["id"],
        actions: &["a", "b", "c", "d"],
        build: |builder: &mut Builder| {
            for _ in 0..20 {
                builder.spawn(0, None);
            }
            builder.add_systems(Phase::Interpret, decide_all);
            builder.add_systems(Phase::Act, chat);
        },
    };
    let mind = Mind::Fixed(std::sync::Arc::new(ByRule(|tick, agent, _| ((tick + u64::from(agent)) % 4) as u16)));
    build(&scenario(30, 20, seed), &world, mind).expect("it builds")
}

fn cells(simulation: &Simulation) -> Vec<Vec<Vec<Value>>> {
    simulation.tables().iter().map(|table| table.rows().map(<[Value]>::to_vec).collect()).collect()
}

fn finished(seed: u64) -> Vec<Vec<Vec<Value>>> {
    let mut simulation = chatter(seed);
    while !simulation.is_over() {
        simulation.step().expect("nothing fails");
    }
    cells(&simulation)
}

#[test]
fn simulations_side_by_side_do_not_disturb_each_other() {
    let alone: Vec<_> = (0..4).map(finished).collect();
    assert_ne!(alone[0], alone[1], "another seed is another run");
    assert!(alone[0].iter().any(|rows| rows.len() == 20 * 30), "every letter was recorded");
    let mut together: Vec<Simulation> = (0..4).map(chatter).collect();
    for _ in 0..30 {
        for simulation in &mut together {
            simulation.step().expect("nothing fails");
        }
    }
    assert_eq!(together.iter().map(cells).collect::<Vec<_>>(), alone);
    let threads: Vec<_> = (0..4).map(|seed| std::thread::spawn(move || finished(seed))).collect();
    let of_threads: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
    assert_eq!(of_threads, alone);
}
