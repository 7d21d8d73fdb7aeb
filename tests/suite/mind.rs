//! Policies that decide with a language model: their choices, prompts, memories, and whole runs with them.

mod choices;
mod memories;
mod prompts;
mod runs;

use std::sync::Arc;

use llmagentos::base::{
    Action, ActionMenu, AgentId, Answer, Ask, AskModels, Chance, Context, DecisionBatch, LanguageDecision,
    LanguageError, LanguageMind, LegalActions, Letter, Performative, PolicyError, Request, Scored, Space, Tick,
};
use llmagentos::llm::{MINDS, MindFile};
use llmagentos::scenario::{Scenario, ScenarioError, Section};

/// Two numbers and six actions.
fn space() -> Space {
    Space::new(&["mood", "place_now"], ActionMenu::new(&["a", "b", "go_on", "d", "e", "f"]))
}

fn section(text: &str) -> Section {
    let text = format!(
        "name = \"mind\"\nticks = 1\n\n[policy.mind]\nkind = \"language_model\"\n{text}\n\n[domain]\nkind = \"plain\"\n"
    );
    let scenario = Scenario::parse("mind.toml", &text, &[]).unwrap_or_else(|error| panic!("{error}: {text}"));
    scenario.policies["mind"].clone()
}

fn build(text: &str, files: &[MindFile]) -> Result<Box<dyn LanguageMind>, ScenarioError> {
    (MINDS[0].build)(&section(text), &space(), files)
}

fn mind(text: &str) -> Box<dyn LanguageMind> {
    build(text, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn file(key: &'static str, path: &str, text: &str) -> MindFile {
    MindFile { key, path: path.to_owned(), text: text.to_owned() }
}

fn context(persona: &str, inbox: &[(&str, &str)]) -> Context {
    let letter = |(role, text): &(&str, &str)| Letter {
        sender: AgentId(40),
        role: Arc::from(*role),
        performative: Performative::Inform,
        topic: 3,
        amount: 1.5,
        text: Arc::from(*text),
    };
    Context {
        model: 0,
        role: "night_guard".into(),
        group: "guards".into(),
        persona: persona.into(),
        inbox: inbox.iter().map(letter).collect(),
    }
}

/// A row of a batch.
#[derive(Clone)]
struct Row {
    agent: u32,
    seen: [f32; 2],
    legal: u64,
    words: &'static str,
    context: Context,
}

fn row(agent: u32, seen: [f32; 2], legal: u64) -> Row {
    Row { agent, seen, legal, words: "", context: context("", &[]) }
}

/// Has a mind decide at a tick; `answer` is the model.
fn decide(
    mind: &mut dyn LanguageMind,
    tick: u64,
    rows: &[Row],
    answer: &mut dyn FnMut(&Request) -> Answer,
) -> Result<Vec<LanguageDecision>, PolicyError> {
    hand_in(tick, rows, answer, |decisions, contexts, ask| mind.decide(decisions, contexts, ask))
}

/// Has a mind advise at a tick; `answer` is the model.
fn advise(
    mind: &mut dyn LanguageMind,
    tick: u64,
    rows: &[Row],
    answer: &mut dyn FnMut(&Request) -> Answer,
) -> Result<Vec<f32>, PolicyError> {
    hand_in(tick, rows, answer, |decisions, contexts, ask| mind.advise(decisions, contexts, ask))
}

fn hand_in<T>(
    tick: u64,
    rows: &[Row],
    answer: &mut dyn FnMut(&Request) -> Answer,
    asked: impl FnOnce(&DecisionBatch<'_>, &[Context], &mut AskModels<'_>) -> Result<T, PolicyError>,
) -> Result<T, PolicyError> {
    let space = space();
    let agents: Vec<AgentId> = rows.iter().map(|row| AgentId(row.agent)).collect();
    let features: Vec<f32> = rows.iter().flat_map(|row| row.seen).collect();
    let legal: Vec<LegalActions> = rows.iter().map(|row| LegalActions(row.legal)).collect();
    let words: Vec<Arc<str>> = rows.iter().map(|row| Arc::from(row.words)).collect();
    let contexts: Vec<Context> = rows.iter().map(|row| row.context.clone()).collect();
    let decisions = DecisionBatch {
        tick: Tick(tick),
        chance: Chance::new(5),
        space: &space,
        agents: &agents,
        features: &features,
        legal: &legal,
        words: &words,
        word_ids: &[],
        advice: &[],
    };
    let mut ask = |askers: &[usize], requests: &[Request]| -> Result<Vec<Answer>, LanguageError> {
        assert_eq!(askers.len(), requests.len());
        assert!(askers.is_sorted(), "rows ask in their order");
        Ok(requests.iter().map(&mut *answer).collect())
    };
    asked(&decisions, &contexts, &mut ask)
}

/// A model that gives every option the same score, and writes down what it was asked.
fn listening(heard: &mut Vec<Request>) -> impl FnMut(&Request) -> Answer {
    |request| {
        heard.push(request.clone());
        match &request.ask {
            Ask::Choose(choices) => Answer::Scored(Scored { scores: vec![-1.0; choices.options.len()] }),
            Ask::Embed => {
                // Two directions: texts that speak of water, and all others.
                let water = request.prompt.suffix.contains("water");
                Answer::Vector(if water { [1.0, 0.0].into() } else { [0.0, 1.0].into() })
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The one request that a row makes, by a model that listens.
fn request_of(mind: &mut dyn LanguageMind, tick: u64, row: Row) -> Request {
    let mut heard = Vec::new();
    decide(mind, tick, &[row], &mut listening(&mut heard)).expect("it decides");
    heard.into_iter().rfind(|request| matches!(request.ask, Ask::Choose(_))).expect("a choice was asked for")
}

const FIRST: Action = Action(0);
