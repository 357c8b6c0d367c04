//! One connection to one plug-in: a reader task, a writer task, a heartbeat. Every request on it ends.

use super::flight::Flight;
use super::frame::{Frame, FrameCodec, FrameError};
use super::handshake::{self, Peer};
use super::heartbeat;
use super::inbound::{self, Inbound, Served};
use super::outbox::Outbox;
use super::pending::Pending;
use super::policy;
use super::secret::Secret;
use super::wire::{self, Message, Pong};
use super::{Client, Progress, Request, Streamed};
use crate::config;
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::codec::{Framed, FramedParts, FramedRead};
use tokio_util::sync::CancellationToken;

/// Connecting to a port of this machine takes microseconds or fails.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// What a peer that broke the protocol gets to take the reason.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A connection; cheap to clone. It stays until the peer, a fault or a shutdown ends it.
#[derive(Clone)]
pub struct Link {
    pub(super) shared: Arc<Shared>,
}

/// What the tasks and the callers of one connection share.
pub struct Shared {
    pub peer: Peer,
    pub port: u16,
    /// What calls get instead of running, if the plug-in is too old or laxer than the configured policies.
    refused: Option<Error>,
    pub pending: Pending,
    pub outbox: Outbox,
    pub inbound: Option<Arc<dyn Inbound>>,
    /// What the plug-in asked and waits for.
    pub served: Served,
    pub ended: CancellationToken,
    started: Instant,
    /// Milliseconds after `started` of the last frame.
    heard: AtomicU64,
    /// The reader waits for the consumer of a stream: silence is not the peer's then.
    pub reader_waits: AtomicBool,
    /// The last answer to a ping, and when it came.
    pub pong: Mutex<Option<(Instant, Pong)>>,
}

impl Link {
    /// Connects to the plug-in on `port` of this machine. `inbound` answers what the plug-in asks; `shutdown` ends the
    /// link. Calls to a plug-in that is laxer than the policies `ours` are refused.
    pub async fn connect(
        port: u16,
        secret: &Secret,
        label: &str,
        ours: &config::Plugin,
        inbound: Option<Arc<dyn Inbound>>,
        shutdown: &CancellationToken,
    ) -> Result<Link> {
        let refused = |error: &dyn std::fmt::Display| {
            Error::new(Kind::NoGimp, format!("nothing answers on port {port}: {error}"))
        };
        let connecting = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let socket = match tokio::time::timeout(CONNECT_TIME, connecting).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return Err(refused(&error)),
            Err(_) => return Err(refused(&"no answer in time")),
        };
        socket.set_nodelay(true).map_err(Error::internal)?;
        let mut framed = Framed::new(socket, FrameCodec::new());
        let peer = handshake::run(&mut framed, port, secret, label).await?;
        let FramedParts { io, codec, read_buf, .. } = framed.into_parts();
        let (reader, mut writer) = io.into_split();
        let mut frames = FramedRead::new(reader, codec);
        frames.read_buffer_mut().extend_from_slice(&read_buf);

        let shared = Arc::new(Shared {
            refused: handshake::outdated(&peer.plugin_version).or_else(|| policy::laxer(&peer.policy, ours)),
            peer,
            port,
            pending: Pending::default(),
            outbox: Outbox::new(),
            inbound,
            served: Served::default(),
            ended: shutdown.child_token(),
            started: Instant::now(),
            heard: AtomicU64::new(0),
            reader_waits: AtomicBool::new(false),
            pong: Mutex::new(None),
        });
        // Its answer says nothing that we need.
        let ticket = shared.pending.add_control()?;
        shared.outbox.message(wire::request(ticket.id, "disable_auto_disconnect", json!({})));
        shared.pending.abandon(ticket.id);

