//! What a run leaves behind: typed tables as CSV, saved policies, the manifest, and the folder that is either whole
//! or absent.

mod folder;
mod manifest;
mod policy_file;
mod rows;
mod table;
mod transitions;

pub use folder::{FileSum, RecordError, RunFolder, TRANSITIONS, sha256_hex, sha256_of, sums_of};
pub use manifest::{BudgetRow, CheckpointRow, DataSource, LanguageRow, Manifest, PartialReplay, Settled, TrainingRow};
pub use policy_file::{read_policy, write_policy};
pub use rows::{CsvRow, read_csv, visit_csv};
pub use table::{Column, CsvTable, Table, TableSpec, Value, columns_markdown};
pub use transitions::{read_transitions, transition_columns};
