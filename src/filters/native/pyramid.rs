//! A picture at halved sizes, to look at with any sharpness, and the directions of what is in it.

use super::parallel;
use crate::error::Result;
use crate::filters::{Picture, Watch};

/// Four values of a place: red, green, blue and opacity, or a structure tensor.
pub type Sample = [f32; 4];

/// Sizes from the first level's on, each half of the one before.
pub struct Pyramid {
    levels: Vec<Plane>,
    /// How many pixels of the picture one of the first level is wide.
    base: f32,
}

struct Plane {
    width: usize,
    height: usize,
    values: Vec<Sample>,
}

impl Pyramid {
    /// The colours of a picture, those of transparent pixels left out. The first level is of half the size: strokes
    /// are never planned more finely, and a whole one would take as much memory again as the picture.
    pub fn new(picture: &Picture, watch: &Watch) -> Result<Pyramid> {
        let channels = picture.channels;
        let colours = channels - usize::from(picture.has_alpha());
        let (width, height) = (picture.width.div_ceil(2), picture.height.div_ceil(2));
        let mut values = vec![[0.0f32; 4]; width * height];
        parallel::bands(&mut values, width, 64, |first, band| {
            let mut row = vec![0.0; picture.width * channels];
            if watch.check().is_err() {
                return;
            }
            for (y, out) in band.chunks_exact_mut(width).enumerate() {
                for y in [2 * (first + y), (2 * (first + y) + 1).min(picture.height - 1)] {
                    picture.samples.read(y * picture.width * channels, &mut row);
                    for (x, out) in out.iter_mut().enumerate() {
                        for x in [2 * x, (2 * x + 1).min(picture.width - 1)] {
                            let pixel = &row[x * channels..(x + 1) * channels];
                            let alpha = if channels == colours { 1.0 } else { pixel[colours] };
                            let lane = |lane: usize| if colours == 3 { pixel[lane] } else { pixel[0] };
                            (0..3).for_each(|c| out[c] += 0.25 * alpha * lane(c));
                            out[3] += 0.25 * alpha;
                        }
                    }
                }
            }
        });
        watch.check()?;
        // Colours stay multiplied by opacity while they are averaged.
        Ok(Pyramid::from_plane(Plane { width, height, values }, 2.0))
    }

    /// The structure tensors of a picture's brightness: what `at` answers is the mean of `[xx, xy, yy]`.
    pub fn flow(source: &Pyramid) -> Pyramid {
        // A level below 4 megapixels: directions are smooth, finer ones would only follow noise.
        let index = source.levels.iter().position(|plane| plane.values.len() < 4_000_000).unwrap_or(0);
        let plane = &source.levels[index];
        let (width, height) = (plane.width, plane.height);
        let light = |x: usize, y: usize| {
            let [r, g, b, a] = plane.values[y * width + x];
            (0.299 * r + 0.587 * g + 0.114 * b) / a.max(1e-3)
        };
        let mut values = vec![[0.0f32; 4]; width * height];
        parallel::bands(&mut values, width, 64, |first, band| {
            for (index, value) in band.iter_mut().enumerate() {
                let (x, y) = (index % width, first + index / width);
                let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
                let (above, below) = (y.saturating_sub(1), (y + 1).min(height - 1));
                let gx = light(right, y) - light(left, y);
                let gy = light(x, below) - light(x, above);
                *value = [gx * gx, gx * gy, gy * gy, 1.0];
            }
        });
        Pyramid::from_plane(Plane { width, height, values }, source.base * (1 << index) as f32)
    }

    fn from_plane(plane: Plane, base: f32) -> Pyramid {
        let mut levels = vec![plane];
        while levels[levels.len() - 1].width.max(levels[levels.len() - 1].height) > 1 {
            levels.push(levels[levels.len() - 1].half());
        }
        Pyramid { levels, base }
    }

    /// The mean around a pixel of the picture, about `size` pixels wide; not multiplied by opacity.
    pub fn at(&self, x: f32, y: f32, size: f32) -> Sample {
        let level = (size / self.base).max(1.0).log2();
        let lower = (level as usize).min(self.levels.len() - 1);
        let upper = (lower + 1).min(self.levels.len() - 1);
        let (a, b) = (self.sample(lower, x, y), self.sample(upper, x, y));
        let t = (level - lower as f32).clamp(0.0, 1.0);
        let mut mixed = [0.0; 4];
        (0..4).for_each(|lane| mixed[lane] = a[lane] + (b[lane] - a[lane]) * t);
        let scale = 1.0 / mixed[3].max(1e-6);
        [mixed[0] * scale, mixed[1] * scale, mixed[2] * scale, mixed[3]]
    }

    /// The whole picture's mean colour.
    pub fn mean(&self) -> [f32; 3] {
        let [r, g, b, a] = self.levels[self.levels.len() - 1].values[0];
        [r, g, b].map(|value| value / a.max(1e-6))
    }

    /// Bilinear, of one level.
    fn sample(&self, level: usize, x: f32, y: f32) -> Sample {
        let plane = &self.levels[level];
        let scale = self.base * (1u64 << level) as f32;
        let place = |v: f32, limit: usize| ((v + 0.5) / scale - 0.5).clamp(0.0, (limit - 1) as f32);
        let (x, y) = (place(x, plane.width), place(y, plane.height));
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(plane.width - 1), (y0 + 1).min(plane.height - 1));
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let corner = |x: usize, y: usize| plane.values[y * plane.width + x];
        let (a, b, c, d) = (corner(x0, y0), corner(x1, y0), corner(x0, y1), corner(x1, y1));
        let mut out = [0.0; 4];
        for lane in 0..4 {
            let (upper, lower) = (a[lane] + (b[lane] - a[lane]) * fx, c[lane] + (d[lane] - c[lane]) * fx);
            out[lane] = upper + (lower - upper) * fy;
        }
        out
    }
}

impl Plane {
    fn half(&self) -> Plane {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut values = vec![[0.0f32; 4]; width * height];
        parallel::bands(&mut values, width, 64, |first, band| {
            for (index, value) in band.iter_mut().enumerate() {
                let (x, y) = (index % width, first + index / width);
                let (right, below) = ((2 * x + 1).min(self.width - 1), (2 * y + 1).min(self.height - 1));
                for (x, y) in [(2 * x, 2 * y), (right, 2 * y), (2 * x, below), (right, below)] {
                    let from = self.values[y * self.width + x];
                    (0..4).for_each(|lane| value[lane] += 0.25 * from[lane]);
                }
            }
        });
        Plane { width, height, values }
    }
}
