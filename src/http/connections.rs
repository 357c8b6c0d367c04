//! Connections: accepts them, bounds their number, and gives each its TLS handshake and its time limits.
//!
//! A connection that waits is the cheapest thing that a stranger can hold, so it is also the first to go: at the bound
//! the one that has waited longest for a request is closed, and a request that runs is never cut for another.

use super::forwarded::Peer;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// From the first byte of a request, or from the connection's begin, to the end of its headers.
const HEADERS: Duration = Duration::from_secs(10);
/// Between two requests; above what clients and proxies keep theirs for (60 s mostly), so that they close first.
const KEPT: Duration = Duration::from_secs(75);
/// Between two pieces of a request's body.
const BODY: Duration = Duration::from_secs(30);
/// Without a byte of the answer taken by the client.
const UNREAD: Duration = Duration::from_secs(60);
/// Between two looks at all connections.
const SWEEP: Duration = Duration::from_secs(1);
/// After an accept that failed, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Descriptors that are no connections of this listener: to GIMP, files, models, logs.
const OTHER_FILES: usize = 256;
/// Bytes of a request's line and headers.
const HEADER_BYTES: usize = 64 << 10;

/// What the accepting tasks share.
#[derive(Clone)]
struct Shared {
    app: Router,
    tls: Option<TlsAcceptor>,
    lines: Arc<Lines>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// Serves `app` on all listeners until `shutdown`, and returns when the last connection has ended. `most` connections
/// are held at once, fewer if the system gives fewer file descriptors.
pub async fn serve(
    listeners: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
    most: usize,
    app: Router,
    shutdown: CancellationToken,
) {
    let most = bound(most, raise_file_limit(most));
    let lines = Arc::new(Lines { most, lines: Mutex::default() });
    let shared = Shared { app, tls, lines, tasks: TaskTracker::new(), shutdown: shutdown.clone() };
    for listener in listeners {
        tokio::spawn(accept(listener, shared.clone()));
    }
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = sweep.tick() => shared.lines.sweep(Instant::now()),
        }
    }
    shared.tasks.close();
    shared.tasks.wait().await;
}

/// Lifts the soft limit of open files as far as `most` connections need it and the hard limit allows; gives the limit.
#[cfg(unix)]
fn raise_file_limit(most: usize) -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = (most + 4 * OTHER_FILES) as u64;
    let raised = limit.maximum.map_or(wanted, |hard| wanted.min(hard));
    match limit.current {
        Some(soft) if soft < raised => {
            let set = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
            let now = if set.is_ok() { raised } else { soft };
            usize::try_from(now).ok()
        }
        soft => usize::try_from(soft?).ok(),
    }
}

#[cfg(not(unix))]
fn raise_file_limit(_most: usize) -> Option<usize> {
    None
}

/// How many connections fit beside everything else that needs a descriptor.
fn bound(most: usize, files: Option<usize>) -> usize {
    files.map_or(most, |files| most.min(files.saturating_sub(OTHER_FILES).max(files / 2)).max(1))
}

