//! One run of a model filter: the part, the size, the tiles, and what becomes of the answer.

use super::feed::Given;
use super::finish::{Finish, Finisher};
use super::graph::{Answer, Graphs};
use super::tiles::{self, Work};
use super::view::{Rect, View, rgb};
use super::{plan, uses};
use crate::error::{Error, Kind, Reason, Result};
use crate::filters::job::{About, Job, Output, Scope, Watch};
use crate::filters::manifest::{As, Fit, Manifest, Mode, Refine, Resample, Source, Task, TileMode};
use crate::filters::picture::Samples;
use crate::filters::pixels::{colour, grabcut, guided, morph, resize};
use crate::filters::raster::{Depth, Plane, Raster};
use crate::filters::sink::{Head, Sink};
use std::sync::atomic::Ordering;

/// Larger pictures are refused: a side that GIMP does not have either.
const LARGEST_SIDE: usize = 524_288;

/// Share of a subject's area that a hole in it may have to be taken for a fault of the cut.
const LARGEST_HOLE: f32 = 0.05;

struct Run<'a> {
    manifest: &'a Manifest,
    graphs: &'a Graphs,
    job: &'a Job,
    watch: &'a Watch,
    /// Where a mask is wanted: the mask, the selection, or the box.
    hole: Option<Plane>,
    style: Option<Raster>,
    rect: Rect,
    tiles: usize,
}

/// Runs the graphs on the job; an image goes to the sink.
///
/// # Errors
/// Bad input by name; else the model's and the sink's.
pub fn run(
    manifest: &Manifest,
    about: &About,
    graphs: &Graphs,
    job: &Job,
    watch: &Watch,
    sink: &mut dyn Sink,
    memory_mb: u32,
) -> Result<Output> {
    let image = &*job.image;
    check(job)?;
    let wants_mask = manifest.size.fit == Fit::CropToMask
        || [Source::Mask, Source::Evidence].iter().any(|source| uses(&manifest.input, source));
    let hole = if wants_mask { Some(needed_hole(job, manifest.task)?) } else { None };
    let selection = job.selection.as_ref().filter(|_| about.scope == Scope::Everywhere);
    if selection.is_some_and(|selection| selection.bounds(0.0).is_none()) {
        return Err(Error::new(Kind::InvalidArgument, "the selection is empty")
            .hint("select something, or give no selection to work on the whole picture")
            .because(Reason::SelectionBeside));
    }
    let rect = plan::area(manifest, (image.width, image.height), hole.as_ref(), selection)?;
    let style = match (&job.style, about.style) {
        (Some(style), true) => Some(rgb(style.to_raster())),
        (None, true) => {
            return Err(Error::new(Kind::InvalidArgument, "the filter needs a style picture")
                .hint("give `style_path`")
                .because(Reason::StyleMissing));
        }
        _ => None,
    };
    if uses(&manifest.input, &Source::Points) && job.points.is_empty() && job.area.is_none() && job.selection.is_none()
    {
        return Err(Error::new(Kind::InvalidArgument, "the filter needs points, a box or a selection")
            .hint("select something, or give a `box` or `points`")
            .because(Reason::NeedsSelection));
    }
    let mut run = Run { manifest, graphs, job, watch, hole, style, rect, tiles: 0 };
    let target = plan::target(manifest, rect.width, rect.height);
    let kind = graphs.result().map_or(As::Image, |output| output.kind);
    let streams = kind == As::Image || kind == As::Residual;
    let output = if streams && target == (rect.width, rect.height) && run.streamable() {
        run.stream(selection, sink, memory_mb)?
    } else {
        let answer = run.whole(target, memory_mb)?;
        run.compose(answer, selection, sink)?
    };
    Ok(Output { tiles: run.tiles, ..output })
}

pub fn check(job: &Job) -> Result<()> {
    let image = &*job.image;
    let sane = |side: usize| (1..=LARGEST_SIDE).contains(&side);
    if !sane(image.width) || !sane(image.height) {
        return Err(Error::new(
            Kind::InvalidArgument,
            format!("the picture is {}x{}, each side must be 1 to {LARGEST_SIDE}", image.width, image.height),
        ));
    }
    for (what, plane) in [("mask", &job.mask), ("selection", &job.selection)] {
        let Some(plane) = plane else { continue };
        if (plane.width, plane.height) != (image.width, image.height) {
            return Err(Error::new(
                Kind::InvalidArgument,
                format!("the {what} is {}x{}, the picture {}x{}", plane.width, plane.height, image.width, image.height),
            )
            .hint(format!("give a {what} of the picture's size")));
        }
    }
    Ok(())
}

