//! What acts do, in `AgentId` order: analysts report, and those who trade place and cancel orders.

use bevy_ecs::system::{Query, Res, ResMut};

use super::book::Side;
use super::market::Market;
use super::news::tone_name;
use super::share::report as hand_over;
use super::spaces::{TRADE_ACT_LIST, TradeAct, WITHHOLD};
use super::state::{Analyst, Trader, Wire};
use crate::base::{Message, Performative};
use crate::sim::{Agent, Blackboard, Choice, Directory, Mail, Now, Tables, Topics};

/// Analysts hand what they make of a headline to the traders of its asset. It arrives at the next tick.
pub fn analysts_act(
    now: Res<Now>,
    directory: Res<Directory>,
    wire: Res<Wire>,
    mut market: ResMut<Market>,
    (mut mail, mut topics, mut board): (ResMut<Mail>, ResMut<Topics>, ResMut<Blackboard>),
    mut tables: ResMut<Tables>,
    mut analysts: Query<(&Agent, &Choice, &mut Analyst)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((agent, choice, mut analyst)) = analysts.get_mut(entity) else { continue };
        let (Some(reading), Some(action)) = (analyst.reading.take(), choice.action) else { continue };
        let (date, headline) = &wire.0.known()[reading.headline];
        let report = (action.0 < WITHHOLD).then(|| action.0 as i8 - 1);
        let right = reading.tone == headline.tone;
        let is_true = report.map(|report| report == headline.truth());
        analyst.read += 1;
        analyst.right += u64::from(right);
        let counts = market.counts(headline.asset);
        counts.read += 1;
        counts.read_right += u64::from(right);
        if let Some(report) = report.filter(|&report| report != 0) {
            analyst.reports += 1;
            analyst.reports_true += u64::from(is_true == Some(true));
            counts.reports += 1;
            counts.reports_true += u64::from(is_true == Some(true));
            analyst.earned = f32::from(report * headline.truth());
        }
        if let Some(report) = report {
            let confidence = reading.probabilities[(report + 1) as usize];
            let letter = Message {
                sender: agent.id,
                performative: Performative::Inform,
                topic: (reading.headline % usize::from(u16::MAX)) as u16,
                amount: (f64::from(report) * confidence) as f32,
                text: market.texts[reading.headline],
                ..Message::default()
            };
            let (by, readers) = (market.settings.reports, &market.asset(headline.asset).readers);
            hand_over((by, headline.asset.0), agent, letter, readers, (&mut mail, &mut topics, &mut board));
        }
        tables.push(
            "readings",
            [
                now.tick.0.into(),
                date.0.into(),
                agent.id.0.into(),
                market.exchange.name(headline.asset).into(),
                headline.text.clone().into(),
                headline.origin.name().into(),
                tone_name(headline.tone).into(),
                headline.shock.into(),
                tone_name(reading.tone).into(),
                reading.probabilities[0].into(),
                reading.probabilities[1].into(),
                reading.probabilities[2].into(),
                right.into(),
                report.map_or("withheld", tone_name).into(),
            ],
        );
    }
}

/// Orders go to the exchange, each for the asset that its agent trades.
pub fn traders_act(
    directory: Res<Directory>,
    mut market: ResMut<Market>,
    mut traders: Query<(&Agent, &Choice, &mut Trader)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((_, choice, mut trader)) = traders.get_mut(entity) else { continue };
        let Some(action) = choice.action else { continue };
        let act = TRADE_ACT_LIST[action.index()];
        if act == TradeAct::Hold {
            continue;
        }
        let market = &mut *market;
        let (account, asset) = (trader.account, trader.asset);
        if let Some(order) = trader.order.take() {
            // Those who acted before it this tick may have filled it: then there is nothing to cancel.
            let _ = market.exchange.cancel(asset, order);
        }
        let shares = market.settings.order_shares;
        let held = market.exchange.account(account).shares[asset.index()];
        let most = market.shares_max(trader.kind);
        let side = match act {
            TradeAct::Hold | TradeAct::Cancel => continue,
            TradeAct::BuyMarket | TradeAct::BuyLimit => Side::Buy,
            TradeAct::SellMarket | TradeAct::SellLimit => Side::Sell,
        };
        // The menu was written before this tick's trades: what rested may have traded, and its prices be gone.
        if (held + side.sign() * i64::from(shares)).abs() > most {
            continue;
        }
        let placed = match act {
            TradeAct::BuyMarket | TradeAct::SellMarket => {
                market.exchange.market(account, asset, side, shares).map(|_| None)
            }
            _ => match market.exchange.book(asset).best(side) {
                Some(price) => market.exchange.limit(account, asset, side, price, shares),
                None => continue,
            },
        };
        trader.order = placed.expect("agents' orders are for a listed asset, with a price and shares");
        market.counts(asset).orders += 1;
    }
}
