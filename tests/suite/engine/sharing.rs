//! Topics and the blackboard in a simulation, against a plain replay of everything that was asked for; and who may.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{AgentId, Field, FieldKind, Message, Performative, Purpose, TextId, Tick};
use llmagentos::protocols::{Amounts, Content, ContractNetTerms, Recipients, Refusal, RequestTerms, Right, Terms};
use llmagentos::record::Value;
use llmagentos::scenario::Scenario;
use llmagentos::sim::{
    Agent, Blackboard, Breach, Breaches, Builder, Conversations, Directory, Mail, Mailbox, Mind, Now, Phase, Place,
    PlaceKind, Population, Powers, RoleId, SectionId, Simulation, TermsId, TopicId, Topics,
};
use rand::RngExt as _;
use serde_json::{Map, json};

use super::commons::{Commons, build_shuffled};
use super::{ByRule, build};

const DO: Purpose = Purpose::named("test.sharing.do");
const TICKS: usize = 50;
/// Two editors, then workers; worker 3 leaves after tick 20.
const EDITORS: u32 = 2;
const WORKERS: u32 = 5;
const LEAVER: AgentId = AgentId(3);

fn places() -> Vec<Place> {
    let topic = |name: &str, writers| Place {
        name: name.to_owned(),
        about: "said to many",
        readers: None,
        writers,
        kind: PlaceKind::Topic,
    };
    let fields = vec![Field { name: "amount".into(), kind: FieldKind::Integer { least: 0, greatest: 90 } }];
    let section = |name: &str, owned| Place {
        name: name.to_owned(),
        about: "written down",
        readers: None,
        writers: None,
        kind: PlaceKind::Section { fields: fields.clone(), owned },
    };
    vec![topic("news", Some(&["editor"])), section("prices", false), topic("talk", None), section("claims", true)]
}

const RIGHTS: &str = "[rights.worker]\nreads = [\"news\", \"talk\", \"prices\"]\nwrites = [\"prices\", \"talk\"]\n";

fn scenario(ticks: usize, rights: &str) -> Scenario {
    let text = format!(
        "name = \"commons\"\nseed = 5\nticks = {ticks}\n\n\
         [[agents]]\nrole = \"editor\"\ncount = {EDITORS}\npolicy = \"mind\"\n\n\
         [[agents]]\nrole = \"worker\"\ncount = {WORKERS}\npolicy = \"mind\"\n\n\
         {rights}\n[policy.mind]\nkind = \"given\"\n\n[domain]\nkind = \"commons\"\n"
    );
    Scenario::parse("commons.toml", &text, &[]).expect("a sound scenario")
}

#[derive(Clone, Debug)]
enum Asked {
    Subscribe(u16),
    Unsubscribe(u16),
    Publish(u16, f32),
    /// Section, key, amount (none to wipe), version seen.
    Write(u16, u32, Option<i64>, Option<u64>),
    /// A section that a role may or may not read.
    Read(u16),
}

/// (recipient, sender, topic, amount)
type Letter = (u32, u32, u16, i64);
/// Section and key, amount, owner, version.
type Standing = BTreeMap<(u16, u32), (i64, u32, u64)>;

#[derive(Resource, Default, Clone)]
struct Log {
    asked: Vec<(u64, AgentId, RoleId, Asked)>,
    reads: Vec<(u64, AgentId, RoleId, Asked)>,
}

#[derive(Resource, Default, Clone)]
struct Seen {
    letters: Vec<Vec<Letter>>,
}

