//! The language hub, its replay, the scripted model, and model files that are no model files.

use std::io::{Error, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use llmagentos::base::{
    AgentId, Answer, Ask, Choices, LanguageError, LanguageModel, LanguageService, LanguageUsage, Prompt, Reply,
    Request, Scored, Tick, TokenCount,
};
use llmagentos::llm::{CandleModel, CandleOptions, LanguageHub, LoadError, ScriptedModel};

use crate::support::{Shared, model_file};

fn prompt(suffix: &str) -> Prompt {
    Prompt { system: "You are a clerk.".into(), prefix: "Customer: ".into(), suffix: suffix.into() }
}

fn choose(suffix: &str, options: &[&str]) -> Request {
    let options = options.iter().map(|option| Arc::from(*option)).collect();
    Request { prompt: prompt(suffix), ask: Ask::Choose(Choices { options, content_free: None }) }
}

fn write(suffix: &str, draw: u32) -> Request {
    Request { prompt: prompt(suffix), ask: Ask::Write { tokens_max: 12, temperature: 0.7, draw } }
}

/// A writer on a full disk.
struct Full;

impl Write for Full {
    fn write(&mut self, _bytes: &[u8]) -> Result<usize, Error> {
        Err(Error::other("no space left"))
    }

    fn flush(&mut self) -> Result<(), Error> {
        Err(Error::other("no space left"))
    }
}

/// Answers with numbers that are hard to read back, and counts what it is asked.
struct Awkward(Arc<Mutex<Vec<usize>>>);

impl LanguageModel for Awkward {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        self.0.lock().expect("no thread panicked").push(requests.len());
        let reply = |number: usize| Reply {
            answer: Answer::Scored(Scored {
                scores: vec![-0.1 - 0.2, -1.0 / 3.0 - number as f64, f64::MIN_POSITIVE / 7.0, -5e-324, -1e300],
            }),
            tokens: TokenCount { prompt: 40, reused: 30, answer: 5 },
            remembered: false,
        };
        Ok((0..requests.len()).map(reply).collect())
    }

    fn identity(&self) -> Vec<(String, String)> {
        vec![("backend".into(), "awkward".into())]
    }
}

fn scripted_hub(transcript: Shared) -> LanguageHub {
    LanguageHub::new(vec![("reader".into(), Box::new(ScriptedModel::default()))], Some(Box::new(transcript)))
}

type Batch = (Tick, Vec<AgentId>, Vec<Request>);

/// Three ticks: repeats within a batch, over ticks, and two requests of one agent at one tick.
fn batches() -> Vec<Batch> {
    let options = ["cancel", "return", "exchange"];
    let agents = |ids: &[u32]| ids.iter().copied().map(AgentId).collect::<Vec<AgentId>>();
    vec![
        (
            Tick(0),
            agents(&[0, 1, 2]),
            vec![choose("I return it \"\\ 🎉\n", &options), choose("cancel", &options), choose("cancel", &options)],
        ),
        (Tick(1), agents(&[1, 1]), vec![write("return مرحبا", 0), write("return مرحبا", 1)]),
        (Tick(1), agents(&[1]), vec![choose("cancel", &options)]),
        (Tick(4), agents(&[3]), vec![choose("\"scores\":[1]", &options)]),
    ]
}

fn run(hub: &LanguageHub, batches: &[Batch]) -> Result<Vec<Reply>, LanguageError> {
    let mut replies = Vec::new();
    for (tick, agents, requests) in batches {
        replies.extend(hub.answer(*tick, 0, agents, requests)?);
    }
    hub.finish()?;
    Ok(replies)
}

fn recorded() -> (Vec<Reply>, String) {
    let transcript = Shared::default();
    let replies = run(&scripted_hub(transcript.clone()), &batches()).expect("the scripted model answers");
    (replies, transcript.text())
}

fn replay_error(text: &str, batches: &[Batch]) -> String {
    let hub = LanguageHub::replay(text, vec!["reader".into()], None).expect("the transcript is whole");
    run(&hub, batches).expect_err("the replay differs").to_string()
}

#[test]
fn the_scripted_model_hears_words() {
    let hub = ScriptedModel::default();
    let reply = &hub.answer(&[choose("I'm returning this", &["cancel it", "return it"])]).expect("an answer")[0];
    let Answer::Scored(scored) = &reply.answer else { panic!("{reply:?}") };
    assert!(scored.scores[1] > scored.scores[0] + 0.5, "{scored:?}");
    assert!(reply.tokens.prompt > reply.tokens.reused && reply.tokens.answer > 0, "{reply:?}");
    assert!(matches!(hub.answer(&[choose("x", &[])]), Err(LanguageError::NoOptions)));
}

