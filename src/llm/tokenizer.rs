//! From text to tokens and back, with the tokenizer and the chat template that lie in a GGUF file.
//!
//! Texts that are put into a template are read as plain text: a message that contains `<|im_end|>` cannot end a turn.

use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, Tokenizer};

use super::gguf::{Directory, Problem, Value};
use crate::base::{LanguageError, Prompt};

const TURN_START: &str = "<|im_start|>";
const TURN_END: &str = "<|im_end|>";
/// What the template of the `SmolLM2` models puts in when a conversation has no system turn.
const DEFAULT_SYSTEM: &str = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
/// Token types of GGUF (`tokenizer.ggml.token_type`) that are never part of ordinary text: unknown, control, user
/// defined and unused.
const SPECIAL_TYPES: std::ops::RangeInclusive<i128> = 2..=5;

/// A prompt as tokens, and how many of them at its start come from what it shares with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PromptTokens {
    /// All tokens of the prompt.
    pub all: Vec<u32>,
    /// The tokens of template start, system text and prefix alone. Usually a prefix of `all`, but its last token may
    /// differ where the suffix's first characters join it.
    pub shared: Vec<u32>,
}

/// Tokenizer and chat template.
#[derive(Clone, Debug)]
pub(super) struct ChatTokenizer {
    tokenizer: Tokenizer,
    turn_start: u32,
    turn_end: u32,
    ends: Vec<u32>,
    default_system: Option<&'static str>,
    begin: Option<u32>,
}

impl ChatTokenizer {
    /// Reads `tokenizer.*` from the settings of a file.
    pub fn read(directory: &Directory) -> Result<Self, Problem> {
        let model = directory.text("tokenizer.ggml.model").unwrap_or("none");
        let split = directory.text("tokenizer.ggml.pre").unwrap_or("none");
        if (model, split) != ("gpt2", "smollm") {
            return Err(Problem::Unsupported(format!(
                "its tokenizer is {model:?} with pre-tokenizer {split:?}; only \"gpt2\" with \"smollm\" is built in"
            )));
        }
        let template = directory.text("tokenizer.chat_template").unwrap_or_default();
        if !(template.contains(TURN_START) && template.contains(TURN_END)) {
            return Err(Problem::Unsupported(format!(
                "its chat template is not ChatML (it lacks {TURN_START} or {TURN_END})"
            )));
        }
        let tokens = texts(directory, "tokenizer.ggml.tokens")?;
        let merges: Option<Vec<(String, String)>> = texts(directory, "tokenizer.ggml.merges")?
            .into_iter()
            .map(|merge| merge.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
            .collect();
        let merges = merges.ok_or_else(|| Problem::Damaged("a tokenizer merge is not two parts".into()))?;
        let vocabulary: Vocab = tokens.iter().enumerate().map(|(id, text)| (text.clone(), id as u32)).collect();
        let broken = |error: tokenizers::Error| Problem::Damaged(format!("its tokenizer cannot be built: {error}"));
        let model = BPE::builder().vocab_and_merges(vocabulary, merges).build().map_err(broken)?;
        let mut tokenizer = Tokenizer::new(model);
        // `smollm` is one token a digit, then GPT-2's byte-level split, with no space put before the text.
        let parts = vec![Digits::new(true).into(), ByteLevel::new(false, false, true).into()];
        tokenizer.with_pre_tokenizer(Some(Sequence::new(parts)));
        tokenizer.with_decoder(Some(ByteLevelDecoder::default()));
        let types = directory.list("tokenizer.ggml.token_type").unwrap_or_default();
        let special: Vec<AddedToken> = tokens
            .iter()
            .zip(types)
            .filter(|(_, kind)| matches!(kind, Value::Integer(kind) if SPECIAL_TYPES.contains(kind)))
            .map(|(text, _)| AddedToken::from(text.clone(), true))
            .collect();
        tokenizer.add_special_tokens(special).map_err(broken)?;
        tokenizer.set_encode_special_tokens(true);
        let id = |text: &str| {
            tokens
                .iter()
                .position(|token| token == text)
                .map(|id| id as u32)
                .ok_or_else(|| Problem::Damaged(format!("its tokenizer has no token {text}")))
        };
        let turn_end = id(TURN_END)?;
        let named = |key: &str| directory.integer(key).filter(|id| *id < tokens.len()).map(|id| id as u32);
        let mut ends: Vec<u32> = vec![turn_end];
        ends.extend(named("tokenizer.ggml.eos_token_id"));
        ends.extend(id("<|endoftext|>").ok());
        let adds_begin = directory.settings.get("tokenizer.ggml.add_bos_token") == Some(&Value::Flag(true));
        Ok(Self {
            turn_start: id(TURN_START)?,
            turn_end,
            ends,
            default_system: template.contains(DEFAULT_SYSTEM).then_some(DEFAULT_SYSTEM),
            begin: if adds_begin { named("tokenizer.ggml.bos_token_id") } else { None },
            tokenizer,
        })
    }

    /// How many tokens there are.
    pub fn vocabulary_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Whether a token ends a reply.
    pub fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// The token that ends a turn.
    pub fn turn_end(&self) -> u32 {
        self.turn_end
    }

    /// The tokens of plain text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, LanguageError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| LanguageError::Backend(format!("a text cannot be split into tokens: {error}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens, special ones left out. Bytes that are no UTF-8 come out as replacement characters.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, LanguageError> {
        self.tokenizer
            .decode(tokens, true)
            .map_err(|error| LanguageError::Backend(format!("tokens cannot be put together to text: {error}")))
    }

