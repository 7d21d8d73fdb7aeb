//! Distillation (Hinton, Vinyals and Dean 2015; of policies: Rusu et al. 2016): a network learns what a language model
//! would do, by the cross-entropy
//!
//! − mean of Σ p(a) ln π(a|s)     over the advisor's latest answers p,
//!
//! and answers in its place where it is sure (its likeliest action has at least the probability `confidence`) and has been
//! right to be: among the latest `checks` answers on which it was sure, the advisor held the same action for likeliest in
//! a share of `agreement`. Elsewhere the advisor is asked, and so it is at spot checks, which keep that share honest:
//! answers are compared before they are learned from. What is done is the likeliest action, the advisor's where it was
//! asked. Rewards play no part.

mod examples;
mod settings;

use std::collections::VecDeque;
use std::sync::Arc;

use rand::RngExt;

use super::approximator::Approximator;
use super::checks::{array, check_finite, check_head, head};
use super::network::{Trace, Worker, over_chunks};
use super::objective::Shares;
use super::optimiser::{Adam, clipping};
use super::policy_network::PolicyNetwork;
use super::prior::likeliest;
use crate::base::{
    Action, AgentId, Chance, DecisionBatch, LearnError, LearnStats, Learner, LegalActions, Outcome, Policy,
    PolicyError, PolicyFile, PolicyFileError, Purpose, Space, TensorData, Tick, TransitionBatch,
};
use crate::scenario::{Kind, ScenarioError, Section, SettingsType};
use examples::Examples;

pub use settings::{DistilledSettings, TeacherSettings};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "distilled",
    about: "a network imitates a language model, answers in its place where it is sure, and asks elsewhere",
    settings: SettingsType::of::<DistilledSettings>(),
};

pub(super) fn load_from(section: &Section) -> Result<Option<String>, ScenarioError> {
    Ok(section.settings::<DistilledSettings>()?.load)
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    Ok(Box::new(Distilled::new(section.settings()?, space.clone())))
}

const WEIGHTS: Purpose = Purpose::named("rl.distilled.weights");
const SPOT_CHECK: Purpose = Purpose::named("rl.distilled.spot_check");
const DRAW: Purpose = Purpose::named("rl.distilled.draw");

fn begin(settings: &DistilledSettings, space: &Space, chance: Chance) -> Box<dyn Approximator> {
    settings.network.build(space.features.len(), space.menu.len(), 0.01, (chance, WEIGHTS, 0))
}

/// A network's likeliest legal action, and how likely it is.
fn answer(odds: &[f32], legal: LegalActions) -> (Action, f32) {
    let action = Action(likeliest(legal, odds) as u16);
    (action, Shares::of(odds, legal).probability(odds, action))
}

/// The policy as published.
struct Published {
    settings: Arc<DistilledSettings>,
    space: Space,
    network: PolicyNetwork,
    /// Whether it may answer alone where it is sure.
    trusted: bool,
    /// Whether it answers alone everywhere.
    alone: bool,
}

impl Published {
    /// The outputs for all rows, [`Approximator::stride`] numbers each.
    fn outputs(&self, decisions: &DecisionBatch<'_>) -> (Vec<f32>, usize) {
        let network = self.network.in_run(decisions.chance, || begin(&self.settings, &self.space, decisions.chance));
        let mut trace = Trace::default();
        (network.forward(decisions.features, decisions.agents.len(), &mut trace).to_vec(), network.stride())
    }

    fn is_spot_check(&self, chance: Chance, tick: Tick, agent: AgentId) -> bool {
        chance.draw(SPOT_CHECK, tick, agent).random::<f64>() < self.settings.spot_checks
    }
}

impl Policy for Published {
    fn history(&self) -> usize {
        self.settings.network.history as usize
    }

