//! Few-shot examples of a prompt: declared in the scenario or in a JSON file; the first of them, or those most like the
//! situation.

use std::collections::BTreeMap;

use super::registry::MindFile;
use super::sections::{estimate_tokens, fit_items};
use super::settings::{ExampleSettings, LanguagePolicySettings};
use super::similarity::Vector;
use super::situation::{Wording, action_place, columns, feature_column};
use super::template::Shown;
use crate::base::Space;
use crate::scenario::{ScenarioError, Section};

/// All examples of a policy, in words.
pub(super) struct Examples {
    all: Vec<Shown>,
    tokens: Vec<usize>,
    shown: usize,
    budget: u32,
    /// Vectors of their situations, by the model that made them.
    vectors: BTreeMap<u16, Vec<Vector>>,
}

impl Examples {
    /// Those of the settings, and behind them those of the file.
    ///
    /// # Errors
    /// When one names a feature or an action that agents do not have, or the file is no list of examples.
    pub fn new(
        settings: &LanguagePolicySettings,
        section: &Section,
        space: &Space,
        wording: &Wording,
        file: Option<&MindFile>,
    ) -> Result<Self, ScenarioError> {
        let mut declared: Vec<(ExampleSettings, String)> = Vec::new();
        for (place, example) in settings.examples.iter().enumerate() {
            declared.push((example.clone(), format!("examples[{place}]")));
        }
        if let Some(MindFile { path, text, .. }) = file {
            let more: Vec<ExampleSettings> = serde_json::from_str(text).map_err(|error| {
                let help = "the file is a JSON list of examples: [{\"when\": {\"FEATURE\": 1}, \"words\": \"…\", \"act\": \"ACTION\"}]";
                section.invalid("examples_path", format!("{path}: {error}"), help)
            })?;
            declared.extend(more.into_iter().map(|example| (example, String::from("examples_path"))));
        }
        let mut all = Vec::new();
        for (example, at) in declared {
            let key = |key: &str| if at == "examples_path" { at.clone() } else { format!("{at}.{key}") };
            for name in example.when.keys() {
                feature_column(space, section, name, &key("when"))?;
            }
            let action = action_place(space, section, &example.act, &key("act"))?;
            let numbers = columns(&example.when, space);
            let number = |column: usize| numbers.get(&column).copied();
            let situation = wording.situation(number, &example.words, settings.budget.situation);
            all.push(Shown { situation, action: wording.action(action).clone() });
        }
        let tokens =
            all.iter().map(|example| estimate_tokens(&example.situation) + estimate_tokens(&example.action)).collect();
        let (shown, budget) = (settings.examples_shown as usize, settings.budget.examples);
        Ok(Self { all, tokens, shown, budget, vectors: BTreeMap::new() })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The first that fit.
    pub fn declared(&self) -> Vec<Shown> {
        self.at(&fit_items(&self.tokens, 0..self.all.len().min(self.shown), self.budget))
    }

    /// Those most like a situation that fit, the most similar last; of equals the earlier counts as nearer.
    pub fn similar(&self, model: u16, situation: &Vector) -> Vec<Shown> {
        let Some(vectors) = self.vectors.get(&model) else { return Vec::new() };
        let likeness: Vec<f64> = vectors.iter().map(|vector| vector.cosine(situation)).collect();
        let mut places: Vec<usize> = (0..likeness.len()).collect();
        places.sort_by(|&left, &right| likeness[right].total_cmp(&likeness[left]).then(left.cmp(&right)));
        places.truncate(self.shown);
        let kept = fit_items(&self.tokens, places.iter().copied(), self.budget);
        places.retain(|place| kept.contains(place));
        places.reverse();
        self.at(&places)
    }

    fn at(&self, places: &[usize]) -> Vec<Shown> {
        places.iter().map(|&place| self.all[place].clone()).collect()
    }

    /// The situations whose vectors of this model are still to be made.
    pub fn without_vectors(&self, model: u16) -> Vec<&str> {
        if self.vectors.contains_key(&model) {
            return Vec::new();
        }
        self.all.iter().map(|example| example.situation.as_str()).collect()
    }

    /// Keeps the vectors of all situations.
    pub fn keep_vectors(&mut self, model: u16, vectors: Vec<Vector>) {
        self.vectors.insert(model, vectors);
    }
}
