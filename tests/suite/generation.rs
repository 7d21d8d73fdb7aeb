//! Personas: made from a table or by a model, held to a floor of diversity, and lived in a world.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::support::{SERVICE_DESK, llmagentos, model_file, run_into, said};

const TABLE: &str = r#"
count = 400
seed = 5
text = "{mood}; waits about {patience_minutes} minutes, {turns_max} questions at most"

[traits.patience_minutes]
low = 2.0
high = 20.0
decimals = 1

[traits.turns_max]
values = { 5 = 1, 10 = 3 }

[traits.mood]
values = { calm = 2, cross = 1, never = 0 }
"#;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.0.path().join(name), text).expect("written");
        self.0.path().join(name)
    }

    /// What `generate` says, and its exit code.
    fn generate(&self, spec: &str, out: &str, more: &[&str]) -> (String, String, i32) {
        let (spec, out) = (self.file("spec.toml", spec), self.0.path().join(out));
        said(&llmagentos(&[&["generate", text(&spec), "--quiet", "--out", text(&out)], more].concat()))
    }

    /// What it makes.
    fn made(&self, spec: &str, out: &str, more: &[&str]) -> Value {
        let (_, stderr, code) = self.generate(spec, out, more);
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_slice(&fs::read(self.0.path().join(out)).expect("readable")).expect("JSON")
    }

    /// It fails so, and leaves nothing.
    fn fails(&self, spec: &str, expected: &[&str]) {
        let (stdout, stderr, code) = self.generate(spec, "nothing.json", &[]);
        assert_eq!((stdout.as_str(), code), ("", 2), "{stderr}");
        let flat = stderr.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in expected {
            assert!(flat.contains(expected), "{expected:?} is missing in {stderr}");
        }
        let names = fs::read_dir(self.0.path()).expect("a folder").flatten().map(|entry| entry.file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with("nothing")), "something was written");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn texts(made: &Value) -> Vec<&str> {
    let personas = made["personas"].as_array().expect("a list");
    personas.iter().map(|persona| persona["text"].as_str().expect("a text")).collect()
}

