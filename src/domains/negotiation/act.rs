//! What acts do, in `AgentId` order: prices and words are asked for in Act, and said in Send.

use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use rand::RngExt;

use super::bargain::{Side, money};
use super::observe::narrate;
use super::prompts::{self, Form};
use super::settings::NegotiationSettings;
use super::spaces::Act;
use super::state::{Negotiations, Party, Saying, Turn};
use crate::base::{Answer, FieldKind, Performative, Purpose};
use crate::protocols::{Addressee, Content, Conversation, Move, Recipients};
use crate::scenario::Words;
use crate::sim::{
    Agent, Choice, Conversations, Directory, LanguageQueue, Llm, Now, PersonaId, PolicySlot, Texts, Voices,
};

const WORDING: Purpose = Purpose::named("negotiation.wording");
const VARIANT: Purpose = Purpose::named("negotiation.variant");

/// A form bounds a sentence by characters, a speaker by tokens: English has about four to a token.
const CHARACTERS_A_TOKEN: u32 = 4;

/// What is sold; there is one item a session.
const ITEM: u32 = 0;

/// The system turn of each persona's speaker, made once.
#[derive(Resource, Default)]
pub struct Speakers(pub Vec<Arc<str>>);

impl Speakers {
    fn of(&self, persona: PersonaId) -> Arc<str> {
        Arc::clone(&self.0[usize::from(persona.0)])
    }
}

/// Choices become messages; where a model says the price or the words, it is asked now.
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
pub fn prepare_messages(
    now: Res<Now>,
    directory: Res<Directory>,
    conversations: Res<Conversations>,
    negotiations: Res<Negotiations>,
    speakers: Res<Speakers>,
    voices: Res<Voices>,
    mut queue: ResMut<LanguageQueue>,
    mut parties: Query<(&Agent, &Llm, &PolicySlot, &Choice, &mut Party)>,
) {
    let settings = &negotiations.settings;
    for &(_, entity) in directory.alive() {
        let Ok((agent, llm, slot, choice, mut party)) = parties.get_mut(entity) else { continue };
        let conversation = match party.turn {
            Turn::Waits => continue,
            Turn::Opens => None,
            Turn::Answers(id) => conversations.get(id),
        };
        let Some(action) = choice.action else { continue };
        let act = Act::of(action);
        let session = &negotiations.sessions[negotiations.session_of(party.sells, party.place)];
        let side = session.side(party.sells, settings);
        let opens = party.turn == Turn::Opens;
        let price = match act {
            Act::Concede(level) => Some(side.price(level)),
            Act::Accept | Act::Reject => party.other,
            Act::Offer => None,
        };
        let phrases = prompts::phrases(act, party.sells, opens, &settings.item);
        let mut saying = Saying { act, price, form: None, choice: None, phrases };
        if let Some(model) = llm.model {
            let system = speakers.of(agent.persona);
            let speaker = voices.speaker(*slot);
            let writes = speaker.words == Words::Write;
            let form = Form {
                price: (act == Act::Offer).then(|| bounds(conversation, agent, side, settings)),
                sentence: writes.then_some(speaker.tokens_max * CHARACTERS_A_TOKEN),
                temperature: if writes { speaker.temperature } else { settings.temperature },
                variant: match speaker.variants {
                    variants if writes && variants > 1 => {
                        now.chance.draw(VARIANT, now.tick, agent.id).random_range(0..variants)
                    }
                    _ => 0,
                },
            };
            if form.price.is_some() || form.sentence.is_some() {
                let left = settings.offers_max - conversation.map_or(0, Conversation::steps);
                let situation = narrate(&party, side, left, &settings.item, |cents| format!("{cents} cents"));
                let known = price.map(money);
                let said = (act, party.sells, opens);
                let request = prompts::fill(Arc::clone(&system), &form, said, &situation, known.as_deref());
                saying.form = Some(queue.ask(agent.id, model, request));
            }
            if speaker.words == Words::Choose {
                let request = prompts::choose_words(system, act, party.sells, opens, &saying.phrases);
                saying.choice = Some(queue.ask(agent.id, model, request));
            }
        }
        party.saying = Some(saying);
    }
}

