//! Base64 that grows as bytes come, so that encoded bytes and their text are never both held whole.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io;

/// Collects bytes as standard padded base64.
#[derive(Default)]
pub struct Base64Text {
    text: String,
    /// Up to two bytes that wait for a full group of three.
    rest: [u8; 2],
    rest_len: usize,
    bytes: u64,
}

impl Base64Text {
    /// How many bytes came so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn push(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.rest_len > 0 {
            let missing = 3 - self.rest_len;
            if bytes.len() < missing {
                self.rest[self.rest_len..self.rest_len + bytes.len()].copy_from_slice(bytes);
                self.rest_len += bytes.len();
                return;
            }
            let (head, tail) = bytes.split_at(missing);
            let mut group = [0; 3];
            group[..self.rest_len].copy_from_slice(&self.rest[..self.rest_len]);
            group[self.rest_len..].copy_from_slice(head);
            STANDARD.encode_string(group, &mut self.text);
            self.rest_len = 0;
            bytes = tail;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % 3);
        STANDARD.encode_string(whole, &mut self.text);
        self.rest[..rest.len()].copy_from_slice(rest);
        self.rest_len = rest.len();
    }

    /// The text, padded.
    pub fn finish(mut self) -> String {
        STANDARD.encode_string(&self.rest[..self.rest_len], &mut self.text);
        self.text
    }
}

impl io::Write for Base64Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cutting_gives_the_same_text() {
        let bytes: Vec<u8> = (0..=255).chain(3..77).collect();
        for length in [0, 1, 2, 3, 4, 5, bytes.len()] {
            for cut in 1..8 {
                let mut text = Base64Text::default();
                bytes[..length].chunks(cut).for_each(|chunk| text.push(chunk));
                assert_eq!(text.bytes(), length as u64);
                assert_eq!(text.finish(), STANDARD.encode(&bytes[..length]));
            }
        }
    }
}
