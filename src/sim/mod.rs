//! The engine: agents as entities, the phases of a tick, mail, decisions, learning. Knows no file, no model, no
//! clock on the wall; what it shares with the other floors is plain data in [`crate::base`].

mod advice;
mod blackboard;
mod boundaries;
mod builder;
mod components;
mod conversations;
mod decide;
mod domain;
mod failure;
mod history;
mod language;
mod learn;
mod limits;
mod mail;
mod minds;
mod network;
mod now;
mod odds;
mod pace;
mod payoffs;
mod phase;
mod population;
mod returns;
mod rewards;
mod rights;
mod shaping;
mod sharing;
mod simulation;
mod sound;
mod spaces;
mod speak;
mod tables;
mod topics;
mod voices;

pub use advice::advice_columns;
pub use blackboard::{Blackboard, SectionId, blackboard_columns};
pub use boundaries::{Breach, Breaches, breach_columns};
pub use builder::Builder;
pub use components::{
    Agent, Choice, Llm, Mailbox, Menu, Observation, PersonaId, PolicySlot, Reward, RewardTerms, RoleId,
};
pub use conversations::{
    ConversationCounts, Conversations, TermsId, conversation_columns, conversation_metric_columns,
};
pub use domain::{BuildError, DataNeed, Domain, DomainData, LanguageForecast, LanguageParts, RoleSpace, Strategy};
pub use failure::{Failure, SimError};
pub use language::{LanguageQueue, Ticket};
pub use limits::limit_columns;
pub use mail::{Mail, Texts};
pub use minds::{Mind, Observations};
pub use network::{
    EDGES, LINKS_MAX, Links, NetworkCounts, NetworkProblem, check_links, check_network, network_metric_columns,
};
pub use now::Now;
pub use odds::Odds;
pub use pace::Pace;
pub use payoffs::Account;
pub use phase::Phase;
pub use population::{Birth, Directory, Group, Population};
pub use returns::EpisodeReturns;
pub use rewards::{check_rewards, reward_columns};
pub use rights::{Place, PlaceKind, Powers, RoleRights, check_rights};
pub use shaping::{Potential, PotentialError};
pub use sharing::sharing_metric_columns;
pub use simulation::{Options, Simulation};
pub use spaces::spaces_of_policies;
pub use speak::{decision_columns, memory_columns};
pub use tables::{Tables, agent_columns, learning_columns, message_columns, metric_columns, study_columns};
pub use topics::{TopicId, Topics, topic_columns};
pub use voices::Voices;
