//! The hub: the one boundary between a simulation and its language models. It answers equal requests once, writes
//! every call down, and can be answered by the record of an earlier run instead of by models.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::memory::{Memory, RequestKey};
use super::shared_model::most_kept;
use super::transcript::{Line, Record, RecordError};
use crate::base::{
    AgentId, Answer, Ask, BudgetUnit, LanguageError, LanguageModel, LanguageService, LanguageUsage, Reply, Request,
    Tick, TokenCount, check_form,
};
use crate::scenario::{Budget, LanguageSettings, Remember};

/// That a model's budget was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// When the model was asked for more than it may take.
    pub tick: Tick,
    /// Of what.
    pub unit: BudgetUnit,
    /// Requests that were answered evenly since, where their groups go on.
    pub evenly: u64,
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

/// Seconds since any fixed moment.
type Clock = Box<dyn Fn() -> f64 + Send + Sync>;

/// The language models of a run behind [`LanguageService`].
pub struct LanguageHub {
    names: Vec<Arc<str>>,
    settings: Vec<LanguageSettings>,
    source: Source,
    clock: Option<Clock>,
    state: Mutex<State>,
}

enum Source {
    Models(Vec<Box<dyn LanguageModel>>),
    Record(Record),
    /// The record for as long as it matches, then the models.
    RecordThenModels(Record, Vec<Box<dyn LanguageModel>>),
}

/// Requests that are asked at once where a budget of tokens or seconds is looked at in between.
const SLICE: usize = 64;

#[derive(Default)]
struct State {
    /// What each model has answered.
    memories: Vec<Memory<Remembered>>,
    /// Calls so far of each agent at the current tick; only a replay needs them.
    occurrences: BTreeMap<AgentId, usize>,
    tick: Option<Tick>,
    /// The fresh calls whose answers were given at the current tick.
    given: BTreeSet<u64>,
    transcript: Option<Box<dyn Write + Send>>,
    /// Lines of the transcript so far.
    lines: u64,
    usage: Vec<LanguageUsage>,
    taken: Vec<Taken>,
    spent: Vec<Option<Spent>>,
    sources: CallSources,
}

#[derive(Clone)]
struct Remembered {
    call: u64,
    answer: Answer,
    prompt_tokens: u32,
}

/// What a model was asked for, counted when it has answered.
#[derive(Clone, Copy, Default)]
struct Taken {
    calls: u64,
    tokens: u64,
    seconds: f64,
}

/// The answers to the first requests of a batch, each with the fresh call that it is from; and which unit was used up
/// where there are fewer answers than requests.
struct Answered {
    replies: Vec<(Reply, u64)>,
    refused: Option<BudgetUnit>,
}

