//! Why a run cannot go on, and where a system says so.

use std::sync::Mutex;

use bevy_ecs::resource::Resource;

use crate::base::{LanguageError, LearnError, PolicyError, Tick};

/// Why a simulation had to stop.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A policy could not decide.
    #[error("tick {tick}: policy \"{policy}\" could not decide: {error}")]
    Policy {
        /// When.
        tick: Tick,
        /// Which.
        policy: String,
        /// Why.
        error: PolicyError,
    },
    /// A learner could not learn.
    #[error("policy \"{policy}\" could not learn: {error}")]
    Learn {
        /// Which.
        policy: String,
        /// Why.
        error: LearnError,
    },
    /// A language model could not answer.
    #[error("tick {tick}: {error}")]
    Language {
        /// When.
        tick: Tick,
        /// Why.
        error: LanguageError,
    },
    /// The world itself found something that cannot go on.
    #[error("tick {tick}: {problem}")]
    World {
        /// When.
        tick: Tick,
        /// What.
        problem: String,
    },
}

/// Where a system says that the run cannot go on; the first to say so is heard.
#[derive(Resource, Default, Debug)]
pub struct Failure(Mutex<Option<SimError>>);

impl Failure {
    /// The run stops at the end of this tick with this error.
    pub fn set(&self, error: SimError) {
        let mut slot = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        slot.get_or_insert(error);
    }

    pub(super) fn take(&self) -> Option<SimError> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}
