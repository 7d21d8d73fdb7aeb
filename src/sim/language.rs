//! Where a domain asks for language and gets its answers: requests of a phase are gathered, answered in one batch a
//! model in `AgentId` order, and handed back by ticket.

use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Res, ResMut};

use super::failure::{Failure, SimError};
use super::now::Now;
use crate::base::{AgentId, Answer, LanguageError, LanguageService, LanguageUsage, Reply, Request, Tick};

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

/// The system of [`super::Phase::Read`] and [`super::Phase::Word`].
pub(super) fn answer_requests(
    now: Res<Now>,
    language: Res<Language>,
    failure: Res<Failure>,
    mut queue: ResMut<LanguageQueue>,
) {
    let asked = std::mem::take(&mut queue.asked);
    queue.replies.clear();
    queue.replies.resize(asked.len(), None);
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|&ticket| (asked[ticket].1, asked[ticket].0));
    for group in order.chunk_by(|&left, &right| asked[left].1 == asked[right].1) {
        let agents: Vec<AgentId> = group.iter().map(|&ticket| asked[ticket].0).collect();
        let requests: Vec<Request> = group.iter().map(|&ticket| asked[ticket].2.clone()).collect();
        match language.ask(now.tick, asked[group[0]].1, &agents, &requests) {
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
