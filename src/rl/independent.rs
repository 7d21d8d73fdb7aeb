//! Learners side by side, one an agent: each gathers its own transitions and learns from them alone; their networks stand in
//! two banks, policies in one and values in the other, at the same slot. Updates that fall due at one tick are shared
//! among threads, each network in one of them.
//!
//! An agent gets the lowest free slot with its first transition, and gives it back after the last. Its networks begin from
//! weights that are drawn for its id, whenever it comes and whoever had the slot before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use rand::RngExt;
use rayon::prelude::*;

use super::actor_critic::{ActorCritic, Brain, DRAW, begin, choose};
use super::bank::{Bank, BankWeights, Slot};
use super::checks::{array, check_finite, check_head, head};
use super::layers::{Layers, Trace};
use super::normalise::Moments;
use super::plan::Plan;
use super::stacked::{stack, unstack};
use crate::base::{
    Action, AgentId, Chance, DecisionBatch, LearnError, LearnStats, Learner, Outcome, Policy, PolicyError, PolicyFile,
    PolicyFileError, Space, TensorData, TransitionBatch,
};

/// Weights of policies that were asked before their agents' first transitions came in; drawn once in each run, whose chance
/// stands beside them: simulations may share a policy.
type Fresh = Arc<Mutex<Vec<(Chance, BTreeMap<AgentId, Arc<[f32]>>)>>>;

/// Many learners with networks of their own.
pub struct Independent {
    plan: Arc<Plan>,
    space: Space,
    /// Of policies and of values.
    banks: [Bank; 2],
    members: BTreeMap<AgentId, Member>,
    /// Slots that nobody has.
    free: BTreeSet<usize>,
    /// Members who have left; what they did last may still come in.
    leaving: BTreeSet<AgentId>,
    fresh: Fresh,
    directory: Arc<Vec<Entry>>,
}

/// An agent that learns.
struct Member {
    slot: usize,
    /// All but its networks.
    learner: ActorCritic,
}

/// Where an agent's policy is found.
#[derive(Clone)]
struct Entry {
    agent: AgentId,
    slot: usize,
    moments: Option<Moments>,
}

/// An update's task: whose it is, and the row of its transition.
type Task<'a> = Option<(AgentId, &'a mut ActorCritic, usize)>;

/// The networks that an agent begins with.
fn drawn(plan: &Plan, space: &Space, chance: Chance, agent: AgentId) -> Brain {
    // Pair 0 is that of learners with networks for all.
    Brain::new(begin(plan, space, chance, 1 + u64::from(agent.0)))
}

fn layers_of(plan: &Plan, space: &Space) -> [Layers; 2] {
    let inputs = plan.network.sight(space.features.len()).width();
    let layers = |outputs| Layers::new(&plan.network.widths(inputs, outputs), plan.network.nonlinearity());
    [layers(space.menu.len()), layers(1)]
}

impl Independent {
    /// A learner without members.
    #[must_use]
    pub fn new(plan: Plan, space: Space) -> Self {
        Self {
            banks: layers_of(&plan, &space).map(Bank::new),
            plan: Arc::new(plan),
            space,
            members: BTreeMap::new(),
            free: BTreeSet::new(),
            leaving: BTreeSet::new(),
            fresh: Fresh::default(),
            directory: Arc::default(),
        }
    }

    fn member(&self, slot: usize) -> Member {
        Member { slot, learner: ActorCritic::new(Arc::clone(&self.plan), self.space.clone()) }
    }

    /// Gives those slots who have none.
    fn admit(&mut self, agents: &[AgentId], chance: Chance) {
        let new: Vec<AgentId> = agents.iter().copied().filter(|agent| !self.members.contains_key(agent)).collect();
        let brains: Vec<Brain> = new.par_iter().map(|&agent| drawn(&self.plan, &self.space, chance, agent)).collect();
        for (&agent, brain) in new.iter().zip(&brains) {
            let slot = self.free.pop_first().unwrap_or(self.banks[0].slots());
            for (bank, network) in self.banks.iter_mut().zip(&brain.networks) {
                bank.put(slot, network.parameters());
            }
            let member = self.member(slot);
            self.members.insert(agent, member);
        }
        self.forget_fresh(&new);
    }

