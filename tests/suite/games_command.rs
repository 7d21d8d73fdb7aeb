//! `llmagentos game` as people and programs use it: answers, what the file expects, and mistakes.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{llmagentos, said};

const NASH: &str = "tests/suite/data/games/nash_bimatrix.json";
const MECHANISMS: &str = "tests/suite/data/games/mechanisms.json";

fn answer(arguments: &[&str]) -> Value {
    let (stdout, stderr, code) = said(&llmagentos(&[&["game"], arguments, &["--json"]].concat()));
    assert_eq!(code, 0, "{arguments:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{stdout}"))
}

fn reference(path: &str) -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("readable");
    serde_json::from_str(&text).expect("an object")
}

fn write(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("game.json");
    std::fs::write(&path, text).expect("written");
    path
}

#[test]
fn solve_finds_what_every_reference_entry_expects() {
    // The entries hold their `extreme_equilibria`: a difference would be exit code 4.
    for name in reference(NASH).keys() {
        let found = answer(&["solve", NASH, "--entry", name]);
        assert!(!found["extreme_equilibria"].as_array().expect("a list").is_empty(), "{name}");
    }
    let pennies = answer(&["solve", "matching-pennies"]);
    assert_eq!(pennies["zero_sum"]["value_exact"], "0");
    assert_eq!(pennies["pure_equilibria"], json!([]));
    let dilemma = answer(&["solve", "prisoners-dilemma"]);
    assert_eq!(dilemma["pure_equilibria"], json!([{ "actions": ["defect", "defect"], "utilities": [1.0, 1.0] }]));
    assert_eq!(
        dilemma["strictly_dominated"][0],
        json!({ "player": 0, "action": "cooperate", "by": { "defect": 1.0 } })
    );
}

#[test]
fn mechanism_finds_what_every_reference_entry_expects() {
    let mut checked = 0;
    for (name, entry) in reference(MECHANISMS) {
        if name.starts_with("analytic") || name.starts_with("ic_") {
            continue;
        }
        let found = answer(&["mechanism", MECHANISMS, "--entry", &name]);
        for key in entry.as_object().expect("an entry").keys() {
            let input =
                ["bids", "items", "reserve", "buyers", "sellers", "clicks", "cost_matrix_agents_x_tasks", "profile"];
            assert!(input.contains(&key.as_str()) || found.get(key).is_some(), "{name}: no `{key}` in the answer");
        }
        checked += 1;
    }
    assert_eq!(checked, 10);
}

#[test]
fn scans_tell_a_truthful_auction_from_another() {
    let folder = TempDir::new().unwrap();
    let reference = reference(MECHANISMS);
    for (name, key) in [("second-price", "second_price"), ("first-price", "first_price")] {
        let scan = json!({ "mechanism": name, "bidders": 3, "scan": { "low": 0, "high": 10, "step": 1 } });
        let found = answer(&["mechanism", write(&folder, &scan.to_string()).to_str().unwrap()]);
        let expected = &reference[&format!("ic_regret_scan_3bidders_grid0_10_{key}")];
        assert_eq!(found["max_unilateral_gain"], expected["max_unilateral_gain"]);
        assert_eq!(found["first_worst_case"], expected["first_worst_case"]);
    }
    // A grid of halves: amounts come out as they went in. A bidder with 1 against 0 and 0 saves all of it.
    let halves = json!({ "mechanism": "first-price", "bidders": 3, "scan": { "low": 0, "high": 1, "step": 0.5 } });
    let found = answer(&["mechanism", write(&folder, &halves.to_string()).to_str().unwrap()]);
    assert_eq!(found["first_worst_case"], json!({ "types": [1, 0, 0], "bidder": 0, "report": 0 }));
    let cents = r#"{"bids": [0.3, 0.1, 0.2], "payment": 0.2, "utilities": [0.1, 0, 0]}"#;
    let found = answer(&["mechanism", write(&folder, cents).to_str().unwrap()]);
    assert_eq!(found["utilities"], json!([0.1, 0, 0]), "0.3 - 0.2 without a rounding error");
}

