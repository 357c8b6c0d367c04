//! Every bundled filter on one small photo, against what is known to be right: the shipped models' own answers and
//! figures (`golden/bundled`, written by `scripts/models/evaluate --golden`), and for the native filters the pictures
//! in `golden/native`.
//!
//! After a wanted change of a native filter: `GIMP_BRIDGE_TEST_GOLDEN=write cargo test --test all golden_native`, and
//! look at the pictures before they are committed.

use super::{Installed, here, job};
use gimp_bridge::filters::{Filters, Job, Picture, Plane, Raster, Samples, Value};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

fn file(name: &str) -> PathBuf {
    here().join("golden/bundled").join(name)
}

fn open(path: PathBuf) -> Picture {
    let image = image::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Picture { width, height, channels: 3, samples: Samples::U8(image.into_raw()) }
}

fn cases() -> Vec<Json> {
    serde_json::from_slice(&std::fs::read(file("figures.json")).unwrap()).unwrap()
}

fn text<'a>(case: &'a Json, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{case} has no `{key}`"))
}

fn job_of(case: &Json) -> Job {
    let mut asked = job(open(file(text(case, "input"))));
    for (name, value) in case["parameters"].as_object().unwrap() {
        let value = match value {
            Json::String(text) => Value::Text(text.clone()),
            number => Value::Float(number.as_f64().unwrap()),
        };
        asked.params.set(name, value);
    }
    if let Some(sides) = case["box"].as_array() {
        asked.area = Some(std::array::from_fn(|i| sides[i].as_f64().unwrap() as f32));
    }
    asked
}

fn psnr(a: &Raster, b: &Raster) -> f64 {
    assert_eq!((a.width, a.height, a.channels), (b.width, b.height, b.channels));
    let squares: f64 = a.data.iter().zip(&b.data).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    -10.0 * (squares / a.data.len() as f64).max(1e-12).log10()
}

/// Of the mask with what is white in the truth.
fn iou(mask: &Plane, truth: &Raster) -> f64 {
    let pairs = mask.data.iter().zip(truth.data.chunks_exact(truth.channels));
    let (mut both, mut either) = (0.0, 0.0);
    for (found, right) in pairs.map(|(found, right)| (*found > 0.5, right[0] > 0.5)) {
        both += f64::from(u8::from(found && right));
        either += f64::from(u8::from(found || right));
    }
    both / either
}

#[test]
fn golden_models_give_their_figures() {
    let installed = Installed::new();
    for case in cases() {
        let name = text(&case, "filter");
        let output = installed.run(name, job_of(&case)).unwrap();
        let truth = open(file(text(&case, "truth"))).to_raster();
        let found = match text(&case, "measure") {
            "psnr" => psnr(&output.image.unwrap().to_raster(), &truth),
            _ => iou(&output.mask.or(output.alpha).unwrap(), &truth),
        };
        let (figure, tolerance) = (case["figure"].as_f64().unwrap(), case["tolerance"].as_f64().unwrap());
        assert!(
            (found - figure).abs() <= tolerance,
            "{name} {}: {found:.3}, wanted {figure} within {tolerance}",
            case["parameters"]
        );
    }
}

#[test]
fn golden_models_give_python_s_pixels() {
    let installed = Installed::new();
    for case in cases() {
        // Reduced by another program's filter, or refined after the model: not pixel by pixel.
        if case["parameters"]["scale"] == 3 || text(&case, "measure") != "psnr" {
            continue;
        }
        let found = installed.run(text(&case, "filter"), job_of(&case)).unwrap().image.unwrap().to_raster();
        let apart = psnr(&found, &open(file(text(&case, "answer"))).to_raster());
        assert!(apart > 45.0, "{}: {apart:.1} dB from {}", text(&case, "filter"), text(&case, "answer"));
    }
}

