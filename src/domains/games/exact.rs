//! How far play is from an equilibrium, exactly: of frequencies that were counted, and of strategies that can be asked.
//! Knows no engine.

use super::game::{Game, Rules};
use crate::base::{Action, LegalActions};
use crate::games::{NormalForm, Poker, Tree};

/// Most sums over profiles that a game of several rounds is solved by, where somebody waits for the answer.
pub(super) const WORK_MAX: u64 = 50_000_000;
/// The same where it is one of many answers while a run goes on.
pub(super) const WORK_MAX_RECORD: u64 = 100_000;

/// What was done in some rounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counts {
    /// Rounds, or hands of cards.
    pub rounds: u64,
    /// What they brought to each player.
    pub payoffs: Vec<f64>,
    /// How often each choice of [`choices`] was made.
    pub chosen: Vec<u64>,
}

impl Counts {
    /// None yet.
    pub fn none(players: usize, choices: usize) -> Self {
        Self { rounds: 0, payoffs: vec![0.0; players], chosen: vec![0; choices] }
    }
}

/// Something that a player may do in a situation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChoiceName {
    /// Whose.
    pub player: usize,
    /// What is known; empty in a game in normal form.
    pub situation: String,
    /// What is done.
    pub action: &'static str,
}

/// All that players may do: in a game in normal form each player's actions, one player after another; in one of cards the
/// actions of each information set, as in a [`crate::games::Strategy`].
pub(super) fn choices(game: &Game, tree: Option<&Tree>) -> Vec<ChoiceName> {
    let Some(tree) = tree else {
        let of = |(player, names): (usize, &Vec<&'static str>)| -> Vec<ChoiceName> {
            names.iter().map(|&action| ChoiceName { player, situation: String::new(), action }).collect()
        };
        return game.actions.iter().enumerate().flat_map(of).collect();
    };
    let of = |set: &crate::games::InformationSet| -> Vec<ChoiceName> {
        let name = |&action| ChoiceName { player: set.player, situation: set.information.clone(), action };
        set.actions.iter().map(name).collect()
    };
    tree.information_sets().iter().flat_map(of).collect()
}

/// Shares of what was chosen in one situation; even where nothing was.
fn shares(chosen: &[u64]) -> Vec<f64> {
    let sum: u64 = chosen.iter().sum();
    if sum == 0 {
        return vec![1.0 / chosen.len() as f64; chosen.len()];
    }
    chosen.iter().map(|count| *count as f64 / sum as f64).collect()
}

/// What each player would have gained a round by the best deviation, had all others played at random by the frequencies
/// that were counted; none where nothing was.
pub(super) fn gains(game: &Game, tree: Option<&Tree>, counts: &Counts) -> Option<Vec<f64>> {
    if counts.rounds == 0 {
        return None;
    }
    match (&game.rules, tree) {
        (Rules::Matrix(rules), _) => {
            let mut first = 0;
            let profile = rules.actions().iter().map(|count| {
                first += count;
                shares(&counts.chosen[first - count..first])
            });
            Some(rules.deviation_gains(&profile.collect::<Vec<_>>()))
        }
        (Rules::Cards(_), Some(tree)) => {
            let sets = tree.information_sets().iter();
            card_gains(tree, &sets.flat_map(|set| shares(&counts.chosen[set.slots()])).collect::<Vec<_>>())
        }
        (Rules::Cards(_), None) => None,
    }
}

fn card_gains(tree: &Tree, strategy: &[f64]) -> Option<Vec<f64>> {
    let value = tree.value(strategy).ok()?;
    let best = |player: usize| Some(tree.best_response(strategy, player).ok()?.value);
    Some(vec![best(0)? - value, best(1)? + value])
}

/// How a player chooses: given the player, what it sees and what is legal, a probability for each action of its menu.
pub(super) type Ask<'a> = dyn FnMut(usize, &[f32], LegalActions) -> Vec<f64> + 'a;

