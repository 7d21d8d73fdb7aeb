//! The policy `language_model`: situations and menus become prompts, scores become actions, rewards become memories.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use rayon::prelude::*;

use super::choice::{choose, log_probabilities};
use super::memory::{Experience, Memory, importance};
use super::prompting::{Prompting, Recalled, Seen, SharedParts};
use super::registry::MindFile;
use super::sections::{estimate_tokens, fit_items, fit_text};
use super::settings::{ExamplesBy, MemorySettings, SimilaritySetting};
use super::similarity::Vector;
use super::situation::plain;
use super::template::TemplateError;
use crate::base::{
    Action, AgentId, Answer, Ask, AskModels, Choices, Context, DecisionBatch, LanguageDecision, LanguageMind,
    LegalActions, Outcome, PolicyError, Prompt, Purpose, Remembrance, Request, Scored, Space, Tick,
};
use crate::scenario::{ScenarioError, Section};

const CHOICE: Purpose = Purpose::named("llm.mind.choice");

/// Least tokens that the seen part of an experience may have, whatever the budget.
const SEEN_TOKENS_MIN: u32 = 16;
/// Tokens of an experience besides what was seen: about those of the action and the reward.
const DONE_TOKENS: u32 = 16;

/// A policy that asks its agents' language models.
pub(super) struct LanguagePolicy {
    prompting: Prompting,
    memories: BTreeMap<AgentId, Memory>,
    open: BTreeMap<AgentId, Open>,
    now: Tick,
}

/// A decision whose reward is still coming in.
struct Open {
    tick: Tick,
    seen: String,
    action: Arc<str>,
    reward: f64,
}

/// A row that needs its model.
struct Row<'a> {
    place: usize,
    agent: AgentId,
    legal: LegalActions,
    context: &'a Context,
    parts: Arc<SharedParts>,
    seen: Seen,
    query: Option<Vector>,
    content_free: Option<Arc<str>>,
}

impl LanguagePolicy {
    /// The policy that a section describes.
    ///
    /// # Errors
    /// When the settings do not fit the space, or a file cannot be used.
    pub fn new(section: &Section, space: &Space, files: &[MindFile]) -> Result<Self, ScenarioError> {
        let prompting = Prompting::new(section, space, files)?;
        Ok(Self { prompting, memories: BTreeMap::new(), open: BTreeMap::new(), now: Tick(0) })
    }

    fn memory_settings(&self) -> Option<MemorySettings> {
        self.prompting.settings.memory
    }

    /// What the model may choose among in each row.
    fn considered(&self, decisions: &DecisionBatch<'_>) -> Vec<LegalActions> {
        decisions.legal.iter().map(|legal| self.prompting.wording.considered(*legal)).collect()
    }

    /// Whether a row's situation is compared with other texts.
    fn compares(&self, agent: AgentId) -> bool {
        let memories = self.memory_settings().is_some_and(|memory| memory.relevance > 0.0 && memory.shown > 0)
            && self.memories.get(&agent).is_some_and(|memory| !memory.experiences.is_empty());
        memories || self.prompting.settings.examples_by == ExamplesBy::Similarity
    }

    /// An agent's open decision becomes an experience.
    fn close(&mut self, agent: AgentId) {
        let (Some(settings), Some(open)) = (self.memory_settings(), self.open.remove(&agent)) else { return };
        let Open { tick, seen, action, reward } = open;
        let budget = self.prompting.settings.budget.memory / settings.shown.max(1);
        let seen = fit_text(&seen, budget.saturating_sub(DONE_TOKENS).max(SEEN_TOKENS_MIN));
        let text = format!("{seen} -> {action} (reward {})", plain(reward as f32)).into();
        let importance = importance(reward, settings.reward_half);
        let experience = Experience { tick, recalled: tick, importance, text, vector: None };
        self.memories.entry(agent).or_default().take_in(experience, self.now, &settings);
    }

