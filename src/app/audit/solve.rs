//! The empirical game solved: what groups would settle on if each chose as one, and which profiles single agents would leave.

use super::LEVEL;
use super::report::{DeviationRow, EquilibriumRow, PayoffRow, ProfileRow, SolvedGame};
use super::sample::Samples;
use crate::app::error::AppError;
use crate::base::mean_interval;
use crate::games::{NormalForm, Selection, alpha_rank_of_gains, approximate, extreme_equilibria};

/// What α-rank leaves to chance: the probability with which a profile is left for no gain, or to a loss.
const MUTATION: f64 = 1e-3;

/// Solves the game of the named policies. `found` holds all named deviations.
pub fn solve(samples: &Samples<'_>, found: &[DeviationRow]) -> Result<SolvedGame, AppError> {
    let players = samples.players;
    let (sides, profiles) = (players.sides.len(), players.profiles());
    let mut solved = SolvedGame::default();
    let mut means = vec![vec![0.0; profiles]; sides];
    for profile in 0..profiles {
        for (side, means) in means.iter_mut().enumerate() {
            let values: Vec<f64> = samples.of(profile, &[]).iter().map(|sample| sample.sides[side]).collect();
            let interval = mean_interval(&values, LEVEL);
            means[profile] = interval.map_or(0.0, |interval| interval.mean);
            solved.payoffs.push(PayoffRow {
                profile,
                group: players.sides[side].group.clone(),
                policy: players.policy(profile, side).to_owned(),
                agents: players.sides[side].count,
                seeds: values.len(),
                mean: means[profile],
                half_width: interval.and_then(|interval| interval.half_width),
            });
        }
    }
    // A gain that the seeds do not settle counts as none.
    let gain = |side: usize, from: usize, to: usize| {
        let wanted = players.policy(to, side);
        let row = found.iter().find(|row| {
            row.profile == from && !row.trained && row.group == players.sides[side].group && row.deviation == wanted
        });
        row.map_or(0.0, |row| if row.low > 0.0 || row.high < 0.0 { row.gain } else { 0.0 })
    };
    let ranks = if profiles > 1 {
        match alpha_rank_of_gains(&players.actions(), gain, Selection::Infinite { epsilon: MUTATION }) {
            Ok(ranks) => ranks.into_iter().map(Some).collect(),
            Err(error) => {
                solved.notes.push(one_line(&format!("no α-rank: {error}")));
                vec![None; profiles]
            }
        }
    } else {
        vec![Some(1.0); profiles]
    };
    let game = NormalForm::new(players.actions(), means)
        .map_err(|error| AppError::Audit { problem: error.to_string(), help: String::new() })?;
    let pure = game.pure_equilibria();
    for (profile, alpha_rank) in ranks.into_iter().enumerate() {
        let own = found.iter().filter(|row| row.profile == profile && !row.trained);
        let best = own.clone().max_by(|one, other| one.gain.total_cmp(&other.gain));
        solved.profiles.push(ProfileRow {
            profile,
            policies: (0..sides)
                .map(|side| format!("{}={}", players.sides[side].group, players.policy(profile, side)))
                .collect::<Vec<_>>()
                .join(" "),
            equilibrium: pure.contains(&profile),
            stable: own.clone().all(|row| !row.refutes),
            alpha_rank,
            leaves: best.map(|row| format!("{}[{}]", row.group, row.member)),
            deviation: best.map(|row| row.deviation.clone()),
            gain: best.map(|row| row.gain),
            low: best.map(|row| row.low),
            high: best.map(|row| row.high),
        });
    }
    if sides == 2 && profiles > 1 {
        match extreme_equilibria(&game) {
            Ok(equilibria) => {
                for (number, equilibrium) in equilibria.extreme.iter().enumerate() {
                    for (side, strategy) in equilibrium.strategies.iter().enumerate() {
                        let worth = approximate(&equilibrium.utilities[side]);
                        for (choice, probability) in strategy.iter().enumerate() {
                            solved.equilibria.push(EquilibriumRow {
                                equilibrium: number,
                                group: players.sides[side].group.clone(),
                                policy: players.sides[side].candidates[choice].clone(),
                                probability: approximate(probability),
                                payoff: worth,
                            });
                        }
                    }
                }
            }
            Err(error) => solved.notes.push(one_line(&format!("no list of equilibria: {error}"))),
        }
    } else if profiles > 1 {
        for (number, &profile) in pure.iter().enumerate() {
            for (side, &choice) in players.choices(profile).iter().enumerate() {
                for (place, policy) in players.sides[side].candidates.iter().enumerate() {
                    solved.equilibria.push(EquilibriumRow {
                        equilibrium: number,
                        group: players.sides[side].group.clone(),
                        policy: policy.clone(),
                        probability: if place == choice { 1.0 } else { 0.0 },
                        payoff: game.payoffs(side)[profile],
                    });
                }
            }
        }
    }
    Ok(solved)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
