//! Arbitrary texts, arbitrary changes to a good file, arbitrary overrides: read or refused, never a panic.

use llmagentos::scenario::{Override, Scenario};
use proptest::prelude::*;

use super::{GOOD, KINDS, parse};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), set in any::<String>()) {
        let _ = Scenario::parse("any.toml", &text, &[]);
        if let Ok(one) = Override::parse(&set) {
            let _ = Scenario::parse("any.toml", GOOD, &[one]);
        }
    }

    #[test]
    fn any_change_to_a_good_file_is_read_or_refused(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..12, "[\\PC\n\"'\\[\\]{}=.#0-9]{0,6}"),
            1..4,
        )
    ) {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, cut, more) in changes {
            let start = at.index(text.len());
            let end = (start + cut).min(text.len());
            text.splice(start..end, more.chars());
        }
        let text: String = text.into_iter().collect();
        match parse(&text, &[]) {
            Ok(scenario) => {
                let resolved = scenario.resolved(&KINDS).unwrap();
                prop_assert_eq!(parse(&resolved, &[]).unwrap().resolved(&KINDS).unwrap(), resolved);
            }
            Err(error) => {
                let (line, column) = error.line_column().unwrap_or((1, 1));
                let width = text.split('\n').nth(line - 1).map(|line| line.chars().count());
                prop_assert!(width.is_some_and(|width| column <= width + 2), "{}", error);
                let drawn = format!("{:?}", miette::Report::new(error));
                prop_assert!(drawn.contains("any.toml") || drawn.contains("shop.toml"), "{}", drawn);
            }
        }
    }

    #[test]
    fn any_override_of_a_good_file_is_read_or_refused(
        path in "(agents|policy|llm|clock|domain|record|name|x)(\\.(front|guess|small|count|kind|state|0|\"a b\"|y)){0,4}",
        value in "([0-9.-]{1,4}|[a-z]{1,5}|\\[1\\]|\\{a=1\\}|\"\"| )",
    ) {
        if let Err(error) = parse(GOOD, &[&format!("{path}={value}")]) {
            prop_assert!(error.messages().iter().any(|one| one.starts_with("--set")) || error.line_column().is_some());
        }
    }
}
