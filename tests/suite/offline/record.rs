//! Files of transitions: the same bits come back, and what is damaged or someone else's is refused by line.

use llmagentos::base::{Action, ActionMenu, AgentId, LegalActions, Outcome, Space, Tick, Transitions};
use llmagentos::record::{RunFolder, TRANSITIONS, read_transitions, transition_columns};
use tempfile::TempDir;

fn space() -> Space {
    Space { terms: ["gain"].into(), ..Space::new(&["heat", "load"], ActionMenu::new(&["wait", "go", "stop"])) }
}

/// Rows with numbers that are hard to write down.
fn rows() -> Transitions {
    let hard = [f32::MIN_POSITIVE, f32::from_bits(1), -0.0, 0.1, f32::MAX, -1.0 / 3.0, 16_777_217.0, 1e-30];
    let outcomes = [Outcome::Continues, Outcome::Truncated, Outcome::Terminated, Outcome::Continues];
    let ends = |row: usize| outcomes[row] == Outcome::Terminated;
    Transitions {
        agents: [3, 0, 3, u32::MAX].map(AgentId).to_vec(),
        decided: [0, 7, 8, u64::MAX].map(Tick).to_vec(),
        features: hard.to_vec(),
        legal: [0b111, 0b010, 0b110, 0b101].map(LegalActions).to_vec(),
        actions: [2, 1, 2, 0].map(Action).to_vec(),
        log_probabilities: vec![Some(-1.0 / 3.0), Some(0.0), None, Some(-1e-300)],
        rewards: vec![0.2, -7.25, f32::EPSILON, 3e38],
        terms: vec![0.3, 0.0, -0.7, 1.0],
        next_features: (0..8).map(|place| if ends(place / 2) { 0.0 } else { -hard[place] }).collect(),
        next_legal: (0..4).map(|row| LegalActions(if ends(row) { 0 } else { 0b011 })).collect(),
        outcomes: outcomes.to_vec(),
    }
}

fn written(parts: &[&Transitions]) -> String {
    let out = TempDir::new().expect("a folder");
    let mut folder = RunFolder::create(out.path(), 1).expect("a folder");
    for part in parts {
        folder.append_transitions("front", &space(), part).expect("written");
    }
    folder.close_tables().expect("closed");
    std::fs::read_to_string(folder.path().join(TRANSITIONS).join("front.csv")).expect("there")
}

#[test]
fn transitions_come_back_with_the_same_bits() {
    let rows = rows();
    let text = written(&[&rows]);
    let back = read_transitions(text.as_bytes(), &space()).expect("sound");
    assert_eq!(back, rows);
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back.features), bits(&rows.features), "a negative zero is one too");
    assert_eq!(bits(&back.next_features), bits(&rows.next_features));
    // In pieces or at once: the same file; and what did not happen leaves a header.
    assert_eq!(
        written(&[&rows, &Transitions::default(), &rows]),
        text.clone() + text.split_once('\n').expect("a header").1
    );
    assert_eq!(written(&[&Transitions::default()]), text.lines().next().expect("a header").to_owned() + "\n");
}

#[test]
fn the_documented_columns_are_those_of_a_file() {
    let text = written(&[&rows()]);
    let header: Vec<&str> = text.lines().next().expect("a header").split(',').collect();
    let mut documented = Vec::new();
    for column in transition_columns().columns {
        match column.name.split_once('.') {
            Some((prefix, "FEATURE")) => documented.extend(["heat", "load"].map(|name| format!("{prefix}.{name}"))),
            Some((prefix, "ACTION")) => {
                documented.extend(["wait", "go", "stop"].map(|name| format!("{prefix}.{name}")));
            }
            Some((prefix, _)) => documented.push(format!("{prefix}.gain")),
            None => documented.push(column.name.to_owned()),
        }
    }
    assert_eq!(header, documented);
}

#[test]
fn what_is_no_recording_for_these_agents_is_refused_with_its_place() {
    let text = written(&[&rows()]);
    let line = |number: usize| text.lines().nth(number - 1).expect("a line");
    let with = |number: usize, new: &str| text.replacen(line(number), new, 1);
    let cells = |number: usize, place: usize, new: &str| {
        let mut cells: Vec<&str> = line(number).split(',').collect();
        cells[place] = new;
        with(number, &cells.join(","))
    };
    let header = || line(1).to_owned() + "\n";
    for (text, said) in [
        (String::new(), "line 1: it is no file of transitions"),
        (header(), "it holds no transitions"),
        ("a,b\n1,2\n".into(), "line 1: it is no file of transitions: its header does not begin with `tick,agent,"),
        (
            text.replace("heat", "cold"),
            "other features: they had [\"cold\", \"load\"], this policy's agents have [\"heat\", \"load\"]",
        ),
        (text.replace(".stop", ".halt"), "other actions: they had [\"wait\", \"go\", \"halt\"]"),
        (text.replace("gain", "loss"), "other terms: they had [\"loss\"]"),
        (text[..text.len() - 1].into(), "it is cut off: its last line has no end"),
        (text[..text.len() - 9].into(), "line 5: it is cut off or damaged"),
        (cells(3, 2, "wait"), "line 3, `action`: \"wait\" is none of the legal actions"),
        (cells(3, 2, "fly"), "line 3, `action`: \"fly\" is none of the legal actions"),
        (cells(2, 4, "NaN"), "line 2, `reward`: \"NaN\" is not a finite number"),
        (cells(2, 6, "inf"), "line 2, `seen.heat`: \"inf\" is not a finite number"),
        (cells(2, 7, ""), "line 2, `seen.load`: \"\" is not a finite number"),
        (cells(2, 1, "-1"), "line 2, `agent`: \"-1\" is no whole number"),
        (cells(2, 3, "0.5"), "line 2, `log_probability`: \"0.5\" is no logarithm of a probability"),
        (cells(2, 5, "over"), "line 2, `outcome`: \"over\" is no outcome"),
        (cells(2, 8, "2"), "line 2, `legal.wait`: \"2\" is neither 0 nor 1"),
        (cells(4, 11, "1"), "line 4, `next.heat`: the episode terminated, so that nothing can follow"),
        (cells(2, 13, "0").replacen(",0,1,0,0.3", ",0,0,0,0.3", 1), "line 2, `next_legal.wait`: nothing is legal next"),
    ] {
        let error = read_transitions(text.as_bytes(), &space()).expect_err(said);
        assert!(error.contains(said), "{error}\nand not\n{said}");
    }
}

#[test]
fn episodes_are_an_agents_rows_up_to_one_that_does_not_go_on() {
    let mut rows = rows();
    rows.outcomes = vec![Outcome::Continues, Outcome::Truncated, Outcome::Terminated, Outcome::Continues];
    // Agent 3 has rows 0 and 2, which ends; agent 0 row 1; the last agent row 3, which is open.
    assert_eq!(rows.episodes(), [vec![0, 2], vec![1], vec![3]]);
}
