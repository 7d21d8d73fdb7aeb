//! What an actor and critic asks of an algorithm that learns under constraints: to change advantages before the policy
//! learns from them, and to be kept and loaded with the rest.

use super::experience::Experience;
use super::plan::Plan;
use crate::base::{LearnError, LimitState, PolicyFile, PolicyFileError, TensorData, TransitionBatch};

/// A rollout that is about to be learned from.
pub(super) struct Gathered<'a> {
    pub plan: &'a Plan,
    /// What was gathered, row by row.
    pub rollout: &'a Experience,
    /// Features as networks see them, and those of what followed.
    pub seen: &'a [f32],
    pub next: &'a [f32],
    /// The batch that made it enough: tick and chance.
    pub batch: &'a TransitionBatch<'a>,
    /// Updates so far.
    pub updates: u64,
    /// α of this update.
    pub rate: f64,
}

/// Holds constraints beside an actor and critic.
pub(super) trait Constraint: Send + Sync {
    /// Takes in row `row` of a batch, as the next row of the rollout.
    fn observe(&mut self, batch: &TransitionBatch<'_>, row: usize);

    /// Changes the advantages of the rollout's rows, learns what it has to learn itself, and forgets the rollout.
    ///
    /// # Errors
    /// When what it learned is no longer a number.
    fn weigh(&mut self, gathered: &Gathered<'_>, advantages: &mut [f32]) -> Result<(), LearnError>;

    /// The rollout is dropped without being learned from.
    fn forget(&mut self);

    /// Whether the policy, once learning is over, is drawn from.
    fn draws(&self) -> bool;

    /// How its limits stand.
    fn limits(&self) -> Vec<LimitState>;

    /// What fixes the meaning of its arrays.
    fn layout(&self) -> serde_json::Value;

    /// Everything learned, and the open rollout's part, as arrays.
    fn save(&self, plan: &Plan) -> Vec<TensorData>;

    /// Takes over what was saved, for a rollout of `rows` rows.
    ///
    /// # Errors
    /// When an array is missing or has another shape.
    fn load(&mut self, plan: &Plan, rows: usize, file: &PolicyFile) -> Result<(), PolicyFileError>;
}
