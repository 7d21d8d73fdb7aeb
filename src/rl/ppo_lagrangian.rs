//! PPO under limits of costs, by Lagrange's multipliers (Ray, Achiam and Amodei 2019, section 5.2): the greatest reward
//! among policies with Jₖ ≤ dₖ for each cost k, as the saddle point of
//!
//! max over π, min over λ ≥ 0 of J(π) − Σ λₖ (Jₖ(π) − dₖ).
//!
//! A cost critic (one network with an output a cost) gives advantages Aₖ as the critic of rewards gives A. After each
//! rollout the multipliers move, then PPO climbs with (A − Σ λₖ Aₖ) / (1 + Σ λₖ). A multiplier is a controller of the
//! error e = Jₖ − dₖ measured in the rollout (Stooke, Achiam and Abbeel 2020, algorithm 2):
//!
//! I ← max(0, I + η e),   λ = max(0, I + P e + D max(0, Jₖ − Jₖ before)),
//!
//! which with P = D = 0 is the projected gradient ascent of the dual.

use std::collections::BTreeMap;

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor_critic::ActorCritic;
use super::approximator::Approximator;
use super::checks::{array, finite};
use super::constraint::{Constraint, Gathered};
use super::network::{Trace, Worker, over_chunks};
use super::objective::advantages;
use super::optimiser::{Adam, clipping};
use super::plan::Plan;
use super::ppo::{self, PpoSettings};
use crate::base::{
    AgentId, Chance, LearnError, Learner, LimitState, Outcome, PolicyFile, PolicyFileError, Purpose, Space, TensorData,
    TransitionBatch,
};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType, one_of};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "ppo_lagrangian",
    about: "PPO under limits of costs (Ray et al. 2019; Stooke et al. 2020): multipliers price what is limited",
    settings: SettingsType::of::<PpoLagrangianSettings>(),
};

/// Settings of `kind = "ppo_lagrangian"`: those of `ppo`, and the limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PpoLagrangianSettings {
    #[serde(flatten)]
    ppo: PpoSettings,
    /// The costs and what they may be.
    #[schemars(length(min = 1, max = 8))]
    pub limits: Vec<LimitSettings>,
    /// How multipliers move.
    #[serde(default)]
    pub multiplier: MultiplierSettings,
    /// How the policy decides once learning is over.
    #[serde(default)]
    pub deploy: Deploy,
}

/// A limit of a cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// The reward term of the role that is the cost, unweighted.
    pub term: String,
    /// What its mean may be.
    pub mean: f64,
    /// What the mean is over.
    #[serde(default)]
    pub per: Per,
}

/// What a mean is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Decisions.
    #[default]
    Decision,
    /// Episodes that ended.
    Episode,
}

/// How multipliers move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MultiplierSettings {
    /// η: reward a unit of cost, for each unit of error and each rollout.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub learning_rate: f64,
    /// P: answers the error at once, and keeps the multiplier from swinging.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub proportional: f64,
    /// D: answers a cost that is rising.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub derivative: f64,
    /// λ at the start.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub start: f64,
    /// What λ may be at most.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub most: f64,
}

impl Default for MultiplierSettings {
    fn default() -> Self {
        Self { learning_rate: 0.05, proportional: 0.0, derivative: 0.0, start: 0.0, most: 1000.0 }
    }
}

/// How a policy decides once learning is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deploy {
    /// It draws, as it did while it learned. The best policy under a limit is mostly a mixed one.
    #[default]
    Draw,
    /// It takes the likeliest action; the limit may not hold then.
    Greedy,
}

impl Settings for PpoLagrangianSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        self.ppo.validate(section)
    }
}

pub(super) fn load_from(section: &Section) -> Result<Option<String>, ScenarioError> {
    Ok(section.settings::<PpoLagrangianSettings>()?.ppo.load)
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<PpoLagrangianSettings>()?;
    let plan = ppo::plan(KIND.name, &settings.ppo);
    let mut columns = Vec::new();
    for (place, limit) in settings.limits.iter().enumerate() {
        let found = space.terms.iter().position(|&term| term == limit.term);
        columns.push(found.ok_or_else(|| {
            let problem = format!("the agents of this policy have no reward term \"{}\"", limit.term);
            let help = if space.terms.is_empty() {
                "their role has none at all".to_owned()
            } else {
                one_of(&limit.term, &space.terms)
            };
            section.invalid(&format!("limits[{place}].term"), problem, help)
        })?);
    }
    let inputs = space.features.len();
    let lagrangian = Lagrangian::new(settings, columns, inputs);
    Ok(Box::new(ActorCritic::new(plan, space.clone()).under(Box::new(lagrangian))))
}

