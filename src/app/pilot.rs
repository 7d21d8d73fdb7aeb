//! A pilot: a model is asked its first requests in earnest, and imitated from then on, so that a whole run can be tried
//! in the time that everything but its models takes.
//!
//! A request is answered as the most similar one of the pilot was: its answer, its tokens scaled by length. The time is
//! what the pilot's batches took, as a cost a batch and a cost a token (least squares), choices and writing apart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::base::{Answer, Ask, LanguageError, LanguageModel, Prompt, Reply, Request, TokenCount};

/// Requests of each sort that are asked in earnest even when the pilot is over.
const LEAST_OF_A_SORT: usize = 16;

/// What is known of a model so far.
pub struct Pilot {
    /// Requests still to be asked in earnest.
    left: u64,
    examples: BTreeMap<Sort, Vec<Example>>,
    batches: BTreeMap<Work, Vec<Batch>>,
    /// Most tokens that were reused, by the part of the prompt that is shared.
    shared: BTreeMap<Key, u32>,
    prompt_characters: u64,
    prompt_tokens: u64,
    /// Different texts among those that were written.
    texts: BTreeSet<String>,
    written: usize,
}

type Key = [u8; 8];

/// What takes alike long: choosing, writing, everything else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Choosing,
    Writing,
    Other,
}

/// Requests that can stand for each other: the same work, and as many options.
type Sort = (Work, usize);

/// A request that was asked in earnest, and its reply.
struct Example {
    options: Key,
    /// Characters of all options together; 0 where something is written.
    answer_characters: usize,
    shared: Key,
    words: Vec<Key>,
    characters: usize,
    reply: Reply,
}

/// Requests that were answered together.
struct Batch {
    tokens: f64,
    seconds: f64,
}

impl Pilot {
    /// A pilot over so many requests.
    #[must_use]
    pub fn new(requests: u64) -> Self {
        Self {
            left: requests,
            examples: BTreeMap::new(),
            batches: BTreeMap::new(),
            shared: BTreeMap::new(),
            prompt_characters: 0,
            prompt_tokens: 0,
            texts: BTreeSet::new(),
            written: 0,
        }
    }

    /// Answers as the model does or would, and says how many seconds it takes.
    pub fn answer(
        &mut self,
        model: &dyn LanguageModel,
        requests: &[Request],
    ) -> Result<(Vec<Reply>, f64), LanguageError> {
        let mut replies: Vec<Option<Reply>> = vec![None; requests.len()];
        let mut seconds = 0.0;
        for work in [Work::Choosing, Work::Writing, Work::Other] {
            let places: Vec<usize> = (0..requests.len()).filter(|&place| work_of(&requests[place]) == work).collect();
            if places.is_empty() {
                continue;
            }
            let (earnest, imitated) = self.divide(requests, &places);
            if !earnest.is_empty() {
                let batch: Vec<Request> = earnest.iter().map(|&place| requests[place].clone()).collect();
                let started = Instant::now();
                let found = model.answer(&batch)?;
                let took = started.elapsed().as_secs_f64();
                seconds += took;
                let tokens = found.iter().map(|reply| worked(reply.tokens)).sum();
                self.batches.entry(work).or_default().push(Batch { tokens, seconds: took });
                for (&place, reply) in earnest.iter().zip(found) {
                    self.learn(&requests[place], &reply);
                    replies[place] = Some(reply);
                }
            }
            let mut tokens = 0.0;
            for &place in &imitated {
                let reply = self.imitate(&requests[place]);
                tokens += worked(reply.tokens);
                replies[place] = Some(reply);
            }
            if !imitated.is_empty() {
                let costs = Costs::fit(self.batches.get(&work).map_or(&[][..], Vec::as_slice));
                // A batch that was partly asked in earnest has paid for being a batch.
                seconds += costs.seconds(if earnest.is_empty() { 1.0 } else { 0.0 }, tokens);
            }
        }
        let replies: Option<Vec<Reply>> = replies.into_iter().collect();
        let replies = replies.ok_or_else(|| LanguageError::Backend("the model left a request out".into()))?;
        Ok((replies, seconds))
    }