/// What the mask, the box or the selection holds, checked: something is in it. `None`: there is none of them.
///
/// # Errors
/// `invalid_argument` when it is empty.
pub fn hole(job: &Job) -> Result<Option<Plane>> {
    let hole = match (&job.mask, job.area, &job.selection) {
        (Some(mask), ..) => mask.clone(),
        (None, Some([x, y, w, h]), _) => {
            let mut plane = Plane::filled(job.image.width, job.image.height, 0.0);
            let (left, top) = (x.max(0.0) as usize, y.max(0.0) as usize);
            let (right, bottom) =
                (((x + w).max(0.0) as usize).min(job.image.width), ((y + h).max(0.0) as usize).min(job.image.height));
            for row in top..bottom {
                if left < right {
                    plane.data[row * job.image.width + left..row * job.image.width + right].fill(1.0);
                }
            }
            plane
        }
        (None, None, Some(selection)) => selection.clone(),
        (None, None, None) => return Ok(None),
    };
    if hole.bounds(0.5).is_none() {
        let (what, mend) = match (&job.mask, job.area) {
            (Some(_), _) => ("the mask is empty: no pixel is above 50 %", "paint white what the filter shall work on"),
            (None, Some(_)) => {
                ("the box holds no pixel of the picture", "its left and top count from the picture's own")
            }
            (None, None) => ("the selection is empty: no pixel is above 50 %", "select what the filter shall work on"),
        };
        return Err(Error::new(Kind::InvalidArgument, what).hint(mend).because(Reason::SelectionFaint));
    }
    Ok(Some(hole))
}

/// The mask for a filter that cannot do without one; for inpainting something must be outside of it.
fn needed_hole(job: &Job, task: Task) -> Result<Plane> {
    let hole = hole(job)?.ok_or_else(plan::no_mask)?;
    if task == Task::Inpaint && hole.data.iter().all(|&value| value > 0.5) {
        return Err(Error::new(
            Kind::InvalidArgument,
            "the mask covers the whole picture: there is nothing to fill from",
        )
        .hint("leave some of the picture outside of the mask")
        .because(Reason::CoversAll));
    }
    Ok(hole)
}

