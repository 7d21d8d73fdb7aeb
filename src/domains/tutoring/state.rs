//! The state of the world: what students know, what tutors believe of it, and what is counted.

use std::collections::VecDeque;
use std::sync::Arc;

use bevy_ecs::component::Component as EcsComponent;
use bevy_ecs::resource::Resource;

use super::curriculum::Curriculum;
use super::knowledge::KnowledgeModel;
use super::memory::Memory;
use super::settings::TutoringSettings;
use crate::base::{AgentId, Performative};
use crate::sim::Ticket;

/// Minutes in a day.
pub const MINUTES_A_DAY: f64 = 1440.0;

/// A student's true state in one component. No language model and no policy ever writes it.
#[derive(Clone, Copy, Debug)]
pub struct Skill {
    /// Whether it is known.
    pub known: bool,
    /// How well it is remembered, if known.
    pub memory: Memory,
    /// This student's θ for it, per day.
    pub forgetting: f64,
}

impl Skill {
    /// It was practised at `day`, and learned if `learned`.
    pub fn practise(&mut self, learned: bool, day: f64) {
        if self.known {
            self.memory.review(day);
        } else if learned {
            self.known = true;
            self.memory = Memory::new(day);
        }
    }

    /// Probability that the knowledge is there and comes to mind at `day`.
    #[must_use]
    pub fn usable(&self, day: f64) -> f64 {
        if self.known { self.memory.recall(self.forgetting, day) } else { 0.0 }
    }
}

/// What a student was last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Asked {
    /// An item.
    Item,
    /// The same item again, after a hint.
    Hinted,
    /// Nothing: a worked example is shown.
    Example,
    /// Nothing: the solution of what was answered wrong is shown.
    Solution,
}

impl Asked {
    /// The number that stands for it: a message's amount, and the feature `asked`.
    #[must_use]
    pub fn code(self) -> f32 {
        f32::from(self as u8)
    }

    /// Whether it wants an answer.
    #[must_use]
    pub fn is_question(self) -> bool {
        matches!(self, Self::Item | Self::Hinted)
    }
}

/// A student in their course. Written in Observe and Act, read everywhere.
#[derive(EcsComponent, Clone, Debug)]
pub struct Student {
    /// In order of enrolment; fixes knowledge, memory and luck, so that two runs with other tutors have the same
    /// students.
    pub number: u32,
    /// The scenario's group.
    pub group: u16,
    /// True state, by component.
    pub skills: Vec<Skill>,
    /// How many components they knew at the start.
    pub known_at_start: u32,
    /// Days since the course began.
    pub day: f64,
    /// Lessons begun.
    pub lesson: u32,
    /// Minutes of this lesson.
    pub lesson_minutes: f64,
    /// Minutes of all lessons.
    pub minutes: f64,
    /// Share of right answers before the course.
    pub pre_test: f64,
    /// Who teaches them.
    pub tutor: Option<AgentId>,
    /// What waits for their answer: component, item, and how it was asked. Written in Observe, emptied in Act.
    pub asked: Option<(usize, usize, Asked)>,
    /// Everything they did so far; keys their luck.
    pub steps: u64,
    /// What was counted.
    pub totals: Totals,
}

/// What is counted of a student's course, and summed for tutors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Items answered or passed, second answers left out.
    pub items: u64,
    /// Of these, answered right.
    pub right: u64,
    /// Hints taken.
    pub hints: u64,
    /// Examples and solutions shown.
    pub examples: u64,
    /// Items of components that were believed mastered when they were asked.
    pub reviews: u64,
    /// Reward of the tutor.
    pub reward: f64,
}

impl Totals {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.items += other.items;
        self.right += other.right;
        self.hints += other.hints;
        self.examples += other.examples;
        self.reviews += other.reviews;
        self.reward += other.reward;
    }
}

/// What a tutor believes of a student in one component.
#[derive(Clone, Copy, Debug)]
pub struct Belief {
    /// P(L).
    pub known: f64,
    /// Memory as the tutor reckons it: every practice is a review.
    pub memory: Memory,
    /// Items asked.
    pub tries: u32,
    /// Leitner box: 0 before the first item, 1 after a wrong answer, one more with every right one.
    pub leitner_box: u32,
    /// Count of items after which the Leitner box is due again.
    pub leitner_due: u64,
}

/// What a tutor has last put to the student.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// About which component.
    pub component: usize,
    /// About which of its items.
    pub item: usize,
    /// How.
    pub asked: Asked,
    /// Place of the answer among the item's answers (0: right, then the wrong ones, −1: none); `None` until it has come.
    pub answer: Option<i32>,
}

/// Whose turn it is in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The tutor's: a decision is due.
    Tutor,
    /// The student's: an answer is waited for.
    Student,
    /// Nobody's: an answer was marked, or the lesson ended, this tick, and what that was worth is being paid.
    Marked,
}

/// A tutor's file on their student.
#[derive(Clone, Debug)]
pub struct StudentFile {
    /// Whose.
    pub student: AgentId,
    /// By component.
    pub beliefs: Vec<Belief>,
    /// What was put to the student last.
    pub last: Option<Exchange>,
    /// The last answer has not yet been spoken of.
    pub feedback_due: bool,
    /// A hint was given on this item.
    pub hinted: bool,
    /// Items asked so far.
    pub asked: u64,
    /// Whose turn it is.
    pub turn: Turn,
    /// Expected score of the post-test when reward was last paid.
    pub expected: f64,
    /// The same when the course began.
    pub expected_at_start: f64,
    /// Minutes when reward was last paid.
    pub minutes_paid: f64,
    /// The course is over.
    pub over: bool,
}

