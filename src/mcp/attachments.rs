//! Pictures on their way to a client, put into the reply's JSON while the reply is sent.
//!
//! A message holds a token in place of a picture's base64; here the token is found in the serialised message and the
//! base64 goes out in its place, piece by piece. So a picture of 40 MB is never scanned for escapes, never copied into
//! a growing buffer, and never in the log.
//!
//! A token holds a nonce of this process, so text that a user or a model wrote is never taken for one.

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;

/// Bytes that are handed to the connection at a time.
const PIECE: usize = 256 * 1024;

/// A picture whose reply was never sent (the client went away) is forgotten after this.
const KEPT: Duration = Duration::from_secs(30);

const ID_DIGITS: usize = 16;

/// The pictures that wait for their reply to be sent; cheap to clone.
#[derive(Clone)]
pub struct Attachments {
    inner: Arc<Inner>,
}

struct Inner {
    /// What every token of this process begins with.
    prefix: String,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    pictures: HashMap<u64, (Bytes, Instant)>,
}

/// A part of a reply, in order.
#[derive(Debug)]
enum Part {
    Text(Bytes),
    Picture { id: u64, base64: Bytes, sent: usize },
}

impl Attachments {
    pub fn new() -> Attachments {
        let mut nonce = [0u8; 16];
        getrandom::fill(&mut nonce).expect("the operating system gives random bytes");
        let prefix = format!("gimp-bridge-attachment:{}:", hex(&nonce));
        Attachments { inner: Arc::new(Inner { prefix, waiting: Mutex::default() }) }
    }

    /// Takes a picture's base64 in, and gives the text that stands for it.
    pub fn put(&self, base64: String) -> String {
        let mut waiting = self.waiting();
        waiting.pictures.retain(|_, (_, since)| since.elapsed() < KEPT);
        let id = waiting.next;
        waiting.next += 1;
        waiting.pictures.insert(id, (Bytes::from(base64), Instant::now()));
        format!("{}{id:0width$x}", self.inner.prefix, width = ID_DIGITS)
    }

    fn take(&self, id: u64) -> Option<Bytes> {
        self.waiting().pictures.remove(&id).map(|(base64, _)| base64)
    }

