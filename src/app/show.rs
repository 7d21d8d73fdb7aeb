//! What a person reads at the end.

use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};

use super::run::RunOutcome;
use crate::record::Settled;

/// The summary as a table: a row a measure, a column a contender.
#[must_use]
pub fn summary_table(outcome: &RunOutcome) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for part in [TableComponent::HeaderLines, TableComponent::MiddleHeaderIntersections] {
        table.set_style(part, '─');
    }
    let alone = outcome.comparison.len() == 1;
    let names = outcome.comparison.iter().map(|(name, _)| name.clone());
    table.set_header(std::iter::once(String::new()).chain(names));
    let rows = &outcome.comparison[0].1;
    for (index, row) in rows.iter().enumerate() {
        let cells = outcome.comparison.iter().map(|(_, summary)| cell(&summary[index], alone));
        table.add_row(std::iter::once(row.name.clone()).chain(cells));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Counts behind a share are left out where several contenders stand side by side.
fn cell(settled: &Settled, with_counts: bool) -> String {
    match settled.shown.split_once(" (") {
        Some((share, _)) if !with_counts => share.to_owned(),
        _ => settled.shown.clone(),
    }
}

/// The same for machines.
#[must_use]
pub fn summary_json(outcome: &RunOutcome) -> serde_json::Value {
    let measures = |summary: &[Settled]| -> serde_json::Map<String, serde_json::Value> {
        summary.iter().map(|settled| (settled.name.clone(), serde_json::json!(settled.number))).collect()
    };
    serde_json::json!({
        "folder": outcome.folder,
        "scenario": outcome.manifest.scenario,
        "scenario_sha256": outcome.manifest.scenario_sha256,
        "seed": outcome.manifest.seed,
        "ticks": outcome.manifest.ticks,
        "seconds": outcome.seconds,
        "contenders": outcome
            .comparison
            .iter()
            .map(|(name, summary)| (name.clone(), measures(summary).into()))
            .collect::<serde_json::Map<String, serde_json::Value>>(),
    })
}
