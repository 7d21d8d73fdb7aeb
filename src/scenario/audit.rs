//! `[audit]`: how `llmagentos audit` asks whether anybody gains by leaving the policies that a scenario declares.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Problems;
use super::file::Scenario;
use super::path::element_name;
use super::tree::{Node, Value};
use super::words::suggest;

/// How `llmagentos audit` asks whether anybody gains by leaving the policies that the groups declare: which agents deviate,
/// to what, for how long they are looked at, and what gain refutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AuditSettings {
    /// ε: a deviation whose gain is surely larger than this refutes, in units of `payoff`.
    #[schemars(range(min = 0.0))]
    pub epsilon: f64,
    /// Seeds on which every profile and every deviation is simulated: the run's own plus 2000000, 2000001, and so on.
    #[schemars(range(min = 2, max = 100_000))]
    pub seeds: u32,
    /// Ticks of each simulation. 0: those of an evaluation (`train.evaluate_ticks`).
    #[schemars(range(max = 1_000_000_000))]
    pub ticks: u64,
    /// Ticks for which each best response is trained. 0: none is. Left away: as many as the run has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000_000))]
    pub budget: Option<u64>,
    /// What a payoff is: an agent's reward a tick, over the whole simulation, or an episode.
    pub payoff: Payoff,
    /// The `[policy.NAME]` of a kind that learns by which a deviating agent looks for its best response: one for all groups,
    /// or one by the name of each group. Left away, a group has a deep Q-network of the audit's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_response: Option<BestResponses>,
    /// How many agents deviate together at most, by policies that the groups name: 1, each alone, or 2, pairs too.
    #[schemars(range(min = 1, max = 2))]
    pub coalitions: u32,
    /// The groups that are audited, by name. Left away: all with agents at the start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("uniqueItems" = true))]
    pub groups: Vec<String>,
    /// How many agents of each group are tried as the one that deviates, each by itself, the first of the group first. Where
    /// a group's agents are alike, one speaks for all.
    #[schemars(range(min = 1, max = 1000))]
    pub members: u32,
}

/// What an agent's payoff is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Payoff {
    /// Its reward over the whole simulation, divided by the ticks.
    #[default]
    Tick,
    /// The mean reward of its episodes that ended; of the one under way, where none did.
    Episode,
}

/// By what groups look for best responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BestResponses {
    /// All by the same `[policy.NAME]`.
    All(String),
    /// Each by its own, by the name of the group.
    ByGroup(BTreeMap<String, String>),
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            epsilon: 0.0,
            seeds: 20,
            ticks: 0,
            budget: None,
            payoff: Payoff::Tick,
            best_response: None,
            coalitions: 1,
            groups: Vec::new(),
            members: 1,
        }
    }
}

impl AuditSettings {
    /// The policy by which a group's best response is looked for, where one is named.
    #[must_use]
    pub fn best_response(&self, group: &str) -> Option<&str> {
        match self.best_response.as_ref()? {
            BestResponses::All(name) => Some(name),
            BestResponses::ByGroup(names) => names.get(group).map(String::as_str),
        }
    }

    /// Whether a group is audited.
    #[must_use]
    pub fn includes(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|name| name == group)
    }
}

/// How far the seed on which best responses are trained lies from the run's own: none of those on which they are judged.
pub const AUDIT_SEEDS_FROM: u64 = 3_000_000;

impl Scenario {
    /// The policy by which the audit looks for a group's best response, where the scenario names one for a group that is
    /// audited.
    #[must_use]
    pub fn best_response(&self, group: &str) -> Option<&str> {
        self.audit.as_ref().filter(|audit| audit.includes(group))?.best_response(group)
    }

    /// Ticks for which each best response is trained; 0: none is.
    #[must_use]
    pub fn audit_budget(&self) -> u64 {
        self.audit.as_ref().and_then(|audit| audit.budget).unwrap_or(self.ticks)
    }

    /// Ticks of each simulation of an audit, at least 1.
    #[must_use]
    pub fn audit_ticks(&self) -> u64 {
        match &self.audit {
            Some(audit) if audit.ticks > 0 => audit.ticks,
            _ => self.evaluate_ticks(),
        }
    }

    /// The same scenario with a seed that lies so far from its own, and this length.
    #[must_use]
    pub fn for_audit(&self, seed_further: u64, ticks: u64) -> Self {
        let mut scenario = self.for_evaluation(seed_further);
        scenario.ticks = ticks;
        scenario
    }
}

/// What `[audit]` names has to be there. `check_policy` looks at a name of a policy.
pub(super) fn check_audit(root: &Node, problems: &mut Problems, check_policy: impl Fn(&Node, &mut Problems)) {
    let Some(audit) = root.get("audit") else { return };
    let declared = root.get("agents").and_then(Node::list).unwrap_or_default();
    let known: BTreeSet<&str> = declared.iter().filter_map(element_name).collect();
    let known: Vec<&str> = known.into_iter().collect();
    let check_group = |name: &str, span, problems: &mut Problems| {
        if !known.contains(&name) {
            let help = suggest(name, &known, "declared are", "none is declared; add an [[agents]] table");
            problems.add(span, format!("there is no group \"{}\"", name.escape_debug()), "not declared", help);
        }
    };
    for node in audit.get("groups").and_then(Node::list).unwrap_or_default() {
        if let Some(name) = node.text() {
            check_group(name, node.span, problems);
        }
    }
    match audit.get("best_response").map(|node| (&node.value, node)) {
        Some((Value::Text(_), node)) => check_policy(node, problems),
        Some((Value::Table(table), _)) => {
            for (name, entry) in table {
                check_group(name, entry.key_span, problems);
                check_policy(&entry.node, problems);
            }
        }
        _ => {}
    }
}
