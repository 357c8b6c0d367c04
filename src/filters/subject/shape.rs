//! From a model's answer to the subject's opacity on the picture: limited by the user, along the picture's edges.

use super::look::Found;
use super::marks::{Limited, Marks, Parts};
use crate::error::Result;
use crate::filters::job::{Job, Watch};
use crate::filters::manifest::Resample;
use crate::filters::model::{hole, rgb};
use crate::filters::pixels::{grabcut, guided, morph, resize};
use crate::filters::raster::{Plane, Raster};

/// Share of a subject's area that a hole in it may have to be taken for a fault of the cut.
const LARGEST_HOLE: f32 = 0.05;
/// An installed model is trusted farther from its outline than this, in parts of the longer side.
const BAND: f32 = 0.04;
/// The user's points are discs of this radius, in parts of the longer side.
const DISC: f32 = 0.008;
/// Parts this far from what was dropped stay out too, in parts of the longer side: its soft rim.
const RIM: f32 = 0.015;
/// A part without a point on it that is larger than this, in parts of those with one, is another thing.
const ANOTHER: f32 = 0.15;
/// Colours that leave less than this of what was found say nothing.
const LOST: f32 = 0.1;
/// The edges are followed on no more pixels than this; beyond, the opacity is enlarged.
const MOST: usize = 16 << 20;

/// The opacity, as large as the picture; `None` where nothing is left.
///
/// # Errors
/// `cancelled`.
pub fn shaped(job: &Job, found: Found, prompted: bool, watch: &Watch) -> Result<Option<Plane>> {
    let small = found.reduced();
    let marks = Marks::new(job, &small);
    let Limited { alpha, out } = marks.limited(&small.image, &within(&small));
    let sure = sure(&small, &alpha, &out, &marks, prompted);
    let mut mask = grabcut::refine(&small.image, &alpha, Some(&sure), &watch.part(0.0, 0.6))?;
    morph::fill_holes(&mut mask, LARGEST_HOLE);
    // Only what hangs together with what the model saw: colours alone find the like anywhere.
    let parts = Parts::of(&mask);
    let mut seen = vec![false; parts.sizes.len()];
    alpha.data.iter().zip(&parts.label).filter(|(value, _)| **value > 0.5).for_each(|(_, part)| seen[*part] = true);
    let marked: Vec<usize> = marks.on().iter().map(|&at| parts.label[at]).filter(|part| *part > 0).collect();
    let size = (1..seen.len()).filter(|part| marked.contains(part)).map(|part| parts.sizes[part]).sum::<usize>() as f32;
    if !marked.is_empty() {
        // A coarse model runs two things together that the picture's edges divide
        for part in (1..seen.len()).filter(|part| !marked.contains(part)) {
            seen[part] &= parts.sizes[part] as f32 <= ANOTHER * size;
        }
    }
    for (at, value) in mask.data.iter_mut().enumerate() {
        if !seen[parts.label[at]] || sure.data[at] < 0.25 {
            *value = 0.0;
        }
    }
    let count = |plane: &Plane| plane.data.iter().filter(|value| **value > 0.5).count() as f32;
    if count(&mask) < LOST * count(&alpha) || mask.bounds(0.5).is_none() {
        // They take away a thin or tiny subject that the model saw, and one that looks like what is around it.
        let kept =
            alpha.data.iter().zip(&sure.data).map(|(alpha, sure)| f32::from(u8::from(*alpha > 0.5 && *sure >= 0.25)));
        mask.data = kept.collect();
        morph::fill_holes(&mut mask, LARGEST_HOLE);
        if mask.bounds(0.5).is_none() {
            return Ok(None);
        }
    }
    watch.step(0.7, "following edges")?;
    placed(job, &found, &mask).map(Some)
}

