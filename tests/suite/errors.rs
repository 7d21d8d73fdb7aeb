//! Mistakes at the command: the exit code, and that the message says what is wrong, where, and what to do next.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::support::{SERVICE_DESK, llmagentos, run_into, said};

/// Fails unless the command ends with `code`, writes nothing to stdout, and says every fragment on stderr, told with
/// its line breaks and frame taken out.
fn fails(arguments: &[&str], code: i32, fragments: &[&str]) {
    let (stdout, stderr, found) = said(&llmagentos(arguments));
    assert_eq!(found, code, "{arguments:?}\n{stderr}");
    assert!(stdout.is_empty(), "{arguments:?} wrote to stdout: {stdout}");
    assert!(!stderr.contains('\u{1b}'), "colour in spite of NO_COLOR: {stderr:?}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let flat = stderr.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for fragment in fragments {
        assert!(flat.contains(fragment), "{arguments:?}: {fragment:?} is missing in:\n{stderr}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A place for one test's files.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), bytes).expect("written");
        self.path(name)
    }

    /// The service desk with `from`, which must be in it, made `to`.
    fn scenario(&self, from: &str, to: &str) -> PathBuf {
        let whole = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SERVICE_DESK)).expect("readable");
        assert!(whole.contains(from), "{from:?} is not in the scenario");
        self.file("scenario.toml", whole.replacen(from, to, 1))
    }

    /// `run` of the service desk with these settings fails so.
    fn run_fails(&self, more: &[&str], code: i32, fragments: &[&str]) {
        let out = self.path("out");
        fails(
            &[&["run", SERVICE_DESK, "--quiet", "--ticks", "20", "--out", text(&out)], more].concat(),
            code,
            fragments,
        );
        let left: Vec<_> = fs::read_dir(&out).map(|entries| entries.flatten().collect()).unwrap_or_default();
        assert!(left.is_empty(), "{more:?} left {left:?}");
    }
}

#[test]
fn scenario_files_that_cannot_be_read() {
    let place = Place::new();
    let missing = place.path("none.toml");
    fails(&["run", text(&missing)], 2, &["none.toml: there is no such file", "scenarios/"]);
    fails(
        &["check", text(place.0.path())],
        2,
        &["is a folder, not a scenario file", "scenarios/customer_service.toml"],
    );
    let empty = place.file("empty.toml", "");
    fails(
        &["check", text(&empty)],
        2,
        &["the scenario is empty", "`name`, `ticks` and `[domain]`", "kind = \"random\""],
    );
    let large = place.file("large.toml", "");
    fs::File::options().write(true).open(&large).unwrap().set_len(100 << 20).unwrap();
    fails(&["check", text(&large)], 2, &["104857600 bytes long", "8 MiB", "keep data in files of its own"]);
    let bytes = place.file("bytes.toml", b"name = \"\xff\"");
    fails(&["check", text(&bytes)], 2, &["not UTF-8 text: byte 8", "save the file with the encoding UTF-8"]);
    let open = place.file("open.toml", "name = \"x");
    fails(&["check", text(&open)], 2, &["open.toml:1:"]);
}

#[test]
fn scenarios_that_are_wrong() {
    let place = Place::new();
    let customers = "[[agents]]\nrole = \"customer\"\ncount = 0\npolicy = \"caller\"\n";
    for (from, to, fragments) in [
        ("ticks = 400", "tikcs = 400", &["has no key `tikcs`", "did you mean `ticks`?", ":5:1]"][..]),
        ("ticks = 400", "ticks = \"long\"", &["`ticks` must be a whole number, but is text"]),
        ("ticks = 400", "ticks = 0", &["`ticks` is 0, but must be from 1", "5 ticks = 0", "out of range"]),
        ("count = 4", "count = -4", &["`agents.service.count` is -4", "from 0 to 10000000"]),
        (
            "kind = \"q_learning\"",
            "kind = \"q_lerning\"",
            &["unknown kind \"q_lerning\"", "did you mean `q_learning`?"],
        ),
        ("policy = \"front\"", "policy = \"frnt\"", &["there is no policy \"frnt\"", "did you mean `front`?"]),
        ("role = \"service\"", "role = \"servce\"", &["has no role \"servce\"", "did you mean `service`?"]),
        ("feature = \"orders\"", "feature = \"ordrs\"", &["do not see a feature \"ordrs\"", "did you mean `orders`?"]),
        ("candidate == 0", "candidat == 0", &["do not see a feature \"candidat\"", "did you mean `candidate`?"]),
        ("act = \"close\"", "act = \"clos\"", &["have no action \"clos\"", "did you mean `close`?"]),
        ("satisfied == 1", "satisfied = 1", &["\"=\" is not an operator", "use < <= > >= or =="]),
        ("learning_rate = 0.05", "learning_rate = 0", &["0 is outside (0, 1]", "learning_rate = 0"]),
        ("learning_rate = 0.05", "learning_rate = 2", &["2 is outside (0, 1]", "give a number in (0, 1]"]),
        ("llm = \"small\"\n", "", &["agents of role \"service\" need a language model", "add `llm = \"NAME\"`"]),
        (customers, "", &["`policy.caller`", "not used", "policy = \"caller\""]),
        ("count = 4", "count = 0", &["nobody has the role \"service\"", "a count of at least 1", "scenario.toml:12:9"]),
        (
            customers,
            &format!("{customers}\n[[agents]]\nrole = \"customer\"\nname = \"others\"\npolicy = \"caller\"\n"),
            &["one group with role \"customer\", and there are 2", "scenario.toml:32:8"],
        ),
    ] {
        let path = place.scenario(from, to);
        for command in ["check", "run"] {
            fails(&[command, text(&path)], 2, fragments);
        }
    }
}

