//! One run as a user makes it: the real tasks, a real language model, then a replay that needs neither network nor
//! model.

use std::fs;

use tempfile::TempDir;

use super::support::{assets, llmagentos, model_file, run_into, said};
use llmagentos::app::assets::Silent;

const SCENARIO: &str = "scenarios/customer_service.toml";

#[test]
fn customer_service_with_a_real_model() {
    // Fetched once into the user's cache; without them this test fails and says why.
    model_file();
    for id in ["tau2-retail-tasks", "tau2-retail-db"] {
        assets().pull(id, &mut Silent).unwrap_or_else(|error| panic!("{error}"));
    }
    let out = TempDir::new().unwrap();
    let run = run_into(out.path(), SCENARIO, &["--ticks", "30", "--no-compare"]);

    // The transcript holds what a model said, in its own words, and its probabilities.
    let transcript = fs::read_to_string(run.join("llm.jsonl")).expect("a transcript");
    let lines: Vec<serde_json::Value> =
        transcript.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let fresh: Vec<&serde_json::Value> = lines.iter().filter(|line| line.get("answer").is_some()).collect();
    let text = fresh.iter().map(|line| line["answer"].to_string()).collect::<Vec<_>>().join("\n");
    assert!(fresh.len() >= 5, "only {} fresh answers", fresh.len());
    assert!(text.contains("scores"), "nothing was read:\n{text}");
    for line in &fresh {
        assert!(line["tokens"]["prompt"].as_u64().expect("a count") > 10, "{line}");
    }

    let manifest = fs::read_to_string(run.join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let measure = manifest["summary"]
        .as_array()
        .expect("a summary")
        .iter()
        .find(|row| row["name"] == "reader's first guess right")
        .expect("the reader's accuracy stands in the summary");
    assert!(measure["number"].as_f64().is_some_and(|share| share > 0.0 && share <= 1.0), "{measure}");
    assert_eq!(manifest["models"]["small"]["backend"], "candle");

    // The replay loads no model: it answers from the transcript, offline, and writes the same bytes.
    let run = run.to_str().expect("UTF-8");
    let (stdout, stderr, code) = said(&llmagentos(&["verify", run, "--replay", "--offline", "--quiet"]));
    assert_eq!((stderr.as_str(), code), ("", 0), "{stdout}");
}
