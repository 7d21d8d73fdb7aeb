//! Subscriptions and the board: rights, forms, versions, owners, and what many writers at once come to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use llmagentos::base::{AgentId, Field, FieldKind, Tick};
use llmagentos::protocols::{
    Board, BoardSection, Filled, Refusal, Right, Rights, Roles, Settlement, Subscriptions, Writing,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn rights() -> Rights {
    Rights { readers: Roles::Only(vec![0, 1]), writers: Roles::Only(vec![1, 2]) }
}

fn field(name: &str, kind: FieldKind) -> Field {
    Field { name: name.into(), kind }
}

fn board(owned: bool) -> Board {
    let mut board = Board::default();
    let fields = [
        field("amount", FieldKind::Integer { least: 0, greatest: 100 }),
        field("share", FieldKind::Number { least: 0.0, greatest: 1.0, digits: 3 }),
        field("state", FieldKind::Choice(Arc::new(["open".into(), "done".into()]))),
        field("note", FieldKind::Text { characters_max: 5 }),
    ];
    let section = BoardSection { name: "prices".into(), fields: fields.into(), rights: rights(), owned };
    assert_eq!(board.declare(section), Ok(0));
    board
}

fn filled(value: &Value) -> Filled {
    Arc::new(value.as_object().expect("an object").clone())
}

fn entry(amount: i64) -> Filled {
    filled(&json!({ "amount": amount, "share": 0.5, "state": "open", "note": "" }))
}

fn writing(writer: u32, role: u16, amount: i64, seen: Option<u64>) -> Writing {
    Writing { section: 0, key: 5, content: Some(entry(amount)), seen, writer: AgentId(writer), role }
}

fn everyone(_: AgentId) -> bool {
    true
}

#[test]
fn topics_reach_those_who_subscribed_and_roles_that_may() {
    let mut topics = Subscriptions::default();
    let news = topics.declare("news", rights());
    assert_eq!((topics.find("news"), topics.find("gossip")), (Some(news), None));
    let new: Vec<bool> =
        [7, 3, 7].map(|agent| topics.subscribe(news, AgentId(agent), 0).expect("role 0 may read")).to_vec();
    assert_eq!(new, [true, true, false]);
    let all = |topics: &Subscriptions| topics.subscribers(news).map(|agent| agent.0).collect::<Vec<_>>();
    assert_eq!(all(&topics), [3, 7]);
    assert_eq!(topics.subscribe(news, AgentId(1), 2), Err(Refusal::Right(Right::Read)));
    assert_eq!(topics.check(news, 0, Right::Write), Err(Refusal::Right(Right::Write)));
    assert_eq!(topics.check(news, 2, Right::Write), Ok(()));
    assert_eq!(topics.subscribe(9, AgentId(1), 0), Err(Refusal::Unknown));
    assert!(topics.unsubscribe(news, AgentId(3)) && !topics.unsubscribe(news, AgentId(3)));
    assert!(!topics.unsubscribe(9, AgentId(3)));
    assert_eq!(all(&topics), [7]);
    topics.keep(news, |agent| agent != AgentId(7));
    assert!(all(&topics).is_empty() && topics.subscribers(9).next().is_none());
}

#[test]
fn of_those_who_compare_and_set_one_succeeds() {
    let mut board = board(false);
    // Handed in from the last to the first; the lowest `AgentId` comes first all the same.
    for writer in [4, 2, 3] {
        board.write(writing(writer, 1, i64::from(writer), Some(0)));
    }
    assert_eq!(board.read(0, 5, 0), Ok(None), "nothing is read before the close");
    let settled = board.close(Tick(8), everyone);
    let conflict = Err(Refusal::Version { seen: 0, found: 1 });
    let results: Vec<_> = settled.iter().map(|one| (one.writing.writer.0, one.result.clone())).collect();
    assert_eq!(results, [(2, Ok(1)), (3, conflict.clone()), (4, conflict)]);
    assert_eq!(settled[2].writing, writing(4, 1, 4, Some(0)), "what was not written is not lost");
    assert_eq!(settled[1].result.as_ref().expect_err("a conflict").to_string(), "version 0 was expected, and it has 1");
    let found = board.read(0, 5, 0).expect("role 0 may read").expect("it was written");
    assert_eq!((&found.content, found.owner, found.version, found.tick), (&entry(2), AgentId(2), 1, Tick(8)));
}

#[test]
fn entries_are_typed_owned_and_guarded_by_role() {
    let mut board = board(true);
    let full = json!({ "amount": 1, "share": 0.5, "state": "open", "note": "" });
    let with = |key: &str, value: Value| {
        let mut other = full.clone();
        other[key] = value;
        Writing { key: 6, content: Some(filled(&other)), ..writing(4, 1, 0, None) }
    };
    board.write(writing(1, 1, 10, None));
    board.write(writing(2, 2, 20, None));
    board.write(writing(3, 0, 30, None));
    for wrong in [
        with("amount", json!(101)),
        with("amount", json!(1.5)),
        with("share", json!(1.5)),
        with("share", Value::Null),
        with("state", json!("lost")),
        with("note", json!("longer")),
        with("more", json!(0)),
        Writing { content: Some(filled(&json!({ "amount": 1 }))), ..writing(4, 1, 0, None) },
    ] {
        board.write(wrong);
    }
    board.write(Writing { section: 3, ..writing(5, 1, 1, None) });
    let settled = board.close(Tick(0), everyone);
    let words: Vec<&str> = settled.iter().map(|one| one.result.as_ref().map_or_else(Refusal::name, |_| "ok")).collect();
    let forms = ["form"; 8];
    assert_eq!(words, [&["ok", "owner", "not-permitted"][..], &forms, &["unknown"]].concat());
    assert_eq!(
        settled[3].result.as_ref().expect_err("too much").to_string(),
        "101 may not stand in the field \"amount\" of a form"
    );
    assert_eq!(board.read(0, 5, 2).unwrap_err(), Refusal::Right(Right::Read));
    assert!(board.read_all(7, 0).is_err());
    // Wiped and written anew: no version comes twice, and what was seen before the wiping is out of date.
    board.write(Writing { content: None, ..writing(1, 1, 0, Some(1)) });
    board.write(Writing { key: 77, content: None, ..writing(1, 1, 0, None) });
    let results = |settled: Vec<Settlement>| settled.into_iter().map(|one| one.result).collect::<Vec<_>>();
    assert_eq!(results(board.close(Tick(1), everyone)), [Ok(2), Ok(0)]);
    assert_eq!(board.read(0, 5, 1), Ok(None));
    board.write(writing(1, 1, 11, Some(1)));
    board.write(writing(2, 2, 20, Some(0)));
    assert_eq!(results(board.close(Tick(2), everyone)), [Err(Refusal::Version { seen: 1, found: 0 }), Ok(3)]);
    let all: Vec<_> = board.read_all(0, 0).expect("a section").map(|(key, entry)| (key, entry.version)).collect();
    assert_eq!(all, [(5, 3)]);
    // Agent 2 owns it, and leaves: now anyone may change it.
    board.write(writing(1, 1, 12, Some(3)));
    assert_eq!(results(board.close(Tick(3), everyone)), [Err(Refusal::Owner(AgentId(2)))]);
    board.write(writing(1, 1, 12, Some(3)));
    assert_eq!(results(board.close(Tick(4), |agent| agent != AgentId(2))), [Ok(4)]);
}

#[test]
fn a_section_needs_a_form_that_can_be_filled_in() {
    let section = |fields: Vec<Field>| BoardSection {
        name: "bad".into(),
        fields: fields.into(),
        rights: Rights::default(),
        owned: false,
    };
    let error = Board::default().declare(section(Vec::new())).expect_err("no field");
    assert_eq!(error.to_string(), "a form without fields was to be filled in");
    let twice = || field("a", FieldKind::Text { characters_max: 1 });
    assert!(Board::default().declare(section(vec![twice(), twice()])).is_err());
}

/// One accepted change, as the slow board keeps it.
#[derive(Clone, Debug)]
struct Change {
    key: u32,
    content: Option<i64>,
    writer: u32,
}

/// What the slow board believes: everything from the whole history, each time anew.
struct Past(Vec<Change>);

impl Past {
    fn of(&self, key: u32) -> impl Iterator<Item = &Change> {
        self.0.iter().filter(move |change| change.key == key)
    }

    /// Value, owner and version, if something stands there.
    fn entry(&self, key: u32) -> Option<(i64, u32, u64)> {
        let last = self.of(key).last()?;
        Some((last.content?, last.writer, self.of(key).count() as u64))
    }

    fn settle(&mut self, (writer, role, key, amount, seen): Operation, absent: u32) -> &'static str {
        let wipes = amount < 0;
        let entry = self.entry(key);
        let verdict = if role == 0 {
            "not-permitted"
        } else if amount > 100 {
            "form"
        } else if seen.is_some_and(|seen| seen != entry.map_or(0, |entry| entry.2)) {
            "version"
        } else if entry.is_some_and(|entry| entry.1 != writer && entry.1 != absent) {
            "owner"
        } else {
            "ok"
        };
        if verdict == "ok" && !(wipes && entry.is_none()) {
            self.0.push(Change { key, content: (!wipes).then_some(amount), writer });
        }
        verdict
    }
}

