//! What buyers and sellers hear and see in one tick.

use bevy_ecs::system::{Query, Res, ResMut};

use super::bargain::{Side, money};
use super::settings::{NegotiationSettings, Pricing};
use super::spaces::{Act, OWN, SEEN};
use super::state::{Negotiations, Party, Turn};
use crate::base::{LegalActions, Performative, TextId, Tick};
use crate::protocols::{Content, Conversation, FEATURES};
use crate::sim::{Agent, Conversations, Directory, Llm, Mail, Mailbox, Now, Observations, PolicySlot, Texts};

/// New sessions begin when it is time; everybody takes in the letters of its session. An offer that never arrives is never
/// answered: the deadline ends such a session.
pub fn take_in_letters(
    now: Res<Now>,
    directory: Res<Directory>,
    mail: Res<Mail>,
    conversations: Res<Conversations>,
    mut negotiations: ResMut<Negotiations>,
    mut parties: Query<(&Agent, &Mailbox, &mut Party)>,
) {
    let begins = negotiations.begins_at(now.tick);
    if begins {
        negotiations.begin(now.chance);
    }
    for &(_, entity) in directory.alive() {
        let Ok((agent, mailbox, mut party)) = parties.get_mut(entity) else { continue };
        let party = &mut *party;
        let session = &negotiations.sessions[negotiations.session_of(party.sells, party.place)];
        party.turn = Turn::Waits;
        party.saying = None;
        if begins {
            (party.own, party.other, party.other_before, party.offered) = (None, None, None, 0);
            party.heard = None;
            if party.sells == session.seller_opens {
                party.turn = Turn::Opens;
            }
        }
        let partner = session.other(agent.id);
        for (letter, envelope) in conversations.inbox(&mail, *mailbox) {
            let Some(envelope) = envelope.filter(|_| letter.sender == partner) else { continue };
            // Over a network a letter may come twice, or behind one that was sent after it.
            let is_news = party.heard.is_none_or(|heard| envelope.tick > heard);
            if session.conversation != Some(envelope.conversation) || !is_news {
                continue;
            }
            if let (Performative::Propose, Content::Offer { amount, .. }) = (envelope.performative, &envelope.content) {
                (party.other_before, party.other) = (party.other, Some(*amount));
                party.heard = Some(envelope.tick);
                party.turn = Turn::Answers(envelope.conversation);
            }
        }
    }
}

/// Whoever may speak by the rules of its conversation is asked what to say.
pub fn hand_in_observations(
    now: Res<Now>,
    directory: Res<Directory>,
    conversations: Res<Conversations>,
    negotiations: Res<Negotiations>,
    mut texts: ResMut<Texts>,
    mut observations: ResMut<Observations>,
    mut parties: Query<(&Agent, &PolicySlot, &Llm, &mut Party)>,
) {
    let settings = &negotiations.settings;
    for &(_, entity) in directory.alive() {
        let Ok((agent, slot, llm, mut party)) = parties.get_mut(entity) else { continue };
        let conversation = match party.turn {
            Turn::Waits => continue,
            Turn::Opens => None,
            Turn::Answers(id) => conversations.get(id),
        };
        let session = &negotiations.sessions[negotiations.session_of(party.sells, party.place)];
        let side = session.side(party.sells, settings);
        let names_prices = settings.amounts == Pricing::Model && llm.model.is_some();
        let legal = match (party.turn, conversation) {
            (Turn::Opens, _) => offers(names_prices),
            (_, Some(conversation)) => menu(conversation, agent, &party, side, settings.hold_limits, names_prices),
            (_, None) => LegalActions::default(),
        };
        if legal.count() == 0 {
            // The offer came too late, or somebody else's turn has come since.
            party.turn = Turn::Waits;
            continue;
        }
        let seen = see(conversation, (agent, now.tick), &party, side, settings);
        let words = if settings.narrate && llm.model.is_some() {
            let offers_left = settings.offers_max - conversation.map_or(0, Conversation::steps);
            texts.0.intern(&narrate(&party, side, offers_left, &settings.item, money))
        } else {
            TextId::EMPTY
        };
        observations.push(agent.id, entity, *slot, &seen, legal, words);
    }
}

