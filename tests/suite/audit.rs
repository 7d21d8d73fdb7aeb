//! `audit` from outside: payoffs, gains and pairs that are known by hand or in closed form, the planted scenarios, and that
//! an audit repeats itself.

use std::fs;
use std::path::{Path, PathBuf};

use llmagentos::games::{NormalForm, approximate, extreme_equilibria};
use serde_json::Value;
use tempfile::TempDir;

use super::determinism::contents;
use super::support::{SERVICE_DESK, llmagentos, said};

const CLIMB: &str = "tests/suite/data/climb.toml";

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// What an audit says, and its exit code.
fn audit(out: &Path, scenario: &str, more: &[&str]) -> (Value, i32) {
    let arguments = ["audit", scenario, "--quiet", "--json", "--out", text(out)];
    let (stdout, stderr, code) = said(&llmagentos(&[&arguments[..], more].concat()));
    assert_eq!(stderr, "", "{scenario} {more:?}");
    (serde_json::from_str(&stdout).expect("one JSON value"), code)
}

fn folder(answer: &Value) -> PathBuf {
    PathBuf::from(answer["folder"].as_str().expect("a path"))
}

fn rows<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer["audit"][name].as_array().expect("rows")
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or_else(|| panic!("{key} of {row}"))
}

/// The deviations from the audited profile by this policy.
fn leaving<'a>(answer: &'a Value, group: &str, policy: &str) -> &'a Value {
    let found = rows(answer, "deviations")
        .iter()
        .find(|row| row["profile"] == 0 && row["group"] == group && row["deviation"] == policy && row["member"] == 0);
    found.unwrap_or_else(|| panic!("{group} {policy}: {answer}"))
}

fn verified(folder: &Path, more: &[&str]) {
    let (stdout, stderr, code) = said(&llmagentos(&[&["verify", text(folder), "--quiet"], more].concat()));
    assert_eq!((stderr.as_str(), code), ("", 0), "{more:?}: {stdout}");
}

/// The climbing game of Claus and Boutilier (1998), by row and column.
const CLIMBING: [[f64; 3]; 3] = [[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]];
/// The order of the candidates in the file: third, first, second.
const ORDER: [usize; 3] = [2, 0, 1];

