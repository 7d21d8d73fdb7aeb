//! A blackboard: typed entries with an owner and a version, in sections that roles may read or write. What is written in a
//! tick is taken in at its close, by writer and then in the order of writing, so that everyone reads the same all tick long.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::envelope::Content;
use super::moves::Expected;
use super::rights::{Problem, Refusal, Right, Rights};
use crate::base::{AgentId, Tick};

/// A section of a blackboard: what its entries hold, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardSection {
    /// Its name.
    pub name: Arc<str>,
    /// What an entry holds.
    pub content: Expected,
    /// Who may read and write.
    pub rights: Rights,
    /// Whether only its owner may change an entry.
    pub owned: bool,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it says.
    pub content: Content,
    /// Who wrote it last.
    pub owner: AgentId,
    /// 1 when it was first written, one more with every change.
    pub version: u64,
    /// When it was written last.
    pub tick: Tick,
}

/// Something to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// Into which section.
    pub section: u16,
    /// Under which key.
    pub key: u32,
    /// What; nothing wipes the entry, and its next version goes on from there.
    pub content: Option<Content>,
    /// Compare and set: only if the entry has this version, 0 for no entry. Without it whatever stands there is replaced.
    pub seen: Option<u64>,
    /// Who writes.
    pub writer: AgentId,
    /// Its role.
    pub role: u16,
}

/// The blackboard of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blackboard {
    sections: Vec<BoardSection>,
    entries: BTreeMap<(u16, u32), Entry>,
    /// Versions of entries that were wiped, so that no version comes twice.
    wiped: BTreeMap<(u16, u32), u64>,
    writings: Vec<Writing>,
}

impl Blackboard {
    /// Declares a section and gives its number.
    ///
    /// # Panics
    /// With more than 65,536 sections: they are ours.
    pub fn declare(&mut self, section: BoardSection) -> u16 {
        let number = u16::try_from(self.sections.len()).expect("few sections");
        self.sections.push(section);
        number
    }

    fn section(&self, number: u16, agent: AgentId, role: u16, right: Right) -> Result<&BoardSection, Refusal> {
        let Some(section) = self.sections.get(usize::from(number)) else {
            return Err(Refusal { agent, place: format!("section {number}"), problem: Problem::Unknown });
        };
        if section.rights.allow(right, role) {
            return Ok(section);
        }
        Err(Refusal { agent, place: format!("section \"{}\"", section.name), problem: Problem::Right(right) })
    }

    /// Reads an entry, as it was when the tick began.
    ///
    /// # Errors
    /// When the reader's role may not read the section, or there is none.
    pub fn read(&self, section: u16, key: u32, reader: AgentId, role: u16) -> Result<Option<&Entry>, Refusal> {
        self.section(section, reader, role, Right::Read)?;
        Ok(self.entries.get(&(section, key)))
    }

    /// Reads a whole section, by key.
    ///
    /// # Errors
    /// When the reader's role may not read the section, or there is none.
    pub fn read_all(
        &self,
        section: u16,
        reader: AgentId,
        role: u16,
    ) -> Result<impl Iterator<Item = (u32, &Entry)>, Refusal> {
        self.section(section, reader, role, Right::Read)?;
        Ok(self.entries.range((section, 0)..=(section, u32::MAX)).map(|(place, entry)| (place.1, entry)))
    }

    /// Hands in something to be written at the close of the tick.
    pub fn write(&mut self, writing: Writing) {
        self.writings.push(writing);
    }

    /// Takes in what was written, by writer and then in the order of writing, and gives what was refused. Of several who
    /// compare and set the same version one succeeds.
    pub fn close(&mut self, tick: Tick) -> Vec<Refusal> {
        let mut writings = std::mem::take(&mut self.writings);
        writings.sort_by_key(|writing| writing.writer);
        writings.into_iter().filter_map(|writing| self.take_in(writing, tick).err()).collect()
    }

    fn take_in(&mut self, writing: Writing, tick: Tick) -> Result<(), Refusal> {
        let Writing { section: number, key, content, seen, writer, role } = writing;
        let section = self.section(number, writer, role, Right::Write)?;
        let refuse = |problem| {
            Err(Refusal { agent: writer, place: format!("section \"{}\", entry {key}", section.name), problem })
        };
        let place = (number, key);
        let entry = self.entries.get(&place);
        let found = entry.map_or(0, |entry| entry.version);
        if let Some(content) = content.as_ref().filter(|content| !section.content.admits(content)) {
            return refuse(Problem::Content(content.to_string()));
        }
        if let Some(seen) = seen.filter(|seen| *seen != found) {
            return refuse(Problem::Version { seen, found });
        }
        if let Some(entry) = entry.filter(|entry| section.owned && entry.owner != writer) {
            return refuse(Problem::Owner(entry.owner));
        }
        let version = found.max(self.wiped.get(&place).copied().unwrap_or(0)) + 1;
        match content {
            Some(content) => {
                self.wiped.remove(&place);
                self.entries.insert(place, Entry { content, owner: writer, version, tick });
            }
            None if found > 0 => {
                self.entries.remove(&place);
                self.wiped.insert(place, version);
            }
            None => {}
        }
        Ok(())
    }
}
