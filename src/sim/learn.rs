//! Learn: what came of open decisions is paired with what is seen now, and learners renew their policies. Learners
//! work side by side; each sees its rows in `AgentId` order.

use bevy_ecs::system::{Query, Res, ResMut};
use rayon::prelude::*;

use super::boundaries::Boundaries;
use super::failure::{Failure, SimError};
use super::minds::{Advised, Mind, MindEntry, Minds, ObservationBatch, Observations, Widths};
use super::now::Now;
use super::pace::{Pace, hold};
use super::rewards::Rewards;
use super::sound::check_observations;
use crate::base::{Action, AgentId, LearnStats, LegalActions, Outcome, StudyStats, TransitionBatch, Transitions};

/// The system of [`super::Phase::Learn`].
pub(super) fn learn(
    now: Res<Now>,
    failure: Res<Failure>,
    rewards: Res<Rewards>,
    mut minds: ResMut<Minds>,
    mut observations: ResMut<Observations>,
    paces: Query<&mut Pace>,
    mut boundaries: Boundaries,
) {
    let now = *now;
    boundaries.begin();
    for (entry, batch) in minds.entries.iter_mut().zip(&mut observations.batches) {
        batch.order(entry.space.features.len());
        let central = entry.space.central.len() * batch.agents.len();
        assert_eq!(batch.central.len(), central, "policy {}: every row has all central numbers", entry.name);
        let sound = check_observations(now.tick, entry, batch);
        if let Err(error) = sound.and_then(|()| boundaries.restrict(now.tick, entry, batch)) {
            failure.set(error);
            return;
        }
        if entry.paced {
            hold(now.tick, batch, entry.space.features.len(), &paces);
        }
        if let Some(histories) = &mut entry.histories {
            histories.follow(batch);
        }
    }
    let outcome: Result<(), SimError> = minds
        .entries
        .par_iter_mut()
        .zip(&observations.batches)
        .map(|(entry, batch)| learn_one(now, entry, batch, &rewards))
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    if let Err(error) = outcome {
        failure.set(error);
    }
}

fn learn_one(now: Now, entry: &mut MindEntry, batch: &ObservationBatch, design: &Rewards) -> Result<(), SimError> {
    if let Mind::Learning(learner) = &mut entry.mind
        && !(entry.studied || batch.agents.is_empty())
    {
        entry.studied = true;
        let failed = |error| SimError::Learn { policy: entry.name.to_string(), error };
        entry.studies = learner.study(now.chance).map_err(failed)?;
        for study in &entry.studies {
            let StudyStats { gradient_steps, loss, .. } = *study;
            entry.stats = sum(entry.stats, LearnStats { gradient_steps, loss, ..LearnStats::default() });
        }
    }
    let seen = entry.seen(batch).0;
    let Some(memory) = &mut entry.memory else { return Ok(()) };
    let Widths { features: width, central: central_width, terms: terms_width, advice: advice_width } = memory.widths();
    // (agent, slot, row of what it sees now); ended episodes have no such row.
    let mut rows: Vec<(AgentId, u32, Option<usize>)> =
        memory.ended.drain(..).map(|(agent, slot)| (agent, slot, None)).collect();
    for (row, (&agent, &slot)) in batch.agents.iter().zip(&batch.slots).enumerate().take(batch.due) {
        if memory.open[slot as usize] && memory.outcomes[slot as usize] != Outcome::Terminated {
            rows.push((agent, slot, Some(row)));
        }
    }
    if rows.is_empty() {
        memory.release();
        return Ok(());
    }
    rows.sort_unstable_by_key(|&(agent, ..)| agent);
    let mut features = Vec::with_capacity(rows.len() * width);
    let mut next_features = Vec::with_capacity(rows.len() * width);
    let mut central = Vec::with_capacity(rows.len() * central_width);
    let mut next_central = Vec::with_capacity(rows.len() * central_width);
    let mut terms = Vec::with_capacity(rows.len() * terms_width);
    let mut advice = Vec::with_capacity(rows.len() * advice_width);
    let mut agents = Vec::with_capacity(rows.len());
    let mut legal = Vec::with_capacity(rows.len());
    let mut actions: Vec<Action> = Vec::with_capacity(rows.len());
    let mut log_probabilities = Vec::with_capacity(rows.len());
    let mut decided = Vec::with_capacity(rows.len());
    let mut rewards = Vec::with_capacity(rows.len());
    let mut next_legal = Vec::with_capacity(rows.len());
    let mut outcomes = Vec::with_capacity(rows.len());
    let last = batch.last_rows();
    for &(agent, slot, row) in &rows {
        let index = slot as usize;
        agents.push(agent);
        features.extend_from_slice(&memory.features[index * width..(index + 1) * width]);
        central.extend_from_slice(&memory.central[index * central_width..(index + 1) * central_width]);
        terms.extend_from_slice(&memory.terms[index * terms_width..(index + 1) * terms_width]);
        advice.extend_from_slice(&memory.advice[index * advice_width..(index + 1) * advice_width]);
        legal.push(memory.legal[index]);
        actions.push(memory.actions[index]);
        log_probabilities.push(memory.log_probabilities[index]);
        decided.push(memory.decided[index]);
        rewards.push(memory.rewards[index]);
        outcomes.push(memory.outcomes[index]);
        let last = last.get(&agent).filter(|_| memory.outcomes[index] == Outcome::Truncated);
        if let Some(&row) = last {
            next_features.extend_from_slice(&batch.last_features[row * width..(row + 1) * width]);
            next_central.extend_from_slice(&batch.last_central[row * central_width..(row + 1) * central_width]);
            next_legal.push(batch.last_legal[row]);
        } else if let Some(row) = row {
            next_features.extend_from_slice(&seen[row * width..(row + 1) * width]);
            next_central.extend_from_slice(&batch.central[row * central_width..(row + 1) * central_width]);
            next_legal.push(batch.legal[row]);
        } else {
            next_features.resize(next_features.len() + width, 0.0);
            next_central.resize(next_central.len() + central_width, 0.0);
            next_legal.push(LegalActions::default());
        }
        memory.open[index] = false;
    }
    let (mut shaped, present) = (0.0, entry.space.features.len());
    // The record tells what the world gave.
    let given = if entry.recorded.is_some() { rewards.clone() } else { Vec::new() };
    if design.shapes() {
        for (row, &(_, slot, _)) in rows.iter().enumerate() {
            let Some(shaping) = design.shaping(memory.groups[slot as usize]) else { continue };
            // Potentials are of the present: of a history its newest observation.
            let end = (row + 1) * width - usize::from(width > present);
            let span = end - present..end;
            let (seen, next) = (&features[span.clone()], &next_features[span]);
            let before = rewards[row];
            rewards[row] += shaping.potential.added(shaping.discount, seen, next, outcomes[row]) as f32;
            shaped += f64::from(rewards[row]) - f64::from(before);
        }
    }
    memory.release();
    let transitions = TransitionBatch {
        tick: now.tick,
        chance: now.chance,
        space: &entry.space,
        agents: &agents,
        features: &features,
        legal: &legal,
        actions: &actions,
        decided: &decided,
        rewards: &rewards,
        next_features: &next_features,
        next_legal: &next_legal,
        outcomes: &outcomes,
        central: &central,
        next_central: &next_central,
        terms: &terms,
        advice: &advice,
    };
    if let Some(recorded) = &mut entry.recorded {
        record(recorded, &transitions, (width, present), given, log_probabilities);
    }
    if let (Mind::Learning(learner), false) = (&mut entry.mind, entry.fallen) {
        let failed = |error| SimError::Learn { policy: entry.name.to_string(), error };
        let mut stats = learner.learn(&transitions).map_err(failed)?;
        stats.reward -= shaped;
        entry.stats = sum(entry.stats, stats);
        entry.count_advice(&Advised { checked: stats.checked, agreed: stats.agreed, ..Advised::default() });
    }
    Ok(())
}

