//! Normal form: every listed equilibrium against the reference, and every property that equilibria of random games have.

use std::collections::BTreeSet;

use llmagentos::games::{
    Domination, Equilibrium, GameError, NormalForm, Rational, correlated_equilibrium, dominated_actions,
    eliminate_dominated, exact, exact_gains, exact_matrices, extreme_equilibria, zero_sum_value,
};
use proptest::prelude::*;
use serde_json::Value;

use super::{matrix, reference};

fn fraction(numerator: i64, denominator: i64) -> Rational {
    Rational::new(numerator.into(), denominator.into())
}

fn game(a: &[Vec<f64>], b: &[Vec<f64>]) -> NormalForm {
    NormalForm::bimatrix(a, b).expect("a sound game")
}

fn zero_sum(a: &[Vec<f64>]) -> NormalForm {
    let negative: Vec<Vec<f64>> = a.iter().map(|row| row.iter().map(|value| -value).collect()).collect();
    game(a, &negative)
}

#[test]
fn all_reference_games_have_exactly_the_reference_equilibria() {
    let games = reference("nash_bimatrix.json");
    let games = games.as_object().expect("games by name");
    assert_eq!(games.len(), 7);
    for (name, entry) in games {
        let game = game(&matrix(&entry["A"]), &matrix(&entry["B"]));
        let texts = |values: &[Rational]| -> Value { values.iter().map(ToString::to_string).collect() };
        let found = extreme_equilibria(&game).expect("a small game");
        let found: Value = found
            .extreme
            .iter()
            .map(|one| {
                serde_json::json!({
                    "x": texts(&one.strategies[0]),
                    "y": texts(&one.strategies[1]),
                    "u1": one.utilities[0].to_string(),
                    "u2": one.utilities[1].to_string(),
                })
            })
            .collect();
        assert_eq!(found, entry["extreme_equilibria"], "{name}");
    }
}

#[test]
fn equilibria_of_a_degenerate_game_form_components() {
    // Von Stengel's 3x2 game: an edge between the first two extreme equilibria, and an isolated point.
    let entry = &reference("nash_bimatrix.json")["degenerate_3x2_vonStengel"];
    let found = extreme_equilibria(&game(&matrix(&entry["A"]), &matrix(&entry["B"]))).unwrap();
    assert_eq!(found.components, [vec![0, 1], vec![2]]);
    let subsets = found.subsets.expect("few");
    assert_eq!(subsets.len(), 2);
    assert_eq!((subsets[0].rows.len(), subsets[0].columns.len()), (1, 2));
    assert_eq!((subsets[1].rows.len(), subsets[1].columns.len()), (1, 1));
    // Weak dominance 2x2: an L of two edges, which is one component of two maximal Nash subsets.
    let entry = &reference("nash_bimatrix.json")["degenerate_weakdom_2x2"];
    let found = extreme_equilibria(&game(&matrix(&entry["A"]), &matrix(&entry["B"]))).unwrap();
    assert_eq!(found.components, [vec![0, 1, 2]]);
    assert_eq!(found.subsets.expect("few").len(), 2);
}

#[test]
fn where_nothing_matters_everything_is_an_equilibrium() {
    let flat = vec![vec![2.0; 3]; 4];
    let found = extreme_equilibria(&game(&flat, &flat)).unwrap();
    assert_eq!(found.extreme.len(), 12);
    assert_eq!(found.components.len(), 1);
    let subsets = found.subsets.expect("one");
    assert_eq!(subsets.len(), 1);
    assert_eq!((subsets[0].rows.len(), subsets[0].columns.len()), (4, 3));
}

#[test]
fn decimals_are_taken_at_their_word() {
    assert_eq!(exact(0.1), Some(fraction(1, 10)));
    assert_eq!(exact(-2.5e-3), Some(fraction(-1, 400)));
    assert_eq!(exact(1e21), Some(Rational::from_integer(10_i64.pow(18).into()) * fraction(1000, 1)));
    assert_eq!(exact(f64::NAN), None);
    // Matching pennies with stakes 0.1 and 0.3: 0.1 q = 0.3 (1 - q) at q = 3/4 exactly.
    let found = extreme_equilibria(&zero_sum(&[vec![0.1, 0.0], vec![0.0, 0.3]])).unwrap();
    assert_eq!(found.extreme.len(), 1);
    assert_eq!(found.extreme[0].strategies[1], [fraction(3, 4), fraction(1, 4)]);
    assert_eq!(found.extreme[0].utilities[0], fraction(3, 40));
}

