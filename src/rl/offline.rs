//! What learners from recordings share: rows of other runs as one table, weights that are learned before the first
//! decision and then stay, and the policy that acts by them. How they are learned is a [`Method`], one file each.

use std::sync::{Arc, OnceLock};

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecordingSource;
use super::action_values::best;
use super::approximator::Approximator;
use super::checks::{array, check_finite, check_head, head};
use super::experience::Experience;
use super::network::Trace;
use super::network_settings::NetworkSettings;
use super::normalise::Moments;
use super::optimiser::Adam;
use crate::base::{
    Action, Chance, DecisionBatch, LearnError, LearnStats, Learner, LegalActions, Outcome, Policy, PolicyError,
    PolicyFile, PolicyFileError, Purpose, Space, StudyStats, TensorData, TransitionBatch, Transitions,
};
use crate::scenario::{ScenarioError, Section};

/// How a policy takes its actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choosing {
    /// The likeliest legal action.
    #[default]
    Likeliest,
    /// A legal action drawn by its probability.
    Drawn,
}

const DRAW: Purpose = Purpose::named("rl.offline.draw");

/// Rows that are computed together.
pub(super) const ROWS: usize = 256;

/// Checks where data come from, under the keys `data` and `learn`, and that the network reads what is recorded.
pub(super) fn check_data(
    section: &Section,
    network: &NetworkSettings,
    (data, learn): (&[String], bool),
) -> Result<(), ScenarioError> {
    if network.history > 1 {
        let help = "leave `history` out: recordings hold single observations";
        return Err(section.invalid("network.history", "what is learned from recordings has no history", help));
    }
    if learn && data.is_empty() {
        let help = "name run folders with `data = [\"RUN\"]`, or keep what `load` brings with `learn = false`";
        return Err(section.invalid("data", "there is nothing to learn from", help));
    }
    Ok(())
}

/// The recordings that a section's settings name, unless it does not learn.
pub(super) fn sources(data: Vec<String>, policy: Option<&String>, learn: bool) -> Vec<RecordingSource> {
    let source = |path| RecordingSource { path, policy: policy.cloned() };
    if learn { data.into_iter().map(source).collect() } else { Vec::new() }
}

/// The network before anything was learned.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub network: NetworkSettings,
    pub features: usize,
    pub outputs: usize,
    /// Factor of the last layer's weights.
    pub last_gain: f32,
    pub purpose: Purpose,
}

impl Start {
    /// The network that a run of this chance begins with.
    pub fn network(&self, chance: Chance) -> Box<dyn Approximator> {
        self.network.build(self.features, self.outputs, self.last_gain, (chance, self.purpose, 0))
    }
}

/// What a method learns from: all recordings, one behind the other.
pub(super) struct Lessons {
    /// The rows, with features as the network sees them.
    pub rows: Experience,
    /// Rows of each episode.
    pub episodes: Vec<Vec<usize>>,
}

/// How weights are learned from recordings.
pub(super) trait Method: Send + Sync {
    /// Registry name.
    const KIND: &'static str;

    /// Learns; the learner is given with the weights to start from.
    fn study(
        &self,
        weights: &mut Weights,
        lessons: &Lessons,
        space: &Space,
        chance: Chance,
    ) -> Result<Vec<StudyStats>, LearnError>;
}

/// What is learned, and what its optimiser remembers.
#[derive(Clone)]
pub(super) struct Weights {
    pub network: Box<dyn Approximator>,
    pub adam: Adam,
    /// Gradient steps ever taken.
    pub steps: u64,
}

/// What a learner from recordings is built from, besides its method.
pub(super) struct Plan {
    pub start: Start,
    /// Settings that fix the meaning of the weights.
    pub layout: serde_json::Value,
    pub normalise: bool,
    pub choosing: Choosing,
    pub learn: bool,
}

/// A learner from recordings.
pub(super) struct Student<M: Method> {
    method: M,
    plan: Arc<Plan>,
    space: Space,
    recordings: Arc<[Transitions]>,
    weights: Option<Weights>,
    moments: Option<Moments>,
    published: Arc<Published>,
}

