//! Minds: the policies of a run, the observations handed to them, and the memory of decisions whose outcome is open.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;

use super::components::PolicySlot;
use super::history::Histories;
use super::returns::ReturnCount;
use crate::base::{
    Action, AgentId, LanguageMind, LearnStats, Learner, LegalActions, Outcome, Policy, Space, StudyStats, TextId, Tick,
    Transitions, history_width,
};

/// Who decides: a fixed policy, one that is being learned, or one that asks its agents' language models.
pub enum Mind {
    /// Stays as it is.
    Fixed(Arc<dyn Policy>),
    /// Learns while it runs.
    Learning(Box<dyn Learner>),
    /// Asks language models, and may remember.
    Language(Box<dyn LanguageMind>),
}

impl Mind {
    /// How many observations it decides by.
    pub(super) fn history(&self) -> usize {
        match self {
            Self::Fixed(policy) => policy.history(),
            Self::Learning(learner) => learner.policy().history(),
            Self::Language(_) => 1,
        }
    }
}

/// What agents see this tick, batched by policy. The domain hands in rows in Interpret.
#[derive(Resource, Default)]
pub struct Observations {
    pub(super) batches: Vec<ObservationBatch>,
}

/// The rows of one policy.
#[derive(Default)]
pub(super) struct ObservationBatch {
    pub agents: Vec<AgentId>,
    pub entities: Vec<Entity>,
    pub slots: Vec<u32>,
    pub features: Vec<f32>,
    /// What only a central critic sees, parallel to `features`.
    pub central: Vec<f32>,
    pub legal: Vec<LegalActions>,
    pub words: Vec<TextId>,
    pub any_words: bool,
    /// How many of the rows are decided on now; the others, behind them, go on with `held`. Known from Learn on.
    pub due: usize,
    /// What each row behind the first `due` goes on doing.
    pub held: Vec<Action>,
    /// What is decided by where that is more than `features`: known from Learn on.
    pub seen: Vec<f32>,
    /// What agents saw last in episodes that were cut off, in the order handed in.
    pub last_agents: Vec<AgentId>,
    pub last_features: Vec<f32>,
    pub last_central: Vec<f32>,
    pub last_legal: Vec<LegalActions>,
    /// What of each row's menu its agent's role may not do, withheld or still in it; empty where no row has anything.
    pub forbidden: Vec<LegalActions>,
    /// The first agent that was handed in with nothing that it may do.
    pub without_choice: Option<AgentId>,
}

impl Observations {
    /// Hands in what `agent` sees: as many numbers as its space has features, and what it may do. Each agent at most
    /// once a tick.
    ///
    /// An agent that can do nothing has nothing to decide and is not handed in: with an empty `legal` the run stops.
    pub fn push(
        &mut self,
        agent: AgentId,
        entity: Entity,
        slot: PolicySlot,
        features: &[f32],
        legal: LegalActions,
        words: TextId,
    ) {
        let batch = &mut self.batches[usize::from(slot.policy)];
        if legal.count() == 0 {
            batch.without_choice.get_or_insert(agent);
        }
        batch.agents.push(agent);
        batch.entities.push(entity);
        batch.slots.push(slot.slot);
        batch.features.extend_from_slice(features);
        batch.legal.push(legal);
        batch.words.push(words);
        batch.any_words |= words != TextId::EMPTY;
    }

    /// Hands in what a central critic sees beside the row that was pushed last for this slot's policy: as many numbers as
    /// its space has central ones. Every row of such a space needs them.
    pub fn push_central(&mut self, slot: PolicySlot, central: &[f32]) {
        self.batches[usize::from(slot.policy)].central.extend_from_slice(central);
    }

    /// The same beside what was handed in last by [`Self::push_last`].
    pub fn push_last_central(&mut self, slot: PolicySlot, central: &[f32]) {
        self.batches[usize::from(slot.policy)].last_central.extend_from_slice(central);
    }

