//! Whole runs through the command: recorded, replayed without a network, replayed in part; and keys that stay hidden.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::server::{Manner, Server};
use super::{TIGHT, scenario_text};
use crate::support::said;

const KEY: &str = "sk-very-secret-0123456789";
const TICKS: &str = "60";

/// The command with the key in its environment.
fn with_key(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llmagentos"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .env("DESK_KEY", KEY)
        .output()
        .expect("the command starts")
}

struct Desk {
    place: TempDir,
    scenario: PathBuf,
}

impl Desk {
    fn new(url: &str, settings: &str) -> Self {
        let place = TempDir::new().expect("a folder");
        let scenario = place.path().join("desk.toml");
        let text = scenario_text(url, &format!("api_key_env = \"DESK_KEY\"\n{settings}"));
        fs::write(&scenario, text.replace("ticks = 400", &format!("ticks = {TICKS}"))).expect("written");
        Self { place, scenario }
    }

    /// `run` into a folder of its own; its output.
    fn output(&self, out: &str, more: &[&str]) -> Output {
        let out = self.place.path().join(out);
        with_key(&[&["run", text(&self.scenario), "--quiet", "--no-compare", "--out", text(&out)], more].concat())
    }

    /// The same, which succeeds; its run folder.
    fn run(&self, out: &str, more: &[&str]) -> PathBuf {
        let (stdout, stderr, code) = said(&self.output(out, more));
        assert_eq!(code, 0, "{stderr}");
        PathBuf::from(stdout.lines().last().expect("the folder is printed"))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The files of a run folder but its times.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").flatten().filter(|entry| entry.path().is_file());
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
    let mut files: Vec<(String, Vec<u8>)> =
        entries.map(|entry| (name(&entry), fs::read(entry.path()).expect("readable"))).collect();
    files.retain(|(name, _)| name != "timings.json");
    files.sort();
    files
}

/// The same but the scenario and the manifest, which tell of other settings.
fn results(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = files(folder);
    files.retain(|(name, _)| !["scenario.toml", "manifest.json"].contains(&name.as_str()));
    files
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).expect("readable")).expect("JSON")
}