    /// Gives every row that is compared with other texts the vector of what it sees, and those texts theirs.
    fn make_vectors(&mut self, rows: &mut [Row<'_>], ask: &mut AskModels<'_>) -> Result<(), PolicyError> {
        let by_similarity = self.prompting.settings.examples_by == ExamplesBy::Similarity;
        let remembers = self.memory_settings().is_some_and(|memory| memory.relevance > 0.0 && memory.shown > 0);
        let mut askers: Vec<usize> = Vec::new();
        let mut texts: Vec<String> = Vec::new();
        let mut models: Vec<u16> = Vec::new();
        for row in rows.iter().filter(|row| self.compares(row.agent)) {
            let mut asks = |text: &str| {
                askers.push(row.place);
                texts.push(text.to_owned());
            };
            asks(&row.seen.text());
            if by_similarity && !models.contains(&row.context.model) {
                models.push(row.context.model);
                self.prompting.examples.without_vectors(row.context.model).into_iter().for_each(&mut asks);
            }
            if remembers && let Some(memory) = self.memories.get(&row.agent) {
                memory.experiences.iter().filter(|known| known.vector.is_none()).for_each(|known| asks(&known.text));
            }
        }
        let mut vectors = match self.prompting.settings.similarity {
            SimilaritySetting::Words => texts.par_iter().map(|text| Vector::of_words(text)).collect(),
            SimilaritySetting::Embedding => embed(&askers, texts, ask)?,
        }
        .into_iter();
        // In the order in which they were asked for.
        let mut models: Vec<u16> = Vec::new();
        for row in rows.iter_mut() {
            if !self.compares(row.agent) {
                continue;
            }
            row.query = vectors.next();
            if by_similarity && !models.contains(&row.context.model) {
                models.push(row.context.model);
                let count = self.prompting.examples.without_vectors(row.context.model).len();
                if count > 0 {
                    self.prompting.examples.keep_vectors(row.context.model, vectors.by_ref().take(count).collect());
                }
            }
            if remembers && let Some(memory) = self.memories.get_mut(&row.agent) {
                for known in memory.experiences.iter_mut().filter(|known| known.vector.is_none()) {
                    known.vector = vectors.next();
                }
            }
        }
        Ok(())
    }

    /// What comes to a row's mind: places of experiences, and what its prompt shows.
    fn recall(&self, row: &Row<'_>) -> (Vec<usize>, Recalled) {
        let settings = &self.prompting.settings;
        let mut recalled = Recalled::default();
        let mut places = Vec::new();
        if let (Some(memory), Some(known)) = (&settings.memory, self.memories.get(&row.agent)) {
            let tokens: Vec<usize> =
                known.experiences.iter().map(|experience| estimate_tokens(&experience.text) + 1).collect();
            let ranked = known.ranked(row.query.as_ref(), self.now, memory);
            places = fit_items(&tokens, ranked.into_iter().take(memory.shown as usize), settings.budget.memory);
            recalled.memory = places.iter().map(|&place| Arc::clone(&known.experiences[place].text)).collect();
        }
        if let (ExamplesBy::Similarity, Some(query)) = (settings.examples_by, &row.query) {
            recalled.examples = self.prompting.examples.similar(row.context.model, query);
        }
        (places, recalled)
    }

    /// The rows whose model is to be asked, with what they see.
    fn rows<'a>(
        &mut self,
        decisions: &DecisionBatch<'_>,
        contexts: &'a [Context],
        seen: Vec<Seen>,
    ) -> Result<Vec<Row<'a>>, PolicyError> {
        let mut rows = Vec::new();
        for (place, (context, seen)) in contexts.iter().zip(seen).enumerate() {
            let legal = decisions.legal[place];
            if legal.count() < 2 {
                continue;
            }
            let parts = self.prompting.shared(context).map_err(template_failed)?;
            let content_free = if self.prompting.settings.calibrate {
                Some(self.prompting.content_free(context, &parts, legal, &seen).map_err(template_failed)?)
            } else {
                None
            };
            let agent = decisions.agents[place];
            rows.push(Row { place, agent, legal, context, parts, seen, query: None, content_free });
        }
        Ok(rows)
    }

    fn request(&self, row: &Row<'_>, recalled: &Recalled) -> Result<Request, TemplateError> {
        let options = self.prompting.wording.options(row.legal);
        let prompt = self.prompting.prompt(&row.parts, (self.now, row.agent), &row.seen, recalled, &options)?;
        let choices = Choices { options: options.into(), content_free: row.content_free.clone() };
        Ok(Request { prompt, ask: Ask::Choose(choices) })
    }
}

impl LanguagePolicy {
    /// Asks the models of all rows that have a choice: their places with the scores of their legal actions, and what
    /// each row sees where that may be remembered.
    fn score(
        &mut self,
        decisions: &DecisionBatch<'_>,
        contexts: &[Context],
        ask: &mut AskModels<'_>,
    ) -> Result<(Vec<(usize, Scored)>, Vec<String>), PolicyError> {
        self.now = decisions.tick;
        for agent in decisions.agents {
            self.close(*agent);
        }
        let words = |row: usize| decisions.words.get(row).map_or("", |words| &**words);
        let seen: Vec<Seen> = contexts
            .par_iter()
            .enumerate()
            .map(|(row, context)| self.prompting.seen(decisions.row(row), words(row), &context.inbox))
            .collect();
        let remembered: Vec<String> =
            if self.remembers() { seen.iter().map(|seen| one_line(&seen.text())).collect() } else { Vec::new() };
        let mut rows = self.rows(decisions, contexts, seen)?;
        self.make_vectors(&mut rows, ask)?;
        let made: Vec<(Vec<usize>, Result<Request, TemplateError>)> = rows
            .par_iter()
            .map(|row| {
                let (places, recalled) = self.recall(row);
                (places, self.request(row, &recalled))
            })
            .collect();
        let mut requests = Vec::with_capacity(made.len());
        for (row, (places, request)) in rows.iter().zip(made) {
            requests.push(request.map_err(template_failed)?);
            if let Some(memory) = self.memories.get_mut(&row.agent) {
                for place in places {
                    memory.experiences[place].recalled = self.now;
                }
            }
        }
        let askers: Vec<usize> = rows.iter().map(|row| row.place).collect();
        let answers = if requests.is_empty() { Vec::new() } else { ask(&askers, &requests)? };
        let mut scored = Vec::with_capacity(rows.len());
        for (row, answer) in rows.iter().zip(answers) {
            let Answer::Scored(scores) = answer else { return Err(misfit("something else than scores")) };
            if scores.scores.len() != row.legal.count() as usize {
                return Err(misfit(&format!("{} scores for {} options", scores.scores.len(), row.legal.count())));
            }
            scored.push((row.place, scores));
        }
        Ok((scored, remembered))
    }
}

