//! Language: what is asked of a language model and what it answers, as plain data.
//!
//! A request goes through one boundary ([`LanguageService`]), where it is de-duplicated, written down and answered by
//! a [`LanguageModel`], or by the record of an earlier run.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AgentId, Field, Tick};

/// A prompt in three parts, so that what many agents share is computed once. The model's chat template is put around
/// them: `system` as the system turn, `prefix` and `suffix` joined as the user turn.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prompt {
    /// Who the model is and what it is to do.
    pub system: Arc<str>,
    /// What many requests share: instructions, examples.
    pub prefix: Arc<str>,
    /// What is this request's own.
    pub suffix: Arc<str>,
}

/// The answers to choose from, and how they are scored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Choices {
    /// What the model might say, each as the text that would follow the prompt (as the assistant's turn).
    pub options: Arc<[Arc<str>]>,
    /// A suffix that says nothing, such as the prompt's own with "N/A" in it: the options' scores after it are taken
    /// away from their scores after the prompt (contextual calibration, Zhao et al. 2021).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_free: Option<Arc<str>>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// Score every option by its length-normalised log-probability as the assistant's reply.
    Choose(Choices),
    /// Write a reply of at most this many tokens. Temperature 0 takes the likeliest token each time; otherwise
    /// tokens are drawn with the run's chance, keyed by the text of the prompt and `draw`, not by who asks, so that
    /// equal requests have equal answers.
    Write {
        /// Most tokens.
        tokens_max: u32,
        /// Sampling temperature, ≥ 0.
        temperature: f32,
        /// Tells apart several replies to one prompt.
        draw: u32,
    },
    /// Fill in a form: the reply is a JSON object with exactly these fields, in this order, each with a value that may
    /// stand in it. Temperature and draws are as for [`Self::Write`].
    Fill {
        /// The form.
        fields: Arc<[Field]>,
        /// Sampling temperature, ≥ 0.
        temperature: f32,
        /// Tells apart several replies to one prompt.
        draw: u32,
    },
    /// Place the text of the prompt, its three parts joined and no chat template around them, among other texts: the
    /// nearer two texts are in what they say, the larger is the cosine of their vectors.
    Embed,
}

/// One request: prompt and ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What the model reads.
    pub prompt: Prompt,
    /// What it is to answer.
    pub ask: Ask,
}

impl Request {
    /// The answer of somebody who knows nothing: every option as likely as any other. There is none where words, a form
    /// or a vector are asked for.
    #[must_use]
    pub fn even_answer(&self) -> Option<Answer> {
        let Ask::Choose(Choices { options, .. }) = &self.ask else { return None };
        let score = -(options.len() as f64).ln();
        Some(Answer::Scored(Scored { scores: vec![score; options.len()] }))
    }
}

/// A [`Choices`] ask, answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// One mean log-probability a token for every option, in the order of the options; calibrated, the difference of
    /// two of them.
    pub scores: Vec<f64>,
}

impl Scored {
    /// The options' probabilities relative to each other (they sum to one).
    #[must_use]
    pub fn probabilities(&self) -> Vec<f64> {
        let mut values = self.scores.clone();
        super::softmax_in_place(&mut values);
        values
    }

