//! What all tabular learners share: the table, its settings, ε-greedy choice, saving and loading. What sets them apart is
//! the target towards which a value moves, [`Target`], one file each.
//!
//! Exploration is ε-greedy with ε falling linearly; ties between best actions are broken at random. Rows of a batch
//! are learned from one after another in `AgentId` order, so the table does not depend on threads.

use std::sync::Arc;

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{array, check_finite, check_head, head, within};
use super::discretise::{Discretiser, StateFeature};
use crate::base::{
    Action, AgentId, Chance, DecisionBatch, LearnError, LearnStats, Learner, LegalActions, Outcome, Policy,
    PolicyError, PolicyFile, PolicyFileError, Purpose, Space, TensorData, Tick, TransitionBatch,
};
use crate::scenario::{Kind, ScenarioError, Section, Settings};

/// Settings of the tabular learners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TabularSettings {
    /// The state: which of the numbers the agents see count, and in which bins.
    pub state: Vec<StateFeature>,
    /// α, in (0, 1]: how far a value moves towards each new target.
    #[serde(default = "default_learning_rate")]
    pub learning_rate: f64,
    /// Let α start at 1 for a pair (s,a) never tried and fall as 1/n until it reaches `learning_rate`.
    #[serde(default = "default_true")]
    pub harmonic_start: bool,
    /// γ, in [0, 1]: what reward one decision later is worth.
    #[serde(default = "default_discount")]
    pub discount: f64,
    /// ε at the start, in [0, 1]: share of actions drawn at random among the legal ones.
    #[serde(default = "default_exploration")]
    pub exploration: f64,
    /// ε at the end, in [0, 1].
    #[serde(default = "default_exploration_final")]
    pub exploration_final: f64,
    /// Ticks over which ε falls linearly from the one to the other.
    #[serde(default = "default_exploration_ticks")]
    pub exploration_ticks: u64,
    /// Value of every pair (s,a) before it was tried.
    #[serde(default)]
    pub initial_value: f64,
    /// Learn at all; `false` keeps the table as it is and explores nothing.
    #[serde(default = "default_true")]
    pub learn: bool,
    /// Start from a table that an earlier run saved: its run folder (the policy of the same name) or its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
}

fn default_learning_rate() -> f64 {
    0.1
}
fn default_discount() -> f64 {
    0.98
}
fn default_exploration() -> f64 {
    0.2
}
fn default_exploration_final() -> f64 {
    0.02
}
fn default_exploration_ticks() -> u64 {
    1000
}
fn default_true() -> bool {
    true
}

impl Settings for TabularSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        within(section, "learning_rate", self.learning_rate, false)?;
        within(section, "discount", self.discount, true)?;
        within(section, "exploration", self.exploration, true)?;
        within(section, "exploration_final", self.exploration_final, true)?;
        if !self.initial_value.is_finite() {
            return Err(section.invalid("initial_value", "not a finite number", "0 is usual"));
        }
        Ok(())
    }
}

pub(super) fn load_from(section: &Section) -> Result<Option<String>, ScenarioError> {
    Ok(section.settings::<TabularSettings>()?.load)
}

/// Makes the learner of one algorithm for a registry.
pub(super) fn build<T: Target>(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<TabularSettings>()?;
    let discretiser = Discretiser::new(&settings.state, space, section)?;
    Ok(Box::new(Tabular::<T>::new(settings, discretiser, space.clone())))
}

const EXPLORE: Purpose = Purpose::named("rl.q_learning.explore");

/// What sets one tabular algorithm apart: which values move, and towards what.
pub trait Target: Default + Send + Sync + 'static {
    /// Registry entry.
    const KIND: &'static Kind;
    /// Tables of values that it keeps; what is acted on is their mean.
    const TABLES: usize = 1;

    /// Learns from one step; gives the temporal-difference error, or `None` where the step has to wait for the next.
    fn learn(&mut self, step: Step, table: &mut Table, context: &Context) -> Option<f64>;

    /// Steps that wait, as rows of an array `waiting`.
    fn waiting(&self) -> Vec<[f64; WAITING]> {
        Vec::new()
    }

    /// Takes them over; false when they are none of this algorithm's.
    fn wait(&mut self, rows: &[[f64; WAITING]], _: &Table) -> bool {
        rows.is_empty()
    }
}

