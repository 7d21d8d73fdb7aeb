//! What language costs: memory across ticks, budgets, and the estimate of a run; each through a replay as well.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use llmagentos::base::{
    AgentId, Ask, BudgetUnit, Choices, LanguageError, LanguageModel, LanguageService, LanguageUsage, Prompt, Reply,
    Request, Tick,
};
use llmagentos::llm::{LanguageHub, ScriptedModel, SharedModel, Spent};
use llmagentos::scenario::{Budget, LanguageSettings, Remember};
use serde_json::Value;
use tempfile::TempDir;

use super::support::{SERVICE_DESK, Shared, WORLDS, llmagentos, run_into, said};

fn request(number: usize) -> Request {
    let options = ["yes", "no"].into_iter().map(Arc::from).collect();
    let prompt = Prompt { system: "".into(), prefix: "Well? ".into(), suffix: format!("number {number}").into() };
    Request { prompt, ask: Ask::Choose(Choices { options, content_free: None }) }
}

/// The scripted model, and how many requests each of its batches had.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<Vec<usize>>>);

impl LanguageModel for Counting {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        self.0.lock().expect("no thread panicked").push(requests.len());
        ScriptedModel::default().answer(requests)
    }

    fn identity(&self) -> Vec<(String, String)> {
        vec![]
    }
}

/// Asks these numbers at ticks 0, 1, 2, …; agent i asks the i-th of a tick. Gives how many were answered in each.
fn ask(hub: &LanguageHub, ticks: &[&[usize]]) -> Vec<Result<usize, String>> {
    let at = |(tick, numbers): (usize, &&[usize])| {
        let requests: Vec<Request> = numbers.iter().map(|&number| request(number)).collect();
        let agents: Vec<AgentId> = (0..numbers.len() as u32).map(AgentId).collect();
        let replies = hub.answer(Tick(tick as u64), 0, &agents, &requests);
        replies.map(|replies| replies.len()).map_err(|error| error.to_string())
    };
    ticks.iter().enumerate().map(at).collect()
}

fn hub(model: &Counting, transcript: &Shared, settings: LanguageSettings) -> LanguageHub {
    let models: Vec<(String, Box<dyn LanguageModel>)> = vec![("small".to_owned(), Box::new(model.clone()))];
    LanguageHub::new(models, Some(Box::new(transcript.clone()))).with_settings(vec![settings])
}

/// (calls, of the same tick, remembered).
fn counts(usage: LanguageUsage) -> (u64, u64, u64) {
    (usage.calls, usage.deduplicated, usage.remembered)
}

const TICKS: [&[usize]; 4] = [&[1, 2, 1], &[1, 3, 3], &[2, 1, 1], &[3]];

#[test]
fn answers_serve_as_long_as_declared() {
    // Entries kept from tick to tick, batches that reach the model, and (calls, of the same tick, remembered).
    let rows: [(Remember, u32, &[usize], (u64, u64, u64)); 4] = [
        (Remember::Run, 0, &[2, 1], (10, 3, 4)),
        (Remember::Tick, 0, &[2, 2, 2, 1], (10, 3, 0)),
        // After tick 0: 2, 1 in the order of use; after tick 1: 1, 3; after tick 2: 2, 1.
        (Remember::Run, 2, &[2, 1, 1, 1], (10, 3, 2)),
        // After tick 0: 1; after tick 1: 3; after tick 2: 1.
        (Remember::Run, 1, &[2, 1, 2, 1], (10, 3, 1)),
    ];
    for (remember, remember_entries, batches, counted) in rows {
        let (model, transcript) = (Counting::default(), Shared::default());
        let settings = LanguageSettings { remember, remember_entries, ..LanguageSettings::default() };
        let live = hub(&model, &transcript, settings);
        let answered = ask(&live, &TICKS);
        assert_eq!(*model.0.lock().expect("no thread panicked"), batches, "{settings:?}");
        assert_eq!(counts(live.usage()), counted, "{settings:?}");
        assert_eq!(live.usage().fresh(), batches.iter().sum::<usize>() as u64);

        let again = Shared::default();
        let replay = LanguageHub::replay(&transcript.text(), vec!["small".into()], Some(Box::new(again.clone())));
        let replay = replay.expect("the transcript is whole").with_settings(vec![settings]);
        assert_eq!(ask(&replay, &TICKS), answered);
        assert_eq!((again.text(), replay.usage()), (transcript.text(), live.usage()));
    }
}