#[test]
fn a_game_without_luck_is_told_exactly() {
    let out = TempDir::new().unwrap();
    let (answer, code) = audit(out.path(), CLIMB, &[]);
    assert_eq!((code, &answer["audit"]["refuted"]), (6, &Value::Bool(true)));
    // Payoffs of all nine profiles.
    let matrix: Vec<Vec<f64>> =
        ORDER.iter().map(|&row| ORDER.iter().map(|&column| CLIMBING[row][column]).collect()).collect();
    let payoffs = rows(&answer, "payoffs");
    assert_eq!(payoffs.len(), 18);
    for row in payoffs {
        let profile = row["profile"].as_u64().expect("a number") as usize;
        assert!((number(row, "mean") - matrix[profile / 3][profile % 3]).abs() < 1e-6, "{row}");
        assert!(number(row, "half_width").abs() < 1e-9);
    }
    // Leaving: one of three pairs has another payoff, the others none.
    for row in rows(&answer, "deviations").iter().filter(|row| row["trained"] == false) {
        let profile = row["profile"].as_u64().expect("a number") as usize;
        let (own, other) = (profile / 3, profile % 3);
        let to = ["third", "first", "second"].iter().position(|name| row["deviation"] == *name).expect("known");
        let gain = match row["group"].as_str() {
            Some("rows") => matrix[to][other] - matrix[own][other],
            _ => matrix[own][to] - matrix[own][other],
        };
        for key in ["gain", "low", "high"] {
            assert!((number(row, key) - gain).abs() < 1e-6, "{key}: {gain}, {row}");
        }
    }
    // Against those who take the third, the second is best: 6 instead of 5. Columns have nothing better.
    let trained = |group: &str| leaving(&answer, group, "learner");
    assert!((number(trained("rows"), "gain") - 1.0).abs() < 1e-6, "{answer}");
    assert!(number(trained("columns"), "gain").abs() < 1e-6, "{answer}");
    let verdicts: Vec<&Value> = rows(&answer, "verdicts").iter().map(|verdict| &verdict["refuted"]).collect();
    assert_eq!(verdicts, [&Value::Bool(true), &Value::Bool(false)]);
    // The equilibria of the groups are those of the matrix.
    let known = extreme_equilibria(&NormalForm::bimatrix(&matrix, &matrix).expect("a game")).expect("small");
    let found = rows(&answer, "equilibria");
    assert_eq!(found.len(), 6 * known.extreme.len());
    for (number_of, equilibrium) in known.extreme.iter().enumerate() {
        for (side, strategy) in equilibrium.strategies.iter().enumerate() {
            for (place, probability) in strategy.iter().enumerate() {
                let row = &found[6 * number_of + 3 * side + place];
                assert!((number(row, "probability") - approximate(probability)).abs() < 1e-6, "{row}");
                assert!((number(row, "payoff") - approximate(&equilibrium.utilities[side])).abs() < 1e-5, "{row}");
            }
        }
    }
    // Stable are (first, first) and (second, second), between which all the time is spent.
    let profiles = rows(&answer, "profiles");
    let stable: Vec<usize> = (0..9).filter(|&profile| profiles[profile]["stable"] == true).collect();
    assert_eq!(stable, [4, 8]);
    let time: f64 = stable.iter().map(|&profile| number(&profiles[profile], "alpha_rank")).sum();
    assert!(time > 0.98, "{time}");
}