const WEIGHTS: Purpose = Purpose::named("rl.ppo_lagrangian.weights");
const SHUFFLE: Purpose = Purpose::named("rl.ppo_lagrangian.shuffle");

/// One limit and its multiplier.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Multiplier {
    /// I.
    integral: f64,
    /// λ.
    value: f64,
    /// J, when it was last measured.
    mean: Option<f64>,
}

/// The cost critic and the multipliers.
struct Lagrangian {
    settings: PpoLagrangianSettings,
    /// Places of the costs among the terms of the space.
    columns: Vec<usize>,
    features: usize,
    critic: Option<(Box<dyn Approximator>, Adam)>,
    multipliers: Vec<Multiplier>,
    /// Costs of the rollout, row by row.
    costs: Vec<f32>,
    /// Costs of open episodes.
    open: BTreeMap<AgentId, Vec<f64>>,
    /// Episodes that ended in the rollout, and their costs.
    ended: u64,
    sums: Vec<f64>,
    workers: Vec<Worker>,
}

impl Lagrangian {
    fn new(settings: PpoLagrangianSettings, columns: Vec<usize>, features: usize) -> Self {
        let start = settings.multiplier.start.min(settings.multiplier.most);
        let multiplier = Multiplier { integral: start, value: start, mean: None };
        Self {
            critic: None,
            multipliers: vec![multiplier; columns.len()],
            costs: Vec::new(),
            open: BTreeMap::new(),
            ended: 0,
            sums: vec![0.0; columns.len()],
            workers: Vec::new(),
            settings,
            columns,
            features,
        }
    }

    fn begin(&self, plan: &Plan, chance: Chance) -> (Box<dyn Approximator>, Adam) {
        let critic = plan.network.build(self.features, self.columns.len(), 1.0, (chance, WEIGHTS, 0));
        let adam = Adam::new(&*critic);
        (critic, adam)
    }

    /// J of cost `place` in the rollout; `None` where no episode ended.
    fn measured(&self, place: usize) -> Option<f64> {
        match self.settings.limits[place].per {
            Per::Decision => {
                let costs = self.costs.iter().skip(place).step_by(self.columns.len());
                Some(
                    costs.map(|&cost| f64::from(cost)).sum::<f64>() * self.columns.len() as f64
                        / self.costs.len() as f64,
                )
            }
            Per::Episode => (self.ended > 0).then(|| self.sums[place] / self.ended as f64),
        }
    }

    /// Moves the multipliers by what was measured.
    fn ascend(&mut self) {
        for place in 0..self.columns.len() {
            let Some(mean) = self.measured(place) else { continue };
            let (MultiplierSettings { learning_rate, proportional, derivative, most, .. }, multiplier) =
                (&self.settings.multiplier, &mut self.multipliers[place]);
            let error = mean - self.settings.limits[place].mean;
            let rising = multiplier.mean.map_or(0.0, |before| (mean - before).max(0.0));
            multiplier.integral = (multiplier.integral + learning_rate * error).clamp(0.0, *most);
            multiplier.value = (multiplier.integral + proportional * error + derivative * rising).clamp(0.0, *most);
            multiplier.mean = Some(mean);
        }
    }

    /// Values of all rows: rows × costs.
    fn values(critic: &dyn Approximator, seen: &[f32]) -> Vec<f32> {
        let (mut trace, mut values) = (Trace::default(), Vec::new());
        for block in seen.chunks(BLOCK_ROWS * critic.inputs()) {
            let outputs = critic.forward(block, block.len() / critic.inputs(), &mut trace);
            values.extend(outputs.chunks(critic.stride()).flat_map(|row| &row[..critic.outputs()]));
        }
        values
    }

