//! What waits to be written to one connection. Messages never wait for room, so that a cancel always gets out;
//! upload chunks do.

use super::frame::{Frame, put_header};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Upload chunks of 1 MiB that wait to be written.
const CHUNKS: usize = 4;
/// Message bytes that wait to be written; a peer that stopped reading must not cost more.
const MESSAGE_BYTES: usize = 64 << 20;
/// Frames up to this size are copied together and leave in one system call.
const COALESCE: usize = 16 << 10;

/// A queue that many callers fill and one writer drains.
pub struct Outbox {
    state: Mutex<State>,
    ready: Notify,
    /// Told when the writer has written all.
    idle: Notify,
    room: std::sync::Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<(Frame, Option<OwnedSemaphorePermit>)>,
    message_bytes: usize,
    /// All that was queued is written.
    flushed: bool,
}

impl State {
    fn push(&mut self, frame: Frame, permit: Option<OwnedSemaphorePermit>) {
        self.frames.push_back((frame, permit));
        self.flushed = false;
    }
}

impl Outbox {
    pub fn new() -> Outbox {
        Outbox {
            state: Mutex::default(),
            ready: Notify::new(),
            idle: Notify::new(),
            room: std::sync::Arc::new(Semaphore::new(CHUNKS)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Queues a message; `false` when the peer has not read for so long that the queue is full.
    pub fn message(&self, body: Bytes) -> bool {
        let mut state = self.lock();
        if state.message_bytes + body.len() > MESSAGE_BYTES {
            return false;
        }
        state.message_bytes += body.len();
        state.push(Frame::Message(body), None);
        drop(state);
        self.ready.notify_one();
        true
    }

    /// Queues an upload chunk, waiting for room. Dropping the future queues nothing.
    pub async fn chunk(&self, id: u64, data: Bytes) {
        let permit = self.room.clone().acquire_owned().await.expect("the semaphore is never closed");
        self.lock().push(Frame::RequestChunk { id, data }, Some(permit));
        self.ready.notify_one();
    }

    /// Takes upload chunks of `id` back that have not been written.
    pub fn forget_chunks(&self, id: u64) {
        self.lock().frames.retain(|(frame, _)| !matches!(frame, Frame::RequestChunk { id: of, .. } if *of == id));
    }

    /// Waits until all that was queued is written.
    pub async fn flushed(&self) {
        loop {
            let idle = self.idle.notified();
            if self.lock().flushed {
                return;
            }
            idle.await;
        }
    }

    /// Writes frames to `socket` until it fails. Small frames that wait together leave together.
    pub async fn drain(&self, socket: &mut OwnedWriteHalf) -> io::Result<()> {
        let mut small = BytesMut::with_capacity(COALESCE);
        loop {
            let large = self.take(&mut small);
            match large {
                // Header and data leave in one vectored write; the data is not copied.
                Some((frame, permit)) => {
                    put_header(&frame, &mut small);
                    let (Frame::Message(data) | Frame::RequestChunk { data, .. } | Frame::ReplyChunk { data, .. }) =
                        frame;
                    socket.write_all_buf(&mut small.split().freeze().chain(data)).await?;
                    drop(permit);
                }
                None if small.is_empty() => {
                    {
                        let mut state = self.lock();
                        state.flushed = state.frames.is_empty();
                    }
                    self.idle.notify_waiters();
                    self.ready.notified().await;
                }
                None => {
                    socket.write_all(&small).await?;
                    small.clear();
                }
            }
        }
    }

    /// Moves small frames into `small` until it is full or a large frame comes, which is returned.
    fn take(&self, small: &mut BytesMut) -> Option<(Frame, Option<OwnedSemaphorePermit>)> {
        let mut state = self.lock();
        while small.len() < COALESCE {
            let (frame, permit) = state.frames.pop_front()?;
            match &frame {
                Frame::Message(body) => state.message_bytes -= body.len(),
                _ => return Some((frame, permit)),
            }
            let Frame::Message(body) = &frame else { unreachable!("chunks were returned above") };
            if body.len() > COALESCE {
                return Some((frame, permit));
            }
            put_header(&frame, small);
            small.extend_from_slice(body);
        }
        None
    }
}
