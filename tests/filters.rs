//! AI filters on tiny graphs with the real models' signatures, compared with a second interpreter's pixels.
//!
//! `filters/make_mocks.py` wrote the graphs, `filters/reference.py` the golden pictures.

#[path = "filters/adding.rs"]
mod adding;
#[path = "filters/bad_input.rs"]
mod bad_input;
#[path = "filters/bundled.rs"]
mod bundled;
#[cfg(target_os = "linux")]
#[path = "filters/child.rs"]
mod child;
#[path = "filters/command.rs"]
mod command;
#[path = "filters/films.rs"]
mod films;
#[cfg(unix)]
#[path = "filters/full_disk.rs"]
mod full_disk;
#[path = "filters/golden.rs"]
mod golden_runs;
#[path = "filters/kept.rs"]
mod kept;
#[path = "filters/odd_sizes.rs"]
mod odd_sizes;
#[path = "filters/pictures.rs"]
mod pictures;
#[path = "filters/preview.rs"]
mod preview;
#[path = "filters/strokes.rs"]
mod strokes;
#[path = "filters/subject.rs"]
mod subject;
#[path = "filters/tiling.rs"]
mod tiling;

use gimp_bridge::config::Config;
use gimp_bridge::error::Result;
use gimp_bridge::filters::runtime::{find, setup};
use gimp_bridge::filters::{Depth, Filters, Job, Output, Picture, Plane, Point, Raster, Samples, Watch};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filters")
}

/// ONNX Runtime: the user's, or one in the cache that pip fetches once.
fn runtime() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let mut config = Config::default();
            config.filters.folder = Some(dirs::cache_dir().unwrap().join("gimp-bridge/filters"));
            find(&config).or_else(|_| setup::setup(&config, None, &Watch::silent())).unwrap()
        })
        .clone()
}

/// A folder of installed filters, and the filters in it.
pub struct Installed {
    folder: tempfile::TempDir,
    pub config: Config,
}

impl Installed {
    pub fn new() -> Installed {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.filters.folder = Some(folder.path().join("filters"));
        config.filters.runtime = Some(runtime());
        config.filters.threads = 1;
        config.worker = Some(env!("CARGO_BIN_EXE_gimp-bridge").into());
        Installed { folder, config }
    }

    /// Installs a manifest with mock graphs beside it.
    pub fn add(&self, id: &str, manifest: &str, graphs: &[&str]) -> PathBuf {
        let folder = self.folder.path().join("filters").join(id);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("manifest.toml"), manifest).unwrap();
        for graph in graphs {
            std::fs::copy(here().join("mocks").join(graph), folder.join(graph)).unwrap();
        }
        folder
    }

    pub fn run(&self, id: &str, job: Job) -> Result<Output> {
        self.run_with(id, job, Watch::silent())
    }

    pub fn run_with(&self, id: &str, job: Job, watch: Watch) -> Result<Output> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { Filters::new(&self.config).run(id, job, watch).await })
    }
}

/// A manifest of one graph; `more` adds to it.
pub fn manifest(graph: &str, size: &str, input: &str, output: &str, more: &str) -> String {
    format!(
        "schema = 1\nid = \"test\"\nname = \"Test\"\ntask = \"filter\"\nlicense = \"project\"\n\
         [[file]]\npath = \"{graph}\"\n[size]\n{size}\n[[input]]\nsource = \"image\"\n{input}\n\
         [[output]]\nas = \"image\"\n{output}\n{more}\n"
    )
}

/// The formula of reference.py.
pub fn picture(width: usize, height: usize) -> Picture {
    let mut samples = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (fx, fy) = (x as f64, y as f64);
            let r = 0.5 + 0.4 * (fx / 9.0).sin() * (fy / 13.0).cos();
            let g = if x + y < width { 0.2 } else { 0.7 } + 0.1 * (fx * fy / 50.0).sin();
            let b = ((x * 7 + y * 3) % 32) as f64 / 40.0;
            samples.extend([r, g, b].map(|value| (value * 255.0 + 0.5).floor().clamp(0.0, 255.0) as u8));
        }
    }
    Picture { width, height, channels: 3, samples: Samples::U8(samples) }
}

pub fn job(picture: Picture) -> Job {
    Job::new(Arc::new(picture))
}

/// 1 inside of the rectangle.
pub fn rectangle(width: usize, height: usize, x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> Plane {
    let mut plane = Plane::filled(width, height, 0.0);
    for row in y {
        plane.data[row * width + x.start..row * width + x.end].fill(1.0);
    }
    plane
}

/// The largest and the mean difference.
pub fn difference(a: &[f32], b: &[f32]) -> (f32, f32) {
    assert_eq!(a.len(), b.len());
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    (apart.clone().fold(0.0, f32::max), apart.sum::<f32>() / a.len() as f32)
}

fn golden(id: &str) -> Raster {
    let image = image::open(here().join("golden").join(format!("{id}.png"))).unwrap();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, samples) = match image {
        image::DynamicImage::ImageLuma8(image) => (1, image.into_raw()),
        other => (3, other.into_rgb8().into_raw()),
    };
    Picture { width, height, channels, samples: Samples::U8(samples) }.to_raster()
}

