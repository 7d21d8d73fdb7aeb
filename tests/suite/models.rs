//! Architectures, tokenizers and chat templates, on small models that the tests make; and files that are no good.

mod exact;
mod file;

use std::sync::Arc;

use llmagentos::base::{AgentId, Answer, Ask, Choices, LanguageError, LanguageModel, Prompt, Request};
use llmagentos::llm::{CandleModel, CandleOptions, KernelChoice, LoadError, Overflow, TemplateChoice};

use self::file::{CHATML, GEMMA3, ModelFile, Setting, byte_pairs, network};

const ARCHITECTURES: [&str; 4] = ["llama", "qwen2", "qwen3", "gemma3"];

fn load(file: &ModelFile, options: CandleOptions) -> Result<CandleModel, LoadError> {
    load_bytes(&file.bytes(), options)
}

fn load_bytes(bytes: &[u8], options: CandleOptions) -> Result<CandleModel, LoadError> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("small.gguf");
    std::fs::write(&path, bytes).expect("a file can be written");
    CandleModel::load(&path, options)
}

fn model(file: &ModelFile) -> CandleModel {
    load(file, CandleOptions::default()).expect("the small model loads")
}

/// What is said of a file that cannot be used; it names the file.
fn refusal(file: &ModelFile) -> String {
    let Err(error) = load(file, CandleOptions::default()) else { panic!("it was loaded") };
    let text = error.to_string();
    assert!(text.contains("small.gguf"), "{text}");
    text
}

fn prompt(system: &str, prefix: &str, suffix: &str) -> Prompt {
    Prompt { system: system.into(), prefix: prefix.into(), suffix: suffix.into() }
}

fn choose(prompt: Prompt, options: &[&str]) -> Request {
    let options = options.iter().map(|option| Arc::from(*option)).collect();
    Request { prompt, ask: Ask::Choose(Choices { options, content_free: None }) }
}

fn answers(model: &CandleModel, requests: &[Request]) -> Vec<Answer> {
    model.answer(requests).expect("the model answers").into_iter().map(|reply| reply.answer).collect()
}

fn scores(model: &CandleModel, request: &Request) -> Vec<f64> {
    match answers(model, std::slice::from_ref(request)).remove(0) {
        Answer::Scored(scored) => scored.scores,
        other => panic!("a choice was answered with {other:?}"),
    }
}

#[test]
fn logits_are_those_of_the_papers_formulas() {
    for architecture in ARCHITECTURES {
        let file = network(architecture);
        for kernel in [KernelChoice::Auto, KernelChoice::Portable] {
            let model = load(&file, CandleOptions { kernel, ..CandleOptions::default() }).expect("it loads");
            let prompt = prompt("the thing", "hello", " wherein the hello hellohello\n\n🎉 the rest is said twice");
            let tokens = model.prompt_tokens(&prompt).expect("a prompt has tokens");
            assert!(tokens.len() > 40, "{architecture}: more positions than a window has");
            let expected = exact::logits(&file, &tokens);
            let found = model.next_logits(&prompt).expect("the model computes");
            let widest = found
                .iter()
                .zip(&expected)
                .map(|(found, expected)| (f64::from(*found) - expected).abs())
                .fold(0.0, f64::max);
            let reach = expected.iter().fold(0.0_f64, |reach, logit| reach.max(logit.abs()));
            assert!(widest < 2e-5 * reach.max(1.0), "{architecture}, {kernel:?}: {widest} of {reach}");
            assert!(model.identity().contains(&("architecture".into(), architecture.into())));
        }
    }
}

#[test]
fn bits_do_not_depend_on_batches_threads_or_sharing() {
    let long = "the thing wherein hello ".repeat(30);
    for architecture in ARCHITECTURES {
        let file = network(architecture);
        let request = |number: usize| {
            // Equal texts, cut in different places; longer than a pass has rows.
            let cut = [0, 5, 301, long.len()][number % 4];
            let prompt = prompt("the system", &long[..cut], &format!("{}{}", &long[cut..], number / 4));
            match number % 3 {
                0 => Request { prompt, ask: Ask::Write { tokens_max: 5, temperature: 0.9, draw: 0 } },
                _ => choose(prompt, &["hello", "the thing", "", "in"]),
            }
        };
        let requests: Vec<Request> = (0..8).map(request).collect();
        let all = answers(&model(&file), &requests);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("a pool of threads");
        assert_eq!(pool.install(|| answers(&model(&file), &requests)), all, "{architecture} in eight threads");
        let alone = load(&file, CandleOptions { prefix_cache_bytes: 0, batch_tokens: 16, ..CandleOptions::default() })
            .expect("it loads");
        for (request, expected) in requests.iter().zip(&all) {
            assert_eq!(answers(&alone, std::slice::from_ref(request))[0], *expected, "{architecture} alone");
        }
        let same = |first: usize, second: usize| {
            let ask = |number: usize| Request { ask: requests[1].ask.clone(), ..request(number) };
            scores(&alone, &ask(first)) == scores(&model(&file), &ask(second))
        };
        assert!(same(1, 2) && same(2, 3) && same(3, 0), "{architecture}: the cut must not be heard");
        assert!(!same(0, 4), "{architecture}: another text is heard");
    }
}

