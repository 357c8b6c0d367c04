//! Which part of a picture a model sees, at which size, in which tiles.

use super::tiles::Tiling;
use super::view::Rect;
use crate::error::{Error, Kind, Reason, Result};
use crate::filters::manifest::{Fit, Manifest, Policy, TileMode};
use crate::filters::raster::Plane;

/// Bytes of working memory that a model takes per pixel of a tile, where nobody has measured it: the bundled ones
/// take 1000.
const BYTES_PER_PIXEL: usize = 1000;
/// A model that looks at the picture as a whole gets it whole up to this many pixels.
const LARGEST_WHOLE: usize = 16 << 20;

/// The part of the picture to work on.
///
/// # Errors
/// `invalid_argument` when there is no usable mask for a filter that works around one.
pub fn area(
    manifest: &Manifest,
    size: (usize, usize),
    hole: Option<&Plane>,
    selection: Option<&Plane>,
) -> Result<Rect> {
    let (width, height) = size;
    if manifest.size.fit == Fit::CropToMask {
        let hole = hole.ok_or_else(no_mask)?;
        return around(hole, manifest.size.context);
    }
    let whole = Rect { x: 0, y: 0, width, height };
    let Some((x, y, w, h)) = selection.and_then(|selection| selection.bounds(0.0)) else { return Ok(whole) };
    let tile = &manifest.size.tile;
    // Tiled models need their overlap; others something to look at.
    let margin = if tile.mode == TileMode::Ok { tile.overlap } else { (w.max(h) / 4).max(32) };
    let k = manifest.size.multiple;
    // The same grid as without a selection, so that the result is the same too.
    let (left, top) = (x.saturating_sub(margin) / k * k, y.saturating_sub(margin) / k * k);
    let right = (x + w + margin).div_ceil(k) * k;
    let bottom = (y + h + margin).div_ceil(k) * k;
    Ok(Rect { x: left, y: top, width: right.min(width) - left, height: bottom.min(height) - top })
}

/// What to say where a mask is missing.
pub fn no_mask() -> Error {
    Error::new(Kind::InvalidArgument, "the filter needs a selection or a mask")
        .hint("select what it shall work on, or give a `mask`, white where it works")
        .because(Reason::NothingSelected)
}

/// A square around the mask with context, inside the picture.
fn around(hole: &Plane, context: f32) -> Result<Rect> {
    let (_, _, w, h) = hole.bounds(0.5).ok_or_else(|| {
        Error::new(Kind::InvalidArgument, "the mask is empty: no pixel is above 50 %")
            .hint("paint white what the filter shall work on")
            .because(Reason::SelectionFaint)
    })?;
    let (mut sum_x, mut sum_y, mut count) = (0.0f64, 0.0f64, 0.0f64);
    for (y, row) in hole.data.chunks_exact(hole.width).enumerate() {
        for (x, _) in row.iter().enumerate().filter(|(_, value)| **value > 0.5) {
            sum_x += x as f64;
            sum_y += y as f64;
            count += 1.0;
        }
    }
    let side = (w.max(h) as f64 * f64::from(1.0 + 2.0 * context)).max(128.0) as usize;
    let side = side.min(hole.width.max(hole.height));
    let (width, height) = (side.min(hole.width), side.min(hole.height));
    let place = |centre: f64, side: usize, whole: usize| {
        (centre - side as f64 / 2.0).clamp(0.0, (whole - side) as f64) as usize
    };
    Ok(Rect { x: place(sum_x / count, width, hole.width), y: place(sum_y / count, height, hole.height), width, height })
}

/// The size that the part is brought to before the model sees it.
pub fn target(manifest: &Manifest, width: usize, height: usize) -> (usize, usize) {
    let size = &manifest.size;
    let (w, h, k) = (width as f64, height as f64, size.multiple as f64);
    // Python's round, which the authors used, rounds halves to even.
    let round = |value: f64| (value.round_ties_even() as usize).max(1);
    if let (Policy::Fixed, Some([w, h]), false) = (size.policy, size.fixed, size.fit == Fit::Tile) {
        return (w, h);
    }
    if let Some(short) = size.short_side {
        let factor = short as f64 / w.min(h);
        let to = |side: f64| ((side * factor / k).round_ties_even().max(1.0) * k) as usize;
        return (to(w), to(h));
    }
    let longest = w.max(h);
    let long = size.long_side.or(size.max_side.filter(|&most| longest > most as f64));
    match long {
        Some(long) => (round(w * long as f64 / longest), round(h * long as f64 / longest)),
        None => (width, height),
    }
}

/// The tiles for a picture of that size.
pub fn tiling(manifest: &Manifest, width: usize, height: usize, memory_mb: u32) -> Tiling {
    let size = &manifest.size;
    let k = size.multiple;
    let fixed = size.fixed.filter(|_| size.policy == Policy::Fixed && size.fit == Fit::Tile);
    let most = ((memory_mb as usize) << 20) / BYTES_PER_PIXEL;
    let affordable = (most as f64).sqrt() as usize;
    let round = |side: usize| (side / k * k).max(k);
    let (tile_w, tile_h) = match (fixed, size.tile.mode) {
        (Some([w, h]), _) => (w, h),
        (None, TileMode::Ok) => {
            let side = round(size.tile.size.unwrap_or(usize::MAX).min(affordable));
            (side, side)
        }
        (None, TileMode::Discouraged) if width * height > LARGEST_WHOLE => {
            let side = round(size.tile.size.unwrap_or(1024).max(affordable));
            (side, side)
        }
        _ => (width.div_ceil(k) * k, height.div_ceil(k) * k),
    };
    Tiling {
        width: tile_w,
        height: tile_h,
        overlap: size.tile.overlap,
        multiple: k,
        min: size.min,
        pad: size.pad,
        blend: size.tile.blend,
        fixed: fixed.is_some() || size.tile.mode == TileMode::Never,
    }
}
