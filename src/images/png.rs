//! PNG row by row, while the rows arrive: the `png` crate's stream, of which a window is held.

use super::encode::{EncodeError, Layout};
use png::{BitDepth, ColorType, DeflateCompression, Encoder, EncodingError, Filter, Info, Writer};
use std::io::{Read, Write};

/// Raw bytes that are read and compressed at a time, about; at least one row.
const BAND: usize = 1 << 18;

/// Raw bytes of the first rows that show which compression suits, about.
const SAMPLE: usize = 1 << 16;

/// Largest share of its size that coding may leave; else the picture is stored as it is. Coding and decoding 12 megapixels
/// of grain takes a local client twice as long as all the rest, for a tenth of the bytes.
const WORTH: f64 = 0.8;

/// Share of its size up to which a picture is thought to be flat: a search is quick there, and finds much.
const FLAT: f64 = 0.25;

/// The quickest compression is taken as long as it makes at most this many times what a searching one makes.
const QUICK_ENOUGH: f64 = 1.25;

/// Begins a PNG of such pixels, with quick compression and for each row the filter that suits it.
///
/// `info` has the size and what goes along; `channels` are 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA, `depth` 8 or 16.
pub fn begin<W: Write>(
    sink: W,
    mut info: Info<'_>,
    channels: usize,
    depth: u8,
) -> Result<Encoder<'_, W>, EncodingError> {
    info.color_type = match channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        _ => ColorType::Rgba,
    };
    info.bit_depth = if depth == 8 { BitDepth::Eight } else { BitDepth::Sixteen };
    let mut encoder = Encoder::with_info(sink, info)?;
    // Quick, and unlike the crate's quickest it never lets a stream of noise grow.
    encoder.set_deflate_compression(DeflateCompression::Level(1));
    encoder.set_filter(Filter::Adaptive);
    Ok(encoder)
}

/// Encodes `layout.height` rows.
pub fn encode(layout: Layout, rows: &mut impl Read, sink: &mut impl Write) -> Result<(), EncodeError> {
    let row = layout.row_bytes();
    let mut left = layout.height as usize;
    let mut band = vec![0; row * (BAND / row).clamp(1, left)];
    next(layout, rows, &mut band)?;
    let compression = choose(layout, &band[..row * (SAMPLE / row).clamp(1, band.len() / row)]).map_err(failed)?;
    let mut whole = start(layout, compression, layout.height, sink).map_err(failed)?;
    let mut stream = whole.stream_writer().map_err(failed)?;
    loop {
        stream.write_all(&band).map_err(failed)?;
        left -= band.len() / row;
        if left == 0 {
            return stream.finish().and_then(|()| whole.finish()).map_err(failed);
        }
        band.truncate(row * left);
        next(layout, rows, &mut band)?;
    }
}

fn failed(error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Encoder(error.to_string())
}

/// Fills the band with rows as PNG has them.
fn next(layout: Layout, rows: &mut impl Read, band: &mut [u8]) -> Result<(), EncodeError> {
    rows.read_exact(band).map_err(EncodeError::Rows)?;
    if layout.depth == 16 && cfg!(target_endian = "little") {
        // PNG's samples are big-endian.
        band.as_chunks_mut::<2>().0.iter_mut().for_each(|sample| sample.reverse());
    }
    Ok(())
}

/// The quickest compression looks for no repetition, and lets noise grow by a third: what the first rows become says
/// which one serves.
fn choose(layout: Layout, sample: &[u8]) -> Result<DeflateCompression, EncodingError> {
    let rows = (sample.len() / layout.row_bytes()) as u32;
    let size = |compression| {
        let mut out = Vec::new();
        let mut whole = start(layout, compression, rows, &mut out)?;
        // Not `write_image_data`: it stores what would grow, which a stream cannot.
        let mut stream = whole.stream_writer()?;
        stream.write_all(sample)?;
        stream.finish()?;
        whole.finish()?;
        Ok::<_, EncodingError>(out.len() as f64)
    };
    let (quick, searching) = (size(DeflateCompression::FdeflateUltraFast)?, size(DeflateCompression::Level(1))?);
    let raw = sample.len() as f64;
    Ok(if searching > raw * WORTH {
        DeflateCompression::NoCompression
    } else if searching <= raw * FLAT || quick > searching * QUICK_ENOUGH {
        DeflateCompression::Level(1)
    } else {
        DeflateCompression::FdeflateUltraFast
    })
}

fn start<W: Write>(
    layout: Layout,
    compression: DeflateCompression,
    height: u32,
    sink: W,
) -> Result<Writer<W>, EncodingError> {
    let info = Info::with_size(layout.width, height);
    let mut encoder = begin(sink, info, layout.channels.into(), layout.depth)?;
    encoder.set_deflate_compression(compression);
    if matches!(compression, DeflateCompression::NoCompression) {
        encoder.set_filter(Filter::NoFilter); // whose undoing costs the reader nothing
    }
    encoder.write_header()
}
