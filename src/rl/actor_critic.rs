//! What PPO, A2C and REINFORCE share: a network for the policy and one for the values, the rollout, the normalisers, the
//! gradient steps, saving and loading. What sets them apart is a [`Plan`] and where advantages come from, one file each.
//!
//! Transitions are gathered while the published policy stays as it is. When the plan says so they are learned from, and
//! forgotten. A transition that was decided by an older policy than the published one is left out.

use std::sync::{Arc, OnceLock};

use rand::RngExt;

use super::checks::{array, check_finite, check_head, head};
use super::experience::Experience;
use super::network::{Network, Trace, Worker, over_chunks};
use super::network_settings::{NetworkSettings, NormaliseSettings};
use super::normalise::{Moments, ReturnScale};
use super::objective::{explained_variance, mean_and_deviation, surrogate};
use super::optimiser::{Adam, OptimiserSettings, clipping};
use crate::base::{
    Action, Chance, DecisionBatch, LearnError, LearnStats, Learner, LegalActions, Outcome, Policy, PolicyError,
    PolicyFile, PolicyFileError, Purpose, Space, TensorData, Tick, TransitionBatch,
};

/// When transitions have been gathered for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// So many transitions.
    Transitions(u64),
    /// So many whole episodes.
    Episodes(u64),
}

/// How one algorithm learns, read from its settings.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The algorithm's name.
    pub kind: &'static str,
    /// The networks.
    pub network: NetworkSettings,
    /// The steps.
    pub optimiser: OptimiserSettings,
    /// What is brought to one scale.
    pub normalise: NormaliseSettings,
    /// How long transitions are gathered.
    pub enough: Enough,
    /// How often the rollout is gone through.
    pub epochs: u32,
    /// Transitions of a gradient step; 0: all.
    pub minibatch: usize,
    /// γ.
    pub discount: f64,
    /// λ of generalised advantage estimation; 1: what came minus what was expected.
    pub lambda: f64,
    /// How far the policy may move from the one that decided; `None`: the plain policy gradient.
    pub clip: Option<f32>,
    /// Stop an update beyond this divergence.
    pub divergence_max: Option<f64>,
    /// Factor of the entropy.
    pub entropy: f32,
    /// Factor of the squared error of values.
    pub value_factor: f32,
    /// Bring advantages of a gradient step to mean 0 and variance 1.
    pub normalise_advantages: bool,
    /// Learn at all.
    pub learn: bool,
}

const WEIGHTS: Purpose = Purpose::named("rl.actor_critic.weights");
const DRAW: Purpose = Purpose::named("rl.actor_critic.draw");
const SHUFFLE: Purpose = Purpose::named("rl.actor_critic.shuffle");

/// Rows of a decision that are computed together.
const DECIDE_ROWS: usize = 256;

/// The networks at the start; which they are depends on the run's chance alone.
fn begin(plan: &Plan, space: &Space, chance: Chance) -> [Network; 2] {
    let (inputs, outputs) = (space.features.len(), space.menu.len());
    let (nonlinearity, gain) = (plan.network.nonlinearity(), std::f32::consts::SQRT_2);
    // A policy that begins near chance, and values near zero.
    let policy = Network::new(&plan.network.widths(inputs, outputs), nonlinearity, (gain, 0.01), (chance, WEIGHTS, 0));
    let value = Network::new(&plan.network.widths(inputs, 1), nonlinearity, (gain, 1.0), (chance, WEIGHTS, 1));
    [policy, value]
}

/// The policy as published: a network, whose outputs are the logarithms of odds.
struct Published {
    plan: Arc<Plan>,
    space: Space,
    /// Filled at the first decision where nothing was learned or loaded before.
    network: OnceLock<Network>,
    moments: Option<Moments>,
    /// Take the likeliest action instead of drawing one.
    greedy: bool,
}

