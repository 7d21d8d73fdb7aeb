//! All equilibria of a two-player game, in exact fractions.
//!
//! Every equilibrium is a mixture of extreme ones: pairs of vertices of the two best-response polytopes that carry all
//! labels between them (Mangasarian 1964; Avis, Rosenberg, Savani and von Stengel 2010). In a degenerate game they form
//! components; each is a union of maximal Nash subsets, whose strategies of one side all go with all of the other's.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Zero};

use super::polytope::{Vertex, vertices};
use super::{GameError, NormalForm, Rational, dot, exact};

/// Most maximal Nash subsets that are listed.
pub const SUBSETS_MAX: usize = 10_000;

/// An equilibrium in exact fractions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equilibrium {
    /// The mixtures of the row and the column player.
    pub strategies: [Vec<Rational>; 2],
    /// What it is worth to each.
    pub utilities: [Rational; 2],
}

/// Strategies of the row player that all go with all those of the column player: any mixture of the ones against any
/// mixture of the others is an equilibrium, and no more can be added on either side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NashSubset {
    /// Numbers of strategies in [`Equilibria::rows`].
    pub rows: Vec<usize>,
    /// Numbers of strategies in [`Equilibria::columns`].
    pub columns: Vec<usize>,
}

/// The whole set of equilibria of a two-player game.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equilibria {
    /// The extreme strategies of the row player that take part in an equilibrium.
    pub rows: Vec<Vec<Rational>>,
    /// Those of the column player.
    pub columns: Vec<Vec<Rational>>,
    /// The extreme equilibria, the first actions' probabilities falling.
    pub extreme: Vec<Equilibrium>,
    /// For each extreme equilibrium its numbers in `rows` and `columns`.
    pub pairs: Vec<(usize, usize)>,
    /// The connected components: numbers of extreme equilibria.
    pub components: Vec<Vec<usize>>,
    /// The maximal Nash subsets; `None` where there are more than [`SUBSETS_MAX`].
    pub subsets: Option<Vec<NashSubset>>,
}

/// Both payoff matrices of a two-player game as fractions: `[rows][columns]` for each player.
///
/// # Errors
/// When the game has another number of players.
pub fn exact_matrices(game: &NormalForm) -> Result<[Vec<Vec<Rational>>; 2], GameError> {
    let [_, columns] = game.actions()[..] else {
        return Err(GameError::Unsuitable {
            question: "the list of all equilibria",
            needed: "two players".into(),
            found: format!("{} players", game.players()),
            help: "pure and correlated equilibria are found for any number of players".into(),
        });
    };
    let matrix = |player: usize| -> Vec<Vec<Rational>> {
        let fraction = |value: &f64| exact(*value).expect("a game holds finite payoffs");
        game.payoffs(player).chunks(columns).map(|row| row.iter().map(fraction).collect()).collect()
    };
    Ok([matrix(0), matrix(1)])
}

