//! A real server: llama.cpp's, from the Python package xllamacpp, on the model that the embedded one runs on.
//!
//! It needs python3 with pip, as the check of the project does. Where that is missing, or the package cannot be had,
//! these tests fail and say so: they never pass unseen.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use llmagentos::base::{Answer, Ask, Choices, LanguageModel, Prompt, Request, Scored};
use llmagentos::llm::{CandleModel, CandleOptions};
use serde_json::Value;

use super::load;
use crate::support::model_file;

/// The version that the reference numbers of `data/llama_cpp.json` were made with.
const PACKAGE: &str = "xllamacpp==2026.10.11549";

const SERVE: &str = "
import sys, time
import xllamacpp
p = xllamacpp.CommonParams()
p.model.path, p.hostnames, p.port = sys.argv[1], ['127.0.0.1'], int(sys.argv[2])
p.n_ctx, p.n_parallel, p.cpuparams.n_threads = 4096, 2, 2
server = xllamacpp.Server(p)
# The one who started it holds the other end of its input: when that closes, it ends too.
sys.stdin.read()
import os
os._exit(0)
";

/// Installs the package once into the build's folder for temporary files.
static PACKAGES: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE.replace("==", "-"));
    let importable = |folder: &Path| {
        let mut python = Command::new("python3");
        python.args(["-c", "import xllamacpp"]).env("PYTHONPATH", folder).stderr(Stdio::null());
        python.status().is_ok_and(|status| status.success())
    };
    if !importable(&folder) {
        let install = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--upgrade", "--no-deps", "--target"])
            .arg(&folder)
            .arg(PACKAGE)
            .output()
            .unwrap_or_else(|error| panic!("the real server's tests need python3 with pip: {error}"));
        let said = String::from_utf8_lossy(&install.stderr);
        assert!(install.status.success(), "the real server's tests need `python3 -m pip install {PACKAGE}`: {said}");
        assert!(importable(&folder), "{PACKAGE} was installed, but python3 cannot import it");
    }
    folder
});

/// The server, ended when dropped.
struct RealServer {
    process: Child,
    url: String,
}

impl RealServer {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port").port();
        let process = Command::new("python3")
            .args(["-c", SERVE])
            .arg(model_file())
            .arg(port.to_string())
            .env("PYTHONPATH", &*PACKAGES)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 starts");
        let mut server = Self { process, url: format!("http://127.0.0.1:{port}") };
        let direct: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        for _ in 0..600 {
            // 503 while it loads.
            if direct.get(format!("{}/health", server.url)).call().is_ok() {
                return server;
            }
            let ended = server.process.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "the real server ended before it was ready: {ended:?}");
            thread::sleep(Duration::from_millis(100));
        }
        panic!("the real server was not ready within a minute");
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

static EMBEDDED: LazyLock<CandleModel> =
    LazyLock::new(|| CandleModel::load(&model_file(), CandleOptions::default()).expect("the test model loads"));

const SYSTEM: &str = "You sort what customers of a shop ask for. Answer with one word.";
const PREFIX: &str = "I want my money back for the lamp: return\nStop the delivery, I need it no more: cancel\n\
Can I have the red one instead of the blue one? exchange\nPlease send it to my new address: modify\n";
const OPTIONS: [&str; 4] = ["return", "cancel", "exchange", "modify"];
const SAYINGS: [&str; 10] = [
    "I want to give the shoes back",
    "please cancel order 4417",
    "the shirt is too small, I need a bigger one instead",
    "change the address of my order",
    "I would like a refund for the kettle",
    "do not send the chair, cancel it",
    "swap the black case for a white one",
    "cancel everything",
    "exchange for the next size",
    "modify the delivery day",
];

fn request(saying: &str, ask: Ask) -> Request {
    Request {
        prompt: Prompt { system: SYSTEM.into(), prefix: PREFIX.into(), suffix: format!("{saying}:").into() },
        ask,
    }
}

fn choice() -> Ask {
    Ask::Choose(Choices { options: OPTIONS.iter().map(|option| Arc::from(*option)).collect(), content_free: None })
}

fn scores(model: &dyn LanguageModel, requests: &[Request]) -> Vec<Vec<f64>> {
    let of = |answer| if let Answer::Scored(Scored { scores }) = answer { scores } else { panic!("no scores") };
    model.answer(requests).expect("it answers").into_iter().map(|reply| of(reply.answer)).collect()
}

fn best(scores: &[f64]) -> usize {
    (0..scores.len()).max_by(|left, right| scores[*left].total_cmp(&scores[*right])).expect("options")
}

/// The request as the server's template gets it: the menu behind the user's turn.
fn with_menu(request: &Request) -> Request {
    let menu = OPTIONS.join("\n");
    let suffix = format!("{}\n\nAnswer with one of these and nothing else:\n{menu}", request.prompt.suffix);
    Request { prompt: Prompt { suffix: suffix.into(), ..request.prompt.clone() }, ask: request.ask.clone() }
}