impl Policy for Published {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        let network = self.network.get_or_init(|| {
            let [policy, _] = begin(&self.plan, &self.space, decisions.chance);
            policy
        });
        let (inputs, stride) = (network.inputs(), network.stride());
        let (mut trace, mut seen) = (Trace::default(), Vec::new());
        for (block, actions) in actions.chunks_mut(DECIDE_ROWS).enumerate() {
            let first = block * DECIDE_ROWS;
            seen.clear();
            seen.extend_from_slice(&decisions.features[first * inputs..(first + actions.len()) * inputs]);
            if let Some(moments) = &self.moments {
                moments.normalise(&mut seen);
            }
            let outputs = network.forward(&seen, actions.len(), &mut trace);
            for ((row, action), odds) in (first..).zip(actions).zip(outputs.chunks(stride)) {
                let legal = decisions.legal[row];
                if self.greedy {
                    let better =
                        |best: Action, next: Action| if odds[next.index()] > odds[best.index()] { next } else { best };
                    *action = legal.iter().reduce(better).expect("something is legal");
                    continue;
                }
                let mut left: f32 = decisions.chance.draw(DRAW, decisions.tick, decisions.agents[row]).random();
                let shares = Shares::of(odds, legal);
                *action = legal.nth(0).expect("something is legal");
                for candidate in legal.iter() {
                    left -= shares.probability(odds, candidate);
                    if left < 0.0 {
                        *action = candidate;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, actions: &[Action]) -> Option<Vec<f64>> {
        if self.greedy {
            return Some(vec![0.0; actions.len()]);
        }
        let network = self.network.get()?;
        let (mut trace, mut seen) = (Trace::default(), decisions.features.to_vec());
        if let Some(moments) = &self.moments {
            moments.normalise(&mut seen);
        }
        let outputs = network.forward(&seen, actions.len(), &mut trace);
        let of = |(row, (&action, odds)): (usize, (&Action, &[f32]))| {
            f64::from(Shares::of(odds, decisions.legal[row]).log_probability(odds, action)).min(0.0)
        };
        Some(actions.iter().zip(outputs.chunks(network.stride())).enumerate().map(of).collect())
    }
}

/// What is needed to make probabilities of logarithms of odds: their largest, and the logarithm of the sum.
struct Shares {
    log_sum: f32,
}

impl Shares {
    fn of(odds: &[f32], legal: LegalActions) -> Self {
        let most = legal.iter().map(|action| odds[action.index()]).fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = legal.iter().map(|action| (odds[action.index()] - most).exp()).sum();
        Self { log_sum: most + sum.ln() }
    }

    fn log_probability(&self, odds: &[f32], action: Action) -> f32 {
        odds[action.index()] - self.log_sum
    }

    fn probability(&self, odds: &[f32], action: Action) -> f32 {
        self.log_probability(odds, action).exp()
    }
}

/// The two networks and what their optimisers remember.
#[derive(Clone)]
struct Brain {
    networks: [Network; 2],
    adams: [Adam; 2],
}

impl Brain {
    fn new(networks: [Network; 2]) -> Self {
        let adams = [Adam::new(&networks[0]), Adam::new(&networks[1])];
        Self { networks, adams }
    }
}

/// A learner of this family.
pub struct ActorCritic {
    plan: Arc<Plan>,
    space: Space,
    brain: Option<Brain>,
    rollout: Experience,
    moments: Option<Moments>,
    scale: Option<ReturnScale>,
    published: Arc<Published>,
    counts: Counts,
    workers: Vec<Worker>,
}

/// What a learner counts.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Transitions ever seen.
    transitions: u64,
    /// Updates.
    updates: u64,
    /// Gradient steps.
    steps: u64,
    /// Episodes that ended since the last update.
    episodes: u64,
    /// The tick of the last update: decisions before it are an older policy's.
    renewed: u64,
    /// The last tick learned from.
    tick: u64,
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

/// What is learned from, row by row of the rollout.
struct Lessons {
    /// Features as the networks see them.
    seen: Vec<f32>,
    /// Log-probabilities under the policy that decided.
    before: Vec<f32>,
    advantages: Vec<f32>,
    returns: Vec<f32>,
}

impl ActorCritic {
    /// A learner that has learned nothing.
    #[must_use]
    pub fn new(plan: Plan, space: Space) -> Self {
        let width = space.features.len();
        let plan = Arc::new(plan);
        let moments = plan.normalise.observations.then(|| Moments::new(width));
        let published = Published {
            plan: Arc::clone(&plan),
            space: space.clone(),
            network: OnceLock::new(),
            moments: moments.clone(),
            greedy: !plan.learn,
        };
        Self {
            brain: None,
            rollout: Experience::new(width, usize::MAX),
            scale: plan.normalise.rewards.then(ReturnScale::default),
            moments,
            published: Arc::new(published),
            counts: Counts::default(),
            workers: Vec::new(),
            plan,
            space,
        }
    }

    fn publish(&mut self) {
        self.published = Arc::new(self.publication(!self.plan.learn));
    }

    fn publication(&self, greedy: bool) -> Published {
        let network = OnceLock::new();
        if let Some(brain) = &self.brain {
            network.get_or_init(|| brain.networks[0].clone());
        }
        Published {
            plan: Arc::clone(&self.plan),
            space: self.space.clone(),
            network,
            moments: self.moments.clone(),
            greedy,
        }
    }

    /// Values of rows of features under the value network.
    fn values(network: &Network, seen: &[f32], trace: &mut Trace) -> Vec<f32> {
        let mut values = Vec::new();
        for block in seen.chunks(DECIDE_ROWS * network.inputs()) {
            let outputs = network.forward(block, block.len() / network.inputs(), trace);
            values.extend(outputs.chunks(network.stride()).map(|row| row[0]));
        }
        values
    }

    /// Advantages by generalised advantage estimation (Schulman et al. 2016, equation 16) and what the values should
    /// have been, from the temporal-difference errors and, row by row, whether the agent's next row follows it.
    fn advantages(rollout: &Experience, errors: &[f32], decay: f32) -> Vec<f32> {
        let mut order: Vec<usize> = (0..rollout.len()).collect();
        order.sort_by_key(|&row| rollout.agents[row]);
        let mut advantages = vec![0.0; rollout.len()];
        let mut later: Option<usize> = None;
        for &row in order.iter().rev() {
            let follows = rollout.outcomes[row] == Outcome::Continues;
            let next = later.filter(|&next| follows && rollout.agents[next] == rollout.agents[row]);
            advantages[row] = errors[row] + next.map_or(0.0, |next| decay * advantages[next]);
            later = Some(row);
        }
        advantages
    }

    /// Learns from the rollout, and forgets it.
    fn update(&mut self, batch: &TransitionBatch<'_>, stats: &mut LearnStats) -> Result<(), LearnError> {
        let plan = Arc::clone(&self.plan);
        let brain = self.brain.get_or_insert_with(|| Brain::new(begin(&plan, &self.space, batch.chance)));
        let rollout = &self.rollout;
        let rows = rollout.len();
        let mut trace = Trace::default();
        let (mut seen, mut next) = (rollout.features.clone(), rollout.next_features.clone());
        if let Some(moments) = &self.moments {
            moments.normalise(&mut seen);
            moments.normalise(&mut next);
        }
        let values = Self::values(&brain.networks[1], &seen, &mut trace);
        let nexts = Self::values(&brain.networks[1], &next, &mut trace);
        let scale = self.scale.as_ref().map_or(1.0, ReturnScale::factor);
        let discount = plan.discount as f32;
        let errors: Vec<f32> = (0..rows)
            .map(|row| {
                let future = if rollout.outcomes[row] == Outcome::Terminated { 0.0 } else { discount * nexts[row] };
                scale * rollout.rewards[row] + future - values[row]
            })
            .collect();
        let advantages = Self::advantages(rollout, &errors, discount * plan.lambda as f32);
        let returns: Vec<f32> = advantages.iter().zip(&values).map(|(advantage, value)| advantage + value).collect();
        stats.error = errors.iter().map(|error| f64::from(error.abs())).sum::<f64>() / rows as f64;
        stats.explained_variance = explained_variance(&values, &returns);
        let policy = &brain.networks[0];
        let mut before = Vec::with_capacity(rows);
        for (block, features) in seen.chunks(DECIDE_ROWS * policy.inputs()).enumerate() {
            let outputs = policy.forward(features, features.len() / policy.inputs(), &mut trace);
            for (row, odds) in (block * DECIDE_ROWS..).zip(outputs.chunks(policy.stride())) {
                let shares = Shares::of(odds, rollout.legal[row]);
                before.push(shares.log_probability(odds, Action(rollout.actions[row])));
            }
        }
        let lessons = Lessons { seen, before, advantages, returns };
        self.gradient_steps(batch, &lessons, stats)?;
        if let Some(moments) = &mut self.moments {
            moments.observe(&self.rollout.features);
        }
        self.rollout.clear();
        self.counts.updates += 1;
        self.counts.episodes = 0;
        self.counts.renewed = batch.tick.0;
        self.publish();
        Ok(())
    }

    fn gradient_steps(
        &mut self,
        batch: &TransitionBatch<'_>,
        lessons: &Lessons,
        stats: &mut LearnStats,
    ) -> Result<(), LearnError> {
        let plan = Arc::clone(&self.plan);
        let brain = self.brain.as_mut().expect("made before");
        let rows = self.rollout.len();
        let minibatch = if plan.minibatch == 0 { rows } else { plan.minibatch };
        let rate = plan.optimiser.rate(self.counts.transitions);
        let sizes = [brain.networks[0].parameters.len(), brain.networks[1].parameters.len()];
        let mut gradients = vec![0.0; sizes[0] + sizes[1]];
        let mut order: Vec<usize> = (0..rows).collect();
        let (mut loss, mut entropy, mut divergence, mut steps) = (0.0, 0.0, 0.0, 0_u64);
        'epochs: for epoch in 0..plan.epochs {
            if minibatch < rows {
                let mut draw = batch.chance.keyed(SHUFFLE, self.counts.updates, u64::from(epoch));
                for place in (1..rows).rev() {
                    order.swap(place, draw.random_range(0..=place));
                }
            }
            for rows in order.chunks(minibatch) {
                let (mean, spread) = if plan.normalise_advantages && rows.len() > 1 {
                    mean_and_deviation(rows.iter().map(|&row| lessons.advantages[row]))
                } else {
                    (0.0, 1.0)
                };
                let (networks, rollout) = (&brain.networks, &self.rollout);
                let sums = over_chunks(rows.len(), &mut gradients, &mut self.workers, |range, worker, slab| {
                    let weight = 1.0 / rows.len() as f32;
                    let scaled = |row: usize| (lessons.advantages[row] - mean) / spread;
                    chunk(&plan, networks, rollout, lessons, &rows[range], (weight, &scaled), worker, slab)
                });
                let count = rows.len() as f64;
                loss += sums.loss / count;
                entropy += sums.entropy / count;
                divergence += sums.divergence / count;
                steps += 1;
                if plan.divergence_max.is_some_and(|most| sums.divergence / count > most) {
                    break 'epochs;
                }
                let (policy, value) = gradients.split_at(sizes[0]);
                let (clip, norm) = clipping(&[policy, value], plan.optimiser.gradient_norm);
                if !norm.is_finite() {
                    return Err(LearnError::Diverged { tick: batch.tick, steps: self.counts.steps + steps });
                }
                for (place, part) in [policy, value].into_iter().enumerate() {
                    brain.adams[place].step(&plan.optimiser, rate, &mut brain.networks[place], part, clip);
                }
            }
        }
        if brain.networks.iter().flat_map(|network| &network.parameters).any(|value| !value.is_finite()) {
            return Err(LearnError::Diverged { tick: batch.tick, steps: self.counts.steps + steps });
        }
        self.counts.steps += steps;
        stats.gradient_steps = steps;
        let mean = |sum: f64| sum / steps.max(1) as f64;
        (stats.loss, stats.entropy, stats.divergence) = (mean(loss), mean(entropy), mean(divergence));
        Ok(())
    }

    fn head(&self) -> PolicyFile {
        let layout = serde_json::json!({
            "network": self.plan.network,
            "normalise": self.plan.normalise,
        });
        head(self.plan.kind, &self.space, layout.to_string())
    }
}

/// The gradient of some rows. `weighing` gives each row's weight and its advantage brought to scale.
#[expect(clippy::too_many_arguments, reason = "a gradient depends on all of it")]
fn chunk(
    plan: &Plan,
    networks: &[Network; 2],
    rollout: &Experience,
    lessons: &Lessons,
    rows: &[usize],
    (weight, advantage): (f32, &dyn Fn(usize) -> f32),
    worker: &mut Worker,
    slab: &mut [f32],
) -> Sums {
    let [policy, value] = networks;
    let inputs = policy.inputs();
    worker.features.clear();
    for &row in rows {
        worker.features.extend_from_slice(&lessons.seen[row * inputs..(row + 1) * inputs]);
    }
    let mut sums = Sums::default();
    let (policy_slab, value_slab) = slab.split_at_mut(policy.parameters.len());

    let stride = policy.stride();
    let outputs = policy.forward(&worker.features, rows.len(), &mut worker.traces[0]);
    worker.outputs.clear();
    worker.outputs.resize(rows.len() * stride, 0.0);
    for ((&row, odds), gradients) in rows.iter().zip(outputs.chunks(stride)).zip(worker.outputs.chunks_mut(stride)) {
        let (legal, action) = (rollout.legal[row], Action(rollout.actions[row]));
        let shares = Shares::of(odds, legal);
        let log_ratio = shares.log_probability(odds, action) - lessons.before[row];
        let (gain, slope) = surrogate(plan.clip, log_ratio, advantage(row));
        let entropy: f32 =
            legal.iter().map(|action| -shares.probability(odds, action) * shares.log_probability(odds, action)).sum();
        for other in legal.iter() {
            let (probability, log) = (shares.probability(odds, other), shares.log_probability(odds, other));
            let chosen = if other == action { 1.0 } else { 0.0 };
            let of_entropy = -probability * (log + entropy);
            gradients[other.index()] = -weight * (slope * (chosen - probability) + plan.entropy * of_entropy);
        }
        sums.loss -= f64::from(gain + plan.entropy * entropy);
        sums.entropy += f64::from(entropy);
        // The estimate (r − 1) − ln r, which is never negative.
        sums.divergence += f64::from(log_ratio.exp_m1() - log_ratio);
    }
    policy.backward(&worker.features, rows.len(), &worker.outputs, &mut worker.traces[0], policy_slab);

    let stride = value.stride();
    let outputs = value.forward(&worker.features, rows.len(), &mut worker.traces[1]);
    worker.outputs.clear();
    worker.outputs.resize(rows.len() * stride, 0.0);
    for ((&row, values), gradients) in rows.iter().zip(outputs.chunks(stride)).zip(worker.outputs.chunks_mut(stride)) {
        let error = values[0] - lessons.returns[row];
        gradients[0] = 2.0 * plan.value_factor * weight * error;
        sums.loss += f64::from(plan.value_factor * error * error);
    }
    value.backward(&worker.features, rows.len(), &worker.outputs, &mut worker.traces[1], value_slab);
    sums
}

impl Learner for ActorCritic {
    fn learn(&mut self, batch: &TransitionBatch<'_>) -> Result<LearnStats, LearnError> {
        check_finite(batch)?;
        let ended = |outcome: &Outcome| *outcome != Outcome::Continues;
        let mut stats = LearnStats {
            transitions: batch.agents.len() as u64,
            episodes: batch.outcomes.iter().filter(|outcome| ended(outcome)).count() as u64,
            reward: batch.rewards.iter().map(|&reward| f64::from(reward)).sum(),
            ..LearnStats::default()
        };
        if !self.plan.learn {
            return Ok(stats);
        }
        if batch.tick.0 < self.counts.tick {
            // Another run goes on with what an earlier one learned: its open rollout is not continued.
            self.rollout.clear();
            self.counts = Counts { episodes: 0, renewed: 0, ..self.counts };
        }
        self.counts.tick = batch.tick.0;
        for (row, outcome) in batch.outcomes.iter().enumerate() {
            if batch.decided[row] < Tick(self.counts.renewed) {
                continue;
            }
            if let Some(scale) = &mut self.scale {
                scale.observe(batch.agents[row], batch.rewards[row], self.plan.discount, ended(outcome));
            }
            self.rollout.push(batch, row, batch.rewards[row]);
            self.counts.transitions += 1;
            self.counts.episodes += u64::from(ended(outcome));
        }
        let enough = match self.plan.enough {
            Enough::Transitions(count) => self.rollout.len() as u64 >= count,
            Enough::Episodes(count) => self.counts.episodes >= count,
        };
        if enough && !self.rollout.is_empty() {
            self.update(batch, &mut stats)?;
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
        // Before the first update the weights are those that any run begins with; here those of chance 0.
        let fresh = || Brain::new(begin(&self.plan, &self.space, Chance::new(0)));
        let brain = self.brain.clone().unwrap_or_else(fresh);
        for (name, network, adam) in
            [("policy", &brain.networks[0], &brain.adams[0]), ("value", &brain.networks[1], &brain.adams[1])]
        {
            file.tensors.extend(network.save(name, &network.parameters));
            file.tensors.extend(adam.save(&format!("adam.{name}"), network));
        }
        let Counts { transitions, updates, steps, episodes, renewed, tick } = self.counts;
        let counts = [u64::from(self.brain.is_some()), transitions, updates, steps, episodes, renewed, tick];
        let values = counts.map(|count| count as f64).to_vec();
        file.tensors.push(TensorData { name: "counts".into(), shape: vec![values.len()], values });
        file.tensors.extend(self.rollout.save("rollout"));
        file.tensors.extend(self.moments.as_ref().map(|moments| moments.save("observations")));
        file.tensors.extend(self.scale.iter().flat_map(|scale| scale.save("rewards")));
        file.tensors.sort_by(|left, right| left.name.cmp(&right.name));
        file
    }

    fn load(&mut self, file: &PolicyFile) -> Result<(), PolicyFileError> {
        check_head(file, &self.head(), "networks or normalisers")?;
        let mut brain = Brain::new(begin(&self.plan, &self.space, Chance::new(0)));
        for (place, name) in ["policy", "value"].into_iter().enumerate() {
            let network = &mut brain.networks[place];
            network.parameters = network.load(name, file)?;
            brain.adams[place] = Adam::load(&format!("adam.{name}"), network, file)?;
        }
        let counts = array(file, "counts", &[7])?;
        let width = self.space.features.len();
        let rollout = Experience::load("rollout", width, usize::MAX, file)?;
        if rollout.actions.iter().any(|&action| usize::from(action) >= self.space.menu.len()) {
            return Err(PolicyFileError::Mismatch {
                what: "actions of kept transitions",
                saved: "an action beyond the menu".into(),
                needed: format!("actions below {}", self.space.menu.len()),
            });
        }
        let moments = self.moments.as_ref().map(|_| Moments::load("observations", width, file)).transpose()?;
        let scale = self.scale.as_ref().map(|_| ReturnScale::load("rewards", file)).transpose()?;
        let count = |place: usize| counts[place] as u64;
        self.counts = Counts {
            transitions: count(1),
            updates: count(2),
            steps: count(3),
            episodes: count(4),
            renewed: count(5),
            tick: count(6),
        };
        self.brain = (count(0) == 1).then_some(brain);
        (self.rollout, self.moments, self.scale) = (rollout, moments, scale);
        self.publish();
        Ok(())
    }
}
