//! What students and tutors see in one tick. A turn takes three: the tutor asks, the student answers, the tutor marks
//! the answer; what marking was worth is known before the next decision.

use bevy_ecs::system::{Query, Res, ResMut};

use super::knowledge::KnowledgeModel;
use super::memory::Memory;
use super::spaces::{StudentAct, TUTOR_ACT_LIST, TUTOR_FEATURES, TutorAct};
use super::state::{Asked, School, Student, StudentFile, Turn, Tutor};
use super::strategy;
use crate::base::{Action, LegalActions, Performative, TextId};
use crate::sim::{Agent, Directory, Mail, Mailbox, Now, Observations, PolicySlot};

/// Components per 128 items in a message's topic.
pub const ITEMS_A_COMPONENT: u16 = 128;

/// Students take in what they are asked; tutors mark what they are answered.
pub fn take_in_messages(
    directory: Res<Directory>,
    mail: Res<Mail>,
    school: Res<School>,
    mut students: Query<(&Mailbox, &mut Student)>,
    mut tutors: Query<(&Mailbox, &mut Tutor)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((mailbox, mut student)) = students.get_mut(entity) else { continue };
        let tutor = student.tutor;
        for message in mail.inbox(*mailbox).iter().filter(|message| tutor == Some(message.sender)) {
            let asked = match message.performative {
                Performative::Query => Asked::Item,
                Performative::QueryIf => Asked::Hinted,
                Performative::Inform if message.amount >= Asked::Solution.code() => Asked::Solution,
                Performative::Inform => Asked::Example,
                _ => continue,
            };
            let (component, item) = (message.topic / ITEMS_A_COMPONENT, message.topic % ITEMS_A_COMPONENT);
            student.asked = Some((usize::from(component), usize::from(item), asked));
        }
    }
    for &(_, entity) in directory.alive() {
        let Ok((mailbox, mut tutor)) = tutors.get_mut(entity) else { continue };
        let Some(file) = &mut tutor.file else { continue };
        let Some(student) = directory.entity(file.student) else { continue };
        let Ok((_, mut student)) = students.get_mut(student) else { continue };
        let id = file.student;
        for message in mail.inbox(*mailbox).iter().filter(|message| message.sender == id) {
            #[expect(clippy::cast_possible_truncation, reason = "answers are numbered by small whole numbers")]
            let answer = message.amount as i32;
            mark(&school, file, &student, (message.performative == Performative::Inform).then_some(answer));
            if student.lesson_minutes >= school.settings.lesson_minutes {
                end_lesson(&school, file, &mut student);
            }
        }
    }
}

/// The tutor's beliefs after an answer (`None`: something was shown and acknowledged).
fn mark(school: &School, file: &mut StudentFile, student: &Student, answer: Option<i32>) {
    let Some(last) = &mut file.last else { return };
    let place = last.component;
    let model = school.curriculum.components[place].knowledge;
    let factor = school.factor(last.asked);
    let mut belief = file.beliefs[place];
    let recall = school.believed_recall(&belief, place, student.day);
    if let Some(answer) = answer {
        let model = if last.asked == Asked::Hinted { school.hinted(model) } else { model };
        // "I don't know" is a wrong answer: nobody who knows says it, but the tutor's model is not that sharp.
        belief.known = model.given_answer(belief.known, recall, answer == 0);
        if last.asked == Asked::Item {
            strategy::move_box(&mut belief, answer == 0, file.asked);
            belief.tries += 1;
        }
        last.answer = Some(answer);
        file.feedback_due = true;
    }
    let learn = school.learn(place, factor, |before| file.beliefs[before].known);
    belief.known = KnowledgeModel::after_opportunity(belief.known, learn);
    // Memory is of what is known; where the tutor rather thinks that it was not, it begins now.
    if file.beliefs[place].known >= 0.5 {
        belief.memory.review(student.day);
    } else {
        belief.memory = Memory::new(student.day);
    }
    file.beliefs[place] = belief;
    // The tutor's turn comes a tick after, when what this was worth has been paid: `reward_tutors` says so.
    file.turn = Turn::Marked;
}

