//! The tables every simulation keeps, and those a domain adds.

use std::collections::BTreeMap;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};

use super::advice::write_advice;
use super::blackboard::Blackboard;
use super::boundaries::Breaches;
use super::components::Agent;
use super::conversations::Conversations;
use super::language::{Language, LanguageCounted};
use super::mail::{Mail, Texts};
use super::minds::{Mind, Minds};
use super::network::Network;
use super::now::{Now, Recording};
use super::population::{Directory, Population};
use super::rights::RoleRights;
use super::sharing::sharing_metrics;
use super::topics::Topics;
use crate::base::LearnStats;
use crate::record::{Column, Table, TableSpec, Value};

/// All tables of a run. The caller of [`super::Simulation::step`] reads and clears them; what is not cleared stays.
#[derive(Resource, Debug, Default)]
pub struct Tables {
    tables: BTreeMap<&'static str, Table>,
    /// The domain's part of this tick's row of `metrics`, put there in Record.
    pub(super) metrics: Vec<Value>,
}

impl Tables {
    /// Adds a table.
    ///
    /// # Panics
    /// When there is one of that name: that is our mistake.
    pub fn add(&mut self, spec: TableSpec) {
        let name = spec.name;
        assert!(self.tables.insert(name, Table::new(spec)).is_none(), "two tables are named {name}");
    }

    /// Adds a row to a table.
    ///
    /// # Panics
    /// When there is no such table, or the row has the wrong width.
    pub fn push(&mut self, table: &str, row: impl IntoIterator<Item = Value>) {
        self.tables.get_mut(table).unwrap_or_else(|| panic!("no table {table}")).push(row);
    }

    /// The domain's part of this tick's row of `metrics`; called once in Record.
    pub fn metrics(&mut self, row: impl IntoIterator<Item = Value>) {
        self.metrics.clear();
        self.metrics.extend(row);
    }

    /// A table by name.
    #[must_use]
    pub fn get(&self, table: &str) -> Option<&Table> {
        self.tables.get(table)
    }

    /// All tables, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        for table in self.tables.values_mut() {
            table.clear();
        }
    }
}

/// The engine's columns of `metrics.csv`: before and behind the domain's.
#[must_use]
pub fn metric_columns() -> (Vec<Column>, Vec<Column>) {
    (
        vec![Column::new("tick", "ticks", "the tick, counted from 0"), Column::new("agents", "agents", "agents alive")],
        vec![
            Column::new("messages", "messages", "messages delivered this tick"),
            Column::new("messages_lost", "messages", "messages whose recipient had left"),
            Column::new("actions_illegal", "actions", "choices that were not legal and were replaced"),
            Column::new("actions_repeated", "actions", "actions that agents went on with between two decisions"),
            Column::new("llm_calls", "calls", "requests to language models"),
            Column::new("llm_deduplicated", "calls", "of these, equal to an earlier request of this tick"),
            Column::new("llm_remembered", "calls", "of the others, answered from the memory of earlier ticks"),
            Column::new("llm_tokens_read", "tokens", "prompt tokens computed (shared prefixes count once)"),
            Column::new("llm_tokens_answered", "tokens", "tokens written or scored"),
        ],
    )
}

/// Columns of `messages.csv`.
#[must_use]
pub fn message_columns() -> TableSpec {
    TableSpec {
        name: "messages",
        about: "a message, in the tick in which it was sent",
        columns: vec![
            Column::new("tick", "ticks", "when it was sent; it arrives at the next tick"),
            Column::new("sender", "", "agent id"),
            Column::new("sender_role", "", "role of the sender"),
            Column::new("recipient", "", "agent id"),
            Column::new("performative", "", "what it does, in FIPA's words"),
            Column::new("topic", "", "what it is about, as the domain numbers it"),
            Column::new("amount", "", "an amount, as the domain means it"),
            Column::new("text", "", "its words"),
        ],
    }
}

/// Columns of `learning.csv`.
#[must_use]
pub fn learning_columns() -> TableSpec {
    TableSpec {
        name: "learning",
        about: "a learner's last `learning_every` ticks",
        columns: vec![
            Column::new("tick", "ticks", "the last tick of the window"),
            Column::new("policy", "", "name of the policy in the scenario"),
            Column::new("transitions", "transitions", "decisions whose outcome was learned from"),
            Column::new("episodes", "episodes", "episodes that ended"),
            Column::new("reward_mean", "reward", "mean reward a transition"),
            Column::new("reward_per_episode", "reward", "reward in the window divided by episodes ended in it"),
            Column::new("error_mean", "reward", "mean absolute temporal-difference error"),
            Column::new("exploration", "share", "share of explorative actions at the end of the window"),
            Column::new(
                "gradient_steps",
                "steps",
                "gradient steps of a network; the columns that follow are means over them",
            ),
            Column::new("loss", "", "loss of a gradient step; empty without one"),
            Column::new("entropy", "nats", "entropy of the policy; empty without a gradient step"),
            Column::new(
                "divergence",
                "nats",
                "Kullback–Leibler divergence from the policy before the update; empty without a gradient step",
            ),
            Column::new(
                "explained_variance",
                "share",
                "share of the returns' variance that the values explain; empty without a gradient step",
            ),
        ],
    }
}

