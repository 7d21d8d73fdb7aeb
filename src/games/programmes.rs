//! What linear programmes answer about games: values of zero-sum games, correlated equilibria, and domination by a mixture.
//! They are solved in floats; every answer is then measured against the game itself, and carries what it misses by.

use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};

use super::{GameError, NormalForm};

/// Most coefficients of a linear programme.
pub const COEFFICIENTS_MAX: u128 = 4_000_000;

/// The value of a two-player constant-sum game, and a mixture for each side that secures it.
#[derive(Clone, Debug, PartialEq)]
pub struct ZeroSum {
    /// What the row player gets when both do what is best.
    pub value: f64,
    /// One optimal mixture a side.
    pub strategies: [Vec<f64>; 2],
    /// What the mixtures lack: the sum of both sides' gains by a best response. Zero but for rounding.
    pub nash_conv: f64,
}

/// A joint distribution over profiles that nobody gains by disobeying.
#[derive(Clone, Debug, PartialEq)]
pub struct Correlated {
    /// A probability for each profile.
    pub distribution: Vec<f64>,
    /// What it is worth to each player.
    pub utilities: Vec<f64>,
    /// The sum of utilities: the highest of any correlated equilibrium.
    pub welfare: f64,
    /// The most that anybody gains by answering a recommendation with another action. Zero but for rounding.
    pub gain_max: f64,
}

/// The value of a two-player constant-sum game by linear programming (von Neumann; Dantzig 1951).
///
/// # Errors
/// When the game is another, or the programme is too large or finds nothing.
pub fn zero_sum_value(game: &NormalForm) -> Result<ZeroSum, GameError> {
    let sum = game.constant_sum();
    let ([rows, columns], Some(_)) = (game.actions(), sum) else {
        return Err(GameError::Unsuitable {
            question: "the value of a game",
            needed: "two players whose payoffs sum to the same everywhere".into(),
            found: format!("{} players{}", game.players(), if sum.is_none() { " and no constant sum" } else { "" }),
            help: "ask for equilibria instead".into(),
        });
    };
    let (&rows, &columns) = (rows, columns);
    within_limit(rows as u128 * columns as u128)?;
    let (low, span) = range(game.payoffs(0));
    let entry = |row: usize, column: usize| (game.payoffs(0)[row * columns + column] - low) / span;
    let row_side = secure(rows, columns, entry, "the row player's side of the value")?;
    let column_side =
        secure(columns, rows, |column, row| 1.0 - entry(row, column), "the column player's side of the value")?;
    let strategies = [row_side, column_side];
    let profile = strategies.to_vec();
    Ok(ZeroSum { value: game.expected_payoffs(&profile)[0], nash_conv: game.nash_conv(&profile), strategies })
}

/// The mixture of `own` actions whose worst case over `others` is best.
fn secure(
    own: usize,
    others: usize,
    entry: impl Fn(usize, usize) -> f64,
    what: &'static str,
) -> Result<Vec<f64>, GameError> {
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let worst = problem.add_var(1.0, (0.0, 1.0));
    let weights: Vec<Variable> = (0..own).map(|_| problem.add_var(0.0, (0.0, 1.0))).collect();
    for other in 0..others {
        let mut terms: Vec<(Variable, f64)> = (0..own).map(|action| (weights[action], entry(action, other))).collect();
        terms.push((worst, -1.0));
        problem.add_constraint(&terms[..], ComparisonOp::Ge, 0.0);
    }
    sum_is_one(&mut problem, &weights);
    solve(&problem, &weights, what)
}

/// The correlated equilibrium of highest welfare (Aumann 1974), for any number of players.
///
/// # Errors
/// When the programme is too large or finds nothing.
pub fn correlated_equilibrium(game: &NormalForm) -> Result<Correlated, GameError> {
    let per_profile: u128 = game.actions().iter().map(|&count| count as u128 - 1).sum();
    within_limit(game.profiles() as u128 * (per_profile + 1))?;
    let scales: Vec<f64> = (0..game.players()).map(|player| range(game.payoffs(player)).1).collect();
    let welfare_scale = scales.iter().copied().fold(0.0, f64::max);
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let welfare = |profile: usize| (0..game.players()).map(|player| game.payoffs(player)[profile]).sum::<f64>();
    let weights: Vec<Variable> = (0..game.profiles())
        .map(|profile| problem.add_var((welfare(profile) - welfare(0)) / welfare_scale, (0.0, 1.0)))
        .collect();
    for_each_disobedience(game, |player, terms| {
        let terms: Vec<(Variable, f64)> = terms
            .iter()
            .filter(|term| term.1 != 0.0)
            .map(|&(profile, loss)| (weights[profile], loss / scales[player]))
            .collect();
        if terms.iter().any(|term| term.1 < 0.0) {
            problem.add_constraint(&terms[..], ComparisonOp::Ge, 0.0);
        }
    });
    sum_is_one(&mut problem, &weights);
    let distribution = solve(&problem, &weights, "a correlated equilibrium")?;
    let mut gain_max = 0.0_f64;
    for_each_disobedience(game, |_, terms| {
        gain_max = gain_max.max(-terms.iter().map(|&(profile, loss)| distribution[profile] * loss).sum::<f64>());
    });
    let utilities: Vec<f64> =
        (0..game.players()).map(|player| super::normal_form::weigh(game.payoffs(player), &distribution)).collect();
    Ok(Correlated { welfare: utilities.iter().sum(), distribution, utilities, gain_max })
}

