//! Readers and speakers that policies declare: what is asked, what changes, what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{SERVICE_DESK, llmagentos, run_into, said};

/// Requests of agents in a transcript that read (five intents to choose from), and the others: those word an act.
fn asked(transcript: &Path) -> (usize, usize) {
    let text = fs::read_to_string(transcript).expect("a transcript");
    let mut reads: BTreeMap<u64, bool> = BTreeMap::new();
    for line in text.lines() {
        let call: Value = serde_json::from_str(line).expect("a line is JSON");
        let number = call["call"].as_u64().expect("a number");
        let is_reading = match call["same_as"].as_u64() {
            Some(earlier) => reads[&earlier],
            None => call["request"].to_string().contains("The customer wants to"),
        };
        reads.insert(number, is_reading);
    }
    let readings = reads.values().filter(|&&reading| reading).count();
    (readings, reads.len() - readings)
}

/// A table without these columns.
fn without(run: &Path, table: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(run.join(table)).expect("the table is there");
    let header = reader.headers().expect("a header").clone();
    let kept: Vec<usize> = (0..header.len()).filter(|&place| !columns.contains(&&header[place])).collect();
    assert_eq!(kept.len() + columns.len(), header.len(), "{columns:?} are columns of {table}");
    reader
        .records()
        .map(|row| kept.iter().map(|&place| row.as_ref().expect("a row")[place].to_owned()).collect())
        .collect()
}

/// The guess of the reader, which nobody makes where nobody reads.
const GUESSES: [&str; 2] = ["first_guess", "first_guess_right"];

/// Arguments that give all staff a reader of this weight.
fn readers(weight: &str) -> Vec<String> {
    ["front", "specialist"].iter().map(|policy| format!("policy.{policy}.reader={{weight={weight}}}")).collect()
}

fn run_with(out: &Path, settings: &[String], more: &[&str]) -> std::path::PathBuf {
    let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    run_into(out, SERVICE_DESK, &[&settings, more].concat())
}

#[test]
fn a_reader_that_counts_nothing_is_not_asked_and_changes_nothing_else() {
    let place = tempfile::tempdir().expect("a folder");
    // So small a power that every probability of the reader becomes 1 in double precision, beside being asked for.
    let faint = run_with(&place.path().join("faint"), &readers("1e-300"), &["--no-compare"]);
    let none = run_with(&place.path().join("none"), &readers("0"), &["--no-compare"]);
    assert!(asked(&faint.join("llm.jsonl")).0 > 5);
    assert_eq!(asked(&none.join("llm.jsonl")).0, 0, "nobody reads");
    assert_eq!(asked(&none.join("llm.jsonl")).1, asked(&faint.join("llm.jsonl")).1, "all speak");
    assert_eq!(without(&none, "episodes.csv", &GUESSES), without(&faint, "episodes.csv", &GUESSES));
    let read = run_with(&place.path().join("read"), &[], &["--no-compare"]);
    assert_ne!(without(&read, "episodes.csv", &GUESSES), without(&none, "episodes.csv", &GUESSES), "a reader counts");
}

#[test]
fn a_contender_brings_its_own_reader_and_speaker() {
    let place = tempfile::tempdir().expect("a folder");
    let settings = [
        "policy.confirm_first.reader={weight=0}".to_owned(),
        "policy.confirm_first.speaker={words=\"fixed\"}".to_owned(),
        // Specialists would read and speak in every run.
        "policy.specialist.reader={weight=0}".to_owned(),
        "policy.specialist.speaker={words=\"fixed\"}".to_owned(),
    ];
    let run = run_with(place.path(), &settings, &["--ticks", "150"]);
    let own = asked(&run.join("llm.jsonl"));
    assert!(own.0 > 0 && own.1 > 0, "{own:?}");
    assert_eq!(asked(&run.join("compare/confirm_first/llm.jsonl")), (0, 0));
    let (stdout, stderr, code) = said(&llmagentos(&["verify", run.to_str().expect("UTF-8"), "--quiet", "--replay"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
}

#[test]
fn a_speaker_changes_words_and_nothing_that_is_decided() {
    let place = tempfile::tempdir().expect("a folder");
    let speakers = |words: &str| {
        ["front", "specialist"].map(|policy| format!("policy.{policy}.speaker={{words=\"{words}\"}}")).to_vec()
    };
    let [choose, fixed] = ["choose", "fixed"].map(|words| {
        let run = run_with(&place.path().join(words), &speakers(words), &["--no-compare", "--ticks", "200"]);
        (
            without(&run, "episodes.csv", &[]),
            without(&run, "messages.csv", &["text"]),
            without(&run, "messages.csv", &[]),
            asked(&run.join("llm.jsonl")).1,
        )
    });
    assert_eq!((&choose.0, &choose.1), (&fixed.0, &fixed.1));
    assert_ne!(choose.2, fixed.2, "other words");
    assert!(choose.3 > 0 && fixed.3 == 0);
}

#[test]
fn an_analyst_without_a_reader_reports_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let run = |weight: &str| {
        let setting = format!("policy.honest.reader={{weight={weight}}}");
        run_into(
            &place.path().join(weight),
            "tests/suite/data/market.toml",
            &["--set", &setting, "--no-compare", "--ticks", "200"],
        )
    };
    let reports = |run: &Path| -> f64 {
        let mut reader = csv::Reader::from_path(run.join("metrics.csv")).expect("metrics");
        let place = reader.headers().expect("a header").iter().position(|name| name == "reports").expect("reports");
        reader.records().map(|row| row.expect("a row")[place].parse::<f64>().expect("a number")).sum()
    };
    let (read, unread) = (run("2"), run("0"));
    assert!(reports(&read) > 0.0);
    assert!(reports(&unread).abs() < 0.5);
    assert_eq!(fs::read_to_string(unread.join("llm.jsonl")).expect("a transcript"), "", "nobody is asked");
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    for (setting, words) in [
        (
            "policy.caller.reader={weight=1}",
            ["role \"customer\", which `policy.caller` decides for", "take `reader` away"],
        ),
        (
            "policy.caller.speaker={words=\"fixed\"}",
            ["says nothing that a language model words", "take `speaker` away"],
        ),
        ("policy.front.reader={wieght=1}", ["wieght", "weight"]),
        ("policy.front.reader={weight=-1}", ["policy.front.reader.weight", "0"]),
        ("policy.front.reder={weight=1}", ["reder", "reader"]),
        ("policy.front.speaker={words=\"sing\"}", ["sing", "choose"]),
        ("policy.front.speaker={tokens_max=0}", ["tokens_max", "1"]),
    ] {
        let (_, stderr, code) = said(&llmagentos(&["check", SERVICE_DESK, "--set", setting]));
        assert_eq!(code, 2, "{setting}: {stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{setting}: {stderr}");
    }
    let classroom = "tests/suite/data/classroom.toml";
    let text = fs::read_to_string(classroom).expect("a scenario");
    let policy = text.lines().find_map(|line| line.strip_prefix("[policy.")?.strip_suffix(']')).expect("a policy");
    let setting = format!("policy.{policy}.speaker={{words=\"write\"}}");
    let (_, stderr, code) = said(&llmagentos(&["check", classroom, "--set", &setting]));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("here words are \"choose\" or \"fixed\""), "{stderr}");
}
