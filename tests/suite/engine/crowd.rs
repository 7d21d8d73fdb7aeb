//! So many conversations at once that threads share them: the same steps as those of a plain replay, message by message,
//! however many threads there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{AgentId, Performative, Purpose, TextId};
use llmagentos::protocols::{
    Addressee, Content, Conversation, ConversationId, Envelope, Expected, Protocol, Recipients, RequestTerms, Terms,
};
use llmagentos::record::Value;
use llmagentos::sim::{Agent, Builder, Conversations, Mail, Mailbox, Mind, Now, Phase, Simulation, TermsId};
use rand::RngExt as _;

use super::conversations::terms;
use super::{ByRule, Plain, scenario};

const TALK: Purpose = Purpose::named("test.crowd.talk");
const COUNT: u32 = 1_100;
/// With all of them more than one block of messages, and no whole number of pages of conversations.
const OPENED_EACH: u32 = 61;
/// So that pages are used again whose conversations are all over.
const TICKS: usize = 10;

#[derive(Resource, Default, Clone)]
struct Log {
    declared: Vec<TermsId>,
    /// By tick.
    said: Vec<Vec<(Option<usize>, Envelope)>>,
    /// What can be looked up at the beginning of each tick: number and state.
    kept: Vec<Vec<(u32, &'static str)>>,
}

/// At ticks 0, 3, ... everyone opens; at the others everyone answers what reached it, now and then wrongly.
fn talk(
    now: Res<Now>,
    agents: Query<(&Agent, &Mailbox)>,
    mail: Res<Mail>,
    mut conversations: ResMut<Conversations>,
    mut log: ResMut<Log>,
) {
    let mut said = Vec::new();
    let state = |id| Some((id, conversations.get(ConversationId(id))?.state()));
    log.kept.push((0..TICKS as u32 * COUNT * OPENED_EACH).filter_map(state).collect());
    for (agent, mailbox) in &agents {
        let mut draw = now.chance.draw(TALK, now.tick, agent.id);
        let (sender, words, tick) = (agent.id, TextId::EMPTY, now.tick);
        if now.tick.0.is_multiple_of(3) {
            for number in 0..OPENED_EACH {
                let mut other = || AgentId(draw.random_range(0..COUNT));
                let (which, performative, recipients) = match number % 20 {
                    // Its protocol is between two: one message in twenty is rejected.
                    0 => (0, Performative::Request, Recipients::Agents(Arc::new(vec![other(), other(), other()]))),
                    1 => (
                        1,
                        Performative::CallForProposal,
                        Recipients::Agents(Arc::new(vec![other(), other(), other()])),
                    ),
                    // Nothing begins with it.
                    2 => (0, Performative::Agree, Recipients::Agent(other())),
                    _ => (0, Performative::Request, Recipients::Agent(other())),
                };
                let (protocol, content) = (terms()[which].protocol(), Content::Item(number));
                let opening = (performative, content.clone(), words);
                let id = conversations.open(tick, log.declared[which], sender, recipients.clone(), opening);
                let envelope =
                    Envelope { performative, conversation: id, sender, recipients, protocol, content, words, tick };
                said.push((Some(which), envelope));
            }
            continue;
        }
        for (_, conversation) in mail.inbox_with_conversations(*mailbox) {
            let Some(one) = conversation.and_then(|id| conversations.get(id)) else { continue };
            let moves = one.moves(sender);
            let Some(chosen) = moves.get(draw.random_range(0..moves.len().max(1))) else { continue };
            let recipients = match chosen.to {
                Addressee::Agent(agent) => Recipients::Agent(agent),
                Addressee::All => one.audience().clone(),
            };
            let content = match chosen.content {
                Expected::Amount(range) => Content::Amount(draw.random_range(0..=range.greatest + 5)),
                _ => Content::Nothing,
            };
            // One in twenty names a conversation that never was, one another that may be over and forgotten.
            let id = match draw.random_range(0..20) {
                0 => one.id().0 + 50_000_000,
                1 => draw.random_range(0..=one.id().0),
                _ => one.id().0,
            };
            let (conversation, performative) = (ConversationId(id), chosen.performative);
            let protocol = one.protocol();
            let envelope = Envelope { performative, conversation, sender, recipients, protocol, content, words, tick };
            // One in thirty says the same again.
            for _ in 0..=usize::from(draw.random_range(0..30) == 0) {
                said.push((None, envelope.clone()));
            }
        }
    }
    for (_, envelope) in said.iter().filter(|said| said.0.is_none()) {
        conversations.say(envelope.clone());
    }
    log.said.push(said);
}

fn run(threads: usize) -> Simulation {
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
            builder.add_systems(Phase::Act, talk);
        },
    };
    let mind = Mind::Fixed(Arc::new(ByRule(|_, _, _| 0)));
    let mut simulation = super::build(&scenario(TICKS, COUNT, 5), &world, mind).expect("it builds");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
    pool.install(|| {
        while !simulation.is_over() {
            simulation.step().expect("nothing fails");
        }
    });
    simulation
}

