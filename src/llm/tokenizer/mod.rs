//! From text to tokens and back, with the tokenizer and the chat template that lie in a GGUF file.
//!
//! Texts that are put into a template are read as plain text: a message that contains `<|im_end|>` cannot end a turn.

mod byte_pairs;
mod sentence_pieces;
mod template;
mod vocabulary;

pub use self::template::TemplateChoice;

use self::byte_pairs::BytePairs;
use self::sentence_pieces::SentencePieces;
use self::template::{Piece, Template};
use self::vocabulary::{Kind, Vocabulary};
use super::gguf::{Directory, Problem, Value};
use crate::base::{LanguageError, Prompt};

/// Tokens that end a reply besides those that the file names, where they are more than words: the ends of a turn or a
/// text of the model families, as llama.cpp knows them.
const ENDS: [&str; 9] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<EOT>",
];

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
pub(super) struct ChatTokenizer {
    vocabulary: Vocabulary,
    method: Method,
    /// Tokens that always stand for their text, the longest first.
    added: Vec<(String, u32)>,
    /// Control tokens that the template spells, the longest first.
    control: Vec<(String, u32)>,
    template: Template,
    /// The token that opens every text.
    begin: Option<u32>,
    turn_end: u32,
    ends: Vec<u32>,
}

enum Method {
    BytePairs(Box<BytePairs>),
    SentencePieces(Box<SentencePieces>),
}

/// A stretch of a text.
enum Stretch<'a> {
    Text(&'a str),
    Token(u32),
}

impl ChatTokenizer {
    /// Reads `tokenizer.*` from the settings of a file.
    pub fn read(directory: &Directory, choice: TemplateChoice) -> Result<Self, Problem> {
        let model = directory.text("tokenizer.ggml.model").unwrap_or("none");
        if !["gpt2", "llama"].contains(&model) {
            return Err(Problem::Unsupported(format!(
                "its tokenizer is of the kind {model:?}; built in are \"gpt2\" (byte pairs) and \"llama\" (sentence pieces with scores)"
            )));
        }
        let mut vocabulary = Vocabulary::read(directory)?;
        let named = |name: &str| vocabulary.named(&format!("tokenizer.ggml.{name}_token_id"));
        let (first, last) = (named("bos"), named("eos"));
        let text_of = |id: Option<u32>| id.and_then(|id| vocabulary.token(id)).map_or("", |(text, _)| text);
        let template = match (choice, directory.text("tokenizer.chat_template")) {
            (TemplateChoice::Plain, _) => Template::plain(),
            (TemplateChoice::File, Some(source)) => Template::read(source, text_of(first), text_of(last))?,
            (TemplateChoice::File, None) => {
                let problem = "it has no chat template, as base models have none; set template = \"plain\" to give it prompts as plain text";
                return Err(Problem::Unsupported(problem.into()));
            }
        };
        let mut ends: Vec<u32> = ["eos", "eot", "eom"].into_iter().filter_map(named).collect();
        let special = vocabulary.of(|kind| matches!(kind, Kind::Control | Kind::Added));
        ends.extend(special.filter(|(text, _)| ENDS.contains(text)).map(|(_, id)| id));
        for end in &ends {
            vocabulary.make_control(*end);
        }
        let mut control = longest_first(&vocabulary, |kind| kind == Kind::Control);
        control.retain(|(text, _)| template.writes(text));
        let turn_end = stretches(&template.after_reply, &control)
            .into_iter()
            .find_map(|stretch| if let Stretch::Token(token) = stretch { Some(token) } else { None })
            .or(last)
            .or(ends.first().copied());
        let Some(turn_end) = turn_end else {
            return Err(Problem::Damaged("its tokenizer has no token that ends a text".into()));
        };
        ends.push(turn_end);
        let method = match model {
            "gpt2" => Method::BytePairs(Box::new(BytePairs::read(directory, &vocabulary)?)),
            _ => Method::SentencePieces(Box::new(SentencePieces::read(directory, &vocabulary)?)),
        };
        let begins = match directory.settings.get("tokenizer.ggml.add_bos_token") {
            Some(value) => *value == Value::Flag(true),
            None => match &method {
                Method::BytePairs(method) => method.begins,
                Method::SentencePieces(_) => true,
            },
        };
        Ok(Self {
            added: longest_first(&vocabulary, |kind| kind == Kind::Added),
            control,
            method,
            template,
            begin: if begins { first } else { None },
            turn_end,
            ends,
            vocabulary,
        })
    }

