//! How unlike texts are: in the words they use, and in what a model makes of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::{Answer, Ask, Diversity, LanguageError, LanguageModel, Prompt, Request};

/// Distinct-1 and -2, and, with a model, the mean pairwise distance.
pub(super) fn of(texts: &[Arc<str>], embedder: Option<&dyn LanguageModel>) -> Result<Diversity, LanguageError> {
    let words: Vec<Vec<String>> = texts.iter().map(|text| words(text)).collect();
    let mean_distance = match embedder {
        Some(embedder) if texts.len() > 1 => Some(mean_distance(texts, embedder)?),
        _ => None,
    };
    Ok(Diversity { mean_distance, distinct_1: distinct(&words, 1), distinct_2: distinct(&words, 2) })
}

/// Different runs of `length` words over all of them; 0 where there is none.
fn distinct(texts: &[Vec<String>], length: usize) -> f64 {
    let runs = || texts.iter().flat_map(|words| words.windows(length));
    let different: BTreeSet<&[String]> = runs().collect();
    different.len() as f64 / (runs().count() as f64).max(1.0)
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// The mean over all pairs of 1 − cosine. Vectors have length 1, so that the sum over pairs of their dot products is
/// half of what |Σ v|² has besides the squares.
fn mean_distance(texts: &[Arc<str>], embedder: &dyn LanguageModel) -> Result<f64, LanguageError> {
    let request = |text: &Arc<str>| Request {
        prompt: Prompt { system: "".into(), prefix: "".into(), suffix: Arc::clone(text) },
        ask: Ask::Embed,
    };
    let requests: Vec<Request> = texts.iter().map(request).collect();
    let mut sum: Vec<f64> = Vec::new();
    let mut squares = 0.0;
    for reply in embedder.answer(&requests)? {
        let Answer::Vector(vector) = reply.answer else {
            return Err(LanguageError::Backend("a model was asked for a vector and gave something else".into()));
        };
        if sum.is_empty() {
            sum.resize(vector.len(), 0.0);
        }
        if sum.len() != vector.len() {
            return Err(LanguageError::Backend("a model gave vectors of different lengths".into()));
        }
        for (sum, value) in sum.iter_mut().zip(vector.iter()) {
            *sum += f64::from(*value);
            squares += f64::from(*value).powi(2);
        }
    }
    let count = texts.len() as f64;
    let products = sum.iter().map(|value| value * value).sum::<f64>() - squares;
    Ok((1.0 - products / (count * (count - 1.0))).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::ScriptedModel;

    #[test]
    fn distinct_n_counts_by_hand() {
        let texts: Vec<Arc<str>> = vec!["A b a.".into(), "a B c".into()];
        let found = of(&texts, None).expect("nothing can fail");
        // Words a b a a b c: 3 of 6. Pairs ab ba ab bc: 3 of 4.
        assert_eq!((found.distinct_1, found.distinct_2, found.mean_distance), (0.5, 0.75, None));
        let nothing = of(&["".into()], Some(&ScriptedModel::default())).expect("nothing can fail");
        assert_eq!((nothing.distinct_1, nothing.distinct_2, nothing.mean_distance), (0.0, 0.0, None));
    }

    #[test]
    fn the_mean_distance_is_that_of_all_pairs() {
        let texts: Vec<Arc<str>> = ["red lamp", "red chair", "a green lamp", "red lamp"].map(Arc::from).to_vec();
        let model = ScriptedModel::default();
        let vectors: Vec<Arc<[f32]>> = texts
            .iter()
            .map(|text| {
                let prompt = Prompt { system: "".into(), prefix: "".into(), suffix: Arc::clone(text) };
                match model.answer(&[Request { prompt, ask: Ask::Embed }]).expect("it answers").remove(0).answer {
                    Answer::Vector(vector) => vector,
                    other => panic!("no vector: {other:?}"),
                }
            })
            .collect();
        let mut pairs = Vec::new();
        for (place, left) in vectors.iter().enumerate() {
            for right in &vectors[place + 1..] {
                pairs.push(1.0 - left.iter().zip(&**right).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>());
            }
        }
        let expected = pairs.iter().sum::<f64>() / pairs.len() as f64;
        let found = of(&texts, Some(&model)).expect("it answers").mean_distance.expect("there are pairs");
        assert!((found - expected).abs() < 1e-6 && found > 0.05, "{found}, by pairs {expected}");
    }
}
