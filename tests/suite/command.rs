//! The command as programs and people use it: streams, signals, generated files, help.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::determinism::contents;
use super::support::{SERVICE_DESK, llmagentos, run_into, said};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn entries(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.file_name().into_string().expect("UTF-8")).collect())
        .unwrap_or_default()
}

/// Runs a line of the shell from the root of the repository; `$P` is the command, `$S` the scenario, `$O` a folder.
fn shell(line: &str, out: &Path) -> (String, String, i32) {
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .envs([("P", env!("CARGO_BIN_EXE_llmagentos")), ("S", SERVICE_DESK), ("O", text(out)), ("NO_COLOR", "1")])
        .output()
        .expect("a shell");
    said(&output)
}

/// A run that is nowhere near its end, and writes already.
fn endless(out: &Path) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_llmagentos"))
        .args(["run", SERVICE_DESK, "--ticks", "1000000000", "--no-compare", "--out", text(out)])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // The folder appears at once, its first table after the first tick. The pause only spares the processor.
    while !entries(out).iter().any(|name| out.join(name).join("metrics.csv").exists()) {
        assert!(child.try_wait().expect("a state").is_none(), "it ended before it wrote");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
fn an_interrupt_leaves_nothing() {
    let out = TempDir::new().unwrap();
    let mut child = endless(out.path());
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(stderr.ends_with("error: interrupted; nothing of this run was kept\n"), "{stderr}");
    assert_eq!(entries(out.path()), Vec::<String>::new());
}

#[test]
fn a_killed_run_is_swept_by_the_next() {
    let out = TempDir::new().unwrap();
    let mut killed = endless(out.path());
    let mut alive = endless(out.path());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = entries(out.path());
    assert!(!left.is_empty() && left.iter().all(|name| name.starts_with(".partial-")), "{left:?}");
    let run = run_into(out.path(), SERVICE_DESK, &["--ticks", "40"]);
    let mine = format!(".partial-{}-", killed.id());
    let theirs = format!(".partial-{}-", alive.id());
    let left = entries(out.path());
    assert!(!left.iter().any(|name| name.starts_with(&mine)), "{left:?}");
    assert!(left.iter().any(|name| name.starts_with(&theirs)), "a run under way was swept: {left:?}");
    alive.kill().unwrap();
    alive.wait().unwrap();
    let (stdout, _, code) = said(&llmagentos(&["verify", text(&run)]));
    assert_eq!(code, 0, "{stdout}");
}

#[test]
fn a_full_disk_is_told() {
    let out = TempDir::new().unwrap();
    // No file may grow past so many blocks of 512 bytes; the system then refuses as it does where the disk is full.
    for blocks in [1, 4, 40] {
        let line = format!("trap '' XFSZ; ulimit -f {blocks}; \"$P\" run $S --quiet --out \"$O\"");
        let (stdout, stderr, code) = shell(&line, out.path());
        assert_eq!((stdout.as_str(), code), ("", 1), "{blocks} blocks: {stderr}");
        assert!(stderr.contains("File too large"), "{stderr}");
        assert!(stderr.contains("nothing of this run was kept"), "{stderr}");
        assert!(stderr.contains("free") && stderr.contains("choose another folder"), "{stderr}");
        assert_eq!(entries(out.path()), Vec::<String>::new(), "{blocks} blocks");
    }
    let (_, stderr, code) = shell("\"$P\" run $S --quiet --out \"$O\" > /dev/full", out.path());
    assert_eq!(code, 1);
    assert!(stderr.starts_with("error: cannot write the output: "), "{stderr}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let out = TempDir::new().unwrap();
    for line in [
        "run $S --quiet --out \"$O\"",
        "run $S --quiet --json --out \"$O\"",
        "check $S --resolved",
        "schema",
        "schema --markdown",
        "completions bash",
        "completions zsh",
        "assets list",
        "--help",
    ] {
        // The reader is gone before anything is written.
        let (_, stderr, code) = shell(&format!("{{ sleep 0.1; \"$P\" {line}; echo $? >&2; }} | true"), out.path());
        assert_eq!((stderr.as_str(), code), ("0\n", 0), "{line}");
    }
}

#[test]
fn json_stands_alone_on_stdout() {
    let out = TempDir::new().unwrap();
    let run = ["run", SERVICE_DESK, "--ticks", "60", "--out", text(out.path())];
    let (stdout, stderr, code) = said(&llmagentos(&[&run[..], &["--json", "--quiet"]].concat()));
    assert_eq!((stderr.as_str(), code), ("", 0));
    let json: serde_json::Value = serde_json::from_str(&stdout).expect("one JSON value");
    assert_eq!((&json["seed"], &json["ticks"]), (&3.into(), &60.into()));
    assert!(json["contenders"]["this run"]["customers"].as_f64().expect("a number") > 0.0, "{stdout}");
    let names: Vec<&String> = json["contenders"].as_object().expect("contenders").keys().collect();
    assert_eq!(names, ["this run", "first_guess", "confirm_first", "untrained", "trained"]);
    assert!(Path::new(json["folder"].as_str().expect("a path")).join("manifest.json").exists());

    // Without --quiet the talk goes to stderr, and stdout stays the same but for the time.
    let (loud, stderr, code) = said(&llmagentos(&[&run[..], &["--json"]].concat()));
    assert_eq!(code, 0);
    assert!(stderr.contains("language models: up to "), "{stderr}");
    assert!(!stderr.contains('\u{1b}'), "{stderr:?}");
    let mut again: serde_json::Value = serde_json::from_str(&loud).expect("one JSON value");
    again["seconds"] = json["seconds"].clone();
    assert_eq!(again, json);

    // The table ends with the folder, for scripts that take the last line.
    let (stdout, stderr, code) = said(&llmagentos(&[&run[..], &["--quiet"]].concat()));
    assert_eq!((stderr.as_str(), code), ("", 0));
    assert!(!stdout.contains('\u{1b}'), "{stdout:?}");
    assert_eq!(stdout.lines().last(), json["folder"].as_str());
}

#[test]
fn a_resolved_scenario_is_its_own() {
    let out = TempDir::new().unwrap();
    for scenario in scenarios().iter().map(|path| text(path)).chain([SERVICE_DESK]) {
        let (first, stderr, code) = said(&llmagentos(&["check", scenario, "--resolved", "--seed", "5"]));
        assert_eq!(code, 0, "{stderr}");
        let path = out.path().join("resolved.toml");
        fs::write(&path, &first).unwrap();
        let (second, stderr, code) = said(&llmagentos(&["check", text(&path), "--resolved"]));
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(first, second, "{scenario}");
    }
    // A run of it is the run of the original.
    let (resolved, _, _) = said(&llmagentos(&["check", SERVICE_DESK, "--resolved", "--ticks", "60"]));
    let path = out.path().join("resolved.toml");
    fs::write(&path, resolved).unwrap();
    let one = run_into(&out.path().join("one"), SERVICE_DESK, &["--ticks", "60"]);
    let two = run_into(&out.path().join("two"), text(&path), &[]);
    assert_eq!(one.file_name(), two.file_name());
    assert!(contents(&one) == contents(&two));
}

/// Files that the command writes and the repository keeps.
#[test]
fn generated_files_are_up_to_date() {
    for (arguments, name) in
        [(&["schema"][..], "assets/scenario.schema.json"), (&["schema", "--markdown"], "docs/SCENARIO.md")]
    {
        let (stdout, _, code) = said(&llmagentos(arguments));
        assert_eq!(code, 0);
        let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_default();
        let renew = format!("{name} is out of date: llmagentos {} > {name}", arguments.join(" "));
        assert!(stdout == kept, "{renew}");
    }
    let (schema, _, _) = said(&llmagentos(&["schema"]));
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("the schema is JSON");
    assert!(schema["properties"]["ticks"].is_object());
}

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut paths: Vec<PathBuf> = [folder.clone(), folder.join("reference")]
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).expect("scenarios/"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

#[test]
fn scenarios_are_sound_and_say_what_they_show() {
    for path in scenarios() {
        let (stdout, stderr, code) = said(&llmagentos(&["check", text(&path)]));
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.contains(": sound ("), "{stdout}");
        let file = fs::read_to_string(&path).unwrap();
        let head: Vec<&str> = file.lines().take_while(|line| line.starts_with('#')).collect();
        for word in ["# Shows: ", "# Takes: "] {
            assert!(head.iter().any(|line| line.starts_with(word)), "{}: no line {word:?}", path.display());
        }
    }
}

#[test]
fn help_tells_every_flag() {
    let common = ["--threads", "--offline", "--quiet"];
    let scenario = ["<SCENARIO>", "--seed", "--ticks", "--set"];
    for (command, flags) in [
        (
            &["run"][..],
            [
                &scenario[..],
                &common,
                &["--out", "--replay", "--then-live", "--no-compare", "--estimate", "--pilot", "--json"],
            ]
            .concat(),
        ),
        (&["train"], [&scenario[..], &common, &["--out", "--resume", "--json"]].concat()),
        (&["evaluate"], [&scenario[..], &common, &["--policies", "--seeds", "--out", "--json"]].concat()),
        (
            &["audit"],
            [&scenario[..], &common, &["--policies", "--epsilon", "--seeds", "--budget", "--out", "--json"]].concat(),
        ),
        (&["check"], [&scenario[..], &["--resolved"]].concat()),
        (&["verify"], [&common[..], &["<RUN>", "--replay"]].concat()),
        (&["bench", "llm"], [&common[..], &["--model", "--repetitions", "--json"]].concat()),
        (&["generate"], [&common[..], &["<SPEC>", "--out", "--seed"]].concat()),
        (&["schema"], vec!["--markdown"]),
        (&["completions"], vec!["<SHELL>", "bash"]),
        (&["assets"], vec!["list", "pull", "path", "verify"]),
        (&[], vec!["run", "check", "verify", "assets", "schema", "completions", "Exit codes", "130", "--version"]),
    ] {
        let (help, stderr, code) = said(&llmagentos(&[command, &["--help"]].concat()));
        assert_eq!((stderr.as_str(), code), ("", 0));
        for flag in flags {
            assert!(help.contains(flag), "{command:?} --help says nothing of {flag}:\n{help}");
        }
    }
    let (script, _, code) = said(&llmagentos(&["completions", "bash"]));
    assert_eq!(code, 0);
    for word in ["_llmagentos()", "--no-compare", "--resolved", "--markdown"] {
        assert!(script.contains(word), "{word}");
    }
    let (version, _, _) = said(&llmagentos(&["--version"]));
    assert_eq!(version, format!("llmagentos {}\n", env!("CARGO_PKG_VERSION")));
}