#[test]
fn golden_pictures_are_seen_for_what_they_are() {
    let installed = Installed::new();
    for case in cases() {
        let (name, mut asked) = (text(&case, "filter"), job_of(&case));
        match name {
            "upscale" => {
                asked.params.set("source", Value::Text("auto".into()));
                let used = installed.run(name, asked).unwrap().used;
                assert_eq!(used.text("source"), text(&case["parameters"], "source"), "{}", case["input"]);
            }
            "denoise" | "jpeg-cleanup" => {
                asked.params.set("strength", Value::Text("auto".into()));
                let found = installed.run(name, asked).unwrap().used.number("strength");
                let right = case["parameters"]["strength"].as_f64().unwrap();
                assert!((found / right - 1.0).abs() < 0.15, "{}: {found}, wanted {right}", case["input"]);
            }
            _ => {}
        }
    }
}

/// What each native filter makes of the photo.
fn native(installed: &Installed, name: &str) -> Picture {
    let mut asked = job(open(file("photo.png")));
    match name {
        // A spot on the saucer's rim, where lines go on.
        "remove-object" => {
            let (width, height) = (asked.image.width, asked.image.height);
            let spot = |i: usize| ((i % width) as f32 - 96.0).hypot((i / width) as f32 - 72.0) < 14.0;
            let data = (0..width * height).map(|i| f32::from(u8::from(spot(i)))).collect();
            asked.mask = Some(Plane { width, height, data });
        }
        "style-from-image" => asked.style = Some(Arc::new(open(file("cup.png")))),
        // A dull one, for there to be something to do.
        "auto-enhance" => {
            let Samples::U8(samples) = &asked.image.samples else { unreachable!() };
            let dull = samples.iter().map(|&value| 40 + value / 2).collect();
            asked.image = Arc::new(Picture { samples: Samples::U8(dull), ..(*asked.image).clone() });
        }
        _ => {}
    }
    installed.run(name, asked).unwrap().image.unwrap()
}

/// Means of blocks of 8 x 8: where a stroke lies may differ by the machine's own rounding, what it shows may not.
fn coarse(picture: &Picture) -> Vec<f32> {
    let raster = picture.to_raster();
    let mut means = Vec::new();
    for top in (0..raster.height / 8 * 8).step_by(8) {
        for left in (0..raster.width / 8 * 8).step_by(8) {
            let block = raster.crop(left, top, 8, 8);
            means.extend((0..3).map(|c| block.data.iter().skip(c).step_by(3).sum::<f32>() / 64.0));
        }
    }
    means
}

#[test]
fn golden_native_filters_paint_the_same_picture() {
    let installed = Installed::new();
    for name in ["auto-enhance", "oil-painting", "remove-object", "style-from-image"] {
        let made = native(&installed, name);
        let path = here().join("golden/native").join(format!("{name}.png"));
        if std::env::var("GIMP_BRIDGE_TEST_GOLDEN").is_ok_and(|wish| wish == "write") {
            let Samples::U8(samples) = &made.samples else { unreachable!() };
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let kind = image::ExtendedColorType::Rgb8;
            image::save_buffer(&path, samples, made.width as u32, made.height as u32, kind).unwrap();
            continue;
        }
        let wanted = open(path);
        let (most, mean) = super::difference(&coarse(&made), &coarse(&wanted));
        assert!(mean < 1.0 / 255.0 && most < 12.0 / 255.0, "{name}: blocks are {most} and on average {mean} off");
        let pixels = super::difference(&made.to_raster().data, &wanted.to_raster().data).1;
        assert!(pixels < 4.0 / 255.0, "{name}: pixels are {pixels} off");
    }
}

#[test]
fn golden_runs_hold_every_bundled_filter() {
    let compared: BTreeSet<String> = cases().iter().map(|case| text(case, "filter").to_owned()).collect();
    let native = ["auto-enhance", "oil-painting", "remove-object", "style-from-image"].map(str::to_owned);
    let filters = Filters::new(&Installed::new().config);
    let there: BTreeSet<String> = filters.list().into_iter().map(|about| about.name).collect();
    assert_eq!(compared.into_iter().chain(native).collect::<BTreeSet<_>>(), there);
    let upscales: Vec<String> = cases()
        .iter()
        .filter(|case| case["filter"] == "upscale")
        .map(|case| format!("{} {}", case["parameters"]["scale"], text(&case["parameters"], "source")))
        .collect();
    for scale in [2, 3, 4] {
        for source in ["clean", "compressed"] {
            assert!(upscales.contains(&format!("{scale} {source}")), "{scale} {source}");
        }
    }
}