    /// Moves the critic towards these returns (rows × costs), by their squared errors.
    fn fit(&mut self, gathered: &Gathered<'_>, returns: &[f32]) -> Result<(), LearnError> {
        let (plan, rows, width) = (gathered.plan, gathered.rollout.len(), self.columns.len());
        let (critic, adam) = self.critic.as_mut().expect("made before");
        let inputs = critic.inputs();
        let mut gradients = vec![0.0; critic.parameters().len()];
        let mut order: Vec<usize> = (0..rows).collect();
        let minibatch = if plan.minibatch == 0 { rows } else { plan.minibatch };
        for epoch in 0..plan.epochs {
            let mut draw = gathered.batch.chance.keyed(SHUFFLE, gathered.updates, u64::from(epoch));
            for place in (1..rows).rev() {
                order.swap(place, draw.random_range(0..=place));
            }
            for rows in order.chunks(minibatch) {
                let network = &**critic;
                over_chunks(rows.len(), &mut gradients, &mut self.workers, |range, worker, slab| {
                    let chosen = &rows[range];
                    worker.features.clear();
                    for &row in chosen {
                        worker.features.extend_from_slice(&gathered.seen[row * inputs..(row + 1) * inputs]);
                    }
                    let stride = network.stride();
                    let outputs = network.forward(&worker.features, chosen.len(), &mut worker.traces[0]);
                    worker.outputs.clear();
                    worker.outputs.resize(chosen.len() * stride, 0.0);
                    let errors = worker.outputs.chunks_mut(stride).zip(outputs.chunks(stride));
                    for (&row, (gradients, values)) in chosen.iter().zip(errors) {
                        for cost in 0..width {
                            let error = values[cost] - returns[row * width + cost];
                            gradients[cost] = 2.0 * plan.value_factor * error / rows.len() as f32;
                        }
                    }
                    network.backward(&worker.features, chosen.len(), &worker.outputs, &mut worker.traces[0], slab);
                    Nothing
                });
                let (clip, norm) = clipping(&[&gradients], plan.optimiser.gradient_norm);
                if !norm.is_finite() {
                    return Err(LearnError::Diverged { tick: gathered.batch.tick, steps: gathered.updates });
                }
                adam.step(&plan.optimiser, gathered.rate, &mut **critic, &gradients, clip);
            }
        }
        Ok(())
    }
}

/// Rows that are computed together.
const BLOCK_ROWS: usize = 256;

/// A step of the critic has no other sums than its gradient.
#[derive(Default)]
struct Nothing;

impl std::ops::AddAssign for Nothing {
    fn add_assign(&mut self, _: Self) {}
}

impl Constraint for Lagrangian {
    fn observe(&mut self, batch: &TransitionBatch<'_>, row: usize) {
        let terms = &batch.terms[row * batch.space.terms.len()..];
        let costs = self.columns.iter().map(|&column| terms[column]);
        self.costs.extend(costs.clone());
        let sums = self.open.entry(batch.agents[row]).or_insert_with(|| vec![0.0; self.sums.len()]);
        sums.iter_mut().zip(costs).for_each(|(sum, cost)| *sum += f64::from(cost));
        if batch.outcomes[row] != Outcome::Continues
            && let Some(sums) = self.open.remove(&batch.agents[row])
        {
            self.ended += 1;
            self.sums.iter_mut().zip(sums).for_each(|(all, one)| *all += one);
        }
    }

    fn weigh(&mut self, gathered: &Gathered<'_>, rewards: &mut [f32]) -> Result<(), LearnError> {
        let (plan, rollout, width) = (gathered.plan, gathered.rollout, self.columns.len());
        self.ascend();
        if self.critic.is_none() {
            self.critic = Some(self.begin(plan, gathered.batch.chance));
        }
        let (critic, _) = self.critic.as_ref().expect("just made");
        let (values, nexts) = (Self::values(&**critic, gathered.seen), Self::values(&**critic, gathered.next));
        let discount = plan.discount as f32;
        let mut returns = vec![0.0; values.len()];
        let all: f64 = self.multipliers.iter().map(|multiplier| multiplier.value).sum();
        for (place, multiplier) in self.multipliers.iter().enumerate() {
            let error = |row: usize| {
                let at = row * width + place;
                let ended = rollout.outcomes[row] == Outcome::Terminated;
                let future = if ended { 0.0 } else { discount * nexts[at] };
                self.costs[at] + future - values[at]
            };
            let errors: Vec<f32> = (0..rollout.len()).map(error).collect();
            let costs = advantages(rollout, &errors, discount * plan.lambda as f32);
            for (row, cost) in costs.iter().enumerate() {
                returns[row * width + place] = cost + values[row * width + place];
                rewards[row] -= multiplier.value as f32 * cost;
            }
        }
        for advantage in &mut *rewards {
            *advantage /= (1.0 + all) as f32;
        }
        self.fit(gathered, &returns)?;
        self.costs.clear();
        self.ended = 0;
        self.sums.fill(0.0);
        Ok(())
    }

