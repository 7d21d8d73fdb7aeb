//! How alike two texts are: the cosine of their vectors, which are a model's embeddings or counts of words.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A text as a vector; either form is compared with its own kind only.
#[derive(Clone, Debug)]
pub(super) enum Vector {
    /// Of a model.
    Dense(Arc<[f32]>),
    /// Counts of words.
    Words(BTreeMap<String, u32>),
}

impl Vector {
    /// The counts of a text's words in lower case; what is neither letter nor digit parts words.
    pub fn of_words(text: &str) -> Self {
        let mut counts = BTreeMap::new();
        for word in text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
        Self::Words(counts)
    }

    /// The cosine of two vectors, in [−1, 1]; 0 where one has no length, no end, or another form.
    pub fn cosine(&self, other: &Self) -> f64 {
        let (dot, left, right) = match (self, other) {
            (Self::Dense(left), Self::Dense(right)) if left.len() == right.len() => {
                let dot = |left: &[f32], right: &[f32]| -> f64 {
                    left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum()
                };
                (dot(left, right), dot(left, left), dot(right, right))
            }
            (Self::Words(left), Self::Words(right)) => {
                let dot = |left: &BTreeMap<String, u32>, right: &BTreeMap<String, u32>| -> f64 {
                    left.iter().filter_map(|(word, count)| Some(f64::from(*count) * f64::from(*right.get(word)?))).sum()
                };
                (dot(left, right), dot(left, left), dot(right, right))
            }
            _ => return 0.0,
        };
        let cosine = dot / (left * right).sqrt();
        if cosine.is_finite() { cosine.clamp(-1.0, 1.0) } else { 0.0 }
    }
}