/// Numbers of a waiting step.
pub const WAITING: usize = 6;

/// One agent's transition, in states of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Whose.
    pub agent: AgentId,
    /// Where it was.
    pub state: usize,
    /// What it did.
    pub action: usize,
    /// What that was worth.
    pub reward: f64,
    /// Where it is now and what is legal there; `None` where nothing follows.
    pub next: Option<(usize, LegalActions)>,
    /// Whether the agent's next decision belongs to another episode.
    pub cut_off: bool,
}

/// What a target may need beside the step and the table.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// α of pairs tried often.
    pub learning_rate: f64,
    /// Whether α starts as 1/n.
    pub harmonic_start: bool,
    /// γ.
    pub discount: f64,
    /// ε now.
    pub exploration: f64,
    /// Whether values move at all.
    pub learns: bool,
    /// Now.
    pub tick: Tick,
    /// The run's chance.
    pub chance: Chance,
}

/// The values and what is needed to act on them. Immutable while a policy holds it.
pub struct Table {
    discretiser: Arc<Discretiser>,
    /// Actions a state.
    pub actions: usize,
    /// Cells of one table: states × actions.
    pub cells: usize,
    /// Values, table by table.
    pub values: Vec<f64>,
    /// How often each was learned.
    pub visits: Vec<u32>,
    exploration: Exploration,
    /// Learning is over: what was never tried has only its initial value to speak for it, and is left alone where
    /// anything was tried.
    deployed: bool,
}

#[derive(Clone, Copy)]
struct Exploration {
    start: f64,
    end: f64,
    ticks: u64,
}

impl Exploration {
    const NONE: Self = Self { start: 0.0, end: 0.0, ticks: 0 };

    fn at(self, tick: Tick) -> f64 {
        if tick.0 >= self.ticks {
            return self.end;
        }
        self.start + (self.end - self.start) * (tick.0 as f64 / self.ticks as f64)
    }
}

impl Table {
    fn copy(&self) -> Self {
        Self {
            discretiser: Arc::clone(&self.discretiser),
            actions: self.actions,
            cells: self.cells,
            values: self.values.clone(),
            visits: self.visits.clone(),
            exploration: self.exploration,
            deployed: self.deployed,
        }
    }

    /// What there is to choose from in a state: the legal actions, or, deployed, those of them that were tried.
    fn eligible(&self, state: usize, legal: LegalActions) -> LegalActions {
        if !self.deployed {
            return legal;
        }
        let tried = |action: &Action| {
            let cell = state * self.actions + action.index();
            self.visits.iter().skip(cell).step_by(self.cells).any(|&visits| visits > 0)
        };
        let tried = legal.iter().filter(tried).fold(LegalActions::default(), LegalActions::with);
        if tried.count() > 0 { tried } else { legal }
    }

    /// Q(s,a): the mean over the tables.
    #[must_use]
    pub fn value(&self, state: usize, action: usize) -> f64 {
        let cell = state * self.actions + action;
        if self.values.len() == self.cells {
            return self.values[cell];
        }
        let tables = self.values.len() / self.cells;
        self.values.iter().skip(cell).step_by(self.cells).sum::<f64>() / tables as f64
    }

