//! One model behind several hubs: what it has answered once is known to all of them.
//!
//! A run and the runs it is compared with ask much the same. Each keeps its own transcript, in which every request
//! that is new to it stands with its answer and the tokens it takes, whether or not another run had asked it before.
//! A model whose answers are to serve for one tick only is asked each time.

use std::sync::{Arc, Mutex, PoisonError};

use super::memory::{Memory, RequestKey};
use crate::base::{LanguageError, LanguageModel, Reply, Request};
use crate::scenario::{LanguageSettings, Remember};

/// A model with a memory that outlives a hub. Cheap to clone.
#[derive(Clone)]
pub struct SharedModel {
    model: Arc<dyn LanguageModel>,
    known: Arc<Mutex<Memory<Reply>>>,
    /// Most answers between two batches.
    most: usize,
}

impl SharedModel {
    /// A model that nobody has asked yet, and that remembers as its section says.
    #[must_use]
    pub fn new(model: Box<dyn LanguageModel>, settings: &LanguageSettings) -> Self {
        Self { model: Arc::from(model), known: Arc::default(), most: most_kept(settings) }
    }
}

/// How many answers a model's section lets be kept from tick to tick.
pub(super) fn most_kept(settings: &LanguageSettings) -> usize {
    match (settings.remember, settings.remember_entries) {
        (Remember::Tick, _) => 0,
        (Remember::Run, 0) => usize::MAX,
        (Remember::Run, most) => most as usize,
    }
}

impl LanguageModel for SharedModel {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        let keys: Vec<RequestKey> = requests.iter().map(super::service::request_digest).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh: Vec<usize> = (0..requests.len()).filter(|&place| !known.contains(&keys[place])).collect();
        if !fresh.is_empty() {
            let batch: Vec<Request> = fresh.iter().map(|&place| requests[place].clone()).collect();
            for (&place, reply) in fresh.iter().zip(self.model.answer(&batch)?) {
                known.keep(keys[place], reply);
            }
        }
        let replies = keys
            .iter()
            .map(|key| {
                known.recall(key).cloned().ok_or_else(|| LanguageError::Backend("the model left a request out".into()))
            })
            .collect();
        known.shrink(self.most);
        replies
    }

    fn identity(&self) -> Vec<(String, String)> {
        self.model.identity()
    }
}