impl Run<'_> {
    /// Whether rows can go on as tiles make them.
    fn streamable(&self) -> bool {
        let mode = self.manifest.compose.mode;
        matches!(mode, Mode::Replace | Mode::NewLayer)
            && self.manifest.size.fit == Fit::Tile
            && self.manifest.input.iter().all(|input| input.source != Source::Points)
    }

    /// The mask of the part.
    fn hole_part(&self) -> Option<Plane> {
        let Rect { x, y, width, height } = self.rect;
        self.hole.as_ref().map(|hole| hole.crop(x, y, width, height))
    }

    fn opacity(&self) -> f32 {
        let name = self.manifest.compose.opacity_param.as_deref();
        name.map_or(1.0, |name| self.job.params.number(name) as f32)
    }

    fn stream(&mut self, selection: Option<&Plane>, sink: &mut dyn Sink, memory_mb: u32) -> Result<Output> {
        let scale = self.graphs.scale();
        let view = View::Picture(&self.job.image, self.rect);
        let tiling = plan::tiling(self.manifest, self.rect.width, self.rect.height, memory_mb);
        let work = Work::new(self.graphs, self.style.as_ref(), &self.job.params, self.watch);
        let mask = self.hole_part();
        let finish = Finish {
            picture: &self.job.image,
            rect: self.rect,
            scale,
            through: selection,
            paste: None,
            opacity: self.opacity(),
            colours: coloured(self.manifest.task),
        };
        let mut finisher = Finisher::new(finish, sink)?;
        tiles::run(&work, &view, mask.as_ref(), &tiling, &mut |rows, channels| finisher.rows(rows, channels))?;
        finisher.end()?;
        self.tiles = work.done.load(Ordering::Relaxed);
        Ok(Output::default())
    }

    /// The answer for the whole part at once, still at the model's size.
    fn whole(&mut self, target: (usize, usize), memory_mb: u32) -> Result<Answer> {
        let view = View::Picture(&self.job.image, self.rect);
        let Rect { width, height, .. } = self.rect;
        let mut image = view.read(Rect { x: 0, y: 0, width, height }, self.manifest.size.pad);
        let mut mask = self.hole_part();
        if target != (width, height) {
            image = resize::raster(&image, target.0, target.1, self.manifest.size.filter);
            mask = mask.map(|mask| resize::plane(&mask, target.0, target.1, Resample::Nearest));
        }
        self.watch.step(0.02, "running the model")?;
        let tiled = self.manifest.size.tile.mode != TileMode::Never && self.manifest.size.fit == Fit::Tile;
        let scale = self.graphs.scale();
        let kind = self.graphs.result().map_or(As::Image, |output| output.kind);
        if tiled || (kind == As::Image && self.manifest.size.fit == Fit::Tile && self.points(target).is_empty()) {
            let tiling = plan::tiling(self.manifest, target.0, target.1, memory_mb);
            let watch = self.watch.part(0.02, 0.95);
            let work = Work::new(self.graphs, self.style.as_ref(), &self.job.params, &watch);
            let (mut data, mut channels) = (Vec::new(), 0);
            tiles::run(&work, &View::Raster(&image), mask.as_ref(), &tiling, &mut |rows, n| {
                data.extend_from_slice(rows);
                channels = n;
                Ok(())
            })?;
            self.tiles = work.done.load(Ordering::Relaxed);
            let (width, height) = (target.0 * scale, target.1 * scale);
            return Ok(Answer { kind, raster: Raster { width, height, channels, data, depth: Depth::F32 } });
        }
        self.tiles = 1;
        self.once(&image, mask.as_ref(), target)
    }

    /// One run, padded as the model wants it, the padding cut off the answer.
    fn once(&self, image: &Raster, mask: Option<&Plane>, (w, h): (usize, usize)) -> Result<Answer> {
        let size = &self.manifest.size;
        let up = |side: usize| side.max(size.min).div_ceil(size.multiple) * size.multiple;
        let rect = Rect { x: 0, y: 0, width: up(w), height: up(h) };
        let padded = (rect.width, rect.height) != (w, h);
        let wide = if padded { View::Raster(image).read(rect, size.pad) } else { image.clone() };
        let wide_mask = mask.map(|mask| View::read_mask(mask, rect));
        let points = self.points((w, h));
        let given = Given {
            image: &wide,
            mask: wide_mask.as_ref(),
            style: self.style.as_ref(),
            points: &points,
            params: &self.job.params,
        };
        let mut answer = self.graphs.run(&given, self.watch)?;
        if padded {
            // In proportion: an answer may be at another scale than what the model saw.
            let part = |whole: usize, side: usize, of: usize| (whole * side).div_ceil(of).min(whole);
            let raster = &answer.raster;
            let (aw, ah) = (part(raster.width, w, rect.width), part(raster.height, h, rect.height));
            answer.raster = raster.crop(0, 0, aw, ah);
        }
        Ok(answer)
    }

    /// Clicks and boxes in the model's pixels.
    fn points(&self, (w, h): (usize, usize)) -> Vec<[f32; 3]> {
        if !uses(&self.manifest.input, &Source::Points) {
            return Vec::new();
        }
        let Rect { x, y, width, height } = self.rect;
        let to = |px: f32, py: f32, label: f32| {
            [(px - x as f32) * w as f32 / width as f32, (py - y as f32) * h as f32 / height as f32, label]
        };
        let mut points: Vec<[f32; 3]> =
            self.job.points.iter().map(|point| to(point.x, point.y, f32::from(u8::from(point.inside)))).collect();
        let bounds = self.job.selection.as_ref().and_then(|selection| selection.bounds(0.5));
        let area = self.job.area.or(bounds.map(|(x, y, w, h)| [x as f32, y as f32, w as f32, h as f32]));
        if let Some([left, top, wide, high]) = area {
            points.push(to(left, top, 2.0));
            points.push(to(left + wide, top + high, 3.0));
        }
        points
    }

    /// What the manifest wants made of an answer that is there as a whole.
    fn compose(&self, answer: Answer, selection: Option<&Plane>, sink: &mut dyn Sink) -> Result<Output> {
        self.watch.step(0.96, "composing")?;
        let Rect { width, height, .. } = self.rect;
        let mode = self.manifest.compose.mode;
        match answer.kind {
            As::Image | As::Residual | As::LabAb => {
                let lab = answer.kind == As::LabAb;
                // The model's own enlargement stays where nothing was scaled before.
                let grown = self.graphs.scale();
                let scale = if lab || mode != Mode::Replace && mode != Mode::NewLayer { 1 } else { grown };
                let raster = resize::raster(&answer.raster, width * scale, height * scale, Resample::Cubic);
                let hole = if mode == Mode::PasteInMask { self.hole_part() } else { None };
                let paste = hole.map(|hole| morph::feathered(&hole, self.manifest.compose.feather));
                let finish = Finish {
                    picture: &self.job.image,
                    rect: self.rect,
                    scale,
                    through: selection,
                    paste: paste.as_ref(),
                    opacity: self.opacity(),
                    colours: coloured(self.manifest.task),
                };
                let mut finisher = Finisher::new(finish, sink)?;
                for y in 0..raster.height {
                    self.watch.check()?;
                    let row = if lab { self.coloured_row(y, raster.row(y)) } else { clamped(raster.row(y)) };
                    finisher.rows(&row, 3)?;
                }
                finisher.end()?;
                Ok(Output::default())
            }
            As::Alpha | As::Mask | As::Depth => {
                let small =
                    Plane { width: answer.raster.width, height: answer.raster.height, data: answer.raster.data };
                let mut part = self.refined(&small)?;
                part.data.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
                let full = self.placed(part);
                match (answer.kind, mode) {
                    (As::Depth, _) => {
                        grey(&full, self.job.image.depth(), sink)?;
                        Ok(Output::default())
                    }
                    (As::Alpha, Mode::LayerMask) => Ok(Output { alpha: Some(full), ..Output::default() }),
                    _ => Ok(Output { mask: Some(full), ..Output::default() }),
                }
            }
            As::Tensor | As::Score => Err(Error::internal("a tensor is no result")),
        }
    }

    /// A row of the picture with the model's a* and b*.
    fn coloured_row(&self, y: usize, ab: &[f32]) -> Vec<f32> {
        let Rect { x, y: top, width, .. } = self.rect;
        let source = rgb(self.job.image.region(x, top + y, width, 1));
        let pixels = source.data.chunks_exact(3).zip(ab.chunks_exact(2));
        pixels.flat_map(|(pixel, ab)| colour::lab_to_rgb([colour::rgb_to_lab(pixel)[0], ab[0], ab[1]])).collect()
    }

    /// The mask at the part's size, along the picture's edges if the manifest wants that.
    fn refined(&self, small: &Plane) -> Result<Plane> {
        let Rect { x, y, width, height } = self.rect;
        let Some(refine) = self.manifest.compose.refine else {
            return Ok(resize::plane(small, width, height, Resample::Bilinear));
        };
        let image = rgb(self.job.image.region(x, y, width, height));
        let mut mask = small.clone();
        if refine == Refine::GrabcutGuided {
            let mut sure = self.hole_part();
            sure.iter_mut().flat_map(|sure| &mut sure.data).for_each(|value| *value *= 0.5);
            mask = grabcut::refine(&image, small, sure.as_ref(), &self.watch.part(0.96, 0.99))?;
            morph::fill_holes(&mut mask, LARGEST_HOLE);
        }
        let mask = resize::plane(&mask, width, height, Resample::Bilinear);
        let radius = (width.max(height) / 170).clamp(3, 24);
        Ok(guided::guided(&image, &mask, radius, 1e-4))
    }

    fn placed(&self, part: Plane) -> Plane {
        let (w, h) = (self.job.image.width, self.job.image.height);
        if (part.width, part.height) == (w, h) {
            return part;
        }
        let mut full = Plane::filled(w, h, 0.0);
        for (row, line) in part.data.chunks_exact(part.width).enumerate() {
            full.data[(self.rect.y + row) * w + self.rect.x..][..part.width].copy_from_slice(line);
        }
        full
    }
}

fn clamped(row: &[f32]) -> Vec<f32> {
    row.iter().map(|value| value.clamp(0.0, 1.0)).collect()
}

/// Tasks that give colour to a grey picture.
fn coloured(task: Task) -> bool {
    matches!(task, Task::Colorize | Task::Style | Task::StyleArbitrary)
}

fn grey(plane: &Plane, depth: Depth, sink: &mut dyn Sink) -> Result<()> {
    // Eight bits show steps in a smooth depth.
    let depth = if depth == Depth::U8 { Depth::U16 } else { depth };
    sink.begin(Head { width: plane.width, height: plane.height, channels: 1, depth })?;
    let mut samples = Samples::zeroed(depth, plane.data.len());
    samples.write(0, &plane.data);
    sink.rows(&samples)
}
