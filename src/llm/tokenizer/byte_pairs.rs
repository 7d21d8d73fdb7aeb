//! Byte-pair encoding over bytes (the GGUF tokenizer model "gpt2"): text is cut by regular expressions, and the bytes
//! of each piece are merged pair by pair.
//!
//! The expressions are those of llama.cpp's `llama-vocab.cpp`, which has them from the models' own tokenizers. Text is
//! not normalised, as llama.cpp does not; tokenizers that ask for NFC differ on decomposed characters.

use std::collections::BTreeSet;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{PreTokenizerWrapper, Tokenizer};

use super::texts;
use super::vocabulary::{Kind, Vocabulary};
use crate::base::LanguageError;
use crate::llm::gguf::{Directory, Problem};

/// A way to cut text, by the names that `tokenizer.ggml.pre` gives it.
struct Cut {
    names: &'static [&'static str],
    /// Applied one after the other, each to the pieces of the one before; what a match leaves over is a piece too.
    expressions: &'static [&'static str],
    /// A piece that is a token stays whole.
    keeps_whole: bool,
    /// A token that opens a text is put first, unless the file says otherwise.
    begins: bool,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;

const PLAIN: Cut = Cut { names: &[], expressions: &[], keeps_whole: false, begins: false };

static CUTS: &[Cut] = &[
    Cut {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
        expressions: &[r"\p{N}", GPT2],
        ..PLAIN
    },
    Cut { names: &["gpt-2", "phi-2", "gigachat", "mpt", "olmo", "jais", "exaone4"], expressions: &[GPT2], ..PLAIN },
    Cut {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
        expressions: &[LLAMA3],
        keeps_whole: true,
        begins: true,
    },
    Cut { names: &["smaug-bpe", "dbrx", "glm4", "chatglm-bpe"], expressions: &[LLAMA3], ..PLAIN },
    Cut { names: &["qwen2", "deepseek-r1-qwen", "megrez", "stablelm2", "hunyuan"], expressions: &[QWEN2], ..PLAIN },
    Cut { names: &["tekken"], expressions: &[TEKKEN], keeps_whole: true, begins: true },
    Cut {
        names: &["deepseek-v3", "hunyuan-dense"],
        expressions: &[r"\p{N}{1,3}", "[一-龥\u{3040}-ゟ゠-ヿ]+", DEEPSEEK3],
        ..PLAIN
    },
];

/// The tokenizer of one model.
pub(super) struct BytePairs {
    tokenizer: Tokenizer,
    /// Whether a token that opens a text is put first, unless the file says otherwise.
    pub begins: bool,
}

impl BytePairs {
    /// Reads merges and pre-tokenizer from the settings of a file.
    pub fn read(directory: &Directory, vocabulary: &Vocabulary) -> Result<Self, Problem> {
        let name = directory.text("tokenizer.ggml.pre").unwrap_or("none");
        let Some(cut) = CUTS.iter().find(|cut| cut.names.contains(&name)) else {
            let known: Vec<&str> = CUTS.iter().flat_map(|cut| cut.names).copied().collect();
            return Err(Problem::Unsupported(format!(
                "its tokenizer cuts text by the rule {name:?}; the rules that are built in are {}",
                known.join(", ")
            )));
        };
        let merges = texts(directory, "tokenizer.ggml.merges")?;
        if merges.is_empty() {
            return Err(Problem::Damaged("its tokenizer has no merges".into()));
        }
        let merges: Option<Vec<(String, String)>> = merges
            .iter()
            .map(|merge| merge.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
            .collect();
        let mut merges = merges.ok_or_else(|| Problem::Damaged("a tokenizer merge is not two parts".into()))?;
        // No text may spell a control token, not even where the merges would.
        let control: BTreeSet<&str> = vocabulary.of(|kind| kind == Kind::Control).map(|(text, _)| text).collect();
        merges.retain(|(left, right)| !control.contains(format!("{left}{right}").as_str()));
        let words: Vocab = vocabulary.words().map(|(text, id)| (text.to_owned(), id)).collect();
        let broken = |error: tokenizers::Error| Problem::Damaged(format!("its tokenizer cannot be built: {error}"));
        let builder = BPE::builder().vocab_and_merges(words, merges).ignore_merges(cut.keeps_whole);
        let mut tokenizer = Tokenizer::new(builder.build().map_err(broken)?);
        let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
        for expression in cut.expressions {
            let pattern = SplitPattern::Regex((*expression).to_owned());
            steps.push(Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(broken)?.into());
        }
        // The expressions have cut the text; what is left is to write its bytes as the vocabulary does.
        steps.push(ByteLevel::new(false, false, false).into());
        tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
        Ok(Self { tokenizer, begins: cut.begins })
    }

    /// Appends the tokens of a text without special tokens.
    pub fn encode(&self, text: &str, tokens: &mut Vec<u32>) -> Result<(), LanguageError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| LanguageError::Backend(format!("a text cannot be split into tokens: {error}")))?;
        tokens.extend_from_slice(encoding.get_ids());
        Ok(())
    }

    /// Appends the bytes that a token's text in the vocabulary stands for.
    pub fn decode(text: &str, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        for character in text.chars() {
            let Some(byte) = byte_of(character) else {
                // It was added as it reads.
                bytes.truncate(start);
                bytes.extend_from_slice(text.as_bytes());
                return;
            };
            bytes.push(byte);
        }
    }
}

/// The byte that a character of a byte-level vocabulary stands for (GPT-2's `bytes_to_unicode`): printable characters
/// of Latin-1 stand for themselves, the other bytes have the characters from U+0100 on, in order.
fn byte_of(character: char) -> Option<u8> {
    let itself = |code: u32| matches!(code, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    match u32::from(character) {
        code if itself(code) => Some(code as u8),
        code @ 0x100..=0x143 => {
            (0..=255_u32).filter(|byte| !itself(*byte)).nth(code as usize - 0x100).map(|byte| byte as u8)
        }
        _ => None,
    }
}
