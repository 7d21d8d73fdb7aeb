//! Protocols: conversations as checked state machines over one typed envelope. A machine says who may say what next,
//! admits a message or rejects it with the reason, and comes to an outcome by a known tick whatever is said. Beside them
//! what agents share: subscriptions to topics, and a board of typed entries, with rights by role. Knows no
//! mail, no entities and no clock but the ticks it is told; amounts are whole numbers of a smallest unit.

mod alternating_offers;
mod board;
mod contract_net;
mod conversation;
mod double_auction;
mod dutch_auction;
mod english_auction;
mod envelope;
mod exchange;
mod gathering;
mod moves;
mod open_cry;
mod outcome;
mod query;
mod rejection;
mod request;
mod rights;
mod sealed_auction;
mod subscriptions;
mod terms;
mod voting;

pub use alternating_offers::AlternatingOffersTerms;
pub use board::{Board, BoardSection, Entry, Filled, Settlement, Writing};
pub use contract_net::ContractNetTerms;
pub(crate) use conversation::Participants;
pub use conversation::{Conversation, FEATURES};
pub use double_auction::DoubleAuctionTerms;
pub use dutch_auction::DutchAuctionTerms;
pub use english_auction::EnglishAuctionTerms;
pub use envelope::{Content, ConversationId, Envelope, Protocol, Recipients};
pub use moves::{AMOUNT_MAX, Addressee, Amounts, Expected, Move};
pub use outcome::{Award, Awards, Ending, Outcome};
pub use query::QueryTerms;
pub use rejection::{Reason, Rejection};
pub use request::RequestTerms;
pub use rights::{Refusal, Right, Rights, Roles};
pub use sealed_auction::{SealedAuctionTerms, SealedPrice};
pub use subscriptions::Subscriptions;
pub use terms::{Terms, TermsError};
pub use voting::VotingTerms;
