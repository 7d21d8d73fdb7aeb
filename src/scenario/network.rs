//! `[network]`: who can write to whom, and what becomes of letters on their way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ScenarioError;
use super::file::Scenario;
use super::tree::Node;

/// Who can write to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// Everyone to everyone.
    #[default]
    Complete,
    /// Each to its nearest `neighbours` in a ring.
    Ring,
    /// Each to the next in its row and in its column.
    Grid,
    /// A ring of which links are rewired at random (Watts and Strogatz 1998).
    SmallWorld,
    /// Agents come one after another and link to others in proportion to their links (Barabási and Albert 1999).
    ScaleFree,
    /// The links of the CSV file `edges`.
    Edges,
}

impl Topology {
    /// Its name in the scenario, and the keys of `[network]` that belong to it.
    fn keys(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Complete => ("complete", &[]),
            Self::Ring => ("ring", &["neighbours", "directed"]),
            Self::Grid => ("grid", &["columns", "torus", "directed"]),
            Self::SmallWorld => ("small_world", &["neighbours", "rewiring", "directed"]),
            Self::ScaleFree => ("scale_free", &["links_each", "directed"]),
            Self::Edges => ("edges", &["edges", "directed"]),
        }
    }
}

/// A network between the agents: which of them are linked, and what latency, loss, duplication and bandwidth do to their
/// letters. Without this table every letter reaches everyone at the next tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NetworkSettings {
    /// Who can write to whom; a letter between agents that are not linked is dropped.
    pub topology: Topology,
    /// The roles whose agents the topology links, as many as there are before the first tick; all roles where it is
    /// empty. Agents of other roles, and those that come later, are linked with everyone.
    #[schemars(extend("uniqueItems" = true))]
    pub roles: Vec<String>,
    /// Whether letters go along links in one direction only: to the next in a ring, to the right and down in a grid, to
    /// the older in a scale-free network, to where the link leads in a small world, from `from` to `to` of an edge. No
    /// where it is left away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directed: Option<bool>,
    /// Of `ring` and `small_world`: with how many of the nearest each agent is linked, half of them on each side, an even
    /// number below that of the agents. 2 in a ring and 4 in a small world where it is left away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 10_000_000))]
    pub neighbours: Option<u32>,
    /// Of `small_world`: p, the probability that a link leads to an agent drawn at random instead. 0.1 where it is left
    /// away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub rewiring: Option<f64>,
    /// Of `grid`: agents in a row; the number of agents is a multiple of it. As nearly a square as can be where it is left
    /// away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub columns: Option<u32>,
    /// Of `grid`: whether the last in a row or a column is linked with the first. No where it is left away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torus: Option<bool>,
    /// Of `scale_free`: m, the links with which an agent comes. 2 where it is left away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub links_each: Option<u32>,
    /// Of `edges`: a CSV file with the columns `from` and `to`, agents' numbers, and perhaps `latency`, ticks that take the
    /// place of the network's on that link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges: Option<String>,
    /// Ticks that a letter takes at least; 1 is the next tick, as without a network.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub latency: u32,
    /// Ticks that a letter takes longer at most; each letter 0 to so many, with equal odds.
    #[schemars(range(max = 1_000_000))]
    pub jitter: u32,
    /// The probability that a letter is lost on its way.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub loss: f64,
    /// How often a letter that was lost is sent again, before it is given up.
    #[schemars(range(max = 1000))]
    pub retries: u32,
    /// Ticks after which it is.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub retry_after: u32,
    /// The probability that a letter that is not lost arrives twice.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub duplication: f64,
    /// Letters that an agent can send off in a tick; others wait their turn and arrive late. No bound where it is left
    /// away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub bandwidth: Option<u32>,
    /// Letters that wait their turn at an agent at most; what is beyond is dropped.
    #[schemars(range(max = 1_000_000_000))]
    pub queue_max: u32,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            topology: Topology::Complete,
            roles: Vec::new(),
            directed: None,
            neighbours: None,
            rewiring: None,
            columns: None,
            torus: None,
            links_each: None,
            edges: None,
            latency: 1,
            jitter: 0,
            loss: 0.0,
            retries: 0,
            retry_after: 3,
            duplication: 0.0,
            bandwidth: None,
            queue_max: 1000,
        }
    }
}

