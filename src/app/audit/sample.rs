//! The simulations of an audit: each cell with each seed, the same chance for all cells, and what each player got in it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::deciding::Deciding;
use super::players::{Cell, Players};
use super::response::Response;
use crate::app::course::Ran;
use crate::app::error::AppError;
use crate::app::progress::RunBar;
use crate::app::stage::{Played, Stage};
use crate::base::{AgentId, Policy};
use crate::record::RunFolder;
use crate::scenario::{Payoff, Scenario};
use crate::sim::{Account, Mind, Simulation};

/// What one cell came to with one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Mean payoff of each side's agents.
    pub sides: Vec<f64>,
    /// Payoff of each player.
    pub players: Vec<f64>,
}

/// What all cells came to, seed by seed.
pub struct Samples<'a> {
    stage: &'a Stage<'a>,
    deciding: &'a Deciding,
    /// Who plays.
    pub players: &'a Players,
    seeds: &'a [u64],
    named: BTreeMap<Cell, Vec<Sample>>,
    /// With the trained best response of each player that has one.
    trained: BTreeMap<usize, Vec<Sample>>,
}

/// One simulation to be.
struct Job<'a> {
    cell: &'a Cell,
    response: Option<(&'a str, &'a Arc<dyn Policy>)>,
    seed: u64,
    place: String,
}

impl<'a> Samples<'a> {
    pub fn new(stage: &'a Stage<'a>, deciding: &'a Deciding, players: &'a Players, seeds: &'a [u64]) -> Self {
        Self { stage, deciding, players, seeds, named: BTreeMap::new(), trained: BTreeMap::new() }
    }

    /// What a profile came to, or what came of leaving it; by seed.
    pub fn of(&self, profile: usize, leaving: &[(usize, &str)]) -> &[Sample] {
        self.named.get(&self.players.cell(profile, leaving)).map_or(&[], Vec::as_slice)
    }

    /// What a player's trained best response came to; by seed.
    pub fn trained(&self, player: usize) -> &[Sample] {
        self.trained.get(&player).map_or(&[], Vec::as_slice)
    }

    /// Simulates cells.
    pub fn add(&mut self, cells: Vec<Cell>, folder: &RunFolder, ran: &mut Ran) -> Result<(), AppError> {
        let mut jobs = Vec::new();
        for (number, cell) in cells.iter().enumerate() {
            for &seed in self.seeds {
                jobs.push(Job { cell, response: None, seed, place: format!("audit/cell{number}/s{seed}") });
            }
        }
        let samples = self.simulate("profiles", &jobs, folder, ran)?;
        let mut by_cell = samples.chunks(self.seeds.len()).map(<[Sample]>::to_vec);
        for cell in &cells {
            self.named.insert(cell.clone(), by_cell.next().unwrap_or_default());
        }
        Ok(())
    }

    /// Simulates the audited profile with one player at a time following its trained best response.
    pub fn add_trained(&mut self, trained: &[Response], folder: &RunFolder, ran: &mut Ran) -> Result<(), AppError> {
        let leaving = |response: &Response| vec![(response.player, response.policy_name.clone())];
        let cells: Vec<Cell> = trained.iter().map(|response| Cell { profile: 0, leaving: leaving(response) }).collect();
        let mut jobs = Vec::new();
        for (response, cell) in trained.iter().zip(&cells) {
            for &seed in self.seeds {
                let place = format!("audit/{}/s{seed}", response.file_name(self.players));
                let policy = Some((response.policy_name.as_str(), &response.policy));
                jobs.push(Job { cell, response: policy, seed, place });
            }
        }
        let samples = self.simulate("responses", &jobs, folder, ran)?;
        for (response, samples) in trained.iter().zip(samples.chunks(self.seeds.len())) {
            self.trained.insert(response.player, samples.to_vec());
        }
        Ok(())
    }

    fn simulate(&self, label: &str, jobs: &[Job], folder: &RunFolder, ran: &mut Ran) -> Result<Vec<Sample>, AppError> {
        let bar = RunBar::over(jobs.len() as u64, "simulation", self.stage.options.quiet, label, &[]);
        let found = self.stage.for_each(jobs.len(), folder, |number, folder| {
            let found = self.one(&jobs[number], folder)?;
            bar.count();
            Ok(found)
        })?;
        drop(bar);
        let mut samples = Vec::with_capacity(found.len());
        for (job, (sample, played)) in jobs.iter().zip(found) {
            ran.take(&job.place, played);
            samples.push(sample);
        }
        Ok(samples)
    }

    fn one(&self, job: &Job, folder: Option<&RunFolder>) -> Result<(Sample, Played), AppError> {
        let (stage, players) = (self.stage, self.players);
        let variant =
            profile_scenario(stage.scenario, players, job.cell.profile, job.seed, stage.scenario.audit_ticks());
        let response = job.response.map(|(name, policy)| (name, Mind::Fixed(Arc::clone(policy))));
        let deciders = self.deciding.frozen(stage, response)?;
        let voice = match folder {
            Some(folder) if !stage.scenario.models.is_empty() => stage.voice(&format!("{}/", job.place), folder)?,
            _ => Stage::silence(),
        };
        let mut simulation = stage.simulation(&variant, &voice, deciders, false)?;
        leave(&mut simulation, players, &job.cell.leaving);
        let members: Vec<Vec<AgentId>> = players.sides.iter().map(|side| simulation.members(&side.group)).collect();
        simulation.count_payoffs();
        let played = stage.play(&job.place, &voice, &mut simulation, &mut |simulation| {
            simulation.tables_mut().clear();
            Ok(ControlFlow::Continue(()))
        })?;
        let accounts = simulation.payoffs();
        let payoff = |agent: &AgentId| {
            let account = accounts.get(agent).copied().unwrap_or_default();
            payoff_of(stage.scenario, &account, played.ticks)
        };
        let mean = |agents: &Vec<AgentId>| agents.iter().map(payoff).sum::<f64>() / agents.len().max(1) as f64;
        let sample = Sample {
            sides: members.iter().map(mean).collect(),
            players: players.agents.iter().map(|player| payoff(&members[player.side][player.member])).collect(),
        };
        Ok((sample, played))
    }
}

/// An agent's payoff.
fn payoff_of(scenario: &Scenario, account: &Account, ticks: u64) -> f64 {
    match scenario.audit.as_ref().map(|audit| audit.payoff).unwrap_or_default() {
        Payoff::Tick => account.total / ticks.max(1) as f64,
        Payoff::Episode => account.per_episode(),
    }
}

/// The scenario in which the groups follow a profile.
pub fn profile_scenario(scenario: &Scenario, players: &Players, profile: usize, seed: u64, ticks: u64) -> Scenario {
    let mut variant = scenario.for_audit(0, ticks);
    variant.seed = seed;
    for (side, choice) in players.sides.iter().zip(players.choices(profile)) {
        let group = &mut variant.agents[side.place];
        let own = std::mem::replace(&mut group.policy, side.candidates[choice].clone());
        // It is still one of the scenario's policies, and must be known to see what the group sees.
        group.compare.push(own);
    }
    variant
}

/// Lets players decide by other policies than their groups.
pub fn leave(simulation: &mut Simulation, players: &Players, leaving: &[(usize, String)]) {
    for (player, policy) in leaving {
        let side = players.side(*player);
        let agent = simulation.members(&side.group)[players.agents[*player].member];
        let done = simulation.assign(agent, policy);
        assert!(done, "the scenario says that \"{policy}\" sees what group \"{}\" sees", side.group);
    }
}
