//! The hub: the one boundary between a simulation and its language models. It answers equal requests once, writes
//! every call down, and can be answered by the record of an earlier run instead of by models.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::transcript::{Line, Record, RecordError};
use crate::base::{
    AgentId, Answer, Ask, LanguageError, LanguageModel, LanguageService, Reply, Request, Tick, TokenCount,
};

/// What went through a hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubUsage {
    /// All calls.
    pub calls: u64,
    /// Of these, calls whose answer was remembered.
    pub remembered: u64,
    /// Tokens of the prompts of fresh calls.
    pub prompt_tokens: u64,
    /// Of these, tokens whose work was shared.
    pub reused_tokens: u64,
    /// Tokens written or scored by fresh calls.
    pub answer_tokens: u64,
}

/// Where a hub that was given a record and models had its answers from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallSources {
    /// Calls answered by the record.
    pub from_record: u64,
    /// Calls answered by a model, after the record had ended to match.
    pub from_models: u64,
    /// Calls after that whose answer was remembered from either.
    pub remembered: u64,
    /// The call at which the record ended to match, and how.
    pub departure: Option<String>,
}

/// The language models of a run behind [`LanguageService`].
pub struct LanguageHub {
    names: Vec<Arc<str>>,
    source: Source,
    state: Mutex<State>,
}

enum Source {
    Models(Vec<Box<dyn LanguageModel>>),
    Record(Record),
    /// The record for as long as it matches, then the models.
    RecordThenModels(Record, Vec<Box<dyn LanguageModel>>),
}

#[derive(Default)]
struct State {
    memory: BTreeMap<(u16, [u8; 32]), Remembered>,
    /// Calls so far of each agent at the current tick; only a replay needs them.
    occurrences: BTreeMap<AgentId, usize>,
    tick: Option<Tick>,
    transcript: Option<Box<dyn Write + Send>>,
    usage: HubUsage,
    sources: CallSources,
}

#[derive(Clone)]
struct Remembered {
    call: u64,
    answer: Answer,
    prompt_tokens: u32,
}

impl LanguageHub {
    /// A hub over named models, in the order in which the simulation numbers them; calls are written to `transcript`.
    #[must_use]
    pub fn new(models: Vec<(String, Box<dyn LanguageModel>)>, transcript: Option<Box<dyn Write + Send>>) -> Self {
        let (names, models): (Vec<_>, Vec<_>) = models.into_iter().map(|(name, model)| (name.into(), model)).unzip();
        Self::with_source(names, Source::Models(models), transcript)
    }

    /// A hub without models that answers from the text of an earlier run's transcript. `names` are the models' names
    /// in the order in which the simulation numbers them.
    ///
    /// # Errors
    /// When a line of the transcript is not one that a run wrote.
    pub fn replay(
        transcript_text: &str,
        names: Vec<String>,
        transcript: Option<Box<dyn Write + Send>>,
    ) -> Result<Self, RecordError> {
        let record = Record::parse(transcript_text)?;
        Ok(Self::with_source(names.into_iter().map(Into::into).collect(), Source::Record(record), transcript))
    }

    /// A hub that answers from an earlier run's transcript for as long as the calls are those of that run, and from the
    /// models after the first that is not. What the record answered until then is remembered.
    ///
    /// # Errors
    /// When a line of the transcript is not one that a run wrote.
    pub fn replay_then(
        transcript_text: &str,
        models: Vec<(String, Box<dyn LanguageModel>)>,
        transcript: Option<Box<dyn Write + Send>>,
    ) -> Result<Self, RecordError> {
        let record = Record::parse(transcript_text)?;
        let (names, models): (Vec<_>, Vec<_>) = models.into_iter().map(|(name, model)| (name.into(), model)).unzip();
        Ok(Self::with_source(names, Source::RecordThenModels(record, models), transcript))
    }

    fn with_source(names: Vec<Arc<str>>, source: Source, transcript: Option<Box<dyn Write + Send>>) -> Self {
        Self { names, source, state: Mutex::new(State { transcript, ..State::default() }) }
    }

