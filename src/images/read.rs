//! Picture files to pixels, at their own depth: upright, alpha straight, CMYK by its profile, and of a damaged file what
//! is there. What was lost or is not taken is said.

use super::cmyk::{self, Inks};
use super::frames::Film;
use super::mended::{self, Loss};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use tiff::ColorType;

/// A file's picture.
pub struct Read {
    pub image: DynamicImage,
    /// Of the pixels as they are here.
    pub icc: Option<Vec<u8>>,
    /// Of a damaged file.
    pub loss: Option<Loss>,
    /// What else the user should know.
    pub notes: Vec<String>,
}

/// The formats that are read, by content.
pub fn format(bytes: &[u8]) -> Option<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    image::guess_format(bytes).ok().filter(|format| [Png, Jpeg, WebP, Gif, Bmp, Tiff].contains(format))
}

/// Reads a file of at most `largest` bytes of pixels; of several pictures the first, which is noted.
///
/// # Errors
/// For what is no such picture, too large, or so damaged that nothing can be read.
pub fn read(bytes: &[u8], largest: u64) -> Result<Read, ImageError> {
    let mut read = first(bytes, largest)?;
    if let Some(film) = Film::of(bytes) {
        read.notes.push(format!("the file holds {} {}; only the first was taken", film.count, film.called()));
    }
    Ok(read)
}

/// [`read`] without a look at what comes after the first picture.
pub fn first(bytes: &[u8], largest: u64) -> Result<Read, ImageError> {
    let format = format(bytes).map_or_else(|| image::guess_format(bytes), Ok)?;
    let read = match format {
        ImageFormat::Jpeg => jpeg(bytes, largest)?,
        ImageFormat::Png => match plain(bytes, format, largest) {
            Ok(read) => read,
            Err(error) => {
                let (whole, loss) = mended::png::mend(bytes, largest).ok_or(error)?;
                Read { loss: Some(loss), ..plain(&whole, format, largest)? }
            }
        },
        ImageFormat::Tiff => tiff(bytes, largest)?,
        _ => plain(bytes, format, largest)?,
    };
    Ok(read)
}

/// What a decoder says beside the pixels, read before limits are set: they would count against it.
struct About {
    icc: Option<Vec<u8>>,
    orientation: image::metadata::Orientation,
}

fn about(decoder: &mut impl ImageDecoder, largest: u64) -> Result<About, ImageError> {
    if decoder.total_bytes() > largest {
        let limit = image::error::LimitError::from_kind(image::error::LimitErrorKind::InsufficientMemory);
        return Err(ImageError::Limits(limit));
    }
    let icc = decoder.icc_profile().ok().flatten();
    Ok(About { icc, orientation: super::orientation::of(decoder) })
}

fn plain(bytes: &[u8], format: ImageFormat, largest: u64) -> Result<Read, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.no_limits();
    let mut decoder = reader.into_decoder()?;
    let About { icc, orientation } = about(&mut decoder, largest)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(largest.saturating_mul(2));
    decoder.set_limits(limits)?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(Read { image, icc, loss: None, notes: Vec::new() })
}

fn jpeg(bytes: &[u8], largest: u64) -> Result<Read, ImageError> {
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg).into_decoder()?;
    let About { icc, orientation } = about(&mut decoder, largest)?;
    drop(decoder);
    let (whole, loss, holes) = match mended::jpeg::mend(bytes) {
        Some(mended) => (mended.bytes, mended.loss, mended.holes),
        None => (None, strict_fault(bytes).then_some(Loss::Unknown), Vec::new()),
    };
    let whole = whole.as_deref().unwrap_or(bytes);
    let mut notes = Vec::new();
    let by_profile = match (&icc, cmyk::of_jpeg(whole)) {
        (Some(icc), Some((width, height, inks))) => cmyk::to_srgb(width, height, &inks, icc),
        _ => None,
    };
    let mut read = match by_profile {
        Some(image) => {
            notes.push("CMYK was converted to sRGB by its own profile".to_owned());
            Read { image, icc: None, loss: None, notes }
        }
        None => {
            let decoder = ImageReader::with_format(Cursor::new(whole), ImageFormat::Jpeg).into_decoder()?;
            Read { image: DynamicImage::from_decoder(decoder)?, icc, loss: None, notes }
        }
    };
    holes.into_iter().for_each(|hole| grey(&mut read.image, hole));
    read.image.apply_orientation(orientation);
    Ok(Read { loss, ..read })
}

/// Whether a JPEG that is not walked ends too early, or a strict decoder refuses its data.
fn strict_fault(bytes: &[u8]) -> bool {
    use zune_jpeg::zune_core::{bytestream::ZCursor, options::DecoderOptions};
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    !mended::jpeg::has_end(bytes) || decoder.decode().is_err()
}

