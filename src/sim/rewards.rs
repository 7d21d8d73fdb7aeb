//! Rewards between the world that gives them and the learners that get them: terms and their weights, teams, shaping, and
//! the sums that stand in `rewards.csv`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};

use super::components::{Agent, PolicySlot, Reward, RewardTerms};
use super::domain::{Domain, RoleSpace};
use super::failure::Failure;
use super::minds::{Mind, Minds};
use super::now::{Now, Recording};
use super::pace::Pace;
use super::payoffs::Accounts;
use super::population::Population;
use super::shaping::Shaping;
use super::sound::check_reward;
use super::tables::Tables;
use crate::base::{AgentId, Outcome};
use crate::record::{Column, TableSpec, Value};
use crate::scenario::{AgentGroup, Scenario, ScenarioError, one_of};

/// The term by which a role says what the world's reward would have lost without the agent.
const DIFFERENCE: &str = "difference";

/// How the groups of a scenario are rewarded, and what they got since the last row.
#[derive(Resource, Default)]
pub(super) struct Rewards {
    /// The scenario's groups, in its order; those that a domain adds stand behind them and have none.
    groups: Vec<GroupReward>,
    /// Names of all terms, in the order of the groups.
    names: Vec<&'static str>,
    /// This tick's, kept for their room.
    credits: Vec<Credit>,
    /// Where somebody asked for what each agent gets.
    pub accounts: Option<Accounts>,
}

/// How one group is rewarded.
#[derive(Default)]
struct GroupReward {
    terms: Arc<[&'static str]>,
    /// Where the scenario names any.
    weights: Option<Vec<f64>>,
    team: Option<Team>,
    shaping: Option<Shaping>,
    /// Whether it is of somebody's team.
    shared: bool,
    /// Sums since the last row.
    reward: f64,
    sums: [f64; RewardTerms::MAX],
}

/// w, and whose mean it is of.
struct Team {
    share: f64,
    groups: Vec<usize>,
}

/// What one agent got this tick.
struct Credit {
    agent: AgentId,
    group: u16,
    slot: PolicySlot,
    value: f32,
    outcome: Outcome,
    terms: [f32; RewardTerms::MAX],
}

impl Rewards {
    /// As the scenario declares them, for these minds.
    ///
    /// # Errors
    /// When a group names a term, a feature or a group that there is not, or discounts its shaping as its learner does not.
    pub fn new(scenario: &Scenario, domain: &dyn Domain, minds: &[(String, Mind)]) -> Result<Self, ScenarioError> {
        let roles = domain.roles(&scenario.domain)?;
        let mut rewards = Self::default();
        for group in &scenario.agents {
            let role = roles.iter().find(|role| role.role == group.role).expect("a checked scenario names known roles");
            let terms = Arc::clone(&role.space.terms);
            assert!(terms.len() <= RewardTerms::MAX, "role {} has more than {} terms", role.role, RewardTerms::MAX);
            for name in &*terms {
                if !rewards.names.contains(name) {
                    rewards.names.push(name);
                }
            }
            let defaults = domain.term_weights(&scenario.domain, role.role)?;
            let learner = minds.iter().find_map(|(name, mind)| match mind {
                Mind::Learning(learner) if *name == group.policy => Some(learner),
                _ => None,
            });
            let shaping = match learner {
                Some(learner) => Shaping::new(scenario, group, &role.space, learner.discount())?,
                None => None,
            };
            let weights = weights(scenario, group, role, &roles, &defaults)?;
            let team = team(scenario, group)?;
            rewards.groups.push(GroupReward { terms, weights, team, shaping, ..GroupReward::default() });
        }
        for place in 0..rewards.groups.len() {
            let members = rewards.groups[place].team.as_ref().map(|team| team.groups.clone()).unwrap_or_default();
            members.into_iter().chain(rewards.groups[place].team.is_some().then_some(place)).for_each(|member| {
                rewards.groups[member].shared = true;
            });
        }
        Ok(rewards)
    }

    /// Whether agents of this group have [`RewardTerms`].
    pub fn has_terms(&self, group: u16) -> bool {
        self.groups.get(usize::from(group)).is_some_and(|group| !group.terms.is_empty())
    }

    /// Columns of `rewards.csv`.
    pub fn columns(&self) -> TableSpec {
        reward_columns(&self.names)
    }

    /// The shaping of a group's agents.
    pub fn shaping(&self, group: u16) -> Option<&Shaping> {
        self.groups.get(usize::from(group))?.shaping.as_ref()
    }

    /// Whether any group's is shaped.
    pub fn shapes(&self) -> bool {
        self.groups.iter().any(|group| group.shaping.is_some())
    }

    fn is_shared(&self, group: u16) -> bool {
        self.groups.get(usize::from(group)).is_some_and(|group| group.shared)
    }

