//! The transcript of a run's language calls (`llm.jsonl`): writing one line a call, and reading a whole one back as
//! the record that a replay is answered from.
//!
//! Knows no model. A line holds no wall time, so that a replay writes the same bytes again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{AgentId, Answer, BudgetUnit, LanguageError, Reply, Request, Scored, Tick, TokenCount};

/// One line: `call` numbers lines from 0; a fresh call carries request, answer and tokens, a remembered one only
/// `same_as`, the call with the equal request, and the first one beyond a budget only `spent`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub call: u64,
    pub tick: Tick,
    pub agent: AgentId,
    pub model: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenCount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<u64>,
    /// The request was refused, and the model asked no more, because it may take no more of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<BudgetUnit>,
}

impl Line {
    /// The line's text with its newline.
    pub fn text(&self) -> Result<String, LanguageError> {
        if let Some(Answer::Scored(scored)) = &self.answer
            && let Some(place) = scored.scores.iter().position(|value| !value.is_finite())
        {
            return Err(LanguageError::Backend(format!(
                "model {:?} gave option {place} a log-probability that is no number (agent {}, tick {}); check the model file",
                self.model, self.agent, self.tick
            )));
        }
        if let Some(Answer::Vector(vector)) = &self.answer
            && vector.iter().any(|value| !value.is_finite())
        {
            return Err(LanguageError::Backend(format!(
                "model {:?} gave a text a vector with something in it that is no number (agent {}, tick {}); check the model file",
                self.model, self.agent, self.tick
            )));
        }
        let mut text = serde_json::to_string(self)
            .map_err(|error| LanguageError::Backend(format!("a call cannot be written as JSON: {error}")))?;
        text.push('\n');
        Ok(text)
    }
}

/// Why a transcript cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the language transcript {problem}; replay needs the file exactly as a run wrote it")]
pub struct RecordError {
    /// The line's number, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// The calls of an earlier run, by (tick, agent, occurrence).
#[derive(Debug, Default)]
pub struct Record {
    calls: Vec<Call>,
    places: BTreeMap<(Tick, AgentId), Vec<usize>>,
}

/// A call as it was recorded.
#[derive(Clone, Copy, Debug)]
pub struct RecordedCall<'a> {
    /// Its line, counted from 0.
    pub number: u64,
    /// The model's name in the scenario.
    pub model: &'a str,
    /// What was asked.
    pub request: &'a Request,
    /// What was answered.
    pub answer: &'a Answer,
    /// The earlier call with an equal request, which was answered in its place.
    pub same_as: Option<u64>,
}

#[derive(Debug)]
struct Call {
    model: Arc<str>,
    fresh: Option<(Request, Answer, TokenCount)>,
    same_as: usize,
    spent: Option<BudgetUnit>,
}