/// The answer, only where the user drew.
fn within(found: &Found) -> Plane {
    let mut alpha = found.alpha.clone();
    for (value, hint) in alpha.data.iter_mut().zip(found.hint.iter().flat_map(|hint| &hint.data)) {
        if *hint < 0.5 {
            *value = 0.0;
        }
    }
    alpha
}

/// 0 where nothing is subject, 1 where all is, 0.5 where colours and edges decide.
fn sure(found: &Found, alpha: &Plane, out: &[bool], marks: &Marks, prompted: bool) -> Plane {
    let (w, h) = (alpha.width, alpha.height);
    let longest = w.max(h) as f32;
    let plane = |value: &dyn Fn(usize) -> bool| Plane {
        width: w,
        height: h,
        data: (0..w * h).map(|at| f32::from(u8::from(value(at)))).collect(),
    };
    let mut sure = Plane::filled(w, h, 0.5);
    if !prompted {
        let band = (longest * BAND).ceil() as usize;
        let near_in = morph::grow_square(&plane(&|at| alpha.data[at] > 0.2), band);
        let near_out = morph::grow_square(&plane(&|at| alpha.data[at] < 0.8), band);
        for (at, value) in sure.data.iter_mut().enumerate() {
            *value = match (near_in.data[at] > 0.5, near_out.data[at] > 0.5) {
                (false, _) => 0.0,
                (true, false) => 1.0,
                (true, true) => 0.5,
            };
        }
    }
    let dropped = morph::grow_square(&plane(&|at| out[at]), (longest * RIM).ceil() as usize);
    for (at, value) in sure.data.iter_mut().enumerate() {
        let outside = found.hint.as_ref().is_some_and(|hint| hint.data[at] < 0.5);
        if outside || out[at] || (dropped.data[at] > 0.5 && alpha.data[at] <= 0.5) {
            *value = 0.0;
        }
    }
    let radius = (longest * DISC).max(1.5);
    for (points, value) in [(marks.on(), 1.0), (marks.off(), 0.0)] {
        for point in points {
            let (x, y) = ((point % w) as f32, (point / w) as f32);
            let span = |centre: f32, side: usize| {
                (centre - radius).max(0.0) as usize..((centre + radius) as usize + 1).min(side)
            };
            for row in span(y, h) {
                for column in span(x, w) {
                    if (column as f32 - x).hypot(row as f32 - y) <= radius {
                        sure.data[row * w + column] = value;
                    }
                }
            }
        }
    }
    sure
}

/// The mask along the edges of the picture itself, in its place.
fn placed(job: &Job, found: &Found, mask: &Plane) -> Result<Plane> {
    let rect = found.rect;
    let factor = (1..).find(|k| rect.width.div_ceil(*k) * rect.height.div_ceil(*k) <= MOST).unwrap_or(1);
    let (w, h) = (rect.width.div_ceil(factor), rect.height.div_ceil(factor));
    let image: Raster = match factor {
        1 => rgb(job.image.region(rect.x, rect.y, rect.width, rect.height)),
        _ => resize::raster(&found.image, w, h, Resample::Bilinear),
    };
    let wide = resize::plane(mask, w, h, Resample::Bilinear);
    let radius = (w.max(h) / 170).clamp(3, 24);
    let part = guided::guided(&image, &wide, radius, 1e-4);
    let part = resize::plane(&part, rect.width, rect.height, Resample::Bilinear);
    let mut full = Plane::filled(job.image.width, job.image.height, 0.0);
    for (row, line) in part.data.chunks_exact(part.width).enumerate() {
        full.data[(rect.y + row) * full.width + rect.x..][..part.width].copy_from_slice(line);
    }
    // A guided filter is soft on both sides; what the user drew is not.
    let drawn = hole(job)?;
    for (at, value) in full.data.iter_mut().enumerate() {
        let inside = drawn.as_ref().is_none_or(|drawn| drawn.data[at] > 0.0);
        *value = if inside { value.clamp(0.0, 1.0) } else { 0.0 };
    }
    Ok(full)
}
