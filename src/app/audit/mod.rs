//! `audit`: does anybody gain by leaving the policies that a scenario declares? An empirical game over the named policies,
//! best responses that are trained against the others frozen, pairs that deviate together, and the exact answer where the
//! world is a game that can be enumerated. What the words mean: docs/AUDIT.md.

mod arguments;
mod coalitions;
mod deciding;
mod exact;
mod gains;
mod players;
mod report;
mod response;
mod sample;
mod solve;
mod tables;

use std::time::Instant;

pub(super) use arguments::AuditArguments;
pub use report::{AuditReport, CoalitionRow, DeviationRow, EquilibriumRow, GroupVerdict, PayoffRow, ProfileRow};
pub(super) use report::{audit_json, audit_table};
pub use tables::{coalition_columns, deviation_columns, equilibrium_columns, payoff_columns, profile_columns};

use super::course::{Course, Ran, THIS_RUN};
use super::error::AppError;
use crate::record::Settled;
use crate::scenario::{AuditSettings, EVALUATE_SEEDS_FROM, Scenario};
use coalitions::coalitions;
use deciding::Deciding;
use exact::exact_nash_conv;
use gains::{Families, deviations, trained_deviations};
use players::Players;
use report::verdicts;
use sample::Samples;

/// How sure all intervals together are that decide a verdict.
const LEVEL: f64 = 0.95;

impl Course<'_> {
    /// Audits the scenario's policies.
    pub fn audit(mut self) -> Result<Ran, AppError> {
        let Self { stage, folder, ran } = &mut self;
        let scenario = stage.scenario;
        let settings = scenario.audit.clone().unwrap_or_default();
        let seeds = seeds(scenario, &settings);
        let deciding = Deciding::new(stage)?;
        let players = Players::new(stage, &deciding, &settings)?;
        let mut samples = Samples::new(stage, &deciding, &players, &seeds);

        let started = Instant::now();
        samples.add(players.cells(settings.coalitions > 1)?, folder, ran)?;
        ran.phases.push(("table".to_owned(), started.elapsed()));

        let started = Instant::now();
        let budget = scenario.audit_budget();
        let trained = if budget > 0 && ran.complete {
            response::train(stage, &deciding, &players, folder, ran)?
        } else {
            Vec::new()
        };
        for response in &trained {
            ran.learned.insert(response.file_name(&players), response.learned.clone());
        }
        samples.add_trained(&trained, folder, ran)?;
        ran.phases.push(("best responses".to_owned(), started.elapsed()));

        let families = Families::new(&players, trained.len());
        let mut found = deviations(&samples, &families, settings.epsilon);
        found.extend(trained_deviations(&samples, &trained, &families, settings.epsilon));
        let pairs =
            if settings.coalitions > 1 { coalitions(&samples, &families, settings.epsilon) } else { Vec::new() };
        let solved = solve::solve(&samples, &found)?;
        let exact = exact_nash_conv(stage, &deciding)?;
        let mut report = AuditReport {
            epsilon: settings.epsilon,
            budget,
            ticks: scenario.audit_ticks(),
            seeds: seeds.len(),
            payoff: settings.payoff,
            level: LEVEL,
            profiles: solved.profiles,
            payoffs: solved.payoffs,
            equilibria: solved.equilibria,
            notes: solved.notes,
            deviations: found,
            coalitions: pairs,
            nash_conv: exact.value,
            nash_players: scenario.agents.iter().filter(|group| group.count > 0).count(),
            verdicts: Vec::new(),
            refuted: false,
        };
        report.notes.extend(exact.note);
        // Simulations that a spent budget ended are of different lengths, and nothing follows from them.
        if ran.complete {
            report.verdicts = verdicts(&players, &report);
            report.refuted = report.is_refuted();
        }
        tables::write(folder, &report)?;
        ran.comparison.push((THIS_RUN.to_owned(), summary(&report)));
        ran.ticks_run = report.ticks;
        ran.seeds = seeds;
        ran.audit = Some(report);
        Ok(self.ran)
    }
}

/// The seeds on which everything is compared.
fn seeds(scenario: &Scenario, settings: &AuditSettings) -> Vec<u64> {
    let further = (0..u64::from(settings.seeds)).map(|number| EVALUATE_SEEDS_FROM + number);
    further.map(|further| scenario.for_evaluation(further).seed).collect()
}

/// What stands in the manifest.
fn summary(report: &AuditReport) -> Vec<Settled> {
    let audited = || report.deviations.iter().filter(|row| row.profile == 0);
    let largest = audited().max_by(|one, other| one.gain.total_cmp(&other.gain));
    let refuted = report.verdicts.iter().filter(|verdict| verdict.refuted).count();
    let refuted =
        if report.verdicts.is_empty() { Vec::new() } else { vec![Settled::count("groups refuted", refuted as u64)] };
    let mut lines = refuted;
    lines.extend([
        Settled::number("largest gain", largest.map(|row| row.gain)),
        Settled::number("its lower end", largest.map(|row| row.low)),
        Settled::number("its upper end", largest.map(|row| row.high)),
    ]);
    if !report.coalitions.is_empty() {
        let found = report.coalitions.iter().filter(|row| row.colludes).count();
        lines.push(Settled::count("collusive pairs", found as u64));
    }
    if let Some(nash_conv) = report.nash_conv {
        lines.push(Settled::number("NashConv", Some(nash_conv)));
    }
    lines
}
