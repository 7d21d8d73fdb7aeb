//! Minds that decide with a language model: what such a mind is given beside a batch of numbers, what it says of each
//! choice, and what it remembers. The engine drives a mind, and hands its requests to the run's [`LanguageService`].
//!
//! [`LanguageService`]: super::LanguageService

use std::sync::Arc;

use super::{Action, AgentId, Answer, DecisionBatch, LanguageError, Outcome, Performative, PolicyError, Request, Tick};

/// A message of this tick's inbox, as a language model reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// Who sent it.
    pub sender: AgentId,
    /// Role of the sender; empty when the sender has left.
    pub role: Arc<str>,
    /// What it does.
    pub performative: Performative,
    /// What it is about, as the domain numbers it.
    pub topic: u16,
    /// An amount, as the domain means it.
    pub amount: f32,
    /// Its words; empty for a message without any.
    pub text: Arc<str>,
}

/// Who the agent of a row is, and what it received: the words that stand beside the row's numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// Its language model: a place in the scenario's `[llm]` table.
    pub model: u16,
    /// Its role in the world.
    pub role: Arc<str>,
    /// Its group in the scenario.
    pub group: Arc<str>,
    /// Its group's persona; may be empty.
    pub persona: Arc<str>,
    /// The messages that reached it this tick, ordered by sender and then by the order of sending.
    pub inbox: Vec<Letter>,
}

/// A choice, and how likely it was: what behaviour data are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LanguageDecision {
    /// What was chosen; always legal.
    pub action: Action,
    /// Natural logarithm of the probability that the mind gave to it among the legal actions; 0 where there was no
    /// other. Finite.
    pub log_probability: f64,
    /// How many actions were legal.
    pub options: u32,
}

/// An experience that an agent remembers, for the record.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembrance {
    /// Whose.
    pub agent: AgentId,
    /// When it happened.
    pub tick: Tick,
    /// When it was last called to mind.
    pub recalled: Tick,
    /// How much it matters, in [0, 1].
    pub importance: f64,
    /// What it says.
    pub text: Arc<str>,
}

/// The way to the run's language models: the first list says which row of the batch asks each request of the second.
/// Gives one answer a request, in order. Requests of one call reach their models as one batch.
pub type AskModels<'a> = dyn FnMut(&[usize], &[Request]) -> Result<Vec<Answer>, LanguageError> + 'a;

/// Something that decides by asking each agent's language model. Sees all its agents of a tick at once, so that their
/// requests reach the model as one batch, and keeps what they remember.
pub trait LanguageMind: Send + Sync {
    /// One legal decision a row. `contexts[row]` belongs to the row's agent; every agent has a language model.
    ///
    /// # Errors
    /// When a model cannot answer, or a prompt cannot be made.
    fn decide(
        &mut self,
        decisions: &DecisionBatch<'_>,
        contexts: &[Context],
        ask: &mut AskModels<'_>,
    ) -> Result<Vec<LanguageDecision>, PolicyError>;

    /// What it would do in each row's place, without deciding: `decisions.agents.len() × space.menu.len()` natural
    /// logarithms of probabilities, −∞ for actions that are not legal. A learner is advised by this.
    ///
    /// # Errors
    /// When a model cannot answer, or a prompt cannot be made.
    fn advise(
        &mut self,
        decisions: &DecisionBatch<'_>,
        contexts: &[Context],
        ask: &mut AskModels<'_>,
    ) -> Result<Vec<f32>, PolicyError>;

    /// What came of an agent's last decision, at the end of a tick. May come several times for one decision.
    fn credit(&mut self, agent: AgentId, reward: f32, outcome: Outcome);

    /// The agent has left the world; its id never comes back.
    fn leave(&mut self, agent: AgentId);

    /// Whether its agents remember anything at all.
    fn remembers(&self) -> bool;

    /// Everything that is remembered now, by agent and then from the oldest to the newest.
    fn memories(&self) -> Vec<Remembrance>;
}
