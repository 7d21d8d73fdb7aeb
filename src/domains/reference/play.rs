//! A tick: new episodes begin, agents see, choose, and their copies move on.

use std::collections::BTreeMap;

use bevy_ecs::system::{Query, Res, ResMut};
use rand::RngExt;

use super::bar::{NIGHTS, bar_terms};
use super::cart_pole::{CartPole, START_SPREAD};
use super::road::road_fuel;
use super::spaces::Environment;
use super::state::{Arena, Play, Situation};
use crate::base::{AgentId, Chance, Outcome, Purpose, TextId};
use crate::sim::{Agent, Choice, Directory, Now, Observations, PolicySlot, Reward, RewardTerms};

const START: Purpose = Purpose::named("reference.start");

/// Of the actions of those who share a pool, the one that takes.
const TAKE: u16 = 1;
const STEP: Purpose = Purpose::named("reference.step");

/// Begins an episode; where depends on the agent and how many it has begun.
fn begin(play: &mut Play, arena: &Arena, chance: Chance, agent: AgentId) {
    let mut draw = chance.keyed(START, u64::from(agent.0), play.begun);
    play.situation = match play.environment {
        Environment::CartPole => Situation::CartPole(CartPole {
            state: std::array::from_fn(|_| (2.0 * draw.random::<f64>() - 1.0) * START_SPREAD),
        }),
        Environment::Coordination => Situation::Game(None),
        Environment::Bar => Situation::Bar,
        Environment::Recall => {
            Situation::Recall(draw.random_range(0..2), draw.random_range(1..=arena.settings.recall.delay))
        }
        Environment::ResourceSharing => play.situation,
        environment => {
            let starts = &arena.tabulated(environment).expect("a table").table.starts;
            Situation::Table(starts[draw.random_range(0..starts.len())])
        }
    };
    play.begun += 1;
    play.steps = 0;
    play.returned = 0.0;
    play.outcome = Outcome::Continues;
}

/// Everybody sees its copy. Where an episode was cut off, its last sight is handed in too, and the next begins.
pub fn hand_in_observations(
    now: Res<Now>,
    mut arena: ResMut<Arena>,
    directory: Res<Directory>,
    mut observations: ResMut<Observations>,
    mut plays: Query<(&Agent, &PolicySlot, &mut Play)>,
) {
    let Arena { teams, settings, .. } = &mut *arena;
    for team in teams {
        team.open_round(&settings.resource_sharing, now.chance, now.tick);
    }
    let mut features = Vec::new();
    for &(_, entity) in directory.alive() {
        let Ok((agent, slot, mut play)) = plays.get_mut(entity) else { continue };
        if play.outcome == Outcome::Truncated {
            let legal = play.see(&arena, &mut features);
            observations.push_last(agent.id, *slot, &features, legal);
        }
        if play.outcome != Outcome::Continues {
            begin(&mut play, &arena, now.chance, agent.id);
        }
        let legal = play.see(&arena, &mut features);
        observations.push(agent.id, entity, *slot, &features, legal, TextId::EMPTY);
        if let Situation::Seat { team, .. } = play.situation {
            observations.push_central(*slot, &arena.teams[team].central());
        }
    }
}

/// Everybody's copy moves on by what it chose; in games and teams, by what all in them chose.
pub fn step(
    now: Res<Now>,
    mut arena: ResMut<Arena>,
    directory: Res<Directory>,
    mut plays: Query<(&Agent, &Choice, &mut Play)>,
) {
    let mut choices: BTreeMap<AgentId, u16> = BTreeMap::new();
    let mut guests = [0; NIGHTS.len()];
    for &(_, entity) in directory.alive() {
        let Ok((agent, choice, play)) = plays.get(entity) else { continue };
        let together = play.partner.is_some() || play.environment == Environment::ResourceSharing;
        if let Some(action) = choice.action.filter(|_| together) {
            choices.insert(agent.id, action.0);
        }
        if let (Some(action), Environment::Bar) = (choice.action, play.environment) {
            guests[action.index()] += 1;
        }
    }
    let Arena { teams, settings, .. } = &mut *arena;
    let over: Vec<bool> = teams
        .iter_mut()
        .map(|team| team.play(&settings.resource_sharing, |member| choices.get(&member) == Some(&TAKE)))
        .collect();
    for &(_, entity) in directory.alive() {
        let Ok((agent, choice, mut play)) = plays.get_mut(entity) else { continue };
        let Some(action) = choice.action else { continue };
        let play = &mut *play;
        let (reward, over) = match &mut play.situation {
            Situation::CartPole(cart_pole) => (1.0, cart_pole.push(action.0 == 1)),
            Situation::Bar => {
                play.terms = bar_terms(&guests, action.index(), arena.settings.bar.capacity);
                (play.terms[0], true)
            }
            Situation::Table(state) => {
                let table = &arena.tabulated(play.environment).expect("a table").table;
                let uniform = now.chance.draw(STEP, now.tick, agent.id).random();
                let branch = table.draw(*state, action.index(), uniform);
                *state = branch.next;
                (branch.reward, branch.terminated)
            }
            Situation::Game(last) => {
                let partner = play.partner.expect("a game is played with a partner");
                let other = choices.get(&partner).copied().unwrap_or(action.0);
                *last = Some([action.0, other]);
                // The table is read from the side of the partner with the lower number.
                let (row, column) = if agent.id < partner { (action.0, other) } else { (other, action.0) };
                let reward = arena.settings.coordination.payoff[usize::from(row)][usize::from(column)];
                (reward, play.steps + 1 >= arena.settings.coordination.rounds)
            }
            Situation::Recall(cue, left) => {
                let asked = *left == 0;
                *left = left.saturating_sub(1);
                (if asked && action.0 == *cue { 1.0 } else { 0.0 }, asked)
            }
            Situation::Seat { team, .. } => (arena.teams[*team].reward, over[*team]),
        };
        if play.environment != Environment::Bar {
            play.terms = terms(play.environment, reward, action.index());
        }
        play.steps += 1;
        play.reward = reward;
        play.returned += reward;
        let limit = arena.time_limit(play.environment);
        play.outcome = match (over, limit > 0 && play.steps >= limit) {
            (true, _) => Outcome::Terminated,
            (false, true) => Outcome::Truncated,
            (false, false) => Outcome::Continues,
        };
        play.totals.step(reward);
        arena.now.step(reward);
        arena.so_far[play.environment as usize].step(reward);
    }
}

/// What a step's reward consists of, in the order of [`Environment::terms`].
fn terms(environment: Environment, reward: f64, action: usize) -> [f64; 3] {
    let is = |worth: f64| f64::from(u8::from(reward == worth));
    match environment {
        Environment::CliffWalking => [is(-1.0), is(-100.0), 0.0],
        Environment::Taxi => [is(-1.0), is(-10.0), is(20.0)],
        Environment::Road => [reward, road_fuel(action), 0.0],
        _ => [reward, 0.0, 0.0],
    }
}

/// What the step was worth, and whether it ended an episode.
pub fn reward(directory: Res<Directory>, mut plays: Query<(&Play, &mut Reward, &mut RewardTerms)>) {
    for &(_, entity) in directory.alive() {
        let Ok((play, mut reward, mut terms)) = plays.get_mut(entity) else { continue };
        reward.value += play.reward as f32;
        terms.values.iter_mut().zip(play.terms).for_each(|(sum, term)| *sum += term as f32);
        reward.outcome = play.outcome;
    }
}