#[test]
fn a_shared_model_remembers_as_declared() {
    for (remember, asked) in [(Remember::Run, 2), (Remember::Tick, 4)] {
        let model = Counting::default();
        let settings = LanguageSettings { remember, ..LanguageSettings::default() };
        let shared = SharedModel::new(Box::new(model.clone()), &settings);
        for _ in 0..2 {
            shared.answer(&[request(1), request(2)]).expect("an answer");
        }
        assert_eq!(model.0.lock().expect("no thread panicked").iter().sum::<usize>(), asked);
    }
}

#[test]
fn a_budget_ends_where_it_says() {
    let scripted = ScriptedModel::default().answer(&[request(0)]).expect("an answer")[0].tokens;
    let tokens = u64::from(scripted.prompt + scripted.answer);
    let numbers: Vec<usize> = (0..200).collect();
    let rows = [
        // The third request of tick 1 is refused; request 1 of tick 1 is known.
        (
            Budget { calls: Some(4), ..Budget::default() },
            &[&[0, 1][..], &[1, 2, 3, 4, 5]][..],
            4,
            (1, BudgetUnit::Calls),
        ),
        (Budget { calls: Some(0), ..Budget::default() }, &[&[0][..]], 0, (0, BudgetUnit::Calls)),
        // Reached by the second request, and looked at before the next batch.
        (Budget { tokens: Some(tokens + 1), ..Budget::default() }, &[&[0, 1], &[2]], 2, (1, BudgetUnit::Tokens)),
        // Looked at after every 64 requests of a batch.
        (Budget { tokens: Some(tokens), ..Budget::default() }, &[&numbers], 64, (0, BudgetUnit::Tokens)),
        (Budget { seconds: Some(2.5), ..Budget::default() }, &[&[0], &[1], &[2], &[3]], 3, (3, BudgetUnit::Seconds)),
    ];
    for (budget, ticks, fresh, (tick, unit)) in rows {
        let (model, transcript) = (Counting::default(), Shared::default());
        let settings = LanguageSettings { remember: Remember::Run, budget, ..LanguageSettings::default() };
        // Each look at this clock takes a second, and so does each batch.
        let looks = Mutex::new(0.0);
        let clock = move || {
            let mut looks = looks.lock().expect("no thread panicked");
            *looks += 1.0;
            *looks
        };
        let live = hub(&model, &transcript, settings).with_clock(clock);
        let answered = ask(&live, ticks);
        let last = answered.last().expect("a tick").as_ref().expect_err("the budget is spent");
        assert!(last.contains("\"small\"") && last.contains(&unit.to_string()), "{last}");
        assert_eq!(model.0.lock().expect("no thread panicked").iter().sum::<usize>(), fresh, "{budget:?}");
        assert_eq!(live.usage().fresh() as usize, fresh, "{budget:?}");
        assert_eq!(live.spent(), [("small".to_owned(), Spent { tick: Tick(tick), unit, evenly: 0 })], "{budget:?}");
        assert!(transcript.text().lines().last().expect("a line").ends_with(&format!("\"spent\":\"{unit}\"}}")));
        // From then on nothing is answered, known or not, and nothing written.
        let written = transcript.text();
        assert!(live.answer(Tick(50), 0, &[AgentId(0)], &[request(0)]).is_err());
        assert_eq!(transcript.text(), written);

        // A replay needs neither the budget nor the clock to end at the same place.
        let again = Shared::default();
        let replay = LanguageHub::replay(&written, vec!["small".into()], Some(Box::new(again.clone()))).expect("whole");
        assert_eq!(ask(&replay, ticks), answered);
        assert_eq!((again.text(), replay.usage(), replay.spent()), (written, live.usage(), live.spent()));
    }
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

/// Every file of a run but the one with times.
fn contents(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let manifest = json(run.join("manifest.json"));
    let names = manifest["files"].as_array().expect("files").iter();
    let names = names.map(|file| file["name"].as_str().expect("a name").to_owned()).chain(["manifest.json".to_owned()]);
    names.map(|name| (name.clone(), fs::read(run.join(name)).expect("a file"))).collect()
}

#[test]
fn a_spent_budget_leaves_a_whole_run_and_says_so() {
    let place = TempDir::new().unwrap();
    let mut runs = Vec::new();
    for threads in ["1", "2", "8"] {
        let out = place.path().join(threads);
        let arguments = ["--threads", threads, "--set", "llm.small.budget.calls=30", "--out", out.to_str().unwrap()];
        let (stdout, stderr, code) = said(&llmagentos(&[&["run", SERVICE_DESK][..], &arguments].concat()));
        assert_eq!(code, 5, "{stderr}");
        assert!(stderr.contains("the budget of calls of language model \"small\" was spent at tick"), "{stderr}");
        runs.push(PathBuf::from(stdout.lines().last().expect("the folder is printed")));
    }
    let first = contents(&runs[0]);
    assert!(runs[1..].iter().all(|run| contents(run) == first), "threads must not matter");

    let manifest = json(runs[0].join("manifest.json"));
    assert_eq!(manifest["outcome"], "budget spent");
    let spent = &manifest["budgets_spent"][0];
    assert_eq!((&spent["run"], &spent["unit"], &spent["stopped"]), (&"this run".into(), &"calls".into(), &true.into()));
    let metrics = fs::read_to_string(runs[0].join("metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count() as u64 - 1, manifest["ticks"].as_u64().expect("a count"));
    assert_eq!(spent["tick"], manifest["ticks"], "the tick that was not finished comes after the last one");
    let row = &manifest["language"][0];
    let number = |key: &str| row[key].as_u64().expect("a count");
    assert_eq!(number("calls") - number("deduplicated") - number("remembered"), 30);
    assert_eq!(manifest["language"].as_array().map(Vec::len), Some(1), "a run that stopped is compared with nothing");

    let run = runs[0].to_str().unwrap();
    for more in [&[][..], &["--replay"]] {
        let (stdout, stderr, code) = said(&llmagentos(&[&["verify", run, "--quiet"][..], more].concat()));
        assert_eq!(code, 0, "{stdout}{stderr}");
    }
}

#[test]
fn what_the_world_reads_is_left_to_equal_odds_where_groups_go_on() {
    let place = TempDir::new().unwrap();
    let mut runs = Vec::new();
    for threads in ["1", "2", "8"] {
        let out = place.path().join(threads);
        let (stdout, stderr, code) = said(&llmagentos(&[
            "run",
            SERVICE_DESK,
            "--set",
            "agents.service.fallback=first_guess",
            "--set",
            "agents.specialist.fallback=specialist",
            "--set",
            "llm.small.budget.calls=30",
            "--no-compare",
            "--threads",
            threads,
            "--out",
            out.to_str().unwrap(),
        ]));
        assert_eq!(code, 0, "{stderr}");
        assert!(stderr.contains("readings and choices of words were left to equal odds"), "{stderr}");
        runs.push(PathBuf::from(stdout.lines().last().expect("the folder is printed")));
    }
    let first = contents(&runs[0]);
    assert!(runs[1..].iter().all(|run| contents(run) == first), "threads must not matter");

    let manifest = json(runs[0].join("manifest.json"));
    let spent = &manifest["budgets_spent"][0];
    assert_eq!((&spent["unit"], &spent["stopped"]), (&"calls".into(), &false.into()));
    assert!(spent["answered_evenly"].as_u64().expect("a count") > 100, "{spent}");
    assert_eq!(manifest["ticks"], 400);
    let row = &manifest["language"][0];
    let number = |key: &str| row[key].as_u64().expect("a count");
    assert_eq!(number("calls") - number("deduplicated") - number("remembered"), 30, "no call more than the budget");

    let (stdout, stderr, code) = said(&llmagentos(&["verify", runs[0].to_str().unwrap(), "--quiet", "--replay"]));
    assert_eq!(code, 0, "{stdout}{stderr}");

    // One group that does not go on stops the run, and so do words that have no even answer.
    for more in [
        &[][..],
        &["--set", "agents.specialist.fallback=specialist", "--set", "policy.front.speaker={words=\"write\"}"],
    ] {
        let out = place.path().join("stops");
        let arguments = ["--set", "agents.service.fallback=first_guess", "--set", "llm.small.budget.calls=30"];
        let end = ["--no-compare", "--out", out.to_str().unwrap()];
        let (_, stderr, code) = said(&llmagentos(&[&["run", SERVICE_DESK][..], &arguments, more, &end].concat()));
        assert_eq!(code, 5, "{more:?}: {stderr}");
    }
}

#[test]
fn memory_changes_what_is_asked_and_nothing_else() {
    let place = TempDir::new().unwrap();
    let mut fresh = Vec::new();
    let mut agents = Vec::new();
    for (name, more) in [
        ("run", &["--set", "llm.small.remember=run"][..]),
        ("some", &["--set", "llm.small.remember=run", "--set", "llm.small.remember_entries=8"]),
        ("tick", &["--set", "llm.small.remember=tick"]),
    ] {
        let run = run_into(&place.path().join(name), SERVICE_DESK, &[more, &["--no-compare"]].concat());
        let row = json(run.join("manifest.json"))["language"][0].clone();
        let number = |key: &str| row[key].as_u64().expect("a count");
        fresh.push(number("calls") - number("deduplicated") - number("remembered"));
        agents.push(fs::read(run.join("agents.csv")).unwrap());
        let (stdout, stderr, code) =
            said(&llmagentos(&["verify", run.to_str().unwrap(), "--replay", "--offline", "--quiet"]));
        assert_eq!(code, 0, "{stdout}{stderr}");
    }
    assert!(fresh[0] < fresh[1] && fresh[1] < fresh[2], "{fresh:?}");
    assert!(agents.iter().all(|table| *table == agents[0]));
}

/// The first model's counts in an estimate, or in a run's `timings.json`.
fn metered(value: &Value) -> [u64; 4] {
    ["requests", "prompt_tokens", "reused_tokens", "answer_tokens"].map(|key| value[key].as_u64().expect("a count"))
}

fn estimate(scenario: &str, more: &[&str]) -> Value {
    let output = llmagentos(&[&["run", scenario, "--estimate", "--json", "--quiet"][..], more].concat());
    let (stdout, stderr, code) = said(&output);
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

#[test]
fn an_estimate_is_what_the_run_takes() {
    let place = TempDir::new().unwrap();
    for (name, scenario, _) in WORLDS {
        if !fs::read_to_string(scenario).expect("readable").contains("[llm.") {
            // Nobody asks a model there.
            continue;
        }
        let ticks = ["--ticks", "400"];
        let run = run_into(&place.path().join(name), scenario, &ticks);
        let taken = metered(&json(run.join("timings.json"))["models"]["small"]);
        let rows = json(run.join("manifest.json"))["language"].clone();
        let calls: u64 = rows.as_array().expect("rows").iter().map(|row| row["calls"].as_u64().expect("calls")).sum();

        // With every request asked in earnest the estimate is the run.
        let whole = estimate(scenario, &[&ticks[..], &["--pilot", "1000000"]].concat());
        assert_eq!(metered(&whole["models"][0]), taken, "{name}");
        assert_eq!(whole["models"][0]["calls"], calls, "{name}");
        // With few, it is near: within a tenth where answers do not change much of what is asked. Among negotiators each
        // price that a model names is in the next request.
        if name == "negotiation" {
            continue;
        }
        let rough = estimate(scenario, &[&ticks[..], &["--pilot", "32"]].concat());
        for (estimated, taken) in metered(&rough["models"][0]).into_iter().zip(taken) {
            assert!((estimated as f64 / taken as f64 - 1.0).abs() < 0.1, "{name}: {rough} for {taken}");
        }
    }
}

#[test]
fn an_estimate_reckons_the_price_and_tells_of_budgets() {
    let sets = [
        "--set",
        "llm.small.price_per_million_tokens.input=2",
        "--set",
        "llm.small.price_per_million_tokens.output=10",
        "--set",
        "llm.small.budget.calls=30",
    ];
    let told = estimate(SERVICE_DESK, &sets);
    let [requests, prompt, _, answer] = metered(&told["models"][0]);
    assert_eq!(requests, 30, "{told}");
    let price = told["models"][0]["price"].as_f64().expect("a price");
    assert!((price - (2 * prompt + 10 * answer) as f64 / 1e6).abs() < 1e-12, "{told}");
    assert_eq!(told["budgets_spent"][0]["unit"], "calls");
    let (_, stderr, code) = said(&llmagentos(&["run", SERVICE_DESK, "--pilot", "5"]));
    assert!(code == 2 && stderr.contains("--estimate"), "{stderr}");
}

#[test]
fn the_bench_names_what_it_cannot_find() {
    let (_, stderr, code) = said(&llmagentos(&["bench", "llm", "--model", "smalllm", "--quiet"]));
    assert!(code == 2 && stderr.contains("smalllm"), "{code}: {stderr}");
}
