//! Conversations in a simulation against a plain replay: the same machines, fed one by one from a list of all that was said.

use std::collections::BTreeMap;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{AgentId, Message, Performative, Purpose, TextId, Tick};
use llmagentos::protocols::{
    Amounts, Content, ContractNetTerms, Conversation, ConversationId, Envelope, Expected, Protocol, Recipients,
    RequestTerms, Terms,
};
use llmagentos::record::Value;
use llmagentos::sim::{
    Agent, Builder, ConversationCounts, Conversations, Directory, Mail, Mailbox, Mind, Now, Phase, Population,
    Simulation, TermsId,
};
use rand::RngExt as _;

use super::{ByRule, Plain, scenario};

const TALK: Purpose = Purpose::named("test.conversations.talk");
const COUNT: u32 = 6;
const TICKS: usize = 60;
/// The topic of letters that belong to no conversation.
const PLAIN: u16 = 999;

pub(super) fn terms() -> [Terms; 2] {
    let amounts = Amounts { least: 0, greatest: 50 };
    [
        Terms::Request(RequestTerms { reply_ticks: 3, work_ticks: 4 }),
        Terms::ContractNet(ContractNetTerms {
            propose_ticks: 2,
            award_ticks: 3,
            work_ticks: 2,
            amounts,
            awards_max: 1,
        }),
    ]
}

#[derive(Resource, Default, Clone)]
struct Log {
    declared: Vec<TermsId>,
    /// All that was said, with which terms it was to open, in the order of saying.
    said: Vec<(Option<usize>, Envelope)>,
    /// Who lived at each tick.
    alive: Vec<Vec<AgentId>>,
    /// What the engine says it did, by tick.
    counts: Vec<ConversationCounts>,
    admitted: Vec<Envelope>,
    /// Letters read with and without an envelope.
    letters: (usize, usize),
}

fn talk(
    now: Res<Now>,
    directory: Res<Directory>,
    mut conversations: ResMut<Conversations>,
    mut mail: ResMut<Mail>,
    mut population: ResMut<Population>,
    mut log: ResMut<Log>,
) {
    log.alive.push(directory.alive().iter().map(|one| one.0).collect());
    if now.tick == Tick(30) {
        population.despawn(AgentId(2));
    }
    // From the last to the first: the engine has to put senders in order.
    for &(agent, _) in directory.alive().iter().rev() {
        let mut draw = now.chance.draw(TALK, now.tick, agent);
        mail.send(Message { sender: agent, recipient: AgentId(0), topic: PLAIN, ..Message::default() });
        for _ in 0..draw.random_range(0..3_u32) {
            let choice = draw.random_range(0..10_u32);
            let other = AgentId(draw.random_range(0..COUNT));
            if choice < 2 {
                let (which, recipients, performative) = match choice {
                    0 => (0, Recipients::Agent(other), Performative::Request),
                    _ if other.0 < 3 => (1, Recipients::Everyone, Performative::CallForProposal),
                    _ => (1, Recipients::Role(0), Performative::CallForProposal),
                };
                let content = Content::Item(u32::from(now.tick.0 as u8));
                let said = (performative, content.clone(), TextId::EMPTY);
                let declared = log.declared[which];
                let id = conversations.open(now.tick, declared, agent, recipients.clone(), said);
                let protocol = terms()[which].protocol();
                let (sender, words, tick) = (agent, TextId::EMPTY, now.tick);
                let envelope =
                    Envelope { performative, conversation: id, sender, recipients, protocol, content, words, tick };
                log.said.push((Some(which), envelope));
                continue;
            }
            let under_way: Vec<ConversationId> = (0..400)
                .map(ConversationId)
                .filter(|&id| conversations.get(id).is_some_and(|one| choice > 8 || !one.moves(agent).is_empty()))
                .collect();
            let Some(&id) = under_way.get(draw.random_range(0..under_way.len().max(1))) else { continue };
            let conversation = conversations.get(id).expect("it is under way");
            let moves = conversation.moves(agent);
            let envelope = match moves.get(draw.random_range(0..moves.len().max(1))) {
                Some(said) => Envelope {
                    performative: said.performative,
                    conversation: id,
                    sender: agent,
                    recipients: match said.to {
                        llmagentos::protocols::Addressee::Agent(agent) => Recipients::Agent(agent),
                        llmagentos::protocols::Addressee::All => conversation.audience().clone(),
                    },
                    protocol: conversation.protocol(),
                    content: match said.content {
                        // One in ten is too dear, and rejected.
                        Expected::Amount(range) => Content::Amount(draw.random_range(0..=range.greatest + 5)),
                        _ => Content::Nothing,
                    },
                    words: TextId::EMPTY,
                    tick: now.tick,
                },
                None => Envelope {
                    performative: Performative::Accept,
                    conversation: ConversationId(id.0 + u32::from(choice == 9) * 1_000_000),
                    sender: agent,
                    recipients: Recipients::Agent(other),
                    protocol: Protocol::Request,
                    content: Content::Nothing,
                    words: TextId::EMPTY,
                    tick: now.tick,
                },
            };
            log.said.push((None, envelope.clone()));
            conversations.say(envelope);
        }
    }
}

