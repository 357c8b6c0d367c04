//! Bytes to frames and back, with the limits of `protocol/README.md`. Knows nothing of sockets or JSON.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// A frame's length before the handshake ends.
pub const MAX_HANDSHAKE_FRAME: usize = 4096;
/// A message's bytes.
pub const MAX_MESSAGE: usize = 16 << 20;
/// A chunk's bytes.
pub const MAX_CHUNK: usize = 1 << 20;

const MESSAGE: u8 = 0x01;
const REPLY_CHUNK: u8 = 0x02;
const REQUEST_CHUNK: u8 = 0x03;
/// `u32` length, `u8` kind.
const HEADER: usize = 5;
const ID: usize = 8;

/// One frame. The bytes of a decoded frame are slices of the read buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// UTF-8 of one JSON-RPC message, not yet looked at.
    Message(Bytes),
    /// A piece of the answer to request `id` of the frame's receiver.
    ReplyChunk { id: u64, data: Bytes },
    /// A piece of the upload of request `id` of the frame's sender.
    RequestChunk { id: u64, data: Bytes },
}

/// The peer lost the boundary of its own frames, or the socket failed; the connection is over.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of length 0")]
    Empty,
    #[error("a frame of {length} bytes, over the limit of {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("a frame of unknown kind `{0:#04x}`")]
    UnknownKind(u8),
    #[error("a chunk frame of {0} bytes, which has room for no data")]
    ShortChunk(usize),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Cuts a byte stream into frames. A new codec has the handshake's limit; [`FrameCodec::open`] lifts it.
#[derive(Debug)]
pub struct FrameCodec {
    limit: usize,
}

impl FrameCodec {
    pub fn new() -> FrameCodec {
        FrameCodec { limit: MAX_HANDSHAKE_FRAME }
    }

    /// The handshake is over: frames may be as long as the protocol allows.
    pub fn open(&mut self) {
        self.limit = MAX_MESSAGE + 1;
    }
}

impl Default for FrameCodec {
    fn default() -> Self {
        FrameCodec::new()
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if src.len() < 4 {
            return Ok(None);
        }
        let length = u32::from_be_bytes([src[0], src[1], src[2], src[3]]) as usize;
        // Judged before the kind has come: a peer that is silent after a bad length must not be waited for.
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if length > self.limit {
            return Err(FrameError::TooLong { length, limit: self.limit });
        }
        let Some(&kind) = src.get(4) else { return Ok(None) };
        match kind {
            MESSAGE => {}
            REPLY_CHUNK | REQUEST_CHUNK => {
                let limit = 1 + ID + MAX_CHUNK;
                if length > limit {
                    return Err(FrameError::TooLong { length, limit });
                }
                if length < 1 + ID + 1 {
                    return Err(FrameError::ShortChunk(length));
                }
            }
            unknown => return Err(FrameError::UnknownKind(unknown)),
        }
        if src.len() < 4 + length {
            src.reserve(4 + length - src.len());
            return Ok(None);
        }
        let mut body = src.split_to(4 + length).freeze();
        body.advance(HEADER);
        Ok(Some(match kind {
            MESSAGE => Frame::Message(body),
            REPLY_CHUNK => Frame::ReplyChunk { id: body.get_u64(), data: body },
            _ => Frame::RequestChunk { id: body.get_u64(), data: body },
        }))
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, dst: &mut BytesMut) -> Result<(), FrameError> {
        let (data, limit) = match &frame {
            Frame::Message(data) => (data, self.limit - 1),
            Frame::ReplyChunk { data, .. } | Frame::RequestChunk { data, .. } => (data, MAX_CHUNK),
        };
        if data.len() > limit {
            return Err(FrameError::TooLong { length: data.len(), limit });
        }
        dst.reserve(HEADER + ID + data.len());
        put_header(&frame, dst);
        dst.put_slice(data);
        Ok(())
    }
}

/// Writes all of a frame but its data, for writers that send the data without copying it.
pub fn put_header(frame: &Frame, dst: &mut BytesMut) {
    match frame {
        Frame::Message(data) => {
            dst.put_u32((1 + data.len()) as u32);
            dst.put_u8(MESSAGE);
        }
        Frame::ReplyChunk { id, data } | Frame::RequestChunk { id, data } => {
            dst.put_u32((1 + ID + data.len()) as u32);
            dst.put_u8(if matches!(frame, Frame::ReplyChunk { .. }) { REPLY_CHUNK } else { REQUEST_CHUNK });
            dst.put_u64(*id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> FrameCodec {
        let mut codec = FrameCodec::new();
        codec.open();
        codec
    }

    #[test]
    fn frames_survive_any_cut() {
        let frames = [
            Frame::Message(Bytes::from_static(b"{}")),
            Frame::ReplyChunk { id: 7, data: Bytes::from(vec![1; 3000]) },
            Frame::RequestChunk { id: u64::MAX, data: Bytes::from_static(b"x") },
        ];
        let mut wire = BytesMut::new();
        for frame in &frames {
            open().encode(frame.clone(), &mut wire).unwrap();
        }
        for step in [1, 3, 1000, wire.len()] {
            let (mut codec, mut buffer, mut seen) = (open(), BytesMut::new(), Vec::new());
            for piece in wire.chunks(step) {
                buffer.extend_from_slice(piece);
                while let Some(frame) = codec.decode(&mut buffer).unwrap() {
                    seen.push(frame);
                }
            }
            assert_eq!(seen, frames, "cut every {step} bytes");
        }
    }

    #[test]
    fn the_handshake_has_its_own_limit() {
        let mut wire = BytesMut::new();
        open().encode(Frame::Message(Bytes::from(vec![b' '; 4096])), &mut wire).unwrap();
        assert!(matches!(
            FrameCodec::new().decode(&mut wire.clone()),
            Err(FrameError::TooLong { length: 4097, limit: 4096 })
        ));
        assert!(open().decode(&mut wire).unwrap().is_some());
    }
}