    fn forget(&mut self) {
        self.costs.clear();
        self.open.clear();
        self.ended = 0;
        self.sums.fill(0.0);
    }

    fn draws(&self) -> bool {
        self.settings.deploy == Deploy::Draw
    }

    fn limits(&self) -> Vec<LimitState> {
        let limits = self.settings.limits.iter().zip(&self.multipliers);
        limits
            .map(|(limit, multiplier)| LimitState {
                term: limit.term.clone(),
                limit: limit.mean,
                mean: multiplier.mean,
                multiplier: multiplier.value,
            })
            .collect()
    }

    fn layout(&self) -> serde_json::Value {
        self.settings.limits.iter().map(|limit| serde_json::json!([limit.term, limit.per])).collect()
    }

    fn save(&self, plan: &Plan) -> Vec<TensorData> {
        let fresh;
        let (critic, adam) = if let Some(learned) = &self.critic {
            learned
        } else {
            fresh = self.begin(plan, Chance::new(0));
            &fresh
        };
        let width = self.columns.len();
        let mut tensors = critic.save("cost", critic.parameters());
        tensors.extend(adam.save("adam.cost", &**critic));
        let one = |multiplier: &Multiplier| {
            let known = f64::from(u8::from(multiplier.mean.is_some()));
            [multiplier.integral, multiplier.value, known, multiplier.mean.unwrap_or(0.0)]
        };
        let mut table = |name: &str, shape: Vec<usize>, values: Vec<f64>| {
            tensors.push(TensorData { name: format!("limits.{name}"), shape, values });
        };
        table("multipliers", vec![width, 4], self.multipliers.iter().flat_map(one).collect());
        let costs = self.costs.iter().map(|&cost| f64::from(cost)).collect();
        table("costs", vec![self.costs.len() / width, width], costs);
        let begun = f64::from(u8::from(self.critic.is_some()));
        table("ended", vec![width + 2], [&[begun, self.ended as f64][..], &self.sums].concat());
        let open = self.open.iter().flat_map(|(agent, sums)| [&[f64::from(agent.0)][..], sums].concat()).collect();
        table("open", vec![self.open.len(), width + 1], open);
        tensors
    }

    fn load(&mut self, plan: &Plan, rows: usize, file: &PolicyFile) -> Result<(), PolicyFileError> {
        let width = self.columns.len();
        let (mut critic, _) = self.begin(plan, Chance::new(0));
        let loaded = critic.load("cost", file)?;
        critic.parameters_mut().copy_from_slice(&loaded);
        let adam = Adam::load("adam.cost", &*critic, file)?;
        let multipliers = array(file, "limits.multipliers", &[width, 4])?;
        let costs = array(file, "limits.costs", &[rows, width])?;
        let ended = array(file, "limits.ended", &[width + 2])?;
        let open = file.tensors.iter().find(|tensor| tensor.name == "limits.open");
        let open = open.filter(|tensor| tensor.shape.len() == 2 && tensor.shape[1] == width + 1);
        let missing = || PolicyFileError::MissingTensor { name: "limits.open".into(), shape: vec![0, width + 1] };
        let open = finite(open.ok_or_else(missing)?)?;
        self.multipliers = multipliers
            .chunks_exact(4)
            .map(|row| Multiplier { integral: row[0], value: row[1], mean: (row[2] > 0.5).then_some(row[3]) })
            .collect();
        self.costs = costs.into_iter().map(|cost| cost as f32).collect();
        self.critic = (ended[0] > 0.5).then_some((critic, adam));
        self.ended = ended[1] as u64;
        self.sums = ended[2..].to_vec();
        self.open = open.chunks_exact(width + 1).map(|row| (AgentId(row[0] as u32), row[1..].to_vec())).collect();
        Ok(())
    }
}
