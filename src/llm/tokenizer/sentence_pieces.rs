//! `SentencePiece` by scores (the GGUF tokenizer model "llama"): neighbouring pieces are joined, the best-scored token
//! first, and what no token spells is written byte by byte.
//!
//! Source: Kudo and Richardson 2018, and `llm_tokenizer_spm` of llama.cpp. Unlike there, joining never makes a control
//! token, so that a text cannot spell one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use super::vocabulary::Vocabulary;
use crate::llm::gguf::{Directory, Problem, Value};

/// What stands for a space.
const SPACE: char = '\u{2581}';

/// The tokenizer of one model.
pub(super) struct SentencePieces {
    /// Token and score by text.
    pieces: BTreeMap<Box<str>, (u32, f64)>,
    /// The token of each byte.
    bytes: [Option<u32>; 256],
    unknown: Option<u32>,
    /// A space is put before every stretch of text.
    pub leading_space: bool,
}

/// A stretch of the text; none of it when it was joined to the one before.
struct Symbol<'a> {
    text: &'a str,
    before: Option<usize>,
    after: Option<usize>,
}

/// Two neighbours that together are a token.
struct Join {
    score: f64,
    left: usize,
    right: usize,
    /// Bytes of both; when it no longer fits, one of them has changed since.
    length: usize,
}

impl Ord for Join {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left)).then(self.length.cmp(&other.length))
    }
}

impl PartialOrd for Join {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Join {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Join {}

impl SentencePieces {
    /// Reads scores and byte tokens from the settings of a file.
    pub fn read(directory: &Directory, vocabulary: &Vocabulary) -> Result<Self, Problem> {
        let Some(scores) = directory.list("tokenizer.ggml.scores") else {
            return Err(Problem::Damaged("it has no list tokenizer.ggml.scores".into()));
        };
        if scores.len() != vocabulary.size() {
            return Err(Problem::Damaged(format!(
                "its tokenizer has {} tokens, but {} scores",
                vocabulary.size(),
                scores.len()
            )));
        }
        let mut pieces = Vec::with_capacity(vocabulary.size());
        for (text, id) in vocabulary.words() {
            let score = match &scores[id as usize] {
                Value::Float(score) => *score,
                Value::Integer(score) => *score as f64,
                other => return Err(Problem::Damaged(format!("the score of token {text:?} is {other:?}"))),
            };
            pieces.push((Box::from(text), (id, score)));
        }
        let bytes = vocabulary.bytes();
        let unknown = vocabulary.named("tokenizer.ggml.unknown_token_id");
        if unknown.is_none() && bytes.iter().any(Option::is_none) {
            let problem = "its tokenizer has neither a token for every byte nor one for unknown text";
            return Err(Problem::Damaged(problem.into()));
        }
        let leading_space = directory.settings.get("tokenizer.ggml.add_space_prefix") != Some(&Value::Flag(false));
        Ok(Self { pieces: pieces.into_iter().collect(), bytes, unknown, leading_space })
    }

    /// Appends the tokens of a text without special tokens.
    pub fn encode(&self, text: &str, tokens: &mut Vec<u32>) {
        if text.is_empty() {
            return;
        }
        let space = if self.leading_space { " " } else { "" };
        let text: String = space
            .chars()
            .chain(text.chars())
            .map(|character| if character == ' ' { SPACE } else { character })
            .collect();
        for piece in self.join(&text) {
            if let Some((id, _)) = self.pieces.get(piece) {
                tokens.push(*id);
                continue;
            }
            for byte in piece.bytes() {
                tokens.extend(self.bytes[usize::from(byte)].or(self.unknown));
            }
        }
    }

    /// The text in the pieces that are left when nothing more can be joined.
    fn join<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut symbols: Vec<Symbol<'a>> = Vec::new();
        let mut starts: Vec<usize> = Vec::new();
        for (start, character) in text.char_indices() {
            let place = symbols.len();
            let end = start + character.len_utf8();
            symbols.push(Symbol { text: &text[start..end], before: place.checked_sub(1), after: Some(place + 1) });
            starts.push(start);
        }
        if let Some(last) = symbols.last_mut() {
            last.after = None;
        }
        let mut joins = BinaryHeap::new();
        let consider =
            |symbols: &[Symbol<'a>], joins: &mut BinaryHeap<Join>, left: Option<usize>, right: Option<usize>| {
                let (Some(left), Some(right)) = (left, right) else { return };
                let length = symbols[left].text.len() + symbols[right].text.len();
                if let Some((_, score)) = self.pieces.get(&text[starts[left]..starts[left] + length]) {
                    joins.push(Join { score: *score, left, right, length });
                }
            };
        for right in 1..symbols.len() {
            consider(&symbols, &mut joins, Some(right - 1), Some(right));
        }
        while let Some(Join { left, right, length, .. }) = joins.pop() {
            let (first, second) = (symbols[left].text, symbols[right].text);
            if first.is_empty() || second.is_empty() || first.len() + second.len() != length {
                continue;
            }
            symbols[left].text = &text[starts[left]..starts[left] + length];
            symbols[right].text = "";
            let after = symbols[right].after;
            symbols[left].after = after;
            if let Some(after) = after {
                symbols[after].before = Some(left);
            }
            let before = symbols[left].before;
            consider(&symbols, &mut joins, before, Some(left));
            consider(&symbols, &mut joins, Some(left), after);
        }
        symbols.into_iter().map(|symbol| symbol.text).filter(|text| !text.is_empty()).collect()
    }

    /// Appends the bytes that a token's text in the vocabulary stands for.
    pub fn decode(text: &str, bytes: &mut Vec<u8>) {
        let mut buffer = [0; 4];
        for character in text.chars() {
            let character = if character == SPACE { ' ' } else { character };
            bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        }
    }
}
