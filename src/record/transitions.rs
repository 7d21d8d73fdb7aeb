//! Recorded transitions as CSV: written row by row while a run goes on, read back to the same bits.
//!
//! A policy's space gives the columns: one a feature, one an action, so that the header alone says for which agents a
//! file was recorded.

use std::io::{self, Read, Write};

use super::{Column, TableSpec};
use crate::base::{Action, AgentId, LegalActions, Outcome, Space, Tick, Transitions};

const LEADING: [&str; 6] = ["tick", "agent", "action", "log_probability", "reward", "outcome"];
const SEEN: &str = "seen.";
const LEGAL: &str = "legal.";
const NEXT: &str = "next.";
const NEXT_LEGAL: &str = "next_legal.";
const TERM: &str = "term.";
const CONTINUES: &str = "continues";
const TERMINATED: &str = "terminated";
const TRUNCATED: &str = "truncated";

/// The columns for the docs; a capital word stands for each name of the policy's space.
#[must_use]
pub fn transition_columns() -> TableSpec {
    TableSpec {
        name: "transitions/POLICY",
        about: "a decision, and what came of it",
        columns: vec![
            Column::new("tick", "ticks", "when it was decided"),
            Column::new("agent", "", "agent id"),
            Column::new("action", "", "what was done"),
            Column::new(
                "log_probability",
                "nats",
                "natural logarithm of the probability with which the policy did it; empty where it does not tell",
            ),
            Column::new("reward", "reward", "what came in until the next decision, or the end of the episode"),
            Column::new("outcome", "", "`continues`, `terminated` or, cut off, `truncated`"),
            Column::new("seen.FEATURE", "", "what was seen: a column a feature, in 32 bits"),
            Column::new("legal.ACTION", "", "whether it might have been done: a column an action"),
            Column::new("next.FEATURE", "", "what was seen next, or last before the cut; empty where it terminated"),
            Column::new("next_legal.ACTION", "", "whether it might have been done next; empty where it terminated"),
            Column::new("term.NAME", "reward", "a part that rewards or costs consist of, where the domain names parts"),
        ],
    }
}

/// Names of the columns for a space.
fn header(space: &Space) -> Vec<String> {
    let with = |prefix: &'static str, names: &[&'static str]| -> Vec<String> {
        names.iter().map(|name| format!("{prefix}{name}")).collect()
    };
    [
        LEADING.iter().map(|&name| name.to_owned()).collect(),
        with(SEEN, &space.features),
        with(LEGAL, &space.menu.names),
        with(NEXT, &space.features),
        with(NEXT_LEGAL, &space.menu.names),
        with(TERM, &space.terms),
    ]
    .concat()
}

/// A file of transitions being written.
pub(super) struct TransitionFile<W: Write> {
    writer: csv::Writer<W>,
    space: Space,
    cell: String,
}

impl<W: Write> TransitionFile<W> {
    /// Starts with the header.
    pub fn new(space: &Space, sink: W) -> Result<Self, csv::Error> {
        let mut writer = csv::WriterBuilder::new().buffer_capacity(1 << 16).from_writer(sink);
        writer.write_record(header(space))?;
        Ok(Self { writer, space: space.clone(), cell: String::new() })
    }

    /// Writes rows.
    pub fn append(&mut self, rows: &Transitions) -> Result<(), csv::Error> {
        let (width, actions, terms) = (self.space.features.len(), self.space.menu.len(), self.space.terms.len());
        for row in 0..rows.len() {
            let terminated = rows.outcomes[row] == Outcome::Terminated;
            self.cell(rows.decided[row].0)?;
            self.cell(rows.agents[row].0)?;
            self.writer.write_field(self.space.menu.names[rows.actions[row].index()])?;
            match rows.log_probabilities[row] {
                Some(value) => self.cell(value)?,
                None => self.writer.write_field("")?,
            }
            self.cell(rows.rewards[row])?;
            self.writer.write_field(match rows.outcomes[row] {
                Outcome::Continues => CONTINUES,
                Outcome::Terminated => TERMINATED,
                Outcome::Truncated => TRUNCATED,
            })?;
            for &value in &rows.features[row * width..(row + 1) * width] {
                self.cell(value)?;
            }
            self.mask(rows.legal[row], actions)?;
            if terminated {
                for _ in 0..width + actions {
                    self.writer.write_field("")?;
                }
            } else {
                for &value in &rows.next_features[row * width..(row + 1) * width] {
                    self.cell(value)?;
                }
                self.mask(rows.next_legal[row], actions)?;
            }
            for &value in &rows.terms[row * terms..(row + 1) * terms] {
                self.cell(value)?;
            }
            self.writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    /// The shortest form that reads back to the same bits.
    fn cell(&mut self, value: impl std::fmt::Display) -> Result<(), csv::Error> {
        use std::fmt::Write as _;
        self.cell.clear();
        write!(self.cell, "{value}").expect("a string takes all");
        self.writer.write_field(&self.cell)
    }

    fn mask(&mut self, legal: LegalActions, actions: usize) -> Result<(), csv::Error> {
        (0..actions)
            .try_for_each(|action| self.writer.write_field(if legal.allows(Action(action as u16)) { "1" } else { "0" }))
    }

    /// Hands everything over to the sink.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.flush()?;
        self.writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }
}

/// Remembers the last byte that passed.
struct LastByte<R> {
    inner: R,
    last: Option<u8>,
}

impl<R: Read> Read for LastByte<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count > 0 {
            self.last = Some(buffer[count - 1]);
        }
        Ok(count)
    }
}