#[test]
fn a_run_is_replayed_with_the_network_off_and_the_key_is_nowhere() {
    let server = Server::always(Manner::Echoes);
    let desk = Desk::new(&server.url, "price_per_million_tokens = { input = 2.0, output = 6.0 }\n");
    let live = desk.run("live", &[]);
    let calls = server.calls();
    let seen = server.seen();
    assert!(calls > 10, "the desk asked {calls} times");
    assert!(seen.iter().all(|seen| seen.authorization == Some(format!("Bearer {KEY}"))));
    drop(server);
    // Neither server nor key: the replay needs nothing of them.
    let replayed = desk.run("replayed", &["--replay", text(&live)]);
    assert!(files(&live) == files(&replayed), "the replay wrote other bytes");
    let (stdout, stderr, code) = said(&with_key(&["verify", text(&live), "--replay", "--quiet"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    for (name, bytes) in files(&live) {
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "the key stands in {name}");
    }
    let model = &json(&live, "manifest.json")["models"]["clerk"];
    assert_eq!(model["answered_by"], "nasty-1 Bearer <key>");
    assert_eq!((&model["backend"], &model["model"]), (&"openai".into(), &"nasty-1".into()));
    // Times and cost stand with the times.
    let times = &json(&live, "timings.json")["models"]["clerk"];
    let tokens = |name: &str| times[name].as_f64().expect("a number");
    assert!(times["requests"].as_u64() <= Some(calls as u64) && tokens("seconds") > 0.0);
    let cost = (tokens("prompt_tokens") * 2.0 + tokens("answer_tokens") * 6.0) / 1e6;
    assert!((tokens("cost") - cost).abs() < 1e-12 && cost > 0.0, "{times}");
    let resolved = said(&with_key(&["check", text(&desk.scenario), "--resolved"])).0;
    assert!(resolved.contains("api_key_env = \"DESK_KEY\"") && !resolved.contains(KEY), "{resolved}");
}

#[test]
fn a_server_that_fails_ends_the_run_without_a_trace() {
    let blaming = Server::always(Manner::Blames);
    let desk = Desk::new(&blaming.url, TIGHT);
    let (stdout, stderr, code) = said(&desk.output("out", &[]));
    assert_eq!((stdout.as_str(), code), ("", 3), "{stderr}");
    let flat = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "[llm.clerk]: the language model \"nasty-1\" at http://127.0.0.1:",
        "answered 500: wrong:",
        "<key>",
        "(tried 3 times)",
    ] {
        assert!(flat.contains(expected), "{expected:?} is missing in {stderr}");
    }
    assert!(!stderr.contains(KEY), "{stderr}");
    let left = fs::read_dir(desk.place.path().join("out")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "something of the run was kept");
    // Without the key nothing is asked at all.
    let keyless = Command::new(env!("CARGO_BIN_EXE_llmagentos"))
        .args(["run", text(&desk.scenario), "--quiet", "--out", text(&desk.place.path().join("out"))])
        .env_remove("DESK_KEY")
        .output()
        .expect("the command starts");
    let (_, stderr, code) = said(&keyless);
    assert_eq!(code, 2);
    assert!(stderr.contains("the environment variable DESK_KEY is not set"), "{stderr}");
}

#[test]
fn a_changed_prompt_is_told_and_a_declared_one_goes_on_live() {
    let server = Server::always(Manner::Good);
    let desk = Desk::new(&server.url, "timeout_seconds = 5.0\nretries = 0\n");
    let live = desk.run("live", &[]);
    let asked_live = server.calls();
    let changed = ["--set", "agents.service.persona=friendly and long", "--replay", text(&live)];

    // A replay of something else: which call, and the first character that differs.
    let (_, stderr, code) = said(&desk.output("changed", &changed));
    assert_eq!(code, 4, "{stderr}");
    let flat = stderr.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in ["agent ", " at tick ", "the prompt's system differs from character ", "brief", "now …"] {
        assert!(flat.contains(expected), "{expected:?} is missing in {stderr}");
    }
    assert_eq!(server.calls(), asked_live, "a replay asked the server");

    // Declared, the run goes on with the model from that call on.
    let partial = desk.run("partial", &[&changed[..], &["--then-live"]].concat());
    assert!(server.calls() > asked_live, "the server was not asked");
    let replay = &json(&partial, "manifest.json")["partial_replay"]["run"];
    let count = |name: &str| replay[name].as_u64().expect("a count");
    let lines = fs::read_to_string(partial.join("llm.jsonl")).expect("readable").lines().count() as u64;
    assert_eq!(count("from_record") + count("from_models") + count("remembered"), lines);
    assert!(count("from_record") > 0 && count("from_models") > 0, "{replay}");
    // One call more than there are requests: the prompt that says nothing, asked once for all readings.
    assert_eq!(count("from_models") + 1, (server.calls() - asked_live) as u64, "each was asked once");
    let departure = replay["departure"].as_str().expect("it departed");
    assert!(
        departure.starts_with("agent ") && departure.contains("the prompt's system differs from character"),
        "{departure}"
    );
    let first_lines = |folder: &Path| -> Vec<String> {
        let whole = fs::read_to_string(folder.join("llm.jsonl")).expect("readable");
        whole.lines().take(count("from_record") as usize).map(str::to_owned).collect()
    };
    assert_eq!(first_lines(&live), first_lines(&partial));

    // What came out is the same as if all had been asked live, and is itself replayed whole.
    let fresh = desk.run("fresh", &["--set", "agents.service.persona=friendly and long"]);
    assert!(results(&fresh) == results(&partial), "asked live from the start, another run came out");
    let asked = server.calls();
    let again = desk.run("again", &[&changed[..2], &["--replay", text(&partial)]].concat());
    assert!(files(&partial) == files(&again), "the replay of the partial replay wrote other bytes");
    let (stdout, stderr, code) = said(&with_key(&["verify", text(&partial), "--replay", "--quiet"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(server.calls(), asked);
    let (stdout, stderr, code) = said(&with_key(&["verify", text(&partial), "--quiet"]));
    assert_eq!(code, 0, "asked again live, the good server gives the same: {stdout}{stderr}");

    // Unchanged, no server is needed; changed, a server that is gone is an error.
    drop(server);
    let whole = desk.run("whole", &["--replay", text(&live), "--then-live"]);
    assert!(results(&whole) == results(&live), "nothing was changed, but another run came out");
    assert!(json(&whole, "manifest.json")["partial_replay"]["run"]["departure"].is_null());
    let (_, stderr, code) = said(&desk.output("gone", &[&changed[..], &["--then-live"]].concat()));
    assert_eq!(code, 3, "{stderr}");
    let (_, stderr, code) = said(&desk.output("alone", &["--then-live"]));
    assert!(code == 2 && stderr.contains("--replay"), "{stderr}");
}