/// The acts that offer a price.
fn offers(names_prices: bool) -> LegalActions {
    let levels = super::bargain::LEVELS.map(|level| Act::Concede(level).action());
    let legal = levels.into_iter().fold(LegalActions::default(), LegalActions::with);
    if names_prices { legal.with(Act::Offer.action()) } else { legal }
}

/// The acts that the conversation allows.
fn menu(
    conversation: &Conversation,
    agent: &Agent,
    party: &Party,
    side: Side,
    hold_limits: bool,
    names_prices: bool,
) -> LegalActions {
    let mut legal = LegalActions::default();
    for possible in conversation.moves(agent.id) {
        match possible.performative {
            Performative::Propose => legal.0 |= offers(names_prices).0,
            Performative::Accept if !hold_limits || party.other.is_some_and(|price| side.gain(price) >= 0) => {
                legal = legal.with(Act::Accept.action());
            }
            Performative::Reject => legal = legal.with(Act::Reject.action()),
            _ => {}
        }
    }
    legal
}

/// The numbers that an agent sees.
fn see(
    conversation: Option<&Conversation>,
    (agent, tick): (&Agent, Tick),
    party: &Party,
    side: Side,
    settings: &NegotiationSettings,
) -> [f32; SEEN] {
    let mut seen = [0.0; SEEN];
    let (state, own) = seen.split_at_mut(FEATURES.len());
    match conversation {
        Some(conversation) => state.copy_from_slice(&conversation.features(agent.id, tick)),
        None => {
            // The conversation is there once the first offer is made; until then its initiator may propose, in this tick.
            for name in ["may_speak", "is_initiator", "may_propose"] {
                state[FEATURES.iter().position(|known| *known == name).expect("a feature of conversations")] = 1.0;
            }
        }
    }
    let made = conversation.map_or(0, Conversation::steps);
    let level = |price: Option<i64>| price.map_or(0.0, |price| side.concession(price));
    let moved = match (party.other, party.other_before) {
        (Some(last), Some(before)) => side.share_of_range(side.gain(last) - side.gain(before)),
        _ => 0.0,
    };
    let numbers: [f64; OWN.len()] = [
        f64::from(u8::from(side.sells)),
        side.share_of_range(side.limit - side.prices.least),
        f64::from(made),
        f64::from(settings.offers_max - made),
        f64::from(made) / f64::from((settings.offers_max - 1).max(1)),
        party.other.map_or(0.0, |price| side.share_of_range(side.gain(price))),
        level(party.other),
        level(party.own),
        moved,
    ];
    own.iter_mut().zip(numbers).for_each(|(seen, number)| *seen = number as f32);
    seen
}

/// The same in a sentence or two, with the prices themselves.
pub fn narrate(party: &Party, side: Side, offers_left: u32, item: &str, show: fn(i64) -> String) -> String {
    let (verb, other, limit) =
        if side.sells { ("sell", "buyer", "It costs you") } else { ("buy", "seller", "It is worth") };
    let to_you = if side.sells { "" } else { " to you" };
    let mut parts = vec![format!("You {verb} a {item}. {limit} {}{to_you}.", show(side.limit))];
    parts.extend(party.own.map(|own| format!("You offered {}.", show(own))));
    parts.push(match party.other {
        Some(price) => {
            let gain = side.gain(price);
            let worth = if gain >= 0 { "gain" } else { "lose" };
            format!("The {other} offers {}: you would {worth} {}.", show(price), show(gain.abs()))
        }
        None => "Nobody has made an offer yet.".to_owned(),
    });
    parts.push(match offers_left {
        0 => "No more offers can be made.".to_owned(),
        1 => "One more offer can be made.".to_owned(),
        left => format!("{left} more offers can be made."),
    });
    parts.join(" ")
}
