//! What the record shows: a row a tick, a row an agent, a row a course, and a row a component of every student.

use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Query, Res, ResMut};
use bevy_ecs::world::World;

use super::state::{Courses, School, Student, StudentFile, Tutor};
use crate::base::{AgentId, Tick};
use crate::record::{Column, TableSpec, Value};
use crate::sim::{Directory, Now, Tables};

/// Columns of `metrics.csv`.
pub const METRICS: [Column; 13] = [
    Column::new("items", "items", "items answered or passed; second answers after a hint are not counted"),
    Column::new("right", "items", "of these, answered right"),
    Column::new("hints", "hints", "hints given and answered"),
    Column::new("examples", "examples", "worked examples and solutions shown"),
    Column::new(
        "known",
        "share",
        "components that students truly know: mean over all enrolled, at the end of the tick",
    ),
    Column::new("recall", "share", "recall of the components that students truly know: mean, at the end of the tick"),
    Column::new("mastery", "probability", "what tutors believe is known: mean over their students and components"),
    Column::new("courses", "courses", "courses that ended"),
    Column::new("pre_test", "share", "their mean score before the course; empty when none ended"),
    Column::new("post_test", "share", "their mean score in the post-test; empty when none ended"),
    Column::new("minutes", "minutes", "their mean minutes of lessons; empty when none ended"),
    Column::new("gain_per_hour", "share per hour", "their gain by the hours of their lessons; empty when none ended"),
    Column::new("reward", "reward", "reward of all tutors"),
];

/// The domain's columns of `agents.csv`.
pub const AGENTS: [Column; 12] = [
    Column::new("courses", "courses", "courses taught to the end; empty for students"),
    Column::new("items", "items", "items answered; of tutors: in their finished courses, as are all that follow"),
    Column::new("items_right", "items", "of these, answered right"),
    Column::new("hints", "hints", "hints given and answered"),
    Column::new("examples", "examples", "worked examples and solutions shown"),
    Column::new("reviews", "items", "items of components that were believed mastered when they were asked"),
    Column::new("minutes", "minutes", "minutes of lessons"),
    Column::new("components_known", "components", "components truly known now; empty for tutors"),
    Column::new("mean_recall", "share", "mean recall now of the components truly known; empty for tutors"),
    Column::new("pre_test", "share", "score before the course; empty for tutors"),
    Column::new("mean_gain", "share", "mean gain from pre-test to post-test; empty for students"),
    Column::new("reward", "reward", "reward; of students: what their tutor got for them"),
];

/// `episodes.csv`.
#[must_use]
pub fn episodes() -> TableSpec {
    TableSpec {
        name: "episodes",
        about: "a course that is over",
        columns: vec![
            Column::new("tick", "ticks", "when the course ended"),
            Column::new("student", "", "the student's number, in order of enrolment"),
            Column::new("agent", "", "the student's agent id"),
            Column::new("tutor", "", "the tutor's agent id"),
            Column::new("pre_test", "share", "share of right answers before the course"),
            Column::new("post_test", "share", "share of right answers in the post-test"),
            Column::new("gain", "share", "the difference"),
            Column::new("minutes", "minutes", "minutes of all lessons"),
            Column::new("gain_per_hour", "share per hour", "gain by hours of lessons; empty when there were none"),
            Column::new("items", "items", "items answered or passed"),
            Column::new("items_right", "items", "of these, answered right"),
            Column::new("hints", "hints", "hints given and answered"),
            Column::new("examples", "examples", "worked examples and solutions shown"),
            Column::new("reviews", "items", "items of components that were believed mastered when they were asked"),
            Column::new("known_at_start", "components", "components truly known before the course"),
            Column::new("known_at_end", "components", "components truly known at its end"),
            Column::new("mastered", "components", "components that the tutor believed mastered at its end"),
            Column::new("expected_score", "share", "the post-test score that the tutor expected at its end"),
            Column::new("reward", "reward", "the tutor's reward"),
        ],
    }
}

/// `components.csv`.
#[must_use]
pub fn components() -> TableSpec {
    TableSpec {
        name: "components",
        about: "one component of one student who is being taught, every `components_every` ticks and at the end",
        columns: vec![
            Column::new("tick", "ticks", "when the row was written"),
            Column::new("student", "", "the student's number, in order of enrolment"),
            Column::new("component", "", "the component's id"),
            Column::new("known", "0 or 1", "whether it is truly known"),
            Column::new("mastery", "probability", "the tutor's belief that it is, P(L)"),
            Column::new("recall", "probability", "true recall now; 0 when not known"),
            Column::new("recall_believed", "probability", "recall now as the tutor reckons it, if it is known"),
            Column::new("strength", "", "S of the true memory: 1 and one more a review since it was learned"),
            Column::new("tries", "items", "items asked"),
        ],
    }
}

/// How a course ended.
pub struct CourseEnd {
    /// Who taught it.
    pub tutor: AgentId,
    /// Score of the post-test.
    pub post_test: f64,
}

