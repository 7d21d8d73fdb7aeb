//! What an audit says: its rows, a verdict for each group, and both as a person and as a machine reads them.

use std::fmt::Write;

use serde::Serialize;

use super::players::Players;
use crate::app::run::{COMPLETE, RunOutcome};
use crate::app::show::seeded_json;
use crate::app::show::{aligned, plain_table};
use crate::scenario::Payoff;

/// Mean payoff of a group's agents in a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PayoffRow {
    /// Number of the profile; 0 is the audited one.
    pub profile: usize,
    /// The group.
    pub group: String,
    /// By which its agents decide.
    pub policy: String,
    /// Its agents.
    pub agents: usize,
    /// Seeds.
    pub seeds: usize,
    /// Mean over agents and seeds.
    pub mean: f64,
    /// Half the width of its 95% interval.
    pub half_width: Option<f64>,
}

/// One profile of the named policies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfileRow {
    /// Its number; 0 is the audited one.
    pub profile: usize,
    /// `GROUP=POLICY` for each group.
    pub policies: String,
    /// Whether no group would gain by choosing otherwise as one, by the means.
    pub equilibrium: bool,
    /// Whether no single agent gains surely more than ε by another named policy.
    pub stable: bool,
    /// Its share of the time, by α-rank.
    pub alpha_rank: Option<f64>,
    /// The agent with the largest gain.
    pub leaves: Option<String>,
    /// For which policy.
    pub deviation: Option<String>,
    /// That gain.
    pub gain: Option<f64>,
    /// The lower end of its interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// One agent that leaves a profile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviationRow {
    /// Number of the profile; 0 is the audited one.
    pub profile: usize,
    /// The agent's group.
    pub group: String,
    /// Its place within the group.
    pub member: usize,
    /// What it leaves.
    pub policy: String,
    /// By which it decides instead.
    pub deviation: String,
    /// Whether that was trained against the others.
    pub trained: bool,
    /// Seeds.
    pub seeds: usize,
    /// Its mean payoff where it stays.
    pub payoff: f64,
    /// Where it leaves.
    pub deviating: f64,
    /// What it has more.
    pub gain: f64,
    /// The lower end of the gain's interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Whether the lower end is above ε.
    pub refutes: bool,
}

/// Two agents that leave the audited profile together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CoalitionRow {
    /// Their groups.
    pub groups: [String; 2],
    /// Their places within them.
    pub members: [usize; 2],
    /// By which they decide together; one of them may stay with its own.
    pub policies: [String; 2],
    /// Seeds.
    pub seeds: usize,
    /// What both have more together.
    pub gain: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// What each has more.
    pub gains: [f64; 2],
    /// The lower ends of these.
    pub lows: [f64; 2],
    /// The joint gain without what both have where one plays its part alone and gains by it.
    pub surplus: f64,
    /// The lower end of its interval.
    pub surplus_low: f64,
    /// Whether that is above ε, and neither might lose more than ε.
    pub colludes: bool,
}

/// How likely a group's policy is in an equilibrium of the groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EquilibriumRow {
    /// Number of the equilibrium.
    pub equilibrium: usize,
    /// The group.
    pub group: String,
    /// One of its policies.
    pub policy: String,
    /// Its probability.
    pub probability: f64,
    /// What the equilibrium is worth to each agent of the group.
    pub payoff: f64,
}

/// The empirical game and its solutions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SolvedGame {
    /// Payoffs, by profile and group.
    pub payoffs: Vec<PayoffRow>,
    /// Profiles.
    pub profiles: Vec<ProfileRow>,
    /// Equilibria.
    pub equilibria: Vec<EquilibriumRow>,
    /// What could not be told.
    pub notes: Vec<String>,
}

/// What is said of a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupVerdict {
    /// The group.
    pub group: String,
    /// Whether an agent of it gains surely more than ε.
    pub refuted: bool,
    /// The same in words, with the numbers.
    pub words: String,
}

