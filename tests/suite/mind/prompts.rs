//! What a prompt holds, how it keeps to its budgets, and how templates and the scenario's mistakes are told.

use std::sync::LazyLock;

use llmagentos::base::{Ask, Choices, Prompt};
use llmagentos::llm::{CandleModel, CandleOptions, Template, estimate_tokens};
use proptest::prelude::*;

use super::{Row, build, context, file, mind, request_of, row};
use crate::support::model_file;

const WORDED: &str = r#"
instructions = "Guard the house."
features = [
  { feature = "place_now", text = "place", values = ["hall", "yard"] },
  { feature = "mood", edges = [0.5], values = ["", "high"] },
]
actions = [{ action = "a", text = "ring the bell" }]
examples = [{ when = { place_now = 1 }, words = "A dog barks.", act = "a" }, { when = { mood = 1 }, act = "go_on" }]
"#;

#[test]
fn a_prompt_holds_who_what_and_which() {
    let seen = Row {
        words: "Steps are heard.",
        context: context("sleepy", &[("night_guard", "All quiet?"), ("cook", "")]),
        ..row(1, [0.7, 0.0], 0b000_101)
    };
    let request = request_of(&mut *mind(WORDED), 4, seen);
    let Prompt { system, prefix, suffix } = &request.prompt;
    assert_eq!(&**system, "Role: night guard. Persona: sleepy.");
    let shared = "Guard the house.\n\nSituation:\nplace: yard\nA dog barks.\nAction: ring the bell\n\n\
                  Situation:\nmood: high\nAction: go on\n\n";
    assert_eq!(&**prefix, shared);
    let own = "Messages:\nnight guard: All quiet?\ncook: inform\n\n\
               Situation:\nplace: hall\nmood: high\nSteps are heard.\nAction:";
    assert_eq!(&**suffix, own);
    let Ask::Choose(Choices { options, content_free }) = &request.ask else { panic!("{request:?}") };
    assert_eq!(options.iter().map(|option| &**option).collect::<Vec<_>>(), ["ring the bell", "go on"]);
    let nothing = content_free.as_deref().expect("calibrated");
    assert_eq!(nothing, "Situation:\nplace: N/A\nmood: N/A\nN/A\nAction:");

    // Below its bound a feature whose word is empty has no line; a number without a word is itself.
    let request = request_of(&mut *mind(WORDED), 4, row(1, [0.2, 7.25], 0b11));
    assert!(request.prompt.suffix.contains("Situation:\nplace: 7.25\nAction:"), "{}", request.prompt.suffix);
}

#[test]
fn without_words_names_and_numbers_stand_for_themselves() {
    let request = request_of(&mut *mind("calibrate = false"), 4, row(1, [-0.001, 3.0], 0b11_1111));
    assert!(request.prompt.suffix.contains("mood: 0\nplace now: 3\n"), "{}", request.prompt.suffix);
    // Without examples to show what actions there are, the prompt lists them.
    assert!(request.prompt.suffix.contains("a; b; go on; d; e; f"), "{}", request.prompt.suffix);
    let Ask::Choose(Choices { options, content_free: None }) = &request.ask else { panic!("{request:?}") };
    assert_eq!(options.len(), 6);
    let request = request_of(&mut *mind(""), 4, row(1, [f32::NAN, f32::INFINITY], 0b11));
    assert!(request.prompt.suffix.contains("mood: unknown\nplace now: inf\n"), "{}", request.prompt.suffix);
}

#[test]
fn examples_by_similarity_stand_behind_the_shared_part_the_nearest_last() {
    let text = "examples_by = \"similarity\"\nsimilarity = \"words\"\nexamples_shown = 2\nexamples = [\n\
                { words = \"red door open\", act = \"a\" }, { words = \"green window\", act = \"b\" },\n\
                { words = \"red door\", act = \"d\" }]";
    let seen = Row { words: "a red door", ..row(1, [0.0, 0.0], 0b11) };
    let request = request_of(&mut *mind(text), 0, seen);
    assert!(!request.prompt.prefix.contains("door"), "{}", request.prompt.prefix);
    let suffix = &request.prompt.suffix;
    let place = |part: &str| suffix.find(part).unwrap_or_else(|| panic!("{part:?} is not in {suffix:?}"));
    assert!(place("red door open\nAction: a") < place("red door\nAction: d"));
    assert!(place("Action: d") < place("a red door"));
    assert!(!suffix.contains("green"), "{suffix}");
}

