//! Typed tables: named columns with units, rows of values, and their one CSV form.

use std::io::Write;
use std::sync::Arc;

/// A column: its header, its unit, what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The CSV header.
    pub name: &'static str,
    /// Unit; empty for names and ids.
    pub unit: &'static str,
    /// What it says, in a line.
    pub about: &'static str,
}

impl Column {
    /// A column.
    #[must_use]
    pub const fn new(name: &'static str, unit: &'static str, about: &'static str) -> Self {
        Self { name, unit, about }
    }
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A number; written in the shortest form that reads back to the same bits.
    Float(f64),
    /// A text.
    Text(Arc<str>),
    /// Nothing to say (a mean of nothing, for instance); an empty cell.
    Empty,
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Arc::from(value))
    }
}

impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// What a table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Its file's name without `.csv`.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// Rows that wait to be written (or read by a library's caller).
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What it holds.
    pub spec: TableSpec,
    cells: Vec<Value>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(spec: TableSpec) -> Self {
        Self { spec, cells: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When it has not one cell a column: that is our mistake, never the user's.
    pub fn push(&mut self, row: impl IntoIterator<Item = Value>) {
        let before = self.cells.len();
        self.cells.extend(row);
        assert_eq!(
            self.cells.len() - before,
            self.spec.columns.len(),
            "a row of {} has the wrong width",
            self.spec.name
        );
    }

    /// The rows, oldest first.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[Value]> {
        self.cells.chunks_exact(self.spec.columns.len())
    }

    /// Forgets the rows, keeps the columns.
    pub fn clear(&mut self) {
        self.cells.clear();
    }

    /// The values of a column by name, as numbers; cells that are none are left out.
    #[must_use]
    pub fn numbers(&self, column: &str) -> Vec<f64> {
        let Some(index) = self.spec.columns.iter().position(|known| known.name == column) else { return Vec::new() };
        self.rows()
            .filter_map(|row| match row[index] {
                Value::Int(value) => Some(value as f64),
                Value::Float(value) => Some(value),
                Value::Text(_) | Value::Empty => None,
            })
            .collect()
    }
}

/// A table being written as CSV.
pub struct CsvTable<W: Write> {
    writer: csv::Writer<W>,
    record: csv::StringRecord,
}

impl<W: Write> CsvTable<W> {
    /// Starts with the header.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(spec: &TableSpec, sink: W) -> Result<Self, csv::Error> {
        let mut writer = csv::WriterBuilder::new().buffer_capacity(1 << 16).from_writer(sink);
        writer.write_record(spec.columns.iter().map(|column| column.name))?;
        Ok(Self { writer, record: csv::StringRecord::new() })
    }

    /// Writes a table's rows.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&mut self, table: &Table) -> Result<(), csv::Error> {
        use std::fmt::Write as _;
        let mut cell = String::new();
        for row in table.rows() {
            self.record.clear();
            for value in row {
                cell.clear();
                match value {
                    Value::Int(value) => write!(cell, "{value}").expect("a string takes all"),
                    Value::Float(value) => write!(cell, "{value}").expect("a string takes all"),
                    Value::Text(text) => cell.push_str(text),
                    Value::Empty => {}
                }
                self.record.push_field(&cell);
            }
            self.writer.write_record(&self.record)?;
        }
        Ok(())
    }

    /// Hands everything over to the sink.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> std::io::Result<W> {
        self.writer.flush()?;
        self.writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
    }
}

/// The columns of a table as Markdown rows, for the docs and for the test that holds the docs to them.
#[must_use]
pub fn columns_markdown(spec: &TableSpec) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("| column | unit | what it says |\n|---|---|---|\n");
    for column in &spec.columns {
        writeln!(text, "| `{}` | {} | {} |", column.name, column.unit, column.about).expect("a string takes all");
    }
    text
}
