//! Behaviour cloning (Pomerleau 1991): a network learns to do what another policy was recorded doing. For rows (s,a) of
//! the recording each gradient step climbs
//!
//! mean of ln π(a|s),   with π(·|s) the softmax of the network's outputs over the actions that were legal in s.
//!
//! Whole episodes are held out: neighbouring rows are too alike for a row to say anything of the next. Learning stops
//! once the held-out log-probability has not risen for `patience` epochs, and the best weights are kept. Rows in which only
//! one action was legal teach nothing and are left out.

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecordingSource;
use super::action_values::best;
use super::approximator::Approximator;
use super::checks::within;
use super::experience::Experience;
use super::network::{Trace, Worker, over_chunks};
use super::network_settings::NetworkSettings;
use super::offline::{Choosing, Lessons, Method, Plan, ROWS, Start, Student, Weights, check_data, log_sum, sources};
use super::optimiser::{OptimiserSettings, clipping};
use crate::base::{Action, Chance, LearnError, Learner, Purpose, Space, StudyStats, Tick};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "behaviour_cloning",
    about: "a network that learns, before the run, to do what a policy was recorded doing in other runs",
    settings: SettingsType::of::<CloningSettings>(),
};

/// Settings of `kind = "behaviour_cloning"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CloningSettings {
    /// What to learn from: run folders with `transitions/POLICY.csv`, or such files.
    pub data: Vec<String>,
    /// The policy whose transitions are meant, in run folders; where it is left away, the only one that was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_policy: Option<String>,
    /// The network.
    pub network: NetworkSettings,
    /// How gradients become steps; a transition counts for `schedule_transitions` as often as it is gone through.
    pub optimiser: OptimiserSettings,
    /// Bring each feature to mean 0 and variance 1, as recorded.
    pub normalise_observations: bool,
    /// How often the recording is gone through, at most.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u32,
    /// Transitions of a gradient step.
    #[schemars(range(min = 1, max = 65536))]
    pub minibatch: u32,
    /// Share of the episodes that is held out, in [0, 0.5]; 0: none, and all epochs are gone through.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub held_out: f64,
    /// Epochs without a higher held-out log-probability after which learning stops.
    #[schemars(range(min = 1))]
    pub patience: u32,
    /// How actions are taken.
    pub choosing: Choosing,
    /// Learn at all; `false` keeps the network as `load` brings it.
    pub learn: bool,
    /// Start from a policy that an earlier run saved: its run folder (the policy of the same name) or its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
}

impl Default for CloningSettings {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            data_policy: None,
            network: NetworkSettings::default(),
            optimiser: OptimiserSettings { learning_rate: 1e-3, ..OptimiserSettings::default() },
            normalise_observations: true,
            epochs: 50,
            minibatch: 128,
            held_out: 0.1,
            patience: 5,
            choosing: Choosing::Likeliest,
            learn: true,
            load: None,
        }
    }
}

impl Settings for CloningSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        self.network.validate(section)?;
        self.optimiser.validate(section)?;
        within(section, "held_out", self.held_out, true)?;
        check_data(section, &self.network, (&self.data, self.learn))
    }
}

pub(super) fn load_from(section: &Section) -> Result<Option<String>, ScenarioError> {
    Ok(section.settings::<CloningSettings>()?.load)
}

pub(super) fn recordings(section: &Section) -> Result<Vec<RecordingSource>, ScenarioError> {
    let settings = section.settings::<CloningSettings>()?;
    Ok(sources(settings.data, settings.data_policy.as_ref(), settings.learn))
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<CloningSettings>()?;
    let plan = Plan {
        start: Start {
            network: settings.network.clone(),
            features: space.features.len(),
            outputs: space.menu.len(),
            // A policy that begins near chance.
            last_gain: 0.01,
            purpose: Purpose::named("rl.behaviour_cloning.weights"),
        },
        layout: serde_json::json!({ "network": settings.network.layout(), "normalise_observations": settings.normalise_observations }),
        normalise: settings.normalise_observations,
        choosing: settings.choosing,
        learn: settings.learn,
    };
    Ok(Box::new(Student::new(Cloning(settings), plan, space.clone())))
}

const HELD_OUT: Purpose = Purpose::named("rl.behaviour_cloning.held_out");
const SHUFFLE: Purpose = Purpose::named("rl.behaviour_cloning.shuffle");

struct Cloning(CloningSettings);

/// How a policy does on rows it was not shown.
#[derive(Clone, Copy)]
struct Judgement {
    log_probability: f64,
    accuracy: f64,
}

impl Cloning {
    /// Rows to learn from and rows held out, both in the order of the recording.
    fn split(&self, lessons: &Lessons, chance: Chance) -> Result<(Vec<usize>, Vec<usize>), LearnError> {
        let mut order: Vec<usize> = (0..lessons.episodes.len()).collect();
        let mut draw = chance.keyed(HELD_OUT, 0, 0);
        for place in (1..order.len()).rev() {
            order.swap(place, draw.random_range(0..=place));
        }
        let count = (order.len() as f64 * self.0.held_out).ceil() as usize;
        if count > 0 && order.len() < 2 {
            return Err(LearnError::Recording(
                "the recording has one episode only, so that none can be held out; record more, or set `held_out = 0`"
                    .into(),
            ));
        }
        let choices = |episodes: &[usize]| -> Vec<usize> {
            let mut rows: Vec<usize> =
                episodes.iter().flat_map(|&episode| &lessons.episodes[episode]).copied().collect();
            rows.retain(|&row| lessons.rows.legal[row].count() > 1);
            rows.sort_unstable();
            rows
        };
        let (held_out, shown) = (choices(&order[..count]), choices(&order[count..]));
        if shown.is_empty() || (count > 0 && held_out.is_empty()) {
            let which = if shown.is_empty() { "to learn from" } else { "held out" };
            return Err(LearnError::Recording(format!(
                "in the episodes {which} there is no decision between two actions; record more"
            )));
        }
        Ok((shown, held_out))
    }
}