        let writing = shared.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = writing.ended.cancelled() => {}
                outcome = writing.outbox.drain(&mut writer) => {
                    if let Err(error) = outcome {
                        writing.end(&format!("the connection broke: {error}"));
                    }
                }
            }
        });
        tokio::spawn(shared.clone().read(frames));
        tokio::spawn(heartbeat::watch(shared.clone()));
        tracing::info!(
            port,
            instance = shared.peer.instance.id,
            plugin = shared.peer.plugin_version,
            "connected to GIMP"
        );
        Ok(Link { shared })
    }

    /// Runs one operation.
    pub async fn call(&self, request: &Request) -> Result<Map<String, Value>> {
        self.check()?;
        Flight::start(&self.shared, request, false)?.finish(request).await
    }

    /// Runs one operation whose reply streams.
    pub async fn stream(&self, request: Request) -> Result<Streamed> {
        self.check()?;
        Flight::start(&self.shared, &request, true)?.open(request).await
    }

    /// Asks what GIMP does now; answered by the plug-in's reader, so also while GIMP is busy.
    pub async fn ping(&self, limit: Duration) -> Option<Pong> {
        let ticket = self.shared.pending.add_control().ok()?;
        self.shared.outbox.message(wire::request(ticket.id, "$/ping", json!({})));
        let reply = tokio::time::timeout(limit, ticket.reply).await;
        self.shared.pending.abandon(ticket.id);
        serde_json::from_slice(&reply.ok()?.ok()?.outcome.ok()?).ok()
    }

    /// Lets the plug-in forget this client.
    pub fn client_closed(&self, client: &Client) {
        self.shared.outbox.message(wire::notification("client_closed", json!({"client": client.id})));
    }

    pub fn is_open(&self) -> bool {
        !self.shared.ended.is_cancelled()
    }

    /// The state of a plug-in that no call reaches: `outdated` or `laxer`.
    pub fn refused(&self) -> Option<&'static str> {
        let refused = self.shared.refused.as_ref()?;
        Some(if refused.kind == Kind::PluginOutdated { "outdated" } else { "laxer" })
    }

    pub fn peer(&self) -> &Peer {
        &self.shared.peer
    }

    pub async fn ended(&self) {
        self.shared.ended.cancelled().await;
    }

    fn check(&self) -> Result<()> {
        if let Some(error) = &self.shared.refused {
            return Err(error.clone());
        }
        // A request that could not be ended holds GIMP: ours would only wait for its own time limit.
        match self.shared.stuck() {
            Some(busy) => Err(busy.error()),
            None => Ok(()),
        }
    }
}

impl wire::Busy {
    fn error(&self) -> Error {
        Error::new(Kind::Busy, format!("{}, past its time limit, and it cannot be ended", self.sentence()))
            .hint(self.hint())
            .detail("operation", self.operation.clone())
            .detail("seconds", self.seconds)
    }
}

impl Shared {
    /// What GIMP was last known to do.
    pub fn busy(&self) -> Option<wire::Busy> {
        let pong = self.pong.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        pong.as_ref().and_then(|(_, pong)| pong.busy.clone())
    }

    /// The operation that cannot be ended, if the plug-in said so a moment ago.
    fn stuck(&self) -> Option<wire::Busy> {
        let pong = self.pong.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (when, pong) = pong.as_ref()?;
        let fresh = when.elapsed() < 2 * heartbeat::TICK;
        pong.busy.clone().filter(|busy| busy.unresponsive && fresh)
    }

    /// How long no frame has come.
    pub fn silence(&self) -> Duration {
        let now = self.started.elapsed().as_millis() as u64;
        Duration::from_millis(now.saturating_sub(self.heard.load(Ordering::Relaxed)))
    }

