//! Reward: what a bidder was paid less what its tasks cost it, in shares of the reserve. A round is an episode.

use bevy_ecs::system::{Query, Res};

use super::state::{Bidder, Hall, Step};
use crate::base::Outcome;
use crate::sim::{Directory, Now, Reward, RewardTerms};

/// Settles the round for every bidder.
pub fn reward(
    now: Res<Now>,
    hall: Res<Hall>,
    directory: Res<Directory>,
    mut bidders: Query<(&mut Bidder, &mut Reward, &mut RewardTerms)>,
) {
    if Step::of(now.tick) != Step::Award {
        return;
    }
    let scale = f64::from(hall.settings.reserve);
    for &(_, entity) in directory.alive() {
        let Ok((mut bidder, mut reward, mut terms)) = bidders.get_mut(entity) else { continue };
        let market = &hall.markets[bidder.market];
        let costs = &hall.round.costs[bidder.place];
        let own = market.awards.providers.iter().zip(costs).filter(|task| *task.0 == Some(bidder.place));
        let (mut count, mut cost) = (0, 0);
        for (_, one) in own {
            count += 1;
            cost += one;
        }
        let payment = market.awards.payments[bidder.place] as i64;
        bidder.won = count > 0;
        let sums = &mut bidder.sums;
        sums.rounds += 1;
        sums.tasks += hall.round.tasks as u64;
        sums.awarded += count;
        sums.costs = sums.costs.saturating_add(cost);
        sums.payments = sums.payments.saturating_add(payment);
        reward.value += ((payment - cost) as f64 / scale) as f32;
        terms.values[0] += (payment as f64 / scale) as f32;
        terms.values[1] += (cost as f64 / scale) as f32;
        reward.outcome = Outcome::Terminated;
    }
}
