//! What single agents gain by leaving a profile: paired by seed, with intervals that hold together.

use super::LEVEL;
use super::players::Players;
use super::report::DeviationRow;
use super::response::Response;
use super::sample::{Sample, Samples};
use crate::base::mean_interval;

/// How sure each interval has to be so that all of a family are sure together (Bonferroni).
pub struct Families {
    /// Of deviations of one agent.
    pub single: f64,
    /// Of pairs.
    pub pair: f64,
}

/// What is told of a pair: its joint gain, what each of both gains, and the surplus.
const INTERVALS_A_PAIR: usize = 4;

impl Families {
    /// For the audited profile's named deviations and so many trained ones, and for its pairs.
    pub fn new(players: &Players, trained: usize) -> Self {
        let named: usize = (0..players.agents.len()).map(|player| players.alternatives(0, player).count()).sum();
        let level = |tests: usize| 1.0 - (1.0 - LEVEL) / tests.max(1) as f64;
        Self { single: level(named + trained), pair: level(INTERVALS_A_PAIR * players.pairs().len()) }
    }
}

/// A mean, and where it may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gain {
    /// The mean over seeds.
    pub mean: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Gain {
    /// Of values by seed. Without two of them nothing is known of the spread, and the interval is without ends.
    pub fn of(values: &[f64], level: f64) -> Self {
        let found = mean_interval(values, level);
        let mean = found.map_or(0.0, |found| found.mean);
        let half_width = found.and_then(|found| found.half_width).unwrap_or(f64::INFINITY);
        Self { mean, low: mean - half_width, high: mean + half_width }
    }
}

/// What a player gets more, seed by seed.
pub fn gains(player: usize, leaving: &[Sample], staying: &[Sample]) -> Vec<f64> {
    leaving.iter().zip(staying).map(|(left, stayed)| left.players[player] - stayed.players[player]).collect()
}

fn mean_of(player: usize, samples: &[Sample]) -> f64 {
    samples.iter().map(|sample| sample.players[player]).sum::<f64>() / samples.len().max(1) as f64
}

fn row(
    samples: &Samples<'_>,
    (profile, player): (usize, usize),
    (deviation, trained): (&str, bool),
    left: &[Sample],
    (level, epsilon): (f64, f64),
) -> DeviationRow {
    let (players, stayed) = (samples.players, samples.of(profile, &[]));
    let Gain { mean, low, high } = Gain::of(&gains(player, left, stayed), level);
    DeviationRow {
        profile,
        group: players.side(player).group.clone(),
        member: players.agents[player].member,
        policy: players.policy(profile, players.agents[player].side).to_owned(),
        deviation: deviation.to_owned(),
        trained,
        seeds: left.len().min(stayed.len()),
        payoff: mean_of(player, stayed),
        deviating: mean_of(player, left),
        gain: mean,
        low,
        high,
        refutes: low > epsilon,
    }
}

/// Every deviation of one agent from every profile to another named policy.
pub fn deviations(samples: &Samples<'_>, families: &Families, epsilon: f64) -> Vec<DeviationRow> {
    let players = samples.players;
    let mut rows = Vec::new();
    for profile in 0..players.profiles() {
        for player in 0..players.agents.len() {
            for policy in players.alternatives(profile, player) {
                let left = samples.of(profile, &[(player, policy)]);
                rows.push(row(samples, (profile, player), (policy, false), left, (families.single, epsilon)));
            }
        }
    }
    rows
}

/// Those to trained best responses, from the audited profile.
pub fn trained_deviations(
    samples: &Samples<'_>,
    trained: &[Response],
    families: &Families,
    epsilon: f64,
) -> Vec<DeviationRow> {
    let of = |response: &Response| {
        let left = samples.trained(response.player);
        row(samples, (0, response.player), (&response.policy_name, true), left, (families.single, epsilon))
    };
    trained.iter().map(of).collect()
}
