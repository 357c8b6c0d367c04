//! The native filters on made pictures, looked at pixel by pixel.

use super::all;
use super::random::Random;
use crate::error::{Kind, Result};
use crate::filters::{Depth, Job, Output, Picture, Plane, Raster, Value, Watch};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

fn picture(width: usize, height: usize, channels: usize, pixel: impl Fn(usize, usize) -> [f32; 4]) -> Picture {
    let mut raster = Raster::new(width, height, channels, Depth::U8);
    for (index, out) in raster.data.chunks_exact_mut(channels).enumerate() {
        let colour = pixel(index % width, index / width);
        let grey = [colour[0], colour[3]];
        out.copy_from_slice(if channels < 3 { &grey[..channels] } else { &colour[..channels] });
    }
    Picture::from_raster(&raster)
}

/// A job with the filter's defaults and these parameters.
fn job(name: &str, image: Picture, params: &[(&str, f64)]) -> Job {
    let filter = all().into_iter().find(|filter| filter.about().name == name).unwrap();
    let mut job = Job::new(Arc::new(image));
    for param in &filter.about().params {
        job.params.set(&param.name, param.default.clone());
    }
    params.iter().for_each(|(name, value)| job.params.set(name, Value::Float(*value)));
    job
}

fn run(name: &str, job: &Job, watch: &Watch) -> Result<Output> {
    all().into_iter().find(|filter| filter.about().name == name).unwrap().run(job, watch)
}

fn image(name: &str, job: &Job) -> Picture {
    run(name, job, &Watch::silent()).unwrap().image.unwrap()
}

fn hole(width: usize, height: usize, inside: impl Fn(usize, usize) -> bool) -> Plane {
    let value = |at: usize| f32::from(u8::from(inside(at % width, at / width)));
    Plane { width, height, data: (0..width * height).map(value).collect() }
}

fn within(rect: [usize; 4]) -> impl Fn(usize, usize) -> bool {
    move |x, y| (rect[0]..rect[0] + rect[2]).contains(&x) && (rect[1]..rect[1] + rect[3]).contains(&y)
}

/// Removes what `mask` covers.
fn removed(image: &Picture, mask: Plane, params: &[(&str, f64)]) -> Result<Output> {
    let mut job = job("remove-object", image.clone(), params);
    job.mask = Some(mask);
    run("remove-object", &job, &Watch::silent())
}

/// PSNR over the pixels of the mask.
fn psnr(a: &Picture, b: &Picture, mask: &Plane) -> f32 {
    let (a, b) = (a.to_raster(), b.to_raster());
    let (mut sum, mut count) = (0.0, 0.0f32);
    for at in (0..mask.data.len()).filter(|&at| mask.data[at] > 0.0) {
        for lane in 0..a.colours() {
            sum += (a.data[at * a.channels + lane] - b.data[at * a.channels + lane]).powi(2);
            count += 1.0;
        }
    }
    -10.0 * (sum / count).max(1e-9).log10()
}

fn same_outside(a: &Picture, b: &Picture, mask: &Plane) -> bool {
    let (a, b) = (a.to_raster(), b.to_raster());
    let pixels = a.data.chunks_exact(a.channels).zip(b.data.chunks_exact(a.channels));
    pixels.zip(&mask.data).all(|((a, b), &covered)| covered > 0.0 || a == b)
}

/// A wall of tiles, eight pixels each.
fn tiles(x: usize, y: usize) -> [f32; 4] {
    let edge = x.is_multiple_of(8) || y.is_multiple_of(8);
    let shade = 0.45 + 0.1 * ((x / 8 + y / 8) % 2) as f32;
    if edge { [0.15, 0.15, 0.2, 1.0] } else { [shade, 0.3, 0.2, 1.0] }
}