#[test]
fn a_pair_gains_what_neither_does_alone() {
    let out = TempDir::new().unwrap();
    let pairs = ["--set", "audit.coalitions=2", "--budget", "0"];
    let (answer, code) = audit(out.path(), CLIMB, &pairs);
    assert_eq!(code, 6);
    let found: Vec<&Value> = rows(&answer, "coalitions").iter().filter(|row| row["colludes"] == true).collect();
    // Rows and columns of the same place play with each other: both first (11 instead of 5), or both second (7). Of this
    // the row's part alone, which it gains by, brings both 1; whatever it does alone is no concert.
    for (row, members) in [([0, 0], "both first"), ([1, 1], "both first")] {
        let of = |policy: &str| {
            found
                .iter()
                .find(|found| {
                    found["members"] == serde_json::json!(row)
                        && found["policies"] == serde_json::json!([policy, policy])
                })
                .unwrap_or_else(|| panic!("{members} {policy}: {found:?}"))
        };
        assert!((number(of("first"), "gain") - 12.0).abs() < 1e-5);
        assert!((number(of("first"), "surplus") - 12.0).abs() < 1e-5);
        assert!((number(of("second"), "gain") - 4.0).abs() < 1e-5);
        assert!((number(of("second"), "surplus") - 2.0).abs() < 1e-5);
    }
    // Whoever sits at different tables has no concert.
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn an_audit_repeats_itself() {
    let out = TempDir::new().unwrap();
    let folders: Vec<PathBuf> = ["1", "2", "8"]
        .map(|threads| folder(&audit(&out.path().join(threads), CLIMB, &["--threads", threads, "--seeds", "2"]).0))
        .to_vec();
    assert!(text(&folders[0]).ends_with("-s1-audit"));
    let first = contents(&folders[0]);
    for name in
        ["payoffs.csv", "profiles.csv", "deviations.csv", "equilibria.csv", "policies/best_response-rows-0.safetensors"]
    {
        assert!(first.contains_key(name), "{name}");
    }
    assert!(folders[1..].iter().all(|folder| contents(folder) == first), "threads change an audit");
    verified(&folders[0], &[]);
    // What the command line says stands in the folder's scenario, and a person reads a verdict for each group.
    let arguments =
        ["audit", CLIMB, "--quiet", "--out", text(out.path()), "--epsilon", "2", "--budget", "0", "--seeds", "2"];
    let (stdout, _, code) = said(&llmagentos(&arguments));
    assert_eq!(code, 0, "{stdout}");
    for word in ["rows: not refuted at ε = 2 with 2 seeds and no training", "the largest gain found is 1.0000 a tick"]
    {
        assert!(stdout.contains(word), "{word}: {stdout}");
    }
    verified(Path::new(stdout.lines().last().expect("the folder")), &["--threads", "3"]);
    // In its file a deviation is found again.
    let table = fs::read_to_string(folders[0].join("deviations.csv")).expect("written");
    assert!(table.contains("0,rows,0,third,learner,1,2,5,6,1,1,1,1"), "{table}");
}

/// A best response that learned nothing, since its learner waits for more than its budget: every seed draws a network of its own.
#[test]
fn untrained_best_responses_are_the_same_on_any_number_of_threads() {
    let out = TempDir::new().unwrap();
    let learner = "policy.learner={kind=\"dqn\",network={hidden=[8]},replay=100000,learning_starts=90000}";
    let run = |threads: &str| {
        let more = ["--set", learner, "--budget", "40", "--seeds", "5", "--ticks", "40", "--threads", threads];
        folder(&audit(&out.path().join(threads), CLIMB, &more).0)
    };
    let first = contents(&run("1"));
    for _ in 0..3 {
        assert!(contents(&run("3")) == first, "threads change an audit");
        fs::remove_dir_all(out.path().join("3")).unwrap();
    }
}

#[test]
fn one_agent_may_leave_for_a_language_model() {
    let out = TempDir::new().unwrap();
    let set = ["--set", "agents.service.policy=close_all", "--set", "agents.service.compare=[\"prompted\"]"];
    let more = ["--budget", "0", "--seeds", "2", "--ticks", "60", "--set", "audit.groups=[\"service\"]"];
    let (answer, code) = audit(out.path(), "tests/suite/data/prompted_desk.toml", &[&set[..], &more].concat());
    assert!(code == 0 || code == 6, "{answer}");
    assert_eq!(leaving(&answer, "service", "prompted")["trained"], false);
    verified(&folder(&answer), &["--replay"]);
}

#[test]
fn who_leaves_for_the_same_leaves_nothing() {
    // All but the policy's name is as it was: chance, place, and when it decides.
    let out = TempDir::new().unwrap();
    let scenario = out.path().join("walkers.toml");
    let walkers = "name = \"walkers\"\nticks = 60\n[[agents]]\nrole = \"cliff_walking\"\ncount = 3\npolicy = \"random\"\n\
                   compare = [\"random_too\", \"up\"]\ndecide_every = 3\n[domain]\nkind = \"reference\"\n[policy.random]\nkind = \"random\"\n\
                   [policy.random_too]\nkind = \"random\"\n[policy.up]\nkind = \"decision_list\"\nrules = [{ act = \"up\" }]\n";
    fs::write(&scenario, walkers).unwrap();
    let more = ["--budget", "0", "--seeds", "16", "--ticks", "40", "--set", "audit.members=3"];
    let (answer, code) = audit(out.path(), text(&scenario), &more);
    assert_eq!(code, 6, "whoever goes up falls from no cliff: {answer}");
    let same: Vec<&Value> = rows(&answer, "deviations")
        .iter()
        .filter(|row| row["deviation"] == "random_too" && row["profile"] == 0)
        .collect();
    assert_eq!(same.len(), 3);
    for row in same {
        assert_eq!((number(row, "gain"), number(row, "low"), number(row, "high")), (0.0, 0.0, 0.0), "{row}");
    }
    assert!(number(leaving(&answer, "cliff_walking", "up"), "low") > 0.0);
}

/// The gain of asking the share σ of the room where n − 1 others ask their cost, in a first-price market with costs uniform
/// on [0, 1]: E[σ x ((1 − σ) x)^(n−1)] = σ (1 − σ)^(n−1) / (n + 1), most for σ = 1/n, whatever the cost.
fn first_price_gain(share: f64, bidders: i32) -> f64 {
    share * (1.0 - share).powi(bidders - 1) / f64::from(bidders + 1)
}

#[test]
fn first_price_is_refuted_and_second_price_is_not() {
    let out = TempDir::new().unwrap();
    let small = ["--seeds", "8", "--ticks", "450", "--budget", "9000"];
    let (answer, code) = audit(out.path(), "scenarios/audit/first_price.toml", &small);
    assert_eq!(code, 6);
    for (policy, share) in [("shade_25", 0.25), ("shade_50", 0.5)] {
        let row = leaving(&answer, "bidders", policy);
        let exact = first_price_gain(share, 4);
        assert!(number(row, "low") < exact && exact < number(row, "high"), "{exact}: {row}");
        assert!(number(row, "payoff").abs() < 1e-9, "who asks its cost gains nothing: {row}");
    }
    let (trained, best) = (leaving(&answer, "bidders", "response"), first_price_gain(0.25, 4));
    assert!((best - 0.021_093_75).abs() < 1e-12);
    assert_eq!((&trained["trained"], &trained["refutes"]), (&Value::Bool(true), &Value::Bool(true)), "{trained}");
    // A lower bound on the regret, which is known here.
    assert!(number(trained, "low") < best, "{trained}");

    let (answer, code) = audit(out.path(), "scenarios/audit/second_price.toml", &small);
    assert_eq!((code, &answer["audit"]["refuted"]), (0, &Value::Bool(false)), "{answer}");
    let own = rows(&answer, "deviations").iter().filter(|row| row["profile"] == 0);
    assert!(own.clone().count() == 3 && own.clone().all(|row| number(row, "gain") < 0.004), "{answer}");
}

#[test]
fn a_collusive_pair_is_found_where_there_is_one() {
    let out = TempDir::new().unwrap();
    let small = ["--seeds", "8", "--ticks", "450", "--budget", "0"];
    let (answer, code) = audit(out.path(), "scenarios/audit/collusion.toml", &small);
    assert_eq!(code, 6);
    assert!(rows(&answer, "verdicts").iter().all(|verdict| verdict["refuted"] == false), "{answer}");
    let found: Vec<&Value> = rows(&answer, "coalitions").iter().filter(|row| row["colludes"] == true).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["groups"], serde_json::json!(["duo", "duo"]));
    assert_eq!(found[0]["policies"], serde_json::json!(["rotate", "rotate"]));
    // The reserve in turn, 1/2 every other round, instead of 1/6: 1/12 each.
    assert!((number(found[0], "gain") - 1.0 / 6.0).abs() < 0.03, "{found:?}");
    // With a third who is truthful nothing is gained together: a round alone against it is worth 1/6 to the pair either way.
    let trio = rows(&answer, "coalitions").iter().find(|row| {
        row["groups"] == serde_json::json!(["trio", "trio"])
            && row["policies"] == serde_json::json!(["rotate", "rotate"])
    });
    let trio = trio.expect("tried");
    assert!(number(trio, "low") < 0.01 && number(trio, "gain").abs() < 0.03, "{trio}");
}

