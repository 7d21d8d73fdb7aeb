//! Decide: each policy is asked once a tick with all its agents, over fixed chunks of rows on all threads; choices
//! are committed in `AgentId` order.

use std::sync::Arc;

use bevy_ecs::change_detection::{DetectChangesMut, Mut};
use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Query, Res, ResMut};
use rayon::prelude::*;

use super::advice::{Rows, advise};
use super::boundaries::{Boundaries, forbidden};
use super::components::{Choice, Menu, Observation};
use super::failure::{Failure, SimError};
use super::minds::{Decided, Mind, Minds, ObservationBatch, Observations, Widths};
use super::now::Now;
use super::pace::Pace;
use super::speak::Speaking;
use crate::base::{Action, DecisionBatch, LanguageError, LegalActions, Policy, PolicyError};

/// Rows a thread takes at a time. Fixed, so that the split does not depend on the number of threads.
const CHUNK_ROWS: usize = 8192;

/// The system of [`super::Phase::Decide`].
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
pub(super) fn decide(
    now: Res<Now>,
    failure: Res<Failure>,
    mut speaking: Speaking,
    mut minds: ResMut<Minds>,
    mut observations: ResMut<Observations>,
    mut agents: Query<OnAgent>,
    mut paces: Query<&mut Pace>,
    boundaries: Boundaries,
) {
    minds.illegal = 0;
    minds.repeated = 0;
    let Minds { entries, illegal, repeated } = &mut *minds;
    let mut actions: Vec<Action> = Vec::new();
    for (entry, batch) in entries.iter_mut().zip(&mut observations.batches) {
        if batch.agents.is_empty() {
            continue;
        }
        let ((seen, width), due, menu) = (entry.seen(batch), batch.due, entry.space.menu.len());
        let words: Vec<Arc<str>> = if batch.any_words {
            batch.words[..due].iter().map(|&word| speaking.text(word)).collect()
        } else {
            Vec::new()
        };
        actions.clear();
        actions.resize(due, Action(0));
        let mut advice: Vec<f32> = Vec::new();
        let mut asked = Ok(());
        if let (Some(advisor), false) = (&mut entry.advisor, entry.fallen || due == 0) {
            let rows = Rows { now: *now, space: &entry.space, batch, seen: &seen[..due * width], words: &words };
            match advise(&mut **advisor, &entry.mind, &rows, &speaking) {
                Ok((counts, advised)) => {
                    advice = advised;
                    entry.advised.iter_mut().for_each(|count| count.add(&counts));
                }
                Err(error) => asked = Err(error),
            }
        }
        let part = |first: usize, count: usize| {
            let rows = first..first + count;
            DecisionBatch {
                tick: now.tick,
                chance: now.chance,
                space: &entry.space,
                agents: &batch.agents[rows.clone()],
                features: &seen[rows.start * width..rows.end * width],
                legal: &batch.legal[rows.clone()],
                words: if words.is_empty() { &[] } else { &words[rows.clone()] },
                word_ids: &batch.words[rows.clone()],
                advice: if advice.is_empty() { &[] } else { &advice[rows.start * menu..rows.end * menu] },
            }
        };
        let ask = |policy: &Arc<dyn Policy>, actions: &mut [Action]| {
            if policy.splits() && actions.len() > CHUNK_ROWS {
                let parts = actions.par_chunks_mut(CHUNK_ROWS).enumerate();
                parts
                    .map(|(chunk, actions)| policy.decide(&part(chunk * CHUNK_ROWS, actions.len()), actions))
                    .collect::<Result<(), _>>()
            } else if actions.is_empty() {
                Ok(())
            } else {
                policy.decide(&part(0, actions.len()), actions)
            }
        };
        let mut chosen_by: Option<Arc<dyn Policy>> = match (&entry.mind, &entry.fallback) {
            (_, Some(policy)) if entry.fallen => Some(Arc::clone(policy)),
            (Mind::Fixed(policy), _) => Some(Arc::clone(policy)),
            (Mind::Learning(learner), _) => Some(learner.policy()),
            (Mind::Language(_), _) => None,
        };
        // How likely each choice was, where that is recorded and known.
        let mut told: Vec<f64> = Vec::new();
        let mut outcome = match (&chosen_by, &mut entry.mind) {
            _ if asked.is_err() => asked,
            (Some(policy), _) => ask(policy, &mut actions),
            (None, Mind::Language(mind)) if !actions.is_empty() => {
                let decisions = part(0, due);
                let decided =
                    speaking.decide(&mut **mind, &entry.name, &decisions, &batch.entities[..due], &mut actions);
                decided.map(|log_probabilities| told = log_probabilities)
            }
            (None, _) => Ok(()),
        };
        if let (Err(PolicyError::Language(LanguageError::BudgetSpent { .. })), Some(fallback)) =
            (&outcome, entry.fallback.clone().filter(|_| !entry.fallen))
        {
            entry.fallen = true;
            outcome = ask(&fallback, &mut actions);
            chosen_by = Some(fallback);
        }
        if let Err(error) = outcome {
            failure.set(match error {
                PolicyError::Language(error) => SimError::Language { tick: now.tick, error },
                error @ PolicyError::Other(_) => {
                    SimError::Policy { tick: now.tick, policy: entry.name.to_string(), error }
                }
            });
            return;
        }
        if let (Some(policy), true) = (chosen_by, entry.recorded.is_some() && due > 0) {
            told = policy.log_probabilities(&part(0, due), &actions).unwrap_or_default();
        }
        let wanted = if entry.recorded.is_some() { actions.clone() } else { Vec::new() };
        let mut tried = forbidden(batch, &actions);
        *illegal += repair(&mut actions, &batch.legal, &batch.forbidden);
        // Where nothing that is legal is allowed, what an illegal choice was replaced by is not allowed either.
        tried.extend(forbidden(batch, &actions));
        tried.sort_by_key(|&(row, _)| row);
        tried.dedup_by_key(|&mut (row, _)| row);
        // What the policy did not choose itself has no probability of its own.
        let told = |row: usize| told.get(row).copied().filter(|_| wanted[row] == actions[row]);
        // What another policy does is not this one's to learn from; it is recorded all the same.
        let keeps = !entry.fallen || entry.recorded.is_some();
        if let Some(memory) = entry.memory.as_mut().filter(|_| keeps) {
            let Widths { central, advice: advised, .. } = memory.widths();
            advice.resize(due * advised, f32::NAN);
            for (row, (&slot, &action)) in batch.slots.iter().zip(&actions).enumerate() {
                memory.decided(
                    slot,
                    &Decided {
                        tick: now.tick,
                        features: &seen[row * width..(row + 1) * width],
                        central: &batch.central[row * central..(row + 1) * central],
                        legal: batch.legal[row],
                        action,
                        log_probability: told(row),
                        advice: &advice[row * advised..(row + 1) * advised],
                    },
                );
            }
        }
        // A learner remembers what it chose: that something else was done instead is the world's affair.
        if let Err(error) = boundaries.block(now.tick, entry, batch, &tried, &mut actions) {
            failure.set(error);
            return;
        }
        if entry.paced {
            for (&entity, &action) in batch.entities.iter().zip(&actions) {
                if let Ok(mut pace) = paces.get_mut(entity) {
                    pace.last = Some(action);
                }
            }
            *repeated += batch.held.len() as u64;
            actions.extend(&batch.held);
        }
        commit(batch, &actions, &mut agents);
    }
}

