//! What the staff and the customers see in one tick.

use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Query, Res, ResMut};

use super::intents::Intent;
use super::prompts;
use super::spaces::{Asked, STAFF_FEATURES, StaffAct};
use super::state::{Customer, Desk, NO_TOPIC, Staff};
use crate::base::{Action, Answer, LegalActions, Performative, TextId};
use crate::sim::{Agent, Directory, LanguageQueue, Llm, Mail, Mailbox, Observations, PolicySlot, Texts, Voices};

/// Most times a customer can be asked to say more.
const ASK_AGAIN_MAX: u32 = 3;

/// Customers take in what they are asked; the staff takes in what customers say, and asks its language model to read
/// what is in words only.
pub fn take_in_messages(
    directory: Res<Directory>,
    mail: Res<Mail>,
    texts: Res<Texts>,
    voices: Res<Voices>,
    mut queue: ResMut<LanguageQueue>,
    mut staff: Query<(&Agent, &Llm, &PolicySlot, &Mailbox, &mut Staff)>,
    mut customers: Query<(&Mailbox, &mut Customer)>,
) {
    for &(_, entity) in directory.alive() {
        if let Ok((mailbox, mut customer)) = customers.get_mut(entity) {
            let staff = customer.staff;
            for message in mail.inbox(*mailbox).iter().filter(|message| staff == Some(message.sender)) {
                customer.asked_about = intent_of(message.topic);
                customer.asked = match message.performative {
                    Performative::Query if customer.asked_about.is_some() => Some(Asked::Reason),
                    Performative::Query => Some(Asked::Identification),
                    Performative::QueryIf => Some(Asked::Confirmation),
                    Performative::Propose => Some(Asked::Done),
                    _ => None,
                };
            }
        }
    }
    for &(_, entity) in directory.alive() {
        let Ok((agent, llm, slot, mailbox, mut member)) = staff.get_mut(entity) else { continue };
        let Some(served) = member.customer else { continue };
        let Some(entity) = directory.entity(served) else { continue };
        let Ok((_, mut customer)) = customers.get_mut(entity) else { continue };
        for message in mail.inbox(*mailbox).iter().filter(|message| message.sender == served) {
            member.to_act = true;
            let words = message.text != TextId::EMPTY;
            match message.performative {
                Performative::Confirm => customer.file.confirmed = intent_of(message.topic),
                Performative::Disconfirm => {
                    if let Some(intent) = intent_of(message.topic) {
                        customer.file.denied = customer.file.denied.with(intent);
                    }
                }
                Performative::Accept if message.topic == NO_TOPIC => customer.file.satisfied = true,
                Performative::Inform if message.topic == IDENTIFICATION => customer.file.identified = true,
                Performative::Inform | Performative::Accept if words && voices.reader(*slot).weight == 0.0 => {
                    customer.file.readings += 1;
                }
                Performative::Inform | Performative::Accept if words => {
                    let model = llm.model.expect("checked: staff have a language model");
                    let sentence = texts.0.get(message.text);
                    member.reading = Some(queue.ask(agent.id, model, prompts::read(sentence)));
                }
                _ => {}
            }
        }
    }
}

/// The topic of a message with which a customer identifies themselves.
pub const IDENTIFICATION: u16 = 98;

fn intent_of(topic: u16) -> Option<Intent> {
    Intent::ALL.get(usize::from(topic)).copied()
}

