//! Pictures at rest: samples as their source had them, so that 100 megapixels of 8 bits take 300 MB and not 1.2 GB.

use super::raster::{Depth, Plane, Raster};
use super::runtime::setup::hex;
use sha2::{Digest, Sha256};

/// Samples, rows from the top, channels interleaved.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
}

/// A picture as a file or GIMP hands it over, sRGB-encoded, alpha not premultiplied.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub channels: usize,
    pub samples: Samples,
}

impl Samples {
    /// All samples 0.
    pub fn zeroed(depth: Depth, count: usize) -> Samples {
        match depth {
            Depth::U8 => Samples::U8(vec![0; count]),
            Depth::U16 => Samples::U16(vec![0; count]),
            Depth::F32 => Samples::F32(vec![0.0; count]),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Samples::U8(samples) => samples.len(),
            Samples::U16(samples) => samples.len(),
            Samples::F32(samples) => samples.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn reserve(&mut self, count: usize) {
        match self {
            Samples::U8(samples) => samples.reserve_exact(count),
            Samples::U16(samples) => samples.reserve_exact(count),
            Samples::F32(samples) => samples.reserve_exact(count),
        }
    }

    /// Adds samples of the same depth; others are a programming error and change nothing.
    pub(super) fn append(&mut self, more: &Samples) {
        match (self, more) {
            (Samples::U8(samples), Samples::U8(more)) => samples.extend_from_slice(more),
            (Samples::U16(samples), Samples::U16(more)) => samples.extend_from_slice(more),
            (Samples::F32(samples), Samples::F32(more)) => samples.extend_from_slice(more),
            _ => debug_assert!(false, "rows of another depth"),
        }
    }

    /// Copies `count` samples of the same depth from `from` in `source` to `to` here, bit by bit.
    pub(super) fn copy_from(&mut self, to: usize, source: &Samples, from: usize, count: usize) {
        match (self, source) {
            (Samples::U8(samples), Samples::U8(source)) => {
                samples[to..to + count].copy_from_slice(&source[from..from + count]);
            }
            (Samples::U16(samples), Samples::U16(source)) => {
                samples[to..to + count].copy_from_slice(&source[from..from + count]);
            }
            (Samples::F32(samples), Samples::F32(source)) => {
                samples[to..to + count].copy_from_slice(&source[from..from + count]);
            }
            _ => debug_assert!(false, "samples of another depth"),
        }
    }

    /// Samples from `at` on as `f32`, 0 to 1 (`f32` samples as they are).
    pub fn read(&self, at: usize, out: &mut [f32]) {
        match self {
            Samples::U8(samples) => {
                let part = &samples[at..at + out.len()];
                out.iter_mut().zip(part).for_each(|(out, &sample)| *out = f32::from(sample) / 255.0);
            }
            Samples::U16(samples) => {
                let part = &samples[at..at + out.len()];
                out.iter_mut().zip(part).for_each(|(out, &sample)| *out = f32::from(sample) / 65535.0);
            }
            Samples::F32(samples) => out.copy_from_slice(&samples[at..at + out.len()]),
        }
    }

    /// The reverse of [`Samples::read`]; integers are rounded and clamped.
    pub fn write(&mut self, at: usize, values: &[f32]) {
        match self {
            Samples::U8(samples) => {
                let part = &mut samples[at..at + values.len()];
                part.iter_mut().zip(values).for_each(|(out, value)| *out = (value * 255.0).round() as u8);
            }
            Samples::U16(samples) => {
                let part = &mut samples[at..at + values.len()];
                part.iter_mut().zip(values).for_each(|(out, value)| *out = (value * 65535.0).round() as u16);
            }
            Samples::F32(samples) => samples[at..at + values.len()].copy_from_slice(values),
        }
    }
}

impl Picture {
    /// All samples 0.
    pub fn new(width: usize, height: usize, channels: usize, depth: Depth) -> Picture {
        Picture { width, height, channels, samples: Samples::zeroed(depth, width * height * channels) }
    }

    pub fn depth(&self) -> Depth {
        match self.samples {
            Samples::U8(_) => Depth::U8,
            Samples::U16(_) => Depth::U16,
            Samples::F32(_) => Depth::F32,
        }
    }

    pub fn has_alpha(&self) -> bool {
        matches!(self.channels, 2 | 4)
    }

    /// The same for the same pixels, and for others another.
    pub fn fingerprint(&self) -> String {
        let mut sum = Sha256::new();
        sum.update(format!("{}x{}x{} {:?} ", self.width, self.height, self.channels, self.depth()));
        match &self.samples {
            Samples::U8(samples) => sum.update(samples),
            Samples::U16(samples) => samples.iter().for_each(|sample| sum.update(sample.to_ne_bytes())),
            Samples::F32(samples) => samples.iter().for_each(|sample| sum.update(sample.to_ne_bytes())),
        }
        hex(&sum.finalize())
    }

    /// The whole picture as `f32`.
    pub fn to_raster(&self) -> Raster {
        self.region(0, 0, self.width, self.height)
    }

    /// A rectangle, which must lie inside, as `f32`.
    pub fn region(&self, x: usize, y: usize, width: usize, height: usize) -> Raster {
        let mut part = Raster::new(width, height, self.channels, self.depth());
        for row in 0..height {
            let at = ((y + row) * self.width + x) * self.channels;
            self.samples.read(at, part.row_mut(row));
        }
        part
    }

    /// The picture of the raster's depth.
    pub fn from_raster(raster: &Raster) -> Picture {
        let mut picture = Picture::new(raster.width, raster.height, raster.channels, raster.depth);
        picture.samples.write(0, &raster.data);
        picture
    }

    /// Takes `source` where `through` is 0, bit by bit, this picture where it is 1, and mixes between. Pictures that
    /// differ in size, channels or depth are left alone: there is nothing to mix pixel by pixel.
    pub fn blend(&mut self, source: &Picture, through: &Plane) {
        let same = (self.width, self.height, self.channels) == (source.width, source.height, source.channels);
        if !same || self.depth() != source.depth() || through.data.len() != self.width * self.height {
            return;
        }
        let n = self.channels;
        let (mut old, mut new) = ([0.0f32; 4], [0.0f32; 4]);
        for (i, &share) in through.data.iter().enumerate() {
            if share <= 0.0 {
                self.samples.copy_from(i * n, &source.samples, i * n, n);
            } else if share < 1.0 {
                source.samples.read(i * n, &mut old[..n]);
                self.samples.read(i * n, &mut new[..n]);
                new.iter_mut().zip(old).for_each(|(new, old)| *new = old + (*new - old) * share);
                self.samples.write(i * n, &new[..n]);
            }
        }
    }
}