    /// The text a prompt has after the chat template is put around it.
    pub fn render(&self, prompt: &Prompt) -> String {
        let [head, user, tail] = ["system\n", "user\n", "assistant\n"];
        let system =
            self.system_turn(prompt).map_or_else(String::new, |text| format!("{TURN_START}{head}{text}{TURN_END}\n"));
        let (prefix, suffix) = (&prompt.prefix, &prompt.suffix);
        format!("{system}{TURN_START}{user}{prefix}{suffix}{TURN_END}\n{TURN_START}{tail}")
    }

    /// The tokens of [`Self::render`], with the prompt's own texts read as plain text.
    pub fn encode_prompt(&self, prompt: &Prompt) -> Result<PromptTokens, LanguageError> {
        let mut head: Vec<u32> = self.begin.into_iter().collect();
        if let Some(system) = self.system_turn(prompt) {
            head.push(self.turn_start);
            head.extend(self.encode(&format!("system\n{system}"))?);
            head.push(self.turn_end);
            head.extend(self.encode("\n")?);
        }
        head.push(self.turn_start);
        let mut shared = head.clone();
        shared.extend(self.encode(&format!("user\n{}", prompt.prefix))?);
        let mut all = head;
        all.extend(self.encode(&format!("user\n{}{}", prompt.prefix, prompt.suffix))?);
        all.push(self.turn_end);
        all.extend(self.encode("\n")?);
        all.push(self.turn_start);
        all.extend(self.encode("assistant\n")?);
        Ok(PromptTokens { all, shared })
    }

    fn system_turn<'a>(&self, prompt: &'a Prompt) -> Option<&'a str> {
        if prompt.system.is_empty() { self.default_system } else { Some(&prompt.system) }
    }
}

impl PromptTokens {
    /// How many tokens at the start the prompt has in common with what it shares, leaving at least one of its own.
    pub fn common(&self) -> usize {
        let common = self.all.iter().zip(&self.shared).take_while(|(all, shared)| all == shared).count();
        common.min(self.all.len().saturating_sub(1))
    }
}

fn texts(directory: &Directory, key: &str) -> Result<Vec<String>, Problem> {
    let values = directory.list(key).ok_or_else(|| Problem::Damaged(format!("it has no list {key}")))?;
    let texts: Option<Vec<String>> =
        values.iter().map(|value| if let Value::Text(text) = value { Some(text.clone()) } else { None }).collect();
    texts.ok_or_else(|| Problem::Damaged(format!("{key} holds something that is no text")))
}
