//! Whole runs of a small market with a scripted model.

use std::fs;
use std::path::{Path, PathBuf};

use llmagentos::base::Tick;
use llmagentos::domains::finance::Dated;

use crate::support::{llmagentos, run_into, said};

const MARKET: &str = "tests/suite/data/market.toml";

/// A table of a run: its rows as cells by the names of the columns.
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// Reads a table; the market's texts hold no commas or quotes.
    fn of(run: &Path, table: &str) -> Self {
        let text = fs::read_to_string(run.join(table)).expect("the table is there");
        let mut rows = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let columns = rows.next().expect("a header");
        Self { columns, rows: rows.collect() }
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let place = self.columns.iter().position(|column| column == name).expect(name);
        self.rows.iter().map(|row| &*row[place]).collect()
    }

    fn sum(&self, name: &str) -> f64 {
        self.column(name).iter().filter(|cell| !cell.is_empty()).map(|cell| cell.parse::<f64>().expect(cell)).sum()
    }
}

/// A number of the run's own summary.
fn measure(run: &Path, name: &str) -> f64 {
    let table = Rows::of(run, "comparison.csv");
    let row = table.rows.iter().find(|row| row[0] == "this run" && row[1] == name).expect(name);
    row[2].parse().expect("a number")
}

#[test]
fn a_market_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let runs: Vec<PathBuf> = ["1", "2", "8"]
        .iter()
        .map(|threads| run_into(&folder.path().join(threads), MARKET, &["--threads", threads]))
        .collect();
    for table in ["metrics.csv", "agents.csv", "readings.csv", "messages.csv", "learning.csv", "comparison.csv"] {
        let first = fs::read(runs[0].join(table)).expect(table);
        assert!(first.len() > 100, "{table} holds something");
        for run in &runs[1..] {
            assert!(first == fs::read(run.join(table)).expect(table), "{table} differs in {}", run.display());
        }
    }
}

/// The engine's check in every tick would have ended the run; here the sums are made anew from what was written.
#[test]
fn nothing_is_made_or_lost_over_a_whole_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = run_into(folder.path(), MARKET, &[]);
    let agents = Rows::of(&run, "agents.csv");
    let crowd = measure(&run, "profit of the crowd");
    assert!((agents.sum("profit") + crowd).abs() < 1e-6, "agents {} and crowd {crowd}", agents.sum("profit"));
    let metrics = Rows::of(&run, "metrics.csv");
    assert_eq!(metrics.rows.len(), 600);
    let (traded, orders) = (metrics.sum("volume"), metrics.sum("orders"));
    assert!((traded - measure(&run, "shares traded")).abs() < 0.5);
    assert!((orders - agents.sum("orders")).abs() < 0.5, "orders a tick and orders an agent");
    assert!(traded > 500.0 && orders > 100.0, "the market trades: {traded} shares, {orders} orders");
    let spreads = metrics.column("spread");
    assert!(spreads.iter().all(|spread| spread.is_empty() || spread.parse::<f64>().expect(spread) >= 1.0));
    let readings = Rows::of(&run, "readings.csv");
    let right = readings.sum("right") / readings.rows.len() as f64;
    assert!((right - measure(&run, "headlines read as what they say")).abs() < 1e-9);
    assert!((metrics.sum("read") - readings.rows.len() as f64).abs() < 0.5);
    assert!(readings.rows.len() > 20, "{} headlines were read", readings.rows.len());
}

#[test]
fn a_clocked_reader_gives_nothing_that_is_dated_later() {
    let mut dated = Dated::new(vec![(Tick(7), 'c'), (Tick(2), 'a'), (Tick(7), 'd'), (Tick(4), 'b')]);
    assert!(dated.known().is_empty() && dated.today().is_empty(), "before the clock starts");
    let mut seen = String::new();
    for tick in 0..10 {
        dated.turn_to(Tick(tick));
        assert!(dated.known().iter().all(|&(date, _)| date.0 <= tick));
        assert!(dated.today().iter().all(|&(date, _)| date.0 == tick));
        seen.extend(dated.today().iter().map(|&(_, thing)| thing));
    }
    assert_eq!(seen, "abcd");
    dated.turn_to(Tick(3));
    assert_eq!(dated.known().len(), 4, "the clock is never turned back");
}