    /// Flushes the transcript.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&self) -> Result<(), LanguageError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut state.transcript {
            Some(transcript) => transcript.flush().map_err(|error| unwritten(&error)),
            None => Ok(()),
        }
    }

    /// What went through so far.
    #[must_use]
    pub fn usage(&self) -> HubUsage {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).usage
    }

    /// Where the answers came from so far; counted only where there is a record and models too.
    #[must_use]
    pub fn sources(&self) -> CallSources {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).sources.clone()
    }

    /// For every model its name and what computes its answers.
    #[must_use]
    pub fn identity(&self) -> Vec<(String, Vec<(String, String)>)> {
        let of = |place: usize| match &self.source {
            Source::Models(models) | Source::RecordThenModels(_, models) => models[place].identity(),
            Source::Record(_) => vec![("backend".to_owned(), "replay".to_owned())],
        };
        self.names.iter().enumerate().map(|(place, name)| (name.to_string(), of(place))).collect()
    }

    /// Answers from the models: each request that is new to its model once, all new ones as one batch. The first of
    /// them is call `first_call`.
    fn answer_from_models(
        state: &mut State,
        model: &dyn LanguageModel,
        number: u16,
        first_call: u64,
        requests: &[Request],
    ) -> Result<Vec<(Reply, u64)>, LanguageError> {
        let keys: Vec<(u16, [u8; 32])> = requests.iter().map(|request| (number, request_digest(request))).collect();
        let mut fresh: BTreeMap<(u16, [u8; 32]), usize> = BTreeMap::new();
        let mut places = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            if !state.memory.contains_key(key) && !fresh.contains_key(key) {
                fresh.insert(*key, place);
                places.push(place);
            }
        }
        if !places.is_empty() {
            let batch: Vec<Request> = places.iter().map(|place| requests[*place].clone()).collect();
            let replies = model.answer(&batch)?;
            if replies.len() != batch.len() {
                return Err(LanguageError::Backend(format!(
                    "a language model gave {} replies to {} requests",
                    replies.len(),
                    batch.len()
                )));
            }
            let mut tokens = BTreeMap::new();
            for (place, reply) in places.iter().zip(replies) {
                let remembered = Remembered {
                    call: first_call + *place as u64,
                    answer: reply.answer,
                    prompt_tokens: reply.tokens.prompt,
                };
                state.memory.insert(keys[*place], remembered);
                tokens.insert(*place, reply.tokens);
            }
            return Ok((0..requests.len()).map(|place| state.recall(&keys[place], tokens.get(&place))).collect());
        }
        Ok(keys.iter().map(|key| state.recall(key, None)).collect())
    }
}

impl State {
    /// The record's reply to the next call of `agent` at `tick`.
    fn look_up(
        &mut self,
        record: &Record,
        tick: Tick,
        agent: AgentId,
        model: &str,
        request: &Request,
    ) -> Result<(Reply, u64), LanguageError> {
        let occurrence = self.occurrences.entry(agent).or_default();
        let found = record.reply((tick, agent, *occurrence), model, request)?;
        *occurrence += 1;
        Ok(found)
    }

    /// The record's replies up to the first request that is not the record's; none once there was one.
    fn answer_while_recorded(
        &mut self,
        record: &Record,
        (tick, number, name): (Tick, u16, &str),
        agents: &[AgentId],
        requests: &[Request],
    ) -> Result<Vec<(Reply, u64)>, LanguageError> {
        let mut answered = Vec::new();
        if self.sources.departure.is_some() {
            return Ok(answered);
        }
        for (agent, request) in agents.iter().zip(requests) {
            let (reply, same_as) = match self.look_up(record, tick, *agent, name, request) {
                Ok(found) => found,
                Err(LanguageError::Replay(how)) => {
                    self.sources.departure = Some(how);
                    break;
                }
                Err(error) => return Err(error),
            };
            if !reply.remembered {
                // The call's number here is its number in the record: all calls so far were the record's.
                let known =
                    Remembered { call: same_as, answer: reply.answer.clone(), prompt_tokens: reply.tokens.prompt };
                self.memory.insert((number, request_digest(request)), known);
            }
            self.sources.from_record += 1;
            answered.push((reply, same_as));
        }
        Ok(answered)
    }

    /// The reply from memory: a fresh one when its own tokens are given.
    fn recall(&self, key: &(u16, [u8; 32]), fresh: Option<&TokenCount>) -> (Reply, u64) {
        let known = &self.memory[key];
        let again = TokenCount { prompt: known.prompt_tokens, reused: known.prompt_tokens, answer: 0 };
        let tokens = fresh.copied().unwrap_or(again);
        (Reply { answer: known.answer.clone(), tokens, remembered: fresh.is_none() }, known.call)
    }

    fn write(&mut self, line: &Line) -> Result<(), LanguageError> {
        // The text is made even where nobody keeps it, so that an answer that cannot be written never goes unseen.
        let text = line.text()?;
        match &mut self.transcript {
            Some(transcript) => transcript.write_all(text.as_bytes()).map_err(|error| unwritten(&error)),
            None => Ok(()),
        }
    }
}

