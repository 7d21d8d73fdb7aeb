//! The model: a batch of requests as calls, some at a time, and their answers in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::RngExt;
use serde_json::Value;

use super::call::{CallError, Caller};
use super::choice::menu;
use super::secret::Secret;
use super::settings::{OpenAiSettings, Scoring};
use super::wire;
use crate::base::{
    Answer, Ask, Chance, Choices, Field, FieldKind, LanguageError, LanguageModel, Prompt, Purpose, Reply, Request,
    Scored, TokenCount, form_schema, read_form,
};
use crate::llm::backends::LoadContext;
use crate::llm::service::request_digest;

const SEED: Purpose = Purpose::named("openai seed");
/// The score of an option that was not chosen where a server tells no degrees: next to impossible.
const NOT_CHOSEN: f64 = -30.0;

/// A model behind a URL.
pub(super) struct OpenAiModel {
    settings: OpenAiSettings,
    caller: Caller,
    chance: Chance,
    /// Set once a choice had to be made by schema because the server tells no log-probabilities.
    untold: AtomicBool,
    /// Content-free scores, by digest of their request; none where they were not told.
    known: Mutex<BTreeMap<[u8; 32], Option<Vec<f64>>>>,
    /// What the server calls the model that answers.
    served: Mutex<BTreeSet<String>>,
}

/// One request's answer.
struct Answered {
    answer: Answer,
    tokens: TokenCount,
    /// Whether it is a choice by log-probabilities, which alone can be calibrated.
    told: bool,
}

impl OpenAiModel {
    /// A model that nobody has asked yet.
    pub fn new(section: &str, settings: OpenAiSettings, key: Secret, context: &LoadContext) -> Self {
        Self {
            caller: Caller::new(section, &settings, key, context.seed, Arc::clone(&context.stop)),
            settings,
            chance: Chance::new(context.seed),
            untold: AtomicBool::new(false),
            known: Mutex::default(),
            served: Mutex::default(),
        }
    }