#[test]
fn examples_may_lie_in_a_file() {
    let examples = |text: &str| build("examples_path = \"more.json\"", &[file("examples_path", "more.json", text)]);
    let mut mind = examples("[{\"when\": {\"mood\": 2}, \"act\": \"b\"}]").expect("sound");
    assert!(request_of(&mut *mind, 0, row(1, [0.0, 0.0], 0b11)).prompt.prefix.contains("mood: 2\nAction: b"));
    for (text, told) in [
        ("[{]", "more.json: key must be a string at line 1 column 3"),
        ("[\n{\"acts\": 1}]", "more.json: unknown field `acts`"),
        ("[{\"act\": \"z\"}]", "agents with this policy have no action \"z\""),
        ("[{\"act\": \"a\", \"when\": {\"mod\": 1}}]", "agents with this policy do not see a feature \"mod\""),
    ] {
        let error = examples(text).err().expect("it does not fit").to_string();
        assert!(error.starts_with("mind.toml:6:") && error.contains(told), "{error}");
    }
}

/// A template that shows everything there is, in lines that a test can take apart.
const BARE: &str = "{# system #}\n{{ persona }}\n{# shared #}\n{{ instructions }}\n{% for e in examples %}\n\
                    {{ e.situation }} {{ e.action }}\n{% endfor %}\n{# own #}\n{% for m in inbox %}\nM {{ m.text }}\n\
                    {% endfor %}\n{{ situation }}\n";

proptest! {
    #[test]
    fn every_section_keeps_to_its_budget(
        budget in 1_u32..60,
        persona in "(\\PC{0,30}\n?){0,6}",
        letters in prop::collection::vec("[a-z 0-9.]{0,80}", 0..8),
    ) {
        let text = format!(
            "template_path = \"bare\"\ninstructions = \"{}\"\n\
             budget = {{ persona = {budget}, instructions = {budget}, examples = {budget}, inbox = {budget}, situation = {budget} }}\n\
             examples = [{}]",
            "Do this and that. ".repeat(30),
            "{ when = { mood = 1 }, words = \"some more words\", act = \"a\" }, ".repeat(12),
        );
        let mut mind = build(&text, &[file("template_path", "bare", BARE)]).expect("sound");
        let letters: Vec<(&str, &str)> = letters.iter().map(|letter| ("a", letter.as_str())).collect();
        let seen = Row { context: context(&persona, &letters), ..row(1, [1.0, 2.0], 0b11) };
        let request = request_of(&mut *mind, 0, seen);
        let budget = budget as usize;
        prop_assert!(estimate_tokens(&request.prompt.system) <= budget, "{:?}", request.prompt.system);
        // Instructions and examples, with the line end between them.
        prop_assert!(estimate_tokens(request.prompt.prefix.trim_end()) <= 2 * budget + 1, "{:?}", request.prompt.prefix);
        let heard: Vec<&str> = request.prompt.suffix.lines().filter_map(|line| line.strip_prefix("M ")).collect();
        prop_assert!(heard.iter().map(|text| estimate_tokens(text) + 2).sum::<usize>() <= budget.max(1), "{:?}", heard);
        // What does not fit is left out from the first message on: the last ones stay.
        let kept = letters.len() - heard.len();
        for (letter, heard) in letters[kept..].iter().zip(&heard) {
            let whole = if letter.1.is_empty() { "inform" } else { letter.1.trim() };
            let begins = heard.trim_end_matches('…').trim_end();
            let same = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert!(same(whole).starts_with(&same(begins)), "{whole:?} {heard:?}");
        }
    }
}

