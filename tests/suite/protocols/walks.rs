//! One walk a protocol, with its outcome, and rejections as people read them.

use llmagentos::base::{AgentId, FieldKind, Performative, Tick};
use llmagentos::games::VotingRule;
use llmagentos::protocols::{
    Award, Content, Conversation, Ending, Outcome, Protocol, QueryTerms, Reason, Recipients, RequestTerms, Terms,
};

use super::{AMOUNTS, all_terms, contract_net, envelope, open, open_with, saying};

/// Sends a message of `sender` that is one of its moves.
fn say(conversation: &mut Conversation, terms: &Terms, sender: u32, performative: Performative, share: i64, tick: u64) {
    let sender = AgentId(sender);
    let moves = conversation.moves(sender);
    let said = moves.iter().find(|one| one.performative == performative).unwrap_or_else(|| panic!("{moves:?}"));
    conversation.admit(&saying(terms, sender, *said, share, Tick(tick))).unwrap_or_else(|error| panic!("{error}"));
}

/// Answers the proposal of one bidder.
fn answer(conversation: &mut Conversation, terms: &Terms, performative: Performative, bidder: u32, tick: u64) {
    let mut answer = envelope(terms, 0, performative, Content::Nothing, tick);
    answer.recipients = Recipients::Agent(AgentId(bidder));
    conversation.admit(&answer).unwrap_or_else(|error| panic!("{error}"));
}

fn of(protocol: Protocol) -> Terms {
    all_terms().into_iter().find(|terms| terms.protocol() == protocol).expect("terms of every protocol")
}

fn outcome(conversation: &Conversation) -> &Outcome {
    assert_eq!(conversation.state(), "ended");
    conversation.outcome().expect("it is over")
}

fn award(provider: u32, receiver: u32, amount: i64) -> Award {
    Award { provider: AgentId(provider), receiver: AgentId(receiver), item: 7, amount }
}

#[test]
fn a_request_is_agreed_to_and_done_or_ends_in_silence() {
    let terms = of(Protocol::Request);
    let mut conversation = open(&terms, 1);
    assert_eq!((conversation.state(), conversation.deadline()), ("asked", Tick(2)));
    say(&mut conversation, &terms, 1, Performative::Agree, 0, 1);
    assert_eq!((conversation.state(), conversation.deadline()), ("agreed", Tick(4)));
    say(&mut conversation, &terms, 1, Performative::Inform, 0, 4);
    assert_eq!(outcome(&conversation), &Outcome { ending: Ending::Done, awards: award(1, 0, 0).into(), elected: None });

    let mut silent = open(&terms, 1);
    assert_eq!(silent.expire(Tick(1)), 0);
    assert_eq!(silent.expire(Tick(2)), 1);
    assert_eq!(outcome(&silent).ending, Ending::NoAnswer);

    let mut called_off = open(&terms, 1);
    say(&mut called_off, &terms, 0, Performative::Cancel, 0, 1);
    say(&mut called_off, &terms, 1, Performative::Failure, 0, 2);
    assert!(called_off.moves(AgentId(0)).is_empty(), "it is called off at most once");
    say(&mut called_off, &terms, 1, Performative::Failure, 0, 3);
    assert_eq!(outcome(&called_off).ending, Ending::Failed);
}

#[test]
fn a_query_if_is_answered_by_true_or_false() {
    let terms = of(Protocol::Query);
    let conversation = open(&terms, 1);
    let inform = conversation.moves(AgentId(1)).into_iter().find(|one| one.performative == Performative::Inform);
    assert_eq!(inform.unwrap().amount_field(), Some(FieldKind::Integer { least: 0, greatest: 1 }));
    let by_description = open_with(&terms, 1, Performative::QueryRef, Content::Item(7)).unwrap();
    let inform = by_description.moves(AgentId(1)).into_iter().find(|one| one.performative == Performative::Inform);
    assert_eq!(inform.unwrap().amount_field(), None);
}

#[test]
fn a_contract_goes_to_the_chosen_bidder_at_its_price() {
    let terms = contract_net(1);
    let mut conversation = open(&terms, 3);
    say(&mut conversation, &terms, 1, Performative::Propose, 40, 1);
    say(&mut conversation, &terms, 2, Performative::Propose, 30, 1);
    assert_eq!(conversation.state(), "calling");
    // Agent 3 is silent: it has refused when the deadline passes.
    conversation.expire(Tick(2));
    assert_eq!((conversation.state(), conversation.deadline()), ("awarding", Tick(3)));
    answer(&mut conversation, &terms, Performative::Accept, 2, 3);
    let left: Vec<String> = conversation.moves(AgentId(0)).iter().map(ToString::to_string).collect();
    assert_eq!(left, ["reject-proposal to agent 1"], "one award is all");
    conversation.expire(Tick(3));
    say(&mut conversation, &terms, 2, Performative::Inform, 0, 5);
    assert_eq!(outcome(&conversation).awards, [award(2, 0, 30)]);
    assert_eq!((outcome(&conversation).income(AgentId(2)), outcome(&conversation).income(AgentId(0))), (30, -30));

    let mut late = open(&contract_net(2), 2);
    say(&mut late, &terms, 1, Performative::Propose, 40, 1);
    say(&mut late, &terms, 2, Performative::Propose, 30, 1);
    answer(&mut late, &terms, Performative::Accept, 1, 2);
    answer(&mut late, &terms, Performative::Accept, 2, 2);
    say(&mut late, &terms, 1, Performative::Inform, 0, 3);
    late.expire(Tick(5));
    // One has done its part and is owed for it; the other was silent.
    assert_eq!(outcome(&late), &Outcome { ending: Ending::Failed, awards: award(1, 0, 40).into(), elected: None });
}