    /// A reply that broke off may be asked for again (SSE resumption).
    fn put_back(&self, id: u64, base64: Bytes) {
        self.waiting().pictures.insert(id, (base64, Instant::now()));
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts serialised JSON at its tokens; `None` where there is none. An error is a token whose picture is gone.
    fn cut(&self, text: &Bytes) -> io::Result<Option<VecDeque<Part>>> {
        let prefix = self.inner.prefix.as_bytes();
        let mut parts = VecDeque::new();
        let mut from = 0;
        for at in memchr::memmem::find_iter(text, prefix) {
            let end = at + prefix.len() + ID_DIGITS;
            let digits = text.get(at + prefix.len()..end).and_then(|digits| std::str::from_utf8(digits).ok());
            let id = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            let picture = id.and_then(|id| Some((id, self.take(id)?)));
            let (id, base64) = picture.ok_or_else(|| io::Error::other("a picture of this reply is no longer kept"))?;
            parts.push_back(Part::Text(text.slice(from..at)));
            parts.push_back(Part::Picture { id, base64, sent: 0 });
            from = end;
        }
        if parts.is_empty() {
            return Ok(None);
        }
        parts.push_back(Part::Text(text.slice(from..)));
        Ok(Some(parts))
    }

    /// Puts the pictures into an HTTP reply: `head`, then `body`. A body that is whole already keeps its length.
    pub async fn fill(&self, head: Vec<Bytes>, body: Body) -> Body {
        match self.try_fill(head, body).await {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "a reply could not be sent");
                Body::new(Failed(Some(error)))
            }
        }
    }

    async fn try_fill(&self, head: Vec<Bytes>, body: Body) -> io::Result<Body> {
        let mut out = Outgoing { attachments: self.clone(), parts: VecDeque::new(), whole: false };
        for text in head {
            match self.cut(&text)? {
                Some(parts) => out.parts.extend(parts),
                None => out.parts.push_back(Part::Text(text)),
            }
        }
        if HttpBody::size_hint(&body).exact().is_none() {
            return Ok(Body::new(FilledBody { source: Some(body), out }));
        }
        let text = axum::body::to_bytes(body, usize::MAX).await.map_err(io::Error::other)?;
        match self.cut(&text)? {
            Some(parts) => out.parts.extend(parts),
            None if out.parts.is_empty() => return Ok(Body::from(text)),
            None => out.parts.push_back(Part::Text(text)),
        }
        out.whole = true;
        Ok(Body::new(FilledBody { source: None, out }))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parts that wait to be sent. What breaks off goes back to the pictures that wait.
struct Outgoing {
    attachments: Attachments,
    parts: VecDeque<Part>,
    /// Whether `parts` is all there will be.
    whole: bool,
}

impl Outgoing {
    /// The next piece; empty ones are passed over.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.parts.front_mut()? {
                Part::Text(text) => {
                    let text = std::mem::take(text);
                    self.parts.pop_front();
                    if !text.is_empty() {
                        return Some(text);
                    }
                }
                Part::Picture { base64, sent, .. } if *sent < base64.len() => {
                    let end = base64.len().min(*sent + PIECE);
                    let piece = base64.slice(*sent..end);
                    *sent = end;
                    return Some(piece);
                }
                Part::Picture { .. } => drop(self.parts.pop_front()),
            }
        }
    }

    fn left(&self) -> u64 {
        let length = |part: &Part| match part {
            Part::Text(text) => text.len() as u64,
            Part::Picture { base64, sent, .. } => (base64.len() - sent) as u64,
        };
        self.parts.iter().map(length).sum()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        for part in self.parts.drain(..) {
            if let Part::Picture { id, base64, .. } = part {
                self.attachments.put_back(id, base64);
            }
        }
    }
}

/// A reply's body: JSON as it is, or an event stream whose events are filled as they come.
struct FilledBody {
    source: Option<Body>,
    out: Outgoing,
}

impl HttpBody for FilledBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if let Some(piece) = self.out.next() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let Some(source) = self.source.as_mut() else { return Poll::Ready(None) };
            match ready!(Pin::new(source).poll_frame(context)) {
                None => {
                    self.source = None;
                    self.out.whole = true;
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(text) => match self.out.attachments.cut(&text) {
                        Ok(None) => return Poll::Ready(Some(Ok(Frame::data(text)))),
                        Ok(Some(parts)) => self.out.parts = parts,
                        // The event would be wrong without its picture: break off, so that the client sees an error.
                        Err(error) => return Poll::Ready(Some(Err(axum::Error::new(error)))),
                    },
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.out.whole && self.out.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.out.whole { SizeHint::with_exact(self.out.left()) } else { SizeHint::default() }
    }
}

/// A body that is an error: hyper breaks the connection off.
struct Failed(Option<io::Error>);

impl HttpBody for Failed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Poll::Ready(self.0.take().map(|error| Err(axum::Error::new(error))))
    }
}

/// A writer that fills the pictures in. Each write must hold whole messages, as rmcp's line codec writes them.
pub struct FilledWriter<W> {
    writer: W,
    out: Outgoing,
    /// The piece that is being written, and how far.
    piece: Bytes,
}

impl<W> FilledWriter<W> {
    pub fn new(writer: W, attachments: Attachments) -> FilledWriter<W> {
        let out = Outgoing { attachments, parts: VecDeque::new(), whole: false };
        FilledWriter { writer, out, piece: Bytes::new() }
    }
}

