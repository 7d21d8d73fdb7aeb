//! What is wrong with a scenario: message, place, and what to do next.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::source::{Sources, Span};

/// The size of the largest scenario text that is read: 8 MiB.
pub const MAX_BYTES: u64 = 8 << 20;

/// Refuses a file of `bytes` bytes by its size, so that it need not be read.
///
/// # Errors
/// When it is larger than [`MAX_BYTES`].
pub fn check_size(file_name: &str, bytes: u64) -> Result<(), ScenarioError> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    Err(ScenarioError::without_place(
        file_name,
        format!("the scenario is {bytes} bytes long, but at most {MAX_BYTES} (8 MiB) are read"),
        "a scenario describes a run in words and numbers; keep data in files of its own",
    ))
}

/// So many problems are reported at once; a file with more is not the file that was meant.
const MAX_PROBLEMS: usize = 50;

/// One or more problems of a scenario, in the order of the text.
///
/// `Display` gives the first as `file:line:column: message`; as a [`Diagnostic`] the others are related to it.
#[derive(Clone, Debug)]
pub struct ScenarioError {
    problems: Box<[Problem]>,
}

/// One problem.
#[derive(Clone, Debug)]
struct Problem {
    message: String,
    label: String,
    help: String,
    source: Arc<NamedSource<String>>,
    span: Option<Span>,
}

impl ScenarioError {
    /// A file that is not UTF-8 text; `byte_offset` is the first byte that is not.
    #[must_use]
    pub fn not_utf8(file_name: &str, byte_offset: usize) -> Self {
        Self::without_place(
            file_name,
            format!("the scenario is not UTF-8 text: byte {byte_offset} does not belong to any character"),
            "save the file with the encoding UTF-8",
        )
    }

    pub(super) fn without_place(file_name: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        let source = Arc::new(NamedSource::new(file_name, String::new()));
        let problem = Problem { message: message.into(), label: String::new(), help: help.into(), source, span: None };
        Self { problems: Box::new([problem]) }
    }

    /// The messages of all problems, each with its place, in the order of the text.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        self.problems.iter().map(Problem::to_string).collect()
    }

    /// What to do about each problem, beside [`ScenarioError::messages`].
    #[must_use]
    pub fn helps(&self) -> Vec<String> {
        self.problems.iter().map(|problem| problem.help.clone()).collect()
    }

    /// Line and column of the first problem in the file, counted from 1, the column in characters. None where the
    /// problem has no place in the file: it lies in an override or in the file as a whole.
    #[must_use]
    pub fn line_column(&self) -> Option<(usize, usize)> {
        self.problems.first().and_then(Problem::line_column)
    }

    /// The name of the file, or the override as it was written, where the first problem lies.
    #[must_use]
    pub fn source_name(&self) -> &str {
        self.problems.first().map_or("", |problem| problem.source.name())
    }
}

impl Problem {
    fn line_column(&self) -> Option<(usize, usize)> {
        let span = self.span.filter(|span| !span.is_in_override())?;
        let before = self.source.inner().get(..span.start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.source.name())?;
        if let Some((line, column)) = self.line_column() {
            write!(formatter, "{line}:{column}:")?;
        }
        write!(formatter, " {}", self.message)
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.first() {
            Some(problem) => problem.fmt(formatter),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
impl std::error::Error for ScenarioError {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.help.is_empty()).then(|| Box::new(&self.help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.span.map(|_| &self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span?;
        let label = LabeledSpan::new(Some(self.label.clone()), span.start, span.end.saturating_sub(span.start));
        Some(Box::new(std::iter::once(label)))
    }
}

impl Diagnostic for ScenarioError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problems.first()?.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problems.first()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.problems.first()?.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let others = self.problems.get(1..).filter(|others| !others.is_empty())?;
        Some(Box::new(others.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// Collects the problems of one scenario.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    sources: &'a Sources,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub fn new(sources: &'a Sources) -> Self {
        Self { sources, found: Vec::new() }
    }

    /// Adds a problem at a place. The label stands under the text there, the help says what to do next.
    pub fn add(&mut self, span: Span, message: impl Into<String>, label: impl Into<String>, help: impl Into<String>) {
        let source = Arc::clone(&self.sources.0[span.source]);
        self.found.push(Problem {
            message: message.into(),
            label: label.into(),
            help: help.into(),
            source,
            span: Some(span),
        });
    }

    /// Adds the problems of an error that was found elsewhere.
    pub fn extend(&mut self, error: ScenarioError) {
        self.found.extend(error.problems);
    }

    /// Whether as many problems are found as will be shown: looking for more is idle.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MAX_PROBLEMS
    }

    /// The problems in the order of the text, those of the overrides first: they were written last.
    pub fn finish(mut self) -> Result<(), ScenarioError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|problem| problem.span.map(|span| (!span.is_in_override(), span.source, span.start)));
        self.found.truncate(MAX_PROBLEMS);
        Err(ScenarioError { problems: self.found.into_boxed_slice() })
    }

    /// An error of a single problem.
    pub fn single(
        sources: &'a Sources,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> ScenarioError {
        let mut problems = Self::new(sources);
        problems.add(span, message, label, help);
        ScenarioError { problems: problems.found.into_boxed_slice() }
    }
}
