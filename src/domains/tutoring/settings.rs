//! What a scenario may set under `[domain]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{ScenarioError, Section, Settings};

/// Settings of `kind = "tutoring"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TutoringSettings {
    /// What is taught: a file of components instead of the school arithmetic that comes with the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components_path: Option<String>,
    /// How many items are generated for each component.
    pub items_per_component: u32,
    /// Lessons in a course.
    pub lessons: u32,
    /// Length of a lesson, in minutes; the tutor may end it earlier.
    pub lesson_minutes: f64,
    /// Days from the start of a lesson to the start of the next.
    pub days_between_lessons: f64,
    /// Days from the start of the last lesson to the post-test, which stands on that day however early the course ends.
    pub days_to_test: f64,
    /// Items of each component in the pre-test and in the post-test.
    pub test_items: u32,
    /// Belief, in (0, 1], from which a component counts as mastered and what builds on it can be learned.
    pub mastery: f64,
    /// Expected share of right answers, in [0, 1], that the action `ask_threshold` keeps components at.
    pub threshold: f64,
    /// Standard deviation of ln θ over students and components: how unlike they forget.
    pub forgetting_spread: f64,
    /// Strength S, ≥ 1, of the memory of what students know before the course: as if reviewed S − 1 times.
    pub strength_at_start: f64,
    /// Chance, in [0, 1], that a hint leads to the right answer without the knowledge.
    pub hint_right: f64,
    /// How much more than answering an item a hint, an example or a shown solution teaches.
    pub teaching: TeachingSettings,
    /// What things take.
    pub minutes: MinutesSettings,
    /// What the tutor is rewarded for.
    pub reward: RewardSettings,
    /// Every how many ticks components.csv gets its rows; 0: only at the end.
    pub components_every: u64,
}

/// Factors on the probability of learning (T); the product is cut at 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TeachingSettings {
    /// Of answering again after a hint.
    pub hint: f64,
    /// Of a worked example.
    pub example: f64,
    /// Of the worked solution of an item just answered wrong.
    pub solution: f64,
}

/// Minutes that things take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MinutesSettings {
    /// Answering an item.
    pub item: f64,
    /// Saying that one does not know.
    pub pass: f64,
    /// A hint and the second answer.
    pub hint: f64,
    /// A worked example.
    pub example: f64,
    /// The worked solution of an item.
    pub solution: f64,
}

/// What the tutor is rewarded for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RewardSettings {
    /// A gain from 0% to 100% from pre-test to post-test; smaller gains in proportion.
    pub gain: f64,
    /// Each minute of a lesson.
    pub minute: f64,
}

impl Default for TutoringSettings {
    fn default() -> Self {
        Self {
            components_path: None,
            items_per_component: 4,
            lessons: 3,
            lesson_minutes: 30.0,
            days_between_lessons: 1.0,
            days_to_test: 3.0,
            test_items: 3,
            mastery: 0.95,
            threshold: 0.8,
            forgetting_spread: 0.5,
            strength_at_start: 5.0,
            hint_right: 0.4,
            teaching: TeachingSettings::default(),
            minutes: MinutesSettings::default(),
            reward: RewardSettings::default(),
            components_every: 1000,
        }
    }
}

impl Default for TeachingSettings {
    fn default() -> Self {
        Self { hint: 0.8, example: 1.3, solution: 1.2 }
    }
}

impl Default for MinutesSettings {
    fn default() -> Self {
        Self { item: 1.0, pass: 0.4, hint: 0.6, example: 1.5, solution: 0.8 }
    }
}

impl Default for RewardSettings {
    fn default() -> Self {
        Self { gain: 100.0, minute: -0.1 }
    }
}

impl Settings for TutoringSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        let check = |key: &str, good: bool, value: f64, range: &str| {
            if good {
                return Ok(());
            }
            Err(section.invalid(key, format!("{value} is outside {range}"), format!("give a number in {range}")))
        };
        for (key, value) in [("threshold", self.threshold), ("hint_right", self.hint_right)] {
            check(key, (0.0..=1.0).contains(&value), value, "[0, 1]")?;
        }
        check("mastery", self.mastery > 0.0 && self.mastery <= 1.0, self.mastery, "(0, 1]")?;
        for (key, value, most) in [
            ("items_per_component", self.items_per_component, 100),
            ("lessons", self.lessons, 1000),
            ("test_items", self.test_items, 100),
        ] {
            check(key, (1..=most).contains(&value), f64::from(value), &format!("[1, {most}]"))?;
        }
        let strength = self.strength_at_start;
        check("strength_at_start", (1.0..=1e6).contains(&strength), strength, "[1, 1000000]")?;
        let positive = |value: f64| value > 0.0 && value <= 1e6;
        for (key, value) in [
            ("lesson_minutes", self.lesson_minutes),
            ("minutes.item", self.minutes.item),
            ("minutes.pass", self.minutes.pass),
            ("minutes.hint", self.minutes.hint),
            ("minutes.example", self.minutes.example),
            ("minutes.solution", self.minutes.solution),
        ] {
            check(key, positive(value), value, "(0, 1000000]")?;
        }
        for (key, value) in [
            ("teaching.hint", self.teaching.hint),
            ("teaching.example", self.teaching.example),
            ("teaching.solution", self.teaching.solution),
        ] {
            check(key, (0.0..=100.0).contains(&value), value, "[0, 100]")?;
        }
        check("forgetting_spread", (0.0..=5.0).contains(&self.forgetting_spread), self.forgetting_spread, "[0, 5]")?;
        // A lesson must be over before the next begins, and the last before the test.
        let lesson_days = self.lesson_minutes / super::state::MINUTES_A_DAY;
        for (key, value) in [("days_between_lessons", self.days_between_lessons), ("days_to_test", self.days_to_test)] {
            if !(value > lesson_days && value <= 10_000.0) {
                return Err(section.invalid(
                    key,
                    format!("{value} is outside ({lesson_days}, 10000]: the lesson before must be over by then"),
                    "give more days, or shorten `lesson_minutes`",
                ));
            }
        }
        for (key, value) in [("reward.gain", self.reward.gain), ("reward.minute", self.reward.minute)] {
            check(key, value.is_finite() && value.abs() <= 1e6, value, "[−1000000, 1000000]")?;
        }
        Ok(())
    }
}
