//! The words everyone shares: identities, chance, observations, messages, language requests, and the traits of
//! policies, learners and language models. Plain data; knows no file, no ECS, no tensor and no clock.

mod chance;
mod decision;
mod ids;
mod language;
mod learning;
mod message;
mod numbers;
mod transitions;

pub use chance::{Chance, Purpose};
pub use decision::{Action, ActionMenu, DecisionBatch, LegalActions, Policy, PolicyError, Space};
pub use ids::{AgentId, Tick};
pub use language::{
    Answer, Ask, Choices, LanguageError, LanguageModel, LanguageService, Prompt, Reply, Request, Scored, TokenCount,
};
pub use learning::{
    LearnError, LearnStats, Learner, Outcome, PolicyFile, PolicyFileError, TensorData, TransitionBatch,
};
pub use message::{Message, Performative, TextArena, TextId};
pub use numbers::{log_sum_exp, softmax_in_place};
pub use transitions::{Branch, TransitionTable};
