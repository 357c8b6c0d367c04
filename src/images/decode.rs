//! Files of the formats that the daemon reads itself to raw rows of 8-bit sRGB samples, with limits. Reading them is
//! [`super::read`]'s, as for the command line.

use super::mended::Loss;
use super::read::{self, Read};
use super::srgb::{self, Converted};
use crate::error::{Error, Kind, Result};
use image::ImageError;

/// Interleaved rows without padding, upright, alpha straight.
pub struct Decoded {
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub channels: u8,
    pub samples: Vec<u8>,
    /// Of a damaged file, of which the rest is here.
    pub loss: Option<Loss>,
    /// What else the caller should know.
    pub notes: Vec<String>,
}

impl Decoded {
    /// The notes, the loss first.
    pub fn said(&self) -> Vec<String> {
        let loss = self.loss.as_ref().map(|loss| format!("the file is incomplete: {loss}"));
        loss.into_iter().chain(self.notes.iter().cloned()).collect()
    }
}

/// Decodes a file of at most `largest` bytes of pixels; `None` for other formats.
///
/// # Errors
/// `too_large` before anything is decoded; `invalid_argument` for a file of which nothing can be read.
pub fn decode(bytes: &[u8], largest: u64) -> Result<Option<Decoded>> {
    if read::format(bytes).is_none() {
        return Ok(None);
    }
    let Read { image, icc, loss, mut notes } = read::read(bytes, largest).map_err(|error| match error {
        ImageError::Limits(_) => Error::new(
            Kind::TooLarge,
            format!("the picture has more than {largest} bytes of pixels, the most there are"),
        )
        .hint("scale it down, or open it in a session and look at a region"),
        error => Error::new(Kind::InvalidArgument, format!("the image file cannot be read: {error}"))
            .hint("send a whole file"),
    })?;
    if image.color().bytes_per_pixel() > image.color().channel_count() {
        notes.push("its samples were taken as 8 bits each".into());
    }
    let (width, height) = (image.width(), image.height());
    let color = image.color();
    let (channels, mut samples) = match (color.has_color(), color.has_alpha()) {
        (false, false) => (1, image.into_luma8().into_raw()),
        (false, true) => (2, image.into_luma_alpha8().into_raw()),
        (true, false) => (3, image.into_rgb8().into_raw()),
        (true, true) => (4, image.into_rgba8().into_raw()),
    };
    match icc.map(|icc| srgb::convert(&mut samples, channels, &icc)) {
        None | Some(Converted::Same) => {}
        Some(Converted::From(name)) => notes.push(format!("its colours were converted from {name} to sRGB")),
        Some(Converted::Unusable) => notes.push("its colour profile cannot be used: it was taken as sRGB".into()),
    }
    Ok(Some(Decoded { width, height, channels, samples, loss, notes }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, GrayImage, ImageEncoder, ImageFormat, RgbImage, RgbaImage};
    use std::io::Cursor;

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

    /// A 1x2 WebP whose EXIF asks for a quarter turn, with and without the marker before it.
    #[test]
    fn a_webp_is_turned_whatever_stands_before_its_exif() {
        let exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        for before in [&b""[..], b"Exif\0\0"] {
            let mut bytes = Vec::new();
            let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut bytes);
            encoder.set_exif_metadata([before, exif].concat()).unwrap();
            let two = RgbaImage::from_raw(1, 2, vec![9, 9, 9, 255, 7, 7, 7, 255]).unwrap();
            two.write_with_encoder(encoder).unwrap();
            let seen = decode(&bytes, 100).unwrap().unwrap();
            assert_eq!((seen.width, seen.height, seen.samples[0]), (2, 1, 7), "{before:?}");
        }
    }

    #[test]
    fn limits_and_damage_are_said_and_other_formats_left_alone() {
        let file = png(GrayImage::new(10, 10).into());
        assert_eq!(decode(&file, 99).err().unwrap().kind, Kind::TooLarge);
        assert_eq!(decode(&file[..40], 100).err().unwrap().kind, Kind::InvalidArgument);
        assert_eq!(decode(b"\x89PNG\r\n\x1a\n", 100).err().unwrap().kind, Kind::InvalidArgument);
        assert!(decode(b"gimp xcf v011", 100).unwrap().is_none());
    }
    /// A picture of many colours, as a JPEG.
    fn photo() -> (RgbImage, Vec<u8>) {
        let picture = RgbImage::from_fn(300, 200, |x, y| image::Rgb([(x * 5 % 256) as u8, (y + 40) as u8, 90]));
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Jpeg).unwrap();
        (picture, bytes)
    }

    #[test]
    fn half_a_file_is_read_and_said() {
        let (picture, whole) = photo();
        let half = decode(&whole[..whole.len() / 2], 1 << 20).unwrap().unwrap();
        assert_eq!((half.width, half.height), (300, 200));
        assert!(half.said()[0].starts_with("the file is incomplete: the last"), "{:?}", half.said());
        let off = half.samples[..300 * 3 * 40]
            .iter()
            .zip(picture.as_raw())
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum::<u64>();
        assert!(off / (300 * 3 * 40) < 8, "the part that is there");
        assert!(decode(&whole, 1 << 20).unwrap().unwrap().said().is_empty());
    }

    #[test]
    fn colours_are_those_of_the_files_profile() {
        let wide = moxcms::ColorProfile::new_display_p3().encode().unwrap();
        for (icc, red) in [(wide, 255u8), (moxcms::ColorProfile::new_srgb().encode().unwrap(), 200)] {
            let mut bytes = Vec::new();
            let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
            encoder.set_icc_profile(icc).unwrap();
            let picture = RgbImage::from_pixel(300, 200, image::Rgb([200, 20, 20]));
            picture.write_with_encoder(encoder).unwrap();
            let seen = decode(&bytes, 1 << 20).unwrap().unwrap();
            assert!(
                seen.samples[0] >= red.min(215) && (red == 255 || seen.samples[..3] == [200, 20, 20]),
                "{:?}",
                &seen.samples[..3]
            );
            assert_eq!(seen.notes.len(), usize::from(red == 255), "{:?}", seen.notes);
        }
    }
}