/// The manifest as the catalogue has it; without checksums, which are the real files'.
fn catalogued(id: &str) -> (String, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("filters/catalogue").join(format!("{id}.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    let pinned = |line: &&str| !["sha256", "archive_sha256", "md5"].iter().any(|key| line.starts_with(key));
    let graphs = text.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'));
    let graphs = graphs.map(str::to_owned).collect();
    (text.lines().filter(pinned).collect::<Vec<_>>().join("\n"), graphs)
}

/// Runs a catalogued model on its mock and compares with the golden picture.
fn as_the_reference(id: &str, mean: f32, most: f32) {
    let installed = Installed::new();
    let (text, graphs) = catalogued(id);
    installed.add(id, &text, &graphs.iter().map(String::as_str).collect::<Vec<_>>());
    let mut job = job(picture(150, 110));
    // Given to all: a filter that has no use for them does not look at them.
    if text.contains("source = \"mask\"") {
        job.mask = Some(rectangle(150, 110, 60..100, 40..70));
    }
    if text.contains("source = \"points\"") {
        job.points = vec![Point { x: 75.0, y: 50.0, inside: true }];
    }
    let style = picture(60, 90);
    let Samples::U8(samples) = &style.samples else { unreachable!() };
    let rows = samples.chunks_exact(60 * 3);
    let turned = rows.flat_map(|row| row.chunks_exact(3).rev().flatten().copied()).collect();
    job.style = Some(Arc::new(Picture { samples: Samples::U8(turned), ..style }));
    let output = installed.run(id, job).unwrap();
    let wanted = golden(id);
    let found = match (&output.image, output.alpha.or(output.mask)) {
        (Some(image), None) => {
            assert_eq!((image.width, image.height, image.channels), (wanted.width, wanted.height, wanted.channels));
            image.to_raster().data
        }
        (None, Some(plane)) => {
            assert_eq!((plane.width, plane.height, 1), (wanted.width, wanted.height, wanted.channels));
            plane.data
        }
        other => panic!("{id} gave {other:?}"),
    };
    let (worst, average) = difference(&found, &wanted.data);
    assert!(
        average * 255.0 <= mean && worst * 255.0 <= most + 0.01,
        "{id}: mean {} of {mean}, worst {} of {most} levels",
        average * 255.0,
        worst * 255.0
    );
}

/// One test per model. Tolerances are in 8-bit levels: half a level of rounding in the golden file, half in the
/// result, and what OpenCV's fixed-point resizing, its tables for Lab, and a mask's rim differ by.
macro_rules! same_as_the_reference {
    ($($test:ident $id:literal $mean:literal $most:literal;)*) => {
        $(#[test] fn $test() { as_the_reference($id, $mean, $most); })*

        #[test]
        fn every_catalogued_manifest_is_compared() {
            let mut compared = vec![$($id),*];
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("filters/catalogue");
            let mut there: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
                .collect();
            compared.sort_unstable();
            there.sort();
            assert_eq!(compared, there);
        }
    };
}

same_as_the_reference! {
    birefnet_logits_stretched_to_1024 "birefnet-general" 0.5 2.0;
    ddcolor_keeps_lightness "ddcolor" 0.6 3.0;
    depth_on_multiples_of_14 "depth-anything-v2-small" 0.5 2.0;
    mosaic_freed_of_its_224 "fns-mosaic-9" 0.5 1.0;
    gfpgan_mixed_by_a_parameter "gfpgan-1.4" 0.5 2.0;
    isnet_stretched_to_1024 "isnet-small" 0.5 2.0;
    lama_cropped_around_the_mask "lama-carve-512" 0.5 3.0;
    magenta_of_two_graphs "magenta-arbitrary" 0.5 2.0;
    migan_with_a_turned_mask_in_u8 "migan-512-v2" 0.5 3.0;
    sam_by_a_click "mobile-sam" 2.0 255.0;
    realesr_four_times "realesr-general-x4v3" 0.5 1.0;
    intel_with_a_second_larger_input "single-image-super-resolution-1032" 0.5 1.0;
    u2netp_stretched_to_320 "u2netp" 0.5 2.0;
}

#[test]
fn an_f16_model_of_another_layout_and_range_gets_what_it_wants() {
    let installed = Installed::new();
    let text = manifest(
        "f16-nhwc-255.onnx",
        "policy = \"dynamic\"",
        "layout = \"NHWC\"\nchannels = \"BGR\"\nrange = [0, 255]",
        "layout = \"NHWC\"\nchannels = \"BGR\"\nrange = [0, 255]",
        "",
    );
    installed.add("test", &text, &["f16-nhwc-255.onnx"]);
    let source = picture(40, 30);
    let output = installed.run("test", job(source.clone())).unwrap();
    // f16 holds every whole number up to 2048.
    assert_eq!(output.image.unwrap(), source);
}

#[test]
fn a_16_bit_picture_stays_one_and_a_grey_one_too() {
    let installed = Installed::new();
    let text = manifest("double.onnx", "policy = \"dynamic\"", "", "scale = 2", "");
    installed.add("test", &text, &["double.onnx"]);
    let samples: Vec<u16> = (0..20 * 10).map(|i| i * 321).collect();
    let grey = Picture { width: 20, height: 10, channels: 1, samples: Samples::U16(samples.clone()) };
    let image = installed.run("test", job(grey)).unwrap().image.unwrap();
    assert_eq!((image.width, image.height, image.channels, image.depth()), (40, 20, 1, Depth::U16));
    let Samples::U16(grown) = image.samples else { panic!() };
    for y in 0..20 {
        for x in 0..40 {
            // Luma of grey is grey up to rounding in f32.
            assert!(grown[y * 40 + x].abs_diff(samples[y / 2 * 20 + x / 2]) <= 1);
        }
    }
}
