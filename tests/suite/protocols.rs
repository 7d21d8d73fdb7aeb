//! Conversations: walks through every protocol, the languages that the machines speak, and what must hold whatever is
//! said.

mod language;
mod properties;
mod sharing;
mod walks;

use std::sync::Arc;

use llmagentos::base::{AgentId, Performative, TextId, Tick};
use llmagentos::protocols::{
    Addressee, AlternatingOffersTerms, Amounts, Content, ContractNetTerms, Conversation, ConversationId,
    DoubleAuctionTerms, DutchAuctionTerms, EnglishAuctionTerms, Envelope, Expected, Move, QueryTerms, Recipients,
    Rejection, RequestTerms, SealedAuctionTerms, SealedPrice, Terms, VotingTerms,
};

/// The amounts of all conversations of these tests.
pub const AMOUNTS: Amounts = Amounts { least: 0, greatest: 100 };

/// Terms of every protocol, with deadlines of a few ticks.
pub fn all_terms() -> Vec<Terms> {
    let (bid_ticks, seller_ticks, prices, step_least, calls_max) = (2, 1, AMOUNTS, 10, 4);
    let sealed = |price| SealedAuctionTerms { price, bid_ticks: 2, reserve: 10, amounts: AMOUNTS };
    let vote = |rule| Terms::Voting(VotingTerms { vote_ticks: 2, candidates: 3, rule, quorum: 2 });
    vec![
        Terms::Request(RequestTerms { reply_ticks: 2, work_ticks: 3 }),
        Terms::Query(QueryTerms { reply_ticks: 1, work_ticks: 2 }),
        contract_net(1),
        contract_net(2),
        Terms::AlternatingOffers(AlternatingOffersTerms {
            offer_ticks: 2,
            offers_max: 3,
            amounts: AMOUNTS,
            initiator_sells: true,
        }),
        Terms::EnglishAuction(EnglishAuctionTerms { bid_ticks, seller_ticks, prices, step_least, calls_max }),
        Terms::DutchAuction(DutchAuctionTerms { bid_ticks, seller_ticks, prices, step_least, calls_max }),
        Terms::SealedAuction(sealed(SealedPrice::First)),
        Terms::SealedAuction(sealed(SealedPrice::Second)),
        Terms::DoubleAuction(DoubleAuctionTerms { bid_ticks: 2, amounts: AMOUNTS }),
        vote(llmagentos::games::VotingRule::Schulze),
        vote(llmagentos::games::VotingRule::InstantRunoff),
    ]
}

pub fn contract_net(awards_max: u32) -> Terms {
    let amounts = AMOUNTS;
    Terms::ContractNet(ContractNetTerms { propose_ticks: 2, award_ticks: 1, work_ticks: 3, amounts, awards_max })
}

/// A content that a move admits: amounts at `share` of 100 of their range.
pub fn content(expected: Expected, share: i64) -> Content {
    let amount = |range: Amounts| range.least + (range.greatest - range.least) * share / 100;
    match expected {
        Expected::Nothing => Content::Nothing,
        Expected::Item => Content::Item(7),
        Expected::Amount(range) => Content::Amount(amount(range)),
        Expected::Ask(range) => Content::Ask(amount(range)),
        Expected::Offer(item, range) => Content::Offer { item: item.unwrap_or(7), amount: amount(range) },
        Expected::Ballot(candidates) => {
            let first = share as u16 % candidates;
            let ranking = (0..candidates).map(|place| (first + place) % candidates);
            Content::Ballot(Arc::new(ranking.collect()))
        }
    }
}

/// A message to everyone, of the first conversation.
pub fn envelope(terms: &Terms, sender: u32, performative: Performative, content: Content, tick: u64) -> Envelope {
    Envelope {
        performative,
        conversation: ConversationId(1),
        sender: AgentId(sender),
        recipients: Recipients::Everyone,
        protocol: terms.protocol(),
        content,
        words: TextId::EMPTY,
        tick: Tick(tick),
    }
}

/// The message that makes a move.
pub fn saying(terms: &Terms, sender: AgentId, said: Move, share: i64, tick: Tick) -> Envelope {
    let mut envelope = envelope(terms, sender.0, said.performative, content(said.content, share), tick.0);
    if let Addressee::Agent(agent) = said.to {
        envelope.recipients = Recipients::Agent(agent);
    }
    envelope
}

/// A conversation of agent 0 with agents 1 to `participants`, opened at tick 0 by its first possible message.
pub fn open(terms: &Terms, participants: u32) -> Conversation {
    let performative = match terms {
        Terms::Request(_) => Performative::Request,
        Terms::Query(_) => Performative::QueryIf,
        Terms::AlternatingOffers(_) => Performative::Propose,
        Terms::EnglishAuction(_) | Terms::DutchAuction(_) => Performative::Inform,
        _ => Performative::CallForProposal,
    };
    let content = match terms {
        Terms::AlternatingOffers(_) => Content::Offer { item: 7, amount: 50 },
        _ => Content::Item(7),
    };
    open_with(terms, participants, performative, content).unwrap_or_else(|rejection| panic!("{rejection}"))
}

pub fn open_with(
    terms: &Terms,
    participants: u32,
    performative: Performative,
    content: Content,
) -> Result<Conversation, Rejection> {
    terms.check().expect("sound terms");
    let mut first = envelope(terms, 0, performative, content, 0);
    let agents: Vec<AgentId> = (1..=participants).map(AgentId).collect();
    if let [one] = agents.as_slice() {
        first.recipients = Recipients::Agent(*one);
    }
    Conversation::open(terms, &first, &agents)
}