/// A message as a whole, with its frame: what, where with the line itself, what next.
#[test]
fn a_mistake_is_shown_in_its_line() {
    let place = Place::new();
    let path = place.scenario("policy = \"front\"", "policy = \"frnt\"");
    let (_, stderr, code) = said(&llmagentos(&["check", text(&path)]));
    assert_eq!(code, 2);
    let shown: Vec<&str> = stderr.lines().skip_while(|line| !line.contains("╭─[")).collect();
    assert!(shown[0].ends_with("scenario.toml:14:10]"), "{stderr}");
    assert_eq!(
        shown[1..7],
        [
            " 13 │ persona = \"friendly and brief\"",
            " 14 │ policy = \"frnt\"",
            "    ·          ───┬──",
            "    ·             ╰── not declared",
            " 15 │ compare = [\"first_guess\", \"confirm_first\"]",
            "    ╰────",
        ],
        "{stderr}"
    );
    assert!(shown[7].starts_with("  help: did you mean `front`?"), "{stderr}");
}

#[test]
fn settings_and_flags_that_are_wrong() {
    let place = Place::new();
    place.run_fails(
        &["--set", "agents.nobody.count=2"],
        2,
        &["no group of agents named `nobody`", "groups: `service`"],
    );
    place.run_fails(&["--set", "agents.service.count"], 2, &["the override has no `=`", "agents.front.count=12"]);
    place.run_fails(&["--set", "agents.service.count=many"], 2, &["must be a whole number, but is text"]);
    place.run_fails(&["--set", "nothing.at.all=1"], 2, &["nothing"]);
    place.run_fails(&["--seed", "-1"], 2, &["invalid value '-1' for '--seed <SEED>'"]);
    place.run_fails(&["--threads", "0"], 2, &["0 is not in 1..=1024"]);
    fails(&["run", SERVICE_DESK, "--ticks", "0"], 2, &["0 is not in 1..=1000000000"]);
    fails(&["rnu", SERVICE_DESK], 2, &["unrecognized subcommand 'rnu'", "--help"]);
    fails(&["run"], 2, &["required arguments", "<SCENARIO>"]);
    fails(&["verify", text(place.0.path())], 2, &["manifest.json: ", "name a run folder"]);
    place.run_fails(&["--replay", text(place.0.path())], 2, &["manifest.json: ", "name a run folder"]);
}

/// A GGUF file of version 3 without tensors, whose only setting is its architecture.
fn gguf(architecture: &str) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let text_type = 8_u32.to_le_bytes();
    [
        b"GGUF".to_vec(),
        3_u32.to_le_bytes().to_vec(),
        0_u64.to_le_bytes().to_vec(),
        1_u64.to_le_bytes().to_vec(),
        text("general.architecture"),
        text_type.to_vec(),
        text(architecture),
    ]
    .concat()
}

