//! Negotiation: what theory says of perfect bargainers and of tactics, what must hold whoever bargains, and what language
//! models are asked.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use llmagentos::app::assets::Silent;
use llmagentos::app::{RunOptions, load_scenario, run_scenario};
use tempfile::TempDir;

use super::support::{assets, llmagentos, run_into, said};

/// Rules, a learner, and agents who choose, price and speak by a scripted model.
const BARGAIN: &str = "tests/suite/data/bargain.toml";

/// A session of negotiations.csv, by column.
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    fn of(run: &Path, table: &str) -> Self {
        let text = fs::read_to_string(run.join(table)).expect(table);
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let columns = lines.next().expect("a header");
        Self { columns, rows: lines.collect() }
    }

    fn texts(&self, name: &str) -> Vec<&str> {
        let place = self.columns.iter().position(|column| column == name).expect(name);
        self.rows.iter().map(|row| &*row[place]).collect()
    }

    /// A column's numbers; NaN for empty cells.
    fn numbers(&self, name: &str) -> Vec<f64> {
        self.texts(name).iter().map(|cell| if cell.is_empty() { f64::NAN } else { cell.parse().expect(cell) }).collect()
    }
}

/// A scenario of one buyer and one seller group with these policies.
fn scenario(count: u32, domain: &str, policies: [&str; 2]) -> String {
    let [buyer, seller] = policies;
    format!(
        "name = \"pair\"\nticks = 240\n\n[[agents]]\nrole = \"buyer\"\ncount = {count}\npolicy = \"buys\"\n\n[[agents]]\n\
         role = \"seller\"\ncount = {count}\npolicy = \"sells\"\n\n[domain]\nkind = \"negotiation\"\n{domain}\n\n\
         [policy.buys]\n{buyer}\n\n[policy.sells]\n{seller}\n"
    )
}

/// Runs a scenario's text; the folder lives as long as the first part.
fn run(text: &str) -> (TempDir, PathBuf) {
    let out = TempDir::new().unwrap();
    let path = out.path().join("scenario.toml");
    fs::write(&path, text).unwrap();
    let folder = run_into(&out.path().join("runs"), path.to_str().expect("UTF-8"), &[]);
    (out, folder)
}

fn sessions(text: &str) -> Rows {
    let (_kept, folder) = run(text);
    Rows::of(&folder, "negotiations.csv")
}

const SURE: &str = "value = { least = 10000, greatest = 10000 }\ncost = { least = 0, greatest = 0 }";

/// What the opener keeps in tenths of the pie when `offers` may still be made, by backward induction on the menu's grid: the
/// other accepts what is worth no less than what it would keep itself one offer later, and of the levels that leave it so
/// much the opener takes the least generous.
fn kept_tenths(discount: f64, offers: u32) -> u32 {
    (0..offers).fold(0, |later, _| {
        let least = discount * f64::from(later);
        10 - (0..=10).find(|&given| f64::from(given) + 1e-9 >= least).expect("all of it is enough")
    })
}

/// The decision list of somebody who bargains like that.
fn perfect(discount: f64, offers_max: u32) -> String {
    let mut rules = String::from("kind = \"decision_list\"\nrules = [\n");
    for left in 0..=offers_max {
        // A price that concedes more than this leaves less than what waiting is worth.
        let most = 1.0 - discount * f64::from(kept_tenths(discount, left)) / 10.0 + 1e-4;
        writeln!(rules, "{{ when = [\"offers_left == {left}\", \"concession <= {most}\"], act = \"accept\" }},")
            .unwrap();
        if left > 0 {
            let given = (10 - kept_tenths(discount, left)) * 10;
            writeln!(rules, "{{ when = [\"offers_left == {left}\"], act = \"concede_{given}\" }},").unwrap();
        }
    }
    rules + "{ act = \"reject\" },\n]"
}

