//! Pixels of any profile as those of sRGB, for what knows no profiles.

use moxcms::{ColorProfile, DataColorSpace, Layout, ProfileText, TransformOptions};

/// What became of the pixels.
#[derive(Debug, PartialEq)]
pub enum Converted {
    /// The profile is as good as sRGB: they stay bit by bit.
    Same,
    /// From the profile of that name.
    From(String),
    /// The profile is broken, or for other channels: they stay.
    Unusable,
}

/// Most that values of a profile differ from sRGB's that is taken for it.
const SAME: u8 = 1;
/// Pixels at a time.
const PART: usize = 1 << 16;

/// Converts pixels of 1 to 4 channels (grey, grey and alpha, RGB, RGBA) in place.
pub fn convert(samples: &mut [u8], channels: u8, icc: &[u8]) -> Converted {
    let Ok(profile) = ColorProfile::new_from_slice(icc) else { return Converted::Unusable };
    let (wanted, layout, to) = match channels {
        1 => (DataColorSpace::Gray, Layout::Gray, Layout::Rgb),
        2 => (DataColorSpace::Gray, Layout::GrayAlpha, Layout::Rgba),
        3 => (DataColorSpace::Rgb, Layout::Rgb, Layout::Rgb),
        _ => (DataColorSpace::Rgb, Layout::Rgba, Layout::Rgba),
    };
    if profile.color_space != wanted {
        return Converted::Unusable;
    }
    let target = ColorProfile::new_srgb();
    let Ok(transform) = profile.create_transform_8bit(layout, &target, to, TransformOptions::default()) else {
        return Converted::Unusable;
    };
    let (from, to) = (usize::from(channels), to.channels());
    let part = |samples: &mut [u8]| {
        let mut made = vec![0; samples.len() / from * to];
        if transform.transform(samples, &mut made).is_err() {
            return false;
        }
        // Grey comes back thrice; alpha stays what it was.
        let colours = if from < 3 { 1 } else { 3 };
        for (old, new) in samples.chunks_exact_mut(from).zip(made.chunks_exact(to)) {
            old[..colours].copy_from_slice(&new[..colours]);
        }
        true
    };
    let probes = probes(channels);
    let mut tried = probes.clone();
    if !part(&mut tried) {
        return Converted::Unusable;
    }
    if tried.iter().zip(&probes).all(|(made, given)| made.abs_diff(*given) <= SAME) {
        return Converted::Same;
    }
    if samples.chunks_mut(PART * from).all(part) { Converted::From(name(&profile)) } else { Converted::Unusable }
}

/// Pixels from all over the space.
fn probes(channels: u8) -> Vec<u8> {
    const STEP: usize = 17;
    let values = || (0..=255u8).step_by(STEP);
    match channels {
        1 => (0..=255).collect(),
        2 => (0..=255).flat_map(|value| [value, 255]).collect(),
        _ => values()
            .flat_map(|r| values().flat_map(move |g| values().map(move |b| [r, g, b, 255])))
            .flat_map(|pixel| pixel.into_iter().take(channels.into()))
            .collect(),
    }
}

fn name(profile: &ColorProfile) -> String {
    let name = match &profile.description {
        Some(ProfileText::PlainString(text)) => text.clone(),
        Some(ProfileText::Localizable(texts)) => texts.first().map(|text| text.value.clone()).unwrap_or_default(),
        Some(ProfileText::Description(text)) => text.ascii_string.clone(),
        None => String::new(),
    };
    let plain: String = name.chars().filter(|letter| !letter.is_control()).take(60).collect();
    if plain.trim().is_empty() { "its profile".into() } else { format!("`{}`", plain.trim()) }
}