/// A course is over: counted and written down.
pub fn write_episode(
    school: &mut School,
    tables: &mut Tables,
    tick: Tick,
    file: &StudentFile,
    student: &Student,
    end: &CourseEnd,
) {
    let known = student.skills.iter().filter(|skill| skill.known).count() as u64;
    let mastered = file.beliefs.iter().filter(|belief| belief.known >= school.settings.mastery).count() as u64;
    let course = Courses {
        count: 1,
        pre_test: student.pre_test,
        post_test: end.post_test,
        minutes: student.minutes,
        known,
        totals: student.totals,
    };
    school.ended.add(&course);
    let totals = &student.totals;
    tables.push(
        "episodes",
        [
            tick.0.into(),
            student.number.into(),
            file.student.0.into(),
            end.tutor.0.into(),
            student.pre_test.into(),
            end.post_test.into(),
            (end.post_test - student.pre_test).into(),
            student.minutes.into(),
            course.gain_per_hour().into(),
            totals.items.into(),
            totals.right.into(),
            totals.hints.into(),
            totals.examples.into(),
            totals.reviews.into(),
            student.known_at_start.into(),
            known.into(),
            mastered.into(),
            file.expected.into(),
            totals.reward.into(),
        ],
    );
}

/// The tick's row, and the components' rows when they are due.
pub fn record_tick(
    now: Res<Now>,
    directory: Res<Directory>,
    mut school: ResMut<School>,
    mut tables: ResMut<Tables>,
    students: Query<&Student>,
    tutors: Query<&Tutor>,
) {
    let school = &mut *school;
    let done = std::mem::take(&mut school.now);
    let ended = std::mem::take(&mut school.ended);
    let tenth = (now.tick.0 * 10 / school.ticks.max(1)).min(9) as usize;
    school.tenths[tenth].add(&ended);
    let mut known = (0.0, 0_u64);
    let mut recall = (0.0, 0_u64);
    let mut mastery = (0.0, 0_u64);
    for &(_, entity) in directory.alive() {
        if let Ok(student) = students.get(entity) {
            for skill in &student.skills {
                known.1 += 1;
                if skill.known {
                    known.0 += 1.0;
                    recall.0 += skill.usable(student.day);
                    recall.1 += 1;
                }
            }
        } else if let Some(file) = tutors.get(entity).ok().and_then(|tutor| tutor.file.as_ref()) {
            mastery.0 += file.beliefs.iter().map(|belief| belief.known).sum::<f64>();
            mastery.1 += file.beliefs.len() as u64;
        }
    }
    let mean = |(sum, count): (f64, u64)| (count > 0).then(|| sum / count as f64);
    tables.metrics([
        done.items.into(),
        done.right.into(),
        done.hints.into(),
        done.examples.into(),
        mean(known).into(),
        mean(recall).into(),
        mean(mastery).into(),
        ended.count.into(),
        mean((ended.pre_test, ended.count)).into(),
        mean((ended.post_test, ended.count)).into(),
        mean((ended.minutes, ended.count)).into(),
        ended.gain_per_hour().into(),
        done.reward.into(),
    ]);
    let every = school.settings.components_every;
    if now.last || (every > 0 && (now.tick.0 + 1).is_multiple_of(every)) {
        for &(_, entity) in directory.alive() {
            let Some(file) = tutors.get(entity).ok().and_then(|tutor| tutor.file.as_ref()) else { continue };
            let Some(student) = directory.entity(file.student).and_then(|entity| students.get(entity).ok()) else {
                continue;
            };
            write_components(school, &mut tables, now.tick, file, student);
        }
    }
}

fn write_components(school: &School, tables: &mut Tables, tick: Tick, file: &StudentFile, student: &Student) {
    for (place, (skill, belief)) in student.skills.iter().zip(&file.beliefs).enumerate() {
        tables.push(
            "components",
            [
                tick.0.into(),
                student.number.into(),
                std::sync::Arc::clone(&school.curriculum.components[place].id).into(),
                skill.known.into(),
                belief.known.into(),
                skill.usable(student.day).into(),
                school.believed_recall(belief, place, student.day).into(),
                skill.memory.strength.into(),
                belief.tries.into(),
            ],
        );
    }
}

/// The domain's part of an agent's row.
#[must_use]
pub fn agent_row(world: &World, entity: Entity) -> Vec<Value> {
    if let Some(tutor) = world.get::<Tutor>(entity) {
        let totals = &tutor.totals;
        return vec![
            tutor.courses.into(),
            totals.items.into(),
            totals.right.into(),
            totals.hints.into(),
            totals.examples.into(),
            totals.reviews.into(),
            tutor.minutes.into(),
            Value::Empty,
            Value::Empty,
            Value::Empty,
            (tutor.courses > 0).then(|| tutor.gain / tutor.courses as f64).into(),
            totals.reward.into(),
        ];
    }
    let Some(student) = world.get::<Student>(entity) else { return vec![Value::Empty; AGENTS.len()] };
    let known = student.skills.iter().filter(|skill| skill.known).count() as u64;
    let recall: f64 = student.skills.iter().map(|skill| skill.usable(student.day)).sum();
    let totals = &student.totals;
    vec![
        Value::Empty,
        totals.items.into(),
        totals.right.into(),
        totals.hints.into(),
        totals.examples.into(),
        totals.reviews.into(),
        student.minutes.into(),
        known.into(),
        (known > 0).then(|| recall / known as f64).into(),
        student.pre_test.into(),
        Value::Empty,
        totals.reward.into(),
    ]
}