#[test]
fn models_that_are_not_to_be_had() {
    let place = Place::new();
    let with = |path: &Path, fragments: &[&str]| {
        let path = format!("llm.small.path={}", path.display());
        place.run_fails(&["--set", "llm.small.kind=candle", "--set", &path], 3, fragments);
    };
    place.run_fails(
        &["--set", "llm.small.kind=candle", "--set", "llm.small.model=smalllm"],
        2,
        &["there is no asset \"smalllm\"", "`llmagentos assets list`", "llm.small.model=smalllm"],
    );
    with(&place.path("none.gguf"), &["none.gguf cannot be read", "name a GGUF file with `path`"]);
    with(place.0.path(), &["cannot be read", "name a GGUF file with `path`"]);
    let other = ["name another file with `path`", "`llmagentos assets list`"];
    with(&place.file("words.gguf", "a letter to a friend"), &["words.gguf is no GGUF model file", other[0], other[1]]);
    with(&place.file("none.gguf", ""), &["none.gguf", other[0]]);
    let whole = gguf("llama");
    with(&place.file("cut.gguf", &whole[..whole.len() - 3]), &["cut.gguf is damaged", "fetch it again", other[0]]);
    with(
        &place.file("gpt2.gguf", gguf("gpt2")),
        &["architecture \"gpt2\"", "\"llama\", \"qwen2\", \"qwen3\", \"gemma3\"", other[0], other[1]],
    );
    with(&place.file("hollow.gguf", whole), &["hollow.gguf", other[0]]);
}

#[test]
fn data_that_is_not_to_be_had() {
    let place = Place::new();
    let with = |path: &Path, fragments: &[&str]| {
        let path = format!("domain.tasks_path={}", path.display());
        place.run_fails(&["--set", &path], 2, fragments);
    };
    let help = "name another with `tasks_path` in [domain]";
    with(&place.path("none.json"), &["none.json: No such file", help]);
    with(&place.file("empty.json", "[]"), &["empty.json: it holds no task", help]);
    with(&place.file("open.json", "[\n{"), &["open.json: ", "line 2", help]);
    with(&place.file("other.json", "{\"a\": 1}"), &["other.json: ", help]);
}

#[test]
fn saved_policies_that_do_not_fit() {
    let place = Place::new();
    let run = run_into(&place.path("runs"), SERVICE_DESK, &["--ticks", "50", "--no-compare"]);
    let load = |path: &Path| format!("policy.front.load={}", path.display());
    let help = "name a run of a scenario with the same `state`";
    place.run_fails(&["--set", &load(&place.path("none"))], 2, &["policy \"front\" cannot start from", "none", help]);
    let whole = fs::read(run.join("policies/front.safetensors")).expect("a saved policy");
    let cut = place.file("cut.safetensors", &whole[..whole.len() - 100]);
    place.run_fails(&["--set", &load(&cut)], 2, &["cut.safetensors", "not a safetensors file", help]);
    let other = r#"policy.front.state=[{ feature = "identified", levels = 2 }]"#;
    place.run_fails(&["--set", &load(&run), "--set", other], 2, &["policy \"front\" cannot start from", help]);
    // And one that fits is taken.
    run_into(&place.path("more"), SERVICE_DESK, &["--ticks", "50", "--no-compare", "--set", &load(&run)]);
}

const CLIFF: &str = "tests/suite/data/cliff.toml";

