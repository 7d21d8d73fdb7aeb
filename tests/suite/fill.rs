//! Forms: whatever the model says, what comes out parses and validates; and what is asked for is a form at all.

use std::sync::LazyLock;

use llmagentos::base::{
    Answer, Ask, Field, FieldKind, LanguageError, LanguageModel, LanguageService, Prompt, Request, Tick, check_form,
    form_schema, read_form,
};
use llmagentos::llm::{CandleModel, CandleOptions, Filler, LanguageHub, ScriptedModel, Spelling};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use rand::SeedableRng as _;
use rand_pcg::Pcg32;

use crate::support::model_file;

/// A tokenizer of single characters and a few longer texts, with a special token and parts of characters.
struct Toy {
    texts: Vec<Option<String>>,
}

impl Default for Toy {
    fn default() -> Self {
        let single = (' '..='~').map(|character| Some(character.to_string()));
        let more = ["12", "00", "\":", "\", \"", "the ", " red", "é", "日本", "🎉", "\n", "-5", "1.5", "}", ", "];
        let more = more.into_iter().map(|text| Some(text.to_owned()));
        Self { texts: single.chain(more).chain([None, None]).collect() }
    }
}

impl Spelling for Toy {
    fn spell(&self, text: &str) -> Result<Vec<u32>, LanguageError> {
        // A character that has no token of its own is written by one of a part of it.
        let token = |character: char| self.single(character).unwrap_or(self.texts.len() as u32 - 1);
        Ok(text.chars().map(token).collect())
    }

    fn text(&self, token: u32) -> Option<&str> {
        self.texts[token as usize].as_deref()
    }

    fn single(&self, character: char) -> Option<u32> {
        // Those from the blank to the tilde stand first, in their order.
        (' '..='~').contains(&character).then(|| character as u32 - ' ' as u32)
    }
}

/// Names and options with everything in them that could break out of JSON.
const TEXT: &str = "[a-z\"\\\\ ,:{}é\n]{0,6}";

fn kind() -> impl Strategy<Value = FieldKind> {
    let choice = prop::collection::btree_set(TEXT, 1..6)
        .prop_map(|options| FieldKind::Choice(options.into_iter().map(|option| option.as_str().into()).collect()));
    let ends = prop_oneof![-30..30_i64, -100_000..100_000_i64, any::<i64>()];
    let integer = (ends.clone(), ends)
        .prop_map(|(one, other)| FieldKind::Integer { least: one.min(other), greatest: one.max(other) });
    let ends = prop_oneof![-2.0..2.0_f64, -1e9..1e9_f64];
    let number = (ends.clone(), ends, 0..=6_u8).prop_map(|(one, other, digits)| FieldKind::Number {
        least: one.min(other),
        greatest: one.max(other),
        digits,
    });
    let text = (0..40_u32).prop_map(|characters_max| FieldKind::Text { characters_max });
    prop_oneof![choice, integer, number, text]
}

fn form() -> impl Strategy<Value = Vec<Field>> {
    let fields = prop::collection::btree_map(TEXT, kind(), 1..6);
    fields
        .prop_map(|fields| fields.into_iter().map(|(name, kind)| Field { name: name.as_str().into(), kind }).collect())
        .prop_filter("a form that can be filled in", |fields: &Vec<Field>| check_form(fields).is_ok())
}