/// Writer, role, key, amount (below 0 to wipe, above 100 to be refused), version seen.
type Operation = (u32, u16, u32, i64, Option<u64>);

fn operation() -> impl Strategy<Value = Operation> {
    (0_u32..4, 0_u16..3, 0_u32..2, -30_i64..110, prop::option::of(0_u64..5))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Counters that are raised by compare and set lose no update: whoever was not refused has counted.
    #[test]
    fn no_update_is_lost(rounds in prop::collection::vec(prop::collection::vec((0_u32..6, 0_u32..3), 0..8), 1..10)) {
        let mut board = board(false);
        let mut raised: BTreeMap<u32, i64> = BTreeMap::new();
        let amount = |content: &Filled| content["amount"].as_i64().expect("a whole number");
        for (tick, round) in rounds.iter().enumerate() {
            for &(writer, key) in round {
                let entry = board.read(0, key, 1).unwrap();
                let (value, version) = entry.map_or((0, 0), |entry| (amount(&entry.content), entry.version));
                board.write(Writing { key, ..writing(writer, 1, value + 1, Some(version)) });
            }
            let refused = board.close(Tick(tick as u64), everyone).iter().filter(|one| one.result.is_err()).count();
            let keys: BTreeSet<u32> = round.iter().map(|one| one.1).collect();
            prop_assert_eq!(refused, round.len() - keys.len(), "one a key succeeds");
            for key in keys {
                *raised.entry(key).or_default() += 1;
            }
        }
        for (key, count) in raised {
            let entry = board.read(0, key, 0).unwrap().unwrap();
            prop_assert_eq!((amount(&entry.content), entry.version), (count, count as u64));
        }
    }

    /// Anything at all, against a board that keeps every change and looks through all of them.
    #[test]
    fn a_board_does_what_a_slow_one_does(rounds in prop::collection::vec(prop::collection::vec(operation(), 0..6), 1..12)) {
        let (mut board, mut past) = (board(true), Past(Vec::new()));
        for (tick, round) in rounds.iter().enumerate() {
            // One agent is away at every third tick.
            let absent = if tick % 3 == 2 { 1 } else { u32::MAX };
            for &(writer, role, key, amount, seen) in round {
                let content = (amount >= 0).then(|| entry(amount));
                board.write(Writing { key, content, ..writing(writer, role, 0, seen) });
            }
            let mut sorted = round.clone();
            sorted.sort_by_key(|operation| operation.0);
            let wanted: Vec<&str> = sorted.iter().map(|&operation| past.settle(operation, absent)).collect();
            let settled = board.close(Tick(tick as u64), |agent| agent.0 != absent);
            let found: Vec<&str> =
                settled.iter().map(|one| one.result.as_ref().map_or_else(Refusal::name, |_| "ok")).collect();
            prop_assert_eq!(found, wanted);
            for key in 0..2 {
                let entry = board.read(0, key, 1).unwrap();
                let entry = entry.map(|one| (one.content["amount"].as_i64().unwrap(), one.owner.0, one.version));
                prop_assert_eq!(entry, past.entry(key));
            }
        }
    }
}
