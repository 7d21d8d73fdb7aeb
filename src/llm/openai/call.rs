//! One call: sent, bounded in time and size, tried again where that may help.
//!
//! Time is kept by the operating system: sockets end by their deadline, waits are slept. No clock is read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use rand::RngExt;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Uri};

use super::secret::Secret;
use super::settings::OpenAiSettings;
use super::wire::short;
use crate::base::{Chance, LanguageError, Purpose};

const JITTER: Purpose = Purpose::named("openai backoff");
/// No answer is longer than this.
const BODY_MAX: u64 = 16 << 20;
/// How soon the stop sign is seen.
const STOP_POLL: Duration = Duration::from_millis(20);

/// Makes calls. Shared by all threads of a batch.
pub(super) struct Caller {
    agent: Agent,
    url: String,
    section: String,
    model: String,
    key: Secret,
    chance: Chance,
    retries: u32,
    backoff: Duration,
    wait_max: Duration,
    timeout: Duration,
    stop: Arc<AtomicBool>,
    /// Held while a server's wish for silence is heeded: nobody calls meanwhile.
    silence: Mutex<()>,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(super) enum CallError {
    /// The server understood the call and refuses it: status and what it said.
    Refused(u16, LanguageError),
    /// Anything else.
    Other(LanguageError),
}

impl From<CallError> for LanguageError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(_, error) | CallError::Other(error) => error,
        }
    }
}

/// Why one try failed.
enum Failure {
    /// It may go better the next time, but not before the server's own time is over.
    Passing(String, Option<Duration>),
    /// It would fail again.
    Lasting(String, &'static str),
    /// The server refuses it.
    Refused(u16, String),
}

impl Caller {
    /// A caller for the model of a section.
    pub fn new(section: &str, settings: &OpenAiSettings, key: Secret, seed: u64, stop: Arc<AtomicBool>) -> Self {
        let seconds = |seconds: f64| Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0));
        let url = settings.url.trim_end_matches('/').to_owned();
        let mut config = Agent::config_builder();
        if is_loopback(&url) {
            // A proxy named by the environment is for the world outside.
            config = config.proxy(None);
        }
        let agent = config
            .timeout_global(Some(seconds(settings.timeout_seconds)))
            .http_status_as_error(false)
            // A key is for the address that the user named, and for no other.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(settings.concurrency as usize)
            .user_agent(concat!("llmagentos/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self {
            agent,
            url,
            section: section.to_owned(),
            model: settings.model.clone(),
            key,
            chance: Chance::new(seed),
            retries: settings.retries,
            backoff: seconds(settings.backoff_seconds),
            wait_max: seconds(settings.wait_max_seconds),
            timeout: seconds(settings.timeout_seconds),
            stop,
            silence: Mutex::new(()),
        }
    }

