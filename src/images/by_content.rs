//! The format that suits a picture: what is flat or transparent stays exact, a photo is compressed as far as its budget
//! needs.
//!
//! Works on 8-bit rows that are held, since one picture is tried in several ways.

use super::encode::{EncodeError, Layout, Options, encode};
use super::{Format, Picture};

/// An opaque picture that takes more than this as PNG is a photo: a byte a pixel, and it is large enough to matter.
const FLAT_BYTES_PER_PIXEL: u64 = 1;
const SMALL: u64 = 48 << 10;

/// Where the qualities of a compressed picture lie. Below the least one, a smaller picture shows more than a worse one.
const BEST: u8 = 92;
const WORST: u8 = 70;

/// A picture, and at which quality where its format loses something.
#[derive(Debug)]
pub struct Suited {
    pub picture: Picture,
    pub quality: Option<u8>,
}

/// Encodes the rows within `max_bytes`; `quality` is the most that a compressed picture gets.
///
/// # Errors
/// [`EncodeError::OverMaxBytes`] when it does not fit: the picture has to be smaller.
pub fn suit(layout: Layout, pixels: &[u8], quality: Option<u8>, max_bytes: Option<u64>) -> Result<Suited, EncodeError> {
    let opaque;
    let (layout, pixels) = match without_alpha(layout, pixels) {
        Some(rows) => {
            opaque = rows;
            (Layout { channels: layout.channels - 1, ..layout }, opaque.as_slice())
        }
        None => (layout, pixels),
    };
    let limit = exact_limit(layout, max_bytes);
    match attempt(layout, pixels, Format::Png, 100, limit) {
        Err(EncodeError::OverMaxBytes { .. }) => {}
        answer => return answer.map(|picture| Suited { picture, quality: None }),
    }
    let format = if layout.has_alpha() { Format::Webp } else { Format::Jpeg };
    let best = quality.unwrap_or(BEST);
    let worst = best.min(WORST);
    let tried = |quality: u8| {
        let picture = attempt(layout, pixels, format, quality, max_bytes)?;
        Ok(Suited { picture, quality: Some(quality) })
    };
    match tried(best) {
        Err(EncodeError::OverMaxBytes { .. }) if worst < best => {}
        answer => return answer,
    }
    let fits = tried(worst)?;
    // One look in between: the eye tells 70 from 81, not 81 from 83.
    match tried(worst.midpoint(best)) {
        Err(EncodeError::OverMaxBytes { .. }) => Ok(fits),
        answer => answer,
    }
}

/// The format that [`suit`] would take for a larger picture of the same look.
pub fn format_of(layout: Layout, pixels: &[u8]) -> Result<Format, EncodeError> {
    suit(layout, pixels, None, None).map(|suited| suited.picture.format)
}

/// How many bytes an exact picture may have.
fn exact_limit(layout: Layout, max_bytes: Option<u64>) -> Option<u64> {
    if layout.has_alpha() {
        return max_bytes;
    }
    let flat = (layout.pixels() * FLAT_BYTES_PER_PIXEL).max(SMALL);
    Some(max_bytes.map_or(flat, |most| most.min(flat)))
}

fn attempt(
    layout: Layout,
    pixels: &[u8],
    format: Format,
    quality: u8,
    max_bytes: Option<u64>,
) -> Result<Picture, EncodeError> {
    encode(layout, Options { format, quality, max_bytes }, pixels)
}

/// The rows without their alpha where that is opaque everywhere.
fn without_alpha(layout: Layout, pixels: &[u8]) -> Option<Vec<u8>> {
    let channels = usize::from(layout.channels);
    let is_opaque = |pixel: &[u8]| pixel[channels - 1] == u8::MAX;
    if layout.depth != 8 || !layout.has_alpha() || !pixels.chunks_exact(channels).all(is_opaque) {
        return None;
    }
    let mut rows = Vec::with_capacity(pixels.len() / channels * (channels - 1));
    pixels.chunks_exact(channels).for_each(|pixel| rows.extend_from_slice(&pixel[..channels - 1]));
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 300 x 200: several bands and not square.
    fn rows(channels: u8, value: impl Fn(u32, u32, u8) -> u8) -> (Layout, Vec<u8>) {
        let layout = Layout { width: 300, height: 200, channels, depth: 8 };
        let pixels = (0..200u32).flat_map(|y| (0..300u32).map(move |x| (x, y)));
        let samples = pixels.flat_map(|(x, y)| (0..channels).map(move |channel| (x, y, channel)));
        (layout, samples.map(|(x, y, channel)| value(x, y, channel)).collect())
    }

    fn noise(x: u32, y: u32, channel: u8) -> u8 {
        let mut state = x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B) ^ (u32::from(channel) << 7);
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
        }
        state as u8
    }

    #[test]
    fn flat_and_transparent_pictures_are_png_and_photos_jpeg() {
        let flat = |x: u32, y: u32, channel: u8| if x / 40 % 2 == y / 30 % 2 { 200 } else { 40 + channel };
        for channels in [1, 3] {
            let (layout, pixels) = rows(channels, flat);
            let suited = suit(layout, &pixels, None, Some(450_000)).unwrap();
            assert_eq!((suited.picture.format, suited.quality), (Format::Png, None), "{channels} channels");
        }
        let (layout, pixels) = rows(3, noise);
        let suited = suit(layout, &pixels, None, None).unwrap();
        assert_eq!((suited.picture.format, suited.quality), (Format::Jpeg, Some(BEST)));
        let (layout, pixels) = rows(4, noise);
        assert_eq!(suit(layout, &pixels, None, None).unwrap().picture.format, Format::Png);
        // Alpha that is opaque everywhere says nothing.
        let (layout, pixels) = rows(4, |x, y, channel| if channel == 3 { 255 } else { noise(x, y, channel) });
        assert_eq!(suit(layout, &pixels, None, None).unwrap().picture.format, Format::Jpeg);
    }

    #[test]
    fn a_budget_is_kept_by_quality_and_then_refused() {
        for (channels, format) in [(3, Format::Jpeg), (4, Format::Webp)] {
            let (layout, pixels) = rows(channels, noise);
            let bytes = |quality| attempt(layout, &pixels, format, quality, None).unwrap().bytes;
            let (best, worst) = (bytes(BEST), bytes(WORST));
            for most in [best, (best + worst) / 2, worst] {
                let suited = suit(layout, &pixels, None, Some(most)).unwrap();
                assert!(suited.picture.bytes <= most && suited.picture.format == format, "{most}: {suited:?}");
            }
            let refused = suit(layout, &pixels, None, Some(worst / 2)).unwrap_err();
            let EncodeError::OverMaxBytes { expected } = refused else { panic!("{refused}") };
            assert!(expected > worst / 2, "{expected} of {worst}");
            let asked = suit(layout, &pixels, Some(40), Some(worst)).unwrap();
            assert_eq!(asked.quality, Some(40));
        }
    }
}
