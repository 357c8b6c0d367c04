//! Selection, alpha, depth: what the result does to the picture around it.

use super::{Installed, job, manifest, picture, rectangle};
use gimp_bridge::filters::{Depth, Picture, Plane, Samples};

/// A filter that inverts, at any size.
fn inverting(installed: &Installed, more: &str) {
    let text = manifest(
        "mosaic-9.onnx",
        "policy = \"multiple\"\nmultiple = 4\ntile = { mode = \"ok\", size = 32, overlap = 8 }",
        "range = [0, 255]",
        "range = [0, 255]",
        more,
    );
    let text = text.replace("path = \"mosaic-9.onnx\"", "path = \"mosaic-9.onnx\"\npatch = \"free-hw\"");
    installed.add("test", &text, &["mosaic-9.onnx"]);
}

#[test]
fn outside_of_the_selection_every_bit_stays_and_the_edge_is_soft() {
    let installed = Installed::new();
    inverting(&installed, "");
    let source = picture(90, 70);
    let mut selection = rectangle(90, 70, 21..55, 13..40);
    selection.data[30 * 90 + 54] = 0.5;
    let mut job = job(source.clone());
    job.selection = Some(selection.clone());
    let output = installed.run("test", job).unwrap();
    let (Samples::U8(before), Samples::U8(after)) = (&source.samples, &output.image.unwrap().samples) else { panic!() };
    for (i, share) in selection.data.iter().enumerate() {
        for c in 0..3 {
            let (before, after) = (before[i * 3 + c], after[i * 3 + c]);
            let wanted = f32::from(before) + (255.0 - 2.0 * f32::from(before)) * share;
            if *share == 0.0 {
                assert_eq!(before, after);
            } else {
                assert!((wanted - f32::from(after)).abs() <= 1.0, "pixel {i}: {before} became {after}, not {wanted}");
            }
        }
    }
    // 34 by 27 pixels with their surroundings, not the whole picture.
    assert!(output.tiles <= 6, "{} tiles", output.tiles);
}

#[test]
fn an_empty_selection_is_refused_with_the_mend() {
    let installed = Installed::new();
    inverting(&installed, "");
    let mut job = job(picture(20, 20));
    job.selection = Some(Plane::filled(20, 20, 0.0));
    let error = installed.run("test", job).unwrap_err();
    assert!(error.message.contains("the selection is empty") && error.hint.is_some(), "{error:?}");
}

#[test]
fn alpha_is_carried_and_what_is_transparent_does_not_bleed() {
    let installed = Installed::new();
    let blur = manifest("half-blur.onnx", "policy = \"multiple\"\nmultiple = 2", "", "", "");
    installed.add("test", &blur, &["half-blur.onnx"]);
    // A white square on transparent black: a blur that looked at the black would darken its rim.
    let (w, h) = (40, 40);
    let mut samples = vec![0u8; w * h * 4];
    for y in 10..30 {
        for x in 10..30 {
            samples[(y * w + x) * 4..][..4].copy_from_slice(&[255, 255, 255, 200]);
        }
    }
    let source = Picture { width: w, height: h, channels: 4, samples: Samples::U8(samples.clone()) };
    let image = installed.run("test", job(source)).unwrap().image.unwrap();
    let Samples::U8(after) = &image.samples else { panic!() };
    assert_eq!((image.channels, after), (4, &samples));
}

#[test]
fn alpha_grows_with_the_picture() {
    let installed = Installed::new();
    let text = manifest(
        "double.onnx",
        "policy = \"dynamic\"\ntile = { mode = \"ok\", size = 16, overlap = 4 }",
        "",
        "scale = 2",
        "",
    );
    installed.add("test", &text, &["double.onnx"]);
    let (w, h) = (50, 41);
    let samples = (0..w * h).flat_map(|i| [90, 90, 90, if (i / w) < 20 { 255 } else { 0 }]).collect();
    let source = Picture { width: w, height: h, channels: 4, samples: Samples::U8(samples) };
    let image = installed.run("test", job(source)).unwrap().image.unwrap();
    assert_eq!((image.width, image.height, image.channels), (100, 82, 4));
    let alpha = |y: usize| image.to_raster().pixel(50, y)[3];
    assert_eq!((alpha(0), alpha(36), alpha(43), alpha(81)), (1.0, 1.0, 0.0, 0.0));
    assert!((0.2..0.8).contains(&((alpha(39) + alpha(40)) / 2.0)));
}

#[test]
fn floats_stay_floats() {
    let installed = Installed::new();
    inverting(&installed, "");
    let samples = (0..30 * 20 * 3).map(|i| (i % 97) as f32 / 96.0).collect::<Vec<_>>();
    let source = Picture { width: 30, height: 20, channels: 3, samples: Samples::F32(samples.clone()) };
    let image = installed.run("test", job(source)).unwrap().image.unwrap();
    assert_eq!(image.depth(), Depth::F32);
    let Samples::F32(after) = image.samples else { panic!() };
    assert!(samples.iter().zip(after).all(|(before, after)| (1.0 - before - after).abs() < 1e-5));
}

#[test]
fn a_parameter_mixes_the_result_in() {
    let installed = Installed::new();
    let more = "[compose]\nopacity_param = \"strength\"\n[[param]]\nname = \"strength\"\ntype = \"float\"\nmin = 0\n\
                max = 1\ndefault = 0.25";
    inverting(&installed, more);
    let source = Picture { width: 8, height: 8, channels: 3, samples: Samples::U8(vec![0; 8 * 8 * 3]) };
    let output = installed.run("test", job(source)).unwrap();
    let Samples::U8(after) = output.image.unwrap().samples else { panic!() };
    assert!(after.iter().all(|&value| value == 64), "{:?}", &after[..3]);
    assert_eq!(output.used.number("strength"), 0.25);
}
