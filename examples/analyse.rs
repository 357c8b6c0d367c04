//! Analyses a picture file and prints the figures: `cargo run --release --example analyse -- FILE [BINS [TIMES]]`.
//!
//! With TIMES it repeats, and prints the best time on stderr against the goal of 150 ms for 12 megapixels.

use gimp_bridge::images::analysis::{Detail, Pixels, Samples, analyse};
use image::DynamicImage;
use std::time::{Duration, Instant};

const GOAL_SECONDS_PER_MEGAPIXEL: f64 = 0.150 / 12.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| args.get(index).map_or(Ok(default), |text| text.parse());
    let file = args.first().ok_or("usage: analyse FILE [BINS [TIMES]]")?;
    let picture = image::open(file)?;
    let (width, height, channels) = (picture.width(), picture.height(), picture.color().channel_count());
    let samples = match &picture {
        DynamicImage::ImageLuma8(rows) => Samples::Eight(rows),
        DynamicImage::ImageLumaA8(rows) => Samples::Eight(rows),
        DynamicImage::ImageRgb8(rows) => Samples::Eight(rows),
        DynamicImage::ImageRgba8(rows) => Samples::Eight(rows),
        DynamicImage::ImageLuma16(rows) => Samples::Sixteen(rows),
        DynamicImage::ImageLumaA16(rows) => Samples::Sixteen(rows),
        DynamicImage::ImageRgb16(rows) => Samples::Sixteen(rows),
        DynamicImage::ImageRgba16(rows) => Samples::Sixteen(rows),
        _ => return Err("only pictures of 8 or 16 bits".into()),
    };
    let pixels = Pixels { width, height, channels, samples, mask: None };
    let mut analysis = analyse(&pixels, Detail::Detailed)?;
    let mut best = Duration::MAX;
    for _ in 0..number(2, 0)? {
        let start = Instant::now();
        analysis = analyse(&pixels, Detail::Detailed)?;
        best = best.min(start.elapsed());
    }
    println!("{}", serde_json::to_string(&analysis.to_json(number(1, 32)?))?);
    if best < Duration::MAX {
        let goal = GOAL_SECONDS_PER_MEGAPIXEL * f64::from(width) * f64::from(height) / 1e6;
        eprintln!("{:.1} ms, {:.2} of the goal", best.as_secs_f64() * 1e3, best.as_secs_f64() / goal);
    }
    Ok(())
}