/// An audit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditReport {
    /// ε.
    pub epsilon: f64,
    /// Ticks of each training.
    pub budget: u64,
    /// Ticks of each simulation.
    pub ticks: u64,
    /// How many seeds.
    pub seeds: usize,
    /// What payoffs are.
    pub payoff: Payoff,
    /// How sure all intervals of a family are together.
    pub level: f64,
    /// Profiles of the named policies.
    pub profiles: Vec<ProfileRow>,
    /// Their payoffs.
    pub payoffs: Vec<PayoffRow>,
    /// Equilibria of the groups.
    pub equilibria: Vec<EquilibriumRow>,
    /// Deviations of one agent.
    pub deviations: Vec<DeviationRow>,
    /// Deviations of two.
    pub coalitions: Vec<CoalitionRow>,
    /// The exact sum of best gains, where the world can be enumerated.
    pub nash_conv: Option<f64>,
    /// How many groups it sums over.
    pub nash_players: usize,
    /// What could not be told.
    pub notes: Vec<String>,
    /// A verdict for each group.
    pub verdicts: Vec<GroupVerdict>,
    /// Whether anything was refuted.
    pub refuted: bool,
}

impl AuditReport {
    /// Whether a group's verdict, a pair or the exact value refutes.
    pub(super) fn is_refuted(&self) -> bool {
        self.verdicts.iter().any(|verdict| verdict.refuted)
            || self.coalitions.iter().any(|row| row.colludes)
            || self.nash_conv.is_some_and(|value| value > self.epsilon * self.nash_players as f64)
    }
}

/// A verdict for each group, by the deviation whose gain is surest.
pub(super) fn verdicts(players: &Players, report: &AuditReport) -> Vec<GroupVerdict> {
    let unit = match report.payoff {
        Payoff::Tick => "a tick",
        Payoff::Episode => "an episode",
    };
    let AuditReport { epsilon, seeds, budget, .. } = report;
    let verdict = |group: &String| {
        let own = || report.deviations.iter().filter(|row| row.profile == 0 && row.group == *group);
        let surest = own().max_by(|one, other| one.low.total_cmp(&other.low));
        let trained = own().any(|row| row.trained);
        let tried = if trained { format!(" and a budget of {budget} ticks") } else { " and no training".to_owned() };
        let words = match surest {
            None => format!("nothing to leave for: name policies in `compare`, or give `budget` ticks to train{tried}"),
            Some(row) if row.refutes => format!(
                "refuted at ε = {epsilon}: by {} \"{}\" agent {} gains {:.4} {unit} [{:.4}, {:.4}], a lower bound on its regret",
                if row.trained { "the trained" } else { "the policy" },
                row.deviation,
                row.member,
                row.gain,
                row.low,
                row.high
            ),
            Some(_) => {
                let largest = own().max_by(|one, other| one.gain.total_cmp(&other.gain)).expect("there is one");
                format!(
                    "not refuted at ε = {epsilon} with {seeds} seeds{tried}: the largest gain found is {:.4} {unit} [{:.4}, {:.4}], by \"{}\"",
                    largest.gain, largest.low, largest.high, largest.deviation
                )
            }
        };
        GroupVerdict { group: group.clone(), refuted: surest.is_some_and(|row| row.refutes), words }
    };
    players.sides.iter().map(|side| verdict(&side.group)).collect()
}

/// Most rows of a table on the terminal; the folder has all.
const ROWS_MAX: usize = 24;

