//! Tiles against the whole picture, odd sizes, progress, cancel, many callers.

use super::{Installed, difference, job, manifest, picture};
use gimp_bridge::error::Kind;
use gimp_bridge::filters::{Filters, Picture, Samples, Watch};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

fn blurring(tile: &str) -> String {
    manifest("half-blur.onnx", &format!("policy = \"multiple\"\nmultiple = 2\n{tile}"), "", "", "")
}

#[test]
fn tiles_agree_with_the_whole_picture() {
    let installed = Installed::new();
    installed.add("test", &blurring(""), &["half-blur.onnx"]);
    // As f32, so that rounding hides nothing.
    let source = picture(333, 251);
    let samples = source.to_raster().data;
    let source = Picture { samples: Samples::F32(samples), ..source };
    let whole = installed.run("test", job(source.clone())).unwrap();
    assert_eq!(whole.tiles, 1);
    for blend in ["linear", "smooth"] {
        let tile = format!("tile = {{ mode = \"ok\", size = 64, overlap = 16, blend = \"{blend}\" }}");
        installed.add("test", &blurring(&tile), &["half-blur.onnx"]);
        let tiled = installed.run("test", job(source.clone())).unwrap();
        assert_eq!(tiled.tiles, 7 * 5);
        let (a, b) = (whole.image.as_ref().unwrap().to_raster(), tiled.image.unwrap().to_raster());
        let square: f64 = a.data.iter().zip(&b.data).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        let psnr = -10.0 * (square / a.data.len() as f64).max(1e-20).log10();
        // Zero padding at a tile's rim counts a little under the linear ramp; the smooth one drops the rim.
        let least = if blend == "smooth" { 100.0 } else { 38.0 };
        assert!(psnr > least, "{blend}: {psnr:.1} dB");
    }
}

#[test]
fn sizes_that_fit_no_tile_come_out_whole() {
    let installed = Installed::new();
    let tile = "tile = { mode = \"ok\", size = 32, overlap = 8 }";
    let text = manifest("double.onnx", &format!("policy = \"dynamic\"\nmin = 8\n{tile}"), "", "scale = 2", "");
    installed.add("test", &text, &["double.onnx"]);
    for (width, height) in [(1, 1), (2, 7), (31, 33), (65, 1), (5000, 3)] {
        let source = picture(width, height);
        let image = installed.run("test", job(source.clone())).unwrap().image.unwrap();
        assert_eq!((image.width, image.height), (width * 2, height * 2));
        let (before, after) = (source.to_raster(), image.to_raster());
        let wanted: Vec<f32> = (0..height * 2)
            .flat_map(|y| (0..width * 2).map(move |x| (x / 2, y / 2)))
            .flat_map(|(x, y)| before.pixel(x, y).to_vec())
            .collect();
        assert_eq!(difference(&wanted, &after.data).0, 0.0, "{width}x{height}");
    }
}

#[test]
fn a_fixed_size_model_takes_any_picture() {
    let installed = Installed::new();
    let size = "policy = \"fixed\"\nfixed = [224, 224]\ntile = { mode = \"ok\", overlap = 16 }";
    let text = manifest("mosaic-9.onnx", size, "range = [0, 255]", "range = [0, 255]", "");
    installed.add("test", &text, &["mosaic-9.onnx"]);
    for (width, height) in [(1, 1), (100, 300), (500, 20)] {
        let source = picture(width, height);
        let image = installed.run("test", job(source.clone())).unwrap().image.unwrap();
        let (Samples::U8(before), Samples::U8(after)) = (&source.samples, &image.samples) else { panic!() };
        assert!(before.iter().zip(after).all(|(before, after)| 255 - before == *after), "{width}x{height}");
    }
}

#[test]
fn progress_rises_to_the_end_and_a_cancel_stops_within_a_tile() {
    let installed = Installed::new();
    installed.add("test", &blurring("tile = { mode = \"ok\", size = 32, overlap = 8 }"), &["half-blur.onnx"]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let watch = Watch::new(CancellationToken::new(), move |fraction, doing| {
        heard.lock().unwrap().push((fraction, doing.to_owned()));
    });
    installed.run_with("test", job(picture(200, 200)), watch).unwrap();
    let told = told.lock().unwrap().clone();
    assert!(told.windows(2).all(|pair| pair[0].0 <= pair[1].0) && told.last().unwrap().0 == 1.0);
    assert_eq!(told.last().unwrap().1, "tile 64 of 64");

    let cancel = CancellationToken::new();
    let (asked, count) = (cancel.clone(), Arc::new(Mutex::new(0)));
    let counted = count.clone();
    let watch = Watch::new(cancel, move |_, doing| {
        *counted.lock().unwrap() += usize::from(doing.starts_with("tile"));
        if doing.starts_with("tile 3 ") {
            asked.cancel();
        }
    });
    let error = installed.run_with("test", job(picture(200, 200)), watch).unwrap_err();
    assert_eq!((error.kind, *count.lock().unwrap()), (Kind::Cancelled, 3));
}

#[tokio::test]
async fn few_callers_hold_a_picture_at_once() {
    let installed = Installed::new();
    let filters = Filters::new(&installed.config);
    let mut held = Vec::new();
    // As many as run, and two that are read meanwhile.
    for _ in 0..installed.config.filters.parallel + 2 {
        held.push(filters.place().await.unwrap());
    }
    let next = filters.place();
    tokio::pin!(next);
    assert!(futures_util::poll!(&mut next).is_pending());
    held.pop();
    drop(next.await.unwrap());
}

#[test]
fn ten_callers_share_one_model_and_each_gets_its_own_pixels() {
    let installed = Installed::new();
    installed.add("test", &blurring("tile = { mode = \"ok\", size = 32, overlap = 8 }"), &["half-blur.onnx"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let filters = Filters::new(&installed.config);
        let runs = (0..10).map(|caller| {
            let (filters, cancel) = (filters.clone(), CancellationToken::new());
            let asked = cancel.clone();
            let watch = Watch::new(cancel, move |_, doing| {
                if caller % 3 == 2 && doing.starts_with("tile 4 ") {
                    asked.cancel();
                }
            });
            async move { filters.run("test", job(picture(90 + caller, 80)), watch).await }
        });
        let outcomes = futures_util::future::join_all(runs).await;
        assert_eq!(filters.loaded().0, 1);
        for (caller, outcome) in outcomes.into_iter().enumerate() {
            if caller % 3 == 2 {
                assert_eq!(outcome.unwrap_err().kind, Kind::Cancelled);
                continue;
            }
            let alone = filters.run("test", job(picture(90 + caller, 80)), Watch::silent()).await.unwrap();
            assert_eq!(outcome.unwrap().image, alone.image);
        }
    });
}