fn read(mail: Res<Mail>, conversations: Res<Conversations>, boxes: Query<(&Agent, &Mailbox)>, mut log: ResMut<Log>) {
    for (agent, mailbox) in &boxes {
        let mut last = AgentId(0);
        for (letter, envelope) in conversations.inbox(&mail, *mailbox) {
            assert!(letter.sender >= last && letter.recipient == agent.id);
            last = letter.sender;
            let Some(envelope) = envelope else {
                assert_eq!(letter.topic, PLAIN);
                log.letters.1 += 1;
                continue;
            };
            assert_ne!(letter.topic, PLAIN);
            assert_eq!((letter.sender, letter.performative), (envelope.sender, envelope.performative));
            assert_eq!(letter.amount as i64, envelope.content.amount().unwrap_or(0), "amounts this small are exact");
            let conversation =
                conversations.get(envelope.conversation).expect("under way, or over since the last tick");
            assert!(conversation.is_party(agent.id));
            log.letters.0 += 1;
        }
    }
    if log.alive.is_empty() {
        return;
    }
    let counts = conversations.counts();
    log.counts.push(counts);
    log.admitted.extend_from_slice(conversations.admitted());
}

fn run(shuffle: Option<u64>, ticks: usize) -> Simulation {
    let world = Plain {
        features: &[],
        actions: &["wait"],
        build: |builder: &mut Builder| {
            let mut conversations = builder.world.resource_mut::<Conversations>();
            let declared = terms().map(|terms| conversations.declare(terms).expect("sound terms")).to_vec();
            builder.insert_resource(Log { declared, ..Log::default() });
            for _ in 0..COUNT {
                builder.spawn(0, None);
            }
            builder.add_systems(Phase::Observe, read);
            builder.add_systems(Phase::Act, talk);
        },
    };
    let scenario = scenario(ticks, COUNT, 7);
    let options = llmagentos::sim::Options {
        minds: vec![("mind".to_owned(), Mind::Fixed(std::sync::Arc::new(ByRule(|_, _, _| 0))))],
        advisors: std::collections::BTreeMap::new(),
        voices: std::collections::BTreeMap::new(),
        language: std::sync::Arc::new(llmagentos::llm::LanguageHub::new(vec![], None)),
        data: llmagentos::sim::DomainData(BTreeMap::new()),
        personas: BTreeMap::new(),
        messages: true,
        shuffle_systems: shuffle,
    };
    let mut simulation = Simulation::build(&scenario, &world, options).expect("it builds");
    while !simulation.is_over() {
        simulation.step().expect("nothing fails");
    }
    simulation
}

fn rows(simulation: &Simulation, table: &str) -> Vec<Vec<Value>> {
    simulation.tables().get(table).expect("it is recorded").rows().map(<[Value]>::to_vec).collect()
}