#[test]
fn a_hole_in_a_pattern_comes_back() {
    let truth = picture(96, 80, 3, tiles);
    let mask = hole(96, 80, within([37, 29, 22, 19]));
    let broken =
        picture(96, 80, 3, |x, y| if within([37, 29, 22, 19])(x, y) { [0.0, 1.0, 0.0, 1.0] } else { tiles(x, y) });
    let output = removed(&broken, mask.clone(), &[("feather", 0.0)]).unwrap();
    let filled = output.image.unwrap();
    assert!(same_outside(&filled, &broken, &mask));
    let quality = psnr(&filled, &truth, &mask);
    assert!(quality > 30.0, "{quality} dB");
    assert!(output.notes[0].contains("patches"), "{:?}", output.notes);
}

fn ramp(x: usize, y: usize) -> [f32; 4] {
    [0.2 + 0.004 * x as f32, 0.3 + 0.003 * y as f32, 0.7 - 0.003 * x as f32, 1.0]
}

#[test]
fn an_object_on_a_gradient_vanishes() {
    let disc = |x: usize, y: usize| (x as i32 - 50).pow(2) + (y as i32 - 40).pow(2) < 144;
    let scene = picture(100, 80, 3, |x, y| if disc(x, y) { [0.9, 0.1, 0.1, 1.0] } else { ramp(x, y) });
    let mask = hole(100, 80, disc);
    let filled = removed(&scene, mask.clone(), &[]).unwrap().image.unwrap();
    let quality = psnr(&filled, &picture(100, 80, 3, ramp), &mask);
    assert!(quality > 34.0, "{quality} dB");
    // Two pixels of feather, and no more.
    let wide = hole(100, 80, |x, y| (x as i32 - 50).pow(2) + (y as i32 - 40).pow(2) < 17 * 17);
    assert!(same_outside(&filled, &scene, &wide));
}

#[test]
fn a_scratch_is_filled_by_what_flows_in() {
    let scratch = |x: usize, y: usize| (x + y) % 60 < 4;
    let scene = picture(90, 70, 3, |x, y| if scratch(x, y) { [1.0; 4] } else { ramp(x, y) });
    let mask = hole(90, 70, scratch);
    let output = removed(&scene, mask.clone(), &[("feather", 0.0)]).unwrap();
    assert!(output.notes[0].contains("thin"), "{:?}", output.notes);
    let quality = psnr(output.image.as_ref().unwrap(), &picture(90, 70, 3, ramp), &mask);
    assert!(quality > 38.0, "{quality} dB");
}

#[test]
fn holes_far_apart_are_filled_apart_and_seeds_vary() {
    let noise = |x: usize, y: usize| {
        let mut random = Random::new(x as u64, y as u64);
        let grain = 0.3 * random.unit();
        if x < 80 { [0.6 + grain, 0.2, 0.2, 1.0] } else { [0.1, 0.2, 0.6 + grain, 1.0] }
    };
    let scene = picture(160, 40, 3, noise);
    let (red, blue) = (within([20, 14, 13, 13]), within([130, 12, 13, 13]));
    let both = hole(160, 40, |x, y| red(x, y) || blue(x, y));
    let fill = |mask: &Plane, seed: f64| {
        removed(&scene, mask.clone(), &[("seed", seed), ("context", 24.0), ("feather", 0.0)]).unwrap()
    };
    let output = fill(&both, 0.0);
    assert!(output.notes[0].starts_with("2 holes"), "{:?}", output.notes);
    let one = hole(160, 40, &red);
    let [first, again, other] = [1.0, 1.0, 2.0].map(|seed| fill(&one, seed).image);
    // Pictures are too long to print.
    assert!(first == again, "the same seed fills otherwise");
    assert!(first != other, "another seed fills alike");
    let filled = output.image.unwrap().to_raster();
    // Red stays in the red half and blue in the blue one.
    assert!(filled.pixel(27, 21)[0] > 0.5 && filled.pixel(27, 21)[2] < 0.4);
    assert!(filled.pixel(137, 19)[2] > 0.5 && filled.pixel(137, 19)[0] < 0.4);
}

