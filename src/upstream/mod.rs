//! HTTP to the servers of others that compute for us: model servers and image generators.
//!
//! One [`Upstream`] is one server: a pool of connections, a time limit for each try, tries again with growing pauses on
//! what may pass, a circuit breaker, a bound of each answer. Refuses to know what the bytes mean.

mod breaker;
mod form;
pub mod oip;
mod socket;

pub use breaker::Breaker;
pub use form::Form;
pub use socket::Socket;

use crate::error::{Error, Kind, Result};
use crate::metrics::METRICS;
use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use std::borrow::Cow;
use std::path::Path;
use std::sync::{LazyLock, Once};
use std::time::Duration;
use tokio::time::sleep;

/// A server that does not take a connection in this time is not there.
const CONNECTING: Duration = Duration::from_secs(10);
/// An idle connection is kept this long; servers close theirs after a minute or two.
const POOLED: Duration = Duration::from_secs(50);
/// The pause before the first try again; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How one server is spoken to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What its errors and metrics call it.
    pub name: String,
    /// Without a slash at its end.
    pub url: String,
    /// For one try.
    pub timeout: Duration,
    /// Tries after the first one.
    pub retries: u32,
    /// Bearer token.
    pub token: Option<String>,
    /// Bytes of an answer.
    pub largest: u64,
    /// Where its address and its limits are set, for hints.
    pub setting: String,
    /// Whether it is asked for WebSockets, which are a matter of HTTP/1.1.
    pub sockets: bool,
}

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Behind the server's URL; a whole URL of another place is asked without the token.
    pub path: String,
    /// `None`: GET.
    pub body: Option<(Cow<'static, str>, Bytes)>,
    pub headers: Vec<(&'static str, String)>,
    /// Longer than the server's own limit, for long polls.
    pub timeout: Option<Duration>,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Request {
        Request { path: path.into(), ..Request::default() }
    }

    pub fn json(path: impl Into<String>, body: &serde_json::Value) -> Request {
        Request::post(path, "application/json", body.to_string())
    }

    pub fn post(
        path: impl Into<String>,
        content_type: impl Into<Cow<'static, str>>,
        body: impl Into<Bytes>,
    ) -> Request {
        Request { path: path.into(), body: Some((content_type.into(), body.into())), ..Request::default() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Request {
        self.headers.push((name, value.into()));
        self
    }
}

/// What a server answered, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What an error's body says, as far as a person should read it.
    pub fn said(&self) -> String {
        let json = self.json();
        let places = ["/error/message", "/error", "/detail", "/message", "/errors"];
        let text = places.iter().find_map(|place| json.pointer(place)).map(|found| match found.as_str() {
            Some(text) => text.to_owned(),
            None => found.to_string(),
        });
        let text = text.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned());
        // An answer may hold a picture; the first words tell what is wrong.
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
    }
}

/// A server; cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Upstream {
    settings: Settings,
    client: reqwest::Client,
    breaker: Breaker,
}

/// Why a try gave no answer.
enum Failure {
    /// Another try may go better, after at least this long.
    Passing(Error, Option<Duration>),
    Final(Error),
}