/// Middle grey where there is no data, as GIMP shows it.
fn grey(image: &mut DynamicImage, [left, top, right, bottom]: [u32; 4]) {
    let [right, bottom] = [right.min(image.width()), bottom.min(image.height())];
    for y in top..bottom {
        for x in left..right {
            match image {
                DynamicImage::ImageLuma8(image) => image.put_pixel(x, y, image::Luma([128])),
                DynamicImage::ImageRgb8(image) => image.put_pixel(x, y, image::Rgb([128; 3])),
                _ => {}
            }
        }
    }
}

fn tiff(bytes: &[u8], largest: u64) -> Result<Read, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Tiff);
    reader.no_limits();
    let mut decoder = reader.into_decoder()?;
    let four =
        matches!(decoder.original_color_type(), image::ExtendedColorType::Cmyk8 | image::ExtendedColorType::Cmyk16);
    let About { orientation, .. } = about(&mut decoder, largest)?;
    drop(decoder);
    let icc = mended::tiff::profile(bytes);
    let mut read = match plain(bytes, ImageFormat::Tiff, largest) {
        Ok(read) if !four => Read { icc, ..read },
        other => match (mended::tiff::read(bytes, largest), other) {
            (Ok(raw), other) => match (from_raw(raw, icc.as_deref()), other) {
                (Some(mut read), _) => {
                    read.image.apply_orientation(orientation);
                    Read { icc: if four { None } else { icc }, ..read }
                }
                (None, other) => other?,
            },
            (Err(_), other) => other?,
        },
    };
    if mended::tiff::is_premultiplied(bytes) {
        straighten(&mut read.image);
    }
    Ok(read)
}

fn from_raw(raw: mended::tiff::Raw, icc: Option<&[u8]>) -> Option<Read> {
    let (w, h) = (raw.width, raw.height);
    let wide = || raw.samples.chunks_exact(2).map(|two| u16::from_ne_bytes([two[0], two[1]])).collect::<Vec<_>>();
    let float = || raw.samples.as_chunks::<4>().0.iter().map(|four| f32::from_ne_bytes(*four)).collect::<Vec<_>>();
    let mut notes = Vec::new();
    let image = match raw.colour {
        ColorType::Gray(8) => DynamicImage::ImageLuma8(image::GrayImage::from_raw(w, h, raw.samples)?),
        ColorType::Gray(_) => DynamicImage::ImageLuma16(image::ImageBuffer::from_raw(w, h, wide())?),
        ColorType::RGB(8) => DynamicImage::ImageRgb8(image::RgbImage::from_raw(w, h, raw.samples)?),
        ColorType::RGB(16) => DynamicImage::ImageRgb16(image::ImageBuffer::from_raw(w, h, wide())?),
        ColorType::RGB(_) => DynamicImage::ImageRgb32F(image::ImageBuffer::from_raw(w, h, float())?),
        ColorType::RGBA(8) => DynamicImage::ImageRgba8(image::RgbaImage::from_raw(w, h, raw.samples)?),
        ColorType::RGBA(16) => DynamicImage::ImageRgba16(image::ImageBuffer::from_raw(w, h, wide())?),
        ColorType::RGBA(_) => DynamicImage::ImageRgba32F(image::ImageBuffer::from_raw(w, h, float())?),
        ColorType::CMYK(bits) => {
            notes.push("CMYK was converted to sRGB by its own profile".to_owned());
            let inks = if bits == 8 { Inks::U8(raw.samples) } else { Inks::U16(wide()) };
            cmyk::to_srgb(w, h, &inks, icc?)?
        }
        _ => return None,
    };
    Some(Read { image, icc: None, loss: raw.loss, notes })
}

/// Colours that were multiplied by alpha, as they were before.
fn straighten(image: &mut DynamicImage) {
    let share =
        |value: u64, alpha: u64, most: u64| (value * most + alpha / 2).checked_div(alpha).unwrap_or(0).min(most);
    match image {
        DynamicImage::ImageRgba8(image) => image.pixels_mut().for_each(|pixel| {
            let alpha = u64::from(pixel[3]);
            (0..3).for_each(|c| pixel[c] = share(pixel[c].into(), alpha, 255) as u8);
        }),
        DynamicImage::ImageRgba16(image) => image.pixels_mut().for_each(|pixel| {
            let alpha = u64::from(pixel[3]);
            (0..3).for_each(|c| pixel[c] = share(pixel[c].into(), alpha, 65535) as u16);
        }),
        DynamicImage::ImageRgba32F(image) => image.pixels_mut().for_each(|pixel| {
            let alpha = pixel[3];
            (0..3).for_each(|c| pixel[c] = if alpha > 0.0 { pixel[c] / alpha } else { 0.0 });
        }),
        _ => {}
    }
}
