//! Pictures and masks in memory as filters work on them: `f32`, sRGB-encoded, 0 to 1. Knows no file format and no model.

/// What the samples were before they became `f32`, and what they become again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    U8,
    U16,
    F32,
}

/// A picture in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub channels: usize,
    /// Rows from the top, channels interleaved, sRGB-encoded, 0 to 1; alpha is not premultiplied.
    pub data: Vec<f32>,
    /// Of the source.
    pub depth: Depth,
}

impl Raster {
    /// All samples 0.
    pub fn new(width: usize, height: usize, channels: usize, depth: Depth) -> Raster {
        Raster { width, height, channels, data: vec![0.0; width * height * channels], depth }
    }

    pub fn has_alpha(&self) -> bool {
        matches!(self.channels, 2 | 4)
    }

    /// Channels without alpha: 1 or 3.
    pub fn colours(&self) -> usize {
        self.channels - usize::from(self.has_alpha())
    }

    /// The samples of one row.
    pub fn row(&self, y: usize) -> &[f32] {
        let length = self.width * self.channels;
        &self.data[y * length..(y + 1) * length]
    }

    /// The samples of one row.
    pub fn row_mut(&mut self, y: usize) -> &mut [f32] {
        let length = self.width * self.channels;
        &mut self.data[y * length..(y + 1) * length]
    }

    /// The samples of one pixel.
    pub fn pixel(&self, x: usize, y: usize) -> &[f32] {
        let at = (y * self.width + x) * self.channels;
        &self.data[at..at + self.channels]
    }

    /// A copy of a rectangle, which must lie inside.
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Raster {
        let mut part = Raster { width, height, channels: self.channels, data: Vec::new(), depth: self.depth };
        part.data.reserve_exact(width * height * self.channels);
        for row in y..y + height {
            let at = (row * self.width + x) * self.channels;
            part.data.extend_from_slice(&self.data[at..at + width * self.channels]);
        }
        part
    }
}

/// One value per pixel: a mask, a selection, an alpha.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Rows from the top, 0 to 1.
    pub data: Vec<f32>,
}

impl Plane {
    /// All values the same.
    pub fn filled(width: usize, height: usize, value: f32) -> Plane {
        Plane { width, height, data: vec![value; width * height] }
    }

    pub fn at(&self, x: usize, y: usize) -> f32 {
        self.data[y * self.width + x]
    }

    /// The smallest `(x, y, width, height)` that holds every value above `threshold`; `None`: there is none.
    pub fn bounds(&self, threshold: f32) -> Option<(usize, usize, usize, usize)> {
        let (mut left, mut top, mut right, mut bottom) = (self.width, self.height, 0, 0);
        for (y, row) in self.data.chunks_exact(self.width.max(1)).enumerate() {
            if let Some(first) = row.iter().position(|&value| value > threshold) {
                let last = row.iter().rposition(|&value| value > threshold).unwrap_or(first);
                left = left.min(first);
                right = right.max(last + 1);
                top = top.min(y);
                bottom = y + 1;
            }
        }
        (right > left).then(|| (left, top, right - left, bottom - top))
    }

    /// A copy of a rectangle, which must lie inside.
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Plane {
        let rows = (y..y + height).flat_map(|row| &self.data[row * self.width + x..row * self.width + x + width]);
        Plane { width, height, data: rows.copied().collect() }
    }
}
