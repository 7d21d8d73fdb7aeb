//! Conservative Q-learning for discrete actions (Kumar, Zhou, Tucker and Levine 2020), the variant CQL(H) of their
//! equation 4: from what another policy was recorded doing, without a step of its own, each gradient step descends
//!
//! mean of α (ln Σ exp Q(s,·) − Q(s,a)) + Huber(r + γ max Q⁻(s′,·) − Q(s,a)),
//!
//! the sum over the actions that were legal. The first term lowers values of what was not done and raises those of what
//! was, so that a value is not thought high only because nobody tried it. The second is that of deep Q-learning, with
//! `double`, `dueling` and soft targets as there.

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecordingSource;
use super::action_values::{Brain, Lesson, chunk};
use super::checks::within;
use super::network::over_chunks;
use super::network_settings::{Activation, NetworkSettings};
use super::offline::{Choosing, Lessons, Method, Plan, Start, Student, Weights, check_data, sources};
use super::optimiser::{OptimiserSettings, clipping};
use crate::base::{Chance, LearnError, Learner, Purpose, Space, StudyStats, Tick};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "cql",
    about: "conservative Q-learning (Kumar et al. 2020) from what a policy was recorded doing in other runs",
    settings: SettingsType::of::<CqlSettings>(),
};

/// Settings of `kind = "cql"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "settings of a scenario file, each with a name of its own")]
pub struct CqlSettings {
    /// What to learn from: run folders with `transitions/POLICY.csv`, or such files.
    pub data: Vec<String>,
    /// The policy whose transitions are meant, in run folders; where it is left away, the only one that was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_policy: Option<String>,
    /// The network of values.
    pub network: NetworkSettings,
    /// How gradients become steps; a transition counts for `schedule_transitions` as often as it is gone through.
    pub optimiser: OptimiserSettings,
    /// Bring each feature to mean 0 and variance 1, as recorded.
    pub normalise_observations: bool,
    /// How often the recording is gone through.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u32,
    /// Transitions of a gradient step.
    #[schemars(range(min = 1, max = 65536))]
    pub minibatch: u32,
    /// α, what conservatism weighs against the error of values; 0: deep Q-learning from the recording.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub conservatism: f64,
    /// Gradient steps after which Q⁻ becomes Q.
    #[schemars(range(min = 1))]
    pub target_every: u64,
    /// τ, in (0, 1]: share of the way that Q⁻ moves towards Q at each gradient step, instead of `target_every`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_rate: Option<f64>,
    /// γ, in [0, 1]: what reward one decision later is worth.
    pub discount: f64,
    /// Let Q choose the action that Q⁻ values.
    pub double: bool,
    /// Learn the value of a state apart from the advantages of its actions.
    pub dueling: bool,
    /// Learn at all; `false` keeps the network as `load` brings it.
    pub learn: bool,
    /// Start from a policy that an earlier run saved: its run folder (the policy of the same name) or its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
}

impl Default for CqlSettings {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            data_policy: None,
            network: NetworkSettings { activation: Activation::Relu, ..NetworkSettings::default() },
            optimiser: OptimiserSettings { learning_rate: 5e-4, gradient_norm: 10.0, ..OptimiserSettings::default() },
            normalise_observations: true,
            epochs: 20,
            minibatch: 128,
            conservatism: 1.0,
            target_every: 250,
            target_rate: None,
            discount: 0.99,
            double: true,
            dueling: false,
            learn: true,
            load: None,
        }
    }
}

impl Settings for CqlSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        self.network.validate(section)?;
        self.optimiser.validate(section)?;
        within(section, "discount", self.discount, true)?;
        if let Some(rate) = self.target_rate {
            within(section, "target_rate", rate, false)?;
        }
        check_data(section, &self.network, (&self.data, self.learn))
    }
}

pub(super) fn load_from(section: &Section) -> Result<Option<String>, ScenarioError> {
    Ok(section.settings::<CqlSettings>()?.load)
}

pub(super) fn recordings(section: &Section) -> Result<Vec<RecordingSource>, ScenarioError> {
    let settings = section.settings::<CqlSettings>()?;
    Ok(sources(settings.data, settings.data_policy.as_ref(), settings.learn))
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<CqlSettings>()?;
    let outputs = space.menu.len() + usize::from(settings.dueling);
    let plan = Plan {
        start: Start {
            network: settings.network.clone(),
            features: space.features.len(),
            outputs,
            last_gain: 1.0,
            purpose: Purpose::named("rl.cql.weights"),
        },
        layout: serde_json::json!({
            "network": settings.network.layout(),
            "normalise_observations": settings.normalise_observations,
            "dueling": settings.dueling,
        }),
        normalise: settings.normalise_observations,
        choosing: Choosing::Likeliest,
        learn: settings.learn,
    };
    Ok(Box::new(Student::new(Conservative(settings), plan, space.clone())))
}

const SHUFFLE: Purpose = Purpose::named("rl.cql.shuffle");

struct Conservative(CqlSettings);

impl Method for Conservative {
    const KIND: &'static str = "cql";

    fn study(
        &self,
        weights: &mut Weights,
        lessons: &Lessons,
        space: &Space,
        chance: Chance,
    ) -> Result<Vec<StudyStats>, LearnError> {
        let settings = &self.0;
        let lesson = Lesson {
            discount: settings.discount,
            double: settings.double,
            dueling: settings.dueling,
            actions: space.menu.len(),
            conservatism: settings.conservatism as f32,
            moments: None,
        };
        let rows = &lessons.rows;
        // A reward is that of one decision.
        let spans = vec![1.0; rows.len()];
        let equal = vec![1.0; settings.minibatch as usize];
        let mut brain = Brain::new(weights.network.clone());
        brain.adam = weights.adam.clone();
        let mut gradients = vec![0.0; brain.network.parameters().len()];
        let (mut studies, mut workers, mut passed) = (Vec::new(), Vec::new(), 0_u64);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        for epoch in 1..=u64::from(settings.epochs) {
            let mut draw = chance.keyed(SHUFFLE, epoch, 0);
            for place in (1..order.len()).rev() {
                order.swap(place, draw.random_range(0..=place));
            }
            let mut stats = StudyStats { epoch, ..StudyStats::default() };
            let (mut error, mut gap) = (0.0, 0.0);
            for part in order.chunks(settings.minibatch as usize) {
                let sums = over_chunks(part.len(), &mut gradients, &mut workers, |range, worker, slab| {
                    let rows_of = (&part[range.clone()], &equal[range], part.len());
                    chunk(lesson, &brain, (rows, &spans), rows_of, worker, slab)
                });
                weights.steps += 1;
                let (clip, norm) = clipping(&[&gradients], settings.optimiser.gradient_norm);
                if !norm.is_finite() {
                    return Err(LearnError::Diverged { tick: Tick(0), steps: weights.steps });
                }
                let rate = settings.optimiser.rate(passed);
                brain.adam.step(&settings.optimiser, rate, &mut *brain.network, &gradients, clip);
                brain.renew_target(weights.steps, settings.target_every, settings.target_rate);
                passed += part.len() as u64;
                let count = part.len() as f64;
                stats.gradient_steps += 1;
                stats.loss += sums.loss / count;
                error += sums.error / count;
                gap += sums.gap / count;
            }
            let steps = stats.gradient_steps as f64;
            stats.loss /= steps;
            stats.error = Some(error / steps);
            stats.gap = (settings.conservatism > 0.0).then_some(gap / steps);
            studies.push(stats);
        }
        let Brain { network, adam, .. } = brain;
        (weights.network, weights.adam) = (network, adam);
        Ok(studies)
    }
}
