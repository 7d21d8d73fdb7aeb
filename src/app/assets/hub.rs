//! The model hub: one GET, watched so that a silent, slow or wrong answer costs seconds.

use std::io::{self, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::Uri;

use super::cache;
use super::catalog::{Asset, HubFile};
use super::error::{AssetError, Failure};
use super::progress::Progress;
use super::redact::redact;
use super::settings::AssetSettings;

const STOP_POLL: Duration = Duration::from_millis(100);
/// Below this the next source is likely to be faster, even where it begins anew.
const SLOWEST_BYTES_PER_SECOND: u64 = 1024;

/// Fetches `asset` from the hub into the cache. The fetch lock must be held.
pub(super) fn fetch(
    settings: &AssetSettings,
    asset: &Asset,
    hub: &HubFile,
    progress: &mut dyn Progress,
) -> Result<PathBuf, Failure> {
    let url = format!("{}/{}/resolve/main/{}", settings.hub_endpoint, hub.repository, hub.file);
    let mut config = Agent::config_builder();
    if is_loopback(&url) {
        // A proxy named by the environment is for the world outside.
        config = config.proxy(None);
    }
    let agent: Agent = config
        .timeout_resolve(Some(settings.connect_timeout))
        .timeout_connect(Some(settings.connect_timeout))
        .timeout_send_request(Some(settings.stall_timeout))
        .timeout_recv_response(Some(settings.stall_timeout))
        .timeout_per_read(Some(settings.stall_timeout))
        .http_status_as_error(false)
        .user_agent(concat!("llmagentos/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let outcome = thread::scope(|scope| {
        let (done, finished) = mpsc::channel::<()>();
        let watched = agent.clone();
        // A read that blocks cannot look at the stop flag; closing its socket from here ends it.
        scope.spawn(move || {
            while finished.recv_timeout(STOP_POLL) == Err(RecvTimeoutError::Timeout) {
                if settings.stopped() {
                    watched.shutdown();
                    return;
                }
            }
        });
        let outcome = download(settings, asset, &agent, &url, progress);
        drop(done);
        outcome
    });
    if outcome.is_err() && settings.stopped() {
        return Err(Failure::Final(AssetError::Interrupted { id: asset.id.clone() }));
    }
    outcome
}

fn download(
    settings: &AssetSettings,
    asset: &Asset,
    agent: &Agent,
    url: &str,
    progress: &mut dyn Progress,
) -> Result<PathBuf, Failure> {
    let response = agent.get(url).call().map_err(|error| Failure::Source(redact(&error.to_string())))?;
    let status = response.status();
    if status.as_u16() != 200 {
        return Err(Failure::Source(format!("answered {status}")));
    }
    if response.body().mime_type() == Some("text/html") {
        return Err(Failure::Source("answered with a web page instead of the file".to_owned()));
    }
    if let Some(bytes) = response.body().content_length().filter(|bytes| *bytes != asset.bytes) {
        return Err(Failure::Source(format!("offers {bytes} bytes, the catalogue says {}", asset.bytes)));
    }
    let mut body = Paced::new(response.into_body().into_reader(), settings.stall_timeout * 3);
    progress.begin(&asset.id, "the model hub", asset.bytes);
    let placed = cache::place(settings, asset, &mut body, progress);
    progress.end();
    placed.map_err(|failure| match failure {
        Failure::Source(what) => Failure::Source(format!("the body {}", redact(&what))),
        other @ Failure::Final(_) => other,
    })
}

fn is_loopback(url: &str) -> bool {
    let uri = url.parse::<Uri>().ok();
    let host = uri.as_ref().and_then(Uri::host).map(|host| host.trim_matches(['[', ']']));
    host.is_some_and(|host| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

/// A reader that gives up when a whole window brings next to nothing, which the limit on single reads does not catch.
struct Paced<R> {
    inner: R,
    window: Duration,
    window_began: Instant,
    window_bytes: u64,
}

impl<R> Paced<R> {
    fn new(inner: R, window: Duration) -> Self {
        Self { inner, window, window_began: now(), window_bytes: 0 }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.window_bytes += count as u64;
        let elapsed = now().duration_since(self.window_began);
        if elapsed >= self.window {
            let floor = u128::from(SLOWEST_BYTES_PER_SECOND) * elapsed.as_millis() / 1000;
            if count > 0 && u128::from(self.window_bytes) < floor {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "less than 1 KiB a second"));
            }
            self.window_began = now();
            self.window_bytes = 0;
        }
        Ok(count)
    }
}

#[expect(clippy::disallowed_methods, reason = "a transfer is timed on the app floor, no simulation sees it")]
pub(super) fn now() -> Instant {
    Instant::now()
}
