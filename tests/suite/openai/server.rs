//! A server of `OpenAI`'s chat interface on loopback that behaves as badly as it is told to.

use std::io::{Error, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

/// What one call gets.
#[derive(Clone, Debug)]
pub enum Manner {
    /// A sensible answer that is a function of the call, with log-probabilities where they are asked for.
    Good,
    /// The same, but no log-probabilities and no word of them.
    Untelling,
    /// The good answer, with what it was told of a key as the model's name.
    Echoes,
    /// Status 500 and what it was told of a key as the reason.
    Blames,
    /// This status, these headers and this body.
    Status(&'static str, &'static str, &'static str),
    /// 200 and this chat text.
    Says(&'static str),
    /// 200 and this body.
    Body(&'static str),
    /// The good answer after some milliseconds.
    Slow(u64),
    /// Accepts and never answers.
    Silent,
    /// The head, half of the body, then the end of the connection.
    Drops,
    /// The head, then a byte every ten milliseconds for as long as it may.
    Drips,
    /// The head, then bytes as fast as they are taken.
    Floods,
}

/// A call as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub authorization: Option<String>,
    pub body: Value,
}

/// The server, gone when dropped.
pub struct Server {
    pub url: String,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    manner: Box<dyn Fn(usize, &Seen) -> Manner + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    closing: AtomicBool,
}

impl Server {
    /// A server whose `manner` is given the number of the call, from 0, and the call.
    pub fn start(manner: impl Fn(usize, &Seen) -> Manner + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            manner: Box::new(manner),
            seen: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        let listening = thread::spawn(move || {
            thread::scope(|scope| {
                for stream in listener.incoming() {
                    if of_thread.closing.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(stream) = stream else { continue };
                    let shared = &of_thread;
                    // The peer may hang up at any point; that is for its side to notice.
                    scope.spawn(move || drop(shared.serve(stream)));
                }
            });
        });
        Self { url, shared, listening: Some(listening) }
    }

    /// A server that does the same always.
    pub fn always(manner: Manner) -> Self {
        Self::start(move |_, _| manner.clone())
    }

    /// A server that does these things one after another, and is good after that.
    pub fn first(manners: Vec<Manner>) -> Self {
        Self::start(move |number, _| manners.get(number).cloned().unwrap_or(Manner::Good))
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen().clone()
    }

    pub fn calls(&self) -> usize {
        self.shared.seen().len()
    }

    /// The most calls that were under way at the same time.
    pub fn most_under_way(&self) -> usize {
        self.shared.most_under_way.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // One more connection wakes the loop that waits for it.
        drop(TcpStream::connect(self.url.trim_start_matches("http://").trim_end_matches("/v1")));
        self.listening.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> Result<(), Error> {
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        // One connection may bring several calls.
        while let Some(seen) = self.read(&mut stream)? {
            let number = {
                let mut all = self.seen();
                all.push(seen.clone());
                all.len() - 1
            };
            let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_under_way.fetch_max(now, Ordering::SeqCst);
            let manner = (self.manner)(number, &seen);
            let outcome = self.answer(&mut stream, &seen, &manner);
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            if !outcome? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One call; none once the peer hangs up or the server closes.
    fn read(&self, stream: &mut TcpStream) -> Result<Option<Seen>, Error> {
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let header = |name: &str| {
                    let of =
                        |line: &str| line.split_once(": ").map(|(key, value)| (key.to_lowercase(), value.to_owned()));
                    head.lines().filter_map(of).find(|(key, _)| key == name).map(|(_, value)| value)
                };
                let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
                if bytes.len() >= end + 4 + length {
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    let body = serde_json::from_slice(&bytes[end + 4..end + 4 + length]).unwrap_or_default();
                    return Ok(Some(Seen { path, authorization: header("authorization"), body }));
                }
            }
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(_) if self.closing.load(Ordering::SeqCst) => return Ok(None),
                Err(error)
                    if [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut].contains(&error.kind()) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the connection goes on.
    fn answer(&self, stream: &mut TcpStream, seen: &Seen, manner: &Manner) -> Result<bool, Error> {
        let whole = |stream: &mut TcpStream, status: &str, headers: &str, body: &str| {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
            )?;
            Ok(true)
        };
        let open = |stream: &mut TcpStream| write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
        match manner {
            Manner::Good => whole(stream, "200 OK", "", &good(seen, true).to_string()),
            Manner::Untelling => whole(stream, "200 OK", "", &good(seen, false).to_string()),
            Manner::Echoes => {
                let mut body = good(seen, true);
                body["model"] = json!(format!("nasty-1 {}", seen.authorization.as_deref().unwrap_or("no key")));
                // Escaped as JSON may be.
                whole(stream, "200 OK", "", &body.to_string().replace("Bearer sk", "Bearer \\u0073k"))
            }
            Manner::Blames => {
                let blame = json!({"error": {"message": format!("wrong: {:?}", seen.authorization)}}).to_string();
                whole(stream, "500 Internal Server Error", "", &blame)
            }
            Manner::Status(status, headers, body) => whole(stream, status, headers, body),
            Manner::Says(text) => whole(stream, "200 OK", "", &chat(text, None).to_string()),
            Manner::Body(body) => whole(stream, "200 OK", "", body),
            Manner::Slow(milliseconds) => {
                self.turns(*milliseconds / 10, || Ok(()))?;
                whole(stream, "200 OK", "", &good(seen, true).to_string())
            }
            Manner::Silent => self.turns(1000, || Ok(())).map(|()| false),
            Manner::Drops => {
                let body = good(seen, true).to_string();
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.len(), &body[..body.len() / 2])?;
                Ok(false)
            }
            Manner::Drips => {
                open(stream)?;
                self.turns(1000, || stream.write_all(b" ")).map(|()| false)
            }
            Manner::Floods => {
                open(stream)?;
                let block = vec![b' '; 1 << 16];
                for _ in 0..4096 {
                    stream.write_all(&block)?;
                }
                Ok(false)
            }
        }
    }

    /// Does something every ten milliseconds, until the test is over.
    fn turns(&self, most: u64, mut turn: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
        for _ in 0..most {
            if self.closing.load(Ordering::SeqCst) {
                break;
            }
            turn()?;
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

fn chat(text: &str, likeliest: Option<Value>) -> Value {
    let mut choice = json!({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}});
    if let Some(likeliest) = likeliest {
        choice["logprobs"] = json!({"content": [{"token": text, "logprob": -0.1, "top_logprobs": likeliest}]});
    }
    json!({
        "id": "1", "object": "chat.completion", "model": "nasty-1", "choices": [choice],
        "usage": {"prompt_tokens": 50, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 20}},
    })
}

/// Some number that is a function of a text.
fn mixed(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn good(seen: &Seen, tells: bool) -> Value {
    let body = &seen.body;
    if seen.path.ends_with("/embeddings") {
        let text = body["input"].as_str().unwrap_or_default();
        return json!({"data": [{"embedding": [3.0, 4.0, (mixed(text) % 7) as f64]}], "usage": {"prompt_tokens": 5}});
    }
    let user = body["messages"]
        .as_array()
        .and_then(|all| all.last())
        .map_or("", |last| last["content"].as_str().unwrap_or(""));
    let number = mixed(user);
    if let Some(options) = body["response_format"]["json_schema"]["schema"]["properties"]["choice"]["enum"].as_array() {
        let choice = &options[number as usize % options.len()];
        return chat(&json!({"choice": choice}).to_string(), None);
    }
    if tells && body["logprobs"] == true {
        let menu: Vec<&str> = user.lines().rev().take_while(|line| !line.ends_with("nothing else:")).collect();
        let first = |line: &&str| line.split([' ', ')']).next().unwrap_or("").to_owned();
        let token = |line: &&str| {
            let word = first(line);
            let share = -0.5 - (mixed(&format!("{user}{word}")) % 1000) as f64 / 250.0;
            json!({"token": word, "logprob": share, "bytes": null})
        };
        return chat("x", Some(menu.iter().map(token).collect()));
    }
    chat(&format!(" word {} of seed {} ", number % 1000, body["seed"]), None)
}