    /// Which requests are asked in earnest, and which are imitated.
    fn divide(&mut self, requests: &[Request], places: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let mut coming: BTreeMap<Sort, usize> = BTreeMap::new();
        places.iter().partition(|&&place| {
            let sort = sort_of(&requests[place]);
            let known = self.examples.get(&sort).map_or(0, Vec::len);
            let coming = coming.entry(sort).or_default();
            let earnest = self.left > 0 || known + *coming < LEAST_OF_A_SORT;
            if earnest {
                *coming += 1;
                self.left = self.left.saturating_sub(1);
            }
            earnest
        })
    }

    fn learn(&mut self, request: &Request, reply: &Reply) {
        let example = Example::of(request, reply.clone());
        self.prompt_characters += example.characters as u64;
        self.prompt_tokens += u64::from(reply.tokens.prompt);
        let reused = self.shared.entry(example.shared).or_default();
        *reused = (*reused).max(reply.tokens.reused);
        if let Answer::Text(text) = &reply.answer {
            self.written += 1;
            self.texts.insert(text.to_string());
        }
        self.examples.entry(sort_of(request)).or_default().push(example);
    }

    /// The reply to the most similar request; the earliest of several.
    fn imitate(&mut self, request: &Request) -> Reply {
        let asked = Example::of(request, nothing());
        let known = &self.examples[&sort_of(request)];
        let mut nearest = (&known[0], f64::MIN);
        for example in known {
            let similarity = asked.similarity(example);
            if similarity > nearest.1 {
                nearest = (example, similarity);
            }
        }
        let mut reply = nearest.0.reply.clone();
        let characters_a_token = self.prompt_characters as f64 / self.prompt_tokens.max(1) as f64;
        let more = (asked.characters as f64 - nearest.0.characters as f64) / characters_a_token.max(0.1);
        reply.tokens.prompt = (f64::from(reply.tokens.prompt) + more).round().max(1.0) as u32;
        if nearest.0.answer_characters > 0 && asked.options != nearest.0.options {
            let longer = asked.answer_characters as f64 / nearest.0.answer_characters as f64;
            reply.tokens.answer = (f64::from(reply.tokens.answer) * longer).round().max(1.0) as u32;
        }
        reply.tokens.reused = match self.shared.get(&asked.shared) {
            Some(&reused) => reused.min(reply.tokens.prompt),
            None => 0,
        };
        let head = request.prompt.system.chars().count() + request.prompt.prefix.chars().count();
        self.shared.entry(asked.shared).or_insert((head as f64 / characters_a_token.max(0.1)).round() as u32);
        if let Answer::Text(text) = &reply.answer
            && self.is_new_text(request)
        {
            let number = u64::from_le_bytes(key(&[&request.prompt.suffix])) % 10_000;
            reply.answer = Answer::Text(format!("{text} {number}").into());
        }
        reply
    }

    /// Whether a written text is unlike those before, as often as in the pilot: a text that is new is new to whoever
    /// reads it too.
    fn is_new_text(&self, request: &Request) -> bool {
        let place = u64::from_le_bytes(key(&[&request.prompt.prefix, &request.prompt.suffix])) as f64 / u64::MAX as f64;
        place * (self.written as f64) < self.texts.len() as f64
    }
}

fn nothing() -> Reply {
    Reply { answer: Answer::Text("".into()), tokens: TokenCount::default(), remembered: false }
}

impl Example {
    fn of(request: &Request, reply: Reply) -> Self {
        let Prompt { system, prefix, suffix } = &request.prompt;
        let words = suffix.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
        let mut words: Vec<Key> = words.map(|word| key(&[&word.to_lowercase()])).collect();
        words.sort_unstable();
        words.dedup();
        let mut options: Vec<&str> = Vec::new();
        if let Ask::Choose(choices) = &request.ask {
            options.extend(choices.options.iter().map(|option| &**option));
        }
        let answer_characters = options.iter().map(|option| option.chars().count()).sum();
        let options = key(&options);
        let characters = system.chars().count() + prefix.chars().count() + suffix.chars().count();
        Self { options, answer_characters, shared: key(&[system, prefix]), words, characters, reply }
    }