/// The policy.
struct Published {
    plan: Arc<Plan>,
    /// Filled at the first decision where nothing was learned or loaded before.
    network: OnceLock<Box<dyn Approximator>>,
    moments: Option<Moments>,
}

impl Published {
    /// Outputs for rows of features, block by block of [`ROWS`].
    fn over(&self, network: &dyn Approximator, decisions: &DecisionBatch<'_>, mut row: impl FnMut(usize, &[f32])) {
        let (inputs, stride) = (network.inputs(), network.stride());
        let (mut trace, mut seen) = (Trace::default(), Vec::new());
        for (block, features) in decisions.features.chunks(ROWS * inputs).enumerate() {
            seen.clear();
            seen.extend_from_slice(features);
            if let Some(moments) = &self.moments {
                moments.normalise(&mut seen);
            }
            let outputs = network.forward(&seen, features.len() / inputs, &mut trace);
            for (place, outputs) in outputs.chunks(stride).enumerate() {
                row(block * ROWS + place, outputs);
            }
        }
    }
}

/// Probabilities of legal actions by logits: the largest logit and the logarithm of the sum of exponentials.
pub(super) fn log_sum(logits: &[f32], legal: LegalActions) -> f32 {
    let most = legal.iter().map(|action| logits[action.index()]).fold(f32::NEG_INFINITY, f32::max);
    most + legal.iter().map(|action| (logits[action.index()] - most).exp()).sum::<f32>().ln()
}

impl Policy for Published {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        let network = self.network.get_or_init(|| self.plan.start.network(decisions.chance));
        self.over(&**network, decisions, |row, outputs| {
            let legal = decisions.legal[row];
            actions[row] = best(outputs, legal);
            if self.plan.choosing == Choosing::Drawn {
                let mut left: f32 = decisions.chance.draw(DRAW, decisions.tick, decisions.agents[row]).random();
                let all = log_sum(outputs, legal);
                for candidate in legal.iter() {
                    left -= (outputs[candidate.index()] - all).exp();
                    if left < 0.0 {
                        actions[row] = candidate;
                        break;
                    }
                }
            }
        });
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, actions: &[Action]) -> Option<Vec<f64>> {
        let network = self.network.get()?;
        let mut told = vec![0.0; actions.len()];
        if self.plan.choosing == Choosing::Drawn {
            self.over(&**network, decisions, |row, outputs| {
                let all = log_sum(outputs, decisions.legal[row]);
                told[row] = f64::from(outputs[actions[row].index()] - all).min(0.0);
            });
        }
        Some(told)
    }
}

impl<M: Method> Student<M> {
    /// A learner that has learned nothing.
    pub fn new(method: M, plan: Plan, space: Space) -> Self {
        let plan = Arc::new(plan);
        let published = Published { plan: Arc::clone(&plan), network: OnceLock::new(), moments: None };
        Self {
            method,
            space,
            recordings: [].into(),
            weights: None,
            moments: None,
            published: Arc::new(published),
            plan,
        }
    }

    fn publish(&mut self) {
        let network = OnceLock::new();
        if let Some(weights) = &self.weights {
            network.get_or_init(|| weights.network.clone());
        }
        self.published = Arc::new(Published { plan: Arc::clone(&self.plan), network, moments: self.moments.clone() });
    }

    fn head(&self) -> PolicyFile {
        head(M::KIND, &self.space, self.plan.layout.to_string())
    }

