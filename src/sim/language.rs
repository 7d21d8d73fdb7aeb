//! Where a domain asks for language and gets its answers: requests of a phase are gathered, answered in one batch a
//! model in `AgentId` order, and handed back by ticket.

use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};

use super::components::Agent;
use super::failure::{Failure, SimError};
use super::now::Now;
use super::population::{Directory, Population};
use crate::base::{AgentId, Answer, LanguageError, LanguageService, LanguageUsage, Reply, Request, Tick, TokenCount};

/// A request's place in the queue of its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// The run's language service.
#[derive(Resource, Clone)]
pub(super) struct Language(pub Arc<dyn LanguageService>);

impl Language {
    /// One reply a request.
    pub fn ask(
        &self,
        tick: Tick,
        model: u16,
        agents: &[AgentId],
        requests: &[Request],
    ) -> Result<Vec<Reply>, LanguageError> {
        let replies = self.0.answer(tick, model, agents, requests)?;
        if replies.len() != requests.len() {
            let problem = format!("{} requests were answered by {} replies", requests.len(), replies.len());
            return Err(LanguageError::Backend(problem));
        }
        Ok(replies)
    }
}

/// What had gone through the language service when the last tick's row was closed.
#[derive(Resource, Default)]
pub(super) struct LanguageCounted(pub LanguageUsage);

/// Requests of a phase and their answers. Written in Observe and Act, answered in Read and Word, read in Interpret
/// and Send.
#[derive(Resource, Default)]
pub struct LanguageQueue {
    asked: Vec<(AgentId, u16, Request)>,
    replies: Vec<Option<Reply>>,
}

impl LanguageQueue {
    /// Asks `model` on behalf of `agent`; the answer is there in the next Interpret or Send.
    pub fn ask(&mut self, agent: AgentId, model: u16, request: Request) -> Ticket {
        self.asked.push((agent, model, request));
        Ticket(self.asked.len() as u32 - 1)
    }

    /// The answer to a request of the phase before; `None` when the model failed (the run stops at the end of the
    /// tick).
    #[must_use]
    pub fn answer(&self, ticket: Ticket) -> Option<&Answer> {
        self.replies.get(ticket.0 as usize)?.as_ref().map(|reply| &reply.answer)
    }
}

/// The system of [`super::Phase::Read`] and [`super::Phase::Word`]. Where a model's budget is spent, agents of groups
/// that declare a `fallback` get even answers to what they choose from; the run stops where anybody else asks, or
/// for anything else.
pub(super) fn answer_requests(
    now: Res<Now>,
    language: Res<Language>,
    failure: Res<Failure>,
    directory: Res<Directory>,
    population: Res<Population>,
    asking: Query<&Agent>,
    mut queue: ResMut<LanguageQueue>,
) {
    let goes_on = |agent: &AgentId| {
        let agent = directory.entity(*agent).and_then(|entity| asking.get(entity).ok());
        agent.is_some_and(|agent| population.groups[usize::from(agent.group)].goes_on)
    };
    let asked = std::mem::take(&mut queue.asked);
    queue.replies.clear();
    queue.replies.resize(asked.len(), None);
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|&ticket| (asked[ticket].1, asked[ticket].0));
    for group in order.chunk_by(|&left, &right| asked[left].1 == asked[right].1) {
        let agents: Vec<AgentId> = group.iter().map(|&ticket| asked[ticket].0).collect();
        let requests: Vec<Request> = group.iter().map(|&ticket| asked[ticket].2.clone()).collect();
        let model = asked[group[0]].1;
        let mut answered = language.ask(now.tick, model, &agents, &requests);
        if matches!(answered, Err(LanguageError::BudgetSpent { .. }))
            && agents.iter().all(goes_on)
            && let Some(even) = requests.iter().map(Request::even_answer).collect::<Option<Vec<Answer>>>()
        {
            language.0.answered_evenly(model, even.len() as u64);
            let reply = |answer| Reply { answer, tokens: TokenCount::default(), remembered: false };
            answered = Ok(even.into_iter().map(reply).collect());
        }
        match answered {
            Ok(replies) => {
                for (&ticket, reply) in group.iter().zip(replies) {
                    queue.replies[ticket] = Some(reply);
                }
            }
            Err(error) => {
                let error = error.asked_by(&agents, &requests);
                failure.set(SimError::Language { tick: now.tick, error });
                return;
            }
        }
    }
}