#[test]
fn policies_that_cannot_be_trained_or_evaluated() {
    let place = Place::new();
    let out = place.path("out");
    let out = text(&out);
    let with = |command: &str, more: &[&str], fragments: &[&str]| {
        fails(&[&[command, CLIFF, "--quiet", "--out", out], more].concat(), 2, fragments);
        let left = fs::read_dir(out).map(|entries| entries.flatten().count()).unwrap_or_default();
        assert_eq!(left, 0, "{command} {more:?} left something");
    };
    with("evaluate", &[], &["policy \"walk\" learns, and nothing says what it has learned", "--policies"]);
    let missing = place.path("none");
    with("evaluate", &["--policies", text(&missing)], &["none: there is no such folder", "`llmagentos train`"]);
    with("train", &["--resume", text(&missing)], &["none: there is no such folder", "`llmagentos train`"]);
    let file = place.file("file", "");
    with("evaluate", &["--policies", text(&file)], &["file: is a file, not a folder"]);
    let empty = place.path("empty");
    fs::create_dir_all(&empty).unwrap();
    with("evaluate", &["--policies", text(&empty)], &["empty: holds no policies/NAME.safetensors"]);
    with("train", &["--resume", text(&empty)], &["empty: holds no checkpoint/NAME.safetensors"]);
    with("evaluate", &["--seeds", "0"], &["0 is not in 1..=10000"]);
    with("train", &["--set", "train.evaluate_seeds=0"], &["`train.evaluate_seeds` is 0", "from 1 to 1000"]);
    with("train", &["--set", "train.patients=3"], &["has no key `patients`", "did you mean `patience`?"]);
    with(
        "train",
        &["--set", "train.measure=cliff_walking: retrun"],
        &["no measure of the summary is called \"cliff_walking: retrun\"", "did you mean `cliff_walking: return`?"],
    );
    with("train", &["--set", "agents.cliff_walking.policy=random"], &["no group decides by a policy that learns"]);
    with("train", &["--set", "policy.walk.learning_rate=10"], &["10 is outside (0, 1]", "give a number in (0, 1]"]);

    // What another policy learned, of another name, another state or half of a file.
    let runs = place.path("runs");
    let trained = said(&llmagentos(&["train", CLIFF, "--quiet", "--ticks", "20", "--out", text(&runs)]));
    let trained = PathBuf::from(trained.0.lines().last().expect("a folder"));
    let fewer = r#"policy.walk.state=[{ feature = "place", levels = 40 }]"#;
    let saved = ["policy \"walk\" cannot start from", "states differ"];
    with("evaluate", &["--policies", text(&trained), "--set", fewer], &saved);
    with("train", &["--resume", text(&trained), "--set", fewer], &saved);
    let kind = ["policy \"walk\" cannot start from", "algorithms differ: it was saved with \"q_learning\""];
    with("evaluate", &["--policies", text(&trained), "--set", "policy.walk.kind=sarsa"], &kind);
    let policy = trained.join("policies/walk.safetensors");
    let whole = fs::read(&policy).expect("a policy");
    fs::write(&policy, &whole[..whole.len() - 9]).unwrap();
    with("evaluate", &["--policies", text(&trained)], &["policy \"walk\" cannot start from", "not a safetensors file"]);
    fs::rename(&policy, policy.with_file_name("run.safetensors")).unwrap();
    with(
        "evaluate",
        &["--policies", text(&trained)],
        &["its policies/ has no walk.safetensors for the scenario's policy \"walk\", only the policies run"],
    );
    let load = format!("policy.walk.load={}", trained.display());
    with("run", &["--set", &load], &["walk.safetensors: there is no such file; the folder has the policies run"]);
}

#[test]
fn networks_that_cannot_be_trained() {
    let scenario = "scenarios/reference/cart_pole_dqn.toml";
    let check = |setting: &str, fragments: &[&str]| fails(&["check", scenario, "--set", setting], 2, fragments);
    check("policy.balance.optimiser.learning_rate=10", &["learning_rate", "10"]);
    // 10⁹ transitions of four features are 67 GB. On a machine that has as much there is nothing to refuse.
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    if kilobytes.is_some_and(|kilobytes| kilobytes < 60_000_000) {
        // Refused while the scenario is checked: nothing was allocated by then.
        let fragments = ["1000000000 transitions take 67.0 GB", "this machine has", "keep fewer transitions"];
        check("policy.balance.replay=1000000000", &fragments);
    }
    let place = Place::new();
    let out = place.path("out");
    let run = ["train", scenario, "--quiet", "--ticks", "40", "--out", text(&out)];
    let (stdout, stderr, code) = said(&llmagentos(&run));
    assert_eq!(code, 0, "{stderr}");
    let trained = stdout.lines().last().expect("a folder");
    let narrow = ["--set", "policy.balance.network.hidden=[7]", "--policies", trained];
    let evaluate = ["evaluate", scenario, "--quiet", "--out", text(&out)];
    fails(&[&evaluate[..], &narrow].concat(), 2, &["policy \"balance\" cannot start from", "differ"]);
}

#[test]
fn transcripts_of_another_run() {
    let place = Place::new();
    let run = run_into(&place.path("runs"), SERVICE_DESK, &["--ticks", "50", "--no-compare"]);
    // The run of another seed asks other things: its bytes cannot be those of the record.
    place.run_fails(&["--seed", "99", "--no-compare", "--replay", text(&run)], 4, &["transcript"]);
    // The comparison was left out, so that there is no transcript of it.
    fails(
        &["run", SERVICE_DESK, "--quiet", "--ticks", "50", "--out", text(&place.path("out")), "--replay", text(&run)],
        2,
        &["compare/first_guess/llm.jsonl", "replay needs the whole folder of a finished run"],
    );
}

#[test]
fn results_that_cannot_be_written() {
    let place = Place::new();
    let file = place.file("results", "in the way");
    fails(
        &["run", SERVICE_DESK, "--quiet", "--out", text(&file)],
        1,
        &["cannot create the results folder", "results", "a file is in the way", "--out"],
    );
    fails(&["run", SERVICE_DESK, "--quiet", "--out", text(&file.join("below"))], 1, &["results/below", "--out"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}
