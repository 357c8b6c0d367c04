//! `remove-object`: fills the mask or selection from its surroundings, at the picture's own resolution.

use super::diffuse::diffuse;
use super::fill::{State, Window, fill};
use super::room;
use super::{about, auto, float, hole, int};
use crate::error::{Error, Kind, Reason, Result};
use crate::filters::{About, Filter, Job, Output, Picture, Plane, Reach, Scope, Sight, Value, Values, Watch};

/// A hole no wider than this is filled by diffusion.
const THIN: f32 = 8.0;

pub struct RemoveObject(About);

impl Default for RemoveObject {
    fn default() -> RemoveObject {
        let context = int("context", "Context", "How far around the hole it looks for what fits", 16, 4000, 0, "px");
        RemoveObject(about(
            "remove-object",
            "Remove object",
            "Repair",
            "Fills the selection or mask from its surroundings, so that what was there is gone. Select a little more \
             than the object and its shadow; try another variation if the result does not please.",
            &[
                "inpaint",
                "inpainting",
                "remove object",
                "erase a person",
                "remove unwanted",
                "content aware fill",
                "generative fill",
                "magic eraser",
                "object removal",
                "fill hole",
                "remove watermark",
                "remove text",
                "heal large area",
                "clean up tourists",
            ],
            Scope::Hole,
            vec![
                int("seed", "Variation", "Each number gives another fill", 0, 1_000_000, 0, ""),
                auto(context, "hole-size"),
                float("feather", "Feather", "How far beyond the mask the fill fades out", 0.0, 100.0, 2.0, "px"),
            ],
        ))
    }
}

impl Filter for RemoveObject {
    fn about(&self) -> &About {
        &self.0
    }

    fn sight(&self, params: &Values, (width, height): (usize, usize)) -> Sight {
        let feather = params.number("feather");
        let side = |side: usize| side + 2 * (feather as usize + 1);
        let context = match params.is_auto("context") {
            true => automatic(side(width), side(height)),
            false => params.int("context").max(1) as usize,
        };
        Sight { reach: Reach::Near(context + feather as usize + 2), ..Sight::default() }
    }

    fn run(&self, job: &Job, watch: &Watch) -> Result<Output> {
        let mask = job.hole().ok_or_else(|| {
            Error::new(Kind::InvalidArgument, "`remove-object` got neither a mask nor a selection")
                .hint("select what shall go, or give a `mask`, white where it lies")
                .because(Reason::NothingSelected)
        })?;
        let picture = &*job.image;
        let what = if job.mask.is_some() { "mask" } else { "selection" };
        if (mask.width, mask.height) != (picture.width, picture.height) {
            let (mask, image) = ((mask.width, mask.height), (picture.width, picture.height));
            let message = format!("the {what} is {}x{}, the picture {}x{}", mask.0, mask.1, image.0, image.1);
            return Err(Error::new(Kind::InvalidArgument, message).hint(format!("give a {what} of the picture's size")));
        }
        // The mask and its feather as numbers, and what is open and filled; a hole as large as the picture takes more.
        room::check("remove-object", picture, 12)?;
        let feather = job.params.number("feather") as f32;
        let cover = hole::coverage(mask, feather);
        let open: Vec<bool> = cover.data.iter().map(|&value| value > 0.0).collect();
        let holes = hole::rectangles(&open, mask.width, mask.height);
        if holes.is_empty() {
            return Err(Error::new(Kind::InvalidArgument, format!("the {what} is empty: there is nothing to fill"))
                .hint("select what shall go, or pass a mask that is white there")
                .because(Reason::SelectionBeside));
        }
        let filled = vec![false; mask.data.len()];
        let mut run = Run { picture, what, cover, open, filled, feather, out: picture.clone() };
        let mut used = job.params.clone();
        let mut thin = 0;
        let area = |hole: &Rect| (hole.2 * hole.3) as f32;
        let (total, mut done) = (holes.iter().map(area).sum::<f32>(), 0.0);
        for (index, hole) in holes.iter().enumerate() {
            let context = match job.params.is_auto("context") || !job.params.0.contains_key("context") {
                true => automatic(hole.2, hole.3),
                false => job.params.int("context").max(1) as usize,
            };
            used.set("context", Value::Int(context as i64));
            let part = watch.part(done / total, (done + area(hole)) / total);
            // The first variation is the best fill that was found.
            let variation = job.params.int("seed") as u64;
            let seed = if variation == 0 { 0 } else { variation << 20 | (index as u64 & 0xf_ffff) };
            thin += usize::from(run.one(*hole, context, seed, &part)?);
            done += area(hole);
        }
        watch.step(1.0, "done")?;
        Ok(Output { image: Some(run.out), notes: notes(holes.len(), thin), used, ..Output::default() })
    }
}

/// How far around a hole to look: wide enough for texture, narrow enough not to copy a face beside the hole into it.
fn automatic(width: usize, height: usize) -> usize {
    (((width * height) as f32).sqrt() * 0.4).clamp(48.0, 400.0) as usize
}

fn notes(holes: usize, thin: usize) -> Vec<String> {
    let plural = |count: usize| if count == 1 { "1 hole".to_owned() } else { format!("{count} holes") };
    let mut notes = Vec::new();
    if holes > thin {
        notes.push(format!("{} filled with patches of the surroundings", plural(holes - thin)));
    }
    if thin > 0 {
        notes.push(format!("{} so thin that what lies beside flowed in", plural(thin)));
    }
    notes
}

/// Left, top, width, height.
type Rect = (usize, usize, usize, usize);

