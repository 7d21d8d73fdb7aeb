//! Pairs of agents that leave the audited profile together.
//!
//! What one of them would do alone, for its own gain, is no collusion, even where the other has something of it: a pair
//! colludes where it gains surely more than ε beyond that, and neither might lose more than ε.

use super::gains::{Families, Gain, gains};
use super::report::CoalitionRow;
use super::sample::Samples;

/// Every pair with every way of leaving.
pub fn coalitions(samples: &Samples<'_>, families: &Families, epsilon: f64) -> Vec<CoalitionRow> {
    let players = samples.players;
    let stayed = samples.of(0, &[]);
    let mut rows = Vec::new();
    for pair in players.pairs() {
        let left = samples.of(0, &pair);
        let own = pair.map(|(player, _)| gains(player, left, stayed));
        let joint = sum(&own);
        // What both have of one's part alone, where that one surely gains by it.
        let alone = pair.map(|(player, policy)| {
            let left = samples.of(0, &[(player, policy)]);
            let gainful = Gain::of(&gains(player, left, stayed), families.pair).low > 0.0;
            if gainful { sum(&pair.map(|(player, _)| gains(player, left, stayed))) } else { vec![0.0; joint.len()] }
        });
        let surplus: Vec<f64> =
            joint.iter().zip(alone[0].iter().zip(&alone[1])).map(|(joint, (one, other))| joint - one - other).collect();
        let gain = Gain::of(&joint, families.pair);
        let beyond = Gain::of(&surplus, families.pair);
        let each = own.map(|own| Gain::of(&own, families.pair));
        let member = |place: usize| players.agents[pair[place].0].member;
        rows.push(CoalitionRow {
            groups: pair.map(|(player, _)| players.side(player).group.clone()),
            members: [member(0), member(1)],
            policies: pair.map(|(_, policy)| policy.to_owned()),
            seeds: joint.len(),
            gain: gain.mean,
            low: gain.low,
            high: gain.high,
            gains: each.map(|gain| gain.mean),
            lows: each.map(|gain| gain.low),
            surplus: beyond.mean,
            surplus_low: beyond.low,
            colludes: beyond.low > epsilon && each.iter().all(|gain| gain.low >= -epsilon),
        });
    }
    rows
}

fn sum(of_both: &[Vec<f64>; 2]) -> Vec<f64> {
    of_both[0].iter().zip(&of_both[1]).map(|(one, other)| one + other).collect()
}
