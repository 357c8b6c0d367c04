//! Upscale draws no strokes where there are none: fur stays soft instead of becoming worms, and a JPEG's blocks no rags.

use super::bundled::psnr;
use super::{Installed, job};
use gimp_bridge::filters::{Picture, Samples, Value};

const WIDTH: usize = 300;
const HEIGHT: usize = 200;
const SCALE: usize = 4;

/// Short strands whose direction turns slowly, on discs of two lights: at the larger size, grey as RGB, 0 to 255.
fn fur() -> Vec<f32> {
    let (width, height) = (WIDTH * SCALE, HEIGHT * SCALE);
    let mut state = 11u64;
    let noise: Vec<f32> = (0..width * height)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        })
        .collect();
    let noise = softened(&softened(&noise, width), width);
    let at = |x: f32, y: f32| {
        let (x, y) = (x.round().clamp(0.0, width as f32 - 1.0), y.round().clamp(0.0, height as f32 - 1.0));
        noise[y as usize * width + x as usize]
    };
    (0..width * height)
        .map(|i| {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let (down, right) = (1.2 + (x / 170.0).sin() + (y / 130.0).cos()).sin_cos();
            let strand: f32 = (-3..=3).map(|step| at(x + right * step as f32, y + down * step as f32)).sum();
            let inside = (x % 400.0 - 200.0).hypot(y % 400.0 - 200.0) < 130.0;
            (if inside { 150.0 } else { 95.0 }) + 55.0 * strand
        })
        .collect()
}

/// The mean of each pixel and its eight neighbours.
fn softened(values: &[f32], width: usize) -> Vec<f32> {
    windowed(values, width, 1).into_iter().map(|sum| sum / 9.0).collect()
}

fn picture(grey: &[f32], width: usize) -> Picture {
    let samples = grey.iter().flat_map(|&value| [value.round().clamp(0.0, 255.0) as u8; 3]).collect();
    Picture { width, height: grey.len() / width, channels: 3, samples: Samples::U8(samples) }
}

/// Every square of pixels as their mean.
fn reduced(grey: &[f32]) -> Picture {
    let wide = WIDTH * SCALE;
    let mean = |i: usize| {
        let (left, top) = (i % WIDTH * SCALE, i / WIDTH * SCALE);
        let square = (0..SCALE * SCALE).map(|k| grey[(top + k / SCALE) * wide + left + k % SCALE]);
        square.sum::<f32>() / (SCALE * SCALE) as f32
    };
    picture(&(0..WIDTH * HEIGHT).map(mean).collect::<Vec<_>>(), WIDTH)
}

/// The picture as a JPEG of quality 40 holds it.
fn jpeg(picture: &Picture) -> Picture {
    let Samples::U8(pixels) = &picture.samples else { panic!() };
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 40);
    let (width, height) = (picture.width as u32, picture.height as u32);
    image::ImageEncoder::write_image(encoder, pixels, width, height, image::ExtendedColorType::Rgb8).unwrap();
    let decoded = image::load_from_memory(&bytes).unwrap().into_rgb8().into_raw();
    Picture { samples: Samples::U8(decoded), ..picture.clone() }
}

/// Sums over a window that reaches as far as this to each side.
fn windowed(values: &[f32], width: usize, reach: usize) -> Vec<f32> {
    let rows: Vec<f32> = values.chunks_exact(width).flat_map(|row| sums(row.iter().copied(), reach)).collect();
    let columns = (0..width).map(|x| sums(rows.iter().skip(x).step_by(width).copied(), reach));
    let mut made = vec![0.0; values.len()];
    for (x, column) in columns.enumerate() {
        made.iter_mut().skip(x).step_by(width).zip(column).for_each(|(made, sum)| *made = sum);
    }
    made
}

