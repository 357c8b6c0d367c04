//! What `auto` parameters are set from: noise, JPEG blocks.

use super::blocks;
use super::colour::luma;
use super::noise::Noise;
use crate::filters::job::{Job, Value};
use crate::filters::manifest::Measure;
use crate::filters::raster::{Plane, Raster};

/// Enough pixels to measure on; larger pictures are sampled in windows.
const WINDOW: usize = 512;

/// Where `compressed` enlarges better than `clean`: below this quality, and from this noise on. Read off the table of
/// scripts/measure-auto, which tries both on eight photos.
const COMPRESSED: f64 = 86.0;
const NOISY: f32 = 5.0;

/// The measured value for an automatic parameter.
pub fn measure(what: Measure, job: &Job) -> Value {
    let windows = windows(job);
    match what {
        Measure::NoiseLevel => Value::Float(f64::from(Noise::of(&windows).level())),
        Measure::JpegQuality => Value::Float((100.0 - quality(job, &windows)) / 200.0),
        Measure::Compression => {
            let compressed = quality(job, &windows) < COMPRESSED || Noise::of(&windows).sure() > NOISY;
            Value::Text(if compressed { "compressed" } else { "clean" }.into())
        }
    }
}

/// Some windows, spread over the picture.
fn windows(job: &Job) -> Vec<Raster> {
    let image = &job.image;
    // Multiples of 8, so that JPEG's grid stays where it is.
    let places = |side: usize| {
        let room = side.saturating_sub(WINDOW);
        if room < WINDOW { vec![0] } else { vec![0, room / 2 / 8 * 8, room / 8 * 8] }
    };
    let mut found = Vec::new();
    for y in places(image.height) {
        for x in places(image.width) {
            found.push(image.region(x, y, WINDOW.min(image.width - x), WINDOW.min(image.height - y)));
        }
    }
    found
}

fn grey(part: &Raster) -> Plane {
    let value = |pixel: &[f32]| if part.colours() == 1 { pixel[0] } else { luma(pixel) };
    let data = part.data.chunks_exact(part.channels).map(value).collect();
    Plane { width: part.width, height: part.height, data }
}

