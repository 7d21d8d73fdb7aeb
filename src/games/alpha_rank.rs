//! α-rank (Omidshafiei et al. 2019): how much of the time evolving populations spend at each profile.
//!
//! Between two profiles that differ in one population a mutant takes over with its fixation probability; the stationary
//! distribution of that chain ranks the profiles.

use super::{GameError, NormalForm, profile_count};

/// Most profiles of the chain; its matrix is dense.
pub const STATES_MAX: usize = 2_000;

/// How strongly selection works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Selection {
    /// With intensity `alpha` in populations of so many.
    Finite {
        /// The intensity.
        alpha: f64,
        /// Members of a population, at least 2.
        population: u32,
    },
    /// So strong that only better profiles take over, but for a small chance.
    Infinite {
        /// The small chance, between 0 and 0.5.
        epsilon: f64,
    },
}

/// Ranks the profiles of a game with one population a player: a probability for each profile.
///
/// # Errors
/// When there are too many profiles, a parameter is out of range, or the chain falls apart.
pub fn alpha_rank(game: &NormalForm, selection: Selection) -> Result<Vec<f64>, GameError> {
    let gain = |player: usize, from: usize, to: usize| game.payoffs(player)[to] - game.payoffs(player)[from];
    alpha_rank_of_gains(game.actions(), gain, selection)
}

/// The same where no table of payoffs says what a population has by a change, but `gain(player, from, to)` does, for two
/// profiles that differ in the player's action only: for instance what the first of many agents gains by it. Each player
/// has `actions[player]` actions, and profiles are numbered as those of a [`NormalForm`].
///
/// # Errors
/// As [`alpha_rank`].
pub fn alpha_rank_of_gains(
    actions: &[usize],
    gain: impl Fn(usize, usize, usize) -> f64,
    selection: Selection,
) -> Result<Vec<f64>, GameError> {
    let profiles = profile_count(actions)?;
    check(profiles, selection)?;
    let eta = 1.0 / actions.iter().map(|count| count - 1).sum::<usize>().max(1) as f64;
    let mut chain = vec![vec![0.0; profiles]; profiles];
    for (player, &count) in actions.iter().enumerate() {
        let stride: usize = actions[player + 1..].iter().product();
        for (from, row) in chain.iter_mut().enumerate() {
            let own = from / stride % count;
            for to in (0..count).filter(|&other| other != own).map(|other| from - own * stride + other * stride) {
                let gain = gain(player, from, to);
                row[to] = eta * takeover(selection, |_| gain, gain);
            }
        }
    }
    stationary(chain)
}

/// Ranks the actions of a symmetric two-player game played within one well-mixed population, where fitness is the mean
/// payoff against all other members: a probability for each action.
///
/// # Errors
/// As [`alpha_rank`], and when the game does not look the same to both players.
pub fn alpha_rank_single(game: &NormalForm, selection: Selection) -> Result<Vec<f64>, GameError> {
    if !game.is_symmetric() {
        return Err(GameError::Unsuitable {
            question: "a single population",
            needed: "a symmetric game: two players, B the transpose of A".into(),
            found: format!("a game of {} players that is not", game.players()),
            help: "give one population a player".into(),
        });
    }
    let count = game.actions()[0];
    check(count, selection)?;
    let eta = 1.0 / (count - 1).max(1) as f64;
    let payoff = |own: usize, other: usize| game.payoffs(0)[own * count + other];
    let mut chain = vec![vec![0.0; count]; count];
    for (resident, row) in chain.iter_mut().enumerate() {
        for mutant in (0..count).filter(|&mutant| mutant != resident) {
            // What a mutant gets more than a resident where a share of the others are mutants.
            let gain = |mutants: f64, members: f64| {
                let others = members - 1.0;
                let of_mutant =
                    (mutants - 1.0) * payoff(mutant, mutant) + (members - mutants) * payoff(mutant, resident);
                let of_resident =
                    mutants * payoff(resident, mutant) + (members - mutants - 1.0) * payoff(resident, resident);
                (of_mutant - of_resident) / others
            };
            let members = match selection {
                Selection::Finite { population, .. } => f64::from(population),
                Selection::Infinite { .. } => 2.0,
            };
            let direct = payoff(mutant, resident) - payoff(resident, mutant);
            row[mutant] = eta * takeover(selection, |mutants| gain(f64::from(mutants), members), direct);
        }
    }
    stationary(chain)
}

fn check(states: usize, selection: Selection) -> Result<(), GameError> {
    let wrong = |needed: &str, found: String| GameError::Unsuitable {
        question: "α-rank",
        needed: needed.into(),
        found,
        help: "change the selection's parameters".into(),
    };
    match selection {
        Selection::Finite { alpha, population } => {
            if !(alpha.is_finite() && alpha >= 0.0) {
                return Err(wrong("an intensity alpha of at least 0", format!("alpha {alpha}")));
            }
            if !(2..=1_000_000).contains(&population) {
                return Err(wrong("a population of 2 to 1000000", format!("a population of {population}")));
            }
        }
        Selection::Infinite { epsilon } => {
            if !(epsilon > 0.0 && epsilon < 0.5) {
                return Err(wrong("an epsilon between 0 and 0.5", format!("epsilon {epsilon}")));
            }
        }
    }
    if states > STATES_MAX {
        return Err(GameError::TooLarge {
            what: "states of the chain that α-rank builds, one a profile",
            found: states as u128,
            limit: STATES_MAX as u128,
            help: "leave out dominated actions",
        });
    }
    Ok(())
}

/// The chance that one mutant takes a population over. `gain(k)` is what a mutant gets more than a resident where there
/// are k mutants; `direct` is what strong selection looks at (equations 10 to 12 there; Traulsen, Nowak and Pacheco 2006).
fn takeover(selection: Selection, gain: impl Fn(u32) -> f64, direct: f64) -> f64 {
    match selection {
        Selection::Infinite { .. } if direct.abs() <= 1e-14 => 0.5,
        Selection::Infinite { epsilon } => {
            if direct > 0.0 {
                1.0 - epsilon
            } else {
                epsilon
            }
        }
        Selection::Finite { alpha, population } => {
            let (mut sum, mut exponent) = (1.0, 0.0);
            for mutants in 1..population {
                exponent -= alpha * gain(mutants);
                sum += f64::exp(exponent);
            }
            1.0 / sum
        }
    }
}

/// The stationary distribution of a chain given by its rates between different states, by elimination without
/// subtractions (Grassmann, Taksar and Heyman 1985).
fn stationary(mut chain: Vec<Vec<f64>>) -> Result<Vec<f64>, GameError> {
    let states = chain.len();
    for last in (1..states).rev() {
        let (rest, tail) = chain.split_at_mut(last);
        let leaving = &tail[0];
        let out: f64 = leaving[..last].iter().sum();
        if out <= f64::MIN_POSITIVE {
            return Err(GameError::Unsuitable {
                question: "α-rank",
                needed: "a chain in which every profile can be left".into(),
                found: format!("profile {last}, which is never left at this intensity"),
                help: "use a smaller alpha or population, or strong selection with an epsilon".into(),
            });
        }
        for row in rest {
            row[last] /= out;
            let share = row[last];
            for (rate, onward) in row[..last].iter_mut().zip(&leaving[..last]) {
                *rate += share * onward;
            }
        }
    }
    let mut distribution = vec![1.0; states];
    for state in 1..states {
        distribution[state] = (0..state).map(|before| distribution[before] * chain[before][state]).sum();
    }
    let sum: f64 = distribution.iter().sum();
    for share in &mut distribution {
        *share /= sum;
    }
    Ok(distribution)
}
