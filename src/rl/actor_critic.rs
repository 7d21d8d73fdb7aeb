//! What PPO, MAPPO, A2C and REINFORCE share: a network for the policy and one for the values, the rollout, the normalisers, the
//! gradient steps, saving and loading. What sets them apart is a [`Plan`] and where advantages come from, one file each.
//!
//! Transitions are gathered while the published policy stays as it is. When the plan says so they are learned from, and
//! forgotten. A transition that was decided by an older policy than the published one is left out.

mod policy;

use std::sync::Arc;

use rand::RngExt;

use self::policy::{DECIDE_ROWS, Published};
pub(super) use self::policy::{DRAW, choose};
use super::approximator::Approximator;
use super::central::Central;
use super::checks::{array, check_finite, check_head, head};
use super::constraint::{Constraint, Gathered};
use super::experience::Experience;
use super::network::{Trace, Worker, over_chunks};
use super::network_settings::NetworkSettings;
use super::normalise::{Moments, ReturnScale};
use super::objective::{Shares, advantages, explained_variance, mean_and_deviation, surrogate};
use super::optimiser::{Adam, clipping};
use super::plan::{Enough, Plan};
use super::policy_network::PolicyNetwork;
use super::prior::{self, Advice, Pull};
use crate::base::{
    Action, Chance, LearnError, LearnStats, Learner, LimitState, Outcome, Policy, PolicyFile, PolicyFileError, Purpose,
    Space, TensorData, Tick, TransitionBatch,
};

const WEIGHTS: Purpose = Purpose::named("rl.actor_critic.weights");
const SHUFFLE: Purpose = Purpose::named("rl.actor_critic.shuffle");

/// The networks at the start; which they are depends on the run's chance and the pair's number alone.
pub(super) fn begin(plan: &Plan, space: &Space, chance: Chance, pair: u64) -> [Box<dyn Approximator>; 2] {
    let (features, outputs) = (space.features.len(), space.menu.len());
    // A policy that begins near chance, and values near zero.
    let policy = plan.network.build(features, outputs, 0.01, (chance, WEIGHTS, 2 * pair));
    let key = (chance, WEIGHTS, 2 * pair + 1);
    let value = if plan.central {
        // One row of numbers: whatever reads a history reads it for the policy alone.
        let dense = NetworkSettings { history: 1, encoder: None, ..plan.network.clone() };
        dense.build(plan.network.sight(features).width() + space.central.len(), 1, 1.0, key)
    } else {
        plan.network.build(features, 1, 1.0, key)
    };
    [policy, value]
}

/// The two networks and what their optimisers remember.
#[derive(Clone)]
pub(super) struct Brain {
    /// Of the policy and of values.
    pub networks: [Box<dyn Approximator>; 2],
    /// Of the same.
    pub adams: [Adam; 2],
}

impl Brain {
    pub fn new(networks: [Box<dyn Approximator>; 2]) -> Self {
        let adams = [Adam::new(&*networks[0]), Adam::new(&*networks[1])];
        Self { networks, adams }
    }
}

/// A learner of this family.
pub struct ActorCritic {
    plan: Arc<Plan>,
    space: Space,
    brain: Option<Brain>,
    rollout: Experience,
    advice: Option<Advice>,
    constraint: Option<Box<dyn Constraint>>,
    central: Option<Central>,
    pub(super) moments: Option<Moments>,
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
    /// What values are of, where that is more.
    critic: Option<Vec<f32>>,
    /// Log-probabilities under the policy that decided.
    before: Vec<f32>,
    advantages: Vec<f32>,
    returns: Vec<f32>,
}