    /// How many tokens there are.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary.size()
    }

    /// Whether a token ends a reply.
    pub fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// The token that ends a turn.
    pub fn turn_end(&self) -> u32 {
        self.turn_end
    }

    /// The token that opens every text, for models that know one.
    pub fn begin(&self) -> Option<u32> {
        self.begin
    }

    /// The tokens of plain text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, LanguageError> {
        let mut tokens = Vec::new();
        for stretch in stretches(text, &self.added) {
            match (stretch, &self.method) {
                (Stretch::Token(token), _) => tokens.push(token),
                (Stretch::Text(text), Method::BytePairs(method)) => method.encode(text, &mut tokens)?,
                (Stretch::Text(text), Method::SentencePieces(method)) => method.encode(text, &mut tokens),
            }
        }
        Ok(tokens)
    }

    /// The text of tokens, control tokens left out. Bytes that are no UTF-8 come out as replacement characters.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let mut bytes = Vec::new();
        for (text, kind) in tokens.iter().filter_map(|token| self.vocabulary.token(*token)) {
            match (kind, &self.method) {
                (Kind::Control, _) => {}
                (Kind::Byte(byte), _) => bytes.push(byte),
                (Kind::Added, _) => bytes.extend_from_slice(text.as_bytes()),
                (Kind::Word, Method::BytePairs(_)) => BytePairs::decode(text, &mut bytes),
                (Kind::Word, Method::SentencePieces(_)) => SentencePieces::decode(text, &mut bytes),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        match &self.method {
            Method::SentencePieces(method) if method.leading_space => {
                text.strip_prefix(' ').unwrap_or(&text).to_owned()
            }
            _ => text.into_owned(),
        }
    }

    /// The text a prompt has after the chat template is put around it.
    pub fn render(&self, prompt: &Prompt) -> String {
        self.template.render(prompt)
    }

    /// The tokens of [`Self::render`], with the prompt's own texts read as plain text.
    pub fn encode_prompt(&self, prompt: &Prompt) -> Result<PromptTokens, LanguageError> {
        let mut all = Vec::new();
        let mut shared = Vec::new();
        // Text between two control tokens is encoded as one, whoever wrote it.
        let mut text = String::new();
        for piece in self.template.pieces(prompt) {
            match piece {
                Piece::Own(own) => text.push_str(own),
                Piece::SharedUntilHere => {
                    shared.clone_from(&all);
                    shared.extend(self.encode(&text)?);
                }
                Piece::Template(written) => {
                    for stretch in stretches(written, &self.control) {
                        match stretch {
                            Stretch::Text(written) => text.push_str(written),
                            Stretch::Token(token) => {
                                all.extend(self.encode(&text)?);
                                text.clear();
                                all.push(token);
                            }
                        }
                    }
                }
            }
        }
        all.extend(self.encode(&text)?);
        if let Some(begin) = self.begin
            && all.first() != Some(&begin)
        {
            all.insert(0, begin);
            shared.insert(0, begin);
        }
        Ok(PromptTokens { all, shared })
    }
}

impl PromptTokens {
    /// How many tokens at the start the prompt has in common with what it shares, leaving at least one of its own.
    pub fn common(&self) -> usize {
        let common = self.all.iter().zip(&self.shared).take_while(|(all, shared)| all == shared).count();
        common.min(self.all.len().saturating_sub(1))
    }
}

fn longest_first(vocabulary: &Vocabulary, wanted: impl Fn(Kind) -> bool) -> Vec<(String, u32)> {
    let tokens = vocabulary.of(wanted).filter(|(text, _)| !text.is_empty());
    let mut tokens: Vec<(String, u32)> = tokens.map(|(text, id)| (text.to_owned(), id)).collect();
    tokens.sort_by_key(|(text, id)| (std::cmp::Reverse(text.len()), *id));
    tokens
}

/// A text in which tokens' own texts are found, the longest token first.
fn stretches<'a>(text: &'a str, tokens: &[(String, u32)]) -> Vec<Stretch<'a>> {
    let mut whole = vec![Stretch::Text(text)];
    for (token, id) in tokens.iter().filter(|(token, _)| text.contains(token.as_str())) {
        let mut parts = Vec::with_capacity(whole.len() + 2);
        for stretch in whole {
            let Stretch::Text(mut rest) = stretch else {
                parts.push(stretch);
                continue;
            };
            while let Some((before, after)) = rest.split_once(token.as_str()) {
                parts.extend([Stretch::Text(before), Stretch::Token(*id)]);
                rest = after;
            }
            parts.push(Stretch::Text(rest));
        }
        whole = parts;
    }
    whole.retain(|stretch| !matches!(stretch, Stretch::Text("")));
    whole
}

fn texts(directory: &Directory, key: &str) -> Result<Vec<String>, Problem> {
    let values = directory.list(key).ok_or_else(|| Problem::Damaged(format!("it has no list {key}")))?;
    let texts: Option<Vec<String>> =
        values.iter().map(|value| if let Value::Text(text) = value { Some(text.clone()) } else { None }).collect();
    texts.ok_or_else(|| Problem::Damaged(format!("{key} holds something that is no text")))
}
