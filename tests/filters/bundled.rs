//! The models that come with the program: there, small, and doing what their names say.

use super::{Installed, job, picture};
use gimp_bridge::filters::{Filters, Job, Picture, Samples, Value};
use std::path::Path;

const NAMES: [&str; 4] = ["cut-out", "denoise", "jpeg-cleanup", "upscale"];

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("filters").join(name)
}

fn with(mut job: Job, params: &[(&str, Value)]) -> Job {
    params.iter().for_each(|(name, value)| job.params.set(name, value.clone()));
    job
}

/// Of the interiors, in dB; a rim is left out.
pub fn psnr(a: &Picture, b: &Picture, rim: usize) -> f64 {
    let (a, b) = (a.to_raster(), b.to_raster());
    let (mut sum, mut count) = (0.0, 0usize);
    for y in rim..a.height - rim {
        for x in rim..a.width - rim {
            for (p, q) in a.pixel(x, y).iter().zip(b.pixel(x, y)) {
                sum += f64::from(p - q).powi(2);
                count += 1;
            }
        }
    }
    -10.0 * (sum / count as f64).max(1e-12).log10()
}

/// Smooth colours and one slanted edge, as photographs have.
pub fn smooth(width: usize, height: usize, noise: f32) -> Picture {
    let mut state = 5u64;
    let mut samples = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for c in 0..3 {
                let (fx, fy) = (x as f32 / width as f32, y as f32 / height as f32);
                let edge = if fx * 0.7 + fy > 0.8 { 60.0 } else { 0.0 };
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let grain = ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 3.4641 * noise;
                let wave = 90.0 + 50.0 * (fx * 5.0 + c as f32).sin() * (fy * 4.0).cos();
                samples.push((wave + edge + grain).clamp(0.0, 255.0) as u8);
            }
        }
    }
    Picture { width, height, channels: 3, samples: Samples::U8(samples) }
}

#[test]
fn they_are_all_there_pinned_and_small_together() {
    let installed = Installed::new();
    let filters = Filters::new(&installed.config);
    let mut total = 0;
    for name in NAMES {
        assert_eq!(filters.get(name).unwrap().about().origin, "bundled");
        let text = std::fs::read_to_string(folder(name).join("manifest.toml")).unwrap();
        let manifest = gimp_bridge::filters::manifest::parse(&text, name).unwrap();
        assert!(!manifest.file.is_empty());
        for file in &manifest.file {
            let sum = gimp_bridge::filters::store::file_sum(&folder(name).join(&file.path)).unwrap();
            assert_eq!(file.sha256.as_ref(), Some(&sum), "{name}: {}", file.path);
            total += std::fs::metadata(folder(name).join(&file.path)).unwrap().len();
        }
    }
    assert!(filters.broken().is_empty(), "{:?}", filters.broken());
    assert!(total < 5_000_000, "{total} bytes");
}

#[test]
fn what_dialogs_show_is_written_for_people_and_sliders_give_room_to_what_is_wanted() {
    let filters = Filters::new(&Installed::new().config);
    let mut logarithmic = Vec::new();
    for about in filters.list() {
        let texts = about.params.iter().flat_map(|param| [&param.label, &param.help]);
        for text in texts.chain([&about.title, &about.help]) {
            let words = ["`", "--", "_", " auto ", "parameter", "="];
            assert!(!words.iter().any(|word| text.contains(word)), "{}: {text}", about.name);
        }
        let named = about.params.iter().filter(|param| param.logarithmic);
        logarithmic.extend(named.map(|param| format!("{} {}", about.name, param.name)));
    }
    // Declared in denoise's manifest; lengths that are measured; the others by their defaults.
    let wanted = [
        "denoise strength",
        "oil-painting brush",
        "oil-painting seed",
        "remove-object context",
        "remove-object feather",
        "remove-object seed",
        "style-from-image seed",
    ];
    logarithmic.sort();
    assert_eq!(logarithmic, wanted);
}

