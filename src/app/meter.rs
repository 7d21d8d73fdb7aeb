//! What a language model was asked in earnest, and how long it took: the counts of `timings.json` and of an estimate.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::pilot::Pilot;
use crate::base::{LanguageError, LanguageModel, Reply, Request};
use crate::scenario::{Price, Scenario};

/// What a model took, in a run and all it is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Metered {
    /// Seconds of work.
    pub seconds: f64,
    /// Requests that the model answered.
    pub requests: u64,
    /// Tokens of their prompts.
    pub prompt_tokens: u64,
    /// Of these, tokens whose work was shared with earlier requests.
    pub reused_tokens: u64,
    /// Tokens written or scored.
    pub answer_tokens: u64,
    /// Seconds that passed meanwhile on the wall; less than `seconds` where answers were imitated.
    #[serde(skip)]
    pub waited: f64,
}

impl Metered {
    /// What that costs at the price that the scenario declares for the model; `None` where it declares none.
    #[must_use]
    pub fn cost(&self, scenario: &Scenario, model: &str) -> Option<f64> {
        let Price { input, output } = scenario.language.get(model)?.price_per_million_tokens?;
        Some((self.prompt_tokens as f64 * input + self.answer_tokens as f64 * output) / 1e6)
    }

    /// Adds answered requests that took so many seconds.
    pub fn count(&mut self, replies: &[Reply], seconds: f64) {
        self.seconds += seconds;
        self.requests += replies.len() as u64;
        for reply in replies {
            self.prompt_tokens += u64::from(reply.tokens.prompt);
            self.reused_tokens += u64::from(reply.tokens.reused);
            self.answer_tokens += u64::from(reply.tokens.answer);
        }
    }
}

/// A model with a meter, and with somebody who imitates it where only an estimate is wanted.
pub struct Meter {
    model: Box<dyn LanguageModel>,
    state: Mutex<(Metered, Option<Pilot>)>,
}

impl Meter {
    /// A model that nobody has asked yet.
    #[must_use]
    pub fn new(model: Box<dyn LanguageModel>, pilot: Option<Pilot>) -> Self {
        Self { model, state: Mutex::new((Metered::default(), pilot)) }
    }

    /// The counts so far.
    #[must_use]
    pub fn read(&self) -> Metered {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Starts counting anew.
    pub fn forget(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = Metered::default();
    }
}

impl LanguageModel for Arc<Meter> {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (metered, pilot) = &mut *state;
        let started = Instant::now();
        let (replies, seconds) = match pilot {
            None => {
                let replies = self.model.answer(requests)?;
                (replies, started.elapsed().as_secs_f64())
            }
            Some(pilot) => pilot.answer(&*self.model, requests)?,
        };
        metered.count(&replies, seconds);
        metered.waited += started.elapsed().as_secs_f64();
        Ok(replies)
    }

    fn identity(&self) -> Vec<(String, String)> {
        self.model.identity()
    }
}
