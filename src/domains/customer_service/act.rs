//! What acts do, in `AgentId` order.

use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use rand::RngExt;

use super::intents::{Intent, Intents};
use super::observe::IDENTIFICATION;
use super::prompts;
use super::record::end_case;
use super::spaces::{CUSTOMER_ACT_LIST, CustomerAct, STAFF_ACT_LIST, StaffAct};
use super::state::{Customer, Desk, Ending, NO_TOPIC, Staff, Wording, sentence};
use crate::base::{Answer, Message, Performative, Purpose, TextId};
use crate::scenario::Words;
use crate::sim::{
    Agent, Choice, Directory, LanguageQueue, Llm, Mail, Now, PersonaId, PolicySlot, Population, Tables, Texts, Voices,
};

const WORDING: Purpose = Purpose::named("customer_service.wording");
const MISUNDERSTAND: Purpose = Purpose::named("customer_service.misunderstand");

/// The system turn of each persona's speaker, made once.
#[derive(Resource, Default)]
pub struct Speakers(pub Vec<Arc<str>>);

impl Speakers {
    fn of(&self, persona: PersonaId) -> Arc<str> {
        Arc::clone(&self.0[usize::from(persona.0)])
    }
}

/// The staff acts: looks up, writes to the shop's database, hands over, closes, and asks for the words of what it says.
#[expect(clippy::too_many_arguments, reason = "a system's parameters are what it touches")]
pub fn staff_acts(
    now: Res<Now>,
    directory: Res<Directory>,
    speakers: Res<Speakers>,
    voices: Res<Voices>,
    mut queue: ResMut<LanguageQueue>,
    mut desk: ResMut<Desk>,
    mut population: ResMut<Population>,
    mut tables: ResMut<Tables>,
    mut staff: Query<(&Agent, &Llm, &PolicySlot, &Choice, &mut Staff)>,
    mut customers: Query<&mut Customer>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((agent, llm, slot, choice, mut member)) = staff.get_mut(entity) else { continue };
        let (Some(action), Some(customer_id)) = (choice.action, member.customer) else { continue };
        let Some(mut customer) = directory.entity(customer_id).and_then(|entity| customers.get_mut(entity).ok()) else {
            continue;
        };
        let act = STAFF_ACT_LIST[action.index()];
        member.acted = true;
        customer.file.turns += 1;
        // A look-up is the shop's own tool: nobody waits for an answer, and the next act follows at the next tick.
        member.to_act = act == StaffAct::LookUp;
        let about = match act {
            StaffAct::Confirm | StaffAct::AskAgain => {
                desk.candidate(&customer.file, customer.task).map(|(intent, _)| intent)
            }
            StaffAct::OfferExchange => Some(Intent::Exchange),
            StaffAct::OfferReturn => Some(Intent::Return),
            StaffAct::OfferCancel => Some(Intent::Cancel),
            StaffAct::OfferModify => Some(Intent::Modify),
            StaffAct::HandleException => Some(Intent::Other),
            _ => None,
        };
        let performative = match act {
            StaffAct::LookUp => {
                customer.file.looked_up = true;
                continue;
            }
            StaffAct::AskIdentification => Performative::Query,
            StaffAct::AskAgain => {
                customer.file.asked_again += 1;
                Performative::Query
            }
            StaffAct::Confirm => Performative::QueryIf,
            StaffAct::Transfer => Performative::Transfer,
            StaffAct::Close => Performative::Close,
            _ => Performative::Propose,
        };
        let (words_about, topic) = match act {
            StaffAct::AskAgain => (None, Intent::Other as u16),
            _ => (about, about.map_or(NO_TOPIC, |intent| intent as u16)),
        };
        let model = llm.model.expect("checked: staff have a language model");
        let system = speakers.of(agent.persona);
        let speaker = voices.speaker(*slot);
        let (request, phrases) = match speaker.words {
            Words::Fixed => (None, prompts::phrases(act, words_about)),
            Words::Choose => {
                (Some(prompts::choose_words(system, act, words_about)), prompts::phrases(act, words_about))
            }
            Words::Write => {
                let draw = now.chance.draw(WORDING, now.tick, agent.id).random_range(0..speaker.variants);
                let (tokens_max, temperature) = (speaker.tokens_max, speaker.temperature);
                let request = prompts::write_words(system, act, words_about, tokens_max, temperature, draw);
                (Some(request), Arc::default())
            }
        };
        let ticket = request.map(|request| queue.ask(agent.id, model, request));
        member.wording = Some(Wording { recipient: customer_id, performative, topic, ticket, phrases });
        customer.file.messages += 1;

        let ending = match act {
            StaffAct::Transfer => {
                let needed = customer.needs.has(Intent::Other);
                customer.transfers += 1;
                customer.staff = None;
                customer.queued = now.tick;
                desk.specialist_queue.push_back(customer_id);
                desk.now.transfers += 1;
                Some(if needed { Ending::TransferredRight } else { Ending::Transferred })
            }
            StaffAct::Close => Some(if customer.needs.is_empty() { Ending::Right } else { Ending::Wrong }),
            _ if performative == Performative::Propose => {
                let intent = about.expect("an offer is about an intent");
                carry_out(&mut customer, intent)
            }
            _ => None,
        };
        if let Some(ending) = ending {
            member.ended = Some(ending);
            if !matches!(ending, Ending::Transferred | Ending::TransferredRight) {
                end_case(&mut desk, &mut population, &mut tables, now.tick, (customer_id, agent.id), &customer, ending);
            }
        }
    }
}