impl LanguageService for LanguageHub {
    fn answer(
        &self,
        tick: Tick,
        model: u16,
        agents: &[AgentId],
        requests: &[Request],
    ) -> Result<Vec<Reply>, LanguageError> {
        let Some(name) = self.names.get(usize::from(model)) else {
            return Err(LanguageError::Backend(format!(
                "language model {model} was asked, but the run has {}",
                self.names.len()
            )));
        };
        if agents.len() != requests.len() {
            return Err(LanguageError::Backend(format!(
                "{} agents made {} requests; there must be one agent a request",
                agents.len(),
                requests.len()
            )));
        }
        for request in requests {
            check(request)?;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.tick != Some(tick) {
            state.tick = Some(tick);
            state.occurrences.clear();
        }
        let answered = match &self.source {
            Source::Models(models) => {
                let first_call = state.usage.calls;
                Self::answer_from_models(&mut state, &*models[usize::from(model)], model, first_call, requests)?
            }
            Source::Record(record) => {
                let mut answered = Vec::with_capacity(requests.len());
                for (agent, request) in agents.iter().zip(requests) {
                    answered.push(state.look_up(record, tick, *agent, name, request)?);
                }
                answered
            }
            Source::RecordThenModels(record, models) => {
                let mut answered = state.answer_while_recorded(record, (tick, model, name), agents, requests)?;
                let left = &requests[answered.len()..];
                if !left.is_empty() {
                    let first_call = state.usage.calls + answered.len() as u64;
                    let live = &*models[usize::from(model)];
                    let live = Self::answer_from_models(&mut state, live, model, first_call, left)?;
                    let remembered = live.iter().filter(|(reply, _)| reply.remembered).count() as u64;
                    state.sources.remembered += remembered;
                    state.sources.from_models += live.len() as u64 - remembered;
                    answered.extend(live);
                }
                answered
            }
        };
        let mut replies = Vec::with_capacity(answered.len());
        for ((reply, same_as), (agent, request)) in answered.into_iter().zip(agents.iter().zip(requests)) {
            let fresh = !reply.remembered;
            let line = Line {
                call: state.usage.calls,
                tick,
                agent: *agent,
                model: name.clone(),
                request: fresh.then(|| request.clone()),
                answer: fresh.then(|| reply.answer.clone()),
                tokens: fresh.then_some(reply.tokens),
                same_as: reply.remembered.then_some(same_as),
            };
            state.write(&line)?;
            state.usage.count(&reply);
            replies.push(reply);
        }
        Ok(replies)
    }
}

impl HubUsage {
    fn count(&mut self, reply: &Reply) {
        self.calls += 1;
        if reply.remembered {
            self.remembered += 1;
            return;
        }
        self.prompt_tokens += u64::from(reply.tokens.prompt);
        self.reused_tokens += u64::from(reply.tokens.reused);
        self.answer_tokens += u64::from(reply.tokens.answer);
    }
}

/// What no model could answer, and no record could hold.
fn check(request: &Request) -> Result<(), LanguageError> {
    match &request.ask {
        Ask::Choose(choices) if choices.options.is_empty() => Err(LanguageError::NoOptions),
        Ask::Write { temperature, .. } if !temperature.is_finite() || *temperature < 0.0 => Err(
            LanguageError::Backend(format!("temperature {temperature} is no sampling temperature: give a number ≥ 0")),
        ),
        _ => Ok(()),
    }
}

fn unwritten(error: &std::io::Error) -> LanguageError {
    LanguageError::Backend(format!(
        "the transcript of language calls cannot be written: {error}; free some space or choose another folder"
    ))
}

/// SHA-256 over all of a request, every text with its length before it.
pub(super) fn request_digest(request: &Request) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut text = |text: &str| {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    text(&request.prompt.system);
    text(&request.prompt.prefix);
    text(&request.prompt.suffix);
    match &request.ask {
        Ask::Choose(choices) => {
            choices.options.iter().for_each(|option| text(option));
            if let Some(suffix) = &choices.content_free {
                // Nor can an option have this length.
                hasher.update((u64::MAX - 1).to_le_bytes());
                hasher.update(suffix.as_bytes());
            }
        }
        Ask::Write { tokens_max, temperature, draw } => {
            // No option can have this length, so that no choice has the digest of a request to write.
            hasher.update(u64::MAX.to_le_bytes());
            hasher.update(tokens_max.to_le_bytes());
            hasher.update((temperature + 0.0).to_bits().to_le_bytes());
            hasher.update(draw.to_le_bytes());
        }
        // Nor this one.
        Ask::Embed => hasher.update((u64::MAX - 2).to_le_bytes()),
    }
    hasher.finalize().into()
}
