//! A disk without room: the path is named, nothing half-written stays, and what was there before stays as it was.
//!
//! The program runs with a limit on the size of what it writes, which needs no rights and is met at the same places.

use super::{Installed, here, manifest};
use gimp_bridge::error::Kind;
use gimp_bridge::filters::Watch;
use gimp_bridge::filters::fetch::{Download, fetch};
use std::path::Path;
use std::process::{Command, Output};

/// `gimp-bridge filters …` that can write no file larger than a few KiB.
fn cramped(installed: &Installed, folder: &Path, arguments: &[&str]) -> Output {
    Command::new("sh")
        // Without the trap the first write over the limit would end it, as no full disk does.
        .args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_gimp-bridge"), "filters"])
        .args(arguments)
        .current_dir(folder)
        .env("GIMP_BRIDGE_FILTERS_FOLDER", installed.config.filters.folder.as_ref().unwrap())
        .env("ORT_DYLIB_PATH", installed.config.filters.runtime.as_ref().unwrap())
        .output()
        .unwrap()
}

/// Names in a folder, also those that begin with a dot.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_result_that_does_not_fit_leaves_the_old_file() {
    let installed = Installed::new();
    installed.add("test", &manifest("double.onnx", "policy = \"dynamic\"", "", "scale = 2", ""), &["double.onnx"]);
    let place = tempfile::tempdir().unwrap();
    // Grain does not compress.
    let mut state = 1u32;
    let mut grain = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let picture = image::RgbImage::from_fn(120, 100, |_, _| image::Rgb([grain(), grain(), grain()]));
    picture.save(place.path().join("in.png")).unwrap();
    for name in ["out.png", "out.jpg", "out.webp", "out.tif"] {
        std::fs::write(place.path().join(name), b"what was there").unwrap();
        let run = cramped(&installed, place.path(), &["run", "test", "in.png", name]);
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success(), "{name}");
        assert!(said.contains(&format!("`{name}`: File too large")) && said.contains("space"), "{name}: {said}");
        assert_eq!(std::fs::read(place.path().join(name)).unwrap(), b"what was there", "{name}");
        std::fs::remove_file(place.path().join(name)).unwrap();
        assert_eq!(names(place.path()), ["in.png"], "{name}");
    }
}

#[test]
fn a_model_that_does_not_fit_is_not_installed() {
    let installed = Installed::new();
    let filters = installed.config.filters.folder.clone().unwrap();
    let place = tempfile::tempdir().unwrap();
    // Of the right shape, and too large.
    let mut model = std::fs::read(here().join("mocks/double.onnx")).unwrap();
    // A last field that ONNX does not know, in the way protocol buffers are extended.
    model.extend([0xfa, 0x7f, 0x80, 0x80, 0x04]);
    model.extend(vec![0; 1 << 16]);
    std::fs::write(place.path().join("large.onnx"), &model).unwrap();
    std::fs::create_dir(place.path().join("mine")).unwrap();
    std::fs::write(place.path().join("mine/large.onnx"), &model).unwrap();
    let text = manifest("large.onnx", "policy = \"dynamic\"", "", "scale = 2", "");
    std::fs::write(place.path().join("mine/manifest.toml"), text).unwrap();
    for arguments in [
        &["add", "large.onnx", "--yes"][..],
        &["add", "mine", "--yes"],
        &["add", "u2netp", "--yes", "--from", "large.onnx"],
    ] {
        let run = cramped(&installed, place.path(), arguments);
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success(), "{arguments:?}: {said}");
        let named = said.contains("large.onnx") && said.contains(filters.to_str().unwrap());
        assert!(named && said.contains("File too large") && said.contains("check space"), "{arguments:?}: {said}");
        assert_eq!(names(&filters), [""; 0], "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_download_that_does_not_fit_frees_what_it_filled() {
    let (url, _) = super::adding::breaking_server(vec![7; 600_000], 600_000);
    let folder = tempfile::tempdir().unwrap();
    let sum = "1".repeat(64);
    let part = folder.path().join(format!("{sum}.part"));
    // The device that answers as a full disk does.
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let download = Download {
        urls: &[url],
        sha256: Some(&sum),
        size: Some(600_000),
        folder: folder.path(),
        by_hand: "fetch it elsewhere".into(),
    };
    let error = fetch(&download, &Watch::silent()).unwrap_err();
    assert!(error.kind == Kind::IoError && error.message.contains("No space left on device"), "{error:?}");
    assert!(error.message.contains(part.to_str().unwrap()), "{error:?}");
    assert!(part.symlink_metadata().is_err(), "the part is still there");
}
