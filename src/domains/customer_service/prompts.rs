//! What language models are asked: to read a customer's sentence, and to word an act.

use std::sync::{Arc, LazyLock};

use super::intents::Intent;
use super::spaces::StaffAct;
use crate::base::{Ask, Choices, Prompt, Request};

const READ_SYSTEM: &str = include_str!("../../../assets/prompts/customer_service/read.system.txt");
const READ_EXAMPLES: &str = include_str!("../../../assets/prompts/customer_service/read.examples.txt");
const SPEAK_SYSTEM: &str = include_str!("../../../assets/prompts/customer_service/speak.system.txt");
const SPEAK_EXAMPLES: &str = include_str!("../../../assets/prompts/customer_service/speak.examples.txt");

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

static SPEAK_PREFIX: LazyLock<Arc<str>> = LazyLock::new(|| format!("{}\n\n", SPEAK_EXAMPLES.trim()).into());

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

/// One sentence that performs `act`.
#[must_use]
pub fn speak(
    system: Arc<str>,
    act: StaffAct,
    about: Option<Intent>,
    tokens_max: u32,
    temperature: f32,
    draw: u32,
) -> Request {
    let thing = about.map_or("get help", thing);
    let task = match act {
        StaffAct::AskIdentification => "ask for the customer's name and zip code".to_owned(),
        StaffAct::AskAgain => "ask the customer to say more about the request".to_owned(),
        StaffAct::LookUp => "say that you look up the order".to_owned(),
        StaffAct::Confirm => format!("ask whether the customer wants to {thing}"),
        StaffAct::OfferExchange | StaffAct::OfferReturn | StaffAct::OfferCancel | StaffAct::OfferModify => {
            format!("tell the customer that the request to {thing} is done")
        }
        StaffAct::HandleException => "tell the customer that the special request is handled".to_owned(),
        StaffAct::Transfer => "tell the customer that a specialist takes over".to_owned(),
        StaffAct::Close => "say goodbye to the customer".to_owned(),
    };
    Request {
        prompt: Prompt { system, prefix: Arc::clone(&SPEAK_PREFIX), suffix: format!("Task: {task}\nSentence:").into() },
        ask: Ask::Write { tokens_max, temperature, draw },
    }
}
