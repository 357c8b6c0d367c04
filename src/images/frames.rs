//! Files of several pictures: the frames of an animation, each as it is shown, and the pages of a TIFF.

use super::mended::{self, Loss};
use super::orientation;
use super::read::{self, Read};
use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::{LoopCount, Orientation};
use image::{AnimationDecoder, DynamicImage, Frames, ImageDecoder, ImageError, ImageFormat, ImageResult};
use std::io::Cursor;

/// More is no picture any more.
const MOST: usize = 10_000;

/// What a file of several pictures is.
#[derive(Clone, Debug)]
pub struct Film {
    pub count: usize,
    /// Pages, each with a size and depth of its own; else frames, one after the other.
    pub pages: bool,
    /// How often an animation is shown; `None`: for ever, 0: once, without a word in the file.
    pub plays: Option<u16>,
    /// Of a file that ends within a frame.
    pub loss: Option<Loss>,
    format: ImageFormat,
    /// Where a TIFF's directories are.
    directories: Vec<u64>,
}

/// How long a frame is shown, as numerator and denominator of milliseconds.
pub type Delay = (u32, u32);

impl Film {
    /// `None`: the file holds one picture, or none.
    pub fn of(bytes: &[u8]) -> Option<Film> {
        let format = read::format(bytes)?;
        let mut film = Film { count: 0, pages: false, plays: None, loss: None, format, directories: Vec::new() };
        if format == ImageFormat::Tiff {
            film.directories = mended::tiff::directories(bytes);
            (film.pages, film.count) = (true, film.directories.len());
        } else {
            let found = animation(bytes, format)?;
            film.plays = found.plays;
            for frame in found.frames.take(MOST) {
                match frame {
                    Ok(_) => film.count += 1,
                    Err(_) => {
                        film.loss = Some(Loss::Unknown);
                        break;
                    }
                }
            }
        }
        (film.count > 1).then_some(film)
    }

    /// `frames` or `pages`.
    pub fn called(&self) -> &'static str {
        if self.pages { "pages" } else { "frames" }
    }

    /// Each picture of the file, whole, upright and of at most `largest` bytes, and how long it is shown.
    pub fn pictures<'a>(
        &'a self,
        bytes: &'a [u8],
        largest: u64,
    ) -> Box<dyn Iterator<Item = ImageResult<(Read, Delay)>> + 'a> {
        if self.pages {
            return Box::new(self.directories.iter().map(move |at| {
                let page = mended::tiff::from_directory(bytes, *at);
                Ok((read::first(&page, largest)?, (0, 1)))
            }));
        }
        let Some(found) = animation(bytes, self.format) else { return Box::new(std::iter::empty()) };
        if found.total > largest {
            let limit = image::error::LimitError::from_kind(image::error::LimitErrorKind::InsufficientMemory);
            return Box::new(std::iter::once(Err(ImageError::Limits(limit))));
        }
        let (icc, orientation) = (found.icc, found.orientation);
        Box::new(found.frames.take(self.count).map(move |frame| {
            let frame = frame?;
            let delay = frame.delay().numer_denom_ms();
            let mut image = DynamicImage::ImageRgba8(frame.into_buffer());
            image.apply_orientation(orientation);
            Ok((Read { image, icc: icc.clone(), loss: None, notes: Vec::new() }, delay))
        }))
    }
}

struct Animation<'a> {
    frames: Frames<'a>,
    plays: Option<u16>,
    icc: Option<Vec<u8>>,
    orientation: Orientation,
    /// Bytes of one frame.
    total: u64,
}

fn animation(bytes: &[u8], format: ImageFormat) -> Option<Animation<'_>> {
    fn about(decoder: &mut impl ImageDecoder) -> (Option<Vec<u8>>, Orientation, u64) {
        let (width, height) = decoder.dimensions();
        (decoder.icc_profile().ok().flatten(), orientation::of(decoder), u64::from(width) * u64::from(height) * 4)
    }
    let plays = |count: LoopCount| match count {
        LoopCount::Infinite => None,
        LoopCount::Finite(count) => Some(count.get().min(u32::from(u16::MAX)) as u16),
    };
    Some(match format {
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(Cursor::new(bytes)).ok()?;
            let (icc, orientation, total) = about(&mut decoder);
            // A GIF that says nothing of it is shown once.
            let says =
                [&b"NETSCAPE2.0"[..], b"ANIMEXTS1.0"].iter().any(|name| memchr::memmem::find(bytes, name).is_some());
            let plays = if says { plays(decoder.loop_count()) } else { Some(0) };
            Animation { frames: decoder.into_frames(), plays, icc, orientation, total }
        }
        ImageFormat::WebP => {
            let mut decoder = WebPDecoder::new(Cursor::new(bytes)).ok().filter(WebPDecoder::has_animation)?;
            let (icc, orientation, total) = about(&mut decoder);
            let plays = plays(decoder.loop_count());
            Animation { frames: decoder.into_frames(), plays, icc, orientation, total }
        }
        ImageFormat::Png => {
            let mut decoder = PngDecoder::new(Cursor::new(bytes)).ok()?;
            if !decoder.is_apng().unwrap_or(false) {
                return None;
            }
            let (icc, orientation, total) = about(&mut decoder);
            let decoder = decoder.apng().ok()?;
            let plays = plays(decoder.loop_count());
            Animation { frames: decoder.into_frames(), plays, icc, orientation, total }
        }
        _ => return None,
    })
}