impl NetworkSettings {
    /// Fills in what the topology's own keys are where they are left away.
    pub(super) fn settle(&mut self) {
        let default = |value: &mut Option<u32>, number| *value = value.or(Some(number));
        if self.topology != Topology::Complete {
            self.directed = self.directed.or(Some(false));
        }
        match self.topology {
            Topology::Complete | Topology::Edges => {}
            Topology::Ring => default(&mut self.neighbours, 2),
            Topology::Grid => self.torus = self.torus.or(Some(false)),
            Topology::SmallWorld => {
                default(&mut self.neighbours, 4);
                self.rewiring = self.rewiring.or(Some(0.1));
            }
            Topology::ScaleFree => default(&mut self.links_each, 2),
        }
    }

    /// The keys that are given and belong to one topology or another.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let keys = [
            ("directed", self.directed.is_some()),
            ("neighbours", self.neighbours.is_some()),
            ("rewiring", self.rewiring.is_some()),
            ("columns", self.columns.is_some()),
            ("torus", self.torus.is_some()),
            ("links_each", self.links_each.is_some()),
            ("edges", self.edges.is_some()),
        ];
        keys.into_iter().filter(|key| key.1).map(|key| key.0)
    }

    /// What does not fit together, whatever the number of agents.
    pub(super) fn check(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let wrong =
            |key: &str, message: String, help: &str| Err(scenario.invalid(&format!("network.{key}"), message, help));
        let (name, own) = self.topology.keys();
        if let Some(key) = self.given().find(|key| !own.contains(key)) {
            let listed = if own.is_empty() { "none".to_owned() } else { format!("`{}`", own.join("`, `")) };
            let message = format!("`network.{key}` says nothing about the topology \"{name}\"");
            let help = format!("take it away, or choose another `topology`; keys of \"{name}\": {listed}");
            return wrong(key, message, &help);
        }
        if self.topology == Topology::Edges && self.edges.is_none() {
            let message = "`network` lacks the key `edges`: which file lists the links".to_owned();
            return wrong(
                "topology",
                message,
                "add `edges = \"FILE.csv\"`, with a header `from,to` or `from,to,latency`",
            );
        }
        if let Some(odd) = self.neighbours.filter(|count| count % 2 == 1) {
            let message = format!("`network.neighbours` is {odd}, but half of them stand on each side");
            return wrong("neighbours", message, "name an even number");
        }
        for (place, role) in self.roles.iter().enumerate() {
            if scenario.groups_of(role).next().is_none() {
                let mut known: Vec<&str> = scenario.agents.iter().map(|group| group.role.as_str()).collect();
                known.sort_unstable();
                known.dedup();
                let help = super::words::one_of(role, &known);
                return wrong(&format!("roles[{place}]"), format!("no group of agents has the role \"{role}\""), &help);
            }
        }
        Ok(())
    }

    /// How many agents the topology links, if a world starts with those that the groups declare.
    #[must_use]
    pub fn members(&self, scenario: &Scenario) -> u32 {
        let counts = scenario.agents.iter().filter(|group| self.links_role(&group.role)).map(|group| group.count);
        counts.fold(0, u32::saturating_add)
    }

    /// Whether the topology links agents of this role.
    #[must_use]
    pub fn links_role(&self, role: &str) -> bool {
        self.roles.is_empty() || self.roles.iter().any(|linked| linked == role)
    }
}

/// Takes away the keys of the file's own topology where an override has put another in its place: trying another is no
/// reason to ask for them to be removed. What overrides say stays.
pub(super) fn drop_replaced_topology(before: &Node, root: &mut Node) {
    let topology = |root: &Node| root.get("network")?.get("topology")?.text().map(str::to_owned);
    let (was, is) = (topology(before), topology(root));
    if was == is {
        return;
    }
    let all = [Topology::Ring, Topology::Grid, Topology::SmallWorld, Topology::ScaleFree, Topology::Edges];
    let own = all.iter().map(|one| one.keys()).find(|(name, _)| Some(*name) == is.as_deref());
    let own = own.map_or(&[][..], |(_, keys)| keys);
    let Some(table) = root.table_mut().and_then(|table| table.get_mut("network")?.node.table_mut()) else { return };
    let foreign = |key: &str| !own.contains(&key) && all.iter().any(|one| one.keys().1.contains(&key));
    table.retain(|key, entry| !foreign(key) || entry.node.span.is_in_override());
}
