//! The network beneath the mail: between an outbox and an inbox it drops, delays and doubles letters. What becomes of a
//! letter is a function of the run's seed, when it was sent, by whom and as which of its sender's letters, so that neither
//! threads nor the order of systems matter. A world without `[network]` has none of this.

mod edges;
mod links;
mod transit;

pub use links::{LINKS_MAX, Links, NetworkProblem, check_links};
pub(super) use transit::Network;

use super::domain::{BuildError, Domain};
use super::population::Population;
use crate::base::Chance;
use crate::record::{Column, Value};
use crate::scenario::{NetworkSettings, Scenario, ScenarioError, Topology};

/// The key under which a domain's data has the file of `network.edges`.
pub const EDGES: &str = "network.edges";

/// What the network did with letters when mail was last delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Letters handed over, sent at the tick before.
    pub sent: u64,
    /// Letters that became two.
    pub duplicated: u64,
    /// Letters handed to the mail, whether or not their recipient is still there.
    pub delivered: u64,
    /// Of these, letters that took more than one tick.
    pub late: u64,
    /// Ticks that all of these took.
    pub ticks: u64,
    /// Times that lost letters will be sent again.
    pub retried: u64,
    /// Letters lost on their way, for good.
    pub lost: u64,
    /// Letters whose sender has no link to their recipient.
    pub unreachable: u64,
    /// Letters that found the sender's queue full.
    pub overflowed: u64,
    /// Letters that wait at their sender or are on their way.
    pub under_way: u64,
}

impl NetworkCounts {
    /// Letters that were dropped, for whatever reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lost + self.unreachable + self.overflowed
    }

    /// The columns of [`network_metric_columns`].
    pub(super) fn metrics(self) -> impl Iterator<Item = Value> {
        let counts = [
            self.sent,
            self.duplicated,
            self.delivered,
            self.late,
            self.retried,
            self.dropped(),
            self.lost,
            self.unreachable,
            self.overflowed,
            self.under_way,
        ];
        let mean = (self.delivered > 0).then(|| self.ticks as f64 / self.delivered as f64);
        counts.into_iter().map(Value::from).chain([Value::from(mean)])
    }
}

/// The engine's columns of `metrics.csv` where the scenario has a network. At each tick, summed up from the first, `sent`
/// and `duplicated` are `delivered`, `dropped` and what is `under_way` now.
#[must_use]
pub fn network_metric_columns() -> Vec<Column> {
    vec![
        Column::new("network_sent", "messages", "messages handed to the network: those sent at the tick before"),
        Column::new("network_duplicated", "messages", "messages that became two"),
        Column::new("network_delivered", "messages", "messages that arrived: `messages` and `messages_lost` together"),
        Column::new("network_late", "messages", "of these, messages that took more than one tick"),
        Column::new("network_retried", "times", "times that messages that left were lost and are sent again"),
        Column::new("network_dropped", "messages", "messages that will not arrive; the sum of the three that follow"),
        Column::new("network_lost", "messages", "messages that left and are lost for good"),
        Column::new("network_unreachable", "messages", "messages whose sender has no link to their recipient"),
        Column::new("network_overflowed", "messages", "messages that found the sender's queue full"),
        Column::new("network_under_way", "messages", "messages that wait at their sender or are on their way"),
        Column::new("network_ticks_mean", "ticks", "mean ticks that those that arrived took; empty without any"),
    ]
}

fn invalid(scenario: &Scenario, problem: NetworkProblem) -> ScenarioError {
    scenario.invalid(&format!("network.{}", problem.key), problem.message, problem.help)
}

/// Checks that the network fits the agents with which a scenario begins; `edges` is the file that it names, if it names one.
///
/// # Errors
/// At the key that does not fit; a bad line of the file, with its number.
pub fn check_network(scenario: &Scenario, domain: &dyn Domain, edges: Option<&[u8]>) -> Result<(), ScenarioError> {
    let Some(settings) = &scenario.network else { return Ok(()) };
    // Of roles that are named, groups have all agents.
    let others = if settings.roles.is_empty() { domain.agents_of_its_own(scenario) } else { 0 };
    let members = settings.members(scenario).saturating_add(others);
    check_links(settings, members).map_err(|problem| invalid(scenario, problem))?;
    // Which numbers the agents of some roles have is known to the world alone.
    if settings.topology == Topology::Edges && settings.roles.is_empty() {
        let agents: Vec<u32> = (0..members).collect();
        Links::new(settings, &agents, Chance::new(scenario.seed), edges)
            .map_err(|problem| invalid(scenario, problem))?;
    }
    Ok(())
}

/// The network of a scenario between the agents that a world has asked for so far.
pub(super) fn network_of(
    scenario: &Scenario,
    settings: &NetworkSettings,
    population: &Population,
    edges: Option<&[u8]>,
) -> Result<Network, BuildError> {
    let is_linked: Vec<bool> = population
        .groups
        .iter()
        .map(|group| settings.links_role(&population.roles[usize::from(group.role.0)]))
        .collect();
    let agents: Vec<u32> =
        population.unborn().filter(|(_, group)| is_linked[usize::from(*group)]).map(|(agent, _)| agent.0).collect();
    let chance = Chance::new(scenario.seed);
    let links = Links::new(settings, &agents, chance, edges).map_err(|problem| invalid(scenario, problem))?;
    Ok(Network::new(settings, links, &agents, chance))
}