/// Reads a file of transitions that was recorded for agents with this space.
///
/// # Errors
/// A sentence that says what is wrong, with the line: recorded for other features or actions, cut off, no transitions, a
/// number that is none or not finite, an action that was not legal.
pub fn read_transitions(source: impl Read, space: &Space) -> Result<Transitions, String> {
    let mut source = LastByte { inner: source, last: None };
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(&mut source);
    let found: Vec<String> =
        reader.headers().map_err(|error| format!("line 1: {error}"))?.iter().map(str::to_owned).collect();
    check_header(&found, space)?;
    let mut rows = Transitions::default();
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                let column = |place: usize| found[place].as_str();
                take(&record, space, &mut rows)
                    .map_err(|(place, problem)| format!("line {line}, `{}`: {problem}", column(place)))?;
            }
            Err(error) => return Err(format!("line {line}: it is cut off or damaged: {error}")),
        }
    }
    drop(reader);
    if source.last != Some(b'\n') {
        return Err("it is cut off: its last line has no end".to_owned());
    }
    if rows.is_empty() {
        return Err("it holds no transitions: no decision of the policy came to an end in that run".to_owned());
    }
    Ok(rows)
}

/// Refuses a file of other columns, and says in words what differs.
fn check_header(found: &[String], space: &Space) -> Result<(), String> {
    if found == header(space) {
        return Ok(());
    }
    let named = |prefix: &str| -> Vec<&str> { found.iter().filter_map(|name| name.strip_prefix(prefix)).collect() };
    if found.iter().take(LEADING.len()).ne(LEADING.iter()) {
        return Err(format!(
            "line 1: it is no file of transitions: its header does not begin with `{}`",
            LEADING.join(",")
        ));
    }
    for (prefix, what, needed) in
        [(SEEN, "features", &*space.features), (LEGAL, "actions", &*space.menu.names), (TERM, "terms", &*space.terms)]
    {
        if named(prefix) != needed {
            return Err(format!(
                "it was recorded for agents with other {what}: they had {:?}, this policy's agents have {needed:?}",
                named(prefix)
            ));
        }
    }
    Err("line 1: its columns are not in the order in which they are written".to_owned())
}

/// Takes in a row; or says which column is wrong, and how.
fn take(record: &csv::StringRecord, space: &Space, rows: &mut Transitions) -> Result<(), (usize, String)> {
    let (width, actions, terms) = (space.features.len(), space.menu.len(), space.terms.len());
    let whole = |place: usize, most: u64| {
        let number = record[place].parse::<u64>().ok().filter(|&number| number <= most);
        number.ok_or_else(|| (place, format!("\"{}\" is no whole number up to {most}", &record[place])))
    };
    let number = |place: usize| {
        let number = record[place].parse::<f32>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| (place, format!("\"{}\" is not a finite number", &record[place])))
    };
    let mask = |start: usize| -> Result<LegalActions, (usize, String)> {
        (0..actions).try_fold(LegalActions::default(), |mask, action| match &record[start + action] {
            "1" => Ok(mask.with(Action(action as u16))),
            "0" => Ok(mask),
            other => Err((start + action, format!("\"{other}\" is neither 0 nor 1"))),
        })
    };
    let (seen, legal_at) = (LEADING.len(), LEADING.len() + width);
    let (next, next_legal_at) = (legal_at + actions, legal_at + actions + width);
    let outcome = match &record[5] {
        CONTINUES => Outcome::Continues,
        TERMINATED => Outcome::Terminated,
        TRUNCATED => Outcome::Truncated,
        other => return Err((5, format!("\"{other}\" is no outcome"))),
    };
    let legal = mask(legal_at)?;
    let action = space.menu.names.iter().position(|&name| name == &record[2]).map(|action| Action(action as u16));
    let action = action.filter(|&action| legal.allows(action));
    let action = action.ok_or_else(|| (2, format!("\"{}\" is none of the legal actions", &record[2])))?;
    let log_probability = match &record[3] {
        "" => None,
        text => {
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && *value <= 0.0);
            Some(value.ok_or_else(|| (3, format!("\"{text}\" is no logarithm of a probability")))?)
        }
    };
    rows.decided.push(Tick(whole(0, u64::MAX)?));
    rows.agents.push(AgentId(whole(1, u64::from(u32::MAX))? as u32));
    rows.actions.push(action);
    rows.log_probabilities.push(log_probability);
    rows.rewards.push(number(4)?);
    rows.outcomes.push(outcome);
    for place in seen..legal_at {
        rows.features.push(number(place)?);
    }
    rows.legal.push(legal);
    if outcome == Outcome::Terminated {
        if let Some(place) = (next..next_legal_at + actions).find(|&place| !record[place].is_empty()) {
            return Err((place, "the episode terminated, so that nothing can follow".to_owned()));
        }
        rows.next_features.resize(rows.next_features.len() + width, 0.0);
        rows.next_legal.push(LegalActions::default());
    } else {
        for place in next..next_legal_at {
            rows.next_features.push(number(place)?);
        }
        let next_legal = mask(next_legal_at)?;
        if next_legal.count() == 0 {
            return Err((next_legal_at, "nothing is legal next, though the episode did not terminate".to_owned()));
        }
        rows.next_legal.push(next_legal);
    }
    for place in next_legal_at + actions..next_legal_at + actions + terms {
        rows.terms.push(number(place)?);
    }
    Ok(())
}
