//! What a world hands in must be sound: finite numbers, and something to choose from. What is not stops the run and is
//! named with agent and tick, whoever decides; nobody learns from it or acts on it first.

use super::failure::SimError;
use super::minds::{Mind, MindEntry, ObservationBatch};
use crate::base::{AgentId, Tick};

/// Checks what the agents of a policy see this tick. A mind that asks language models may be shown any number: its prompts
/// have words for those that are not finite.
pub(super) fn check_observations(tick: Tick, entry: &MindEntry, batch: &ObservationBatch) -> Result<(), SimError> {
    let world = |agent: AgentId, problem: String| SimError::World { tick, problem: format!("agent {agent} {problem}") };
    if let Some(agent) = batch.without_choice {
        let problem = format!("is to decide by policy \"{}\" and has no legal action", entry.name);
        return Err(world(agent, problem));
    }
    if matches!(entry.mind, Mind::Language(_)) {
        return Ok(());
    }
    let sights: [(&[f32], &[&'static str], &[AgentId]); 4] = [
        (&batch.features, &entry.space.features, &batch.agents),
        (&batch.last_features, &entry.space.features, &batch.last_agents),
        (&batch.central, &entry.space.central, &batch.agents),
        (&batch.last_central, &entry.space.central, &batch.last_agents),
    ];
    for (values, names, agents) in sights {
        // One walk without a branch a number; the place is looked for only where there is one.
        if values.iter().all(|value| value.is_finite()) {
            continue;
        }
        let place = values.iter().position(|value| !value.is_finite()).expect("one of them");
        let (agent, name, value) = (agents[place / names.len()], names[place % names.len()], values[place]);
        return Err(world(agent, format!("sees `{name}` = {value}, not a finite number")));
    }
    Ok(())
}

/// Checks what came in for an agent this tick: its reward, and the parts that its role names.
pub(super) fn check_reward(
    tick: Tick,
    agent: AgentId,
    reward: f32,
    (terms, names): (&[f32], &[&'static str]),
) -> Result<(), SimError> {
    let parts = names.iter().zip(terms).map(|(name, &value)| (format!("reward term `{name}`"), value));
    match parts.chain([("reward".to_owned(), reward)]).find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((what, value)) => {
            Err(SimError::World { tick, problem: format!("agent {agent}: its {what} is {value}, not a finite number") })
        }
    }
}