/// Fills in a form with tokens that `pick` takes from those that are allowed.
fn filled(fields: &[Field], mut pick: impl FnMut(&[u32]) -> u32) -> String {
    let toy = Toy::default();
    let (mut filler, first) = Filler::new(&toy, fields).expect("all can be spelt");
    let mut tokens = first.len();
    while !filler.is_done() {
        let allowed: Vec<u32> = (0..toy.texts.len() as u32).filter(|token| filler.allows(*token)).collect();
        assert!(!allowed.is_empty(), "nothing may follow {:?}", filler.written());
        tokens += filler.take(pick(&allowed)).expect("it is allowed").len();
    }
    assert!(tokens <= Filler::tokens_max(&toy, fields).expect("all can be spelt"), "{tokens} tokens");
    filler.written().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn every_filled_form_validates(fields in form(), seed: u64) {
        let mut random = Pcg32::seed_from_u64(seed);
        for _ in 0..3 {
            let text = filled(&fields, |allowed| allowed[random.random_range(0..allowed.len())]);
            let read = read_form(&fields, &text);
            prop_assert!(read.is_ok(), "{}: {text}", read.expect_err("checked"));
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).expect("it was read");
            let ordered = object.keys().zip(&fields).all(|(key, field)| **key == *field.name);
            prop_assert!(ordered, "not in the declared order: {text}");
        }
        let scripted = request(&fields, 0.0, 3);
        let reply = ScriptedModel::default().answer(&[scripted]).expect("it answers").remove(0);
        let Answer::Text(text) = reply.answer else { panic!("{reply:?}") };
        prop_assert!(read_form(&fields, &text).is_ok(), "{text}");
    }
}

#[test]
fn numbers_reach_their_bounds_and_stay_within() {
    let number = |least, greatest, digits| FieldKind::Number { least, greatest, digits };
    for (kind, reached) in [
        (FieldKind::Integer { least: -1, greatest: 2 }, vec!["-1", "0", "1", "2"]),
        (FieldKind::Integer { least: 98, greatest: 101 }, vec!["98", "99", "100", "101"]),
        (FieldKind::Integer { least: -10, greatest: -9 }, vec!["-10", "-9"]),
        (FieldKind::Integer { least: i64::MIN, greatest: i64::MIN }, vec!["-9223372036854775808"]),
        (number(-0.1, 0.1, 1), vec!["-0.1", "0", "0.0", "0.1"]),
        (number(0.95, 1.0, 2), vec!["0.95", "0.96", "0.97", "0.98", "0.99", "1", "1.0", "1.00"]),
        (number(1.0, 1.0, 0), vec!["1"]),
    ] {
        let fields = [Field { name: "n".into(), kind }];
        let mut random = Pcg32::seed_from_u64(1);
        let mut found: Vec<String> = (0..1000)
            .map(|_| filled(&fields, |allowed| allowed[random.random_range(0..allowed.len())]))
            .map(|text| text["{\"n\": ".len()..text.len() - 1].to_owned())
            .collect();
        found.sort_by(|left, right| {
            let value = |text: &str| text.parse::<f64>().expect("a number");
            value(left).total_cmp(&value(right)).then(left.len().cmp(&right.len()))
        });
        found.dedup();
        assert_eq!(found, reached);
    }
}

fn request(fields: &[Field], temperature: f32, draw: u32) -> Request {
    let prompt = Prompt { system: "".into(), prefix: "".into(), suffix: "Fill in the form.".into() };
    Request { prompt, ask: Ask::Fill { fields: fields.into(), temperature, draw } }
}

fn field(name: &str, kind: FieldKind) -> Field {
    Field { name: name.into(), kind }
}