#[test]
fn a_file_that_does_not_fit_its_architecture_is_refused() {
    let mut other = network("llama");
    other.set_text("general.architecture", "mamba");
    let text = refusal(&other);
    for name in ["mamba"].iter().chain(&ARCHITECTURES) {
        assert!(text.contains(&format!("{name:?}")), "{name}: {text}");
    }
    for architecture in ARCHITECTURES {
        let whole = network(architecture);
        for name in whole.tensors.keys().filter(|name| !["output.weight", "rope_freqs.weight"].contains(&name.as_str()))
        {
            let mut file = whole.clone();
            let tensor = file.tensors.remove(name).expect("it is there");
            let missing = load(&file, CandleOptions::default()).err();
            assert!(
                matches!(&missing, Some(LoadError::MissingTensor { tensor, .. }) if tensor == name),
                "{architecture} without {name}: {missing:?}"
            );
            let shorter = file::Tensor { shape: vec![1, tensor.shape[0]], numbers: tensor.numbers };
            file.tensors
                .insert(name.clone(), file::Tensor { numbers: shorter.numbers[..tensor.shape[0]].to_vec(), ..shorter });
            let misshapen = load(&file, CandleOptions::default()).err();
            assert!(
                matches!(&misshapen, Some(LoadError::TensorShape { tensor, .. }) if tensor == name)
                    // The vocabulary's size is the embedding's own.
                    || name == "token_embd.weight",
                "{architecture} with a misshapen {name}: {misshapen:?}"
            );
        }
    }
    let refused = |architecture: &str, key: &str, value: Setting| {
        let mut file = network(architecture);
        file.set(key, value);
        refusal(&file)
    };
    assert!(refused("llama", "llama.expert_count", Setting::Number(8)).contains("mixture of experts"));
    assert!(refused("qwen2", "qwen2.rope.scaling.type", Setting::Text("yarn".into())).contains("yarn"));
    assert!(refused("gemma3", "gemma3.final_logit_softcapping", Setting::Real(30.0)).contains("caps its logits"));
    assert!(refused("qwen3", "qwen3.attention.sliding_window", Setting::Number(128)).contains("window"));
    assert!(refused("llama", "llama.attention.value_length", Setting::Number(4)).contains("head sizes"));
    let by_layer = Setting::Numbers(vec![2, 1]);
    assert!(refused("llama", "llama.attention.head_count_kv", by_layer).contains("from layer to layer"));
    let mut more = network("llama");
    more.tensors.insert("blk.0.attn_sinks.weight".into(), more.tensors["blk.0.attn_norm.weight"].clone());
    assert!(refusal(&more).contains("attn_sinks"));
}

#[test]
fn a_tokenizer_that_is_no_good_is_refused() {
    let without = |architecture: &str, key: &str| {
        let mut file = network(architecture);
        file.settings.remove(key).expect("it is there");
        refusal(&file)
    };
    assert!(without("llama", "tokenizer.ggml.merges").contains("tokenizer.ggml.merges"));
    assert!(without("llama", "tokenizer.ggml.tokens").contains("tokenizer.ggml.tokens"));
    assert!(without("gemma3", "tokenizer.ggml.scores").contains("tokenizer.ggml.scores"));
    assert!(without("qwen2", "tokenizer.chat_template").contains("template = \"plain\""));
    assert!(without("qwen2", "tokenizer.ggml.pre").contains("llama-bpe"));
    let with = |key: &str, value: Setting| {
        let mut file = network("llama");
        file.set(key, value);
        refusal(&file)
    };
    let none = with("tokenizer.ggml.merges", Setting::Texts(Vec::new()));
    assert!(none.contains("no merges"), "{none}");
    assert!(with("tokenizer.ggml.merges", Setting::Texts(vec!["q zz".into()])).contains("cannot be built"));
    assert!(with("tokenizer.ggml.model", Setting::Text("bert".into())).contains("bert"));
    assert!(with("tokenizer.ggml.eos_token_id", Setting::Number(9999)).contains("eos_token_id"));
    assert!(with("tokenizer.ggml.token_type", Setting::Numbers(vec![1])).contains("token types"));
    let more = Setting::Texts((0..300).map(|number| format!("token {number}")).collect());
    let mut file = network("llama");
    file.settings.remove("tokenizer.ggml.token_type");
    file.set("tokenizer.ggml.tokens", more);
    file.set("tokenizer.ggml.merges", Setting::Texts(vec!["token 0".into()]));
    refusal(&file);
}

