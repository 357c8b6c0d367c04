//! What an unknown model's shapes cannot tell: how the pixels' values are to be normalised, and in which order its channels
//! are. The usual ways are tried on a photo with a subject, and shown side by side.
//!
//! The photo is Chelsea, by Stéfan van der Walt (CC0), from scikit-image: a cat that fills the picture, whose ears and
//! muzzle are lost with a wrong normalisation. Where the subject is was found by U²-Net, and looked at.

mod contact;

use super::job::{Filter, Job, Watch};
use super::manifest::{self, Manifest};
use super::model::ModelFilter;
use super::picture::{Picture, Samples};
use super::pixels::resize;
use super::raster::Plane;
use super::runtime::Cache;
use super::store::Folder;
use crate::error::{Error, Kind, Result};
use std::path::Path;
use std::sync::Arc;

const CAT: &[u8] = include_bytes!("cat.jpg");
const MASK: &[u8] = include_bytes!("cat-mask.png");

/// Two results that differ by less, of 1, are one.
const SAME: f32 = 0.02;
/// Below, a result is not the subject: share of what is found and what is to be found that both have.
const FOUND: f32 = 0.6;

/// A way to give a picture to a model.
pub struct Way {
    pub says: &'static str,
    /// Lines of the manifest's `[[input]]`.
    pub lines: &'static str,
}

/// The usual ones. Which came first decides where all are alike.
pub const WAYS: [Way; 6] = [
    Way { says: "0 to 1", lines: "range = [0.0, 1.0]\n" },
    Way { says: "ImageNet's mean and deviation", lines: "mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n" },
    Way { says: "-1 to 1", lines: "range = [-1.0, 1.0]\n" },
    Way { says: "-0.5 to 0.5", lines: "range = [-0.5, 0.5]\n" },
    Way { says: "0 to 255", lines: "range = [0.0, 255.0]\n" },
    Way {
        says: "0 to 255 less the mean, BGR",
        lines: "channels = \"BGR\"\nrange = [0.0, 255.0]\nmean = [0.40784, 0.45882, 0.48235]\nstd = [0.0039216, 0.0039216, 0.0039216]\n",
    },
];

/// The same with blue first: tried for the best of [`WAYS`] alone.
pub fn blue_first(lines: &str) -> Option<String> {
    let turned = |line: &str| match line.split_once(" = [") {
        Some((name @ ("mean" | "std"), list)) => {
            let mut values: Vec<&str> = list.trim_end_matches(']').split(", ").collect();
            values.reverse();
            format!("{name} = [{}]\n", values.join(", "))
        }
        _ => format!("{line}\n"),
    };
    let lines: String = lines.lines().map(turned).collect();
    (!lines.contains("BGR")).then(|| format!("channels = \"BGR\"\n{lines}"))
}

/// One way that was tried, and what came of it.
pub struct Tried {
    pub says: String,
    /// The manifest with it.
    pub text: String,
    pub manifest: Manifest,
    /// How near it came to what is right, 0 to 1.
    pub score: f32,
    shown: Picture,
}

/// How much the choice is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// No other came near.
    Sure,
    /// It is the best, but others are not far.
    Likely,
    /// They differ, and none is right, or it cannot be judged.
    Unsure,
    /// They are the same.
    Alike,
}

impl Certainty {
    pub fn says(self) -> &'static str {
        match self {
            Certainty::Sure => "sure: no other way comes near",
            Certainty::Likely => "likely: others are not far off, so look",
            Certainty::Unsure => "unsure: none is clearly right, so look",
            Certainty::Alike => "all give the same, so it does not matter",
        }
    }
}

/// All ways that were tried, the best first.
pub struct Trial {
    pub tried: Vec<Tried>,
    pub certainty: Certainty,
}

impl Trial {
    /// One sentence: what was chosen of how many, and how sure that is.
    pub fn sentence(&self) -> String {
        let Some(best) = self.tried.first() else { return String::new() };
        format!(
            "of {} ways to give it a picture, `{}` did best on a photo of a cat ({:.2}): {}",
            self.tried.len(),
            best.says,
            best.score,
            self.certainty.says()
        )
    }

    /// The photo and all results, numbered as they stand, as a PNG.
    ///
    /// # Errors
    /// None that a caller could mend.
    pub fn sheet(&self) -> Result<Vec<u8>> {
        let shown: Vec<&Picture> = self.tried.iter().map(|tried| &tried.shown).collect();
        contact::sheet(&cat()?, &shown)
    }
}