    /// What was drawn for these before they learned is no longer asked for.
    fn forget_fresh(&self, agents: &[AgentId]) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, known) in fresh.iter_mut() {
            known.retain(|agent, _| !agents.contains(agent));
        }
    }

    /// Takes the slots of those who have left.
    fn dismiss(&mut self) {
        for agent in std::mem::take(&mut self.leaving) {
            if let Some(member) = self.members.remove(&agent) {
                self.free.insert(member.slot);
            }
        }
    }

    fn write_directory(&mut self) {
        let entry = |(&agent, member): (&AgentId, &Member)| Entry {
            agent,
            slot: member.slot,
            moments: member.learner.moments.clone(),
        };
        self.directory = Arc::new(self.members.iter().map(entry).collect());
    }

    fn publication(&self, greedy: bool) -> Published {
        Published {
            plan: Arc::clone(&self.plan),
            space: self.space.clone(),
            weights: self.banks[0].weights(),
            directory: Arc::clone(&self.directory),
            fresh: Arc::clone(&self.fresh),
            greedy,
        }
    }

    fn head(&self) -> PolicyFile {
        let layout = serde_json::json!({ "network": self.plan.network.layout(), "normalise": self.plan.normalise });
        head(self.plan.kind, &self.space, layout.to_string())
    }

    /// Lets each member take in its row; those whose rollout is full learn side by side.
    fn learn_each(&mut self, batch: &TransitionBatch<'_>) -> Vec<(AgentId, Result<LearnStats, LearnError>)> {
        let mut tasks: Vec<Task<'_>> = Vec::new();
        tasks.resize_with(self.banks[0].slots(), || None);
        let mut results = Vec::new();
        let rows: BTreeMap<AgentId, usize> =
            batch.agents.iter().enumerate().map(|(row, &agent)| (agent, row)).collect();
        let mut due = false;
        for (&agent, member) in &mut self.members {
            let Some(&row) = rows.get(&agent) else { continue };
            if member.learner.is_due() {
                due = true;
                tasks[member.slot] = Some((agent, &mut member.learner, row));
            } else {
                results.push((agent, member.learner.learn(&one_row(batch, row))));
            }
        }
        if due {
            let [policies, values] = &mut self.banks;
            let (plan, space) = (&self.plan, &self.space);
            let slots = policies.networks().zip(values.networks()).zip(tasks);
            let desk = || Some(drawn(plan, space, Chance::new(0), AgentId(0)));
            let learned = slots.map_init(desk, |desk, ((policy, value), task)| {
                let (agent, learner, row) = task?;
                Some((agent, learn_one(learner, [policy, value], desk, &one_row(batch, row))))
            });
            results.extend(learned.collect::<Vec<_>>().into_iter().flatten());
            results.sort_by_key(|&(agent, _)| agent);
        }
        results
    }
}

