//! A rectangle of a picture as a model sees it: RGB from 0 to 1, beyond the edges padded.

use crate::filters::manifest::Pad;
use crate::filters::picture::Picture;
use crate::filters::pixels::morph::mirrored;
use crate::filters::pixels::transparent;
use crate::filters::raster::{Depth, Plane, Raster};

/// Left, top, width, height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

/// What tiles are read from.
pub enum View<'a> {
    /// A part of the picture at rest.
    Picture(&'a Picture, Rect),
    /// RGB that was resized or cut before.
    Raster(&'a Raster),
}

impl View<'_> {
    pub fn width(&self) -> usize {
        match self {
            View::Picture(_, rect) => rect.width,
            View::Raster(raster) => raster.width,
        }
    }

    pub fn height(&self) -> usize {
        match self {
            View::Picture(_, rect) => rect.height,
            View::Raster(raster) => raster.height,
        }
    }

    /// RGB of a rectangle that may reach beyond the right and lower edge.
    pub fn read(&self, rect: Rect, pad: Pad) -> Raster {
        let across = indices(rect.x, rect.width, self.width(), pad);
        let down = indices(rect.y, rect.height, self.height(), pad);
        let (channels, depth) = match self {
            View::Picture(picture, _) => (picture.channels, picture.depth()),
            View::Raster(_) => (3, Depth::F32),
        };
        // The span of columns that any pixel comes from; padding may reach back to the left.
        let first = across.iter().flatten().min().copied().unwrap_or(0);
        let last = across.iter().flatten().max().copied().unwrap_or(0);
        let mut line = vec![0.0; (last + 1 - first) * channels];
        let mut part = Raster::new(rect.width, rect.height, channels, depth);
        for (y, from) in down.iter().enumerate() {
            let Some(from) = from else { continue };
            match self {
                View::Picture(picture, area) => {
                    let at = ((area.y + from) * picture.width + area.x + first) * channels;
                    picture.samples.read(at, &mut line);
                }
                View::Raster(raster) => line.copy_from_slice(&raster.row(*from)[first * 3..(last + 1) * 3]),
            }
            for (out, from) in part.row_mut(y).chunks_exact_mut(channels).zip(&across) {
                if let Some(from) = from {
                    out.copy_from_slice(&line[(from - first) * channels..][..channels]);
                }
            }
        }
        rgb(part)
    }

    /// The mask of the same rectangle; beyond the edges it is 0.
    pub fn read_mask(mask: &Plane, rect: Rect) -> Plane {
        let mut part = Plane::filled(rect.width, rect.height, 0.0);
        let width = rect.width.min(mask.width.saturating_sub(rect.x));
        for y in 0..rect.height.min(mask.height.saturating_sub(rect.y)) {
            let from = (rect.y + y) * mask.width + rect.x;
            part.data[y * rect.width..][..width].copy_from_slice(&mask.data[from..from + width]);
        }
        part
    }
}

/// Three channels in 0 to 1: transparent pixels filled, grey repeated.
pub fn rgb(part: Raster) -> Raster {
    let mut part = if part.has_alpha() { transparent::filled(&part) } else { part };
    if part.depth == Depth::F32 {
        part.data.iter_mut().for_each(|value| *value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) });
    }
    if part.channels == 1 {
        let data = part.data.iter().flat_map(|&value| [value; 3]).collect();
        part = Raster { channels: 3, data, ..part };
    }
    part
}

/// For each position from `begin` on, the one inside of `length` that stands for it; `None`: black.
fn indices(begin: usize, count: usize, length: usize, pad: Pad) -> Vec<Option<usize>> {
    (begin..begin + count)
        .map(|at| match pad {
            _ if at < length => Some(at),
            Pad::Reflect => Some(mirrored(at as isize, length)),
            Pad::Edge => Some(length - 1),
            Pad::Zero => None,
        })
        .collect()
}
