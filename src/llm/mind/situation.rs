//! From the numbers that an agent sees, and its menu, to lines that a language model reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sections::{estimate_tokens, fit_text};
use super::settings::{ActionSettings, FeatureSettings, LanguagePolicySettings};
use crate::base::{Action, LegalActions, Space};
use crate::scenario::{ScenarioError, Section, one_of};

/// How numbers and actions are worded.
pub(super) struct Wording {
    lines: Vec<Line>,
    actions: Vec<Arc<str>>,
    /// What the model may choose among.
    considered: LegalActions,
}

/// A line of the situation: a feature and the words for it.
struct Line {
    column: usize,
    name: String,
    values: Vec<String>,
    edges: Vec<f32>,
}

impl Wording {
    /// The wording that the settings give for a space.
    ///
    /// # Errors
    /// When they name a feature or an action that its agents do not have, or two actions have the same words.
    pub fn new(settings: &LanguagePolicySettings, section: &Section, space: &Space) -> Result<Self, ScenarioError> {
        let mut lines = Vec::new();
        for (place, feature) in settings.features.iter().enumerate() {
            let column = feature_column(space, section, &feature.feature, &format!("features[{place}].feature"))?;
            let FeatureSettings { feature, text, values, edges } = feature.clone();
            lines.push(Line { column, name: text.unwrap_or_else(|| spaced(&feature)), values, edges });
        }
        if settings.features.is_empty() {
            lines.extend(space.features.iter().enumerate().map(|(column, name)| Line {
                column,
                name: spaced(name),
                values: Vec::new(),
                edges: Vec::new(),
            }));
        }
        let mut actions: Vec<Arc<str>> = space.menu.names.iter().map(|name| spaced(name).into()).collect();
        for (place, ActionSettings { action, text }) in settings.actions.iter().enumerate() {
            let action = action_place(space, section, action, &format!("actions[{place}].action"))?;
            if text.trim().is_empty() {
                let help = "say in a few words what the action does";
                return Err(section.invalid(&format!("actions[{place}].text"), "an action without words", help));
            }
            actions[action] = text.trim().into();
        }
        for (place, text) in actions.iter().enumerate() {
            if let Some(earlier) = actions[..place].iter().position(|other| other == text) {
                let names = &space.menu.names;
                let message =
                    format!("the actions `{}` and `{}` are both \"{text}\" to the model", names[earlier], names[place]);
                return Err(section.invalid("actions", message, "give each action words of its own"));
            }
        }
        let mut considered = LegalActions::default();
        for (place, name) in settings.choose_from.iter().enumerate() {
            considered =
                considered.with(Action(action_place(space, section, name, &format!("choose_from[{place}]"))? as u16));
        }
        if settings.choose_from.is_empty() {
            considered = LegalActions::all(space.menu.len());
        }
        Ok(Self { lines, actions, considered })
    }

    /// Of the legal actions those that the model may choose among; all where it may choose none of them.
    pub fn considered(&self, legal: LegalActions) -> LegalActions {
        match LegalActions(legal.0 & self.considered.0) {
            LegalActions(0) => legal,
            some => some,
        }
    }

    /// The words of every legal action, in menu order.
    pub fn options(&self, legal: LegalActions) -> Vec<Arc<str>> {
        legal.iter().map(|action| Arc::clone(&self.actions[action.index()])).collect()
    }

    /// The words of an action.
    pub fn action(&self, place: usize) -> &Arc<str> {
        &self.actions[place]
    }

    /// What is seen: a line a feature with a number, then the words; within the budget, and never wholly empty.
    pub fn situation(&self, number: impl Fn(usize) -> Option<f32>, words: &str, budget: u32) -> String {
        let lines = self.lines.iter().filter_map(|line| line.text(number(line.column)?));
        fit(lines, words, budget)
    }

    /// The same when nothing is known: every line there is, with "N/A" as its value.
    pub fn nothing(&self, with_words: bool, budget: u32) -> String {
        fit(self.lines.iter().map(|line| format!("{}: N/A", line.name)), if with_words { "N/A" } else { "" }, budget)
    }
}

fn fit(lines: impl Iterator<Item = String>, words: &str, budget: u32) -> String {
    let mut text = fit_text(&lines.collect::<Vec<_>>().join("\n"), budget);
    let left = (budget as usize).saturating_sub(estimate_tokens(&text) + 1);
    let words = fit_text(words, left as u32);
    if !words.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&words);
    }
    if text.is_empty() { "N/A".to_owned() } else { text }
}

impl Line {
    /// "name: value"; nothing where the value's word is empty.
    fn text(&self, value: f32) -> Option<String> {
        let word = if self.values.is_empty() {
            plain(value)
        } else {
            let place = if self.edges.is_empty() {
                // Words are for the whole numbers from 0 on.
                if value >= 0.0 && value.fract() == 0.0 { value as usize } else { usize::MAX }
            } else if value.is_nan() {
                usize::MAX
            } else {
                self.edges.iter().filter(|edge| value >= **edge).count()
            };
            self.values.get(place).cloned().unwrap_or_else(|| plain(value))
        };
        (!word.is_empty()).then(|| format!("{}: {word}", self.name))
    }
}

/// A number as a person writes it: whole without a point, otherwise with two digits.
pub(super) fn plain(value: f32) -> String {
    if value.is_nan() {
        return "unknown".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.strip_suffix(".00").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A name with blanks.
pub(super) fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// The column of a feature by name.
pub(super) fn feature_column(space: &Space, section: &Section, name: &str, at: &str) -> Result<usize, ScenarioError> {
    space.features.iter().position(|&known| known == name).ok_or_else(|| {
        let message = format!("agents with this policy do not see a feature \"{name}\"");
        section.invalid(at, message, one_of(name, &space.features))
    })
}

/// The place of an action by name.
pub(super) fn action_place(space: &Space, section: &Section, name: &str, at: &str) -> Result<usize, ScenarioError> {
    space.menu.names.iter().position(|&known| known == name).ok_or_else(|| {
        let message = format!("agents with this policy have no action \"{name}\"");
        section.invalid(at, message, one_of(name, &space.menu.names))
    })
}

/// The numbers of an example, by column.
pub(super) fn columns(when: &BTreeMap<String, f32>, space: &Space) -> BTreeMap<usize, f32> {
    let column = |name: &String| space.features.iter().position(|known| known == name);
    when.iter().filter_map(|(name, value)| Some((column(name)?, *value))).collect()
}