/// One member's update, with its networks lent to a desk and given back.
fn learn_one(
    learner: &mut ActorCritic,
    mut slots: [Slot<'_>; 2],
    desk: &mut Option<Brain>,
    batch: &TransitionBatch<'_>,
) -> Result<LearnStats, LearnError> {
    let brain = desk.as_mut().expect("a desk has room for two networks");
    for (place, slot) in slots.iter().enumerate() {
        slot.lend(&mut *brain.networks[place], &mut brain.adams[place]);
    }
    let stats = learner.learn_with(desk, batch)?;
    let brain = desk.as_ref().expect("they were given back");
    for (place, slot) in slots.iter_mut().enumerate() {
        slot.take_back(&*brain.networks[place], &brain.adams[place]);
    }
    Ok(stats)
}

/// A batch of row `row` alone.
fn one_row<'a>(batch: &TransitionBatch<'a>, row: usize) -> TransitionBatch<'a> {
    let rows = batch.agents.len();
    let wide = |values: &'a [f32]| &values[row * (values.len() / rows)..(row + 1) * (values.len() / rows)];
    TransitionBatch {
        agents: &batch.agents[row..=row],
        features: wide(batch.features),
        legal: &batch.legal[row..=row],
        actions: &batch.actions[row..=row],
        decided: &batch.decided[row..=row],
        rewards: &batch.rewards[row..=row],
        next_features: wide(batch.next_features),
        next_legal: &batch.next_legal[row..=row],
        outcomes: &batch.outcomes[row..=row],
        central: wide(batch.central),
        next_central: wide(batch.next_central),
        terms: wide(batch.terms),
        advice: wide(batch.advice),
        ..*batch
    }
}

impl Learner for Independent {
    fn learn(&mut self, batch: &TransitionBatch<'_>) -> Result<LearnStats, LearnError> {
        check_finite(batch)?;
        let ended = |outcome: &&Outcome| **outcome != Outcome::Continues;
        let mut total = LearnStats {
            transitions: batch.agents.len() as u64,
            episodes: batch.outcomes.iter().filter(ended).count() as u64,
            reward: batch.rewards.iter().map(|&reward| f64::from(reward)).sum(),
            ..LearnStats::default()
        };
        if !self.plan.learn {
            return Ok(total);
        }
        self.admit(batch.agents, batch.chance);
        let mut updates = 0.0;
        for (_, stats) in self.learn_each(batch) {
            let stats = stats?;
            if stats.gradient_steps > 0 {
                updates += 1.0;
                total.gradient_steps += stats.gradient_steps;
                total.error += stats.error;
                total.loss += stats.loss;
                total.entropy += stats.entropy;
                total.divergence += stats.divergence;
                total.explained_variance += stats.explained_variance;
            }
        }
        // Means over the members that learned.
        let means = [
            &mut total.error,
            &mut total.loss,
            &mut total.entropy,
            &mut total.divergence,
            &mut total.explained_variance,
        ];
        for sum in means {
            *sum /= f64::max(updates, 1.0);
        }
        self.dismiss();
        self.write_directory();
        Ok(total)
    }

    fn leave(&mut self, agent: AgentId) {
        self.forget_fresh(&[agent]);
        if self.members.contains_key(&agent) {
            self.leaving.insert(agent);
        }
    }

    fn policy(&self) -> Arc<dyn Policy> {
        Arc::new(self.publication(!self.plan.learn))
    }

    fn deployed(&self) -> Arc<dyn Policy> {
        Arc::new(self.publication(true))
    }

    fn save(&self) -> PolicyFile {
        let mut file = self.head();
        for (bank, name) in self.banks.iter().zip(["policy", "value"]) {
            file.tensors.extend(bank.save(name));
        }
        let row = |(agent, member): (&AgentId, &Member)| {
            [f64::from(agent.0), member.slot as f64, f64::from(u8::from(self.leaving.contains(agent)))]
        };
        let values: Vec<f64> = self.members.iter().flat_map(row).collect();
        file.tensors.push(TensorData { name: "members".into(), shape: vec![values.len() / 3, 3], values });
        let slots = self.banks[0].slots() as f64;
        file.tensors.push(TensorData { name: "slots".into(), shape: vec![1], values: vec![slots] });
        file.tensors.extend(stack(self.members.values().map(|member| member.learner.save_rest())));
        file.tensors.sort_by(|left, right| left.name.cmp(&right.name));
        file
    }

