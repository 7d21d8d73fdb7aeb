//! Which component an act of the tutor is about. Each act of the menu carries one strategy, so that a decision list of
//! one line is a textbook scheduler, and a learner chooses among schedulers from moment to moment.

use rand::RngExt;

use super::scheduling::first_least;
use super::spaces::TutorAct;
use super::state::{Belief, School, StudentFile};
use crate::base::{Chance, Purpose};

const COMPONENT: Purpose = Purpose::named("tutoring.component");
const ITEM: Purpose = Purpose::named("tutoring.item");

/// The component that `act` is about, from the tutor's beliefs alone; `None` when there is none and the act is
/// therefore not legal.
#[must_use]
pub fn component_of(
    act: TutorAct,
    school: &School,
    file: &StudentFile,
    (chance, number, day): (Chance, u32, f64),
) -> Option<usize> {
    let beliefs = &file.beliefs;
    match act {
        TutorAct::AskNextUnmastered | TutorAct::ShowExample => school.next_unmastered(beliefs),
        TutorAct::ReviewWeakest => weakest(school, beliefs, day),
        TutorAct::AskThreshold => Some(nearest_threshold(school, beliefs, day)),
        TutorAct::AskLeitner => Some(leitner(beliefs, file.asked)),
        TutorAct::AskRoundRobin => Some(file.asked as usize % beliefs.len()),
        TutorAct::AskRandom => {
            Some(chance.keyed(COMPONENT, u64::from(number), file.asked).random_range(0..beliefs.len()))
        }
        TutorAct::Hint | TutorAct::ShowSolution => file.last.map(|last| last.component),
        TutorAct::Stop => None,
    }
}

/// Of what is believed mastered, the component that is recalled least.
fn weakest(school: &School, beliefs: &[Belief], day: f64) -> Option<usize> {
    let mastered = |belief: &Belief| belief.known >= school.settings.mastery;
    beliefs.iter().any(mastered).then(|| {
        first_least(beliefs.iter().enumerate().map(|(place, belief)| {
            if mastered(belief) { school.believed_recall(belief, place, day) } else { f64::INFINITY }
        }))
    })
}

/// Of all components whose prerequisites are believed mastered, the one whose expected share of right answers is
/// nearest the threshold.
fn nearest_threshold(school: &School, beliefs: &[Belief], day: f64) -> usize {
    first_least(beliefs.iter().enumerate().map(|(place, belief)| {
        let component = &school.curriculum.components[place];
        if component.prerequisites.iter().any(|&before| beliefs[before].known < school.settings.mastery) {
            return f64::INFINITY;
        }
        let right = component.knowledge.right(belief.known, school.believed_recall(belief, place, day));
        (right - school.settings.threshold).abs()
    }))
}

/// Leitner's boxes (Leitner 1972): what is due comes first, of the lowest box and then of the longest due; when nothing
/// is due the next new component; when there is none, what is due soonest. Box k comes again after 2ᵏ items.
fn leitner(beliefs: &[Belief], asked: u64) -> usize {
    let due = beliefs
        .iter()
        .enumerate()
        .filter(|(_, belief)| belief.leitner_box > 0 && belief.leitner_due <= asked)
        .min_by_key(|(place, belief)| (belief.leitner_box, belief.leitner_due, *place));
    let new = || beliefs.iter().enumerate().find(|(_, belief)| belief.leitner_box == 0);
    let soonest = || beliefs.iter().enumerate().min_by_key(|(place, belief)| (belief.leitner_due, *place));
    due.or_else(new).or_else(soonest).expect("a curriculum has a component").0
}

/// The boxes after an answer.
pub fn move_box(belief: &mut Belief, is_right: bool, asked: u64) {
    belief.leitner_box = if is_right { (belief.leitner_box + 1).min(6) } else { 1 };
    belief.leitner_due = asked + (1 << belief.leitner_box);
}

/// One of the component's items: the next in an order of its own for each student, so that none comes twice before all
/// have come.
#[must_use]
pub fn item_of(school: &School, component: usize, tries: u32, (chance, number): (Chance, u32)) -> usize {
    let count = school.curriculum.components[component].items.len();
    let start = chance.keyed(ITEM, u64::from(number), component as u64).random_range(0..count);
    (start + tries as usize) % count
}
