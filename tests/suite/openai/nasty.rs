//! Every bad manner ends in the right answer or in an error that says what is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use llmagentos::base::{Answer, Ask, LanguageError, LanguageModel, Request};

use super::server::{Manner, Server};
use super::{TIGHT, WISHES, choose, load, load_with, prompt, refused, write};

fn text(model: &dyn LanguageModel, request: &Request) -> String {
    let reply = model.answer(std::slice::from_ref(request)).expect("it answers").remove(0);
    match reply.answer {
        Answer::Text(text) => text.to_string(),
        other => panic!("no text: {other:?}"),
    }
}

fn scores(model: &dyn LanguageModel, request: &Request) -> Vec<f64> {
    let reply = model.answer(std::slice::from_ref(request)).expect("it answers").remove(0);
    match reply.answer {
        Answer::Scored(scored) => scored.scores,
        other => panic!("no scores: {other:?}"),
    }
}

fn error(model: &dyn LanguageModel, request: &Request) -> String {
    match model.answer(std::slice::from_ref(request)) {
        Err(LanguageError::Unavailable(problem)) => problem,
        other => panic!("no error of a server: {other:?}"),
    }
}

#[test]
fn what_passes_is_tried_again() {
    let good = text(&*load(&Server::always(Manner::Good).url, TIGHT), &write("hello", 0.0, 0));
    assert!(good.starts_with("word "), "{good}");
    let passing = [
        Manner::Status("500 Internal Server Error", "", "{\"error\": {\"message\": \"oops\"}}"),
        Manner::Status("503 Service Unavailable", "Retry-After: 0\r\n", "loading"),
        Manner::Status("429 Too Many Requests", "Retry-After: 0.02\r\n", ""),
        Manner::Status("429 Too Many Requests", "", ""),
        Manner::Status("408 Request Timeout", "", ""),
        Manner::Body("{\"choices\": [{\"message\": {\"content\": \"cut"),
        Manner::Body("null"),
        Manner::Body("{\"choices\": []}"),
        Manner::Body("{\"choices\": [{\"message\": {\"content\": null}, \"finish_reason\": \"length\"}]}"),
        Manner::Body("\u{feff}<html>please log in</html>"),
        Manner::Drops,
        Manner::Silent,
        Manner::Drips,
        Manner::Slow(600),
    ];
    thread::scope(|scope| {
        for manner in passing {
            let good = &good;
            scope.spawn(move || {
                let server = Server::first(vec![manner.clone(), manner.clone()]);
                let model = load(&server.url, TIGHT);
                assert_eq!(&text(&*model, &write("hello", 0.0, 0)), good, "after {manner:?} twice");
                assert_eq!(server.calls(), 3, "{manner:?}");
            });
        }
    });
}

