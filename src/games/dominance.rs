//! Dominated actions, and what is left when they are taken out round by round.

use num_traits::{Signed, Zero};

use super::programmes::dominating_mixture;
use super::{GameError, NormalForm, Rational, exact};

/// Whether domination has to be strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domination {
    /// Better against everything the others may do. Mixtures of actions dominate too.
    Strict,
    /// Nowhere worse and somewhere better than one other action.
    Weak,
}

/// An action that its player does better without.
#[derive(Clone, Debug, PartialEq)]
pub struct Dominated {
    /// Whose.
    pub player: usize,
    /// Which.
    pub action: usize,
    /// What dominates it: actions of the same player with their probabilities.
    pub by: Vec<(usize, f64)>,
}

/// What is left when dominated actions are taken out until there are none.
#[derive(Clone, Debug, PartialEq)]
pub struct Elimination {
    /// Who went, round by round; all that are dominated go at once. Actions have the numbers of the whole game.
    pub rounds: Vec<Vec<Dominated>>,
    /// The actions of each player that are left.
    pub surviving: Vec<Vec<usize>>,
}

/// All dominated actions, in order of player and action.
///
/// # Errors
/// When the linear programme for mixtures is too large or fails.
pub fn dominated_actions(game: &NormalForm, kind: Domination) -> Result<Vec<Dominated>, GameError> {
    let mut found = Vec::new();
    for player in 0..game.players() {
        for action in 0..game.actions()[player] {
            if let Some(by) = dominator(game, player, action, kind)? {
                found.push(Dominated { player, action, by });
            }
        }
    }
    Ok(found)
}

/// Takes dominated actions out, all at once in a round, until none is left. With strict domination the order could not
/// matter; with weak domination it could, and this is the order of Moulin (1979).
///
/// # Errors
/// As [`dominated_actions`].
pub fn eliminate_dominated(game: &NormalForm, kind: Domination) -> Result<Elimination, GameError> {
    let mut surviving: Vec<Vec<usize>> = game.actions().iter().map(|&count| (0..count).collect()).collect();
    let mut rounds = Vec::new();
    loop {
        let mut dominated = dominated_actions(&game.restricted(&surviving), kind)?;
        if dominated.is_empty() {
            return Ok(Elimination { rounds, surviving });
        }
        for one in &mut dominated {
            let names = &surviving[one.player];
            one.action = names[one.action];
            for (action, _) in &mut one.by {
                *action = names[*action];
            }
        }
        for one in &dominated {
            surviving[one.player].retain(|&action| action != one.action);
        }
        rounds.push(dominated);
    }
}

fn dominator(
    game: &NormalForm,
    player: usize,
    action: usize,
    kind: Domination,
) -> Result<Option<Vec<(usize, f64)>>, GameError> {
    let (stride, payoffs) = (game.stride(player), game.payoffs(player));
    let others: Vec<usize> = (0..game.actions()[player]).filter(|&other| other != action).collect();
    let difference = |other: usize, start: usize| payoffs[start + other * stride] - payoffs[start + action * stride];
    let beats = |&other: &usize| match kind {
        Domination::Strict => game.lines(player).all(|start| difference(other, start) > 0.0),
        Domination::Weak => {
            game.lines(player).all(|start| difference(other, start) >= 0.0)
                && game.lines(player).any(|start| difference(other, start) > 0.0)
        }
    };
    if let Some(other) = others.iter().copied().find(|other| beats(other)) {
        return Ok(Some(vec![(other, 1.0)]));
    }
    if kind == Domination::Weak || others.len() < 2 {
        return Ok(None);
    }
    // Only an action that is nowhere a best response among pure profiles can be dominated: most need no programme.
    let best_somewhere = game.lines(player).any(|start| others.iter().all(|&other| difference(other, start) <= 0.0));
    if best_somewhere {
        return Ok(None);
    }
    let Some(weights) = dominating_mixture(game, player, action, &others)? else { return Ok(None) };
    let by: Vec<(usize, f64)> = others.into_iter().zip(weights).filter(|(_, weight)| *weight > 1e-9).collect();
    Ok(certain(game, player, action, &by).then_some(by))
}

/// Does the mixture beat the action everywhere in exact fractions, too?
fn certain(game: &NormalForm, player: usize, action: usize, by: &[(usize, f64)]) -> bool {
    let (stride, payoffs) = (game.stride(player), game.payoffs(player));
    let fraction = |value: f64| exact(value).unwrap_or_else(Rational::zero);
    let weights: Vec<Rational> = by.iter().map(|&(_, weight)| fraction(weight)).collect();
    game.lines(player).all(|start| {
        let own = fraction(payoffs[start + action * stride]);
        by.iter()
            .zip(&weights)
            .fold(Rational::zero(), |sum, ((other, _), weight)| {
                sum + weight * (fraction(payoffs[start + other * stride]) - &own)
            })
            .is_positive()
    })
}
