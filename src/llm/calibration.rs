//! Contextual calibration (Zhao et al. 2021, "Calibrate before use"): what a model says of an option when the prompt
//! says nothing is taken away from what it says of it when the prompt says something.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::service::request_digest;
use crate::base::{Answer, Ask, Choices, LanguageError, Prompt, Reply, Request};

/// The content-free scores a model has given so far; one entry for each prompt that many requests share.
#[derive(Debug, Default)]
pub(super) struct Calibration {
    known: Mutex<BTreeMap<[u8; 32], Vec<f64>>>,
}

impl Calibration {
    /// Answers `requests` by `plain`, which sees no content-free text, and corrects the scores of those that give one.
    /// The work on content-free prompts is nobody's own: no token count holds it.
    pub fn answer(
        &self,
        requests: &[Request],
        plain: impl FnOnce(&[Request]) -> Result<Vec<Reply>, LanguageError>,
    ) -> Result<Vec<Reply>, LanguageError> {
        let companions: Vec<Option<Request>> = requests.iter().map(content_free).collect();
        if companions.iter().all(Option::is_none) {
            return plain(requests);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut asked: Vec<Request> = requests.iter().map(without_calibration).collect();
        let mut fresh = Vec::new();
        for companion in companions.iter().flatten() {
            let digest = request_digest(companion);
            if !known.contains_key(&digest) && !fresh.contains(&digest) {
                fresh.push(digest);
                asked.push(companion.clone());
            }
        }
        let mut replies = plain(&asked)?;
        for (digest, reply) in fresh.into_iter().zip(replies.split_off(requests.len())) {
            if let Answer::Scored(scored) = reply.answer {
                known.insert(digest, scored.scores);
            }
        }
        for (reply, companion) in replies.iter_mut().zip(&companions) {
            let (Answer::Scored(scored), Some(companion)) = (&mut reply.answer, companion) else { continue };
            let baseline = &known[&request_digest(companion)];
            for (score, baseline) in scored.scores.iter_mut().zip(baseline) {
                *score -= baseline;
            }
        }
        Ok(replies)
    }
}

fn content_free(request: &Request) -> Option<Request> {
    let Ask::Choose(Choices { options, content_free: Some(suffix) }) = &request.ask else { return None };
    Some(Request {
        prompt: Prompt { suffix: suffix.clone(), ..request.prompt.clone() },
        ask: Ask::Choose(Choices { options: options.clone(), content_free: None }),
    })
}

fn without_calibration(request: &Request) -> Request {
    match &request.ask {
        Ask::Choose(choices) if choices.content_free.is_some() => Request {
            prompt: request.prompt.clone(),
            ask: Ask::Choose(Choices { options: choices.options.clone(), content_free: None }),
        },
        _ => request.clone(),
    }
}
