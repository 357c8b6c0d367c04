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
        (&["run", "test", "in.png", "out.bmp"], "no known ending"),
        (&["run", "test", "none.png", "out.png"], "there is no file `none.png`"),
        (&["add", "nothing-like-this"], "no model `nothing-like-this`"),
        (&["add", "lama-carve-512"], "nobody is there to ask"),
    ] {
        let run = command(&installed, arguments);
        let text = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(!run.status.success() && text.contains(said) && run.stdout.is_empty(), "{arguments:?}: {text}");
    }
    assert!(!home.join("out.png").exists() && !home.join("out.bmp").exists());
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

#[test]
fn what_a_folder_would_send_and_where_is_said_before_it_is_added() {
    let (installed, home) = doubling();
    let remote = |token: &str, license: &str| {
        let text = manifest("x.onnx", "policy = \"dynamic\"", "name = \"x\"", "", "").replace("\"test\"", "\"far\"");
        let server = "[remote]\nurl = \"https://models.example/a\"\nmodel = \"big\"\n";
        let text = text.replace("[[file]]\npath = \"x.onnx\"", &format!("{server}token_env = \"{token}\""));
        text.replace("\"project\"", &serde_json::json!(license).to_string())
    };
    std::fs::create_dir(home.join("far")).unwrap();
    let write = |text: String| std::fs::write(home.join("far/manifest.toml"), text).unwrap();
    write(remote("HOME", "MIT"));
    let run = command(&installed, &["add", "far", "--yes"]);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.code() == Some(2) && said.contains("must be `GIMP_BRIDGE_TOKEN_`"), "{said}");
    // A licence that wants to look like something else.
    write(remote("GIMP_BRIDGE_TOKEN_FAR", "MIT\u{1b}[2K\n  server    none"));
    for (arguments, added) in [(&["add", "far"][..], false), (&["add", "far", "--yes"], true)] {
        let run = command(&installed, arguments);
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.success(), added, "{said}");
        for part in
            ["  server    https://models.example/a", "GIMP_BRIDGE_TOKEN_FAR", "  licence   MIT\u{fffd}[2K", "big"]
        {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert!(!said.contains('\u{1b}') && !said.lines().any(|line| line == "  server    none"), "{said}");
    }
}

#[test]
fn a_run_ends_at_its_time_limit_and_writes_nothing() {
    let (_installed, home) = doubling();
    image::RgbImage::from_fn(900, 700, |x, y| image::Rgb([(x * 7 % 256) as u8, (x * y % 251) as u8, 90]))
        .save(home.join("in.png"))
        .unwrap();
    std::fs::create_dir(home.join("many")).unwrap();
    std::fs::copy(home.join("in.png"), home.join("many/a.png")).unwrap();
    for (from, to) in [("in.png", "out.png"), ("many", "out")] {
        let output = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"))
            .args(["filters", "run", "oil-painting", from, to, "--timeout", "0.1"])
            .current_dir(&home)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("`oil-painting` was ended at its time limit of 0.1 s"), "{said}");
        assert!(said.contains("--timeout SECONDS"), "{said}");
    }
    assert!(!home.join("out.png").exists() && !home.join("out/a.png").exists());
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

/// Runs `auto-enhance` with no strength: what comes out is the picture as it was read.
fn as_read(home: &Path, from: &str, to: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"))
        .args(["filters", "run", "auto-enhance", "--strength", "0", from, to])
        .current_dir(home)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// 300x200 of colours that differ everywhere.
fn colourful() -> image::RgbImage {
    image::RgbImage::from_fn(300, 200, |x, y| image::Rgb([(x * 255 / 299) as u8, y as u8, ((x ^ y) & 127) as u8 + 60]))
}

#[test]
fn half_a_picture_is_written_said_to_be_incomplete_and_no_success() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for (name, most) in [("a.jpg", 130), ("a.png", 101), ("a.tif", 101)] {
        colourful().save(home.join(name)).unwrap();
        assert_eq!(as_read(home, name, "whole.png").0, Some(0), "{name}");
        let file = std::fs::read(home.join(name)).unwrap();
        // With its directory at the end, as it was saved, half a TIFF is nothing.
        let file = if name == "a.tif" { tiff_of(&colourful(), 3, &[]) } else { file };
        std::fs::write(home.join(name), &file[..file.len() / 2]).unwrap();
        let (code, said) = as_read(home, name, "half.png");
        assert_eq!(code, Some(1), "{name}: {said}");
        let missing = said.split("the last ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
        assert!(said.contains("is incomplete") && said.contains("of 200 rows are missing"), "{name}: {said}");
        let missing = missing.unwrap();
        assert!((60..=most).contains(&missing), "{name}: {said}");
        let read = |name: &str| image::open(home.join(name)).unwrap().into_rgb8();
        let (whole, half) = (read("whole.png"), read("half.png"));
        assert_eq!(half.dimensions(), (300, 200));
        for y in 0..200 - missing.max(60) - 16 {
            assert!((0..300).all(|x| whole.get_pixel(x, y) == half.get_pixel(x, y)), "{name}, row {y}");
        }
    }
    // A mask that is cut off would spoil the picture unseen.
    colourful().save(home.join("in.png")).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"))
        .args(["filters", "run", "auto-enhance", "in.png", "masked.png", "--selection", "a.png"])
        .current_dir(home)
        .output()
        .unwrap();
    assert!(!run.status.success() && String::from_utf8_lossy(&run.stderr).contains("`a.png` is incomplete"));
}

/// A little-endian TIFF of 300x200 in one strip behind its directory; `more` are entries of one short.
fn tiff_of(pixels: &[u8], channels: u32, more: &[(u16, u16)]) -> Vec<u8> {
    let mut entries = vec![
        (256u16, 4u16, 1u32, 300u32),
        (257, 4, 1, 200),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 0),
        (277, 3, 1, channels),
        (278, 4, 1, 200),
        (279, 4, 1, pixels.len() as u32),
    ];
    entries.extend(more.iter().map(|&(tag, value)| (tag, 3, 1, u32::from(value))));
    let depths = 8 + 2 + entries.len() as u32 * 12 + 4;
    entries[2] = (258, 3, channels, depths);
    entries[5].3 = depths + channels * 2;
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    (0..channels).for_each(|_| file.extend(8u16.to_le_bytes()));
    file.extend(pixels);
    file
}