#[test]
fn transparent_pixels_are_never_copied_from() {
    let clear = within([0, 0, 40, 60]);
    let scene = picture(90, 60, 4, |x, y| if clear(x, y) { [0.0, 1.0, 0.0, 0.0] } else { tiles(x, y) });
    let mask = hole(90, 60, within([36, 20, 24, 18]));
    let filled = removed(&scene, mask.clone(), &[]).unwrap().image.unwrap().to_raster();
    for at in (0..mask.data.len()).filter(|&at| mask.data[at] > 0.0) {
        let pixel = &filled.data[at * 4..at * 4 + 4];
        assert!(pixel[1] < 0.5 && pixel[3] == 1.0, "{pixel:?}");
    }
    assert_eq!(filled.pixel(10, 10), [0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn holes_that_cannot_be_filled_are_refused() {
    let scene = picture(40, 30, 3, tiles);
    let refused = |mask: Plane| removed(&scene, mask, &[]).unwrap_err();
    for (mask, says) in [
        (hole(40, 30, |_, _| false), "empty"),
        (hole(40, 30, |_, _| true), "nothing is left"),
        (hole(41, 30, |_, _| true), "41x30"),
    ] {
        let error = refused(mask);
        assert_eq!(error.kind, Kind::InvalidArgument);
        assert!(error.message.contains(says) && error.hint.is_some(), "{error}");
    }
    let error = run("remove-object", &job("remove-object", scene.clone(), &[]), &Watch::silent()).unwrap_err();
    assert!(error.message.contains("neither a mask"), "{error}");
    // With hardly anything left, what there is is used.
    let nearly = hole(40, 30, |x, y| (x, y) != (0, 0));
    assert!(removed(&scene, nearly, &[("feather", 0.0)]).is_ok());
}

fn mean(picture: &Picture) -> [f32; 3] {
    let raster = picture.to_raster();
    let count = (raster.width * raster.height) as f32;
    let sum = |lane: usize| raster.data.iter().skip(lane).step_by(raster.channels).sum::<f32>() / count;
    [sum(0), sum(1.min(raster.channels - 1)), sum(2.min(raster.channels - 1))]
}

/// Mean squared difference of neighbours.
fn roughness(picture: &Picture) -> f32 {
    let raster = picture.to_raster();
    let pairs = raster.data.iter().zip(raster.data.iter().skip(raster.channels));
    pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / raster.data.len() as f32
}

fn grainy(x: usize, y: usize) -> [f32; 4] {
    let grain = 0.3 * (Random::new(x as u64 + 7, y as u64).unit() - 0.5);
    if x > y { [0.7 + grain, 0.5 + grain, 0.3 + grain, 1.0] } else { [0.2 + grain, 0.35 + grain, 0.6 + grain, 1.0] }
}

#[test]
fn a_painting_is_smoother_and_of_the_same_colours() {
    let scene = picture(120, 100, 3, grainy);
    let job = job("oil-painting", scene.clone(), &[("relief", 20.0), ("variety", 20.0)]);
    let painted = image("oil-painting", &job);
    assert!(roughness(&painted) < 0.3 * roughness(&scene), "{} {}", roughness(&painted), roughness(&scene));
    for (a, b) in mean(&painted).into_iter().zip(mean(&scene)) {
        assert!((a - b).abs() < 0.03, "{a} {b}");
    }
    let raster = painted.to_raster();
    // The two halves are still where they were.
    assert!(raster.pixel(100, 10)[0] > 0.5 && raster.pixel(10, 90)[0] < 0.4);
    assert!(painted == image("oil-painting", &job));
}

#[test]
fn a_weaker_painting_lies_between_the_picture_and_the_painting() {
    let scene = picture(300, 200, 3, grainy);
    let with = |strength: f64| image("oil-painting", &job("oil-painting", scene.clone(), &[("strength", strength)]));
    assert!(with(0.0) == scene);
    let data = |picture: &Picture| picture.to_raster().data;
    let (all, half, none) = (data(&with(100.0)), data(&with(50.0)), data(&scene));
    let off = all.iter().zip(&half).zip(&none).map(|((all, half), none)| (half - (all + none) / 2.0).abs());
    assert!(off.fold(0.0, f32::max) < 1.5 / 255.0 && all != none);
}

#[test]
fn style_moves_the_colours_and_texture_changes_more() {
    let scene = picture(60, 50, 3, grainy);
    let style = picture(48, 40, 3, |x, y| if (x + y) % 6 < 3 { [0.9, 0.75, 0.1, 1.0] } else { [0.5, 0.1, 0.05, 1.0] });
    let with = |params: &[(&str, f64)]| {
        let mut job = job("style-from-image", scene.clone(), params);
        job.style = Some(Arc::new(style.clone()));
        image("style-from-image", &job)
    };
    let colours = with(&[("texture", 0.0)]);
    for (lane, (a, b)) in mean(&colours).into_iter().zip(mean(&style)).enumerate() {
        assert!((a - b).abs() < 0.06, "channel {lane}: {a} {b}");
    }
    assert!(with(&[("strength", 0.0)]) == scene);
    assert!(with(&[("texture", 0.0), ("colour", 0.0)]) == scene);
    let textured = with(&[("texture", 80.0)]);
    assert!(textured != colours);
    assert!(textured == with(&[("texture", 80.0)]));
    let error = run("style-from-image", &job("style-from-image", scene, &[]), &Watch::silent()).unwrap_err();
    assert!(error.message.contains("no style picture"), "{error}");
}

fn contrast(picture: &Picture) -> f32 {
    let data = picture.to_raster().data;
    let mean = data.iter().sum::<f32>() / data.len() as f32;
    (data.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / data.len() as f32).sqrt()
}

#[test]
fn a_flat_picture_gains_contrast_once() {
    let flat = picture(120, 90, 3, |x, y| {
        let [r, _, b, _] = grainy(x, y);
        let v = 0.35 + 0.3 * (r + 0.4 * b);
        [v, v, v + 0.02 * b, 1.0]
    });
    let output = run("auto-enhance", &job("auto-enhance", flat.clone(), &[]), &Watch::silent()).unwrap();
    let once = output.image.unwrap();
    assert!(contrast(&once) > 1.8 * contrast(&flat));
    assert!(output.notes.iter().any(|note| note.starts_with("white point") && note.contains("lighter than")));
    assert!(output.used.number("white-point") > 100.0);
    let second = run("auto-enhance", &job("auto-enhance", once.clone(), &[]), &Watch::silent()).unwrap();
    let twice = second.image.unwrap();
    let change = |a: &Picture, b: &Picture| {
        a.to_raster().data.iter().zip(&b.to_raster().data).map(|(a, b)| (a - b).abs()).sum::<f32>()
    };
    assert!(change(&once, &twice) < 0.1 * change(&flat, &once), "{:?}, then {:?}", output.notes, second.notes);
    let untouched = image("auto-enhance", &job("auto-enhance", flat.clone(), &[("strength", 0.0)]));
    assert!(untouched == flat);
}

#[test]
fn a_good_picture_is_left_alone_and_a_cast_is_taken_out() {
    let good = |x: usize, y: usize| {
        let grain = 0.1 * (Random::new(x as u64, y as u64).unit() - 0.5);
        let v = (x as f32 / 119.0 + grain).clamp(0.0, 1.0);
        if y < 20 { [v, 0.3, 0.9 - v * 0.8, 1.0] } else { [v, v, v, 1.0] }
    };
    let scene = picture(120, 90, 3, good);
    let output = run("auto-enhance", &job("auto-enhance", scene.clone(), &[]), &Watch::silent()).unwrap();
    assert!(output.image.unwrap() == scene, "{:?}", output.notes);
    assert!(output.notes[0].contains("nothing to mend"));
    let warm = picture(120, 90, 3, |x, y| {
        let [r, g, b, _] = good(x, y);
        [r, g * 0.97, b * 0.86, 1.0]
    });
    let mended = image("auto-enhance", &job("auto-enhance", warm.clone(), &[])).to_raster();
    let (before, after) = (warm.to_raster().pixel(60, 60).to_vec(), mended.pixel(60, 60).to_vec());
    assert!((after[0] - after[2]).abs() < 0.4 * (before[0] - before[2]), "{before:?} became {after:?}");
}

/// Sizes and channels that trip filters: one pixel, a line, a strip, grey, alpha, everything transparent.
#[test]
fn every_filter_takes_every_shape() {
    let shapes = [(1, 1, 3), (1, 1, 1), (2, 3, 4), (1, 40, 2), (700, 10, 3), (30, 20, 2), (24, 24, 1), (24, 24, 4)];
    let names: Vec<String> = all().iter().map(|filter| filter.about().name.clone()).collect();
    assert_eq!(names, ["remove-object", "oil-painting", "style-from-image", "auto-enhance"]);
    for name in &names {
        for (width, height, channels) in shapes {
            let scene = picture(width, height, channels, |x, y| {
                let [r, g, b, _] = grainy(x, y);
                [r, g, b, if x > width / 2 { 0.5 } else { 1.0 }]
            });
            let mut job = job(name, scene.clone(), &[]);
            job.style = Some(Arc::new(picture(16, 12, 3, tiles)));
            job.selection = Some(hole(width, height, |x, y| x >= width / 3 && x < width / 3 + 3 && y < 4));
            let told = Arc::new(Mutex::new(vec![0.0]));
            let tell = told.clone();
            let watch = Watch::new(CancellationToken::new(), move |done, _| tell.lock().unwrap().push(done));
            match run(name, &job, &watch) {
                Ok(output) => {
                    let made = output.image.unwrap();
                    assert_eq!((made.width, made.height, made.channels), (width, height, channels), "{name}");
                    assert!(made.to_raster().data.iter().all(|value| value.is_finite()));
                    if channels % 2 == 0 && name != "remove-object" {
                        let alphas = |p: &Picture| {
                            p.to_raster().data.into_iter().skip(channels - 1).step_by(channels).collect::<Vec<_>>()
                        };
                        assert_eq!(alphas(&made), alphas(&scene), "{name} changed alpha");
                    }
                }
                // One pixel that is all hole leaves nothing to fill from.
                Err(error) => assert!(name == "remove-object" && width < 3, "{name} {width}x{height}: {error}"),
            }
            let told = told.lock().unwrap();
            assert!(told.iter().all(|done| (0.0..=1.0).contains(done)), "{name}: {told:?}");
        }
    }
}

#[test]
fn depth_is_kept() {
    for name in ["remove-object", "oil-painting", "style-from-image", "auto-enhance"] {
        let mut raster = picture(40, 30, 3, grainy).to_raster();
        raster.depth = Depth::U16;
        raster.data.iter_mut().for_each(|value| *value = *value * 0.5 + 0.2 + 0.001);
        let mut job = job(name, Picture::from_raster(&raster), &[]);
        job.style = Some(Arc::new(picture(20, 20, 3, tiles)));
        job.mask = Some(hole(40, 30, within([10, 10, 12, 9])));
        let made = image(name, &job);
        assert_eq!(made.depth(), Depth::U16);
        let crate::filters::Samples::U16(samples) = made.samples else { panic!("{name} changed its samples") };
        // 8-bit values are multiples of 257.
        assert!(samples.iter().any(|sample| sample % 257 != 0), "{name} lost depth");
    }
}

#[test]
fn a_cancelled_run_ends_with_an_error() {
    for filter in all() {
        let name = &filter.about().name;
        let mut job = job(name, picture(120, 90, 3, grainy), &[]);
        job.style = Some(Arc::new(picture(40, 40, 3, tiles)));
        job.mask = Some(hole(120, 90, within([30, 30, 40, 30])));
        for limit in [0, 1, 3] {
            let token = CancellationToken::new();
            let (cancel, count) = (token.clone(), Mutex::new(0));
            let watch = Watch::new(token.clone(), move |_, _| {
                let mut count = count.lock().unwrap();
                *count += 1;
                if *count > limit {
                    cancel.cancel();
                }
            });
            let error = filter.run(&job, &watch).err();
            // A filter that tells less often than that was done before.
            if token.is_cancelled() && limit < 2 {
                assert_eq!(error.map(|error| error.kind), Some(Kind::Cancelled), "{name} after {limit}");
            }
        }
    }
}
