//! Rights at the command: real worlds whose roles may do less, what is written down of it, and that it is repeated.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::determinism::contents;
use super::support::{SERVICE_DESK, llmagentos, run_into, said};

const MARKET: &str = "tests/suite/data/market.toml";

/// Rows of a table as texts by column.
fn rows(run: &Path, table: &str) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(run.join(table)).unwrap_or_else(|error| panic!("{table}: {error}"));
    let mut lines = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = lines.headers().expect("a header").iter().map(str::to_owned).collect();
    lines
        .records()
        .map(|record| header.iter().cloned().zip(record.expect("a row").iter().map(str::to_owned)).collect())
        .collect()
}

fn sum(run: &Path, column: &str) -> u64 {
    rows(run, "metrics.csv").iter().map(|row| row[column].parse::<u64>().expect("a count")).sum()
}

fn verified(run: &Path) {
    let run = run.to_str().expect("UTF-8");
    let (stdout, stderr, code) = said(&llmagentos(&["verify", run, "--quiet"]));
    assert_eq!((stderr.as_str(), code), ("", 0), "{stdout}");
}

/// The service desk, whose service agents ask before they act and hand over what only specialists may do.
fn desk(out: &Path, more: &[&str]) -> std::path::PathBuf {
    let base = ["--ticks", "150", "--no-compare", "--set", "agents.service.policy=confirm_first"];
    run_into(out, SERVICE_DESK, &[&base[..], more].concat())
}

const NO_HANDOVER: &str = "rights.service.tools=[\"order_lookup\", \"order_changes\"]";
const BLOCK: &str = "rights.service.when_breached=\"block\"";

#[test]
fn service_agents_without_the_tool_hand_nobody_over() {
    let out = TempDir::new().expect("a folder");
    let free = desk(out.path(), &[]);
    assert!(sum(&free, "transfers") > 5, "otherwise there is nothing to withhold");
    assert!(!free.join("breaches.csv").exists());
    let header = fs::read_to_string(free.join("metrics.csv")).expect("a table");
    assert!(!header.lines().next().expect("a header").contains("breaches"));

    let withheld = desk(out.path(), &["--set", NO_HANDOVER]);
    assert_eq!(sum(&withheld, "transfers"), 0);
    assert_eq!((sum(&withheld, "breaches"), sum(&withheld, "actions_illegal")), (0, 0));
    assert!(sum(&withheld, "withheld") > 50 && rows(&withheld, "breaches.csv").is_empty());

    let blocked = desk(out.path(), &["--set", NO_HANDOVER, "--set", BLOCK]);
    assert_eq!((sum(&blocked, "transfers"), sum(&blocked, "withheld")), (0, 0));
    let breaches = rows(&blocked, "breaches.csv");
    assert_eq!(breaches.len() as u64, sum(&blocked, "breaches"));
    assert!(breaches.len() > 10, "{}", breaches.len());
    let mut instead: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &breaches {
        let word = |column: &str| row[column].as_str();
        assert_eq!((word("role"), word("right"), word("tried")), ("service", "tool", "transfer by handover"));
        *instead.entry(word("instead")).or_default() += 1;
    }
    // A customer can be asked three times to say more; then the case is closed.
    assert_eq!(instead.keys().copied().collect::<Vec<_>>(), ["ask_again", "close"]);
    assert!(instead["ask_again"] > instead["close"]);

    // The record repeats itself, and the summary tells what was counted.
    for run in [&withheld, &blocked] {
        verified(run);
    }
    let manifest = fs::read_to_string(blocked.join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let number = |name: &str| {
        let lines = manifest["summary"].as_array().expect("a summary");
        lines.iter().find(|line| line["name"] == name).and_then(|line| line["number"].as_f64())
    };
    assert_eq!(number("breaches of rights, blocked"), Some(breaches.len() as f64));
    assert_eq!(number("actions withheld from menus"), Some(0.0));
    let scenario = fs::read_to_string(blocked.join("scenario.toml")).expect("a scenario");
    let rights = "[rights.service]\ntools = [\"order_lookup\", \"order_changes\"]\nwhen_breached = \"block\"\n";
    assert!(scenario.contains(rights), "{scenario}");
}

#[test]
fn threads_do_not_matter_to_rights() {
    let out = TempDir::new().expect("a folder");
    // Learners explore, so that they try what is blocked.
    let more = ["--ticks", "80", "--no-compare", "--set", NO_HANDOVER, "--set", BLOCK, "--threads"];
    let run = |threads| {
        let run = run_into(&out.path().join(threads), SERVICE_DESK, &[&more[..], &[threads]].concat());
        contents(&run)
    };
    let one = run("1");
    assert!(one["breaches.csv"].len() > 200, "too few breaches");
    for threads in ["2", "8"] {
        assert!(run(threads) == one, "--threads {threads} differs");
    }
}

/// The stock market with its reports by letter, topic or blackboard, all traders following them.
fn market(out: &Path, reports: &str, more: &[&str]) -> std::path::PathBuf {
    let reports = format!("domain.reports=\"{reports}\"");
    let base = ["--ticks", "200", "--no-compare", "--set", "agents.trader.policy=follow_news", "--set", &reports];
    run_into(out, MARKET, &[&base[..], more].concat())
}

#[test]
fn a_market_trades_by_topics_as_it_does_by_mail() {
    let out = TempDir::new().expect("a folder");
    let (mail, topics) = (market(out.path(), "mail", &[]), market(out.path(), "topics", &[]));
    let text = |run: &Path, table: &str| fs::read_to_string(run.join(table)).expect("a table");
    for table in ["messages.csv", "agents.csv", "assets.csv", "readings.csv"] {
        assert!(text(&mail, table) == text(&topics, table), "{table} differs");
    }
    let (letters, more) = (rows(&mail, "metrics.csv"), rows(&topics, "metrics.csv"));
    for (plain, shared) in letters.iter().zip(&more) {
        assert!(plain.iter().all(|(column, value)| shared[column] == *value), "{plain:?}\n{shared:?}");
    }
    assert!(sum(&topics, "published") > 5 && sum(&topics, "breaches") == 0);
    let events = rows(&topics, "topics.csv");
    let of = |event: &str| events.iter().filter(|row| row["event"] == event).count() as u64;
    assert_eq!((of("subscribed"), of("published")), (4, sum(&topics, "published")));
    assert!(events.iter().filter(|row| row["event"] == "published").all(|row| row["reached"] == "2"));
    verified(&topics);

    // Traders of ACME alone may listen: those of HALO hear nothing, and trade without.
    let deaf = market(out.path(), "topics", &["--set", "rights.trader.reads=[\"reports-ACME\"]"]);
    let breaches = rows(&deaf, "breaches.csv");
    let told: Vec<(&str, &str, &str)> =
        breaches.iter().map(|row| (&*row["right"], &*row["tried"], &*row["instead"])).collect();
    assert_eq!(told, [("read", "subscribe to reports-HALO", "not subscribed"); 2]);
    let to_halo = |row: &&BTreeMap<String, String>| row["topic"] == "reports-HALO" && row["event"] == "published";
    let reached = rows(&deaf, "topics.csv");
    assert!(
        reached.iter().filter(to_halo).count() > 0 && reached.iter().filter(to_halo).all(|row| row["reached"] == "0")
    );
}

#[test]
fn reports_on_the_blackboard_are_read_by_those_who_may() {
    let out = TempDir::new().expect("a folder");
    let board = market(out.path(), "blackboard", &[]);
    let written = rows(&board, "blackboard.csv");
    assert_eq!(written.len() as u64, sum(&board, "board_writes"));
    assert!(written.len() > 5 && written.iter().all(|row| row["event"] == "written"));
    for asset in ["0", "1"] {
        let versions: Vec<u64> = written
            .iter()
            .filter(|row| row["entry"] == asset)
            .map(|row| row["version"].parse().expect("a version"))
            .collect();
        assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>(), "no version is left out");
    }
    assert_eq!(sum(&board, "messages"), 0, "nothing is mailed");
    let read = |run: &Path| -> u64 {
        let traders = rows(run, "agents.csv").into_iter().filter(|row| row["role"] == "trader");
        traders.map(|row| row["reports_received"].parse::<u64>().expect("a count")).sum()
    };
    assert!(read(&board) > 5);
    verified(&board);

    let blind = market(out.path(), "blackboard", &["--set", "rights.trader.reads=[]"]);
    assert_eq!(read(&blind), 0);
    // Each of the four looks at every tick.
    assert_eq!(sum(&blind, "breaches"), 4 * 200);
    assert!(
        rows(&blind, "breaches.csv")
            .iter()
            .all(|row| row["tried"] == "read reports" && row["instead"] == "nothing read")
    );
    let silent = market(out.path(), "blackboard", &["--set", "rights.analyst.writes=[]"]);
    assert_eq!((sum(&silent, "board_writes"), read(&silent)), (0, 0));
    assert!(rows(&silent, "blackboard.csv").iter().all(|row| row["event"] == "not-permitted"));
    assert_eq!(sum(&silent, "breaches"), rows(&silent, "blackboard.csv").len() as u64);
}

