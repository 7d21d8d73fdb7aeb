//! Deep Q-learning (Mnih et al. 2015, algorithm 1): a network learns, from transitions drawn out of its past, towards
//!
//! y = r + γ max Q⁻(s′,·),   with Q⁻ the network of some steps ago,
//!
//! by the Huber loss. Declared one by one:
//! *double* (van Hasselt, Guez and Silver 2016, equation 4): Q chooses the best next action and Q⁻ values it;
//! *dueling* (Wang et al. 2016, equation 9): Q = V + A − mean A, over the legal actions;
//! *n-step* (Sutton 1988; Hessel et al. 2018, section 3): rewards of `steps` decisions, then γⁿ of the value there;
//! *soft targets* (Lillicrap et al. 2016): Q⁻ moves by a share of the way towards Q at each step;
//! *averaging* (Polyak and Juditsky 1992): what is deployed is a running mean of the weights;
//! *prioritised replay* (Schaul et al. 2016): `replay.rs`, with weights that undo its bias as β rises to 1.

mod policy;
mod settings;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand::RngExt;

use self::policy::{Published, begin, exploration};
use super::action_values::{Brain, Lesson, approach, chunk};
use super::approximator::Approximator;
use super::checks::{array, check_finite, check_head, finite, head};
use super::experience::Experience;
use super::network::{Worker, over_chunks};
use super::normalise::Moments;
use super::optimiser::{Adam, clipping};
use super::policy_network::PolicyNetwork;
use super::replay::{Priorities, memory_bytes};
use crate::base::{
    AgentId, Chance, LearnError, LearnStats, Learner, LegalActions, Outcome, Policy, PolicyFile, PolicyFileError,
    Purpose, Space, TensorData, TransitionBatch,
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

const REPLAY: Purpose = Purpose::named("rl.dqn.replay");

/// What an error of nothing has as priority, so that it is drawn again some day.
const PRIORITY_LEAST: f64 = 1e-3;

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
    /// Weights averaged over gradient steps, which are what is deployed, where that is declared.
    average: Option<Box<dyn Approximator>>,
    /// By which features are brought to one scale, where that is declared.
    moments: Option<Moments>,
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

impl Dqn {
    /// A learner that has learned nothing.
    #[must_use]
    pub fn new(settings: DqnSettings, space: Space) -> Self {
        let settings = Arc::new(settings);
        let capacity = settings.replay as usize;
        let published = Published {
            settings: Arc::clone(&settings),
            space: space.clone(),
            network: PolicyNetwork::of(None),
            moments: None,
            greedy: !settings.learn,
        };
        Self {
            brain: None,
            average: None,
            moments: settings.normalise.observations.then(|| Moments::new(space.features.len())),
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
        let deployed = self.average.as_ref().filter(|_| greedy);
        let network = PolicyNetwork::of(self.brain.as_ref().map(|brain| &**deployed.unwrap_or(&brain.network)));
        Published {
            settings: Arc::clone(&self.settings),
            space: self.space.clone(),
            network,
            moments: self.moments.clone(),
            greedy,
        }
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
        let (replay, spans) = (&self.replay, &self.spans);
        let lesson = Lesson {
            discount: settings.discount,
            double: settings.double,
            dueling: settings.dueling,
            actions: self.space.menu.len(),
            conservatism: 0.0,
            moments: self.moments.as_ref().map(|moments| (moments, settings.network.sight(self.space.features.len()))),
        };
        let sums = over_chunks(count, &mut gradients, &mut self.workers, |range, worker, slab| {
            let part = (&rows[range.clone()], &weights[range], count);
            chunk(lesson, brain, (replay, spans), part, worker, slab)
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
        brain.renew_target(self.counts.steps, settings.target_every, settings.target_rate);
        if let Some(average) = &mut self.average {
            // The mean of the first steps, and then one that forgets: 1 − n/(n+1) until that is above the setting.
            let share = (1.0 - settings.averaging).max(1.0 / self.counts.steps as f64);
            approach(&mut **average, &*brain.network, share);
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
            "normalise": settings.normalise,
            "dueling": settings.dueling,
            "replay": settings.replay,
            "steps": settings.steps,
            "prioritised": settings.prioritised.is_some(),
            "averaging": settings.averaging > 0.0,
        });
        head(KIND.name, &self.space, layout.to_string())
    }
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
        if let Some(moments) = &mut self.moments {
            moments.observe(batch.features);
        }
        let before = self.counts.transitions;
        for row in 0..batch.agents.len() {
            self.keep(batch, row);
        }
        self.counts.transitions += batch.agents.len() as u64;
        if self.counts.transitions < self.settings.learning_starts || self.replay.is_empty() {
            return Ok(stats);
        }
        if self.brain.is_none() {
            let brain = Brain::new(begin(&self.settings, &self.space, batch.chance));
            self.average = (self.settings.averaging > 0.0).then(|| brain.network.clone());
            self.brain = Some(brain);
        }
        // Whole steps that fall between the transitions before and those now.
        let due = |transitions: u64| {
            let whole = transitions - transitions % self.settings.learn_every;
            (whole as f64 * self.settings.gradient_steps) as u64
        };
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
        if self.settings.averaging > 0.0 {
            let average = self.average.as_ref().unwrap_or(&brain.network);
            file.tensors.extend(average.save("average", average.parameters()));
        }
        let Counts { transitions, steps, tick } = self.counts;
        let counts = [u64::from(self.brain.is_some()), transitions, steps, tick];
        let values = counts.map(|count| count as f64).to_vec();
        file.tensors.push(TensorData { name: "counts".into(), shape: vec![values.len()], values });
        file.tensors.extend(self.moments.as_ref().map(|moments| moments.save("moments")));
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
        let mut average = (self.settings.averaging > 0.0).then(|| brain.network.clone());
        if let Some(average) = &mut average {
            let loaded = average.load("average", file)?;
            average.parameters_mut().copy_from_slice(&loaded);
        }
        let moments = match &self.moments {
            Some(_) => Some(Moments::load("moments", self.space.features.len(), file)?),
            None => None,
        };
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
        (self.brain, self.average) = if count(0) == 1 { (Some(brain), average) } else { (None, None) };
        self.spans = spans.into_iter().map(|span| span as f32).collect();
        (self.replay, self.priorities, self.open, self.moments) = (replay, priorities, waiting, moments);
        self.published = Arc::new(self.publication(!self.settings.learn));
        Ok(())
    }
}
