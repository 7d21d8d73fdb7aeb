//! How a mind that asks language models decides: who its agents are and what they received is put beside their numbers,
//! its requests go to the run's language service, and its choices and memories into the record.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Query, Res, ResMut, SystemParam};
use bevy_ecs::world::World;

use super::advice::advice_columns;
use super::components::{Agent, Llm, Mailbox};
use super::language::Language;
use super::mail::{Mail, Texts};
use super::minds::{Mind, Minds};
use super::population::{Directory, Population};
use super::tables::Tables;
use crate::base::{
    Action, AgentId, Answer, AskModels, Context, DecisionBatch, LanguageError, LanguageMind, Letter, PolicyError,
    Request, TextId, Tick,
};
use crate::record::{Column, TableSpec, Value};
use crate::scenario::Scenario;

/// Columns of `decisions.csv`.
#[must_use]
pub fn decision_columns() -> TableSpec {
    TableSpec {
        name: "decisions",
        about: "a choice that a language model made",
        columns: vec![
            Column::new("tick", "ticks", "when it was made"),
            Column::new("agent", "", "agent id"),
            Column::new("policy", "", "name of the policy in the scenario"),
            Column::new("action", "", "what was chosen"),
            Column::new("log_probability", "nats", "natural logarithm of its probability among the legal actions"),
            Column::new("options", "actions", "how many actions were legal; where one was, no model was asked"),
        ],
    }
}

/// Columns of `memories.csv`.
#[must_use]
pub fn memory_columns() -> TableSpec {
    TableSpec {
        name: "memories",
        about: "an experience that an agent remembers at the end",
        columns: vec![
            Column::new("tick", "ticks", "the last tick of the run"),
            Column::new("agent", "", "agent id"),
            Column::new("policy", "", "name of the policy in the scenario"),
            Column::new("happened", "ticks", "when it happened, the last time where it happened more than once"),
            Column::new("recalled", "ticks", "when a prompt last showed it; when it happened, where none did"),
            Column::new("importance", "share", "how much it matters, by the size of its reward"),
            Column::new("experience", "", "what was seen, done, and the reward"),
        ],
    }
}

/// What a mind's agents are, receive and ask through.
#[derive(SystemParam)]
pub(super) struct Speaking<'w, 's> {
    language: Res<'w, Language>,
    directory: Res<'w, Directory>,
    population: Res<'w, Population>,
    mail: Res<'w, Mail>,
    texts: Res<'w, Texts>,
    tables: ResMut<'w, Tables>,
    agents: Query<'w, 's, (&'static Agent, &'static Llm, &'static Mailbox)>,
}

impl Speaking<'_, '_> {
    /// A text of the run.
    pub fn text(&self, text: TextId) -> Arc<str> {
        Arc::clone(self.texts.0.get(text))
    }

    /// Has a mind decide for the rows, whose agents are these entities, and records its choices. Gives the log-probability
    /// of each.
    pub fn decide(
        &mut self,
        mind: &mut dyn LanguageMind,
        policy: &Arc<str>,
        decisions: &DecisionBatch<'_>,
        entities: &[Entity],
        actions: &mut [Action],
    ) -> Result<Vec<f64>, PolicyError> {
        let decided = self.ask(decisions, entities, |contexts, ask| mind.decide(decisions, contexts, ask))?;
        if decided.len() != actions.len() {
            return Err(PolicyError::Other(format!("{} decisions for {} agents", decided.len(), actions.len())));
        }
        for (row, (action, decision)) in actions.iter_mut().zip(&decided).enumerate() {
            *action = decision.action;
            let name = decisions.space.menu.names.get(decision.action.index()).copied();
            self.tables.push(
                "decisions",
                [
                    decisions.tick.0.into(),
                    decisions.agents[row].0.into(),
                    Arc::clone(policy).into(),
                    Value::from(name),
                    decision.log_probability.into(),
                    decision.options.into(),
                ],
            );
        }
        Ok(decided.iter().map(|decision| decision.log_probability).collect())
    }

    /// What a mind would do in the rows' place: as many logarithms of probabilities a row as its menu has actions.
    pub fn advise(
        &self,
        mind: &mut dyn LanguageMind,
        decisions: &DecisionBatch<'_>,
        entities: &[Entity],
    ) -> Result<Vec<f32>, PolicyError> {
        let advice = self.ask(decisions, entities, |contexts, ask| mind.advise(decisions, contexts, ask))?;
        let wanted = decisions.agents.len() * decisions.space.menu.len();
        if advice.len() != wanted || advice.iter().any(|value| value.is_nan() || *value > 1e-3) {
            return Err(PolicyError::Other(format!(
                "{} advised numbers where {wanted} are wanted, or no probabilities",
                advice.len()
            )));
        }
        Ok(advice)
    }

