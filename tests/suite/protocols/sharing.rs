//! Topics and the blackboard: rights, versions, and what many writers at once come to.

use std::collections::BTreeMap;

use llmagentos::base::{AgentId, Tick};
use llmagentos::protocols::{
    Blackboard, BoardSection, Content, Expected, Problem, Refusal, Right, Rights, Topics, Writing,
};
use proptest::prelude::*;

use super::AMOUNTS;

fn rights() -> Rights {
    Rights { readers: vec![0, 1], writers: vec![1, 2] }
}

fn board(owned: bool) -> Blackboard {
    let mut board = Blackboard::default();
    let content = Expected::Amount(AMOUNTS);
    assert_eq!(board.declare(BoardSection { name: "prices".into(), content, rights: rights(), owned }), 0);
    board
}

fn writing(writer: u32, role: u16, amount: i64, seen: Option<u64>) -> Writing {
    Writing { section: 0, key: 5, content: Some(Content::Amount(amount)), seen, writer: AgentId(writer), role }
}

#[test]
fn topics_reach_those_who_subscribed_and_roles_that_may() {
    let mut topics = Topics::default();
    let news = topics.declare("news", rights());
    assert_eq!((topics.find("news"), topics.find("gossip")), (Some(news), None));
    for agent in [7, 3, 7] {
        topics.subscribe(news, AgentId(agent), 0).unwrap();
    }
    assert_eq!(topics.subscribers(news), [AgentId(3), AgentId(7)]);
    let refused = topics.subscribe(news, AgentId(1), 2).unwrap_err();
    assert_eq!(refused.to_string(), "topic \"news\": agent 1: its role may not read here");
    assert_eq!(topics.check(news, AgentId(1), 0, Right::Write).unwrap_err().problem, Problem::Right(Right::Write));
    assert!(topics.check(news, AgentId(1), 2, Right::Write).is_ok());
    assert_eq!(topics.subscribe(9, AgentId(1), 0).unwrap_err().problem, Problem::Unknown);
    topics.unsubscribe(news, AgentId(3));
    topics.unsubscribe(9, AgentId(3));
    assert_eq!(topics.subscribers(news), [AgentId(7)]);
    assert!(topics.subscribers(9).is_empty());
}

#[test]
fn of_those_who_compare_and_set_one_succeeds() {
    let mut board = board(false);
    // Handed in from the last to the first; the lowest `AgentId` comes first all the same.
    for writer in [4, 2, 3] {
        board.write(writing(writer, 1, i64::from(writer), Some(0)));
    }
    assert_eq!(board.read(0, 5, AgentId(9), 0), Ok(None), "nothing is read before the close");
    let refused = board.close(Tick(8));
    let version = |agent| Refusal {
        agent: AgentId(agent),
        place: "section \"prices\", entry 5".to_owned(),
        problem: Problem::Version { seen: 0, found: 1 },
    };
    assert_eq!(refused, [version(3), version(4)]);
    let entry = board.read(0, 5, AgentId(9), 0).unwrap().expect("it was written");
    assert_eq!((&entry.content, entry.owner, entry.version, entry.tick), (&Content::Amount(2), AgentId(2), 1, Tick(8)));
}

#[test]
fn entries_are_typed_owned_and_guarded_by_role() {
    let mut board = board(true);
    board.write(writing(1, 1, 10, None));
    board.write(writing(2, 2, 20, None));
    board.write(writing(3, 0, 30, None));
    board.write(writing(4, 1, 101, None));
    board.write(Writing { section: 3, ..writing(5, 1, 1, None) });
    let problems: Vec<&str> = board.close(Tick(0)).iter().map(|refusal| refusal.problem.name()).collect();
    assert_eq!(problems, ["owner", "right", "content", "unknown"]);
    assert_eq!(board.read(0, 5, AgentId(2), 2).unwrap_err().problem, Problem::Right(Right::Read));
    assert!(board.read_all(7, AgentId(2), 0).is_err());
    // Wiped and written anew: no version comes twice.
    board.write(Writing { content: None, ..writing(1, 1, 0, Some(1)) });
    assert!(board.close(Tick(1)).is_empty());
    assert_eq!(board.read(0, 5, AgentId(1), 1), Ok(None));
    board.write(writing(2, 2, 20, Some(0)));
    assert!(board.close(Tick(2)).is_empty());
    let all: Vec<_> = board.read_all(0, AgentId(0), 0).unwrap().map(|(key, entry)| (key, entry.version)).collect();
    assert_eq!(all, [(5, 3)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Counters that are raised by compare and set lose no update: whoever was not refused has counted.
    #[test]
    fn no_update_is_lost(rounds in prop::collection::vec(prop::collection::vec((0_u32..6, 0_u32..3), 0..8), 1..10)) {
        let mut board = board(false);
        let mut raised: BTreeMap<u32, i64> = BTreeMap::new();
        for (tick, round) in rounds.iter().enumerate() {
            for &(writer, key) in round {
                let entry = board.read(0, key, AgentId(writer), 1).unwrap();
                let (value, version) = entry.map_or((0, 0), |entry| (entry.content.amount().unwrap(), entry.version));
                board.write(Writing { key, ..writing(writer, 1, value + 1, Some(version)) });
            }
            let refused = board.close(Tick(tick as u64));
            let keys: std::collections::BTreeSet<u32> = round.iter().map(|one| one.1).collect();
            prop_assert_eq!(refused.len(), round.len() - keys.len(), "one a key succeeds");
            keys.iter().for_each(|key| *raised.entry(*key).or_default() += 1);
        }
        for (key, count) in raised {
            let entry = board.read(0, key, AgentId(0), 0).unwrap().unwrap();
            prop_assert_eq!((entry.content.amount(), entry.version), (Some(count), count as u64));
        }
    }
}
