//! `gimp-bridge filters` as a user runs it: files in, files out.

use super::{Installed, manifest};
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageReader};
use std::path::Path;
use std::process::{Command, Output};

fn command(installed: &Installed, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"));
    let folder = installed.config.filters.folder.as_ref().unwrap();
    command.arg("filters").args(arguments).current_dir(folder.parent().unwrap());
    command
        .env("GIMP_BRIDGE_FILTERS_FOLDER", folder)
        .env("ORT_DYLIB_PATH", installed.config.filters.runtime.as_ref().unwrap());
    command.output().unwrap()
}

fn doubling() -> (Installed, std::path::PathBuf) {
    let installed = Installed::new();
    let more = "[[param]]\nname = \"how_much\"\ntype = \"int\"\nmin = 0\nmax = 9\ndefault = 3";
    let text = manifest("double.onnx", "policy = \"dynamic\"", "", "scale = 2", more);
    let folder = installed.add("test", &text, &["double.onnx"]);
    let home = folder.parent().unwrap().parent().unwrap().to_owned();
    (installed, home)
}

/// A profile as far as anyone here looks: its colour space.
fn profile() -> Vec<u8> {
    let mut profile = vec![7; 200];
    profile[16..20].copy_from_slice(b"RGB ");
    profile
}

fn write_png(path: &Path) {
    let samples: Vec<u16> = (0..24 * 16 * 4).map(|i| if i % 4 == 3 { 65535 } else { i as u16 * 41 }).collect();
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
    let mut encoder = image::codecs::png::PngEncoder::new(std::fs::File::create(path).unwrap());
    encoder.set_icc_profile(profile()).unwrap();
    encoder.write_image(&bytes, 24, 16, image::ExtendedColorType::Rgba16).unwrap();
}

#[test]
fn depth_alpha_and_profile_survive_in_each_format_that_holds_them() {
    let (installed, home) = doubling();
    write_png(&home.join("in.png"));
    for (name, deep) in [("out.png", true), ("out.tif", true), ("out.webp", false), ("out.jpg", false)] {
        let run = command(&installed, &["run", "test", "in.png", name, "--how-much", "4", "--json"]);
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let line: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!((&line["parameters"]["how_much"], &line["tiles"]), (&4.into(), &1.into()));
        let reader = ImageReader::open(home.join(name)).unwrap().with_guessed_format().unwrap();
        let mut decoder = reader.into_decoder().unwrap();
        assert_eq!(decoder.icc_profile().unwrap(), Some(profile()), "{name}");
        let found = DynamicImage::from_decoder(decoder).unwrap();
        assert_eq!((found.width(), found.height()), (48, 32));
        assert_eq!(found.color().has_alpha(), name != "out.jpg");
        assert_eq!(found.color().bytes_per_pixel() / found.color().channel_count(), if deep { 2 } else { 1 }, "{name}");
        if deep {
            let (before, after) = (image::open(home.join("in.png")).unwrap().into_rgba16(), found.into_rgba16());
            assert_eq!(before.get_pixel(5, 7), after.get_pixel(11, 14));
        }
    }
}

#[test]
fn a_folder_goes_through_and_one_bad_picture_does_not_stop_it() {
    let (installed, home) = doubling();
    std::fs::create_dir(home.join("pictures")).unwrap();
    write_png(&home.join("pictures/a.png"));
    std::fs::write(home.join("pictures/b.png"), b"no picture").unwrap();
    write_png(&home.join("pictures/c.png"));
    let run = command(&installed, &["run", "test", "pictures", "done"]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("b.png") && said.contains("2 of 3 pictures done"), "{said}");
    let mut made: Vec<_> = std::fs::read_dir(home.join("done")).unwrap().map(|e| e.unwrap().file_name()).collect();
    made.sort();
    assert_eq!(made, ["a.png", "c.png"]);
}

#[test]
fn what_is_asked_wrongly_ends_with_2_and_writes_nothing() {
    let (installed, home) = doubling();
    write_png(&home.join("in.png"));
    for (arguments, said) in [
        (&["run", "tset", "in.png", "out.png"][..], "did you mean `test`"),
        (&["run", "test", "in.png", "out.png", "--power", "3"], "no parameter `power`"),
        (&["run", "test", "in.png", "out.png", "--how-much", "10"], "whole number from 0 to 9"),
        (&["run", "test", "in.png", "out.gif"], "no known ending"),
        (&["run", "test", "none.png", "out.png"], "there is no file `none.png`"),
        (&["add", "nothing-like-this"], "no model `nothing-like-this`"),
        (&["add", "lama-carve-512"], "nobody is there to ask"),
    ] {
        let run = command(&installed, arguments);
        let text = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(!run.status.success() && text.contains(said) && run.stdout.is_empty(), "{arguments:?}: {text}");
    }
    assert!(!home.join("out.png").exists() && !home.join("out.gif").exists());
}

#[test]
fn list_show_and_catalogue_tell_what_there_is() {
    let (installed, _) = doubling();
    let text = |arguments: &[&str]| String::from_utf8(command(&installed, arguments).stdout).unwrap();
    assert!(text(&["list"]).contains("test"));
    let list: serde_json::Value = serde_json::from_str(&text(&["list", "--json"])).unwrap();
    let filter = list["filters"].as_array().unwrap().iter().find(|filter| filter["name"] == "test").unwrap().clone();
    assert_eq!((&filter["params"][0]["name"], &filter["scope"]), (&"how_much".into(), &"whole".into()));
    assert!(text(&["show", "test"]).contains("--how_much 0 to 9; default 3"));
    let page = text(&["catalogue"]);
    assert!(page.contains("lama-carve-512") && page.contains("NON-COMMERCIAL") && page.contains("208 MB"));
    assert!(text(&["remove", "test"]).contains("removed"));
    assert!(!text(&["list"]).contains("test"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_library_leaves_no_file_of_its_own_telemetry() {
    let installed = Installed::new();
    let cache = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (given, made) = (folder.path().join("in.png"), folder.path().join("out.png"));
    image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8 * 7, y as u8 * 7, 90])).save(&given).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gimp-bridge"))
        .args(["filters", "run", "denoise"])
        .args([&given, &made])
        .env("ORT_DYLIB_PATH", installed.config.filters.runtime.as_ref().unwrap())
        .env("XDG_CACHE_HOME", cache.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0);
}
