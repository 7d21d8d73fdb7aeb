//! Who may read and who may write, by role.

use std::fmt;

use crate::base::AgentId;

/// The roles that may read something and those that may write it, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Roles that may read, or subscribe.
    pub readers: Vec<u16>,
    /// Roles that may write, or publish.
    pub writers: Vec<u16>,
}

impl Rights {
    /// Whether a role may do it.
    #[must_use]
    pub fn allow(&self, right: Right, role: u16) -> bool {
        match right {
            Right::Read => self.readers.contains(&role),
            Right::Write => self.writers.contains(&role),
        }
    }
}

/// What a role may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Read, or subscribe.
    Read,
    /// Write, or publish.
    Write,
}

/// Why a topic or the blackboard did not do what an agent wanted; nothing changed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who wanted it.
    pub agent: AgentId,
    /// The topic's or the section's name; the number where there is none of it.
    pub place: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with what an agent wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is no such topic or section.
    Unknown,
    /// The agent's role may not do it.
    Right(Right),
    /// The section holds entries of another kind, or with other bounds; what was to be written.
    Content(String),
    /// The entry has another version by now.
    Version {
        /// The version that the writer had seen; 0 for no entry.
        seen: u64,
        /// The entry's.
        found: u64,
    },
    /// The entry belongs to somebody else.
    Owner(AgentId),
}

impl Problem {
    /// The word that records carry.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Right(_) => "right",
            Self::Content(_) => "content",
            Self::Version { .. } => "version",
            Self::Owner(_) => "owner",
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: agent {}: ", self.place, self.agent)?;
        match &self.problem {
            Problem::Unknown => formatter.write_str("there is no such topic or section"),
            Problem::Right(Right::Read) => formatter.write_str("its role may not read here"),
            Problem::Right(Right::Write) => formatter.write_str("its role may not write here"),
            Problem::Content(content) => write!(formatter, "{content} does not fit"),
            Problem::Version { seen, found } => {
                write!(formatter, "version {seen} was expected, and the entry has {found}")
            }
            Problem::Owner(owner) => write!(formatter, "the entry belongs to agent {owner}"),
        }
    }
}