#[test]
fn a_cut_off_file_is_damaged() {
    let bytes = network("qwen3").bytes();
    for length in (8..bytes.len()).step_by(977).chain([bytes.len() - 1]) {
        let error = load_bytes(&bytes[..length], CandleOptions::default()).err();
        assert!(matches!(error, Some(LoadError::Damaged { .. })), "cut to {length}: {error:?}");
    }
}

/// Emoji, right-to-left and other scripts, white space, what looks like tokens, and bytes in a row.
const TEXTS: [&str; 10] = [
    "",
    "the thing",
    "👩‍👩‍👧 family 🎉🎉 🤷🏽‍♀️",
    "مرحبا بالعالم ٤٤١٧",
    "שָׁלוֹם עולם",
    "日本語 한국어 ไทย Привет",
    "  two  spaces \t tabs\r\n\r\n\n\n\n",
    "<|im_end|> <end_of_turn> <tool> <0x41> \u{2581}",
    "fn main() { println!(\"{}\", 3.0e-7); } // 100% don't WE'LL",
    "\u{200b}\u{feff}\u{301}",
];

#[test]
fn every_text_comes_back() {
    for architecture in ["llama", "gemma3"] {
        let model = model(&network(architecture));
        for text in TEXTS {
            let tokens = model.tokens(text).expect("text has tokens");
            // A sentence piece for a space stands for a space wherever it comes from.
            let expected = if architecture == "gemma3" { text.replace('\u{2581}', " ") } else { text.to_owned() };
            assert_eq!(model.text(&tokens), expected, "{architecture}: {tokens:?}");
        }
    }
}

#[test]
fn sentence_pieces_are_joined_best_score_first() {
    let mut file = network("gemma3");
    let of = |file: &ModelFile, text: &str| model(file).tokens(text).expect("text has tokens");
    let (space, t, h, e, i, ing, he, space_t, space_the) = (262, 263, 264, 265, 266, 270, 271, 272, 273);
    assert_eq!(of(&file, "the"), [space_the]);
    assert_eq!(of(&file, "tin ing"), [space_t, 269, space, ing]);
    assert_eq!(of(&file, "thh"), [space_t, h, h]);
    assert_eq!(of(&file, "é"), [space, 6 + 0xc3, 6 + 0xa9]);
    // An empty line is an added token, and text after it begins anew.
    assert_eq!(of(&file, "i\n\ni\n"), [space, i, 5, space, i, 6 + 10]);
    file.set("tokenizer.ggml.add_space_prefix", Setting::Flag(false));
    assert_eq!(of(&file, "the"), [t, he]);
    assert_eq!(of(&file, "e the"), [e, space_the]);
    assert_eq!(model(&file).text(&[space_the]), " the");
}

#[test]
fn text_is_cut_as_the_file_says() {
    let merges = ["1 2", "12 3", "123 4", "! Ċ", "' S", "x 'S"];
    let of = |cut: &str, text: &str| {
        let mut file = network("llama");
        byte_pairs(&mut file, cut, &merges);
        let vocabulary = file.tensors.get_mut("token_embd.weight").expect("it is there");
        vocabulary.shape[0] = 4 + 256 + merges.len();
        vocabulary.numbers.resize(vocabulary.shape[0] * 32, 0.5);
        model(&file).tokens(text).expect("text has tokens")
    };
    let digit = |digit: u8| 4 + u32::from(b'0' + digit);
    let letter = |letter: u8| 4 + u32::from(letter);
    let each = [digit(1), digit(2), digit(3), digit(4)];
    assert_eq!(of("gpt-2", "1234"), [262]);
    assert_eq!(of("llama-bpe", "1234"), [261, digit(4)]);
    assert_eq!(of("qwen2", "1234"), each);
    assert_eq!(of("smollm", "1234"), each);
    assert_eq!(of("tekken", "1234"), each);
    assert_eq!(of("deepseek-v3", "1234"), [261, digit(4)]);
    // An exclamation mark keeps its line break in some; a possessive in capitals is one to those that ignore case.
    assert_eq!(of("qwen2", "!\n"), [263]);
    assert_eq!(of("gpt-2", "!\n"), [letter(b'!'), letter(b'\n')]);
    assert_eq!(of("llama-bpe", "x'S"), [letter(b'x'), 264]);
    assert_eq!(of("gpt-2", "x'S"), [letter(b'x'), letter(b'\''), letter(b'S')]);
}

