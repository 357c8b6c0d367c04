//! Resizing as the model's authors did it: the kernels and sample positions of OpenCV, since training pipelines use
//! those. Shrinking averages areas, whatever the filter, except for `nearest`.

use crate::filters::manifest::Resample;
use crate::filters::raster::{Plane, Raster};

/// For one output position: the first input position and the weights from there on, edges folded in.
struct Taps {
    /// Input position of each weight.
    at: Vec<usize>,
    weights: Vec<f32>,
    /// Weights per output position.
    count: usize,
}

/// A resized copy.
pub fn raster(source: &Raster, width: usize, height: usize, filter: Resample) -> Raster {
    let data = resize(&source.data, (source.width, source.height), source.channels, (width, height), filter);
    Raster { width, height, channels: source.channels, data, depth: source.depth }
}

/// A resized copy.
pub fn plane(source: &Plane, width: usize, height: usize, filter: Resample) -> Plane {
    Plane { width, height, data: resize(&source.data, (source.width, source.height), 1, (width, height), filter) }
}

/// Interleaved samples from one size to another.
pub fn resize(
    source: &[f32],
    (from_w, from_h): (usize, usize),
    channels: usize,
    (to_w, to_h): (usize, usize),
    filter: Resample,
) -> Vec<f32> {
    if (from_w, from_h) == (to_w, to_h) {
        return source.to_vec();
    }
    let (across, down) = (taps(from_w, to_w, filter), taps(from_h, to_h, filter));
    let mut out = vec![0.0; to_w * to_h * channels];
    // Rows are resized across when a row below needs them, and kept while later ones do: memory stays at a few rows.
    let mut rows: Vec<(usize, Vec<f32>)> = Vec::new();
    for (y, target) in out.chunks_exact_mut(to_w * channels).enumerate() {
        let range = y * down.count..(y + 1) * down.count;
        let (at, weights) = (&down.at[range.clone()], &down.weights[range]);
        let first = at.iter().min().copied().unwrap_or(0);
        rows.retain(|(row, _)| *row >= first);
        for (&row, &weight) in at.iter().zip(weights) {
            if weight == 0.0 {
                continue;
            }
            if !rows.iter().any(|(have, _)| *have == row) {
                let line = &source[row * from_w * channels..(row + 1) * from_w * channels];
                rows.push((row, resize_row(line, channels, to_w, &across)));
            }
            let line = rows.iter().find(|(have, _)| *have == row).map_or(&[][..], |(_, line)| line);
            target.iter_mut().zip(line).for_each(|(out, value)| *out += value * weight);
        }
    }
    out
}

fn resize_row(line: &[f32], channels: usize, to_w: usize, across: &Taps) -> Vec<f32> {
    let mut out = vec![0.0; to_w * channels];
    for (x, target) in out.chunks_exact_mut(channels).enumerate() {
        let range = x * across.count..(x + 1) * across.count;
        for (&at, &weight) in across.at[range.clone()].iter().zip(&across.weights[range]) {
            let pixel = &line[at * channels..(at + 1) * channels];
            target.iter_mut().zip(pixel).for_each(|(out, value)| *out += value * weight);
        }
    }
    out
}

fn taps(from: usize, to: usize, filter: Resample) -> Taps {
    let scale = from as f64 / to as f64;
    if filter == Resample::Nearest {
        let at = (0..to).map(|x| ((x as f64 * scale) as usize).min(from - 1)).collect();
        return Taps { at, weights: vec![1.0; to], count: 1 };
    }
    if to < from {
        return area(from, to, scale);
    }
    let kernel: fn(f64) -> Vec<f64> = match filter {
        Resample::Cubic => cubic,
        Resample::Lanczos => lanczos,
        _ => |f| vec![1.0 - f, f],
    };
    let count = kernel(0.0).len();
    let (mut at, mut weights) = (Vec::with_capacity(to * count), Vec::with_capacity(to * count));
    for x in 0..to {
        let centre = (x as f64 + 0.5) * scale - 0.5;
        let first = centre.floor() as isize - (count as isize / 2 - 1);
        at.extend((0..count as isize).map(|tap| (first + tap).clamp(0, from as isize - 1) as usize));
        weights.extend(kernel(centre - centre.floor()).into_iter().map(|weight| weight as f32));
    }
    Taps { at, weights, count }
}

/// The average over the part of the input that an output pixel covers.
fn area(from: usize, to: usize, scale: f64) -> Taps {
    let count = scale.ceil() as usize + 1;
    let (mut at, mut weights) = (Vec::with_capacity(to * count), Vec::with_capacity(to * count));
    for x in 0..to {
        let (begin, end) = (x as f64 * scale, ((x + 1) as f64 * scale).min(from as f64));
        let first = begin as usize;
        for tap in 0..count {
            let pixel = first + tap;
            let covered = (end.min((pixel + 1) as f64) - begin.max(pixel as f64)).max(0.0);
            at.push(pixel.min(from - 1));
            // A sliver is rounding, not coverage.
            weights.push(if covered < 1e-6 { 0.0 } else { (covered / (end - begin)) as f32 });
        }
    }
    Taps { at, weights, count }
}

fn cubic(f: f64) -> Vec<f64> {
    const A: f64 = -0.75;
    let outer = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let inner = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let (a, b, c) = (outer(f + 1.0), inner(f), inner(1.0 - f));
    vec![a, b, c, 1.0 - a - b - c]
}

fn lanczos(f: f64) -> Vec<f64> {
    use std::f64::consts::PI;
    let mut weights: Vec<f64> = (0..8)
        .map(|tap| {
            let x = (f + 3.0 - f64::from(tap)) * PI;
            if x.abs() < 1e-9 { 1.0 } else { 4.0 * x.sin() * (x / 4.0).sin() / (x * x) }
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_constant_with_every_filter_up_and_down() {
        use Resample::{Area, Bilinear, Cubic, Lanczos, Nearest};
        for filter in [Nearest, Bilinear, Cubic, Lanczos, Area] {
            for to in [(3, 2), (7, 7), (23, 5), (1, 1)] {
                let out = resize(&[0.25; 7 * 7 * 3], (7, 7), 3, to, filter);
                assert_eq!(out.len(), to.0 * to.1 * 3);
                assert!(out.iter().all(|value| (value - 0.25).abs() < 1e-5), "{filter:?} {to:?}");
            }
        }
    }

    #[test]
    fn values_are_those_of_opencv() {
        // cv2.resize(np.array([[0, 1, 4, 9]], np.float32), (6, 1), interpolation=…)
        let source = [0.0, 1.0, 4.0, 9.0];
        let near = |out: Vec<f32>, wanted: &[f32]| {
            for (a, b) in out.iter().zip(wanted) {
                assert!((a - b).abs() < 2e-4, "{out:?} is not {wanted:?}");
            }
        };
        near(resize(&source, (4, 1), 1, (6, 1), Resample::Bilinear), &[0.0, 0.5, 1.5, 3.5, 6.5, 9.0]);
        near(resize(&source, (4, 1), 1, (3, 1), Resample::Area), &[0.25, 2.5, 7.75]);
        near(resize(&source, (4, 1), 1, (2, 1), Resample::Cubic), &[0.5, 6.5]);
    }
}
