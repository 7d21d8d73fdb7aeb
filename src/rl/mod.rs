//! Learners: one algorithm a file, read from top to bottom. A learner sees transitions and publishes policies; it knows
//! no world and no entity.

mod discretise;
mod q_learning;

use crate::base::{Learner, Space};
use crate::scenario::{Kind, ScenarioError, Section};

pub use discretise::{Discretiser, StateFeature};
pub use q_learning::{KIND as Q_LEARNING, QLearning, QLearningSettings};

/// A learning algorithm of the registry.
pub struct Algorithm {
    /// Its name, line and settings.
    pub kind: &'static Kind,
    /// Makes a learner for what a policy's agents see and do.
    pub build: fn(&Section, &Space) -> Result<Box<dyn Learner>, ScenarioError>,
    /// A saved policy that the section asks to start from: a run folder or a file.
    pub load_from: fn(&Section) -> Result<Option<String>, ScenarioError>,
}

/// Every algorithm. Adding one is one file and one line here.
pub static ALGORITHMS: &[Algorithm] =
    &[Algorithm { kind: &q_learning::KIND, build: q_learning::build, load_from: q_learning::load_from }];
