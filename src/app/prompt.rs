//! `prompt`: the prompts of an agent at a tick, as its model read them, from the transcript of a finished run.

use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr;

use super::error::AppError;
use super::run::read_manifest;
use super::stage::transcript_name;
use crate::base::{AgentId, Answer, Ask, Request, Tick};
use crate::llm::{Record, RecordedCall};

/// An agent at a tick, written `AGENT@TICK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// Who.
    pub agent: AgentId,
    /// When.
    pub tick: Tick,
}

impl FromStr for Whose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('@').and_then(|(agent, tick)| {
            Some(Self { agent: AgentId(agent.trim().parse().ok()?), tick: Tick(tick.trim().parse().ok()?) })
        });
        parsed.ok_or_else(|| "write AGENT@TICK with two numbers, for example 3@120".to_owned())
    }
}

/// Everything an agent asked its model at a tick, with the answers, for people to read. `contender` names a run below
/// `compare/` instead of the run itself.
///
/// # Errors
/// When the folder is no run, or the agent asked nothing then.
pub fn prompts_of(run: &Path, contender: Option<&str>, whose: Whose) -> Result<String, AppError> {
    read_manifest(run)?;
    let place = contender.map_or_else(String::new, |name| format!("compare/{name}/"));
    let path = run.join(transcript_name(&place));
    let unusable = |problem: String, help: &str| AppError::File { path: path.clone(), problem, help: help.to_owned() };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let known = std::fs::read_dir(run.join("compare")).into_iter().flatten().flatten();
        let mut known: Vec<String> = known.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        known.sort();
        let help =
            format!("contenders of this run: {}", if known.is_empty() { "none".into() } else { known.join(", ") });
        unusable(error.to_string(), &help)
    })?;
    let record =
        Record::parse(&text).map_err(|error| unusable(error.to_string(), "name a run folder as a run left it"))?;
    let calls = record.calls_of(whose.tick, whose.agent);
    if calls.is_empty() {
        let ticks: Vec<String> = record.ticks_of(whose.agent).take(8).map(|tick| tick.to_string()).collect();
        let help = match ticks.as_slice() {
            [] => "it asked none in this run: name another agent, as agents.csv and llm.jsonl number them".to_owned(),
            ticks => format!("it did so at ticks {}{}", ticks.join(", "), if ticks.len() == 8 { ", …" } else { "" }),
        };
        let problem = format!("agent {} asked no language model at tick {}", whose.agent, whose.tick);
        return Err(unusable(problem, &help));
    }
    Ok(calls.iter().map(shown).collect::<Vec<_>>().join("\n"))
}

fn shown(call: &RecordedCall<'_>) -> String {
    let Request { prompt, ask } = call.request;
    let mut text = format!("call {}: model {}, {}", call.number, call.model, told(ask));
    if let Some(same_as) = call.same_as {
        let _ = write!(text, ", answered from memory (as call {same_as})");
    }
    let mut part = |name: &str, words: &str| {
        if !words.is_empty() {
            let _ = write!(text, "\n── {name}\n{words}");
        }
    };
    part("system", &prompt.system);
    part("user", &format!("{}{}", prompt.prefix, prompt.suffix));
    match (ask, call.answer) {
        (Ask::Choose(choices), Answer::Scored(scored)) => {
            part("calibrated by, in place of what is its own", choices.content_free.as_deref().unwrap_or_default());
            let best = scored.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let rows = choices.options.iter().zip(&scored.scores).zip(scored.probabilities());
            #[expect(clippy::float_cmp, reason = "the best is one of them")]
            let rows = rows.map(|((option, score), probability)| {
                let mark = if *score == best { "*" } else { " " };
                format!("{mark} {score:8.3}  {:5.1}%  {option}", 100.0 * probability)
            });
            part("options, with score and share", &rows.collect::<Vec<_>>().join("\n"));
        }
        (_, Answer::Text(words)) => part("answer", words),
        (_, Answer::Vector(vector)) => part("answer", &format!("a vector of {} numbers", vector.len())),
        (_, Answer::Scored(_)) => {}
    }
    text.push('\n');
    text
}

fn told(ask: &Ask) -> String {
    match ask {
        Ask::Choose(choices) => format!("to choose among {}", choices.options.len()),
        Ask::Write { tokens_max, temperature, .. } => {
            format!("to write at most {tokens_max} tokens at temperature {temperature}")
        }
        Ask::Fill { fields, temperature, .. } => {
            format!("to fill in a form of {} fields at temperature {temperature}", fields.len())
        }
        Ask::Embed => "to embed".to_owned(),
    }
}