async fn accept(listener: TcpListener, shared: Shared) {
    loop {
        let accepted = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(entry) = Lines::enter(&shared.lines) else {
                    tracing::warn!(%peer, "a connection more than server.max_connections, and all are busy");
                    continue;
                };
                shared.tasks.spawn(connection(stream, peer, entry, shared.clone()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                shared.lines.make_room();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(stream: TcpStream, peer: SocketAddr, entry: Entry, shared: Shared) {
    // Replies are small messages: waiting for more would cost 40 ms on each.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let Some(acceptor) = shared.tls.clone() else {
        return http(stream, Peer { address: peer, tls: false }, entry, shared).await;
    };
    let handshake = tokio::select! {
        () = entry.line.cut.cancelled() => return,
        () = shared.shutdown.cancelled() => return,
        handshake = acceptor.accept(stream) => handshake,
    };
    match handshake {
        Ok(stream) => http(stream, Peer { address: peer, tls: true }, entry, shared).await,
        Err(error) => tracing::debug!(%peer, %error, "no TLS handshake"),
    }
}

async fn http<S>(stream: S, peer: Peer, entry: Entry, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let line = entry.line.clone();
    let app = shared.app.clone();
    let service = service_fn(|request: Request<Incoming>| {
        let running = Running::new(line.clone());
        let mut request = request.map(|body| Body::new(Timed { body, silence: None }));
        request.extensions_mut().insert(peer);
        let answer = app.clone().call(request);
        async move { answer.await.map(|response| response.map(|body| Held { body, _running: running })) }
    });
    let io = TokioIo::new(Watched { stream, line: entry.line.clone() });
    let mut conn =
        pin!(http1::Builder::new().max_header_size(HEADER_BYTES).serve_connection(io, service).with_upgrades());
    let mut ending = false;
    loop {
        tokio::select! {
            ended = conn.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(peer = %peer.address, %error, "the connection broke");
                }
                return;
            }
            () = entry.line.cut.cancelled() => return,
            () = shared.shutdown.cancelled(), if !ending => {
                if entry.line.waits_since().is_some() {
                    return;
                }
                ending = true;
                conn.as_mut().graceful_shutdown();
            }
        }
    }
}

/// All connections, by their number: the oldest first.
struct Lines {
    most: usize,
    lines: Mutex<(u64, BTreeMap<u64, Arc<Line>>)>,
}

/// One connection, as the others see it.
struct Line {
    state: Mutex<State>,
    /// Closes it.
    cut: CancellationToken,
}

struct State {
    phase: Phase,
    since: Instant,
    /// Since when the client takes no byte of what is there for it.
    unread: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A handshake or headers are on their way.
    Begun,
    /// Nothing is.
    Idle,
    /// A request runs, or its answer is being sent.
    Busy,
}

/// A connection's place; free again when it is dropped.
struct Entry {
    lines: Arc<Lines>,
    number: u64,
    line: Arc<Line>,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<Line>>)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if need be that of the one that has waited longest; `None`: all are busy.
    fn enter(self: &Arc<Lines>) -> Option<Entry> {
        if self.lock().1.len() >= self.most && !self.make_room() {
            return None;
        }
        let state = State { phase: Phase::Begun, since: Instant::now(), unread: None };
        let line = Arc::new(Line { state: Mutex::new(state), cut: CancellationToken::new() });
        let mut lines = self.lock();
        lines.0 += 1;
        let number = lines.0;
        lines.1.insert(number, line.clone());
        Some(Entry { lines: self.clone(), number, line })
    }

    /// Closes the connection that has waited longest; whether there was one.
    fn make_room(&self) -> bool {
        let mut lines = self.lock();
        let waiting = lines.1.iter().filter_map(|(number, line)| Some((line.waits_since()?, *number)));
        let Some((_, number)) = waiting.min() else { return false };
        if let Some(line) = lines.1.remove(&number) {
            line.cut.cancel();
        }
        true
    }

    /// Closes what has overstayed its limit.
    fn sweep(&self, now: Instant) {
        self.lock().1.values().filter(|line| line.is_over(now)).for_each(|line| line.cut.cancel());
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.lines.lock().1.remove(&self.number);
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        let mut state = self.state();
        (state.phase, state.since) = (phase, Instant::now());
    }

    /// Bytes came.
    fn heard(&self) {
        if self.state().phase == Phase::Idle {
            self.set(Phase::Begun);
        }
    }

    fn waits_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.phase != Phase::Busy).then_some(state.since)
    }

    fn is_over(&self, now: Instant) -> bool {
        let state = self.state();
        let waited = now.saturating_duration_since(state.since);
        let late = match state.phase {
            Phase::Begun => waited >= HEADERS,
            Phase::Idle => waited >= KEPT,
            Phase::Busy => false,
        };
        late || state.unread.is_some_and(|since| now.saturating_duration_since(since) >= UNREAD)
    }
}

