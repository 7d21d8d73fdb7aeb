//! What each role sees and may do.

use crate::base::{ActionMenu, Space};
use crate::sim::{Powers, RoleSpace};

/// Acts of tutors, in menu order. Which component an `Ask…` is about is that act's own strategy (`strategy.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum TutorAct {
    AskNextUnmastered,
    ReviewWeakest,
    AskThreshold,
    AskLeitner,
    AskRoundRobin,
    AskRandom,
    ShowExample,
    Hint,
    ShowSolution,
    Stop,
}

/// Names of [`TutorAct`], in menu order.
pub const TUTOR_ACTS: [&str; 10] = [
    "ask_next_unmastered",
    "review_weakest",
    "ask_threshold",
    "ask_leitner",
    "ask_round_robin",
    "ask_random",
    "show_example",
    "hint",
    "show_solution",
    "stop",
];

/// All acts, in menu order.
pub const TUTOR_ACT_LIST: [TutorAct; 10] = [
    TutorAct::AskNextUnmastered,
    TutorAct::ReviewWeakest,
    TutorAct::AskThreshold,
    TutorAct::AskLeitner,
    TutorAct::AskRoundRobin,
    TutorAct::AskRandom,
    TutorAct::ShowExample,
    TutorAct::Hint,
    TutorAct::ShowSolution,
    TutorAct::Stop,
];

/// What tutors see of their student, in order.
pub const TUTOR_FEATURES: [&str; 9] = [
    "unmastered",
    "next_known",
    "next_tries",
    "last",
    "hinted",
    "weakest_recall",
    "lesson",
    "lesson_left",
    "expected_score",
];

/// What students do, in menu order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum StudentAct {
    Answer,
    Pass,
    Acknowledge,
}

/// Names of [`StudentAct`], in menu order.
pub const STUDENT_ACTS: [&str; 3] = ["answer", "pass", "acknowledge"];

/// All acts, in menu order.
pub const STUDENT_ACT_LIST: [StudentAct; 3] = [StudentAct::Answer, StudentAct::Pass, StudentAct::Acknowledge];

/// What students see, in order.
pub const STUDENT_FEATURES: [&str; 2] = ["asked", "sure"];

/// What a tutor's reward consists of, in order: the gain from test to test as it is foreseen and corrected, from 0 to 1, and
/// minutes.
pub const TUTOR_TERMS: [&str; 2] = ["gain", "minutes"];

/// The tutors' tools, and what they do instead of something blocked: end the lesson, which is always legal.
pub const TUTOR_POWERS: Powers = Powers {
    tools: &[
        (
            "item_bank",
            &["ask_next_unmastered", "review_weakest", "ask_threshold", "ask_leitner", "ask_round_robin", "ask_random"],
        ),
        ("worked_examples", &["show_example", "show_solution"]),
        ("hints", &["hint"]),
    ],
    harmless: &["stop"],
};

/// Students have no tools; they pass, or nod.
pub const STUDENT_POWERS: Powers = Powers { tools: &[], harmless: &["pass", "acknowledge"] };

/// The two roles.
#[must_use]
pub fn roles() -> Vec<RoleSpace> {
    vec![
        RoleSpace {
            role: "tutor",
            about: "teaches one student at a time, from the first lesson to the test",
            space: Space::new(&TUTOR_FEATURES, ActionMenu::new(&TUTOR_ACTS)).with_terms(&TUTOR_TERMS),
            capabilities: &[],
            needs_llm: true,
        },
        RoleSpace {
            role: "student",
            about: "takes one course; when it is over, the next student takes the seat",
            space: Space::new(&STUDENT_FEATURES, ActionMenu::new(&STUDENT_ACTS)),
            capabilities: &[],
            needs_llm: false,
        },
    ]
}