    /// The greatest value of the legal actions of a state.
    #[must_use]
    pub fn best(&self, state: usize, legal: LegalActions) -> f64 {
        legal.iter().map(|action| self.value(state, action.index())).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The actions of that value.
    fn ties(&self, state: usize, legal: LegalActions) -> LegalActions {
        let best = self.best(state, legal);
        #[expect(clippy::float_cmp, reason = "the maximum is one of these very numbers")]
        let is_best = |action: &Action| self.value(state, action.index()) == best;
        legal.iter().filter(is_best).fold(LegalActions::default(), LegalActions::with)
    }

    /// What a state is worth to who chooses ε-greedily there: Σ π(a|s) Q(s,a).
    #[must_use]
    pub fn expected(&self, state: usize, legal: LegalActions, exploration: f64) -> f64 {
        let mean = legal.iter().map(|action| self.value(state, action.index())).sum::<f64>() / f64::from(legal.count());
        exploration * mean + (1.0 - exploration) * self.best(state, legal)
    }

    /// Moves the value of a pair in table `number` towards a target; gives the error before the move.
    pub fn improve(&mut self, number: usize, state: usize, action: usize, target: f64, context: &Context) -> f64 {
        let cell = number * self.cells + state * self.actions + action;
        let error = target - self.values[cell];
        if context.learns {
            self.visits[cell] = self.visits[cell].saturating_add(1);
            let harmonic = if context.harmonic_start { 1.0 / f64::from(self.visits[cell]) } else { 0.0 };
            self.values[cell] += context.learning_rate.max(harmonic) * error;
        }
        error
    }
}

impl Policy for Table {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        let exploration = self.exploration.at(decisions.tick);
        for (row, action) in actions.iter_mut().enumerate() {
            let legal = decisions.legal[row];
            let mut draw = decisions.chance.draw(EXPLORE, decisions.tick, decisions.agents[row]);
            if exploration > 0.0 && draw.random::<f64>() < exploration {
                *action = legal.nth(draw.random_range(0..legal.count())).expect("below the count");
                continue;
            }
            let state = self.discretiser.state(decisions.row(row));
            let ties = self.ties(state, self.eligible(state, legal));
            let count = ties.count();
            let rank = if count > 1 { draw.random_range(0..count) } else { 0 };
            *action = ties.nth(rank).expect("below the count");
        }
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, actions: &[Action]) -> Option<Vec<f64>> {
        let exploration = self.exploration.at(decisions.tick);
        let of = |(row, &action): (usize, &Action)| {
            let legal = decisions.legal[row];
            let state = self.discretiser.state(decisions.row(row));
            let ties = self.ties(state, self.eligible(state, legal));
            let best = if ties.allows(action) { 1.0 / f64::from(ties.count()) } else { 0.0 };
            (exploration / f64::from(legal.count()) + (1.0 - exploration) * best).ln()
        };
        Some(actions.iter().enumerate().map(of).collect())
    }
}

/// A tabular learner.
pub struct Tabular<T: Target> {
    settings: TabularSettings,
    space: Space,
    table: Arc<Table>,
    target: T,
}

impl<T: Target> Tabular<T> {
    /// A learner with every value at its initial value.
    #[must_use]
    pub fn new(settings: TabularSettings, discretiser: Discretiser, space: Space) -> Self {
        let cells = discretiser.states() * space.menu.len();
        let exploration = if settings.learn {
            Exploration {
                start: settings.exploration,
                end: settings.exploration_final,
                ticks: settings.exploration_ticks,
            }
        } else {
            Exploration::NONE
        };
        let table = Arc::new(Table {
            discretiser: Arc::new(discretiser),
            actions: space.menu.len(),
            cells,
            values: vec![settings.initial_value; T::TABLES * cells],
            visits: vec![0; T::TABLES * cells],
            exploration,
            deployed: !settings.learn,
        });
        Self { settings, space, table, target: T::default() }
    }

    /// Q(s,a), row-major: states × actions; where there are several tables, the first of them first.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.table.values
    }

    /// Q(s,a) as it is acted on.
    #[must_use]
    pub fn value(&self, state: usize, action: usize) -> f64 {
        self.table.value(state, action)
    }

    fn table_mut(table: &mut Arc<Table>) -> &mut Table {
        // A policy that is still held somewhere keeps the table it was given.
        if Arc::get_mut(table).is_none() {
            *table = Arc::new(table.copy());
        }
        Arc::get_mut(table).expect("just made")
    }

    fn head(&self) -> PolicyFile {
        head(T::KIND.name, &self.space, serde_json::to_string(&self.settings.state).expect("plain data"))
    }

    fn shape(&self) -> Vec<usize> {
        let (states, actions) = (self.table.discretiser.states(), self.table.actions);
        if T::TABLES == 1 { vec![states, actions] } else { vec![T::TABLES, states, actions] }
    }
}

