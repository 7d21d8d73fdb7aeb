//! The world of tutors and students, run as a user runs it, with a scripted language model.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{llmagentos, run_into, said};

const CLASSROOM: &str = "tests/suite/data/classroom.toml";

/// A table of a run folder: header to column.
fn table(folder: &Path, name: &str) -> BTreeMap<String, Vec<String>> {
    let mut reader = csv::Reader::from_path(folder.join(name)).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut columns: BTreeMap<String, Vec<String>> = header.iter().map(|name| (name.clone(), vec![])).collect();
    for row in reader.records() {
        for (name, cell) in header.iter().zip(row.unwrap().iter()) {
            columns.get_mut(name).unwrap().push(cell.to_owned());
        }
    }
    columns
}

fn numbers(column: &[String]) -> Vec<f64> {
    column.iter().map(|cell| cell.parse().unwrap()).collect()
}

fn csv_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            files.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn threads_do_not_change_a_byte() {
    let out = tempfile::tempdir().unwrap();
    let run = |threads: &str| {
        let folder = run_into(&out.path().join(threads), CLASSROOM, &["--threads", threads, "--no-compare"]);
        (csv_files(&folder), fs::read(folder.join("llm.jsonl")).unwrap())
    };
    let one = run("1");
    for name in ["metrics.csv", "agents.csv", "episodes.csv", "components.csv", "messages.csv", "learning.csv"] {
        assert!(one.0[name].len() > 200, "{name} is empty");
    }
    for threads in ["2", "8"] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

/// Everything but the words and their cost is the same whoever speaks.
#[test]
fn words_never_change_a_students_state() {
    let out = tempfile::tempdir().unwrap();
    let plain = run_into(&out.path().join("a"), CLASSROOM, &["--no-compare"]);
    // Other personas, and students without a language model at all: other words, the same school.
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(CLASSROOM)).unwrap();
    let changed = text
        .replace("patient and clear", "stern, with a dry wit")
        .replace("persona = \"ten years old and shy\"\npolicy = \"pupil\"\nllm = \"small\"", "policy = \"pupil\"");
    assert_eq!(changed.lines().count(), text.lines().count() - 2);
    let path = out.path().join("other.toml");
    fs::write(&path, changed).unwrap();
    let other = run_into(&out.path().join("b"), path.to_str().unwrap(), &["--no-compare"]);
    for name in ["agents.csv", "episodes.csv", "components.csv", "learning.csv"] {
        assert!(fs::read(plain.join(name)).unwrap() == fs::read(other.join(name)).unwrap(), "{name}");
    }
    let (mut plain_metrics, mut other_metrics) = (table(&plain, "metrics.csv"), table(&other, "metrics.csv"));
    for metrics in [&mut plain_metrics, &mut other_metrics] {
        metrics.retain(|name, _| !name.starts_with("llm_"));
    }
    assert!(plain_metrics == other_metrics);
    let words = |folder: &Path| table(folder, "messages.csv").remove("text").unwrap();
    let (plain, other) = (words(&plain), words(&other));
    assert_eq!(plain.len(), other.len());
    assert!(plain != other, "the students do speak differently");
}

/// A course's reward is its worth: 100 a gain of 1, −0.1 a minute (the defaults), to single precision's rounding.
#[test]
fn rewards_add_up_to_gain_and_time() {
    let out = tempfile::tempdir().unwrap();
    let folder = run_into(out.path(), CLASSROOM, &["--no-compare"]);
    let episodes = table(&folder, "episodes.csv");
    let [gain, minutes, reward] = ["gain", "minutes", "reward"].map(|name| numbers(&episodes[name]));
    assert!(gain.len() > 20, "{} courses", gain.len());
    for ((gain, minutes), reward) in gain.iter().zip(&minutes).zip(&reward) {
        assert!((100.0 * gain - 0.1 * minutes - reward).abs() < 1e-9, "{gain} {minutes} {reward}");
    }
    // Two lessons of twenty minutes; the last thing begun in each is finished.
    assert!(minutes.iter().all(|&minutes| minutes < 43.0));
    // No course has known less at its end than at its start: knowledge is not unlearned, only not recalled.
    let [before, after] = ["known_at_start", "known_at_end"].map(|name| numbers(&episodes[name]));
    assert!(before.iter().zip(&after).all(|(before, after)| before <= after));
    assert!(before.iter().sum::<f64>() < after.iter().sum::<f64>());
}

