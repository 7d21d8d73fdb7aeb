//! The tables of an audit's folder.

use super::report::AuditReport;
use crate::app::error::AppError;
use crate::record::{Column, RunFolder, Table, TableSpec, Value};

/// `payoffs.csv`.
#[must_use]
pub fn payoff_columns() -> TableSpec {
    TableSpec {
        name: "payoffs",
        about: "what a profile of the named policies brings a group",
        columns: vec![
            Column::new("profile", "", "number of the profile; 0: the policies that are audited"),
            Column::new("group", "", "a group that is audited"),
            Column::new("policy", "", "by which all its agents decide"),
            Column::new("agents", "agents", "its agents at the start"),
            Column::new("seeds", "seeds", "simulations"),
            Column::new("mean", "payoff", "mean over agents and seeds"),
            Column::new("half_width", "payoff", "half the width of its 95% interval over seeds"),
        ],
    }
}

/// `profiles.csv`.
#[must_use]
pub fn profile_columns() -> TableSpec {
    TableSpec {
        name: "profiles",
        about: "a profile of the named policies, and who would leave it",
        columns: vec![
            Column::new("profile", "", "number of the profile; 0: the policies that are audited"),
            Column::new("policies", "", "GROUP=POLICY for each group that is audited"),
            Column::new("equilibrium", "", "1 where no group gains by another policy for all its agents, by the means"),
            Column::new("stable", "", "1 where no single agent gains surely more than ε by another named policy"),
            Column::new("alpha_rank", "share", "share of the time at the profile, by α-rank of single agents' gains"),
            Column::new(
                "leaves",
                "",
                "GROUP[PLACE] of the agent with the largest gain; empty where nothing else is named",
            ),
            Column::new("deviation", "", "the policy for which it leaves"),
            Column::new("gain", "payoff", "what it has more, mean over seeds"),
            Column::new("low", "payoff", "lower end of its interval"),
            Column::new("high", "payoff", "upper end of its interval"),
        ],
    }
}

/// `deviations.csv`.
#[must_use]
pub fn deviation_columns() -> TableSpec {
    TableSpec {
        name: "deviations",
        about: "one agent that leaves a profile alone",
        columns: vec![
            Column::new("profile", "", "number of the profile; 0: the policies that are audited"),
            Column::new("group", "", "the agent's group"),
            Column::new("member", "", "its place within the group, from 0"),
            Column::new("policy", "", "what it leaves"),
            Column::new("deviation", "", "the policy by which it decides instead"),
            Column::new("trained", "", "1: a best response trained against the others frozen; 0: a named policy"),
            Column::new("seeds", "seeds", "pairs of simulations"),
            Column::new("payoff", "payoff", "its mean payoff where it stays"),
            Column::new("deviating", "payoff", "its mean payoff where it leaves"),
            Column::new("gain", "payoff", "the mean difference, seed by seed: a lower bound on its regret"),
            Column::new("low", "payoff", "lower end of the gain's interval, which holds for all deviations together"),
            Column::new("high", "payoff", "upper end of it"),
            Column::new("refutes", "", "1 where the lower end is above ε; only those of profile 0 count"),
        ],
    }
}

/// `coalitions.csv`.
#[must_use]
pub fn coalition_columns() -> TableSpec {
    TableSpec {
        name: "coalitions",
        about: "two agents that leave the audited policies together",
        columns: vec![
            Column::new("first_group", "", "group of the first"),
            Column::new("first_member", "", "its place within it"),
            Column::new("first_policy", "", "by which it decides; its own where only the other leaves"),
            Column::new("second_group", "", "group of the second"),
            Column::new("second_member", "", "its place within it"),
            Column::new("second_policy", "", "by which it decides"),
            Column::new("seeds", "seeds", "pairs of simulations"),
            Column::new("gain", "payoff", "what both have more together, mean over seeds"),
            Column::new("low", "payoff", "lower end of its interval, which holds for all pairs together"),
            Column::new("high", "payoff", "upper end of it"),
            Column::new("first_gain", "payoff", "what the first has more"),
            Column::new("first_low", "payoff", "lower end of its interval"),
            Column::new("second_gain", "payoff", "what the second has more"),
            Column::new("second_low", "payoff", "lower end of its interval"),
            Column::new(
                "surplus",
                "payoff",
                "the gain without what both have where one plays its part alone and gains by it",
            ),
            Column::new("surplus_low", "payoff", "lower end of its interval"),
            Column::new("colludes", "", "1 where that is above ε, and neither lower end is below −ε"),
        ],
    }
}

