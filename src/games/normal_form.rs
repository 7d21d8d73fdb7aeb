//! Games in normal form: payoff arrays of any number of players, what a mixture of actions is worth, and what anybody
//! gains by leaving it.

use std::borrow::Cow;

/// Most profiles (combinations of one action each) that a game may have.
pub const PROFILES_MAX: u128 = 4_000_000;

/// Why a game cannot be made or solved.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GameError {
    /// Nobody plays, or somebody has nothing to choose from.
    #[error("the game is empty: {0}\n\na game needs at least one player, and every player at least one action")]
    Empty(String),
    /// More profiles than can be held.
    #[error(
        "the game has {count} profiles (combinations of actions); the limit is {PROFILES_MAX}\n\n\
         leave out players or actions, or split the game"
    )]
    TooManyProfiles {
        /// How many.
        count: u128,
    },
    /// A payoff array has the wrong length.
    #[error(
        "player {player} has {found} payoffs; the game has {needed} profiles\n\ngive one payoff a profile, the last player's action changing fastest"
    )]
    PayoffCount {
        /// Whose, from 0.
        player: usize,
        /// Payoffs given.
        found: usize,
        /// Profiles of the game.
        needed: usize,
    },
    /// A payoff is infinite or not a number.
    #[error(
        "player {player}'s payoff at profile {profile:?} is {value}, not a finite number\n\ngive every payoff as a finite number"
    )]
    NotFinite {
        /// Whose, from 0.
        player: usize,
        /// Where: an action each, from 0.
        profile: Vec<usize>,
        /// What stands there.
        value: f64,
    },
    /// A mixture is none.
    #[error(
        "player {player}'s strategy is no mixture of its {actions} actions: {problem}\n\ngive one probability of at least 0 an action, with sum 1"
    )]
    NotAMixture {
        /// Whose, from 0.
        player: usize,
        /// How many actions it has.
        actions: usize,
        /// What is wrong.
        problem: String,
    },
    /// The question makes sense for other games only.
    #[error("{question} needs {needed}; this game has {found}\n\n{help}")]
    Unsuitable {
        /// What was asked.
        question: &'static str,
        /// What kind of game it needs.
        needed: String,
        /// What the game is.
        found: String,
        /// What to do instead.
        help: String,
    },
    /// The exact answer is larger than can be held.
    #[error("{what}: {found}; the limit is {limit}\n\n{help}")]
    TooLarge {
        /// What grew too large.
        what: &'static str,
        /// How large.
        found: u128,
        /// The limit.
        limit: u128,
        /// What to do.
        help: &'static str,
    },
    /// The linear programme was given up.
    #[error(
        "the linear programme for {what} has no answer: {problem}\n\nscale the payoffs to a common size, such as -1 to 1, and try again"
    )]
    Programme {
        /// What it was for.
        what: &'static str,
        /// What the solver said.
        problem: String,
    },
}

/// One mixture of actions a player: probabilities that sum to 1.
pub type Profile = Vec<Vec<f64>>;

/// A game in normal form. A profile is one action each; profiles are numbered row-major, the last player's action
/// changing fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalForm {
    actions: Vec<usize>,
    payoffs: Vec<Vec<f64>>,
}

impl NormalForm {
    /// The game with `actions[player]` actions and `payoffs[player][profile]`.
    ///
    /// # Errors
    /// When it is empty, too large, or a payoff is missing or not finite.
    pub fn new(actions: Vec<usize>, payoffs: Vec<Vec<f64>>) -> Result<Self, GameError> {
        let count = profile_count(&actions)?;
        if payoffs.len() != actions.len() {
            let found = format!("{} players and {} payoff arrays", actions.len(), payoffs.len());
            return Err(GameError::Unsuitable {
                question: "a game",
                needed: "one payoff array a player".into(),
                found,
                help: "give every player one payoff array".into(),
            });
        }
        let game = Self { actions, payoffs };
        for (player, payoffs) in game.payoffs.iter().enumerate() {
            if payoffs.len() != count {
                return Err(GameError::PayoffCount { player, found: payoffs.len(), needed: count });
            }
            if let Some(place) = payoffs.iter().position(|value| !value.is_finite()) {
                return Err(GameError::NotFinite { player, profile: game.profile(place), value: payoffs[place] });
            }
        }
        Ok(game)
    }