#[test]
fn a_table_is_drawn_from_as_declared() {
    let place = Place::new();
    let made = place.made(TABLE, "a.json", &[]);
    let personas = made["personas"].as_array().expect("a list");
    assert_eq!(personas.len(), 400);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut sum = 0.0;
    for persona in personas {
        let minutes = persona["traits"]["patience_minutes"].as_f64().expect("a number");
        let turns = persona["traits"]["turns_max"].as_f64().expect("a number");
        assert!((2.0..=20.0).contains(&minutes));
        assert!(persona["traits"]["mood"].is_null(), "words stand in the text only");
        let text = persona["text"].as_str().expect("a text");
        assert!(text.ends_with(&format!("; waits about {minutes:.1} minutes, {turns} questions at most")), "{text}");
        sum += minutes;
        *counts.entry(format!("{turns}")).or_default() += 1;
        *counts.entry(text.split(';').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    // Four standard errors: of a share p over 400, 4·sqrt(p(1−p)/400); of the mean, 4·18/sqrt(12·400).
    let near = |name: &str, share: f64| {
        let found = f64::from(counts[name]) / 400.0;
        assert!((found - share).abs() < 4.0 * (share * (1.0 - share) / 400.0).sqrt(), "{name}: {found}, not {share}");
    };
    near("5", 0.25);
    near("10", 0.75);
    near("calm", 2.0 / 3.0);
    assert!(!counts.contains_key("never"), "a weight of 0 is never drawn");
    assert!((sum / 400.0 - 11.0).abs() < 4.0 * 18.0 / (12.0_f64 * 400.0).sqrt());
    assert!(made["diversity"]["mean_distance"].is_null() && made["diversity"]["distinct_1"].as_f64() > Some(0.0));

    let again = fs::read(place.0.path().join("a.json")).expect("readable");
    place.made(TABLE, "b.json", &["--threads", "1"]);
    assert_eq!(fs::read(place.0.path().join("b.json")).expect("readable"), again);
    assert_ne!(place.made(TABLE, "c.json", &["--seed", "6"])["personas"], made["personas"]);
    // The first ones do not depend on how many are made.
    let fewer = place.made(&TABLE.replace("count = 400", "count = 7"), "d.json", &[]);
    assert_eq!(fewer["personas"].as_array().expect("a list")[..], personas[..7]);
}

#[test]
fn repetition_can_be_ruled_out() {
    let place = Place::new();
    let few = "text = \"{a} {b}\"\nwithout_repetition = true\ncount = 6\n\
               [traits.a]\nvalues = { x = 1, y = 9 }\n[traits.b]\nvalues = { 1 = 1, 2 = 5, 3 = 1 }\n";
    let made = place.made(few, "a.json", &[]);
    let different: BTreeSet<&str> = texts(&made).into_iter().collect();
    assert_eq!(different.len(), 6, "all that there are");
    place.fails(
        &few.replace("count = 6", "count = 7"),
        &["after 6 personas no other traits were found", "nothing was written"],
    );
}

#[test]
fn mistakes_in_the_declaration_are_told() {
    let place = Place::new();
    place.fails("count = 0\ntext = \"a\"\n", &["count"]);
    place.fails("count = 2\n", &["there must be either `text` or `[write]`"]);
    place.fails("count = 2\ntext = \"{who} waits\"\n", &["`{who}` is no trait"]);
    place.fails("count = 2\ntext = \"a\"\ncolour = 1\n", &["colour"]);
    place.fails(
        "count = 2\ntext = \"a\"\n[traits.a]\nlow = 3.0\nhigh = 1.0\n",
        &["trait `a` is not drawn from anything"],
    );
    place.fails(
        "count = 2\ntext = \"a\"\n[traits.a]\nvalues = { b = 0 }\n",
        &["weights are not negative, and one is above 0"],
    );
    place.fails("count = 2\ntext = \"a\"\ndiversity_min = 0.1\n", &["no model tells how far texts are"]);
    place.fails("count = 2\ntext = \"a\"\nembedder = \"e\"\n", &["there is no table [llm.e]"]);
    place.fails(
        "count = 2\ntext = \"a\"\nembedder = \"e\"\n[llm.e]\nkind = \"candel\"\n",
        &["unknown kind \"candel\"", "candle"],
    );
    place.fails("count = 2\ntext = \"a\"\n[llm.e]\nmodel = \"x\"\n", &["`llm.e` lacks the key `kind`"]);
    let (_, stderr, code) = said(&llmagentos(&["generate", "no/such/file.toml", "--out", "x.json"]));
    assert!(code == 2 && stderr.contains("there is no such file"), "{stderr}");
}

const WRITTEN: &str = r#"
count = 12
seed = 2

[traits.patience_minutes]
low = 2.0
high = 20.0
decimals = 0

[traits.work]
values = { nurse = 1, farmer = 1, teacher = 1, driver = 1 }

[write]
llm = "writer"
instruction = "Write one sentence about a {work} who shops online and waits at most {patience_minutes} minutes."
seeds = [
  "A nurse on night shift who wants short answers.",
  "A retired farmer who likes to chat.",
  "A teacher who checks every word twice.",
  "A lorry driver who calls from the road.",
]

[llm.writer]
kind = "scripted"
"#;

#[test]
fn a_model_writes_and_tells_how_unlike_they_are() {
    let place = Place::new();
    let made = place.made(WRITTEN, "a.json", &[]);
    let different: BTreeSet<&str> = texts(&made).into_iter().collect();
    assert_eq!(different.len(), 12);
    let distance = made["diversity"]["mean_distance"].as_f64().expect("the writer embeds too");
    assert!(distance > 0.0, "{distance}");
    assert_eq!(made["made"]["models"]["writer"]["backend"], "scripted");
    assert!(made["personas"][0]["traits"]["patience_minutes"].is_number());
    // The floor is held, and what was found is told.
    let floor = |least: f64| format!("diversity_min = {least}\n{WRITTEN}");
    place.made(&floor(distance * 0.99), "b.json", &[]);
    let found = format!("their mean distance is {distance:.4}, below diversity_min = 1.5");
    place.fails(&floor(1.5), &[&found, "distinct-1", "nothing was written"]);
    // What cannot be new is not made up.
    let (start, rest) = WRITTEN.split_once("instruction = ").expect("there is one");
    let short = format!(
        "{start}tries = 0\nexamples = 0\ninstruction = \"Go\"\n{}",
        &rest[rest.find("\nseeds").expect("seeds")..]
    );
    place.fails(&short, &["12 of 12 personas have no text of their own after 1 tries"]);
}

#[test]
fn the_embedded_model_writes_personas() {
    model_file();
    let place = Place::new();
    let spec = WRITTEN.replace("kind = \"scripted\"", "kind = \"candle\"").replace("count = 12", "count = 4");
    let made = place.made(&spec, "a.json", &[]);
    let different: BTreeSet<&str> = texts(&made).into_iter().collect();
    assert_eq!(different.len(), 4, "{different:?}");
    assert!(made["diversity"]["mean_distance"].as_f64() > Some(0.0), "{}", made["diversity"]);
    let again = fs::read(place.0.path().join("a.json")).expect("readable");
    place.made(&spec, "b.json", &["--threads", "1"]);
    assert_eq!(fs::read(place.0.path().join("b.json")).expect("readable"), again);
}

fn personas(list: &[(&str, &str)]) -> String {
    let one = |(text, traits): &(&str, &str)| format!("{{\"text\": \"{text}\", \"traits\": {{{traits}}}}}");
    format!("{{\"format\": 1, \"personas\": [{}]}}", list.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn measure(folder: &Path, name: &str) -> f64 {
    let manifest: Value =
        serde_json::from_slice(&fs::read(folder.join("manifest.json")).expect("readable")).expect("JSON");
    let summary = manifest["summary"].as_array().expect("a list");
    let names: Vec<&str> = summary.iter().filter_map(|settled| settled["name"].as_str()).collect();
    let found = summary.iter().find(|settled| settled["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} among {names:?}"))["number"].as_f64().expect("a number")
}

#[test]
fn the_world_reads_the_traits_of_its_agents() {
    let place = Place::new();
    let run = |name: &str, list: &[(&str, &str)]| {
        let file = place.file(&format!("{name}.json"), &personas(list));
        let set = format!("agents.customer.personas={}", text(&file));
        run_into(&place.0.path().join(name), SERVICE_DESK, &["--no-compare", "--ticks", "200", "--set", &set])
    };
    let hasty = run("hasty", &[("", "\"patience_minutes\": 0.01")]);
    let patient = run("patient", &[("", "\"patience_minutes\": 10000, \"turns_max\": 10000")]);
    let (few, many) = (measure(&patient, "gave up waiting"), measure(&hasty, "gave up waiting"));
    assert!(few == 0.0 && many > 0.3, "abandoned: {few} of the patient, {many} of the hasty");
    // In turn: every other customer of both kinds behaves as in a run with that kind alone.
    let both = run("both", &[("", "\"turns_max\": 1"), ("", "\"turns_max\": 10000, \"patience_minutes\": 10000")]);
    let rows = fs::read_to_string(both.join("episodes.csv")).expect("readable");
    let mut ended: BTreeMap<bool, BTreeSet<String>> = BTreeMap::new();
    let mut lines = rows.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let place_of =
        |name: &str| header.iter().position(|column| *column == name).unwrap_or_else(|| panic!("{header:?}"));
    let (number, outcome) = (place_of("customer"), place_of("outcome"));
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let even = cells[number].parse::<u64>().expect("a number").is_multiple_of(2);
        ended.entry(even).or_default().insert(cells[outcome].to_owned());
    }
    assert!(ended[&true].contains("hung_up") && !ended[&false].contains("hung_up"), "{ended:?}");
    let (stdout, stderr, code) = said(&llmagentos(&["verify", text(&both), "--quiet"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let manifest = fs::read_to_string(both.join("manifest.json")).expect("readable");
    assert!(manifest.contains("\"agents.customer.personas\""), "the file is not among the run's data");
}

#[test]
fn students_know_and_forget_as_their_personas_say() {
    let place = Place::new();
    let run = |name: &str, traits: &str| {
        let file = place.file(&format!("{name}.json"), &personas(&[("", traits)]));
        let set = format!("agents.student.personas={}", text(&file));
        let classroom = "tests/suite/data/classroom.toml";
        let folder =
            run_into(&place.0.path().join(name), classroom, &["--no-compare", "--ticks", "300", "--set", &set]);
        let rows = fs::read_to_string(folder.join("episodes.csv")).expect("readable");
        let mut lines = rows.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().expect("a header");
        let sum_of = |lines: &[Vec<&str>], name: &str| -> f64 {
            let column = header.iter().position(|column| *column == name).unwrap_or_else(|| panic!("{header:?}"));
            lines.iter().map(|cells| cells[column].parse::<f64>().expect("a number")).sum::<f64>() / lines.len() as f64
        };
        let lines: Vec<Vec<&str>> = lines.collect();
        assert!(!lines.is_empty(), "no course is over");
        (sum_of(&lines, "known_at_start"), sum_of(&lines, "post_test"))
    };
    let (nothing, _) = run("new", "\"prior_knowledge\": 0");
    let (much, keeps) = run("old", "\"prior_knowledge\": 100, \"forgetting\": 0");
    let (same, forgets) = run("lost", "\"prior_knowledge\": 100, \"forgetting\": 100");
    assert!(nothing == 0.0 && much > 1.0 && (same - much).abs() < 1.0, "{nothing}, {much}, {same}");
    assert!(keeps > forgets + 0.1, "{keeps} after the test without forgetting, {forgets} with much of it");
}

#[test]
fn speakers_of_a_group_speak_as_their_personas() {
    let place = Place::new();
    let file = place.file("staff.json", &personas(&[("gruff but fair", ""), ("sings every word", "")]));
    let set = format!("agents.service.personas={}", text(&file));
    let run = run_into(&place.0.path().join("out"), SERVICE_DESK, &["--no-compare", "--ticks", "150", "--set", &set]);
    let calls = fs::read_to_string(run.join("llm.jsonl")).expect("readable");
    assert!(calls.contains("gruff but fair") && calls.contains("sings every word"));
    assert!(!calls.contains("friendly and brief"), "the group's own persona is not used");
}

#[test]
fn files_of_personas_that_do_not_fit_are_refused() {
    let place = Place::new();
    let fails = |name: &str, content: &str, group: &str, expected: &str| {
        let file = place.file(name, content);
        let set = format!("agents.{group}.personas={}", text(&file));
        let out = place.0.path().join("out");
        let arguments = ["run", SERVICE_DESK, "--quiet", "--ticks", "5", "--out", text(&out), "--set", &set];
        let (_, stderr, code) = said(&llmagentos(&arguments));
        let flat = stderr.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(code == 2 && flat.contains(expected), "{expected:?} is missing in ({code}) {stderr}");
    };
    let odd = personas(&[("a", "\"patience_minutes\": 4"), ("b", "\"pateince\": 3")]);
    let known = "gives persona 1 the trait \"pateince\", but role \"customer\" of this domain knows patience_minutes, turns_max, misunderstanding";
    fails("a.json", &odd, "customer", known);
    fails(
        "b.json",
        &odd,
        "service",
        "gives persona 0 the trait \"patience_minutes\", but role \"service\" of this domain knows none",
    );
    fails(
        "c.json",
        &personas(&[("a", "\"misunderstanding\": 1.5")]),
        "customer",
        "misunderstanding = 1.5, which is outside 0 to 0.999",
    );
    fails("d.json", &personas(&[]), "customer", "holds 0 personas; there must be 1 to 60000");
    fails("e.json", "name = 1", "customer", "is no file of personas");
    fails("f.json", "{\"format\": 2, \"personas\": []}", "customer", "has format 2");
}
