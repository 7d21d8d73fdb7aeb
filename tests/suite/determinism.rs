//! The same scenario with the same seed writes the same bytes, whatever the machine does meanwhile; and `verify` sees
//! every byte that is not as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use llmagentos::app::assets::Silent;
use llmagentos::app::{RunOptions, load_scenario, run_scenario};
use tempfile::TempDir;

use super::support::{SERVICE_DESK, WORLDS, assets, llmagentos, run_into, said};

/// Enough for arrivals, learning, specialists and customers who give up.
const SHORT: [&str; 2] = ["--ticks", "150"];

/// Every file below a folder with its bytes, except timings.json: wall time is no result.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(place) = waiting.pop() {
        for entry in fs::read_dir(&place).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if !path.ends_with("timings.json") {
                let name = path.strip_prefix(folder).expect("below it").to_str().expect("UTF-8").to_owned();
                files.insert(name, fs::read(&path).expect("readable"));
            }
        }
    }
    files
}

/// As an equality, but without megabytes of bytes in the message.
fn assert_same(left: &Path, right: &Path, what: &str) {
    let (left, right) = (contents(left), contents(right));
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>(), "{what}: other files");
    for (name, bytes) in &left {
        assert!(*bytes == right[name], "{what}: {name} differs");
    }
}

