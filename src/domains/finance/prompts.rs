//! What language models are asked: what a headline means for the share.

use std::sync::{Arc, LazyLock};

use crate::base::{Ask, Choices, Prompt, Request};

const SYSTEM: &str = include_str!("../../../assets/prompts/finance/read.system.txt");
const EXAMPLES: &str = include_str!("../../../assets/prompts/finance/read.examples.txt");

/// What a headline may mean, in the order of the tones.
const MEANINGS: [&str; 3] = ["The share price will fall", "The share price will stay", "The share price will rise"];

static PARTS: LazyLock<(Arc<str>, Arc<str>, Choices)> = LazyLock::new(|| {
    let options = MEANINGS.iter().map(|&meaning| meaning.into()).collect();
    let choices = Choices { options, content_free: Some(suffix("N/A").into()) };
    (SYSTEM.trim().into(), format!("{}\n\n", EXAMPLES.trim()).into(), choices)
});

fn suffix(headline: &str) -> String {
    format!("News: {headline}.\nMeaning:")
}

/// Does this headline mean that the price falls, stays or rises?
#[must_use]
pub fn read(headline: &str) -> Request {
    let (system, prefix, choices) = &*PARTS;
    Request {
        prompt: Prompt { system: Arc::clone(system), prefix: Arc::clone(prefix), suffix: suffix(headline).into() },
        ask: Ask::Choose(choices.clone()),
    }
}
