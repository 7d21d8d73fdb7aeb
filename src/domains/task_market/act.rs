//! Act: dispatchers call and award, bidders propose and report.

use std::sync::Arc;

use bevy_ecs::system::{Query, Res, ResMut};

use super::state::{Bidder, Hall, Market, Round, Step};
use crate::base::{AgentId, Message, Performative, TextId, Tick};
use crate::domains::allocation::{Asked, allocate, lowest_cost};
use crate::games::mechanisms::{MechanismError, Money};
use crate::protocols::{Addressee, Content, ConversationId, Expected, Move, Recipients};
use crate::sim::{Choice, Conversations, Directory, Failure, Mail, Mailbox, Now, SimError};

/// Makes a move without content.
fn make(
    conversations: &mut Conversations,
    tick: Tick,
    about: ConversationId,
    from: AgentId,
    to: AgentId,
    what: Performative,
) {
    let said = Move { performative: what, to: Addressee::Agent(to), content: Expected::Nothing };
    conversations.make(tick, about, from, said, Content::Nothing, TextId::EMPTY);
}

/// Each dispatcher announces each task to all bidders of its market.
pub fn call(now: Res<Now>, mut hall: ResMut<Hall>, mut conversations: ResMut<Conversations>) {
    let Some(terms) = hall.terms.filter(|_| Step::of(now.tick) == Step::Call) else { return };
    let hall = &mut *hall;
    for market in &mut hall.markets {
        let audience = Arc::new(market.bidders.clone());
        for task in 0..hall.round.tasks {
            let item = Content::Item(hall.round.first_task.wrapping_add(task as u32));
            let said = (Performative::CallForProposal, item, TextId::EMPTY);
            let recipients = Recipients::Agents(Arc::clone(&audience));
            market.conversations.push(conversations.open(now.tick, terms, market.dispatcher, recipients, said));
        }
    }
}

/// Bidders answer each call by what they chose.
pub fn propose(
    now: Res<Now>,
    directory: Res<Directory>,
    mut hall: ResMut<Hall>,
    mut conversations: ResMut<Conversations>,
    mut bidders: Query<(&Choice, &mut Bidder)>,
) {
    if Step::of(now.tick) != Step::Bid {
        return;
    }
    let Hall { settings, asks, terms, markets, round, .. } = &mut *hall;
    for &(agent, entity) in directory.alive() {
        let Ok((choice, mut bidder)) = bidders.get_mut(entity) else { continue };
        let Some(action) = choice.action else { continue };
        let market = &mut markets[bidder.market];
        for task in std::mem::take(&mut bidder.called) {
            let cost = round.costs[bidder.place][task];
            let reserve = i64::from(settings.reserve);
            let amount = asks[action.index()].amount(cost, reserve);
            if let Some(amount) = amount {
                bidder.sums.propose(amount, cost, reserve);
            }
            if terms.is_none() {
                market.asked[bidder.place][task] = amount;
                continue;
            }
            let Some(about) = market.conversations.get(task).copied() else { continue };
            let Some(amount) = amount else {
                make(&mut conversations, now.tick, about, agent, market.dispatcher, Performative::Refuse);
                continue;
            };
            let to = Addressee::Agent(market.dispatcher);
            let content = Expected::Amount(super::amounts(settings));
            let said = Move { performative: Performative::Propose, to, content };
            conversations.make(now.tick, about, agent, said, Content::Amount(amount), TextId::EMPTY);
        }
    }
}

/// Every market allocates what was asked; dispatchers tell who does what, and write to those who do what they are paid.
pub fn award(
    now: Res<Now>,
    failure: Res<Failure>,
    mut hall: ResMut<Hall>,
    mut conversations: ResMut<Conversations>,
    mut mail: ResMut<Mail>,
) {
    if Step::of(now.tick) != Step::Award {
        return;
    }
    let Hall { settings, terms, markets, round, .. } = &mut *hall;
    for market in markets {
        let capacities = vec![settings.capacity as usize; market.bidders.len()];
        if let Err(error) = settle(market, round, &capacities, settings.reserve, settings.task_value()) {
            let problem = format!("market \"{}\" cannot allocate: {error}", market.name);
            failure.set(SimError::World { tick: now.tick, problem });
            return;
        }
        if terms.is_some() {
            tell(market, now.tick, &mut conversations, &mut mail);
        }
    }
}