    /// All rows of the recordings, with features brought to one scale: that of these rows, or, where weights were
    /// loaded, the one they were learned with.
    fn gather(&mut self) -> Lessons {
        let width = self.space.features.len();
        let mut rows = Experience::new(width, usize::MAX);
        let mut episodes = Vec::new();
        for recording in &*self.recordings {
            let before = rows.len();
            for row in 0..recording.len() {
                rows.put(
                    recording.agents[row],
                    &recording.features[row * width..(row + 1) * width],
                    recording.legal[row],
                    recording.actions[row].0,
                    recording.rewards[row],
                    &recording.next_features[row * width..(row + 1) * width],
                    recording.next_legal[row],
                    recording.outcomes[row],
                );
            }
            let shifted = |episode: Vec<usize>| episode.into_iter().map(|row| before + row).collect();
            episodes.extend(recording.episodes().into_iter().map(shifted));
        }
        if self.plan.normalise && self.moments.is_none() {
            let mut moments = Moments::new(width);
            moments.observe(&rows.features);
            self.moments = Some(moments);
        }
        if let Some(moments) = &self.moments {
            moments.normalise(&mut rows.features);
            moments.normalise(&mut rows.next_features);
        }
        Lessons { rows, episodes }
    }
}

impl<M: Method> Learner for Student<M> {
    fn learn(&mut self, batch: &TransitionBatch<'_>) -> Result<LearnStats, LearnError> {
        check_finite(batch)?;
        Ok(LearnStats {
            transitions: batch.agents.len() as u64,
            episodes: batch.outcomes.iter().filter(|outcome| **outcome != Outcome::Continues).count() as u64,
            reward: batch.rewards.iter().map(|&reward| f64::from(reward)).sum(),
            ..LearnStats::default()
        })
    }

    fn give(&mut self, recordings: Arc<[Transitions]>) {
        self.recordings = recordings;
    }

    fn studies(&self) -> bool {
        self.plan.learn
    }

    fn study(&mut self, chance: Chance) -> Result<Vec<StudyStats>, LearnError> {
        if !self.plan.learn {
            return Ok(Vec::new());
        }
        let lessons = self.gather();
        if lessons.rows.is_empty() {
            return Err(LearnError::Recording("there are no recorded transitions to learn from".into()));
        }
        let fresh = || {
            let network = self.plan.start.network(chance);
            Weights { adam: Adam::new(&*network), network, steps: 0 }
        };
        let mut weights = self.weights.take().unwrap_or_else(fresh);
        let studies = self.method.study(&mut weights, &lessons, &self.space, chance)?;
        self.weights = Some(weights);
        self.recordings = [].into();
        self.publish();
        Ok(studies)
    }

    fn policy(&self) -> Arc<dyn Policy> {
        Arc::clone(&self.published) as Arc<dyn Policy>
    }

    fn deployed(&self) -> Arc<dyn Policy> {
        self.policy()
    }

    fn save(&self) -> PolicyFile {
        let mut file = self.head();
        // Before anything was learned the weights are those that any run begins with; here those of chance 0.
        let fresh = || {
            let network = self.plan.start.network(Chance::new(0));
            Weights { adam: Adam::new(&*network), network, steps: 0 }
        };
        let Weights { network, adam, steps } = self.weights.clone().unwrap_or_else(fresh);
        file.tensors.extend(network.save("network", network.parameters()));
        file.tensors.extend(adam.save("adam", &*network));
        let counts = [u64::from(self.weights.is_some()), steps].map(|count| count as f64).to_vec();
        file.tensors.push(TensorData { name: "counts".into(), shape: vec![counts.len()], values: counts });
        if self.plan.normalise {
            let moments = self.moments.clone().unwrap_or_else(|| Moments::new(self.space.features.len()));
            file.tensors.push(moments.save("moments"));
        }
        file.tensors.sort_by(|left, right| left.name.cmp(&right.name));
        file
    }

    fn load(&mut self, file: &PolicyFile) -> Result<(), PolicyFileError> {
        check_head(file, &self.head(), "networks")?;
        let mut network = self.plan.start.network(Chance::new(0));
        let loaded = network.load("network", file)?;
        network.parameters_mut().copy_from_slice(&loaded);
        let adam = Adam::load("adam", &*network, file)?;
        let counts = array(file, "counts", &[2])?;
        let moments =
            if self.plan.normalise { Some(Moments::load("moments", self.space.features.len(), file)?) } else { None };
        let learned = counts[0] > 0.0;
        self.weights = learned.then_some(Weights { network, adam, steps: counts[1] as u64 });
        self.moments = moments.filter(|_| learned);
        self.publish();
        Ok(())
    }
}