impl Record {
    /// Reads a transcript.
    ///
    /// # Errors
    /// At the first line that is not one that a run wrote.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        let mut record = Self::default();
        for (index, line) in text.lines().enumerate() {
            record.push(line).map_err(|problem| RecordError { line: index + 1, problem })?;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(RecordError { line: record.calls.len(), problem: "is cut off: it has no line end".into() });
        }
        Ok(record)
    }

    /// Every request that was answered by a model, with its reply.
    pub(super) fn fresh_replies(&self) -> impl Iterator<Item = (&Request, Reply)> {
        self.calls.iter().filter_map(|call| {
            let (request, answer, tokens) = call.fresh.as_ref()?;
            Some((request, Reply { answer: answer.clone(), tokens: *tokens, remembered: false }))
        })
    }

    /// How many calls it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether it holds no call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The calls of an agent at a tick, in order.
    #[must_use]
    pub fn calls_of(&self, tick: Tick, agent: AgentId) -> Vec<RecordedCall<'_>> {
        let numbers = self.places.get(&(tick, agent)).into_iter().flatten();
        let call = |&number: &usize| {
            let call = &self.calls[number];
            let (request, answer, _) = self.calls[call.same_as].fresh.as_ref()?;
            let same_as = call.fresh.is_none().then_some(call.same_as as u64);
            Some(RecordedCall { number: number as u64, model: &call.model, request, answer, same_as })
        };
        numbers.filter_map(call).collect()
    }

    /// The ticks at which an agent made a call, in order.
    pub fn ticks_of(&self, agent: AgentId) -> impl Iterator<Item = Tick> {
        self.places.keys().filter(move |(_, asker)| *asker == agent).map(|(tick, _)| *tick)
    }

    fn push(&mut self, text: &str) -> Result<(), String> {
        let line: Line = serde_json::from_str(text).map_err(|error| format!("is malformed: {error}"))?;
        let number = self.calls.len();
        if line.call != number as u64 {
            return Err(format!("has call number {} where {number} was expected", line.call));
        }
        let call = match (line.request, line.answer, line.tokens, line.same_as, line.spent) {
            (Some(request), Some(mut answer), Some(tokens), None, None) => {
                restore_exact_numbers(text, &mut answer)?;
                Call { model: line.model, fresh: Some((request, answer, tokens)), same_as: number, spent: None }
            }
            (None, None, None, None, spent @ Some(_)) => {
                Call { model: line.model, fresh: None, same_as: number, spent }
            }
            (None, None, None, Some(same_as), None) => {
                let earlier = usize::try_from(same_as).ok().filter(|place| {
                    self.calls.get(*place).is_some_and(|call| call.fresh.is_some() && call.model == line.model)
                });
                let Some(same_as) = earlier else {
                    return Err(format!(
                        "refers to call {same_as}, which is no earlier answered call of model {:?}",
                        line.model
                    ));
                };
                Call { model: line.model, fresh: None, same_as, spent: None }
            }
            _ => {
                return Err(
                    "is malformed: it must have either request, answer and tokens, or same_as or spent alone".into()
                );
            }
        };
        self.calls.push(call);
        self.places.entry((line.tick, line.agent)).or_default().push(number);
        Ok(())
    }

    /// The reply to the `occurrence`-th call of `agent` at `tick`, and the number of the call it was the same as.
    pub(super) fn reply(
        &self,
        (tick, agent, occurrence): (Tick, AgentId, usize),
        model: &str,
        request: &Request,
    ) -> Result<(Reply, u64), LanguageError> {
        let place = format!("agent {agent} at tick {tick} (call {occurrence} of its calls at that tick)");
        let Some(&number) = self.places.get(&(tick, agent)).and_then(|numbers| numbers.get(occurrence)) else {
            return Err(LanguageError::Replay(format!(
                "the transcript has no language call for {place}: the run that is replayed did not make it; replay with the same scenario and version"
            )));
        };
        let call = &self.calls[number];
        if let Some(unit) = call.spent {
            return Err(LanguageError::BudgetSpent { model: Arc::clone(&call.model), unit });
        }
        let source = &self.calls[call.same_as];
        let Some((recorded, answer, tokens)) = &source.fresh else {
            return Err(LanguageError::Replay(format!("the transcript has no answer for {place}")));
        };
        if &*call.model != model {
            return Err(LanguageError::Replay(format!(
                "{place} asks model {model:?}, but in the transcript it asked {:?}",
                call.model
            )));
        }
        if let Some(difference) = difference(recorded, request) {
            return Err(LanguageError::Replay(format!(
                "{place} asks something else than in the transcript: {difference}"
            )));
        }
        let remembered = call.fresh.is_none();
        let tokens =
            if remembered { TokenCount { prompt: tokens.prompt, reused: tokens.prompt, answer: 0 } } else { *tokens };
        Ok((Reply { answer: answer.clone(), tokens, remembered }, call.same_as as u64))
    }
}

/// JSON readers may be one unit in the last place off; the numbers' own text is exact.
fn restore_exact_numbers(text: &str, answer: &mut Answer) -> Result<(), String> {
    match answer {
        Answer::Scored(Scored { scores }) => *scores = exact_numbers(text, "\"scores\":[")?,
        Answer::Vector(vector) => *vector = exact_numbers::<f32>(text, "\"Vector\":[")?.into(),
        Answer::Text(_) => {}
    }
    Ok(())
}

/// The numbers of the list that follows `key`. Quotation marks inside strings are escaped, so that the key is found
/// only where it is a key.
fn exact_numbers<Number: std::str::FromStr>(text: &str, key: &str) -> Result<Vec<Number>, String> {
    let start = text.find(key).ok_or("is malformed: a list of numbers must follow its key without spaces")? + key.len();
    let end = start + text[start..].find(']').ok_or("is malformed: an unclosed list")?;
    let digits = text[start..end].split(',').map(str::trim).filter(|digits| !digits.is_empty());
    digits.map(|digits| digits.parse().map_err(|_| format!("is malformed: {digits:?} is no number"))).collect()
}

/// The first difference between what was recorded and what is asked, told with a bit of what stands around it.
fn difference(recorded: &Request, asked: &Request) -> Option<String> {
    if recorded == asked {
        return None;
    }
    let parts = [
        ("system", &recorded.prompt.system, &asked.prompt.system),
        ("prefix", &recorded.prompt.prefix, &asked.prompt.prefix),
        ("suffix", &recorded.prompt.suffix, &asked.prompt.suffix),
    ];
    for (part, was, is) in parts {
        if was == is {
            continue;
        }
        let place = was.chars().zip(is.chars()).take_while(|(was, is)| was == is).count();
        return Some(format!(
            "the prompt's {part} differs from character {place}: recorded …{:?}…, now …{:?}…",
            around(was, place),
            around(is, place)
        ));
    }
    Some(format!("the ask differs: recorded {:?}, now {:?}", recorded.ask, asked.ask))
}

/// Up to 20 characters before `place` and 20 from it on.
fn around(text: &str, place: usize) -> String {
    text.chars().skip(place.saturating_sub(20)).take(20.min(place) + 20).collect()
}
