//! The guided filter: a coarse mask takes the edges of the picture.

use super::colour::luma;
use crate::filters::raster::{Plane, Raster};

/// `mask` along the edges of `image`, within `radius` pixels.
pub fn guided(image: &Raster, mask: &Plane, radius: usize, epsilon: f32) -> Plane {
    let (w, h) = (mask.width, mask.height);
    let guide: Vec<f32> = image.data.chunks_exact(image.channels).map(luma).collect();
    let mean = |data: Vec<f32>| box_mean(&data, w, h, radius);
    let mean_guide = mean(guide.clone());
    let mean_mask = mean(mask.data.clone());
    let both = mean(guide.iter().zip(&mask.data).map(|(g, m)| g * m).collect());
    let square = mean(guide.iter().map(|g| g * g).collect());
    let slope: Vec<f32> = (0..w * h)
        .map(|i| (both[i] - mean_guide[i] * mean_mask[i]) / (square[i] - mean_guide[i] * mean_guide[i] + epsilon))
        .collect();
    let offset: Vec<f32> = (0..w * h).map(|i| mean_mask[i] - slope[i] * mean_guide[i]).collect();
    let (slope, offset) = (mean(slope), mean(offset));
    let data = (0..w * h).map(|i| (slope[i] * guide[i] + offset[i]).clamp(0.0, 1.0)).collect();
    Plane { width: w, height: h, data }
}

/// The mean over a square, cut off at the picture's edges.
fn box_mean(data: &[f32], w: usize, h: usize, radius: usize) -> Vec<f32> {
    let mut across = vec![0.0f32; w * h];
    for y in 0..h {
        let row = &data[y * w..(y + 1) * w];
        let mut sum: f64 = row[..radius.min(w)].iter().map(|&value| f64::from(value)).sum();
        for x in 0..w {
            if x + radius < w {
                sum += f64::from(row[x + radius]);
            }
            if x > radius {
                sum -= f64::from(row[x - radius - 1]);
            }
            let count = (x + radius).min(w - 1) - x.saturating_sub(radius) + 1;
            across[y * w + x] = (sum / count as f64) as f32;
        }
    }
    let mut out = vec![0.0f32; w * h];
    let mut sums: Vec<f64> = (0..w).map(|x| (0..radius.min(h)).map(|y| f64::from(across[y * w + x])).sum()).collect();
    for y in 0..h {
        let count = (y + radius).min(h - 1) - y.saturating_sub(radius) + 1;
        for x in 0..w {
            if y + radius < h {
                sums[x] += f64::from(across[(y + radius) * w + x]);
            }
            if y > radius {
                sums[x] -= f64::from(across[(y - radius - 1) * w + x]);
            }
            out[y * w + x] = (sums[x] / count as f64) as f32;
        }
    }
    out
}