    /// The two-player game in which rows choose `a`'s rows and are paid from `a`, and columns are paid from `b`.
    ///
    /// # Errors
    /// As [`Self::new`]; rows of different lengths count as payoffs that are missing.
    pub fn bimatrix(a: &[Vec<f64>], b: &[Vec<f64>]) -> Result<Self, GameError> {
        let columns = a.first().map_or(0, Vec::len);
        Self::new(vec![a.len(), columns], vec![a.concat(), b.concat()])
    }

    /// How many play.
    #[must_use]
    pub fn players(&self) -> usize {
        self.actions.len()
    }

    /// How many actions each player has.
    #[must_use]
    pub fn actions(&self) -> &[usize] {
        &self.actions
    }

    /// How many profiles there are.
    #[must_use]
    pub fn profiles(&self) -> usize {
        self.payoffs[0].len()
    }

    /// A player's payoffs, one a profile.
    #[must_use]
    pub fn payoffs(&self, player: usize) -> &[f64] {
        &self.payoffs[player]
    }

    /// The actions of the profile with this number.
    #[must_use]
    pub fn profile(&self, mut index: usize) -> Vec<usize> {
        let mut profile = vec![0; self.actions.len()];
        for (place, &count) in profile.iter_mut().zip(&self.actions).rev() {
            *place = index % count;
            index /= count;
        }
        profile
    }

    /// The number of a profile.
    #[must_use]
    pub fn index(&self, profile: &[usize]) -> usize {
        profile.iter().zip(&self.actions).fold(0, |index, (action, count)| index * count + action)
    }

    /// By how much a profile's number grows with the player's action.
    #[must_use]
    pub fn stride(&self, player: usize) -> usize {
        self.actions[player + 1..].iter().product()
    }

    /// The profiles in which the player plays its action 0: its lines through the payoff array.
    pub fn lines(&self, player: usize) -> impl Iterator<Item = usize> + use<> {
        let (stride, count, profiles) = (self.stride(player), self.actions[player], self.profiles());
        (0..profiles / count).map(move |line| line / stride * stride * count + line % stride)
    }

    /// Everybody mixing all actions evenly.
    #[must_use]
    pub fn uniform(&self) -> Profile {
        self.actions.iter().map(|&count| vec![1.0 / count as f64; count]).collect()
    }

    /// Is this one mixture a player?
    ///
    /// # Errors
    /// When a probability is missing, negative or no number, or a sum is not 1 to within 1e-6.
    pub fn check(&self, profile: &[Vec<f64>]) -> Result<(), GameError> {
        for (player, &actions) in self.actions.iter().enumerate() {
            let mixture = profile.get(player).map_or(&[][..], Vec::as_slice);
            let sum: f64 = mixture.iter().sum();
            let problem = if mixture.len() != actions {
                format!("it has {} probabilities", mixture.len())
            } else if let Some(wrong) = mixture.iter().find(|value| !(0.0..=1.0 + 1e-6).contains(*value)) {
                format!("{wrong} is no probability")
            } else if (sum - 1.0).abs() > 1e-6 {
                format!("the sum is {sum}")
            } else {
                continue;
            };
            return Err(GameError::NotAMixture { player, actions, problem });
        }
        Ok(())
    }

    /// What each action of `player` is worth against the others' mixtures; `player`'s own does not count. The profile
    /// is one mixture a player (see [`Self::check`]).
    #[must_use]
    pub fn deviation_payoffs(&self, player: usize, profile: &[Vec<f64>]) -> Vec<f64> {
        let mut values = Cow::Borrowed(self.payoffs[player].as_slice());
        // The players behind the one being averaged out are gone already, but for `player`.
        let mut inner = 1;
        for (other, &count) in self.actions.iter().enumerate().rev() {
            if other == player {
                inner = count;
                continue;
            }
            let mut averaged = vec![0.0; values.len() / count];
            for (outer, block) in values.chunks_exact(count * inner).enumerate() {
                let sums = &mut averaged[outer * inner..(outer + 1) * inner];
                for (probability, line) in profile[other].iter().zip(block.chunks_exact(inner)) {
                    for (sum, value) in sums.iter_mut().zip(line) {
                        *sum += probability * value;
                    }
                }
            }
            values = Cow::Owned(averaged);
        }
        values.into_owned()
    }

    /// What the profile is worth to each player.
    #[must_use]
    pub fn expected_payoffs(&self, profile: &[Vec<f64>]) -> Vec<f64> {
        (0..self.players()).map(|player| weigh(&self.deviation_payoffs(player, profile), &profile[player])).collect()
    }