/// Two files of headlines that are equal up to tick 99 and opposite from tick 100 on: nothing differs before tick 100,
/// no order and no trade differs at tick 100 itself, and then they do.
#[test]
fn news_moves_no_order_before_its_date() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, late: &str, truth: &str| {
        let file = folder.path().join(format!("{name}.csv"));
        let text = format!(
            "tick,headline,truth\n20,Acme says it will rise,positive\n60,Acme says it \
             will fall,negative\n100,Acme says it will {late},{truth}\n"
        );
        fs::write(&file, text).expect("written");
        let path = format!("domain.headlines_path={}", file.display());
        // A report moves orders because these traders follow it.
        let more = ["--set", &path, "--set", "agents.trader.policy=follow_news", "--ticks", "200", "--no-compare"];
        let run = run_into(&folder.path().join(name), MARKET, &more);
        (Rows::of(&run, "metrics.csv"), Rows::of(&run, "readings.csv"))
    };
    let (up, up_read) = run("up", "rise", "positive");
    let (down, down_read) = run("down", "fall", "negative");
    assert_eq!(up.rows[..100], down.rows[..100], "before the date");
    for column in ["price", "spread", "volume", "orders", "resting"] {
        assert_eq!(up.column(column)[..=100], down.column(column)[..=100], "{column} at the date");
        assert_ne!(up.column(column)[101..], down.column(column)[101..], "{column} after the date");
    }
    assert_eq!(up_read.column("reading"), ["positive", "negative", "positive"]);
    assert_eq!(down_read.column("reading"), ["positive", "negative", "negative"]);
    let value = |rows: &Rows, tick: usize| rows.column("fundamental")[tick].parse::<f64>().expect("a number");
    assert!((value(&up, 100) - value(&down, 100) - 24.0).abs() < 1e-9, "the value jumps by 12 either way");
}

/// A file of headlines that cannot be used is named with its line and what to do.
#[test]
fn a_bad_file_of_headlines_is_refused_by_line() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, expected) in [
        ("tick,headline,truth\n5,Acme rises,positive\n600,Acme falls,negative\n", "line 3: the headline is dated 600"),
        ("tick,headline\n5,Acme rises\n", "line 1: the header has 2 columns"),
        ("tick,headline,truth\n5,Acme rises, and falls,positive\n", "line 2: 4 cells where the header has 3"),
        ("tick,headline,truth\n-1,Acme rises,positive\n", "line 2: \"-1\" is not a tick"),
        ("tick,headline,truth\n1,,positive\n", "line 2: the headline is empty"),
        ("tick,headline,truth\n1,Acme rises,up\n", "line 2: \"up\" is not a truth"),
    ] {
        let file = folder.path().join("headlines.csv");
        fs::write(&file, text).expect("written");
        let path = format!("domain.headlines_path={}", file.display());
        let out = folder.path().to_str().expect("UTF-8").to_owned();
        let (_, stderr, code) = said(&llmagentos(&["run", MARKET, "--out", &out, "--quiet", "--set", &path]));
        assert_ne!(code, 0, "{text}");
        // Messages are broken into lines for people.
        let plain = stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(plain.contains(expected), "{plain}\n\nlacks: {expected}");
    }
}

/// Settings that cannot be are refused, each at its own line.
#[test]
fn settings_that_cannot_be_are_refused_at_their_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let sound = fs::read_to_string(MARKET).expect("the scenario is there");
    for (line, expected) in [
        ("price_start = 0", "0 is outside [1,"),
        ("flow = { limit = -1.0 }", "-1 is outside [0, 1000]"),
        ("flow = { market = -0.5 }", "-0.5 is outside [0, 1000]"),
        ("flow = { cancel = 0.0 }", "lets the book grow without end"),
        ("value_error_ticks = -1.0", "-1 is outside"),
        ("momentum_activity = 1.5", "1.5 is outside [0, 1]"),
        ("order_shares = 0", "0 is outside [1,"),
        ("company = \" \"", "a company needs a name"),
        ("fundamental = { reversion = -0.1 }", "-0.1 is outside"),
        ("prise_start = 5", "no key `prise_start`"),
        ("inventory_max = \"many\"", "must be"),
    ] {
        let text = sound.replace("kind = \"finance\"", &format!("kind = \"finance\"\n{line}"));
        let number = text.lines().position(|found| found == line).expect("it was put in") + 1;
        let file = folder.path().join("bad.toml");
        fs::write(&file, text).expect("written");
        let (_, stderr, code) = said(&llmagentos(&["check", file.to_str().expect("UTF-8")]));
        assert_eq!(code, 2, "{line}: {stderr}");
        assert!(stderr.contains(expected), "{line}: {stderr}\nlacks: {expected}");
        assert!(stderr.contains(&format!("bad.toml:{number}:")), "{line} is line {number}: {stderr}");
    }
    let text = sound.replace("false = 0.15, neutral = 0.2", "false = 0.6, neutral = 0.6");
    let file = folder.path().join("bad.toml");
    fs::write(&file, text).expect("written");
    let (_, stderr, code) = said(&llmagentos(&["check", file.to_str().expect("UTF-8")]));
    assert!(code == 2 && stderr.contains("stale, false and neutral headlines sum to 1.35"), "{stderr}");
}
