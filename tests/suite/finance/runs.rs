//! Whole runs of a small market with a scripted model.

use std::fs;
use std::path::{Path, PathBuf};

use llmagentos::base::Tick;
use llmagentos::domains::finance::Dated;

use crate::support::{llmagentos, run_into, said};

/// Two assets, ACME and HALO; momentum traders trade HALO only.
pub const MARKET: &str = "tests/suite/data/market.toml";

/// A table of a run: its rows as cells by the names of the columns.
#[derive(Clone)]
pub struct Rows {
    columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Rows {
    /// Reads a table; the market's texts hold no commas or quotes.
    pub fn of(run: &Path, table: &str) -> Self {
        let text = fs::read_to_string(run.join(table)).expect("the table is there");
        let mut rows = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let columns = rows.next().expect("a header");
        Self { columns, rows: rows.collect() }
    }

    /// The rows whose cell in a column is this.
    pub fn only(&self, name: &str, cell: &str) -> Self {
        let place = self.columns.iter().position(|column| column == name).expect(name);
        let rows = self.rows.iter().filter(|row| row[place] == cell).cloned().collect();
        Self { columns: self.columns.clone(), rows }
    }

    pub fn column(&self, name: &str) -> Vec<&str> {
        let place = self.columns.iter().position(|column| column == name).expect(name);
        self.rows.iter().map(|row| &*row[place]).collect()
    }

    pub fn sum(&self, name: &str) -> f64 {
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
    for table in
        ["metrics.csv", "assets.csv", "agents.csv", "readings.csv", "messages.csv", "learning.csv", "comparison.csv"]
    {
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
    let assets = Rows::of(&run, "assets.csv");
    assert_eq!(assets.rows.len(), 2 * 600);
    for column in ["volume", "orders", "resting", "crowd_events", "headlines", "read", "reports"] {
        let by_asset: Vec<f64> = assets.column(column).iter().map(|cell| cell.parse().expect(cell)).collect();
        let both: Vec<f64> = by_asset.chunks(2).map(|pair| pair.iter().sum()).collect();
        let total: Vec<f64> = metrics.column(column).iter().map(|cell| cell.parse().expect(cell)).collect();
        assert!(both == total, "{column} of metrics.csv is the sum of assets.csv, tick by tick");
    }
    let spreads = assets.column("spread");
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

/// Two files of headlines about ACME that are equal up to tick 99 and opposite from tick 100 on: nothing differs before
/// tick 100, no order and no trade differs at tick 100 itself, and then they do. HALO is never touched.
#[test]
fn news_moves_no_order_before_its_date_and_none_of_another_asset() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, late: &str, truth: &str| {
        let file = folder.path().join(format!("{name}.csv"));
        let text = format!(
            "tick,asset,headline,truth\n20,ACME,Acme says it will rise,positive\n60,ACME,Acme says it \
             will fall,negative\n100,ACME,Acme says it will {late},{truth}\n"
        );
        fs::write(&file, text).expect("written");
        let path = format!("domain.headlines_path={}", file.display());
        // A report moves orders because these traders follow it.
        let more = ["--set", &path, "--set", "agents.trader.policy=follow_news", "--ticks", "200", "--no-compare"];
        let run = run_into(&folder.path().join(name), MARKET, &more);
        (Rows::of(&run, "metrics.csv"), Rows::of(&run, "assets.csv"), Rows::of(&run, "readings.csv"))
    };
    let (up_all, up, up_read) = run("up", "rise", "positive");
    let (down_all, down, down_read) = run("down", "fall", "negative");
    assert_eq!(up_all.rows[..100], down_all.rows[..100], "before the date");
    assert_eq!(up.rows[..200], down.rows[..200], "before the date");
    assert_eq!(up.only("asset", "HALO").rows, down.only("asset", "HALO").rows, "news of ACME moves nothing of HALO");
    let (up, down) = (up.only("asset", "ACME"), down.only("asset", "ACME"));
    for column in ["price", "spread", "volume", "orders", "resting"] {
        assert_eq!(up.column(column)[..=100], down.column(column)[..=100], "{column} at the date");
        assert_ne!(up.column(column)[101..], down.column(column)[101..], "{column} after the date");
    }
    assert_eq!(up_read.column("asset"), ["ACME"; 3]);
    assert_eq!(up_read.column("reading"), ["positive", "negative", "positive"]);
    assert_eq!(down_read.column("reading"), ["positive", "negative", "negative"]);
    let value = |rows: &Rows, tick: usize| rows.column("fundamental")[tick].parse::<f64>().expect("a number");
    assert!((value(&up, 100) - value(&down, 100) - 24.0).abs() < 1e-9, "the value jumps by 12 either way");
}

/// A file of headlines that cannot be used is named with its line and what to do.
#[test]
fn a_bad_file_of_headlines_is_refused_by_line() {
    let folder = tempfile::tempdir().expect("a folder");
    for (rows, expected) in [
        ("5,ACME,Acme rises,positive\n600,ACME,Acme falls,negative\n", "line 3: the headline is dated 600"),
        ("5,ACME,Acme rises, and falls,positive\n", "line 2: 5 cells where the header has 4"),
        ("-1,ACME,Acme rises,positive\n", "line 2: \"-1\" is not a tick"),
        ("1,ACME,,positive\n", "line 2: the headline is empty"),
        ("1,ACME,Acme rises,up\n", "line 2: \"up\" is not a truth"),
        (
            "1,ACME,Acme rises,positive\n1,ACMF,Acme rises,positive\n",
            "line 3: there is no asset \"ACMF\" in this market; did you mean `ACME`? allowed are: `ACME`, `HALO`",
        ),
        ("1,,Acme rises,positive\n", "line 2: there is no asset \"\" in this market; allowed are: `ACME`, `HALO`"),
        ("=tick,headline\n5,Acme rises\n", "line 1: the header has 2 columns"),
        ("=tick,headline,sense\n5,Acme rises,up\n", "line 1: the header has no column `truth`"),
        (
            "=tick,headline,truth,share\n5,Acme rises,positive,ACME\n",
            "line 1: the header has the unknown column `share`",
        ),
        (
            "=tick,headline,truth\n5,Acme rises,positive\n",
            "line 1: the header has no column `asset`, and this market trades",
        ),
    ] {
        // A text that begins with = has a header of its own.
        let text = rows.strip_prefix('=').map_or_else(|| format!("tick,asset,headline,truth\n{rows}"), str::to_owned);
        let file = folder.path().join("headlines.csv");
        fs::write(&file, &text).expect("written");
        let path = format!("domain.headlines_path={}", file.display());
        let out = folder.path().to_str().expect("UTF-8").to_owned();
        let (_, stderr, code) = said(&llmagentos(&["run", MARKET, "--out", &out, "--quiet", "--set", &path]));
        assert_ne!(code, 0, "{text}");
        // Messages are broken into lines for people.
        let plain = stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(plain.contains(expected), "{plain}\n\nlacks: {expected}");
    }
}

/// With one asset a file need not name it.
#[test]
fn a_file_of_headlines_about_the_only_asset_need_not_name_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let read = |name: &str, text: &str| {
        let file = folder.path().join(format!("{name}.csv"));
        fs::write(&file, text).expect("written");
        let path = format!("domain.headlines_path={}", file.display());
        let one = ["--set", "domain.assets=[{ name = \"HALO\" }]", "--set", &path, "--ticks", "30", "--no-compare"];
        let run = run_into(&folder.path().join(name), MARKET, &one);
        (fs::read(run.join("readings.csv")).expect("readings"), fs::read(run.join("assets.csv")).expect("assets"))
    };
    let unnamed = read("unnamed", "tick,headline,truth\n5,Halo says it will rise,positive\n");
    let named = read("named", "tick,headline,truth,asset\n5,Halo says it will rise,positive,HALO\n");
    assert!(String::from_utf8_lossy(&unnamed.0).contains(",HALO,Halo says it will rise,"), "{unnamed:?}");
    assert!(unnamed == named);
}

/// A scenario file of the market with one text put in place of another, and the line where it stands.
fn changed(folder: &Path, from: &str, to: &str) -> (PathBuf, usize) {
    let sound = fs::read_to_string(MARKET).expect("the scenario is there");
    let before = sound.split(from).next().filter(|before| before.len() < sound.len()).expect(from);
    // A text that was put behind another begins in the line after it.
    let line = before.matches('\n').count() + 1 + to.matches('\n').count();
    let file = folder.join("bad.toml");
    fs::write(&file, sound.replacen(from, to, 1)).expect("written");
    (file, line)
}

/// Settings that cannot be are refused, each at its own line.
#[test]
fn settings_that_cannot_be_are_refused_at_their_line() {
    let folder = tempfile::tempdir().expect("a folder");
    for (line, expected) in [
        ("flow = { limit = -1.0 }", "-1 is outside [0, 1000]"),
        ("flow = { market = -0.5 }", "-0.5 is outside [0, 1000]"),
        ("flow = { cancel = 0.0 }", "lets the book grow without end"),
        ("value_error_ticks = -1.0", "-1 is outside"),
        ("momentum_activity = 1.5", "1.5 is outside [0, 1]"),
        ("order_shares = 0", "0 is outside [1,"),
        ("fundamental = { reversion = -0.1 }", "-0.1 is outside"),
        ("price_start = 5", "no key `price_start`"),
        ("inventory_max = \"many\"", "must be"),
    ] {
        refused(folder.path(), "kind = \"finance\"", &format!("kind = \"finance\"\n{line}"), expected);
    }
    let desk = "momentum = [\"HALO\"]";
    for (from, to, expected) in [
        ("price_start = 300", "price_start = 0", "0 is outside [1,"),
        ("price_start = 300", "prise_start = 300", "did you mean `price_start`?"),
        ("volatility = 0.4", "volatility = -0.4", "-0.4 is outside [0, 1000000]"),
        ("shock_ticks = 20.0", "shock_ticks = -1.0", "-1 is outside [0, 1000000]"),
        ("company = \"Acme\"", "company = \" \"", "a company needs a name"),
        ("name = \"HALO\"", "name = \"ACME\"", "two assets have the name \"ACME\""),
        ("name = \"HALO\"", "name = \"\"", "\"\" is no symbol of an asset"),
        ("name = \"HALO\"", "name = \"a b\"", "\"a b\" is no symbol of an asset"),
        (desk, "momentum = [\"ACME\", \"HALLO\"]", "there is no asset \"HALLO\""),
        (desk, "momentum = [\"ACME\", \"HALLO\"]", "did you mean `HALO`? allowed are: `ACME`, `HALO`"),
        (desk, "momentum = [\"HALO\", \"HALO\"]", "names the asset \"HALO\" twice"),
        (desk, "momentum = []", "a desk without an asset"),
        (desk, "momemtum = [\"HALO\"]", "there is no group of agents \"momemtum\""),
        (desk, "momemtum = [\"HALO\"]", "did you mean `momentum`? allowed are: `trader`, `value`, `momentum`"),
        (desk, "analyst = [\"HALO\"]", "agents of role \"analyst\" do not trade"),
        ("false = 0.15, neutral = 0.2", "false = 0.6, neutral = 0.6", "stale, false and neutral headlines sum to 1.35"),
    ] {
        refused(folder.path(), from, to, expected);
    }
    let (_, stderr, code) = said(&llmagentos(&["check", MARKET, "--set", "domain.assets=[]"]));
    assert!(code == 2 && stderr.contains("must have 1 to 1000 entries"), "{stderr}");
}

/// `check` refuses the market so changed, with these words and at the line of the change.
fn refused(folder: &Path, from: &str, to: &str, expected: &str) {
    let (file, line) = changed(folder, from, to);
    let (_, stderr, code) = said(&llmagentos(&["check", file.to_str().expect("UTF-8")]));
    assert_eq!(code, 2, "{to}: {stderr}");
    let plain = stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    assert!(plain.contains(expected), "{to}: {stderr}\nlacks: {expected}");
    assert!(plain.contains(&format!("bad.toml:{line}:")), "{to} is in line {line}: {stderr}");
}
