//! How well tutors did this tick.
//!
//! A course is worth gain × (post-test − pre-test) + minute × minutes. Known only at its end, it is paid as it comes:
//! each tick the change in the score that the tutor expects of the post-test, and at the end the difference of what came
//! and what was expected. This is potential-based shaping (Ng, Harada and Russell 1999): the sum over a course is
//! exactly its worth, and the best policy stays the best.

use bevy_ecs::system::{Query, Res, ResMut};

use super::advance::{POST_TEST, enrol, test};
use super::record::{CourseEnd, write_episode};
use super::state::{School, Student, Turn, Tutor};
use crate::base::Outcome;
use crate::sim::{Agent, Directory, Now, Population, Reward, RewardTerms, Tables};

/// Progress, minutes and tests become reward; a course that is over frees its tutor and its seat.
pub fn reward_tutors(
    now: Res<Now>,
    directory: Res<Directory>,
    mut school: ResMut<School>,
    mut population: ResMut<Population>,
    mut tables: ResMut<Tables>,
    mut tutors: Query<(&Agent, &mut Tutor, &mut Reward, &mut RewardTerms)>,
    mut students: Query<&mut Student>,
) {
    let school = &mut *school;
    for &(_, entity) in directory.alive() {
        let Ok((agent, mut tutor, mut reward, mut terms)) = tutors.get_mut(entity) else { continue };
        let tutor = &mut *tutor;
        let Some(file) = tutor.file.as_mut().filter(|file| file.turn == Turn::Marked) else { continue };
        let Some(mut student) = directory.entity(file.student).and_then(|entity| students.get_mut(entity).ok()) else {
            continue;
        };
        file.turn = Turn::Tutor;
        let worth = &school.settings.reward;
        let expected = school.expected_score(&file.beliefs);
        let mut value = worth.gain * (expected - file.expected) + worth.minute * (student.minutes - file.minutes_paid);
        terms.values[0] += (expected - file.expected) as f32;
        terms.values[1] += (student.minutes - file.minutes_paid) as f32;
        file.expected = expected;
        file.minutes_paid = student.minutes;
        let post_test = file.over.then(|| {
            let key = (now.chance, POST_TEST, student.number);
            test(school, &student.skills, school.test_day(), key)
        });
        if let Some(post_test) = post_test {
            let gain = post_test - student.pre_test;
            let missed = gain - (expected - file.expected_at_start);
            terms.values[0] += missed as f32;
            value += worth.gain * missed;
            reward.outcome = Outcome::Terminated;
        }
        reward.value += value as f32;
        student.totals.reward += value;
        school.now.reward += value;
        if let Some(post_test) = post_test {
            let end = CourseEnd { tutor: agent.id, post_test };
            write_episode(school, &mut tables, now.tick, file, &student, &end);
            tutor.courses += 1;
            tutor.gain += post_test - student.pre_test;
            tutor.minutes += student.minutes;
            tutor.totals.add(&student.totals);
            population.despawn(file.student);
            enrol(school, &mut population, now.chance, student.group);
            tutor.file = None;
        }
    }
}
