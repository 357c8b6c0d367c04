//! `auto-enhance`: what a careful hand would do first, from the picture's own figures, and why.
//!
//! It brings a picture to where it needs no more, so that a good one is hardly changed and a second run does little.

use super::balance;
use super::room;
use super::{about, float};
use crate::error::Result;
use crate::filters::{About, Depth, Filter, Job, Output, Picture, Raster, Samples, Scope, Value, Watch};
use crate::images::analysis::{Analysis, Detail, Details, Pixels, Samples as Seen, analyse};
use serde::Serialize;

pub struct AutoEnhance(About);

impl Default for AutoEnhance {
    fn default() -> AutoEnhance {
        AutoEnhance(about(
            "auto-enhance",
            "Auto enhance",
            "Enhance",
            "Sets white balance, levels, brightness, contrast, colour and sharpness from the picture's own figures, \
             carefully, and says what it did and why.",
            &[
                "auto enhance",
                "improve photo",
                "one click enhance",
                "make it look better",
                "automatic photo fix",
                "auto adjust",
            ],
            Scope::Everywhere,
            vec![float("strength", "Strength", "How much of each correction is applied", 0.0, 100.0, 100.0, "%")],
        ))
    }
}

impl Filter for AutoEnhance {
    fn about(&self) -> &About {
        &self.0
    }

    fn run(&self, job: &Job, watch: &Watch) -> Result<Output> {
        // Once more in its new colours, and as bytes where it has more.
        let more = job.image.channels as u64 * if job.image.depth() == Depth::F32 { 5 } else { 2 };
        room::check("auto-enhance", &job.image, more)?;
        watch.step(0.0, "looking at the picture")?;
        let strength = if job.params.0.contains_key("strength") { job.params.number("strength") / 100.0 } else { 1.0 };
        let mut changes = balanced(&job.image, &figures(&job.image)?, strength);
        // Brightness is planned for the colours that will be there.
        let figures = match changes.is_empty() {
            true => figures(&job.image)?,
            false => figures(&apply(&job.image, &changes, &watch.part(0.1, 0.3))?)?,
        };
        changes.extend(toned(&figures, strength));
        watch.step(0.3, "enhancing")?;
        let mut used = job.params.clone();
        let mut notes = Vec::new();
        for change in &changes {
            used.set(change.what, Value::Float(change.amount));
            notes.push(format!("{} {}: {}", change.what.replace('-', " "), change.amount, change.why));
        }
        if changes.is_empty() {
            notes.push("nothing to mend: the picture is left as it is".into());
        }
        let image = apply(&job.image, &changes, &watch.part(0.3, 1.0))?;
        Ok(Output { image: Some(image), notes, used, ..Output::default() })
    }
}

/// One correction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// `red-gain`, `blue-gain`, `black-point`, `white-point`, `gamma`, `contrast`, `saturation`, `sharpen`.
    pub what: &'static str,
    /// Gains (in light) and gamma as factors, points 0 to 255 (both lie beyond the picture's tones where these
    /// need no stretching on that side), the others 0 to 1 on top of what is there.
    pub amount: f64,
    pub why: String,
}

fn figures(picture: &Picture) -> Result<Analysis> {
    let (width, height, channels) = (picture.width as u32, picture.height as u32, picture.channels as u8);
    let pixels = |samples| Pixels { width, height, channels, samples, mask: None };
    match &picture.samples {
        Samples::U8(samples) => analyse(&pixels(Seen::Eight(samples)), Detail::Detailed),
        Samples::U16(samples) => analyse(&pixels(Seen::Sixteen(samples)), Detail::Detailed),
        Samples::F32(samples) => {
            let eight: Vec<u8> = samples.iter().map(|value| (value * 255.0).round() as u8).collect();
            analyse(&pixels(Seen::Eight(&eight)), Detail::Detailed)
        }
    }
}

/// A list of changes that takes only what changes something.
#[derive(Default)]
struct Plan(Vec<Change>);

impl Plan {
    fn add(&mut self, what: &'static str, amount: f64, places: i32, why: String) {
        let scale = 10f64.powi(places);
        let amount = (amount * scale).round() / scale;
        if amount != neutral(what) {
            self.0.push(Change { what, amount, why });
        }
    }
}

// Each correction begins only where the picture is clearly off, and then goes all the way to where it is not: what was
// corrected is not corrected again.

/// The white balance that the picture needs, `strength` 0 to 1. A night is as coloured as its lamps.
fn balanced(picture: &Picture, analysis: &Analysis, strength: f64) -> Vec<Change> {
    let mut plan = Plan::default();
    let night = analysis.details.as_ref().is_none_or(is_night);
    if !night
        && !analysis.color_analysis.is_grayscale
        && let Some(cast) = balance::cast(picture)
    {
        let [red, blue] = cast.gains(strength);
        plan.add("red-gain", red, 3, cast.why());
        plan.add("blue-gain", blue, 3, cast.why());
    }
    plan.0
}

