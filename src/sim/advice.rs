//! Advice: before a policy with an advisor decides, the advisor is asked on the rows for which the policy wants to know
//! what a language model would do; and what came of that in tables and summary.

use std::sync::Arc;

use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;

use super::minds::{Advised, Mind, Minds, ObservationBatch};
use super::now::Now;
use super::speak::Speaking;
use super::tables::Tables;
use crate::base::{AgentId, DecisionBatch, LanguageMind, LegalActions, PolicyError, Space, TextId, Tick};
use crate::record::{Column, Settled, TableSpec, Value};
use crate::scenario::Scenario;

/// The rows of a policy that are decided on now.
pub(super) struct Rows<'a> {
    pub now: Now,
    pub space: &'a Space,
    pub batch: &'a ObservationBatch,
    /// What the policy decides by, row by row; more than `batch.features` where it has a history.
    pub seen: &'a [f32],
    /// Empty where no row has words.
    pub words: &'a [Arc<str>],
}

impl Rows<'_> {
    /// These of the rows, in their order, with room for what is copied.
    fn chosen(&self, places: &[usize]) -> Chosen {
        let width = self.space.features.len();
        let batch = self.batch;
        Chosen {
            agents: places.iter().map(|&row| batch.agents[row]).collect(),
            entities: places.iter().map(|&row| batch.entities[row]).collect(),
            features: places.iter().flat_map(|&row| &batch.features[row * width..(row + 1) * width]).copied().collect(),
            legal: places.iter().map(|&row| batch.legal[row]).collect(),
            words: places.iter().filter_map(|&row| self.words.get(row).cloned()).collect(),
            word_ids: places.iter().map(|&row| batch.words[row]).collect(),
        }
    }
}

/// Rows in columns of their own.
struct Chosen {
    agents: Vec<AgentId>,
    entities: Vec<Entity>,
    features: Vec<f32>,
    legal: Vec<LegalActions>,
    words: Vec<Arc<str>>,
    word_ids: Vec<TextId>,
}

impl Chosen {
    fn decisions<'a>(&'a self, now: Now, space: &'a Space) -> DecisionBatch<'a> {
        DecisionBatch {
            tick: now.tick,
            chance: now.chance,
            space,
            agents: &self.agents,
            features: &self.features,
            legal: &self.legal,
            words: &self.words,
            word_ids: &self.word_ids,
            advice: &[],
        }
    }
}

/// Asks the advisor on the rows for which the policy wants advice. The advice of all rows, `NaN` where nobody was asked;
/// empty where nobody was asked on any.
pub(super) fn advise(
    advisor: &mut dyn LanguageMind,
    mind: &Mind,
    rows: &Rows<'_>,
    speaking: &Speaking<'_, '_>,
) -> Result<(Advised, Vec<f32>), PolicyError> {
    let policy = match mind {
        Mind::Fixed(policy) => Arc::clone(policy),
        Mind::Learning(learner) => learner.policy(),
        Mind::Language(_) => return Ok((Advised::default(), Vec::new())),
    };
    let due = rows.batch.due;
    let all: Vec<usize> = (0..due).collect();
    let mut wanted = vec![false; due];
    let chosen = rows.chosen(&all);
    let decisions = DecisionBatch { features: rows.seen, ..chosen.decisions(rows.now, rows.space) };
    policy.wants_advice(&decisions, &mut wanted);
    let places: Vec<usize> = all.into_iter().filter(|&row| wanted[row]).collect();
    let choices = |places: &mut dyn Iterator<Item = usize>| {
        places.filter(|&row| rows.batch.legal[row].count() > 1).count() as u64
    };
    let counts = Advised {
        decisions: due as u64,
        choices: choices(&mut (0..due)),
        asked: choices(&mut places.iter().copied()),
        ..Advised::default()
    };
    if places.is_empty() {
        return Ok((counts, Vec::new()));
    }
    let chosen = rows.chosen(&places);
    let given = speaking.advise(advisor, &chosen.decisions(rows.now, rows.space), &chosen.entities)?;
    let width = rows.space.menu.len();
    let mut advice = vec![f32::NAN; due * width];
    for (row, given) in places.into_iter().zip(given.chunks(width)) {
        advice[row * width..(row + 1) * width].copy_from_slice(given);
    }
    Ok((counts, advice))
}

/// Columns of `advice.csv`.
#[must_use]
pub fn advice_columns() -> TableSpec {
    TableSpec {
        name: "advice",
        about: "the last `learning_every` ticks of a policy with an advisor",
        columns: vec![
            Column::new("tick", "ticks", "the last tick of the window"),
            Column::new("policy", "", "name of the policy in the scenario"),
            Column::new("decisions", "decisions", "its decisions"),
            Column::new("choices", "decisions", "of these, with more than one legal action"),
            Column::new("asked", "decisions", "of these, decided after the advisor was asked"),
            Column::new("alone", "decisions", "of the choices, decided without asking"),
            Column::new("checked", "decisions", "of those asked, where the policy's own choice was compared"),
            Column::new("agreed", "decisions", "of these, where the advisor's likeliest action was the same"),
        ],
    }
}

/// Adds `advice` where a group's own policy has an advisor.
pub(super) fn add_advice_table(world: &mut World, scenario: &Scenario) {
    let used = |name: &str| scenario.agents.iter().any(|group| group.policy == name);
    if world.resource::<Minds>().entries.iter().any(|entry| entry.advisor.is_some() && used(&entry.name)) {
        world.resource_mut::<Tables>().add(advice_columns());
    }
}

/// Writes the window's rows.
pub(super) fn write_advice(minds: &mut Minds, tables: &mut Tables, tick: Tick) {
    for entry in minds.entries.iter_mut().filter(|entry| entry.advisor.is_some() && entry.agents > 0) {
        let Advised { decisions, choices, asked, checked, agreed } = std::mem::take(&mut entry.advised[0]);
        tables.push(
            "advice",
            [
                tick.0.into(),
                Arc::clone(&entry.name).into(),
                Value::from(decisions),
                choices.into(),
                asked.into(),
                (choices - asked).into(),
                checked.into(),
                agreed.into(),
            ],
        );
    }
}

/// Lines of the summary of a run in which a policy has an advisor.
pub(super) fn advice_summary(minds: &Minds) -> Vec<Settled> {
    let of = |entry: &super::minds::MindEntry| {
        let Advised { choices, asked, checked, agreed, .. } = entry.advised[1];
        let name = &entry.name;
        [
            Settled::part(&format!("{name}: asked its advisor"), asked, choices),
            Settled::part(&format!("{name}: of those compared, agreed"), agreed, checked),
        ]
    };
    minds.entries.iter().filter(|entry| entry.advisor.is_some() && entry.agents > 0).flat_map(of).collect()
}