impl LanguageHub {
    /// A hub over named models, in the order in which the simulation numbers them; calls are written to `transcript`.
    /// Answers are remembered as long as the hub lives, and there is no budget: see [`LanguageHub::with_settings`].
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
    /// models after the first that is not. What the record answered until then is remembered, and counts towards budgets.
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
        let count = names.len();
        let state = State {
            memories: (0..count).map(|_| Memory::default()).collect(),
            transcript,
            usage: vec![LanguageUsage::default(); count],
            taken: vec![Taken::default(); count],
            spent: vec![None; count],
            ..State::default()
        };
        let settings = vec![LanguageSettings { remember: Remember::Run, ..LanguageSettings::default() }; count];
        Self { names, settings, source, clock: None, state: Mutex::new(state) }
    }

    /// With the settings that the scenario's sections give the models, by the order of their numbers.
    ///
    /// # Panics
    /// When there are not as many as models.
    #[must_use]
    pub fn with_settings(mut self, settings: Vec<LanguageSettings>) -> Self {
        assert_eq!(settings.len(), self.names.len(), "one section a model");
        self.settings = settings;
        self
    }

    /// With a clock that the models' work is timed by, in seconds; without one it takes none, and a budget of seconds
    /// is never spent.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(clock));
        self
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

    /// What went through so far, by model.
    #[must_use]
    pub fn usage_by_model(&self) -> Vec<(String, LanguageUsage)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.names.iter().map(ToString::to_string).zip(state.usage.iter().copied()).collect()
    }

    /// Which models' budgets were spent.
    #[must_use]
    pub fn spent(&self) -> Vec<(String, Spent)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let names = self.names.iter().map(ToString::to_string);
        names.zip(&state.spent).filter_map(|(name, spent)| Some((name, (*spent)?))).collect()
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

    /// Answers from the models: each request that is new to its model once, all new ones as one batch, or in slices
    /// where a budget is to be looked at in between. The first request is line `first_call` of the transcript.
    fn answer_from_models(
        &self,
        state: &mut State,
        model: &dyn LanguageModel,
        number: usize,
        first_call: u64,
        requests: &[Request],
    ) -> Result<Answered, LanguageError> {
        let keys: Vec<RequestKey> = requests.iter().map(request_digest).collect();
        let mut new = BTreeSet::new();
        let is_fresh = |&place: &usize| !state.memories[number].contains(&keys[place]) && new.insert(keys[place]);
        let places: Vec<usize> = (0..requests.len()).filter(is_fresh).collect();
        let mut tokens = BTreeMap::new();
        let mut refused = None;
        let mut rest = &places[..];
        while let Some(&next) = rest.first() {
            let room = match state.taken[number].room(&self.settings[number].budget) {
                Ok(room) => room.min(rest.len()),
                Err(unit) => {
                    refused = Some((next, unit));
                    break;
                }
            };
            let (slice, later) = rest.split_at(room);
            rest = later;
            let batch: Vec<Request> = slice.iter().map(|place| requests[*place].clone()).collect();
            let started = self.clock.as_ref().map_or(0.0, |clock| clock());
            let replies = model.answer(&batch)?;
            state.taken[number].seconds += self.clock.as_ref().map_or(0.0, |clock| clock()) - started;
            if replies.len() != batch.len() {
                return Err(LanguageError::Backend(format!(
                    "a language model gave {} replies to {} requests",
                    replies.len(),
                    batch.len()
                )));
            }
            for (place, reply) in slice.iter().zip(replies) {
                state.taken[number].count(reply.tokens);
                let call = first_call + *place as u64;
                let remembered = Remembered { call, answer: reply.answer, prompt_tokens: reply.tokens.prompt };
                state.memories[number].keep(keys[*place], remembered);
                tokens.insert(*place, reply.tokens);
            }
        }
        let until = refused.map_or(requests.len(), |(place, _)| place);
        let replies = (0..until).map(|place| state.recall(number, &keys[place], tokens.get(&place))).collect();
        Ok(Answered { replies, refused: refused.map(|(_, unit)| unit) })
    }

    /// Answers from the record of an earlier run, which also says where a budget was spent.
    fn answer_from_record(
        state: &mut State,
        record: &Record,
        name: &str,
        agents: &[AgentId],
        requests: &[Request],
    ) -> Result<Answered, LanguageError> {
        let tick = state.tick.unwrap_or_default();
        let mut answered = Answered { replies: Vec::with_capacity(requests.len()), refused: None };
        for (agent, request) in agents.iter().zip(requests) {
            let occurrence = state.occurrences.entry(*agent).or_default();
            let place = (tick, *agent, *occurrence);
            *occurrence += 1;
            match record.reply(place, name, request) {
                Ok(reply) => answered.replies.push(reply),
                Err(LanguageError::BudgetSpent { unit, .. }) => {
                    answered.refused = Some(unit);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answered)
    }

    /// Answers from the record up to the first request that is not the record's, and the rest from the model.
    fn answer_from_either(
        &self,
        state: &mut State,
        (record, model): (&Record, &dyn LanguageModel),
        number: usize,
        agents: &[AgentId],
        requests: &[Request],
    ) -> Result<Answered, LanguageError> {
        let mut answered = Answered { replies: Vec::with_capacity(requests.len()), refused: None };
        if state.sources.departure.is_none() {
            let one = |state: &mut State, place: usize| {
                let (agents, requests) = (&agents[place..=place], &requests[place..=place]);
                Self::answer_from_record(state, record, &self.names[number], agents, requests)
            };
            for (place, request) in requests.iter().enumerate() {
                match one(state, place) {
                    Ok(Answered { refused: Some(unit), .. }) => {
                        answered.refused = Some(unit);
                        return Ok(answered);
                    }
                    Ok(Answered { replies, .. }) => {
                        for (reply, call) in replies {
                            if !reply.remembered {
                                // The call's number here is its number in the record: all calls so far were its.
                                let (answer, prompt_tokens) = (reply.answer.clone(), reply.tokens.prompt);
                                state.taken[number].count(reply.tokens);
                                let known = Remembered { call, answer, prompt_tokens };
                                state.memories[number].keep(request_digest(request), known);
                            }
                            state.sources.from_record += 1;
                            answered.replies.push((reply, call));
                        }
                    }
                    Err(LanguageError::Replay(how)) => {
                        state.sources.departure = Some(how);
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        let left = &requests[answered.replies.len()..];
        if !left.is_empty() {
            let first_call = state.lines + answered.replies.len() as u64;
            let live = self.answer_from_models(state, model, number, first_call, left)?;
            let remembered = live.replies.iter().filter(|(reply, _)| reply.remembered).count() as u64;
            state.sources.remembered += remembered;
            state.sources.from_models += live.replies.len() as u64 - remembered;
            answered.replies.extend(live.replies);
            answered.refused = live.refused;
        }
        Ok(answered)
    }

    /// A new tick begins: what serves for a tick only is forgotten, and what exceeds a bound.
    fn begin(&self, state: &mut State, tick: Tick) {
        if state.tick == Some(tick) {
            return;
        }
        state.tick = Some(tick);
        state.occurrences.clear();
        state.given.clear();
        for (memory, settings) in state.memories.iter_mut().zip(&self.settings) {
            memory.shrink(most_kept(settings));
        }
    }
}

impl Taken {
    /// How many more requests the model may be asked before the budget is looked at again.
    fn room(&self, budget: &Budget) -> Result<usize, BudgetUnit> {
        let calls = budget.calls.map_or(u64::MAX, |most| most.saturating_sub(self.calls));
        if calls == 0 {
            return Err(BudgetUnit::Calls);
        }
        if budget.tokens.is_some_and(|most| self.tokens >= most) {
            return Err(BudgetUnit::Tokens);
        }
        if budget.seconds.is_some_and(|most| self.seconds >= most) {
            return Err(BudgetUnit::Seconds);
        }
        let slice = if budget.tokens.is_some() || budget.seconds.is_some() { SLICE } else { usize::MAX };
        Ok(usize::try_from(calls).unwrap_or(usize::MAX).min(slice))
    }

    fn count(&mut self, tokens: TokenCount) {
        self.calls += 1;
        self.tokens += u64::from(tokens.prompt) + u64::from(tokens.answer);
    }
}

impl State {
    /// The reply from memory: a fresh one when its own tokens are given.
    fn recall(&mut self, model: usize, key: &RequestKey, fresh: Option<&TokenCount>) -> (Reply, u64) {
        let known = self.memories[model].recall(key).expect("kept until the tick is over");
        let again = TokenCount { prompt: known.prompt_tokens, reused: known.prompt_tokens, answer: 0 };
        let tokens = fresh.copied().unwrap_or(again);
        (Reply { answer: known.answer.clone(), tokens, remembered: fresh.is_none() }, known.call)
    }

    fn write(&mut self, line: &Line) -> Result<(), LanguageError> {
        // The text is made even where nobody keeps it, so that an answer that cannot be written never goes unseen.
        let text = line.text()?;
        self.lines += 1;
        match &mut self.transcript {
            Some(transcript) => transcript.write_all(text.as_bytes()).map_err(|error| unwritten(&error)),
            None => Ok(()),
        }
    }

    /// Counts a reply that is from the fresh call `source`.
    fn count(&mut self, model: usize, reply: &Reply, source: u64) {
        let usage = &mut self.usage[model];
        usage.calls += 1;
        let given_before = !self.given.insert(source);
        if !reply.remembered {
            usage.prompt_tokens += u64::from(reply.tokens.prompt);
            usage.reused_tokens += u64::from(reply.tokens.reused);
            usage.answer_tokens += u64::from(reply.tokens.answer);
        } else if given_before {
            usage.deduplicated += 1;
        } else {
            usage.remembered += 1;
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
        let number = usize::from(model);
        let Some(name) = self.names.get(number) else {
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
        let state = &mut *state;
        self.begin(state, tick);
        let refusal = |unit| LanguageError::BudgetSpent { model: name.clone(), unit };
        if let Some(spent) = state.spent[number] {
            return Err(refusal(spent.unit));
        }
        let answered = match &self.source {
            Source::Models(models) => {
                let first_call = state.lines;
                self.answer_from_models(state, &*models[number], number, first_call, requests)?
            }
            Source::Record(record) => Self::answer_from_record(state, record, name, agents, requests)?,
            Source::RecordThenModels(record, models) => {
                self.answer_from_either(state, (record, &*models[number]), number, agents, requests)?
            }
        };
        let line = |call, agent| Line {
            call,
            tick,
            agent,
            model: name.clone(),
            request: None,
            answer: None,
            tokens: None,
            same_as: None,
            spent: None,
        };
        let mut replies = Vec::with_capacity(answered.replies.len());
        for ((reply, source), (agent, request)) in answered.replies.into_iter().zip(agents.iter().zip(requests)) {
            let line = line(state.lines, *agent);
            let line = if reply.remembered {
                Line { same_as: Some(source), ..line }
            } else {
                let (answer, tokens) = (Some(reply.answer.clone()), Some(reply.tokens));
                Line { request: Some(request.clone()), answer, tokens, ..line }
            };
            state.write(&line)?;
            state.count(number, &reply, source);
            replies.push(reply);
        }
        if let Some(unit) = answered.refused {
            state.write(&Line { spent: Some(unit), ..line(state.lines, agents[replies.len()]) })?;
            state.spent[number] = Some(Spent { tick, unit, evenly: 0 });
            return Err(refusal(unit));
        }
        Ok(replies)
    }

    fn usage(&self) -> LanguageUsage {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = LanguageUsage::default();
        state.usage.iter().for_each(|usage| sum.add(usage));
        sum
    }

    fn answered_evenly(&self, model: u16, requests: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(spent)) = state.spent.get_mut(usize::from(model)) {
            spent.evenly += requests;
        }
    }
}

/// What no model could answer, and no record could hold.
fn check(request: &Request) -> Result<(), LanguageError> {
    match &request.ask {
        Ask::Choose(choices) if choices.options.is_empty() => Err(LanguageError::NoOptions),
        Ask::Write { temperature, .. } | Ask::Fill { temperature, .. }
            if !temperature.is_finite() || *temperature < 0.0 =>
        {
            Err(LanguageError::Backend(format!(
                "temperature {temperature} is no sampling temperature: give a number ≥ 0"
            )))
        }
        Ask::Fill { fields, .. } => check_form(fields).map_err(|error| LanguageError::Backend(error.to_string())),
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
        Ask::Fill { fields, temperature, draw } => {
            hasher.update((u64::MAX - 3).to_le_bytes());
            // JSON tells fields apart, whatever their names hold.
            hasher.update(serde_json::to_string(fields).expect("plain data"));
            hasher.update((temperature + 0.0).to_bits().to_le_bytes());
            hasher.update(draw.to_le_bytes());
        }
    }
    hasher.finalize().into()
}
