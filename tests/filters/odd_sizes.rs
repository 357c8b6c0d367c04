//! Each filter that comes with the program, as a user runs it, on the smallest picture, on the thinnest, and with masks
//! that hold nothing or everything.

use super::Installed;
use std::path::Path;
use std::process::Command;

const THIN: (u32, u32) = (20_000, 10);
const DOT: (u32, u32) = (1, 1);

struct Desk {
    installed: Installed,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { installed: Installed::new(), folder: tempfile::tempdir().unwrap() };
        for (name, (width, height)) in [("thin", THIN), ("dot", DOT), ("style", (40, 30))] {
            let picture = image::RgbImage::from_fn(width, height, |x, y| {
                image::Rgb([(x % 200) as u8, (90 + y * 9) as u8, ((x + y) * 5 % 160) as u8])
            });
            picture.save(desk.path(&format!("{name}.png"))).unwrap();
            let (from, to) = (width / 3, width / 3 + width.div_ceil(40));
            for (mask, inside) in [("empty", 0..0), ("full", 0..width), ("part", from..to)] {
                let shape = image::GrayImage::from_fn(width, height, |x, y| {
                    let rows = mask != "part" || (height / 3..height / 3 + height.div_ceil(4)).contains(&y);
                    image::Luma([if inside.contains(&x) && rows { 255 } else { 0 }])
                });
                shape.save(desk.path(&format!("{name}-{mask}.png"))).unwrap();
            }
        }
        desk
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Runs it on `NAME.png`; `{}` in an argument is NAME. What was said when it failed.
    fn run(&self, filter: &str, name: &str, arguments: &[&str]) -> Result<(u32, u32), String> {
        let made = self.path("made.png");
        let _ = std::fs::remove_file(&made);
        let output = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"))
            .args(["filters", "run", filter, &format!("{name}.png"), "made.png"])
            .args(arguments.iter().map(|argument| argument.replace("{}", name)))
            .current_dir(self.folder.path())
            .env("GIMP_BRIDGE_FILTERS_FOLDER", self.installed.config.filters.folder.as_ref().unwrap())
            .env("ORT_DYLIB_PATH", self.installed.config.filters.runtime.as_ref().unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            assert!(!Path::exists(&made), "{filter}: it failed and wrote a picture");
            assert_eq!(output.status.code(), Some(2), "{filter}: {said}");
            return Err(said);
        }
        let reader = image::ImageReader::open(made).unwrap();
        Ok(reader.into_dimensions().unwrap())
    }

    /// Whether it works on the thin picture and on the dot, and makes them `scale` times as large.
    fn both(&self, filter: &str, scale: u32, arguments: &[&str]) {
        for (name, (width, height)) in [("thin", THIN), ("dot", DOT)] {
            let made = self.run(filter, name, arguments);
            assert_eq!(made, Ok((width * scale, height * scale)), "{filter} on {name}");
        }
    }

    fn refused(&self, filter: &str, name: &str, arguments: &[&str], words: &[&str]) {
        let said = self.run(filter, name, arguments).unwrap_err();
        for word in words.iter().chain(&["error: ", "hint: "]) {
            assert!(said.contains(word), "{filter} {arguments:?} on {name}: {said}");
        }
    }
}

#[test]
fn upscale_takes_a_dot_and_a_line() {
    let desk = Desk::new();
    desk.both("upscale", 2, &["--source", "clean"]);
    desk.both("upscale", 3, &["--scale", "3", "--source", "compressed"]);
    desk.both("upscale", 4, &["--scale", "4"]);
}

#[test]
fn repairs_take_a_dot_and_a_line() {
    let desk = Desk::new();
    desk.both("denoise", 1, &["--strength", "30"]);
    desk.both("jpeg-cleanup", 1, &["--strength", "30"]);
    // What is measured on them must not fall over either.
    desk.both("denoise", 1, &[]);
    desk.both("jpeg-cleanup", 1, &[]);
}

#[test]
fn native_filters_take_a_dot_and_a_line() {
    let desk = Desk::new();
    desk.both("oil-painting", 1, &[]);
    desk.both("auto-enhance", 1, &[]);
    desk.both("style-from-image", 1, &["--style", "style.png", "--texture", "20"]);
}

#[test]
fn holes_that_are_nothing_or_everything_are_refused() {
    let desk = Desk::new();
    assert_eq!(desk.run("remove-object", "thin", &["--mask", "{}-part.png"]), Ok(THIN));
    for name in ["thin", "dot"] {
        desk.refused("remove-object", name, &[], &["mask", "select"]);
        desk.refused("remove-object", name, &["--mask", "{}-empty.png"], &["the mask is empty"]);
        desk.refused("remove-object", name, &["--mask", "{}-full.png"], &["covers everything", "outside"]);
    }
    // A dot is all there is.
    desk.refused("remove-object", "dot", &["--mask", "{}-part.png"], &["covers everything"]);
    desk.refused("remove-object", "thin", &["--mask", "dot-full.png"], &["1x1", "20000x10"]);
}

#[test]
fn subjects_are_sought_where_there_is_a_hint() {
    let desk = Desk::new();
    desk.both("cut-out", 1, &["--mask", "{}-part.png"]);
    // All of the picture is a hint as good as any.
    desk.both("cut-out", 1, &["--mask", "{}-full.png"]);
    for name in ["thin", "dot"] {
        desk.refused("cut-out", name, &["--mask", "{}-empty.png"], &["the mask is empty"]);
        desk.refused("cut-out", name, &["--box", "30000,30000,5,5"], &["the box holds no pixel"]);
    }
}
