//! Play over time in normal form: fictitious play, regret matching, counterfactual regret minimisation,
//! and the replicator equation. Nothing is drawn; the
//! same game and start give the same path.

use super::normal_form::{Profile, weigh};
use super::{CfrVariant, GameError, NormalForm};

/// Plays so many rounds and says how far the play has come.
pub trait Dynamics {
    /// One round, or one step of time.
    fn step(&mut self, game: &NormalForm);

    /// The profile that stands for the play so far.
    fn profile(&self) -> Profile;
}

/// Fictitious play (Brown 1951): everybody answers the others' past with a best response, at the same time; the action
/// of lowest number where several are best. Its profile is what was played, as shares.
#[derive(Clone, Debug)]
pub struct FictitiousPlay {
    counts: Profile,
    rounds: f64,
}

impl FictitiousPlay {
    /// Before the first round, which answers even mixtures.
    #[must_use]
    pub fn new(game: &NormalForm) -> Self {
        Self { counts: game.actions().iter().map(|&count| vec![0.0; count]).collect(), rounds: 0.0 }
    }
}

impl Dynamics for FictitiousPlay {
    fn step(&mut self, game: &NormalForm) {
        let past = self.profile();
        for player in 0..game.players() {
            let values = game.deviation_payoffs(player, &past);
            let best =
                (0..values.len()).fold(0, |best, action| if values[action] > values[best] { action } else { best });
            self.counts[player][best] += 1.0;
        }
        self.rounds += 1.0;
    }

    fn profile(&self) -> Profile {
        let share = |counts: &Vec<f64>| {
            let even = 1.0 / counts.len() as f64;
            counts.iter().map(|count| if self.rounds > 0.0 { count / self.rounds } else { even }).collect()
        };
        self.counts.iter().map(share).collect()
    }
}

/// Regret matching (Hart and Mas-Colell 2000) with expected payoffs: everybody mixes actions in proportion to how much
/// better each would have done so far, at the same time. Its profile is the average of the mixtures; the joint play
/// approaches the coarse correlated equilibria, the average the equilibria of a two-player zero-sum game.
#[derive(Clone, Debug)]
pub struct RegretMatching {
    regrets: Profile,
    sums: Profile,
    rounds: f64,
}

impl RegretMatching {
    /// Before the first round, which mixes evenly.
    #[must_use]
    pub fn new(game: &NormalForm) -> Self {
        let zeros: Profile = game.actions().iter().map(|&count| vec![0.0; count]).collect();
        Self { regrets: zeros.clone(), sums: zeros, rounds: 0.0 }
    }

    /// What each player mixes in the next round.
    #[must_use]
    pub fn current(&self) -> Profile {
        self.regrets.iter().map(|regrets| matched(regrets)).collect()
    }

    /// By how much the best single action would have done better than each player did, a round.
    #[must_use]
    pub fn average_regrets(&self) -> Vec<f64> {
        let best = |regrets: &Vec<f64>| regrets.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.regrets.iter().map(|regrets| best(regrets).max(0.0) / self.rounds.max(1.0)).collect()
    }
}

/// Positive parts in proportion; even where none is positive.
fn matched(regrets: &[f64]) -> Vec<f64> {
    let sum: f64 = regrets.iter().map(|regret| regret.max(0.0)).sum();
    let even = 1.0 / regrets.len() as f64;
    regrets.iter().map(|regret| if sum > 0.0 { regret.max(0.0) / sum } else { even }).collect()
}

impl Dynamics for RegretMatching {
    fn step(&mut self, game: &NormalForm) {
        let current = self.current();
        for player in 0..game.players() {
            let values = game.deviation_payoffs(player, &current);
            let got = weigh(&values, &current[player]);
            for action in 0..values.len() {
                self.regrets[player][action] += values[action] - got;
                self.sums[player][action] += current[player][action];
            }
        }
        self.rounds += 1.0;
    }

    fn profile(&self) -> Profile {
        if self.rounds == 0.0 {
            return self.current();
        }
        self.sums.iter().map(|sums| sums.iter().map(|sum| sum / self.rounds).collect()).collect()
    }
}

