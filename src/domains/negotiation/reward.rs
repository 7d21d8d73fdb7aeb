//! What sessions came to, and what that is worth to both sides.

use bevy_ecs::system::{Query, Res, ResMut};

use super::bargain::discounted;
use super::record::write_session;
use super::spaces::TERMS;
use super::state::{Negotiations, Outcome, Party, Session};
use crate::base;
use crate::protocols::{Conversation, Ending};
use crate::sim::{Agent, Conversations, Directory, Now, Reward, RewardTerms, Tables};

/// Conversations that are over pay both sides: what the price is worth to each, discounted; nothing without a deal. A session
/// that nobody opened ends with its time.
pub fn settle_sessions(
    now: Res<Now>,
    directory: Res<Directory>,
    conversations: Res<Conversations>,
    mut negotiations: ResMut<Negotiations>,
    mut tables: ResMut<Tables>,
    mut parties: Query<(&Agent, &mut Party, &mut Reward, &mut RewardTerms)>,
) {
    let negotiations = &mut *negotiations;
    for rejection in conversations.rejected() {
        let Some(entity) = directory.entity(rejection.sender) else { continue };
        let Ok((agent, mut party, ..)) = parties.get_mut(entity) else { continue };
        party.totals.rejected += 1;
        negotiations.groups[usize::from(agent.group)].rejected += 1;
    }
    let mut over: Vec<(usize, Outcome)> = Vec::new();
    for conversation in conversations.ended() {
        let Some(&place) = negotiations.by_conversation.get(&conversation.id()) else { continue };
        let session = &negotiations.sessions[place];
        if session.result.is_none() {
            over.push((place, outcome_of(conversation, session, negotiations.settings.discount)));
        }
    }
    if negotiations.ends_at(now.tick) {
        let settled: Vec<usize> = over.iter().map(|one| one.0).collect();
        let unheld = |(place, session): (usize, &Session)| {
            let ended = session.result.is_some() || settled.contains(&place);
            let nothing = Outcome { ending: "not-opened", offers: 0, price: None, payoffs: [0.0; 2] };
            (!ended).then_some((place, nothing))
        };
        over.extend(negotiations.sessions.iter().enumerate().filter_map(unheld));
    }
    over.sort_by_key(|one| one.0);
    for (place, outcome) in over {
        negotiations.sessions[place].result = Some(outcome);
        let session = negotiations.sessions[place].clone();
        negotiations.now.session(&session, &outcome);
        write_session(&mut tables, now.tick, &session, &outcome, negotiations.settings.discount);
        for (agent, sells) in [(session.buyer, false), (session.seller, true)] {
            let Some(entity) = directory.entity(agent) else { continue };
            let Ok((agent, mut party, mut reward, mut terms)) = parties.get_mut(entity) else { continue };
            let offered = std::mem::take(&mut party.offered);
            party.totals.session(&session, &outcome, sells, offered);
            negotiations.groups[usize::from(agent.group)].session(&session, &outcome, sells, offered);
            let payoff = outcome.payoffs[usize::from(sells)];
            reward.value += (payoff * TERMS[0].1) as f32;
            reward.outcome = base::Outcome::Terminated;
            terms.values[0] += payoff as f32;
            terms.values[1] += f32::from(u8::from(outcome.price.is_some()));
            terms.values[2] += offered as f32;
        }
    }
}

/// What a conversation came to for both sides of its session.
fn outcome_of(conversation: &Conversation, session: &Session, discount: f64) -> Outcome {
    let ending = conversation.outcome().map_or(Ending::NoAnswer, |outcome| outcome.ending);
    let price = conversation.outcome().and_then(|outcome| outcome.awards.first()).map(|award| award.amount);
    // What accepts or rejects is a message too.
    let answers = u32::from(matches!(ending, Ending::Done | Ending::Refused));
    let offers = conversation.steps() - answers;
    let gain = |gain: i64| discounted(gain, discount, offers);
    let payoffs = price.map_or([0.0; 2], |price| [gain(session.value - price), gain(price - session.cost)]);
    Outcome { ending: ending.name(), offers, price, payoffs }
}
