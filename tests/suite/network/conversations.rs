//! Conversations on a network: the machine knows at once what was said, the recipient when its letter has come.

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{AgentId, Performative, Purpose, TextId};
use llmagentos::protocols::{Content, Recipients, RequestTerms, Terms};
use llmagentos::record::Value;
use llmagentos::sim::{Agent, Builder, Conversations, Directory, Mail, Mailbox, Now, Phase, Simulation, TermsId};
use rand::RngExt as _;

use super::transit::{scenario, simulation};

const ASK: Purpose = Purpose::named("test.network.ask");
const COUNT: u32 = 5;

#[derive(Resource, Clone)]
struct Log {
    declared: TermsId,
    /// How many ticks each letter took, and the conversation it belongs to.
    read: Vec<(u64, u32)>,
}

/// Everyone asks somebody for an item of its own number.
fn ask(now: Res<Now>, directory: Res<Directory>, log: Res<Log>, mut conversations: ResMut<Conversations>) {
    for &(sender, _) in directory.alive() {
        let mut draw = now.chance.draw(ASK, now.tick, sender);
        for number in 0..draw.random_range(0..4) {
            let other = (sender.0 + draw.random_range(1..COUNT)) % COUNT;
            let item = now.tick.0 as u32 * 100 + sender.0 * 10 + number;
            let said = (Performative::Request, Content::Item(item), TextId::EMPTY);
            conversations.open(now.tick, log.declared, sender, Recipients::Agent(AgentId(other)), said);
        }
    }
}

fn read(
    now: Res<Now>,
    mail: Res<Mail>,
    conversations: Res<Conversations>,
    boxes: Query<(&Agent, &Mailbox)>,
    mut log: ResMut<Log>,
) {
    for (agent, mailbox) in &boxes {
        for (letter, envelope) in conversations.inbox(&mail, *mailbox) {
            let envelope = envelope.expect("every letter is of a conversation");
            assert_eq!(envelope.content.item(), Some(u32::from(letter.topic)), "the envelope is the letter's own");
            assert_eq!((envelope.sender, letter.recipient), (letter.sender, agent.id));
            assert_eq!(envelope.recipients, Recipients::Agent(agent.id));
            log.read.push((now.tick.0 - envelope.tick.0, envelope.conversation.0));
        }
    }
}

fn run(network: &str, shuffle: Option<u64>) -> Simulation {
    let build = |builder: &mut Builder| {
        let terms = Terms::Request(RequestTerms { reply_ticks: 2, work_ticks: 2 });
        let declared = builder.world.resource_mut::<Conversations>().declare(terms).expect("sound terms");
        builder.insert_resource(Log { declared, read: Vec::new() });
        for _ in 0..COUNT {
            builder.spawn(0, None);
        }
        builder.add_systems(Phase::Observe, read);
        builder.add_systems(Phase::Act, ask);
    };
    simulation(&scenario(60, COUNT, 7, network), build, None, shuffle)
}

fn ended(simulation: &Simulation) -> Vec<String> {
    let rows = simulation.tables().get("protocols").expect("it is recorded").rows();
    rows.filter(|row| row[3] == Value::from("ended")).map(|row| format!("{:?}", row[9])).collect()
}

#[test]
fn a_late_letter_has_its_envelope_still() {
    let network = "[network]\nlatency = 2\njitter = 5\nloss = 0.2\nduplication = 0.4\nbandwidth = 1\nqueue_max = 6\n";
    let whole = |shuffle| run(network, shuffle).world().resource::<Log>().read.clone();
    let read = whole(None);
    assert!(read.len() > 150, "{}", read.len());
    assert!(read.iter().any(|&(ticks, _)| ticks == 2) && read.iter().any(|&(ticks, _)| ticks > 7));
    let mut conversations: Vec<u32> = read.iter().map(|one| one.1).collect();
    conversations.sort_unstable();
    assert!(conversations.windows(2).any(|pair| pair[0] == pair[1]), "some came twice");
    assert_eq!(whole(Some(1)), read);
}

#[test]
fn what_nobody_receives_ends_by_its_deadline() {
    let (none, all) = (run("[network]\nloss = 1.0\n", None), run("", None));
    assert!(none.world().resource::<Log>().read.is_empty());
    assert_eq!(ended(&none), ended(&all), "the machines know what was said, on whatever network");
    assert!(ended(&none).len() > 100 && ended(&none).iter().all(|outcome| outcome.contains("no-answer")));
    assert!(all.world().resource::<Log>().read.iter().all(|&(ticks, _)| ticks == 1));
}
