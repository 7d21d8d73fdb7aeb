//! Whole runs of agents that decide with a language model: repeatable, replayable, in every world, and looked into.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::determinism::contents;
use crate::support::{SERVICE_DESK, llmagentos, run_into, said};

const PROMPTED: &str = "tests/suite/data/prompted_desk.toml";

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The rows of a table as cells by column name.
fn column(run: &Path, table: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_path(run.join(table)).unwrap_or_else(|error| panic!("{table}: {error}"));
    let place = reader.headers().expect("a header").iter().position(|header| header == name).expect("the column");
    reader.records().map(|row| row.expect("a row")[place].to_owned()).collect()
}

#[test]
fn a_run_repeats_itself_with_any_threads_and_from_its_transcript() {
    let out = TempDir::new().unwrap();
    let run = |name: &str, more: &[&str]| run_into(&out.path().join(name), PROMPTED, more);
    let first = run("1", &["--threads", "1"]);
    let same = |other: &Path, what: &str| {
        let (left, right) = (contents(&first), contents(other));
        assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>(), "{what}");
        for (name, bytes) in &left {
            assert!(*bytes == right[name], "{what}: {name} differs");
        }
    };
    same(&run("2", &["--threads", "2"]), "2 threads");
    same(&run("8", &["--threads", "8"]), "8 threads");
    same(&run("replay", &["--replay", text(&first)]), "replay");
    let (stdout, stderr, code) = said(&llmagentos(&["verify", text(&first), "--replay", "--quiet"]));
    assert_eq!(code, 0, "{stdout}{stderr}");

    // Every decision is there with its probability, and none was illegal.
    let decided = column(&first, "decisions.csv", "log_probability");
    assert!(decided.len() > 100, "{} decisions", decided.len());
    assert!(decided.iter().all(|value| value.parse::<f64>().is_ok_and(|value| value <= 0.0)));
    assert!(column(&first, "metrics.csv", "actions_illegal").iter().all(|count| count == "0"));
    let policies = column(&first, "decisions.csv", "policy");
    assert!(["prompted", "expert"].iter().all(|name| policies.iter().any(|policy| policy == name)), "{policies:?}");
    // A model is asked for all but those with one option; the readings and the words come on top.
    let with_choice = column(&first, "decisions.csv", "options").iter().filter(|count| *count != "1").count();
    let transcript = fs::read_to_string(first.join("llm.jsonl")).expect("a transcript");
    let calls: u64 = column(&first, "metrics.csv", "llm_calls").iter().map(|calls| calls.parse::<u64>().unwrap()).sum();
    assert_eq!(transcript.lines().count() as u64, calls);
    assert!(calls > with_choice as u64);
    assert!(transcript.contains("\"Embed\"") && transcript.contains("What you remember:"));

    // Four agents with at most eight experiences each.
    let rememberers = column(&first, "memories.csv", "agent");
    let of = |agent: &str| rememberers.iter().filter(|other| *other == agent).count();
    assert_eq!(["0", "1", "2", "3"].map(of), [8; 4]);
    assert_eq!(rememberers.len(), 32);
    let manifest = fs::read_to_string(first.join("manifest.json")).expect("a manifest");
    assert!(manifest.contains("\"policy.expert.template_path\"") && manifest.contains("memories.csv"), "{manifest}");
    // A contender without a language policy has no such tables.
    assert!(!first.join("compare/close_all/memories.csv").exists());
}

#[test]
fn another_seed_draws_other_actions() {
    let out = TempDir::new().unwrap();
    let actions = |seed: &str| {
        let run = run_into(&out.path().join(seed), PROMPTED, &["--seed", seed, "--no-compare", "--ticks", "60"]);
        column(&run, "decisions.csv", "action")
    };
    assert_ne!(actions("1"), actions("2"));
}

#[test]
fn every_world_takes_it_by_its_scenario() {
    let out = TempDir::new().unwrap();
    let worlds: [(&str, &[&str]); 3] = [
        (
            SERVICE_DESK,
            &[
                "policy.confirm_first={ kind = \"language_model\" }",
                "agents.service.policy=confirm_first",
                "agents.service.compare=[\"first_guess\", \"front\"]",
            ],
        ),
        (
            "tests/suite/data/market.toml",
            &[
                "policy.random={ kind = \"language_model\" }",
                "agents.trader.llm=small",
                "agents.trader.policy=random",
                "agents.trader.compare=[\"follow_news\", \"learner\", \"ignore_news\"]",
            ],
        ),
        ("tests/suite/data/classroom.toml", &["policy.pupil={ kind = \"language_model\" }"]),
    ];
    for (place, (scenario, changes)) in worlds.into_iter().enumerate() {
        let mut set = vec!["--ticks", "60", "--no-compare"];
        set.extend(changes.iter().flat_map(|change| ["--set", change]));
        let run = run_into(&out.path().join(place.to_string()), scenario, &set);
        let actions = column(&run, "decisions.csv", "action");
        assert!(actions.len() > 20, "{scenario}: {} decisions", actions.len());
        assert!(column(&run, "metrics.csv", "actions_illegal").iter().all(|count| count == "0"), "{scenario}");
        assert!(!run.join("memories.csv").exists(), "{scenario}: nobody remembers");
    }
}

