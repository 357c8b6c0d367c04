//! Where a model looks, and what it finds there.

use super::Model;
use super::marks::{self, Marks};
use crate::error::{Error, Kind, Result};
use crate::filters::job::{Job, Watch};
use crate::filters::manifest::Resample;
use crate::filters::model::{Rect, rgb};
use crate::filters::picture::Picture;
use crate::filters::pixels::{grabcut, resize};
use crate::filters::raster::{Depth, Plane, Raster};
use std::sync::Arc;

/// Models see no more than this along the longer side; none of the catalogue takes more.
const SEEN: usize = 1024;
/// Windows around the user's points, in parts of the picture's longer side, the first that shows them whole is taken.
const WINDOWS: [f32; 4] = [1.0, 0.6, 0.35, 0.2];
/// A subject smaller than this part of its window is looked at again, nearer.
const SMALL: f32 = 0.6;
/// Around a subject that is looked at again, in parts of its longer side.
const NEARER: f32 = 0.3;
/// Less of the box or the window than this is no subject.
const NOTHING: f32 = 0.01;
/// A subject that lies along more of a window's rim than this goes on outside.
const CUT_OFF: f32 = 0.12;

/// What a model says about a part of the picture.
pub struct Found {
    pub rect: Rect,
    /// RGB of that part, at most [`SEEN`] pixels on its longer side.
    pub image: Raster,
    /// As large as `image`.
    pub alpha: Plane,
    /// As large as `image`: where the subject may be, from what the user selected or boxed.
    pub hint: Option<Plane>,
}

impl Found {
    /// At the size at which edges are followed: all that is decided from points is decided there.
    pub fn reduced(&self) -> Found {
        let (w, h) = grabcut::size(self.image.width, self.image.height);
        Found {
            rect: self.rect,
            image: resize::raster(&self.image, w, h, Resample::Area),
            alpha: resize::plane(&self.alpha, w, h, Resample::Area),
            hint: self.hint.as_ref().map(|hint| resize::plane(hint, w, h, Resample::Area)),
        }
    }
}

/// Pixels around a box or selection that the model and the refinement see, for its longer side.
pub fn margin(longest: usize, prompted: bool) -> usize {
    // The bundled model was trained on this much; the others want some ground around the subject.
    let share = if prompted { 0.35 } else { 0.2 };
    ((longest as f32 * share) as usize).max(16)
}

pub struct Look<'a> {
    model: &'a Model,
    job: &'a Job,
    watch: &'a Watch,
    whole: Rect,
    /// What the user selected, boxed or gave as a mask.
    hint: Option<Plane>,
}

