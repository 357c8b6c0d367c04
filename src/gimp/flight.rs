//! One request from its first byte to its end: upload, cancel, deadline, reply. Dropping it cancels it in GIMP.

use super::frame::{MAX_CHUNK, MAX_MESSAGE};
use super::link::Shared;
use super::pending::{Opened, Reply, Ticket};
use super::wire::{self, CallParams, ClientParams, UploadParams};
use super::{Request, Streamed};
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The greatest upload, as the plug-in has it.
const MAX_UPLOAD: usize = 1 << 30;
/// How long a request may wait for others inside the plug-in, beyond its own time limit.
const QUEUE: Duration = Duration::from_secs(60);
/// What the plug-in's own deadline or cancel gets before this side stops to wait for it.
const GRACE: Duration = Duration::from_secs(5);
/// The plug-in takes no longer time limit; a longer one is taken for this one.
const LONGEST: Duration = Duration::from_secs(86_400);
/// How long a stream that nobody reads may hold up the connection, at most.
const STALLED_READER: Duration = Duration::from_secs(20);
/// How often a request past its time limit is looked at.
const CHECK: Duration = Duration::from_millis(500);

/// A request in flight.
pub struct Flight {
    shared: Arc<Shared>,
    id: u64,
    reply: oneshot::Receiver<Reply>,
    opened: Option<oneshot::Receiver<Opened>>,
    upload: Bytes,
    operation: String,
    timeout: Duration,
    sent: Instant,
    cancelled: Option<Instant>,
    done: bool,
}

/// What a flight waits for next.
enum Event {
    Reply(Reply),
    Opened(Opened),
    Cancelled,
    Uploaded,
    Check,
}

impl Flight {
    /// Queues the request for writing.
    pub fn start(shared: &Arc<Shared>, request: &Request, streams: bool) -> Result<Flight> {
        if request.cancel.is_cancelled() {
            return Err(Error::new(Kind::Cancelled, format!("`{}` was cancelled before it began", request.operation)));
        }
        let upload = request.upload.clone().unwrap_or_default();
        if upload.len() > MAX_UPLOAD {
            let message = format!("an upload of {} bytes, over the limit of {MAX_UPLOAD}", upload.len());
            return Err(Error::new(Kind::TooLarge, message).hint("write it to a file and pass the path"));
        }
        let patience = streams.then(|| request.timeout.min(STALLED_READER));
        let Ticket { id, reply, opened } = shared.pending.add(request.progress.clone(), patience)?;
        let mut flight = Flight {
            shared: shared.clone(),
            id,
            reply,
            opened,
            operation: request.operation.clone(),
            timeout: request.timeout.min(LONGEST),
            sent: Instant::now(),
            cancelled: None,
            done: false,
            upload,
        };
        let body = wire::request(
            id,
            "call",
            CallParams {
                operation: &request.operation,
                arguments: &request.arguments,
                client: ClientParams { id: &request.client.id, name: &request.client.name },
                timeout: flight.timeout.as_secs_f64(),
                upload: request.upload.as_ref().map(|upload| UploadParams { bytes: upload.len() }),
            },
        );
        let length = body.len();
        let refused = if length > MAX_MESSAGE {
            Some(
                Error::new(Kind::TooLarge, format!("a request of {length} bytes, over the limit of {MAX_MESSAGE}"))
                    .hint("send less, or write it to a file and pass the path"),
            )
        } else if !shared.outbox.message(body) {
            Some(Error::new(Kind::Busy, "GIMP has not read its requests for a while").hint("try again later"))
        } else {
            None
        };
        match refused {
            // Never sent, so the peer has nothing to answer or to cancel.
            Some(error) => {
                shared.pending.finish(id, Err(error.clone()));
                flight.done = true;
                Err(error)
            }
            None => Ok(flight),
        }
    }

    /// Waits for the result.
    pub async fn finish(mut self, request: &Request) -> Result<Map<String, Value>> {
        loop {
            match self.next(request).await? {
                Event::Reply(reply) => return self.result(reply),
                // The stream's chunks have a reader elsewhere, or none.
                _ => continue,
            }
        }
    }

    /// Waits for the stream's header; a task of its own sees the rest of the request through.
    pub async fn open(mut self, request: Request) -> Result<Streamed> {
        loop {
            match self.next(&request).await? {
                Event::Reply(reply) => {
                    let operation = self.operation.clone();
                    self.result(reply)?;
                    return Err(Error::internal(format!("`{operation}` answered without a stream")));
                }
                Event::Opened((header, chunks)) => {
                    let (sender, result) = oneshot::channel();
                    tokio::spawn(async move {
                        let _ = sender.send(self.finish(&request).await);
                    });
                    return Ok(Streamed { header, chunks, result });
                }
                _ => continue,
            }
        }
    }