fn is_night(details: &Details) -> bool {
    details.exposure.as_ref().is_some_and(|exposure| ["underexposed", "dark"].contains(&exposure.judgement))
}

/// The tones, colour and sharpness that a picture with these figures needs, `strength` 0 to 1.
fn toned(analysis: &Analysis, strength: f64) -> Vec<Change> {
    let mut plan = Plan::default();
    let (Some(details), Some(contrast)) = (&analysis.details, analysis.color_analysis.contrast) else {
        return plan.0;
    };
    let grey = analysis.color_analysis.is_grayscale;
    let night = is_night(details);
    let luma = &details.histogram.luma;
    let (low, high) = (quantile(luma, 0.003), quantile(luma, 0.997));
    // A picture of one tone, or nearly so, is meant to be.
    let flat = high - low < 24.0;
    let (dim, pale) = (!flat && high < 225.0, !flat && low > 20.0);
    let mut low_goal = if pale { low + (8.0 - low) * strength } else { low };
    let mut high_goal = if dim { high + (247.0 - high) * strength } else { high };
    // More would show every step between two values of 8 bits.
    let reach = (high_goal - low_goal).min(6.0 * (high - low)) / 2.0;
    let middle = (low_goal + high_goal) / 2.0;
    (low_goal, high_goal) = (middle - reach, middle + reach);
    let stretch = if flat { 1.0 } else { (high_goal - low_goal) / (high - low) };
    let black = if pale || dim { (low - low_goal / stretch).max(0.0) } else { 0.0 };
    let white = if pale || dim { black + 255.0 / stretch } else { 255.0 };
    if pale {
        plan.add("black-point", black, 1, format!("hardly anything is darker than {low} of 255"));
    } else if dim {
        plan.add("black-point", black, 1, "darkness stays where it is while lightness grows".into());
    }
    if pale || dim {
        plan.add("white-point", white, 1, format!("hardly anything is lighter than {high} of 255"));
    }

    let median = ((quantile(luma, 0.5) - black) / (white - black)).clamp(0.004, 0.996);
    // Middle tones between a third and two thirds are a matter of taste.
    if !flat && !(0.27..0.73).contains(&median) {
        let gamma = (median.clamp(0.33, 0.67).ln() / median.ln()).clamp(0.65, 1.4).powf(strength);
        let side = if median < 0.5 { "dark" } else { "light" };
        plan.add("gamma", gamma, 3, format!("its middle tone would be {side}, {} of 255", (median * 255.0).round()));
    }

    let spread = contrast * 255.0 / (white - black);
    if !flat && !night && spread < 38.0 {
        let amount = strength * (2.0 * (44.0 / spread.max(1.0) - 1.0)).min(0.6);
        plan.add("contrast", amount, 3, format!("its tones lie within {} of each other", spread.round()));
    }

    let colour = details.saturation.colorfulness * 255.0 / (white - black);
    // Below that it is a grey picture, or nearly so, and meant to be.
    if !grey && (9.0..16.0).contains(&colour) {
        let amount = strength * (20.0 / colour - 1.0).min(0.8);
        plan.add("saturation", amount, 3, format!("its colours are pale, {} by Hasler and Süsstrunk", colour.round()));
    }

    if let (Some(sharpness), Some(noise)) = (&details.sharpness, &details.noise)
        && sharpness.judgement == "soft"
        && noise.sigma < 3.0
        && contrast > 0.0
    {
        let detail = sharpness.laplacian_variance / (contrast * contrast);
        let amount = strength * 0.8 * (1.0 - detail / 0.05).clamp(0.1, 1.0);
        plan.add("sharpen", amount, 3, "its edges are soft, and there is no noise to sharpen".into());
    }
    plan.0
}

/// The amount that changes nothing.
fn neutral(what: &str) -> f64 {
    match what {
        "white-point" => 255.0,
        "red-gain" | "blue-gain" | "gamma" => 1.0,
        _ => 0.0,
    }
}

/// The value below which this share of a histogram lies.
fn quantile(histogram: &[u64], share: f64) -> f64 {
    let total: u64 = histogram.iter().sum();
    let mut below = 0;
    for (value, &count) in histogram.iter().enumerate() {
        below += count;
        if below as f64 >= share * total as f64 && below > 0 {
            return value as f64;
        }
    }
    255.0
}

/// The corrections as one table a channel, and what needs more than one sample.
struct Recipe {
    tables: [Vec<f32>; 3],
    saturation: f32,
    sharpen: f32,
}

const STEPS: usize = 4096;