#[test]
fn perfect_bargainers_agree_at_once_on_the_shares_of_backward_induction() {
    // By hand for δ = ½ on a grid of tenths: w₁ = 1; w₂ = 1 − ½ = .5; w₃ = 1 − .25 → .7; w₄ = 1 − .35 → .6; w₅ = 1 − .3 = .7.
    for (offers_max, kept) in [(1, 10), (2, 5), (3, 7), (4, 6), (5, 7)] {
        assert_eq!(kept_tenths(0.5, offers_max), kept);
        let list = perfect(0.5, offers_max);
        let domain = format!("{SURE}\noffers_max = {offers_max}\ndiscount = 0.5");
        let table = sessions(&scenario(1, &domain, [&list, &list]));
        assert!(table.rows.len() > 15, "{}", table.rows.len());
        // Without a grid wₙ = (1 − (−δ)ⁿ) / (1 + δ), from wₙ = 1 − δ wₙ₋₁ and w₁ = 1 (Ståhl 1972; Rubinstein 1982 for n → ∞).
        let exact = (1.0 - (-0.5_f64).powi(offers_max.cast_signed())) / 1.5;
        assert!((f64::from(kept) / 10.0 - exact).abs() < 0.1, "{kept} tenths and {exact}");
        for (row, opener) in table.texts("opener").iter().enumerate() {
            let keeps = table.numbers(&format!("{opener}_payoff"))[row];
            assert_eq!((table.texts("outcome")[row], table.texts("offers")[row]), ("done", "1"));
            assert!((keeps - 1000.0 * f64::from(kept)).abs() < 1e-9, "{offers_max} offers, {opener}: {keeps}");
        }
    }
}

#[test]
fn with_patience_of_two_thirds_the_first_to_offer_keeps_three_fifths_and_cannot_do_better() {
    // Rubinstein 1982: x = 1 / (1 + δ) = 3/5 for δ = 2/3, and the other gets 2/5 = δ x.
    let always = "kind = \"decision_list\"\nrules = [{ when = [\"concession <= 0.6001\"], act = \"accept\" }, \
                  { when = [\"offers_left > 0\"], act = \"concede_40\" }, { act = \"reject\" }]";
    let greedy = "kind = \"decision_list\"\nrules = [{ when = [\"concession <= 0.6001\"], act = \"accept\" }, \
                  { when = [\"offers_made == 0\"], act = \"concede_30\" }, { when = [\"offers_left > 0\"], act = \"concede_40\" }, \
                  { act = \"reject\" }]";
    let domain = format!("{SURE}\noffers_max = 20\ndiscount = 0.6666666666666666\nopens = \"seller\"");
    let table = sessions(&scenario(1, &domain, [always, always]));
    assert!(!table.rows.is_empty());
    for (price, payoff) in table.numbers("price").iter().zip(table.numbers("seller_payoff")) {
        assert!((price - 6000.0).abs() < 1e-9 && (payoff - 6000.0).abs() < 1e-9, "{price}, {payoff}");
    }
    let table = sessions(&scenario(1, &domain, [always, greedy]));
    // The buyer turns 70% down and names 4000 as the second offer: 4000 · 2/3 is less than 6000.
    for payoff in table.numbers("seller_payoff") {
        assert!((payoff - 8000.0 / 3.0).abs() < 1e-6, "{payoff}");
    }
}

#[test]
fn two_who_concede_alike_split_the_difference() {
    // By hand, t = offers made / 10, both conceding 100 t per cent: 10000, 1000, 8000, 3000, 6000, and 5000, which the other
    // would have named less than half a step later: accepted.
    let linear = "kind = \"concession\"\nbeta = 1.0";
    let domain = format!("{SURE}\noffers_max = 11\ndiscount = 1.0");
    let table = sessions(&scenario(2, &domain, [linear, linear]));
    assert!(table.rows.len() > 4 && table.texts("opener").contains(&"buyer"));
    for (row, price) in table.numbers("price").iter().enumerate() {
        assert_eq!((table.texts("outcome")[row], table.texts("offers")[row]), ("done", "6"));
        assert!((price - 5000.0).abs() < 1e-9, "{price}");
    }
    // Who holds out longer gets more of it.
    let (tough, soft) = ("kind = \"concession\"\nbeta = 0.3", "kind = \"concession\"\nbeta = 3.0");
    let table = sessions(&scenario(2, &domain, [soft, tough]));
    assert!(table.numbers("price").iter().all(|price| *price > 6000.0), "{:?}", table.numbers("price"));
}

const UNSURE: &str =
    "value = { least = 3000, greatest = 10000 }\ncost = { least = 1000, greatest = 8000 }\noffers_max = 6";

