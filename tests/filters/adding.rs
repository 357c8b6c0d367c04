//! Adding models: from a server that breaks off, from files, by looking at an unknown ONNX file.

use super::{Installed, here, job, picture};
use gimp_bridge::error::Kind;
use gimp_bridge::filters::catalogue::entry;
use gimp_bridge::filters::fetch::{Download, fetch};
use gimp_bridge::filters::inspect::inspect;
use gimp_bridge::filters::install::{install, install_file};
use gimp_bridge::filters::manifest::{As, Channels, Dtype, Fit, Layout, Mode, Task, TileMode};
use gimp_bridge::filters::runtime::Cache;
use gimp_bridge::filters::trial::Certainty;
use gimp_bridge::filters::{Filters, Samples, Watch, store};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Serves `body`, the first time only `first` bytes of it; the ranges that were asked for.
pub fn breaking_server(body: Vec<u8>, first: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/model.onnx", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let seen = ranges.clone();
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let lines: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let range =
                lines.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
            let from: usize = range.as_deref().and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(0);
            seen.lock().unwrap().push(range.unwrap_or_default());
            let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len() - from
            );
            let end = if index == 0 { first } else { body.len() };
            let _ = stream.write_all(&body[from..end]);
        }
    });
    (url, ranges)
}

#[test]
fn a_download_that_broke_off_goes_on_and_is_verified() {
    let body: Vec<u8> = (0..700_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    std::fs::write(&whole, &body).unwrap();
    let sum = store::file_sum(&whole).unwrap();
    let (url, ranges) = breaking_server(body.clone(), 300_000);
    let urls = [url];
    let download = |sha256| Download {
        urls: &urls,
        sha256: Some(sha256),
        size: Some(700_000),
        folder: folder.path(),
        by_hand: "fetch it elsewhere".into(),
    };
    let error = fetch(&download(&sum), &Watch::silent()).unwrap_err();
    assert!(error.message.contains("broke off") && error.hint.as_deref() == Some("fetch it elsewhere"), "{error:?}");
    let path = fetch(&download(&sum), &Watch::silent()).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), body);
    assert_eq!(*ranges.lock().unwrap(), ["", "300000-"]);

    let wrong = "0".repeat(64);
    let error = fetch(&download(&wrong), &Watch::silent()).unwrap_err();
    assert!(error.kind == Kind::IoError || error.message.contains("expected 000"), "{error:?}");
    assert!(!folder.path().join(format!("{wrong}.part")).exists());
}

#[test]
fn nobody_at_the_other_end_says_what_to_do_instead() {
    let folder = tempfile::tempdir().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [format!("http://{gone}/model.onnx")];
    let download =
        Download { urls: &urls, sha256: None, size: None, folder: folder.path(), by_hand: "add ID --from FILE".into() };
    let error = fetch(&download, &Watch::silent()).unwrap_err();
    assert_eq!((error.kind, error.hint.as_deref()), (Kind::IoError, Some("add ID --from FILE")));
    assert!(error.message.contains(&gone.to_string()));
}

