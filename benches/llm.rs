//! Tokens a second of the embedded model: `LLMAGENTOS_TEST_MODEL=model.gguf cargo bench --bench llm`.

use std::sync::{Arc, LazyLock};

use divan::Bencher;
use divan::counter::ItemsCount;
use llmagentos::base::{Ask, Choices, LanguageModel, Prompt, Request};
use llmagentos::llm::{CandleModel, CandleOptions, KernelChoice};

const KERNELS: [KernelChoice; 4] =
    [KernelChoice::Portable, KernelChoice::Plain, KernelChoice::Avx2, KernelChoice::Vnni];

static MODELS: LazyLock<Vec<CandleModel>> = LazyLock::new(|| KERNELS.into_iter().map(load).collect());

fn load(kernel: KernelChoice) -> CandleModel {
    let path = std::env::var_os("LLMAGENTOS_TEST_MODEL").expect("LLMAGENTOS_TEST_MODEL names a GGUF model file");
    // Without the cache of shared beginnings, so that every round does all of the work.
    let options = CandleOptions { kernel, prefix_cache_bytes: 0, ..CandleOptions::default() };
    CandleModel::load(path.as_ref(), options).expect("the model loads on this processor")
}

fn model(kernel: KernelChoice) -> &'static CandleModel {
    let place = KERNELS.iter().position(|known| *known == kernel).expect("a kernel of the list");
    &MODELS[place]
}

fn request(words: usize, ask: Ask, number: usize) -> Request {
    let suffix = format!("{number} {}", "fox ".repeat(words));
    Request { prompt: Prompt { system: "Read.".into(), prefix: "".into(), suffix: suffix.into() }, ask }
}

fn choose() -> Ask {
    Ask::Choose(Choices { options: Arc::new(["A".into(), "B".into()]), content_free: None })
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().expect("this is the first use of the pool");
    divan::main();
}

/// Items are prompt tokens.
#[divan::bench(args = KERNELS, sample_count = 5, sample_size = 1)]
fn prefill_256(bencher: Bencher<'_, '_>, kernel: KernelChoice) {
    let request = request(240, choose(), 0);
    let tokens = model(kernel).prompt_tokens(&request.prompt).expect("a prompt has tokens").len();
    bencher
        .counter(ItemsCount::new(tokens))
        .bench(|| model(kernel).answer(std::slice::from_ref(&request)).expect("the model answers"));
}

/// Items are written tokens.
#[divan::bench(args = KERNELS, consts = [1, 8, 32], sample_count = 5, sample_size = 1)]
fn decode<const BATCH: usize>(bencher: Bencher<'_, '_>, kernel: KernelChoice) {
    let ask = Ask::Write { tokens_max: 64, temperature: 0.0, draw: 0 };
    let requests: Vec<Request> = (0..BATCH).map(|number| request(4, ask.clone(), number)).collect();
    let replies = model(kernel).answer(&requests).expect("the model answers");
    let written: u32 = replies.iter().map(|reply| reply.tokens.answer).sum();
    bencher
        .counter(ItemsCount::new(written as usize))
        .bench(|| model(kernel).answer(&requests).expect("the model answers"));
}

/// Items are decisions: a shared beginning of about 300 tokens, 40 own ones, five options.
#[divan::bench(args = [KernelChoice::Avx2, KernelChoice::Vnni], sample_count = 3, sample_size = 1)]
fn choices_behind_a_shared_beginning(bencher: Bencher<'_, '_>, kernel: KernelChoice) {
    let path = std::env::var_os("LLMAGENTOS_TEST_MODEL").expect("LLMAGENTOS_TEST_MODEL names a GGUF model file");
    let options = CandleOptions { kernel, ..CandleOptions::default() };
    let model = CandleModel::load(path.as_ref(), options).expect("the model loads on this processor");
    let words = ["cancel", "return", "exchange", "modify", "other"];
    let request = |number: usize| Request {
        prompt: Prompt {
            system: "Read.".into(),
            prefix: "fox ".repeat(290).into(),
            suffix: format!("{number} {}", "dog ".repeat(30)).into(),
        },
        ask: Ask::Choose(Choices { options: words.iter().map(|word| Arc::from(*word)).collect(), content_free: None }),
    };
    let requests: Vec<Request> = (0..32).map(request).collect();
    model.answer(&requests).expect("the model answers");
    bencher.counter(ItemsCount::new(32_usize)).bench(|| model.answer(&requests).expect("the model answers"));
}
