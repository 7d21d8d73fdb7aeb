//! Whole runs with advised learners: repeatable, replayable, and refused where an advisor cannot be one.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::determinism::contents;
use crate::support::{SERVICE_DESK, llmagentos, run_into, said};

const ADVISOR: &str = "policy.first_guess={ kind = \"language_model\", temperature = 0.2 }";
const PRIOR: &str = "policy.front={ kind = \"ppo\", rollout = 64, minibatch = 32, network = { hidden = [8] }, \
                     advice = { from = \"first_guess\", weight_transitions = 60, divergence = 0.1 } }";
const DISTILLED: &str = "policy.front={ kind = \"distilled\", advice = { from = \"first_guess\" }, confidence = 0.3, \
                         agreement = 0.3, checks = 10, learn_every = 8, optimiser = { learning_rate = 0.01 } }";

fn run(out: &Path, front: &str, more: &[&str]) -> PathBuf {
    let set = ["--set", ADVISOR, "--set", front, "--set", "record.learning_every=20"];
    let ticks = ["--ticks", "200", "--set", "agents.service.compare=[\"confirm_first\", \"first_guess\"]"];
    run_into(out, SERVICE_DESK, &[&set[..], &ticks, more].concat())
}

fn column(run: &Path, table: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_path(run.join(table)).unwrap_or_else(|error| panic!("{table}: {error}"));
    let place = reader.headers().expect("a header").iter().position(|header| header == name).expect("the column");
    reader.records().map(|row| row.expect("a row")[place].to_owned()).collect()
}

fn numbers(run: &Path, name: &str) -> Vec<u64> {
    column(run, "advice.csv", name).iter().map(|cell| cell.parse().expect("a count")).collect()
}

#[test]
fn advised_runs_repeat_themselves_with_any_threads_and_from_their_transcript() {
    for (name, front) in [("prior", PRIOR), ("distilled", DISTILLED)] {
        let out = TempDir::new().unwrap();
        let first = run(&out.path().join("1"), front, &["--threads", "1"]);
        let replay = first.to_str().expect("UTF-8");
        let others =
            [("2", vec!["--threads", "2"]), ("8", vec!["--threads", "8"]), ("replay", vec!["--replay", replay])];
        for (what, more) in others {
            let (left, right) = (contents(&first), contents(&run(&out.path().join(what), front, &more)));
            assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>(), "{name}, {what}");
            for (file, bytes) in &left {
                assert!(*bytes == right[file], "{name}, {what}: {file} differs");
            }
        }
        let [choices, asked, alone] = ["choices", "asked", "alone"].map(|column| numbers(&first, column));
        assert_eq!(asked.len(), 10, "a row every 20 ticks");
        assert!((0..10).all(|row| asked[row] + alone[row] == choices[row]), "{asked:?} {alone:?} {choices:?}");
        assert!(asked[0] == choices[0] && asked[0] > 0, "{name}: at first the advisor is always asked: {asked:?}");
        let late: u64 = asked[7..].iter().sum();
        if name == "prior" {
            assert_eq!(late, 0, "once there were 60 transitions nobody is asked: {asked:?}");
        } else {
            assert!(late < choices[7..].iter().sum(), "{asked:?} of {choices:?}");
        }
        // The advised policy's own contenders have its advisor, a rule has none.
        assert!(!first.join("compare/confirm_first/advice.csv").exists());
        assert!(first.join("policies/front.safetensors").exists() && first.join("compare/trained").exists());
        let manifest = std::fs::read_to_string(first.join("manifest.json")).expect("a manifest");
        assert!(manifest.contains("front: asked its advisor"), "{manifest}");
    }
}

#[test]
fn a_budget_that_an_advisor_spends_stops_the_run_or_leaves_it_to_the_fallback() {
    let out = TempDir::new().unwrap();
    let budget = "llm.small={ kind = \"scripted\", budget = { calls = 60 } }";
    let with = |more: &[&str]| {
        let set = ["--set", ADVISOR, "--set", PRIOR, "--set", budget, "--no-compare", "--ticks", "200"];
        let out = out.path().to_str().expect("UTF-8");
        let arguments = [&["run", SERVICE_DESK, "--quiet", "--out", out], &set[..], more].concat();
        let (stdout, stderr, code) = said(&llmagentos(&arguments));
        let run = PathBuf::from(stdout.lines().last().unwrap_or_else(|| panic!("{stderr}")));
        (std::fs::read_to_string(run.join("manifest.json")).expect("a manifest"), code)
    };
    let (manifest, code) = with(&[]);
    assert!(manifest.contains("\"outcome\": \"budget spent\""), "{manifest}");
    assert_eq!(code, 5);
    let fallbacks = ["agents.service.fallback=confirm_first", "agents.specialist.fallback=specialist"];
    let (manifest, code) = with(&["--set", fallbacks[0], "--set", fallbacks[1]]);
    assert!(manifest.contains("\"outcome\": \"complete\"") && manifest.contains("budgets_spent"), "{manifest}");
    assert_eq!(code, 0);
}

#[test]
fn what_cannot_advise_is_refused_where_it_stands() {
    let check = |set: &[&str]| {
        let set: Vec<&str> = set.iter().flat_map(|change| ["--set", change]).collect();
        let (_, stderr, code) = said(&llmagentos(&[&["check", SERVICE_DESK], &set[..]].concat()));
        assert_eq!(code, 2, "{stderr}");
        stderr
    };
    let front = "policy.front={ kind = \"ppo\", advice = { from = \"NAME\" } }";
    let stderr = check(&[&front.replace("NAME", "nobody")]);
    assert!(stderr.contains("there is no policy \"nobody\""), "{stderr}");
    let stderr = check(&[&front.replace("NAME", "confirm_first")]);
    assert!(stderr.contains("\"confirm_first\" of kind \"decision_list\" cannot advise"), "{stderr}");
    let remembering = "policy.first_guess={ kind = \"language_model\", memory = {} }";
    let stderr = check(&[remembering, &front.replace("NAME", "first_guess")]);
    assert!(stderr.contains("cannot advise: what it remembers"), "{stderr}");
    let stderr = check(&[ADVISOR, "policy.caller={ kind = \"a2c\", advice = { from = \"first_guess\" } }"]);
    assert!(stderr.contains("already serves role"), "{stderr}");
    let alone = "policy.other={ kind = \"language_model\" }";
    let stderr = check(&[alone, "policy.caller={ kind = \"a2c\", advice = { from = \"other\" } }"]);
    assert!(stderr.contains("group \"customer\" decides by `policy.caller`"), "{stderr}");
}
