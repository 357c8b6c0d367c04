//! What a preview has to know of a filter, and pictures made small for it: by whole factors, row by row.

use super::manifest::Resample;
use super::picture::{Picture, Samples};
use super::pixels::resize;
use super::raster::{Plane, Raster};

/// How much of a picture decides what one place of the result looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This many pixels around it.
    Near(usize),
    /// All of it.
    Whole,
}

/// What a filter with certain parameters looks at, and what it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    pub reach: Reach,
    /// Times as large as the picture is the result.
    pub growth: usize,
    /// A parameter is still to be measured on the pixels of the whole picture.
    pub measures: bool,
}

impl Default for Sight {
    /// What is true of any filter: the whole picture decides.
    fn default() -> Sight {
        Sight { reach: Reach::Whole, growth: 1, measures: false }
    }
}

/// The picture with each square of `factor` pixels as one, their mean as far as they are opaque.
pub fn reduce(picture: &Picture, factor: usize) -> Picture {
    if factor < 2 {
        return picture.clone();
    }
    let (width, height, n) = (picture.width.div_ceil(factor), picture.height.div_ceil(factor), picture.channels);
    let colours = n - usize::from(picture.has_alpha());
    let mut small = Picture::new(width, height, n, picture.depth());
    let mut row = vec![0.0; picture.width * n];
    // Colours times opacity, then opacity, then pixels.
    let mut sums = vec![[0.0f32; 5]; width];
    let mut made = vec![0.0; width * n];
    for y in 0..picture.height {
        picture.samples.read(y * row.len(), &mut row);
        for (x, pixel) in row.chunks_exact(n).enumerate() {
            let sum = &mut sums[x / factor];
            let alpha = if n == colours { 1.0 } else { pixel[colours] };
            (0..colours).for_each(|lane| sum[lane] += alpha * pixel[lane]);
            sum[3] += alpha;
            sum[4] += 1.0;
        }
        if y % factor == factor - 1 || y + 1 == picture.height {
            for (sum, pixel) in sums.iter_mut().zip(made.chunks_exact_mut(n)) {
                (0..colours).for_each(|lane| pixel[lane] = if sum[3] > 0.0 { sum[lane] / sum[3] } else { 0.0 });
                if n > colours {
                    pixel[colours] = sum[3] / sum[4];
                }
                *sum = [0.0; 5];
            }
            small.samples.write(y / factor * made.len(), &made);
        }
    }
    small
}

/// [`reduce`] for one byte a pixel, as a plane.
pub fn reduce_values(values: Vec<u8>, width: usize, height: usize, factor: usize) -> Plane {
    let small = reduce(&Picture { width, height, channels: 1, samples: Samples::U8(values) }, factor);
    let mut plane = Plane::filled(small.width, small.height, 0.0);
    small.samples.read(0, &mut plane.data);
    plane
}

/// A rectangle of a picture, which must lie inside, as RGBA of 8 bits in another size: enlarged as image editors do by
/// default, reduced by averaging. What is transparent does not bleed.
pub fn rgba8(picture: &Picture, (x, y, w, h): (usize, usize, usize, usize), width: usize, height: usize) -> Vec<u8> {
    let part = picture.region(x, y, w, h);
    let (n, colours) = (part.channels, part.colours());
    let premultiplied = part.data.chunks_exact(n).flat_map(|pixel| {
        let alpha = if n == colours { 1.0 } else { pixel[colours] };
        let lane = |lane: usize| alpha * pixel[if colours == 3 { lane } else { 0 }];
        [lane(0), lane(1), lane(2), alpha]
    });
    let raster = Raster { width: w, height: h, channels: 4, data: premultiplied.collect(), depth: part.depth };
    let sized = resize::raster(&raster, width, height, Resample::Cubic);
    let bytes = sized.data.chunks_exact(4).flat_map(|pixel| {
        let scale = if pixel[3] > 0.0 { 1.0 / pixel[3].min(1.0) } else { 0.0 };
        [pixel[0] * scale, pixel[1] * scale, pixel[2] * scale, pixel[3]].map(|value| (value * 255.0).round() as u8)
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize, channels: usize, samples: Vec<u8>) -> Picture {
        Picture { width, height, channels, samples: Samples::U8(samples) }
    }

    #[test]
    fn squares_become_their_mean_and_what_is_transparent_has_no_part() {
        let opaque = picture(3, 2, 1, vec![0, 100, 7, 40, 60, 9]);
        assert_eq!(reduce(&opaque, 2), picture(2, 1, 1, vec![50, 8]));
        let half = picture(2, 1, 2, vec![200, 255, 10, 0]);
        assert_eq!(reduce(&half, 2), picture(1, 1, 2, vec![200, 128]));
        assert_eq!(reduce_values(vec![255, 0, 255, 255], 2, 2, 2).data, vec![191.0 / 255.0]);
    }

    #[test]
    fn a_part_is_shown_as_it_is_or_in_another_size() {
        let grey = picture(3, 1, 1, vec![10, 20, 30]);
        assert_eq!(rgba8(&grey, (1, 0, 2, 1), 2, 1), [20, 20, 20, 255, 30, 30, 30, 255]);
        let clear = picture(2, 1, 4, vec![200, 100, 0, 255, 0, 0, 0, 0]);
        assert_eq!(rgba8(&clear, (0, 0, 2, 1), 1, 1), [200, 100, 0, 128]);
        assert_eq!(rgba8(&clear, (0, 0, 1, 1), 2, 2), [200, 100, 0, 255].repeat(4));
    }
}
