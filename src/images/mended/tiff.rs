//! TIFF, strip by strip and tile by tile: what a damaged file still holds, and CMYK as it is, before any conversion.

use super::Loss;
use std::borrow::Cow;
use std::io::Cursor;
use tiff::decoder::{ChunkType, Decoder, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

/// Samples as the file has them, in the machine's byte order, rows from the top.
pub struct Raw {
    pub width: u32,
    pub height: u32,
    pub colour: ColorType,
    /// Floats, where samples have 32 bits.
    pub samples: Vec<u8>,
    pub loss: Option<Loss>,
}

fn open(bytes: &[u8], largest: u64) -> Result<Decoder<Cursor<&[u8]>>, TiffError> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = usize::try_from(largest).unwrap_or(usize::MAX);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    Ok(Decoder::new(Cursor::new(bytes))?.with_limits(limits))
}

/// Whether the alpha of the first page is multiplied into its colours.
pub fn is_premultiplied(bytes: &[u8]) -> bool {
    let extra =
        Decoder::new(Cursor::new(bytes)).and_then(|mut file| file.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples));
    matches!(extra, Ok(Some(extra)) if extra.first() == Some(&1))
}

/// The colour profile of the first page, however long: `image` measures it against the size of the pixels.
pub fn profile(bytes: &[u8]) -> Option<Vec<u8>> {
    open(bytes, 1 << 30).and_then(|mut file| file.get_tag_u8_vec(Tag::IccProfile)).ok()
}

/// Where the directory of each page is, reduced versions of others left out.
pub fn directories(bytes: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    let Ok(mut file) = Decoder::new(Cursor::new(bytes)) else { return found };
    while found.len() < 10_000 {
        let kind = file.find_tag_unsigned::<u32>(Tag::NewSubfileType).ok().flatten().unwrap_or(0);
        if kind & 1 == 0 || found.is_empty() {
            found.extend(file.ifd_pointer().map(|at| at.0));
        }
        if !file.more_images() || file.next_image().is_err() {
            break;
        }
    }
    found
}

/// The file with that directory as its first.
pub fn from_directory(bytes: &[u8], at: u64) -> Vec<u8> {
    let mut file = bytes.to_vec();
    let big = file.get(2..4).is_some_and(|version| version.contains(&43));
    let little = file.starts_with(b"II");
    let wide = if little { at.to_le_bytes() } else { at.to_be_bytes() };
    let narrow = if little { (at as u32).to_le_bytes() } else { (at as u32).to_be_bytes() };
    let (place, value): (_, &[u8]) = if big { (8, &wide) } else { (4, &narrow) };
    if let Some(part) = file.get_mut(place..place + value.len()) {
        part.copy_from_slice(value);
    }
    file
}