#[test]
fn templates_are_those_of_the_file() {
    let rendered = |template: &str, system: &str, user: &str| {
        let mut file = network("gemma3");
        file.set_text("tokenizer.chat_template", template);
        let model = model(&file);
        let cuts = [0, user.len() / 2, user.len()].map(|cut| model.render(&prompt(system, &user[..cut], &user[cut..])));
        assert!(cuts.iter().all(|cut| *cut == cuts[0]), "{cuts:?}");
        cuts[0].clone()
    };
    let chatml =
        "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\n Hi \n<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(rendered(CHATML, " Be brief. ", " Hi \n"), chatml);
    assert_eq!(rendered(CHATML, "", "Hi"), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    // Gemma 3 puts the system text before the user's, and drops white space around the latter.
    let gemma = "<bos><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n";
    assert_eq!(rendered(GEMMA3, "Be brief.", " Hi \n"), gemma);
    assert_eq!(rendered(GEMMA3, "", "  Hi"), "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n");
    // A template that knows no system text: it opens the user's.
    let strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}[{{ message.role }}]{{ message.content.strip() }}</s>{% endfor %}{% if add_generation_prompt %}[model]{% endif %}";
    assert_eq!(rendered(strict, " Be brief.", "Hi "), "[user]Be brief.\n\nHi</s>[model]");
    let deaf = "{% for message in messages %}{% if message.role == 'user' %}[INST] {{ message.content | trim }} [/INST]{% endif %}{% endfor %}";
    assert_eq!(rendered(deaf, "Be brief.", "Hi"), "[INST] Be brief.\n\nHi [/INST]");
    // The way Llama 3 and Qwen 3 write: whole lines of blocks, a name space, a date that is not asked of the clock, and
    // thoughts that are left out.
    let long = "{%- set ns = namespace(system='') %}\n{%- if messages[0].role == 'system' %}\n    {%- set ns.system = messages[0].content|trim %}\n    {%- set messages = messages[1:] %}\n{%- endif %}\n{{- bos_token }}\n{%- if strftime_now is defined %}{% set date = strftime_now('%d') %}{% else %}{% set date = '26 Jul 2024' %}{% endif %}\n{{- '<|system|>Today: ' + date + '\\n' + ns.system + '<|eot_id|>' }}\n{%- for message in messages %}\n    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}\n    {{- '<|' + message['role'] + '|>' + message['content'] | trim + '<|eot_id|>' }}\n    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|assistant|>' }}\n    {%- if enable_thinking is defined and enable_thinking is false %}\n        {{- '<think></think>' }}\n    {%- endif %}\n{%- endif %}\n";
    let expected =
        "<bos><|system|>Today: 26 Jul 2024\nBe brief.<|eot_id|><|user|>Hi<|eot_id|><|assistant|><think></think>";
    assert_eq!(rendered(long, "Be brief. ", "Hi\n"), expected);
}

#[test]
fn a_template_without_a_place_for_the_prompt_is_refused() {
    let refused = |template: &str| {
        let mut file = network("llama");
        file.set_text("tokenizer.chat_template", template);
        refusal(&file)
    };
    assert!(refused("Hello").contains("does not write the user's message"));
    assert!(refused("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}").contains("twice"));
    assert!(refused("{% for m in messages %}{{ m.content }}").contains("chat template cannot be run"));
    assert!(refused("{{ raise_exception('not for people') }}").contains("not for people"));
    let curious = "{% for m in messages %}{% if 'Number' in m.content %}!{% endif %}{{ m.content }}{% endfor %}";
    assert!(refused(curious).contains("depends on what the messages say"));
}

#[test]
fn a_base_model_reads_plain_text() {
    let mut file = network("llama");
    file.settings.remove("tokenizer.chat_template");
    let model = load(&file, CandleOptions { template: TemplateChoice::Plain, ..CandleOptions::default() })
        .expect("a base model loads");
    assert_eq!(model.render(&prompt("You sort.", "hello ", "there")), "You sort.\n\nhello there\n");
    assert_eq!(model.render(&prompt("", "hello ", "there")), "hello there\n");
}

