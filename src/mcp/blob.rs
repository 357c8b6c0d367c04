//! Pictures on their way out: held once, encoded to base64 only while a transport writes them.
//!
//! A full-size picture as base64 inside JSON would be held three times over (picture, base64 text, serialised
//! message). Instead the handler puts the bytes into [`Blobs`] and writes the marker it gets as the JSON string;
//! the transport passes what it sends through a [`Splicer`], which replaces each marker by the base64 text as it goes.
//! A marker holds 128 random bits and works once, so no client can name another's picture.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What every marker starts with; the rest is [`TOKEN_LEN`] hex digits.
const PREFIX: &[u8] = b"gimp-bridge-blob:";
const TOKEN_LEN: usize = 32;
/// A picture that no transport took by then belongs to a request whose client has gone.
const EXPIRY: Duration = Duration::from_secs(120);
/// Input bytes per spliced piece; a multiple of 3, so that no padding falls inside the text.
const PIECE: usize = 3 << 16;

/// The encoded pictures between handler and transport.
#[derive(Default)]
pub struct Blobs {
    held: Mutex<HashMap<String, (Instant, Vec<Bytes>)>>,
}

impl Blobs {
    /// Keeps `parts` (one file, cut anywhere) and gives the marker to write as the JSON string's value.
    pub fn put(&self, parts: Vec<Bytes>) -> String {
        let mut random = [0u8; TOKEN_LEN / 2];
        getrandom::fill(&mut random).expect("the system's random source works");
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut held = self.held.lock().expect("no panic while held");
        held.retain(|_, (since, _)| since.elapsed() < EXPIRY);
        let marker = format!("gimp-bridge-blob:{token}");
        held.insert(token, (Instant::now(), parts));
        marker
    }

    /// Takes the picture of a token out, once.
    fn take(&self, token: &[u8]) -> Option<Vec<Bytes>> {
        let token = std::str::from_utf8(token).ok()?;
        self.held.lock().expect("no panic while held").remove(token).map(|(_, parts)| parts)
    }
}

/// Replaces markers in one outgoing byte stream; feed it with [`Splicer::push`], drain it with [`Splicer::next`].
pub struct Splicer<'a> {
    blobs: &'a Blobs,
    /// Bytes not looked at yet.
    input: BytesMut,
    /// Parts of the picture that is being written.
    parts: VecDeque<Bytes>,
    /// Up to two bytes of the picture that did not fill a base64 group yet.
    carry: Vec<u8>,
    inside: bool,
}

impl<'a> Splicer<'a> {
    pub fn new(blobs: &'a Blobs) -> Self {
        Splicer { blobs, input: BytesMut::new(), parts: VecDeque::new(), carry: Vec::new(), inside: false }
    }

    /// Adds bytes that the transport wants to send.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next piece to send; `None` when more input is needed. At `end` what looks like half a marker is text.
    pub fn next(&mut self, end: bool) -> Option<Bytes> {
        if self.inside {
            return Some(self.picture());
        }
        if self.input.is_empty() {
            return None;
        }
        let Some(start) = find_marker(&self.input) else {
            return Some(self.input.split().freeze());
        };
        if start > 0 {
            return Some(self.input.split_to(start).freeze());
        }
        let length = PREFIX.len() + TOKEN_LEN;
        if self.input.len() < length {
            return end.then(|| self.input.split().freeze());
        }
        let marker = self.input.split_to(length).freeze();
        match self.blobs.take(&marker[PREFIX.len()..]) {
            // Not a marker of ours, or used before: it is the client's own text.
            None => Some(marker),
            Some(parts) => {
                self.parts = parts.into();
                self.inside = true;
                Some(self.picture())
            }
        }
    }

    /// The next piece of base64 text; leaves the picture when its last byte is out.
    fn picture(&mut self) -> Bytes {
        let mut raw = std::mem::take(&mut self.carry);
        while raw.len() < PIECE
            && let Some(part) = self.parts.front_mut()
        {
            let want = PIECE - raw.len();
            raw.extend_from_slice(&part.split_to(want.min(part.len())));
            if part.is_empty() {
                self.parts.pop_front();
            }
        }
        if self.parts.is_empty() {
            self.inside = false;
        } else {
            self.carry = raw.split_off(raw.len() / 3 * 3);
        }
        Bytes::from(STANDARD.encode(raw))
    }
}

/// Where a marker starts, or where the end of `input` might be the start of one.
fn find_marker(input: &[u8]) -> Option<usize> {
    let first = PREFIX[0];
    let mut from = 0;
    while let Some(offset) = input[from..].iter().position(|&byte| byte == first) {
        let start = from + offset;
        let rest = &input[start..];
        let known = rest.len().min(PREFIX.len());
        if rest[..known] == PREFIX[..known] {
            return Some(start);
        }
        from = start + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spliced(blobs: &Blobs, text: &[u8], step: usize) -> Vec<u8> {
        let mut splicer = Splicer::new(blobs);
        let mut out = Vec::new();
        for piece in text.chunks(step) {
            splicer.push(piece);
            while let Some(bytes) = splicer.next(false) {
                out.extend_from_slice(&bytes);
            }
        }
        while let Some(bytes) = splicer.next(true) {
            out.extend_from_slice(&bytes);
        }
        out
    }

    #[test]
    fn a_marker_becomes_the_pictures_base64_however_it_is_cut() {
        for size in [0, 1, 2, 3, 4, 1000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2] {
            let picture: Vec<u8> = (0..size).map(|index| (index * 7 % 251) as u8).collect();
            for step in [1usize, 7, 40, 100_000] {
                let blobs = Blobs::default();
                let parts = picture.chunks(997).map(Bytes::copy_from_slice).collect();
                let text = format!("{{\"data\":\"{}\",\"g\":\"gimp\"}}", blobs.put(parts));
                let want = format!("{{\"data\":\"{}\",\"g\":\"gimp\"}}", STANDARD.encode(&picture));
                assert!(spliced(&blobs, text.as_bytes(), step) == want.as_bytes(), "size {size}, step {step}");
                assert!(blobs.held.lock().unwrap().is_empty());
            }
        }
    }

    #[test]
    fn text_that_looks_like_a_marker_passes_unchanged() {
        let blobs = Blobs::default();
        for text in
            ["gimp-bridge-blob:", "x gimp-bridge-blob:00000000000000000000000000000000 y", "gimp-bridge-blo", "ggimp"]
        {
            assert_eq!(spliced(&blobs, text.as_bytes(), 5), text.as_bytes());
        }
    }

    #[test]
    fn a_marker_works_once() {
        let blobs = Blobs::default();
        let marker = blobs.put(vec![Bytes::from_static(b"abc")]);
        assert_eq!(spliced(&blobs, marker.as_bytes(), 99), b"YWJj");
        assert_eq!(spliced(&blobs, marker.as_bytes(), 99), marker.as_bytes());
    }
}
