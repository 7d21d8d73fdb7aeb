//! Softmax attention of several rows at once over the keys and values that they share.
//!
//! Rows that stand side by side in a pass go in bundles: a key or value is read once for all queries of a bundle that
//! see it, so that attention over a shared beginning is one product of matrices. Which rows are bundled does not show:
//! a score is a sum over the dimensions in order, a weighted value a sum over the positions in order, and both are
//! rounded after each step.
#![expect(clippy::inline_always, reason = "the kernels compile these bodies again for their own instructions")]

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use super::attention::{KeyValues, LANES, Sequence, exp, sum};

/// Sixteen numbers that a kernel computes with at once.
pub(super) trait Lanes: Copy {
    /// Whether some thirty of them fit into registers, or only seven.
    const MANY: bool;
    /// All zero.
    fn zero() -> Self;
    /// The same number sixteen times.
    fn splat(number: f32) -> Self;
    /// Sixteen numbers from memory.
    fn load(numbers: &[f32; LANES]) -> Self;
    /// Writes them.
    fn store(self, numbers: &mut [f32; LANES]);
    /// Adds a product, which is rounded before it is added.
    fn add_product(self, left: Self, right: Self) -> Self;
}

/// Plain Rust.
impl Lanes for [f32; LANES] {
    const MANY: bool = false;

    #[inline(always)]
    fn zero() -> Self {
        [0.0; LANES]
    }

    #[inline(always)]
    fn splat(number: f32) -> Self {
        [number; LANES]
    }

    #[inline(always)]
    fn load(numbers: &[f32; LANES]) -> Self {
        *numbers
    }

    #[inline(always)]
    fn store(self, numbers: &mut [f32; LANES]) {
        *numbers = self;
    }

    #[inline(always)]
    fn add_product(mut self, left: Self, right: Self) -> Self {
        for lane in 0..LANES {
            self[lane] += left[lane] * right[lane];
        }
        self
    }
}

/// What a row of a pass attends to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The place of its sequence.
    pub sequence: usize,
    /// Its position in the sequence's own part.
    pub own_position: usize,
    /// The first position of the whole sequence that it sees.
    pub first: usize,
}

/// Consecutive rows of a pass that attend together.
#[derive(Debug)]
pub(super) struct Bundle {
    /// The rows.
    pub rows: Range<usize>,
    runs: Vec<Run>,
}

/// Rows of a bundle that see the same part of a sequence.
#[derive(Debug)]
struct Run {
    rows: Range<usize>,
    /// Which of the parts before the sequence's own; none is its own.
    part: Option<usize>,
    /// Positions of the sequence before this part.
    offset: usize,
}

/// Queries that a bundle should have for each key-value head, about.
const QUERIES: usize = 12;

/// Puts rows into bundles. `group` is how many query heads share a key-value head.
pub(super) fn bundles(sequences: &[Sequence], seen: &[Seen], group: usize) -> Vec<Bundle> {
    let most = (QUERIES / group).max(4);
    let sequence = |row: usize| &sequences[seen[row].sequence];
    let mut bundles = Vec::new();
    for start in (0..seen.len()).step_by(most) {
        let rows = start..seen.len().min(start + most);
        let mut runs = Vec::new();
        let parts = rows.clone().map(|row| sequence(row).before.len()).max().unwrap_or(0);
        for part in 0..parts {
            let mut row = rows.start;
            while row < rows.end {
                let first = row;
                let Some((values, length)) = sequence(first).before.get(part) else {
                    row += 1;
                    continue;
                };
                let offset = offset(sequence(first), part);
                let same = |row: usize| {
                    sequence(row).before.get(part).is_some_and(|(other, count)| {
                        Arc::ptr_eq(other, values) && count == length && self::offset(sequence(row), part) == offset
                    })
                };
                row += 1 + (first + 1..rows.end).take_while(|row| same(*row)).count();
                runs.push(Run { rows: first..row, part: Some(part), offset });
            }
        }
        let mut row = rows.start;
        while row < rows.end {
            let first = row;
            let same = |row: &usize| seen[*row].sequence == seen[first].sequence;
            row += 1 + (first + 1..rows.end).take_while(same).count();
            runs.push(Run { rows: first..row, part: None, offset: sequence(first).start() });
        }
        bundles.push(Bundle { rows, runs });
    }
    bundles
}

