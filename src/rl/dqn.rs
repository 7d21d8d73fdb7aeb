//! Deep Q-learning (Mnih et al. 2015, algorithm 1): a network learns, from transitions drawn out of its past, towards
//!
//! y = r + γ max Q⁻(s′,·),   with Q⁻ the network of some steps ago,
//!
//! by the Huber loss. Declared one by one:
//! *double* (van Hasselt, Guez and Silver 2016, equation 4): Q chooses the best next action and Q⁻ values it;
//! *dueling* (Wang et al. 2016, equation 9): Q = V + A − mean A, over the legal actions;
//! *n-step* (Sutton 1988; Hessel et al. 2018, section 3): rewards of `steps` decisions, then γⁿ of the value there;
//! *prioritised replay* (Schaul et al. 2016): `replay.rs`, with weights that undo its bias as β rises to 1.

mod settings;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use rand::RngExt;

use super::approximator::Approximator;
use super::checks::{array, check_finite, check_head, finite, head};
use super::experience::Experience;
use super::network::{Trace, Worker, over_chunks};
use super::network_settings::NormaliseSettings;
use super::optimiser::{Adam, clipping};
use super::replay::{Priorities, memory_bytes};
use crate::base::{
    Action, AgentId, Chance, DecisionBatch, LearnError, LearnStats, Learner, LegalActions, Outcome, Policy,
    PolicyError, PolicyFile, PolicyFileError, Purpose, Space, TensorData, Tick, TransitionBatch,
};
use crate::scenario::{Kind, ScenarioError, Section, SettingsType};

pub use settings::{DqnSettings, PrioritySettings};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "dqn",
    about: "deep Q-learning (Mnih et al. 2015) with double, dueling, n-step and prioritised replay as settings",
    settings: SettingsType::of::<DqnSettings>(),
};

pub(super) fn load_from(section: &Section) -> Result<Option<String>, ScenarioError> {
    Ok(section.settings::<DqnSettings>()?.load)
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<DqnSettings>()?;
    let capacity = settings.replay as usize;
    let priorities = if settings.prioritised.is_some() { Priorities::bytes(capacity) } else { 0 };
    let needed = Experience::bytes(settings.network.sight(space.features.len()).width(), capacity)
        + priorities
        + capacity as u128 * 8;
    if let Some(there) = memory_bytes().filter(|&there| needed > there) {
        let gigabytes = |bytes: u128| bytes as f64 / 1e9;
        return Err(section.invalid(
            "replay",
            format!(
                "{} transitions take {:.1} GB, and this machine has {:.1} GB",
                settings.replay,
                gigabytes(needed),
                gigabytes(there)
            ),
            "keep fewer transitions",
        ));
    }
    Ok(Box::new(Dqn::new(settings, space.clone())))
}

const WEIGHTS: Purpose = Purpose::named("rl.dqn.weights");
const EXPLORE: Purpose = Purpose::named("rl.dqn.explore");
const REPLAY: Purpose = Purpose::named("rl.dqn.replay");

/// Rows of a decision that are computed together.
const DECIDE_ROWS: usize = 256;

/// What an error of nothing has as priority, so that it is drawn again some day.
const PRIORITY_LEAST: f64 = 1e-3;

fn begin(settings: &DqnSettings, space: &Space, chance: Chance) -> Box<dyn Approximator> {
    let outputs = space.menu.len() + usize::from(settings.dueling);
    settings.network.build(space.features.len(), outputs, 1.0, (chance, WEIGHTS, 0))
}

/// Q(s,a) out of a row of outputs: as it is, or dueling: the state's value behind the advantages.
fn value(dueling: bool, outputs: &[f32], actions: usize, legal: LegalActions, action: Action) -> f32 {
    let advantage = outputs[action.index()];
    if dueling { outputs[actions] + advantage - mean_advantage(outputs, legal) } else { advantage }
}

fn mean_advantage(outputs: &[f32], legal: LegalActions) -> f32 {
    legal.iter().map(|action| outputs[action.index()]).sum::<f32>() / legal.count() as f32
}

/// The legal action of the greatest value, the lowest of equals; with dueling too it is that of the greatest advantage.
fn best(outputs: &[f32], legal: LegalActions) -> Action {
    let better = |best: Action, next: Action| if outputs[next.index()] > outputs[best.index()] { next } else { best };
    legal.iter().reduce(better).expect("something is legal")
}

