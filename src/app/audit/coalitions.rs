//! Pairs of agents that leave the audited profile together.
//!
//! What one of them would gain by leaving alone is no collusion: a pair colludes where it gains more than that, surely more
//! than ε, and neither surely might lose more than ε by it.

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
        // What each gets by its part of it alone, where that is to its gain.
        let alone = pair.map(|(player, policy)| {
            let alone = gains(player, samples.of(0, &[(player, policy)]), stayed);
            if alone.iter().sum::<f64>() > 0.0 { alone } else { vec![0.0; alone.len()] }
        });
        let joint: Vec<f64> = own[0].iter().zip(&own[1]).map(|(one, other)| one + other).collect();
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