impl ActorCritic {
    /// A learner that has learned nothing.
    #[must_use]
    pub fn new(plan: impl Into<Arc<Plan>>, space: Space) -> Self {
        let plan: Arc<Plan> = plan.into();
        let features = space.features.len();
        let width = plan.network.sight(features).width();
        let moments = plan.normalise.observations.then(|| Moments::new(features));
        let published = Published {
            plan: Arc::clone(&plan),
            space: space.clone(),
            network: PolicyNetwork::of(None),
            moments: moments.clone(),
            greedy: !plan.learn,
            pull: plan.advice.as_ref().map_or(Pull::default(), |advice| advice.pull(0)),
        };
        Self {
            brain: None,
            advice: plan.advice.as_ref().map(|_| Advice::new(space.menu.len())),
            constraint: None,
            rollout: Experience::new(width, usize::MAX),
            central: plan.central.then(|| Central::new(&space, plan.normalise.observations)),
            scale: plan.normalise.rewards.then(ReturnScale::default),
            moments,
            published: Arc::new(published),
            counts: Counts::default(),
            workers: Vec::new(),
            plan,
            space,
        }
    }

    /// The same under a constraint.
    pub(super) fn under(mut self, constraint: Box<dyn Constraint>) -> Self {
        self.constraint = Some(constraint);
        self.publish();
        self
    }

    /// Whether a policy that is deployed takes its likeliest action.
    fn deploys_greedily(&self) -> bool {
        self.constraint.as_ref().is_none_or(|constraint| !constraint.draws())
    }

    /// Whether the next transition may be the one after which a rollout is learned from.
    pub(super) fn is_due(&self) -> bool {
        match self.plan.enough {
            Enough::Transitions(count) => self.rollout.len() as u64 + 1 >= count,
            Enough::Episodes(count) => self.counts.episodes + 1 >= count,
        }
    }

    /// Learns with networks that are kept elsewhere.
    pub(super) fn learn_with(
        &mut self,
        brain: &mut Option<Brain>,
        batch: &TransitionBatch<'_>,
    ) -> Result<LearnStats, LearnError> {
        std::mem::swap(&mut self.brain, brain);
        let outcome = self.learn(batch);
        std::mem::swap(&mut self.brain, brain);
        self.publish();
        outcome
    }

    fn publish(&mut self) {
        self.published = Arc::new(self.publication(!self.plan.learn && self.deploys_greedily()));
    }

    fn publication(&self, greedy: bool) -> Published {
        let network = PolicyNetwork::of(self.brain.as_ref().map(|brain| &*brain.networks[0]));
        // What advice counts stays as it is while a rollout is gathered, and so it does where one is loaded.
        let decided = self.counts.transitions - self.rollout.len() as u64;
        Published {
            plan: Arc::clone(&self.plan),
            space: self.space.clone(),
            network,
            moments: self.moments.clone(),
            greedy,
            pull: self.plan.advice.as_ref().map_or(Pull::default(), |advice| advice.pull(decided)),
        }
    }

    /// Values of rows of features under the value network.
    fn values(network: &dyn Approximator, seen: &[f32], trace: &mut Trace) -> Vec<f32> {
        let mut values = Vec::new();
        for block in seen.chunks(DECIDE_ROWS * network.inputs()) {
            let outputs = network.forward(block, block.len() / network.inputs(), trace);
            values.extend(outputs.chunks(network.stride()).map(|row| row[0]));
        }
        values
    }