    /// Where it calls.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the run is to end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Runs `work`, and ends every call under way as soon as the run is to end.
    pub fn watched<T>(&self, work: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            let (done, finished) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                while finished.recv_timeout(STOP_POLL) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    if self.stopped() {
                        // A read that blocks cannot look at the stop sign; closing its socket ends it.
                        self.agent.clone().shutdown();
                        return;
                    }
                }
            });
            let outcome = work();
            drop(done);
            outcome
        })
    }

    /// Posts `body` to `path`, `attempt` told to whoever makes it, and reads the answer with `read`, until that finds
    /// it good or no more tries are left. `request` numbers the request; waits are drawn by it.
    pub fn call<T>(
        &self,
        path: &str,
        request: u64,
        body: impl Fn(u32) -> Value,
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<T, CallError> {
        let mut attempt = 0;
        loop {
            drop(self.silence.lock().unwrap_or_else(PoisonError::into_inner));
            if self.stopped() {
                return Err(CallError::Other(LanguageError::Interrupted));
            }
            let outcome = self
                .attempt(path, &body(attempt))
                .and_then(|answer| read(&answer).map_err(|problem| Failure::Passing(problem, None)));
            let failure = match outcome {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if self.stopped() {
                return Err(CallError::Other(LanguageError::Interrupted));
            }
            match failure {
                Failure::Refused(status, said) => {
                    let help = match status {
                        401 | 403 => "check the key in the variable that `api_key_env` names",
                        404 => "check `url` and `model`",
                        300..=399 => "name the address that it points to as `url`",
                        _ => "check that the server knows what is asked of it",
                    };
                    return Err(CallError::Refused(status, self.error(attempt, &said, help)));
                }
                Failure::Lasting(what, help) => return Err(CallError::Other(self.error(attempt, &what, help))),
                Failure::Passing(what, _) if attempt >= self.retries => {
                    let help =
                        "see whether the server is well, or raise `retries`, `backoff_seconds` or `timeout_seconds`";
                    return Err(CallError::Other(self.error(attempt, &what, help)));
                }
                Failure::Passing(what, asked) => {
                    if let Some(asked) = asked.filter(|asked| *asked > self.wait_max) {
                        let what = format!("{what} and asks for {} s of silence", asked.as_secs());
                        let help = "raise `wait_max_seconds`, or run again later";
                        return Err(CallError::Other(self.error(attempt, &what, help)));
                    }
                    self.wait(self.drawn_wait(request, attempt), asked);
                }
            }
            attempt += 1;
        }
    }

    /// The wait before try `attempt` + 1: exponential, between half and all of its bound.
    fn drawn_wait(&self, request: u64, attempt: u32) -> Duration {
        let bound = self.backoff.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(self.wait_max);
        let uniform: f64 = self.chance.keyed(JITTER, request, u64::from(attempt)).random();
        bound.mul_f64(0.5 + 0.5 * uniform)
    }

    /// Waits `own`, or as long as the server asked, if that is longer; all others wait then too.
    fn wait(&self, own: Duration, asked: Option<Duration>) {
        let Some(asked) = asked else { return self.sleep(own) };
        match self.silence.try_lock() {
            Ok(_silent) => self.sleep(own.max(asked)),
            Err(TryLockError::Poisoned(poisoned)) => {
                let _silent = poisoned.into_inner();
                self.sleep(own.max(asked));
            }
            // Another thread heeds the server's wish already; the next try waits for the end of it.
            Err(TryLockError::WouldBlock) => {}
        }
    }

    fn sleep(&self, wait: Duration) {
        let mut left = wait;
        while !left.is_zero() && !self.stopped() {
            let step = left.min(STOP_POLL);
            thread::sleep(step);
            left -= step;
        }
    }

    fn attempt(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let mut request = self.agent.post(format!("{}{path}", self.url)).header("Content-Type", "application/json");
        if let Some(key) = self.key.header() {
            request = request.header("Authorization", key);
        }
        let mut response = request.send(body.to_string().as_bytes()).map_err(|error| self.failure(&error))?;
        let status = response.status().as_u16();
        let wait = retry_after(response.headers());
        // The head says already that nothing good follows: a body that does not come is not waited for.
        let read = response.body_mut().with_config().limit(BODY_MAX).read_to_vec();
        if status == 200 {
            let bytes = read.map_err(|error| self.failure(&error))?;
            let text = String::from_utf8(bytes).map_err(|_| passing("answered with bytes that are no UTF-8"))?;
            let answer: Value = serde_json::from_str(&self.key.hide(text))
                .map_err(|error| passing(&format!("answered with malformed JSON ({error})")))?;
            return Ok(self.hide_within(answer));
        }
        let said = match (status, read) {
            // What a server says of a key may hold a part of it.
            (401 | 403, _) | (_, Err(_)) => String::new(),
            (_, Ok(bytes)) => self.message(&bytes),
        };
        let answered =
            if said.is_empty() { format!("answered {status}") } else { format!("answered {status}: {said}") };
        if matches!(status, 408 | 409 | 425 | 429 | 500..=599) {
            return Err(Failure::Passing(answered, wait));
        }
        Err(Failure::Refused(status, answered))
    }

    /// The key hidden where JSON had written it with escapes.
    fn hide_within(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.key.hide(text)),
            Value::Array(values) => Value::Array(values.into_iter().map(|value| self.hide_within(value)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.into_iter().map(|(name, value)| (name, self.hide_within(value))).collect())
            }
            plain => plain,
        }
    }

    /// What a server says of an error: its message, or the start of the body.
    fn message(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        let parsed = serde_json::from_str::<Value>(&text).map(|value| self.hide_within(value)).unwrap_or_default();
        let told = parsed["error"]["message"].as_str().or(parsed["error"].as_str()).or(parsed["message"].as_str());
        short(&self.key.hide(told.map_or_else(|| text.clone().into_owned(), str::to_owned)))
    }

    fn failure(&self, error: &ureq::Error) -> Failure {
        match error {
            ureq::Error::Timeout(_) => passing(&format!("did not answer within {} s", self.timeout.as_secs_f64())),
            ureq::Error::BodyExceedsLimit(_) => Failure::Lasting(
                format!("sends more than {} MiB as one answer", BODY_MAX >> 20),
                "check that `url` is a chat interface",
            ),
            ureq::Error::HostNotFound => passing("is at no address: its name is not known"),
            ureq::Error::ConnectionFailed => passing("cannot be reached"),
            ureq::Error::Io(error) => passing(&format!("broke off: {}", short(&self.key.hide(error.to_string())))),
            other => passing(&format!("cannot be understood: {}", short(&self.key.hide(other.to_string())))),
        }
    }

    fn error(&self, attempt: u32, what: &str, help: &str) -> LanguageError {
        let tries = match attempt {
            0 => String::new(),
            attempt => format!(" (tried {} times)", attempt + 1),
        };
        let (section, model, url) = (&self.section, &self.model, &self.url);
        LanguageError::Unavailable(format!(
            "[{section}]: the language model {model:?} at {url} {what}{tries}; {help} in [{section}]"
        ))
    }
}

