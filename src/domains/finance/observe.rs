//! What analysts and those who trade see in one tick.

use bevy_ecs::system::{Query, Res, ResMut};
use rand::RngExt;

use super::book::Side;
use super::fundamental::standard_normal;
use super::market::Market;
use super::prompts;
use super::spaces::{ANALYST_ACTS, Kind, TradeAct};
use super::state::{Analyst, Reading, Trader, Wire};
use crate::base::{Action, Answer, LegalActions, Performative, Purpose, TextId};
use crate::sim::{Agent, Directory, LanguageQueue, Llm, Mail, Mailbox, Now, Observations, PolicySlot, Texts, Voices};

const ACTIVITY: Purpose = Purpose::named("finance.activity");
const ESTIMATE: Purpose = Purpose::named("finance.estimate");

/// The wire's clock comes to this tick: its headlines are out.
pub fn turn_wire(now: Res<Now>, mut wire: ResMut<Wire>) {
    wire.0.turn_to(now.tick);
}

/// Headlines that came out, of all assets, are dealt out to the analysts in turn; each analyst reads one a tick.
pub fn read_news(
    directory: Res<Directory>,
    wire: Res<Wire>,
    voices: Res<Voices>,
    mut texts: ResMut<Texts>,
    mut queue: ResMut<LanguageQueue>,
    mut market: ResMut<Market>,
    mut analysts: Query<(&Agent, &Llm, &PolicySlot, &mut Analyst)>,
) {
    let known = wire.0.known();
    let first = market.texts.len();
    for (_, headline) in &known[first..] {
        market.texts.push(texts.0.intern(&headline.text));
        market.counts(headline.asset).headlines += 1;
    }
    for &(_, entity) in directory.alive() {
        let Ok((agent, llm, slot, mut analyst)) = analysts.get_mut(entity) else { continue };
        let (place, count) = (analyst.place, market.analysts);
        analyst.backlog.extend((first..known.len()).filter(|headline| headline % count == place));
        if let Some(headline) = analyst.backlog.pop_front()
            && voices.reader(*slot).weight > 0.0
        {
            let model = llm.model.expect("checked: analysts have a language model");
            let ticket = queue.ask(agent.id, model, prompts::read(&known[headline].1.text));
            analyst.asked = Some((headline, ticket));
        }
    }
}

/// Traders take in the analysts' reports; of several in one tick the mean counts.
pub fn take_in_reports(
    now: Res<Now>,
    directory: Res<Directory>,
    mail: Res<Mail>,
    mut traders: Query<(&Mailbox, &mut Trader)>,
) {
    if mail.delivered().is_empty() {
        return;
    }
    for &(_, entity) in directory.alive() {
        let Ok((mailbox, mut trader)) = traders.get_mut(entity) else { continue };
        let (mut sum, mut count) = (0.0_f32, 0_u16);
        for message in mail.inbox(*mailbox).iter().filter(|message| message.performative == Performative::Inform) {
            sum += message.amount;
            count += 1;
        }
        if count > 0 {
            trader.report = Some((now.tick, sum / f32::from(count)));
            trader.reports += u64::from(count);
        }
    }
}

/// Probabilities to a power, brought back to a sum of 1.
fn weighted(probabilities: [f64; 3], weight: f64) -> [f64; 3] {
    if weight.to_bits() == 1.0_f64.to_bits() {
        return probabilities;
    }
    let powers = probabilities.map(|probability| probability.powf(weight));
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}