#[test]
fn rights_that_cannot_be_are_told_before_anything_runs() {
    let folder = TempDir::new().expect("a folder");
    let whole = fs::read_to_string(SERVICE_DESK).expect("readable");
    for (rights, told) in [
        ("[rights.service]\nactions = [\"transfr\"]", "role \"service\" has no action \"transfr\""),
        ("[rights.service]\ntools = [\"orders\"]", "role \"service\" has no tool \"orders\""),
        ("[rights.servise]", "domain \"customer_service\" has no role \"servise\""),
        ("[rights.service]\nreads = [\"news\"]", "domain \"customer_service\" has no topic or section \"news\""),
        ("[rights.customer]\nwhen_breached = \"block\"", "declares no harmless action for role \"customer\""),
        ("[rights.service]\nallowed = []", "`rights.service` has no key `allowed`"),
        ("[rights.service]\nactions = [\"close\", \"close\"]", "names \"close\" twice"),
        ("[rights.\"Service\"]", "\"Service\" cannot name a table of `rights`"),
    ] {
        let path = folder.path().join("scenario.toml");
        fs::write(&path, format!("{whole}\n{rights}\n")).expect("written");
        let (_, stderr, code) = said(&llmagentos(&["check", path.to_str().expect("UTF-8")]));
        let flat = stderr.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(code, 2, "{rights}\n{stderr}");
        assert!(flat.contains(told), "{rights}\n{stderr}");
        let line = 1 + whole.lines().count() + 1;
        assert!(
            flat.contains(&format!("scenario.toml:{line}")) || flat.contains(&format!("scenario.toml:{}", line + 1)),
            "{stderr}"
        );
    }
}
