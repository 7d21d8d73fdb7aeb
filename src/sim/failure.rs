//! Why a run cannot go on, and where a system says so.

use std::sync::Mutex;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::Res;

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

/// Whether the phases of this tick still go on: after a failure none does.
pub(super) fn going_on(failure: Res<Failure>) -> bool {
    !failure.is_set()
}

/// Where a system says that the run cannot go on; the first to say so is heard.
#[derive(Resource, Default, Debug)]
pub struct Failure(Mutex<Option<SimError>>);

impl SimError {
    fn language(&self) -> Option<&LanguageError> {
        match self {
            Self::Language { error, .. } | Self::Policy { error: PolicyError::Language(error), .. } => Some(error),
            _ => None,
        }
    }

    /// The language model whose budget was spent, if that is why the run stopped.
    #[must_use]
    pub fn budget_spent(&self) -> Option<String> {
        match self.language()? {
            LanguageError::BudgetSpent { model, .. } => Some(model.to_string()),
            _ => None,
        }
    }

    /// Whether the user interrupted a language model's work.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        matches!(self.language(), Some(LanguageError::Interrupted))
    }
}

impl Failure {
    /// The run stops before the next phase with this error.
    pub fn set(&self, error: SimError) {
        let mut slot = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        slot.get_or_insert(error);
    }

    fn is_set(&self) -> bool {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_some()
    }

    pub(super) fn take(&self) -> Option<SimError> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}