    fn hear(&self) {
        self.heard.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Ends the connection; all its requests end with `connection_lost`.
    pub fn end(&self, why: &str) {
        let Peer { instance, .. } = &self.peer;
        let error = Error::new(
            Kind::ConnectionLost,
            format!("the connection to GIMP (pid {}, port {}) ended: {why}", instance.pid, self.port),
        )
        .hint("what the call had changed by then may have happened; look at the image before you try again")
        .detail("instance", instance.id.clone());
        if self.pending.closed().is_none() {
            tracing::warn!(port = self.port, why, "the connection to GIMP ended");
        }
        self.pending.close(&error);
        self.ended.cancel();
    }

    /// Sends `$/cancel` for one of our requests.
    pub fn send_cancel(&self, id: u64) {
        self.outbox.forget_chunks(id);
        self.outbox.message(wire::notification("$/cancel", json!({"id": id})));
    }

    async fn read(self: Arc<Self>, mut frames: FramedRead<OwnedReadHalf, FrameCodec>) {
        let why = loop {
            let frame = tokio::select! {
                _ = self.ended.cancelled() => break "this side closed it".to_owned(),
                frame = frames.next() => frame,
            };
            self.hear();
            let fault = match frame {
                None => break "GIMP or the plug-in ended or closed it".to_owned(),
                Some(Err(FrameError::Io(error))) => break format!("GIMP or the plug-in ended or closed it: {error}"),
                Some(Err(fault)) => fault.to_string(),
                Some(Ok(Frame::ReplyChunk { id, data })) => {
                    self.deliver(id, data).await;
                    continue;
                }
                // The plug-in asks for nothing that carries an upload.
                Some(Ok(Frame::RequestChunk { .. })) => continue,
                Some(Ok(Frame::Message(body))) => match wire::parse(&body) {
                    Ok(message) => {
                        self.handle(message);
                        continue;
                    }
                    Err(fault) => fault.to_string(),
                },
            };
            let error = Error::new(Kind::ProtocolError, format!("the peer sent {fault}"));
            self.outbox.message(wire::response(None, Err(error)));
            // The reason gets out before the end, if the peer still reads.
            let _ = tokio::time::timeout(LAST_WORDS, self.outbox.flushed()).await;
            break format!("the plug-in sent {fault}");
        };
        self.end(&why);
    }

    /// Hands a chunk to its reader; a reader that does not keep up loses its stream, not the connection.
    async fn deliver(&self, id: u64, data: Bytes) {
        let Some((chunks, patience)) = self.pending.chunk(id, data.len()) else { return };
        let data = match chunks.try_send(data) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(data)) => Some(data),
            Err(mpsc::error::TrySendError::Closed(_)) => None,
        };
        if let Some(data) = data {
            self.reader_waits.store(true, Ordering::Relaxed);
            let sent = tokio::select! {
                sent = tokio::time::timeout(patience, chunks.send(data)) => sent,
                _ = self.ended.cancelled() => return,
            };
            self.reader_waits.store(false, Ordering::Relaxed);
            self.hear();
            match sent {
                Ok(Ok(())) => return,
                Ok(Err(_)) => {}
                Err(_) => {
                    let limit = patience.as_secs_f64();
                    let error =
                        Error::new(Kind::Timeout, format!("the reader of the stream took nothing for {limit} s"));
                    self.pending.fail(id, error.hint("read the stream as it comes, or ask for fewer pixels"));
                }
            }
        }
        self.pending.fail(id, Error::new(Kind::Cancelled, "the reader of the stream is gone"));
        self.send_cancel(id);
    }

    fn handle(self: &Arc<Self>, message: Message) {
        match message {
            Message::Response { id: Some(id), outcome } => self.pending.finish(id, outcome),
            Message::Response { id: None, outcome } => {
                if let Err(error) = outcome {
                    tracing::warn!(%error, "the plug-in complains of this connection");
                }
            }
            Message::Notification { method, params } => self.notified(&method, &params),
            Message::Request { id, method, params } => inbound::serve(self, id, method, &params),
            Message::Invalid { id, error } => {
                tracing::warn!(%error, "the plug-in sent what is no JSON-RPC");
                match id {
                    Some(id) => self.pending.finish(id, Err(error)),
                    None => drop(self.outbox.message(wire::response(None, Err(error)))),
                }
            }
        }
    }

    fn notified(&self, method: &str, params: &Bytes) {
        let readable = match method {
            "$/progress" => serde_json::from_slice::<wire::ProgressParams>(params).map(|report| {
                if let Some(sink) = self.pending.progress(report.id) {
                    sink(Progress { progress: report.progress, total: report.total, message: report.message });
                }
            }),
            "$/stream" => serde_json::from_slice::<wire::StreamParams>(params)
                .map(|stream| self.pending.open_stream(stream.id, stream.header)),
            "$/cancel" => {
                serde_json::from_slice::<wire::CancelParams>(params).map(|cancel| self.served.cancel(cancel.id))
            }
            // A notification that we do not know is for a newer daemon.
            _ => Ok(()),
        };
        if let Err(error) = readable {
            tracing::warn!(%error, method, "the plug-in sent a notification that cannot be read");
        }
    }
}
