//! The backend for `OpenAI`'s interface: against a server that behaves badly, and against a real one.

mod nasty;
mod real;
mod runs;
mod server;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use llmagentos::base::{Ask, Choices, LanguageModel, Prompt, Request};
use llmagentos::llm::{BACKENDS, BackendError, LoadContext};
use llmagentos::scenario::{Scenario, ScenarioError};

/// Limits so tight that the worst manners cost a test milliseconds.
const TIGHT: &str = "timeout_seconds = 0.3\nretries = 2\nbackoff_seconds = 0.01\n";

/// A whole scenario with this in its `[llm.clerk]`.
fn scenario_text(url: &str, settings: &str) -> String {
    let desk = include_str!("data/service_desk.toml").replace("llm = \"small\"", "llm = \"clerk\"");
    desk.replace(
        "[llm.small]\nkind = \"scripted\"\n",
        &format!("[llm.clerk]\nkind = \"openai\"\nurl = \"{url}\"\nmodel = \"nasty-1\"\n{settings}\n"),
    )
}

fn load_with(url: &str, settings: &str, stop: Arc<AtomicBool>) -> Result<Box<dyn LanguageModel>, BackendError> {
    let scenario = Scenario::parse("desk.toml", &scenario_text(url, settings), &[]).expect("it parses");
    let backend = BACKENDS.iter().find(|backend| backend.kind.name == "openai").expect("it is registered");
    let context = LoadContext { stop, seed: scenario.seed };
    (backend.load)(&scenario.models["clerk"], None, &context)
}

fn load(url: &str, settings: &str) -> Box<dyn LanguageModel> {
    load_with(url, settings, Arc::default()).expect("the settings are sound")
}

/// What is wrong with the settings.
fn refused(url: &str, settings: &str) -> ScenarioError {
    match load_with(url, settings, Arc::default()) {
        Err(BackendError::Scenario(error)) => error,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("{url} and {settings:?} were taken"),
    }
}

fn prompt(suffix: &str) -> Prompt {
    Prompt { system: "You are a clerk.".into(), prefix: "Customer: ".into(), suffix: suffix.into() }
}

fn choose(suffix: &str, options: &[&str]) -> Request {
    let options = options.iter().map(|option| Arc::from(*option)).collect();
    Request { prompt: prompt(suffix), ask: Ask::Choose(Choices { options, content_free: None }) }
}

fn write(suffix: &str, temperature: f32, draw: u32) -> Request {
    Request { prompt: prompt(suffix), ask: Ask::Write { tokens_max: 12, temperature, draw } }
}

const WISHES: [&str; 4] = ["exchange it", "return it", "cancel the order", "modify the order"];