/// Keeps a tick's transitions for the record, with the rewards given. Of rows of `width` numbers that are a history the
/// newest observation is kept, `present` numbers.
fn record(
    recorded: &mut Transitions,
    batch: &TransitionBatch<'_>,
    (width, present): (usize, usize),
    given: Vec<f32>,
    log_probabilities: Vec<Option<f64>>,
) {
    let end = width - usize::from(width > present);
    let newest = |rows: &[f32]| -> Vec<f32> {
        rows.chunks_exact(width.max(1)).flat_map(|row| &row[end - present..end]).copied().collect()
    };
    recorded.agents.extend(batch.agents);
    recorded.decided.extend(batch.decided);
    recorded.features.extend(newest(batch.features));
    recorded.legal.extend(batch.legal);
    recorded.actions.extend(batch.actions);
    recorded.log_probabilities.extend(log_probabilities);
    recorded.rewards.extend(given);
    recorded.terms.extend(batch.terms);
    recorded.next_features.extend(newest(batch.next_features));
    recorded.next_legal.extend(batch.next_legal);
    recorded.outcomes.extend(batch.outcomes);
}

/// Statistics of two updates together; the error is weighted by transitions, what gradient steps say by these.
fn sum(earlier: LearnStats, later: LearnStats) -> LearnStats {
    let transitions = earlier.transitions + later.transitions;
    let weighted = earlier.error * earlier.transitions as f64 + later.error * later.transitions as f64;
    let steps = earlier.gradient_steps + later.gradient_steps;
    let mean = |of: fn(&LearnStats) -> f64| {
        let sum = of(&earlier) * earlier.gradient_steps as f64 + of(&later) * later.gradient_steps as f64;
        if steps == 0 { 0.0 } else { sum / steps as f64 }
    };
    LearnStats {
        transitions,
        episodes: earlier.episodes + later.episodes,
        reward: earlier.reward + later.reward,
        error: if transitions == 0 { 0.0 } else { weighted / transitions as f64 },
        exploration: later.exploration,
        gradient_steps: steps,
        loss: mean(|stats| stats.loss),
        entropy: mean(|stats| stats.entropy),
        divergence: mean(|stats| stats.divergence),
        explained_variance: mean(|stats| stats.explained_variance),
        checked: earlier.checked + later.checked,
        agreed: earlier.agreed + later.agreed,
    }
}