fn offset(sequence: &Sequence, part: usize) -> usize {
    sequence.before[..part].iter().map(|(_, length)| length).sum()
}

/// A bundle's attention in some key-value heads.
pub(super) struct AttentionTask<'a> {
    pub sequences: &'a [Sequence],
    /// What each row of the pass sees.
    pub seen: &'a [Seen],
    pub bundle: &'a Bundle,
    pub layer: usize,
    /// The key-value heads.
    pub heads: Range<usize>,
    /// The bundle's queries in these heads, row by row, already scaled by 1/√width.
    pub queries: &'a [f32],
}

/// Memory to work in.
#[derive(Debug, Default)]
pub(super) struct Room {
    scores: Vec<f32>,
    totals: Vec<f32>,
    packed: Vec<f32>,
}

/// The queries of a task in one head.
struct Head<'a> {
    task: &'a AttentionTask<'a>,
    place: usize,
    width: usize,
    /// Queries a row has in this head.
    group: usize,
    /// Numbers from a row's queries to the next row's.
    row_stride: usize,
    /// Numbers from a query's scores to the next query's.
    score_stride: usize,
}

impl<'a> Head<'a> {
    /// Where the queries (and outputs) of query `number` of a bundle begin.
    fn query(&self, number: usize) -> usize {
        let place = self.place - self.task.heads.start;
        number / self.group * self.row_stride + (place * self.group + number % self.group) * self.width
    }

    /// The row of query `number`.
    fn seen(&self, number: usize) -> &Seen {
        &self.task.seen[self.task.bundle.rows.start + number / self.group]
    }

    /// The queries of a run.
    fn queries(&self, run: &Run) -> Range<usize> {
        let start = self.task.bundle.rows.start;
        (run.rows.start - start) * self.group..(run.rows.end - start) * self.group
    }

    fn part(&self, run: &Run) -> &'a KeyValues {
        let sequence = &self.task.sequences[self.task.seen[run.rows.start].sequence];
        match run.part {
            Some(part) => &sequence.before[part].0,
            None => &sequence.own,
        }
    }

    /// The positions of a run's part that query `number` sees.
    fn positions(&self, run: &Run, number: usize) -> Range<usize> {
        let seen = self.seen(number);
        let end = match run.part {
            Some(part) => self.task.sequences[seen.sequence].before[part].1,
            None => seen.own_position + 1,
        };
        seen.first.saturating_sub(run.offset).min(end)..end
    }
}

/// Writes as many numbers as the task has in its queries.
#[inline(always)]
pub(super) fn attend<L: Lanes>(task: &AttentionTask<'_>, room: &mut Room, output: &mut [f32]) {
    let rows = &task.bundle.rows;
    let Some(any) = task.sequences.first() else { return };
    let width = any.own.head_width();
    let row_stride = task.queries.len() / rows.len();
    let group = row_stride / width / task.heads.len();
    let end = |row: usize| task.sequences[task.seen[row].sequence].start() + task.seen[row].own_position + 1;
    let longest = rows.clone().map(end).max().unwrap_or(0);
    // A part's last sixteen positions are computed whole, and overwritten by the part after it.
    let score_stride = (longest + LANES).next_multiple_of(LANES);
    room.scores.resize(rows.len() * group * score_stride, 0.0);
    room.totals.resize(rows.len() * group, 0.0);
    output.fill(0.0);
    for head in task.heads.clone() {
        let head = Head { task, place: head, width, group, row_stride, score_stride };
        for run in &task.bundle.runs {
            score_run::<L>(&head, run, room);
        }
        for number in 0..rows.len() * group {
            let scores = &mut room.scores[number * score_stride..];
            let scores = &mut scores[head.seen(number).first..end(rows.start + number / group)];
            room.totals[number] = soften(scores);
        }
        for run in &task.bundle.runs {
            weigh_run::<L>(&head, run, &room.scores, output);
        }
        for number in 0..rows.len() * group {
            let inverse = 1.0 / room.totals[number];
            for output in &mut output[head.query(number)..][..width] {
                *output *= inverse;
            }
        }
    }
}

