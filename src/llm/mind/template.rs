//! The template of a prompt: three parts in one Jinja file, rendered with minijinja.
//!
//! A part begins at a line that holds its mark alone. Marks are comments of the template language, so that the file as a
//! whole is a template too. A name that is not defined is an error: a mistyped one should show before the run.

use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

/// The template that comes with the program.
const BUILT_IN: &str = include_str!("../../../assets/prompts/language_policy.jinja");
const BUILT_IN_NAME: &str = "assets/prompts/language_policy.jinja";

/// The marks of the parts, in their order.
const MARKS: [&str; 3] = ["{# system #}", "{# shared #}", "{# own #}"];

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct TemplateError {
    /// The file as it was named.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// What the parts `system` and `shared` may name.
#[derive(Clone, Debug, Serialize)]
pub struct Shared<'a> {
    /// The agent's role, with blanks for `_`.
    pub role: &'a str,
    /// Its group in the scenario.
    pub group: &'a str,
    /// Its persona.
    pub persona: &'a str,
    /// What it is told to do.
    pub instructions: &'a str,
    /// Examples by declaration.
    pub examples: &'a [Shown],
}

/// What the part `own` may name.
#[derive(Clone, Debug, Serialize)]
pub struct Own<'a> {
    /// The agent's role, with blanks for `_`.
    pub role: &'a str,
    /// Its group in the scenario.
    pub group: &'a str,
    /// Its persona.
    pub persona: &'a str,
    /// What it is told to do.
    pub instructions: &'a str,
    /// Examples by similarity, the most similar last.
    pub examples: &'a [Shown],
    /// Whether the policy has examples at all, here or in the shared part.
    pub has_examples: bool,
    /// What it remembers, the oldest first.
    pub memory: &'a [Arc<str>],
    /// Messages of this tick.
    pub inbox: &'a [ShownLetter],
    /// What it sees.
    pub situation: &'a str,
    /// The legal actions, in words.
    pub actions: &'a [Arc<str>],
    /// The tick.
    pub tick: u64,
    /// The agent's id.
    pub agent: u32,
}

/// An example, in words.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// What is seen.
    pub situation: String,
    /// The action that is right.
    pub action: Arc<str>,
}

/// A message, in words.
#[derive(Clone, Debug, Serialize)]
pub struct ShownLetter {
    /// Role of the sender, with blanks for `_`.
    pub role: String,
    /// The sender's id.
    pub sender: u32,
    /// What the message does.
    pub performative: &'static str,
    /// What it is about, as the domain numbers it.
    pub topic: u16,
    /// An amount, as the domain means it.
    pub amount: f32,
    /// Its words; where it has none, what it does.
    pub text: Arc<str>,
}

/// A template in parts.
pub struct Template {
    file: String,
    environment: Environment<'static>,
    /// Each with empty lines for everything before it, so that errors have the file's own lines.
    parts: [String; 3],
}

impl Template {
    /// The template that comes with the program.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN_NAME, BUILT_IN).expect("the template that comes with the program is sound")
    }

    /// Reads a template; `file` is what errors call it.
    ///
    /// # Errors
    /// When a part is missing, stands twice or in another order, or does not parse.
    pub fn parse(file: &str, text: &str) -> Result<Self, TemplateError> {
        let wrong = |line: usize, problem: String| TemplateError { file: file.to_owned(), line, problem };
        let mut parts = [const { String::new() }; 3];
        let mut next = 0;
        for (place, line) in text.lines().enumerate() {
            if let Some(mark) = MARKS.iter().position(|mark| line.trim() == *mark) {
                if mark != next {
                    let problem = format!(
                        "the part `{}` is out of order; a template has the lines {} once each, in this order",
                        MARKS[mark],
                        MARKS.join(", ")
                    );
                    return Err(wrong(place + 1, problem));
                }
                next += 1;
                parts[mark] = "\n".repeat(place + 1);
            } else if let Some(part) = next.checked_sub(1) {
                parts[part].push_str(line);
                parts[part].push('\n');
            }
        }
        if next < MARKS.len() {
            let problem = format!("there is no line `{}`; each part of a template begins with its mark", MARKS[next]);
            return Err(wrong(text.lines().count().max(1), problem));
        }
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| wrong(1, error.to_string()))?);
        let template = Self { file: file.to_owned(), environment, parts };
        for part in &template.parts {
            template
                .environment
                .template_from_named_str(&template.file, part)
                .map_err(|error| template.wrong(&error))?;
        }
        Ok(template)
    }

    /// The parts that many prompts share: the system turn, and the beginning of the user's turn.
    ///
    /// # Errors
    /// When a part names something that is not there, or does something that cannot be done.
    pub fn shared(&self, names: &Shared<'_>) -> Result<(Arc<str>, Arc<str>), TemplateError> {
        let system = self.render(0, Value::from(Serde(names)))?;
        let mut shared = self.render(1, Value::from(Serde(names)))?;
        if !shared.is_empty() {
            shared.push_str("\n\n");
        }
        Ok((system.into(), shared.into()))
    }

    /// The part that is a prompt's own: the end of the user's turn.
    ///
    /// # Errors
    /// As for [`Self::shared`].
    pub fn own(&self, names: &Own<'_>) -> Result<Arc<str>, TemplateError> {
        Ok(self.render(2, Value::from(Serde(names)))?.into())
    }

    fn render(&self, part: usize, names: Value) -> Result<String, TemplateError> {
        let text = self
            .environment
            .render_named_str(&self.file, &self.parts[part], names)
            .map_err(|error| self.wrong(&error))?;
        Ok(text.trim().to_owned())
    }

    fn wrong(&self, error: &minijinja::Error) -> TemplateError {
        let problem = match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        TemplateError { file: self.file.clone(), line: error.line().unwrap_or(1), problem }
    }
}