/// Reads the first page; chunks that cannot be read are 0.
///
/// # Errors
/// Where the directory itself is damaged, or the layout is not a common one.
pub fn read(bytes: &[u8], largest: u64) -> Result<Raw, TiffError> {
    let mut file = open(bytes, largest)?;
    let (width, height) = file.dimensions()?;
    let colour = file.colortype()?;
    let (channels, bits) = match colour {
        ColorType::Gray(bits @ (8 | 16)) => (1, bits),
        ColorType::RGB(bits @ (8 | 16 | 32)) => (3, bits),
        ColorType::RGBA(bits @ (8 | 16 | 32)) | ColorType::CMYK(bits @ (8 | 16)) => (4, bits),
        _ => return Err(TiffError::UnsupportedError(tiff::TiffUnsupportedError::UnsupportedColorType(colour))),
    };
    let layout = file.image_buffer_layout()?;
    let pixel = channels * usize::from(bits / 8);
    let stride = width as usize * pixel;
    let total = stride as u64 * u64::from(height);
    if total > largest || layout.complete_len as u64 != total {
        return Err(TiffError::LimitsExceeded);
    }
    let strips = file.get_chunk_type() == ChunkType::Strip;
    let (offsets, sizes) =
        if strips { (Tag::StripOffsets, Tag::StripByteCounts) } else { (Tag::TileOffsets, Tag::TileByteCounts) };
    let offsets = file.find_tag_unsigned_vec::<u64>(offsets)?.unwrap_or_default();
    let sizes = file.find_tag_unsigned_vec::<u64>(sizes)?.unwrap_or_default();
    let plain = file.find_tag_unsigned::<u16>(Tag::Compression)?.unwrap_or(1) == 1;
    let differences = file.find_tag_unsigned::<u16>(Tag::Predictor)?.unwrap_or(1) == 2;
    let swapped = file.byte_order() != tiff::tags::ByteOrder::native();

    // Without compression the rows of half a strip are good: zeros take the place of the rest.
    let end = offsets.iter().zip(&sizes).map(|(at, size)| at.saturating_add(*size)).max().unwrap_or(0);
    let mut whole = Cow::Borrowed(bytes);
    if plain && end > bytes.len() as u64 && end - bytes.len() as u64 <= total + (1 << 20) {
        whole.to_mut().resize(end as usize, 0);
    }
    let mut file = open(&whole, largest)?;
    let (chunk_width, chunk_height) = file.chunk_dimensions();
    let across = width.div_ceil(chunk_width);
    let mut samples = vec![0; total as usize];
    // Of each chunk that is not whole: the first row that is missing.
    let mut missing = Vec::<(u32, u64)>::new();
    for index in 0..across * height.div_ceil(chunk_height) {
        let (left, top) = (index % across * chunk_width, index / across * chunk_height);
        let (w, h) = ((width - left).min(chunk_width), (height - top).min(chunk_height));
        let row = w as usize * pixel;
        let mut chunk = vec![0; row * h as usize];
        let read = file.read_chunk_bytes(index, &mut chunk);
        let there = match (offsets.get(index as usize), sizes.get(index as usize)) {
            (Some(at), Some(size)) if at.saturating_add(*size) > bytes.len() as u64 => {
                (bytes.len() as u64).saturating_sub(*at) as usize
            }
            (Some(_), Some(_)) => usize::MAX,
            _ => 0,
        };
        let mut rows = if plain { (there / (chunk_width as usize * pixel)).min(h as usize) } else { h as usize };
        if read.is_err() {
            let filled = chunk.iter().rposition(|&value| value != 0).map_or(0, |last| last / row);
            rows = rows.min(filled);
            chunk[rows * row..].fill(0);
            // The decoder stopped before it had undone these.
            chunk.chunks_mut(row).take(rows).for_each(|row| undo(row, channels, bits, differences, swapped));
        }
        if rows < h as usize {
            missing.push((top + rows as u32, (h as u64 - rows as u64) * u64::from(w)));
        }
        for (y, part) in chunk.chunks_exact(row).enumerate() {
            let at = (top as usize + y) * stride + left as usize * pixel;
            samples[at..at + row].copy_from_slice(part);
        }
    }
    let lost: u64 = missing.iter().map(|(_, pixels)| pixels).sum();
    let loss = missing.iter().map(|(row, _)| *row).min().map(|first| {
        if lost == u64::from(height - first) * u64::from(width) {
            Loss::Rows { missing: height - first, of: height }
        } else {
            Loss::Parts { percent: lost as f64 * 100.0 / (f64::from(width) * f64::from(height)) }
        }
    });
    Ok(Raw { width, height, colour, samples, loss })
}

/// Brings a row to the machine's byte order, and differences to values.
fn undo(row: &mut [u8], channels: usize, bits: u8, differences: bool, swapped: bool) {
    let size = usize::from(bits / 8);
    if swapped {
        row.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    if !differences {
        return;
    }
    for at in (channels * size..row.len()).step_by(size) {
        let before = at - channels * size;
        match size {
            1 => row[at] = row[at].wrapping_add(row[before]),
            2 => {
                let value = |i: usize| u16::from_ne_bytes([row[i], row[i + 1]]);
                let sum = value(at).wrapping_add(value(before));
                row[at..at + 2].copy_from_slice(&sum.to_ne_bytes());
            }
            _ => {}
        }
    }
}