/// The policy as published.
struct Published {
    settings: Arc<DqnSettings>,
    space: Space,
    /// Filled at the first decision where nothing was learned or loaded before.
    network: OnceLock<Box<dyn Approximator>>,
    greedy: bool,
}

fn exploration(settings: &DqnSettings, tick: Tick) -> f64 {
    if tick.0 >= settings.exploration_ticks {
        return settings.exploration_final;
    }
    let share = tick.0 as f64 / settings.exploration_ticks as f64;
    settings.exploration + (settings.exploration_final - settings.exploration) * share
}

impl Policy for Published {
    fn history(&self) -> usize {
        self.settings.network.history as usize
    }

    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        let network = self.network.get_or_init(|| begin(&self.settings, &self.space, decisions.chance));
        let (inputs, stride) = (network.inputs(), network.stride());
        let exploration = if self.greedy { 0.0 } else { exploration(&self.settings, decisions.tick) };
        let mut trace = Trace::default();
        for (block, actions) in actions.chunks_mut(DECIDE_ROWS).enumerate() {
            let first = block * DECIDE_ROWS;
            let seen = &decisions.features[first * inputs..(first + actions.len()) * inputs];
            let outputs = network.forward(seen, actions.len(), &mut trace);
            for ((row, action), outputs) in (first..).zip(actions).zip(outputs.chunks(stride)) {
                let legal = decisions.legal[row];
                *action = best(outputs, legal);
                if exploration > 0.0 {
                    let mut draw = decisions.chance.draw(EXPLORE, decisions.tick, decisions.agents[row]);
                    if draw.random::<f64>() < exploration {
                        *action = legal.nth(draw.random_range(0..legal.count())).expect("below the count");
                    }
                }
            }
        }
        Ok(())
    }
}

/// The network, the one that values, and what the optimiser remembers.
#[derive(Clone)]
struct Brain {
    network: Box<dyn Approximator>,
    target: Box<dyn Approximator>,
    adam: Adam,
}

impl Brain {
    fn new(network: Box<dyn Approximator>) -> Self {
        Self { adam: Adam::new(&*network), target: network.clone(), network }
    }
}

/// What a learner counts.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    transitions: u64,
    /// Gradient steps.
    steps: u64,
    tick: u64,
}

/// The learner.
pub struct Dqn {
    settings: Arc<DqnSettings>,
    space: Space,
    brain: Option<Brain>,
    replay: Experience,
    /// How many decisions each kept transition spans.
    spans: Vec<f32>,
    priorities: Option<Priorities>,
    /// The last decisions of each agent whose n-step return is not complete.
    open: BTreeMap<AgentId, VecDeque<Waiting>>,
    counts: Counts,
    published: Arc<Published>,
    workers: Vec<Worker>,
}

/// A decision whose n-step return is not complete.
#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    seen: Vec<f32>,
    legal: LegalActions,
    action: u16,
    /// Discounted rewards so far, and over how many decisions.
    reward: f64,
    decisions: u32,
}

/// Columns of a waiting decision beside what it saw.
const WAITING: usize = 6;

#[derive(Default)]
struct Sums {
    loss: f64,
    error: f64,
    errors: Vec<f32>,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.loss += other.loss;
        self.error += other.error;
        self.errors.extend(other.errors);
    }
}

impl Dqn {
    /// A learner that has learned nothing.
    #[must_use]
    pub fn new(settings: DqnSettings, space: Space) -> Self {
        let settings = Arc::new(settings);
        let capacity = settings.replay as usize;
        let published = Published {
            settings: Arc::clone(&settings),
            space: space.clone(),
            network: OnceLock::new(),
            greedy: !settings.learn,
        };
        Self {
            brain: None,
            replay: Experience::new(settings.network.sight(space.features.len()).width(), capacity),
            spans: Vec::new(),
            priorities: settings.prioritised.as_ref().map(|_| Priorities::new(capacity)),
            open: BTreeMap::new(),
            counts: Counts::default(),
            published: Arc::new(published),
            workers: Vec::new(),
            settings,
            space,
        }
    }

    /// Numbers of a row of what was seen.
    fn width(&self) -> usize {
        self.settings.network.sight(self.space.features.len()).width()
    }

    fn publication(&self, greedy: bool) -> Published {
        let network = OnceLock::new();
        if let Some(brain) = &self.brain {
            network.get_or_init(|| brain.network.clone());
        }
        Published { settings: Arc::clone(&self.settings), space: self.space.clone(), network, greedy }
    }

