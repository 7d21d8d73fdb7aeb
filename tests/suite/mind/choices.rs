//! What is chosen is legal whatever the model says, and as likely as it is recorded to be.

use llmagentos::base::{Answer, Ask, Choices, Scored};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_pcg::Pcg32;

use super::{FIRST, Row, advise, decide, listening, mind, row};

/// A number that a model should never give, or an ordinary one.
fn nasty(random: &mut Pcg32) -> f64 {
    match random.random_range(0..12_u32) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => f64::MAX,
        4 => f64::MIN,
        5 | 6 => -1.0,
        7 => f64::MIN_POSITIVE,
        _ => random.random::<f64>() * -20.0,
    }
}

#[test]
fn a_hundred_thousand_choices_are_all_legal() {
    const ROWS: u32 = 2_000;
    let mut random = Pcg32::seed_from_u64(1);
    let mut made = 0;
    for round in 0..50_u64 {
        let how = if round % 2 == 0 { "best" } else { "sample" };
        let temperature = [0.01, 1.0, 100.0][round as usize % 3];
        let calibrate = round % 5 == 0;
        let mut mind = mind(&format!("choose = \"{how}\"\ntemperature = {temperature}\ncalibrate = {calibrate}"));
        let rows: Vec<Row> = (0..ROWS)
            .map(|agent| {
                let seen = [nasty(&mut random) as f32, random.random()];
                row(agent, seen, random.random_range(1..64))
            })
            .collect();
        let mut scores = random.clone();
        let decisions = decide(&mut *mind, round, &rows, &mut |request| {
            let Ask::Choose(Choices { options, content_free }) = &request.ask else { panic!("{request:?}") };
            assert!(options.len() > 1, "a choice of one was asked for");
            assert_eq!(content_free.is_some(), calibrate);
            let all_alike = scores.random_range(0..8_u32) == 0;
            let first = nasty(&mut scores);
            let score = |_: usize| if all_alike { first } else { nasty(&mut scores) };
            Answer::Scored(Scored { scores: (0..options.len()).map(score).collect() })
        });
        for (decision, row) in decisions.expect("it decides").iter().zip(&rows) {
            assert!(row.legal >> decision.action.0 & 1 == 1, "{decision:?} of {:b}", row.legal);
            assert!(decision.log_probability.is_finite() && decision.log_probability <= 0.0, "{decision:?}");
            assert_eq!(decision.options, row.legal.count_ones());
            made += 1;
        }
    }
    assert_eq!(made, 100_000);
}

#[test]
fn one_legal_action_needs_no_model() {
    let mut mind = mind("");
    let rows = [row(1, [0.0, 0.0], 0b1000), row(2, [0.0, 0.0], 0b0001)];
    let decided = decide(&mut *mind, 0, &rows, &mut |request| panic!("asked {request:?}")).expect("it decides");
    assert_eq!(decided.iter().map(|decision| decision.action.0).collect::<Vec<_>>(), [3, 0]);
    assert!(decided.iter().all(|decision| decision.log_probability == 0.0 && decision.options == 1));
}

#[test]
fn an_answer_that_does_not_fit_is_an_error_that_says_so() {
    let scores = |count: usize| Answer::Scored(Scored { scores: vec![0.0; count] });
    for (answer, told) in [
        (Answer::Text("a".into()), "something else than scores"),
        (scores(2), "2 scores for 3 options"),
        (scores(0), "0 scores for 3 options"),
    ] {
        let error = decide(&mut *mind(""), 0, &[row(1, [0.0, 0.0], 0b111)], &mut |_| answer.clone());
        assert!(error.expect_err("it does not fit").to_string().contains(told), "{told}");
    }
}

