//! The tick's own facts, and what is recorded of it.

use bevy_ecs::resource::Resource;

use crate::base::{Chance, Tick};

/// The tick's own facts. Read by everyone.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Now {
    /// The tick.
    pub tick: Tick,
    /// The run's chance.
    pub chance: Chance,
    /// Simulated seconds a tick.
    pub seconds_per_tick: f64,
    /// Whether this is the scenario's last tick.
    pub last: bool,
}

/// What is recorded, and how often.
#[derive(Resource, Clone, Copy, Debug)]
pub(super) struct Recording {
    pub messages: bool,
    pub learning_every: u64,
}