#[test]
fn a_form_that_cannot_be_filled_in_is_refused() {
    let text = |characters_max| FieldKind::Text { characters_max };
    let choice = |options: &[&str]| FieldKind::Choice(options.iter().map(|option| (*option).into()).collect());
    let hub = LanguageHub::new(vec![("m".into(), Box::new(ScriptedModel::default()))], None);
    for (fields, told) in [
        (vec![], "a form without fields"),
        (vec![field("a", text(3)), field("a", text(4))], "two fields \"a\""),
        (vec![field("a", choice(&[]))], "nothing to choose from"),
        (vec![field("a", choice(&["x", "x"]))], "stands twice"),
        (vec![field("a", FieldKind::Integer { least: 3, greatest: 2 })], "no whole number"),
        (vec![field("a", FieldKind::Number { least: 0.11, greatest: 0.12, digits: 1 })], "no number with 1 digits"),
        (vec![field("a", FieldKind::Number { least: f64::NAN, greatest: 1.0, digits: 1 })], "bounds"),
        (vec![field("a", FieldKind::Number { least: 0.0, greatest: 1e10, digits: 1 })], "bounds"),
    ] {
        let error = hub.answer(Tick(0), 0, &[llmagentos::base::AgentId(1)], &[request(&fields, 0.0, 0)]);
        assert!(error.expect_err("refused").to_string().contains(told), "{told}");
    }
    let fields = [field("price", FieldKind::Integer { least: 0, greatest: 9 }), field("say", text(3))];
    for (text, told) in [
        ("[1]", "no JSON object"),
        ("{\"price\": 3}", "lacks the field \"say\""),
        ("{\"price\": 10, \"say\": \"\"}", "10 may not stand in the field \"price\""),
        ("{\"price\": 1.5, \"say\": \"\"}", "1.5 may not stand"),
        ("{\"price\": 1, \"say\": \"four\"}", "may not stand in the field \"say\""),
        ("{\"price\": 1, \"say\": \"\", \"more\": 1}", "the field \"more\", which nobody asked for"),
    ] {
        assert!(read_form(&fields, text).expect_err("refused").to_string().contains(told), "{told}");
    }
    let schema = form_schema(&fields);
    assert_eq!(schema["required"], serde_json::json!(["price", "say"]));
    assert_eq!(schema["properties"]["price"], serde_json::json!({ "type": "integer", "minimum": 0, "maximum": 9 }));
}

static MODEL: LazyLock<CandleModel> =
    LazyLock::new(|| CandleModel::load(&model_file(), CandleOptions::default()).expect("the test model loads"));

#[test]
fn the_embedded_model_fills_in_forms_that_validate() {
    let mut forms: Vec<Vec<Field>> = Vec::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..24 {
        forms.push(form().new_tree(&mut runner).expect("a form").current());
    }
    // At temperature 10 nearly every token that is allowed is as likely as any other.
    let requests: Vec<Request> = forms
        .iter()
        .enumerate()
        .map(|(place, fields)| request(fields, if place % 3 == 0 { 0.0 } else { 10.0 }, 1))
        .collect();
    let replies = MODEL.answer(&requests).expect("the model answers");
    for (fields, reply) in forms.iter().zip(&replies) {
        let Answer::Text(text) = &reply.answer else { panic!("{reply:?}") };
        read_form(fields, text).unwrap_or_else(|error| panic!("{error}: {text}"));
    }
    // In any batch the same.
    for place in [0, 7, 13] {
        let alone = MODEL.answer(&requests[place..=place]).expect("the model answers");
        assert_eq!(alone[0].answer, replies[place].answer);
    }
}

#[test]
fn a_form_is_filled_in_with_sense() {
    let prompt = Prompt {
        system: "".into(),
        prefix: "".into(),
        suffix: "Maria is 34 years old and lives in Paris, the capital of France. Write her data as JSON.".into(),
    };
    let fields = [
        field("name", FieldKind::Text { characters_max: 20 }),
        field("age", FieldKind::Integer { least: 0, greatest: 120 }),
        field("city", FieldKind::Choice(["London".into(), "Paris".into(), "Rome".into()].into())),
    ];
    let ask = Ask::Fill { fields: fields.into(), temperature: 0.0, draw: 0 };
    let replies = MODEL.answer(&[Request { prompt, ask }]).expect("the model answers");
    assert_eq!(replies[0].answer, Answer::Text("{\"name\": \"Maria\", \"age\": 34, \"city\": \"Paris\"}".into()));
}

#[test]
fn a_form_longer_than_the_context_is_refused() {
    let narrow = CandleOptions { context_tokens: 256, ..CandleOptions::default() };
    let narrow = CandleModel::load(&model_file(), narrow).expect("the test model loads");
    let fields = [field("say", FieldKind::Text { characters_max: 1000 })];
    assert!(matches!(narrow.answer(&[request(&fields, 0.0, 0)]), Err(LanguageError::TooLong { .. })));
}