#[test]
fn votes_are_counted_by_all_rules() {
    let folder = TempDir::new().unwrap();
    let capital = json!({
        "candidates": ["Memphis", "Nashville", "Chattanooga", "Knoxville"],
        "profile": [
            [42, ["Memphis", "Nashville", "Chattanooga", "Knoxville"], 1],
            [26, ["Nashville", "Chattanooga", "Knoxville", "Memphis"], 3],
            [15, ["Chattanooga", "Knoxville", "Nashville", "Memphis"], 3],
            [17, ["Knoxville", "Chattanooga", "Nashville", "Memphis"], 3],
        ],
        "winners": {
            "plurality": "Memphis", "approval": "Nashville", "borda": "Nashville", "copeland": "Nashville",
            "schulze": "Nashville", "irv": "Knoxville",
        },
    });
    let found = answer(&["mechanism", write(&folder, &capital.to_string()).to_str().unwrap()]);
    assert_eq!(found["approval"], json!({ "Memphis": 42, "Nashville": 58, "Chattanooga": 58, "Knoxville": 58 }));
    assert_eq!(found["pairwise"]["Nashville over Memphis"], 58);
    assert_eq!(found["condorcet_winner"], "Nashville");
    // Three approve alike: the declared order decides, and an expectation that fails is told.
    let mut other = capital.clone();
    other["tie_order"] = json!(["Knoxville", "Chattanooga", "Nashville", "Memphis"]);
    let path = write(&folder, &other.to_string());
    let (stdout, stderr, code) = said(&llmagentos(&["game", "mechanism", path.to_str().unwrap()]));
    assert_eq!(code, 4, "{stderr}");
    assert!(stdout.contains("Nashville Chattanooga Knoxville") && stderr.contains("`winners`"), "{stdout}{stderr}");
}

#[test]
fn an_unexpected_answer_is_told_by_exit_code_4() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, r#"{"bids": [10, 7, 3], "winner": 1, "payment": 7}"#);
    let (stdout, stderr, code) = said(&llmagentos(&["game", "mechanism", path.to_str().unwrap()]));
    assert_eq!(code, 4, "{stderr}");
    assert!(stdout.contains("welfare 10"), "the answer is shown all the same: {stdout}");
    assert!(stderr.contains("`winner` is 0 where the file expects 1") && !stderr.contains("payment"), "{stderr}");
}

#[test]
fn cfr_plays_kuhn_poker_to_the_reference_figures() {
    let reference = reference("tests/suite/data/games/cfr_kuhn.json");
    for (method, name) in [("cfr", "CFR|kuhn_poker"), ("cfr+", "CFR+|kuhn_poker")] {
        let found = answer(&["play", "kuhn", "--method", method, "--iterations", "1000"]);
        let points = found["checkpoints"].as_array().expect("a list");
        assert_eq!(points.len(), 4);
        for point in points {
            let expected = &reference[name][point["iterations"].to_string()];
            for (key, other) in [("nash_conv", "nash_conv"), ("exploitability", "exploitability")] {
                let (found, expected) = (point[key].as_f64().unwrap(), expected[other].as_f64().unwrap());
                assert!((found - expected).abs() < 1e-9, "{name}: {found} for {expected}");
            }
        }
        assert_eq!(found["average_strategy"].as_object().expect("by information set").len(), 12);
    }
    let found = answer(&["play", "leduc", "--method", "dcfr", "--iterations", "10"]);
    assert_eq!(found["information_sets"], 288);
}

