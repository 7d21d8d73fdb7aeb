//! The curriculum: what comes with the program is sound, and what is not sound is refused by name and line.

use std::collections::BTreeSet;

use llmagentos::base::Chance;
use llmagentos::domains::tutoring::{Curriculum, SCHOOL_ARITHMETIC};

/// The value of an expression of the generator's: whole numbers, decimals and fractions over `+ - x :`, the remainder,
/// percentages; a second way to each answer, by reading the question.
fn value(question: &str) -> f64 {
    let question = question.split(" over ").next().unwrap().trim_end_matches(" in lowest terms");
    if let Some(division) = question.strip_prefix("the remainder of ") {
        let (a, b) = division.split_once(" : ").unwrap();
        return f64::from(a.parse::<i32>().unwrap() % b.parse::<i32>().unwrap());
    }
    if let Some((percent, of)) = question.split_once("% of ") {
        return percent.parse::<f64>().unwrap() * of.parse::<f64>().unwrap() / 100.0;
    }
    for (sign, apply) in [
        (" + ", (|a, b| a + b) as fn(f64, f64) -> f64),
        (" - ", |a, b| a - b),
        (" x ", |a, b| a * b),
        (" : ", |a, b| a / b),
        ("/", |a, b| a / b),
    ] {
        if let Some((left, right)) = question.split_once(sign) {
            return apply(value(left), value(right));
        }
    }
    question.parse().unwrap()
}

#[test]
fn every_generated_item_is_right_and_its_wrong_answers_are_wrong() {
    for seed in 0..20 {
        let curriculum = Curriculum::read(SCHOOL_ARITHMETIC.as_bytes(), 20, Chance::new(seed)).unwrap();
        assert!(curriculum.len() >= 12);
        for component in &curriculum.components {
            assert_eq!(component.items.len(), 20);
            for item in &component.items {
                let right = value(&item.question);
                assert!((value(&item.answer) - right).abs() < 1e-9, "{item:?} is {right}");
                assert!(item.solution.last().unwrap().contains(&*item.answer), "{item:?}");
                assert!(!item.wrong.is_empty(), "{item:?}");
                for wrong in &item.wrong {
                    // Half-simplified fractions have the right value but not the form that was asked for.
                    let in_lowest_terms = item.question.contains("lowest terms");
                    assert!(in_lowest_terms || (value(wrong) - right).abs() > 1e-9, "{item:?}");
                    assert_ne!(*wrong, item.answer);
                }
                let different: BTreeSet<_> = item.wrong.iter().collect();
                assert_eq!(different.len(), item.wrong.len(), "{item:?}");
            }
        }
    }
}

#[test]
fn items_are_a_function_of_the_seed() {
    let read = |seed| Curriculum::read(SCHOOL_ARITHMETIC.as_bytes(), 5, Chance::new(seed)).unwrap();
    let questions = |curriculum: Curriculum| -> Vec<_> {
        curriculum.components.into_iter().flat_map(|component| component.items).collect()
    };
    assert_eq!(questions(read(1)), questions(read(1)));
    assert_ne!(questions(read(1)), questions(read(2)));
}

#[test]
fn components_stand_behind_what_they_build_on() {
    let curriculum = Curriculum::read(SCHOOL_ARITHMETIC.as_bytes(), 1, Chance::new(0)).unwrap();
    for (place, component) in curriculum.components.iter().enumerate() {
        assert!(component.prerequisites.iter().all(|&before| before < place), "{}", component.id);
    }
    // By hand: add_two_digits builds on add_within_20 only, so it is known at first with .95 · .85.
    let place = curriculum.components.iter().position(|component| &*component.id == "add_two_digits").unwrap();
    assert!((curriculum.known_at_start(place) - 0.95 * 0.85).abs() < 1e-12);
}

fn component(id: &str, prerequisites: &str, items: &str) -> String {
    format!(
        r#"{{ "id": "{id}", "title": "{id}", "prerequisites": [{prerequisites}], "items": {items},
  "known_at_start": 0.5, "learn": 0.2, "guess": 0.1, "slip": 0.1, "forgetting_per_day": 0.1 }}"#
    )
}

fn refused(components: &[String]) -> String {
    let text = format!("{{ \"components\": [\n{}\n] }}", components.join(",\n"));
    Curriculum::read(text.as_bytes(), 2, Chance::new(0)).unwrap_err().to_string()
}

const GENERATED: &str = r#"{ "generator": "add_two_digits" }"#;

#[test]
fn a_cycle_of_prerequisites_is_named() {
    let said = refused(&[
        component("root", "", GENERATED),
        component("a", "\"root\", \"c\"", GENERATED),
        component("b", "\"a\"", GENERATED),
        component("c", "\"b\"", GENERATED),
    ]);
    assert!(said.contains("cycle: a builds on c builds on b builds on a"), "{said}");
    let said = refused(&[component("a", "\"a\"", GENERATED)]);
    assert!(said.contains("cycle: a builds on a"), "{said}");
}

#[test]
fn unsound_components_are_refused_by_name() {
    let said = refused(&[component("a", "\"nothing\"", GENERATED)]);
    assert!(said.contains("\"a\" builds on \"nothing\", which there is not"), "{said}");
    let said = refused(&[component("a", "", GENERATED), component("a", "", GENERATED)]);
    assert!(said.contains("two components are named \"a\""), "{said}");
    for (items, expected) in [
        (
            r#"{ "list": [{ "question": "1 + 1", "answer": "2", "wrong": ["3"] }] }"#,
            "item 1 of component \"a\" (\"1 + 1\") has no solution",
        ),
        (
            r#"{ "list": [{ "question": "1 + 1", "answer": "2", "solution": ["  "], "wrong": ["3"] }] }"#,
            "has no solution",
        ),
        (r#"{ "list": [{ "question": "1 + 1", "answer": "2", "solution": ["count"] }] }"#, "has no wrong answer"),
        (
            r#"{ "list": [{ "question": "1 + 1", "answer": "2", "solution": ["count"], "wrong": ["2"] }] }"#,
            "lists its right answer",
        ),
        (r#"{ "list": [] }"#, "has no items"),
        (r#"{ "generator": "calculus" }"#, "unknown variant `calculus`"),
    ] {
        let said = refused(&[component("a", "", items)]);
        assert!(said.contains(expected), "{said}");
    }
    assert!(refused(&[]).contains("holds no component"));
}

#[test]
fn a_probability_outside_its_range_is_told_with_its_line() {
    for (key, bad) in [("learn", "1.2"), ("guess", "-0.1"), ("slip", "7"), ("known_at_start", "2.0")] {
        let good = component("b", "", GENERATED);
        let start = good.find(&format!("\"{key}\": ")).unwrap() + key.len() + 4;
        let end = start + good[start..].find([',', ' ']).unwrap();
        let changed = format!("{}{bad}{}", &good[..start], &good[end..]);
        let said = refused(&[component("a", "", GENERATED), changed]);
        // The file's first line opens it, two lines are component "a", and the numbers of "b" stand on its second.
        assert!(said.contains("no probability: it must lie in [0, 1]") && said.contains("line 5"), "{key}: {said}");
    }
}