/// Allocates a market's round, and counts it.
fn settle(
    market: &mut Market,
    round: &Round,
    capacities: &[usize],
    reserve: u32,
    value: u32,
) -> Result<(), MechanismError> {
    let amounts: Vec<Vec<Option<Money>>> =
        market.asked.iter().map(|row| row.iter().map(|asked| asked.map(Money::from)).collect()).collect();
    let asked = Asked { amounts: &amounts, capacities, reserve: reserve.into() };
    market.awards = allocate(market.allocation, &asked)?;
    let costs: Vec<Vec<Option<Money>>> = round.costs[..market.bidders.len()]
        .iter()
        .map(|row| row.iter().map(|&cost| Some(cost.into())).collect())
        .collect();
    let undone = Money::from(value) * round.tasks as Money;
    let optimal = undone - lowest_cost(&Asked { amounts: &costs, capacities, reserve: value.into() })?;
    let sums = &mut market.round;
    sums.rounds = 1;
    sums.tasks += round.tasks as u64;
    sums.welfare_optimal += optimal as i64;
    for (place, row) in market.asked.iter().enumerate() {
        for (task, asked) in row.iter().enumerate() {
            let cost = round.costs[place][task];
            if let Some(asked) = *asked {
                sums.propose(asked, cost, reserve.into());
            }
            if market.awards.providers[task] == Some(place) {
                sums.awarded += 1;
                sums.costs += cost;
                sums.values += i64::from(value);
                sums.welfare += i64::from(value) - cost;
            }
        }
        sums.payments += market.awards.payments[place] as i64;
    }
    Ok(())
}

/// Tells every bidder that proposed whether it is to do the task, and those who do some what they are paid: a payment by VCG
/// or a second price is another than the proposal, and the protocol's awards have no room for it.
fn tell(market: &Market, tick: Tick, conversations: &mut Conversations, mail: &mut Mail) {
    for (task, &about) in market.conversations.iter().enumerate() {
        for (place, &bidder) in market.bidders.iter().enumerate() {
            if market.asked[place][task].is_some() {
                let accepted = market.awards.providers[task] == Some(place);
                let what = if accepted { Performative::Accept } else { Performative::Reject };
                make(conversations, tick, about, market.dispatcher, bidder, what);
            }
        }
    }
    for (place, &bidder) in market.bidders.iter().enumerate() {
        if market.awards.providers.contains(&Some(place)) {
            mail.send(Message {
                sender: market.dispatcher,
                recipient: bidder,
                performative: Performative::Inform,
                amount: market.awards.payments[place] as f32,
                ..Message::default()
            });
        }
    }
}

/// Those whose proposals were accepted do the tasks, and say so.
pub fn report(
    now: Res<Now>,
    mail: Res<Mail>,
    directory: Res<Directory>,
    mut conversations: ResMut<Conversations>,
    bidders: Query<(&Bidder, &Mailbox)>,
) {
    for &(agent, entity) in directory.alive() {
        let Ok((_, mailbox)) = bidders.get(entity) else { continue };
        let accepted: Vec<(ConversationId, AgentId)> = conversations
            .inbox(&mail, *mailbox)
            .filter_map(|(_, envelope)| envelope)
            .filter(|envelope| envelope.performative == Performative::Accept)
            .map(|envelope| (envelope.conversation, envelope.sender))
            .collect();
        for (about, dispatcher) in accepted {
            make(&mut conversations, now.tick, about, agent, dispatcher, Performative::Inform);
        }
    }
}