    fn wants_advice(&self, decisions: &DecisionBatch<'_>, wanted: &mut [bool]) {
        if self.alone {
            return;
        }
        let (outputs, stride) = self.outputs(decisions);
        for (row, wanted) in wanted.iter_mut().enumerate() {
            let (legal, agent) = (decisions.legal[row], decisions.agents[row]);
            let (_, probability) = answer(&outputs[row * stride..(row + 1) * stride], legal);
            let sure = self.trusted && f64::from(probability) >= self.settings.confidence;
            *wanted = legal.count() > 1 && (!sure || self.is_spot_check(decisions.chance, decisions.tick, agent));
        }
    }

    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        let (outputs, stride) = self.outputs(decisions);
        for (row, action) in actions.iter_mut().enumerate() {
            let own = &outputs[row * stride..(row + 1) * stride];
            *action = Action(likeliest(decisions.legal[row], decisions.advice(row).unwrap_or(own)) as u16);
        }
        Ok(())
    }
}

/// The network and what its optimiser remembers.
#[derive(Clone)]
struct Brain {
    network: Box<dyn Approximator>,
    adam: Adam,
}

impl Brain {
    fn new(network: Box<dyn Approximator>) -> Self {
        let adam = Adam::new(&*network);
        Self { network, adam }
    }
}

/// The learner.
pub struct Distilled {
    settings: Arc<DistilledSettings>,
    space: Space,
    brain: Option<Brain>,
    examples: Examples,
    /// Whether the advisor agreed, in the latest checks.
    checks: VecDeque<bool>,
    counts: Counts,
    published: Arc<Published>,
    workers: Vec<Worker>,
}

/// What a learner counts.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Answers ever learned from.
    answers: u64,
    /// Answers since the last update.
    fresh: u64,
    /// Updates.
    updates: u64,
    /// Gradient steps.
    steps: u64,
}

/// Sums over the rows of a gradient step.
#[derive(Default)]
struct Sums {
    loss: f64,
    entropy: f64,
    divergence: f64,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.loss += other.loss;
        self.entropy += other.entropy;
        self.divergence += other.divergence;
    }
}

impl Distilled {
    /// A learner that has learned nothing.
    #[must_use]
    pub fn new(settings: DistilledSettings, space: Space) -> Self {
        let settings = Arc::new(settings);
        let published = Published {
            settings: Arc::clone(&settings),
            space: space.clone(),
            network: PolicyNetwork::of(None),
            trusted: false,
            alone: !settings.learn,
        };
        Self {
            brain: None,
            examples: Examples::new(Self::widths(&settings, &space), settings.kept as usize),
            checks: VecDeque::new(),
            counts: Counts::default(),
            published: Arc::new(published),
            workers: Vec::new(),
            settings,
            space,
        }
    }

    fn widths(settings: &DistilledSettings, space: &Space) -> [usize; 2] {
        [settings.network.sight(space.features.len()).width(), space.menu.len()]
    }

    fn is_trusted(&self) -> bool {
        let agreed = self.checks.iter().filter(|&&agreed| agreed).count();
        let wanted = self.settings.checks as usize;
        self.checks.len() >= wanted && agreed as f64 >= self.settings.agreement * self.checks.len() as f64
    }

    fn publication(&self, alone: bool) -> Published {
        let network = PolicyNetwork::of(self.brain.as_ref().map(|brain| &*brain.network));
        let (settings, space) = (Arc::clone(&self.settings), self.space.clone());
        Published { settings, space, network, trusted: self.is_trusted(), alone }
    }