#[test]
fn what_does_not_pass_is_told_with_model_address_and_what_next() {
    let cases = [
        (Manner::Silent, "did not answer within 0.3 s (tried 3 times); see whether the server is well, or raise", 3),
        (Manner::Drips, "did not answer within 0.3 s (tried 3 times)", 3),
        (Manner::Drops, "(tried 3 times)", 3),
        (Manner::Floods, "sends more than 16 MiB as one answer; check that `url`", 1),
        (Manner::Body("{\"choices\""), "answered with malformed JSON", 3),
        (Manner::Body("{}"), "answered without choices[0].message.content (tried 3 times)", 3),
        (Manner::Status("500 Oops", "", "{\"error\": \"out of\\nmemory\"}"), "answered 500: out of memory (tried 3", 3),
        (
            Manner::Status("404 Not Found", "", "{\"error\": {\"message\": \"no such model\"}}"),
            "answered 404: no such model; check `url` and `model`",
            1,
        ),
        (
            Manner::Status("401 Unauthorized", "", "{\"error\": \"key abc is wrong\"}"),
            "answered 401; check the key in the variable that `api_key_env` names",
            1,
        ),
        (
            Manner::Status("307 Temporary Redirect", "Location: http://127.0.0.1:9/\r\n", ""),
            "answered 307; name the address that it points to",
            1,
        ),
        (
            Manner::Status("429 Too Many Requests", "Retry-After: 3600\r\n", ""),
            "answered 429 and asks for 3600 s of silence; raise `wait_max_seconds`",
            1,
        ),
    ];
    thread::scope(|scope| {
        for (manner, expected, calls) in cases {
            scope.spawn(move || {
                let server = Server::always(manner.clone());
                let flood = matches!(manner, Manner::Floods);
                let limits = if flood { "timeout_seconds = 30.0\n" } else { TIGHT };
                let problem = error(&*load(&server.url, limits), &write("hello", 0.0, 0));
                let start = format!("[llm.clerk]: the language model \"nasty-1\" at {} ", server.url);
                assert!(problem.starts_with(&start) && problem.ends_with(" in [llm.clerk]"), "{manner:?}: {problem}");
                assert!(problem.contains(expected), "{manner:?}: {problem}");
                assert!(!problem.contains("key abc"), "what is said of a key is not repeated: {problem}");
                assert_eq!(server.calls(), calls, "{manner:?}");
            });
        }
    });
    let nobody = "http://127.0.0.1:1/v1";
    let problem = error(&*load(nobody, TIGHT), &write("hello", 0.0, 0));
    assert!(problem.contains(nobody) && problem.contains("(tried 3 times)"), "{problem}");
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept_by_all() {
    // The second call would come at once, were the wish not heeded; the server sees when it comes.
    let refused = Arc::new(AtomicBool::new(false));
    let early = Arc::new(AtomicBool::new(false));
    let (said, broke) = (Arc::clone(&refused), Arc::clone(&early));
    let server = Server::start(move |number, _| {
        if number == 0 {
            let silent = Arc::clone(&said);
            silent.store(true, Ordering::SeqCst);
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(250));
                silent.store(false, Ordering::SeqCst);
            });
            return Manner::Status("429 Too Many Requests", "Retry-After: 0.5\r\n", "");
        }
        broke.fetch_or(said.load(Ordering::SeqCst), Ordering::SeqCst);
        Manner::Good
    });
    let model = load(&server.url, "concurrency = 1\nbackoff_seconds = 0.0\n");
    let requests: Vec<Request> = (0..3).map(|draw| write("hello", 1.0, draw)).collect();
    assert_eq!(model.answer(&requests).expect("it answers").len(), 3);
    assert!(!early.load(Ordering::SeqCst), "somebody called within the time of silence");
    assert_eq!(server.calls(), 4);
}

#[test]
fn calls_are_bounded_and_answers_stand_in_order() {
    let requests: Vec<Request> = (0..24).map(|number| write(&format!("customer {number}"), 0.0, 0)).collect();
    let calm = load(&Server::always(Manner::Good).url, "concurrency = 1\n").answer(&requests).expect("it answers");
    // The earlier a call, the later its answer.
    let server = Server::start(|number, _| Manner::Slow(10 * (24 - number as u64 % 24)));
    let hurried = load(&server.url, "concurrency = 6\n").answer(&requests).expect("it answers");
    assert_eq!(calm, hurried);
    assert!((2..=6).contains(&server.most_under_way()), "{} calls were under way", server.most_under_way());
    assert_eq!(server.calls(), 24);
    assert!(load(&server.url, "").answer(&[]).expect("nothing is asked").is_empty());
}

#[test]
fn the_error_is_that_of_the_first_request_that_fails() {
    let server = Server::start(|_, seen| {
        let user = seen.body["messages"][1]["content"].to_string();
        if user.contains("customer 3") || user.contains("customer 5") {
            return Manner::Status("400 Bad Request", "", "{\"error\": {\"message\": \"too long\"}}");
        }
        Manner::Slow(if user.contains("customer 2") { 200 } else { 10 })
    });
    let requests: Vec<Request> = (0..12).map(|number| write(&format!("customer {number}"), 0.0, 0)).collect();
    let model = load(&server.url, "concurrency = 4\n");
    let problem = model.answer(&requests).expect_err("two are refused").to_string();
    assert!(problem.contains("answered 400: too long; check that the server knows what is asked of it"), "{problem}");
    assert!(server.calls() < 12, "after a failure nothing new is asked");
}

