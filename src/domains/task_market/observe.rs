//! Observe and Interpret: tasks arrive, calls and proposals are read, and bidders see what there is to decide.

use bevy_ecs::system::{Query, Res, ResMut};

use super::settings::CostSettings;
use super::spaces::FEATURES;
use super::state::{Bidder, Dispatcher, Hall, ROUND_TICKS, Round, Step};
use crate::base::{LegalActions, Performative, TextId};
use crate::protocols::Envelope;
use crate::sim::{Agent, Conversations, Directory, Mail, Mailbox, Now, Observations, PolicySlot};

/// A round begins: its tasks arrive, the same in all markets.
pub fn open_round(now: Res<Now>, mut hall: ResMut<Hall>) {
    if Step::of(now.tick) != Step::Call {
        return;
    }
    let hall = &mut *hall;
    let places = hall.markets.iter().map(|market| market.bidders.len()).max().unwrap_or(0);
    let first_task = hall.round.first_task.wrapping_add(hall.round.tasks as u32);
    let number = now.tick.0 / ROUND_TICKS;
    hall.round = Round::draw(&hall.settings, now.chance, number, first_task, places);
    for market in &mut hall.markets {
        market.clear(hall.round.tasks);
    }
}

/// Dispatchers take in the proposals. Where nobody converses they know them already.
pub fn take_in_proposals(
    now: Res<Now>,
    mail: Res<Mail>,
    conversations: Res<Conversations>,
    directory: Res<Directory>,
    mut hall: ResMut<Hall>,
    dispatchers: Query<(&Dispatcher, &Mailbox)>,
) {
    if Step::of(now.tick) != Step::Award || hall.terms.is_none() {
        return;
    }
    for place in 0..hall.markets.len() {
        let market = &mut hall.markets[place];
        let Some((_, mailbox)) = directory.entity(market.dispatcher).and_then(|entity| dispatchers.get(entity).ok())
        else {
            continue;
        };
        for (_, envelope) in conversations.inbox(&mail, *mailbox) {
            let Some(envelope) = envelope.filter(|envelope| envelope.performative == Performative::Propose) else {
                continue;
            };
            let task = market.conversations.iter().position(|&about| about == envelope.conversation);
            let bidder = market.bidders.iter().position(|&bidder| bidder == envelope.sender);
            if let (Some(task), Some(bidder)) = (task, bidder) {
                market.asked[bidder][task] = envelope.content.amount();
            }
        }
    }
}

/// Bidders who were called see their costs.
pub fn hand_in_observations(
    now: Res<Now>,
    mail: Res<Mail>,
    conversations: Res<Conversations>,
    directory: Res<Directory>,
    hall: Res<Hall>,
    mut observations: ResMut<Observations>,
    mut bidders: Query<(&Agent, &PolicySlot, &Mailbox, &mut Bidder)>,
) {
    if Step::of(now.tick) != Step::Bid {
        return;
    }
    for &(_, entity) in directory.alive() {
        let Ok((agent, slot, mailbox, mut bidder)) = bidders.get_mut(entity) else { continue };
        bidder.called.clear();
        if hall.terms.is_some() {
            // Over a network a call may be lost, come twice, or come when its round is over.
            let about = &hall.markets[bidder.market].conversations;
            let is_call = |envelope: &&Envelope| envelope.performative == Performative::CallForProposal;
            let calls = conversations.inbox(&mail, *mailbox).filter_map(|letter| letter.1.filter(is_call));
            let tasks = calls.filter_map(|call| about.iter().position(|&known| known == call.conversation));
            bidder.called.extend(tasks);
            bidder.called.sort_unstable();
            bidder.called.dedup();
        } else {
            bidder.called = (0..hall.round.costs[bidder.place].len()).collect();
        }
        if bidder.called.is_empty() {
            continue;
        }
        let features = see(&hall, &bidder);
        let legal = LegalActions::all(hall.asks.len());
        observations.push(agent.id, entity, *slot, &features, legal, TextId::EMPTY);
    }
}

fn see(hall: &Hall, bidder: &Bidder) -> [f32; FEATURES.len()] {
    let costs: Vec<i64> = bidder.called.iter().map(|&task| hall.round.costs[bidder.place][task]).collect();
    let CostSettings { least, greatest } = hall.settings.costs;
    let width = f64::from(greatest - least).max(1.0);
    let share = |cost: f64| ((cost - f64::from(least)) / width) as f32;
    let mean = costs.iter().sum::<i64>() as f64 / costs.len() as f64;
    let lowest = costs.iter().copied().min().unwrap_or(0) as f64;
    let rivals = hall.markets[bidder.market].bidders.len() - 1;
    let won = if bidder.won { 1.0 } else { 0.0 };
    [share(mean), share(lowest), bidder.place as f32, rivals as f32, costs.len() as f32, won]
}
