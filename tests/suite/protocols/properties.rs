//! Whatever is said: no panic, no change by what is rejected, and an outcome by the last deadline.

use std::sync::Arc;

use llmagentos::base::{AgentId, Performative, Tick};
use llmagentos::protocols::{
    Addressee, Content, Conversation, ConversationId, Ending, Envelope, FEATURES, Protocol, Recipients, Terms,
};
use proptest::prelude::*;

use super::{all_terms, open, saying};

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// An agent makes one of its moves, if it has one; the amount is at this share of its range. Or another says it instead.
    Move { agent: u32, which: usize, share: i64, instead: Option<u32> },
    /// Something is said that may or may not be allowed.
    Say {
        agent: u32,
        performative: usize,
        content: Content,
        recipients: Recipients,
        protocol: Option<usize>,
        other: bool,
    },
    /// Ticks go by.
    Wait(u64),
}

fn contents() -> impl Strategy<Value = Content> {
    prop_oneof![
        Just(Content::Nothing),
        (0_u32..10).prop_map(Content::Item),
        prop_oneof![-5_i64..110, any::<i64>()].prop_map(Content::Amount),
        (-5_i64..110).prop_map(Content::Ask),
        (5_u32..9, -5_i64..110).prop_map(|(item, amount)| Content::Offer { item, amount }),
        prop::collection::vec(0_u16..4, 0..4).prop_map(|named| Content::Ballot(named.into())),
    ]
}

fn recipients() -> impl Strategy<Value = Recipients> {
    prop_oneof![
        3 => (0_u32..5).prop_map(|agent| Recipients::Agent(AgentId(agent))),
        1 => Just(Recipients::Everyone),
        1 => Just(Recipients::Role(0)),
        1 => Just(Recipients::Topic(0)),
        1 => Just(Recipients::Agents(Arc::new(vec![AgentId(1), AgentId(2)]))),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let legal = (0_u32..5, 0_usize..6, 0_i64..=100, prop::option::weighted(0.2, 0_u32..6))
        .prop_map(|(agent, which, share, instead)| Event::Move { agent, which, share, instead });
    let any =
        (0_u32..6, 0..Performative::ALL.len(), contents(), recipients(), prop::option::weighted(0.1, 0_usize..10))
            .prop_flat_map(|(agent, performative, content, recipients, protocol)| {
                prop::bool::weighted(0.05).prop_map(move |other| Event::Say {
                    agent,
                    performative,
                    content: content.clone(),
                    recipients: recipients.clone(),
                    protocol,
                    other,
                })
            });
    prop::collection::vec(prop_oneof![4 => legal, 3 => any, 1 => (1_u64..3).prop_map(Event::Wait)], 0..40)
}

fn message(terms: &Terms, conversation: &Conversation, event: &Event, tick: Tick) -> Option<Envelope> {
    match event {
        Event::Move { agent, which, share, instead } => {
            let moves = conversation.moves(AgentId(*agent));
            let said = moves.get(which % moves.len().max(1))?;
            let mut message = saying(terms, AgentId(*agent), *said, *share, tick);
            if said.to == Addressee::All {
                message.recipients = conversation.audience().clone();
            }
            message.sender = instead.map_or(message.sender, AgentId);
            Some(message)
        }
        Event::Say { agent, performative, content, recipients, protocol, other } => Some(Envelope {
            performative: Performative::ALL[*performative],
            conversation: ConversationId(1 + u32::from(*other)),
            sender: AgentId(*agent),
            recipients: recipients.clone(),
            protocol: protocol.map_or(terms.protocol(), |place| Protocol::ALL[place]),
            content: content.clone(),
            words: llmagentos::base::TextId::EMPTY,
            tick,
        }),
        Event::Wait(_) => None,
    }
}

/// Whether a message is allowed, from the moves alone.
fn is_allowed(terms: &Terms, conversation: &Conversation, message: &Envelope) -> bool {
    let everyone = match conversation.participants() {
        [one] => Recipients::Agent(*one),
        _ => Recipients::Everyone,
    };
    message.conversation == ConversationId(1)
        && message.protocol == terms.protocol()
        && conversation.moves(message.sender).iter().any(|one| {
            let to = match one.to {
                Addressee::Agent(agent) => Recipients::Agent(agent),
                Addressee::All => everyone.clone(),
            };
            one.fits(message) && to == message.recipients
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_talk_ends_in_time_and_what_is_rejected_changes_nothing(
        which in 0_usize..12,
        participants in 1_u32..5,
        events in events(),
    ) {
        let terms = all_terms().swap_remove(which);
        let two = matches!(terms, Terms::Request(_) | Terms::Query(_) | Terms::AlternatingOffers(_));
        let mut conversation = open(&terms, if two { 1 } else { participants });
        let mut now = 0;
        let mut admitted = 1;
        for event in &events {
            if let Event::Wait(ticks) = event {
                for _ in 0..*ticks {
                    conversation.expire(Tick(now));
                    now += 1;
                }
            }
            let Some(message) = message(&terms, &conversation, event, Tick(now)) else { continue };
            let before = conversation.clone();
            let allowed = is_allowed(&terms, &conversation, &message);
            match conversation.admit(&message) {
                Ok(()) => {
                    admitted += 1;
                    prop_assert!(allowed, "{message:?} in {}", before.state());
                }
                Err(rejection) => {
                    prop_assert!(!allowed, "{rejection}");
                    prop_assert_eq!(&conversation, &before);
                    prop_assert_eq!(rejection.state, before.state());
                    prop_assert_eq!(&rejection.expected, &before.moves(message.sender));
                    prop_assert!(rejection.to_string().contains(before.state()));
                }
            }
            prop_assert_eq!(conversation.steps(), admitted);
            for agent in 0..6 {
                let features = conversation.features(AgentId(agent), Tick(now));
                prop_assert_eq!(features.len(), FEATURES.len());
                prop_assert!(features.iter().all(|value| (0.0..=1.0).contains(value)), "{features:?}");
                prop_assert_eq!(features[0] > 0.5, !conversation.moves(AgentId(agent)).is_empty());
            }
        }
        while conversation.outcome().is_none() {
            prop_assert!(Tick(now) <= conversation.ends_by(), "it goes on in state {}", conversation.state());
            conversation.expire(Tick(now));
            now += 1;
        }
        let outcome = conversation.outcome().unwrap();
        prop_assert!(conversation.moves(AgentId(0)).is_empty());
        let parties: Vec<AgentId> = (0..5).map(AgentId).filter(|agent| conversation.is_party(*agent)).collect();
        prop_assert_eq!(parties.iter().map(|agent| outcome.income(*agent)).sum::<i64>(), 0);
        for award in &outcome.awards {
            prop_assert!(conversation.is_party(award.provider) && conversation.is_party(award.receiver));
            prop_assert!((0..=100).contains(&award.amount));
        }
        let agreed = !outcome.awards.is_empty() || outcome.elected.is_some();
        prop_assert!(agreed || outcome.ending != Ending::Done);
    }
}