#[test]
fn equal_requests_are_answered_once() {
    let batches = batches();
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let hub = LanguageHub::new(vec![("reader".into(), Box::new(Awkward(sizes.clone())))], None);
    let replies = run(&hub, &batches).expect("the model answers");
    assert_eq!(*sizes.lock().expect("no thread panicked"), [2, 2, 1]);
    assert_eq!(
        replies.iter().map(|reply| reply.remembered).collect::<Vec<bool>>(),
        [false, false, true, false, false, true, false]
    );
    assert_eq!(replies[2].answer, replies[1].answer);
    assert_eq!(replies[2].tokens, TokenCount { prompt: 40, reused: 40, answer: 0 });
    let usage = LanguageUsage {
        calls: 7,
        deduplicated: 1,
        remembered: 1,
        prompt_tokens: 200,
        reused_tokens: 150,
        answer_tokens: 25,
    };
    assert_eq!(hub.usage(), usage);
}

#[test]
fn a_model_does_not_answer_for_another() {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let model = || Box::new(Awkward(sizes.clone()));
    let hub = LanguageHub::new(vec![("one".into(), model()), ("two".into(), model())], None);
    let request = [choose("x", &["a"])];
    for number in [0, 1] {
        let replies = hub.answer(Tick(0), number, &[AgentId(0)], &request).expect("the model answers");
        assert!(!replies[0].remembered);
    }
    assert!(hub.answer(Tick(0), 2, &[AgentId(0)], &request).is_err());
    assert_eq!(hub.identity()[1], ("two".into(), vec![("backend".into(), "awkward".into())]));
}

#[test]
fn the_transcript_has_one_line_a_call() {
    let (_, text) = recorded();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7);
    assert!(lines[1].starts_with(
        r#"{"call":1,"tick":0,"agent":1,"model":"reader","request":{"prompt":{"system":"You are a clerk.","#
    ));
    assert_eq!(lines[2], r#"{"call":2,"tick":0,"agent":2,"model":"reader","same_as":1}"#);
    assert_eq!(lines[5], r#"{"call":5,"tick":1,"agent":1,"model":"reader","same_as":1}"#);
}

#[test]
fn a_replay_repeats_replies_and_transcript() {
    let (replies, text) = recorded();
    let again = Shared::default();
    let hub = LanguageHub::replay(&text, vec!["reader".into()], Some(Box::new(again.clone()))).expect("it is whole");
    assert_eq!(run(&hub, &batches()).expect("the record answers"), replies);
    assert_eq!(again.text(), text);
}

#[test]
fn numbers_come_back_to_the_last_bit() {
    let transcript = Shared::default();
    let model = Box::new(Awkward(Arc::default()));
    let hub = LanguageHub::new(vec![("reader".into(), model)], Some(Box::new(transcript.clone())));
    let replies = run(&hub, &batches()).expect("the model answers");
    let again = LanguageHub::replay(&transcript.text(), vec!["reader".into()], None).expect("it is whole");
    let bits = |replies: &[Reply]| -> Vec<u64> {
        let of = |reply: &Reply| match &reply.answer {
            Answer::Scored(scored) => scored.scores.iter().map(|number| number.to_bits()).collect(),
            Answer::Text(_) | Answer::Vector(_) => Vec::new(),
        };
        replies.iter().flat_map(of).collect()
    };
    assert_eq!(bits(&run(&again, &batches()).expect("the record answers")), bits(&replies));
}

#[test]
fn a_replay_names_the_first_difference() {
    let (_, text) = recorded();
    let mut changed = batches();
    changed[1].2[1] = write("return mرحبا", 1);
    let error = replay_error(&text, &changed);
    for part in ["agent 1", "tick 1", "suffix", "character 7", "return mرحبا", "return مرحبا"] {
        assert!(error.contains(part), "{part:?} is missing in: {error}");
    }
    let mut changed = batches();
    changed[1].2[0] = write("return مرحبا", 7);
    assert!(replay_error(&text, &changed).contains("the ask differs"));
    let mut changed = batches();
    changed[3].0 = Tick(5);
    let error = replay_error(&text, &changed);
    assert!(error.contains("no language call for agent 3 at tick 5"), "{error}");
}

#[test]
fn a_broken_transcript_names_its_line() {
    let (_, text) = recorded();
    let broken = |text: &str| match LanguageHub::replay(text, vec!["reader".into()], None) {
        Ok(_) => panic!("the transcript was accepted"),
        Err(error) => error,
    };
    let mut lines: Vec<&str> = text.lines().collect();
    lines[3] = "{\"call\":3,";
    assert_eq!(broken(&(lines.join("\n") + "\n")).line, 4);
    let error = broken(&text.replace("\"same_as\":1", "\"same_as\":2"));
    assert_eq!((error.line, error.problem.contains("refers to call 2")), (3, true));
    let error = broken(&text.lines().skip(1).fold(String::new(), |text, line| text + line + "\n"));
    assert_eq!((error.line, error.problem.contains("0 was expected")), (1, true));
    let error = broken(text.trim_end());
    assert_eq!((error.line, error.problem.contains("cut off")), (7, true));
}

#[test]
fn trouble_with_the_transcript_ends_the_call() {
    let hub = LanguageHub::new(vec![("reader".into(), Box::new(ScriptedModel::default()))], Some(Box::new(Full)));
    let error = run(&hub, &batches()).expect_err("nothing can be written");
    assert!(matches!(&error, LanguageError::Backend(text) if text.contains("no space left")), "{error}");
    assert!(hub.finish().is_err());
}

#[test]
fn what_no_model_can_answer_is_refused() {
    let hub = scripted_hub(Shared::default());
    let ask = |request: Request| hub.answer(Tick(0), 0, &[AgentId(0)], &[request]);
    assert!(matches!(ask(choose("x", &[])), Err(LanguageError::NoOptions)));
    for temperature in [-1.0, f32::NAN, f32::INFINITY] {
        let request = Request { prompt: prompt("x"), ask: Ask::Write { tokens_max: 1, temperature, draw: 0 } };
        assert!(matches!(ask(request), Err(LanguageError::Backend(_))));
    }
    assert!(hub.answer(Tick(0), 0, &[], &[write("x", 0)]).is_err());
}

/// A GGUF file of settings only: version 3, no tensors.
fn settings_file(settings: &[(&str, Setting)]) -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    file.extend(3_u32.to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    file.extend((settings.len() as u64).to_le_bytes());
    let text = |file: &mut Vec<u8>, text: &str| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    };
    for (name, setting) in settings {
        text(&mut file, name);
        match setting {
            Setting::Text(value) => {
                file.extend(8_u32.to_le_bytes());
                text(&mut file, value);
            }
            Setting::Number(value) => {
                file.extend(4_u32.to_le_bytes());
                file.extend(value.to_le_bytes());
            }
        }
    }
    file
}