/// What each player would gain in an episode by the best deviation from strategies that depend on what is seen; `None` where
/// a strategy gives no mixture of what is legal, or the game with its rounds takes more sums over profiles than `work_max`.
pub(super) fn strategy_gains(game: &Game, tree: Option<&Tree>, work_max: u64, ask: &mut Ask<'_>) -> Option<Vec<f64>> {
    match (&game.rules, tree) {
        (Rules::Cards(poker), Some(tree)) => {
            let strategy = poker_strategy(*poker, tree, ask)?;
            card_gains(tree, &strategy)
        }
        (Rules::Cards(_), None) => None,
        (Rules::Matrix(rules), _) => matrix_gains(game, rules, work_max, ask),
    }
}

fn poker_strategy(poker: Poker, tree: &Tree, ask: &mut Ask<'_>) -> Option<Vec<f64>> {
    let mut strategy = vec![0.0; tree.choices()];
    for set in tree.information_sets() {
        let places: Vec<usize> = poker.menu(set).collect();
        let legal = places.iter().fold(LegalActions::default(), |legal, place| legal.with(Action(*place as u16)));
        let mixture = ask(set.player, &poker.see(&set.information), legal);
        let own: Vec<f64> = places.iter().filter_map(|place| mixture.get(*place).copied()).collect();
        if own.len() != places.len() || !is_mixture(&own) {
            return None;
        }
        strategy[set.slots()].copy_from_slice(&own);
    }
    Some(strategy)
}

fn is_mixture(probabilities: &[f64]) -> bool {
    let inside = probabilities.iter().all(|probability| (0.0..=1.0 + 1e-6).contains(probability));
    inside && (probabilities.iter().sum::<f64>() - 1.0).abs() <= 1e-6
}

/// A strategy sees the round and what was done in the round before, so that against the others' any player's best response
/// is that of a Markov decision process over both: backward over the rounds, with what is to come added to the payoffs.
fn matrix_gains(game: &Game, rules: &NormalForm, work_max: u64, ask: &mut Ask<'_>) -> Option<Vec<f64>> {
    let (players, profiles, rounds) = (rules.players(), rules.profiles(), game.rounds);
    let states = if rounds == 1 { 1 } else { 1 + (u64::from(rounds) - 1) * profiles as u64 };
    if states.saturating_mul(profiles as u64) > work_max {
        return None;
    }
    // What is to come after each profile: by the strategies, and by each player's best response.
    let mut followed = vec![vec![0.0; profiles]; players];
    let mut best = followed.clone();
    for round in (0..rounds).rev() {
        let with = |come: &[Vec<f64>]| {
            let sum = |player: usize| -> Vec<f64> {
                rules.payoffs(player).iter().zip(&come[player]).map(|(now, later)| now + later).collect()
            };
            NormalForm::new(rules.actions().to_vec(), (0..players).map(sum).collect()).ok()
        };
        let (on_path, deviating) = (with(&followed)?, with(&best)?);
        let lasts = if round == 0 { vec![None] } else { (0..profiles).map(|last| Some(rules.profile(last))).collect() };
        let (mut followed_before, mut best_before) = (vec![Vec::new(); players], vec![Vec::new(); players]);
        for last in lasts {
            let mixture =
                |player: usize| ask(player, &Game::see(round, last.as_deref(), player, players), game.legal(player));
            let profile: Vec<Vec<f64>> = (0..players).map(mixture).collect();
            rules.check(&profile).ok()?;
            for (player, value) in on_path.expected_payoffs(&profile).into_iter().enumerate() {
                followed_before[player].push(value);
                let values = deviating.deviation_payoffs(player, &profile);
                best_before[player].push(values.into_iter().fold(f64::NEG_INFINITY, f64::max));
            }
        }
        (followed, best) = (followed_before, best_before);
    }
    Some((0..players).map(|player| best[player][0] - followed[player][0]).collect())
}