    fn load(&mut self, file: &PolicyFile) -> Result<(), PolicyFileError> {
        check_head(file, &self.head(), "networks or normalisers")?;
        let slots = array(file, "slots", &[1])?[0] as usize;
        let saved = file.tensors.iter().find(|tensor| tensor.name == "members");
        let count = saved.and_then(|tensor| tensor.shape.first().copied()).unwrap_or(0);
        let rows = array(file, "members", &[count, 3])?;
        let [policy, value] = layers_of(&self.plan, &self.space);
        let banks = [Bank::load("policy", policy, slots, file)?, Bank::load("value", value, slots, file)?];
        let mut free: BTreeSet<usize> = (0..slots).collect();
        let (mut members, mut leaving) = (BTreeMap::new(), BTreeSet::new());
        for (row, own) in rows.as_chunks::<3>().0.iter().zip(unstack(count, file)?) {
            let (agent, slot) = (AgentId(row[0] as u32), row[1] as usize);
            let mut member = self.member(slot);
            member.learner.load_rest(&own)?;
            if !free.remove(&slot) || members.insert(agent, member).is_some() {
                return Err(PolicyFileError::Mismatch {
                    what: "members",
                    saved: format!("agent {agent} in slot {slot} of {slots}"),
                    needed: "every agent once, in a slot of its own".into(),
                });
            }
            if row[2] != 0.0 {
                leaving.insert(agent);
            }
        }
        (self.banks, self.members, self.free, self.leaving) = (banks, members, free, leaving);
        self.fresh = Fresh::default();
        self.write_directory();
        Ok(())
    }
}

/// The policies as published.
struct Published {
    plan: Arc<Plan>,
    space: Space,
    weights: BankWeights,
    directory: Arc<Vec<Entry>>,
    fresh: Fresh,
    greedy: bool,
}

impl Published {
    /// What an agent begins with that has no slot yet.
    fn fresh(&self, agent: AgentId, chance: Chance) -> Arc<[f32]> {
        let known = |fresh: &Vec<(Chance, BTreeMap<AgentId, Arc<[f32]>>)>| {
            fresh.iter().find(|(run, _)| *run == chance)?.1.get(&agent).cloned()
        };
        let fresh = || self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known(&fresh());
        found.unwrap_or_else(|| {
            let [policy, _] = begin(&self.plan, &self.space, chance, 1 + u64::from(agent.0));
            let weights: Arc<[f32]> = policy.parameters().into();
            let mut fresh = fresh();
            let place = fresh.iter().position(|(run, _)| *run == chance).unwrap_or_else(|| {
                fresh.push((chance, BTreeMap::new()));
                fresh.len() - 1
            });
            fresh[place].1.insert(agent, Arc::clone(&weights));
            weights
        })
    }
}

impl Policy for Published {
    fn history(&self) -> usize {
        self.plan.network.sight(self.space.features.len()).history
    }

    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        let layers = self.weights.layers();
        let inputs = layers.inputs();
        let (mut trace, mut seen) = (Trace::default(), Vec::new());
        let sight = self.plan.network.sight(self.space.features.len());
        for (row, action) in actions.iter_mut().enumerate() {
            let agent = decisions.agents[row];
            seen.clear();
            seen.extend_from_slice(&decisions.features[row * inputs..(row + 1) * inputs]);
            let found = self.directory.binary_search_by_key(&agent, |entry| entry.agent);
            let odds = if let Ok(place) = found {
                let entry = &self.directory[place];
                if let Some(moments) = &entry.moments {
                    sight.normalise(moments, &mut seen);
                }
                layers.forward(self.weights.parameters(entry.slot), &seen, 1, &mut trace)
            } else {
                if self.plan.normalise.observations {
                    sight.normalise(&Moments::new(self.space.features.len()), &mut seen);
                }
                layers.forward(&self.fresh(agent, decisions.chance), &seen, 1, &mut trace)
            };
            let uniform = (!self.greedy).then(|| decisions.chance.draw(DRAW, decisions.tick, agent).random());
            *action = choose(odds, decisions.legal[row], uniform);
        }
        Ok(())
    }
}