fn text(value: &Value) -> String {
    if let Value::Text(text) = value { text.to_string() } else { format!("{value:?}") }
}

/// Tick, conversation, event and state, or the reason where a message is rejected.
type Step = (u64, u32, &'static str, String);

fn replay(log: &Log) -> Vec<Step> {
    let mut kept: BTreeMap<ConversationId, Conversation> = BTreeMap::new();
    let mut steps = Vec::new();
    for (tick, said) in (0..).zip(&log.said) {
        let states: Vec<_> = kept.iter().map(|(id, one)| (id.0, one.state())).collect();
        assert!(states == log.kept[tick as usize], "other conversations are kept at tick {tick}");
        kept.retain(|_, one| one.outcome().is_none());
        for (opens, envelope) in said {
            let id = envelope.conversation;
            let checked = match (opens, kept.get_mut(&id)) {
                (Some(which), _) => {
                    let there = match &envelope.recipients {
                        Recipients::Agent(agent) => vec![*agent],
                        Recipients::Agents(agents) => agents.to_vec(),
                        other => panic!("{other:?}"),
                    };
                    Conversation::open(&terms()[*which], envelope, &there).map(|one| drop(kept.insert(id, one)))
                }
                (None, Some(one)) => one.admit(envelope),
                (None, None) => {
                    steps.push((tick, id.0, "rejected", "none".to_owned()));
                    continue;
                }
            };
            match checked {
                Ok(()) => {
                    let one = &kept[&id];
                    let event = if opens.is_some() { "opened" } else { "said" };
                    steps.push((tick, id.0, event, one.state().to_owned()));
                    if let Some(outcome) = one.outcome() {
                        steps.push((tick, id.0, "ended", outcome.to_string()));
                    }
                }
                Err(rejection) => steps.push((tick, id.0, "rejected", rejection.to_string())),
            }
        }
        for (id, one) in &mut kept {
            let state = one.state();
            if one.outcome().is_none() && one.expire(llmagentos::base::Tick(tick)) > 0 {
                steps.push((tick, id.0, "deadline", state.to_owned()));
                if let Some(outcome) = one.outcome() {
                    steps.push((tick, id.0, "ended", outcome.to_string()));
                }
            }
        }
    }
    steps
}

#[test]
fn a_crowd_converses_as_in_a_replay_with_any_number_of_threads() {
    let simulation = run(1);
    let log = simulation.world().resource::<Log>().clone();
    assert!(log.said[0].len() > 1 << 16, "more than a block");
    let steps: Vec<Step> = {
        let table = simulation.tables().get("protocols").expect("it is recorded");
        let step = |row: &[Value]| {
            let (Value::Int(tick), Value::Int(id)) = (&row[0], &row[1]) else { panic!("{row:?}") };
            let (event, state, detail) = (text(&row[3]), text(&row[4]), text(&row[9]));
            let event = ["opened", "said", "rejected", "deadline", "ended"].into_iter().find(|name| *name == event);
            let event = event.expect("a known event");
            let what = match event {
                "rejected" if state == "none" => state,
                "rejected" | "ended" => detail,
                _ => state,
            };
            (*tick as u64, *id as u32, event, what)
        };
        table.rows().map(step).collect()
    };
    let expected = replay(&log);
    for (place, (step, expected)) in steps.iter().zip(&expected).enumerate() {
        assert_eq!(step, expected, "step {place}");
    }
    assert_eq!(steps.len(), expected.len());
    for (event, least) in [("opened", 100_000), ("said", 50_000), ("rejected", 5_000), ("deadline", 500)] {
        let count = steps.iter().filter(|step| step.2 == event).count();
        assert!(count > least, "{count} {event}");
    }
    for threads in [2, 8] {
        let other = run(threads);
        for table in ["metrics", "protocols", "messages"] {
            let (one, other) = (simulation.tables().get(table), other.tables().get(table));
            let (one, other) = (one.expect("it is recorded"), other.expect("it is recorded"));
            assert!(one.rows().eq(other.rows()), "{table} with {threads} threads");
        }
    }
}

/// At tick 0 the first agent asks so often that a page is nearly full; at tick 4, when all are over, it asks on.
#[test]
fn numbers_go_on_in_a_page_whose_conversations_are_all_over() {
    fn ask(
        now: Res<Now>,
        log: Res<Log>,
        mail: Res<Mail>,
        boxes: Query<&Mailbox>,
        mut conversations: ResMut<Conversations>,
    ) {
        let (words, tick) = (TextId::EMPTY, now.tick);
        let count = if now.tick.0 == 0 { 250 } else { u32::from(now.tick.0 == 4) * 20 };
        for item in 0..count {
            let said = (Performative::Request, Content::Item(item), words);
            conversations.open(tick, log.declared[0], AgentId(0), Recipients::Agent(AgentId(1)), said);
        }
        for mailbox in &boxes {
            for (letter, id) in mail.inbox_with_conversations(*mailbox) {
                let Some(one) = id.and_then(|id| conversations.get(id)) else { continue };
                let (conversation, sender) = (one.id(), letter.recipient);
                if one.moves(sender).is_empty() {
                    continue;
                }
                let (recipients, content) = (Recipients::Agent(letter.sender), Content::Nothing);
                let (performative, protocol) = (Performative::Inform, Protocol::Request);
                let envelope =
                    Envelope { performative, conversation, sender, recipients, protocol, content, words, tick };
                conversations.say(envelope);
            }
        }
    }
    let world = Plain {
        features: &[],
        actions: &["wait"],
        build: |builder: &mut Builder| {
            let [request, _] = terms();
            let declared = builder.world.resource_mut::<Conversations>().declare(request).expect("sound terms");
            builder.insert_resource(Log { declared: vec![declared], ..Log::default() });
            for _ in 0..2 {
                builder.spawn(0, None);
            }
            builder.add_systems(Phase::Act, ask);
        },
    };
    let mind = Mind::Fixed(Arc::new(ByRule(|_, _, _| 0)));
    let mut simulation = super::build(&scenario(7, 2, 5), &world, mind).expect("it builds");
    for (tick, (admitted, ended)) in
        [(250, 0), (250, 250), (0, 0), (0, 0), (20, 0), (20, 20), (0, 0)].into_iter().enumerate()
    {
        simulation.step().expect("nothing fails");
        let conversations = simulation.world().resource::<Conversations>();
        let counts = conversations.counts();
        assert_eq!((counts.admitted, counts.rejected, counts.ended), (admitted, 0, ended), "tick {tick}");
        let kept: Vec<u32> = (0..600).filter(|&id| conversations.get(ConversationId(id)).is_some()).collect();
        let expected = match tick {
            0 | 1 => 0..250,
            4 | 5 => 250..270,
            _ => 0..0,
        };
        assert_eq!(kept, expected.collect::<Vec<_>>(), "tick {tick}");
    }
}

/// What the test itself holds of the lists of recipients, of a call that nobody answers and of one that is refused.
#[derive(Resource)]
struct Audiences([Arc<Vec<AgentId>>; 2]);

#[test]
fn what_conversations_held_is_given_back_beside_one_that_goes_on() {
    fn call(now: Res<Now>, log: Res<Log>, audiences: Res<Audiences>, mut conversations: ResMut<Conversations>) {
        if now.tick.0 > 0 {
            return;
        }
        let opening = |performative| (performative, Content::Item(1), TextId::EMPTY);
        let mut open = |terms, recipients, performative| {
            conversations.open(now.tick, log.declared[terms], AgentId(0), recipients, opening(performative));
        };
        let [called, refused] = &audiences.0;
        open(1, Recipients::Agents(Arc::clone(called)), Performative::CallForProposal);
        open(1, Recipients::Agents(Arc::clone(refused)), Performative::Agree);
        open(2, Recipients::Agent(AgentId(1)), Performative::Request);
    }
    let world = Plain {
        features: &[],
        actions: &["wait"],
        build: |builder: &mut Builder| {
            let patient = Terms::Request(RequestTerms { reply_ticks: 1_000, work_ticks: 1 });
            let mut conversations = builder.world.resource_mut::<Conversations>();
            let all = terms().into_iter().chain([patient]);
            let declared = all.map(|terms| conversations.declare(terms).expect("sound terms")).collect();
            builder.insert_resource(Log { declared, ..Log::default() });
            builder.insert_resource(Audiences([(); 2].map(|()| Arc::new(vec![AgentId(1), AgentId(2)]))));
            for _ in 0..3 {
                builder.spawn(0, None);
            }
            builder.add_systems(Phase::Act, call);
        },
    };
    let mind = Mind::Fixed(Arc::new(ByRule(|_, _, _| 0)));
    let mut simulation = super::build(&scenario(8, 3, 5), &world, mind).expect("it builds");
    let mut held = Vec::new();
    for _ in 0..8 {
        simulation.step().expect("nothing fails");
        held.push(simulation.world().resource::<Audiences>().0.each_ref().map(|list| Arc::strong_count(list) - 1));
        assert_eq!(simulation.world().resource::<Conversations>().counts().open, 1 + u64::from(held.len() < 3));
    }
    assert!(held[0][0] > 0, "the call is under way: {held:?}");
    assert_eq!(held[0][1], 0, "what is refused is held by nobody: {held:?}");
    assert_eq!(held[7], [0, 0], "{held:?}");
}

#[test]
fn an_opening_to_nobody_or_to_too_many_is_rejected() {
    let first = Envelope {
        performative: Performative::Request,
        conversation: ConversationId(1),
        sender: AgentId(0),
        recipients: Recipients::Agent(AgentId(0)),
        protocol: Protocol::Request,
        content: Content::Item(1),
        words: TextId::EMPTY,
        tick: llmagentos::base::Tick(0),
    };
    let refused = |there: &[u32]| {
        let there: Vec<AgentId> = there.iter().copied().map(AgentId).collect();
        Conversation::open(&terms()[0], &first, &there).expect_err("it is refused").to_string()
    };
    assert!(refused(&[]).contains("nobody to talk to"));
    assert!(refused(&[0]).contains("nobody to talk to"), "nobody talks to itself");
    assert!(refused(&[1, 2]).contains("between two"));
    assert!(Conversation::open(&terms()[0], &first, &[0, 0, 0].map(AgentId)).is_err());
}