fn ask(
    now: Res<Now>,
    directory: Res<Directory>,
    agents: Query<&Agent>,
    (mut topics, mut board): (ResMut<Topics>, ResMut<Blackboard>),
    mut population: ResMut<Population>,
    mut log: ResMut<Log>,
) {
    if now.tick == Tick(20) {
        population.despawn(LEAVER);
    }
    // From the last to the first: the engine has to put agents in order.
    for &(id, entity) in directory.alive().iter().rev() {
        let agent = agents.get(entity).expect("the living are agents");
        let mut draw = now.chance.draw(DO, now.tick, id);
        for _ in 0..draw.random_range(0..4_u32) {
            let topic = draw.random_range(0..2_u16);
            let key = draw.random_range(0..2_u32);
            let asked = match draw.random_range(0..8_u32) {
                0 => Asked::Subscribe(topic),
                1 => Asked::Unsubscribe(topic),
                2 | 3 => Asked::Publish(topic, f32::from(draw.random_range(0..1000_u16))),
                _ => {
                    let amount = draw.random_range(-20..100_i64);
                    let seen = (draw.random_range(0..2) == 0).then(|| draw.random_range(0..4_u64));
                    Asked::Write(topic, key, (amount >= 0).then_some(amount), seen)
                }
            };
            match asked {
                Asked::Subscribe(topic) => topics.subscribe(agent, TopicId(topic)),
                Asked::Unsubscribe(topic) => topics.unsubscribe(agent, TopicId(topic)),
                Asked::Publish(topic, amount) => {
                    // What stands for sender and recipient is filled in.
                    let letter = Message { amount, sender: AgentId(99), ..Message::default() };
                    topics.publish(agent, TopicId(topic), letter);
                }
                Asked::Write(section, key, Some(amount), seen) => {
                    let content = Map::from_iter([("amount".to_owned(), json!(amount))]);
                    board.write(agent, SectionId(section), key, content, seen);
                }
                Asked::Write(section, key, None, seen) => board.wipe(agent, SectionId(section), key, seen),
                Asked::Read(_) => {}
            }
            log.asked.push((now.tick.0, id, agent.role, asked));
        }
    }
}

/// Plain letters among those that were published.
fn write_letters(directory: Res<Directory>, mut mail: ResMut<Mail>) {
    for &(sender, _) in directory.alive() {
        mail.send(Message { sender, recipient: AgentId(0), amount: -1.0, ..Message::default() });
    }
}

fn read_letters(mail: Res<Mail>, boxes: Query<(&Agent, &Mailbox)>, mut seen: ResMut<Seen>) {
    let mut letters = Vec::new();
    for (agent, mailbox) in &boxes {
        let mut plain = 0;
        for (letter, topic) in Topics::inbox(&mail, *mailbox) {
            assert_eq!(letter.recipient, agent.id);
            match topic {
                Some(topic) => letters.push((agent.id.0, letter.sender.0, topic.0, letter.amount as i64)),
                None => plain += usize::from(letter.amount < 0.0),
            }
        }
        assert_eq!(mail.inbox(*mailbox).len(), plain + letters.iter().filter(|one| one.0 == agent.id.0).count());
    }
    letters.sort_by_key(|letter| letter.0);
    seen.letters.push(letters);
}

/// Every second agent reads a section, whether it may or not; an editor sees all of the board.
fn read_board(
    now: Res<Now>,
    directory: Res<Directory>,
    agents: Query<&Agent>,
    board: Res<Blackboard>,
    mut log: ResMut<Log>,
    mut boards: ResMut<Boards>,
) {
    for &(id, entity) in directory.alive().iter().filter(|one| u64::from(one.0.0) % 2 == now.tick.0 % 2) {
        let agent = agents.get(entity).expect("the living are agents");
        let section = (now.tick.0 % 2) as u16;
        let read = board.read(agent, SectionId(section), 0);
        assert_eq!(read.is_err(), section == 1 && agent.role == RoleId(1), "{read:?}");
        log.reads.push((now.tick.0, id, agent.role, Asked::Read(section)));
    }
    let editor = agents.get(directory.alive()[0].1).expect("an agent");
    let mut standing = Standing::new();
    for section in 0..2 {
        for (key, entry) in board.read_all(editor, SectionId(section)).expect("an editor may") {
            let amount = entry.content["amount"].as_i64().expect("a whole number");
            standing.insert((section, key), (amount, entry.owner.0, entry.version));
        }
    }
    boards.0.push(standing);
}

#[derive(Resource, Default, Clone)]
struct Boards(Vec<Standing>);

#[derive(Resource, Default, Clone)]
struct Told(Vec<(u64, Vec<Breach>, u64)>);

/// What is known at the start of a tick of the one before.
fn tell(now: Res<Now>, breaches: Res<Breaches>, topics: Res<Topics>, mut told: ResMut<Told>) {
    told.0.push((now.tick.0, breaches.last().to_vec(), topics.published()));
}

