//! What a person reads at the end.

use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};

use super::bench::LlmBench;
use super::estimate::Estimate;
use super::run::RunOutcome;
use crate::record::Settled;

/// The summary as a table: a row a measure, a column a contender.
#[must_use]
pub fn summary_table(outcome: &RunOutcome) -> String {
    let mut table = plain_table();
    let alone = outcome.comparison.len() == 1;
    let names = outcome.comparison.iter().map(|(name, _)| name.clone());
    table.set_header(std::iter::once(String::new()).chain(names));
    // Not everyone has every line: one who asks no advisor says nothing of it.
    for row in &outcome.comparison[0].1 {
        let of = |summary: &[Settled]| {
            summary.iter().find(|other| other.name == row.name).map_or_else(String::new, |found| cell(found, alone))
        };
        let cells = outcome.comparison.iter().map(|(_, summary)| of(summary));
        table.add_row(std::iter::once(row.name.clone()).chain(cells));
    }
    aligned(table)
}

pub(super) fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for part in [TableComponent::HeaderLines, TableComponent::MiddleHeaderIntersections] {
        table.set_style(part, '─');
    }
    table
}

/// The table's text, all but the first column to the right.
pub(super) fn aligned(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// A training: the summary, and what was kept.
#[must_use]
pub fn training_table(outcome: &RunOutcome) -> String {
    let mut text = summary_table(outcome);
    let Some(training) = &outcome.manifest.training else { return text };
    // Writing to a text cannot fail.
    let _ = write!(
        text,
        "\n{} evaluations with {} seeds each, by {}; ended at tick {}: {}",
        training.evaluations,
        training.seeds.len(),
        training.measure,
        outcome.manifest.ticks,
        training.stopped
    );
    for row in &training.policies {
        let value = row.value.map_or_else(String::new, |value| format!(", {} {value:.4}", training.measure));
        let _ = write!(text, "\n{}/: as learned until tick {}{value}", row.folder, row.tick);
    }
    let [best, last] = &training.policies[..] else { return text };
    if best.value.is_none() {
        let what =
            "no evaluation had a value, so that policies/ holds the last ones: make `train.evaluate_ticks` larger";
        let _ = write!(text, "\n{what}");
    } else if best.tick == 0 && last.tick > 0 {
        let _ = write!(text, "\nno evaluation found better policies than those it began with");
    }
    text
}

/// An evaluation: a row a measure and contender.
#[must_use]
pub fn intervals_table(outcome: &RunOutcome) -> String {
    let first = outcome.comparison.first().map_or("", |(name, _)| name);
    let mut table = plain_table();
    table.set_header(["", "contender", "mean", "± (95%)", &format!("{first} has more"), "± (95%)", "seeds"]);
    let shown = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), |number| format!("{number:.3}"));
    let mut measure = "";
    for row in &outcome.intervals {
        let own = row.contender == first;
        table.add_row([
            if row.measure == measure { String::new() } else { row.measure.clone() },
            row.contender.clone(),
            shown(row.mean),
            shown(row.half_width),
            if own { String::new() } else { shown(row.difference) },
            if own { String::new() } else { shown(row.difference_half_width) },
            if own { row.seeds.to_string() } else { row.pairs.to_string() },
        ]);
        measure = &row.measure;
    }
    aligned(table)
}

/// The same for machines.
#[must_use]
pub fn intervals_json(outcome: &RunOutcome) -> serde_json::Value {
    seeded_json(outcome, "intervals", &outcome.intervals)
}

/// What came of a command over many seeds, for machines: its head, and what it found under a name of its own.
pub(super) fn seeded_json(outcome: &RunOutcome, name: &str, found: &impl serde::Serialize) -> serde_json::Value {
    let mut json = serde_json::json!({
        "folder": outcome.folder,
        "scenario": outcome.manifest.scenario,
        "scenario_sha256": outcome.manifest.scenario_sha256,
        "seeds": outcome.manifest.seeds,
        "ticks": outcome.manifest.ticks,
        "outcome": outcome.manifest.outcome,
        "seconds": outcome.seconds,
    });
    json[name] = serde_json::json!(found);
    json
}

/// An estimate: a row a model, and a line for all.
#[must_use]
pub fn estimate_table(estimate: &Estimate) -> String {
    let mut table = plain_table();
    table.set_header([
        "language model",
        "calls",
        "same tick",
        "remembered",
        "answered",
        "prompt tokens",
        "of these reused",
        "answer tokens",
        "seconds",
        "price",
    ]);
    for model in &estimate.models {
        let metered = &model.metered;
        table.add_row([
            model.model.clone(),
            model.calls.to_string(),
            model.deduplicated.to_string(),
            model.remembered.to_string(),
            metered.requests.to_string(),
            metered.prompt_tokens.to_string(),
            metered.reused_tokens.to_string(),
            metered.answer_tokens.to_string(),
            format!("{:.1}", metered.seconds),
            model.price.map_or_else(|| "–".to_owned(), |price| format!("{price:.4}")),
        ]);
    }
    let mut text = aligned(table);
    let Estimate { scenario, ticks, seconds, pilot, .. } = estimate;
    // Writing to a text cannot fail.
    let _ = write!(
        text,
        "\n{scenario}: {ticks} ticks with all it is compared with, about {seconds:.1} s on this machine \
         (each model was asked up to {pilot} requests in earnest)"
    );
    for spent in &estimate.budgets_spent {
        let _ = write!(text, "\n{spent}");
    }
    text
}

/// The speeds of a model: a row a measure.
#[must_use]
pub fn bench_table(bench: &LlmBench) -> String {
    let identity = |key: &str| bench.identity.get(key).map_or("–", String::as_str);
    let mut table = plain_table();
    let title = format!("{}, kernel {}, {} threads", bench.model, identity("kernel"), bench.threads);
    table.set_header([title, format!("best of {}", bench.repetitions)]);
    let mut row = |name: String, value: String| {
        table.add_row([name, value]);
    };
    row("load (s)".to_owned(), format!("{:.2}", bench.load_seconds));
    for speed in &bench.prefill {
        row(format!("prefill {} (tokens/s)", speed.size), format!("{:.0}", speed.tokens_per_second));
    }
    for speed in &bench.decode {
        row(format!("decode, batch {} (tokens/s)", speed.size), format!("{:.0}", speed.tokens_per_second));
    }
    let shape = format!("{}+{}", bench.menu_shared_tokens, bench.menu_prompt_tokens - bench.menu_shared_tokens);
    row(format!("choice of 5, {shape} tokens (decisions/s)"), format!("{:.1}", bench.menu_decisions_per_second));
    let mebibytes = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"));
    row("memory, loaded (MiB)".to_owned(), mebibytes(bench.loaded_mib));
    row("memory, most at 64 sequences (MiB)".to_owned(), mebibytes(bench.decode_64_peak_mib));
    aligned(table)
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
    let mut json = serde_json::json!({
        "folder": outcome.folder,
        "scenario": outcome.manifest.scenario,
        "scenario_sha256": outcome.manifest.scenario_sha256,
        "seed": outcome.manifest.seed,
        "ticks": outcome.manifest.ticks,
        "outcome": outcome.manifest.outcome,
        "seconds": outcome.seconds,
        "contenders": outcome
            .comparison
            .iter()
            .map(|(name, summary)| (name.clone(), measures(summary).into()))
            .collect::<serde_json::Map<String, serde_json::Value>>(),
    });
    if let Some(training) = &outcome.manifest.training {
        json["training"] = serde_json::json!(training);
    }
    json
}