    /// Hands in what `agent` saw last in an episode that was cut off ([`Outcome::Truncated`]): its learner bootstraps from
    /// this, while what the agent sees now ([`Self::push`], the same tick) begins its next episode. Without it the two
    /// are taken for the same.
    pub fn push_last(&mut self, agent: AgentId, slot: PolicySlot, features: &[f32], legal: LegalActions) {
        let batch = &mut self.batches[usize::from(slot.policy)];
        batch.last_agents.push(agent);
        batch.last_features.extend_from_slice(features);
        batch.last_legal.push(legal);
    }

    /// The numbers that row `row` of `policy` sees this tick.
    #[must_use]
    pub fn row(&self, policy: u16, row: u32, width: usize) -> &[f32] {
        let start = row as usize * width;
        &self.batches[usize::from(policy)].features[start..start + width]
    }
}

impl ObservationBatch {
    pub fn clear(&mut self) {
        self.agents.clear();
        self.entities.clear();
        self.slots.clear();
        self.features.clear();
        self.central.clear();
        self.legal.clear();
        self.words.clear();
        self.any_words = false;
        self.due = 0;
        self.held.clear();
        self.seen.clear();
        self.last_agents.clear();
        self.last_features.clear();
        self.last_central.clear();
        self.last_legal.clear();
        self.forbidden.clear();
        self.without_choice = None;
    }

    /// Rows of what was seen last, by agent.
    pub fn last_rows(&self) -> BTreeMap<AgentId, usize> {
        self.last_agents.iter().enumerate().map(|(row, &agent)| (agent, row)).collect()
    }

    /// Puts the rows into `AgentId` order if they are not. `width`: numbers of a row.
    pub fn order(&mut self, width: usize) {
        self.due = self.agents.len();
        if self.agents.is_sorted() {
            return;
        }
        let mut order: Vec<usize> = (0..self.agents.len()).collect();
        order.sort_unstable_by_key(|&row| self.agents[row]);
        self.arrange(&order, width);
    }

    /// Puts the rows into this order.
    pub fn arrange(&mut self, order: &[usize], width: usize) {
        let arranged = |values: &[f32], width: usize| -> Vec<f32> {
            order.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect()
        };
        self.features = arranged(&self.features, width);
        self.central = arranged(&self.central, self.central.len() / self.agents.len());
        self.agents = order.iter().map(|&row| self.agents[row]).collect();
        self.entities = order.iter().map(|&row| self.entities[row]).collect();
        self.slots = order.iter().map(|&row| self.slots[row]).collect();
        self.legal = order.iter().map(|&row| self.legal[row]).collect();
        self.words = order.iter().map(|&row| self.words[row]).collect();
        if !self.forbidden.is_empty() {
            self.forbidden = order.iter().map(|&row| self.forbidden[row]).collect();
        }
    }
}

/// One policy of the scenario.
pub(super) struct MindEntry {
    pub name: Arc<str>,
    pub mind: Mind,
    /// What it sees and may do; fixed by the groups that use it.
    pub space: Space,
    /// Who is asked for advice before it decides, on the rows for which it wants some.
    pub advisor: Option<Box<dyn LanguageMind>>,
    /// What came of that, since the last row of `advice.csv` and in the whole run.
    pub advised: [Advised; 2],
    /// Who decides from the tick at which `mind` finds the budget of its language model spent.
    pub fallback: Option<Arc<dyn Policy>>,
    /// Whether that tick has come.
    pub fallen: bool,
    /// Whether any of its agents decides more seldom than at every tick.
    pub paced: bool,
    /// Only where more is decided by than the present.
    pub histories: Option<Histories>,
    /// Only for learners and where transitions are recorded: decisions whose outcome is open.
    pub memory: Option<DecisionMemory>,
    /// Transitions of this tick, where they are recorded.
    pub recorded: Option<Transitions>,
    /// Whether a learner has learned from what other runs recorded.
    pub studied: bool,
    /// What it said of that, until it is written.
    pub studies: Vec<StudyStats>,
    /// Since the last row of `learning.csv`.
    pub stats: LearnStats,
    pub agents: u32,
    /// Where somebody asked for the returns of its agents' episodes.
    pub returns: Option<ReturnCount>,
}