/// Readings become numbers; whoever has something to decide gets an observation.
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
pub fn hand_in_observations(
    now: Res<Now>,
    directory: Res<Directory>,
    queue: Res<LanguageQueue>,
    voices: Res<Voices>,
    market: Res<Market>,
    mut observations: ResMut<Observations>,
    mut analysts: Query<(&Agent, &PolicySlot, &mut Analyst)>,
    mut traders: Query<(&Agent, &PolicySlot, &mut Trader)>,
) {
    let settings = &market.settings;
    for &(_, entity) in directory.alive() {
        if let Ok((agent, slot, mut analyst)) = analysts.get_mut(entity) {
            let Some((headline, ticket)) = analyst.asked.take() else { continue };
            let Some(Answer::Scored(scored)) = queue.answer(ticket) else { continue };
            let Ok(probabilities) = <[f64; 3]>::try_from(scored.probabilities()) else { continue };
            let probabilities = weighted(probabilities, voices.reader(*slot).weight);
            let reading = Reading::new(headline, probabilities);
            analyst.reading = Some(reading);
            let [negative, neutral, positive] = probabilities.map(|probability| probability as f32);
            let features = [f32::from(reading.tone), reading.confidence() as f32, negative, neutral, positive];
            let legal = LegalActions::all(ANALYST_ACTS.len());
            observations.push(agent.id, entity, *slot, &features, legal, TextId::EMPTY);
        } else if let Ok((agent, slot, mut trader)) = traders.get_mut(entity) {
            let activity = match trader.kind {
                Kind::Momentum => settings.momentum_activity,
                Kind::Value => settings.value_activity,
                Kind::Trader => 1.0,
            };
            if activity < 1.0 && now.chance.draw(ACTIVITY, now.tick, agent.id).random::<f64>() >= activity {
                continue;
            }
            // What of it traded meanwhile is known now.
            trader.order = trader.order.filter(|&order| market.exchange.book(trader.asset).order(order).is_some());
            let mut features = market_features(&market, &trader);
            match trader.kind {
                Kind::Momentum => {}
                Kind::Value => {
                    let mut draw = now.chance.draw(ESTIMATE, now.tick, agent.id);
                    let error = settings.value_error_ticks * standard_normal(&mut draw);
                    let value = market.asset(trader.asset).fundamental.remembered() + error;
                    features.push((value - market.mid(trader.asset)) as f32);
                }
                Kind::Trader => {
                    let memory = u64::from(settings.report_memory_ticks);
                    let report = trader.report.map(|(tick, report)| (now.tick.0 - tick.0, report));
                    let (age, sentiment) = report.filter(|&(age, _)| age < memory).unwrap_or((memory, 0.0));
                    let session = u64::from(settings.session_ticks);
                    let time = (now.tick.0 % session) as f64 / session as f64;
                    features.extend([sentiment, age as f32, time as f32]);
                }
            }
            let legal = trade_menu(&market, &trader);
            observations.push(agent.id, entity, *slot, &features, legal, TextId::EMPTY);
        }
    }
}

/// What everybody who trades sees, in the order of [`super::spaces::MARKET_FEATURES`].
fn market_features(market: &Market, trader: &Trader) -> Vec<f32> {
    let asset = trader.asset;
    let working = trader.order.and_then(|order| market.exchange.book(asset).order(order));
    vec![
        market.spread(asset).unwrap_or(0) as f32,
        market.imbalance(asset) as f32,
        market.inventory(trader.account, asset) as f32,
        working.map_or(0.0, |order| order.side.sign() as f32),
        market.last_return(asset) as f32,
    ]
}

/// Holding is always allowed; an order is where it has a price and the inventory stays in its bounds.
fn trade_menu(market: &Market, trader: &Trader) -> LegalActions {
    let settings = &market.settings;
    let held = market.exchange.account(trader.account).shares[trader.asset.index()];
    let most = market.shares_max(trader.kind);
    let (may_buy, may_sell) =
        (held + i64::from(settings.order_shares) <= most, held - i64::from(settings.order_shares) >= -most);
    let (bid, ask) = market.quotes(trader.asset);
    let book = market.exchange.book(trader.asset);
    // An agent's own order is taken out before it trades: it cannot be the only one on the other side.
    let own = |side: Side| trader.order.and_then(|order| book.order(order)).is_some_and(|order| order.side == side);
    let others = |side: Side, best: Option<u32>| {
        best.is_some() && (!own(side) || book.orders(side).any(|order| Some(order.id) != trader.order))
    };
    [
        (TradeAct::Hold, true),
        (TradeAct::BuyMarket, may_buy && others(Side::Sell, ask)),
        (TradeAct::SellMarket, may_sell && others(Side::Buy, bid)),
        (TradeAct::BuyLimit, may_buy && others(Side::Buy, bid)),
        (TradeAct::SellLimit, may_sell && others(Side::Sell, ask)),
        (TradeAct::Cancel, trader.order.is_some()),
    ]
    .into_iter()
    .filter(|&(_, allowed)| allowed)
    .fold(LegalActions::default(), |legal, (act, _)| legal.with(Action(act as u16)))
}