fn passing(what: &str) -> Failure {
    Failure::Passing(what.to_owned(), None)
}

fn is_loopback(url: &str) -> bool {
    let uri = url.parse::<Uri>().ok();
    let host = uri.as_ref().and_then(Uri::host).map(|host| host.trim_matches(['[', ']']));
    host.is_some_and(|host| {
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// The wait that a server asks for: seconds, or a date, which is held against the server's own `Date`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let value = text("retry-after")?;
    if let Ok(seconds) = value.parse::<f64>() {
        return (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    let (until, now) = (seconds_of_date(value)?, seconds_of_date(text("date")?)?);
    Some(Duration::from_secs(until.saturating_sub(now)))
}

/// Seconds of an HTTP date (`Sun, 06 Nov 1994 08:49:37 GMT`, RFC 9110 section 5.6.7) from some fixed point on.
fn seconds_of_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split_once(", ")?.1.split_whitespace();
    let day: u64 = parts.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64;
    let year: u64 = parts.next()?.parse().ok().filter(|year| (1900..10_000).contains(year))?;
    let mut clock = parts.next()?.split(':').map(|part| part.parse::<u64>().ok().filter(|part| *part < 62));
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    // Years begin in March, so that a leap day is a year's last (the civil calendar's usual arithmetic).
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ureq::http::{HeaderMap, HeaderName, HeaderValue};

    use super::retry_after;

    fn wait(headers: &[(&'static str, &str)]) -> Option<Duration> {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
        };
        retry_after(&headers.iter().map(header).collect::<HeaderMap>())
    }

    #[test]
    fn the_wait_a_server_asks_for_is_seconds_or_a_date() {
        assert_eq!(wait(&[("retry-after", " 7 ")]), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[("retry-after", "0.25")]), Some(Duration::from_millis(250)));
        // From the last second of February 2024, a leap year, to a minute into March: `date -d` gives 61 s.
        let date = [("retry-after", "Fri, 01 Mar 2024 00:01:00 GMT"), ("date", "Thu, 29 Feb 2024 23:59:59 GMT")];
        assert_eq!(wait(&date), Some(Duration::from_secs(61)));
        let past = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Thu, 29 Feb 2024 23:59:59 GMT")];
        assert_eq!(wait(&past), Some(Duration::ZERO));
        for nonsense in ["-1", "soon", "NaN", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov", ""] {
            assert_eq!(
                wait(&[("retry-after", nonsense), ("date", "Thu, 29 Feb 2024 23:59:59 GMT")]),
                None,
                "{nonsense}"
            );
        }
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]), None, "no date to hold it against");
    }
}
