//! Vectors of texts: the mean of the network's final states over a text's tokens.
//!
//! A decoder that was not trained to embed puts all texts into a narrow cone: cosines of unrelated texts are far above
//! zero. Compare them with each other, not with a fixed number.

use std::sync::Arc;

use super::{CandleModel, Piece};
use crate::base::{Answer, LanguageError, Reply, Request, TokenCount};
use crate::llm::attention::Sequence;

impl CandleModel {
    /// A vector for every request, as far as they fit into memory together.
    pub(super) fn embed(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        let mut texts = Vec::with_capacity(requests.len());
        for request in requests {
            let prompt = &request.prompt;
            let mut tokens = self.tokenizer.encode(&[&*prompt.system, &prompt.prefix, &prompt.suffix].concat())?;
            if tokens.is_empty() {
                // The text that says nothing has a place too: that of a turn which ends at once.
                tokens.push(self.tokenizer.turn_end());
            }
            self.fits(tokens.len(), prompt)?;
            texts.push(tokens);
        }
        let mut replies = Vec::with_capacity(texts.len());
        let mut left = &texts[..];
        while !left.is_empty() {
            let mut tokens = 0;
            let fitting = left.iter().take_while(|text| {
                tokens += text.len();
                tokens <= self.options.batch_tokens
            });
            let (chunk, rest) = left.split_at(fitting.count().max(1));
            replies.extend(self.embed_chunk(chunk)?);
            left = rest;
        }
        Ok(replies)
    }

    fn embed_chunk(&self, texts: &[Vec<u32>]) -> Result<Vec<Reply>, LanguageError> {
        let mut sequences: Vec<Sequence> =
            texts.iter().map(|tokens| Sequence { before: Vec::new(), own: self.network.cache(tokens.len()) }).collect();
        let pieces: Vec<Piece<'_>> =
            texts.iter().enumerate().map(|(sequence, tokens)| Piece { sequence, tokens, all: true }).collect();
        let states = self.append(&mut sequences, &pieces)?;
        let width = self.network.width;
        let mut rows = states.chunks_exact(width);
        let reply = |tokens: &Vec<u32>| {
            let count = TokenCount { prompt: tokens.len() as u32, reused: 0, answer: 0 };
            let vector = unit_mean(rows.by_ref().take(tokens.len()), width);
            Reply { answer: Answer::Vector(vector), tokens: count, remembered: false }
        };
        Ok(texts.iter().map(reply).collect())
    }
}

/// The mean of rows, scaled to length 1; summed in the rows' order, in double precision.
fn unit_mean<'a>(rows: impl Iterator<Item = &'a [f32]>, width: usize) -> Arc<[f32]> {
    let mut sum = vec![0.0_f64; width];
    for row in rows {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    sum.into_iter().map(|value| (value / length.max(f64::MIN_POSITIVE)) as f32).collect()
}