impl<W: AsyncWrite + Unpin> FilledWriter<W> {
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.piece.is_empty() {
                let written = ready!(Pin::new(&mut self.writer).poll_write(context, &self.piece))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.piece = self.piece.slice(written..);
            }
            match self.out.next() {
                Some(piece) => self.piece = piece,
                None => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for FilledWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, text: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.drain(context))?;
        if memchr::memmem::find(text, self.out.attachments.inner.prefix.as_bytes()).is_none() {
            return Pin::new(&mut self.writer).poll_write(context, text);
        }
        if let Some(parts) = self.out.attachments.cut(&Bytes::copy_from_slice(text))? {
            self.out.parts = parts;
        }
        Poll::Ready(Ok(text.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(context))?;
        Pin::new(&mut self.writer).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(context))?;
        Pin::new(&mut self.writer).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    fn picture(length: usize) -> String {
        (0..length).map(|at| char::from(b'A' + (at * 31 % 26) as u8)).collect()
    }

    #[tokio::test]
    async fn a_whole_body_is_filled_and_keeps_its_length() {
        let attachments = Attachments::new();
        // Around a piece's edge.
        for length in [0, 4, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2] {
            let base64 = picture(length);
            let text = format!("{{\"a\":\"{}\",\"b\":1}}", attachments.put(base64.clone()));
            let expected = format!("{{\"a\":\"{}\",\"b\":1}}", base64);
            let body = attachments.fill(Vec::new(), Body::from(text)).await;
            assert_eq!(HttpBody::size_hint(&body).exact(), Some(expected.len() as u64));
            assert_eq!(axum::body::to_bytes(body, usize::MAX).await.unwrap(), expected);
        }
        assert!(attachments.waiting().pictures.is_empty());
    }

    #[tokio::test]
    async fn two_pictures_and_none() {
        let attachments = Attachments::new();
        let (a, b) = (attachments.put(picture(10)), attachments.put(picture(20)));
        let body = attachments.fill(Vec::new(), Body::from(format!("{b}{a}"))).await;
        let expected = picture(20) + &picture(10);
        assert_eq!(axum::body::to_bytes(body, usize::MAX).await.unwrap(), expected);
        let plain = attachments.fill(Vec::new(), Body::from("gimp-bridge-attachment:0000")).await;
        assert_eq!(axum::body::to_bytes(plain, usize::MAX).await.unwrap(), "gimp-bridge-attachment:0000");
    }

    #[tokio::test]
    async fn a_picture_that_is_gone_breaks_the_reply_off() {
        let attachments = Attachments::new();
        let token = attachments.put(picture(10));
        drop(
            axum::body::to_bytes(attachments.fill(Vec::new(), Body::from(token.clone())).await, usize::MAX)
                .await
                .unwrap(),
        );
        let again = attachments.fill(Vec::new(), Body::from(token)).await;
        assert!(axum::body::to_bytes(again, usize::MAX).await.is_err());
    }

    #[tokio::test]
    async fn a_reply_that_broke_off_can_be_sent_again() {
        let attachments = Attachments::new();
        let token = attachments.put(picture(PIECE * 2));
        drop(attachments.fill(Vec::new(), Body::from(token.clone())).await);
        let again = attachments.fill(Vec::new(), Body::from(token)).await;
        assert_eq!(axum::body::to_bytes(again, usize::MAX).await.unwrap(), picture(PIECE * 2));
    }

    #[tokio::test]
    async fn a_writer_is_filled() {
        let attachments = Attachments::new();
        // A pipe of 1000 bytes: every write stops in the middle of a piece.
        let (near, mut far) = tokio::io::duplex(1000);
        let base64 = picture(PIECE + 5);
        let line = format!("{{\"a\":\"{}\"}}\n", attachments.put(base64.clone()));
        let writing = tokio::spawn(async move {
            let mut writer = FilledWriter::new(near, attachments);
            writer.write_all(line.as_bytes()).await.unwrap();
            writer.write_all(b"plain\n").await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let mut read = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut far, &mut read).await.unwrap();
        writing.await.unwrap();
        assert_eq!(read, format!("{{\"a\":\"{}\"}}\nplain\n", base64));
    }
}
