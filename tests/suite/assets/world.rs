//! A small world to fetch from: two files in a wheel, a pip that delivers it, a hub on loopback.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use llmagentos::app::assets::{AssetSettings, Assets, Catalog, Progress};
use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// What the fake pip does once it knows the delivery folder `$dir` and the true wheel `$wheel`.
pub const DELIVER: &str = r#"cp "$wheel" "$dir/tiny-1.0-py3-none-any.whl""#;

/// About half a minute of pauses, or 94 MiB of an endless body.
const PATIENT_TURNS: usize = 1500;

pub const WHEEL_NAME: &str = "tiny-1.0-py3-none-any.whl";

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The bytes of the asset `tiny-model`: large enough for several reads.
pub fn model() -> Vec<u8> {
    (0..100_000_u32).map(|index| (index.wrapping_mul(index).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The bytes of the asset `tiny-data`, which only the package has.
pub fn data() -> Vec<u8> {
    b"{\"rows\": [1, 2, 3]}\n".to_vec()
}

pub fn wheel(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub fn whole_wheel() -> Vec<u8> {
    wheel(&[("tiny/model.bin", &model()), ("tiny/data.json", &data())])
}

pub struct World {
    pub folder: tempfile::TempDir,
    pub catalog: String,
    pub settings: AssetSettings,
}

impl World {
    /// A world whose package is `wheel`, whose pip runs `pip` (shell) and whose hub is `hub`.
    pub fn new(wheel: &[u8], pip: &str, hub: Option<&Hub>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = format!(
            r#"
            [[package]]
            name = "tiny"
            version = "1.0"
            wheel = "{WHEEL_NAME}"
            bytes = {wheel_bytes}
            sha256 = "{wheel_sha256}"

            [[asset]]
            id = "tiny-model"
            what = "a model"
            licence = "MIT"
            file = "model.bin"
            bytes = {model_bytes}
            sha256 = "{model_sha256}"
            package = "tiny"
            member = "tiny/model.bin"
            hub = {{ repository = "someone/tiny", file = "model.bin" }}

            [[asset]]
            id = "tiny-data"
            what = "some data"
            licence = "MIT"
            file = "data.json"
            bytes = {data_bytes}
            sha256 = "{data_sha256}"
            package = "tiny"
            member = "tiny/data.json"
            "#,
            wheel_bytes = wheel.len(),
            wheel_sha256 = sha256(wheel),
            model_bytes = model().len(),
            model_sha256 = sha256(&model()),
            data_bytes = data().len(),
            data_sha256 = sha256(&data()),
        );
        let mut settings = AssetSettings::new(folder.path().join("cache"));
        settings.hub_endpoint = hub.map_or("http://127.0.0.1:1".to_owned(), |hub| hub.endpoint.clone());
        settings.connect_timeout = Duration::from_secs(10);
        settings.stall_timeout = Duration::from_secs(20);
        settings.package_stall_timeout = Duration::from_secs(20);
        fs::write(folder.path().join("true.whl"), wheel).unwrap();
        let mut world = Self { folder, catalog, settings };
        world.settings.python = vec![world.python("pip.sh", pip)];
        world
    }

    /// A fake Python: a shell script that notes how it was called, finds the delivery folder and runs `action`.
    /// It is handed to `sh`, since a script just written can be busy when it is started directly.
    pub fn python(&self, name: &str, action: &str) -> Vec<OsString> {
        let root = self.folder.path();
        let script = format!(
            r#"root='{root}'
wheel="$root/true.whl"
printf '%s\n' "$*" >> "$root/calls"
while [ $# -gt 1 ]; do
  [ "$1" = -d ] && dir="$2"
  [ "$1" = -r ] && cp "$2" "$root/requirements.txt"
  shift
done
{action}
"#,
            root = root.display()
        );
        let path = root.join(name);
        fs::write(&path, script).unwrap();
        vec!["sh".into(), path.into_os_string()]
    }

    pub fn assets(&self) -> Assets {
        Assets::with_catalog(self.settings.clone(), Catalog::parse(&self.catalog).unwrap())
    }

    pub fn cache(&self) -> &Path {
        &self.settings.cache_dir
    }

    /// The arguments of each call of pip so far.
    pub fn pip_calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// Every file in the cache but the locks, relative to it, sorted.
    pub fn cached_files(&self) -> Vec<String> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
            }
        }
        let mut found = Vec::new();
        walk(self.cache(), &mut found);
        let relative = |path: &PathBuf| path.strip_prefix(self.cache()).unwrap().display().to_string();
        let mut names: Vec<String> = found.iter().map(relative).filter(|name| !name.ends_with("/lock")).collect();
        names.sort();
        names
    }
}

/// Keeps the notes of a fetch.
#[derive(Default)]
pub struct Notes(pub Vec<String>);

impl Progress for Notes {
    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

/// How the hub answers.
#[derive(Clone)]
pub enum Answer {
    /// 200 with this body and its length.
    Body(Vec<u8>),
    /// 200 with this body after a pause, so that a second request could come in between.
    Slow(Vec<u8>),
    /// 200 with this body and no length, then the end of the connection.
    Unsized(Vec<u8>),
    /// 200 and an HTML page.
    Page,
    /// This status and nothing else.
    Status(&'static str),
    /// Accepts and never answers.
    Silent,
    /// Sends the head and some bytes, then nothing more.
    Stalls,
    /// Sends a byte every 20 ms for as long as it may.
    Drips,
    /// Sends bytes for as long as it may.
    Endless,
}

/// A model hub on loopback, gone when dropped.
pub struct Hub {
    pub endpoint: String,
    requests: Arc<AtomicUsize>,
    outlasted: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Hub {
    pub fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (requests, closing) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let outlasted = Arc::new(AtomicBool::new(false));
        let (count, end, gave_up) = (Arc::clone(&requests), Arc::clone(&closing), Arc::clone(&outlasted));
        let server = thread::spawn(move || {
            thread::scope(|scope| {
                for stream in listener.incoming() {
                    if end.load(Ordering::SeqCst) {
                        break;
                    }
                    let (Ok(stream), answer, count, end, gave_up) = (stream, &answer, &count, &end, &gave_up) else {
                        continue;
                    };
                    // The peer may hang up at any point; that is for its side to notice.
                    scope.spawn(move || drop(serve(stream, answer, count, &Patience { end, gave_up })));
                }
            });
        });
        Self { endpoint, requests, outlasted, closing, server: Some(server) }
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Whether a client bore with a silent, slow or endless answer until the hub itself gave up.
    pub fn outlasted(&self) -> bool {
        self.outlasted.load(Ordering::SeqCst)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // One more connection wakes the loop that waits for it.
        drop(TcpStream::connect(self.endpoint.trim_start_matches("http://")));
        self.server.take().map(JoinHandle::join);
    }
}

/// How long the hub goes on with an answer that has no end: until the test is over, or for so many turns.
struct Patience<'a> {
    end: &'a AtomicBool,
    gave_up: &'a AtomicBool,
}

impl Patience<'_> {
    fn turns(&self, most: usize, mut turn: impl FnMut() -> std::io::Result<()>) -> std::io::Result<()> {
        for _ in 0..most {
            if self.end.load(Ordering::SeqCst) {
                return Ok(());
            }
            turn()?;
        }
        self.gave_up.store(true, Ordering::SeqCst);
        Ok(())
    }
}

fn serve(mut stream: TcpStream, answer: &Answer, count: &AtomicUsize, patience: &Patience<'_>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
    count.fetch_add(1, Ordering::SeqCst);
    let request = String::from_utf8_lossy(&request).into_owned();
    if !request.starts_with("GET /someone/tiny/resolve/main/model.bin HTTP/1.1\r\n") {
        return write!(stream, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    }
    let open = |stream: &mut TcpStream| write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    let with_body = |stream: &mut TcpStream, kind: &str, body: &[u8]| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(body)
    };
    let pause = || {
        thread::sleep(Duration::from_millis(20));
        Ok(())
    };
    match answer {
        Answer::Body(body) => with_body(&mut stream, "application/octet-stream", body),
        Answer::Slow(body) => {
            thread::sleep(Duration::from_millis(200));
            with_body(&mut stream, "application/octet-stream", body)
        }
        Answer::Unsized(body) => open(&mut stream).and_then(|()| stream.write_all(body)),
        Answer::Page => with_body(&mut stream, "text/html; charset=utf-8", b"<html>Please log in</html>"),
        Answer::Status(status) => write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"),
        Answer::Silent => patience.turns(PATIENT_TURNS, pause),
        Answer::Stalls => {
            open(&mut stream)?;
            stream.write_all(&model()[..1000])?;
            patience.turns(PATIENT_TURNS, pause)
        }
        Answer::Drips => {
            open(&mut stream)?;
            patience.turns(PATIENT_TURNS, || stream.write_all(b"x").and_then(|()| pause()))
        }
        Answer::Endless => {
            let block = vec![7; 64 * 1024];
            open(&mut stream)?;
            patience.turns(PATIENT_TURNS, || stream.write_all(&block))
        }
    }
}