    /// Compares the network's own answers with the advisor's, and keeps these to learn from.
    fn take_in(&mut self, batch: &TransitionBatch<'_>, stats: &mut LearnStats) {
        let [width, _] = Self::widths(&self.settings, &self.space);
        let network =
            &self.brain.get_or_insert_with(|| Brain::new(begin(&self.settings, &self.space, batch.chance))).network;
        let mut trace = Trace::default();
        for (row, &legal) in batch.legal.iter().enumerate().filter(|(_, legal)| legal.count() > 1) {
            let Some(advice) = batch.advice(row) else { continue };
            let seen = &batch.features[row * width..(row + 1) * width];
            let (own, probability) = answer(network.forward(seen, 1, &mut trace), legal);
            if f64::from(probability) >= self.settings.confidence {
                let agreed = likeliest(legal, advice) == own.index();
                stats.checked += 1;
                stats.agreed += u64::from(agreed);
                self.checks.push_back(agreed);
                if self.checks.len() > self.settings.checks as usize {
                    self.checks.pop_front();
                }
            }
            self.examples.push(seen, legal, advice.iter().map(|advised| advised.exp()));
            self.counts.answers += 1;
            self.counts.fresh += 1;
        }
    }

    /// Takes the gradient steps of an update.
    fn update(&mut self, batch: &TransitionBatch<'_>, stats: &mut LearnStats) -> Result<(), LearnError> {
        let (settings, examples) = (Arc::clone(&self.settings), &self.examples);
        let brain = self.brain.as_mut().expect("made when the first answer was taken in");
        let mut draw = batch.chance.keyed(DRAW, self.counts.updates, 0);
        let mut gradients = vec![0.0; brain.network.parameters().len()];
        let mut total = Sums::default();
        let rate = settings.optimiser.rate(self.counts.answers);
        for step in 0..settings.gradient_steps {
            let rows: Vec<usize> = (0..settings.minibatch).map(|_| draw.random_range(0..examples.len())).collect();
            let network = &*brain.network;
            let sums = over_chunks(rows.len(), &mut gradients, &mut self.workers, |range, worker, slab| {
                chunk(network, examples, &rows[range], 1.0 / rows.len() as f32, worker, slab)
            });
            total += sums;
            let (clip, norm) = clipping(&[&gradients], settings.optimiser.gradient_norm);
            if !norm.is_finite() {
                let steps = self.counts.steps + u64::from(step) + 1;
                return Err(LearnError::Diverged { tick: batch.tick, steps });
            }
            brain.adam.step(&settings.optimiser, rate, &mut *brain.network, &gradients, clip);
        }
        self.counts.steps += u64::from(settings.gradient_steps);
        if brain.network.parameters().iter().any(|value| !value.is_finite()) {
            return Err(LearnError::Diverged { tick: batch.tick, steps: self.counts.steps });
        }
        self.counts.updates += 1;
        self.counts.fresh = 0;
        let rows = f64::from(settings.gradient_steps) * f64::from(settings.minibatch);
        stats.gradient_steps = u64::from(settings.gradient_steps);
        (stats.loss, stats.entropy, stats.divergence) =
            (total.loss / rows, total.entropy / rows, total.divergence / rows);
        Ok(())
    }

    fn head(&self) -> PolicyFile {
        head(KIND.name, &self.space, serde_json::json!({ "network": self.settings.network.layout() }).to_string())
    }
}

/// The gradient of the cross-entropy of some answers.
fn chunk(
    network: &dyn Approximator,
    examples: &Examples,
    rows: &[usize],
    weight: f32,
    worker: &mut Worker,
    slab: &mut [f32],
) -> Sums {
    worker.features.clear();
    for &row in rows {
        worker.features.extend_from_slice(examples.seen(row));
    }
    let stride = network.stride();
    let outputs = network.forward(&worker.features, rows.len(), &mut worker.traces[0]);
    worker.outputs.clear();
    worker.outputs.resize(rows.len() * stride, 0.0);
    let mut sums = Sums::default();
    for ((&row, odds), gradients) in rows.iter().zip(outputs.chunks(stride)).zip(worker.outputs.chunks_mut(stride)) {
        let (legal, targets) = (examples.legal(row), examples.targets(row));
        let shares = Shares::of(odds, legal);
        for action in legal.iter() {
            let (log, target) = (shares.log_probability(odds, action), targets[action.index()]);
            gradients[action.index()] = weight * (log.exp() - target);
            sums.loss -= f64::from(target * log);
            sums.entropy -= f64::from(log.exp() * log);
            if target > 0.0 {
                sums.divergence += f64::from(target * (target.ln() - log));
            }
        }
    }
    network.backward(&worker.features, rows.len(), &worker.outputs, &mut worker.traces[0], slab);
    sums
}