/// The audit as a person reads it.
#[must_use]
pub(crate) fn audit_table(outcome: &RunOutcome) -> String {
    let Some(report) = &outcome.audit else { return String::new() };
    let mut text = profile_table(report);
    text.push_str("\n\n");
    text.push_str(&deviation_table(report));
    // Writing to a text cannot fail.
    for row in report.coalitions.iter().filter(|row| row.colludes) {
        let who =
            |place: usize| format!("{}[{}] by \"{}\"", row.groups[place], row.members[place], row.policies[place]);
        let _ = write!(
            text,
            "\na collusive pair found: {} and {} gain {:.4} together [{:.4}, {:.4}], {:.4} and {:.4} each",
            who(0),
            who(1),
            row.gain,
            row.low,
            row.high,
            row.gains[0],
            row.gains[1]
        );
    }
    if !report.coalitions.is_empty() && report.coalitions.iter().all(|row| !row.colludes) {
        let _ = write!(text, "\nno collusive pair found among {} ways of two to leave", report.coalitions.len());
    }
    if let Some(value) = report.nash_conv {
        let (epsilon, groups) = (report.epsilon, report.nash_players);
        let _ = write!(text, "\nexact NashConv {value:.6}, the sum of the best gains of {groups} groups: ");
        let _ = if value <= epsilon {
            write!(text, "nobody gains more than ε = {epsilon}")
        } else if value > epsilon * groups as f64 {
            write!(text, "somebody gains more than ε = {epsilon}")
        } else {
            write!(text, "whether one of them is above ε = {epsilon} it does not say")
        };
    }
    for note in &report.notes {
        let _ = write!(text, "\n{note}");
    }
    for verdict in &report.verdicts {
        let _ = write!(text, "\n{}: {}", verdict.group, verdict.words);
    }
    if outcome.manifest.outcome != COMPLETE {
        text.push_str("\na language budget was spent before the last tick: this is no verdict");
    }
    text
}

fn profile_table(report: &AuditReport) -> String {
    let mut table = plain_table();
    table.set_header([
        "profile",
        "group",
        "policy",
        "payoff",
        "± (95%)",
        "best named deviation",
        "gain",
        "stable",
        "α-rank",
    ]);
    for row in report.payoffs.iter().take(ROWS_MAX) {
        let profile = &report.profiles[row.profile];
        let first = report.payoffs.iter().position(|other| other.profile == row.profile);
        let own = first.is_some_and(|first| std::ptr::eq(&raw const report.payoffs[first], row));
        let leaving = profile.leaves.as_ref().zip(profile.deviation.as_ref());
        let leaving = leaving.map_or_else(|| "–".to_owned(), |(who, policy)| format!("{who} to {policy}"));
        let when = |text: String| if own { text } else { String::new() };
        table.add_row([
            when(row.profile.to_string()),
            row.group.clone(),
            row.policy.clone(),
            format!("{:.4}", row.mean),
            row.half_width.map_or_else(|| "–".to_owned(), |half_width| format!("{half_width:.4}")),
            when(leaving),
            when(profile.gain.map_or_else(|| "–".to_owned(), |gain| format!("{gain:.4}"))),
            when(if profile.stable { "yes" } else { "no" }.to_owned()),
            when(profile.alpha_rank.map_or_else(|| "–".to_owned(), |rank| format!("{rank:.3}"))),
        ]);
    }
    let mut text = aligned(table);
    if report.payoffs.len() > ROWS_MAX {
        let _ = write!(text, "\n… {} rows more in payoffs.csv", report.payoffs.len() - ROWS_MAX);
    }
    text
}

fn deviation_table(report: &AuditReport) -> String {
    let mut table = plain_table();
    table.set_header(["who leaves profile 0", "for", "payoff", "leaving", "gain", "from", "to", "refutes"]);
    let mut rows: Vec<&DeviationRow> = report.deviations.iter().filter(|row| row.profile == 0).collect();
    // What was trained first, then by what it brings.
    rows.sort_by(|one, other| other.trained.cmp(&one.trained).then(other.gain.total_cmp(&one.gain)));
    let count = rows.len();
    for row in rows.into_iter().take(ROWS_MAX) {
        let number = |value: f64| format!("{value:.4}");
        table.add_row([
            format!("{}[{}]", row.group, row.member),
            if row.trained { format!("{}, trained", row.deviation) } else { row.deviation.clone() },
            number(row.payoff),
            number(row.deviating),
            number(row.gain),
            number(row.low),
            number(row.high),
            if row.refutes { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let mut text = aligned(table);
    if count > ROWS_MAX {
        let _ = write!(text, "\n… {} rows more in deviations.csv", count - ROWS_MAX);
    }
    text
}

/// The same for machines.
#[must_use]
pub(crate) fn audit_json(outcome: &RunOutcome) -> serde_json::Value {
    seeded_json(outcome, "audit", &outcome.audit)
}