/// How often a policy's advisor was asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Advised {
    /// Decisions of the policy, those without a choice among them.
    pub decisions: u64,
    /// Those with more than one legal action.
    pub choices: u64,
    /// Of these, those on which the advisor was asked.
    pub asked: u64,
    /// See [`LearnStats::checked`].
    pub checked: u64,
    /// See [`LearnStats::agreed`].
    pub agreed: u64,
}

impl Advised {
    /// Adds what happened later.
    pub fn add(&mut self, later: &Self) {
        self.decisions += later.decisions;
        self.choices += later.choices;
        self.asked += later.asked;
        self.checked += later.checked;
        self.agreed += later.agreed;
    }
}

impl MindEntry {
    /// Counts what its advisor was asked, or compared with.
    pub fn count_advice(&mut self, later: &Advised) {
        self.advised.iter_mut().for_each(|count| count.add(later));
    }
}

/// The policies of a run, in the order of the scenario's `[policy]` table.
#[derive(Resource, Default)]
pub(super) struct Minds {
    pub entries: Vec<MindEntry>,
    /// Choices that were not legal, this tick.
    pub illegal: u64,
    /// Actions that agents went on with instead of deciding, this tick.
    pub repeated: u64,
}

impl Minds {
    /// A place for a new agent in its policy's memory.
    pub fn enter(&mut self, policy: u16, group: u16) -> u32 {
        let entry = &mut self.entries[usize::from(policy)];
        entry.agents += 1;
        entry.memory.as_mut().map_or(0, |memory| memory.enter(group))
    }

    /// An agent leaves: what it did last is still learned from, unless its episode was cut off and it was not seen
    /// again; then there is nothing to bootstrap from.
    pub fn leave(&mut self, slot: PolicySlot, agent: AgentId) {
        let entry = &mut self.entries[usize::from(slot.policy)];
        entry.agents -= 1;
        if let Some(memory) = &mut entry.memory {
            memory.leave(slot.slot, agent);
        }
        if let Some(histories) = &mut entry.histories {
            histories.leave(agent);
        }
        match &mut entry.mind {
            Mind::Fixed(_) => {}
            Mind::Learning(learner) => learner.leave(agent),
            Mind::Language(mind) => mind.leave(agent),
        }
        if let Some(returns) = &mut entry.returns {
            returns.leave(agent);
        }
    }
}

impl MindEntry {
    /// What is decided by, and how many numbers of it a row has.
    pub fn seen<'b>(&self, batch: &'b ObservationBatch) -> (&'b [f32], usize) {
        match &self.histories {
            None => (&batch.features, self.space.features.len()),
            Some(histories) => (&batch.seen, histories.width()),
        }
    }
}

/// What each agent of a learner saw and did last, and what came of it so far.
#[derive(Debug, Default)]
pub(super) struct DecisionMemory {
    widths: Widths,
    pub features: Vec<f32>,
    pub central: Vec<f32>,
    pub terms: Vec<f32>,
    pub advice: Vec<f32>,
    pub legal: Vec<LegalActions>,
    pub actions: Vec<Action>,
    pub log_probabilities: Vec<Option<f64>>,
    pub decided: Vec<Tick>,
    pub rewards: Vec<f32>,
    pub outcomes: Vec<Outcome>,
    pub open: Vec<bool>,
    /// The group of the agent in each place.
    pub groups: Vec<u16>,
    /// Agents whose episode has terminated since the last Learn.
    pub ended: Vec<(AgentId, u32)>,
    /// Slots of agents that have left; free after the next Learn.
    leaving: Vec<u32>,
    free: Vec<u32>,
}