#[test]
fn the_value_of_a_zero_sum_game_is_that_of_its_equilibria() {
    // Rock, paper, scissors in which rock's win counts twice; by hand: 1/4, 1/2, 1/4 against it, value 0.
    let game = zero_sum(&[vec![0.0, -1.0, 2.0], vec![1.0, 0.0, -1.0], vec![-2.0, 1.0, 0.0]]);
    let found = zero_sum_value(&game).unwrap();
    assert!(found.value.abs() < 1e-9 && found.nash_conv < 1e-9, "{found:?}");
    for (share, expected) in found.strategies[0].iter().zip([0.25, 0.5, 0.25]) {
        assert!((share - expected).abs() < 1e-9, "{found:?}");
    }
    let constant = NormalForm::bimatrix(&[vec![3.0, 1.0]], &[vec![7.0, 9.0]]).unwrap();
    assert!((zero_sum_value(&constant).unwrap().value - 1.0).abs() < 1e-9);
    let dilemma = NormalForm::bimatrix(&[vec![3.0, 0.0], vec![5.0, 1.0]], &[vec![3.0, 5.0], vec![0.0, 1.0]]).unwrap();
    assert!(matches!(zero_sum_value(&dilemma), Err(GameError::Unsuitable { .. })));
}

#[test]
fn aumanns_correlated_equilibrium_of_chicken_is_found() {
    // Aumann 1974: payoffs 6,6 2,7 7,2 0,0; the best correlated equilibrium puts 1/2 on (6,6) and 1/4 on either 7,2
    // and 2,7, worth 5.25 each: 10.5, above all Nash equilibria (the best of which is worth 9 1/3).
    let chicken = game(&[vec![6.0, 2.0], vec![7.0, 0.0]], &[vec![6.0, 7.0], vec![2.0, 0.0]]);
    let found = correlated_equilibrium(&chicken).unwrap();
    assert!((found.welfare - 10.5).abs() < 1e-9, "{found:?}");
    assert!(found.gain_max < 1e-9, "{found:?}");
    for (share, expected) in found.distribution.iter().zip([0.5, 0.25, 0.25, 0.0]) {
        assert!((share - expected).abs() < 1e-9, "{found:?}");
    }
}

#[test]
fn dominated_actions_are_found_and_taken_out() {
    let dilemma = game(&[vec![3.0, 0.0], vec![5.0, 1.0]], &[vec![3.0, 5.0], vec![0.0, 1.0]]);
    let found = dominated_actions(&dilemma, Domination::Strict).unwrap();
    assert_eq!(found.iter().map(|one| (one.player, one.action)).collect::<Vec<_>>(), [(0, 0), (1, 0)]);
    assert_eq!(eliminate_dominated(&dilemma, Domination::Strict).unwrap().surviving, [vec![1], vec![1]]);
    // The third row is beaten by no row, but by the even mixture of the first two (2 against 1.5).
    let mixed =
        game(&[vec![4.0, 0.0], vec![0.0, 4.0], vec![1.5, 1.5]], &[vec![1.0, 2.0], vec![2.0, 1.0], vec![1.0, 1.0]]);
    let found = dominated_actions(&mixed, Domination::Strict).unwrap();
    assert_eq!((found.len(), found[0].player, found[0].action), (1, 0, 2));
    assert!(found[0].by.iter().map(|part| part.1).sum::<f64>() > 0.999 && found[0].by.len() == 2, "{found:?}");
    assert_eq!(dominated_actions(&mixed, Domination::Weak).unwrap().len(), 0);
    // At 2 against 2 it is dominated no more.
    let level =
        game(&[vec![4.0, 0.0], vec![0.0, 4.0], vec![2.0, 2.0]], &[vec![0.0, 0.0], vec![0.0, 0.0], vec![0.0, 0.0]]);
    assert_eq!(dominated_actions(&level, Domination::Strict).unwrap(), []);
    let weak = game(&[vec![1.0, 1.0], vec![1.0, 0.0]], &[vec![1.0, 1.0], vec![1.0, 0.0]]);
    assert_eq!(dominated_actions(&weak, Domination::Strict).unwrap(), []);
    assert_eq!(eliminate_dominated(&weak, Domination::Weak).unwrap().surviving, [vec![0], vec![0]]);
}