/// Counterfactual regret minimisation of a normal form: every player has one information set and knows nothing of the
/// others' choice, so that its counterfactual regrets are plain ones. Players are renewed in turn, each against what those
/// before it have come to. In a two-player zero-sum game it takes the steps of [`super::Cfr`] on the same game laid out as a
/// tree; beyond those only the joint play is known to approach anything, the coarse correlated equilibria. Its profile is the
/// variant's average.
#[derive(Clone, Debug)]
pub struct NormalFormCfr {
    variant: CfrVariant,
    iterations: u64,
    current: Profile,
    regrets: Profile,
    sums: Profile,
}

impl NormalFormCfr {
    /// Before the first iteration, which mixes evenly.
    #[must_use]
    pub fn new(game: &NormalForm, variant: CfrVariant) -> Self {
        let zeros: Profile = game.actions().iter().map(|&count| vec![0.0; count]).collect();
        Self { variant, iterations: 0, current: game.uniform(), regrets: zeros.clone(), sums: zeros }
    }
}

impl Dynamics for NormalFormCfr {
    fn step(&mut self, game: &NormalForm) {
        self.iterations += 1;
        let (weight, renewal) = (self.variant.weight(self.iterations), self.variant.renewal(self.iterations));
        for player in 0..game.players() {
            let values = game.deviation_payoffs(player, &self.current);
            let got = weigh(&values, &self.current[player]);
            for (action, value) in values.into_iter().enumerate() {
                self.regrets[player][action] += value - got;
                self.sums[player][action] += weight * self.current[player][action];
            }
            renewal.renew(&mut self.regrets[player], &mut self.current[player]);
        }
    }

    fn profile(&self) -> Profile {
        let share = |(sums, current): (&Vec<f64>, &Vec<f64>)| {
            let sum: f64 = sums.iter().sum();
            if sum > 0.0 { sums.iter().map(|part| part / sum).collect() } else { current.clone() }
        };
        self.sums.iter().zip(&self.current).map(share).collect()
    }
}

/// The replicator equation (Taylor and Jonker 1978) by Euler's method: a share grows by how much better its action does
/// than the mean, dx = x · (payoff − mean payoff) · dt. Its profile is the state.
#[derive(Clone, Debug)]
pub struct Replicator {
    state: Profile,
    step_length: f64,
    single: bool,
}

impl Replicator {
    /// One population a player.
    ///
    /// # Errors
    /// When `start` is not one mixture a player, or the step length is not above 0.
    pub fn new(game: &NormalForm, start: Profile, step_length: f64) -> Result<Self, GameError> {
        game.check(&start)?;
        if !(step_length.is_finite() && step_length > 0.0) {
            return Err(GameError::Unsuitable {
                question: "the replicator equation",
                needed: "a step length above 0".into(),
                found: format!("the step length {step_length}"),
                help: "use a small positive number such as 0.001".into(),
            });
        }
        Ok(Self { state: start, step_length, single: false })
    }

    /// One population that plays a symmetric two-player game against itself.
    ///
    /// # Errors
    /// As [`Self::new`], and when the game does not look the same to both players.
    pub fn single(game: &NormalForm, start: Vec<f64>, step_length: f64) -> Result<Self, GameError> {
        if !game.is_symmetric() {
            return Err(GameError::Unsuitable {
                question: "a single population",
                needed: "a symmetric game: two players, B the transpose of A".into(),
                found: format!("a game of {} players that is not", game.players()),
                help: "give one population a player".into(),
            });
        }
        Ok(Self { single: true, ..Self::new(game, vec![start.clone(), start], step_length)? })
    }
}

impl Dynamics for Replicator {
    fn step(&mut self, game: &NormalForm) {
        let moved = if self.single { 1 } else { game.players() };
        let before = self.state.clone();
        for player in 0..moved {
            let values = game.deviation_payoffs(player, &before);
            let mean = weigh(&values, &before[player]);
            for (share, value) in self.state[player].iter_mut().zip(values) {
                *share += self.step_length * *share * (value - mean);
            }
        }
        if self.single {
            let (one, other) = self.state.split_at_mut(1);
            other[0].clone_from(&one[0]);
        }
    }

    fn profile(&self) -> Profile {
        self.state.clone()
    }
}
