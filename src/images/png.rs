//! PNG, as rows come.

use super::encode::{EncodeError, Layout};
use std::io::{Read, Write};

pub fn encode(layout: Layout, rows: &mut impl Read, sink: &mut impl Write) -> Result<(), EncodeError> {
    let failed = |error: png::EncodingError| EncodeError::Encoder(error.to_string());
    let mut encoder = png::Encoder::new(sink, layout.width, layout.height);
    encoder.set_color(match layout.channels {
        1 => png::ColorType::Grayscale,
        2 => png::ColorType::GrayscaleAlpha,
        3 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    });
    encoder.set_depth(if layout.depth == 16 { png::BitDepth::Sixteen } else { png::BitDepth::Eight });
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Up);
    let mut writer = encoder.write_header().map_err(failed)?;
    let mut stream = writer.stream_writer().map_err(failed)?;
    let mut row = vec![0; layout.row_bytes()];
    for _ in 0..layout.height {
        rows.read_exact(&mut row).map_err(EncodeError::Rows)?;
        if layout.depth == 16 && cfg!(target_endian = "little") {
            row.as_chunks_mut::<2>().0.iter_mut().for_each(|sample| sample.reverse());
        }
        stream.write_all(&row).map_err(|error| EncodeError::Encoder(error.to_string()))?;
    }
    stream.finish().map_err(failed)
}
