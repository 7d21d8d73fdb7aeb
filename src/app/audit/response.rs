//! Best responses: for each player a learner that begins with nothing, in the same world and tick loop, all others frozen.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::deciding::Deciding;
use super::players::Players;
use super::sample::{leave, profile_scenario};
use crate::app::course::Ran;
use crate::app::error::AppError;
use crate::app::progress::RunBar;
use crate::app::stage::{Played, Stage};
use crate::base::{Policy, PolicyFile};
use crate::record::RunFolder;
use crate::scenario::AUDIT_SEEDS_FROM;
use crate::sim::Mind;

/// What a player's learner found.
pub struct Response {
    /// Whose.
    pub player: usize,
    /// Its table in the scenario.
    pub policy_name: String,
    /// As it is deployed.
    pub policy: Arc<dyn Policy>,
    /// As it is kept.
    pub learned: PolicyFile,
}

impl Response {
    /// What it is called in the folder.
    pub fn file_name(&self, players: &Players) -> String {
        format!("best_response-{}-{}", players.side(self.player).group, players.agents[self.player].member)
    }
}

/// Trains a best response for each player for which the scenario names a learner.
pub fn train(
    stage: &Stage<'_>,
    deciding: &Deciding,
    players: &Players,
    folder: &RunFolder,
    ran: &mut Ran,
) -> Result<Vec<Response>, AppError> {
    let who: Vec<(usize, &str)> = (0..players.agents.len())
        .filter_map(|player| Some((player, stage.scenario.best_response(&players.side(player).group)?)))
        .collect();
    let budget = stage.scenario.audit_budget();
    let bar = RunBar::over(who.len() as u64 * budget, "tick", stage.options.quiet, "training", &[]);
    let found = stage.for_each(who.len(), folder, |number, folder| {
        let (player, name) = who[number];
        train_one(stage, deciding, players, (player, name), folder, &bar)
    })?;
    drop(bar);
    let mut responses = Vec::new();
    for (response, played) in found {
        ran.take(&format!("training/{}", response.file_name(players)), played);
        responses.push(response);
    }
    Ok(responses)
}

fn train_one(
    stage: &Stage<'_>,
    deciding: &Deciding,
    players: &Players,
    (player, name): (usize, &str),
    folder: Option<&RunFolder>,
    bar: &RunBar,
) -> Result<(Response, Played), AppError> {
    let scenario = stage.scenario;
    let fresh = stage.prepared.minds(scenario)?.into_iter().find(|(known, _)| known == name);
    let learner = fresh.map(|(_, mind)| mind).filter(|mind| matches!(mind, Mind::Learning(_)));
    let learner = learner.expect("that it is there and learns was checked when the policies were made");
    let deciders = deciding.frozen(stage, Some((name, learner)))?;
    // Each player's training meets chance of its own, and none that judges it.
    let seed = scenario.for_evaluation(AUDIT_SEEDS_FROM + player as u64).seed;
    let variant = profile_scenario(scenario, players, 0, seed, scenario.audit_budget());
    let side = players.side(player);
    let place = format!("training/best_response-{}-{}", side.group, players.agents[player].member);
    let voice = match folder {
        Some(folder) if !scenario.models.is_empty() => stage.voice(&format!("{place}/"), folder)?,
        _ => Stage::silence(),
    };
    let mut simulation = stage.simulation(&variant, &voice, deciders, false)?;
    leave(&mut simulation, players, &[(player, name.to_owned())]);
    let played = stage.play(&place, &voice, &mut simulation, &mut |simulation| {
        simulation.tables_mut().clear();
        bar.count();
        Ok(ControlFlow::Continue(()))
    })?;
    let missing = "a learner that decided is among those that learned";
    let policy = simulation.deployed().remove(name).expect(missing);
    let learned = simulation.learned().remove(name).expect(missing);
    Ok((Response { player, policy_name: name.to_owned(), policy, learned }, played))
}