#[test]
fn a_mind_whose_budget_is_spent_hands_over_to_its_fallback_and_decides_at_its_pace() {
    let out = TempDir::new().unwrap();
    let changes = [
        "policy.random={ kind = \"language_model\" }",
        "llm.thinker={ kind = \"scripted\", budget = { calls = 30 } }",
        "agents.trader.llm=thinker",
        "agents.trader.policy=random",
        "agents.trader.compare=[\"follow_news\", \"learner\", \"ignore_news\"]",
        "agents.trader.decide_every=3",
        "agents.trader.fallback=ignore_news",
    ];
    let mut set = vec!["--ticks", "90", "--no-compare"];
    set.extend(changes.iter().flat_map(|change| ["--set", change]));
    let run = run_into(out.path(), "tests/suite/data/market.toml", &set);
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    // The run goes on to its end, and says where the traders began to decide by the rule.
    assert_eq!((&manifest["outcome"], &manifest["ticks"]), (&"complete".into(), &90.into()));
    let spent = &manifest["budgets_spent"][0];
    assert_eq!(
        (&spent["model"], &spent["unit"], &spent["stopped"]),
        (&"thinker".into(), &"calls".into(), &false.into())
    );
    let end = spent["tick"].as_u64().expect("a tick");
    let ticks: Vec<u64> = column(&run, "decisions.csv", "tick").iter().map(|tick| tick.parse().unwrap()).collect();
    assert!(ticks.iter().all(|&tick| tick < end) && ticks.len() > 10, "{ticks:?} up to {end}");
    // Four traders, each at every third tick: two at most decide together, unless what they held became illegal.
    let repeated: Vec<u64> =
        column(&run, "metrics.csv", "actions_repeated").iter().map(|count| count.parse().unwrap()).collect();
    assert!(repeated.iter().skip(3).all(|&count| count <= 3) && repeated.iter().sum::<u64>() > 90, "{repeated:?}");
}

#[test]
fn a_group_without_a_model_is_told_where() {
    let scenario =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/data/market.toml")).unwrap();
    let line = scenario.lines().position(|line| line == "role = \"trader\"").expect("the traders");
    // The table of the group begins at the line before its role.
    let set = ["--set", "policy.follow_news={ kind = \"language_model\" }"];
    let (_, stderr, code) = said(&llmagentos(&[&["check", "tests/suite/data/market.toml"], &set[..]].concat()));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("group \"trader\" decides by `policy.follow_news`"), "{stderr}");
    assert!(stderr.contains(&format!("market.toml:{line}:1")), "{stderr}");
}

#[test]
fn files_that_are_not_there_are_told() {
    let set = "policy.expert.template_path=nowhere.jinja";
    let (_, stderr, code) = said(&llmagentos(&["check", PROMPTED, "--set", set]));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("nowhere.jinja cannot be read"), "{stderr}");
}

#[test]
fn prompts_of_a_run_can_be_looked_at() {
    let out = TempDir::new().unwrap();
    let run = run_into(out.path(), PROMPTED, &["--ticks", "60"]);
    let ticks = column(&run, "decisions.csv", "tick");
    let agents = column(&run, "decisions.csv", "agent");
    let place = agents.iter().rposition(|agent| agent == "2").expect("agent 2 decides");
    let whose = format!("{}@{}", agents[place], ticks[place]);
    let (stdout, stderr, code) = said(&llmagentos(&["prompt", text(&run), &whose]));
    assert_eq!(code, 0, "{stderr}");
    for part in [
        "── system\nRole: service. Persona: friendly and brief.\n",
        "What you remember:\n- ",
        "Situation:\ncustomer identified: ",
        "── options, with score and share\n",
        "to embed",
    ] {
        assert!(stdout.contains(part), "{part:?} is not in {stdout}");
    }
    let action = column(&run, "decisions.csv", "action")[place].replace('_', " ");
    assert!(stdout.contains(&action), "{action}: {stdout}");

    let asked = |arguments: &[&str]| said(&llmagentos(&[&["prompt", text(&run)], arguments].concat()));
    let (_, stderr, code) = asked(&["2@100000"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("agent 2 asked no language model at tick 100000") && stderr.contains("it did so at ticks "),
        "{stderr}"
    );
    let (_, stderr, code) = asked(&["99999@1"]);
    assert!(code == 2 && stderr.contains("it asked none in this run"), "{stderr}");
    let (_, stderr, code) = asked(&["2@1", "--contender", "nobody"]);
    assert!(code == 2 && stderr.contains("contenders of this run: close_all"), "{stderr}");
    let (_, stderr, code) = asked(&["two@1"]);
    assert!(code == 2 && stderr.contains("write AGENT@TICK with two numbers"), "{stderr}");

    // The run itself can show one at its end; the same words.
    let arguments = ["run", PROMPTED, "--ticks", "60", "--quiet", "--out", text(out.path()), "--show-prompt", &whose];
    let (shown, stderr, code) = said(&llmagentos(&arguments));
    assert_eq!(code, 0, "{stderr}");
    assert!(shown.contains(&stdout), "{shown}");
}
