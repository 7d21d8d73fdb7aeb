//! What language models are asked: to read a customer's sentence, and to word an act.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::intents::Intent;
use super::spaces::StaffAct;
use crate::base::{Ask, Choices, Prompt, Request};

const READ_SYSTEM: &str = include_str!("../../../assets/prompts/customer_service/read.system.txt");
const READ_EXAMPLES: &str = include_str!("../../../assets/prompts/customer_service/read.examples.txt");
const SPEAK_SYSTEM: &str = include_str!("../../../assets/prompts/customer_service/speak.system.txt");
const PHRASES: &str = include_str!("../../../assets/prompts/customer_service/phrases.json");

static READ_PARTS: LazyLock<(Arc<str>, Arc<str>, Choices)> = LazyLock::new(|| {
    let options = Intent::ALL.iter().map(|intent| format!("The customer wants to {}", thing(*intent)).into()).collect();
    let content_free = Some(read_suffix("N/A").into());
    (READ_SYSTEM.trim().into(), format!("{}\n\n", READ_EXAMPLES.trim()).into(), Choices { options, content_free })
});

fn read_suffix(sentence: &str) -> String {
    format!("Customer: {sentence}\nRequest:")
}

/// What a customer with this intent wants to do.
fn thing(intent: Intent) -> &'static str {
    match intent {
        Intent::Exchange => "exchange an item",
        Intent::Return => "return an item",
        Intent::Cancel => "cancel an order",
        Intent::Modify => "change an order",
        Intent::Other => "ask a question",
    }
}

static PHRASE_BANK: LazyLock<BTreeMap<String, Vec<String>>> =
    LazyLock::new(|| serde_json::from_str(PHRASES).expect("the phrases that come with the program are sound"));

/// Which of the intents does this sentence express?
#[must_use]
pub fn read(sentence: &str) -> Request {
    let (system, prefix, choices) = &*READ_PARTS;
    Request {
        prompt: Prompt { system: Arc::clone(system), prefix: Arc::clone(prefix), suffix: read_suffix(sentence).into() },
        ask: Ask::Choose(choices.clone()),
    }
}

/// The system turn of a speaker with this persona.
#[must_use]
pub fn speaker(persona: &str) -> Arc<str> {
    let persona = if persona.trim().is_empty() { "polite and brief" } else { persona.trim() };
    SPEAK_SYSTEM.trim().replace("{persona}", persona).into()
}

/// The sentences that perform `act`, to choose from.
#[must_use]
pub fn phrases(act: StaffAct, about: Option<Intent>) -> Arc<[Arc<str>]> {
    let key = match act {
        StaffAct::AskIdentification => "ask_identification",
        StaffAct::AskAgain => "ask_again",
        StaffAct::Confirm => "confirm",
        StaffAct::OfferExchange | StaffAct::OfferReturn | StaffAct::OfferCancel | StaffAct::OfferModify => "offer",
        StaffAct::HandleException => "handle_exception",
        StaffAct::Transfer => "transfer",
        StaffAct::LookUp | StaffAct::Close => "close",
    };
    let thing = about.map_or("get help", thing);
    PHRASE_BANK[key].iter().map(|phrase| phrase.replace("{thing}", thing).into()).collect()
}

/// What is to be said, as an instruction.
fn instruction(act: StaffAct, about: Option<Intent>) -> String {
    let thing = about.map_or("get help", thing);
    match act {
        StaffAct::AskIdentification => "Ask the customer for the name and zip code.".to_owned(),
        StaffAct::AskAgain => "Ask the customer to say more about the request.".to_owned(),
        StaffAct::Confirm => format!("Ask whether the customer wants to {thing}."),
        StaffAct::OfferExchange | StaffAct::OfferReturn | StaffAct::OfferCancel | StaffAct::OfferModify => {
            format!("Tell the customer that the request to {thing} is done.")
        }
        StaffAct::HandleException => "Tell the customer that the special request is handled.".to_owned(),
        StaffAct::Transfer => "Tell the customer that a specialist takes over.".to_owned(),
        StaffAct::LookUp | StaffAct::Close => "Say goodbye to the customer.".to_owned(),
    }
}

/// Which of the phrases would a speaker with this system turn say to perform `act`?
#[must_use]
pub fn choose_words(system: Arc<str>, act: StaffAct, about: Option<Intent>) -> Request {
    Request {
        prompt: Prompt { system, prefix: "".into(), suffix: instruction(act, about).into() },
        ask: Ask::Choose(Choices { options: phrases(act, about), content_free: None }),
    }
}

/// One sentence of the model's own that performs `act`.
#[must_use]
pub fn write_words(
    system: Arc<str>,
    act: StaffAct,
    about: Option<Intent>,
    tokens_max: u32,
    temperature: f32,
    draw: u32,
) -> Request {
    let suffix = format!("{} Answer with one short sentence.", instruction(act, about)).into();
    Request { prompt: Prompt { system, prefix: "".into(), suffix }, ask: Ask::Write { tokens_max, temperature, draw } }
}