/// Columns of `studies.csv`.
#[must_use]
pub fn study_columns() -> TableSpec {
    TableSpec {
        name: "studies",
        about: "a pass of a learner over what other runs recorded",
        columns: vec![
            Column::new("tick", "ticks", "when; before the first decision"),
            Column::new("policy", "", "name of the policy in the scenario"),
            Column::new("epoch", "", "number of the pass, from 1"),
            Column::new("gradient_steps", "steps", "gradient steps of the pass"),
            Column::new("loss", "", "mean loss of a gradient step"),
            Column::new("error_mean", "reward", "mean absolute temporal-difference error; empty without values"),
            Column::new(
                "gap_mean",
                "reward",
                "mean of ln Σ exp Q(s,·) − Q(s,a), which conservative learning makes small; empty otherwise",
            ),
            Column::new(
                "held_out_log_probability",
                "nats",
                "mean log-probability that the policy gives to actions of episodes held out; empty without any",
            ),
            Column::new("held_out_accuracy", "share", "share of these that the policy thinks likeliest"),
        ],
    }
}

/// The engine's columns of `agents.csv`, before the domain's.
#[must_use]
pub fn agent_columns() -> Vec<Column> {
    vec![
        Column::new("tick", "ticks", "when the row was written"),
        Column::new("agent", "", "agent id"),
        Column::new("role", "", "its role"),
        Column::new("group", "", "its group in the scenario"),
    ]
}

/// Closes the tick's rows: metrics, messages, learning.
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
pub(super) fn close_rows(
    now: Res<Now>,
    recording: Res<Recording>,
    directory: Res<Directory>,
    population: Res<Population>,
    mail: Res<Mail>,
    conversations: Res<Conversations>,
    (rights, breaches): (Res<RoleRights>, Res<Breaches>),
    (topics, board): (Res<Topics>, Res<Blackboard>),
    network: Option<Res<Network>>,
    texts: Res<Texts>,
    language: Res<Language>,
    mut counted: ResMut<LanguageCounted>,
    mut minds: ResMut<Minds>,
    mut tables: ResMut<Tables>,
    agents: Query<&Agent>,
) {
    let tick = Value::from(now.tick.0);
    let usage = language.0.usage();
    let language = usage.since(&counted.0);
    counted.0 = usage;
    let domain = std::mem::take(&mut tables.metrics);
    let engine = [
        Value::from(mail.delivered().len() as u64),
        Value::from(mail.undeliverable()),
        Value::from(minds.illegal),
        Value::from(minds.repeated),
        Value::from(language.calls),
        Value::from(language.deduplicated),
        Value::from(language.remembered),
        Value::from(language.prompt_tokens - language.reused_tokens),
        Value::from(language.answer_tokens),
    ];
    let shares = topics.is_used() || board.is_used();
    let network = network.iter().flat_map(|network| network.counts().metrics());
    let engine = engine.into_iter().chain(conversations.metrics());
    let engine = engine.chain(breaches.metrics(&rights, shares)).chain(sharing_metrics(&topics, &board)).chain(network);
    tables.push("metrics", [tick.clone(), Value::from(directory.len() as u64)].into_iter().chain(domain).chain(engine));

    if recording.messages {
        for message in mail.outgoing() {
            let role = directory
                .entity(message.sender)
                .and_then(|entity| agents.get(entity).ok())
                .map_or(Value::Empty, |agent| {
                    Value::from(std::sync::Arc::clone(&population.roles[usize::from(agent.role.0)]))
                });
            tables.push(
                "messages",
                [
                    tick.clone(),
                    Value::from(message.sender.0),
                    role,
                    Value::from(message.recipient.0),
                    Value::from(message.performative.name()),
                    Value::from(u32::from(message.topic)),
                    Value::from(f64::from(message.amount)),
                    Value::from(std::sync::Arc::clone(texts.0.get(message.text))),
                ],
            );
        }
    }

    for entry in &mut minds.entries {
        for study in std::mem::take(&mut entry.studies) {
            tables.push(
                "studies",
                [
                    tick.clone(),
                    Value::from(std::sync::Arc::clone(&entry.name)),
                    Value::from(study.epoch),
                    Value::from(study.gradient_steps),
                    Value::from(study.loss),
                    Value::from(study.error),
                    Value::from(study.gap),
                    Value::from(study.held_out_log_probability),
                    Value::from(study.held_out_accuracy),
                ],
            );
        }
    }

    if (now.tick.0 + 1).is_multiple_of(recording.learning_every) || now.last {
        write_advice(&mut minds, &mut tables, now.tick);
        for entry in &mut minds.entries {
            if !matches!(entry.mind, Mind::Learning(_)) || entry.agents == 0 {
                continue;
            }
            let stats = std::mem::take(&mut entry.stats);
            entry.stats = LearnStats { exploration: stats.exploration, ..LearnStats::default() };
            let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
            let of_steps = |value: f64| Value::from((stats.gradient_steps > 0).then_some(value));
            tables.push(
                "learning",
                [
                    tick.clone(),
                    Value::from(std::sync::Arc::clone(&entry.name)),
                    Value::from(stats.transitions),
                    Value::from(stats.episodes),
                    Value::from(mean(stats.reward, stats.transitions)),
                    Value::from(mean(stats.reward, stats.episodes)),
                    Value::from((stats.transitions > 0).then_some(stats.error)),
                    Value::from(stats.exploration),
                    Value::from(stats.gradient_steps),
                    of_steps(stats.loss),
                    of_steps(stats.entropy),
                    of_steps(stats.divergence),
                    of_steps(stats.explained_variance),
                ],
            );
        }
    }
}