struct Run<'a> {
    picture: &'a Picture,
    /// What the hole was given as, for errors.
    what: &'static str,
    /// How much of the fill each pixel takes.
    cover: Plane,
    /// Pixels to fill.
    open: Vec<bool>,
    filled: Vec<bool>,
    feather: f32,
    out: Picture,
}

/// Whether nearly all of a hole, its feather apart, is no wider than [`THIN`]; where lines cross it may be.
fn is_thin(open: &[bool], width: usize, height: usize, feather: f32) -> bool {
    let mut depths = hole::distances(open, width, height);
    depths.retain(|&depth| depth > 0.0);
    let rank = depths.len() * 19 / 20;
    !depths.is_empty() && *depths.select_nth_unstable_by(rank, f32::total_cmp).1 - feather <= THIN / 2.0
}

impl Run<'_> {
    /// Fills what is open in one rectangle; whether it was thin.
    fn one(&mut self, hole: Rect, context: usize, seed: u64, watch: &Watch) -> Result<bool> {
        let mut reach = context;
        loop {
            let window = self.around(hole, reach);
            let mut part = self.read(hole, window);
            let whole = window == (0, 0, self.picture.width, self.picture.height);
            let open: Vec<bool> = part.states.iter().map(|&state| state == State::Hole).collect();
            let thin = is_thin(&open, part.width, part.height, self.feather);
            if !thin && let Some(filled) = fill(&part, seed, watch)? {
                let values = filled.iter().map(|filled| (filled.texel, Some((filled.from.x, filled.from.y))));
                self.paste(window, &open, values.collect());
                return Ok(false);
            }
            // Without one whole patch anywhere the few pixels there are still say more than an error would.
            if (thin || whole) && diffuse(&mut part, watch)? {
                self.paste(window, &open, part.texels.iter().map(|&texel| (texel, None)).collect());
                return Ok(thin);
            }
            if whole {
                return Err(Error::new(
                    Kind::InvalidArgument,
                    format!("the {} covers everything that can be seen: nothing is left to fill from", self.what),
                )
                .hint("leave some of the picture outside of it and its feather")
                .because(Reason::CoversAll));
            }
            reach *= 2;
        }
    }

    fn around(&self, (left, top, width, height): Rect, reach: usize) -> Rect {
        let (x, y) = (left.saturating_sub(reach), top.saturating_sub(reach));
        let right = (left + width + reach).min(self.picture.width);
        let bottom = (top + height + reach).min(self.picture.height);
        (x, y, right - x, bottom - y)
    }

    fn read(&self, hole: Rect, (left, top, width, height): Rect) -> Window {
        // What was filled before is read from the result, everything else is the same there.
        let region = self.out.region(left, top, width, height);
        let (channels, colours) = (region.channels, region.colours());
        let mut window = Window { width, height, texels: Vec::new(), states: Vec::new() };
        for (index, pixel) in region.data.chunks_exact(channels).enumerate() {
            let (x, y) = (left + index % width, top + index / width);
            let at = y * self.picture.width + x;
            let inside = (hole.0..hole.0 + hole.2).contains(&x) && (hole.1..hole.1 + hole.3).contains(&y);
            let seen = channels == colours || pixel[colours] > 0.0;
            window.states.push(match (self.open[at], self.filled[at]) {
                (true, false) if inside => State::Hole,
                (true, false) => State::Void,
                // A broken file's NaN would spread through every comparison.
                _ if !seen || pixel.iter().any(|value| !value.is_finite()) => State::Void,
                (_, true) => State::Known,
                _ => State::Source,
            });
            let grey = [pixel[0]; 4];
            window.texels.push(if colours == 3 { [pixel[0], pixel[1], pixel[2], 0.0] } else { grey });
        }
        for (texel, state) in window.texels.iter_mut().zip(&window.states) {
            if matches!(state, State::Hole | State::Void) {
                *texel = [0.0; 4];
            }
        }
        window
    }

    /// Blends the fill into the result. Alpha comes from the pixel copied from, or else from what is around.
    fn paste(
        &mut self,
        (left, top, width, _): Rect,
        open: &[bool],
        values: Vec<(super::patches::Texel, Option<(u32, u32)>)>,
    ) {
        let (channels, stride) = (self.picture.channels, self.picture.width);
        let colours = channels - usize::from(self.picture.has_alpha());
        let mut old = [0.0; 4];
        let mut from = [0.0; 4];
        for (index, (texel, spot)) in values.into_iter().enumerate().filter(|(index, _)| open[*index]) {
            let at = (top + index / width) * stride + left + index % width;
            self.filled[at] = true;
            let cover = self.cover.data[at];
            self.picture.samples.read(at * channels, &mut old[..channels]);
            let mut new = [texel[0], texel[1], texel[2], 1.0];
            let mut alpha = 1.0;
            if colours < channels {
                if let Some((x, y)) = spot {
                    let source = (top + y as usize) * stride + left + x as usize;
                    self.picture.samples.read(source * channels, &mut from[..channels]);
                    alpha = from[colours];
                }
                // What is transparent has no colour to blend with.
                let share = if old[colours] > 0.0 {
                    cover * alpha / (cover * alpha + (1.0 - cover) * old[colours])
                } else {
                    1.0
                };
                (0..colours).for_each(|lane| new[lane] = old[lane] + (texel[lane] - old[lane]) * share);
                new[colours] = old[colours] + (alpha - old[colours]) * cover;
            } else {
                (0..colours).for_each(|lane| new[lane] = old[lane] + (texel[lane] - old[lane]) * cover);
            }
            self.out.samples.write(at * channels, &new[..channels]);
        }
    }
}