#[test]
fn ten_iterations_of_cfr_have_their_exact_nash_conv() {
    // OpenSpiel's CFR on Kuhn poker, as `tests/suite/games/poker.rs` has it: NashConv after 10 iterations.
    let out = TempDir::new().unwrap();
    let kuhn = "scenarios/audit/kuhn_cfr.toml";
    let (answer, code) = audit(out.path(), kuhn, &["--seeds", "2", "--ticks", "60", "--budget", "2000"]);
    assert_eq!(code, 6);
    assert!((number(&answer["audit"], "nash_conv") - 0.137_397_587_634_315_1).abs() < 1e-9, "{answer}");
    let solved = ["first", "second"].map(|name| format!("policy.{name}.iterations=1000"));
    let more = ["--seeds", "2", "--ticks", "60", "--budget", "0", "--set", &solved[0], "--set", &solved[1]];
    let (answer, code) = audit(out.path(), kuhn, &more);
    assert_eq!(code, 0);
    assert!((number(&answer["audit"], "nash_conv") - 0.001_875_233_293_985_9).abs() < 1e-9, "{answer}");
}

#[test]
fn language_models_answer_in_audits_too() {
    let out = TempDir::new().unwrap();
    let run = said(&llmagentos(&[
        "run",
        SERVICE_DESK,
        "--quiet",
        "--no-compare",
        "--ticks",
        "30",
        "--out",
        text(out.path()),
    ]));
    let run = PathBuf::from(run.0.lines().last().expect("the folder"));
    let more = ["--policies", text(&run), "--seeds", "2", "--ticks", "12", "--budget", "12", "--epsilon", "1000"];
    let (answer, code) = audit(out.path(), SERVICE_DESK, &more);
    assert_eq!(code, 0, "{answer}");
    let folder = folder(&answer);
    assert!(folder.join("audit/cell0/s2000003/llm.jsonl").exists());
    let training = fs::read_dir(folder.join("training")).expect("trained").count();
    assert!(training > 0 && rows(&answer, "deviations").iter().any(|row| row["trained"] == true), "{answer}");
    verified(&folder, &["--replay"]);
}

