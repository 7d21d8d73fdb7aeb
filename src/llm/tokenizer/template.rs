//! A model's chat template: what stands before, between and after the texts of a prompt.
//!
//! The template is run once, when the model is loaded, with marks in place of the texts. What it puts around the marks
//! is kept, and the texts of a prompt are put in their places. So a text cannot change what surrounds it, and what
//! prompts share is known without comparing them.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};

use crate::base::Prompt;
use crate::llm::gguf::Problem;

/// Where the texts around a prompt come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TemplateChoice {
    /// The file's own chat template.
    #[default]
    File,
    /// None: system text, an empty line, the user's text, a line break. For base models, which continue a text.
    Plain,
}

/// A place in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What the template writes.
    Text(String),
    /// The system text.
    System(Trim),
    /// The user's text: prefix and suffix.
    User(Trim),
}

/// At which ends of a text the template drops white space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trim {
    start: bool,
    end: bool,
}

/// A prompt with everything around it: the template's texts and the prompt's own, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// What the template writes; special tokens may be spelled in it.
    Template(&'a str),
    /// A text of the prompt, plain whatever it spells.
    Own(&'a str),
    /// What comes before belongs to what the prompt shares with others.
    SharedUntilHere,
}

/// A chat template with places for texts.
#[derive(Clone, Debug)]
pub(super) struct Template {
    with_system: Vec<Part>,
    without_system: Vec<Part>,
    /// The system text opens the user's, with an empty line between: the template has no place for it.
    joins_system: bool,
    /// What the template writes behind a reply.
    pub after_reply: String,
}

struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl Message<'_> {
    fn value(&self) -> Value {
        Value::from_pairs([("role", self.role), ("content", self.content)])
    }
}

/// Marks from the private use planes, which no template writes by itself.
const SYSTEM: &str = "\u{f0001}\u{f0002}";
const USER: &str = "\u{f0003}\u{f0004}";
const REPLY: &str = "\u{f0005}\u{f0006}";
/// White space put around a mark, to see whether it is dropped.
const PADDING: &str = " \n ";
const JOINT: &str = "\n\n";

/// A Jinja template with what chat templates expect to find.
struct Jinja<'a> {
    environment: Environment<'a>,
    begin: &'a str,
    end: &'a str,
}

impl Jinja<'_> {
    fn run(&self, messages: &[Message<'_>], opens_reply: bool) -> Result<String, Error> {
        self.environment.get_template("chat")?.render(context! {
            messages => messages.iter().map(Message::value).collect::<Value>(),
            add_generation_prompt => opens_reply,
            // Replies are scored and read as they come, so models that can think aloud first are asked not to.
            enable_thinking => false,
            bos_token => self.begin,
            eos_token => self.end,
        })
    }
}

impl Template {
    /// System text, an empty line, the user's text, a line break.
    pub fn plain() -> Self {
        let (text, kept) = (|text: &str| Part::Text(text.to_owned()), Trim::default());
        Self {
            with_system: vec![Part::System(kept), text(JOINT), Part::User(kept), text("\n")],
            without_system: vec![Part::User(kept), text("\n")],
            joins_system: false,
            after_reply: String::new(),
        }
    }

    /// Learns a Jinja template; `begin` and `end` are the texts of the tokens that open and end a text.
    pub fn read(source: &str, begin: &str, end: &str) -> Result<Self, Problem> {
        let refused = |error: &Error| Problem::Unsupported(format!("its chat template cannot be run: {}", told(error)));
        let mut environment = Environment::new();
        // As the tools do that such templates are written for.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| refused(&error))?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |problem: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, problem))
        });
        environment.add_template("chat", source).map_err(|error| refused(&error))?;
        let jinja = Jinja { environment, begin, end };
        let without_system = parts(&jinja, false).map_err(|problem| match problem {
            Trouble::Jinja(error) => refused(&error),
            Trouble::Places(problem) => Problem::Unsupported(problem),
        })?;
        let (with_system, joins_system) = match parts(&jinja, true) {
            Ok(parts) => (parts, false),
            Err(_) => (without_system.clone(), true),
        };
        let conversation = [Message { role: "user", content: USER }, Message { role: "assistant", content: REPLY }];
        let after_reply = jinja.run(&conversation, false).unwrap_or_default();
        let after_reply = after_reply.split_once(REPLY).map_or_else(String::new, |(_, after)| after.to_owned());
        let template = Self { with_system, without_system, joins_system, after_reply };
        template.check(&jinja)?;
        Ok(template)
    }

    /// Compares with the template's own work on ordinary texts.
    fn check(&self, jinja: &Jinja<'_>) -> Result<(), Problem> {
        let (system, user) = ("You sort parcels.", " Number 1:\nwhere does it go? ");
        let prompt = |system: &str| Prompt { system: system.into(), prefix: "".into(), suffix: user.into() };
        let joined = format!("{system}{JOINT}{user}");
        let user = Message { role: "user", content: user };
        let with_system = if self.joins_system {
            vec![Message { role: "user", content: &joined }]
        } else {
            vec![Message { role: "system", content: system }, Message { role: "user", content: user.content }]
        };
        for (prompt, messages) in [(prompt(""), vec![user]), (prompt(system), with_system)] {
            let expected = jinja.run(&messages, true).unwrap_or_default();
            let found = self.render(&prompt);
            if found != expected {
                return Err(Problem::Unsupported(format!(
                    "its chat template depends on what the messages say: {expected:?} was expected to be {found:?}"
                )));
            }
        }
        Ok(())
    }

    /// Whether the template writes this text anywhere.
    pub fn writes(&self, text: &str) -> bool {
        let parts = self.with_system.iter().chain(&self.without_system);
        self.after_reply.contains(text)
            || parts.into_iter().any(|part| matches!(part, Part::Text(written) if written.contains(text)))
    }

    /// The text of a prompt and everything around it.
    pub fn render(&self, prompt: &Prompt) -> String {
        let mut text = String::new();
        for piece in self.pieces(prompt) {
            match piece {
                Piece::Template(part) | Piece::Own(part) => text.push_str(part),
                Piece::SharedUntilHere => {}
            }
        }
        text
    }

    /// A prompt with everything around it, piece by piece.
    pub fn pieces<'a>(&'a self, prompt: &'a Prompt) -> Vec<Piece<'a>> {
        let has_system = !prompt.system.is_empty();
        let mut pieces = Vec::new();
        for part in if has_system { &self.with_system } else { &self.without_system } {
            match part {
                Part::Text(text) => pieces.push(Piece::Template(text)),
                Part::System(trim) => pieces.push(Piece::Own(trim.apply(&[&prompt.system])[0])),
                Part::User(trim) if self.joins_system && has_system => {
                    let [system, joint, prefix, suffix] =
                        trim.apply(&[&prompt.system, JOINT, &prompt.prefix, &prompt.suffix]);
                    pieces.extend([Piece::Own(system), Piece::Own(joint), Piece::Own(prefix)]);
                    pieces.extend([Piece::SharedUntilHere, Piece::Own(suffix)]);
                }
                Part::User(trim) => {
                    let [prefix, suffix] = trim.apply(&[&prompt.prefix, &prompt.suffix]);
                    pieces.extend([Piece::Own(prefix), Piece::SharedUntilHere, Piece::Own(suffix)]);
                }
            }
        }
        pieces
    }
}