#[test]
fn the_wrong_file_for_a_catalogued_model_installs_nothing() {
    let installed = Installed::new();
    let file = here().join("mocks/u2netp.onnx");
    let error = install(&installed.config, &entry("u2netp").unwrap(), &[file], &Watch::silent()).unwrap_err();
    assert!(error.message.contains("expected 309c8469"), "{error:?}");
    let folder = installed.config.filters.folder.clone().unwrap();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn a_model_without_a_published_checksum_is_pinned_to_what_came() {
    let installed = Installed::new();
    let files = ["style_predict.onnx", "style_transform.onnx"].map(|name| here().join("mocks").join(name));
    let magenta = entry("magenta-arbitrary").unwrap();
    let path = install(&installed.config, &magenta, &files, &Watch::silent()).unwrap();
    let manifest = store::read_manifest(&path.join("manifest.toml")).unwrap();
    assert!(manifest.file.iter().all(|file| file.sha256.is_some()));
    assert!(Filters::new(&installed.config).get("magenta-arbitrary").is_ok());
    let again = install(&installed.config, &magenta, &files, &Watch::silent()).unwrap_err();
    assert!(again.message.contains("installed already"), "{again:?}");
    // What was tampered with since is not run.
    std::fs::write(path.join("style_predict.onnx"), b"x").unwrap();
    let mut asked = job(picture(20, 20));
    asked.style = Some(Arc::new(picture(20, 20)));
    assert!(installed.run("magenta-arbitrary", asked).unwrap_err().message.contains("the manifest pins"));
    store::remove(&installed.config, "magenta-arbitrary").unwrap();
    assert!(!path.exists());
    assert_eq!(store::remove(&installed.config, "magenta-arbitrary").unwrap_err().kind, Kind::NotFound);
}

fn looked_at(graph: &str) -> gimp_bridge::filters::inspect::Inspected {
    let installed = Installed::new();
    let cache = Arc::new(Cache::new(installed.config.clone()));
    inspect(&cache, &here().join("mocks").join(graph), "found", &Watch::silent()).unwrap()
}

#[test]
fn an_unknown_model_is_understood_by_running_it() {
    let found = looked_at("double.onnx").manifest;
    assert_eq!((found.task, found.output[0].scale, found.size.multiple), (Task::Upscale, 2, 1));
    assert_eq!((found.size.tile.mode, found.file[0].sha256.is_some()), (TileMode::Ok, true));

    let found = looked_at("half-blur.onnx").manifest;
    assert_eq!((found.size.multiple, found.input[0].range), (2, Some([0.0, 1.0])));

    let found = looked_at("lama_fp32.onnx").manifest;
    assert_eq!((found.size.fit, found.compose.mode), (Fit::CropToMask, Mode::PasteInMask));
    assert_eq!(found.output[0].range, Some(gimp_bridge::filters::manifest::Range::Between([0.0, 255.0])));

    // 255 minus the picture: near it only where the picture is in 0 to 255.
    let found = looked_at("mosaic-9.onnx").manifest;
    assert_eq!((found.size.fixed, found.input[0].range), (Some([224, 224]), Some([0.0, 255.0])));

    let found = looked_at("model.onnx").manifest;
    assert_eq!((found.output[0].kind, found.output[0].layout), (As::Alpha, Layout::NHW));

    let found = looked_at("u2netp.onnx").manifest;
    assert_eq!((found.output[0].kind, found.size.fit), (As::Alpha, Fit::Stretch));
}

#[test]
fn the_usual_normalisations_are_tried_side_by_side_and_the_right_one_is_found() {
    let mut found = looked_at("ground-half.onnx");
    let trial = found.trial.as_ref().unwrap();
    assert_eq!((trial.certainty, trial.tried.len()), (Certainty::Sure, 7));
    let input = &found.manifest.input[0];
    assert_eq!((input.range, &input.mean), (Some([-0.5, 0.5]), &None));
    assert!(found.manifest.output[0].invert && found.text.starts_with("# of 7 ways"), "{}", found.text);
    assert!(
        found.findings.iter().any(|finding| finding.contains("`-0.5 to 0.5` did best") && finding.contains("sure"))
    );
    // The photo, then the results in their order: the first shows the cat, the second is the same with blue first, where
    // it does not matter, the third shows nothing.
    let sheet = image::load_from_memory(&trial.sheet().unwrap()).unwrap().into_rgb8();
    assert_eq!(sheet.dimensions(), (12 + 4 * 312, 12 + 2 * (199 + 12)));
    let at = |column: u32, x: u32, y: u32| sheet.get_pixel(12 + column * 312 + x, 12 + y).0;
    assert!(at(1, 140, 100)[0] > 240 && at(1, 290, 190)[0] < 15, "{:?} {:?}", at(1, 140, 100), at(1, 290, 190));
    assert!(at(3, 140, 100)[0].abs_diff(128) < 4 && at(2, 140, 100)[0] > 240);
    assert_ne!(at(0, 140, 100), at(1, 140, 100));
    // The user sees better than we do.
    let says = trial.tried[2].says.clone();
    found.take(3).unwrap();
    assert!(found.text.starts_with(&format!("# `{says}` was chosen of 7 ways")), "{}", found.text);
    assert_ne!(found.manifest.input[0].range, Some([-0.5, 0.5]));
    assert!(found.take(8).unwrap_err().message.contains("no way 8"));

    let found = looked_at("cat-blue.onnx");
    let input = &found.manifest.input[0];
    assert_eq!((input.channels, input.range), (Channels::BGR, Some([0.0, 1.0])), "{:?}", found.findings);
    assert!(!found.manifest.output[0].invert);

    // One that treats all pictures alike is said to; so is one that makes pictures, which nobody can judge.
    let alike = looked_at("double.onnx").trial.unwrap();
    assert_eq!((alike.certainty, alike.tried.len()), (Certainty::Alike, 3));
    let differ = looked_at("mosaic-9.onnx").trial.unwrap();
    assert_eq!(differ.certainty, Certainty::Unsure);
}

#[test]
fn a_way_is_taken_by_its_number_and_the_sheet_lies_beside_the_manifest() {
    let installed = Installed::new();
    let folder = installed.config.filters.folder.clone().unwrap();
    let model = here().join("mocks/ground-half.onnx");
    for (name, more, range) in [("best", &[][..], "[-0.5, 0.5]"), ("plain", &["--take", "3"][..], "[0.0, 1.0]")] {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_gimp-bridge"))
            .args(["filters", "add", model.to_str().unwrap(), "--yes", "--name", name])
            .args(more)
            .env("GIMP_BRIDGE_FILTERS_FOLDER", &folder)
            .env("ORT_DYLIB_PATH", installed.config.filters.runtime.as_ref().unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.success(), "{said}");
        let text = std::fs::read_to_string(folder.join(name).join("manifest.toml")).unwrap();
        assert!(text.contains(&format!("range = {range}")), "{text}");
        assert!(image::open(folder.join(name).join("trial.png")).unwrap().width() > 1000);
        if more.is_empty() {
            assert!(said.contains("  1  -0.5 to 0.5") && said.contains("sure: no other way comes near"), "{said}");
        }
    }
}

#[test]
fn what_is_inferred_runs_after_it_is_added() {
    let installed = Installed::new();
    let model = here().join("mocks/f16-nhwc-255.onnx");
    let cache = Arc::new(Cache::new(installed.config.clone()));
    let found = inspect(&cache, &model, "mine", &Watch::silent()).unwrap();
    assert_eq!(found.manifest.input[0].dtype, None::<Dtype>);
    install_file(&installed.config, &found, &model).unwrap();
    let source = picture(33, 21);
    let image = installed.run("mine", job(source.clone())).unwrap().image.unwrap();
    let (Samples::U8(before), Samples::U8(after)) = (&source.samples, &image.samples) else { panic!() };
    // f16 between 0 and 1 has steps of up to 1/2048.
    assert!(before.iter().zip(after).all(|(before, after)| before.abs_diff(*after) <= 1));
}

#[test]
fn a_model_that_is_no_picture_filter_is_refused_with_what_was_seen() {
    let installed = Installed::new();
    let cache = Arc::new(Cache::new(installed.config.clone()));
    let said = |graph: &str| {
        let error = inspect(&cache, &here().join("mocks").join(graph), "x", &Watch::silent()).err().unwrap();
        assert!(error.hint.is_some());
        error.message
    };
    assert!(said("rank3.onnx").contains("`x` [3, -1, -1]"));
    assert!(said("nan.onnx").contains("no numbers"));
    assert!(said("style_transform.onnx").contains("`style`"));
}