/// JPEG quality from 1 to 100: as the file says, or from what is left in the pixels; 100 where nothing is.
fn quality(job: &Job, windows: &[Raster]) -> f64 {
    if let Some(known) = job.jpeg_quality {
        return f64::from(known);
    }
    let windows: Vec<Plane> = windows.iter().map(grey).collect();
    blocks::quality(&windows).or_else(|| blocks::quality_by_edges(&windows)).unwrap_or(100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::picture::{Picture, Samples};
    use crate::filters::pixels::morph::blur;
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

    fn level(job: &Job) -> f32 {
        Noise::of(&windows(job)).level()
    }

    fn quality_of(job: &Job) -> f64 {
        quality(job, &windows(job))
    }

    #[test]
    fn noise_is_measured_within_a_fifth() {
        for sigma in [5.0, 15.0, 25.0] {
            let found = level(&noisy(sigma));
            assert!((found / sigma - 1.0).abs() < 0.2, "{sigma} was measured as {found}");
        }
        assert!(level(&noisy(0.0)) < 1.0);
    }

    /// Grain of many kinds on a picture with edges, and its true deviation.
    fn grain(kind: &str, sigma: f32) -> (Job, f32) {
        let (width, height) = (400usize, 300usize);
        let mut state = 7u64;
        let mut normal = move || {
            let mut sum = -6.0f32;
            for _ in 0..12 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                sum += (state >> 40) as f32 / (1u64 << 24) as f32;
            }
            sum
        };
        let clean: Vec<f32> = (0..width * height * 3)
            .map(|i| {
                let (x, y, lane) = ((i / 3 % width) as f32, (i / 3 / width) as f32, (i % 3) as f32);
                let edge = if (x / 90.0).sin() + (y / 70.0).cos() > 0.3 { 60.0 } else { 0.0 };
                80.0 + edge + 40.0 * (x / 31.0 + lane).sin() * (y / 23.0).cos()
            })
            .collect();
        let mut lanes: Vec<Plane> =
            (0..3).map(|_| Plane { width, height, data: (0..width * height).map(|_| normal()).collect() }).collect();
        match kind {
            "blurred 0.7" => lanes.iter_mut().for_each(|lane| *lane = blur(lane, 0.7)),
            "blurred 1.0" => lanes.iter_mut().for_each(|lane| *lane = blur(lane, 1.0)),
            "coloured" => {
                // Fine in the light, coarse in the colours, as a phone leaves it.
                let light = blur(&lanes[0], 0.7);
                for lane in &mut lanes {
                    let coarse = blur(lane, 1.4);
                    let sum = light.data.iter().zip(&coarse.data).map(|(light, coarse)| light * 0.6 + coarse * 3.0);
                    lane.data = sum.collect();
                }
            }
            "mosaic" => {
                // A channel is known at a quarter of the places (green: at half), and between them interpolated.
                for (number, lane) in lanes.iter_mut().enumerate() {
                    let known = |x: usize, y: usize| match number {
                        0 => x.is_multiple_of(2) && y.is_multiple_of(2),
                        1 => (x + y) % 2 == 1,
                        _ => x % 2 == 1 && y % 2 == 1,
                    };
                    let data = (0..width * height).map(|i| {
                        let (x, y) = ((i % width) as isize, (i / width) as isize);
                        let (mut sum, mut weights) = (0.0, 0.0);
                        for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
                            let (x, y) =
                                ((x + dx).clamp(0, width as isize - 1), (y + dy).clamp(0, height as isize - 1));
                            if known(x as usize, y as usize) {
                                let weight = (2 - dx.abs()) as f32 * (2 - dy.abs()) as f32;
                                sum += weight * lane.data[y as usize * width + x as usize];
                                weights += weight;
                            }
                        }
                        sum / weights
                    });
                    lane.data = data.collect();
                }
            }
            _ => {}
        }
        let power: f32 = lanes.iter().flat_map(|lane| &lane.data).map(|value| value * value).sum();
        let gain = sigma / (power / (width * height * 3) as f32).sqrt();
        let of = |i: usize| gain * lanes[i % 3].data[i / 3];
        let by_light = |i: usize| if kind == "by light" { 0.5 + clean[i] / 240.0 } else { 1.0 };
        let samples: Vec<u8> =
            (0..clean.len()).map(|i| (clean[i] + of(i) * by_light(i)).round().clamp(0.0, 255.0) as u8).collect();
        let mut picture = Picture { width, height, channels: 3, samples: Samples::U8(samples) };
        if kind == "jpeg" {
            picture = jpeg(&Job::new(Arc::new(picture)), 80);
        }
        let Samples::U8(made) = &picture.samples else { panic!() };
        let apart: f32 = made.iter().zip(&clean).map(|(made, clean)| (f32::from(*made) - clean).powi(2)).sum();
        let truth = (apart / clean.len() as f32).sqrt();
        (Job::new(Arc::new(picture)), truth)
    }

    #[test]
    fn grain_of_every_kind_is_measured_for_what_it_is() {
        for kind in ["white", "blurred 0.7", "blurred 1.0", "coloured", "mosaic", "by light", "jpeg"] {
            for sigma in [7.0, 16.0] {
                let (job, truth) = grain(kind, sigma);
                let found = level(&job) / truth;
                // A JPEG keeps grain in the light alone, where it is told from texture with caution.
                let least = if kind == "jpeg" { 0.6 } else { 0.7 };
                assert!((least..1.2).contains(&found), "{kind}, {truth:.1}: {found:.2} of it");
            }
        }
        let (job, _) = grain("white", 0.001);
        assert!(level(&job) < 1.5, "{}", level(&job));
    }

    /// The small photo of the golden runs.
    fn photo() -> Job {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/filters/golden/bundled/photo.png");
        let photo = image::open(path).unwrap().into_rgb8();
        let (width, height) = (photo.width() as usize, photo.height() as usize);
        Job::new(Arc::new(Picture { width, height, channels: 3, samples: Samples::U8(photo.into_raw()) }))
    }

    /// The picture as a JPEG of this quality holds it.
    fn jpeg(job: &Job, quality: u8) -> Picture {
        let Picture { width, height, .. } = *job.image;
        let Samples::U8(pixels) = &job.image.samples else { panic!() };
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality);
        let kind = image::ExtendedColorType::Rgb8;
        image::ImageEncoder::write_image(encoder, pixels, width as u32, height as u32, kind).unwrap();
        let decoded = image::load_from_memory(&bytes).unwrap().into_rgb8().into_raw();
        Picture { width, height, channels: 3, samples: Samples::U8(decoded) }
    }

    #[test]
    fn a_jpeg_is_known_by_its_steps_also_when_cropped_and_by_its_tables() {
        let mut job = photo();
        assert_eq!(quality_of(&job), 100.0);
        assert_eq!(measure(Measure::Compression, &job), Value::Text("clean".into()));
        for wanted in [30, 60, 80, 90] {
            let found = quality_of(&Job::new(Arc::new(jpeg(&job, wanted))));
            assert!((found - f64::from(wanted)).abs() <= 2.5, "{wanted}: {found}");
        }
        let whole = jpeg(&job, 40);
        let cropped = Picture::from_raster(&whole.region(11, 5, 170, 130));
        let found = quality_of(&Job::new(Arc::new(cropped)));
        assert!((found - 40.0).abs() <= 2.0, "cropped: {found}");
        job.image = Arc::new(whole);
        assert_eq!(measure(Measure::Compression, &job), Value::Text("compressed".into()));
        job.jpeg_quality = Some(60);
        assert_eq!(measure(Measure::JpegQuality, &job), Value::Float(0.2));
        job.jpeg_quality = Some(90);
        assert_eq!(measure(Measure::Compression, &job), Value::Text("clean".into()));
    }

    #[test]
    fn a_jpeg_whose_tones_were_changed_is_known_by_its_edges() {
        let job = photo();
        let curve = |picture: &Picture| {
            let Samples::U8(samples) = &picture.samples else { panic!() };
            let bent = samples.iter().map(|&value| (255.0 * (f32::from(value) / 255.0).powf(0.7)) as u8).collect();
            Job::new(Arc::new(Picture { samples: Samples::U8(bent), ..picture.clone() }))
        };
        assert_eq!(quality_of(&curve(&job.image)), 100.0);
        let found = quality_of(&curve(&jpeg(&job, 25)));
        assert!(found < COMPRESSED, "{found}");
    }

    #[test]
    fn texture_is_not_taken_for_noise() {
        // As sharp as pixels can be, alike in all channels, and nowhere calm.
        let samples = (0..128 * 128).flat_map(|i: u32| {
            let (x, y) = (i % 128, i / 128);
            let mixed = (x ^ y << 8).wrapping_mul(2_654_435_761);
            let light = (mixed ^ mixed >> 13).wrapping_mul(0x5bd1_e995) >> 24;
            [light / 18 + 90, light / 18 + 80, light / 18 + 60].map(|value| value as u8)
        });
        let picture = Picture { width: 128, height: 128, channels: 3, samples: Samples::U8(samples.collect()) };
        let job = Job::new(Arc::new(picture));
        assert!(level(&job) > NOISY, "{}", level(&job));
        assert_eq!(measure(Measure::Compression, &job), Value::Text("clean".into()));
        assert_eq!(measure(Measure::Compression, &noisy(8.0)), Value::Text("compressed".into()));
    }

    #[test]
    fn the_smallest_pictures_are_clean() {
        for (width, height) in [(1, 1), (7, 300), (9, 9)] {
            for channels in 1..=4 {
                let samples = Samples::U8((0..width * height * channels).map(|i| (i * 37) as u8).collect());
                let job = Job::new(Arc::new(Picture { width, height, channels, samples }));
                assert_eq!(measure(Measure::JpegQuality, &job), Value::Float(0.0));
                measure(Measure::NoiseLevel, &job);
            }
        }
    }
}