    /// What an agent got for itself: what its world says, or what its terms are worth by the scenario.
    pub(super) fn own(&self, group: u16, value: f32, terms: &[f32; RewardTerms::MAX]) -> f32 {
        match self.groups.get(usize::from(group)).and_then(|group| group.weights.as_ref()) {
            None => value,
            Some(weights) => {
                weights.iter().zip(terms).map(|(weight, &term)| weight * f64::from(term)).sum::<f64>() as f32
            }
        }
    }
}

/// Columns of `rewards.csv` where roles have these terms.
#[must_use]
pub fn reward_columns(terms: &[&'static str]) -> TableSpec {
    let mut columns = vec![
        Column::new("tick", "ticks", "the last tick of the window"),
        Column::new("group", "", "the group in the scenario"),
        Column::new("agents", "agents", "its agents alive at the end of the window"),
        Column::new("reward", "reward", "reward of its agents in the window, weighted and shared out, without shaping"),
    ];
    let about = "this term's sum over agents and window, not weighted; empty where the role has none of the name";
    columns.extend(terms.iter().map(|name| Column::new(name, "", about)));
    TableSpec { name: "rewards", about: "a group's last `learning_every` ticks", columns }
}

/// What checking a scenario asks beyond building it: that shaping has somebody who learns.
///
/// # Errors
/// As for a simulation's build, and when a group is shaped whose policies do not learn.
pub fn check_rewards(scenario: &Scenario, domain: &dyn Domain, minds: &[(String, Mind)]) -> Result<(), ScenarioError> {
    Rewards::new(scenario, domain, minds)?;
    for group in scenario.agents.iter().filter(|group| group.reward.shaping.is_some()) {
        let learns = |(name, mind): &(String, Mind)| {
            matches!(mind, Mind::Learning(_)) && group.policies().any(|policy| policy == name)
        };
        if !minds.iter().any(learns) {
            let problem = format!("shaping is for learners, and policy \"{}\" does not learn", group.policy);
            let help = "name a policy that learns, or leave `shaping` away";
            return Err(scenario.invalid(&format!("agents.{}.reward.shaping", group.name), problem, help));
        }
    }
    Ok(())
}

/// The weights of a group's terms, where it names any.
fn weights(
    scenario: &Scenario,
    group: &AgentGroup,
    role: &RoleSpace,
    roles: &[RoleSpace],
    defaults: &[f64],
) -> Result<Option<Vec<f64>>, ScenarioError> {
    let declared: &BTreeMap<String, f64> = &group.reward.terms;
    let terms = &role.space.terms;
    if let Some(unknown) = declared.keys().find(|name| !terms.contains(&name.as_str())) {
        let key = format!("agents.{}.reward.terms.{unknown}", group.name);
        if unknown == DIFFERENCE {
            let able = roles.iter().filter(|role| role.space.terms.contains(&DIFFERENCE)).map(|role| role.role);
            let able = able.collect::<Vec<_>>().join(", ");
            let problem = format!("role \"{}\" cannot say what would have been without one of its agents", role.role);
            let help = if able.is_empty() {
                "no role of this domain can; `team` mixes in the mean of the group instead".to_owned()
            } else {
                format!("roles that can: {able}; `team` mixes in the mean of the group instead")
            };
            return Err(scenario.invalid(&key, problem, help));
        }
        let problem = format!("role \"{}\" has no reward term \"{unknown}\"", role.role);
        let help = if terms.is_empty() { "it has none at all".to_owned() } else { one_of(unknown, terms) };
        return Err(scenario.invalid(&key, problem, help));
    }
    if declared.is_empty() {
        return Ok(None);
    }
    let default = |place: usize| defaults.get(place).copied().unwrap_or(0.0);
    let weight = |(place, name): (usize, &&str)| declared.get(*name).copied().unwrap_or_else(|| default(place));
    Ok(Some(terms.iter().enumerate().map(weight).collect()))
}

fn team(scenario: &Scenario, group: &AgentGroup) -> Result<Option<Team>, ScenarioError> {
    let (share, names) = (group.reward.team, &group.reward.team_groups);
    let at = |key: &str| format!("agents.{}.reward.{key}", group.name);
    if share == 0.0 {
        if names.is_empty() {
            return Ok(None);
        }
        let help = "name its share, such as `team = 0.5`";
        return Err(scenario.invalid(&at("team_groups"), "a team without a share changes nothing", help));
    }
    let place = |name: &str| scenario.agents.iter().position(|other| other.name == name);
    let mut groups = Vec::new();
    for name in names {
        let known: Vec<&str> = scenario.agents.iter().map(|other| other.name.as_str()).collect();
        let found = place(name).ok_or_else(|| {
            let problem = format!("there is no group \"{name}\"");
            scenario.invalid(&at("team_groups"), problem, one_of(name, &known))
        })?;
        groups.push(found);
    }
    if groups.is_empty() {
        groups.extend(place(&group.name));
    }
    Ok(Some(Team { share, groups }))
}

/// Empties the agents' rewards into the memories of their learners and minds, in Close. What was decided in an episode
/// does not reach beyond its end.
pub(super) fn credit_rewards(
    now: Res<Now>,
    failure: Res<Failure>,
    mut minds: ResMut<Minds>,
    mut rewards: ResMut<Rewards>,
    mut agents: Query<(&Agent, &PolicySlot, &mut Reward, Option<&mut RewardTerms>, Option<&mut Pace>)>,
) {
    let rewards = &mut *rewards;
    let mut credits = std::mem::take(&mut rewards.credits);
    credits.clear();
    let teams = rewards.groups.iter().any(|group| group.shared);
    for (agent, slot, mut reward, terms, pace) in &mut agents {
        let idle = terms.as_ref().is_none_or(|terms| terms.values.iter().all(|&term| term == 0.0));
        let nothing = reward.value == 0.0 && reward.outcome == Outcome::Continues && idle;
        if nothing && !(teams && rewards.is_shared(agent.group)) {
            continue;
        }
        let Reward { value, outcome } = std::mem::take(&mut *reward);
        let terms = terms.map(|mut terms| std::mem::take(&mut *terms)).unwrap_or_default().values;
        if let Some(mut pace) = pace.filter(|_| outcome != Outcome::Continues) {
            pace.last = None;
        }
        let value = rewards.own(agent.group, value, &terms);
        let plain = value.is_finite() && (idle || terms.iter().all(|term| term.is_finite()));
        if !plain {
            let names = &minds.entries[usize::from(slot.policy)].space.terms;
            if let Err(error) = check_reward(now.tick, agent.id, value, (&terms, names)) {
                failure.set(error);
                return;
            }
        }
        credits.push(Credit { agent: agent.id, group: agent.group, slot: *slot, value, outcome, terms });
    }
    // Sums of floats have one order, whatever the agents' tables look like.
    if !credits.is_sorted_by_key(|credit| credit.agent) {
        credits.sort_unstable_by_key(|credit| credit.agent);
    }
    if teams {
        share_out(&rewards.groups, &mut credits);
    }
    for credit in &credits {
        if let Some(accounts) = &mut rewards.accounts {
            accounts.credit(credit.agent, credit.value, credit.outcome);
        }
        if let Some(group) = rewards.groups.get_mut(usize::from(credit.group)) {
            group.reward += f64::from(credit.value);
            group.sums.iter_mut().zip(credit.terms).for_each(|(sum, term)| *sum += f64::from(term));
        }
        let entry = &mut minds.entries[usize::from(credit.slot.policy)];
        if let Some(memory) = &mut entry.memory {
            memory.credit(credit.slot.slot, credit.agent, (credit.value, &credit.terms), credit.outcome);
        }
        if let Some(histories) = &mut entry.histories {
            histories.end(credit.agent, credit.outcome);
        }
        if let Mind::Language(mind) = &mut entry.mind {
            mind.credit(credit.agent, credit.value, credit.outcome);
        }
    }
    rewards.credits = credits;
}

/// Mixes what agents got with the means of their teams: (1 − w) own + w mean.
fn share_out(groups: &[GroupReward], credits: &mut [Credit]) {
    let mut means: Vec<f64> = Vec::with_capacity(groups.len());
    for group in groups {
        let Some(team) = &group.team else {
            means.push(0.0);
            continue;
        };
        let members = credits.iter().filter(|credit| team.groups.contains(&usize::from(credit.group)));
        let (sum, count) =
            members.fold((0.0, 0_u64), |(sum, count), credit| (sum + f64::from(credit.value), count + 1));
        means.push(if count == 0 { 0.0 } else { sum / count as f64 });
    }
    for credit in credits {
        let place = usize::from(credit.group);
        if let Some(team) = groups.get(place).and_then(|group| group.team.as_ref()) {
            let own = f64::from(credit.value);
            credit.value = ((1.0 - team.share) * own + team.share * means[place]) as f32;
        }
    }
}

/// The window's rows of `rewards.csv`, in Close.
pub(super) fn close_rewards(
    now: Res<Now>,
    recording: Res<Recording>,
    population: Res<Population>,
    mut rewards: ResMut<Rewards>,
    mut tables: ResMut<Tables>,
    agents: Query<&Agent>,
) {
    if !(now.tick.0 + 1).is_multiple_of(recording.learning_every) && !now.last {
        return;
    }
    let Rewards { groups, names, .. } = &mut *rewards;
    let mut alive = vec![0_u64; groups.len()];
    for agent in &agents {
        if let Some(count) = alive.get_mut(usize::from(agent.group)) {
            *count += 1;
        }
    }
    for (place, group) in groups.iter_mut().enumerate().filter(|(_, group)| !group.terms.is_empty()) {
        let sums = std::mem::take(&mut group.sums);
        let name = Arc::clone(&population.groups[place].name);
        let engine: [Value; 4] =
            [now.tick.0.into(), name.into(), alive[place].into(), std::mem::take(&mut group.reward).into()];
        let sum_of = |name: &&str| group.terms.iter().position(|term| term == name).map(|term| sums[term]);
        tables.push("rewards", engine.into_iter().chain(names.iter().map(|name| sum_of(name).into())));
    }
}