/// Readings become evidence; whoever has something to decide gets an observation.
pub fn hand_in_observations(
    directory: Res<Directory>,
    queue: Res<LanguageQueue>,
    voices: Res<Voices>,
    mut desk: ResMut<Desk>,
    mut observations: ResMut<Observations>,
    mut staff: Query<(&Agent, &PolicySlot, &mut Staff)>,
    mut customers: Query<(&Agent, &PolicySlot, &mut Customer)>,
) {
    for &(_, entity) in directory.alive() {
        if let Ok((agent, slot, mut member)) = staff.get_mut(entity) {
            let Some(served) = member.customer.and_then(|customer| directory.entity(customer)) else { continue };
            let Ok((_, _, mut customer)) = customers.get_mut(served) else { continue };
            if let Some(Answer::Scored(scored)) = member.reading.take().and_then(|ticket| queue.answer(ticket)) {
                read(&mut desk, &mut customer, &scored.probabilities(), voices.reader(*slot).weight);
            }
            if member.to_act {
                let features = staff_features(&desk, &member, &customer);
                let legal = staff_menu(&desk, &member, &customer);
                observations.push(agent.id, entity, *slot, &features, legal, TextId::EMPTY);
            }
        } else if let Ok((agent, slot, customer)) = customers.get(entity) {
            observe_customer(&mut observations, entity, agent, *slot, customer);
        }
    }
}

fn read(desk: &mut Desk, customer: &mut Customer, probabilities: &[f64], weight: f64) {
    let guess = customer.file.read(probabilities, weight);
    if customer.first_guess.is_none() {
        customer.first_guess = Some(guess);
        desk.now.first_guesses += 1;
        desk.now.first_guesses_right += u64::from(desk.tasks[customer.task].needs.has(guess));
    }
}

fn staff_features(desk: &Desk, member: &Staff, customer: &Customer) -> [f32; STAFF_FEATURES.len()] {
    let file = &customer.file;
    let (candidate, confidence) = match desk.candidate(file, customer.task) {
        Some((intent, probability)) => (f32::from(intent as u8), probability as f32),
        None => (Intent::COUNT as f32, 0.0),
    };
    let flag = |set: bool| f32::from(u8::from(set));
    [
        flag(file.identified),
        if file.looked_up { f32::from(desk.tasks[customer.task].orders.level()) } else { 0.0 },
        candidate,
        confidence,
        flag(file.confirmed.is_some()),
        file.denied.count() as f32,
        file.readings as f32,
        file.asked_again as f32,
        file.done.count() as f32,
        flag(file.satisfied),
        file.turns as f32,
        flag(member.exceptions),
    ]
}

fn staff_menu(desk: &Desk, member: &Staff, customer: &Customer) -> LegalActions {
    let file = &customer.file;
    let candidate = desk.candidate(file, customer.task);
    let mut legal = LegalActions::default();
    let mut allow = |act: StaffAct, when: bool| {
        if when {
            legal = legal.with(Action(act as u16));
        }
    };
    let open = !file.satisfied;
    allow(StaffAct::AskIdentification, !file.identified);
    allow(StaffAct::AskAgain, open && file.asked_again < ASK_AGAIN_MAX);
    allow(StaffAct::LookUp, file.identified && !file.looked_up);
    allow(StaffAct::Confirm, open && file.confirmed.is_none() && candidate.is_some());
    for act in [StaffAct::OfferExchange, StaffAct::OfferReturn, StaffAct::OfferCancel, StaffAct::OfferModify] {
        allow(act, open && file.identified);
    }
    allow(StaffAct::HandleException, open && file.identified && member.exceptions);
    allow(StaffAct::Transfer, open && !member.specialist && desk.has_specialists);
    allow(StaffAct::Close, true);
    legal
}

fn observe_customer(
    observations: &mut Observations,
    entity: Entity,
    agent: &Agent,
    slot: PolicySlot,
    customer: &Customer,
) {
    let Some(asked) = customer.asked else { return };
    let is_right = customer.asked_about.is_some_and(|intent| customer.needs.has(intent));
    let features =
        [f32::from(asked as u8), f32::from(u8::from(is_right)), f32::from(u8::from(!customer.needs.is_empty()))];
    let legal = LegalActions::all(super::spaces::CUSTOMER_ACTS.len());
    observations.push(agent.id, entity, slot, &features, legal, TextId::EMPTY);
}
