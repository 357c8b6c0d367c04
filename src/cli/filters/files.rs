//! Picture files for the command line, depth, alpha and colour profile kept.

use crate::error::{Error, Kind, Result};
use crate::filters::{Picture, Plane, Samples};
use crate::images::frames::{Delay, Film};
use crate::images::mended::Loss;
use crate::images::metadata::{self, Metadata};
use crate::images::read::{Read, first, read};
use image::DynamicImage;
use std::path::{Path, PathBuf};

/// Memory for one decoded picture: 100 megapixels of 16-bit RGBA are 800 MB.
const LARGEST_PICTURE: u64 = 4 << 30;

/// A file's picture and what goes with it.
pub struct Opened {
    pub picture: Picture,
    pub icc: Option<Vec<u8>>,
    /// Of a JPEG, 1 to 100.
    pub jpeg_quality: Option<u8>,
    /// Of a damaged file.
    pub loss: Option<Loss>,
    /// What else the user should know.
    pub notes: Vec<String>,
}

/// Reads a picture; it comes upright, whatever its camera noted.
///
/// # Errors
/// `not_found`, `invalid_argument` with what is wrong.
pub fn open(path: &Path) -> Result<Opened> {
    let file = File::open(path)?;
    file.opened(read(&file.bytes, LARGEST_PICTURE).map_err(|error| file.fault(&error))?)
}

/// A file of one picture or several.
pub struct File {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Of several pictures.
    pub film: Option<Film>,
}

impl File {
    /// # Errors
    /// `not_found`, `io_error`.
    pub fn open(path: &Path) -> Result<File> {
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::new(Kind::NotFound, format!("there is no file `{shown}`")),
            _ => Error::new(Kind::IoError, format!("`{shown}`: {error}")),
        })?;
        Ok(File { path: path.to_owned(), film: Film::of(&bytes), bytes })
    }

    /// The picture of this number, from 1.
    ///
    /// # Errors
    /// As [`open`], and for a number that there is not.
    pub fn picture(&self, number: usize) -> Result<Opened> {
        let count = self.film.as_ref().map_or(1, |film| film.count);
        if number == 0 || number > count {
            let message = format!("`--frame {number}`: `{}` holds {count}", self.path.display());
            return Err(Error::new(Kind::InvalidArgument, message).hint("frames and pages count from 1"));
        }
        let read = match &self.film {
            Some(film) => film.pictures(&self.bytes, LARGEST_PICTURE).nth(number - 1).transpose(),
            None => first(&self.bytes, LARGEST_PICTURE).map(|read| Some((read, (0, 1)))),
        };
        let (read, _) = read.map_err(|error| self.fault(&error))?.ok_or_else(|| self.fault(&"it ends too early"))?;
        self.opened(read)
    }

    /// All of them, with how long each is shown.
    pub fn pictures(&self) -> impl Iterator<Item = Result<(Opened, Delay)>> {
        let all = self.film.iter().flat_map(|film| film.pictures(&self.bytes, LARGEST_PICTURE));
        all.map(|read| {
            let (read, delay) = read.map_err(|error| self.fault(&error))?;
            Ok((self.opened(read)?, delay))
        })
    }

    fn fault(&self, error: &dyn std::fmt::Display) -> Error {
        Error::new(Kind::InvalidArgument, format!("`{}` cannot be read: {error}", self.path.display()))
            .hint("give a whole PNG, JPEG, WebP, TIFF, GIF or BMP picture")
    }

    fn opened(&self, read: Read) -> Result<Opened> {
        let Read { image, icc, loss, notes } = read;
        let jpeg_quality = if self.bytes.starts_with(b"\xff\xd8") { jpeg_quality(&self.bytes) } else { None };
        Ok(Opened { picture: picture(image), icc, jpeg_quality, loss, notes })
    }

    pub fn metadata(&self) -> Metadata {
        metadata::read(&self.bytes)
    }
}

/// Reads a picture that serves another one: damaged, it would spoil that one unseen.
///
/// # Errors
/// As [`open`], and for a damaged file.
pub fn open_whole(path: &Path) -> Result<Picture> {
    let Opened { picture, loss, .. } = open(path)?;
    match loss {
        None => Ok(picture),
        Some(loss) => Err(Error::new(Kind::InvalidArgument, format!("`{}` is incomplete: {loss}", path.display()))
            .hint("give a whole file")),
    }
}

/// Whether a folder's file is taken: by its content, or by an ending that says so and deserves an error.
pub fn is_picture(path: &Path) -> bool {
    let mut start = [0; 64];
    let known = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read(&mut file, &mut start))
        .is_ok_and(|count| crate::images::read::format(&start[..count]).is_some());
    known || super::stream::FileFormat::of(path).is_ok()
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
    let raster = open_whole(path)?.to_raster();
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
    let (_, tables) = metadata::jpeg_segments(bytes).find(|(marker, _)| *marker == 0xdb)?;
    let (wide, tables) = (tables.first()? >> 4 != 0, tables.get(1..)?);
    let value = |i: usize| match wide {
        false => tables.get(i).map(|&value| f64::from(value)),
        true => Some(f64::from(u16::from_be_bytes([*tables.get(2 * i)?, *tables.get(2 * i + 1)?]))),
    };
    let scale = (0..64).map(value).sum::<Option<f64>>()? / STANDARD_SUM * 100.0;
    let quality = if scale <= 100.0 { (200.0 - scale) / 2.0 } else { 5000.0 / scale };
    Some(quality.round().clamp(1.0, 100.0) as u8)
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
