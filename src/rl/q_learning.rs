//! Tabular Q-learning (Watkins, "Learning from Delayed Rewards", 1989; Watkins and Dayan 1992, equation 1):
//!
//! Q(s,a) += α [r + γ max Q(s′,·) − Q(s,a)], the maximum over the actions that are legal in s′, 0 after the end.
//!
//! Exploration is ε-greedy with ε falling linearly; ties between best actions are broken at random. Rows of a batch
//! are learned from one after another in `AgentId` order, so the table does not depend on threads.

use std::sync::Arc;

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::discretise::{Discretiser, StateFeature};
use crate::base::{
    Action, DecisionBatch, LearnError, LearnStats, Learner, LegalActions, Outcome, Policy, PolicyError, PolicyFile,
    PolicyFileError, Purpose, Space, TensorData, Tick, TransitionBatch,
};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "q_learning",
    about: "tabular Q-learning (Watkins 1989) with ε-greedy exploration over a declared discretisation",
    settings: SettingsType::of::<QLearningSettings>(),
};

/// Settings of `kind = "q_learning"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QLearningSettings {
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

impl Settings for QLearningSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        let within = |key: &str, value: f64, low: bool| {
            if (0.0..=1.0).contains(&value) && (low || value > 0.0) {
                return Ok(());
            }
            let range = if low { "[0, 1]" } else { "(0, 1]" };
            Err(section.invalid(key, format!("{value} is outside {range}"), format!("give a number in {range}")))
        };
        within("learning_rate", self.learning_rate, false)?;
        within("discount", self.discount, true)?;
        within("exploration", self.exploration, true)?;
        within("exploration_final", self.exploration_final, true)?;
        if !self.initial_value.is_finite() {
            return Err(section.invalid("initial_value", "not a finite number", "0 is usual"));
        }
        Ok(())
    }
}

pub(super) fn load_from(section: &Section) -> Result<Option<String>, ScenarioError> {
    Ok(section.settings::<QLearningSettings>()?.load)
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<QLearningSettings>()?;
    let discretiser = Discretiser::new(&settings.state, space, section)?;
    Ok(Box::new(QLearning::new(settings, discretiser, space.clone())))
}

const EXPLORE: Purpose = Purpose::named("rl.q_learning.explore");

/// The table and what is needed to act on it. Immutable while a policy holds it.
struct Table {
    discretiser: Arc<Discretiser>,
    actions: usize,
    values: Vec<f64>,
    visits: Vec<u32>,
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
        let visits = &self.visits[state * self.actions..(state + 1) * self.actions];
        let tried =
            legal.iter().filter(|action| visits[action.index()] > 0).fold(LegalActions::default(), LegalActions::with);
        if tried.count() > 0 { tried } else { legal }
    }

    fn best(&self, state: usize, legal: LegalActions) -> f64 {
        let row = &self.values[state * self.actions..(state + 1) * self.actions];
        legal.iter().map(|action| row[action.index()]).fold(f64::NEG_INFINITY, f64::max)
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
            let legal = self.eligible(state, legal);
            let best = self.best(state, legal);
            let values = &self.values[state * self.actions..(state + 1) * self.actions];
            #[expect(clippy::float_cmp, reason = "the maximum is one of these very numbers")]
            let ties = || legal.iter().filter(|action| values[action.index()] == best);
            let count = ties().count() as u32;
            let rank = if count > 1 { draw.random_range(0..count) } else { 0 };
            *action = ties().nth(rank as usize).expect("below the count");
        }
        Ok(())
    }
}

/// The learner.
pub struct QLearning {
    settings: QLearningSettings,
    space: Space,
    table: Arc<Table>,
}

impl QLearning {
    /// A learner with every value at its initial value.
    #[must_use]
    pub fn new(settings: QLearningSettings, discretiser: Discretiser, space: Space) -> Self {
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
            values: vec![settings.initial_value; cells],
            visits: vec![0; cells],
            exploration,
            deployed: !settings.learn,
        });
        Self { settings, space, table }
    }

    /// Q(s,a), row-major: states × actions.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.table.values
    }

    fn table_mut(&mut self) -> &mut Table {
        // A policy that is still held somewhere keeps the table it was given.
        if Arc::get_mut(&mut self.table).is_none() {
            self.table = Arc::new(self.table.copy());
        }
        Arc::get_mut(&mut self.table).expect("just made")
    }

    fn layout(&self) -> String {
        serde_json::to_string(&self.settings.state).expect("plain data")
    }
}