#[test]
fn bargaining_alternates_and_ends_with_yes_or_no() {
    let terms = of(Protocol::AlternatingOffers);
    let mut conversation = open(&terms, 1);
    assert!(conversation.moves(AgentId(0)).is_empty());
    say(&mut conversation, &terms, 1, Performative::Propose, 20, 1);
    say(&mut conversation, &terms, 0, Performative::Propose, 35, 2);
    let last: Vec<Performative> = conversation.moves(AgentId(1)).iter().map(|one| one.performative).collect();
    assert_eq!(last, [Performative::Accept, Performative::Reject], "three offers are all");
    say(&mut conversation, &terms, 1, Performative::Accept, 0, 3);
    assert_eq!(outcome(&conversation).awards, [award(0, 1, 35)]);
}

#[test]
fn an_english_auction_sells_to_the_last_who_took_a_price() {
    let terms = of(Protocol::EnglishAuction);
    let mut conversation = open(&terms, 3);
    say(&mut conversation, &terms, 0, Performative::CallForProposal, 20, 1);
    say(&mut conversation, &terms, 1, Performative::Propose, 0, 2);
    say(&mut conversation, &terms, 2, Performative::Propose, 0, 2);
    conversation.expire(Tick(3));
    assert_eq!(conversation.state(), "choosing");
    answer(&mut conversation, &terms, Performative::Accept, 2, 4);
    // The next price is at least 10 higher: 30 to 100.
    let call = conversation.moves(AgentId(0))[0];
    assert_eq!(call.amount_field(), Some(FieldKind::Integer { least: 30, greatest: 100 }));
    say(&mut conversation, &terms, 0, Performative::CallForProposal, 0, 5);
    assert!(conversation.moves(AgentId(2)).is_empty(), "the leader does not outbid itself");
    conversation.expire(Tick(7));
    assert_eq!(outcome(&conversation).awards, [award(0, 2, 20)]);
}

#[test]
fn a_dutch_auction_sells_to_whoever_takes_a_price_first() {
    let terms = of(Protocol::DutchAuction);
    let mut conversation = open(&terms, 2);
    say(&mut conversation, &terms, 0, Performative::CallForProposal, 100, 1);
    conversation.expire(Tick(3));
    assert_eq!(conversation.state(), "standing");
    // 0 to 90 are left: half of it.
    say(&mut conversation, &terms, 0, Performative::CallForProposal, 50, 4);
    say(&mut conversation, &terms, 2, Performative::Propose, 0, 5);
    conversation.expire(Tick(6));
    // The seller is silent: who took the price has it.
    conversation.expire(Tick(7));
    assert_eq!(outcome(&conversation).awards, [award(0, 2, 45)]);
    let mut unsold = open(&terms, 2);
    unsold.expire(Tick(1));
    assert_eq!(outcome(&unsold), &Outcome { ending: Ending::NoDeal, awards: vec![].into(), elected: None });
}

#[test]
fn sealed_auctions_sell_at_the_first_or_the_second_price() {
    for (protocol, price) in [(Protocol::FirstPriceAuction, 60), (Protocol::VickreyAuction, 40)] {
        let terms = of(protocol);
        let mut conversation = open(&terms, 3);
        for (bidder, bid) in [(1, 40), (2, 60)] {
            say(&mut conversation, &terms, bidder, Performative::Propose, bid, 1);
        }
        say(&mut conversation, &terms, 3, Performative::Refuse, 0, 1);
        assert_eq!(outcome(&conversation).awards, [award(0, 2, price)], "{}", protocol.name());
        let mut alone = open(&terms, 2);
        say(&mut alone, &terms, 1, Performative::Propose, 9, 1);
        alone.expire(Tick(2));
        assert_eq!(outcome(&alone).ending, Ending::NoDeal, "9 is below the reserve of 10");
    }
}

#[test]
fn a_double_auction_trades_by_mcafees_rule() {
    let terms = of(Protocol::DoubleAuction);
    let mut conversation = open(&terms, 4);
    for (agent, content) in
        [(1, Content::Amount(90)), (2, Content::Amount(60)), (3, Content::Ask(10)), (4, Content::Ask(50))]
    {
        let mut bid = envelope(&terms, agent, Performative::Propose, content, 1);
        bid.recipients = Recipients::Agent(AgentId(0));
        conversation.admit(&bid).unwrap();
    }
    // Both pairs could trade and there is no third: one does, at bid and ask of the second; the market keeps 10.
    assert_eq!(outcome(&conversation).awards, [award(3, 0, 50), award(0, 1, 60)]);
    assert_eq!(outcome(&conversation).income(AgentId(0)), 10);
}

