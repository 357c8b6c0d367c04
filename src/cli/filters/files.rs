//! Picture files for the command line: PNG, JPEG, WebP, TIFF in and out, depth, alpha and colour profile kept.

use crate::error::{Error, Kind, Result};
use crate::filters::{Picture, Plane, Samples};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use std::path::Path;

/// Memory for one decoded picture: 100 megapixels of 16-bit RGBA are 800 MB.
const LARGEST_PICTURE: u64 = 4 << 30;

/// A file's picture and what goes with it.
pub struct Opened {
    pub picture: Picture,
    pub icc: Option<Vec<u8>>,
    /// Of a JPEG, 1 to 100.
    pub jpeg_quality: Option<u8>,
}

/// Reads a picture; it comes upright, whatever its camera noted.
///
/// # Errors
/// `not_found`, `invalid_argument` with what is wrong.
pub fn open(path: &Path) -> Result<Opened> {
    let shown = path.display();
    let missing = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(Kind::NotFound, format!("there is no file `{shown}`")),
        _ => Error::new(Kind::IoError, format!("`{shown}`: {error}")),
    };
    let unreadable = |error: image::ImageError| {
        Error::new(Kind::InvalidArgument, format!("`{shown}` cannot be read: {error}"))
            .hint("give a PNG, JPEG, WebP or TIFF picture")
    };
    let mut reader = ImageReader::open(path).map_err(missing)?.with_guessed_format().map_err(missing)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(LARGEST_PICTURE);
    reader.limits(limits);
    let is_jpeg = reader.format() == Some(image::ImageFormat::Jpeg);
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let icc = decoder.icc_profile().ok().flatten();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    decoded.apply_orientation(orientation);
    let jpeg_quality = if is_jpeg { jpeg_quality(&std::fs::read(path).map_err(missing)?) } else { None };
    Ok(Opened { picture: picture(decoded), icc, jpeg_quality })
}

fn picture(decoded: DynamicImage) -> Picture {
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    // The buffers are moved, not copied.
    let (channels, samples) = match decoded {
        DynamicImage::ImageLuma8(image) => (1, Samples::U8(image.into_raw())),
        DynamicImage::ImageLumaA8(image) => (2, Samples::U8(image.into_raw())),
        DynamicImage::ImageRgb8(image) => (3, Samples::U8(image.into_raw())),
        DynamicImage::ImageRgba8(image) => (4, Samples::U8(image.into_raw())),
        DynamicImage::ImageLuma16(image) => (1, Samples::U16(image.into_raw())),
        DynamicImage::ImageLumaA16(image) => (2, Samples::U16(image.into_raw())),
        DynamicImage::ImageRgb16(image) => (3, Samples::U16(image.into_raw())),
        DynamicImage::ImageRgba16(image) => (4, Samples::U16(image.into_raw())),
        DynamicImage::ImageRgb32F(image) => (3, Samples::F32(image.into_raw())),
        other => (4, Samples::F32(other.into_rgba32f().into_raw())),
    };
    Picture { width, height, channels, samples }
}

/// A mask file: its luma, or its alpha where that is what varies.
///
/// # Errors
/// As [`open`].
pub fn open_mask(path: &Path) -> Result<Plane> {
    let raster = open(path)?.picture.to_raster();
    let n = raster.channels;
    let luma = |pixel: &[f32]| if n < 3 { pixel[0] } else { 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2] };
    let flat = raster.data.chunks_exact(n).all(|pixel| luma(pixel) == luma(&raster.data[..n]));
    let alpha = raster.has_alpha() && flat;
    let value = |pixel: &[f32]| match (alpha, raster.has_alpha()) {
        (true, _) => pixel[n - 1],
        (false, true) => luma(pixel) * pixel[n - 1],
        (false, false) => luma(pixel),
    };
    let data = raster.data.chunks_exact(n).map(value).collect();
    Ok(Plane { width: raster.width, height: raster.height, data })
}

/// The quality that a JPEG was saved with, as the common encoder counts it, from its first quantisation table.
fn jpeg_quality(bytes: &[u8]) -> Option<u8> {
    /// The sum of the luminance table in annex K of the standard, which is quality 50.
    const STANDARD_SUM: f64 = 3688.0;
    let mut at = 2;
    while at + 4 <= bytes.len() && bytes[at] == 0xff {
        let (marker, length) = (bytes[at + 1], usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])));
        if marker == 0xdb {
            let (wide, table) = (bytes.get(at + 4)? >> 4 != 0, at + 5);
            let sum: f64 = (0..64)
                .map(|i| match wide {
                    false => bytes.get(table + i).map(|&value| f64::from(value)),
                    true => Some(f64::from(u16::from_be_bytes([
                        *bytes.get(table + 2 * i)?,
                        *bytes.get(table + 2 * i + 1)?,
                    ]))),
                })
                .sum::<Option<f64>>()?;
            let scale = sum / STANDARD_SUM * 100.0;
            let quality = if scale <= 100.0 { (200.0 - scale) / 2.0 } else { 5000.0 / scale };
            return Some(quality.round().clamp(1.0, 100.0) as u8);
        }
        if marker == 0xda {
            return None;
        }
        at += 2 + length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quality_of_a_jpeg_is_read_from_its_tables() {
        let pixels = vec![128u8; 16 * 16 * 3];
        for wanted in [20u8, 50, 75, 92] {
            let mut bytes = Vec::new();
            let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, wanted);
            encoder.encode(&pixels, 16, 16, image::ExtendedColorType::Rgb8).unwrap();
            assert!(jpeg_quality(&bytes).unwrap().abs_diff(wanted) <= 1, "{wanted}: {:?}", jpeg_quality(&bytes));
        }
        assert_eq!(jpeg_quality(b"\xff\xd8\xff\xdb\x00"), None);
    }
}