/// The form field of a price: the protocol's own bounds ([`Move::amount_field`]), or the part of them within which the side
/// keeps its limit.
fn bounds(conversation: Option<&Conversation>, agent: &Agent, side: Side, settings: &NegotiationSettings) -> FieldKind {
    let moves = conversation.map(|conversation| conversation.moves(agent.id)).unwrap_or_default();
    let prices = if settings.hold_limits { side.acceptable() } else { side.prices };
    let all = FieldKind::Integer { least: prices.least, greatest: prices.greatest };
    match moves.iter().find_map(Move::amount_field) {
        Some(field) if !settings.hold_limits => field,
        _ => all,
    }
}

/// Prices and words have come: what was chosen is said.
pub fn send_messages(
    now: Res<Now>,
    directory: Res<Directory>,
    queue: Res<LanguageQueue>,
    mut texts: ResMut<Texts>,
    mut conversations: ResMut<Conversations>,
    mut negotiations: ResMut<Negotiations>,
    mut parties: Query<(&Agent, &mut Party)>,
) {
    let negotiations = &mut *negotiations;
    for &(_, entity) in directory.alive() {
        let Ok((agent, mut party)) = parties.get_mut(entity) else { continue };
        let Some(saying) = party.saying.take() else { continue };
        let filled = match saying.form.map(|ticket| queue.answer(ticket)) {
            Some(Some(Answer::Text(text))) => prompts::filled(text),
            // The model failed: the run stops at the end of this tick.
            Some(_) => continue,
            None => (None, None),
        };
        let price = saying.price.or(filled.0);
        let words = match (&filled.1, saying.choice.and_then(|ticket| queue.answer(ticket))) {
            (Some(sentence), _) => sentence.clone(),
            (None, Some(Answer::Scored(scored))) => {
                let uniform = now.chance.draw(WORDING, now.tick, agent.id).random();
                saying.phrases[scored.draw(uniform)].to_string()
            }
            (None, _) => saying.phrases[0].to_string(),
        };
        let words = texts.0.intern(&words.replace("{price}", &price.map_or_else(String::new, money)));
        let place = negotiations.session_of(party.sells, party.place);
        let session = &mut negotiations.sessions[place];
        let (performative, content) = match (saying.act, price) {
            (Act::Accept, _) => (Performative::Accept, Content::Nothing),
            (Act::Reject, _) => (Performative::Reject, Content::Nothing),
            (Act::Concede(_) | Act::Offer, Some(amount)) => {
                party.own = Some(amount);
                party.offered += 1;
                (Performative::Propose, Content::Offer { item: ITEM, amount })
            }
            // A form without its price: the model failed.
            (Act::Concede(_) | Act::Offer, None) => continue,
        };
        match party.turn {
            Turn::Waits => {}
            Turn::Opens => {
                let terms = negotiations.terms[usize::from(session.seller_opens)];
                let to = Recipients::Agent(session.other(agent.id));
                let id = conversations.open(now.tick, terms, agent.id, to, (performative, content, words));
                session.conversation = Some(id);
                negotiations.by_conversation.insert(id, place);
            }
            Turn::Answers(id) => {
                if let Some(said) = move_of(conversations.get(id), agent, performative) {
                    conversations.make(now.tick, id, agent.id, said, content, words);
                }
            }
        }
        party.turn = Turn::Waits;
    }
}

/// The move of an agent with this performative; the menu was made of such moves in this tick.
fn move_of(conversation: Option<&Conversation>, agent: &Agent, performative: Performative) -> Option<Move> {
    let mut moves = conversation?.moves(agent.id).into_iter();
    moves.find(|said| said.performative == performative && matches!(said.to, Addressee::Agent(_)))
}
