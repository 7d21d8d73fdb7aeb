//! Learning: what happened, who learns from it, and how what was learned is kept.

use std::sync::Arc;

use super::decision::advice_of;
use super::{Action, AgentId, Chance, LegalActions, Policy, Space, Tick, Transitions};

/// How a transition ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The episode goes on; the next observation counts.
    #[default]
    Continues,
    /// The episode is over: nothing follows.
    Terminated,
    /// The episode was cut off: the next observation counts as a bootstrap.
    Truncated,
}

/// What happened to the agents of one learner between two of their decisions. Rows are in `AgentId` order.
#[derive(Clone, Copy, Debug)]
pub struct TransitionBatch<'a> {
    /// Now.
    pub tick: Tick,
    /// The run's chance.
    pub chance: Chance,
    /// Features and menu of every row.
    pub space: &'a Space,
    /// One agent a row.
    pub agents: &'a [AgentId],
    /// What each saw: `agents.len() × features`.
    pub features: &'a [f32],
    /// What each might have done: the mask under which it decided.
    pub legal: &'a [LegalActions],
    /// What each did.
    pub actions: &'a [Action],
    /// When each decided. A learner that renewed its policy since then knows that it was decided by an older one.
    pub decided: &'a [Tick],
    /// Reward summed since then.
    pub rewards: &'a [f32],
    /// What each sees now: `agents.len() × features`; zeros where the episode terminated, and where it was cut off what
    /// was seen last in it.
    pub next_features: &'a [f32],
    /// What each may do there; empty masks where the episode terminated.
    pub next_legal: &'a [LegalActions],
    /// How each row ended.
    pub outcomes: &'a [Outcome],
    /// What only a central critic sees of where each was: `agents.len() × space.central.len()`.
    pub central: &'a [f32],
    /// The same of where each is now, and zeros or what was last, as in `next_features`.
    pub next_central: &'a [f32],
    /// The parts of rewards and costs, unweighted: `agents.len() × space.terms.len()`, summed as `rewards` are.
    pub terms: &'a [f32],
    /// What a language model advised each when it decided: `agents.len() × space.menu.len()` logarithms of
    /// probabilities, −∞ for actions that were not legal, and `NaN` throughout a row on which nobody was asked. Empty
    /// where the learner has no advisor.
    pub advice: &'a [f32],
}

impl<'a> TransitionBatch<'a> {
    /// What row `row` was advised when it decided; `None` where nobody was asked.
    #[must_use]
    pub fn advice(&self, row: usize) -> Option<&'a [f32]> {
        advice_of(self.advice, self.space.menu.len(), row)
    }
}

/// What a learner has to say of an update; a row of `learning.csv`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LearnStats {
    /// Transitions learned from.
    pub transitions: u64,
    /// Episodes that ended in them.
    pub episodes: u64,
    /// Sum of rewards in them.
    pub reward: f64,
    /// Mean absolute temporal-difference error.
    pub error: f64,
    /// Share of explorative actions now; policies that are drawn from have none apart.
    pub exploration: f64,
    /// Gradient steps taken; the four that follow are means over them.
    pub gradient_steps: u64,
    /// Loss of a gradient step.
    pub loss: f64,
    /// Entropy of the policy, in nats; 0 for one that is not drawn from.
    pub entropy: f64,
    /// Kullback–Leibler divergence of the policy from the one before the update, in nats.
    pub divergence: f64,
    /// Share of the returns' variance that the values explain.
    pub explained_variance: f64,
    /// Of the decisions on which an advisor was asked, those in which the learner's own choice was compared with its
    /// advice: a row of `advice.csv`.
    pub checked: u64,
    /// Of these, those in which the advisor would have done the same.
    pub agreed: u64,
}

/// How one limited cost stands; a row of `limits.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitState {
    /// The reward term that is the cost.
    pub term: String,
    /// What its mean may be.
    pub limit: f64,
    /// What its mean was when it was last measured; none before.
    pub mean: Option<f64>,
    /// λ: what one of it costs in reward.
    pub multiplier: f64,
}