#[test]
fn an_interruption_ends_calls_and_waits_at_once() {
    for (manner, settings) in [
        (Manner::Silent, "timeout_seconds = 3600.0\n"),
        (Manner::Drips, "timeout_seconds = 3600.0\n"),
        (Manner::Status("503 Service Unavailable", "Retry-After: 60\r\n", ""), ""),
        (Manner::Status("500 Oops", "", ""), "backoff_seconds = 3600.0\nwait_max_seconds = 3600.0\n"),
    ] {
        let stop = Arc::new(AtomicBool::new(false));
        let server = Server::always(manner.clone());
        let model = load_with(&server.url, settings, Arc::clone(&stop)).expect("the settings are sound");
        let requests: Vec<Request> = (0..9).map(|draw| write("hello", 1.0, draw)).collect();
        let outcome = thread::scope(|scope| {
            let work = scope.spawn(|| model.answer(&requests));
            thread::sleep(Duration::from_millis(100));
            stop.store(true, Ordering::SeqCst);
            // Were it not heeded, this would take an hour.
            work.join().expect("no panic")
        });
        assert!(matches!(outcome, Err(LanguageError::Interrupted)), "{manner:?}: {outcome:?}");
    }
}

#[test]
fn a_choice_is_made_by_log_probabilities_or_by_schema() {
    let request = choose("it is too small", &WISHES);
    let told = Server::always(Manner::Good);
    let by_score = scores(&*load(&told.url, ""), &request);
    assert_eq!(by_score, scores(&*load(&told.url, "scoring = \"logprobs\"\n"), &request));
    assert!(by_score.iter().all(|score| (-5.0..0.0).contains(score)), "{by_score:?}");
    let sent = &told.seen()[0].body;
    assert_eq!((&sent["logprobs"], &sent["top_logprobs"], &sent["max_tokens"]), (&true.into(), &20.into(), &1.into()));
    let user = sent["messages"][1]["content"].as_str().expect("a text");
    let menu = "exchange it\nreturn it\ncancel the order\nmodify the order";
    assert_eq!(user, format!("Customer: it is too small\n\nAnswer with one of these and nothing else:\n{menu}"));

    let untelling = Server::always(Manner::Untelling);
    let model = load(&untelling.url, "");
    let by_schema = scores(&*model, &request);
    assert_eq!(by_schema.iter().filter(|score| **score == 0.0).count(), 1, "{by_schema:?}");
    assert_eq!(by_schema.iter().filter(|score| **score < -29.0).count(), 3, "{by_schema:?}");
    let schema = &untelling.seen()[1].body["response_format"]["json_schema"];
    assert_eq!(schema["strict"], true);
    assert_eq!(schema["schema"]["properties"]["choice"]["enum"], serde_json::json!(WISHES));
    assert_eq!(untelling.calls(), 2);
    // What the server does not tell is not asked for again, nor calibrated.
    let Ask::Choose(mut choices) = choose("and this", &WISHES).ask else { panic!("a choice") };
    choices.content_free = Some("N/A".into());
    scores(&*model, &Request { prompt: prompt("and this"), ask: Ask::Choose(choices) });
    assert_eq!(untelling.calls(), 3);
    // Nor where the server refuses the wish outright.
    let strict = Server::start(|_, seen| match seen.body["logprobs"].as_bool() {
        Some(true) => {
            Manner::Status("400 Bad Request", "", "{\"error\": {\"message\": \"logprobs are not supported\"}}")
        }
        _ => Manner::Good,
    });
    assert_eq!(scores(&*load(&strict.url, ""), &request), by_schema);
    let problem = error(&*load(&strict.url, "scoring = \"logprobs\"\n"), &request);
    assert!(problem.contains("logprobs are not supported"), "{problem}");
    let problem = error(&*load(&untelling.url, &format!("{TIGHT}scoring = \"logprobs\"\n")), &request);
    assert!(problem.contains("does not tell log-probabilities (`scoring` can be \"json_schema\")"), "{problem}");
}