/// A message that waits for its words: parts that were asked for, and what they are chosen from.
#[derive(Clone, Debug)]
pub struct Wording {
    /// To whom.
    pub recipient: AgentId,
    /// What it does.
    pub performative: Performative,
    /// Component × 128 + item.
    pub topic: u16,
    /// What the amount says.
    pub amount: f32,
    /// Each part's ticket and phrases; a part without a ticket takes its first phrase.
    pub parts: Vec<(Option<Ticket>, Arc<[Arc<str>]>)>,
}

/// A tutor. Written in Observe, Act and Reward.
#[derive(EcsComponent, Clone, Debug, Default)]
pub struct Tutor {
    /// Whom they teach now.
    pub file: Option<StudentFile>,
    /// Students taught to the end.
    pub courses: u64,
    /// Sum of their gains.
    pub gain: f64,
    /// Sum of their minutes.
    pub minutes: f64,
    /// Sums over finished courses.
    pub totals: Totals,
}

/// Words on their way. Written in Act, emptied in Send.
#[derive(EcsComponent, Clone, Debug, Default)]
pub struct Outbox(pub Option<Wording>);

/// What is counted of courses that ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Courses {
    /// How many.
    pub count: u64,
    /// Sum of pre-test scores.
    pub pre_test: f64,
    /// Sum of post-test scores.
    pub post_test: f64,
    /// Sum of minutes.
    pub minutes: f64,
    /// Sum of components known at the end.
    pub known: u64,
    /// Sums of what was counted.
    pub totals: Totals,
}

impl Courses {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.pre_test += other.pre_test;
        self.post_test += other.post_test;
        self.minutes += other.minutes;
        self.known += other.known;
        self.totals.add(&other.totals);
    }

    /// Mean gain from pre-test to post-test.
    #[must_use]
    pub fn gain(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.post_test - self.pre_test) / self.count as f64)
    }

    /// Gain of all courses by the hours of all their lessons.
    #[must_use]
    pub fn gain_per_hour(&self) -> Option<f64> {
        (self.minutes > 0.0).then(|| (self.post_test - self.pre_test) / (self.minutes / 60.0))
    }
}

/// The school: settings, curriculum, who waits, and what was counted.
#[derive(Resource)]
pub struct School {
    /// As the scenario gives them.
    pub settings: TutoringSettings,
    /// What is taught.
    pub curriculum: Curriculum,
    /// Enrolled and without a tutor, the longest first.
    pub waiting: VecDeque<AgentId>,
    /// Students so far.
    pub students: u32,
    /// This tick: what was done, whatever course it belongs to.
    pub now: Totals,
    /// This tick: courses that ended.
    pub ended: Courses,
    /// The run, split into ten equal stretches of ticks.
    pub tenths: Vec<Courses>,
    /// Ticks of the run.
    pub ticks: u64,
}

impl School {
    /// What a tutor believes of a new student.
    #[must_use]
    pub fn beliefs_at_start(&self) -> Vec<Belief> {
        (0..self.curriculum.len())
            .map(|component| Belief {
                known: self.curriculum.known_at_start(component),
                memory: Memory { strength: self.settings.strength_at_start, reviewed: 0.0 },
                tries: 0,
                leitner_box: 0,
                leitner_due: 0,
            })
            .collect()
    }

    /// The day of the post-test.
    #[must_use]
    pub fn test_day(&self) -> f64 {
        f64::from(self.settings.lessons - 1) * self.settings.days_between_lessons + self.settings.days_to_test
    }

    /// Recall of a component at `day` as tutors reckon it, with the median student's forgetting.
    #[must_use]
    pub fn believed_recall(&self, belief: &Belief, component: usize, day: f64) -> f64 {
        belief.memory.recall(self.curriculum.components[component].forgetting_per_day, day)
    }

    /// The probability of learning in one opportunity: T times a factor, 0 while a prerequisite's mastery (by
    /// `mastery_of`) is below the threshold.
    #[must_use]
    pub fn learn(&self, component: usize, factor: f64, mastery_of: impl Fn(usize) -> f64) -> f64 {
        let component = &self.curriculum.components[component];
        let ready = component.prerequisites.iter().all(|&before| mastery_of(before) >= self.settings.mastery);
        if ready { (component.knowledge.learn * factor).min(1.0) } else { 0.0 }
    }

    /// Whether a component is unmastered and all it builds on is mastered, to the tutor's belief.
    #[must_use]
    pub fn next_unmastered(&self, beliefs: &[Belief]) -> Option<usize> {
        // Components stand behind their prerequisites: the first unmastered one is ready.
        beliefs.iter().position(|belief| belief.known < self.settings.mastery)
    }

    /// The score that a tutor expects of the post-test.
    #[must_use]
    pub fn expected_score(&self, beliefs: &[Belief]) -> f64 {
        let day = self.test_day();
        let sum: f64 = beliefs
            .iter()
            .enumerate()
            .map(|(place, belief)| {
                let recall = self.believed_recall(belief, place, day);
                self.curriculum.components[place].knowledge.right(belief.known, recall)
            })
            .sum();
        sum / beliefs.len() as f64
    }

    /// The factor on T of an exchange.
    #[must_use]
    pub fn factor(&self, asked: Asked) -> f64 {
        match asked {
            Asked::Item => 1.0,
            Asked::Hinted => self.settings.teaching.hint,
            Asked::Example => self.settings.teaching.example,
            Asked::Solution => self.settings.teaching.solution,
        }
    }

    /// How a component answers after a hint: guesses become at least as good as the hint.
    #[must_use]
    pub fn hinted(&self, model: KnowledgeModel) -> KnowledgeModel {
        KnowledgeModel { guess: model.guess.max(self.settings.hint_right), ..model }
    }
}
