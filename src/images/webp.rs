//! WebP. Its encoder needs the whole picture, so the picture is bounded.

use super::encode::{EncodeError, Layout};
use image::ExtendedColorType;
use image::codecs::webp::WebPEncoder;
use std::io::{Read, Write};

/// The format's own limit on a side, in pixels.
const MAX_SIDE: u32 = 16383;

/// The most raw bytes that are held for one picture: 64 megapixels with alpha.
const MAX_RAW: u64 = 256 << 20;

/// libwebp's effort, 0 to 6: at 2 it takes half the default's time for a few percent more bytes.
const METHOD: i32 = 2;

pub fn encode(layout: Layout, quality: u8, rows: &mut impl Read, sink: &mut impl Write) -> Result<(), EncodeError> {
    let too_large = |limit| EncodeError::TooLarge { format: "webp", limit, width: layout.width, height: layout.height };
    if layout.width > MAX_SIDE || layout.height > MAX_SIDE {
        return Err(too_large("16383 pixels a side"));
    }
    let channels = if layout.has_alpha() { 4 } else { 3 };
    if u64::from(layout.width) * u64::from(layout.height) * channels > MAX_RAW {
        return Err(too_large("256 MiB of raw pixels here"));
    }
    let mut pixels = Vec::with_capacity(layout.width as usize * layout.height as usize * channels as usize);
    let mut row = vec![0; layout.row_bytes()];
    for _ in 0..layout.height {
        rows.read_exact(&mut row).map_err(EncodeError::Rows)?;
        push_row(layout, &row, &mut pixels);
    }
    let alpha = channels == 4;
    if quality >= 100 {
        // The image crate's lossless encoder takes a twentieth of libwebp's time for a few percent more bytes.
        let format = if alpha { ExtendedColorType::Rgba8 } else { ExtendedColorType::Rgb8 };
        return WebPEncoder::new_lossless(sink).encode(&pixels, layout.width, layout.height, format).map_err(failed);
    }
    let format = if alpha { webp::PixelLayout::Rgba } else { webp::PixelLayout::Rgb };
    let mut config =
        webp::WebPConfig::new().map_err(|()| EncodeError::Encoder("libwebp refuses its defaults".into()))?;
    config.quality = f32::from(quality);
    config.method = METHOD;
    let encoded = webp::Encoder::new(&pixels, format, layout.width, layout.height)
        .encode_advanced(&config)
        .map_err(|error| EncodeError::Encoder(format!("{error:?}")))?;
    drop(pixels);
    // In one go: a sink that finds it too large then knows how large it is.
    sink.write_all(&encoded).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Encoder(error.to_string())
}

/// One row as 8-bit RGB or RGBA, all that WebP has.
fn push_row(layout: Layout, row: &[u8], pixels: &mut Vec<u8>) {
    let step = usize::from(layout.depth / 8);
    // Of a 16-bit sample the high byte is the 8-bit value.
    let high = usize::from(layout.depth == 16 && cfg!(target_endian = "little"));
    let grey = layout.channels < 3;
    if step == 1 && !grey {
        pixels.extend_from_slice(row);
        return;
    }
    for pixel in row.chunks_exact(layout.pixel_bytes()) {
        let sample = |channel: usize| pixel[channel * step + high];
        let rgb = if grey { [sample(0); 3] } else { [sample(0), sample(1), sample(2)] };
        pixels.extend_from_slice(&rgb);
        if layout.has_alpha() {
            pixels.push(sample(usize::from(layout.channels) - 1));
        }
    }
}