/// What a learner has to say of one pass over what other runs recorded; a row of `studies.csv`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StudyStats {
    /// Its number, from 1.
    pub epoch: u64,
    /// Gradient steps of it.
    pub gradient_steps: u64,
    /// Mean loss of them.
    pub loss: f64,
    /// Mean absolute temporal-difference error of them; `None` for a learner without values.
    pub error: Option<f64>,
    /// Mean over them of ln Σ exp Q(s,·) − Q(s,a); `None` for a learner that does not learn conservatively.
    pub gap: Option<f64>,
    /// Mean log-probability that the policy gives afterwards to the actions of episodes held out; `None` without any.
    pub held_out_log_probability: Option<f64>,
    /// Share of these actions that the policy thinks likeliest; `None` without any.
    pub held_out_accuracy: Option<f64>,
}

/// Why a learner could not learn.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// A reward or an observation is not a finite number.
    #[error("agent {agent} at tick {tick}: {what} is {value}, not a finite number")]
    NotFinite {
        /// Whose.
        agent: AgentId,
        /// When.
        tick: Tick,
        /// Which number.
        what: String,
        /// Its value.
        value: f32,
    },
    /// What other runs recorded is not enough.
    #[error("{0}")]
    Recording(String),
    /// What was learned is no longer a number.
    #[error(
        "at tick {tick} the weights stopped being finite numbers, after {steps} gradient steps; \
         take a smaller `optimiser.learning_rate` or `optimiser.gradient_norm`"
    )]
    Diverged {
        /// When.
        tick: Tick,
        /// Gradient steps taken until then.
        steps: u64,
    },
}

/// A named array of a saved policy.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorData {
    /// Its name.
    pub name: String,
    /// Its shape; the product is the number of values.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<f64>,
}

/// A learned policy as plain data: what stands in `policies/NAME.safetensors`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyFile {
    /// The algorithm's registry name.
    pub kind: String,
    /// Names of the features it reads.
    pub features: Vec<String>,
    /// Names of the actions it chooses from.
    pub actions: Vec<String>,
    /// Settings that fix the meaning of the arrays (a discretisation, layer sizes), as JSON text.
    pub layout: String,
    /// The arrays.
    pub tensors: Vec<TensorData>,
}

/// Why a saved policy cannot be used here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PolicyFileError {
    /// It was learned for something else.
    #[error("the saved policy's {what} differ: it was saved with {saved}, this scenario needs {needed}")]
    Mismatch {
        /// What differs.
        what: &'static str,
        /// In the file.
        saved: String,
        /// Here.
        needed: String,
    },
    /// An array is missing or has the wrong shape.
    #[error("the saved policy has no array `{name}` of shape {shape:?}")]
    MissingTensor {
        /// The array.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
}

/// Something that improves a policy from experience. Publishes policies, and decides nothing.
pub trait Learner: Send + Sync {
    /// Learns from what happened since the last call.
    ///
    /// # Errors
    /// When a reward or an observation is not a finite number.
    fn learn(&mut self, transitions: &TransitionBatch<'_>) -> Result<LearnStats, LearnError>;

    /// The agent has left the world; its id never comes back. What it did last is still handed in with the next batch,
    /// if anything is left to learn of it.
    fn leave(&mut self, _agent: AgentId) {}

    /// Hands over what other runs recorded, for a learner that learns from it: see [`Self::study`]. Others ignore it.
    fn give(&mut self, _recordings: Arc<[Transitions]>) {}

    /// Whether it learns from what other runs recorded, and not from its own transitions.
    fn studies(&self) -> bool {
        false
    }

    /// Learns from what it was given, before it decides for the first time; one entry an epoch, and none from learners
    /// that learn from nothing but their own transitions.
    ///
    /// # Errors
    /// When there is too little to learn from, or weights stop being finite.
    fn study(&mut self, _chance: Chance) -> Result<Vec<StudyStats>, LearnError> {
        Ok(Vec::new())
    }

    /// The policy as learned so far.
    fn policy(&self) -> Arc<dyn Policy>;

    /// The same as it is used once learning is over: nothing is explored any more.
    fn deployed(&self) -> Arc<dyn Policy>;

    /// γ, where its target has one: shaping by a potential has to discount alike.
    fn discount(&self) -> Option<f64> {
        None
    }

    /// How the costs that it holds down stand; empty for those that know no limits.
    fn limits(&self) -> Vec<LimitState> {
        Vec::new()
    }

    /// Everything learned, as plain data.
    fn save(&self) -> PolicyFile;

    /// Takes over what was saved.
    ///
    /// # Errors
    /// When the file was learned for other features, actions or settings.
    fn load(&mut self, file: &PolicyFile) -> Result<(), PolicyFileError>;
}
