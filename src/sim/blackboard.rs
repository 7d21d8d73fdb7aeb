//! The blackboard in a simulation: everyone reads what stood there when the tick began; what is written in Act and Send is
//! taken in when the tick closes, by writer and then in the order of writing.

use std::sync::{Mutex, PoisonError};

use bevy_ecs::resource::Resource;
use serde_json::{Map, Value as Json};

use super::boundaries::Breach;
use super::components::{Agent, RoleId};
use super::sharing::Close;
use crate::base::{AgentId, FormError};
use crate::protocols::{Board, BoardSection, Entry, Refusal, Settlement, Writing};
use crate::record::{Column, TableSpec, Value};

/// A section of the blackboard that the domain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SectionId(pub u16);

/// What agents share by writing it down: typed entries with owners and versions.
#[derive(Resource, Debug, Default)]
pub struct Blackboard {
    board: Board,
    settled: Vec<Settlement>,
    /// Entries written or wiped, and those refused for their version, when the last tick closed.
    pub(super) counts: [u64; 2],
    /// Reading without the right to, this tick. Behind a lock, because whoever reads only borrows.
    breaches: Mutex<Vec<Breach>>,
}

impl Blackboard {
    pub(super) fn declare(&mut self, section: BoardSection) -> Result<(), FormError> {
        self.board.declare(section).map(drop)
    }

    /// The section with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<SectionId> {
        self.board.find(name).map(SectionId)
    }

    /// Reads an entry as it was when the tick began.
    ///
    /// # Errors
    /// When the reader's role may not read the section, or there is none: a breach, which is counted and named.
    pub fn read(&self, agent: &Agent, section: SectionId, key: u32) -> Result<Option<&Entry>, Refusal> {
        let read = self.board.read(section.0, key, agent.role.0);
        read.inspect_err(|refusal| self.breach_of_read(agent, section, refusal))
    }

    /// Reads a whole section as it was when the tick began, by key.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_all(&self, agent: &Agent, section: SectionId) -> Result<impl Iterator<Item = (u32, &Entry)>, Refusal> {
        let read = self.board.read_all(section.0, agent.role.0);
        read.inspect_err(|refusal| self.breach_of_read(agent, section, refusal))
    }

    fn breach_of_read(&self, agent: &Agent, section: SectionId, refusal: &Refusal) {
        if matches!(refusal, Refusal::Right(_)) {
            let (tried, instead) = (format!("read {}", self.name(section.0)), "nothing read".to_owned());
            let breach = Breach { agent: agent.id, role: agent.role, right: "read", tried, instead };
            self.breaches.lock().unwrap_or_else(PoisonError::into_inner).push(breach);
        }
    }

    /// Writes an entry at the close of this tick. `seen`: only if the entry has this version then, 0 for no entry; without
    /// it whatever stands there is replaced. What became of it: [`Self::settled`], at the next tick.
    pub fn write(
        &mut self,
        agent: &Agent,
        section: SectionId,
        key: u32,
        content: Map<String, Json>,
        seen: Option<u64>,
    ) {
        let (section, content, writer, role) = (section.0, Some(content.into()), agent.id, agent.role.0);
        self.board.write(Writing { section, key, content, seen, writer, role });
    }

    /// Wipes an entry at the close of this tick, as [`Self::write`] writes one.
    pub fn wipe(&mut self, agent: &Agent, section: SectionId, key: u32, seen: Option<u64>) {
        let (section, writer, role) = (section.0, agent.id, agent.role.0);
        self.board.write(Writing { section, key, content: None, seen, writer, role });
    }

    /// What became of everything that was to be written at the last tick, by writer and in the order of writing: its new
    /// version, or why nothing changed.
    #[must_use]
    pub fn settled(&self) -> &[Settlement] {
        &self.settled
    }

    /// What became of what one agent was to write at the last tick, in the order of writing.
    #[must_use]
    pub fn settled_of(&self, agent: AgentId) -> &[Settlement] {
        let start = self.settled.partition_point(|one| one.writing.writer < agent);
        let end = self.settled.partition_point(|one| one.writing.writer <= agent);
        &self.settled[start..end]
    }

    pub(super) fn is_used(&self) -> bool {
        !self.board.sections().is_empty()
    }

    fn name(&self, section: u16) -> &str {
        self.board.sections().get(usize::from(section)).map_or("unknown", |section| &section.name)
    }

    /// Takes in what was written.
    pub(super) fn close(&mut self, close: &mut Close<'_>) {
        for breach in self.breaches.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            close.breaches.name(breach);
        }
        self.settled = self.board.close(close.tick, |agent| close.directory.row(agent).is_some());
        self.counts = [0, 0];
        for Settlement { writing, result } in &self.settled {
            match result {
                Ok(version) => self.counts[0] += u64::from(*version > 0),
                Err(refusal) => {
                    self.counts[1] += u64::from(matches!(refusal, Refusal::Version { .. }));
                    let tried = format!("write {}, entry {}", self.name(writing.section), writing.key);
                    close.breach((writing.writer, RoleId(writing.role)), refusal, tried, "not written");
                }
            }
            close.written(self.name(writing.section), writing, result);
        }
    }
}

/// Columns of `blackboard.csv`.
#[must_use]
pub fn blackboard_columns() -> TableSpec {
    TableSpec {
        name: "blackboard",
        about: "something written to the blackboard, or refused",
        columns: vec![
            Column::new("tick", "ticks", "the tick at whose close it happened"),
            Column::new("section", "", "the section's name"),
            Column::new("entry", "", "the entry's key, as the domain numbers it"),
            Column::new("event", "", "written, wiped, or why not: not-permitted, form, version or owner"),
            Column::new("agent", "", "agent id of the writer"),
            Column::new("seen", "", "the version that the writer expected; empty where it did not say"),
            Column::new(
                "version",
                "",
                "the entry's version from now on; 0 where there was nothing to wipe, empty where it was refused",
            ),
            Column::new("content", "", "what was to be written, as JSON; empty where the entry was to be wiped"),
        ],
    }
}

impl Close<'_> {
    fn written(&mut self, section: &str, writing: &Writing, result: &Result<u64, Refusal>) {
        let Some(tables) = &mut self.tables else { return };
        let event = match (result, &writing.content) {
            (Ok(_), Some(_)) => "written",
            (Ok(_), None) => "wiped",
            (Err(refusal), _) => refusal.name(),
        };
        let content = writing.content.as_ref().map(|content| Json::Object((**content).clone()).to_string());
        let row = [
            Value::from(self.tick.0),
            Value::from(section),
            Value::from(writing.key),
            Value::from(event),
            Value::from(writing.writer.0),
            Value::from(writing.seen),
            Value::from(result.as_ref().ok().copied()),
            Value::from(content.as_deref()),
        ];
        tables.push("blackboard", row);
    }
}
