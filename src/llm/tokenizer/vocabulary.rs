//! The tokens of a file: their texts, and what kind each is.

use super::texts;
use crate::llm::gguf::{Directory, Problem, Value};

/// What a token is for (`tokenizer.ggml.token_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ordinary text.
    Word,
    /// Structure: never made from text, and not shown as text.
    Control,
    /// Text that always is one token.
    Added,
    /// A single byte.
    Byte(u8),
}

/// All tokens.
pub(super) struct Vocabulary {
    texts: Vec<String>,
    kinds: Vec<Kind>,
    /// Tokens that `tokenizer.ggml.*_token_id` names.
    named: Vec<(String, u32)>,
}

/// Settings that name a control token.
const CONTROL_NAMES: [&str; 5] = ["bos", "eos", "eot", "eom", "padding"];

impl Vocabulary {
    /// Reads `tokenizer.ggml.tokens` and their types.
    pub fn read(directory: &Directory) -> Result<Self, Problem> {
        let texts = texts(directory, "tokenizer.ggml.tokens")?;
        let types = directory.list("tokenizer.ggml.token_type").unwrap_or_default();
        if !types.is_empty() && types.len() != texts.len() {
            return Err(Problem::Damaged(format!(
                "its tokenizer has {} tokens, but {} token types",
                texts.len(),
                types.len()
            )));
        }
        let mut kinds = vec![Kind::Word; texts.len()];
        for ((kind, number), text) in kinds.iter_mut().zip(types).zip(&texts) {
            *kind = match number {
                // Unknown, control and unused.
                Value::Integer(2 | 3 | 5) => Kind::Control,
                Value::Integer(4) => Kind::Added,
                Value::Integer(6) => byte(text).map_or(Kind::Control, Kind::Byte),
                _ => Kind::Word,
            };
        }
        let mut named = Vec::new();
        for name in CONTROL_NAMES.into_iter().chain(["unknown"]) {
            let key = format!("tokenizer.ggml.{name}_token_id");
            let Some(id) = directory.integer(&key) else { continue };
            if id >= texts.len() {
                return Err(Problem::Damaged(format!("{key} is {id}, but there are {} tokens", texts.len())));
            }
            if CONTROL_NAMES.contains(&name) {
                kinds[id] = Kind::Control;
            }
            named.push((key, id as u32));
        }
        Ok(Self { texts, kinds, named })
    }

    /// How many tokens there are.
    pub fn size(&self) -> usize {
        self.texts.len()
    }

    /// A token's text as the file writes it, and what it is for.
    pub fn token(&self, id: u32) -> Option<(&str, Kind)> {
        let id = id as usize;
        Some((self.texts.get(id)?, *self.kinds.get(id)?))
    }

    /// Tokens that text may be made of.
    pub fn words(&self) -> impl Iterator<Item = (&str, u32)> {
        self.of(|kind| matches!(kind, Kind::Word | Kind::Added))
    }

    /// Tokens of a kind.
    pub fn of(&self, wanted: impl Fn(Kind) -> bool) -> impl Iterator<Item = (&str, u32)> {
        let tokens = self.texts.iter().zip(&self.kinds).enumerate();
        tokens.filter(move |(_, (_, kind))| wanted(**kind)).map(|(id, (text, _))| (text.as_str(), id as u32))
    }

    /// The token that a setting names.
    pub fn named(&self, key: &str) -> Option<u32> {
        self.named.iter().find(|(name, _)| name == key).map(|(_, id)| *id)
    }

    /// The token of each byte.
    pub fn bytes(&self) -> [Option<u32>; 256] {
        let mut bytes = [None; 256];
        for (id, kind) in self.kinds.iter().enumerate() {
            if let Kind::Byte(byte) = kind {
                bytes[usize::from(*byte)] = Some(id as u32);
            }
        }
        bytes
    }

    /// Makes a token one that text is never made of.
    pub fn make_control(&mut self, id: u32) {
        if let Some(kind) = self.kinds.get_mut(id as usize) {
            *kind = Kind::Control;
        }
    }
}

/// The byte that `<0x0A>` names.
fn byte(text: &str) -> Option<u8> {
    u8::from_str_radix(text.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok()
}
