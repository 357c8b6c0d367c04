//! Parts of a picture at another size, row by row: of a large result only a strip stands in memory.

use crate::filters::{Depth, Raster};
use std::sync::Arc;

/// For one output position: the first input position, and the weights from there on.
struct Taps {
    first: isize,
    weights: Vec<f32>,
}

/// A part of a picture, to be read at another size.
pub struct Resampled {
    source: Arc<Raster>,
    across: Vec<Taps>,
    down: Vec<Taps>,
}

impl Resampled {
    /// `part` is [x, y, width, height] in the source's pixels, which need not be whole; `size` is the result's.
    pub fn new(source: Arc<Raster>, [x, y, width, height]: [f64; 4], size: (usize, usize)) -> Resampled {
        Resampled { source, across: taps(x, width, size.0), down: taps(y, height, size.1) }
    }

    /// All of it at another size.
    pub fn whole(source: Raster, size: (usize, usize)) -> Raster {
        if (source.width, source.height) == size {
            return source;
        }
        let (part, channels) = ([0.0, 0.0, source.width as f64, source.height as f64], source.channels);
        let data = Resampled::new(Arc::new(source), part, size).rows(0, size.1);
        Raster { width: size.0, height: size.1, channels, data, depth: Depth::U8 }
    }

    /// Rows of the result, not clamped.
    pub fn rows(&self, top: usize, count: usize) -> Vec<f32> {
        let length = self.across.len() * self.source.channels;
        let mut out = vec![0.0; length * count];
        // Rows of the source that are wide as the result: each is made once, and kept while the next rows need it.
        let mut wide: Vec<(usize, Vec<f32>)> = Vec::new();
        for (row, taps) in out.chunks_exact_mut(length).zip(&self.down[top..top + count]) {
            let first = inside(taps.first, self.source.height);
            wide.retain(|(y, _)| *y >= first);
            for (at, weight) in taps.weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                let y = inside(taps.first + at as isize, self.source.height);
                if wide.iter().all(|(have, _)| *have != y) {
                    wide.push((y, self.row(y)));
                }
                let line = wide.iter().find(|(have, _)| *have == y).map_or(&[][..], |(_, line)| line);
                row.iter_mut().zip(line).for_each(|(out, value)| *out += value * weight);
            }
        }
        out
    }

    fn row(&self, y: usize) -> Vec<f32> {
        let (line, channels) = (self.source.row(y), self.source.channels);
        let mut out = vec![0.0; self.across.len() * channels];
        for (pixel, taps) in out.chunks_exact_mut(channels).zip(&self.across) {
            for (at, weight) in taps.weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                let x = inside(taps.first + at as isize, self.source.width) * channels;
                pixel.iter_mut().zip(&line[x..x + channels]).for_each(|(out, value)| *out += value * weight);
            }
        }
        out
    }
}

/// The nearest position there is.
fn inside(at: isize, length: usize) -> usize {
    at.clamp(0, length as isize - 1) as usize
}

fn taps(from: f64, length: f64, count: usize) -> Vec<Taps> {
    let step = length / count as f64;
    // Shrinking averages what falls into one pixel.
    let wide = step.max(1.0);
    let make = |index: usize| {
        let centre = from + (index as f64 + 0.5) * step - 0.5;
        let first = (centre - 2.0 * wide).ceil() as isize;
        let last = (centre + 2.0 * wide).floor() as isize;
        let weights: Vec<f64> = (first..=last).map(|at| cubic((at as f64 - centre) / wide)).collect();
        let sum: f64 = weights.iter().sum();
        Taps { first, weights: weights.iter().map(|weight| (weight / sum) as f32).collect() }
    };
    (0..count).map(make).collect()
}

/// Catmull and Rom's: whole positions stay exactly as they are.
fn cubic(at: f64) -> f64 {
    let at = at.abs();
    if at < 1.0 {
        (1.5 * at - 2.5) * at * at + 1.0
    } else if at < 2.0 {
        ((-0.5 * at + 2.5) * at - 4.0) * at + 2.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Raster {
        let mut made = Raster::new(width, height, 2, Depth::U8);
        for y in 0..height {
            for x in 0..width {
                made.row_mut(y)[x * 2] = x as f32 / width as f32;
                made.row_mut(y)[x * 2 + 1] = y as f32 / height as f32;
            }
        }
        made
    }

    #[test]
    fn the_same_size_is_the_same_picture_and_strips_are_the_whole() {
        let source = ramp(300, 200);
        let part = Resampled::new(Arc::new(source.clone()), [40.0, 30.0, 120.0, 90.0], (120, 90));
        let rows = part.rows(0, 90);
        assert_eq!(rows, source.crop(40, 30, 120, 90).data);
        assert_eq!([part.rows(0, 31), part.rows(31, 59)].concat(), rows);
    }

    #[test]
    fn places_stay_in_place_at_every_size() {
        let source = ramp(300, 200);
        for (width, height) in [(75, 50), (301, 199), (900, 640)] {
            let made = Resampled::whole(source.clone(), (width, height));
            for (x, y) in [(width / 4, height / 3), (width / 2, height / 2), (width * 4 / 5, height * 3 / 4)] {
                let expected = [
                    ((x as f32 + 0.5) * 300.0 / width as f32 - 0.5) / 300.0,
                    ((y as f32 + 0.5) * 200.0 / height as f32 - 0.5) / 200.0,
                ];
                let seen = made.pixel(x, y);
                assert!(
                    (seen[0] - expected[0]).abs() < 1e-4 && (seen[1] - expected[1]).abs() < 1e-4,
                    "{seen:?} {expected:?}"
                );
            }
        }
    }
}