#[test]
fn a_choice_is_never_mapped_to_the_menu() {
    for (said, expected) in [
        ("{\"choice\": \"return\"}", "chose \"return\", which is none of the 4 options (tried 3 times)"),
        ("return it", "was to answer with JSON, but wrote \"return it\" (tried 3 times)"),
        ("{\"choice\": 1}", "answered without a `choice`: \"{\\\"choice\\\": 1}\""),
        ("", "was to answer with JSON, but wrote \"\""),
    ] {
        let server = Server::always(Manner::Says(said));
        let problem = error(&*load(&server.url, &format!("{TIGHT}scoring = \"json_schema\"\n")), &choose("x", &WISHES));
        assert!(problem.contains(expected), "{said}: {problem}");
        // Each try has its own seed: at a temperature above 0 the server may do better.
        let seeds: Vec<String> = server.seen().iter().map(|seen| seen.body["seed"].to_string()).collect();
        assert!(seeds.len() == 3 && seeds[0] != seeds[1] && seeds[1] != seeds[2], "{seeds:?}");
    }
    let server = Server::first(vec![Manner::Says("{\"choice\": \"keep it\"}")]);
    let found = scores(&*load(&server.url, &format!("{TIGHT}scoring = \"json_schema\"\n")), &choose("x", &WISHES));
    assert_eq!(found.iter().filter(|score| **score == 0.0).count(), 1, "{found:?}");
    assert_eq!(server.calls(), 2);
}

#[test]
fn menus_of_any_size_are_answered() {
    let server = Server::always(Manner::Good);
    let model = load(&server.url, "");
    assert!(matches!(model.answer(&[choose("x", &[])]), Err(LanguageError::NoOptions)));
    assert_eq!(scores(&*model, &choose("x", &["only this"])), [0.0]);
    assert_eq!(server.calls(), 0, "there was nothing to ask");
    let alike: Vec<String> = (0..10_000).map(|number| format!("I take number {}", number / 2)).collect();
    let alike: Vec<&str> = alike.iter().map(String::as_str).collect();
    let found = scores(&*model, &choose("مرحبا 🎉", &alike));
    assert_eq!((found.len(), found.iter().filter(|score| **score == 0.0).count()), (10_000, 1));
    let listed =
        server.seen()[0].body["response_format"]["json_schema"]["schema"]["properties"]["choice"]["enum"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(5000), "a schema names each option once");
    let problem = load(&server.url, "scoring = \"logprobs\"\n").answer(&[choose("x", &alike)]).expect_err("too many");
    assert!(problem.to_string().contains("10000 options that begin alike"), "{problem}");
}

#[test]
fn calibration_takes_away_what_is_said_of_nothing() {
    let server = Server::always(Manner::Good);
    let model = load(&server.url, "");
    let (own, nothing) =
        (scores(&*model, &choose("it is too small", &WISHES)), scores(&*model, &choose("N/A", &WISHES)));
    let calibrated = |text: &str| {
        let Ask::Choose(mut choices) = choose(text, &WISHES).ask else { panic!("a choice") };
        choices.content_free = Some("N/A".into());
        Request { prompt: prompt(text), ask: Ask::Choose(choices) }
    };
    let replies = model.answer(&[calibrated("it is too small"), calibrated("it is broken")]).expect("it answers");
    let Answer::Scored(scored) = &replies[0].answer else { panic!("scores") };
    for ((score, own), nothing) in scored.scores.iter().zip(own).zip(nothing) {
        assert!((score - (own - nothing)).abs() < 1e-12);
    }
    assert_eq!(server.calls(), 5, "the content-free prompt was asked once for both");
    // It is nobody's own: 50 tokens a call, as the server counts.
    assert_eq!((replies[0].tokens.prompt, replies[1].tokens.prompt), (50, 50));
}