    /// The same options weigh most, then the same beginning, then the share of words in common (Jaccard).
    fn similarity(&self, other: &Self) -> f64 {
        let common = self.words.iter().filter(|word| other.words.binary_search(word).is_ok()).count();
        let all = self.words.len() + other.words.len() - common;
        let words = if all == 0 { 1.0 } else { common as f64 / all as f64 };
        words
            + if self.shared == other.shared { 2.0 } else { 0.0 }
            + if self.options == other.options { 4.0 } else { 0.0 }
    }
}

/// Seconds of a batch, and of each token in it.
struct Costs {
    batch: f64,
    token: f64,
}

impl Costs {
    /// Least squares over batches; a cost that comes out negative is none.
    fn fit(batches: &[Batch]) -> Self {
        let count = batches.len() as f64;
        let sum = |of: fn(&Batch) -> f64| batches.iter().map(of).sum::<f64>();
        let (tokens, seconds) = (sum(|batch| batch.tokens), sum(|batch| batch.seconds));
        let squares = sum(|batch| batch.tokens * batch.tokens);
        let products = sum(|batch| batch.tokens * batch.seconds);
        let spread = count * squares - tokens * tokens;
        let plain = Self { batch: 0.0, token: seconds / tokens.max(1.0) };
        if spread <= 0.0 {
            return plain;
        }
        let token = (count * products - tokens * seconds) / spread;
        let batch = (seconds - token * tokens) / count;
        if batch < 0.0 {
            plain
        } else if token < 0.0 {
            Self { batch: seconds / count, token: 0.0 }
        } else {
            Self { batch, token }
        }
    }

    fn seconds(&self, batches: f64, tokens: f64) -> f64 {
        self.batch * batches + self.token * tokens
    }
}

/// Tokens that are computed for a request.
fn worked(tokens: TokenCount) -> f64 {
    f64::from(tokens.prompt.saturating_sub(tokens.reused)) + f64::from(tokens.answer)
}

fn work_of(request: &Request) -> Work {
    if matches!(request.ask, Ask::Choose(_)) {
        Work::Choosing
    } else if matches!(request.ask, Ask::Write { .. }) {
        Work::Writing
    } else {
        Work::Other
    }
}

fn sort_of(request: &Request) -> Sort {
    let options = if let Ask::Choose(choices) = &request.ask { choices.options.len() } else { 0 };
    (work_of(request), options)
}

/// The beginning of a SHA-256 over texts, each with its length before it.
fn key(texts: &[&str]) -> Key {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let digest = hasher.finalize();
    let mut key = Key::default();
    key.copy_from_slice(&digest[..8]);
    key
}

#[cfg(test)]
mod tests {
    use super::{Batch, Costs};

    #[test]
    fn a_line_is_found_again() {
        // Seconds = 0.5 + 0.01 tokens, exactly.
        let batches: Vec<Batch> =
            [10.0, 40.0, 200.0].map(|tokens| Batch { tokens, seconds: 0.5 + 0.01 * tokens }).into_iter().collect();
        let costs = Costs::fit(&batches);
        assert!((costs.batch - 0.5).abs() < 1e-9 && (costs.token - 0.01).abs() < 1e-9);
        assert!((costs.seconds(2.0, 100.0) - 2.0).abs() < 1e-9);
        // Nothing costs less than nothing.
        let falling = [Batch { tokens: 10.0, seconds: 1.0 }, Batch { tokens: 100.0, seconds: 11.0 }];
        let costs = Costs::fit(&falling);
        assert!(costs.batch.abs() < 1e-12 && (costs.token - 12.0 / 110.0).abs() < 1e-9);
        assert!((Costs::fit(&batches[..1]).token - 0.06).abs() < 1e-9);
    }
}
