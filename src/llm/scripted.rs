//! A language model for unit tests: deterministic answers from word overlap, no weights.
//!
//! Not for experiments: it understands nothing. It exists so that a simulation's plumbing can be tested quickly.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::base::{Answer, Ask, LanguageError, LanguageModel, Prompt, Reply, Request, Scored, TokenCount};

/// Numbers in the vector of a text.
const VECTOR_WIDTH: usize = 65;

/// Answers by rule, **for unit tests only**. A choice is scored by how many word stems the prompt's suffix shares with
/// each option, plus a small noise that is a function of the texts; a reply repeats the suffix's first words; a text's
/// vector counts its word stems.
#[derive(Clone, Debug)]
pub struct ScriptedModel {
    /// Size of the noise on the scores, in nats: 0 for none.
    pub noise: f64,
}

impl Default for ScriptedModel {
    fn default() -> Self {
        Self { noise: 0.2 }
    }
}

impl ScriptedModel {
    fn reply(&self, request: &Request) -> Result<Reply, LanguageError> {
        let prompt = &request.prompt;
        let shared = count_tokens(&prompt.system) + count_tokens(&prompt.prefix) + 8;
        let own = count_tokens(&prompt.suffix);
        let (answer, answer_tokens) = match &request.ask {
            Ask::Choose(choices) => {
                if choices.options.is_empty() {
                    return Err(LanguageError::NoOptions);
                }
                let heard = stems(&prompt.suffix);
                let scores = choices.options.iter().map(|option| self.score(&heard, &prompt.suffix, option)).collect();
                let tokens = choices.options.iter().map(|option| count_tokens(option)).sum();
                (Answer::Scored(Scored { scores }), tokens)
            }
            Ask::Write { tokens_max, draw, .. } => {
                let words: Vec<&str> = prompt.suffix.split_whitespace().take(*tokens_max as usize).collect();
                let text = match draw {
                    0 => words.join(" "),
                    draw => format!("{} ({draw})", words.join(" ")),
                };
                let tokens = count_tokens(&text).min(*tokens_max);
                (Answer::Text(text.trim().into()), tokens)
            }
            Ask::Embed => (Answer::Vector(word_vector(prompt)), 0),
        };
        let tokens = TokenCount { prompt: shared + own, reused: shared, answer: answer_tokens };
        Ok(Reply { answer, tokens, remembered: false })
    }

    fn score(&self, heard: &[String], suffix: &str, option: &str) -> f64 {
        let words = stems(option);
        let hits = words.iter().filter(|word| heard.contains(word)).count() as f64;
        let share = if words.is_empty() { 0.0 } else { hits / words.len() as f64 };
        -3.0 + 2.5 * share - self.noise * unit_hash(&[suffix, option])
    }
}

impl LanguageModel for ScriptedModel {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        let plain = |requests: &[Request]| requests.iter().map(|request| self.reply(request)).collect();
        super::calibration::Calibration::default().answer(requests, plain)
    }

    fn identity(&self) -> Vec<(String, String)> {
        vec![("backend".into(), "scripted".into()), ("noise".into(), self.noise.to_string())]
    }
}

/// Lower-case words of a text, cut to their first five characters, so that "returning" meets "return".
fn stems(text: &str) -> Vec<String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.to_lowercase().chars().take(5).collect())
        .collect()
}

/// Word stems counted in [`VECTOR_WIDTH`] places, which a hash tells, and one place more that no text leaves empty.
fn word_vector(prompt: &Prompt) -> Arc<[f32]> {
    let text = [&*prompt.system, &prompt.prefix, &prompt.suffix].concat();
    let mut counts = vec![0.0_f32; VECTOR_WIDTH];
    counts[0] = 0.1;
    for stem in stems(&text) {
        counts[1 + (unit_hash(&[&stem]) * (VECTOR_WIDTH - 1) as f64) as usize] += 1.0;
    }
    let length = counts.iter().map(|count| f64::from(*count).powi(2)).sum::<f64>().sqrt();
    counts.into_iter().map(|count| (f64::from(count) / length) as f32).collect()
}

/// About what a subword tokenizer would count: four characters a token, at least one for a text with words.
fn count_tokens(text: &str) -> u32 {
    text.chars().count().div_ceil(4) as u32
}

/// A number in [0, 1) that is a function of the texts.
fn unit_hash(texts: &[&str]) -> f64 {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let digest = hasher.finalize();
    let high = digest.iter().take(6).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    high as f64 / (1_u64 << 48) as f64
}