impl Recipe {
    fn new(changes: &[Change]) -> Recipe {
        let get = |what| changes.iter().find(|c| c.what == what).map_or(neutral(what), |c| c.amount);
        let (black, white) = (get("black-point") / 255.0, get("white-point") / 255.0);
        let (gamma, contrast) = (get("gamma"), get("contrast"));
        let table = |gain: f64| {
            let tone = |index: usize| {
                let value = gained(index as f64 / STEPS as f64, gain);
                let value = ((value - black) / (white - black)).clamp(0.0, 1.0).powf(gamma);
                // A smooth S through black, middle and white.
                (value + contrast * (value * value * (3.0 - 2.0 * value) - value)) as f32
            };
            (0..=STEPS).map(tone).collect::<Vec<f32>>()
        };
        // White keeps its brightness whatever the gains.
        let (red, blue) = (get("red-gain"), get("blue-gain"));
        let light = 0.2126 * red + 0.7152 + 0.0722 * blue;
        Recipe {
            tables: [red, 1.0, blue].map(|gain| table(gain / light)),
            saturation: get("saturation") as f32,
            sharpen: get("sharpen") as f32,
        }
    }

    fn tone(&self, channel: usize, value: f32) -> f32 {
        // What is brighter than white (pictures of 32 bits) keeps its distance to it.
        let over = (value - 1.0).max(0.0);
        let place = value.clamp(0.0, 1.0) * STEPS as f32;
        let index = (place as usize).min(STEPS - 1);
        let table = &self.tables[channel];
        table[index] + (table[index + 1] - table[index]) * (place - index as f32) + over
    }
}

/// A gain on light, for an sRGB sample, that rolls off towards white so that nothing is cut off.
fn gained(value: f64, gain: f64) -> f64 {
    if gain == 1.0 {
        return value;
    }
    let light = if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
    let more = light * (gain + (1.0 - gain) * light.powi(4));
    if more <= 0.0031308 { more * 12.92 } else { 1.055 * more.powf(1.0 / 2.4) - 0.055 }
}

fn apply(picture: &Picture, changes: &[Change], watch: &Watch) -> Result<Picture> {
    let mut out = picture.clone();
    if changes.is_empty() {
        return Ok(out);
    }
    let recipe = Recipe::new(changes);
    let (width, channels) = (picture.width, picture.channels);
    let mut rows = [0, 1, 2].map(|_| Raster::new(width, 1, channels, Depth::F32));
    let load = |row: &mut Raster, y: usize| picture.samples.read(y * width * channels, &mut row.data);
    load(&mut rows[1], 0);
    load(&mut rows[2], 0);
    for y in 0..picture.height {
        if y.is_multiple_of(64) {
            watch.step(y as f32 / picture.height as f32, "enhancing")?;
        }
        rows.rotate_left(1);
        // After the turn: the row above, this one, and the oldest, which becomes the one below.
        load(&mut rows[2], (y + 1).min(picture.height - 1));
        let mut result = rows[1].data.clone();
        for (x, pixel) in result.chunks_exact_mut(channels).enumerate() {
            let edge = if recipe.sharpen > 0.0 { recipe.sharpen * detail(&rows, x) } else { 0.0 };
            if rows[1].colours() == 1 {
                pixel[0] = recipe.tone(1, pixel[0]) + edge;
                continue;
            }
            let toned = [0, 1, 2].map(|channel: usize| recipe.tone(channel, pixel[channel]));
            let light = 0.299 * toned[0] + 0.587 * toned[1] + 0.114 * toned[2];
            // Strong colours need no more: the paler, the more it gets.
            let most = toned[0].max(toned[1]).max(toned[2]);
            let least = toned[0].min(toned[1]).min(toned[2]);
            let more = 1.0 + recipe.saturation * (1.0 - (most - least).clamp(0.0, 1.0));
            (0..3).for_each(|channel| pixel[channel] = light + (toned[channel] - light) * more + edge);
        }
        if picture.depth() != Depth::F32 {
            result.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        }
        out.samples.write(y * width * channels, &result);
    }
    Ok(out)
}

/// How a pixel's brightness stands out from its 3 x 3 surroundings; pixels that are transparent do not count.
fn detail(rows: &[Raster; 3], x: usize) -> f32 {
    let (channels, colours) = (rows[1].channels, rows[1].colours());
    let width = rows[1].width;
    let light = |row: usize, x: usize| {
        let pixel = &rows[row].data[x * channels..(x + 1) * channels];
        let seen = if channels == colours { 1.0 } else { pixel[colours] };
        let light = if colours == 3 { 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2] } else { pixel[0] };
        (light, seen)
    };
    let here = light(1, x);
    let (mut sum, mut total) = (0.0, 0.0);
    for (row, across) in [(0, 1.0f32), (1, 2.0), (2, 1.0)] {
        for (x, along) in [(x.saturating_sub(1), 1.0f32), (x, 2.0), ((x + 1).min(width - 1), 1.0)] {
            let (value, seen) = light(row, x);
            sum += across * along * seen * value;
            total += across * along * seen;
        }
    }
    if total > 0.0 { here.0 - sum / total } else { 0.0 }
}
