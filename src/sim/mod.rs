//! The engine: agents as entities, the phases of a tick, mail, decisions, learning. Knows no file, no model, no
//! clock on the wall; what it shares with the other floors is plain data in [`crate::base`].

mod builder;
mod components;
mod decide;
mod domain;
mod failure;
mod language;
mod learn;
mod mail;
mod minds;
mod now;
mod pace;
mod phase;
mod population;
mod simulation;
mod spaces;
mod speak;
mod tables;

pub use builder::Builder;
pub use components::{
    Agent, Choice, Llm, Mailbox, Menu, Observation, PersonaId, PolicySlot, Reward, RewardTerms, RoleId,
};
pub use domain::{BuildError, DataNeed, Domain, DomainData, LanguageForecast, RoleSpace};
pub use failure::{Failure, SimError};
pub use language::{LanguageQueue, Ticket};
pub use mail::{Mail, Texts};
pub use minds::{Mind, Observations};
pub use now::Now;
pub use pace::Pace;
pub use phase::Phase;
pub use population::{Birth, Directory, Group, Population};
pub use simulation::{Options, Simulation};
pub use spaces::spaces_of_policies;
pub use speak::{decision_columns, memory_columns};
pub use tables::{Tables, agent_columns, learning_columns, message_columns, metric_columns, study_columns};