    /// Takes in row `row` of a batch: it completes the returns of earlier decisions, and waits for its own.
    fn keep(&mut self, batch: &TransitionBatch<'_>, row: usize) {
        let width = self.width();
        let agent = batch.agents[row];
        let waiting = self.open.entry(agent).or_default();
        waiting.push_back(Waiting {
            seen: batch.features[row * width..(row + 1) * width].to_vec(),
            legal: batch.legal[row],
            action: batch.actions[row].0,
            reward: 0.0,
            decisions: 0,
        });
        for one in waiting.iter_mut() {
            one.reward += self.settings.discount.powi(one.decisions.cast_signed()) * f64::from(batch.rewards[row]);
            one.decisions += 1;
        }
        let ended = batch.outcomes[row] != Outcome::Continues;
        while waiting.front().is_some_and(|first| ended || first.decisions >= self.settings.steps) {
            let one = waiting.pop_front().expect("there is a first");
            let place = self.replay.put(
                agent,
                &one.seen,
                one.legal,
                one.action,
                one.reward as f32,
                &batch.next_features[row * width..(row + 1) * width],
                batch.next_legal[row],
                batch.outcomes[row],
            );
            if place == self.spans.len() {
                self.spans.push(one.decisions as f32);
            } else {
                self.spans[place] = one.decisions as f32;
            }
            if let Some(priorities) = &mut self.priorities {
                priorities.enter(place);
            }
        }
        if ended {
            self.open.remove(&agent);
        }
    }

    /// One gradient step on transitions drawn out of the past.
    fn improve(&mut self, batch: &TransitionBatch<'_>, stats: &mut LearnStats) -> Result<(), LearnError> {
        let settings = Arc::clone(&self.settings);
        let brain = self.brain.as_mut().expect("made before the first step");
        let mut draw = batch.chance.keyed(REPLAY, self.counts.steps, 0);
        let count = settings.minibatch as usize;
        let (rows, weights): (Vec<usize>, Vec<f32>) = match (&self.priorities, &settings.prioritised) {
            (Some(priorities), Some(prioritised)) => {
                let share = (self.counts.transitions as f64 / prioritised.correction_transitions as f64).min(1.0);
                let correction = prioritised.correction + (1.0 - prioritised.correction) * share;
                // One from each of as many equal parts of the mass.
                let part = priorities.total() / count as f64;
                let rows: Vec<usize> =
                    (0..count).map(|place| priorities.find((place as f64 + draw.random::<f64>()) * part)).collect();
                let rarity = |row: &usize| {
                    (priorities.total() / (priorities.of(*row) * self.replay.len() as f64)).powf(correction)
                };
                let weights: Vec<f64> = rows.iter().map(rarity).collect();
                let most = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
                (rows, weights.iter().map(|weight| (weight / most) as f32).collect())
            }
            _ => ((0..count).map(|_| draw.random_range(0..self.replay.len())).collect(), vec![1.0; count]),
        };
        let mut gradients = vec![0.0; brain.network.parameters().len()];
        let (replay, spans, actions) = (&self.replay, &self.spans, self.space.menu.len());
        let sums = over_chunks(count, &mut gradients, &mut self.workers, |range, worker, slab| {
            chunk(
                &settings,
                brain,
                (replay, spans, actions),
                (&rows[range.clone()], &weights[range], count),
                worker,
                slab,
            )
        });
        if let (Some(priorities), Some(prioritised)) = (&mut self.priorities, &settings.prioritised) {
            for (&row, error) in rows.iter().zip(&sums.errors) {
                priorities.set(row, (f64::from(error.abs()) + PRIORITY_LEAST).powf(prioritised.exponent));
            }
        }
        self.counts.steps += 1;
        let (clip, norm) = clipping(&[&gradients], settings.optimiser.gradient_norm);
        if !norm.is_finite() {
            return Err(LearnError::Diverged { tick: batch.tick, steps: self.counts.steps });
        }
        let rate = settings.optimiser.rate(self.counts.transitions);
        brain.adam.step(&settings.optimiser, rate, &mut *brain.network, &gradients, clip);
        if self.counts.steps.is_multiple_of(settings.target_every) {
            brain.target = brain.network.clone();
        }
        stats.gradient_steps += 1;
        stats.loss += sums.loss / count as f64;
        stats.error += sums.error / count as f64;
        Ok(())
    }

    fn head(&self) -> PolicyFile {
        let settings = &self.settings;
        let layout = serde_json::json!({
            "network": settings.network.layout(),
            "normalise": NormaliseSettings::default(),
            "dueling": settings.dueling,
            "replay": settings.replay,
            "steps": settings.steps,
            "prioritised": settings.prioritised.is_some(),
        });
        head(KIND.name, &self.space, layout.to_string())
    }
}