    /// One step: something to report to the loops above, or the end of the request.
    async fn next(&mut self, request: &Request) -> Result<Event> {
        let check_at = match self.cancelled {
            Some(when) => when + GRACE,
            None => (self.sent + self.timeout + GRACE).max(Instant::now() + CHECK),
        };
        let event = tokio::select! {
            biased;
            opened = async { self.opened.as_mut().expect("checked").await }, if self.opened.is_some() => {
                self.opened = None;
                match opened {
                    Ok(opened) => Event::Opened(opened),
                    Err(_) => Event::Check, // the reply came without a stream, and is ready now
                }
            }
            reply = &mut self.reply => {
                self.done = true;
                let lost = || Error::new(Kind::ConnectionLost, "the connection to GIMP ended");
                Event::Reply(reply.unwrap_or_else(|_| Reply { outcome: Err(lost()), streamed: None }))
            }
            _ = request.cancel.cancelled(), if self.cancelled.is_none() => Event::Cancelled,
            _ = self.shared.outbox.chunk(self.id, self.upload.slice(..self.upload.len().min(MAX_CHUNK))),
                if !self.upload.is_empty() => Event::Uploaded,
            _ = tokio::time::sleep_until(check_at) => Event::Check,
        };
        match event {
            Event::Cancelled => {
                self.cancelled = Some(Instant::now());
                self.upload = Bytes::new();
                self.shared.send_cancel(self.id);
            }
            Event::Uploaded => drop(self.upload.split_to(self.upload.len().min(MAX_CHUNK))),
            Event::Check => {
                if let Some(error) = self.overdue() {
                    return Err(error); // dropping the flight cancels it
                }
            }
            Event::Reply(_) | Event::Opened(_) => {}
        }
        Ok(event)
    }

    /// The end of the request that this side decides on, because the plug-in's own did not come.
    fn overdue(&self) -> Option<Error> {
        let busy = self.shared.busy();
        let doing = busy.as_ref().map_or_else(|| "GIMP does not answer".to_owned(), wire::Busy::sentence);
        if let Some(when) = self.cancelled {
            return (when.elapsed() >= GRACE).then(|| {
                Error::new(
                    Kind::Cancelled,
                    format!("`{}` was cancelled, but it has not ended yet: {doing}", self.operation),
                )
            });
        }
        let (elapsed, limit) = (self.sent.elapsed(), self.timeout.as_secs_f64());
        let past_own = elapsed >= self.timeout + GRACE;
        let stuck = self.shared.silence() >= GRACE || busy.as_ref().is_some_and(|busy| busy.unresponsive);
        let past_all = elapsed >= self.timeout + QUEUE + self.timeout + GRACE;
        // A reader that waits for its consumer is not GIMP's silence; only the outer limit holds then.
        let waits = self.shared.reader_waits.load(std::sync::atomic::Ordering::Relaxed);
        if !(past_all || past_own && stuck && !waits) {
            return None;
        }
        let hint = busy.as_ref().map_or_else(|| "try again later".to_owned(), wire::Busy::hint);
        let ours = busy.as_ref().is_none_or(|busy| busy.operation == self.operation);
        let error = if ours {
            Error::new(
                Kind::Timeout,
                format!("`{}` did not end within its time limit of {limit} s: {doing}", self.operation),
            )
        } else {
            Error::new(Kind::Busy, format!("`{}` could not run for {} s: {doing}", self.operation, elapsed.as_secs()))
        };
        Some(error.hint(hint))
    }

    fn result(self, reply: Reply) -> Result<Map<String, Value>> {
        let result: Map<String, Value> = match serde_json::from_slice(&reply.outcome?) {
            Ok(result) => result,
            Err(error) => return Err(Error::internal(format!("`{}` answered no object: {error}", self.operation))),
        };
        if let Some(got) = reply.streamed {
            let said = result.get("stream").and_then(|stream| stream["bytes"].as_u64());
            if said != Some(got) {
                let message = format!("`{}` announced {said:?} bytes of stream and sent {got}", self.operation);
                return Err(Error::new(Kind::ProtocolError, message));
            }
        }
        Ok(result)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.done {
            self.shared.pending.abandon(self.id);
            if self.cancelled.is_none() {
                self.shared.send_cancel(self.id);
            }
        }
    }
}
