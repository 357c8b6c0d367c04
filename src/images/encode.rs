//! Raw rows in, an encoded picture out, while the rows still arrive.
//!
//! Rows come from a `Read`, so that any cutting into chunks is the reader's business. PNG and JPEG hold a window of
//! rows; WebP needs the whole picture, so its size is bounded.

use super::{Base64Text, Format, Picture, jpeg, png, webp};
use std::io::{self, Read, Write};

/// What the raw rows are: no padding, samples of 16 bits in the machine's own byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub channels: u8,
    /// Bits per sample, 8 or 16.
    pub depth: u8,
}

impl Layout {
    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.width as usize * self.pixel_bytes()
    }

    /// Bytes of one pixel.
    pub fn pixel_bytes(&self) -> usize {
        usize::from(self.channels) * usize::from(self.depth / 8)
    }

    /// Bytes of all rows.
    pub fn total_bytes(&self) -> u64 {
        self.row_bytes() as u64 * u64::from(self.height)
    }

    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    pub fn has_alpha(&self) -> bool {
        matches!(self.channels, 2 | 4)
    }

    fn check(&self) -> Result<(), EncodeError> {
        let right = (1..=4).contains(&self.channels) && matches!(self.depth, 8 | 16);
        // The bound keeps every size below in 64 bits; GIMP's own largest side is 524288.
        let sane = (1..=1 << 20).contains(&self.width) && (1..=1 << 20).contains(&self.height);
        if right && sane { Ok(()) } else { Err(EncodeError::Layout(*self)) }
    }
}

/// How to encode.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub format: Format,
    /// 1 to 100; for WebP 100 is lossless. PNG has none.
    pub quality: u8,
    /// Give up once the encoded picture is larger than this many bytes.
    pub max_bytes: Option<u64>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("rows of this shape are not supported: {0:?}")]
    Layout(Layout),
    #[error("{format} holds at most {limit}, the picture is {width} x {height}")]
    TooLarge { format: &'static str, limit: &'static str, width: u32, height: u32 },
    /// `expected` is a guess at the whole size from the part that was encoded.
    #[error("the encoded picture is larger than allowed, about {expected} bytes")]
    OverMaxBytes { expected: u64 },
    #[error("the rows ended early: {0}")]
    Rows(io::Error),
    #[error("the encoder failed: {0}")]
    Encoder(String),
}

/// Encodes `layout.height` rows from `rows`; reads nothing beyond them.
pub fn encode(layout: Layout, options: Options, rows: impl Read + Send) -> Result<Picture, EncodeError> {
    layout.check()?;
    let mut sink = Sink { text: Base64Text::default(), max_bytes: options.max_bytes.unwrap_or(u64::MAX), over: false };
    let mut rows = Counted { rows, bytes: 0, error: None };
    let answer = match options.format {
        Format::Png => png::encode(layout, &mut rows, &mut sink),
        Format::Jpeg => jpeg::encode(layout, options.quality, &mut rows, &mut sink),
        Format::Webp => webp::encode(layout, options.quality, &mut rows, &mut sink),
    };
    if let Some(error) = rows.error {
        return Err(EncodeError::Rows(error));
    }
    if sink.over {
        let read = rows.bytes.max(1) as f64 / layout.total_bytes() as f64;
        return Err(EncodeError::OverMaxBytes { expected: (sink.text.bytes() as f64 / read) as u64 });
    }
    answer?;
    Ok(Picture {
        bytes: sink.text.bytes(),
        base64: sink.text.finish(),
        format: options.format,
        width: layout.width,
        height: layout.height,
    })
}

/// Remembers how far the rows were read and why they ended, whatever an encoder makes of the error.
struct Counted<R> {
    rows: R,
    bytes: u64,
    error: Option<io::Error>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.rows.read(buffer) {
            Ok(0) if !buffer.is_empty() => {
                let error = || io::Error::new(io::ErrorKind::UnexpectedEof, format!("after {} bytes", self.bytes));
                self.error = Some(error());
                Err(error())
            }
            Ok(count) => {
                self.bytes += count as u64;
                Ok(count)
            }
            Err(error) => {
                let kind = error.kind();
                self.error = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// Takes encoded bytes as text until there are too many.
struct Sink {
    text: Base64Text,
    max_bytes: u64,
    over: bool,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.push(bytes);
        if self.text.bytes() > self.max_bytes {
            self.over = true;
            return Err(io::Error::other("over max_bytes"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