#[test]
fn three_players_are_no_special_case() {
    // Everybody wants to be in the minority of one: the six profiles with exactly one alone are the pure equilibria.
    let alone =
        |profile: [usize; 3], player: usize| profile.iter().filter(|side| **side == profile[player]).count() == 1;
    let payoffs = |player: usize| -> Vec<f64> {
        (0..8).map(|index| f64::from(u8::from(alone([index >> 2 & 1, index >> 1 & 1, index & 1], player)))).collect()
    };
    let minority = NormalForm::new(vec![2; 3], (0..3).map(payoffs).collect()).unwrap();
    assert_eq!(minority.pure_equilibria(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(minority.index(&minority.profile(5)), 5);
    let even = minority.uniform();
    assert_eq!(minority.expected_payoffs(&even), [0.25; 3]);
    assert!(minority.nash_conv(&even) < 1e-15);
    // Against two who choose 0 for certain, choosing 1 gains 1.
    let crowd = vec![vec![1.0, 0.0]; 3];
    assert_eq!(minority.deviation_gains(&crowd), [1.0; 3]);
    assert_eq!(minority.best_responses(2, &crowd, 0.0), [1]);
    assert!(correlated_equilibrium(&minority).unwrap().welfare > 0.999_999);
    assert!(matches!(extreme_equilibria(&minority), Err(GameError::Unsuitable { .. })));
}

#[test]
fn what_is_no_game_is_refused() {
    assert!(matches!(NormalForm::new(vec![], vec![]), Err(GameError::Empty(_))));
    assert!(matches!(NormalForm::new(vec![2, 0], vec![vec![], vec![]]), Err(GameError::Empty(_))));
    assert!(matches!(NormalForm::new(vec![2, 2], vec![vec![0.0; 4]]), Err(GameError::Unsuitable { .. })));
    assert!(matches!(
        NormalForm::new(vec![2, 2], vec![vec![0.0; 4], vec![0.0; 3]]),
        Err(GameError::PayoffCount { player: 1, found: 3, needed: 4 })
    ));
    let infinite = NormalForm::new(vec![1, 2], vec![vec![0.0, f64::INFINITY], vec![0.0; 2]]);
    assert!(matches!(infinite, Err(GameError::NotFinite { player: 0, .. })));
    assert_eq!(
        NormalForm::new(vec![1000; 3], vec![]).unwrap_err(),
        GameError::TooManyProfiles { count: 1_000_000_000 }
    );
    let wide = vec![vec![0.0; 200]; 200];
    assert!(matches!(extreme_equilibria(&game(&wide, &wide)), Err(GameError::TooLarge { found: 400, .. })));
}

/// Equilibria with supports of equal size, by solving the indifference equations: all there are in a nondegenerate game.
fn by_support_enumeration(game: &NormalForm) -> Vec<[Vec<Rational>; 2]> {
    let [a, b] = exact_matrices(game).unwrap();
    let (rows, columns) = (a.len(), a[0].len());
    let mut found = Vec::new();
    for row_support in 1_u32..1 << rows {
        for column_support in (1_u32..1 << columns).filter(|set| set.count_ones() == row_support.count_ones()) {
            let members = |set: u32, count: usize| -> Vec<usize> { (0..count).filter(|i| set >> i & 1 == 1).collect() };
            let (is, js) = (members(row_support, rows), members(column_support, columns));
            // y makes the rows in the support equally good, x the columns.
            let y = indifferent(js.len(), |line, place| a[is[line]][js[place]].clone());
            let x = indifferent(is.len(), |line, place| b[is[place]][js[line]].clone());
            let (Some(x), Some(y)) = (x, y) else { continue };
            let spread = |weights: Vec<Rational>, places: &[usize], count: usize| {
                let mut whole = vec![fraction(0, 1); count];
                for (weight, place) in weights.into_iter().zip(places) {
                    whole[*place] = weight;
                }
                whole
            };
            let both = [spread(x, &is, rows), spread(y, &js, columns)];
            let zero = fraction(0, 1);
            if both.iter().flatten().all(|weight| *weight >= zero)
                && exact_gains(game, &both).unwrap() == [zero.clone(), zero]
            {
                found.push(both);
            }
        }
    }
    found
}

/// Weights with sum 1 for which all lines have one value: Gauss elimination in fractions; `None` where it is singular.
fn indifferent(size: usize, entry: impl Fn(usize, usize) -> Rational) -> Option<Vec<Rational>> {
    let (zero, one) = (fraction(0, 1), fraction(1, 1));
    // Unknowns: the weights and the common value.
    let mut rows: Vec<Vec<Rational>> = (0..size)
        .map(|line| (0..size).map(|place| entry(line, place)).chain([-one.clone(), zero.clone()]).collect())
        .collect();
    rows.push((0..size).map(|_| one.clone()).chain([zero.clone(), one.clone()]).collect());
    for column in 0..=size {
        let pivot = (column..=size).find(|&row| rows[row][column] != zero)?;
        rows.swap(column, pivot);
        let lead = rows[column][column].clone();
        for value in &mut rows[column] {
            *value /= &lead;
        }
        for row in (0..=size).filter(|&row| row != column) {
            let factor = rows[row][column].clone();
            let changes: Vec<Rational> = rows[column].iter().map(|value| &factor * value).collect();
            for (value, change) in rows[row].iter_mut().zip(changes) {
                *value -= change;
            }
        }
    }
    Some(rows[..size].iter().map(|row| row[size + 1].clone()).collect())
}

/// Does a vertex of either polytope hold with more labels than its player has actions? Then the game is degenerate.
fn is_degenerate(game: &NormalForm) -> bool {
    let [a, b] = exact_matrices(game).unwrap();
    let transposed: Vec<Vec<Rational>> =
        (0..a[0].len()).map(|j| b.iter().map(|row| row[j].clone()).collect()).collect();
    // A mixture of k actions has more than k best responses: look at each support's indifferent mixtures, through its
    // vertices, by brute force over supports and sets of best responses one larger.
    let more = |matrix: &[Vec<Rational>]| {
        let (lines, width) = (matrix.len(), matrix[0].len());
        (1_u32..1 << width).any(|support| {
            let js: Vec<usize> = (0..width).filter(|j| support >> j & 1 == 1).collect();
            (1_u32..1 << lines).filter(|set| set.count_ones() == support.count_ones()).any(|set| {
                let is: Vec<usize> = (0..lines).filter(|i| set >> i & 1 == 1).collect();
                let Some(weights) = indifferent(js.len(), |line, place| matrix[is[line]][js[place]].clone()) else {
                    // Two lines that look the same, or a whole line of mixtures: count it as degenerate.
                    return true;
                };
                if weights.iter().any(|weight| *weight < fraction(0, 1)) {
                    return false;
                }
                let worth = |line: usize| {
                    js.iter().zip(&weights).map(|(j, weight)| &matrix[line][*j] * weight).sum::<Rational>()
                };
                let common = worth(is[0]);
                let others: Vec<Rational> = (0..lines).filter(|i| set >> i & 1 == 0).map(worth).collect();
                others.iter().all(|value| *value <= common) && others.contains(&common)
                    || weights.contains(&fraction(0, 1))
            })
        })
    };
    more(&a) || more(&transposed)
}

/// A random game of up to 4 by 4 with payoffs from a range: a small one makes degenerate games, a large one few.
fn games(range: i32) -> impl Strategy<Value = NormalForm> {
    (1_usize..=4, 1_usize..=4).prop_flat_map(move |(rows, columns)| {
        let payoffs = || prop::collection::vec((-range..=range).prop_map(f64::from), rows * columns);
        (payoffs(), payoffs()).prop_map(move |(a, b)| NormalForm::new(vec![rows, columns], vec![a, b]).unwrap())
    })
}

fn floats(equilibrium: &Equilibrium) -> Vec<Vec<f64>> {
    equilibrium.strategies.iter().map(|side| side.iter().map(llmagentos::games::approximate).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_reported_equilibrium_is_one_and_so_is_every_mixture_of_a_subset(game in games(2)) {
        let found = extreme_equilibria(&game).unwrap();
        prop_assert!(!found.extreme.is_empty());
        let zero = fraction(0, 1);
        for one in &found.extreme {
            prop_assert_eq!(one.strategies.iter().map(|side| side.iter().sum::<Rational>()).collect::<Vec<_>>(), vec![fraction(1, 1); 2]);
            prop_assert!(one.strategies.iter().flatten().all(|weight| *weight >= zero));
            prop_assert_eq!(exact_gains(&game, &one.strategies).unwrap(), [zero.clone(), zero.clone()]);
            prop_assert!(game.nash_conv(&floats(one)) < 1e-9);
        }
        let different: BTreeSet<_> = found.extreme.iter().map(|one| one.strategies.clone()).collect();
        prop_assert_eq!(different.len(), found.extreme.len(), "one twice");
        for subset in found.subsets.as_ref().unwrap() {
            let middle = |numbers: &[usize], list: &[Vec<Rational>]| -> Vec<Rational> {
                let count = Rational::from_integer(numbers.len().into());
                (0..list[0].len()).map(|i| numbers.iter().map(|n| list[*n][i].clone()).sum::<Rational>() / &count).collect()
            };
            let mixture = [middle(&subset.rows, &found.rows), middle(&subset.columns, &found.columns)];
            prop_assert_eq!(exact_gains(&game, &mixture).unwrap(), [zero.clone(), zero.clone()]);
        }
        let in_components: usize = found.components.iter().map(Vec::len).sum();
        prop_assert_eq!(in_components, found.extreme.len());
    }

    #[test]
    fn support_enumeration_finds_no_other_in_a_nondegenerate_game(game in games(50)) {
        let listed: BTreeSet<_> =
            extreme_equilibria(&game).unwrap().extreme.into_iter().map(|one| one.strategies).collect();
        let supported: BTreeSet<_> = by_support_enumeration(&game).into_iter().collect();
        if !is_degenerate(&game) {
            prop_assert_eq!(&listed, &supported);
            prop_assert_eq!(listed.len() % 2, 1, "a nondegenerate game has an odd number (Lemke and Howson 1964)");
        }
    }

    #[test]
    fn pure_equilibria_are_among_the_extreme_ones(game in games(3)) {
        let pure: BTreeSet<Vec<usize>> = game.pure_equilibria().into_iter().map(|index| game.profile(index)).collect();
        let one = fraction(1, 1);
        let listed: BTreeSet<Vec<usize>> = extreme_equilibria(&game).unwrap().extreme.iter()
            .filter_map(|found| found.strategies.iter().map(|side| side.iter().position(|weight| *weight == one)).collect())
            .collect();
        prop_assert_eq!(pure, listed);
    }

    #[test]
    fn moving_and_scaling_payoffs_changes_no_equilibrium(game in games(4), factor in 1_i32..9, shift in -9_i32..9) {
        let moved = |player: usize| game.payoffs(player).iter().map(|value| value * f64::from(factor) / 8.0 + f64::from(shift)).collect();
        let other = NormalForm::new(game.actions().to_vec(), vec![moved(0), moved(1)]).unwrap();
        let strategies = |game: &NormalForm| -> Vec<_> {
            extreme_equilibria(game).unwrap().extreme.into_iter().map(|one| one.strategies).collect()
        };
        prop_assert_eq!(strategies(&game), strategies(&other));
    }

    #[test]
    fn programmes_agree_with_the_exact_list(game in games(9)) {
        let exact_list = extreme_equilibria(&game).unwrap();
        let correlated = correlated_equilibrium(&game).unwrap();
        prop_assert!(correlated.gain_max < 1e-7);
        prop_assert!((correlated.distribution.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        for one in &exact_list.extreme {
            let welfare: f64 = one.utilities.iter().map(llmagentos::games::approximate).sum();
            prop_assert!(correlated.welfare >= welfare - 1e-7, "a Nash equilibrium is worth more: {welfare}");
        }
        let a: Vec<Vec<f64>> = game.payoffs(0).chunks(game.actions()[1]).map(<[f64]>::to_vec).collect();
        let constant = zero_sum(&a);
        let value = zero_sum_value(&constant).unwrap();
        prop_assert!(value.nash_conv < 1e-7);
        for one in &extreme_equilibria(&constant).unwrap().extreme {
            prop_assert!((llmagentos::games::approximate(&one.utilities[0]) - value.value).abs() < 1e-7);
        }
    }

    #[test]
    fn no_equilibrium_plays_what_is_strictly_dominated(game in games(5)) {
        let left = eliminate_dominated(&game, Domination::Strict).unwrap().surviving;
        for one in &extreme_equilibria(&game).unwrap().extreme {
            for (mixture, left) in one.strategies.iter().zip(&left) {
                for (action, weight) in mixture.iter().enumerate() {
                    prop_assert!(*weight == fraction(0, 1) || left.contains(&action));
                }
            }
        }
    }
}