    /// An option drawn by these probabilities: the place at which their running sum passes `uniform`, in [0, 1).
    #[must_use]
    pub fn draw(&self, uniform: f64) -> usize {
        let mut sum = 0.0;
        let passed = self.probabilities().iter().position(|probability| {
            sum += probability;
            uniform < sum
        });
        // The sum of all may fall short of one by a rounding.
        passed.unwrap_or(self.scores.len() - 1)
    }
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Ask::Choose`].
    Scored(Scored),
    /// To [`Ask::Write`]: the text, without surrounding white space. To [`Ask::Fill`]: the JSON object.
    Text(Arc<str>),
    /// To [`Ask::Embed`]: a vector of length 1, so that the dot product of two is their cosine; as many numbers as the
    /// model is wide, whatever the text.
    Vector(Arc<[f32]>),
}

/// Tokens a request took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCount {
    /// Tokens of the whole prompt.
    pub prompt: u32,
    /// Of these, tokens whose work was shared with earlier requests.
    pub reused: u32,
    /// Tokens written or scored as answers.
    pub answer: u32,
}

/// A model's reply to one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// What it took.
    pub tokens: TokenCount,
    /// Whether an equal request had been answered before, so that no work was done for this one.
    pub remembered: bool,
}

/// What went through a [`LanguageService`]. Of the calls, `deduplicated` and `remembered` were answered without asking
/// the model; all others are fresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguageUsage {
    /// Requests.
    pub calls: u64,
    /// Of these, equal to one that was made earlier in the same tick.
    pub deduplicated: u64,
    /// Of these, the first of their kind in their tick, and known from an earlier one.
    pub remembered: u64,
    /// Tokens of the prompts of fresh calls.
    pub prompt_tokens: u64,
    /// Of these, tokens whose work was shared with earlier requests.
    pub reused_tokens: u64,
    /// Tokens written or scored by fresh calls.
    pub answer_tokens: u64,
}

impl LanguageUsage {
    /// Calls for which the model was asked.
    #[must_use]
    pub fn fresh(&self) -> u64 {
        self.calls - self.deduplicated - self.remembered
    }

    /// Tokens of fresh calls: prompts whole, and answers.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens + self.answer_tokens
    }

    /// Adds what went through elsewhere, or later.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.deduplicated += other.deduplicated;
        self.remembered += other.remembered;
        self.prompt_tokens += other.prompt_tokens;
        self.reused_tokens += other.reused_tokens;
        self.answer_tokens += other.answer_tokens;
    }

    /// What went through since `earlier`, a count of the same service.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            calls: self.calls - earlier.calls,
            deduplicated: self.deduplicated - earlier.deduplicated,
            remembered: self.remembered - earlier.remembered,
            prompt_tokens: self.prompt_tokens - earlier.prompt_tokens,
            reused_tokens: self.reused_tokens - earlier.reused_tokens,
            answer_tokens: self.answer_tokens - earlier.answer_tokens,
        }
    }
}

/// What a budget of language is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetUnit {
    /// Requests that a model was asked.
    Calls,
    /// Tokens of their prompts and answers.
    Tokens,
    /// Seconds, by the clock on the wall, in which a model worked.
    Seconds,
}

impl std::fmt::Display for BudgetUnit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Calls => "calls",
            Self::Tokens => "tokens",
            Self::Seconds => "seconds",
        })
    }
}

/// Why no answer could be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LanguageError {
    /// The prompt does not fit.
    #[error(
        "{} {tokens} tokens is longer than the model's context of {context}: it begins {start:?}",
        agent.map_or_else(|| "a prompt of".to_owned(), |agent| format!("the prompt of agent {agent}, of"))
    )]
    TooLong {
        /// Whose it is, where that is known.
        agent: Option<AgentId>,
        /// Its length.
        tokens: usize,
        /// What fits.
        context: usize,
        /// Its first characters.
        start: String,
        /// The whole prompt.
        prompt: Box<Prompt>,
    },
    /// There is nothing to choose from.
    #[error("a choice was asked for without options")]
    NoOptions,
    /// The record that is replayed holds something else.
    #[error("{0}")]
    Replay(String),
    /// The backend's own trouble, told in full.
    #[error("{0}")]
    Backend(String),
    /// A model behind a network could not be had or gave no usable answer, told in full.
    #[error("{0}")]
    Unavailable(String),
    /// The scenario allows no more: from now on the model is asked nothing, known or new.
    #[error("the budget of language model \"{model}\" is spent: it may take no more {unit}")]
    BudgetSpent {
        /// The model's name in the scenario.
        model: Arc<str>,
        /// What it has no more of.
        unit: BudgetUnit,
    },
    /// The run was interrupted while the model worked.
    #[error("interrupted")]
    Interrupted,
}

impl LanguageError {
    /// Says who asked, where the error is about one of these requests; `agents[i]` made `requests[i]`.
    #[must_use]
    pub fn asked_by(mut self, agents: &[AgentId], requests: &[Request]) -> Self {
        if let Self::TooLong { agent, prompt, .. } = &mut self {
            let asks = |request: &Request| {
                let content_free = match &request.ask {
                    Ask::Choose(choices) => choices.content_free.as_ref(),
                    Ask::Write { .. } | Ask::Fill { .. } | Ask::Embed => None,
                };
                request.prompt.system == prompt.system
                    && request.prompt.prefix == prompt.prefix
                    && (request.prompt.suffix == prompt.suffix || content_free == Some(&prompt.suffix))
            };
            *agent = agents.iter().zip(requests).find(|(_, request)| asks(request)).map(|(agent, _)| *agent);
        }
        self
    }
}

/// A language model: answers a batch of different requests. Equal requests get equal answers, whatever else is in
/// the batch.
pub trait LanguageModel: Send + Sync {
    /// One reply a request, in order.
    ///
    /// # Errors
    /// When any of them cannot be answered.
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError>;

    /// What computes the answers, for the manifest: backend, kernel, model file's SHA-256.
    fn identity(&self) -> Vec<(String, String)>;
}

/// The one boundary between a simulation and its language models: the simulation knows models by their place in the
/// scenario's `[llm]` table only.
pub trait LanguageService: Send + Sync {
    /// Answers the requests of one tick, in order; `agents[i]` asks `requests[i]` of model `model`.
    ///
    /// # Errors
    /// When any of them cannot be answered.
    fn answer(
        &self,
        tick: Tick,
        model: u16,
        agents: &[AgentId],
        requests: &[Request],
    ) -> Result<Vec<Reply>, LanguageError>;

    /// What went through so far, all models together.
    fn usage(&self) -> LanguageUsage;

    /// Is told that so many requests got their [`Request::even_answer`], because the budget of model `model` is spent.
    fn answered_evenly(&self, _model: u16, _requests: u64) {}
}
