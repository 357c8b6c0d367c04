//! What a file is by its first bytes, whatever its name says.

use image::{ImageFormat, ImageReader};
use std::io::Cursor;

/// Format name, width and height of a picture that the daemon can read itself: png, jpeg, webp, gif, bmp, tiff.
pub fn sniff(bytes: &[u8]) -> Option<(&'static str, u32, u32)> {
    let format = image::guess_format(bytes).ok()?;
    let name = match format {
        ImageFormat::Png => "png",
        ImageFormat::Jpeg => "jpeg",
        ImageFormat::WebP => "webp",
        ImageFormat::Gif => "gif",
        ImageFormat::Bmp => "bmp",
        ImageFormat::Tiff => "tiff",
        _ => return None,
    };
    let (width, height) = ImageReader::with_format(Cursor::new(bytes), format).into_dimensions().ok()?;
    Some((name, width, height))
}

/// Offset, bytes there, file ending. GIMP chooses its loader by ending first, so a right one saves it guessing.
const MAGIC: [(usize, &[u8], &str); 21] = [
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpg"),
    (8, b"WEBP", "webp"),
    (0, b"GIF8", "gif"),
    (0, b"BM", "bmp"),
    (0, b"II*\0", "tif"),
    (0, b"MM\0*", "tif"),
    (0, b"gimp xcf", "xcf"),
    (0, b"8BPS", "psd"),
    (0, b"v/1\x01", "exr"),
    (0, b"#?RADIANCE", "hdr"),
    (0, b"%PDF", "pdf"),
    (0, b"%!PS", "ps"),
    (0, b"DDS ", "dds"),
    (0, b"\0\0\x01\0", "ico"),
    (0, b"\0\0\0\x0cJXL ", "jxl"),
    (0, b"\xff\x0a", "jxl"),
    (0, b"\0\0\0\x0cjP  ", "jp2"),
    (4, b"ftypavif", "avif"),
    (4, b"ftyphei", "heic"),
    (4, b"ftypmif1", "heic"),
];

/// The file ending for these bytes, without the dot.
pub fn suffix(bytes: &[u8]) -> Option<&'static str> {
    let magic =
        MAGIC.iter().find(|(offset, magic, _)| bytes.get(*offset..).is_some_and(|rest| rest.starts_with(magic)));
    magic.map(|(_, _, suffix)| *suffix).or_else(|| {
        // SVG is text, with any prologue before its root element.
        let head = &bytes[..bytes.len().min(1024)];
        head.windows(4).any(|window| window == b"<svg").then_some("svg")
    })
}

/// The file ending for a mime type of formats without a signature of their own.
pub fn suffix_of_mime_type(mime_type: &str) -> Option<&'static str> {
    Some(match mime_type {
        "image/svg+xml" => "svg",
        "image/x-tga" | "image/x-targa" => "tga",
        "image/x-portable-anymap" | "image/x-portable-pixmap" => "pnm",
        "image/x-pcx" => "pcx",
        "image/x-xpixmap" => "xpm",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_known_by_their_bytes() {
        for (bytes, ending) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some("png")),
            (b"RIFF....WEBPVP8 ", Some("webp")),
            (b"gimp xcf v011\0", Some("xcf")),
            (b"\0\0\0\x1cftypavif", Some("avif")),
            (b"<?xml version=\"1.0\"?><svg xmlns=", Some("svg")),
            (b"hello", None),
            (b"", None),
        ] {
            assert_eq!(suffix(bytes), ending);
        }
    }
}