/// What the embedded model's own logits say of an option's first token, in all the ways it may be written.
fn first_token_score(logits: &[f32], option: &str) -> f64 {
    let peak = logits.iter().copied().fold(f32::MIN, f32::max);
    let total: f64 = logits.iter().map(|logit| f64::from(logit - peak).exp()).sum();
    let upper = option[..1].to_uppercase() + &option[1..];
    let mut tokens: Vec<u32> = [option.to_owned(), format!(" {option}"), upper.clone(), format!(" {upper}")]
        .iter()
        .map(|way| EMBEDDED.tokens(way).expect("text has tokens")[0])
        .collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens.iter().map(|token| f64::from(logits[*token as usize] - peak).exp() / total).sum::<f64>().ln()
}

#[test]
fn a_real_server_chooses_and_writes_as_the_embedded_model_does() {
    let server = RealServer::start();
    let url = format!("{}/v1", server.url);
    let by_score = load(&url, "scoring = \"logprobs\"\ntop_logprobs = 40\nconcurrency = 2\ntimeout_seconds = 600.0\n");
    let requests: Vec<Request> = SAYINGS.iter().map(|saying| request(saying, choice())).collect();
    let told = scores(&*by_score, &requests);

    // Same weights, same prompt: the scores are the embedded model's log-probabilities of the options' first tokens.
    // A choice between options that are nearly as likely may fall the other way: llama.cpp rounds otherwise.
    let (mut compared, mut agreeing) = (0, 0);
    for (request, told) in requests.iter().zip(&told) {
        let logits = EMBEDDED.next_logits(&with_menu(request).prompt).expect("it computes");
        let own: Vec<f64> = OPTIONS.iter().map(|option| first_token_score(&logits, option)).collect();
        agreeing += usize::from(best(&own) == best(told));
        for (own, score) in own.iter().zip(told).filter(|(own, _)| **own > -4.0) {
            compared += 1;
            assert!((own - score).abs() < 0.7, "{:?}: {told:?}, embedded {own}", request.prompt.suffix);
        }
    }
    assert!(compared >= 5, "only {compared} scores were likely enough to be compared");
    assert!(agreeing >= 8, "{agreeing} of {} choices agree", SAYINGS.len());

    // By schema each answer is on the menu, or it would be an error.
    let by_schema = scores(&*load(&url, "scoring = \"json_schema\"\ntimeout_seconds = 600.0\n"), &requests[..1]);
    assert!(by_schema.iter().all(|scores| scores[best(scores)] == 0.0));

    // The greedy texts that llama.cpp wrote when the reference file was made.
    let reference: Value = serde_json::from_str(include_str!("../data/llama_cpp.json")).expect("JSON");
    let entries = reference["greedy"].as_array().expect("a list");
    let writing: Vec<Request> = entries
        .iter()
        .map(|entry| Request {
            prompt: Prompt {
                system: entry["system"].as_str().expect("a text").into(),
                prefix: "".into(),
                suffix: entry["user"].as_str().expect("a text").into(),
            },
            ask: Ask::Write { tokens_max: 16, temperature: 0.0, draw: 0 },
        })
        .collect();
    // One at a time: requests that the server batches otherwise round otherwise, and near ties fall the other way.
    let write = |one: &Request| by_score.answer(std::slice::from_ref(one)).expect("it writes").remove(0);
    let replies: Vec<_> = writing.iter().map(write).collect();
    // How much of the texts is that of the reference, from their beginnings on. Not all: the server rounds otherwise than at
    // the time of the reference, by what it has in its cache, and near ties fall the other way within 16 tokens.
    let (mut shared, mut all) = (0, 0);
    for (reply, entry) in replies.iter().zip(entries) {
        let Answer::Text(text) = &reply.answer else { panic!("no text") };
        let reference = entry["text"].as_str().expect("a text").trim();
        shared += text.chars().zip(reference.chars()).take_while(|(own, known)| own == known).count();
        all += reference.chars().count();
        assert!(reply.tokens.prompt > 0 && (1..=17).contains(&reply.tokens.answer), "{:?}", reply.tokens);
    }
    assert!(shared * 3 >= all, "{shared} of {all} characters are those of the reference");

    // Draws at a temperature differ.
    let drawn: Vec<Request> = (0..4)
        .map(|draw| request("tell me about lamps", Ask::Write { tokens_max: 12, temperature: 1.0, draw }))
        .collect();
    let mut texts: Vec<String> =
        by_score.answer(&drawn).expect("it writes").iter().map(|reply| format!("{:?}", reply.answer)).collect();
    texts.sort();
    texts.dedup();
    assert!(texts.len() > 1, "four draws, one text");

    // What the server refuses is told in its own words.
    let long = load(&url, "").answer(&[request(&"word ".repeat(9000), choice())]).expect_err("too long").to_string();
    assert!(long.contains("answered 400") && long.contains("context"), "{long}");
    let names: Vec<(String, String)> = by_score.identity();
    assert!(names.iter().any(|(name, value)| name == "answered_by" && !value.is_empty()), "{names:?}");
}