#[test]
fn the_best_is_the_highest_score_and_of_equals_the_first() {
    let choice = |scores: &[f64]| {
        let scores = Scored { scores: scores.to_vec() };
        let rows = [row(1, [0.0, 0.0], 0b10_0110)];
        decide(&mut *mind("calibrate = false"), 3, &rows, &mut |_| Answer::Scored(scores.clone())).expect("it decides")
            [0]
    };
    assert_eq!(choice(&[-2.0, -1.0, -3.0]).action.0, 2);
    assert_eq!(choice(&[-2.0, -2.0, -2.0]).action.0, 1);
    assert_eq!(choice(&[f64::NAN, -7.0, f64::NAN]).action.0, 2);
    assert_eq!(choice(&[f64::NAN; 3]).action.0, 1);
    // ln softmax of the highest: −ln(1 + e⁻¹ + e⁻²) = −0.4076059644443803 (computed with Python's math).
    assert!((choice(&[-2.0, -1.0, -3.0]).log_probability + 0.407_605_964_444_380_3).abs() < 1e-12);
    assert!((choice(&[f64::NAN; 3]).log_probability + 3.0_f64.ln()).abs() < 1e-12);
}

proptest! {
    #[test]
    fn draws_come_as_often_as_their_probability_says(left in -3.0..0.0_f64, right in -3.0..0.0_f64) {
        let mut mind = mind("choose = \"sample\"\ntemperature = 0.5\ncalibrate = false");
        let rows: Vec<Row> = (0..4000).map(|agent| row(agent, [0.0, 0.0], 0b11)).collect();
        let scores = Scored { scores: vec![left, right] };
        let decided = decide(&mut *mind, 9, &rows, &mut |_| Answer::Scored(scores.clone())).expect("it decides");
        let share = decided.iter().filter(|decision| decision.action == FIRST).count() as f64 / 4000.0;
        let expected = 1.0 / (1.0 + ((right - left) / 0.5).exp());
        // Five standard errors.
        prop_assert!((share - expected).abs() < 5.0 * (expected * (1.0 - expected) / 4000.0).sqrt() + 1e-3);
        for decision in decided {
            let probability = if decision.action == FIRST { expected } else { 1.0 - expected };
            prop_assert!((decision.log_probability - probability.ln()).abs() < 1e-9);
        }
    }
}

#[test]
fn equal_rows_make_equal_requests() {
    let mut heard = Vec::new();
    let rows: Vec<Row> = (0..5).map(|agent| row(agent, [1.0, 2.0], 0b11)).collect();
    decide(&mut *mind(""), 7, &rows, &mut listening(&mut heard)).expect("it decides");
    assert_eq!(heard.len(), 5);
    assert!(heard.iter().all(|request| *request == heard[0]), "neither agent nor tick stands in the built-in prompt");
}

#[test]
fn advice_is_the_whole_distribution_that_a_decision_is_taken_from() {
    let mut random = Pcg32::seed_from_u64(2);
    for how in ["best", "sample"] {
        let text = format!("choose = \"{how}\"\ntemperature = 0.5\ncalibrate = false");
        let rows: Vec<Row> =
            (0..400).map(|agent| row(agent, [agent as f32, 0.5], random.random_range(1..64))).collect();
        // The same words get the same scores.
        let scores = |request: &llmagentos::base::Request| {
            let Ask::Choose(Choices { options, .. }) = &request.ask else { panic!("{request:?}") };
            let score = |place: usize| -(((request.prompt.suffix.len() * 31 + place * 17) % 7) as f64);
            let scores = (0..options.len()).map(|place| if place == 3 { f64::NAN } else { score(place) });
            Answer::Scored(Scored { scores: scores.collect() })
        };
        let advice = advise(&mut *mind(&text), 4, &rows, &mut |request| scores(request)).expect("it advises");
        let decided = decide(&mut *mind(&text), 4, &rows, &mut |request| scores(request)).expect("it decides");
        for ((row, advice), decided) in rows.iter().zip(advice.chunks(6)).zip(&decided) {
            let sum: f64 = advice.iter().map(|value| f64::from(*value).exp()).sum();
            assert!((sum - 1.0).abs() < 1e-6, "{advice:?}");
            for (place, value) in advice.iter().enumerate() {
                let possible = row.legal >> place & 1 == 1;
                assert!(possible || *value == f32::NEG_INFINITY, "{place} of {:b}: {advice:?}", row.legal);
            }
            // What a record of the decision says is what a learner is told.
            let told = f64::from(advice[decided.action.index()]);
            assert!((told - decided.log_probability).abs() < 1e-6, "{told}, not {}", decided.log_probability);
        }
    }
}