    /// Learns from the rollout, and forgets it.
    fn update(&mut self, batch: &TransitionBatch<'_>, stats: &mut LearnStats) -> Result<(), LearnError> {
        let plan = Arc::clone(&self.plan);
        let brain = self.brain.get_or_insert_with(|| Brain::new(begin(&plan, &self.space, batch.chance, 0)));
        let sight = plan.network.sight(self.space.features.len());
        let rollout = &self.rollout;
        let rows = rollout.len();
        let mut trace = Trace::default();
        let (mut seen, mut next) = (rollout.features.clone(), rollout.next_features.clone());
        if let Some(moments) = &self.moments {
            sight.normalise(moments, &mut seen);
            sight.normalise(moments, &mut next);
        }
        let critic = self.central.as_ref().map(|central| central.rows(&seen, &next, sight.width()));
        let [of, of_next] = critic.as_ref().map_or([&seen, &next], |[of, next]| [of, next]);
        let values = Self::values(&*brain.networks[1], of, &mut trace);
        let nexts = Self::values(&*brain.networks[1], of_next, &mut trace);
        let scale = self.scale.as_ref().map_or(1.0, ReturnScale::factor);
        let discount = plan.discount as f32;
        let errors: Vec<f32> = (0..rows)
            .map(|row| {
                let future = if rollout.outcomes[row] == Outcome::Terminated { 0.0 } else { discount * nexts[row] };
                scale * rollout.rewards[row] + future - values[row]
            })
            .collect();
        let mut advantages = advantages(rollout, &errors, discount * plan.lambda as f32);
        let returns: Vec<f32> = advantages.iter().zip(&values).map(|(advantage, value)| advantage + value).collect();
        stats.error = errors.iter().map(|error| f64::from(error.abs())).sum::<f64>() / rows as f64;
        stats.explained_variance = explained_variance(&values, &returns);
        if let Some(constraint) = &mut self.constraint {
            let rate = plan.optimiser.rate(self.counts.transitions);
            let (seen, next, updates) = (&seen, &next, self.counts.updates);
            constraint.weigh(&Gathered { plan: &plan, rollout, seen, next, batch, updates, rate }, &mut advantages)?;
        }
        let policy = &brain.networks[0];
        let (mut before, mut mixed) = (Vec::with_capacity(rows), Vec::new());
        for (block, features) in seen.chunks(DECIDE_ROWS * policy.inputs()).enumerate() {
            let outputs = policy.forward(features, features.len() / policy.inputs(), &mut trace);
            for (row, odds) in (block * DECIDE_ROWS..).zip(outputs.chunks(policy.stride())) {
                let advice = self.advice.as_ref().and_then(|advice| advice.row(row));
                let odds = self.published.pull.mixed(odds, advice, &mut mixed);
                let shares = Shares::of(odds, rollout.legal[row]);
                before.push(shares.log_probability(odds, Action(rollout.actions[row])));
            }
        }
        let critic = critic.map(|[of, _]| of);
        let lessons = Lessons { seen, critic, before, advantages, returns };
        self.gradient_steps(batch, &lessons, stats)?;
        if let Some(moments) = &mut self.moments {
            sight.observe(moments, &self.rollout.features);
        }
        self.rollout.clear();
        self.advice.iter_mut().for_each(Advice::clear);
        self.central.iter_mut().for_each(Central::learned);
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
        let sizes = [brain.networks[0].parameters().len(), brain.networks[1].parameters().len()];
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
                let advised = (self.advice.as_ref(), self.published.pull);
                let sums = over_chunks(rows.len(), &mut gradients, &mut self.workers, |range, worker, slab| {
                    let weight = 1.0 / rows.len() as f32;
                    let scaled = |row: usize| (lessons.advantages[row] - mean) / spread;
                    chunk(&plan, networks, rollout, lessons, advised, &rows[range], (weight, &scaled), worker, slab)
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
                    brain.adams[place].step(&plan.optimiser, rate, &mut *brain.networks[place], part, clip);
                }
            }
        }
        if brain.networks.iter().flat_map(|network| network.parameters()).any(|value| !value.is_finite()) {
            return Err(LearnError::Diverged { tick: batch.tick, steps: self.counts.steps + steps });
        }
        self.counts.steps += steps;
        stats.gradient_steps = steps;
        let mean = |sum: f64| sum / steps.max(1) as f64;
        (stats.loss, stats.entropy, stats.divergence) = (mean(loss), mean(entropy), mean(divergence));
        Ok(())
    }

    /// What is saved beside the networks.
    pub(super) fn save_rest(&self) -> Vec<TensorData> {
        let Counts { transitions, updates, steps, episodes, renewed, tick } = self.counts;
        let counts = [u64::from(self.brain.is_some()), transitions, updates, steps, episodes, renewed, tick];
        let values = counts.map(|count| count as f64).to_vec();
        let mut tensors = vec![TensorData { name: "counts".into(), shape: vec![values.len()], values }];
        tensors.extend(self.rollout.save("rollout"));
        tensors.extend(self.advice.as_ref().map(Advice::save));
        tensors.extend(self.constraint.iter().flat_map(|constraint| constraint.save(&self.plan)));
        tensors.extend(self.central.iter().flat_map(Central::save));
        tensors.extend(self.moments.as_ref().map(|moments| moments.save("observations")));
        tensors.extend(self.scale.iter().flat_map(|scale| scale.save("rewards")));
        tensors
    }

    /// Takes over what [`Self::save_rest`] saved; says whether networks were saved with it.
    pub(super) fn load_rest(&mut self, file: &PolicyFile) -> Result<bool, PolicyFileError> {
        let counts = array(file, "counts", &[7])?;
        let features = self.space.features.len();
        let width = self.plan.network.sight(features).width();
        let rollout = Experience::load("rollout", width, usize::MAX, file)?;
        if rollout.actions.iter().any(|&action| usize::from(action) >= self.space.menu.len()) {
            return Err(PolicyFileError::Mismatch {
                what: "actions of kept transitions",
                saved: "an action beyond the menu".into(),
                needed: format!("actions below {}", self.space.menu.len()),
            });
        }
        let load = |_: &Advice| Advice::load(self.space.menu.len(), rollout.len(), file);
        let advice = self.advice.as_ref().map(load).transpose()?;
        if let Some(constraint) = &mut self.constraint {
            constraint.load(&self.plan, rollout.len(), file)?;
        }
        let moments = self.moments.as_ref().map(|_| Moments::load("observations", features, file)).transpose()?;
        let scale = self.scale.as_ref().map(|_| ReturnScale::load("rewards", file)).transpose()?;
        let central = self.central.as_ref().map(|central| central.load(rollout.len(), file)).transpose()?;
        let count = |place: usize| counts[place] as u64;
        self.counts = Counts {
            transitions: count(1),
            updates: count(2),
            steps: count(3),
            episodes: count(4),
            renewed: count(5),
            tick: count(6),
        };
        (self.rollout, self.central, self.moments) = (rollout, central, moments);
        (self.scale, self.advice) = (scale, advice);
        Ok(count(0) == 1)
    }

    fn head(&self) -> PolicyFile {
        let mut layout = serde_json::json!({
            "network": self.plan.network.layout(),
            "normalise": self.plan.normalise,
        });
        if let Some(constraint) = &self.constraint {
            layout["limits"] = constraint.layout();
        }
        if self.plan.central {
            layout["central"] = self.space.central.iter().copied().collect();
        }
        head(self.plan.kind, &self.space, layout.to_string())
    }
}

