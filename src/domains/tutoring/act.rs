//! What acts do, in `AgentId` order, and the words they are done with.

use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use rand::RngExt;

use super::observe::{ITEMS_A_COMPONENT, end_lesson};
use super::prompts::{self, Saying};
use super::spaces::{STUDENT_ACT_LIST, StudentAct, TUTOR_ACT_LIST, TutorAct};
use super::state::{Asked, Exchange, MINUTES_A_DAY, Outbox, School, Student, StudentFile, Turn, Tutor, Wording};
use super::strategy;
use crate::base::{AgentId, Answer, Message, Performative, Purpose, TextId};
use crate::scenario::Words;
use crate::sim::{
    Agent, Choice, Directory, LanguageQueue, Llm, Mail, Now, PersonaId, PolicySlot, Texts, Ticket, Voices,
};

const ANSWER: Purpose = Purpose::named("tutoring.answer");
const LEARN: Purpose = Purpose::named("tutoring.learn");
const WORDING: Purpose = Purpose::named("tutoring.wording");

/// The system turn of each persona's speakers, made once.
#[derive(Resource, Default)]
pub struct Speakers {
    /// Of tutors, by persona.
    pub tutors: Vec<Arc<str>>,
    /// Of students, by persona.
    pub students: Vec<Arc<str>>,
}

/// Who speaks: agent, model, system turn.
struct Speaker(AgentId, Option<u16>, Arc<str>);

/// Whose words they are: the agent, its model and its policy.
type Author = (AgentId, Llm, PolicySlot);

impl Speakers {
    /// With `words = "fixed"` no model is asked.
    fn of(&self, tutor: bool, (agent, llm, slot): Author, persona: PersonaId, voices: &Voices) -> Speaker {
        let turns = if tutor { &self.tutors } else { &self.students };
        let model = llm.model.filter(|_| voices.speaker(slot).words != Words::Fixed);
        Speaker(agent, model, Arc::clone(&turns[usize::from(persona.0)]))
    }
}

type Part = (Option<Ticket>, Arc<[Arc<str>]>);

/// A part of a message: asked of the speaker's model, or the first phrase where there is none.
fn say(queue: &mut LanguageQueue, speaker: &Speaker, saying: Saying, item: Option<&super::Item>, given: &str) -> Part {
    let Speaker(agent, model, system) = speaker;
    let ticket = model.map(|model| queue.ask(*agent, model, prompts::choose(Arc::clone(system), saying, item, given)));
    (ticket, prompts::phrases(saying, item, given))
}

/// Tutors act: ask, hint, show, or end the lesson.
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
pub fn tutors_act(
    now: Res<Now>,
    directory: Res<Directory>,
    speakers: Res<Speakers>,
    voices: Res<Voices>,
    school: Res<School>,
    mut queue: ResMut<LanguageQueue>,
    mut tutors: Query<(&Agent, &Llm, &PolicySlot, &Choice, &mut Tutor, &mut Outbox)>,
    mut students: Query<&mut Student>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((agent, llm, slot, choice, mut tutor, mut outbox)) = tutors.get_mut(entity) else { continue };
        let (Some(action), Some(file)) = (choice.action, &mut tutor.file) else { continue };
        let Some(student) = directory.entity(file.student) else { continue };
        let Ok(mut student) = students.get_mut(student) else { continue };
        let act = TUTOR_ACT_LIST[action.index()];
        let speaker = speakers.of(true, (agent.id, *llm, *slot), agent.persona, &voices);
        file.turn = Turn::Student;
        let mut parts = Vec::new();
        if std::mem::take(&mut file.feedback_due) {
            parts.extend(feedback(&mut queue, &speaker, &school, file, act));
        }
        let key = (now.chance, student.number, student.day);
        let Some(place) = strategy::component_of(act, &school, file, key) else {
            // Only `stop` is about nothing.
            parts.push(say(&mut queue, &speaker, Saying::Stop, None, ""));
            outbox.0 = Some(Wording {
                recipient: file.student,
                performative: Performative::Close,
                topic: 0,
                amount: 0.0,
                parts,
            });
            end_lesson(&school, file, &mut student);
            file.turn = Turn::Marked;
            continue;
        };
        let belief = &file.beliefs[place];
        let review = belief.known >= school.settings.mastery;
        let fresh = |more: u32| strategy::item_of(&school, place, belief.tries + more, (now.chance, student.number));
        let same = file.last.map_or(0, |last| last.item);
        let (saying, asked, performative, item) = match act {
            TutorAct::Hint => (Saying::Hint, Asked::Hinted, Performative::QueryIf, same),
            TutorAct::ShowSolution => (Saying::Solution, Asked::Solution, Performative::Inform, same),
            TutorAct::ShowExample => (Saying::Example, Asked::Example, Performative::Inform, fresh(1)),
            _ => (Saying::Ask, Asked::Item, Performative::Query, fresh(0)),
        };
        if asked == Asked::Item {
            file.asked += 1;
            student.totals.reviews += u64::from(review);
        }
        file.hinted = asked == Asked::Hinted;
        file.last = Some(Exchange { component: place, item, asked, answer: None });
        parts.push(say(&mut queue, &speaker, saying, Some(&school.curriculum.components[place].items[item]), ""));
        outbox.0 = Some(Wording {
            recipient: file.student,
            performative,
            topic: place as u16 * ITEMS_A_COMPONENT + item as u16,
            amount: asked.code(),
            parts,
        });
    }
}