impl Upstream {
    /// `certificates`: a PEM file of authorities to trust beside the system's.
    ///
    /// # Errors
    /// `config` for a file that holds no certificate, and for a token that is no header value.
    pub fn new(settings: Settings, certificates: Option<&Path>) -> Result<Upstream> {
        use_ring();
        let own = certificates.map(read_certificates).transpose()?;
        let is_header = |token: &String| HeaderValue::try_from(format!("Bearer {token}")).is_ok();
        if !settings.token.as_ref().is_none_or(is_header) {
            let message = format!("the token of `{}` holds characters that no token has", settings.name);
            return Err(Error::new(Kind::Config, message).hint("set it without line breaks"));
        }
        let client = client(&settings, own.unwrap_or_default())?;
        Ok(Upstream { settings, client, breaker: Breaker::default() })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Asks, and asks again where that may help. Dropping the future ends the request at the server too.
    ///
    /// # Errors
    /// `timeout`, `io_error`, `too_large`; `busy` while the breaker is open. An answer of any status is none, unless it
    /// says that the server is busy to the last try.
    pub async fn send(&self, request: Request) -> Result<Answer> {
        let mut tried = 0;
        loop {
            let turn = self.breaker.enter().map_err(|wait| self.is_open(wait))?;
            let outcome = self.once(&request).await;
            // Only what says that the server is not well counts: a refused parameter is an answer.
            let well = match &outcome {
                Ok(answer) => answer.status < 500,
                Err(Failure::Final(error)) => error.kind == Kind::TooLarge,
                Err(Failure::Passing(..)) => false,
            };
            turn.ended(well);
            METRICS.breaker(&self.settings.name, self.breaker.is_open());
            let (error, least) = match outcome {
                Ok(answer) => match pause_of(&answer) {
                    Some(least) if tried < self.settings.retries => (None, least),
                    _ => return Ok(answer),
                },
                Err(Failure::Passing(error, least)) => (Some(error), least),
                Err(Failure::Final(error)) => return Err(error),
            };
            if tried >= self.settings.retries {
                return Err(error.unwrap_or_else(|| Error::internal("a try without an outcome")));
            }
            METRICS.retried(&self.settings.name);
            sleep(pause(tried, least)).await;
            tried += 1;
        }
    }

    async fn once(&self, request: &Request) -> Result<Answer, Failure> {
        let limit = request.timeout.unwrap_or(self.settings.timeout);
        match tokio::time::timeout(limit, self.exchange(request)).await {
            Ok(outcome) => outcome,
            // A time limit that has passed once passes again.
            Err(_) => Err(Failure::Final(
                Error::new(Kind::Timeout, format!("{} did not answer within {} s", self.shown(), limit.as_secs_f64()))
                    .hint(format!(
                        "it may be loading a model: try again, or set a larger time limit in {}",
                        self.settings.setting
                    )),
            )),
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, Failure> {
        let elsewhere = request.path.starts_with("http://") || request.path.starts_with("https://");
        let url = if elsewhere { request.path.clone() } else { format!("{}{}", self.settings.url, request.path) };
        let mut asked = match &request.body {
            None => self.client.get(&url),
            Some((kind, body)) => self.client.post(&url).header(CONTENT_TYPE, &**kind).body(body.clone()),
        };
        if let Some(token) = self.settings.token.as_ref().filter(|_| !elsewhere) {
            asked = asked.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in &request.headers {
            asked = asked.header(*name, value);
        }
        let mut answer = asked.send().await.map_err(|error| self.failed(&error))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        if answer.content_length().is_some_and(|length| length > self.settings.largest) {
            return Err(self.endless());
        }
        // What a length promises is not believed beyond what may come.
        let promised = answer.content_length().unwrap_or_default().min(self.settings.largest);
        let mut body = BytesMut::with_capacity(promised as usize);
        while let Some(piece) = answer.chunk().await.map_err(|error| self.failed(&error))? {
            if (body.len() + piece.len()) as u64 > self.settings.largest {
                return Err(self.endless());
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }

    fn shown(&self) -> String {
        format!("`{}` at `{}`", self.settings.name, self.settings.url)
    }

    fn failed(&self, error: &reqwest::Error) -> Failure {
        let mut why: &dyn std::error::Error = error;
        // The outermost says only that it failed, with the whole address.
        while let Some(cause) = why.source() {
            why = cause;
        }
        let message = format!("{} cannot be asked: {why}", self.shown());
        let error_with_hint = Error::new(Kind::IoError, message)
            .hint(format!("check that it runs, and its address in {}", self.settings.setting));
        if error.is_builder() || is_certificate(error) {
            return Failure::Final(error_with_hint);
        }
        Failure::Passing(error_with_hint, None)
    }

    fn endless(&self) -> Failure {
        let message = format!("{} answers more than {} bytes", self.shown(), self.settings.largest);
        Failure::Final(Error::new(Kind::TooLarge, message).hint("ask for less, or look at what runs there"))
    }

    fn is_open(&self, wait: Duration) -> Error {
        let message = format!(
            "{} failed {} times in a row and is left alone for {:.0} s",
            self.shown(),
            breaker::FAILURES,
            wait.as_secs_f64().ceil()
        );
        Error::new(Kind::Busy, message)
            .hint(format!("see that it is well; its address is in {}", self.settings.setting))
    }
}

fn read_certificates(file: &Path) -> Result<Vec<reqwest::Certificate>> {
    let bad = |why: String| {
        Error::new(Kind::Config, format!("`{}`: {why}", file.display()))
            .hint("name a PEM file with the certificates of the authorities to trust")
    };
    let text = std::fs::read(file).map_err(|error| bad(error.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&text).map_err(|error| bad(error.to_string()))?;
    if found.is_empty() { Err(bad("it holds no certificate".into())) } else { Ok(found) }
}

/// One that trusts `own` beside the system's authorities. A system without any, such as a small container, can still
/// reach what needs none.
fn client(settings: &Settings, own: Vec<reqwest::Certificate>) -> Result<reqwest::Client> {
    let builder = || {
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECTING)
            .pool_idle_timeout(POOLED)
            .user_agent(concat!("gimp-bridge/", env!("CARGO_PKG_VERSION")))
            // A request with a picture and a token goes where it was meant to go.
            .redirect(reqwest::redirect::Policy::none());
        if settings.sockets { builder.http1_only() } else { builder }
    };
    let error = match builder().tls_certs_merge(own.clone()).build() {
        Ok(client) => return Ok(client),
        Err(error) => error,
    };
    if own.is_empty() && settings.url.starts_with("https:") {
        tracing::warn!(%error, "no client for TLS");
        return Err(Error::new(
            Kind::Config,
            format!("`{}`: no certificate authorities are installed here", settings.name),
        )
        .hint("install them (`ca-certificates` on Linux), or name a file with them in `ca_file`"));
    }
    builder().tls_certs_only(own).build().map_err(Error::internal)
}

/// Where an answer says that another try may go better: the least pause.
fn pause_of(answer: &Answer) -> Option<Option<Duration>> {
    matches!(answer.status, 429 | 502 | 503 | 504).then(|| {
        let seconds = answer.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    })
}

/// Exponential, with jitter, so that many clients do not come back together.
fn pause(tried: u32, least: Option<Duration>) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << tried.min(6)).min(LONGEST_PAUSE);
    let jittered = full.mul_f64(0.5 + 0.5 * random());
    jittered.max(least.unwrap_or_default().min(LONGEST_PAUSE))
}

/// From 0 to 1.
fn random() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<rustls::Error>().is_some() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Names the library that computes TLS, once for the process: two are possible, so that none is the default.
pub fn use_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// Waits for what an upstream is asked, on a thread that may block.
pub fn block_on<T>(asked: impl Future<Output = T>) -> T {
    RUNTIME.block_on(asked)
}

/// For [`block_on`]; its one thread only waits for sockets.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("upstream")
        .enable_all()
        .build()
        .expect("the operating system gives a thread")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        for (tried, least, most) in [(0, 100, 200), (1, 200, 400), (3, 800, 1600), (30, 5000, 10_000)] {
            let pause = pause(tried, None).as_millis();
            assert!((least..=most).contains(&pause), "{tried}: {pause}");
        }
        assert_eq!(pause(0, Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(pause(0, Some(Duration::from_secs(300))), LONGEST_PAUSE);
    }

    #[test]
    fn what_servers_say_is_found_in_their_usual_places() {
        let said = |body: &str| {
            Answer { status: 500, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) }.said()
        };
        for body in [
            r#"{"error": "no such key"}"#,
            r#"{"error": {"message": "no such key", "code": 4}}"#,
            r#"{"detail": "no such key"}"#,
            "no such\nkey",
        ] {
            assert_eq!(said(body), "no such key");
        }
        assert_eq!(said(&"x".repeat(5000)).len(), 300);
    }
}
