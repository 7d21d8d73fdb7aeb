//! Mail, births and deaths against the brute force.

use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::IntoScheduleConfigs;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{AgentId, Message};
use llmagentos::sim::{Agent, Directory, Mail, Mailbox, Mind, Now, Phase, Population, Simulation};
use proptest::prelude::*;

use super::brute_force::{self, Seen, Step, scripts};
use super::{ByRule, Plain, build, scenario};

const COUNT: u32 = 3;

#[derive(Resource, Clone, Default)]
struct Script(Vec<Step>);

#[derive(Resource, Default)]
struct Log {
    seen: Vec<Seen>,
    /// Who lived in each later phase of the tick.
    later: Vec<Vec<u32>>,
}

fn watch(mail: Res<Mail>, directory: Res<Directory>, agents: Query<(&Agent, &Mailbox)>, mut log: ResMut<Log>) {
    let mut seen = Seen { delivered: mail.delivered().len(), lost: mail.undeliverable() as usize, ..Seen::default() };
    for &(id, entity) in directory.alive() {
        let (agent, mailbox) = agents.get(entity).expect("the living have an entity");
        assert_eq!((agent.id, Some(mailbox.row)), (id, directory.row(id)));
        assert_eq!(directory.entity(id), Some(entity));
        assert_eq!(mailbox.row as usize, seen.alive.len(), "rows are ranks by id");
        seen.alive.push(id.0);
        let inbox = mail.inbox(*mailbox).iter();
        assert!(inbox.clone().all(|letter| letter.recipient == id));
        seen.inboxes.insert(id.0, inbox.map(|letter| (letter.sender.0, letter.topic)).collect());
    }
    assert_eq!(agents.iter().len(), directory.len(), "no entity outlives its agent");
    log.seen.push(seen);
}

fn follow_the_script(now: Res<Now>, script: Res<Script>, mut mail: ResMut<Mail>, mut population: ResMut<Population>) {
    let step = &script.0[now.tick.0 as usize];
    for (topic, letter) in step.letters.iter().enumerate() {
        mail.send(Message {
            sender: AgentId(letter.sender),
            recipient: AgentId(letter.recipient),
            topic: topic as u16,
            ..Message::default()
        });
    }
    let first = population.ever();
    for born in 0..step.births as u32 {
        assert_eq!(population.spawn(0, None), AgentId(first + born), "ids are dense and never used twice");
    }
    for &agent in &step.deaths {
        population.despawn(AgentId(agent));
    }
}

fn look_again(directory: Res<Directory>, mut log: ResMut<Log>) {
    log.later.push(directory.alive().iter().map(|(id, _)| id.0).collect());
}

fn run(script: &[Step]) -> Simulation {
    let world = Plain {
        features: &[],
        actions: &["wait"],
        build: |builder: &mut llmagentos::sim::Builder| {
            builder.insert_resource(Script(script.to_vec()));
            builder.insert_resource(Log::default());
            for _ in 0..COUNT {
                builder.spawn(0, None);
            }
            builder.add_systems(Phase::Observe, watch);
            builder.add_systems(Phase::Act, (follow_the_script, look_again).chain());
            builder.add_systems(Phase::Record, look_again);
        },
    };
    let scenario = scenario(script.len(), COUNT, 1);
    let mind = Mind::Fixed(std::sync::Arc::new(ByRule(|_, _, _| 0)));
    let mut simulation = build(&scenario, &world, mind).expect("it builds");
    while !simulation.is_over() {
        simulation.step().expect("nothing fails");
    }
    simulation
}

fn check(script: &[Step]) -> Result<(), TestCaseError> {
    let expected = brute_force::run(script, COUNT);
    let simulation = run(script);
    let log = simulation.world().resource::<Log>();
    for (tick, (seen, right)) in log.seen.iter().zip(&expected).enumerate() {
        prop_assert_eq!(seen, right, "tick {}", tick);
        prop_assert_eq!(&log.later[2 * tick], &right.alive, "nobody comes or goes within tick {}", tick);
        prop_assert_eq!(&log.later[2 * tick + 1], &right.alive, "nobody comes or goes within tick {}", tick);
    }
    let metrics = simulation.tables().get("metrics").expect("always there");
    let counts = |right: fn(&Seen) -> usize| expected.iter().map(|seen| right(seen) as f64).collect::<Vec<_>>();
    prop_assert_eq!(metrics.numbers("agents"), counts(|seen| seen.alive.len()));
    prop_assert_eq!(metrics.numbers("messages"), counts(|seen| seen.delivered));
    prop_assert_eq!(metrics.numbers("messages_lost"), counts(|seen| seen.lost));
    let messages = simulation.tables().get("messages").expect("recorded");
    prop_assert_eq!(messages.rows().len(), script.iter().map(|step| step.letters.len()).sum::<usize>());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn mail_births_and_deaths_equal_the_brute_force(script in scripts()) {
        check(&script)?;
    }
}

#[test]
fn who_is_born_and_buried_in_one_tick_never_lives_and_its_number_is_not_used_again() {
    let born_and_buried = Step { births: 2, deaths: vec![COUNT], ..Step::default() };
    let script = [born_and_buried, Step { births: 1, ..Step::default() }, Step::default()];
    check(&script).expect("as the brute force");
    let simulation = run(&script);
    let log = simulation.world().resource::<Log>();
    assert_eq!(log.seen[2].alive, [0, 1, 2, COUNT + 1, COUNT + 2]);
}

#[test]
fn a_letter_to_a_newborn_is_there_when_it_opens_its_eyes() {
    let letter = brute_force::Letter { sender: 0, recipient: COUNT };
    let script = [Step { births: 1, letters: vec![letter], ..Step::default() }, Step::default()];
    let simulation = run(&script);
    assert_eq!(simulation.world().resource::<Log>().seen[1].inboxes[&COUNT], [(0, 0)]);
}
