//! Vectors of texts: against llama.cpp, in any batch, and through the transcript.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use llmagentos::base::{AgentId, Answer, Ask, LanguageError, LanguageModel, LanguageService, Prompt, Request, Tick};
use llmagentos::llm::{CandleModel, CandleOptions, LanguageHub, ScriptedModel};

use crate::support::{Shared, model_file};

static MODEL: LazyLock<CandleModel> =
    LazyLock::new(|| CandleModel::load(&model_file(), CandleOptions::default()).expect("the test model loads"));

const TEXTS: [&str; 5] = [
    "The cat sleeps on the warm sofa.",
    "A kitten naps upon the couch.",
    "Interest rates rose by half a per cent.",
    "كيف أعيد الطلب؟",
    "The cat sleeps on the warm sofa. It will wake up when the parcel comes.",
];

/// Cosines of the texts with one another, by llama.cpp in the Python package xllamacpp 2026.10.11549 on the same file:
/// its server with `embedding = True` and mean pooling, POST /v1/embeddings {input: the texts}.
const COSINES: [[f64; 5]; 5] = [
    [1.0, 0.8867, 0.7586, 0.6064, 0.9652],
    [0.8867, 1.0, 0.7757, 0.623, 0.909],
    [0.7586, 0.7757, 1.0, 0.7331, 0.7697],
    [0.6064, 0.623, 0.7331, 1.0, 0.5913],
    [0.9652, 0.909, 0.7697, 0.5913, 1.0],
];

fn embed(text: &str) -> Request {
    let prompt = Prompt { system: "".into(), prefix: "".into(), suffix: text.into() };
    Request { prompt, ask: Ask::Embed }
}

fn vectors(model: &dyn LanguageModel, requests: &[Request]) -> Vec<Arc<[f32]>> {
    let vector = |answer| if let Answer::Vector(vector) = answer { vector } else { panic!("no vector: {answer:?}") };
    model.answer(requests).expect("the model answers").into_iter().map(|reply| vector(reply.answer)).collect()
}

fn cosine(left: &[f32], right: &[f32]) -> f64 {
    left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum()
}

#[test]
fn cosines_are_those_of_llama_cpp() {
    let found = vectors(&*MODEL, &TEXTS.map(embed));
    for (left, row) in COSINES.iter().enumerate() {
        for (right, expected) in row.iter().enumerate() {
            let cosine = cosine(&found[left], &found[right]);
            // Quantised activations differ a little; the smallest gap between two of the figures that matters is 0.02.
            assert!((cosine - expected).abs() < 0.01, "texts {left} and {right}: {cosine}, llama.cpp {expected}");
        }
    }
}

#[test]
fn a_vector_is_the_same_alone_in_any_batch_and_beside_other_requests() {
    let write =
        Request { prompt: embed("Say hello.").prompt, ask: Ask::Write { tokens_max: 3, temperature: 0.0, draw: 0 } };
    let alone: Vec<_> = TEXTS.iter().flat_map(|text| vectors(&*MODEL, &[embed(text)])).collect();
    let narrow = CandleOptions { batch_tokens: 16, prefix_cache_bytes: 0, ..CandleOptions::default() };
    let narrow = CandleModel::load(&model_file(), narrow).expect("the test model loads");
    assert_eq!(vectors(&narrow, &TEXTS.map(embed)), alone);
    let mixed = [write.clone(), embed(TEXTS[0]), write, embed(TEXTS[1])];
    let replies = MODEL.answer(&mixed).expect("the model answers");
    let of = |place: usize| &replies[place].answer;
    assert_eq!((of(1), of(3)), (&Answer::Vector(alone[0].clone()), &Answer::Vector(alone[1].clone())));
    assert!(matches!((of(0), of(2)), (Answer::Text(_), Answer::Text(_))));
    assert_eq!(replies[1].tokens.prompt as usize, MODEL.tokens(TEXTS[0]).expect("text has tokens").len());
    // Where the text is cut into parts does not matter.
    let parts = Prompt { system: "The cat ".into(), prefix: "sleeps on the ".into(), suffix: "warm sofa.".into() };
    assert_eq!(vectors(&*MODEL, &[Request { prompt: parts, ask: Ask::Embed }])[0], alone[0]);
}

#[test]
fn bad_texts_have_a_vector_or_a_clear_error() {
    let found = vectors(&*MODEL, &[embed(""), embed(" "), embed("\u{0}🎉")]);
    for vector in found {
        assert_eq!(vector.len(), 576);
        assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-5);
    }
    let long = embed(&"word ".repeat(9000));
    assert!(matches!(MODEL.answer(&[long]), Err(LanguageError::TooLong { .. })));
    let stopped = CandleOptions { stop: Arc::new(AtomicBool::new(true)), ..CandleOptions::default() };
    let stopped = CandleModel::load(&model_file(), stopped).expect("the test model loads");
    assert!(matches!(stopped.answer(&[embed("a")]), Err(LanguageError::Interrupted)));
}

#[test]
fn vectors_replay_to_the_bit() {
    let requests: Vec<Request> = (0..200).map(|number| embed(&format!("parcel {number} of {}", number % 7))).collect();
    let agents: Vec<AgentId> = (0..200).map(AgentId).collect();
    let first = Shared::default();
    let live = LanguageHub::new(
        vec![("m".into(), Box::new(ScriptedModel::default()) as Box<dyn LanguageModel>)],
        Some(Box::new(first.clone())),
    );
    let told = live.answer(Tick(0), 0, &agents, &requests).expect("the model answers");
    let second = Shared::default();
    let replay = LanguageHub::replay(&first.text(), vec!["m".into()], Some(Box::new(second.clone())));
    let replayed = replay.expect("the record reads").answer(Tick(0), 0, &agents, &requests).expect("it is recorded");
    assert_eq!(told, replayed);
    assert_eq!(first.text(), second.text());
    let near = vectors(&ScriptedModel::default(), &["the red lamp", "a red lamp", "interest rates"].map(embed));
    assert!(cosine(&near[0], &near[1]) > cosine(&near[0], &near[2]));
}
