//! Requests in flight on one connection: where each answer, header and chunk goes. No I/O.

use super::ProgressSink;
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Requests in flight on a connection, as the plug-in counts them.
pub const MAX_IN_FLIGHT: usize = 256;
/// Chunks of 1 MiB that wait for the reader of one stream.
pub const CHUNK_WINDOW: usize = 8;

/// A response's result as bytes, and how much was streamed before it.
pub struct Reply {
    pub outcome: Result<Bytes>,
    /// Bytes of the reply's chunks; `None` if none was announced.
    pub streamed: Option<u64>,
}

/// The header and the chunks of a streamed reply.
pub type Opened = (Map<String, Value>, mpsc::Receiver<Bytes>);

/// What the caller holds of a request in flight.
pub struct Ticket {
    pub id: u64,
    pub reply: oneshot::Receiver<Reply>,
    /// Ready when the reply starts to stream; `None` for callers that want no stream.
    pub opened: Option<oneshot::Receiver<Opened>>,
}

struct Entry {
    /// `None`: the caller is gone, but the peer has not answered yet and still counts this request.
    reply: Option<oneshot::Sender<Reply>>,
    progress: Option<ProgressSink>,
    stream: Stream,
}

enum Stream {
    /// The caller wants none; chunks are dropped.
    Unwanted,
    Awaited {
        opened: oneshot::Sender<Opened>,
        patience: Duration,
    },
    Open {
        chunks: mpsc::Sender<Bytes>,
        bytes: u64,
        patience: Duration,
    },
    /// The reader of the stream is gone or too slow.
    GivenUp,
}

/// Where a chunk goes, and how long its reader may take to make room for it.
pub type Destination = (mpsc::Sender<Bytes>, Duration);

/// All requests in flight of one connection.
#[derive(Default)]
pub struct Pending {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    entries: HashMap<u64, Entry>,
    /// Why the connection ended; no request is taken after that.
    closed: Option<Error>,
}

impl Pending {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // No code under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Registers a call. `patience`, for callers that want a stream: how long they may leave a chunk waiting.
    ///
    /// # Errors
    /// `busy` over the limit; the connection's end if it has ended.
    pub fn add(&self, progress: Option<ProgressSink>, patience: Option<Duration>) -> Result<Ticket> {
        let state = self.lock();
        if state.entries.len() >= MAX_IN_FLIGHT {
            let message = format!("{MAX_IN_FLIGHT} requests to this GIMP wait for their answer already");
            return Err(Error::new(Kind::Busy, message).hint("wait for some of them, then try again"));
        }
        Pending::insert(state, progress, patience)
    }

    /// Registers a request that the plug-in's reader answers at once, such as a ping: the limit is not for these.
    pub fn add_control(&self) -> Result<Ticket> {
        Pending::insert(self.lock(), None, None)
    }

    fn insert(
        mut state: std::sync::MutexGuard<'_, State>,
        progress: Option<ProgressSink>,
        patience: Option<Duration>,
    ) -> Result<Ticket> {
        if let Some(reason) = &state.closed {
            return Err(reason.clone());
        }
        state.last_id += 1;
        let id = state.last_id;
        let (reply, reply_receiver) = oneshot::channel();
        let (stream, opened) = match patience {
            Some(patience) => {
                let (opened, receiver) = oneshot::channel();
                (Stream::Awaited { opened, patience }, Some(receiver))
            }
            None => (Stream::Unwanted, None),
        };
        state.entries.insert(id, Entry { reply: Some(reply), progress, stream });
        Ok(Ticket { id, reply: reply_receiver, opened })
    }

    /// The response to `id` has come. Unknown ids are answers to what was never asked: dropped.
    pub fn finish(&self, id: u64, outcome: Result<Bytes>) {
        let Some(entry) = self.lock().entries.remove(&id) else { return };
        let streamed = match entry.stream {
            Stream::Open { bytes, .. } => Some(bytes),
            _ => None,
        };
        // The chunks' sender was dropped just now: the stream ends before the result is ready.
        if let Some(reply) = entry.reply {
            let _ = reply.send(Reply { outcome, streamed });
        }
    }

