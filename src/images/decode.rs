//! Files of the formats that the daemon reads itself to raw rows of 8-bit samples, with limits.

use crate::error::{Error, Kind, Result};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// Interleaved rows without padding.
pub struct Decoded {
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub channels: u8,
    pub samples: Vec<u8>,
}

/// Decodes a file of at most `largest` bytes of pixels, turned the way its EXIF says; `None` for other formats.
///
/// # Errors
/// `too_large` before anything is decoded; `invalid_argument` for a damaged file.
pub fn decode(bytes: &[u8], largest: u64) -> Result<Option<Decoded>> {
    let Ok(format) = image::guess_format(bytes) else { return Ok(None) };
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    if ![Png, Jpeg, WebP, Gif, Bmp, Tiff].contains(&format) {
        return Ok(None);
    }
    let damaged = |error: image::ImageError| {
        Error::new(Kind::InvalidArgument, format!("the image file cannot be read: {error}")).hint("send a whole file")
    };
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(damaged)?;
    let total = decoder.total_bytes();
    if total > largest {
        return Err(Error::new(
            Kind::TooLarge,
            format!("the picture has {total} bytes of pixels, the most is {largest}"),
        )
        .hint("scale it down, or open it in a session and look at a region"));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(largest.saturating_mul(2));
    decoder.set_limits(limits).map_err(damaged)?;
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width(), picture.height());
    let color = picture.color();
    let (channels, samples) = match (color.has_color(), color.has_alpha()) {
        (false, false) => (1, picture.into_luma8().into_raw()),
        (false, true) => (2, picture.into_luma_alpha8().into_raw()),
        (true, false) => (3, picture.into_rgb8().into_raw()),
        (true, true) => (4, picture.into_rgba8().into_raw()),
    };
    Ok(Some(Decoded { width, height, channels, samples }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, RgbaImage};

    fn png(picture: DynamicImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
        bytes
    }

    #[test]
    fn samples_are_as_they_were() {
        let grey = decode(&png(GrayImage::from_raw(2, 1, vec![7, 9]).unwrap().into()), 100).unwrap().unwrap();
        assert_eq!((grey.width, grey.height, grey.channels, grey.samples), (2, 1, 1, vec![7, 9]));
        let rgba = decode(&png(RgbaImage::from_raw(1, 1, vec![1, 2, 3, 4]).unwrap().into()), 100).unwrap().unwrap();
        assert_eq!((rgba.channels, rgba.samples), (4, vec![1, 2, 3, 4]));
    }

    #[test]
    fn limits_and_damage_are_said_and_other_formats_left_alone() {
        let file = png(GrayImage::new(10, 10).into());
        assert_eq!(decode(&file, 99).err().unwrap().kind, Kind::TooLarge);
        assert_eq!(decode(&file[..40], 100).err().unwrap().kind, Kind::InvalidArgument);
        assert!(decode(b"gimp xcf v011", 100).unwrap().is_none());
    }
}
