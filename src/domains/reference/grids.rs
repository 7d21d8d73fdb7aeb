//! `FrozenLake-v1`, `CliffWalking-v1` and `Taxi-v4` as transition tables, by Gymnasium's published dynamics.

use super::settings::LakeMap;
use crate::base::{Action, Branch, LegalActions, TransitionTable};

fn certain(next: usize, reward: f64, terminated: bool) -> Vec<Branch> {
    vec![Branch { probability: 1.0, next, reward, terminated }]
}

/// The place one step away, or the same at the edge of a grid of `rows` × `columns`.
fn neighbour(place: usize, (down, right): (isize, isize), rows: usize, columns: usize) -> usize {
    let clamp = |value: usize, change: isize, most: usize| value.saturating_add_signed(change).min(most - 1);
    clamp(place / columns, down, rows) * columns + clamp(place % columns, right, columns)
}

const LAKE_FOUR: [&str; 4] = ["SFFF", "FHFH", "FFFH", "HFFG"];
const LAKE_EIGHT: [&str; 8] =
    ["SFFFFFFF", "FFFFFFFF", "FFFHFFFF", "FFFFFHFF", "FFFHFFFF", "FHHFFFHF", "FHFFHFHF", "FFFHFFFG"];

/// Columns of a lake.
#[must_use]
pub fn lake_columns(map: LakeMap) -> usize {
    match map {
        LakeMap::Four => LAKE_FOUR.len(),
        LakeMap::Eight => LAKE_EIGHT.len(),
    }
}

/// The frozen lake: left, down, right, up. The goal is worth 1; a hole ends the episode and is worth nothing. On
/// slippery ice one goes the way one wants, or to either side of it, each with probability 1/3.
#[must_use]
pub fn frozen_lake(map: LakeMap, slippery: bool) -> TransitionTable {
    let rows: &[&str] = match map {
        LakeMap::Four => &LAKE_FOUR,
        LakeMap::Eight => &LAKE_EIGHT,
    };
    let size = rows.len();
    let letter = |place: usize| rows[place / size].as_bytes()[place % size];
    let ways = [(0, -1), (1, 0), (0, 1), (-1, 0)];
    TransitionTable::new(size * size, 4, vec![0], |place, action| {
        if matches!(letter(place), b'G' | b'H') {
            return certain(place, 0.0, true);
        }
        let go = |way: usize, probability: f64| {
            let next = neighbour(place, ways[way], size, size);
            let reward = if letter(next) == b'G' { 1.0 } else { 0.0 };
            Branch { probability, next, reward, terminated: matches!(letter(next), b'G' | b'H') }
        };
        if slippery {
            [(action + 3) % 4, action, (action + 1) % 4].map(|way| go(way, 1.0 / 3.0)).to_vec()
        } else {
            vec![go(action, 1.0)]
        }
    })
}

/// Columns of the cliff's grid of four rows.
pub const CLIFF_COLUMNS: usize = 12;

/// The way along the cliff: up, right, down, left. Start and goal are the corners of the last row, with the cliff between
/// them. A step is worth −1; one over the cliff −100, and leads back to the start.
#[must_use]
pub fn cliff_walking() -> TransitionTable {
    let ways = [(-1, 0), (0, 1), (1, 0), (0, -1)];
    TransitionTable::new(4 * CLIFF_COLUMNS, 4, vec![36], |place, action| {
        let next = neighbour(place, ways[action], 4, CLIFF_COLUMNS);
        if (37..47).contains(&next) { certain(36, -100.0, false) } else { certain(next, -1.0, next == 47) }
    })
}

/// The taxi's town; a bar is a wall between two columns.
const TOWN: [&str; 5] = ["|R: | : :G|", "| : | : : |", "| : : : : |", "| | : | : |", "|Y| : |B: |"];
/// The four places where passengers stand and go: red, green, yellow, blue, as (row, column).
const STANDS: [(usize, usize); 4] = [(0, 0), (0, 4), (4, 0), (4, 3)];
/// The passenger's place while in the taxi.
const RIDING: usize = 4;

/// Row, column, passenger's place (4: in the taxi), destination of a state of the taxi.
#[must_use]
pub fn taxi_parts(state: usize) -> [usize; 4] {
    [state / 100, state / 20 % 5, state / 4 % 5, state % 4]
}

fn taxi_state([row, column, passenger, destination]: [usize; 4]) -> usize {
    ((row * 5 + column) * 5 + passenger) * 4 + destination
}

/// The taxi: south, north, east, west, pick up, set down. A step is worth −1, an impossible pick-up or set-down −10; to
/// set the passenger down at the destination is worth 20 and ends the episode.
#[must_use]
pub fn taxi() -> TransitionTable {
    let starts = (0..500).filter(|&state| {
        let [_, _, passenger, destination] = taxi_parts(state);
        passenger != RIDING && passenger != destination
    });
    TransitionTable::new(500, 6, starts.collect(), |state, action| {
        let [row, column, passenger, destination] = taxi_parts(state);
        let open = |gap: usize| TOWN[row].as_bytes()[gap] == b':';
        let stand = STANDS.iter().position(|&stand| stand == (row, column));
        let at = |row, column, passenger| taxi_state([row, column, passenger, destination]);
        match action {
            0 => certain(at((row + 1).min(4), column, passenger), -1.0, false),
            1 => certain(at(row.saturating_sub(1), column, passenger), -1.0, false),
            2 if open(2 * column + 2) => certain(at(row, column + 1, passenger), -1.0, false),
            3 if open(2 * column) => certain(at(row, column - 1, passenger), -1.0, false),
            2 | 3 => certain(state, -1.0, false),
            4 if passenger != RIDING && stand == Some(passenger) => certain(at(row, column, RIDING), -1.0, false),
            4 => certain(state, -10.0, false),
            _ => match stand {
                Some(stand) if passenger == RIDING && stand == destination => {
                    certain(at(row, column, stand), 20.0, true)
                }
                Some(stand) if passenger == RIDING => certain(at(row, column, stand), -1.0, false),
                _ => certain(state, -10.0, false),
            },
        }
    })
}

/// The actions of the taxi that change something in a state.
#[must_use]
pub fn taxi_legal(table: &TransitionTable, state: usize) -> LegalActions {
    (0..6_u16)
        .filter(|&action| {
            let branch = table.follows(state, usize::from(action))[0];
            branch.next != state || branch.terminated
        })
        .fold(LegalActions::default(), |legal, action| legal.with(Action(action)))
}