#[test]
fn normal_form_rules_play_files_and_built_in_games() {
    for method in ["fictitious-play", "regret-matching", "cfr", "cfr+", "dcfr"] {
        let found = answer(&["play", "rock-paper-scissors", "--method", method, "--iterations", "2000"]);
        let last = found["checkpoints"].as_array().unwrap().last().unwrap();
        assert!(last["exploitability"].as_f64().unwrap() < 0.05, "{method}: {last}");
    }
    let folder = TempDir::new().unwrap();
    let hawks = r#"{"A": [[-1, 4], [0, 2]], "B": [[-1, 0], [4, 2]], "actions": [["hawk", "dove"], ["hawk", "dove"]], "start": [[0.1, 0.9]]}"#;
    let path = write(&folder, hawks);
    let path = path.to_str().unwrap();
    let found = answer(&["play", path, "--method", "replicator", "--single", "--iterations", "20000"]);
    // The last point of the reference trace of `hawk_dove_single`.
    let share = found["strategies"][0]["hawk"].as_f64().unwrap();
    assert!((share - 0.666_665_779_528_800_5).abs() < 1e-9, "{share}");
    let ranked = answer(&["play", "battle-of-sexes", "--method", "alpha-rank"]);
    assert_eq!(ranked["ranking"].as_array().unwrap().len(), 4);
    assert!((ranked["ranking"][0]["share"].as_f64().unwrap() - 0.495).abs() < 1e-9);
    let single = answer(&["play", "rock-paper-scissors", "--method", "alpha-rank", "--single", "--alpha", "1"]);
    assert!((single["ranking"][0]["share"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9);
}

#[test]
fn people_are_answered_in_tables() {
    for arguments in [
        &["game", "solve", "chicken"][..],
        &["game", "play", "kuhn", "--method", "cfr+", "--iterations", "100"],
        &["game", "play", "battle-of-sexes", "--method", "alpha-rank"],
        &["game", "mechanism", MECHANISMS, "--entry", "vcg_threshold_global_vs_locals"],
    ] {
        let (stdout, stderr, code) = said(&llmagentos(arguments));
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(stdout.contains('─'), "{stdout}");
    }
}

/// What a file says, the command that reads it, and what the complaint must hold.
const MISTAKES: [(&str, &str, &[&str]); 39] = [
    ("", "solve", &["empty"]),
    ("{", "solve", &["no JSON", "line 1"]),
    ("[1, 2]", "solve", &["a list of 2, not an object"]),
    ("{}", "solve", &["the key `A` is missing"]),
    (r#"{"A": [[1, 2], [3, 4]]}"#, "solve", &["`B` is missing", "zero_sum"]),
    (r#"{"A": [[1, 2], [3]], "B": [[1, 2], [3, 4]]}"#, "solve", &["A[1] has 1 numbers where 2 are needed"]),
    (r#"{"A": [[1, 2], [3, 4]], "B": [[1, 2]]}"#, "solve", &["`B` has 1 rows, `A` has 2"]),
    (r#"{"A": [[1, 2]], "B": [[1, 2, 3]]}"#, "solve", &["B[0] has 3 numbers"]),
    (r#"{"A": [[1, NaN]], "B": [[1, 2]]}"#, "solve", &["no JSON", "`NaN`", "finite"]),
    (r#"{"A": [[1, -Infinity]], "B": [[1, 2]]}"#, "solve", &["no JSON", "`Infinity`"]),
    (r#"{"A": [[1, 1e999]], "B": [[1, 2]]}"#, "solve", &["out of range"]),
    (r#"{"A": [[1, null]], "B": [[1, 2]]}"#, "solve", &["A[0][1] is null, not a number"]),
    (r#"{"A": [[1, "2"]], "B": [[1, 2]]}"#, "solve", &["A[0][1] is the text \"2\", not a number"]),
    (r#"{"A": 3, "B": [[1, 2]]}"#, "solve", &["A is 3, not a list"]),
    (r#"{"A": [[1, 12345678901234567890]], "B": [[1, 2]]}"#, "solve", &["A[0][1]", "2^53"]),
    (r#"{"A": [], "B": []}"#, "solve", &["empty"]),
    (r#"{"A": [[]], "B": [[]]}"#, "solve", &["empty"]),
    (r#"{"payoffs": []}"#, "solve", &["0 arrays"]),
    (r#"{"payoffs": [[[1, 2], [3, 4]], [[1, 2], [3]]]}"#, "solve", &["payoffs[1][1] has 1 entries where 2 are needed"]),
    (r#"{"payoffs": [[1, 2], [3, 4], [5, 6]]}"#, "solve", &["payoffs[0][0] is 1, not a list", "nested 3 deep"]),
    (r#"{"shape": [1000, 1000, 1000], "payoffs": [[1], [1], [1]]}"#, "solve", &["1000000000 profiles", "limit"]),
    (r#"{"shape": [2, 2], "payoffs": [[1, 2, 3, 4], [1, 2, 3]]}"#, "solve", &["player 1 has 3 payoffs", "4 profiles"]),
    (r#"{"A": [[1]], "B": [[1]], "C": 1}"#, "solve", &["unknown key `C`"]),
    (r#"{"A": [[1]], "zerosum": true}"#, "solve", &["unknown key `zerosum`", "did you mean \"zero_sum\"?"]),
    (r#"{"A": [[1]], "B": [[1]], "actions": [["x"], ["y", "z"]]}"#, "solve", &["1 × 2", "1 × 1"]),
    (r#"{"one": {"A": [[1]], "B": [[1]]}}"#, "solve", &["1 games by name: one", "--entry"]),
    (r#"{"bids": [1, "two"]}"#, "mechanism", &["bids[1] is the text \"two\", not a number"]),
    (r#"{"bids": []}"#, "mechanism", &["neither which mechanism nor any bids"]),
    (
        r#"{"mechanism": "secondprice", "bids": [1]}"#,
        "mechanism",
        &["unknown mechanism", "did you mean \"second-price\"?"],
    ),
    (r#"{"bids": [{"ax": 1}], "items": ["a", "b"]}"#, "mechanism", &["names the item \"x\""]),
    (r#"{"costs": [[1, 2], [2, 1]]}"#, "mechanism", &["2 agents for 2 tasks", "without a rival"]),
    (
        r#"{"mechanism": "first-price", "bidders": 9, "scan": {"low": 0, "high": 9, "step": 1}}"#,
        "mechanism",
        &["1000000000", "limit"],
    ),
    (r#"{"buyers": [1, 2]}"#, "mechanism", &["`sellers` is missing"]),
    (r#"{"profile": []}"#, "mechanism", &["0 candidates"]),
    (r#"{"profile": [[1, "AAB"]]}"#, "mechanism", &["ballot 0 names candidate 0 twice"]),
    (r#"{"profile": [[1.5, "AB"]]}"#, "mechanism", &["profile[0][0] is 1.5, not a whole number"]),
    (r#"{"profile": [["AB"]]}"#, "mechanism", &["profile[0] is a list of 1"]),
    (r#"{"profile": [[1, "AC"]], "candidates": ["A", "B"]}"#, "mechanism", &["profile[0][1]", "\"C\"", "known: A, B"]),
    (r#"{"profile": [[1, "AB"]], "tie_order": "A"}"#, "mechanism", &["each of 2 candidates once"]),
];

#[test]
fn mistakes_in_files_are_told_with_their_place() {
    let folder = TempDir::new().unwrap();
    for (text, command, needles) in MISTAKES {
        let path = write(&folder, text);
        let (stdout, stderr, code) = said(&llmagentos(&["game", command, path.to_str().unwrap()]));
        assert_eq!((stdout.as_str(), code), ("", 2), "{text}: {stderr}");
        for needle in needles {
            assert!(stderr.contains(needle), "{text}: no {needle:?} in {stderr}");
        }
        assert!(stderr.contains("game.json: ") && stderr.contains("\n\n"), "{text}: {stderr}");
    }
}

#[test]
fn questions_that_do_not_fit_are_refused() {
    for (arguments, needle) in [
        (&["game", "solve", "kuhn"][..], "extensive form"),
        (&["game", "solve", "kun"], "did you mean \"kuhn\"?"),
        (&["game", "play", "kuhn", "--method", "replicator"], "extensive form"),
        (&["game", "play", "chicken", "--method", "alpha-rank", "--iterations", "5"], "not iterated"),
        (&["game", "play", "battle-of-sexes", "--method", "replicator", "--single"], "symmetric"),
        (&["game", "play", "chicken", "--method", "replicator", "--step", "0"], "step length"),
        (&["game", "play", "chicken", "--method", "replicator", "--step", "-1"], "step length"),
        (&["game", "play", "chicken", "--method", "fictitious-play", "--single"], "--single"),
        (&["game", "play", "chicken", "--method", "alpha-rank", "--epsilon", "0.7"], "epsilon"),
        (&["game", "play", "chicken", "--method", "regret-matching", "--iterations", "0"], "--iterations"),
        (&["game", "solve", NASH, "--entry", "chickn"], "did you mean \"chicken\"?"),
        (&["game", "solve", "no/such/file.json"], "no such file"),
    ] {
        let (stdout, stderr, code) = said(&llmagentos(arguments));
        assert_eq!((stdout.as_str(), code), ("", 2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(needle), "{arguments:?}: {stderr}");
    }
}
