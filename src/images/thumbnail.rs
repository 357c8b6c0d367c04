//! A small picture of a large one.

use super::by_content::suit;
use super::decode::decode;
use super::encode::{EncodeError, Layout, Options, encode};
use super::{Format, Picture};
use crate::error::{Error, Kind, Result};
use image::imageops::FilterType;
use image::{DynamicImage, ImageBuffer};

/// Bytes of pixels that are decoded for it.
const LARGEST: u64 = 256 << 20;

/// How small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Width(u32),
    /// The longest side.
    Side(u32),
}

/// What it is for: a program gets PNG, a model's eyes the format that suits, within so many bytes.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub bound: Bound,
    pub by_content: bool,
    pub max_bytes: Option<u64>,
}

/// Never larger than the picture itself, and smaller where `max_bytes` asks for it.
///
/// # Errors
/// For a file that cannot be read; `too_large` where nothing fits.
pub fn thumbnail(file: &[u8], wish: Wish) -> Result<Picture> {
    let decoded = decode(file, LARGEST)?
        .ok_or_else(|| Error::new(Kind::Unsupported, "the image has a format that no small picture is made of"))?;
    let (width, height) = (decoded.width, decoded.height);
    let whole = dynamic(decoded).ok_or_else(|| Error::internal("a decoded picture without its samples"))?;
    let mut size = match wish.bound {
        Bound::Width(most) => scaled((width, height), f64::from(most) / f64::from(width)),
        Bound::Side(most) => scaled((width, height), f64::from(most) / f64::from(width.max(height))),
    };
    loop {
        let small = if size == (width, height) {
            whole.clone()
        } else {
            whole.resize_exact(size.0, size.1, FilterType::Triangle)
        };
        let (channels, rows) = samples(small);
        let layout = Layout { width: size.0, height: size.1, channels, depth: 8 };
        let made = if wish.by_content {
            suit(layout, &rows, None, wish.max_bytes).map(|suited| suited.picture)
        } else {
            encode(layout, Options { format: Format::Png, quality: 100, max_bytes: wish.max_bytes }, rows.as_slice())
        };
        match made {
            Err(EncodeError::OverMaxBytes { .. }) if size != (1, 1) => size = scaled(size, 0.7),
            Err(error) => return Err(Error::new(Kind::TooLarge, format!("no small picture can be made: {error}"))),
            Ok(picture) => return Ok(picture),
        }
    }
}

fn scaled((width, height): (u32, u32), share: f64) -> (u32, u32) {
    let side = |side: u32| ((f64::from(side) * share.min(1.0)).round() as u32).max(1);
    (side(width), side(height))
}

fn dynamic(decoded: super::decode::Decoded) -> Option<DynamicImage> {
    let (width, height, samples) = (decoded.width, decoded.height, decoded.samples);
    Some(match decoded.channels {
        1 => DynamicImage::ImageLuma8(ImageBuffer::from_raw(width, height, samples)?),
        2 => DynamicImage::ImageLumaA8(ImageBuffer::from_raw(width, height, samples)?),
        3 => DynamicImage::ImageRgb8(ImageBuffer::from_raw(width, height, samples)?),
        _ => DynamicImage::ImageRgba8(ImageBuffer::from_raw(width, height, samples)?),
    })
}

fn samples(picture: DynamicImage) -> (u8, Vec<u8>) {
    let color = picture.color();
    match (color.has_color(), color.has_alpha()) {
        (false, false) => (1, picture.into_luma8().into_raw()),
        (false, true) => (2, picture.into_luma_alpha8().into_raw()),
        (true, false) => (3, picture.into_rgb8().into_raw()),
        (true, true) => (4, picture.into_rgba8().into_raw()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn it_keeps_the_shape_and_the_look_and_never_enlarges() {
        let picture =
            image::RgbImage::from_fn(300, 200, |x, _| image::Rgb(if x < 150 { [200, 10, 10] } else { [10, 10, 200] }));
        let mut file = Vec::new();
        picture.write_to(&mut Cursor::new(&mut file), image::ImageFormat::Png).unwrap();
        let made = |bound| thumbnail(&file, Wish { bound, by_content: false, max_bytes: None }).unwrap();
        let small = made(Bound::Width(60));
        assert_eq!((small.width, small.height, small.format), (60, 40, Format::Png));
        let seen = image::load_from_memory(&small.decode()).unwrap().into_rgb8();
        assert_eq!((seen.get_pixel(5, 20).0, seen.get_pixel(55, 20).0), ([200, 10, 10], [10, 10, 200]));
        assert_eq!((made(Bound::Side(150)).width, made(Bound::Width(5000)).width), (150, 300));
        let bounded =
            thumbnail(&file, Wish { bound: Bound::Side(300), by_content: true, max_bytes: Some(2000) }).unwrap();
        assert!(bounded.bytes <= 2000 && bounded.width > 10);
    }
}
