//! Prompts that are longer than a model's context.

use super::candle_model::CandleModel;
use super::tokenizer::PromptTokens;
use crate::base::{Ask, LanguageError, Prompt, Request};

/// What is done with a prompt that does not fit into the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It is an error, which stops the run.
    #[default]
    Error,
    /// The beginning of its prefix is left out, word by word, as far as it must be for prompt and reply to fit; system
    /// text and suffix stay whole. Where that is not enough, it is an error.
    TruncateOldest,
}

impl CandleModel {
    /// The tokens of a request's prompt, shortened where that is the rule, so that they fit with `longest` more tokens
    /// of an option or a form.
    pub(super) fn fitting_tokens(&self, request: &Request, longest: usize) -> Result<PromptTokens, LanguageError> {
        let tokens = self.tokenizer.encode_prompt(&request.prompt)?;
        let context = self.network.context;
        let reply = match request.ask {
            Ask::Choose(_) | Ask::Fill { .. } | Ask::Embed => longest,
            Ask::Write { tokens_max, .. } => tokens_max as usize,
        };
        if self.options.overflow == Overflow::TruncateOldest && tokens.all.len() + reply > context {
            return self.shortened(&request.prompt, context.saturating_sub(reply), longest);
        }
        self.fits(tokens.all.len() + longest, &request.prompt)?;
        Ok(tokens)
    }

    /// Refuses what is longer than the context.
    pub(super) fn fits(&self, tokens: usize, prompt: &Prompt) -> Result<(), LanguageError> {
        if tokens <= self.network.context {
            return Ok(());
        }
        let texts = [&prompt.system, &prompt.prefix, &prompt.suffix];
        let start = texts.into_iter().flat_map(|part| part.chars()).take(60).collect();
        let prompt = Box::new(prompt.clone());
        Err(LanguageError::TooLong { agent: None, tokens, context: self.network.context, start, prompt })
    }

    /// The prompt with as much of its prefix as fits into `limit` tokens, from a word's start to the end.
    fn shortened(&self, prompt: &Prompt, limit: usize, longest: usize) -> Result<PromptTokens, LanguageError> {
        let cut = |start: usize| {
            let prompt = Prompt { prefix: prompt.prefix[start..].into(), ..prompt.clone() };
            self.tokenizer.encode_prompt(&prompt)
        };
        let spaces = prompt.prefix.char_indices().filter(|(_, character)| character.is_whitespace());
        let mut starts: Vec<usize> = spaces.map(|(place, character)| place + character.len_utf8()).collect();
        starts.push(prompt.prefix.len());
        let mut shortest = cut(prompt.prefix.len())?;
        if shortest.all.len() > limit {
            // What must stay may still leave room for a shorter reply.
            self.fits(shortest.all.len() + longest, prompt)?;
            return Ok(shortest);
        }
        let (mut too_long, mut fitting) = (0, starts.len() - 1);
        while too_long < fitting {
            let middle = usize::midpoint(too_long, fitting);
            let tokens = cut(starts[middle])?;
            if tokens.all.len() <= limit {
                fitting = middle;
                shortest = tokens;
            } else {
                too_long = middle + 1;
            }
        }
        Ok(shortest)
    }
}
