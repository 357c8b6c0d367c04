//! How much each pixel's colour belongs to the inside of a rough mask: a feature for subject models.

use crate::filters::raster::{Plane, Raster};

/// Bins of one colour axis; the bundled model was trained with this many.
const BINS: usize = 14;
/// Of the blur over the bins.
const SIGMA: f32 = 0.8;
/// Share of pixels that counts as nothing.
const FLOOR: f32 = 2e-4;

/// Half the log-likelihood ratio of inside to outside, squashed to -1 to 1.
pub fn colour_evidence(image: &Raster, mask: &Plane) -> Plane {
    let bin = |pixel: &[f32]| {
        let axis = |value: f32| ((value * BINS as f32) as usize).min(BINS - 1);
        (axis(pixel[0]) * BINS + axis(pixel[1])) * BINS + axis(pixel[2])
    };
    let mut counts = [vec![0.0f32; BINS * BINS * BINS], vec![0.0f32; BINS * BINS * BINS]];
    let mut totals = [0.0f32; 2];
    for (pixel, &value) in image.data.chunks_exact(3).zip(&mask.data) {
        let side = usize::from(value <= 0.5);
        counts[side][bin(pixel)] += 1.0;
        totals[side] += 1.0;
    }
    let [inside, outside] = counts.map(smooth);
    let data = image.data.chunks_exact(3).map(|pixel| {
        let bin = bin(pixel);
        let (a, b) = (inside[bin] / totals[0].max(1.0), outside[bin] / totals[1].max(1.0));
        (((a + FLOOR) / (b + FLOOR)).ln() * 0.5).tanh()
    });
    Plane { width: image.width, height: image.height, data: data.collect() }
}

/// A Gaussian over the three axes; beyond the cube there is nothing.
fn smooth(mut cube: Vec<f32>) -> Vec<f32> {
    let radius = (4.0 * SIGMA + 0.5) as isize;
    let mut kernel: Vec<f32> =
        (-radius..=radius).map(|x| (-0.5 * (x as f32 / SIGMA) * (x as f32 / SIGMA)).exp()).collect();
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|weight| *weight /= sum);
    for stride in [1, BINS, BINS * BINS] {
        let mut out = vec![0.0; cube.len()];
        for (index, out) in out.iter_mut().enumerate() {
            let at = (index / stride % BINS) as isize;
            for (tap, weight) in kernel.iter().enumerate() {
                let from = at + tap as isize - radius;
                if (0..BINS as isize).contains(&from) {
                    *out += weight * cube[(index as isize + (from - at) * stride as isize) as usize];
                }
            }
        }
        cube = out;
    }
    cube
}