impl<T: Target> Learner for Tabular<T> {
    fn learn(&mut self, batch: &TransitionBatch<'_>) -> Result<LearnStats, LearnError> {
        check_finite(batch)?;
        let width = batch.space.features.len();
        let table = Self::table_mut(&mut self.table);
        let context = Context {
            learning_rate: self.settings.learning_rate,
            harmonic_start: self.settings.harmonic_start,
            discount: self.settings.discount,
            exploration: table.exploration.at(batch.tick),
            learns: self.settings.learn,
            tick: batch.tick,
            chance: batch.chance,
        };
        let mut stats = LearnStats {
            transitions: batch.agents.len() as u64,
            exploration: context.exploration,
            ..LearnStats::default()
        };
        let (mut errors, mut learned) = (0.0, 0_u32);
        for (row, &outcome) in batch.outcomes.iter().enumerate() {
            let columns = row * width..(row + 1) * width;
            let reward = f64::from(batch.rewards[row]);
            stats.reward += reward;
            stats.episodes += u64::from(outcome != Outcome::Continues);
            let step = Step {
                agent: batch.agents[row],
                state: table.discretiser.state(&batch.features[columns.clone()]),
                action: batch.actions[row].index(),
                reward,
                next: (outcome != Outcome::Terminated)
                    .then(|| (table.discretiser.state(&batch.next_features[columns]), batch.next_legal[row])),
                cut_off: outcome == Outcome::Truncated,
            };
            if let Some(error) = self.target.learn(step, table, &context) {
                errors += error.abs();
                learned += 1;
            }
        }
        stats.error = errors / f64::from(learned.max(1));
        Ok(stats)
    }

    fn policy(&self) -> Arc<dyn Policy> {
        Arc::clone(&self.table) as Arc<dyn Policy>
    }

    fn deployed(&self) -> Arc<dyn Policy> {
        Arc::new(Table { exploration: Exploration::NONE, deployed: true, ..self.table.copy() })
    }

    fn discount(&self) -> Option<f64> {
        Some(self.settings.discount)
    }

    fn save(&self) -> PolicyFile {
        let visits = self.table.visits.iter().map(|&count| f64::from(count)).collect();
        let mut file = self.head();
        file.tensors = vec![
            TensorData { name: "values".into(), shape: self.shape(), values: self.table.values.clone() },
            TensorData { name: "visits".into(), shape: self.shape(), values: visits },
        ];
        let waiting = self.target.waiting();
        if !waiting.is_empty() {
            let shape = vec![waiting.len(), WAITING];
            file.tensors.push(TensorData { name: "waiting".into(), shape, values: waiting.concat() });
        }
        file
    }

    fn load(&mut self, file: &PolicyFile) -> Result<(), PolicyFileError> {
        check_head(file, &self.head(), "states")?;
        let shape = self.shape();
        let (values, visits) = (array(file, "values", &shape)?, array(file, "visits", &shape)?);
        let waiting = match file.tensors.iter().find(|tensor| tensor.name == "waiting") {
            None => Vec::new(),
            Some(tensor) => super::checks::finite(tensor)?.as_chunks().0.to_vec(),
        };
        let table = Self::table_mut(&mut self.table);
        let mut target = T::default();
        if !target.wait(&waiting, table) {
            return Err(PolicyFileError::Mismatch {
                what: "waiting steps",
                saved: format!("{} rows", waiting.len()),
                needed: "steps of this table".into(),
            });
        }
        self.target = target;
        table.values = values;
        table.visits = visits.into_iter().map(|count| count as u32).collect();
        Ok(())
    }
}