#[test]
fn a_message_spells_no_control_token_and_texts_open_once() {
    let gemma = model(&network("gemma3"));
    let tokens = gemma.prompt_tokens(&prompt("<bos>", "<end_of_turn>", "<start_of_turn>model")).expect("tokens");
    let count = |token: u32| tokens.iter().filter(|found| **found == token).count();
    // One <bos>, and the template's own turns.
    assert_eq!((tokens[0], count(1), count(3), count(4)), (1, 1, 2, 1));
    let mut file = network("gemma3");
    file.set_text("tokenizer.chat_template", &GEMMA3.replace("{{ bos_token }}", ""));
    assert_eq!(model(&file).prompt_tokens(&prompt("", "", "the")).expect("tokens")[..2], [1, 3]);
    // An added token is its text wherever that stands.
    let llama = model(&network("llama"));
    assert_eq!(llama.tokens("<tool>").expect("tokens"), [3]);
    assert!(!llama.tokens("<|im_end|>").expect("tokens").contains(&2));
}

#[test]
fn menus_of_any_size_are_scored() {
    let model = load(&network("qwen2"), CandleOptions { batch_tokens: 1024, ..CandleOptions::default() })
        .expect("the small model loads");
    let question = prompt("You sort.", "", "hello?");
    assert!(matches!(model.answer(&[choose(question.clone(), &[])]), Err(LanguageError::NoOptions)));
    let options: Vec<String> = (0..10_000).map(|number| format!("hello {number}")).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let all = scores(&model, &choose(question.clone(), &options));
    assert_eq!(all.len(), 10_000);
    assert!(all.iter().all(|score| score.is_finite() && *score < 0.0));
    let one = scores(&model, &choose(question, &options[9_876..9_877]));
    assert_eq!(one, all[9_876..9_877]);
}

#[test]
fn a_prompt_that_is_too_long_is_told_or_shortened() {
    let file = network("llama");
    let options = CandleOptions { context_tokens: 120, ..CandleOptions::default() };
    let strict = load(&file, options.clone()).expect("it loads");
    let old = "first second third ".repeat(10);
    let write = |prefix: &str, tokens_max: u32| Request {
        prompt: prompt("You sort.", prefix, "What now?"),
        ask: Ask::Write { tokens_max, temperature: 0.0, draw: 0 },
    };
    let requests = [write("", 4), write(&old, 4)];
    let error = strict.answer(&requests).expect_err("it is too long");
    let text = error.asked_by(&[AgentId(3), AgentId(5)], &requests).to_string();
    assert!(text.contains("agent 5") && text.contains("context of 120") && text.contains("You sort.first"), "{text}");
    // The longest end of the prefix, from a word's start, that leaves room for four tokens.
    let mut starts = (0..=old.len()).filter(|start| *start == old.len() || old[..*start].ends_with(' '));
    let fits = |start: &usize| strict.prompt_tokens(&write(&old[*start..], 4).prompt).expect("tokens").len() <= 116;
    let kept = &old[starts.find(fits).expect("no prefix fits at all")..];
    assert!(kept.len() > 10 && kept.len() < old.len() - 10, "the test's own numbers: {kept:?}");
    let lenient = load(&file, CandleOptions { overflow: Overflow::TruncateOldest, ..options }).expect("it loads");
    let shortened = lenient.answer(&[write(&old, 4)]).expect("it is shortened");
    let expected = strict.answer(&[write(kept, 4)]).expect("it fits");
    assert_eq!(shortened[0].answer, expected[0].answer);
    assert_eq!(shortened[0].tokens.prompt, expected[0].tokens.prompt);
    let hopeless = Request { prompt: prompt("", &old, &old), ..write("", 4) };
    assert!(matches!(lenient.answer(&[hopeless]), Err(LanguageError::TooLong { context: 120, .. })));
}

#[test]
fn a_text_is_scored_token_by_token() {
    let model = model(&network("gemma3"));
    let found = model.score_text("the thing").expect("the text is scored");
    // ▁the ▁t h ing, each after what stands before it and the opening token.
    assert_eq!(found.iter().map(|score| score.token).collect::<Vec<u32>>(), [273, 272, 264, 270]);
    let file = network("gemma3");
    for (place, score) in found.iter().enumerate() {
        let logits = exact::logits(&file, &[1, 273, 272, 264][..=place]);
        let expected = logits[score.token as usize] - llmagentos::base::log_sum_exp(&logits);
        assert!((score.log_probability - expected).abs() < 1e-4, "{score:?} {expected}");
        assert!(logits.iter().all(|logit| *logit <= logits[score.likeliest as usize] + 1e-4), "{score:?}");
    }
    assert_eq!(model.score_text("").expect("an empty text has no tokens"), []);
}