fn short_run(out: &Path, more: &[&str]) -> PathBuf {
    run_into(out, SERVICE_DESK, &[&SHORT[..], more].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// What `verify` says of a folder: its standard output and exit code.
fn verify(folder: &Path, more: &[&str]) -> (String, i32) {
    let (stdout, stderr, code) = said(&llmagentos(&[&["verify", text(folder), "--quiet"], more].concat()));
    assert!(stderr.is_empty(), "{stderr}");
    (stdout, code)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let out = TempDir::new().unwrap();
    let runs = ["1", "2", "8"].map(|threads| (threads, short_run(&out.path().join(threads), &["--threads", threads])));
    for (threads, run) in &runs[1..] {
        assert_same(&runs[0].1, run, &format!("--threads {threads}"));
    }
}

#[test]
fn the_order_of_unordered_systems_does_not_matter() {
    let out = TempDir::new().unwrap();
    let ticks = llmagentos::scenario::Override::ticks(150);
    let scenario = load_scenario(Path::new(SERVICE_DESK), &[ticks]).expect("a sound scenario");
    let run = |shuffle: Option<u64>| {
        let options = RunOptions {
            threads: 1,
            out: out.path().join(format!("{shuffle:?}")),
            replay: None,
            then_live: false,
            compare: true,
            quiet: true,
            stop: Arc::new(AtomicBool::new(false)),
            shuffle_systems: shuffle,
        };
        run_scenario(&scenario, &assets(), &mut Silent, &options).expect("a run").folder
    };
    let straight = run(None);
    for key in [1, 2, 3, 4, 5] {
        assert_same(&straight, &run(Some(key)), &format!("systems shuffled by {key}"));
    }
}

#[test]
fn the_seed_alone_decides() {
    let out = TempDir::new().unwrap();
    let one = short_run(&out.path().join("one"), &["--seed", "11"]);
    let two = short_run(&out.path().join("two"), &["--seed", "11"]);
    let other = short_run(&out.path().join("other"), &["--seed", "12"]);
    assert_same(&one, &two, "the same seed");
    assert_ne!(contents(&one)["metrics.csv"], contents(&other)["metrics.csv"], "another seed must matter");

    // The folder's name tells them apart: scenario, the beginning of the scenario's hash, seed.
    let manifest: serde_json::Value =
        serde_json::from_slice(&contents(&one)["manifest.json"]).expect("the manifest is JSON");
    let hash = manifest["scenario_sha256"].as_str().expect("a hash");
    let name = one.file_name().unwrap().to_str().unwrap();
    assert_eq!(name, format!("service_desk-{}-s11", &hash[..8]));
    assert!(text(&other).ends_with("-s12"), "{other:?}");
}

#[test]
fn a_replay_writes_the_same_bytes() {
    let out = TempDir::new().unwrap();
    let run = short_run(&out.path().join("run"), &[]);
    let replayed = short_run(&out.path().join("replayed"), &["--replay", text(&run)]);
    assert_same(&run, &replayed, "a replay");
}

#[test]
fn verify_finds_the_same_bytes() {
    let out = TempDir::new().unwrap();
    let run = short_run(out.path(), &[]);
    for more in [&[][..], &["--replay"], &["--threads", "1"]] {
        let (stdout, code) = verify(&run, more);
        assert_eq!((code, stdout.as_str()), (0, format!("{}: the same bytes\n", run.display()).as_str()), "{more:?}");
    }
}

/// Puts another byte in place of the first one at `line` (from 1) that is a digit.
fn change_digit(path: &Path, line: usize) -> usize {
    let mut lines: Vec<String> = fs::read_to_string(path).expect("text").lines().map(str::to_owned).collect();
    let column = lines[line - 1].find(|letter: char| letter.is_ascii_digit()).expect("a digit");
    let other = if lines[line - 1].as_bytes()[column] == b'7' { "8" } else { "7" };
    lines[line - 1].replace_range(column..=column, other);
    fs::write(path, lines.join("\n") + "\n").expect("written");
    column + 1
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).expect("readable");
    fs::write(path, &bytes[..bytes.len() - bytes.len() / 3]).expect("written");
}

#[test]
fn verify_names_what_was_changed() {
    let out = TempDir::new().unwrap();
    let run = short_run(&out.path().join("run"), &[]);
    let damaged = |name: &str| {
        let folder = out.path().join(name);
        copy(&run, &folder);
        folder
    };

    for name in ["metrics.csv", "messages.csv", "compare/first_guess/metrics.csv"] {
        let folder = damaged(&format!("changed {}", name.replace('/', " ")));
        let column = change_digit(&folder.join(name), 3);
        for more in [&[][..], &["--replay"]] {
            let (stdout, code) = verify(&folder, more);
            assert_eq!(code, 4, "{stdout}");
            assert!(stdout.starts_with(&format!("differs: {name}:3:{column}: recorded ")), "{stdout}");
        }
    }

    // A changed transcript: a run again shows the place; a replay cannot trust it and says so.
    let folder = damaged("changed transcript");
    let column = change_digit(&folder.join("llm.jsonl"), 2);
    let (stdout, code) = verify(&folder, &[]);
    assert_eq!(code, 4, "{stdout}");
    assert!(stdout.starts_with(&format!("differs: llm.jsonl:2:{column}: ")), "{stdout}");
    let (stdout, code) = verify(&folder, &["--replay"]);
    assert_eq!(code, 4, "{stdout}");
    assert!(stdout.starts_with("differs: llm.jsonl"), "{stdout}");

    for name in ["llm.jsonl", "compare/confirm_first/llm.jsonl"] {
        let folder = damaged(&format!("cut {}", name.replace('/', " ")));
        truncate(&folder.join(name));
        for more in [&[][..], &["--replay"]] {
            let (stdout, code) = verify(&folder, more);
            assert_eq!(code, 4, "{stdout}");
            assert!(stdout.starts_with(&format!("differs: {name}:")), "{stdout}");
        }
    }

    for name in ["episodes.csv", "llm.jsonl", "compare/trained/llm.jsonl", "policies/front.safetensors"] {
        let folder = damaged(&format!("without {}", name.replace('/', " ")));
        fs::remove_file(folder.join(name)).unwrap();
        for more in [&[][..], &["--replay"]] {
            let (stdout, code) = verify(&folder, more);
            assert_eq!(code, 4, "{stdout}");
            assert!(stdout.starts_with(&format!("differs: {name}: is missing")), "{stdout}");
        }
    }

    let folder = damaged("more");
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let (stdout, code) = verify(&folder, &[]);
    assert_eq!(
        (code, stdout.as_str()),
        (4, "differs: notes.txt: stands in the run folder, but the run does not write it\n")
    );

    // A run of another scenario would differ everywhere; the one file that was changed is named.
    let folder = damaged("another scenario");
    let path = folder.join("scenario.toml");
    let changed = fs::read_to_string(&path).unwrap().replace("arrivals_per_hour = 80.0", "arrivals_per_hour = 81.0");
    assert_ne!(changed, fs::read_to_string(run.join("scenario.toml")).unwrap());
    fs::write(&path, changed).unwrap();
    let (stdout, code) = verify(&folder, &[]);
    assert_eq!(code, 4, "{stdout}");
    assert!(stdout.starts_with("differs: scenario.toml: is not the scenario that was run"), "{stdout}");

    let folder = damaged("another manifest");
    let path = folder.join("manifest.json");
    let manifest = fs::read_to_string(&path).unwrap();
    let line = manifest.lines().position(|line| line == "  \"ticks\": 150,").expect("a line with the ticks") + 1;
    fs::write(&path, manifest.replacen("\"ticks\": 150", "\"ticks\": 151", 1)).unwrap();
    let (stdout, code) = verify(&folder, &["--replay"]);
    assert_eq!(code, 4, "{stdout}");
    assert!(stdout.starts_with(&format!("differs: manifest.json:{line}:14: ")), "{stdout}");
}

#[test]
fn nothing_is_overwritten() {
    let out = TempDir::new().unwrap();
    let first = short_run(out.path(), &[]);
    let before = contents(&first);
    assert_eq!(short_run(out.path(), &[]), first, "the same run keeps its folder");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1, "and leaves nothing beside it");
    assert_eq!(contents(&first), before);

    // Somebody's notes make it another folder: it stays as it is, and the new one stands beside it.
    fs::write(first.join("notes.txt"), "mine").unwrap();
    let second = short_run(out.path(), &[]);
    assert_eq!(text(&second), format!("{}.2", first.display()));
    assert_eq!(fs::read_to_string(first.join("notes.txt")).unwrap(), "mine");
    fs::remove_file(first.join("notes.txt")).unwrap();
    assert_same(&first, &second, "the second folder");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 2);
}

