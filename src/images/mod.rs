//! Pixels to files and back, with limits. Knows formats, not GIMP.

pub mod analysis;
mod base64_text;
pub mod by_content;
mod cmyk;
pub mod decode;
pub mod encode;
pub mod frames;
mod jpeg;
pub mod mended;
pub mod metadata;
pub mod orientation;
pub mod png;
pub mod read;
pub mod sniff;
mod srgb;
pub mod thumbnail;
mod webp;

pub use base64_text::Base64Text;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a client can ask a picture to be encoded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
    Webp,
}

impl Format {
    /// The format of this name in the catalogue.
    pub fn from_name(name: &str) -> Option<Format> {
        [Format::Png, Format::Jpeg, Format::Webp].into_iter().find(|format| format.name() == name)
    }

    /// The name in the catalogue, such as `png`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpeg",
            Format::Webp => "webp",
        }
    }

    pub fn mime_type(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::Webp => "image/webp",
        }
    }
}

/// An encoded picture on its way to a client.
///
/// It is base64 from the start: MCP and JSON-RPC carry it so, and text that grows while the encoder runs spares a
/// second copy of a large picture.
#[derive(Clone, Debug)]
pub struct Picture {
    pub base64: String,
    /// Size of the encoded picture, before base64.
    pub bytes: u64,
    pub format: Format,
    /// Pixels.
    pub width: u32,
    pub height: u32,
}

impl Picture {
    /// The encoded bytes, for a file.
    pub fn decode(&self) -> Vec<u8> {
        // The text comes from `Base64Text`; a picture made otherwise is a programming error that shows as no bytes.
        STANDARD.decode(&self.base64).unwrap_or_default()
    }
}