#[test]
fn whoever_keeps_to_its_limit_never_loses_and_no_deal_is_made_where_none_suits_both() {
    let (tough, soft) = ("kind = \"concession\"\nbeta = 0.5", "kind = \"concession\"\nbeta = 2.0");
    let random = "kind = \"random\"";
    let held = format!("{UNSURE}\nhold_limits = true");
    for (domain, policies) in [(UNSURE, [tough, soft]), (UNSURE, [soft, soft]), (&held, [random, random])] {
        let table = sessions(&scenario(5, domain, policies));
        let zones = table.numbers("zone");
        assert!(zones.iter().any(|zone| *zone < 0.0) && zones.iter().any(|zone| *zone > 0.0));
        let mut deals = 0;
        for (row, price) in table.numbers("price").into_iter().enumerate() {
            let of = |name: &str| table.numbers(name)[row];
            if price.is_nan() {
                assert!(of("buyer_payoff") == 0.0 && of("seller_payoff") == 0.0);
                continue;
            }
            deals += 1;
            assert!(of("cost") <= price && price <= of("value"), "row {row}: {price}");
            // What one side pays the other gets: together they have the zone, discounted.
            let together = of("buyer_payoff") + of("seller_payoff");
            assert!((together - of("discount") * zones[row]).abs() < 1e-6);
            assert!((of("discount") - 0.95_f64.powf(of("offers") - 1.0)).abs() < 1e-12);
        }
        assert!(deals > 20, "{deals}");
    }
}

#[test]
fn without_limits_random_bargainers_do_make_losses() {
    let random = "kind = \"random\"";
    let table = sessions(&scenario(5, UNSURE, [random, random]));
    let beyond = |row: usize| {
        let of = |name: &str| table.numbers(name)[row];
        of("price") < of("cost") || of("price") > of("value")
    };
    assert!((0..table.rows.len()).any(beyond), "the check above could not go red");
}

#[test]
fn every_session_is_over_in_its_time_and_everybody_meets_everybody() {
    let random = "kind = \"random\"";
    let table = sessions(&scenario(5, UNSURE, [random, random]));
    // 6 offers of 2 ticks and 2: 14 ticks a session, 240 / 14 = 17 sessions that begin and end, of 5 pairs.
    assert_eq!(table.rows.len(), 17 * 5);
    for (tick, session) in table.numbers("tick").into_iter().zip(table.numbers("session")) {
        assert!(tick >= 14.0 * session && tick < 14.0 * (session + 1.0), "{tick}, {session}");
    }
    let met: std::collections::BTreeSet<_> = table.texts("buyer").into_iter().zip(table.texts("seller")).collect();
    assert_eq!(met.len(), 25);
    assert_eq!(table.texts("opener").iter().filter(|opener| **opener == "seller").count(), 9 * 5);
}

#[test]
fn values_and_costs_do_not_depend_on_who_bargains() {
    let (random, soft) = ("kind = \"random\"", "kind = \"concession\"\nbeta = 2.0");
    let one = sessions(&scenario(3, UNSURE, [random, random]));
    let other = sessions(&scenario(3, UNSURE, [soft, random]));
    let drawn = |table: &Rows| {
        let columns = ["session", "buyer", "seller", "value", "cost"].map(|name| table.texts(name).join(" "));
        let mut rows: Vec<Vec<String>> = (0..table.rows.len())
            .map(|row| columns.iter().map(|column| column.split(' ').nth(row).unwrap().to_owned()).collect())
            .collect();
        rows.sort();
        rows
    };
    assert_eq!(drawn(&one), drawn(&other));
    assert_ne!(one.texts("price"), other.texts("price"));
}