/// What the tutor says of the last answer; before a hint or an explanation the right one is not given away.
fn feedback(
    queue: &mut LanguageQueue,
    speaker: &Speaker,
    school: &School,
    file: &StudentFile,
    act: TutorAct,
) -> Option<Part> {
    let last = file.last?;
    let item = &school.curriculum.components[last.component].items[last.item];
    let (saying, item) = match last.answer? {
        0 => (Saying::Right, None),
        _ if matches!(act, TutorAct::Hint | TutorAct::ShowSolution) => (Saying::TryAgain, None),
        _ => (Saying::Wrong, Some(item)),
    };
    Some(say(queue, speaker, saying, item, ""))
}

/// Students answer as their state and their luck have it, and learn as their state allows; then words are looked for.
pub fn students_act(
    now: Res<Now>,
    directory: Res<Directory>,
    speakers: Res<Speakers>,
    voices: Res<Voices>,
    mut school: ResMut<School>,
    mut queue: ResMut<LanguageQueue>,
    mut students: Query<(&Agent, &Llm, &PolicySlot, &Choice, &mut Student, &mut Outbox)>,
) {
    let school = &mut *school;
    for &(_, entity) in directory.alive() {
        let Ok((agent, llm, slot, choice, mut student, mut outbox)) = students.get_mut(entity) else { continue };
        let (Some(action), Some(tutor)) = (choice.action, student.tutor) else { continue };
        let Some((place, number, asked)) = student.asked.take() else { continue };
        let act = STUDENT_ACT_LIST[action.index()];
        let component = &school.curriculum.components[place];
        let item = &component.items[number];
        let answer = (act != StudentAct::Acknowledge).then(|| {
            let model = if asked == Asked::Hinted { school.hinted(component.knowledge) } else { component.knowledge };
            let right = model.right(student.skills[place].usable(student.day), 1.0);
            let mut draw = now.chance.keyed(ANSWER, u64::from(student.number), student.steps);
            match act {
                StudentAct::Pass => -1,
                _ if draw.random::<f64>() < right => 0,
                _ => i32::try_from(draw.random_range(1..=item.wrong.len())).expect("at most 128 answers"),
            }
        });
        let minutes = match (act, asked) {
            (StudentAct::Pass, _) => school.settings.minutes.pass,
            (_, Asked::Item) => school.settings.minutes.item,
            (_, Asked::Hinted) => school.settings.minutes.hint,
            (_, Asked::Example) => school.settings.minutes.example,
            (_, Asked::Solution) => school.settings.minutes.solution,
        };
        let learn =
            school.learn(place, school.factor(asked), |before| if student.skills[before].known { 1.0 } else { 0.0 });
        let luck: f64 = now.chance.keyed(LEARN, u64::from(student.number), student.steps).random();
        let day = student.day;
        student.skills[place].practise(luck < learn, day);
        student.steps += 1;
        student.day += minutes / MINUTES_A_DAY;
        student.lesson_minutes += minutes;
        student.minutes += minutes;
        for totals in [&mut student.totals, &mut school.now] {
            totals.items += u64::from(asked == Asked::Item);
            totals.right += u64::from(asked == Asked::Item && answer == Some(0));
            totals.hints += u64::from(asked == Asked::Hinted);
            totals.examples += u64::from(!asked.is_question());
        }
        let speaker = speakers.of(false, (agent.id, *llm, *slot), agent.persona, &voices);
        let (saying, performative, given) = match answer {
            None => (Saying::Acknowledge, Performative::Confirm, ""),
            Some(-1) => (Saying::Pass, Performative::Inform, ""),
            Some(0) => (Saying::Answer, Performative::Inform, &*item.answer),
            Some(wrong) => (Saying::Answer, Performative::Inform, &*item.wrong[wrong as usize - 1]),
        };
        let about = answer.is_some_and(|answer| answer >= 0).then_some(item);
        outbox.0 = Some(Wording {
            recipient: tutor,
            performative,
            topic: place as u16 * ITEMS_A_COMPONENT + number as u16,
            amount: answer.unwrap_or(0) as f32,
            parts: vec![say(&mut queue, &speaker, saying, about, given)],
        });
    }
}

/// Words have come: messages go out.
pub fn send_words(
    now: Res<Now>,
    directory: Res<Directory>,
    queue: Res<LanguageQueue>,
    mut texts: ResMut<Texts>,
    mut mail: ResMut<Mail>,
    mut speakers: Query<(&Agent, &mut Outbox)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((agent, mut outbox)) = speakers.get_mut(entity) else { continue };
        let Some(wording) = outbox.0.take() else { continue };
        let mut draw = now.chance.draw(WORDING, now.tick, agent.id);
        let said: Vec<&str> = wording
            .parts
            .iter()
            .map(|(ticket, phrases)| match ticket.and_then(|ticket| queue.answer(ticket)) {
                Some(Answer::Scored(scored)) => &*phrases[scored.draw(draw.random())],
                // No model speaks for this agent (or it failed, and the run stops at the end of this tick).
                _ => &*phrases[0],
            })
            .collect();
        let text = if said.is_empty() { TextId::EMPTY } else { texts.0.intern(&said.join(" ")) };
        mail.send(Message {
            sender: agent.id,
            recipient: wording.recipient,
            performative: wording.performative,
            topic: wording.topic,
            amount: wording.amount,
            text,
        });
    }
}