/// A batch of at least this share of all agents is worth a walk through their table: one in so many.
const WALK_SHARE: usize = 4;

/// What Decide writes on an agent.
type OnAgent = (Entity, &'static mut Choice, &'static mut Menu, &'static mut Observation);

/// Writes choices on their agents. Where a batch holds many of them, rows that follow the order of the agents' table
/// are written while walking through it, the others by looking each one up.
fn commit(batch: &ObservationBatch, actions: &[Action], agents: &mut Query<OnAgent>) {
    let mut next = 0;
    if batch.entities.len() * WALK_SHARE >= agents.iter().len() {
        for (entity, mut choice, mut menu, mut observation) in &mut *agents {
            if batch.entities.get(next) == Some(&entity) {
                choice.bypass_change_detection().action = Some(actions[next]);
                menu.bypass_change_detection().legal = batch.legal[next];
                observation.bypass_change_detection().row = next as u32;
                next += 1;
            }
        }
    }
    for (row, &entity) in batch.entities.iter().enumerate().skip(next) {
        if let Ok((_, mut choice, mut menu, mut observation)) = agents.get_mut(entity) {
            choice.bypass_change_detection().action = Some(actions[row]);
            menu.bypass_change_detection().legal = batch.legal[row];
            observation.bypass_change_detection().row = row as u32;
        }
    }
}

/// Replaces what is not legal by the lowest legal action, of those that are not forbidden where there are any, and
/// counts it.
fn repair(actions: &mut [Action], legal: &[LegalActions], forbidden: &[LegalActions]) -> u64 {
    let mut illegal = 0;
    for (row, (action, &legal)) in actions.iter_mut().zip(legal).enumerate() {
        if !legal.allows(*action) {
            illegal += 1;
            let free = LegalActions(legal.0 & !forbidden.get(row).map_or(0, |taken| taken.0));
            *action = free.nth(0).or_else(|| legal.nth(0)).expect("an observation has a legal action");
        }
    }
    illegal
}

/// Clears what the last tick left behind, before the domain observes.
pub(super) fn clear_decisions(mut observations: ResMut<Observations>, mut agents: Query<OnAgent>) {
    let decided: usize = observations.batches.iter().map(|batch| batch.entities.len()).sum();
    if decided * WALK_SHARE >= agents.iter().len() {
        for (_, choice, menu, observation) in &mut agents {
            clear(choice, menu, observation);
        }
    } else {
        for batch in &observations.batches {
            for &entity in &batch.entities {
                if let Ok((_, choice, menu, observation)) = agents.get_mut(entity) {
                    clear(choice, menu, observation);
                }
            }
        }
    }
    for batch in &mut observations.batches {
        batch.clear();
    }
}

/// These three are renewed at every tick, so that no change of theirs is worth marking.
fn clear(mut choice: Mut<Choice>, mut menu: Mut<Menu>, mut observation: Mut<Observation>) {
    choice.bypass_change_detection().action = None;
    menu.bypass_change_detection().legal = LegalActions::default();
    *observation.bypass_change_detection() = Observation::NONE;
}