#[test]
fn models_choose_from_their_menu_name_prices_within_bounds_and_speak() {
    let out = TempDir::new().unwrap();
    let folder = run_into(out.path(), BARGAIN, &["--set", "record.messages=true", "--no-compare"]);
    let metrics = Rows::of(&folder, "metrics.csv");
    assert!(metrics.numbers("protocol_rejected").iter().all(|rejected| *rejected == 0.0));
    let decisions = Rows::of(&folder, "decisions.csv");
    let acts = decisions.texts("action");
    assert!(acts.contains(&"offer") && acts.contains(&"accept"), "{acts:?}");
    assert!(acts.iter().all(|act| ["accept", "reject", "offer"].contains(act)), "{acts:?}");
    let transcript = fs::read_to_string(folder.join("llm.jsonl")).unwrap();
    assert!(transcript.contains("price_in_cents") && transcript.contains("\\\"price_in_cents\\\": "));
    // Agents 2 and 4 have a model; their prices are within 2000 and 10000, the ends of both ranges.
    let protocols = Rows::of(&folder, "protocols.csv");
    let mut named = 0;
    for row in 0..protocols.rows.len() {
        if ["2", "4"].contains(&protocols.texts("sender")[row]) && protocols.texts("performative")[row] == "propose" {
            let amount = protocols.numbers("amount")[row];
            assert!((2000.0..=10000.0).contains(&amount), "{amount}");
            named += u32::from(amount % 1000.0 != 0.0);
        }
    }
    assert!(named > 5, "{named} prices that are no level of a menu");
    let messages = fs::read_to_string(folder.join("messages.csv")).unwrap();
    assert!(messages.contains("bicycle") && !messages.contains("{price}") && !messages.contains("this price"));
    // A limit that is held binds the form too.
    let held = run_into(out.path(), BARGAIN, &["--set", "domain.hold_limits=true", "--no-compare"]);
    let losses: f64 = Rows::of(&held, "metrics.csv").numbers("losses").iter().sum();
    assert!(losses == 0.0, "{losses}");
}

#[test]
fn written_words_and_situations_in_sentences_are_asked_for_where_declared() {
    let out = TempDir::new().unwrap();
    let more = [
        "--set",
        "policy.talker.speaker={words=\"write\"}",
        "--set",
        "domain.narrate=true",
        "--no-compare",
        "--ticks",
        "60",
    ];
    let folder = run_into(out.path(), BARGAIN, &more);
    let transcript = fs::read_to_string(folder.join("llm.jsonl")).unwrap();
    assert!(transcript.contains("\"sentence\"") && transcript.contains("You sell a bicycle. It costs you "));
    assert!(transcript.contains("in one short sentence"));
}

#[test]
fn the_order_of_unordered_systems_does_not_matter_to_bargains() {
    let out = TempDir::new().unwrap();
    let ticks = llmagentos::scenario::Override::ticks(60);
    let scenario = load_scenario(Path::new(BARGAIN), &[ticks]).expect("a sound scenario");
    let run = |shuffle: Option<u64>| {
        let options = RunOptions {
            threads: 1,
            out: out.path().join(format!("{shuffle:?}")),
            replay: None,
            then_live: false,
            compare: false,
            quiet: true,
            stop: Arc::new(AtomicBool::new(false)),
            shuffle_systems: shuffle,
        };
        let folder = run_scenario(&scenario, &assets(), &mut Silent, &options).expect("a run").folder;
        ["metrics.csv", "negotiations.csv", "llm.jsonl", "protocols.csv"]
            .map(|file| fs::read(folder.join(file)).unwrap())
    };
    let straight = run(None);
    for key in [1, 2, 3] {
        assert!(run(Some(key)) == straight, "systems shuffled by {key}");
    }
}

#[test]
fn negotiations_that_cannot_be_are_refused() {
    for (set, problem) in [
        ("agents.yielding_seller.count=2", "3 buyers and 4 sellers cannot be paired"),
        ("domain.cost={ least = 8000, greatest = 2000 }", "no cost is at least 8000 and at most 2000"),
        ("domain.offer_ticks=0", "offer_ticks"),
        ("domain.discount=1.5", "discount"),
        ("domain.item=\"a {price}\"", "the item is no plain words"),
        ("ticks=11", "a session takes up to 12 ticks, and the run has 11"),
        ("policy.talker.choose_from=[\"acept\"]", "no action \"acept\""),
        ("policy.boulware.asked=\"concesion\"", "do not see a feature"),
        ("policy.boulware.start=2.0", "start"),
    ] {
        let (_, stderr, code) = said(&llmagentos(&["check", BARGAIN, "--set", set]));
        assert_eq!(code, 2, "{set}: {stderr}");
        assert!(stderr.replace('\n', " ").contains(problem), "{set}: {stderr}");
    }
    // Without a model nobody can name a price.
    let text = scenario(1, &format!("{SURE}\namounts = \"model\""), ["kind = \"random\"", "kind = \"random\""]);
    let out = TempDir::new().unwrap();
    let path = out.path().join("scenario.toml");
    fs::write(&path, text).unwrap();
    let (_, stderr, code) = said(&llmagentos(&["check", path.to_str().unwrap()]));
    assert!(code == 2 && stderr.contains("prices are to be named by language models"), "{stderr}");
}