/// `equilibria.csv`.
#[must_use]
pub fn equilibrium_columns() -> TableSpec {
    TableSpec {
        name: "equilibria",
        about: "how likely a policy is in an equilibrium of the groups, each choosing as one",
        columns: vec![
            Column::new("equilibrium", "", "number of the equilibrium, from 0"),
            Column::new("group", "", "a group that is audited"),
            Column::new("policy", "", "one of its policies"),
            Column::new("probability", "share", "its probability"),
            Column::new("payoff", "payoff", "what the equilibrium is worth to each of the group's agents"),
        ],
    }
}

/// Writes all of them.
pub fn write(folder: &mut RunFolder, report: &AuditReport) -> Result<(), AppError> {
    let text = |text: &Option<String>| Value::from(text.as_deref());
    let count = |count: usize| Value::from(count as u64);
    let mut payoffs = Table::new(payoff_columns());
    for row in &report.payoffs {
        payoffs.push([
            count(row.profile),
            row.group.as_str().into(),
            row.policy.as_str().into(),
            count(row.agents),
            count(row.seeds),
            row.mean.into(),
            row.half_width.into(),
        ]);
    }
    let mut profiles = Table::new(profile_columns());
    for row in &report.profiles {
        profiles.push([
            count(row.profile),
            row.policies.as_str().into(),
            row.equilibrium.into(),
            row.stable.into(),
            row.alpha_rank.into(),
            text(&row.leaves),
            text(&row.deviation),
            row.gain.into(),
            row.low.into(),
            row.high.into(),
        ]);
    }
    let mut deviations = Table::new(deviation_columns());
    for row in &report.deviations {
        deviations.push([
            count(row.profile),
            row.group.as_str().into(),
            count(row.member),
            row.policy.as_str().into(),
            row.deviation.as_str().into(),
            row.trained.into(),
            count(row.seeds),
            row.payoff.into(),
            row.deviating.into(),
            row.gain.into(),
            row.low.into(),
            row.high.into(),
            row.refutes.into(),
        ]);
    }
    let mut equilibria = Table::new(equilibrium_columns());
    for row in &report.equilibria {
        equilibria.push([
            count(row.equilibrium),
            row.group.as_str().into(),
            row.policy.as_str().into(),
            row.probability.into(),
            row.payoff.into(),
        ]);
    }
    for table in [payoffs, profiles, deviations, equilibria] {
        folder.append("", &table)?;
    }
    if report.coalitions.is_empty() {
        return Ok(());
    }
    let mut coalitions = Table::new(coalition_columns());
    for row in &report.coalitions {
        coalitions.push([
            row.groups[0].as_str().into(),
            count(row.members[0]),
            row.policies[0].as_str().into(),
            row.groups[1].as_str().into(),
            count(row.members[1]),
            row.policies[1].as_str().into(),
            count(row.seeds),
            row.gain.into(),
            row.low.into(),
            row.high.into(),
            row.gains[0].into(),
            row.lows[0].into(),
            row.gains[1].into(),
            row.lows[1].into(),
            row.surplus.into(),
            row.surplus_low.into(),
            row.colludes.into(),
        ]);
    }
    folder.append("", &coalitions)?;
    Ok(())
}