enum Setting {
    Text(&'static str),
    Number(u32),
}

fn small_llama() -> Vec<u8> {
    settings_file(&[
        ("general.architecture", Setting::Text("llama")),
        ("llama.block_count", Setting::Number(1)),
        ("llama.context_length", Setting::Number(8)),
        ("llama.embedding_length", Setting::Number(64)),
        ("llama.feed_forward_length", Setting::Number(64)),
        ("llama.attention.head_count", Setting::Number(2)),
        ("general.alignment", Setting::Number(32)),
    ])
}

fn load_bytes(bytes: &[u8]) -> LoadError {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).expect("a file can be written");
    let Err(error) = CandleModel::load(&path, CandleOptions::default()) else { panic!("it was loaded") };
    assert!(error.to_string().contains("model.gguf"), "{error}");
    error
}

#[test]
fn what_is_no_model_file_is_refused() {
    assert!(matches!(load_bytes(b""), LoadError::NotGguf { .. }));
    assert!(matches!(load_bytes(b"<html>not found</html>"), LoadError::NotGguf { .. }));
    assert!(matches!(load_bytes(b"GGUF\x09\0\0\0"), LoadError::NotGguf { .. }));
    let missing = CandleModel::load(&PathBuf::from("/nowhere/model.gguf"), CandleOptions::default());
    assert!(matches!(missing, Err(LoadError::Unreadable { .. })));
}

#[test]
fn another_architecture_and_missing_tensors_are_named() {
    let other = load_bytes(&settings_file(&[("general.architecture", Setting::Text("mamba"))]));
    assert!(matches!(&other, LoadError::Architecture { found, .. } if found == "mamba"), "{other}");
    let bare = load_bytes(&small_llama());
    assert!(matches!(&bare, LoadError::MissingTensor { tensor, .. } if tensor == "token_embd.weight"), "{bare}");
}

#[test]
fn a_cut_off_model_file_is_damaged() {
    let file = std::fs::read(model_file()).expect("the test model can be read");
    for length in [8, 23, 24, 100, 5_000, 2_000_000, 50_000_000, file.len() - 1] {
        let error = load_bytes(&file[..length]);
        assert!(matches!(error, LoadError::Damaged { .. }), "cut to {length}: {error}");
    }
}

#[test]
fn a_block_whose_scale_is_no_number_is_named() {
    let file = std::fs::read(model_file()).expect("the test model can be read");
    // Where three tensors of the pinned file begin (its directory says so), and what their blocks are.
    for (start, block, place, bytes, told) in [
        (1_785_664, 3, 34, &[0x00, 0x7c][..], ["\"token_embd.weight\"", "scale of block 3"]),
        (98_291_008, 2, 20, &[0x01, 0xfe], ["\"blk.9.attn_v.weight\"", "scale of block 2"]),
        (98_360_128, 5, 4, &[0, 0, 0xc0, 0x7f], ["\"output_norm.weight\"", "number 5"]),
    ] {
        let mut broken = file.clone();
        let first = start + block * place;
        broken[first..first + bytes.len()].copy_from_slice(bytes);
        let error = load_bytes(&broken);
        assert!(matches!(error, LoadError::Damaged { .. }), "{error}");
        let text = error.to_string();
        assert!(told.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn no_changed_byte_makes_loading_panic() {
    let file = small_llama();
    for place in 0..file.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[place] = value;
            load_bytes(&changed);
        }
    }
}