/// The connection is busy while it lives.
struct Running(Arc<Line>);

impl Running {
    fn new(line: Arc<Line>) -> Running {
        line.set(Phase::Busy);
        Running(line)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(Phase::Idle);
    }
}

/// The stream, telling its line of what comes and of what is not taken.
struct Watched<S> {
    stream: S,
    line: Arc<Line>,
}

impl<S> Watched<S> {
    fn wrote<T>(&self, polled: Poll<T>) -> Poll<T> {
        let mut state = self.line.state();
        state.unread = if polled.is_pending() { state.unread.or_else(|| Some(Instant::now())) } else { None };
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.line.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.wrote(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A request's body that breaks off when no piece of it comes for [`BODY`].
struct Timed {
    body: Incoming,
    /// Runs while a piece is waited for: what nobody reads yet is not late.
    silence: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.silence = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        ready!(self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(BODY))).as_mut().poll(cx));
        let late =
            io::Error::new(io::ErrorKind::TimedOut, format!("no byte of the body came for {} s", BODY.as_secs()));
        Poll::Ready(Some(Err(axum::Error::new(late))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body; the connection is busy until it is sent.
struct Held {
    body: Body,
    _running: Running,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(most: usize) -> Arc<Lines> {
        Arc::new(Lines { most, lines: Mutex::default() })
    }

    #[test]
    fn at_the_bound_the_one_that_waits_longest_goes_and_none_that_is_busy() {
        let lines = lines(3);
        let (one, two, three) =
            (Lines::enter(&lines).unwrap(), Lines::enter(&lines).unwrap(), Lines::enter(&lines).unwrap());
        let running = Running::new(one.line.clone());
        let four = Lines::enter(&lines).unwrap();
        assert!(two.line.cut.is_cancelled() && !one.line.cut.is_cancelled() && !three.line.cut.is_cancelled());
        drop(two);
        let busy = [Running::new(three.line.clone()), Running::new(four.line.clone())];
        assert!(Lines::enter(&lines).is_none());
        drop(running);
        assert!(Lines::enter(&lines).is_some() && one.line.cut.is_cancelled());
        drop((one, three, four, busy));
        assert!(lines.lock().1.is_empty());
    }

    #[test]
    fn headers_have_ten_seconds_an_idle_connection_more_and_a_request_its_own_limits() {
        let lines = lines(9);
        let entry = Lines::enter(&lines).unwrap();
        let over = |after: u64| entry.line.is_over(Instant::now() + Duration::from_secs(after));
        assert!(!over(9) && over(11));
        let running = Running::new(entry.line.clone());
        assert!(!over(100_000));
        drop(running);
        assert!(!over(70) && over(80));
        entry.line.heard();
        assert!(!over(9) && over(11));
        lines.sweep(Instant::now() + Duration::from_secs(11));
        assert!(entry.line.cut.is_cancelled());
    }

    #[test]
    fn an_answer_that_nobody_takes_is_given_up() {
        let lines = lines(9);
        let entry = Lines::enter(&lines).unwrap();
        let _running = Running::new(entry.line.clone());
        let watched = Watched { stream: (), line: entry.line.clone() };
        let over = |after: u64| entry.line.is_over(Instant::now() + Duration::from_secs(after));
        let _ = watched.wrote(Poll::<()>::Pending);
        assert!(!over(50) && over(61));
        let _ = watched.wrote(Poll::Ready(()));
        assert!(!over(61));
    }

    #[test]
    fn descriptors_are_left_for_the_rest() {
        assert_eq!(bound(1024, Some(2048)), 1024);
        assert_eq!(bound(1024, Some(1024)), 768);
        assert_eq!(bound(1024, Some(256)), 128);
        assert_eq!(bound(1024, None), 1024);
    }
}