fn run(shuffle: Option<u64>, ticks: usize) -> Simulation {
    let world = Commons {
        places,
        build: |builder: &mut Builder| {
            builder.insert_resource(Log::default());
            builder.insert_resource(Seen::default());
            builder.insert_resource(Boards::default());
            builder.insert_resource(Told::default());
            let topics = builder.world.resource::<Topics>();
            assert_eq!((topics.find("news"), topics.find("talk")), (Some(TopicId(0)), Some(TopicId(1))));
            assert_eq!((topics.find("prices"), topics.find("gossip")), (None, None));
            assert!(
                topics.may(RoleId(0), TopicId(0), Right::Write) && !topics.may(RoleId(1), TopicId(0), Right::Write)
            );
            assert_eq!(builder.world.resource::<Blackboard>().find("claims"), Some(SectionId(1)));
            for group in [0; EDITORS as usize].into_iter().chain([1; WORKERS as usize]) {
                builder.spawn(group, None);
            }
            builder.add_systems(Phase::Observe, (read_letters, read_board, tell));
            builder.add_systems(Phase::Act, (ask, write_letters));
        },
        ..Commons::default_world()
    };
    let mind = Mind::Fixed(Arc::new(ByRule(|_, _, _| 0)));
    let mut simulation = build_shuffled(&scenario(ticks, RIGHTS), &world, mind, shuffle).expect("it builds");
    while !simulation.is_over() {
        simulation.step().expect("nothing fails");
    }
    simulation
}

fn rows(simulation: &Simulation, table: &str) -> Vec<Vec<Value>> {
    simulation.tables().get(table).expect("it is recorded").rows().map(<[Value]>::to_vec).collect()
}

/// The world once more, from what was asked for alone: lists that are looked through from the beginning.
#[derive(Default)]
struct Replay {
    subscribed: Vec<(u16, u32)>,
    standing: Standing,
    /// How often each entry has changed.
    changes: BTreeMap<(u16, u32), u64>,
    breaches: Vec<(u64, u32, &'static str, String)>,
    conflicts: u64,
    writes: u64,
    published: u64,
    letters: Vec<Letter>,
}

impl Replay {
    fn tick(&mut self, tick: u64, log: &Log) {
        (self.conflicts, self.writes, self.published) = (0, 0, 0);
        self.letters.clear();
        let is_there = |agent: u32| agent != LEAVER.0 || tick <= 20;
        let mut asked: Vec<_> = log.asked.iter().filter(|one| one.0 == tick).cloned().collect();
        asked.sort_by_key(|one| one.1);
        for (_, agent, _, asked) in &asked {
            match *asked {
                Asked::Subscribe(topic) if !self.subscribed.contains(&(topic, agent.0)) => {
                    self.subscribed.push((topic, agent.0));
                }
                Asked::Unsubscribe(topic) => self.subscribed.retain(|&one| one != (topic, agent.0)),
                _ => {}
            }
        }
        for (_, agent, role, asked) in asked {
            let works = role == RoleId(1);
            match asked {
                Asked::Publish(0, _) if works => self.breach(tick, agent, "write", "publish to news"),
                Asked::Publish(topic, amount) => {
                    self.published += 1;
                    let mut to: Vec<u32> =
                        self.subscribed.iter().filter(|one| one.0 == topic).map(|one| one.1).collect();
                    to.retain(|&other| other != agent.0 && is_there(other));
                    self.letters.extend(to.into_iter().map(|other| (other, agent.0, topic, amount as i64)));
                }
                Asked::Write(1, key, _, _) if works => {
                    self.breach(tick, agent, "write", &format!("write claims, entry {key}"));
                }
                Asked::Write(section, key, amount, seen) => self.write((section, key), amount, seen, agent.0),
                _ => {}
            }
        }
        for (_, agent, role, asked) in log.reads.iter().filter(|one| one.0 == tick) {
            if matches!(asked, Asked::Read(1)) && *role == RoleId(1) {
                self.breach(tick, *agent, "read", "read claims");
            }
        }
        self.letters.sort_by_key(|letter| (letter.0, letter.1));
    }