#[test]
fn runs_at_once_into_the_same_folder_end_well() {
    let out = TempDir::new().unwrap();
    let children: Vec<_> = (0..6)
        .map(|_| {
            Command::new(env!("CARGO_BIN_EXE_llmagentos"))
                .args(["run", SERVICE_DESK, "--quiet", "--threads", "1", "--out", text(out.path())])
                .args(SHORT)
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the command starts")
        })
        .collect();
    for child in children {
        let (_, stderr, code) = said(&child.wait_with_output().expect("it ends"));
        assert_eq!(code, 0, "{stderr}");
    }
    let alone = TempDir::new().unwrap();
    let expected = short_run(alone.path(), &[]);
    let names: Vec<_> = fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_same(&expected, &names[0], "a run among others");
}

#[test]
fn every_domain_has_a_scenario_to_be_tested_with() {
    let tested: Vec<&str> = WORLDS.iter().map(|(domain, ..)| *domain).collect();
    let known: Vec<&str> = llmagentos::domains::DOMAINS.iter().map(|domain| domain.kind().name).collect();
    assert_eq!(tested, known, "give every domain a line in WORLDS of tests/suite/support.rs");
}

#[test]
fn every_world_repeats_itself_with_any_threads_and_from_its_transcript() {
    for (domain, scenario, ticks) in WORLDS {
        let out = TempDir::new().unwrap();
        let run = |name: &str, more: &[&str]| {
            run_into(&out.path().join(name), scenario, &[&["--ticks", ticks], more].concat())
        };
        let first = run("1", &["--threads", "1"]);
        assert_same(&first, &run("2", &["--threads", "2"]), &format!("{domain}, 2 threads"));
        assert_same(&first, &run("8", &["--threads", "8"]), &format!("{domain}, 8 threads"));
        assert_same(&first, &run("replay", &["--replay", text(&first)]), &format!("{domain}, replay"));
        let other = run("seed", &["--seed", "99"]);
        let metrics = |run: &Path| fs::read(run.join("metrics.csv")).expect("metrics");
        assert!(metrics(&first) != metrics(&other), "{domain}: another seed makes no other run");
    }
}

/// Nothing after tick t is known in tick t, the end of the run included.
#[test]
fn a_longer_run_of_every_world_begins_like_a_shorter_one() {
    for (domain, scenario, ticks) in WORLDS {
        let out = TempDir::new().unwrap();
        let longer = (2 * ticks.parse::<u32>().expect("a number")).to_string();
        let metrics = |ticks: &str| {
            let run = run_into(&out.path().join(ticks), scenario, &["--ticks", ticks, "--no-compare"]);
            fs::read_to_string(run.join("metrics.csv")).expect("metrics")
        };
        let (short, long) = (metrics(ticks), metrics(&longer));
        for (line, (short, long)) in short.lines().zip(long.lines()).enumerate() {
            assert_eq!(short, long, "{domain}: metrics.csv:{}", line + 1);
        }
    }
}

#[test]
fn every_world_refuses_a_key_it_does_not_know() {
    for (domain, scenario, _) in WORLDS {
        let (_, stderr, code) = said(&llmagentos(&["check", scenario, "--set", "domain.nonsense_key=1"]));
        assert_eq!(code, 2, "{domain}: {stderr}");
        assert!(stderr.contains("`domain` has no key `nonsense_key`"), "{domain}: {stderr}");
    }
}