#[test]
fn where_there_is_nothing_to_take_away_the_picture_is_left_as_it_is() {
    let installed = Installed::new();
    let flat = smooth(300, 200, 0.0);
    for (name, params) in [
        ("denoise", vec![("strength", Value::Float(0.0))]),
        ("jpeg-cleanup", vec![("strength", Value::Float(0.2))]),
        ("denoise", vec![]),
    ] {
        let output = installed.run(name, with(job(flat.clone()), &params)).unwrap();
        let last = output.notes.last().unwrap().clone();
        assert!(last.contains("nothing to take away"), "{name} {params:?}: {:?}", output.notes);
        assert_eq!(output.image.unwrap(), flat, "{name}");
    }
    let noisy = installed.run("denoise", job(smooth(300, 200, 9.0))).unwrap();
    assert!(noisy.notes[0].starts_with("strength was measured as "), "{:?}", noisy.notes);
    assert_ne!(noisy.image.unwrap(), smooth(300, 200, 9.0));
}

#[test]
fn upscale_takes_each_scale_and_source() {
    let installed = Installed::new();
    let source = smooth(61, 47, 0.0);
    for scale in [2, 3, 4] {
        for kind in ["auto", "clean", "compressed"] {
            let params = [("scale", Value::Int(scale)), ("source", Value::Text(kind.into()))];
            let output = installed.run("upscale", with(job(source.clone()), &params)).unwrap();
            let image = output.image.unwrap();
            assert_eq!((image.width, image.height), (61 * scale as usize, 47 * scale as usize));
            // Every scale-th pixel, from the middle of its block, is near the source's.
            let (grown, small) = (image.to_raster(), source.to_raster());
            let apart = |x: usize, y: usize| {
                (grown.pixel(x * scale as usize + scale as usize / 2, y * scale as usize + scale as usize / 2)[1]
                    - small.pixel(x, y)[1])
                    .abs()
            };
            let mean = (8..50).map(|x| apart(x, 20)).sum::<f32>() / 42.0;
            assert!(mean < 0.03, "scale {scale}, {kind}: {mean}");
        }
    }
}

#[test]
fn denoise_brings_a_noisy_picture_nearer_to_the_clean_one() {
    let installed = Installed::new();
    let (clean, noisy) = (smooth(160, 120, 0.0), smooth(160, 120, 20.0));
    let output = installed.run("denoise", job(noisy.clone())).unwrap();
    let gain = psnr(&output.image.unwrap(), &clean, 4) - psnr(&noisy, &clean, 4);
    assert!(gain > 5.0, "{gain:.1} dB; {:?}", output.notes);
}

#[test]
fn tiles_of_the_bundled_models_do_not_show() {
    // The picture was never a JPEG: left automatic, nothing would be cleaned up.
    let strength = [("strength", Value::Float(40.0))];
    for (name, params) in [("upscale", &[][..]), ("denoise", &[]), ("jpeg-cleanup", &strength)] {
        let installed = Installed::new();
        // As f32, so that rounding hides nothing.
        let source = picture(300, 200);
        let source = Picture { samples: Samples::F32(source.to_raster().data), ..source };
        let whole = installed.run(name, with(job(source.clone()), params)).unwrap();
        // Less memory, smaller tiles.
        let mut small = Installed::new();
        small.config.filters.memory_mb = 24;
        let tiled = small.run(name, with(job(source), params)).unwrap();
        assert!(tiled.tiles > whole.tiles, "{name}: {} and {} tiles", tiled.tiles, whole.tiles);
        let apart = psnr(&whole.image.unwrap(), &tiled.image.unwrap(), 0);
        assert!(apart > 60.0, "{name}: {apart:.1} dB");
    }
}

#[test]
fn cut_out_finds_a_disc_in_a_rough_box() {
    let installed = Installed::new();
    let (w, h) = (200, 160);
    let inside = |x: usize, y: usize| (x as f32 - 95.0).hypot(y as f32 - 80.0) < 45.0;
    let mut source = smooth(w, h, 4.0);
    let Samples::U8(samples) = &mut source.samples else { panic!() };
    for (i, pixel) in samples.chunks_exact_mut(3).enumerate() {
        if inside(i % w, i / w) {
            pixel.copy_from_slice(&[220, 60 + (i % 7) as u8, 40]);
        }
    }
    let mut asked = job(source);
    asked.area = Some([40.0, 25.0, 115.0, 112.0]);
    let output = installed.run("cut-out", asked).unwrap();
    let mask = output.mask.or(output.alpha).unwrap();
    let (mut both, mut either) = (0, 0);
    for y in 0..h {
        for x in 0..w {
            let (found, right) = (mask.at(x, y) > 0.5, inside(x, y));
            both += usize::from(found && right);
            either += usize::from(found || right);
        }
    }
    let iou = both as f32 / either as f32;
    assert!(iou > 0.9, "IoU {iou:.3}");
}
