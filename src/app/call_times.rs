//! How long a model took: wall-clock times of its batches, for `timings.json`, and what they cost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use crate::base::{LanguageError, LanguageModel, Reply, Request};
use crate::llm::Prices;

/// What a model has done so far. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub struct CallTimes(Arc<Mutex<Counted>>);

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    batches: u64,
    requests: u64,
    prompt_tokens: u64,
    answer_tokens: u64,
    seconds: f64,
    slowest_seconds: f64,
}

impl CallTimes {
    /// The figures, with the cost at these prices, for `timings.json`.
    #[must_use]
    pub fn json(&self, prices: Option<Prices>) -> Value {
        let counted = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut value = json!({
            "batches": counted.batches,
            "requests": counted.requests,
            "prompt_tokens": counted.prompt_tokens,
            "answer_tokens": counted.answer_tokens,
            "seconds": counted.seconds,
            "slowest_batch_seconds": counted.slowest_seconds,
        });
        if let Some(prices) = prices {
            value["cost"] = json!(prices.cost(counted.prompt_tokens, counted.answer_tokens));
        }
        value
    }

    /// What it cost, in a sentence.
    #[must_use]
    pub fn cost(&self, name: &str, prices: Prices) -> String {
        let counted = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { requests, prompt_tokens, answer_tokens, .. } = counted;
        let cost = prices.cost(prompt_tokens, answer_tokens);
        format!(
            "[llm.{name}]: {requests} requests, {prompt_tokens} prompt and {answer_tokens} answer tokens: {cost:.4} at the declared prices"
        )
    }
}

/// A model whose batches are timed.
pub struct TimedModel {
    model: Box<dyn LanguageModel>,
    times: CallTimes,
}

impl TimedModel {
    /// The same model, timed into `times`.
    #[must_use]
    pub fn new(model: Box<dyn LanguageModel>, times: CallTimes) -> Self {
        Self { model, times }
    }
}

impl LanguageModel for TimedModel {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        #[expect(clippy::disallowed_methods, reason = "times go into timings.json, which is no part of the outcome")]
        let started = Instant::now();
        let replies = self.model.answer(requests)?;
        let seconds = started.elapsed().as_secs_f64();
        let mut counted = self.times.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.batches += 1;
        counted.requests += requests.len() as u64;
        counted.prompt_tokens += replies.iter().map(|reply| u64::from(reply.tokens.prompt)).sum::<u64>();
        counted.answer_tokens += replies.iter().map(|reply| u64::from(reply.tokens.answer)).sum::<u64>();
        counted.seconds += seconds;
        counted.slowest_seconds = counted.slowest_seconds.max(seconds);
        Ok(replies)
    }

    fn identity(&self) -> Vec<(String, String)> {
        self.model.identity()
    }
}