    /// Answers all requests, some at a time. The error is that of the first request that failed.
    fn answer_all(&self, requests: &[Request]) -> Result<Vec<Answered>, LanguageError> {
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let answers: Vec<Mutex<Option<Result<Answered, LanguageError>>>> =
            requests.iter().map(|_| Mutex::new(None)).collect();
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(place) else { return };
                let answer = self.answer_one(request);
                failed.fetch_or(answer.is_err(), Ordering::Relaxed);
                *answers[place].lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            }
        };
        self.caller.watched(|| {
            std::thread::scope(|scope| {
                for _ in 1..requests.len().min(self.settings.concurrency as usize) {
                    scope.spawn(work);
                }
                work();
            });
        });
        let mut found = Vec::with_capacity(requests.len());
        for answer in answers {
            match answer.into_inner().unwrap_or_else(PoisonError::into_inner) {
                Some(answer) => found.push(answer?),
                // Places are taken in order, so that one which nobody took stands behind the one that failed.
                None => return Err(LanguageError::Backend("a call was given up, though none had failed".into())),
            }
        }
        Ok(found)
    }

    fn answer_one(&self, request: &Request) -> Result<Answered, LanguageError> {
        let prompt = &request.prompt;
        let sent = prompt.system.chars().count() + prompt.prefix.chars().count() + prompt.suffix.chars().count();
        let number = number_of(request);
        match &request.ask {
            Ask::Choose(choices) => self.choose(prompt, &choices.options, number, sent),
            Ask::Write { tokens_max, temperature, .. } => {
                let limits = (*tokens_max, shortest_f64(*temperature), self.seed(number, 0));
                let body = wire::chat(&self.settings, prompt, "", limits);
                let read = |answer: &Value| {
                    let text = wire::text(answer)?.trim();
                    Ok((Arc::from(text), self.count(answer, sent, text.chars().count())))
                };
                let (text, tokens) = self.caller.call(wire::CHAT, number, |_| body.clone(), read)?;
                Ok(Answered { answer: Answer::Text(text), tokens, told: false })
            }
            Ask::Fill { fields, temperature, .. } => {
                let instruction = wire::form_instruction(fields);
                let limits = |attempt| (form_tokens(fields), shortest_f64(*temperature), self.seed(number, attempt));
                let body = |attempt| {
                    let chat = wire::chat(&self.settings, prompt, &instruction, limits(attempt));
                    wire::with_schema(chat, "form", form_schema(fields))
                };
                let read = |answer: &Value| {
                    let text = wire::text(answer)?.trim();
                    read_form(fields, text).map_err(|error| error.0)?;
                    let sent = sent + instruction.chars().count();
                    Ok((Arc::from(text), self.count(answer, sent, text.chars().count())))
                };
                let (text, tokens) = self.caller.call(wire::CHAT, number, body, read)?;
                Ok(Answered { answer: Answer::Text(text), tokens, told: false })
            }
            Ask::Embed => {
                let body = wire::embedding(&self.settings, prompt);
                let read = |answer: &Value| Ok((wire::vector(answer)?, self.count(answer, sent, 0)));
                let (vector, tokens) = self.caller.call(wire::EMBEDDINGS, number, |_| body.clone(), read)?;
                Ok(Answered { answer: Answer::Vector(vector), tokens, told: false })
            }
        }
    }

    fn choose(
        &self,
        prompt: &Prompt,
        options: &[Arc<str>],
        number: u64,
        sent: usize,
    ) -> Result<Answered, LanguageError> {
        let scored = |scores, tokens, told| Answered { answer: Answer::Scored(Scored { scores }), tokens, told };
        match options.len() {
            0 => return Err(LanguageError::NoOptions),
            // There is nothing to ask.
            1 => return Ok(scored(vec![0.0], TokenCount::default(), false)),
            _ => {}
        }
        let auto = self.settings.scoring == Scoring::Auto;
        let by_score = match self.settings.scoring {
            Scoring::JsonSchema => false,
            Scoring::Logprobs => true,
            Scoring::Auto => !self.untold.load(Ordering::Relaxed),
        };
        let mut tells = true;
        match menu(options).filter(|_| by_score) {
            Some(menu) => {
                let limits = (1, 0.0, self.seed(number, 0));
                let body = wire::chat(&self.settings, prompt, &menu.instruction, limits);
                let body = wire::with_likeliest(body, self.settings.top_logprobs);
                // Inner: whether log-probabilities were told, and whether they say anything of the options.
                let read = |answer: &Value| {
                    let Some(likeliest) = wire::likeliest(answer) else {
                        if auto {
                            return Ok(None);
                        }
                        return Err("does not tell log-probabilities (`scoring` can be \"json_schema\")".to_owned());
                    };
                    let scores = menu.scores(&likeliest);
                    if scores.is_none() && !auto {
                        return Err(format!(
                            "begins its answer with none of the {} options in any of the {} likeliest tokens",
                            options.len(),
                            likeliest.len()
                        ));
                    }
                    Ok(Some((scores, self.count(answer, sent + menu.instruction.chars().count(), 1))))
                };
                match self.caller.call(wire::CHAT, number, |_| body.clone(), read) {
                    Ok(Some((Some(scores), tokens))) => return Ok(scored(scores, tokens, true)),
                    Ok(Some((None, _))) => {}
                    Ok(None) => tells = false,
                    // Servers that know no log-probabilities refuse the wish for them in many ways.
                    Err(CallError::Refused(400 | 404 | 405 | 415 | 422 | 501, _)) if auto => tells = false,
                    Err(error) => return Err(error.into()),
                }
            }
            None if by_score && !auto => {
                return Err(LanguageError::Backend(format!(
                    "{} options that begin alike cannot be told apart by one token; set `scoring` to \"auto\" or \"json_schema\"",
                    options.len()
                )));
            }
            None => {}
        }
        let (place, tokens) = self.choose_by_schema(prompt, options, number, sent)?;
        if !tells {
            self.untold.store(true, Ordering::Relaxed);
        }
        let scores = (0..options.len()).map(|option| if option == place { 0.0 } else { NOT_CHOSEN }).collect();
        Ok(scored(scores, tokens, false))
    }

    fn choose_by_schema(
        &self,
        prompt: &Prompt,
        options: &[Arc<str>],
        number: u64,
        sent: usize,
    ) -> Result<(usize, TokenCount), CallError> {
        let instruction = wire::schema_instruction(options);
        let longest = options.iter().map(|option| option.len()).max().unwrap_or(0);
        let tokens_max = u32::try_from(longest).unwrap_or(u32::MAX).saturating_add(64);
        let body = |attempt| {
            let limits = (tokens_max, self.settings.temperature, self.seed(number, attempt));
            let chat = wire::chat(&self.settings, prompt, &instruction, limits);
            wire::with_schema(chat, "choice", wire::choice_schema(options))
        };
        let read = |answer: &Value| {
            let place = wire::chosen(answer, options)?;
            Ok((place, self.count(answer, sent + instruction.chars().count(), options[place].chars().count())))
        };
        self.caller.call(wire::CHAT, number, body, read)
    }

    /// A seed that servers of every kind take: 31 bits.
    fn seed(&self, number: u64, attempt: u32) -> u32 {
        self.chance.keyed(SEED, number, u64::from(attempt)).random::<u32>() >> 1
    }

    /// Tokens of an answer; takes down who gave it.
    fn count(&self, answer: &Value, sent: usize, answered: usize) -> TokenCount {
        if let Some(name) = answer["model"].as_str() {
            self.served.lock().unwrap_or_else(PoisonError::into_inner).insert(wire::short(name));
        }
        wire::tokens(answer, sent, answered)
    }
}