#[test]
fn a_template_is_told_with_file_and_line() {
    let sound = "{# system #}\n{{ role }}\n{# shared #}\n{{ instructions }}\n{# own #}\n{{ situation }}";
    assert!(Template::parse("t.jinja", sound).is_ok());
    for (text, told) in [
        (sound.replace("{{ situation }}", "\n{{ situaton }}"), "t.jinja:7: undefined value"),
        (
            sound.replace("{{ situation }}", "{% for x in inbox %}{{ x.colour }}{% endfor %}"),
            "t.jinja:6: undefined value",
        ),
        (sound.replace("{{ role }}", "{{ role"), "t.jinja:2: syntax error"),
        (sound.replace("{{ role }}", "{{ tick }}"), "t.jinja:2: undefined value"),
        (sound.replace("{# shared #}", ""), "t.jinja:5: the part `{# own #}` is out of order"),
        (sound.replace("{# own #}", ""), "t.jinja:6: there is no line `{# own #}`"),
        (String::new(), "t.jinja:1: there is no line `{# system #}`"),
        (sound.replace("{# own #}", "{# shared #}"), "t.jinja:5: the part `{# shared #}` is out of order"),
        (sound.replace("{{ role }}", "{{ role | nonsense }}"), "t.jinja:2: unknown filter"),
    ] {
        let error = build("template_path = \"t.jinja\"", &[file("template_path", "t.jinja", &text)]);
        let error = error.err().unwrap_or_else(|| panic!("taken: {text}")).to_string();
        assert!(error.starts_with("mind.toml:6:17: ") && error.contains(told), "{error}, not {told}");
    }
}

#[test]
fn settings_that_do_not_fit_are_told() {
    for (text, told) in [
        ("features = [{ feature = \"mod\" }]", "agents with this policy do not see a feature \"mod\""),
        ("actions = [{ action = \"x\", text = \"y\" }]", "agents with this policy have no action \"x\""),
        ("actions = [{ action = \"a\", text = \" \" }]", "an action without words"),
        ("actions = [{ action = \"a\", text = \"b\" }]", "the actions `a` and `b` are both \"b\" to the model"),
        (
            "features = [{ feature = \"mood\", edges = [2.0, 1.0], values = [\"a\", \"b\", \"c\"] }]",
            "the bounds do not rise",
        ),
        (
            "features = [{ feature = \"mood\", edges = [1.0], values = [\"a\"] }]",
            "1 bounds make 2 ranges, but there are 1 words",
        ),
        ("examples = [{ act = \"none\" }]", "agents with this policy have no action \"none\""),
        ("memory = { entries = 0 }", "`policy.mind.memory.entries` is 0, but must be from 1 to 10000"),
        ("temperature = 0.0", "`policy.mind.temperature`"),
    ] {
        let error = build(text, &[]).err().unwrap_or_else(|| panic!("taken: {text}")).to_string();
        assert!(error.starts_with("mind.toml:6:") && error.contains(told), "{error}, not {told}");
    }
}

static MODEL: LazyLock<CandleModel> =
    LazyLock::new(|| CandleModel::load(&model_file(), CandleOptions::default()).expect("the test model loads"));

#[test]
fn the_estimate_of_tokens_is_near_the_models_count() {
    for text in [
        "You serve customers of an online shop. First find out who the customer is, then look up the orders.",
        "customer identified: yes\norders: not looked up\nrequest: exchange\nconfidence: 0.83\nturns: 12\n",
        "I ordered 2 lamps (order #W7181492) on 2024-05-15; neither has come. What's the matter with it?",
        "Je voudrais échanger la lampe que j'ai reçue hier, parce que la couleur ne me plaît pas.",
        "كيف أعيد الطلب الذي وصل أمس؟ 🎉🎉",
    ] {
        let counted = MODEL.tokens(text).expect("text has tokens").len() as f64;
        let share = estimate_tokens(text) as f64 / counted;
        assert!((0.7..=1.4).contains(&share), "{share}: {} for {counted} of {text:?}", estimate_tokens(text));
    }
}