impl<'a> Look<'a> {
    /// # Errors
    /// `invalid_argument` for an empty box or selection, and for a point beside the picture.
    pub fn new(model: &'a Model, job: &'a Job, watch: &'a Watch) -> Result<Look<'a>> {
        let (width, height) = (job.image.width, job.image.height);
        for point in &job.points {
            let inside = |at: f32, side: usize| at >= 0.0 && at < side as f32;
            if !inside(point.x, width) || !inside(point.y, height) {
                return Err(Error::new(
                    Kind::InvalidArgument,
                    format!("the point {}, {} lies outside of the layer, which is {width}x{height}", point.x, point.y),
                )
                .hint("mark places on the layer that is cut out"));
            }
        }
        let hint = crate::filters::model::hole(job)?;
        Ok(Look { model, job, watch, whole: Rect { x: 0, y: 0, width, height }, hint })
    }

    /// The subject, or `None` where there is none.
    ///
    /// # Errors
    /// The model's; `cancelled`.
    pub fn find(&self) -> Result<Option<Found>> {
        let bounds = self.hint.as_ref().and_then(|hint| hint.bounds(0.5));
        if let Some((x, y, width, height)) = bounds {
            let mut found = self.at(Rect { x, y, width, height }, true)?;
            if share(&found.alpha, found.hint.as_ref()) > NOTHING {
                return Ok(Some(found));
            }
            // The last one asked takes what the user drew: its colours and edges are there.
            let drawn = found.hint.clone().filter(|_| self.model.prompted);
            return Ok(drawn.map(|drawn| {
                found.alpha = drawn;
                found
            }));
        }
        let marked: Vec<_> = self.job.points.iter().filter(|point| point.inside).collect();
        if marked.is_empty() {
            let found = self.at(self.whole, false)?;
            let found = self.nearer(found)?;
            return Ok(Some(found).filter(|found| share(&found.alpha, None) > NOTHING / 4.0));
        }
        let mut best: Option<(f32, Found)> = None;
        for part in WINDOWS {
            let window = self.window(part);
            let found = self.at(window, false)?;
            let small = found.reduced();
            let marks = Marks::new(self.job, &small);
            let score = marks::score(&small.alpha, &marks);
            let cut = cut_off(&small, &marks, self.whole);
            if score > 0.5 && cut < CUT_OFF {
                return self.nearer(found).map(Some);
            }
            if best.as_ref().is_none_or(|(known, _)| score - cut > *known) {
                best = Some((score - cut, found));
            }
            if window == self.window(WINDOWS[WINDOWS.len() - 1]) {
                break;
            }
        }
        // No model need see what the user points at: its colours and edges are there.
        Ok(best.map(|(_, found)| found))
    }

    /// A part of the picture around the marked points.
    fn window(&self, part: f32) -> Rect {
        let inside = self.job.points.iter().filter(|point| point.inside);
        let (mut left, mut top, mut right, mut bottom) = (f32::MAX, f32::MAX, 0.0f32, 0.0f32);
        for point in inside {
            (left, top) = (left.min(point.x), top.min(point.y));
            (right, bottom) = (right.max(point.x), bottom.max(point.y));
        }
        let side = (self.whole.width.max(self.whole.height) as f32 * part).max(64.0);
        // All points, and some of what lies around them.
        let side = side.max((right - left).max(bottom - top) * 1.6);
        let place = |centre: f32, whole: usize| {
            let side = (side as usize).min(whole);
            ((centre - side as f32 / 2.0).clamp(0.0, (whole - side) as f32) as usize, side)
        };
        let (x, width) = place((left + right) / 2.0, self.whole.width);
        let (y, height) = place((top + bottom) / 2.0, self.whole.height);
        Rect { x, y, width, height }
    }

    /// What was found, looked at again from nearer where it is small: models see little of a small thing.
    fn nearer(&self, found: Found) -> Result<Found> {
        let small = found.reduced();
        let limited = Marks::new(self.job, &small).limited(&small.image, &small.alpha).alpha;
        let Some((x, y, w, h)) = limited.bounds(0.5) else { return Ok(found) };
        let (sw, sh) = (small.image.width as f32, small.image.height as f32);
        if w.max(h) as f32 > SMALL * sw.max(sh) {
            return Ok(found);
        }
        let scale = (found.rect.width as f32 / sw, found.rect.height as f32 / sh);
        let to = |at: usize, from: usize, scale: f32| from + (at as f32 * scale) as usize;
        let (left, top) = (to(x, found.rect.x, scale.0), to(y, found.rect.y, scale.1));
        let (right, bottom) = (to(x + w, found.rect.x, scale.0), to(y + h, found.rect.y, scale.1));
        let around = ((right - left).max(bottom - top) as f32 * NEARER) as usize;
        let near = grown(Rect { x: left, y: top, width: right - left, height: bottom - top }, around, self.whole);
        let again = self.at(near, false)?;
        // A model that sees something else from near is not better informed.
        let same = overlap(&small, &limited, &again);
        Ok(if same > 0.6 { again } else { found })
    }

    /// What the model says of a window; `boxed`: the user drew it round the subject.
    fn at(&self, window: Rect, boxed: bool) -> Result<Found> {
        self.watch.check()?;
        let longest = window.width.max(window.height);
        let rect = match (boxed, self.model.prompted) {
            (true, prompted) => grown(window, margin(longest, prompted), self.whole),
            (false, true) if window != self.whole => grown(window, margin(longest, true), self.whole),
            _ => window,
        };
        let image = seen(&self.job.image, rect);
        let hint = self.hint.as_ref().map(|hint| {
            let part = hint.crop(rect.x, rect.y, rect.width, rect.height);
            resize::plane(&part, image.width, image.height, Resample::Area)
        });
        let picture = Picture::from_raster(&Raster { depth: Depth::F32, ..image.clone() });
        let mut job = Job::new(Arc::new(picture));
        if self.model.prompted {
            job.mask = Some(match (&hint, boxed) {
                (Some(hint), true) => hint.clone(),
                _ => prompt(window, rect, &image, window == self.whole),
            });
        }
        let output = self.model.filter.run(&job, &Watch::quiet(self.watch))?;
        let alpha = output.alpha.or(output.mask).ok_or_else(|| Error::internal("a subject model gave no mask"))?;
        Ok(Found { rect, image, alpha, hint })
    }
}

/// The window as a mask for a model that wants one; of the whole picture all but a rim, or there would be no ground.
fn prompt(window: Rect, rect: Rect, image: &Raster, whole: bool) -> Plane {
    let mut plane = Plane::filled(image.width, image.height, 0.0);
    let rim = if whole { image.width.min(image.height) / 30 } else { 0 };
    let to = |at: usize, from: usize, side: usize, whole: usize| (at - from) * side / whole;
    let left = to(window.x, rect.x, image.width, rect.width) + rim;
    let right = to(window.x + window.width, rect.x, image.width, rect.width) - rim;
    let top = to(window.y, rect.y, image.height, rect.height) + rim;
    let bottom = to(window.y + window.height, rect.y, image.height, rect.height) - rim;
    for row in top..bottom {
        plane.data[row * image.width + left..row * image.width + right.max(left)].fill(1.0);
    }
    plane
}

fn grown(rect: Rect, by: usize, whole: Rect) -> Rect {
    let (x, y) = (rect.x.saturating_sub(by), rect.y.saturating_sub(by));
    let right = (rect.x + rect.width + by).min(whole.width);
    let bottom = (rect.y + rect.height + by).min(whole.height);
    Rect { x, y, width: right - x, height: bottom - y }
}

/// RGB of a part, reduced to what models see: a strip of rows at a time, so that the part is never held in full.
pub fn seen(picture: &Picture, rect: Rect) -> Raster {
    let longest = rect.width.max(rect.height);
    let factor = (longest / SEEN).max(1);
    let (width, height) = (rect.width.div_ceil(factor), rect.height.div_ceil(factor));
    let mut small = Raster::new(width, height, 3, Depth::F32);
    for y in 0..height {
        let rows = factor.min(rect.height - y * factor);
        let strip = rgb(picture.region(rect.x, rect.y + y * factor, rect.width, rows));
        let mut counts = vec![0.0f32; width];
        let out = small.row_mut(y);
        for (i, pixel) in strip.data.chunks_exact(3).enumerate() {
            let x = i % rect.width / factor;
            counts[x] += 1.0;
            out[x * 3..x * 3 + 3].iter_mut().zip(pixel).for_each(|(out, value)| *out += value);
        }
        for (pixel, count) in out.chunks_exact_mut(3).zip(counts) {
            pixel.iter_mut().for_each(|value| *value /= count);
        }
    }
    let longest = width.max(height);
    let side = |side: usize| if longest <= SEEN { side } else { (side * SEEN / longest).max(1) };
    resize::raster(&small, side(width), side(height), Resample::Area)
}

/// How much of the hint, or of all, is subject.
fn share(alpha: &Plane, hint: Option<&Plane>) -> f32 {
    let within = |i: usize| hint.is_none_or(|hint| hint.data[i] > 0.5);
    let (mut subject, mut all) = (0usize, 0usize);
    for (_, value) in alpha.data.iter().enumerate().filter(|(at, _)| within(*at)) {
        all += 1;
        subject += usize::from(*value > 0.5);
    }
    subject as f32 / all.max(1) as f32
}

/// The part of the window's rim, where that is not the picture's, that the marked subject lies along.
fn cut_off(found: &Found, marks: &Marks, whole: Rect) -> f32 {
    let limited = marks.limited(&found.image, &found.alpha).alpha;
    let (w, h) = (limited.width, limited.height);
    let Rect { x, y, width, height } = found.rect;
    let (mut along, mut rim) = (0usize, 0usize);
    let mut look = |there: bool, at: usize| {
        if there {
            rim += 1;
            along += usize::from(limited.data[at] > 0.5);
        }
    };
    for i in 0..w {
        look(y > 0, i);
        look(y + height < whole.height, (h - 1) * w + i);
    }
    for i in 0..h {
        look(x > 0, i * w);
        look(x + width < whole.width, i * w + w - 1);
    }
    along as f32 / rim.max(1) as f32
}

/// Intersection over union of a mask on one part with what was found on another, on the latter.
fn overlap(found: &Found, limited: &Plane, again: &Found) -> f32 {
    let (w, h) = (again.image.width, again.image.height);
    let back = |at: usize, side: usize, to: (usize, usize), from: (usize, usize), cells: usize| {
        let place = to.0 as f32 + (at as f32 + 0.5) * to.1 as f32 / side as f32;
        (((place - from.0 as f32) * cells as f32 / from.1 as f32) as usize).min(cells - 1)
    };
    let (mut both, mut either) = (0usize, 0usize);
    for y in 0..h {
        let row = back(y, h, (again.rect.y, again.rect.height), (found.rect.y, found.rect.height), found.image.height);
        for x in 0..w {
            let column =
                back(x, w, (again.rect.x, again.rect.width), (found.rect.x, found.rect.width), found.image.width);
            let (before, now) = (limited.at(column, row) > 0.5, again.alpha.at(x, y) > 0.5);
            both += usize::from(before && now);
            either += usize::from(before || now);
        }
    }
    both as f32 / either.max(1) as f32
}
