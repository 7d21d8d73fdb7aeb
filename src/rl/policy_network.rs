//! The network of a published policy: what was learned or loaded; and where nothing was, one for each run that asks, drawn from
//! that run's own chance. So simulations that share such a policy do not share a network that the first of them drew.

use std::sync::{Arc, Mutex, PoisonError};

use super::approximator::Approximator;
use crate::base::Chance;

/// A network, or networks still to be drawn.
pub(super) enum PolicyNetwork {
    /// What was learned or loaded.
    Known(Arc<dyn Approximator>),
    /// Nothing was: what each run's chance drew so far.
    Drawn(Mutex<Vec<(Chance, Arc<dyn Approximator>)>>),
}

impl PolicyNetwork {
    /// A copy of what was learned, if anything was.
    pub fn of(learned: Option<&dyn Approximator>) -> Self {
        match learned {
            Some(learned) => Self::Known(learned.boxed_clone().into()),
            None => Self::Drawn(Mutex::default()),
        }
    }

    /// The network to decide by in a run with this chance; `begin` draws one.
    pub fn in_run(&self, chance: Chance, begin: impl FnOnce() -> Box<dyn Approximator>) -> Arc<dyn Approximator> {
        if let Some(known) = self.get(chance) {
            return known;
        }
        // Whoever else draws for the same run draws the same.
        let network: Arc<dyn Approximator> = begin().into();
        if let Self::Drawn(drawn) = self {
            drawn.lock().unwrap_or_else(PoisonError::into_inner).push((chance, Arc::clone(&network)));
        }
        network
    }

    /// The same, where there is one already.
    pub fn get(&self, chance: Chance) -> Option<Arc<dyn Approximator>> {
        match self {
            Self::Known(network) => Some(Arc::clone(network)),
            Self::Drawn(drawn) => {
                let drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
                drawn.iter().find(|(known, _)| *known == chance).map(|(_, network)| Arc::clone(network))
            }
        }
    }
}