#[test]
fn seeds_are_a_function_of_seed_prompt_and_draw() {
    let server = Server::always(Manner::Good);
    let model = load(&server.url, "concurrency = 1\n");
    let requests = [write("a", 0.7, 0), write("a", 0.7, 1), write("b", 0.7, 0), write("a", 0.7, 0)];
    let replies = model.answer(&requests).expect("it answers");
    let seen = server.seen();
    let seeds: Vec<u64> = seen.iter().map(|seen| seen.body["seed"].as_u64().expect("a seed")).collect();
    assert!(seeds[0] != seeds[1] && seeds[0] != seeds[2] && seeds[0] == seeds[3], "{seeds:?}");
    assert!(seeds.iter().all(|seed| *seed < 1 << 31), "{seeds:?}");
    assert_eq!(seen[0].body["temperature"].to_string(), "0.7");
    assert_eq!(seen[0].body["messages"][0], serde_json::json!({"role": "system", "content": "You are a clerk."}));
    assert_eq!(replies[0].answer, replies[3].answer);
    assert_eq!((replies[0].tokens.prompt, replies[0].tokens.reused, replies[0].tokens.answer), (50, 20, 3));
    let newer = Server::always(Manner::Good);
    text(&*load(&newer.url, "token_limit_field = \"max_completion_tokens\"\n"), &requests[0]);
    assert_eq!(newer.seen()[0].body["max_completion_tokens"], 12);
    assert!(newer.seen()[0].body["max_tokens"].is_null());
}

#[test]
fn vectors_have_length_one() {
    let server = Server::always(Manner::Good);
    let model = load(&server.url, "embedding_model = \"places\"\n");
    let embed = Request { prompt: prompt("a lamp"), ask: Ask::Embed };
    let Answer::Vector(vector) = model.answer(&[embed]).expect("it answers").remove(0).answer else {
        panic!("a vector")
    };
    assert!((vector.iter().map(|number| number * number).sum::<f32>() - 1.0).abs() < 1e-6);
    let seen = server.seen().remove(0);
    assert_eq!((seen.path.as_str(), seen.body["model"].as_str()), ("/v1/embeddings", Some("places")));
    assert_eq!(seen.body["input"], "You are a clerk.Customer: a lamp");
    let zeros = Server::always(Manner::Body("{\"data\": [{\"embedding\": [0, 0]}]}"));
    let problem = error(&*load(&zeros.url, TIGHT), &Request { prompt: prompt("a"), ask: Ask::Embed });
    assert!(problem.contains("a vector without a direction"), "{problem}");
}

#[test]
fn addresses_that_hold_secrets_and_other_mistakes_are_refused() {
    for (url, settings, expected) in [
        ("http://me:opensesame@127.0.0.1/v1", "", "may hold a name and password or a key"),
        ("http://127.0.0.1/v1?key=opensesame", "", "may hold a name and password or a key"),
        ("ftp://127.0.0.1/v1", "", "no address that begins with http"),
        ("http:///v1", "", "no address that begins with http"),
        ("http://127.0.0.1/v1/chat/completions", "", "is put behind it"),
        ("http://127.0.0.1/v1", "api_key_env = \"sk-opensesame\"", "no name of an environment variable"),
        ("http://127.0.0.1/v1", "api_key_env = \"LLMAGENTOS_NO_KEY_HERE\"", "LLMAGENTOS_NO_KEY_HERE is not set"),
        ("http://127.0.0.1/v1", "timeout_seconds = 0.0", "timeout_seconds"),
        ("http://127.0.0.1/v1", "concurrency = 0", "concurrency"),
    ] {
        let error = refused(url, settings);
        assert!(error.to_string().contains(expected), "{url} {settings}: {error}");
        let shown = format!("{error:?} {error} {:?}", miette_report(&error));
        let shown = if settings.contains("sesame") || url.contains("sesame") { shown } else { String::new() };
        assert!(!shown.contains("opensesame"), "{shown}");
    }
}

fn miette_report(error: &llmagentos::scenario::ScenarioError) -> Vec<String> {
    [error.messages(), error.helps()].concat()
}