impl Learner for Distilled {
    fn learn(&mut self, batch: &TransitionBatch<'_>) -> Result<LearnStats, LearnError> {
        check_finite(batch)?;
        let mut stats = LearnStats {
            transitions: batch.agents.len() as u64,
            episodes: batch.outcomes.iter().filter(|outcome| **outcome != Outcome::Continues).count() as u64,
            reward: batch.rewards.iter().map(|&reward| f64::from(reward)).sum(),
            ..LearnStats::default()
        };
        if !self.settings.learn {
            return Ok(stats);
        }
        let trusted = self.is_trusted();
        self.take_in(batch, &mut stats);
        let enough = self.counts.fresh >= u64::from(self.settings.learn_every);
        if enough {
            self.update(batch, &mut stats)?;
        }
        if enough || trusted != self.is_trusted() {
            self.published = Arc::new(self.publication(false));
        }
        Ok(stats)
    }

    fn policy(&self) -> Arc<dyn Policy> {
        Arc::clone(&self.published) as Arc<dyn Policy>
    }

    fn deployed(&self) -> Arc<dyn Policy> {
        Arc::new(self.publication(true))
    }

    fn save(&self) -> PolicyFile {
        let mut file = self.head();
        // Before the first answer the weights are those that any run begins with; here those of chance 0.
        let fresh = || Brain::new(begin(&self.settings, &self.space, Chance::new(0)));
        let brain = self.brain.clone().unwrap_or_else(fresh);
        file.tensors.extend(brain.network.save("policy", brain.network.parameters()));
        file.tensors.extend(brain.adam.save("adam.policy", &*brain.network));
        let Counts { answers, fresh, updates, steps } = self.counts;
        let counts = [u64::from(self.brain.is_some()), answers, fresh, updates, steps];
        let array = |name: &str, values: Vec<f64>| TensorData { name: name.into(), shape: vec![values.len()], values };
        file.tensors.push(array("counts", counts.map(|count| count as f64).to_vec()));
        file.tensors.push(array("checks", self.checks.iter().map(|&agreed| f64::from(u8::from(agreed))).collect()));
        file.tensors.extend(self.examples.save());
        file.tensors.sort_by(|left, right| left.name.cmp(&right.name));
        file
    }

    fn load(&mut self, file: &PolicyFile) -> Result<(), PolicyFileError> {
        check_head(file, &self.head(), "networks")?;
        let mut brain = Brain::new(begin(&self.settings, &self.space, Chance::new(0)));
        let loaded = brain.network.load("policy", file)?;
        brain.network.parameters_mut().copy_from_slice(&loaded);
        brain.adam = Adam::load("adam.policy", &*brain.network, file)?;
        let counts = array(file, "counts", &[5])?;
        let found = file.tensors.iter().find(|tensor| tensor.name == "checks").map_or(0, |tensor| tensor.values.len());
        let checks = array(file, "checks", &[found])?;
        let examples = Examples::load(Self::widths(&self.settings, &self.space), self.settings.kept as usize, file)?;
        let count = |place: usize| counts[place] as u64;
        self.counts = Counts { answers: count(1), fresh: count(2), updates: count(3), steps: count(4) };
        self.brain = (count(0) == 1).then_some(brain);
        let late = checks.len().saturating_sub(self.settings.checks as usize);
        self.checks = checks[late..].iter().map(|&agreed| agreed != 0.0).collect();
        self.examples = examples;
        self.published = Arc::new(self.publication(!self.settings.learn));
        Ok(())
    }
}