/// Where trials run.
pub struct Place<'a> {
    pub cache: &'a Arc<Cache>,
    /// The folder with the model.
    pub folder: &'a Path,
    pub watch: &'a Watch,
}

impl Place<'_> {
    /// Runs a manifest on the photo, as it will run once it is added.
    fn run(&self, manifest: &Manifest, picture: Picture) -> Result<super::Output> {
        let folder = Folder::Disk(self.folder.to_owned());
        let config = Arc::new(self.cache.config().clone());
        let filter = ModelFilter::new(manifest.clone(), folder, self.cache.clone(), config);
        filter.run(&Job::new(Arc::new(picture)), &Watch::quiet(self.watch))
    }

    /// Tries ways of a model that finds a subject; `text` makes the manifest of the lines of its input and, where the mask
    /// is the ground's, of its output.
    ///
    /// # Errors
    /// `cancelled`; a way that fails is left out, and when all do, the last one's error.
    pub fn subject(&self, text: impl Fn(&str, &str) -> String) -> Result<Trial> {
        let wanted = wanted()?;
        let mut tried: Vec<(Tried, Plane)> = Vec::new();
        let mut failed = None;
        let mut attempt = |says: &str, lines: &str, tried: &mut Vec<(Tried, Plane)>, done: f32| -> Result<()> {
            self.watch.step(done, &format!("trying {says}"))?;
            let plain = manifest::parse(&text(lines, ""), "the inferred manifest")?;
            let found = match self.run(&plain, cat()?) {
                Ok(output) => output.alpha.or(output.mask),
                Err(error) if error.kind == Kind::Cancelled => return Err(error),
                Err(error) => {
                    failed = Some(error);
                    return Ok(());
                }
            };
            let Some(mut found) = found else { return Ok(()) };
            let inverse = Plane { data: found.data.iter().map(|value| 1.0 - value).collect(), ..found.clone() };
            let (score, other) = (overlap(&found, &wanted), overlap(&inverse, &wanted));
            let inverted = other > FOUND && other > score;
            if inverted {
                found = inverse;
            }
            let text = if inverted { text(lines, "invert = true\n") } else { text(lines, "") };
            let manifest = manifest::parse(&text, "the inferred manifest")?;
            let samples = found.data.iter().map(|value| (value * 255.0).round() as u8).collect();
            let shown =
                Picture { width: found.width, height: found.height, channels: 1, samples: Samples::U8(samples) };
            let score = if inverted { other } else { score };
            tried.push((Tried { says: says.into(), text, manifest, score, shown }, found));
            Ok(())
        };
        for (index, way) in WAYS.iter().enumerate() {
            attempt(way.says, way.lines, &mut tried, 0.3 + 0.6 * index as f32 / WAYS.len() as f32)?;
        }
        // Of those that are as good, the first.
        let best = tried.iter().rev().max_by(|a, b| a.0.score.total_cmp(&b.0.score)).map(|(best, _)| best.says.clone());
        let way = WAYS.iter().find(|way| best.as_deref() == Some(way.says));
        if let Some((way, lines)) = way.and_then(|way| Some((way, blue_first(way.lines)?))) {
            attempt(&format!("{}, BGR", way.says), &lines, &mut tried, 0.9)?;
        }
        if tried.is_empty() {
            return Err(failed.unwrap_or_else(|| Error::new(Kind::Unsupported, "the model answers nothing")));
        }
        let (tried, certainty) = ranked(tried);
        Ok(Trial { tried, certainty })
    }

    /// Shows what comes of manifests of a model that makes a picture; they are in the order of their likelihood, each with
    /// what it says. What such a model makes of colours is its own, so it is looked at and not judged.
    ///
    /// # Errors
    /// `cancelled`. A way that fails is left out.
    pub fn pictures(&self, ways: Vec<(String, String)>) -> Result<Trial> {
        let cat = cat()?.to_raster();
        // Small: a model that enlarges takes its time.
        let small = resize::raster(&cat, cat.width / 2, cat.height / 2, manifest::Resample::Cubic);
        let mut tried = Vec::new();
        let count = ways.len() as f32;
        for (index, (says, text)) in ways.into_iter().enumerate() {
            self.watch.step(0.3 + 0.6 * index as f32 / count, &format!("trying {says}"))?;
            let manifest = manifest::parse(&text, "the inferred manifest")?;
            let shown = match self.run(&manifest, bytes_of(&small)) {
                Ok(output) => output.image,
                Err(error) if error.kind == Kind::Cancelled => return Err(error),
                Err(_) => None,
            };
            let Some(shown) = shown else { continue };
            let raster = resize::raster(&shown.to_raster(), small.width, small.height, manifest::Resample::Cubic);
            let apart: f32 = raster.data.iter().zip(&small.data).map(|(a, b)| (a - b).abs()).sum();
            let score = 1.0 - apart / small.data.len() as f32;
            let plane = Plane { width: small.width, height: small.height, data: raster.data };
            tried.push((Tried { says, text, manifest, score, shown }, plane));
        }
        let alike = tried.iter().all(|(_, plane)| apart(plane, &tried[0].1) < SAME);
        let certainty = if alike { Certainty::Alike } else { Certainty::Unsure };
        Ok(Trial { tried: tried.into_iter().map(|(tried, _)| tried).collect(), certainty })
    }
}