/// Numbers that one decision has of each sort.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Widths {
    pub features: usize,
    pub central: usize,
    pub terms: usize,
    /// 0 where there is no advisor.
    pub advice: usize,
}

impl Widths {
    /// Of decisions in this space by so many observations, without advice.
    pub fn of(space: &Space, history: usize) -> Self {
        let features = history_width(space.features.len(), history);
        Self { features, central: space.central.len(), terms: space.terms.len(), advice: 0 }
    }
}

/// What was seen and done at a decision.
pub(super) struct Decided<'a> {
    pub tick: Tick,
    pub features: &'a [f32],
    pub central: &'a [f32],
    pub legal: LegalActions,
    pub action: Action,
    pub log_probability: Option<f64>,
    pub advice: &'a [f32],
}

impl DecisionMemory {
    pub fn new(widths: Widths) -> Self {
        Self { widths, ..Self::default() }
    }

    /// Numbers that one decision has of each sort.
    pub fn widths(&self) -> Widths {
        self.widths
    }

    fn enter(&mut self, group: u16) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.groups[slot as usize] = group;
            return slot;
        }
        let slot = self.open.len() as u32;
        let Widths { features, central, terms, advice } = self.widths;
        self.features.resize(self.features.len() + features, 0.0);
        self.central.resize(self.central.len() + central, 0.0);
        self.terms.resize(self.terms.len() + terms, 0.0);
        self.advice.resize(self.advice.len() + advice, 0.0);
        self.legal.push(LegalActions::default());
        self.actions.push(Action(0));
        self.log_probabilities.push(None);
        self.decided.push(Tick(0));
        self.rewards.push(0.0);
        self.outcomes.push(Outcome::Continues);
        self.open.push(false);
        self.groups.push(group);
        slot
    }

    fn leave(&mut self, slot: u32, agent: AgentId) {
        let index = slot as usize;
        if self.open[index] && self.outcomes[index] == Outcome::Continues {
            self.outcomes[index] = Outcome::Terminated;
            self.ended.push((agent, slot));
        }
        self.leaving.push(slot);
    }

    /// Gives back the places of those who left, lowest first.
    pub fn release(&mut self) {
        self.leaving.sort_unstable_by(|left, right| right.cmp(left));
        for slot in self.leaving.drain(..) {
            self.open[slot as usize] = false;
            self.free.push(slot);
        }
    }

    /// A decision was taken: its outcome is open from now on.
    pub fn decided(&mut self, slot: u32, decided: &Decided<'_>) {
        let index = slot as usize;
        let Widths { features, central, terms, advice } = self.widths;
        self.features[index * features..(index + 1) * features].copy_from_slice(decided.features);
        self.central[index * central..(index + 1) * central].copy_from_slice(decided.central);
        self.terms[index * terms..(index + 1) * terms].fill(0.0);
        self.advice[index * advice..(index + 1) * advice].copy_from_slice(decided.advice);
        self.legal[index] = decided.legal;
        self.actions[index] = decided.action;
        self.log_probabilities[index] = decided.log_probability;
        self.decided[index] = decided.tick;
        self.rewards[index] = 0.0;
        self.outcomes[index] = Outcome::Continues;
        self.open[index] = true;
    }

    /// Reward came in, and the parts it consists of, where it has any.
    pub fn credit(&mut self, slot: u32, agent: AgentId, (reward, terms): (f32, &[f32]), outcome: Outcome) {
        let index = slot as usize;
        if !self.open[index] || self.outcomes[index] == Outcome::Terminated {
            return;
        }
        self.rewards[index] += reward;
        for (sum, term) in self.terms[index * self.widths.terms..].iter_mut().zip(terms).take(self.widths.terms) {
            *sum += term;
        }
        if outcome != Outcome::Continues {
            self.outcomes[index] = outcome;
            if outcome == Outcome::Terminated {
                self.ended.push((agent, slot));
            }
        }
    }
}