/// The gradient of some rows of a step of `all` rows.
fn chunk(
    settings: &DqnSettings,
    brain: &Brain,
    (replay, spans, actions): (&Experience, &[f32], usize),
    (rows, weights, all): (&[usize], &[f32], usize),
    worker: &mut Worker,
    slab: &mut [f32],
) -> Sums {
    let stride = brain.network.stride();
    worker.features.clear();
    for &row in rows {
        worker.features.extend_from_slice(replay.seen_next(row));
    }
    let goes_on = |row: usize| replay.outcomes[row] != Outcome::Terminated;
    let choices: Vec<Action> = if settings.double {
        let outputs = brain.network.forward(&worker.features, rows.len(), &mut worker.traces[0]);
        let choose = |(&row, outputs): (&usize, &[f32])| {
            if goes_on(row) { best(outputs, replay.next_legal[row]) } else { Action(0) }
        };
        rows.iter().zip(outputs.chunks(stride)).map(choose).collect()
    } else {
        Vec::new()
    };
    let outputs = brain.target.forward(&worker.features, rows.len(), &mut worker.traces[1]);
    let target = |(place, (&row, outputs)): (usize, (&usize, &[f32]))| {
        if !goes_on(row) {
            return replay.rewards[row];
        }
        let legal = replay.next_legal[row];
        let choice = if settings.double { choices[place] } else { best(outputs, legal) };
        let discount = settings.discount.powi(spans[row] as i32) as f32;
        replay.rewards[row] + discount * value(settings.dueling, outputs, actions, legal, choice)
    };
    let targets: Vec<f32> = rows.iter().zip(outputs.chunks(stride)).enumerate().map(target).collect();

    worker.features.clear();
    for &row in rows {
        worker.features.extend_from_slice(replay.seen(row));
    }
    let outputs = brain.network.forward(&worker.features, rows.len(), &mut worker.traces[0]);
    worker.outputs.clear();
    worker.outputs.resize(rows.len() * stride, 0.0);
    let mut sums = Sums::default();
    for (place, (&row, outputs)) in rows.iter().zip(outputs.chunks(stride)).enumerate() {
        let (legal, action) = (replay.legal[row], Action(replay.actions[row]));
        let error = value(settings.dueling, outputs, actions, legal, action) - targets[place];
        // Huber's loss: squared up to 1, then straight; its slope is the error cut at 1.
        let slope = error.clamp(-1.0, 1.0);
        let gradient = slope * weights[place] / all as f32;
        let gradients = &mut worker.outputs[place * stride..(place + 1) * stride];
        gradients[action.index()] = gradient;
        if settings.dueling {
            gradients[actions] = gradient;
            for other in legal.iter() {
                gradients[other.index()] -= gradient / legal.count() as f32;
            }
        }
        sums.loss += f64::from(weights[place] * (slope * error - 0.5 * slope * slope));
        sums.error += f64::from(error.abs());
        sums.errors.push(error);
    }
    brain.network.backward(&worker.features, rows.len(), &worker.outputs, &mut worker.traces[0], slab);
    sums
}