/// The lesson is over: the next day comes, or the test.
pub fn end_lesson(school: &School, file: &mut StudentFile, student: &mut Student) {
    if student.lesson >= school.settings.lessons {
        file.over = true;
        return;
    }
    student.day = f64::from(student.lesson) * school.settings.days_between_lessons;
    student.lesson += 1;
    student.lesson_minutes = 0.0;
    // What was left open yesterday is not hinted at today.
    file.last = None;
    file.hinted = false;
    file.feedback_due = false;
}

/// Whoever has something to decide gets an observation.
pub fn hand_in_observations(
    now: Res<Now>,
    directory: Res<Directory>,
    school: Res<School>,
    mut observations: ResMut<Observations>,
    tutors: Query<(&Agent, &PolicySlot, &Tutor)>,
    students: Query<(&Agent, &PolicySlot, &Student)>,
) {
    for &(_, entity) in directory.alive() {
        if let Ok((agent, slot, tutor)) = tutors.get(entity) {
            let Some(file) = tutor.file.as_ref().filter(|file| file.turn == Turn::Tutor && !file.over) else {
                continue;
            };
            let Some(student) = directory.entity(file.student) else { continue };
            let Ok((_, _, student)) = students.get(student) else { continue };
            let features = tutor_features(&school, file, student);
            let mut legal = LegalActions::default();
            for (place, &act) in TUTOR_ACT_LIST.iter().enumerate() {
                if is_legal(act, &school, file, student, &now) {
                    legal = legal.with(Action(place as u16));
                }
            }
            observations.push(agent.id, entity, *slot, &features, legal, TextId::EMPTY);
        } else if let Ok((agent, slot, student)) = students.get(entity) {
            let Some((component, _, asked)) = student.asked else { continue };
            let model = school.curriculum.components[component].knowledge;
            let usable = student.skills[component].usable(student.day);
            let model = if asked == Asked::Hinted { school.hinted(model) } else { model };
            let legal = if asked.is_question() {
                LegalActions::default().with(Action(StudentAct::Answer as u16)).with(Action(StudentAct::Pass as u16))
            } else {
                LegalActions::default().with(Action(StudentAct::Acknowledge as u16))
            };
            let features = [asked.code(), model.right(usable, 1.0) as f32];
            observations.push(agent.id, entity, *slot, &features, legal, TextId::EMPTY);
        }
    }
}

fn is_legal(act: TutorAct, school: &School, file: &StudentFile, student: &Student, now: &Now) -> bool {
    let wrong = file.last.is_some_and(|last| last.asked.is_question() && last.answer.is_some_and(|answer| answer != 0));
    match act {
        TutorAct::Stop => true,
        TutorAct::Hint => wrong && !file.hinted,
        TutorAct::ShowSolution => wrong,
        _ => strategy::component_of(act, school, file, (now.chance, student.number, student.day)).is_some(),
    }
}

fn tutor_features(school: &School, file: &StudentFile, student: &Student) -> [f32; TUTOR_FEATURES.len()] {
    let settings = &school.settings;
    let unmastered = file.beliefs.iter().filter(|belief| belief.known < settings.mastery).count();
    let (next_known, next_tries) = school
        .next_unmastered(&file.beliefs)
        .map_or((1.0, 0), |place| (file.beliefs[place].known, file.beliefs[place].tries));
    let last = match file.last.and_then(|last| last.answer) {
        None => 0.0,
        Some(0) => 1.0,
        Some(_) => 2.0,
    };
    let weakest = file
        .beliefs
        .iter()
        .enumerate()
        .filter(|(_, belief)| belief.known >= settings.mastery)
        .map(|(place, belief)| school.believed_recall(belief, place, student.day))
        .fold(1.0, f64::min);
    [
        unmastered as f32,
        next_known as f32,
        next_tries as f32,
        last,
        f32::from(u8::from(file.hinted)),
        weakest as f32,
        (student.lesson - 1) as f32,
        (1.0 - student.lesson_minutes / settings.lesson_minutes).max(0.0) as f32,
        school.expected_score(&file.beliefs) as f32,
    ]
}
