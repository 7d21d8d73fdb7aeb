//! What language models are asked: which of a few sentences a tutor or a student with this persona would say. Every
//! sentence is made of the item at hand, so whatever is chosen is true of it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::items::Item;
use crate::base::{Ask, Choices, Prompt, Request};

const TUTOR_SYSTEM: &str = include_str!("../../../assets/prompts/tutoring/tutor.system.txt");
const STUDENT_SYSTEM: &str = include_str!("../../../assets/prompts/tutoring/student.system.txt");
const PHRASES: &str = include_str!("../../../assets/prompts/tutoring/phrases.json");

static PHRASE_BANK: LazyLock<BTreeMap<String, Vec<String>>> =
    LazyLock::new(|| serde_json::from_str(PHRASES).expect("the phrases that come with the program are sound"));

/// Something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    /// A new item.
    Ask,
    /// That the answer was right.
    Right,
    /// That it was wrong, and what is right.
    Wrong,
    /// That it was wrong, without giving the answer away.
    TryAgain,
    /// The first step of the solution, and the question again.
    Hint,
    /// A worked example.
    Example,
    /// The worked solution of what was just answered wrong.
    Solution,
    /// That the lesson is over.
    Stop,
    /// A student's answer.
    Answer,
    /// A student who does not know.
    Pass,
    /// A student who was shown something.
    Acknowledge,
}

impl Saying {
    fn key(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::TryAgain => "try_again",
            Self::Hint => "hint",
            Self::Example => "example",
            Self::Solution => "solution",
            Self::Stop => "stop",
            Self::Answer => "answer",
            Self::Pass => "pass",
            Self::Acknowledge => "acknowledge",
        }
    }

    fn instruction(self) -> &'static str {
        match self {
            Self::Ask => "Ask the student: {question}",
            Self::Right => "Tell the student that the answer is right.",
            Self::Wrong => "Tell the student that the answer is wrong. Right is {question} = {answer}.",
            Self::TryAgain => "Tell the student kindly that the answer is not right yet.",
            Self::Hint => "Help the student a little with {question}: {first}.",
            Self::Example => "Show the student how to find {question}: {steps}.",
            Self::Solution => "Explain to the student how {question} is done: {steps}.",
            Self::Stop => "Tell the student that the lesson is over.",
            Self::Answer => "The teacher asks: {question}? Say that you think it is {given}.",
            Self::Pass => "Say that you do not know.",
            Self::Acknowledge => "Say that you have understood the explanation.",
        }
    }
}

fn fill(text: &str, item: Option<&Item>, given: &str) -> Arc<str> {
    let Some(item) = item else { return text.replace("{given}", given).into() };
    text.replace("{question}", &item.question)
        .replace("{answer}", &item.answer)
        .replace("{first}", &item.solution[0])
        .replace("{steps}", &item.solution.join("; "))
        .replace("{given}", given)
        .into()
}

/// The sentences that say it, to choose from; `given` is a student's answer.
#[must_use]
pub fn phrases(saying: Saying, item: Option<&Item>, given: &str) -> Arc<[Arc<str>]> {
    PHRASE_BANK[saying.key()].iter().map(|phrase| fill(phrase, item, given)).collect()
}

/// Which of the phrases would a speaker with this system turn say?
#[must_use]
pub fn choose(system: Arc<str>, saying: Saying, item: Option<&Item>, given: &str) -> Request {
    Request {
        prompt: Prompt { system, prefix: "".into(), suffix: fill(saying.instruction(), item, given) },
        ask: Ask::Choose(Choices { options: phrases(saying, item, given), content_free: None }),
    }
}

/// The system turn of a tutor (or else a student) with this persona.
#[must_use]
pub fn speaker(tutor: bool, persona: &str) -> Arc<str> {
    let (system, usual) = if tutor { (TUTOR_SYSTEM, "patient and clear") } else { (STUDENT_SYSTEM, "ten years old") };
    let persona = if persona.trim().is_empty() { usual } else { persona.trim() };
    system.trim().replace("{persona}", persona).into()
}