#[test]
fn what_is_said_is_checked_as_a_replay_checks_it() {
    let simulation = run(None, TICKS);
    let log = simulation.world().resource::<Log>().clone();
    let mut kept: BTreeMap<ConversationId, Conversation> = BTreeMap::new();
    let mut forgotten: Vec<ConversationId> = Vec::new();
    let (mut admitted, mut counts, mut outcomes, mut rejections) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for tick in 0..TICKS as u64 {
        for id in forgotten.drain(..) {
            kept.remove(&id);
        }
        let mut of_tick = ConversationCounts::default();
        let mut said: Vec<_> = log.said.iter().filter(|said| said.1.tick == Tick(tick)).collect();
        said.sort_by_key(|said| said.1.sender);
        for (opens, envelope) in said {
            let checked = match (opens, kept.get_mut(&envelope.conversation)) {
                (Some(which), _) => {
                    let everyone = log.alive[tick as usize].clone();
                    let participants = match envelope.recipients {
                        Recipients::Agent(agent) => vec![agent],
                        _ => everyone,
                    };
                    Conversation::open(&terms()[*which], envelope, &participants)
                        .map(|conversation| drop(kept.insert(envelope.conversation, conversation)))
                        .map_err(|rejection| rejection.to_string())
                }
                (None, Some(conversation)) => conversation.admit(envelope).map_err(|rejection| rejection.to_string()),
                (None, None) => Err("unknown".to_owned()),
            };
            match checked {
                Ok(()) => admitted.push(envelope.clone()),
                Err(rejection) => rejections.push(rejection),
            }
        }
        for conversation in kept.values_mut() {
            of_tick.expired += u64::from(conversation.expire(Tick(tick)));
        }
        forgotten = kept.values().filter(|one| one.outcome().is_some()).map(Conversation::id).collect();
        outcomes.extend(forgotten.iter().map(|id| (tick, id.0, kept[id].outcome().expect("over").to_string())));
        of_tick.ended = forgotten.len() as u64;
        of_tick.open = (kept.len() - forgotten.len()) as u64;
        of_tick.admitted =
            admitted.len() as u64 - counts.iter().map(|one: &ConversationCounts| one.admitted).sum::<u64>();
        of_tick.rejected =
            rejections.len() as u64 - counts.iter().map(|one: &ConversationCounts| one.rejected).sum::<u64>();
        counts.push(of_tick);
    }
    // The close of the last tick is read by nobody.
    assert_eq!(log.counts, counts[..TICKS - 1]);
    assert_eq!(log.admitted, admitted.iter().filter(|one| one.tick.0 < TICKS as u64 - 1).cloned().collect::<Vec<_>>());
    assert!(log.letters.0 > 100 && log.letters.1 > 100, "{:?}", log.letters);

    let steps = rows(&simulation, "protocols");
    let of = |event: &str| steps.iter().filter(|row| row[3] == Value::from(event)).collect::<Vec<_>>();
    assert_eq!(of("opened").len() + of("said").len(), admitted.len());
    assert_eq!(of("rejected").len(), rejections.len());
    assert!(rejections.len() > 20 && outcomes.len() > 20, "{} rejected, {} over", rejections.len(), outcomes.len());
    let mut told: Vec<(u64, u32, String)> = of("ended")
        .iter()
        .map(|row| match (&row[0], &row[1], &row[9]) {
            (Value::Int(tick), Value::Int(id), Value::Text(detail)) => (*tick as u64, *id as u32, detail.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, outcomes);
    for (row, rejection) in of("rejected").iter().zip(&rejections) {
        if rejection != "unknown" {
            assert_eq!(row[9], Value::from(rejection.as_str()));
        }
    }
    let columns = simulation.tables().get("metrics").expect("always").spec.columns.clone();
    let column = |name: &str| columns.iter().position(|column| column.name == name).expect("a column");
    for (row, counts) in rows(&simulation, "metrics").iter().zip(&counts) {
        assert_eq!(row[column("conversations_open")], Value::from(counts.open));
        assert_eq!(row[column("protocol_admitted")], Value::from(counts.admitted));
        assert_eq!(row[column("protocol_rejected")], Value::from(counts.rejected));
        assert_eq!(row[column("protocol_deadlines")], Value::from(counts.expired));
        assert_eq!(row[column("conversations_ended")], Value::from(counts.ended));
    }
}

#[test]
fn conversations_do_not_depend_on_the_order_of_systems() {
    let whole = |shuffle| {
        let simulation = run(shuffle, 25);
        ["metrics", "messages", "protocols"].map(|table| rows(&simulation, table))
    };
    let plain = whole(None);
    for shuffle in [1, 2] {
        assert_eq!(whole(Some(shuffle)), plain);
    }
}

#[test]
fn a_world_without_conversations_has_no_columns_of_them() {
    let world = Plain { features: &[], actions: &["wait"], build: |_: &mut Builder| {} };
    let mind = Mind::Fixed(std::sync::Arc::new(ByRule(|_, _, _| 0)));
    let mut simulation = super::build(&scenario(1, 1, 1), &world, mind).expect("it builds");
    simulation.step().expect("nothing fails");
    assert!(simulation.tables().get("protocols").is_none());
    let metrics = simulation.tables().get("metrics").expect("always");
    assert_eq!(metrics.spec.columns.last().expect("some").name, "llm_tokens_answered");
    assert_eq!(metrics.rows().next().expect("a row").len(), metrics.spec.columns.len());
}