fn sums(line: impl Iterator<Item = f32>, reach: usize) -> Vec<f32> {
    let mut until = vec![0.0f64];
    line.for_each(|value| until.push(until[until.len() - 1] + f64::from(value)));
    let last = until.len() - 1;
    let sum = |at: usize| until[(at + reach + 1).min(last)] - until[at.saturating_sub(reach)];
    (0..last).map(|at| sum(at) as f32).collect()
}

/// How much of one direction the gradients around each pixel are, that direction (as twice its angle), and their energy.
fn directions(picture: &Picture) -> [Vec<f32>; 3] {
    let (raster, width) = (picture.to_raster(), picture.width);
    let light = |x: usize, y: usize| 255.0 * raster.pixel(x.min(width - 1), y.min(picture.height - 1))[1];
    let mut parts: [Vec<f32>; 3] = Default::default();
    for y in 0..picture.height {
        for x in 0..width {
            let across = (light(x + 1, y) - light(x.saturating_sub(1), y)) / 2.0;
            let down = (light(x, y + 1) - light(x, y.saturating_sub(1))) / 2.0;
            let squares = [across * across - down * down, 2.0 * across * down, across * across + down * down];
            parts.iter_mut().zip(squares).for_each(|(part, square)| part.push(square));
        }
    }
    parts.map(|part| windowed(&part, width, 8))
}

/// Gradient energy of one direction that the truth does not have in that direction, in percent of its energy.
fn made_up(answer: &Picture, truth: &Picture) -> f32 {
    let ([ax, ay, _], [tx, ty, energy]) = (directions(answer), directions(truth));
    let excess = |i: usize| {
        let strength = ax[i].hypot(ay[i]).max(1e-6);
        (strength - ((ax[i] * tx[i] + ay[i] * ty[i]) / strength).max(0.0)).max(0.0) / energy[i].max(1.0)
    };
    100.0 * (0..energy.len()).map(excess).sum::<f32>() / energy.len() as f32
}

fn upscaled(source: Picture, kind: &str) -> Picture {
    let mut asked = job(source);
    asked.params.set("scale", Value::Int(SCALE as i64));
    asked.params.set("source", Value::Text(kind.into()));
    Installed::new().run("upscale", asked).unwrap().image.unwrap()
}

#[test]
fn upscale_four_times_draws_no_worms_into_fur_and_no_rags_along_blocks() {
    let fur = fur();
    let (truth, small) = (picture(&fur, WIDTH * SCALE), reduced(&fur));
    let found = [(small.clone(), "clean"), (jpeg(&small), "compressed")].map(|(source, kind)| {
        let made = upscaled(source, kind);
        (made_up(&made, &truth), psnr(&made, &truth, 8))
    });
    // Of the models before: 3.03 % and 29.55 dB, 3.35 % and 25.47 dB.
    let [(fur, near), (blocks, nearer)] = found;
    assert!(fur < 2.2 && near > 29.6, "{found:?}");
    assert!(blocks < 2.9 && nearer > 25.4, "{found:?}");
}

#[test]
fn upscale_of_compressed_sources_shows_no_tiles() {
    let fur = fur();
    let source = jpeg(&reduced(&fur));
    let source = Picture { samples: Samples::F32(source.to_raster().data), ..source };
    let [whole, tiled] = [4096, 24].map(|memory| {
        let mut installed = Installed::new();
        installed.config.filters.memory_mb = memory;
        let mut asked = job(source.clone());
        asked.params.set("scale", Value::Int(SCALE as i64));
        asked.params.set("source", Value::Text("compressed".into()));
        installed.run("upscale", asked).unwrap()
    });
    assert!(tiled.tiles > whole.tiles, "{} and {} tiles", tiled.tiles, whole.tiles);
    // The cleaning part works in steps of 8 pixels, and tiles begin where they fit: not bit by bit, but below what is seen.
    let apart = psnr(&whole.image.unwrap(), &tiled.image.unwrap(), 0);
    assert!(apart > 48.0, "{apart:.1} dB");
}
