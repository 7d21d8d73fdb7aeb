//! What language models are asked: the price of an offer as a form within the protocol's bounds, and the words of a
//! message, chosen among phrases or written.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::spaces::Act;
use crate::base::{Ask, Choices, Field, FieldKind, Prompt, Request};

const SPEAK_SYSTEM: &str = include_str!("../../../assets/prompts/negotiation/speak.system.txt");
const PHRASES: &str = include_str!("../../../assets/prompts/negotiation/phrases.json");

/// The field of a form that holds a price.
const PRICE: &str = "price_in_cents";
/// The field of a form that holds a sentence.
const SENTENCE: &str = "sentence";

static PHRASE_BANK: LazyLock<BTreeMap<String, Vec<String>>> =
    LazyLock::new(|| serde_json::from_str(PHRASES).expect("the phrases that come with the program are sound"));

/// The system turn of a speaker with this persona.
#[must_use]
pub fn speaker(persona: &str, item: &str) -> Arc<str> {
    let persona = if persona.trim().is_empty() { "polite and brief" } else { persona.trim() };
    SPEAK_SYSTEM.trim().replace("{item}", item).replace("{persona}", persona).into()
}

/// The sentences that perform an act, with `{price}` in the place of the price.
#[must_use]
pub fn phrases(act: Act, sells: bool, opens: bool, item: &str) -> Arc<[Arc<str>]> {
    let key = match (act, sells, opens) {
        (Act::Accept, ..) => "accept",
        (Act::Reject, ..) => "reject",
        (_, true, true) => "seller_opens",
        (_, false, true) => "buyer_opens",
        (_, true, false) => "seller_counters",
        (_, false, false) => "buyer_counters",
    };
    PHRASE_BANK[key].iter().map(|phrase| phrase.replace("{item}", item).into()).collect()
}

/// What is to be done with a message, as an instruction; the price in words.
fn instruction(act: Act, sells: bool, opens: bool, price: &str) -> String {
    let other = if sells { "buyer" } else { "seller" };
    match (act, opens) {
        (Act::Accept, _) => format!("Tell the {other} that you accept {price}."),
        (Act::Reject, _) => format!("Tell the {other} that there will be no deal."),
        (_, true) => format!("Name {price} to the {other} as your price."),
        (_, false) => format!("Turn the {other}'s price down, and name {price} as yours."),
    }
}

/// Which of the phrases would a speaker with this system turn say? The question names no number, so that equal acts are
/// equal requests.
#[must_use]
pub fn choose_words(system: Arc<str>, act: Act, sells: bool, opens: bool, phrases: &[Arc<str>]) -> Request {
    let options = phrases.iter().map(|phrase| phrase.replace("{price}", "this price").into()).collect();
    Request {
        prompt: Prompt { system, prefix: "".into(), suffix: instruction(act, sells, opens, "a price").into() },
        ask: Ask::Choose(Choices { options, content_free: None }),
    }
}

/// What one is after, said before every form.
fn aim(sells: bool) -> &'static str {
    if sells {
        "Sell at a high price, and never below what it costs you. Ask for less only to reach a deal.\n"
    } else {
        "Buy at a low price, and never above what it is worth to you. Offer more only to reach a deal.\n"
    }
}

/// What a form is to hold.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// A price within these bounds; none where it is known.
    pub price: Option<FieldKind>,
    /// A sentence of at most so many characters; none where phrases are chosen among.
    pub sentence: Option<u32>,
    /// Sampling temperature.
    pub temperature: f32,
    /// Which of several different answers is asked for.
    pub variant: u32,
}

/// A form with the price of an offer, a sentence of the model's own, or both. `situation` says how things stand, with all
/// prices in cents; `price` is the one in the message, where it is known.
#[must_use]
pub fn fill(system: Arc<str>, form: &Form, said: (Act, bool, bool), situation: &str, price: Option<&str>) -> Request {
    let (act, sells, opens) = said;
    let mut fields = Vec::new();
    let mut suffix = String::new();
    if let Some(kind) = &form.price {
        fields.push(Field { name: PRICE.into(), kind: kind.clone() });
        suffix += situation;
        suffix += " What price do you name?";
    }
    if let Some(characters_max) = form.sentence {
        fields.push(Field { name: SENTENCE.into(), kind: FieldKind::Text { characters_max } });
        suffix += if suffix.is_empty() { "" } else { " " };
        suffix += &instruction(act, sells, opens, price.unwrap_or("this price"));
        suffix += " Say it in one short sentence.";
    }
    let ask = Ask::Fill { fields: fields.into(), temperature: form.temperature, draw: form.variant };
    Request { prompt: Prompt { system, prefix: aim(sells).into(), suffix: suffix.into() }, ask }
}

/// The price and the sentence in a filled form.
#[must_use]
pub fn filled(text: &str) -> (Option<i64>, Option<String>) {
    let form: Value = serde_json::from_str(text).unwrap_or_default();
    (form[PRICE].as_i64(), form[SENTENCE].as_str().map(str::to_owned))
}
