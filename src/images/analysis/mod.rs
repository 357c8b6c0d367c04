//! What a picture is like, in numbers: for people, for the assistant, and for filters that set themselves.
//!
//! Owns every formula; `docs/analysis.md` writes them down, and `tests/analysis/` holds the figures that numpy gets
//! from the same formulas. Sums are whole numbers, so that neither the number of threads nor the order of pixels
//! changes a digit. Knows no GIMP: a region is the caller's crop, a selection its mask.

mod colour;
mod judge;
mod report;
mod spatial;
mod tally;

pub use report::{
    Analysis, Clipping, ColorAnalysis, ColorCast, Details, Dimensions, Ends, Exposure, Histogram, Noise, Percentiles,
    Rgb, Saturation, Sharpness, Swatch, Transparency,
};

use crate::error::{Error, Kind, Result};

/// Interleaved sRGB samples, not premultiplied.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub channels: u8,
    /// `width` x `height` x `channels` samples, rows from the top without padding.
    pub samples: Samples<'a>,
    /// The selection, one byte a pixel: 0 is outside, 255 inside.
    pub mask: Option<&'a [u8]>,
}

/// Samples of 16 bits count as `round(v / 257)`: all figures are on the 8-bit scale.
#[derive(Clone, Copy, Debug)]
pub enum Samples<'a> {
    Eight(&'a [u8]),
    Sixteen(&'a [u16]),
}

/// How much to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    Basic,
    Detailed,
}

impl Detail {
    /// The detail with this name in the API, `basic` or `detailed`.
    pub fn from_name(name: &str) -> Option<Detail> {
        match name {
            "basic" => Some(Detail::Basic),
            "detailed" => Some(Detail::Detailed),
            _ => None,
        }
    }
}

/// Analyses the counted pixels of a picture.
///
/// A pixel counts by its weight, opacity times selection: what cannot be seen or is not selected has no part in any
/// colour figure. A picture whose selected pixels are all transparent has no colour figures (they are null); a
/// selection without any pixel is an error, as are samples that do not fit the size.
pub fn analyse(pixels: &Pixels, detail: Detail) -> Result<Analysis> {
    check(pixels)?;
    let tally = tally::count(pixels, detail == Detail::Detailed);
    if tally.selected == 0 {
        return Err(Error::new(Kind::InvalidArgument, "the selection holds no pixel of the region to analyse")
            .hint("leave the selection out, or select something inside the region"));
    }
    Ok(report::from_tally(pixels, &tally, detail))
}

fn check(pixels: &Pixels) -> Result<()> {
    let Pixels { width, height, channels, .. } = *pixels;
    let bad = |message: String, hint: &str| Err(Error::new(Kind::InvalidArgument, message).hint(hint));
    if !(1..=4).contains(&channels) {
        return bad(format!("`channels` is {channels}"), "1 grey, 2 grey and alpha, 3 RGB, 4 RGBA");
    }
    // GIMP's own largest side is 524288; the bound keeps every sum below in 64 bits.
    if !(1..=1 << 20).contains(&width) || !(1..=1 << 20).contains(&height) {
        return bad(format!("the region is {width} x {height} pixels"), "each side is 1 to 1048576 pixels");
    }
    let area = width as usize * height as usize;
    let samples = match pixels.samples {
        Samples::Eight(samples) => samples.len(),
        Samples::Sixteen(samples) => samples.len(),
    };
    let expected = area * usize::from(channels);
    if samples != expected {
        return bad(
            format!("{samples} samples for {width} x {height} pixels of {channels} channels, which need {expected}"),
            "send whole rows without padding",
        );
    }
    match pixels.mask {
        Some(mask) if mask.len() != area => {
            bad(format!("the mask holds {} pixels, the region {area}", mask.len()), "crop the mask like the region")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