impl Trim {
    /// Texts that follow each other, without the white space at the ends of the whole that the template drops.
    fn apply<'a, const N: usize>(self, texts: &[&'a str; N]) -> [&'a str; N] {
        let mut texts = *texts;
        if self.start {
            for text in &mut texts {
                *text = text.trim_start();
                if !text.is_empty() {
                    break;
                }
            }
        }
        if self.end {
            for text in texts.iter_mut().rev() {
                *text = text.trim_end();
                if !text.is_empty() {
                    break;
                }
            }
        }
        texts
    }
}

/// Why a template has no places for texts.
enum Trouble {
    Jinja(Error),
    Places(String),
}

/// What a template makes of a user's message, with or without a system message before it.
fn parts(jinja: &Jinja<'_>, has_system: bool) -> Result<Vec<Part>, Trouble> {
    let run = |system: &str, user: &str| -> Result<Vec<String>, Trouble> {
        let mut messages = vec![Message { role: "user", content: user }];
        if has_system {
            messages.insert(0, Message { role: "system", content: system });
        }
        let text = jinja.run(&messages, true).map_err(Trouble::Jinja)?;
        let marks: &[&str] = if has_system { &[SYSTEM, USER] } else { &[USER] };
        let mut rest = &text[..];
        let mut found = Vec::new();
        for mark in marks {
            let Some((before, after)) = rest.split_once(mark) else {
                return Err(Trouble::Places(format!("its chat template does not write {}", named(mark))));
            };
            found.push(before.to_owned());
            rest = after;
        }
        if marks.iter().any(|mark| rest.contains(mark)) {
            return Err(Trouble::Places("its chat template writes a message twice".into()));
        }
        found.push(rest.to_owned());
        Ok(found)
    };
    let tight = run(SYSTEM, USER)?;
    let loose = run(&format!("{PADDING}{SYSTEM}{PADDING}"), &format!("{PADDING}{USER}{PADDING}"))?;
    // Between two texts there may be white space from the end of the first and from the start of the second.
    let mut trims = vec![Trim::default(); tight.len() - 1];
    let last = tight.len() - 1;
    for (place, (tight, loose)) in tight.iter().zip(&loose).enumerate() {
        let kept = |at_start: bool, at_end: bool| {
            let pad = |kept: bool| if kept { PADDING } else { "" };
            *loose == format!("{}{tight}{}", pad(at_start), pad(at_end))
        };
        let candidates = [(true, true), (true, false), (false, true), (false, false)];
        let possible = |(at_start, at_end): &(bool, bool)| {
            (place > 0 || !at_start) && (place < last || !at_end) && kept(*at_start, *at_end)
        };
        let Some((at_start, at_end)) = candidates.into_iter().find(possible) else {
            return Err(Trouble::Places(
                "its chat template changes what surrounds a message by its white space".into(),
            ));
        };
        if place > 0 {
            trims[place - 1].end = !at_start;
        }
        if place < last {
            trims[place].start = !at_end;
        }
    }
    let mut texts = tight.into_iter();
    let mut parts = vec![Part::Text(texts.next().unwrap_or_default())];
    for (place, (trim, text)) in trims.into_iter().zip(texts).enumerate() {
        parts.push(if has_system && place == 0 { Part::System(trim) } else { Part::User(trim) });
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

fn named(mark: &str) -> &'static str {
    if mark == USER { "the user's message" } else { "the system message before the user's" }
}

fn told(error: &Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(" (line {line})"));
    format!("{}{line}", error.detail().map_or_else(|| error.kind().to_string(), str::to_owned))
}
