//! The world moves on: the value moves and jumps, the crowd trades, everybody is told how they did.

use bevy_ecs::system::{Query, Res, ResMut};

use super::fundamental::standard_normal;
use super::spaces::Kind;
use super::state::{Analyst, Market, Trader, VOLATILITY_TICKS, Wire};
use crate::base::{Outcome, Purpose};
use crate::sim::{Agent, Directory, Now, Reward};

const VALUE: Purpose = Purpose::named("finance.value");
const CROWD: Purpose = Purpose::named("finance.crowd");

/// The fundamental value moves; the shocks dated today happen.
pub fn move_value(now: Res<Now>, wire: Res<Wire>, mut market: ResMut<Market>) {
    let shock = wire.0.today().iter().map(|(_, headline)| headline.shock).sum();
    let normal = standard_normal(&mut now.chance.world(VALUE, now.tick));
    market.fundamental.step(normal, shock);
}

/// The crowd trades for the length of a tick.
pub fn let_crowd_trade(now: Res<Now>, mut market: ResMut<Market>) {
    let market = &mut *market;
    let mut draw = now.chance.world(CROWD, now.tick);
    market.now.crowd_events = market.flow.run(&mut market.exchange, 1.0, &mut draw);
    let mid = market.mid();
    let before = *market.mids.back().expect("there is always a mid");
    market.mids.push_back(mid);
    if market.mids.len() > VOLATILITY_TICKS.max(market.settings.return_ticks as usize) + 1 {
        market.mids.pop_front();
    }
    let sums = &mut market.sums;
    sums.ticks += 1;
    sums.squares += (mid - before).powi(2);
    sums.mispricing += (mid - market.fundamental.value()).abs();
    if let (Some(bid), Some(ask)) = market.quotes() {
        market.sums.quoted += 1;
        market.sums.spread += f64::from(ask - bid);
    }
}

/// Who trades earns what their cash and shares at the mid price have grown by, less a penalty for what they hold;
/// analysts earn for reports that were true and lose for those that were the opposite.
pub fn reward_all(
    now: Res<Now>,
    directory: Res<Directory>,
    mut market: ResMut<Market>,
    mut traders: Query<(&Agent, &mut Trader, &mut Reward)>,
    mut analysts: Query<(&Agent, &mut Analyst, &mut Reward), bevy_ecs::query::Without<Trader>>,
) {
    let mid = market.mid();
    let session_ends = (now.tick.0 + 1).is_multiple_of(u64::from(market.settings.session_ticks));
    let mut profit = 0.0;
    for &(_, entity) in directory.alive() {
        if let Ok((_, mut trader, mut reward)) = traders.get_mut(entity) {
            let wealth = market.wealth(trader.account, mid);
            let inventory = market.inventory(trader.account);
            let value = wealth - trader.wealth - market.settings.inventory_penalty * inventory * inventory;
            trader.wealth = wealth;
            trader.reward += value;
            market.now.reward += value;
            if trader.kind == Kind::Trader {
                market.now.reward_traders += value;
                profit += wealth;
            }
            reward.value += value as f32;
            if session_ends {
                reward.outcome = Outcome::Truncated;
            }
        } else if let Ok((_, mut analyst, mut reward)) = analysts.get_mut(entity) {
            let earned = std::mem::take(&mut analyst.earned);
            analyst.reward += f64::from(earned);
            reward.value += earned;
        }
    }
    if now.tick.0 + 1 == market.ticks / 2 {
        market.profit_at_half = profit;
    }
}