/// The best first, and how sure that is.
fn ranked(mut tried: Vec<(Tried, Plane)>) -> (Vec<Tried>, Certainty) {
    let best = tried.iter().map(|(tried, _)| tried.score).fold(0.0, f32::max);
    let alike = tried.iter().all(|(_, plane)| apart(plane, &tried[0].1) < SAME);
    let certainty = if alike {
        Certainty::Alike
    } else if best < FOUND {
        // As likely as any other: the plain one stays the first.
        Certainty::Unsure
    } else {
        // Stable: the plainer goes first where two are as good.
        tried.sort_by(|a, b| b.0.score.total_cmp(&a.0.score));
        let rival = tried.iter().skip(1).filter(|(_, plane)| apart(plane, &tried[0].1) >= SAME).map(|(t, _)| t.score);
        if best - rival.fold(0.0, f32::max) > 0.03 { Certainty::Sure } else { Certainty::Likely }
    };
    (tried.into_iter().map(|(tried, _)| tried).collect(), certainty)
}

fn apart(a: &Plane, b: &Plane) -> f32 {
    let sum: f32 = a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).sum();
    sum / a.data.len().max(1) as f32
}

/// What both have, of what either has.
fn overlap(found: &Plane, wanted: &Plane) -> f32 {
    let pairs = found.data.iter().zip(&wanted.data);
    let (both, either) = pairs.fold((0.0, 0.0), |(both, either), (a, b)| (both + a.min(*b), either + a.max(*b)));
    both / f32::max(either, 1e-6)
}

fn decoded(bytes: &[u8]) -> Result<image::DynamicImage> {
    image::load_from_memory(bytes).map_err(Error::internal)
}

/// The photo.
fn cat() -> Result<Picture> {
    let image = decoded(CAT)?.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(Picture { width, height, channels: 3, samples: Samples::U8(image.into_raw()) })
}

/// Where the cat is on it.
fn wanted() -> Result<Plane> {
    let image = decoded(MASK)?.into_luma8();
    let data = image.as_raw().iter().map(|&value| f32::from(value) / 255.0).collect();
    Ok(Plane { width: image.width() as usize, height: image.height() as usize, data })
}

fn bytes_of(raster: &super::Raster) -> Picture {
    let samples = raster.data.iter().map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    Picture { width: raster.width, height: raster.height, channels: 3, samples: Samples::U8(samples) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blue_first_turns_the_lists_too() {
        assert_eq!(
            blue_first(WAYS[1].lines).unwrap(),
            "channels = \"BGR\"\nmean = [0.406, 0.456, 0.485]\nstd = [0.225, 0.224, 0.229]\n"
        );
        assert_eq!(blue_first(WAYS[5].lines), None);
    }

    #[test]
    fn the_photo_and_its_subject_fit() {
        let (cat, wanted) = (cat().unwrap(), wanted().unwrap());
        assert_eq!((cat.width, cat.height), (wanted.width, wanted.height));
        let share = wanted.data.iter().sum::<f32>() / wanted.data.len() as f32;
        assert!((0.3..0.8).contains(&share), "{share}");
        assert!((overlap(&wanted, &wanted) - 1.0).abs() < 1e-6);
    }
}