#[test]
fn long_profiles_premultiplied_alpha_and_turned_webp_come_out_right() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    // A profile longer than what the decoder takes for a picture of this size.
    let mut profile = vec![9; 30_000];
    profile[16..20].copy_from_slice(b"RGB ");
    let mut encoder = image::codecs::tiff::TiffEncoder::new(std::fs::File::create(home.join("p.tif")).unwrap());
    encoder.set_icc_profile(profile.clone()).unwrap();
    encoder.write_image(&colourful(), 300, 200, image::ExtendedColorType::Rgb8).unwrap();
    assert_eq!(as_read(home, "p.tif", "q.tif").0, Some(0));
    let mut kept = image::codecs::tiff::TiffDecoder::new(std::io::BufReader::new(
        std::fs::File::open(home.join("q.tif")).unwrap(),
    ))
    .unwrap();
    assert_eq!(kept.icc_profile().unwrap(), Some(profile));

    // Colours come back within what the multiplication lost; where alpha is 0 there are none.
    let alpha = |x: u32| (x * 255 / 299) as u8;
    let straight = colourful();
    let multiplied: Vec<u8> = straight
        .enumerate_pixels()
        .flat_map(|(x, _, pixel)| {
            let times = |value: u8| ((u32::from(value) * u32::from(alpha(x)) + 127) / 255) as u8;
            [times(pixel[0]), times(pixel[1]), times(pixel[2]), alpha(x)]
        })
        .collect();
    std::fs::write(home.join("m.tif"), tiff_of(&multiplied, 4, &[(338, 1)])).unwrap();
    assert_eq!(as_read(home, "m.tif", "m.png").0, Some(0));
    let found = image::open(home.join("m.png")).unwrap().into_rgba8();
    for (x, y, pixel) in found.enumerate_pixels().filter(|(x, ..)| *x > 150) {
        let wanted = straight.get_pixel(x, y);
        assert!(
            (0..3).all(|c| pixel[c].abs_diff(wanted[c]) <= 1) && pixel[3] == alpha(x),
            "{x},{y}: {pixel:?} {wanted:?}"
        );
    }

    // Some writers put JPEG's marker before the EXIF of a WebP.
    let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let mut encoder =
        image::codecs::webp::WebPEncoder::new_lossless(std::fs::File::create(home.join("o.webp")).unwrap());
    encoder.set_exif_metadata(exif.to_vec()).unwrap();
    encoder.write_image(&straight, 300, 200, image::ExtendedColorType::Rgb8).unwrap();
    assert_eq!(as_read(home, "o.webp", "o.png").0, Some(0));
    let turned = image::open(home.join("o.png")).unwrap().into_rgb8();
    assert_eq!(turned.dimensions(), (200, 300));
    assert_eq!(turned.get_pixel(199, 0), straight.get_pixel(0, 0));
}

#[test]
fn a_folder_takes_what_a_single_run_takes() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::create_dir(home.join("pictures")).unwrap();
    let file = std::fs::File::create(home.join("pictures/moves.gif")).unwrap();
    let mut encoder = image::codecs::gif::GifEncoder::new(file);
    let frame = |value| image::Frame::new(image::RgbaImage::from_pixel(300, 200, image::Rgba([value, 90, 30, 255])));
    encoder.encode_frames([frame(200), frame(100), frame(10)]).unwrap();
    drop(encoder);
    colourful().save(home.join("pictures/flat.bmp")).unwrap();
    std::fs::write(home.join("pictures/notes.txt"), b"no picture").unwrap();
    let (code, said) = as_read(home, "pictures", "done");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 frames"), "{said}");
    let mut made: Vec<_> = std::fs::read_dir(home.join("done")).unwrap().map(|e| e.unwrap().file_name()).collect();
    made.sort();
    assert_eq!(made, ["flat.bmp.png", "moves.gif"]);
    assert_eq!(image::open(home.join("done/flat.bmp.png")).unwrap().into_rgb8(), colourful());
}
