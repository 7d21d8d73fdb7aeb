//! The exact `NashConv`, where the world is a game that it can enumerate: it is told with what probability each policy chooses
//! each action.

use std::sync::Arc;

use super::deciding::Deciding;
use crate::app::error::AppError;
use crate::app::stage::Stage;
use crate::base::{Action, AgentId, Chance, DecisionBatch, LegalActions, Policy, Space, TextId, Tick};
use crate::scenario::{Payoff, Scenario};
use crate::sim::spaces_of_policies;

/// What came of it.
#[derive(Debug, Default)]
pub struct Exact {
    /// The sum of what everybody's best deviation brings.
    pub value: Option<f64>,
    /// Why there is none, in a world that could tell.
    pub note: Option<String>,
}

/// As often a policy is asked that does not tell how likely it is to choose what: it has to choose the same each time.
const ASKED: u64 = 32;

/// The exact value, where there is one.
pub fn exact_nash_conv(stage: &Stage<'_>, deciding: &Deciding) -> Result<Exact, AppError> {
    let scenario = stage.scenario;
    let spaces = spaces_of_policies(scenario, stage.domain)?;
    let other = other_game(scenario);
    let mut problem: Option<String> = None;
    let value = stage.domain.nash_conv(scenario, &mut |group, features, legal| {
        let name = scenario.agents.iter().find(|known| known.name == group).map_or("", |known| known.policy.as_str());
        let found = match (deciding.shared(name), spaces.get(name)) {
            (Some(_), _) if scenario.advisors.contains_key(name) => Err("is advised by a language model"),
            (Some(policy), Some(space)) => probabilities(policy, space, scenario.seed, features, legal),
            _ => Err("is not one and the same in every simulation"),
        };
        found.unwrap_or_else(|what| {
            problem.get_or_insert_with(|| format!("no exact NashConv: policy \"{name}\" {what}"));
            // Any answer will do: what is made of it is not used.
            let width = spaces.get(name).map_or(0, |space| space.menu.len());
            let even = 1.0 / f64::from(legal.count().max(1));
            (0..width).map(|action| if legal.allows(Action(action as u16)) { even } else { 0.0 }).collect()
        })
    });
    Ok(match problem.or(other) {
        Some(note) if value.is_some() => Exact { value: None, note: Some(note) },
        _ => Exact { value, note: None },
    })
}

/// Why the game that the world enumerates, in its own payoffs an episode and with all its actions, is not the one that is
/// audited.
fn other_game(scenario: &Scenario) -> Option<String> {
    if scenario.audit.as_ref().is_none_or(|settings| settings.payoff != Payoff::Episode) {
        return Some(
            "no exact NashConv: it is one of an episode, and payoffs are counted by the tick (audit.payoff)".into(),
        );
    }
    let rewarded = scenario.agents.iter().find(|group| !group.reward.is_default());
    if let Some(group) = rewarded {
        return Some(format!(
            "no exact NashConv: group \"{}\" has rewards of its own, not the game's payoffs",
            group.name
        ));
    }
    let limited = scenario.rights.iter().find(|(_, rights)| rights.actions.is_some() || rights.tools.is_some());
    limited.map(|(role, _)| format!("no exact NashConv: role \"{role}\" may not do all that the game knows"))
}

/// The probability of each action of the menu. A policy that tells probabilities which do not sum to 1 over the legal
/// actions tells only what it would do, and is asked that.
fn probabilities(
    policy: &Arc<dyn Policy>,
    space: &Space,
    seed: u64,
    features: &[f32],
    legal: LegalActions,
) -> Result<Vec<f64>, &'static str> {
    if policy.history() > 1 {
        return Err("decides by more than it sees now");
    }
    let (agents, legal_rows, words) = ([AgentId(0)], [legal], [TextId::EMPTY]);
    let at = |tick: u64| DecisionBatch {
        tick: Tick(tick),
        chance: Chance::new(seed),
        space,
        agents: &agents,
        features,
        legal: &legal_rows,
        words: &[],
        word_ids: &words,
        advice: &[],
    };
    // When learning is over, nothing depends on the tick; a policy that still explores would depend on it.
    let told: Option<Vec<f64>> = legal
        .iter()
        .map(|action| policy.log_probabilities(&at(0), &[action])?.first().map(|logarithm| logarithm.exp()))
        .collect();
    let mut probabilities = vec![0.0; space.menu.len()];
    if let Some(told) = told
        && (told.iter().sum::<f64>() - 1.0).abs() < 1e-6
    {
        for (action, probability) in legal.iter().zip(told) {
            probabilities[action.index()] = probability;
        }
        return Ok(probabilities);
    }
    let ask = |tick: u64| -> Result<Action, &'static str> {
        let mut actions = [Action(0)];
        policy.decide(&at(tick), &mut actions).map_err(|_| "cannot decide outside a simulation")?;
        Ok(actions[0])
    };
    let first = ask(0)?;
    for tick in 1..ASKED {
        if ask(tick)? != first {
            return Err("draws what it does and does not tell how likely it is");
        }
    }
    let chosen = if legal.allows(first) { Some(first) } else { legal.nth(0) };
    if let Some(action) = chosen {
        probabilities[action.index()] = 1.0;
    }
    Ok(probabilities)
}
