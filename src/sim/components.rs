//! The components every agent has. Small, because each carries its change ticks: state that only one domain needs
//! is that domain's own component.

use bevy_ecs::component::Component;

use crate::base::{Action, AgentId, LegalActions, Outcome};

/// A role's place in [`super::Population::roles`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(pub u16);

/// A persona's place in [`super::Population::personas`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonaId(pub u16);

/// Who an agent is. Written at birth, read by all.
#[derive(Component, Clone, Copy, Debug)]
pub struct Agent {
    /// Its number.
    pub id: AgentId,
    /// What it is there for.
    pub role: RoleId,
    /// How it speaks.
    pub persona: PersonaId,
    /// The scenario's group it belongs to.
    pub group: u16,
}

/// The language model an agent reads and speaks with. Written at birth, read in Observe and Act.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct Llm {
    /// The model's place in the scenario's `[llm]` table; `None` for an agent without one.
    pub model: Option<u16>,
}

/// The policy that decides for an agent. Written at birth, read in Interpret.
#[derive(Component, Clone, Copy, Debug)]
pub struct PolicySlot {
    /// The policy's place in the scenario's `[policy]` table.
    pub policy: u16,
    /// The agent's place in that policy's memory of open decisions.
    pub slot: u32,
}

/// An agent's place in the flat mail of a tick: see [`super::Mail::inbox`]. Written at the barrier, read in Observe.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct Mailbox {
    /// The agent's rank among the living, by id.
    pub row: u32,
}

/// Where what an agent sees this tick stands in its policy's batch; `NONE` when it has nothing to decide.
/// Written in Interpret, read by anyone after.
#[derive(Component, Clone, Copy, Debug)]
pub struct Observation {
    /// Row of [`super::Observations::row`].
    pub row: u32,
}

impl Observation {
    /// Nothing to decide this tick.
    pub const NONE: Self = Self { row: u32::MAX };
}

/// What an agent may do this tick; empty when it has nothing to decide. Written in Interpret, read in Decide.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct Menu {
    /// The legal actions.
    pub legal: LegalActions,
}

/// What an agent does this tick. Written in Decide, read in Act.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct Choice {
    /// The action; `None` when there was nothing to decide.
    pub action: Option<Action>,
}

/// How well an agent did this tick. Written in Act, Advance and Reward; emptied into the learner's memory at Close.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct Reward {
    /// Reward of this tick.
    pub value: f32,
    /// Whether this tick ended the agent's episode.
    pub outcome: Outcome,
}

/// The parts that an agent's reward and costs of this tick consist of, in the order of [`crate::base::Space::terms`];
/// only agents of roles that name parts have it. Written where [`Reward`] is; emptied into the learner's memory at Close.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct RewardTerms {
    /// Their sums this tick.
    pub values: [f32; RewardTerms::MAX],
}

impl RewardTerms {
    /// As many parts as a role may name.
    pub const MAX: usize = 8;
}