/// Turns scores into weights that are still to be divided by their sum, which it returns.
#[inline(always)]
fn soften(scores: &mut [f32]) -> f32 {
    let mut peaks = [f32::NEG_INFINITY; LANES];
    let (groups, rest) = scores.as_chunks::<LANES>();
    for group in groups {
        for lane in 0..LANES {
            peaks[lane] = if group[lane] > peaks[lane] { group[lane] } else { peaks[lane] };
        }
    }
    let larger = |peak: f32, score: &f32| if *score > peak { *score } else { peak };
    let peak = peaks.iter().chain(rest).fold(f32::NEG_INFINITY, larger);
    for score in scores.iter_mut() {
        *score = exp(*score - peak);
    }
    sum(scores)
}

/// The scores of a run's queries with the keys of its part.
#[inline(always)]
fn score_run<L: Lanes>(head: &Head<'_>, run: &Run, room: &mut Room) {
    let numbers = head.queries(run);
    let first = numbers.clone().map(|number| head.positions(run, number).start).min().unwrap_or(0);
    let end = numbers.clone().map(|number| head.positions(run, number).end).max().unwrap_or(0);
    let groups = first / LANES..end.div_ceil(LANES);
    let mut number = numbers.start;
    while number < numbers.end {
        number += match (numbers.end - number).min(if L::MANY { 12 } else { 6 }) {
            12 => score_queries::<L, 12>(head, run, number, groups.clone(), room),
            8..=11 => score_queries::<L, 8>(head, run, number, groups.clone(), room),
            6 | 7 => score_queries::<L, 6>(head, run, number, groups.clone(), room),
            4 | 5 => score_queries::<L, 4>(head, run, number, groups.clone(), room),
            3 => score_queries::<L, 3>(head, run, number, groups.clone(), room),
            2 => score_queries::<L, 2>(head, run, number, groups.clone(), room),
            _ => score_queries::<L, 1>(head, run, number, groups.clone(), room),
        };
    }
}

/// The scores of N queries from `number` on with groups of sixteen keys. Returns N.
#[inline(always)]
fn score_queries<L: Lanes, const N: usize>(
    head: &Head<'_>,
    run: &Run,
    number: usize,
    groups: Range<usize>,
    room: &mut Room,
) -> usize {
    let width = head.width;
    // The queries by dimension, so that what belongs to one key stands together.
    room.packed.resize(width * N, 0.0);
    let (packed, _) = room.packed.as_chunks_mut::<N>();
    for query in 0..N {
        let numbers = &head.task.queries[head.query(number + query)..][..width];
        for (packed, number) in packed.iter_mut().zip(numbers) {
            packed[query] = *number;
        }
    }
    let (packed, _) = room.packed[..width * N].as_chunks::<N>();
    let keys = head.part(run).keys(head.task.layer, head.place);
    for group in groups {
        let (keys, _) = keys[group * LANES * width..(group + 1) * LANES * width].as_chunks::<LANES>();
        let mut sums = [L::zero(); N];
        for (queries, keys) in packed.iter().zip(keys) {
            let keys = L::load(keys);
            for (sum, query) in sums.iter_mut().zip(queries) {
                *sum = sum.add_product(L::splat(*query), keys);
            }
        }
        for (query, sums) in sums.into_iter().enumerate() {
            let start = (number + query) * head.score_stride + run.offset + group * LANES;
            if let Some(scores) = room.scores[start..].first_chunk_mut() {
                sums.store(scores);
            }
        }
    }
    N
}

/// Adds the values of a run's part, each times its weight, to the outputs of the run's queries.
#[inline(always)]
fn weigh_run<L: Lanes>(head: &Head<'_>, run: &Run, scores: &[f32], output: &mut [f32]) {
    let numbers = head.queries(run);
    let mut number = numbers.start;
    while number < numbers.end {
        number += match (numbers.end - number).min(if L::MANY { 4 } else { 2 }) {
            4 => weigh_queries::<L, 4>(head, run, number, scores, output),
            3 => weigh_queries::<L, 3>(head, run, number, scores, output),
            2 => weigh_queries::<L, 2>(head, run, number, scores, output),
            _ => weigh_queries::<L, 1>(head, run, number, scores, output),
        };
    }
}

