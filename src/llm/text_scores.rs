//! How well a model foretells a text: the measure of whether it computes what it should.

use super::attention::Sequence;
use super::candle_model::{CandleModel, Piece};
use super::sampling::log_sum_exp;
use crate::base::{LanguageError, Prompt};

/// What a model says of one token of a text, from the tokens before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenScore {
    /// The token that stands there.
    pub token: u32,
    /// Its log-probability, in nats.
    pub log_probability: f64,
    /// The token that the model holds likeliest there; the lowest of equals.
    pub likeliest: u32,
}

impl CandleModel {
    /// Scores every token of a plain text but the first, after the tokens before it; a model whose texts open with a
    /// token of their own is given that first, and then the text's first token is scored too. The text's perplexity is
    /// the exponential of the mean of the negated log-probabilities.
    ///
    /// # Errors
    /// When the text is longer than the context, or the model cannot compute.
    pub fn score_text(&self, text: &str) -> Result<Vec<TokenScore>, LanguageError> {
        let mut tokens: Vec<u32> = self.tokenizer.begin().into_iter().collect();
        tokens.extend(self.tokenizer.encode(text)?);
        self.fits(tokens.len(), &Prompt { system: "".into(), prefix: "".into(), suffix: text.into() })?;
        let Some((_, context)) = tokens.split_last() else { return Ok(Vec::new()) };
        if context.is_empty() {
            return Ok(Vec::new());
        }
        let mut sequences = [Sequence { before: Vec::new(), own: self.network.cache(context.len()) }];
        let states = self.append(&mut sequences, &[Piece { sequence: 0, tokens: context, all: true }])?;
        self.with_logits(&states, &mut Vec::new(), |row, logits| {
            let token = tokens[row + 1];
            let mut likeliest = 0;
            for (place, logit) in logits.iter().enumerate() {
                if *logit > logits[likeliest] {
                    likeliest = place;
                }
            }
            let log_probability = f64::from(logits[token as usize]) - log_sum_exp(logits);
            TokenScore { token, log_probability, likeliest: likeliest as u32 }
        })
    }
}