    /// The actions of `player` that do best against the others' mixtures, within `tolerance` of the best.
    #[must_use]
    pub fn best_responses(&self, player: usize, profile: &[Vec<f64>], tolerance: f64) -> Vec<usize> {
        let values = self.deviation_payoffs(player, profile);
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (0..values.len()).filter(|&action| values[action] >= best - tolerance).collect()
    }

    /// What each player would gain by its best response; all zero in an equilibrium, and nowhere negative.
    #[must_use]
    pub fn deviation_gains(&self, profile: &[Vec<f64>]) -> Vec<f64> {
        let gain = |player: usize| {
            let values = self.deviation_payoffs(player, profile);
            let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (best - weigh(&values, &profile[player])).max(0.0)
        };
        (0..self.players()).map(gain).collect()
    }

    /// `NashConv`: the sum of everybody's gain by a best response (Lanctot et al. 2017, section 3.3).
    #[must_use]
    pub fn nash_conv(&self, profile: &[Vec<f64>]) -> f64 {
        self.deviation_gains(profile).iter().sum()
    }

    /// `NashConv` a player.
    #[must_use]
    pub fn exploitability(&self, profile: &[Vec<f64>]) -> f64 {
        self.nash_conv(profile) / self.players() as f64
    }

    /// The numbers of all profiles that nobody gains by leaving alone, in order.
    #[must_use]
    pub fn pure_equilibria(&self) -> Vec<usize> {
        let mut stable = vec![true; self.profiles()];
        for (player, payoffs) in self.payoffs.iter().enumerate() {
            let (stride, count) = (self.stride(player), self.actions[player]);
            for start in self.lines(player) {
                let line = || (0..count).map(|action| start + action * stride);
                let best = line().map(|profile| payoffs[profile]).fold(f64::NEG_INFINITY, f64::max);
                for profile in line() {
                    stable[profile] &= payoffs[profile] >= best;
                }
            }
        }
        (0..stable.len()).filter(|&profile| stable[profile]).collect()
    }

    /// Do payoffs sum to the same in every profile, and to what? Sums that differ by rounding only count as the same.
    #[must_use]
    pub fn constant_sum(&self) -> Option<f64> {
        let sum = |profile: usize| self.payoffs.iter().map(|payoffs| payoffs[profile]).sum::<f64>();
        let scale = self.payoffs.iter().flatten().fold(1.0_f64, |scale, value| scale.max(value.abs()));
        let first = sum(0);
        (0..self.profiles()).all(|profile| (sum(profile) - first).abs() <= 1e-12 * scale).then_some(first)
    }

    /// Is it a two-player game that looks the same to both?
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        let [rows, columns] = self.actions[..] else { return false };
        let swapped = |row: usize, column: usize| self.payoffs[1][column * columns + row];
        rows == columns
            && (0..rows).all(|row| {
                (0..columns)
                    .all(|column| self.payoffs[0][row * columns + column].total_cmp(&swapped(row, column)).is_eq())
            })
    }

    /// The game in which each player has only the actions `kept[player]`.
    #[must_use]
    pub fn restricted(&self, kept: &[Vec<usize>]) -> Self {
        let actions: Vec<usize> = kept.iter().map(Vec::len).collect();
        let count = actions.iter().product();
        let mut smaller = Self { actions, payoffs: vec![Vec::with_capacity(count); self.players()] };
        let mut choice = vec![0; self.players()];
        for place in 0..count {
            let mut rest = place;
            for player in (0..self.players()).rev() {
                choice[player] = kept[player][rest % kept[player].len()];
                rest /= kept[player].len();
            }
            let index = self.index(&choice);
            for (payoffs, all) in smaller.payoffs.iter_mut().zip(&self.payoffs) {
                payoffs.push(all[index]);
            }
        }
        smaller
    }
}

/// How many profiles a game with so many actions each has.
///
/// # Errors
/// When there is none, or there are more than [`PROFILES_MAX`].
pub fn profile_count(actions: &[usize]) -> Result<usize, GameError> {
    if actions.is_empty() {
        return Err(GameError::Empty("it has no player".into()));
    }
    if let Some(player) = actions.iter().position(|&count| count == 0) {
        return Err(GameError::Empty(format!("player {player} has no action")));
    }
    let count = actions.iter().fold(1_u128, |count, &actions| count.saturating_mul(actions as u128));
    if count > PROFILES_MAX {
        return Err(GameError::TooManyProfiles { count });
    }
    Ok(count as usize)
}

/// Σ value · probability.
pub(super) fn weigh(values: &[f64], probabilities: &[f64]) -> f64 {
    values.iter().zip(probabilities).map(|(value, probability)| value * probability).sum()
}