impl Learner for QLearning {
    fn learn(&mut self, batch: &TransitionBatch<'_>) -> Result<LearnStats, LearnError> {
        let width = batch.space.features.len();
        for (row, &reward) in batch.rewards.iter().enumerate() {
            let bad = |what: String, value: f32| LearnError::NotFinite {
                agent: batch.agents[row],
                tick: batch.tick,
                what,
                value,
            };
            if !reward.is_finite() {
                return Err(bad("its reward".into(), reward));
            }
            let columns = row * width..(row + 1) * width;
            for seen in [&batch.features[columns.clone()], &batch.next_features[columns]] {
                if let Some(feature) = seen.iter().position(|value| !value.is_finite()) {
                    return Err(bad(format!("feature \"{}\"", batch.space.features[feature]), seen[feature]));
                }
            }
        }
        let (learning_rate, harmonic_start) = (self.settings.learning_rate, self.settings.harmonic_start);
        let (discount, learns) = (self.settings.discount, self.settings.learn);
        let table = self.table_mut();
        let mut stats = LearnStats {
            transitions: batch.agents.len() as u64,
            exploration: table.exploration.at(batch.tick),
            ..LearnStats::default()
        };
        let mut errors = 0.0;
        for row in 0..batch.agents.len() {
            let reward = f64::from(batch.rewards[row]);
            let ended = batch.outcomes[row] == Outcome::Terminated;
            stats.reward += reward;
            stats.episodes += u64::from(batch.outcomes[row] != Outcome::Continues);
            let state = table.discretiser.state(&batch.features[row * width..(row + 1) * width]);
            let future = if ended {
                0.0
            } else {
                let next = table.discretiser.state(&batch.next_features[row * width..(row + 1) * width]);
                table.best(next, batch.next_legal[row])
            };
            let cell = state * table.actions + batch.actions[row].index();
            let error = reward + discount * future - table.values[cell];
            errors += error.abs();
            if learns {
                table.visits[cell] = table.visits[cell].saturating_add(1);
                let harmonic = if harmonic_start { 1.0 / f64::from(table.visits[cell]) } else { 0.0 };
                table.values[cell] += learning_rate.max(harmonic) * error;
            }
        }
        stats.error = errors / batch.agents.len().max(1) as f64;
        Ok(stats)
    }

    fn policy(&self) -> Arc<dyn Policy> {
        Arc::clone(&self.table) as Arc<dyn Policy>
    }

    fn deployed(&self) -> Arc<dyn Policy> {
        Arc::new(Table { exploration: Exploration::NONE, deployed: true, ..self.table.copy() })
    }

    fn save(&self) -> PolicyFile {
        let shape = vec![self.table.discretiser.states(), self.table.actions];
        let visits = self.table.visits.iter().map(|&count| f64::from(count)).collect();
        PolicyFile {
            kind: KIND.name.to_owned(),
            features: self.space.features.iter().map(|&name| name.to_owned()).collect(),
            actions: self.space.menu.names.iter().map(|&name| name.to_owned()).collect(),
            layout: self.layout(),
            tensors: vec![
                TensorData { name: "values".into(), shape: shape.clone(), values: self.table.values.clone() },
                TensorData { name: "visits".into(), shape, values: visits },
            ],
        }
    }

    fn load(&mut self, file: &PolicyFile) -> Result<(), PolicyFileError> {
        let needed = self.save();
        let same = |what, saved: &dyn std::fmt::Debug, needed: &dyn std::fmt::Debug| {
            let (saved, needed) = (format!("{saved:?}"), format!("{needed:?}"));
            if saved == needed { Ok(()) } else { Err(PolicyFileError::Mismatch { what, saved, needed }) }
        };
        same("algorithms", &file.kind, &needed.kind)?;
        same("features", &file.features, &needed.features)?;
        same("actions", &file.actions, &needed.actions)?;
        same("states", &file.layout, &needed.layout)?;
        let array = |wanted: &TensorData| {
            file.tensors
                .iter()
                .find(|tensor| tensor.name == wanted.name && tensor.shape == wanted.shape)
                .map(|tensor| tensor.values.clone())
                .ok_or_else(|| PolicyFileError::MissingTensor {
                    name: wanted.name.clone(),
                    shape: wanted.shape.clone(),
                })
        };
        let (values, visits) = (array(&needed.tensors[0])?, array(&needed.tensors[1])?);
        if let Some(cell) = values.iter().position(|value| !value.is_finite()) {
            return Err(PolicyFileError::Mismatch {
                what: "values",
                saved: format!("{} in cell {cell}", values[cell]),
                needed: "finite numbers".into(),
            });
        }
        let table = self.table_mut();
        table.values = values;
        table.visits = visits.into_iter().map(|count| count as u32).collect();
        Ok(())
    }
}