    /// Has a mind answer for the rows, whose agents are these entities, with who they are and the way to their models.
    fn ask<T>(
        &self,
        decisions: &DecisionBatch<'_>,
        entities: &[Entity],
        answer: impl FnOnce(&[Context], &mut AskModels<'_>) -> Result<T, PolicyError>,
    ) -> Result<T, PolicyError> {
        let contexts = entities
            .iter()
            .zip(decisions.agents)
            .map(|(entity, agent)| self.context(*entity, *agent))
            .collect::<Result<Vec<Context>, PolicyError>>()?;
        let language = &self.language;
        let mut ask = |rows: &[usize], requests: &[Request]| -> Result<Vec<Answer>, LanguageError> {
            // One batch a model, in the order of the rows; a mind asks in that order.
            let mut models: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
            for (place, row) in rows.iter().enumerate() {
                models.entry(contexts[*row].model).or_default().push(place);
            }
            let mut answers: Vec<Option<Answer>> = vec![None; requests.len()];
            for (model, places) in models {
                let agents: Vec<AgentId> = places.iter().map(|&place| decisions.agents[rows[place]]).collect();
                let asked: Vec<Request> = places.iter().map(|&place| requests[place].clone()).collect();
                let replies = language.ask(decisions.tick, model, &agents, &asked)?;
                for (place, reply) in places.into_iter().zip(replies) {
                    answers[place] = Some(reply.answer);
                }
            }
            let all: Option<Vec<Answer>> = answers.into_iter().collect();
            all.ok_or_else(|| LanguageError::Backend("a request was made for no row".to_owned()))
        };
        answer(&contexts, &mut ask)
    }

    fn context(&self, entity: Entity, id: AgentId) -> Result<Context, PolicyError> {
        let nobody = || PolicyError::Other(format!("agent {id} was handed in, but has left"));
        let (agent, llm, mailbox) = self.agents.get(entity).map_err(|_| nobody())?;
        let Some(model) = llm.model else {
            return Err(PolicyError::Other(format!(
                "agent {id} has no language model; give its group one with `llm`, or another policy"
            )));
        };
        let letter = |message: &crate::base::Message| Letter {
            sender: message.sender,
            role: self
                .directory
                .entity(message.sender)
                .and_then(|sender| self.agents.get(sender).ok())
                .map_or_else(|| Arc::from(""), |(sender, ..)| self.role(sender)),
            performative: message.performative,
            topic: message.topic,
            amount: message.amount,
            text: Arc::clone(self.texts.0.get(message.text)),
        };
        Ok(Context {
            model,
            role: self.role(agent),
            group: Arc::clone(&self.population.groups[usize::from(agent.group)].name),
            persona: Arc::clone(&self.population.personas[usize::from(agent.persona.0)]),
            inbox: self.mail.inbox(*mailbox).iter().map(letter).collect(),
        })
    }

    fn role(&self, agent: &Agent) -> Arc<str> {
        Arc::clone(&self.population.roles[usize::from(agent.role.0)])
    }
}

/// Adds `decisions` and `memories` where a group's own policy asks language models, and remembers.
pub(super) fn add_tables(world: &mut World, scenario: &Scenario) {
    let minds = world.resource::<Minds>();
    let used = |name: &str| scenario.agents.iter().any(|group| group.policy == name);
    let remembers: Vec<bool> = minds
        .entries
        .iter()
        .filter(|entry| used(&entry.name))
        .filter_map(|entry| if let Mind::Language(mind) = &entry.mind { Some(mind.remembers()) } else { None })
        .collect();
    let mut tables = world.resource_mut::<Tables>();
    if !remembers.is_empty() {
        tables.add(decision_columns());
    }
    if remembers.contains(&true) {
        tables.add(memory_columns());
    }
}

/// Adds the tables that a policy writes to which is no group's own, where they are not there yet.
pub(super) fn add_tables_of(world: &mut World, place: usize) {
    let entry = &world.resource::<Minds>().entries[place];
    let advised = entry.advisor.is_some();
    let remembers = if let Mind::Language(mind) = &entry.mind { Some(mind.remembers()) } else { None };
    let mut tables = world.resource_mut::<Tables>();
    let wanted = [
        (remembers.is_some(), decision_columns()),
        (remembers == Some(true), memory_columns()),
        (advised, advice_columns()),
    ];
    for (_, spec) in wanted.into_iter().filter(|(wanted, _)| *wanted) {
        if tables.get(spec.name).is_none() {
            tables.add(spec);
        }
    }
}

/// Writes what everyone remembers into `memories`, by policy and then by agent.
pub(super) fn write_memories(world: &mut World, tick: Tick) {
    let minds = world.resource::<Minds>();
    let mut rows = Vec::new();
    for entry in &minds.entries {
        let Mind::Language(mind) = &entry.mind else { continue };
        for known in mind.memories() {
            rows.push([
                Value::from(tick.0),
                Value::from(known.agent.0),
                Value::from(Arc::clone(&entry.name)),
                Value::from(known.tick.0),
                Value::from(known.recalled.0),
                Value::from(known.importance),
                Value::from(known.text),
            ]);
        }
    }
    let mut tables = world.resource_mut::<Tables>();
    for row in rows {
        tables.push("memories", row);
    }
}
