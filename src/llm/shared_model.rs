//! One model behind several hubs: what it has answered once is known to all of them.
//!
//! A run and the runs it is compared with ask much the same. Each keeps its own transcript, in which every request
//! that is new to it stands with its answer and the tokens it takes, whether or not another run had asked it before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{LanguageError, LanguageModel, Reply, Request};

/// A model with a memory that outlives a hub. Cheap to clone.
#[derive(Clone)]
pub struct SharedModel {
    model: Arc<dyn LanguageModel>,
    known: Arc<Mutex<BTreeMap<[u8; 32], Reply>>>,
}

impl SharedModel {
    /// A model that nobody has asked yet.
    #[must_use]
    pub fn new(model: Box<dyn LanguageModel>) -> Self {
        Self { model: Arc::from(model), known: Arc::default() }
    }
}

impl LanguageModel for SharedModel {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        let digests: Vec<[u8; 32]> = requests.iter().map(super::service::request_digest).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh: Vec<usize> = (0..requests.len()).filter(|&place| !known.contains_key(&digests[place])).collect();
        if !fresh.is_empty() {
            let batch: Vec<Request> = fresh.iter().map(|&place| requests[place].clone()).collect();
            for (&place, reply) in fresh.iter().zip(self.model.answer(&batch)?) {
                known.insert(digests[place], reply);
            }
        }
        digests
            .iter()
            .map(|digest| {
                known.get(digest).cloned().ok_or_else(|| LanguageError::Backend("the model left a request out".into()))
            })
            .collect()
    }

    fn identity(&self) -> Vec<(String, String)> {
        self.model.identity()
    }
}
