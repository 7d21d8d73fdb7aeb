//! The task market: the component that allocates against brute force and published figures, the world against the theory of
//! auctions, and what learners come to in it.

mod allocation;
mod theory;
mod world;

use std::collections::BTreeMap;
use std::path::Path;

/// The columns of a table of a run: by header, its cells.
fn table(run: &Path, name: &str) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(run.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let rows: Vec<Vec<String>> = lines.collect();
    let column = |place: usize| rows.iter().map(|row| row[place].clone()).collect();
    header.iter().enumerate().map(|(place, name)| (name.clone(), column(place))).collect()
}

/// A column as numbers.
fn numbers(table: &BTreeMap<String, Vec<String>>, column: &str) -> Vec<f64> {
    table[column].iter().map(|cell| cell.parse().unwrap_or_else(|_| panic!("{column}: {cell:?}"))).collect()
}

/// The sum of a column over the rows of one market.
fn sum_of(table: &BTreeMap<String, Vec<String>>, market: &str, column: &str) -> f64 {
    let of_market = numbers(table, column).into_iter().zip(&table["market"]).filter(|row| row.1 == market);
    of_market.map(|row| row.0).sum()
}
