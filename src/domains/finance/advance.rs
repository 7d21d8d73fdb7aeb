//! The world moves on: values move and jump, the crowds trade, everybody is told how they did.

use bevy_ecs::system::{Query, Res, ResMut};
use rand::Rng;

use super::exchange::AssetId;
use super::fundamental::standard_normal;
use super::market::{Market, VOLATILITY_TICKS};
use super::spaces::Kind;
use super::state::{Analyst, Trader, Wire};
use crate::base::{Outcome, Purpose};
use crate::sim::{Directory, Now, Reward, RewardTerms};

const VALUE: Purpose = Purpose::named("finance.value");
const CROWD: Purpose = Purpose::named("finance.crowd");

/// The generator for what an asset draws at this tick. Agents' keys have 32 bits: counted from the top, assets' keys
/// are none of theirs.
fn draw_for(now: &Now, purpose: Purpose, asset: AssetId) -> impl Rng + use<> {
    now.chance.keyed(purpose, now.tick.0, u64::MAX - u64::from(asset.0))
}

/// Fundamental values move; the shocks dated today happen, each to its asset.
pub fn move_value(now: Res<Now>, wire: Res<Wire>, mut market: ResMut<Market>) {
    for id in market.listed() {
        let today = wire.0.today().iter().filter(|(_, headline)| headline.asset == id);
        let shock = today.map(|(_, headline)| headline.shock).sum();
        let normal = standard_normal(&mut draw_for(&now, VALUE, id));
        market.assets[id.index()].fundamental.step(normal, shock);
    }
}

/// The crowds trade for the length of a tick, that of one asset after the other: they share nothing.
pub fn let_crowd_trade(now: Res<Now>, mut market: ResMut<Market>) {
    let market = &mut *market;
    let memory = VOLATILITY_TICKS.max(market.settings.return_ticks as usize) + 1;
    for id in market.listed() {
        let asset = &mut market.assets[id.index()];
        asset.now.crowd_events = asset.flow.run(&mut market.exchange, 1.0, &mut draw_for(&now, CROWD, id));
        let (mid, spread, mispricing) = (market.mid(id), market.spread(id), market.mispricing(id));
        let asset = &mut market.assets[id.index()];
        let before = *asset.mids.back().expect("there is always a mid");
        asset.mids.push_back(mid);
        if asset.mids.len() > memory {
            asset.mids.pop_front();
        }
        asset.sums.ticks += 1;
        asset.sums.squares += (mid - before).powi(2);
        asset.sums.mispricing += mispricing;
        if let Some(spread) = spread {
            asset.sums.quoted += 1;
            asset.sums.spread += f64::from(spread);
        }
    }
}

/// Who trades earns what their cash and shares at the mid price have grown by, less a penalty for what they hold;
/// analysts earn for reports that were true and lose for those that were the opposite.
pub fn reward_all(
    now: Res<Now>,
    directory: Res<Directory>,
    mut market: ResMut<Market>,
    mut traders: Query<(&mut Trader, &mut Reward, &mut RewardTerms)>,
    mut analysts: Query<(&mut Analyst, &mut Reward, &mut RewardTerms), bevy_ecs::query::Without<Trader>>,
) {
    let session_ends = (now.tick.0 + 1).is_multiple_of(u64::from(market.settings.session_ticks));
    let mut profit = 0.0;
    for &(_, entity) in directory.alive() {
        if let Ok((mut trader, mut reward, mut terms)) = traders.get_mut(entity) {
            let wealth = market.wealth(trader.account);
            let inventory = market.inventory(trader.account, trader.asset);
            let value = wealth - trader.wealth - market.settings.inventory_penalty * inventory * inventory;
            terms.values[0] += (wealth - trader.wealth) as f32;
            terms.values[1] += (inventory * inventory) as f32;
            trader.wealth = wealth;
            trader.reward += value;
            let counts = market.counts(trader.asset);
            counts.reward += value;
            if trader.kind == Kind::Trader {
                counts.reward_traders += value;
                profit += wealth;
            }
            reward.value += value as f32;
            if session_ends {
                reward.outcome = Outcome::Truncated;
            }
        } else if let Ok((mut analyst, mut reward, mut terms)) = analysts.get_mut(entity) {
            let earned = std::mem::take(&mut analyst.earned);
            analyst.reward += f64::from(earned);
            terms.values[0] += earned.max(0.0);
            terms.values[1] += (-earned).max(0.0);
            reward.value += earned;
        }
    }
    if now.tick.0 + 1 == market.ticks / 2 {
        market.profit_at_half = profit;
    }
}