#[test]
fn what_cannot_be_audited_is_told() {
    let out = TempDir::new().unwrap();
    let refused = |more: &[&str], words: &[&str]| {
        let arguments = ["audit", CLIMB, "--quiet", "--out", text(out.path())];
        let (stdout, stderr, code) = said(&llmagentos(&[&arguments[..], more].concat()));
        assert_eq!((stdout.as_str(), code), ("", 2), "{more:?}: {stderr}");
        let flat = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(flat.contains(word), "{more:?}: `{word}` in {stderr}");
        }
    };
    refused(
        &["--set", "audit.best_response={rows=\"learner\",columns=\"third\"}"],
        &["group \"rows\" decides by policy", "or is compared with it", "table of its own"],
    );
    refused(&["--set", "audit.best_response=thrid"], &["no policy \"thrid\"", "third"]);
    refused(&["--set", "audit.groups=[\"row\"]"], &["no group \"row\"", "did you mean `rows`?"]);
    refused(&["--set", "policy.learner={kind=\"random\"}"], &["does not learn", "q_learning"]);
    refused(&["--set", "audit.seeds=1"], &["`audit.seeds` is 1", "from 2 to 100000"]);
    refused(
        &["--set", "agents.rows.count=0", "--set", "agents.columns.count=6", "--set", "audit.groups=[\"rows\"]"],
        &["no agents at the start"],
    );
    // Profiles are counted before any is simulated.
    let many = out.path().join("many.toml");
    let mut scenario = String::from("name = \"many\"\nticks = 5\n[domain]\nkind = \"reference\"\n");
    let names: Vec<String> = (0..7).map(|number| format!("p{number}")).collect();
    scenario.extend(names.iter().map(|name| format!("[policy.{name}]\nkind = \"random\"\n")));
    let group =
        |name| format!("[[agents]]\nrole = \"bar\"\nname = \"{name}\"\npolicy = \"p0\"\ncompare = {:?}\n", &names[1..]);
    scenario.extend(["a", "b", "c"].map(group));
    fs::write(&many, scenario).unwrap();
    let (_, stderr, code) =
        said(&llmagentos(&["audit", text(&many), "--quiet", "--budget", "0", "--out", text(out.path())]));
    assert_eq!(code, 2);
    assert!(stderr.contains("343 profiles") && stderr.contains("256"), "{stderr}");
}
