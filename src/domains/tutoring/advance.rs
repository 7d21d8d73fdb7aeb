//! The world moves on: students enrol, and free tutors take who waits longest.

use bevy_ecs::system::{Query, Res, ResMut};
use rand::RngExt;

use super::memory::{Memory, normal_quantile};
use super::state::{Outbox, School, Skill, Student, StudentFile, Totals, Turn, Tutor};
use crate::base::{Chance, Purpose, TraitSpec};
use crate::sim::{Agent, Directory, Now, Population};

const KNOWLEDGE: Purpose = Purpose::named("tutoring.knowledge");
const FORGETTING: Purpose = Purpose::named("tutoring.forgetting");
/// The pre-test's luck.
pub const PRE_TEST: Purpose = Purpose::named("tutoring.pre_test");
/// The post-test's luck.
pub const POST_TEST: Purpose = Purpose::named("tutoring.post_test");

const FORGETTING_TRAIT: &str = "forgetting";
const KNOWLEDGE_TRAIT: &str = "prior_knowledge";

/// What personas may say of students.
pub static TRAITS: &[TraitSpec] = &[
    TraitSpec { name: FORGETTING_TRAIT, about: "factor on how fast the student forgets", low: 0.0, high: 100.0 },
    TraitSpec {
        name: KNOWLEDGE_TRAIT,
        about: "factor on the chance that the student knows a component at the start",
        low: 0.0,
        high: 100.0,
    },
];

/// One more student of `group`. Who they are depends on their number only.
pub fn enrol(school: &mut School, population: &mut Population, chance: Chance, group: u16) {
    let number = school.students;
    school.students += 1;
    let factor =
        |name: &str| population.upcoming(group).and_then(|member| member.traits.get(name)).copied().unwrap_or(1.0);
    let (forgets, knows) = (factor(FORGETTING_TRAIT), factor(KNOWLEDGE_TRAIT));
    let mut skills: Vec<Skill> = Vec::with_capacity(school.curriculum.len());
    for (place, component) in school.curriculum.components.iter().enumerate() {
        let ready = component.prerequisites.iter().all(|&before| skills[before].known);
        let luck: f64 = chance.keyed(KNOWLEDGE, u64::from(number), place as u64).random();
        let uniform: f64 = chance.keyed(FORGETTING, u64::from(number), place as u64).random();
        let spread = school.settings.forgetting_spread * normal_quantile(uniform);
        skills.push(Skill {
            known: ready && luck < component.knowledge.known_at_start * knows,
            memory: Memory { strength: school.settings.strength_at_start, reviewed: 0.0 },
            forgetting: component.forgetting_per_day * spread.exp() * forgets,
        });
    }
    let student = Student {
        number,
        group,
        pre_test: test(school, &skills, 0.0, (chance, PRE_TEST, number)),
        known_at_start: skills.iter().map(|skill| u32::from(skill.known)).sum(),
        skills,
        day: 0.0,
        lesson: 1,
        lesson_minutes: 0.0,
        minutes: 0.0,
        tutor: None,
        asked: None,
        steps: 0,
        totals: Totals::default(),
    };
    let id = population.spawn(
        group,
        Some(Box::new(move |entity| {
            entity.insert((student, Outbox::default()));
        })),
    );
    school.waiting.push_back(id);
}

/// A test on `day`: the share of right answers over `test_items` items of every component. Nobody learns from it.
#[must_use]
pub fn test(school: &School, skills: &[Skill], day: f64, (chance, purpose, number): (Chance, Purpose, u32)) -> f64 {
    let items = school.settings.test_items;
    let mut right = 0_u32;
    for (place, (skill, component)) in skills.iter().zip(&school.curriculum.components).enumerate() {
        let probability = component.knowledge.right(skill.usable(day), 1.0);
        let mut draw = chance.keyed(purpose, u64::from(number), place as u64);
        right += (0..items).map(|_| u32::from(draw.random::<f64>() < probability)).sum::<u32>();
    }
    f64::from(right) / (f64::from(items) * skills.len() as f64)
}

/// Tutors without a student take who waits longest.
pub fn begin_courses(
    directory: Res<Directory>,
    mut school: ResMut<School>,
    mut tutors: Query<(&Agent, &mut Tutor)>,
    mut students: Query<&mut Student>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((agent, mut tutor)) = tutors.get_mut(entity) else { continue };
        if tutor.file.is_some() {
            continue;
        }
        let Some(&id) = school.waiting.front() else { break };
        // Who enrolled this very tick is not born yet.
        let Some(mut student) = directory.entity(id).and_then(|entity| students.get_mut(entity).ok()) else { break };
        school.waiting.pop_front();
        student.tutor = Some(agent.id);
        let beliefs = school.beliefs_at_start();
        let expected = school.expected_score(&beliefs);
        tutor.file = Some(StudentFile {
            student: id,
            beliefs,
            last: None,
            feedback_due: false,
            hinted: false,
            asked: 0,
            turn: Turn::Tutor,
            expected,
            expected_at_start: expected,
            minutes_paid: 0.0,
            over: false,
        });
    }
}

/// Enrols as many students as the groups of students declare.
pub fn enrol_first(school: &mut School, population: &mut Population, now: &Now, groups: &[u16]) {
    for &group in groups {
        for _ in 0..population.groups[usize::from(group)].count {
            enrol(school, population, now.chance, group);
        }
    }
}
