//! The words everyone shares: identities, chance, observations, messages, language requests, and the traits of
//! policies, learners and language models. Plain data; knows no file, no ECS, no tensor and no clock.

mod chance;
mod decision;
mod fill;
mod ids;
mod language;
mod learning;
mod message;
mod mind;
mod numbers;
mod persona;
mod recording;
mod statistics;
mod transitions;

pub use chance::{Chance, Purpose};
pub use decision::{Action, ActionMenu, DecisionBatch, LegalActions, Policy, PolicyError, Space, history_width};
pub use fill::{
    DIGITS_MAX, Field, FieldKind, FormError, NUMBER_MAX, check_filled, check_form, form_schema, may_stand_in_text,
    read_form,
};
pub use ids::{AgentId, Tick};
pub use language::{
    Answer, Ask, BudgetUnit, Choices, LanguageError, LanguageModel, LanguageService, LanguageUsage, Prompt, Reply,
    Request, Scored, TokenCount,
};
pub use learning::{
    LearnError, LearnStats, Learner, LimitState, Outcome, PolicyFile, PolicyFileError, StudyStats, TensorData,
    TransitionBatch,
};
pub use message::{Message, Performative, TextArena, TextId};
pub use mind::{AskModels, Context, LanguageDecision, LanguageMind, Letter, Remembrance};
pub use numbers::{log_sum_exp, softmax_in_place};
pub use persona::{Diversity, Persona, PersonaFile, TraitSpec};
pub use recording::Transitions;
pub use statistics::{MeanInterval, mean_interval, student_quantile};
pub use transitions::{Branch, TransitionTable};