    /// The caller is gone: later answers are dropped, but the request counts until the peer answers.
    pub fn abandon(&self, id: u64) {
        if let Some(entry) = self.lock().entries.get_mut(&id) {
            (entry.reply, entry.progress, entry.stream) = (None, None, Stream::GivenUp);
        }
    }

    /// Ends one request with our own error; the peer's answer will be dropped.
    pub fn fail(&self, id: u64, error: Error) {
        let reply = self.lock().entries.get_mut(&id).and_then(|entry| {
            entry.stream = Stream::GivenUp;
            entry.progress = None;
            entry.reply.take()
        });
        if let Some(reply) = reply {
            let _ = reply.send(Reply { outcome: Err(error), streamed: None });
        }
    }

    /// The reply to `id` starts to stream.
    pub fn open_stream(&self, id: u64, header: Map<String, Value>) {
        let mut state = self.lock();
        let Some(entry) = state.entries.get_mut(&id) else { return };
        match std::mem::replace(&mut entry.stream, Stream::GivenUp) {
            Stream::Awaited { opened, patience } => {
                let (chunks, receiver) = mpsc::channel(CHUNK_WINDOW);
                entry.stream = Stream::Open { chunks, bytes: 0, patience };
                let _ = opened.send((header, receiver));
            }
            other => entry.stream = other,
        }
    }

    /// Counts a chunk of `length` bytes and says where it goes; `None`: nobody knows or wants it.
    pub fn chunk(&self, id: u64, length: usize) -> Option<Destination> {
        match self.lock().entries.get_mut(&id).map(|entry| &mut entry.stream) {
            Some(Stream::Open { chunks, bytes, patience }) => {
                *bytes += length as u64;
                Some((chunks.clone(), *patience))
            }
            _ => None,
        }
    }

    pub fn progress(&self, id: u64) -> Option<ProgressSink> {
        self.lock().entries.get(&id).and_then(|entry| entry.progress.clone())
    }

    pub fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Ends all requests with `reason` and takes no more.
    pub fn close(&self, reason: &Error) {
        let entries = {
            let mut state = self.lock();
            state.closed.get_or_insert_with(|| reason.clone());
            std::mem::take(&mut state.entries)
        };
        for reply in entries.into_values().filter_map(|entry| entry.reply) {
            let _ = reply.send(Reply { outcome: Err(reason.clone()), streamed: None });
        }
    }

    pub fn closed(&self) -> Option<Error> {
        self.lock().closed.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_what_the_peer_has_not_answered() {
        let pending = Pending::default();
        let tickets: Vec<_> = (0..MAX_IN_FLIGHT).map(|_| pending.add(None, None).unwrap()).collect();
        assert_eq!(pending.add(None, None).err().unwrap().kind, Kind::Busy);
        pending.abandon(tickets[3].id);
        assert_eq!(pending.add(None, None).err().unwrap().kind, Kind::Busy);
        pending.finish(tickets[3].id, Ok(Bytes::new()));
        assert!(pending.add(None, None).is_ok());
    }

    #[test]
    fn a_closed_connection_ends_all_and_takes_none() {
        let pending = Pending::default();
        let mut ticket = pending.add(None, None).unwrap();
        pending.close(&Error::new(Kind::ConnectionLost, "gone"));
        assert_eq!(ticket.reply.try_recv().unwrap().outcome.unwrap_err().kind, Kind::ConnectionLost);
        assert_eq!(pending.add(None, None).err().unwrap().kind, Kind::ConnectionLost);
    }

    #[test]
    fn a_stream_ends_before_its_result() {
        let pending = Pending::default();
        let ticket = pending.add(None, Some(Duration::from_secs(1))).unwrap();
        pending.open_stream(ticket.id, Map::new());
        let (_, mut chunks) = ticket.opened.unwrap().try_recv().unwrap();
        let (to, _) = pending.chunk(ticket.id, 3).unwrap();
        to.try_send(Bytes::from_static(b"abc")).unwrap();
        drop(to);
        pending.finish(ticket.id, Ok(Bytes::new()));
        assert_eq!(chunks.try_recv().unwrap(), "abc");
        assert_eq!(chunks.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        let mut reply = ticket.reply;
        assert_eq!(reply.try_recv().unwrap().streamed, Some(3));
        assert!(pending.chunk(ticket.id, 1).is_none());
    }
}