impl Learner for Dqn {
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
        stats.exploration = exploration(&self.settings, batch.tick);
        if batch.tick.0 < self.counts.tick {
            // Another run goes on with what an earlier one learned: its open returns are not continued.
            self.open.clear();
        }
        self.counts.tick = batch.tick.0;
        let before = self.counts.transitions;
        for row in 0..batch.agents.len() {
            self.keep(batch, row);
        }
        self.counts.transitions += batch.agents.len() as u64;
        if self.counts.transitions < self.settings.learning_starts || self.replay.is_empty() {
            return Ok(stats);
        }
        if self.brain.is_none() {
            self.brain = Some(Brain::new(begin(&self.settings, &self.space, batch.chance)));
        }
        // Whole steps that fall between the transitions before and those now.
        let due = |transitions: u64| (transitions as f64 * self.settings.gradient_steps) as u64;
        let steps = due(self.counts.transitions) - due(before.max(self.settings.learning_starts - 1));
        for _ in 0..steps {
            self.improve(batch, &mut stats)?;
        }
        if steps > 0 {
            stats.loss /= steps as f64;
            stats.error /= steps as f64;
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

    fn discount(&self) -> Option<f64> {
        Some(self.settings.discount)
    }

    fn save(&self) -> PolicyFile {
        let mut file = self.head();
        // Before the first step the weights are those that any run begins with; here those of chance 0.
        let fresh = || Brain::new(begin(&self.settings, &self.space, Chance::new(0)));
        let brain = self.brain.clone().unwrap_or_else(fresh);
        file.tensors.extend(brain.network.save("network", brain.network.parameters()));
        file.tensors.extend(brain.target.save("target", brain.target.parameters()));
        file.tensors.extend(brain.adam.save("adam", &*brain.network));
        let Counts { transitions, steps, tick } = self.counts;
        let counts = [u64::from(self.brain.is_some()), transitions, steps, tick];
        let values = counts.map(|count| count as f64).to_vec();
        file.tensors.push(TensorData { name: "counts".into(), shape: vec![values.len()], values });
        file.tensors.extend(self.replay.save("replay"));
        let spans: Vec<f64> = self.spans.iter().map(|&span| f64::from(span)).collect();
        file.tensors.push(TensorData { name: "spans".into(), shape: vec![spans.len()], values: spans });
        file.tensors.extend(self.priorities.as_ref().map(|priorities| priorities.save(self.replay.len())));
        let width = self.width() + WAITING;
        let mut open = Vec::new();
        for (agent, waiting) in &self.open {
            for one in waiting {
                open.extend([f64::from(agent.0), (one.legal.0 >> 32) as f64, f64::from(one.legal.0 as u32)]);
                open.extend([f64::from(one.action), one.reward, f64::from(one.decisions)]);
                open.extend(one.seen.iter().map(|&value| f64::from(value)));
            }
        }
        file.tensors.push(TensorData { name: "open".into(), shape: vec![open.len() / width, width], values: open });
        file.tensors.sort_by(|left, right| left.name.cmp(&right.name));
        file
    }

    fn load(&mut self, file: &PolicyFile) -> Result<(), PolicyFileError> {
        check_head(file, &self.head(), "networks or replays")?;
        let mut brain = Brain::new(begin(&self.settings, &self.space, Chance::new(0)));
        for (name, network) in [("network", &mut brain.network), ("target", &mut brain.target)] {
            let loaded = network.load(name, file)?;
            network.parameters_mut().copy_from_slice(&loaded);
        }
        brain.adam = Adam::load("adam", &*brain.network, file)?;
        let counts = array(file, "counts", &[4])?;
        let (width, capacity) = (self.width(), self.settings.replay as usize);
        let replay = Experience::load("replay", width, capacity, file)?;
        let spans = array(file, "spans", &[replay.len()])?;
        let missing = || PolicyFileError::MissingTensor { name: "open".into(), shape: vec![0, width + WAITING] };
        let open = file.tensors.iter().find(|tensor| tensor.name == "open").ok_or_else(missing)?;
        if open.shape.len() != 2 || open.shape[1] != width + WAITING {
            return Err(missing());
        }
        let mut waiting: BTreeMap<AgentId, VecDeque<Waiting>> = BTreeMap::new();
        for row in finite(open)?.chunks_exact(width + WAITING) {
            waiting.entry(AgentId(row[0] as u32)).or_default().push_back(Waiting {
                seen: row[WAITING..].iter().map(|&value| value as f32).collect(),
                legal: LegalActions((row[1] as u64) << 32 | row[2] as u64),
                action: row[3] as u16,
                reward: row[4],
                decisions: row[5] as u32,
            });
        }
        let beyond = |action: u16| usize::from(action) >= self.space.menu.len();
        if replay.actions.iter().copied().chain(waiting.values().flatten().map(|one| one.action)).any(beyond) {
            return Err(PolicyFileError::Mismatch {
                what: "actions of kept transitions",
                saved: "an action beyond the menu".into(),
                needed: format!("actions below {}", self.space.menu.len()),
            });
        }
        let mut priorities = self.settings.prioritised.as_ref().map(|_| Priorities::new(capacity));
        if let Some(priorities) = &mut priorities {
            priorities.restore(&array(file, "priorities", &[replay.len() + 1])?);
        }
        let count = |place: usize| counts[place] as u64;
        self.counts = Counts { transitions: count(1), steps: count(2), tick: count(3) };
        self.brain = (count(0) == 1).then_some(brain);
        self.spans = spans.into_iter().map(|span| span as f32).collect();
        (self.replay, self.priorities, self.open) = (replay, priorities, waiting);
        self.published = Arc::new(self.publication(!self.settings.learn));
        Ok(())
    }
}
