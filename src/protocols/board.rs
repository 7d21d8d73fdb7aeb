//! A board: entries that fill in a declared form, each with an owner and a version, in sections that roles may read or
//! write. What is written in a tick is taken in at its close, by writer and then in the order of writing, so that everyone
//! reads the same all tick long. Of several who write what they believe to be the same version one succeeds (optimistic
//! concurrency control, Kung and Robinson 1981).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::rights::{Refusal, Right, Rights};
use crate::base::{AgentId, Field, FormError, Tick, check_filled, check_form};

/// What stands in an entry: a value for each field of its section.
pub type Filled = Arc<Map<String, Value>>;

/// A section of a board: what its entries hold, and who may use it.
#[derive(Clone, Debug, PartialEq)]
pub struct BoardSection {
    /// Its name.
    pub name: Arc<str>,
    /// The form that each entry fills in.
    pub fields: Arc<[Field]>,
    /// Who may read and write.
    pub rights: Rights,
    /// Whether only its owner may change an entry, as long as the owner is there.
    pub owned: bool,
}

/// An entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it says.
    pub content: Filled,
    /// Who wrote it last.
    pub owner: AgentId,
    /// 1 when it was first written, one more with every change.
    pub version: u64,
    /// When it was written last.
    pub tick: Tick,
}

/// Something to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Writing {
    /// Into which section.
    pub section: u16,
    /// Under which key.
    pub key: u32,
    /// What; nothing wipes the entry, and its next version goes on from there.
    pub content: Option<Filled>,
    /// Compare and set: only if the entry has this version, 0 for no entry. Without it whatever stands there is replaced.
    pub seen: Option<u64>,
    /// Who writes.
    pub writer: AgentId,
    /// Its role.
    pub role: u16,
}

/// What became of something that was to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// What it was.
    pub writing: Writing,
    /// The entry's version now (0 where there was nothing to wipe), or why nothing changed.
    pub result: Result<u64, Refusal>,
}

/// The sections, their entries, and what is still to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    sections: Vec<BoardSection>,
    entries: BTreeMap<(u16, u32), Entry>,
    /// Versions of entries that were wiped, so that no version comes twice.
    wiped: BTreeMap<(u16, u32), u64>,
    writings: Vec<Writing>,
}

impl Board {
    /// Declares a section and gives its number.
    ///
    /// # Errors
    /// When its form cannot be filled in.
    ///
    /// # Panics
    /// With more than 65,536 sections: they are ours.
    pub fn declare(&mut self, section: BoardSection) -> Result<u16, FormError> {
        check_form(&section.fields)?;
        let number = u16::try_from(self.sections.len()).expect("few sections");
        self.sections.push(section);
        Ok(number)
    }

    fn permitted(&self, number: u16, role: u16, right: Right) -> Result<&BoardSection, Refusal> {
        let section = self.sections.get(usize::from(number)).ok_or(Refusal::Unknown)?;
        if section.rights.allow(right, role) { Ok(section) } else { Err(Refusal::Right(right)) }
    }

    /// Reads an entry, as it was when the tick began.
    ///
    /// # Errors
    /// When the reader's role may not read the section, or there is none.
    pub fn read(&self, section: u16, key: u32, role: u16) -> Result<Option<&Entry>, Refusal> {
        self.permitted(section, role, Right::Read)?;
        Ok(self.entries.get(&(section, key)))
    }

    /// Reads a whole section, by key.
    ///
    /// # Errors
    /// When the reader's role may not read the section, or there is none.
    pub fn read_all(&self, section: u16, role: u16) -> Result<impl Iterator<Item = (u32, &Entry)>, Refusal> {
        self.permitted(section, role, Right::Read)?;
        Ok(self.entries.range((section, 0)..=(section, u32::MAX)).map(|(place, entry)| (place.1, entry)))
    }

    /// Hands in something to be written at the close of the tick.
    pub fn write(&mut self, writing: Writing) {
        self.writings.push(writing);
    }

    /// Takes in what was written, by writer and then in the order of writing, and says what became of each. What somebody
    /// owns who is not there any more anyone may change.
    pub fn close(&mut self, tick: Tick, is_there: impl Fn(AgentId) -> bool) -> Vec<Settlement> {
        let mut writings = std::mem::take(&mut self.writings);
        writings.sort_by_key(|writing| writing.writer);
        let settle = |writing: Writing| Settlement { result: self.take_in(&writing, tick, &is_there), writing };
        writings.into_iter().map(settle).collect()
    }

    fn take_in(&mut self, writing: &Writing, tick: Tick, is_there: &impl Fn(AgentId) -> bool) -> Result<u64, Refusal> {
        let &Writing { section: number, key, ref content, seen, writer, role } = writing;
        let section = self.permitted(number, role, Right::Write)?;
        if let Some(content) = content {
            check_filled(&section.fields, content).map_err(|error| Refusal::Form(error.to_string()))?;
        }
        let place = (number, key);
        let entry = self.entries.get(&place);
        let found = entry.map_or(0, |entry| entry.version);
        if let Some(seen) = seen.filter(|seen| *seen != found) {
            return Err(Refusal::Version { seen, found });
        }
        let foreign = |entry: &&Entry| section.owned && entry.owner != writer && is_there(entry.owner);
        if let Some(entry) = entry.filter(foreign) {
            return Err(Refusal::Owner(entry.owner));
        }
        let version = found.max(self.wiped.get(&place).copied().unwrap_or(0)) + 1;
        match content {
            Some(content) => {
                self.wiped.remove(&place);
                let content = Arc::clone(content);
                self.entries.insert(place, Entry { content, owner: writer, version, tick });
            }
            None if found > 0 => {
                self.entries.remove(&place);
                self.wiped.insert(place, version);
            }
            None => return Ok(0),
        }
        Ok(version)
    }

    /// The number of the section with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u16> {
        self.sections.iter().position(|section| &*section.name == name).and_then(|place| u16::try_from(place).ok())
    }

    /// The sections, by number.
    #[must_use]
    pub fn sections(&self) -> &[BoardSection] {
        &self.sections
    }
}
