//! Recording and learning from it as a user does: two runs, `verify`, and what is said where the second cannot have what it
//! asks for.

use std::fs;
use std::path::Path;

use llmagentos::base::{ActionMenu, Space};
use llmagentos::record::read_transitions;
use tempfile::TempDir;

use crate::support::{llmagentos, run_into, said};

const RECORD: &str = r#"
name = "recorded"
ticks = 60

[[agents]]
role = "cart_pole"
count = 4
policy = "hand"

[[agents]]
role = "frozen_lake"
count = 3
policy = "walk"

[policy.hand]
kind = "decision_list"
rules = [{ when = ["angular_velocity > 0"], act = "right" }, { act = "left" }]

[policy.walk]
kind = "random"

[domain]
kind = "reference"

[record]
transitions = ["hand", "walk"]
"#;

const LEARN: &str = r#"
name = "learned"
ticks = 60

[[agents]]
role = "cart_pole"
count = 4
policy = "clone"
compare = ["cql"]

[policy.clone]
kind = "behaviour_cloning"
data = ["RUN"]
data_policy = "hand"
epochs = 4

[policy.cql]
kind = "cql"
data = ["RUN"]
data_policy = "hand"
epochs = 2

[domain]
kind = "reference"
"#;

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

fn pole() -> Space {
    let own = Space::new(&["position", "velocity", "angle", "angular_velocity"], ActionMenu::new(&["left", "right"]));
    Space { terms: ["steps"].into(), ..own }
}

#[test]
fn what_a_rule_did_is_recorded_cloned_and_repeated() {
    let out = TempDir::new().expect("a folder");
    let run = run_into(out.path(), &written(out.path(), "record.toml", RECORD), &["--threads", "1"]);
    let verified = |run: &Path| {
        let (stdout, stderr, code) =
            said(&llmagentos(&["verify", run.to_str().expect("UTF-8"), "--quiet", "--threads", "8"]));
        assert_eq!(code, 0, "{stdout}{stderr}");
    };
    verified(&run);
    let file = fs::File::open(run.join("transitions/hand.csv")).expect("recorded");
    let rows = read_transitions(file, &pole()).expect("sound");
    // Of 60 decisions of each of 4 agents all but the last have an outcome; an end of an episode at the last tick has one
    // only at the next.
    assert_eq!(rows.len(), 4 * 59);
    assert!(rows.rewards.iter().all(|&reward| (reward - 1.0).abs() < 1e-6));
    assert!(rows.log_probabilities.iter().all(|told| *told == Some(0.0)), "a rule is certain of itself");
    let right = |row: usize| rows.features[row * 4 + 3] > 0.0;
    assert!((0..rows.len()).all(|row| rows.actions[row].index() == usize::from(right(row))));
    let walk = fs::read_to_string(run.join("transitions/walk.csv")).expect("recorded");
    assert!(walk.lines().skip(1).all(|line| line.contains(",-1.3862943611198906,")), "one of four");

    let text = LEARN.replace("RUN", run.to_str().expect("UTF-8"));
    let learned = run_into(out.path(), &written(out.path(), "learn.toml", &text), &["--threads", "1"]);
    verified(&learned);
    let table = |name: &str| fs::read_to_string(learned.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let studies = table("studies.csv");
    assert_eq!(studies.lines().filter(|line| line.starts_with("0,clone,")).count(), 4, "{studies}");
    assert!(table("learning.csv").lines().count() >= 2 && learned.join("policies/clone.safetensors").exists());
    assert!(
        table("manifest.json").contains("policy.clone.data[0]") && learned.join("compare/cql/metrics.csv").exists()
    );

    // What was learned is loaded like any policy, and then needs no recording.
    let path = learned.to_str().expect("UTF-8");
    let kept = text.replacen(
        &format!("data = [\"{}\"]", run.to_str().expect("UTF-8")),
        &format!("learn = false\nload = \"{path}\""),
        1,
    );
    let kept = run_into(out.path(), &written(out.path(), "kept.toml", &kept), &["--no-compare"]);
    assert_eq!(fs::read_to_string(kept.join("episodes.csv")).expect("there"), table("episodes.csv"));
}

#[test]
fn a_recording_that_is_not_to_be_had_is_told_with_its_policy_and_path() {
    let out = TempDir::new().expect("a folder");
    let run = run_into(out.path(), &written(out.path(), "record.toml", RECORD), &[]);
    let bare = RECORD.replace("transitions = [\"hand\", \"walk\"]", "").replace("\"recorded\"", "\"bare\"");
    let bare = run_into(out.path(), &written(out.path(), "bare.toml", &bare), &[]);
    let refused = |data: &Path, policy: &str| {
        let text = LEARN.replace("RUN", data.to_str().expect("UTF-8")).replace("\"hand\"", policy);
        let scenario = written(out.path(), "refused.toml", &text);
        let (_, stderr, code) =
            said(&llmagentos(&["run", &scenario, "--quiet", "--out", out.path().to_str().expect("UTF-8")]));
        assert_eq!(code, 2, "{stderr}");
        stderr.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let told = |data: &Path, policy: &str, expected: &str| {
        let told = refused(data, policy);
        assert!(told.contains("policy \"c") && told.contains(expected), "{told}\nand not\n{expected}");
    };
    told(&out.path().join("nowhere"), "\"hand\"", "there is no such file or folder");
    told(&bare, "\"hand\"", "the run recorded no transitions");
    told(&run, "\"front\"", "the run recorded no transitions of a policy \"front\", but those of \"hand\", \"walk\"");
    told(&run, "\"walk\"", "it was recorded for agents with other features");
    let file = run.join("transitions/hand.csv");
    told(&run.join("manifest.json"), "\"hand\"", "it is no file of transitions");
    let text = fs::read_to_string(&file).expect("there");
    let cut = out.path().join("cut.csv");
    fs::write(&cut, &text[..text.len() / 2]).expect("written");
    told(&cut, "\"hand\"", "it is cut off");
    fs::write(&cut, text.lines().next().expect("a header").to_owned() + "\n").expect("written");
    told(&cut, "\"hand\"", "it holds no transitions");
    // Whole lines may be missing: the run's manifest knows.
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(&file, lines[..lines.len() - 3].concat()).expect("written");
    told(&run, "\"hand\"", "is not what its run wrote");

    // Mistakes in the scenario itself.
    for (change, expected) in [
        (("data_policy = \"hand\"\nepochs = 4", "learn = true\nepochs = 0"), "epochs"),
        (("data = [\"RUN\"]\n", ""), "there is nothing to learn from"),
        (("[domain]", "[record]\ntransitions = [\"cql\"]\n[domain]"), "nobody decides by policy \"cql\""),
        (("[domain]", "[record]\ntransitions = [\"front\"]\n[domain]"), "there is no policy \"front\""),
    ] {
        let scenario = written(out.path(), "wrong.toml", &LEARN.replacen(change.0, change.1, 1));
        let (_, stderr, code) = said(&llmagentos(&["check", &scenario]));
        assert!(code == 2 && stderr.contains(expected), "{stderr}");
    }
}