#[test]
fn a_ballot_elects_by_its_rule_or_lacks_its_quorum() {
    let terms = all_terms()
        .into_iter()
        .find(|terms| matches!(terms, Terms::Voting(terms) if terms.rule == VotingRule::Schulze))
        .unwrap();
    let mut conversation = open(&terms, 3);
    for voter in 1..=3 {
        // Rankings 2 0 1, 2 0 1 and 1 2 0.
        say(&mut conversation, &terms, voter, Performative::Propose, if voter < 3 { 2 } else { 1 }, 1);
    }
    assert_eq!(outcome(&conversation).elected, Some(2));
    let mut few = open(&terms, 3);
    say(&mut few, &terms, 1, Performative::Propose, 2, 1);
    few.expire(Tick(2));
    assert_eq!(outcome(&few).ending, Ending::NoDeal, "one ballot where two are needed");
}

#[test]
fn rejections_say_what_was_expected() {
    let terms = contract_net(1);
    let mut conversation = open(&terms, 2);
    let mut told = |sender, performative, content, recipients: Option<u32>, tick| {
        let mut message = envelope(&terms, sender, performative, content, tick);
        if let Some(agent) = recipients {
            message.recipients = Recipients::Agent(AgentId(agent));
        }
        conversation.admit(&message).expect_err("it is not allowed")
    };
    let wrong = told(1, Performative::Accept, Content::Nothing, Some(0), 1);
    assert_eq!(
        wrong.to_string(),
        "contract-net 1, state calling: agent 1 may not say accept-proposal: this state does not know it; expected: \
         propose an amount from 0 to 100 to agent 0, refuse to agent 0, not-understood to agent 0"
    );
    assert_eq!(wrong.expected.len(), 3);
    let greedy = told(1, Performative::Propose, Content::Amount(101), Some(0), 1);
    assert_eq!(greedy.reason, Reason::Content("amount 101".to_owned()));
    assert_eq!(told(1, Performative::Propose, Content::Ask(5), Some(0), 1).reason.name(), "content");
    assert_eq!(told(1, Performative::Propose, Content::Amount(5), Some(2), 1).reason, Reason::Recipients);
    assert_eq!(told(1, Performative::Propose, Content::Amount(5), Some(0), 3).reason, Reason::Tick(Tick(3)));
    assert_eq!(told(9, Performative::Propose, Content::Amount(5), Some(0), 1).reason, Reason::NotAParty);
    let mut other = envelope(&terms, 1, Performative::Refuse, Content::Nothing, 1);
    other.protocol = Protocol::Request;
    assert_eq!(conversation.admit(&other).unwrap_err().reason, Reason::Protocol(Protocol::Request));
    conversation.expire(Tick(2));
    let late = envelope(&terms, 1, Performative::Refuse, Content::Nothing, 2);
    assert_eq!(conversation.admit(&late).unwrap_err().reason, Reason::Ended);

    let terms = of(Protocol::Request);
    let crowd = open_with(&terms, 2, Performative::Request, Content::Item(1)).unwrap_err();
    assert_eq!(crowd.reason.name(), "participants");
    let nobody = open_with(&terms, 0, Performative::Request, Content::Item(1)).unwrap_err();
    assert_eq!(nobody.reason.name(), "participants");
    let wrong = open_with(&terms, 1, Performative::Agree, Content::Nothing).unwrap_err();
    assert_eq!((wrong.reason, wrong.state), (Reason::Performative, "start"));
}

#[test]
fn terms_without_time_or_range_are_refused() {
    let told = |terms: Terms| terms.check().unwrap_err().to_string();
    let hasty = Terms::Request(RequestTerms { reply_ticks: 0, work_ticks: 1 });
    assert!(told(hasty).starts_with("request: reply_ticks is 0\n\n"));
    assert!(told(Terms::Query(QueryTerms { reply_ticks: 1, work_ticks: 0 })).contains("work_ticks"));
    assert!(told(contract_net(0)).contains("awards_max is 0"));
    for terms in all_terms() {
        let mut wrong = terms.clone();
        match &mut wrong {
            Terms::ContractNet(terms) => terms.amounts.least = 101,
            Terms::AlternatingOffers(terms) => terms.amounts.greatest = i64::MAX,
            Terms::EnglishAuction(terms) => terms.step_least = 0,
            Terms::DutchAuction(terms) => terms.calls_max = 0,
            Terms::SealedAuction(terms) => terms.reserve = 101,
            Terms::DoubleAuction(terms) => terms.amounts.least = i64::MIN,
            Terms::Voting(terms) => terms.candidates = 0,
            Terms::Request(_) | Terms::Query(_) => continue,
        }
        assert!(wrong.check().is_err(), "{wrong:?}");
    }
    assert!(AMOUNTS.contains(100) && !AMOUNTS.contains(101));
}
