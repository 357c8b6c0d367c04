//! Pixels to files and back, with limits. Knows formats, not GIMP.

use bytes::Bytes;

/// What a client can ask a picture to be encoded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
    Webp,
}

impl Format {
    pub fn mime_type(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::Webp => "image/webp",
        }
    }
}

/// An encoded picture on its way to a client.
#[derive(Clone, Debug)]
pub struct Picture {
    pub bytes: Bytes,
    pub format: Format,
    /// Pixels.
    pub width: u32,
    pub height: u32,
}