/// Nothing is truly known whose prerequisites are not, however much it was practised.
#[test]
fn nothing_is_learned_before_what_it_builds_on() {
    let out = tempfile::tempdir().unwrap();
    let folder = run_into(
        out.path(),
        CLASSROOM,
        &[
            "--no-compare",
            "--set",
            "agents.tutor.policy=round_robin",
            "--set",
            "agents.tutor.compare=[\"mastery\", \"leitner\", \"tutor\"]",
            "--set",
            "domain.components_every=7",
        ],
    );
    let components = table(&folder, "components.csv");
    let mut known: BTreeMap<(String, String), BTreeMap<String, bool>> = BTreeMap::new();
    for (row, tick) in components["tick"].iter().enumerate() {
        let key = (tick.clone(), components["student"][row].clone());
        known.entry(key).or_default().insert(components["component"][row].clone(), components["known"][row] == "1");
        let [recall, believed, mastery] =
            ["recall", "recall_believed", "mastery"].map(|name| components[name][row].parse::<f64>().unwrap());
        assert!([recall, believed, mastery].iter().all(|value| (0.0..=1.0).contains(value)));
    }
    let needs = [
        ("subtract_within_20", "add_within_20"),
        ("multiplication_table", "add_two_digits"),
        ("division_facts", "multiplication_table"),
        ("percent_of", "division_facts"),
        ("add_unlike_fractions", "add_like_fractions"),
    ];
    let mut seen = 0;
    for student in known.values() {
        for (component, before) in needs {
            assert!(!student[component] || student[before], "{component} without {before}");
            seen += u32::from(student[component]);
        }
    }
    assert!(seen > 0, "somebody learned something");
}

fn refused(more: &[&str]) -> String {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_str().unwrap();
    let output = llmagentos(&[&["run", CLASSROOM, "--quiet", "--no-compare", "--out", out], more].concat());
    let (_, stderr, code) = said(&output);
    assert_eq!(code, 2, "{stderr}");
    stderr
}

#[test]
fn a_class_of_nobody_is_refused() {
    let stderr = refused(&["--set", "agents.student.count=0"]);
    assert!(stderr.contains("a class of zero students"), "{stderr}");
    assert!(stderr.contains("a count of at least 1"), "{stderr}");
    let stderr = refused(&["--set", "agents.tutor.count=0"]);
    assert!(stderr.contains("nobody has the role \"tutor\""), "{stderr}");
    // In the file it is told with its line, and before anything runs.
    let folder = tempfile::tempdir().unwrap();
    let sound = fs::read_to_string(CLASSROOM).unwrap();
    let check = |from: &str, to: &str| {
        assert!(sound.contains(from), "{from}");
        let text = sound.replacen(from, to, 1);
        let line = text.split(to).next().unwrap().matches('\n').count() + 1 + to.trim_end().matches('\n').count();
        let file = folder.path().join("empty.toml");
        fs::write(&file, text).unwrap();
        let (_, stderr, code) = said(&llmagentos(&["check", file.to_str().unwrap()]));
        assert_eq!(code, 2, "{stderr}");
        (stderr, format!("empty.toml:{line}:"))
    };
    let (stderr, place) = check("role = \"student\"\ncount = 5", "role = \"student\"\ncount = 0");
    assert!(stderr.contains("a class of zero students") && stderr.contains(&place), "{place} {stderr}");
    let (stderr, place) = check("role = \"tutor\"\ncount = 4", "role = \"tutor\"\ncount = 0");
    assert!(stderr.contains("nobody has the role \"tutor\"") && stderr.contains(&place), "{place} {stderr}");
}

/// Each mistake is told with the line of its key.
#[test]
fn bad_settings_are_told_with_their_line() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(CLASSROOM)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (line, expected) in [
        ("mastery = 1.5", "1.5 is outside (0, 1]"),
        ("threshold = -0.1", "-0.1 is outside [0, 1]"),
        ("hint_right = 2.0", "2 is outside [0, 1]"),
        ("lessons = 0", "0 is outside [1, 1000]"),
        ("lesson_minutes = 0.0", "0 is outside (0, 1000000]"),
        ("days_to_test = 0.001", "0.001 is outside (0.0208333"),
        ("forgetting_spread = -1.0", "-1 is outside [0, 5]"),
        ("strength_at_start = 0.5", "0.5 is outside [1, 1000000]"),
        ("minutes.item = 0.0", "0 is outside (0, 1000000]"),
        ("teaching.example = -1.0", "-1 is outside [0, 100]"),
        ("reward.minute = -1e7", "-10000000 is outside"),
        ("masterly = 0.9", "no key `masterly`"),
    ] {
        let changed = text
            .replace("lessons = 2\n", "")
            .replace("lesson_minutes = 20.0\n", "")
            .replace("components_every = 500", line);
        let at = 1 + changed.lines().position(|other| other == line).unwrap();
        let path = folder.path().join("bad.toml");
        fs::write(&path, &changed).unwrap();
        let (_, stderr, code) = said(&llmagentos(&["check", path.to_str().unwrap()]));
        assert_eq!(code, 2, "{line}: {stderr}");
        assert!(stderr.contains(expected), "{line}: {stderr}");
        assert!(stderr.contains(&format!("bad.toml:{at}:")), "{line} is not told with line {at}: {stderr}");
    }
}