/// A write to the shop's database. What the customer did not need spoils the case; what they did need is done, and the
/// file is ready for what else there may be.
fn carry_out(customer: &mut Customer, intent: Intent) -> Option<Ending> {
    if !customer.needs.has(intent) {
        return Some(Ending::Wrong);
    }
    customer.needs = customer.needs.without(intent);
    let file = &mut customer.file;
    file.done = file.done.with(intent);
    file.evidence = [0.0; Intent::COUNT];
    file.denied = Intents::default();
    file.confirmed = None;
    file.readings = 0;
    None
}

/// Words have come: the staff's messages go out.
pub fn send_words(
    now: Res<Now>,
    directory: Res<Directory>,
    queue: Res<LanguageQueue>,
    mut texts: ResMut<Texts>,
    mut mail: ResMut<Mail>,
    mut staff: Query<(&Agent, &mut Staff)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((agent, mut member)) = staff.get_mut(entity) else { continue };
        let Some(wording) = member.wording.take() else { continue };
        let text = match wording.ticket.and_then(|ticket| queue.answer(ticket)) {
            None if wording.ticket.is_none() => texts.0.intern(&wording.phrases[0]),
            Some(Answer::Text(words)) => texts.0.intern(words),
            Some(Answer::Scored(scored)) => {
                let mut draw = now.chance.draw(WORDING, now.tick, agent.id);
                let chosen = scored.draw(draw.random());
                texts.0.intern(&wording.phrases[chosen])
            }
            // The model failed (no wording asks for a vector): the run stops at the end of this tick.
            None | Some(Answer::Vector(_)) => TextId::EMPTY,
        };
        mail.send(Message {
            sender: agent.id,
            recipient: wording.recipient,
            performative: wording.performative,
            topic: wording.topic,
            amount: 0.0,
            text,
        });
    }
}

/// Customers answer.
pub fn customers_act(
    now: Res<Now>,
    directory: Res<Directory>,
    desk: Res<Desk>,
    mut mail: ResMut<Mail>,
    mut customers: Query<(&Agent, &Choice, &mut Customer)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((agent, choice, mut customer)) = customers.get_mut(entity) else { continue };
        let (Some(action), Some(staff)) = (choice.action, customer.staff) else { continue };
        let asked_about = customer.asked_about.map_or(NO_TOPIC, |intent| intent as u16);
        let say_more = |customer: &mut Customer| {
            let text = sentence(&desk.texts, customer.task, customer.next_sentence);
            customer.next_sentence += 1;
            text
        };
        let mut act = CUSTOMER_ACT_LIST[action.index()];
        if matches!(act, CustomerAct::Affirm | CustomerAct::Deny)
            && now.chance.draw(MISUNDERSTAND, now.tick, agent.id).random::<f64>() < customer.misunderstanding
        {
            act = if act == CustomerAct::Affirm { CustomerAct::Deny } else { CustomerAct::Affirm };
        }
        let (performative, topic, text) = match act {
            CustomerAct::StateReason | CustomerAct::SayMore => {
                (Performative::Inform, Intent::Other as u16, say_more(&mut customer))
            }
            CustomerAct::GiveIdentification => (Performative::Inform, IDENTIFICATION, desk.texts[customer.task].1),
            CustomerAct::Affirm => (Performative::Confirm, asked_about, desk.stock.yes),
            CustomerAct::Deny => (Performative::Disconfirm, asked_about, desk.stock.no),
            CustomerAct::AcceptAndContinue => (Performative::Accept, asked_about, say_more(&mut customer)),
            CustomerAct::Accept => (Performative::Accept, NO_TOPIC, desk.stock.thanks),
        };
        customer.asked = None;
        mail.send(Message { sender: agent.id, recipient: staff, performative, topic, amount: 0.0, text });
    }
}
