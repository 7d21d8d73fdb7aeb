//! Who may read and who may write, by role, and why a topic or the blackboard did not do what an agent wanted.

use std::fmt;

use crate::base::AgentId;

/// Some of the roles, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roles {
    /// All of them.
    #[default]
    All,
    /// These.
    Only(Vec<u16>),
}

impl Roles {
    /// Whether a role is among them.
    #[must_use]
    pub fn contains(&self, role: u16) -> bool {
        match self {
            Self::All => true,
            Self::Only(roles) => roles.contains(&role),
        }
    }
}

/// The roles that may read something and those that may write it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Roles that may read, or subscribe.
    pub readers: Roles,
    /// Roles that may write, or publish.
    pub writers: Roles,
}

impl Rights {
    /// Whether a role may do it.
    #[must_use]
    pub fn allow(&self, right: Right, role: u16) -> bool {
        match right {
            Right::Read => self.readers.contains(role),
            Right::Write => self.writers.contains(role),
        }
    }
}

/// What a role may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Read, or subscribe.
    Read,
    /// Write, or publish.
    Write,
}

impl Right {
    /// The word that records carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Why a topic or the blackboard did not do what an agent wanted; nothing changed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such topic or section.
    Unknown,
    /// The agent's role may not do it.
    Right(Right),
    /// What was to be written is not what the section's entries are.
    Form(String),
    /// The entry has another version by now.
    Version {
        /// The version that the writer had seen; 0 for no entry.
        seen: u64,
        /// The entry's; 0 where there is none.
        found: u64,
    },
    /// The entry belongs to somebody else.
    Owner(AgentId),
}

impl Refusal {
    /// The word that records carry.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Right(_) => "not-permitted",
            Self::Form(_) => "form",
            Self::Version { .. } => "version",
            Self::Owner(_) => "owner",
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => formatter.write_str("there is no such topic or section"),
            Self::Right(Right::Read) => formatter.write_str("its role may not read here"),
            Self::Right(Right::Write) => formatter.write_str("its role may not write here"),
            Self::Form(problem) => formatter.write_str(problem),
            Self::Version { seen, found } => write!(formatter, "version {seen} was expected, and it has {found}"),
            Self::Owner(owner) => write!(formatter, "it belongs to agent {owner}"),
        }
    }
}
