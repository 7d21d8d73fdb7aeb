//! Where a piece of a scenario was written: in the file, or in one of the overrides.

use std::sync::Arc;

use miette::NamedSource;

/// A place in one of the [`Sources`], in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    /// 0 is the file, k is the k-th override.
    pub source: usize,
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(source: usize, range: std::ops::Range<usize>) -> Self {
        Self { source, start: range.start, end: range.end }
    }

    pub fn is_in_override(self) -> bool {
        self.source > 0
    }
}

/// The file's text, then the text of every override.
#[derive(Clone, Debug)]
pub(super) struct Sources(pub Vec<Arc<NamedSource<String>>>);

impl Sources {
    pub fn file(name: &str, text: &str) -> Self {
        Self(vec![Arc::new(NamedSource::new(name, text.to_owned()))])
    }
}