/// All extreme equilibria of a two-player game, and how they hang together.
///
/// # Errors
/// When the game has another number of players, or its polytopes are too large.
pub fn extreme_equilibria(game: &NormalForm) -> Result<Equilibria, GameError> {
    let [a, b] = exact_matrices(game)?;
    let (rows, columns) = (a.len(), a[0].len());
    let of_columns: Vec<Vec<Rational>> = (0..columns).map(|j| b.iter().map(|row| row[j].clone()).collect()).collect();
    // A label is an action that is not played, or is a best response: the row player's first, then the column player's.
    let p = strategies(vertices(&positive_integers(&of_columns), rows)?, |tight| tight);
    let low = (1_u128 << columns) - 1;
    let q = strategies(vertices(&positive_integers(&a), columns)?, |tight| (tight & low) << rows | tight >> columns);
    let all = (1_u128 << (rows + columns)) - 1;
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (i, (_, x)) in p.iter().enumerate() {
        found.extend(q.iter().enumerate().filter(|(_, (_, y))| (x | y) & all == all).map(|(j, _)| (i, j)));
    }
    let used = |side: fn(&(usize, usize)) -> usize| -> Vec<usize> {
        found.iter().map(side).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let (used_rows, used_columns) = (used(|pair| pair.0), used(|pair| pair.1));
    let place = |list: &[usize], item: usize| list.binary_search(&item).expect("it was collected from the pairs");
    let pairs: Vec<(usize, usize)> =
        found.iter().map(|&(i, j)| (place(&used_rows, i), place(&used_columns, j))).collect();
    let extreme = found.iter().map(|&(i, j)| equilibrium(&a, &b, &p[i].0, &q[j].0)).collect();
    Ok(Equilibria {
        rows: used_rows.iter().map(|&i| p[i].0.clone()).collect(),
        columns: used_columns.iter().map(|&j| q[j].0.clone()).collect(),
        extreme,
        components: components(&pairs),
        subsets: maximal_subsets(&pairs),
        pairs,
    })
}

/// The equilibrium (or any other profile) with what it is worth.
fn equilibrium(a: &[Vec<Rational>], b: &[Vec<Rational>], x: &[Rational], y: &[Rational]) -> Equilibrium {
    let worth = |matrix: &[Vec<Rational>]| dot(&matrix.iter().map(|row| dot(row, y)).collect::<Vec<_>>(), x);
    Equilibrium { strategies: [x.to_vec(), y.to_vec()], utilities: [worth(a), worth(b)] }
}

/// What each player gains at most by leaving a profile of a two-player game, exactly; both zero in an equilibrium.
///
/// # Errors
/// When the game has another number of players.
pub fn exact_gains(game: &NormalForm, strategies: &[Vec<Rational>; 2]) -> Result<[Rational; 2], GameError> {
    let [a, b] = exact_matrices(game)?;
    let [x, y] = strategies;
    let best = |values: &[Rational], mixture: &[Rational]| {
        values.iter().max().cloned().unwrap_or_else(Rational::zero) - dot(values, mixture)
    };
    let of_rows: Vec<Rational> = a.iter().map(|row| dot(row, y)).collect();
    let column = |j: usize| b.iter().zip(x).fold(Rational::zero(), |sum, (row, weight)| sum + &row[j] * weight);
    let of_columns: Vec<Rational> = (0..y.len()).map(column).collect();
    Ok([best(&of_rows, x), best(&of_columns, y)])
}

/// A matrix moved and scaled to positive integers; best responses to mixtures do not change by it.
fn positive_integers(matrix: &[Vec<Rational>]) -> Vec<Vec<BigInt>> {
    let scale = matrix.iter().flatten().fold(BigInt::one(), |scale, value| scale.lcm(value.denom()));
    let scaled = |value: &Rational| value.numer() * (&scale / value.denom());
    let lowest = matrix.iter().flatten().map(scaled).min().unwrap_or_default();
    let divisor =
        matrix.iter().flatten().fold(BigInt::zero(), |divisor, value| divisor.gcd(&(scaled(value) - &lowest)));
    let divisor = if divisor.is_zero() { BigInt::one() } else { divisor };
    let positive = |value: &Rational| (scaled(value) - &lowest) / &divisor + 1;
    matrix.iter().map(|row| row.iter().map(positive).collect()).collect()
}

/// Vertices as mixtures with their labels, without the origin, the first actions' probabilities falling.
fn strategies(vertices: Vec<Vertex>, labels: impl Fn(u128) -> u128) -> Vec<(Vec<Rational>, u128)> {
    let mut found: Vec<(Vec<Rational>, u128)> = vertices
        .into_iter()
        .filter_map(|vertex| {
            let sum = vertex.point.iter().fold(Rational::zero(), |sum, value| sum + value);
            if sum.is_zero() {
                return None;
            }
            Some((vertex.point.into_iter().map(|value| value / &sum).collect(), labels(vertex.tight)))
        })
        .collect();
    found.sort_by(|left, right| right.0.cmp(&left.0));
    found
}

/// Connected components of pairs that share a row or a column strategy, as numbers of pairs.
fn components(pairs: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let rows = pairs.iter().map(|pair| pair.0 + 1).max().unwrap_or(0);
    let columns = pairs.iter().map(|pair| pair.1 + 1).max().unwrap_or(0);
    // Each strategy points towards the one that stands for its component: rows first, then columns.
    let mut towards: Vec<usize> = (0..rows + columns).collect();
    let find = |towards: &mut Vec<usize>, mut place: usize| {
        while towards[place] != place {
            towards[place] = towards[towards[place]];
            place = towards[place];
        }
        place
    };
    for &(row, column) in pairs {
        let (one, other) = (find(&mut towards, row), find(&mut towards, rows + column));
        towards[one.max(other)] = one.min(other);
    }
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, pair) in pairs.iter().enumerate() {
        members.entry(find(&mut towards, pair.0)).or_default().push(number);
    }
    let mut found: Vec<Vec<usize>> = members.into_values().collect();
    found.sort();
    found
}

/// The maximal bicliques of the graph of pairs: their column sides are the intersections of the rows' partners.
fn maximal_subsets(pairs: &[(usize, usize)]) -> Option<Vec<NashSubset>> {
    let rows = pairs.iter().map(|pair| pair.0).max().map_or(0, |last| last + 1);
    let mut partners: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); rows];
    for &(row, column) in pairs {
        partners[row].insert(column);
    }
    let mut sides: BTreeSet<BTreeSet<usize>> = BTreeSet::new();
    for own in &partners {
        let mut new: Vec<BTreeSet<usize>> = vec![own.clone()];
        new.extend(sides.iter().map(|side| side & own).filter(|side| !side.is_empty()));
        sides.extend(new);
        if sides.len() > SUBSETS_MAX {
            return None;
        }
    }
    let mut found: Vec<NashSubset> = sides
        .into_iter()
        .map(|side| NashSubset {
            rows: (0..rows).filter(|&row| side.is_subset(&partners[row])).collect(),
            columns: side.into_iter().collect(),
        })
        .collect();
    found.sort();
    Some(found)
}
