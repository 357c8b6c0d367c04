//! Links to live GIMPs: frames, handshake, requests, instances, launching. Nothing outside names the codec.

mod flight;
pub mod frame;
pub mod handshake;
mod heartbeat;
mod hub;
pub mod inbound;
pub mod instances;
pub mod launch;
pub mod link;
mod outbox;
pub mod pending;
pub mod plugin;
mod policy;
pub mod process;
pub mod secret;
pub mod wire;

pub use handshake::PROTOCOL;

use crate::error::{Error, Kind, Result};
use crate::metrics::METRICS;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Who asks: one MCP session, one shell command. Names a Python namespace and a chosen image in the plug-in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub id: String,
    pub name: String,
}

/// How far a running request is; `total` is in the same unit as `progress`.
#[derive(Clone, Debug)]
pub struct Progress {
    pub progress: f64,
    pub total: Option<f64>,
    pub message: Option<String>,
}

/// Takes progress reports; must not block.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// One operation for the plug-in.
#[derive(Clone)]
pub struct Request {
    pub operation: String,
    pub arguments: Map<String, Value>,
    pub client: Client,
    /// The instance's id; `None` for the client's chosen one, else the only one.
    pub instance: Option<String>,
    /// From when it starts to run inside GIMP.
    pub timeout: Duration,
    /// Bytes that travel with the request as chunks.
    pub upload: Option<Bytes>,
    /// Cancelling sends `$/cancel`; the call still ends with an answer.
    pub cancel: CancellationToken,
    pub progress: Option<ProgressSink>,
}

/// A reply whose pixels or file bytes arrive as chunks, in order.
pub struct Streamed {
    /// The `$/stream` header.
    pub header: Map<String, Value>,
    /// Bounded; the link reads no faster than this is drained. Ends before `result` is ready.
    pub chunks: mpsc::Receiver<Bytes>,
    /// The response; an error here means that the chunks so far are worthless.
    pub result: oneshot::Receiver<Result<Map<String, Value>>>,
}

/// An answer that also tells that the client's GIMP is another one than before.
fn with_news(answer: Result<Map<String, Value>>, news: String) -> Result<Map<String, Value>> {
    let joined = |text: Option<&str>| text.map_or_else(|| news.clone(), |text| format!("{news}; {text}"));
    match answer {
        Ok(mut result) => {
            let note = joined(result.get("note").and_then(Value::as_str));
            result.insert("note".into(), note.into());
            Ok(result)
        }
        Err(error) => {
            let hint = joined(error.hint.as_deref());
            Err(error.hint(hint))
        }
    }
}

/// Counts a request that goes out.
fn sent(request: &Request) -> Instant {
    METRICS.sent(request.upload.as_ref().map_or(0, |bytes| bytes.len() as u64));
    Instant::now()
}

/// Where instances are announced and how to reach them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Holds `secret`, `plugin.json`, `instances/`.
    pub state_dir: PathBuf,
    /// Only this port, instead of all announced instances.
    pub port: Option<u16>,
    /// What this daemon calls itself in GIMP's status dialog, such as `serve`.
    pub label: String,
    /// The policies that a plug-in has to keep; calls to a laxer one are refused.
    pub policy: crate::config::Plugin,
}

/// A running GIMP, as `list_instances` and `/health` show it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Instance {
    pub id: String,
    pub port: u16,
    pub pid: u32,
    pub gimp_version: String,
    pub plugin_version: String,
    pub headless: bool,
    /// `connected`, `idle` (not connected yet), `busy`, `unresponsive`, `outdated`, `laxer`, `unreachable`, `stopped`
    /// (by its user).
    pub state: String,
}

/// The links to all instances; cheap to clone. Connects on first use and reconnects with backoff.
#[derive(Clone)]
pub struct Gimp {
    hub: Arc<hub::Hub>,
}

impl Gimp {
    /// Starts no connection yet. `shutdown` ends all links.
    pub fn new(settings: Settings, shutdown: CancellationToken) -> Gimp {
        Gimp { hub: Arc::new(hub::Hub::new(settings, shutdown)) }
    }

    /// Runs one operation and waits for its result. Dropping the future cancels it in GIMP.
    pub async fn call(&self, request: Request) -> Result<Map<String, Value>> {
        let link = self.link(&request).await?;
        let begun = sent(&request);
        let answer = link.call(&request).await;
        METRICS.gimp(&request.operation, begun.elapsed());
        match self.hub.take_news(&request.client) {
            Some(news) => with_news(answer, news),
            None => answer,
        }
    }

    /// Runs one operation whose reply streams; returns when the header or an error arrives.
    /// Dropping the stream's `chunks` cancels it in GIMP.
    pub async fn stream(&self, request: Request) -> Result<Streamed> {
        let link = self.link(&request).await?;
        let (operation, begun) = (request.operation.clone(), sent(&request));
        let answer = link.stream(request).await;
        METRICS.gimp(&operation, begun.elapsed());
        if let Ok(streamed) = &answer
            && operation == "read_pixels"
        {
            let side = |name: &str| streamed.header.get(name).and_then(Value::as_u64).unwrap_or(0);
            METRICS.pixels(side("width").saturating_mul(side("height")));
        }
        answer
    }

    async fn link(&self, request: &Request) -> Result<link::Link> {
        tokio::select! {
            link = self.hub.link(&request.client, request.instance.as_deref()) => link,
            _ = request.cancel.cancelled() => {
                Err(Error::new(Kind::Cancelled, format!("`{}` was cancelled before it began", request.operation)))
            }
        }
    }

    /// All announced instances with their state; connects to none.
    pub async fn instances(&self) -> Vec<Instance> {
        self.hub.instances(false).await
    }

    /// As [`Gimp::instances`], but connects to each to learn its true state.
    pub async fn probe(&self) -> Vec<Instance> {
        self.hub.instances(true).await
    }

    /// The instance that this client's calls go to, if one can be told.
    pub async fn selected_instance(&self, client: &Client) -> Option<String> {
        self.hub.selected(client)
    }

    /// Tells that this daemon is starting a GIMP, or has done so: calls wait for it meanwhile instead of failing.
    pub fn set_starting(&self, starting: bool) {
        self.hub.set_starting(starting);
    }

    /// For a daemon that works without a GIMP: none is looked for, and calls that need one say so at once.
    pub fn set_absent(&self) {
        self.hub.set_absent();
    }

    pub fn is_absent(&self) -> bool {
        self.hub.is_absent()
    }

    /// Lets `inbound` answer what plug-ins ask; to be set before the first link, once.
    pub fn set_inbound(&self, inbound: Arc<dyn inbound::Inbound>) {
        self.hub.set_inbound(inbound);
    }

    /// Connects to the configured GIMP and stays until it ends the connection.
    pub async fn attend(&self) -> Result<()> {
        let client = Client { id: "attend".into(), name: "attend".into() };
        self.hub.link(&client, None).await?.ended().await;
        Ok(())
    }

    /// Chooses the instance for this client.
    pub async fn select_instance(&self, client: &Client, id: &str) -> Result<()> {
        self.hub.select(client, id)
    }

    /// Lets every instance forget this client.
    pub fn client_closed(&self, client: &Client) {
        self.hub.client_closed(client);
    }
}