impl LanguageMind for LanguagePolicy {
    fn decide(
        &mut self,
        decisions: &DecisionBatch<'_>,
        contexts: &[Context],
        ask: &mut AskModels<'_>,
    ) -> Result<Vec<LanguageDecision>, PolicyError> {
        let legal = self.considered(decisions);
        let decisions = &DecisionBatch { legal: &legal, ..*decisions };
        let (scored, remembered) = self.score(decisions, contexts, ask)?;
        let only = |legal: &LegalActions| LanguageDecision {
            action: legal.nth(0).unwrap_or_default(),
            log_probability: 0.0,
            options: legal.count(),
        };
        let mut decided: Vec<LanguageDecision> = decisions.legal.iter().map(only).collect();
        let settings = &self.prompting.settings;
        for (place, scored) in scored {
            let uniform = || decisions.chance.draw(CHOICE, decisions.tick, decisions.agents[place]).random::<f64>();
            let (legal, temperature) = (decisions.legal[place], f64::from(settings.temperature));
            decided[place] = choose(&scored.scores, legal, settings.choose, temperature, uniform);
        }
        for (row, seen) in remembered.into_iter().enumerate() {
            let action = Arc::clone(self.prompting.wording.action(decided[row].action.index()));
            self.open.insert(decisions.agents[row], Open { tick: self.now, seen, action, reward: 0.0 });
        }
        Ok(decided)
    }

    fn advise(
        &mut self,
        decisions: &DecisionBatch<'_>,
        contexts: &[Context],
        ask: &mut AskModels<'_>,
    ) -> Result<Vec<f32>, PolicyError> {
        let (scored, _) = self.score(decisions, contexts, ask)?;
        let (width, temperature) = (decisions.space.menu.len(), f64::from(self.prompting.settings.temperature));
        let mut advice = Vec::with_capacity(decisions.agents.len() * width);
        for legal in decisions.legal {
            let only = |place: usize| if legal.nth(0) == Some(Action(place as u16)) { 0.0 } else { f32::NEG_INFINITY };
            advice.extend((0..width).map(only));
        }
        for (place, scored) in scored {
            let row = log_probabilities(&scored.scores, decisions.legal[place], temperature, width);
            advice[place * width..(place + 1) * width].iter_mut().zip(row).for_each(|(cell, value)| *cell = value);
        }
        Ok(advice)
    }

    fn credit(&mut self, agent: AgentId, reward: f32, outcome: Outcome) {
        if let Some(open) = self.open.get_mut(&agent) {
            open.reward += f64::from(reward);
        }
        if outcome != Outcome::Continues {
            self.close(agent);
        }
    }

    fn leave(&mut self, agent: AgentId) {
        self.open.remove(&agent);
        self.memories.remove(&agent);
    }

    fn remembers(&self) -> bool {
        self.memory_settings().is_some()
    }

    fn memories(&self) -> Vec<Remembrance> {
        let of = |(agent, memory): (&AgentId, &Memory)| {
            let row = |known: &Experience| Remembrance {
                agent: *agent,
                tick: known.tick,
                recalled: known.recalled,
                importance: known.importance,
                text: Arc::clone(&known.text),
            };
            memory.experiences.iter().map(row).collect::<Vec<_>>()
        };
        self.memories.iter().flat_map(of).collect()
    }
}

/// Vectors of texts from the models of the rows that ask.
fn embed(askers: &[usize], texts: Vec<String>, ask: &mut AskModels<'_>) -> Result<Vec<Vector>, PolicyError> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let request = |text: String| Request {
        prompt: Prompt { system: "".into(), prefix: "".into(), suffix: text.into() },
        ask: Ask::Embed,
    };
    let requests: Vec<Request> = texts.into_iter().map(request).collect();
    let vector = |answer: Answer| match answer {
        Answer::Vector(vector) => Ok(Vector::Dense(vector)),
        _ => Err(misfit("something else than a vector")),
    };
    ask(askers, &requests)?.into_iter().map(vector).collect()
}

fn misfit(what: &str) -> PolicyError {
    PolicyError::Other(format!("its language model answered with {what}"))
}

fn template_failed(error: TemplateError) -> PolicyError {
    PolicyError::Other(format!("a prompt could not be made: {error}"))
}

/// A text with its lines joined.
fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join("; ")
}