/// The same for N queries from `number` on: what all of them see together, what only some see one by one, and all in
/// the order of positions. Returns N.
#[inline(always)]
fn weigh_queries<L: Lanes, const N: usize>(
    head: &Head<'_>,
    run: &Run,
    number: usize,
    scores: &[f32],
    output: &mut [f32],
) -> usize {
    let mut common = head.positions(run, number);
    for query in 1..N {
        let positions = head.positions(run, number + query);
        common = common.start.max(positions.start)..common.end.min(positions.end);
    }
    if common.is_empty() {
        for query in 0..N {
            let positions = head.positions(run, number + query);
            weigh_positions::<L, 1>(head, run, number + query, positions, scores, output);
        }
        return N;
    }
    for query in 0..N {
        let before = head.positions(run, number + query).start..common.start;
        weigh_positions::<L, 1>(head, run, number + query, before, scores, output);
    }
    weigh_positions::<L, N>(head, run, number, common.clone(), scores, output);
    for query in 0..N {
        let after = common.end..head.positions(run, number + query).end;
        weigh_positions::<L, 1>(head, run, number + query, after, scores, output);
    }
    N
}

/// Adds weighted values of some positions to the outputs of N queries.
#[inline(always)]
fn weigh_positions<L: Lanes, const N: usize>(
    head: &Head<'_>,
    run: &Run,
    number: usize,
    positions: Range<usize>,
    scores: &[f32],
    output: &mut [f32],
) {
    if positions.is_empty() {
        return;
    }
    let width = head.width;
    let values = &head.part(run).values(head.task.layer, head.place)[positions.start * width..positions.end * width];
    let mut weights: [&[f32]; N] = [&[]; N];
    for (query, weights) in weights.iter_mut().enumerate() {
        let start = (number + query) * head.score_stride + run.offset + positions.start;
        *weights = &scores[start..start + positions.len()];
    }
    let mut column = 0;
    while column + 4 * LANES <= width && L::MANY {
        weigh_columns::<L, N, 4>(head, number, column, values, weights, output);
        column += 4 * LANES;
    }
    while column + 2 * LANES <= width {
        weigh_columns::<L, N, 2>(head, number, column, values, weights, output);
        column += 2 * LANES;
    }
    while column + LANES <= width {
        weigh_columns::<L, N, 1>(head, number, column, values, weights, output);
        column += LANES;
    }
    for column in column..width {
        for (query, weights) in weights.iter().enumerate() {
            let output = &mut output[head.query(number + query) + column];
            for (weight, value) in weights.iter().zip(values[column..].iter().step_by(width)) {
                *output += weight * value;
            }
        }
    }
}

/// C times sixteen columns of N queries' outputs.
#[inline(always)]
fn weigh_columns<L: Lanes, const N: usize, const C: usize>(
    head: &Head<'_>,
    number: usize,
    column: usize,
    values: &[f32],
    weights: [&[f32]; N],
    output: &mut [f32],
) {
    let mut sums = [[L::zero(); C]; N];
    for (query, sums) in sums.iter_mut().enumerate() {
        let (columns, _) = output[head.query(number + query) + column..].as_chunks::<LANES>();
        for (sum, columns) in sums.iter_mut().zip(columns) {
            *sum = L::load(columns);
        }
    }
    for (position, values) in values.chunks_exact(head.width).enumerate() {
        let (columns, _) = values[column..column + C * LANES].as_chunks::<LANES>();
        let mut value = [L::zero(); C];
        for (value, column) in value.iter_mut().zip(columns) {
            *value = L::load(column);
        }
        for query in 0..N {
            let weight = L::splat(weights[query][position]);
            for place in 0..C {
                sums[query][place] = sums[query][place].add_product(weight, value[place]);
            }
        }
    }
    for (query, sums) in sums.iter().enumerate() {
        let (columns, _) = output[head.query(number + query) + column..].as_chunks_mut::<LANES>();
        for (sum, columns) in sums.iter().zip(columns) {
            sum.store(columns);
        }
    }
}