impl Method for Cloning {
    const KIND: &'static str = "behaviour_cloning";

    fn study(
        &self,
        weights: &mut Weights,
        lessons: &Lessons,
        _: &Space,
        chance: Chance,
    ) -> Result<Vec<StudyStats>, LearnError> {
        let settings = &self.0;
        let (mut order, held_out) = self.split(lessons, chance)?;
        let rows = &lessons.rows;
        let (mut studies, mut workers) = (Vec::new(), Vec::new());
        let mut gradients = vec![0.0; weights.network.parameters().len()];
        let mut best_so_far: Option<(f64, Weights)> = None;
        let (mut without_gain, mut passed) = (0, 0_u64);
        for epoch in 1..=u64::from(settings.epochs) {
            let mut draw = chance.keyed(SHUFFLE, epoch, 0);
            for place in (1..order.len()).rev() {
                order.swap(place, draw.random_range(0..=place));
            }
            let mut stats = StudyStats { epoch, ..StudyStats::default() };
            for part in order.chunks(settings.minibatch as usize) {
                let network = &*weights.network;
                let loss = over_chunks(part.len(), &mut gradients, &mut workers, |range, worker, slab| {
                    Loss(chunk(network, rows, (&part[range], part.len()), worker, slab))
                });
                let (clip, norm) = clipping(&[&gradients], settings.optimiser.gradient_norm);
                if !norm.is_finite() {
                    return Err(LearnError::Diverged { tick: Tick(0), steps: weights.steps });
                }
                let rate = settings.optimiser.rate(passed);
                weights.adam.step(&settings.optimiser, rate, &mut *weights.network, &gradients, clip);
                weights.steps += 1;
                passed += part.len() as u64;
                stats.gradient_steps += 1;
                stats.loss += loss.0 / part.len() as f64;
            }
            stats.loss /= stats.gradient_steps as f64;
            if held_out.is_empty() {
                studies.push(stats);
                continue;
            }
            let judged = judge(&*weights.network, rows, &held_out);
            stats.held_out_log_probability = Some(judged.log_probability);
            stats.held_out_accuracy = Some(judged.accuracy);
            studies.push(stats);
            if best_so_far.as_ref().is_none_or(|(best, _)| judged.log_probability > *best) {
                best_so_far = Some((judged.log_probability, weights.clone()));
                without_gain = 0;
            } else {
                without_gain += 1;
                if without_gain >= settings.patience {
                    break;
                }
            }
        }
        if let Some((_, best)) = best_so_far {
            *weights = best;
        }
        Ok(studies)
    }
}

/// A sum of losses.
#[derive(Default)]
struct Loss(f64);

impl std::ops::AddAssign for Loss {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// The gradient of −ln π(a|s) for some rows of a step of `all` rows, and the sum of these.
fn chunk(
    network: &dyn Approximator,
    lessons: &Experience,
    (rows, all): (&[usize], usize),
    worker: &mut Worker,
    slab: &mut [f32],
) -> f64 {
    let stride = network.stride();
    worker.features.clear();
    for &row in rows {
        worker.features.extend_from_slice(lessons.seen(row));
    }
    let outputs = network.forward(&worker.features, rows.len(), &mut worker.traces[0]);
    worker.outputs.clear();
    worker.outputs.resize(rows.len() * stride, 0.0);
    let mut loss = 0.0;
    for ((&row, logits), gradients) in rows.iter().zip(outputs.chunks(stride)).zip(worker.outputs.chunks_mut(stride)) {
        let (legal, action) = (lessons.legal[row], usize::from(lessons.actions[row]));
        let all_logits = log_sum(logits, legal);
        for other in legal.iter() {
            gradients[other.index()] = (logits[other.index()] - all_logits).exp() / all as f32;
        }
        gradients[action] -= 1.0 / all as f32;
        loss += f64::from(all_logits - logits[action]);
    }
    network.backward(&worker.features, rows.len(), &worker.outputs, &mut worker.traces[0], slab);
    loss
}

/// Mean log-probability of what was done in these rows, and the share of them in which it was thought likeliest.
fn judge(network: &dyn Approximator, lessons: &Experience, rows: &[usize]) -> Judgement {
    let (mut trace, mut seen) = (Trace::default(), Vec::new());
    let (mut sum, mut right) = (0.0, 0_u64);
    for block in rows.chunks(ROWS) {
        seen.clear();
        for &row in block {
            seen.extend_from_slice(lessons.seen(row));
        }
        let outputs = network.forward(&seen, block.len(), &mut trace);
        for (&row, logits) in block.iter().zip(outputs.chunks(network.stride())) {
            let (legal, action) = (lessons.legal[row], Action(lessons.actions[row]));
            sum += f64::from(logits[action.index()] - log_sum(logits, legal));
            right += u64::from(best(logits, legal) == action);
        }
    }
    let count = rows.len() as f64;
    Judgement { log_probability: sum / count, accuracy: right as f64 / count }
}