/// For each player, recommended action and other action: what the other loses at each profile of the recommendation.
fn for_each_disobedience(game: &NormalForm, mut look: impl FnMut(usize, &[(usize, f64)])) {
    for player in 0..game.players() {
        let (stride, payoffs) = (game.stride(player), game.payoffs(player));
        let starts: Vec<usize> = game.lines(player).collect();
        for told in 0..game.actions()[player] {
            for done in (0..game.actions()[player]).filter(|&done| done != told) {
                let loss = |start: &usize| {
                    let profile = start + told * stride;
                    (profile, payoffs[profile] - payoffs[start + done * stride])
                };
                look(player, &starts.iter().map(loss).collect::<Vec<_>>());
            }
        }
    }
}

/// The mixture of `candidates` that beats `action` by the most in the worst case, where one beats it at all.
pub(super) fn dominating_mixture(
    game: &NormalForm,
    player: usize,
    action: usize,
    candidates: &[usize],
) -> Result<Option<Vec<f64>>, GameError> {
    let (stride, payoffs) = (game.stride(player), game.payoffs(player));
    let starts: Vec<usize> = game.lines(player).collect();
    within_limit(starts.len() as u128 * candidates.len() as u128)?;
    let (_, span) = range(payoffs);
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let margin = problem.add_var(1.0, (-1.0, 1.0));
    let weights: Vec<Variable> = candidates.iter().map(|_| problem.add_var(0.0, (0.0, 1.0))).collect();
    for start in starts {
        let own = payoffs[start + action * stride];
        let gain = |&candidate: &usize| (payoffs[start + candidate * stride] - own) / span;
        let mut terms: Vec<(Variable, f64)> = weights.iter().copied().zip(candidates.iter().map(gain)).collect();
        terms.push((margin, -1.0));
        problem.add_constraint(&terms[..], ComparisonOp::Ge, 0.0);
    }
    sum_is_one(&mut problem, &weights);
    let what = "domination by a mixture";
    let solution = problem
        .solve()
        .map_err(|error| GameError::Programme { what, problem: error.to_string() })?
        .into_solution()
        .map_err(|_| GameError::Programme { what, problem: "it was interrupted".into() })?;
    if solution.var_value(margin) <= 1e-9 {
        return Ok(None);
    }
    Ok(Some(weights.iter().map(|&weight| solution.var_value(weight).max(0.0)).collect()))
}

fn sum_is_one(problem: &mut Problem, weights: &[Variable]) {
    let terms: Vec<(Variable, f64)> = weights.iter().map(|&weight| (weight, 1.0)).collect();
    problem.add_constraint(&terms[..], ComparisonOp::Eq, 1.0);
}

/// Solves, and gives the weights as a distribution.
fn solve(problem: &Problem, weights: &[Variable], what: &'static str) -> Result<Vec<f64>, GameError> {
    let failed = |problem: String| GameError::Programme { what, problem };
    let outcome = problem.solve().map_err(|error| failed(error.to_string()))?;
    let solution = outcome.into_solution().map_err(|_| failed("it was interrupted".into()))?;
    let mut values: Vec<f64> = weights.iter().map(|&weight| solution.var_value(weight).max(0.0)).collect();
    let sum: f64 = values.iter().sum();
    if !(0.5..2.0).contains(&sum) {
        return Err(failed(format!("its probabilities sum to {sum}")));
    }
    for value in &mut values {
        *value /= sum;
    }
    Ok(values)
}

fn within_limit(found: u128) -> Result<(), GameError> {
    if found <= COEFFICIENTS_MAX {
        return Ok(());
    }
    Err(GameError::TooLarge {
        what: "coefficients of the linear programme",
        found,
        limit: COEFFICIENTS_MAX,
        help: "leave out players or actions, or approach an equilibrium with `game play`",
    })
}

/// The lowest value, and how far the highest is above it (1 where all are equal).
fn range(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low, if high > low { high - low } else { 1.0 })
}
