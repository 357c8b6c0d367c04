//! What `auto` parameters are set from: noise, JPEG blocks.

use super::blocks;
use super::colour::luma;
use crate::filters::job::{Job, Value};
use crate::filters::manifest::Measure;
use crate::filters::raster::{Plane, Raster};

/// Enough pixels to measure on; larger pictures are sampled in windows.
const WINDOW: usize = 512;

/// The measured value for an automatic parameter.
pub fn measure(what: Measure, job: &Job) -> Value {
    match what {
        Measure::NoiseLevel => Value::Float(f64::from(noise_level(job))),
        Measure::JpegQuality => Value::Float((100.0 - quality(job)) / 200.0),
        Measure::Compression => {
            let compressed = quality(job) < 88.0 || noise_level(job) > 5.0;
            Value::Text(if compressed { "compressed" } else { "clean" }.into())
        }
    }
}

/// The luma of some windows, spread over the picture.
fn windows(job: &Job) -> Vec<Plane> {
    let image = &job.image;
    // Multiples of 8, so that JPEG's grid stays where it is.
    let places = |side: usize| {
        let room = side.saturating_sub(WINDOW);
        if room < WINDOW { vec![0] } else { vec![0, room / 2 / 8 * 8, room / 8 * 8] }
    };
    let mut found = Vec::new();
    for y in places(image.height) {
        for x in places(image.width) {
            let part = image.region(x, y, WINDOW.min(image.width - x), WINDOW.min(image.height - y));
            found.push(grey(&part));
        }
    }
    found
}

fn grey(part: &Raster) -> Plane {
    let value = |pixel: &[f32]| if part.colours() == 1 { pixel[0] } else { luma(pixel) };
    let data = part.data.chunks_exact(part.channels).map(value).collect();
    Plane { width: part.width, height: part.height, data }
}

/// Standard deviation of the noise in 8-bit levels: from the finest diagonal wavelets of the picture's calmest
/// blocks, since texture only adds.
pub fn noise_level(job: &Job) -> f32 {
    let mut blocks: Vec<f32> = Vec::new();
    for window in windows(job) {
        for top in (0..window.height.saturating_sub(15)).step_by(16) {
            for left in (0..window.width.saturating_sub(15)).step_by(16) {
                let mut sum = 0.0;
                let mut extreme = 0;
                for y in (top..top + 16).step_by(2) {
                    for x in (left..left + 16).step_by(2) {
                        let (a, b) = (window.at(x, y), window.at(x + 1, y));
                        let (c, d) = (window.at(x, y + 1), window.at(x + 1, y + 1));
                        sum += (a - b - c + d) * (a - b - c + d) / 4.0;
                        extreme += usize::from(!(0.01..=0.99).contains(&a));
                    }
                }
                // Clipped areas show no noise that is there.
                if extreme < 8 {
                    blocks.push((sum / 64.0).sqrt() * 255.0);
                }
            }
        }
    }
    if blocks.is_empty() {
        return 0.0;
    }
    blocks.sort_by(f32::total_cmp);
    // Luma averages the channels' noise: 0.299² + 0.587² + 0.114² = 0.447; its root is 0.668.
    let share = if job.image.channels > 2 { 0.668 } else { 1.0 };
    blocks[blocks.len() / 5] * 1.1 / share
}

/// JPEG quality from 1 to 100: as the file says, or from what is left in the pixels; 100 where nothing is.
fn quality(job: &Job) -> f64 {
    if let Some(known) = job.jpeg_quality {
        return f64::from(known);
    }
    let windows = windows(job);
    blocks::quality(&windows).unwrap_or_else(|| edges(&windows))
}

/// The quality by how much the edges of the 8 by 8 grid stand out: for pictures whose tones were changed since.
fn edges(windows: &[Plane]) -> f64 {
    let (mut on_grid, mut off_grid, mut counted) = (0.0f64, 0.0f64, 0usize);
    for window in windows {
        for y in 0..window.height {
            for x in (8..window.width.saturating_sub(5)).step_by(8) {
                // The second difference across the boundary, against the same inside the block.
                let bend = |at: usize| {
                    let v = |i: usize| f64::from(window.at(i, y));
                    (v(at) - v(at - 1) - (v(at - 1) - v(at - 2) + v(at + 1) - v(at)) / 2.0).abs()
                };
                on_grid += bend(x);
                off_grid += bend(x + 4);
                counted += 1;
            }
        }
    }
    if counted == 0 || on_grid <= off_grid {
        return 100.0;
    }
    let excess = (on_grid - off_grid) / counted as f64 * 255.0;
    let ratio = on_grid / off_grid.max(1e-9);
    // A grid that is not clearly there is texture.
    if ratio < 1.06 {
        return 100.0;
    }
    // The step at block edges grows with the quantisation; the factor was fitted on seven photos saved at quality 20
    // to 92. From there to quality as the common encoder counts it.
    let coarseness = (excess * 0.17).clamp(0.05, 5.0);
    if coarseness <= 1.0 { 100.0 - 50.0 * coarseness } else { 50.0 / coarseness }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::picture::{Picture, Samples};
    use std::sync::Arc;

    /// Waves with noise of this standard deviation in 8-bit levels.
    fn noisy(sigma: f32) -> Job {
        let mut state = 1u64;
        let mut uniform = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        let samples = (0..320 * 240 * 3).map(|i| {
            let (x, y) = (i / 3 % 320, i / 960);
            let wave = 128.0 + 60.0 * (x as f32 / 31.0).sin() * (y as f32 / 23.0).cos();
            // Twelve uniform numbers are as good as a normal one.
            let noise: f32 = (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
            (wave + sigma * noise).clamp(0.0, 255.0) as u8
        });
        Job::new(Arc::new(Picture { width: 320, height: 240, channels: 3, samples: Samples::U8(samples.collect()) }))
    }

    #[test]
    fn noise_is_measured_within_a_fifth() {
        for sigma in [5.0, 15.0, 25.0] {
            let found = noise_level(&noisy(sigma));
            assert!((found / sigma - 1.0).abs() < 0.2, "{sigma} was measured as {found}");
        }
        assert!(noise_level(&noisy(0.0)) < 1.0);
    }

    #[test]
    fn a_jpeg_is_known_by_its_blocks_and_by_its_tables() {
        let mut job = noisy(3.0);
        assert_eq!(quality(&job), 100.0);
        let Samples::U8(pixels) = &job.image.samples else { panic!() };
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 30);
        image::ImageEncoder::write_image(encoder, pixels, 320, 240, image::ExtendedColorType::Rgb8).unwrap();
        let decoded = image::load_from_memory(&bytes).unwrap().into_rgb8().into_raw();
        let picture = Picture { width: 320, height: 240, channels: 3, samples: Samples::U8(decoded) };
        job.image = Arc::new(picture);
        assert!(quality(&job) < 88.0, "{}", quality(&job));
        assert_eq!(measure(Measure::Compression, &job), Value::Text("compressed".into()));
        job.jpeg_quality = Some(60);
        assert_eq!(measure(Measure::JpegQuality, &job), Value::Float(0.2));
    }
}