/// The gradient of some rows. `weighing` gives each row's weight and its advantage brought to scale.
#[expect(clippy::too_many_arguments, reason = "a gradient depends on all of it")]
fn chunk(
    plan: &Plan,
    networks: &[Box<dyn Approximator>; 2],
    rollout: &Experience,
    lessons: &Lessons,
    (advice, pull): (Option<&Advice>, Pull),
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
    let (policy_slab, value_slab) = slab.split_at_mut(policy.parameters().len());

    let stride = policy.stride();
    let outputs = policy.forward(&worker.features, rows.len(), &mut worker.traces[0]);
    let mut mixed = Vec::new();
    worker.outputs.clear();
    worker.outputs.resize(rows.len() * stride, 0.0);
    for ((&row, odds), gradients) in rows.iter().zip(outputs.chunks(stride)).zip(worker.outputs.chunks_mut(stride)) {
        let (legal, action) = (rollout.legal[row], Action(rollout.actions[row]));
        let advised = advice.and_then(|advice| advice.row(row));
        let odds = pull.mixed(odds, advised, &mut mixed);
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
        if let Some(advised) = advised.filter(|_| pull.divergence > 0.0) {
            let of = |action: usize| odds[action] - shares.log_sum;
            let divergence = prior::divergence(legal, advised, of);
            for other in legal.iter().map(Action::index) {
                let slope = prior::divergence_slope(of(other), advised[other], divergence);
                gradients[other] += weight * pull.divergence * slope;
            }
            sums.loss += f64::from(pull.divergence * divergence);
        }
        sums.loss -= f64::from(gain + plan.entropy * entropy);
        sums.entropy += f64::from(entropy);
        // The estimate (r − 1) − ln r, which is never negative.
        sums.divergence += f64::from(log_ratio.exp_m1() - log_ratio);
    }
    policy.backward(&worker.features, rows.len(), &worker.outputs, &mut worker.traces[0], policy_slab);

    if let Some(critic) = &lessons.critic {
        let inputs = value.inputs();
        worker.features.clear();
        for &row in rows {
            worker.features.extend_from_slice(&critic[row * inputs..(row + 1) * inputs]);
        }
    }
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
        (stats.checked, stats.agreed) = prior::compare(batch);
        if !self.plan.learn {
            return Ok(stats);
        }
        if batch.tick.0 < self.counts.tick {
            // Another run goes on with what an earlier one learned: its open rollout is not continued.
            self.rollout.clear();
            self.advice.iter_mut().for_each(Advice::clear);
            self.constraint.iter_mut().for_each(|constraint| constraint.forget());
            self.central.iter_mut().for_each(Central::clear);
            self.counts = Counts { episodes: 0, renewed: 0, ..self.counts };
            self.publish();
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
            self.advice.iter_mut().for_each(|advice| advice.push(batch, row));
            self.constraint.iter_mut().for_each(|constraint| constraint.observe(batch, row));
            self.central.iter_mut().for_each(|central| central.push(batch, row));
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
        Arc::new(self.publication(self.deploys_greedily()))
    }

    fn discount(&self) -> Option<f64> {
        Some(self.plan.discount)
    }

    fn limits(&self) -> Vec<LimitState> {
        self.constraint.iter().flat_map(|constraint| constraint.limits()).collect()
    }

    fn save(&self) -> PolicyFile {
        let mut file = self.head();
        // Before the first update the weights are those that any run begins with; here those of chance 0.
        let fresh = || Brain::new(begin(&self.plan, &self.space, Chance::new(0), 0));
        let brain = self.brain.clone().unwrap_or_else(fresh);
        for (name, network, adam) in
            [("policy", &*brain.networks[0], &brain.adams[0]), ("value", &*brain.networks[1], &brain.adams[1])]
        {
            file.tensors.extend(network.save(name, network.parameters()));
            file.tensors.extend(adam.save(&format!("adam.{name}"), network));
        }
        file.tensors.extend(self.save_rest());
        file.tensors.sort_by(|left, right| left.name.cmp(&right.name));
        file
    }

    fn load(&mut self, file: &PolicyFile) -> Result<(), PolicyFileError> {
        check_head(file, &self.head(), "networks or normalisers")?;
        let mut brain = Brain::new(begin(&self.plan, &self.space, Chance::new(0), 0));
        for (place, name) in ["policy", "value"].into_iter().enumerate() {
            let network = &mut brain.networks[place];
            let loaded = network.load(name, file)?;
            network.parameters_mut().copy_from_slice(&loaded);
            brain.adams[place] = Adam::load(&format!("adam.{name}"), &**network, file)?;
        }
        let learned = self.load_rest(file)?;
        self.brain = learned.then_some(brain);
        self.publish();
        Ok(())
    }
}