    fn write(&mut self, place: (u16, u32), amount: Option<i64>, seen: Option<u64>, agent: u32) {
        let found = self.standing.get(&place).copied();
        let version = found.map_or(0, |found| found.2);
        if amount.is_some_and(|amount| amount > 90) {
            return;
        }
        if seen.is_some_and(|seen| seen != version) {
            self.conflicts += 1;
            return;
        }
        // Editors own the claims, and none leaves.
        if place.0 == 1 && found.is_some_and(|found| found.1 != agent) {
            return;
        }
        if amount.is_none() && found.is_none() {
            return;
        }
        self.writes += 1;
        let count = self.changes.entry(place).or_default();
        *count += 1;
        match amount {
            Some(amount) => drop(self.standing.insert(place, (amount, agent, *count))),
            None => drop(self.standing.remove(&place)),
        }
    }

    fn breach(&mut self, tick: u64, agent: AgentId, right: &'static str, tried: &str) {
        self.breaches.push((tick, agent.0, right, tried.to_owned()));
    }
}

#[test]
fn what_is_shared_is_what_a_replay_shares() {
    let simulation = run(None, TICKS);
    let world = simulation.world();
    let (log, seen, boards) = (world.resource::<Log>(), world.resource::<Seen>(), world.resource::<Boards>());
    let mut replay = Replay::default();
    let metrics = rows(&simulation, "metrics");
    let columns = &simulation.tables().get("metrics").expect("always").spec.columns;
    let of = |tick: usize, name: &str| {
        metrics[tick][columns.iter().position(|column| column.name == name).expect("a column")].clone()
    };
    let mut sums = [0; 4];
    for tick in 0..TICKS {
        assert_eq!(boards.0[tick], replay.standing, "what is read at tick {tick}");
        let mut letters = seen.letters[tick].clone();
        letters.sort_by_key(|letter| (letter.0, letter.1));
        let gone = |letter: &&Letter| letter.0 == LEAVER.0 && tick > 20;
        let wanted: Vec<Letter> = replay.letters.iter().filter(|letter| !gone(letter)).copied().collect();
        assert_eq!(letters, wanted, "letters of tick {tick}");
        let before = replay.breaches.len();
        replay.tick(tick as u64, log);
        let breaches = (replay.breaches.len() - before) as u64;
        let counts = [breaches, replay.published, replay.writes, replay.conflicts];
        for (name, count) in ["breaches", "published", "board_writes", "board_conflicts"].into_iter().zip(counts) {
            assert_eq!(of(tick, name), Value::from(count), "{name} of tick {tick}");
        }
        assert_eq!(of(tick, "withheld"), Value::from(0_u64));
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    assert!(sums.iter().all(|&sum| sum > 10), "too little happened: {sums:?}");
    assert!(seen.letters.iter().flatten().count() > 30);

    replay.breaches.sort();
    let told: Vec<_> = rows(&simulation, "breaches")
        .iter()
        .map(|row| (row[0].clone(), row[1].clone(), row[3].clone(), row[4].clone()))
        .collect();
    let wanted: Vec<_> = replay
        .breaches
        .iter()
        .map(|(tick, agent, right, tried)| {
            (Value::from(*tick), Value::from(*agent), Value::from(*right), Value::from(tried.as_str()))
        })
        .collect();
    assert_eq!(told, wanted);
    // The resources say at the next tick what the record says of this one.
    for (tick, breaches, published) in &world.resource::<Told>().0[1..] {
        let of_tick = |row: &&(u64, u32, &'static str, String)| row.0 + 1 == *tick;
        assert_eq!(breaches.len(), replay.breaches.iter().filter(of_tick).count());
        assert_eq!(Value::from(*published), of(*tick as usize - 1, "published"));
    }
    // Each step has a row.
    let asked = |what: fn(&Asked) -> bool| log.asked.iter().filter(|one| what(&one.3)).count();
    assert_eq!(rows(&simulation, "blackboard").len(), asked(|one| matches!(one, Asked::Write(..))));
    assert_eq!(rows(&simulation, "topics").len(), asked(|one| !matches!(one, Asked::Write(..))));
}

#[test]
fn the_order_of_systems_does_not_show() {
    let whole = |shuffle| {
        let simulation = run(shuffle, 25);
        ["metrics", "messages", "breaches", "topics", "blackboard"].map(|table| rows(&simulation, table))
    };
    let plain = whole(None);
    for shuffle in [1, 2, 3] {
        assert_eq!(whole(Some(shuffle)), plain);
    }
}

#[derive(Resource)]
struct Declared([TermsId; 2]);

/// Two workers subscribe to `jobs`; the editor calls for proposals there; a worker tries what its role may not.
fn hire(
    now: Res<Now>,
    directory: Res<Directory>,
    agents: Query<(&Agent, &Mailbox)>,
    declared: Res<Declared>,
    mail: Res<Mail>,
    mut topics: ResMut<Topics>,
    mut conversations: ResMut<Conversations>,
) {
    let all: Vec<(Agent, Mailbox)> = directory
        .alive()
        .iter()
        .map(|one| agents.get(one.1).map(|(agent, mailbox)| (*agent, *mailbox)).expect("an agent"))
        .collect();
    let jobs = topics.find("talk").expect("a topic");
    let [request, net] = declared.0;
    let to_jobs = Recipients::Topic(jobs.0);
    let call = (Performative::CallForProposal, Content::Item(4), TextId::EMPTY);
    let letters = |agent: usize| mail.inbox(all[agent].1).len();
    match now.tick.0 {
        0 => {
            // Nobody has subscribed when the tick begins; who does now is reached now.
            for agent in [2, 3, 1] {
                topics.subscribe(&all[agent].0, jobs);
            }
            assert_eq!(topics.subscribers(jobs).count(), 0);
            conversations.open(now.tick, net, AgentId(1), to_jobs, call);
        }
        1 => {
            assert_eq!([0, 1, 2, 3, 4].map(letters), [0, 0, 1, 1, 0], "the caller gets no call of its own");
            let conversation = conversations.admitted()[0].conversation;
            let one = conversations.get(conversation).expect("under way");
            assert_eq!(one.participants(), [AgentId(2), AgentId(3)]);
            let said = one.moves(AgentId(2))[0];
            conversations.make(now.tick, conversation, AgentId(2), said, Content::Amount(5), TextId::EMPTY);
            // Workers may propose, but neither request nor call to a topic.
            let ask = (Performative::Request, Content::Item(1), TextId::EMPTY);
            conversations.open(now.tick, request, AgentId(2), Recipients::Agent(AgentId(0)), ask.clone());
            conversations.open(now.tick, net, AgentId(3), to_jobs.clone(), call);
            // Editors may.
            conversations.open(now.tick, request, AgentId(0), Recipients::Agent(AgentId(2)), ask);
        }
        2 => {
            let words: Vec<(u32, &str)> =
                conversations.rejected().iter().map(|one| (one.sender.0, one.reason.name())).collect();
            assert_eq!(words, [(2, "not-permitted"), (3, "not-permitted")]);
            // To answer is to speak, too.
            let asked = conversations.admitted().iter().find(|one| one.sender == AgentId(0)).expect("it was admitted");
            let id = asked.conversation;
            let said = conversations.get(id).expect("under way").moves(AgentId(2))[0];
            conversations.make(now.tick, id, AgentId(2), said, Content::Nothing, TextId::EMPTY);
        }
        _ => {}
    }
}

#[test]
fn a_call_to_a_topic_reaches_its_subscribers_and_roles_speak_as_they_may() {
    let world = Commons {
        places,
        build: |builder: &mut Builder| {
            let mut conversations = builder.world.resource_mut::<Conversations>();
            let amounts = Amounts { least: 0, greatest: 9 };
            let net = ContractNetTerms { propose_ticks: 2, award_ticks: 2, work_ticks: 2, amounts, awards_max: 1 };
            let terms = [Terms::Request(RequestTerms { reply_ticks: 2, work_ticks: 2 }), Terms::ContractNet(net)];
            let declared = terms.map(|terms| conversations.declare(terms).expect("sound terms"));
            builder.insert_resource(Declared(declared));
            for group in [0; EDITORS as usize].into_iter().chain([1; WORKERS as usize]) {
                builder.spawn(group, None);
            }
            builder.add_systems(Phase::Send, hire);
        },
        ..Commons::default_world()
    };
    let rights = "[rights.worker]\nprotocols = [\"contract-net\"]\nwrites = []\n";
    let mind = Mind::Fixed(Arc::new(ByRule(|_, _, _| 0)));
    let mut simulation = build(&scenario(4, rights), &world, mind).expect("it builds");
    while !simulation.is_over() {
        simulation.step().expect("nothing fails");
    }
    let text = |value: &Value| match value {
        Value::Text(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let lines: Vec<String> =
        rows(&simulation, "breaches").iter().map(|row| row.iter().map(&text).collect::<Vec<_>>().join(",")).collect();
    assert_eq!(
        lines,
        [
            "1,2,worker,protocol,request by request,rejected",
            "1,3,worker,write,cfp by contract-net to talk,rejected",
            "2,2,worker,protocol,agree by request,rejected",
        ]
    );
    let rejected: Vec<String> = rows(&simulation, "protocols")
        .iter()
        .filter(|row| row[3] == Value::from("rejected"))
        .map(|row| text(&row[9]))
        .collect();
    assert_eq!(
        rejected,
        [
            "request 1, state none: agent 2 may not say request: not permitted: its role may not speak by request",
            "contract-net 2, state none: agent 3 may not say cfp: not permitted: its role may not write to talk",
            "request 3, state asked: agent 2 may not say agree: not permitted: its role may not speak by request",
        ]
    );
}

#[test]
fn a_world_that_shares_nothing_has_no_columns_of_it() {
    let world = Commons { build: |_: &mut Builder| {}, ..Commons::default_world() };
    let mind = || Mind::Fixed(Arc::new(ByRule(|_, _, _| 0)));
    let columns = |simulation: &Simulation| -> Vec<&'static str> {
        simulation.tables().get("metrics").expect("always").spec.columns.iter().map(|column| column.name).collect()
    };
    let plain = build(&scenario(1, ""), &world, mind()).expect("it builds");
    assert_eq!(columns(&plain).last(), Some(&"llm_tokens_answered"));
    assert!(["breaches", "topics", "blackboard"].iter().all(|name| plain.tables().get(name).is_none()));
    assert!(plain.rights_summary().is_empty());
    let with_rights = build(&scenario(1, "[rights.worker]\n"), &world, mind()).expect("it builds");
    assert_eq!(columns(&with_rights)[columns(&plain).len()..], ["breaches", "withheld"]);
    assert!(with_rights.tables().get("breaches").is_some() && with_rights.tables().get("topics").is_none());
    let topics = || vec![places().remove(0)];
    let world = Commons { places: topics, build: |_: &mut Builder| {}, powers: Powers::default() };
    let with_topics = build(&scenario(1, ""), &world, mind()).expect("it builds");
    assert_eq!(columns(&with_topics)[columns(&plain).len()..], ["breaches", "published"]);
}

/// A refusal is told to whoever asked.
#[test]
fn what_was_not_written_is_told_at_the_next_tick() {
    #[derive(Resource, Default)]
    struct Heard(Vec<String>);
    fn write(
        now: Res<Now>,
        directory: Res<Directory>,
        agents: Query<&Agent>,
        mut board: ResMut<Blackboard>,
        mut heard: ResMut<Heard>,
    ) {
        for &(id, entity) in directory.alive() {
            for settlement in board.settled_of(id) {
                assert_eq!(settlement.writing.writer, id);
                let what = match &settlement.result {
                    Ok(version) => format!("{id} wrote version {version}"),
                    Err(refusal @ Refusal::Version { .. }) => format!("{id}: {refusal}"),
                    Err(other) => panic!("{other:?}"),
                };
                heard.0.push(what);
            }
            if now.tick == Tick(0) && id.0 < 2 {
                let agent = agents.get(entity).expect("an agent");
                let content = Map::from_iter([("amount".to_owned(), json!(id.0))]);
                board.write(agent, SectionId(1), 0, content, Some(0));
            }
        }
    }
    let world = Commons {
        places,
        build: |builder: &mut Builder| {
            builder.insert_resource(Heard::default());
            for _ in 0..EDITORS {
                builder.spawn(0, None);
            }
            builder.add_systems(Phase::Act, write);
        },
        ..Commons::default_world()
    };
    let mind = Mind::Fixed(Arc::new(ByRule(|_, _, _| 0)));
    let mut simulation = build(&scenario(3, ""), &world, mind).expect("it builds");
    while !simulation.is_over() {
        simulation.step().expect("nothing fails");
    }
    let heard = &simulation.world().resource::<Heard>().0;
    assert_eq!(heard[..], ["0 wrote version 1", "1: version 0 was expected, and it has 1"]);
}