impl LanguageModel for OpenAiModel {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        let calibrates = self.settings.scoring != Scoring::JsonSchema && !self.untold.load(Ordering::Relaxed);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let companions: Vec<Option<Request>> =
            requests.iter().map(|request| content_free(request).filter(|_| calibrates)).collect();
        let digests: Vec<Option<[u8; 32]>> = companions.iter().map(|one| one.as_ref().map(request_digest)).collect();
        let mut all = requests.to_vec();
        // As with the embedded model, these are nobody's own: were they counted with whoever comes first, the record of a
        // request would depend on what was asked before it.
        let mut fresh: Vec<[u8; 32]> = Vec::new();
        for (companion, digest) in companions.into_iter().zip(&digests) {
            let (Some(companion), Some(digest)) = (companion, digest) else { continue };
            if !known.contains_key(digest) && !fresh.contains(digest) {
                fresh.push(*digest);
                all.push(companion);
            }
        }
        let mut answers = self.answer_all(&all)?;
        for (answered, digest) in answers.split_off(requests.len()).into_iter().zip(fresh) {
            let scores = if let Answer::Scored(scored) = answered.answer { Some(scored.scores) } else { None };
            known.insert(digest, scores.filter(|_| answered.told));
        }
        for (answered, digest) in answers.iter_mut().zip(&digests).filter(|(answered, _)| answered.told) {
            let baseline = digest.as_ref().and_then(|digest| known[digest].as_ref());
            if let (Answer::Scored(scored), Some(baseline)) = (&mut answered.answer, baseline) {
                scored.scores.iter_mut().zip(baseline).for_each(|(score, baseline)| *score -= baseline);
            }
        }
        let reply = |answered: Answered| Reply { answer: answered.answer, tokens: answered.tokens, remembered: false };
        Ok(answers.into_iter().map(reply).collect())
    }

    fn identity(&self) -> Vec<(String, String)> {
        let served: Vec<String> = self.served.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        vec![
            ("backend".into(), "openai".into()),
            ("url".into(), self.caller.url().to_owned()),
            ("model".into(), self.settings.model.clone()),
            ("answered_by".into(), served.join(", ")),
        ]
    }
}

/// The same choice after a prompt that says nothing.
fn content_free(request: &Request) -> Option<Request> {
    let Ask::Choose(Choices { options, content_free: Some(suffix) }) = &request.ask else { return None };
    if options.len() < 2 {
        return None;
    }
    Some(Request {
        prompt: Prompt { suffix: Arc::clone(suffix), ..request.prompt.clone() },
        ask: Ask::Choose(Choices { options: Arc::clone(options), content_free: None }),
    })
}

/// Tokens that the longest sensible filling of a form takes: its names, values and punctuation, with room to spare.
fn form_tokens(fields: &[Field]) -> u32 {
    let longest = |kind: &FieldKind| match kind {
        FieldKind::Choice(options) => options.iter().map(|option| option.len()).max().unwrap_or(0),
        FieldKind::Integer { .. } | FieldKind::Number { .. } => 24,
        FieldKind::Text { characters_max } => *characters_max as usize,
    };
    let bytes: usize = fields.iter().map(|field| field.name.len() + longest(&field.kind) + 8).sum();
    u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(64)
}

/// A number that is a function of all of a request: prompt, ask and draw.
fn number_of(request: &Request) -> u64 {
    request_digest(request).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// The number with the same decimal digits, so that 0.7 is sent as 0.7.
fn shortest_f64(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}
