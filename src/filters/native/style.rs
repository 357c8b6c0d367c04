//! `style-from-image`: the colours and the texture of another picture. Colours move as a whole; texture comes as
//! patches of the other picture that fit what is there (after Elad and Milanfar 2017, without their segmentation).

use super::moments::{Colour, Moments, Transfer};
use super::patches::{Grid, Matches, RADIUS, Search, Spot, Texel, vote};
use super::random::Random;
use super::room;
use super::{about, float, int, parallel};
use crate::error::{Error, Kind, Reason, Result};
use crate::filters::{About, Depth, Filter, Job, Output, Picture, Scope, Watch};

/// Texture is made on at most this many pixels, and enlarged: brush marks have their size, and time its bound.
const TEXTURE_PIXELS: usize = 1_200_000;
/// The style picture is looked at with at most this many.
const STYLE_PIXELS: usize = 360_000;
/// Sizes at which patches are fitted, each half of the one before.
const LEVELS: usize = 3;

pub struct StyleFromImage(About);

impl Default for StyleFromImage {
    fn default() -> StyleFromImage {
        let mut about = about(
            "style-from-image",
            "Style from image",
            "Style",
            "Gives the picture the colours and the texture of another one. Paintings with clear brush marks work best; \
             faces suffer.",
            &["style transfer", "van gogh", "paint like", "artistic style", "neural style", "in the style of"],
            Scope::Everywhere,
            vec![
                float("strength", "Strength", "How much of the result is mixed in", 0.0, 100.0, 100.0, "%"),
                float("colour", "Colour", "How far the colours move to the other picture's", 0.0, 100.0, 100.0, "%"),
                float("texture", "Texture", "How much of the other picture's texture is taken", 0.0, 100.0, 60.0, "%"),
                int("seed", "Variation", "Each number gives another arrangement", 0, 1_000_000, 0, ""),
            ],
        );
        about.style = true;
        StyleFromImage(about)
    }
}

impl Filter for StyleFromImage {
    fn about(&self) -> &About {
        &self.0
    }

    fn run(&self, job: &Job, watch: &Watch) -> Result<Output> {
        let style = job.style.as_ref().ok_or_else(|| {
            Error::new(Kind::InvalidArgument, "`style-from-image` got no style picture")
                .hint("pass the picture whose colours and texture are wanted as `style`")
                .because(Reason::StyleMissing)
        })?;
        room::check("style-from-image", &job.image, 1)?;
        watch.step(0.0, "looking at both pictures")?;
        let share = |name: &str| job.params.number(name) as f32 / 100.0;
        let (colour, texture, strength) = (share("colour"), share("texture"), share("strength"));
        let (image, look) = (shrink(&job.image, TEXTURE_PIXELS), shrink(style, STYLE_PIXELS));
        if image.weights.iter().all(|&weight| weight == 0.0) || look.weights.iter().all(|&weight| weight == 0.0) {
            return Err(Error::new(Kind::InvalidArgument, "one of the two pictures is all transparent")
                .hint("choose pictures in which something can be seen")
                .because(Reason::AllTransparent));
        }
        let (from, to) = (image.moments(), look.moments());
        let recolour = Recolour { transfer: Transfer::new(&from, &to), share: colour };
        let mut notes = Vec::new();
        let mut marks = None;
        if texture > 0.0 && look.grid.width.min(look.grid.height) < 2 * RADIUS + 2 {
            let size = 2 * RADIUS + 2;
            notes.push(format!(
                "the style picture is too small for texture, under {size} pixels: only colours were taken"
            ));
        } else if texture > 0.0 {
            let part = watch.part(0.05, 0.85);
            marks = Some(texture_of(image, look, &recolour, texture, job.params.int("seed") as u64, &part)?);
        }
        let out = finish(&job.image, &recolour, marks.as_ref(), texture, strength, &watch.part(0.85, 1.0))?;
        Ok(Output { image: Some(out), notes, used: job.params.clone(), ..Output::default() })
    }
}

/// A colour with its share moved.
struct Recolour {
    transfer: Transfer,
    share: f32,
}

impl Recolour {
    fn apply(&self, colour: Colour) -> Colour {
        let moved = self.transfer.apply(colour);
        [0, 1, 2].map(|lane: usize| colour[lane] + (moved[lane].clamp(0.0, 1.0) - colour[lane]) * self.share)
    }
}

/// A picture made small, and how much each pixel is seen.
struct Small {
    grid: Grid,
    weights: Vec<f32>,
}

impl Small {
    fn moments(&self) -> Moments {
        let colours = self.grid.texels.iter().map(|&[r, g, b, _]| [r, g, b]);
        Moments::of(colours.zip(self.weights.iter().copied()))
    }
}

/// The picture with at most so many pixels, each the mean of those it stands for.
fn shrink(picture: &Picture, pixels: usize) -> Small {
    let scale = (pixels as f64 / (picture.width * picture.height) as f64).sqrt().min(1.0);
    let side = |side: usize| ((side as f64 * scale).round() as usize).max(1);
    let (width, height, channels) = (side(picture.width), side(picture.height), picture.channels);
    let colours = channels - usize::from(picture.has_alpha());
    let mut sums = vec![[0.0f32; 5]; width * height];
    let mut row = vec![0.0; picture.width * channels];
    for y in 0..picture.height {
        picture.samples.read(y * picture.width * channels, &mut row);
        let out = (y * height / picture.height) * width;
        for (x, pixel) in row.chunks_exact(channels).enumerate() {
            let sum = &mut sums[out + x * width / picture.width];
            let alpha = if channels == colours { 1.0 } else { pixel[colours] };
            (0..3).for_each(|lane| sum[lane] += alpha * pixel[if colours == 3 { lane } else { 0 }]);
            sum[3] += alpha;
            sum[4] += 1.0;
        }
    }
    let texels = sums.iter().map(|sum| {
        let scale = if sum[3] > 0.0 { 1.0 / sum[3] } else { 0.0 };
        [sum[0] * scale, sum[1] * scale, sum[2] * scale, 0.0]
    });
    let weights = sums.iter().map(|sum| sum[3] / sum[4].max(1.0)).collect();
    Small { grid: Grid { width, height, texels: texels.collect() }, weights }
}

/// What texture makes of the picture, less the picture in its new colours: small, to be enlarged.
fn texture_of(image: Small, look: Small, recolour: &Recolour, weight: f32, seed: u64, watch: &Watch) -> Result<Grid> {
    let mut content = image.grid;
    let mut style = look.grid;
    for texel in &mut content.texels {
        let [r, g, b] = recolour.apply([texel[0], texel[1], texel[2]]);
        *texel = [r, g, b, 0.0];
    }
    // Patches are compared and taken in the colours that the picture shall have.
    let wanted = Moments::of(content.texels.iter().map(|&[r, g, b, _]| [r, g, b]).zip(image.weights.iter().copied()));
    let adapt = Transfer::new(&Moments::of(style.texels.iter().map(|&[r, g, b, _]| ([r, g, b], 1.0))), &wanted);
    for texel in &mut style.texels {
        let [r, g, b] = adapt.apply([texel[0], texel[1], texel[2]]).map(|value| value.clamp(0.0, 1.0));
        *texel = [r, g, b, 0.0];
    }
    let mut sizes = vec![(content, style)];
    while sizes.len() < LEVELS {
        let (content, style) = &sizes[sizes.len() - 1];
        if style.width.min(style.height) < 4 * RADIUS + 4 || content.width.min(content.height) < 4 {
            break;
        }
        sizes.push((half(content), half(style)));
    }
    let mut finer: Option<(Matches, usize)> = None;
    let mut result = None;
    let levels = sizes.len();
    for (index, (content, style)) in sizes.iter().enumerate().rev() {
        // Each level costs about four times the one before.
        let cost = |index: usize| 0.25f32.powi(index as i32);
        let part = watch.part(if index + 1 == levels { 0.0 } else { cost(index + 1) }, cost(index));
        let fit = Fit { content, style, weight, seed: seed ^ (index as u64) << 48 };
        let (matches, painted) = fit.run(finer.take(), index == 0, &part)?;
        finer = Some((matches, content.width));
        result = Some(painted);
    }
    let (content, _) = &sizes[0];
    let mut marks = result.unwrap_or_else(|| content.clone());
    for (mark, texel) in marks.texels.iter_mut().zip(&content.texels) {
        (0..3).for_each(|lane| mark[lane] -= texel[lane]);
    }
    Ok(marks)
}

fn half(grid: &Grid) -> Grid {
    let (width, height) = (grid.width.div_ceil(2), grid.height.div_ceil(2));
    let mut texels = vec![[0.0; 4]; width * height];
    for (index, texel) in texels.iter_mut().enumerate() {
        let (x, y) = (2 * (index % width), 2 * (index / width));
        let (right, below) = ((x + 1).min(grid.width - 1), (y + 1).min(grid.height - 1));
        for at in [y * grid.width + x, y * grid.width + right, below * grid.width + x, below * grid.width + right] {
            (0..4).for_each(|lane| texel[lane] += 0.25 * grid.texels[at][lane]);
        }
    }
    Grid { width, height, texels }
}

/// One size at which patches of the style are fitted onto the picture.
struct Fit<'a> {
    content: &'a Grid,
    style: &'a Grid,
    weight: f32,
    seed: u64,
}

impl Fit<'_> {
    /// `coarse`: the matches at half the size, and how wide that was.
    fn run(&self, coarse: Option<(Matches, usize)>, last: bool, watch: &Watch) -> Result<(Matches, Grid)> {
        let (width, height) = (self.content.width, self.content.height);
        let padded = (width + 2 * RADIUS, height + 2 * RADIUS);
        let allowed: Vec<bool> = (0..self.style.texels.len())
            .map(|at| {
                let (x, y) = (at % self.style.width, at / self.style.width);
                let inner = |v: usize, side: usize| v >= RADIUS && v + RADIUS < side;
                inner(x, self.style.width) && inner(y, self.style.height)
            })
            .collect();
        let mut matches = self.begin(coarse, padded);
        let weights = vec![1.0; padded.0 * padded.1];
        let whole = vec![true; padded.0 * padded.1];
        let mut painted = if matches.1 { self.voted(&matches.0) } else { self.content.clone() };
        let mut matches = std::mem::replace(&mut matches.0, Matches { spots: Vec::new(), costs: Vec::new() });
        let rounds = 2;
        for round in 0..rounds {
            let target = pad(&painted);
            let search = Search {
                target: &target,
                weights: &weights,
                whole: &whole,
                source: self.style,
                allowed: &allowed,
                pull: 0.0,
            };
            search.measure(&mut matches);
            let passes = if last { 2 } else { 3 };
            for turn in 0..passes {
                watch.step((round * passes + turn) as f32 / (rounds * passes) as f32, "fitting texture")?;
                let reach = if last { 32 } else { self.style.width.max(self.style.height) };
                search.pass(&mut matches, turn, reach, self.seed ^ (round as u64) << 40, watch);
            }
            watch.check()?;
            painted = self.voted(&matches);
            if !(last && round + 1 == rounds) {
                self.remind(&mut painted);
            }
        }
        Ok((matches, painted))
    }

    /// First matches: those of half the size, or random ones; and whether they mean something.
    fn begin(&self, coarse: Option<(Matches, usize)>, (width, height): (usize, usize)) -> (Matches, bool) {
        let mut random = Random::new(self.seed, 0x7374_796c);
        let span = |side: usize| (RADIUS, side - 2 * RADIUS);
        let ((left, columns), (top, rows)) = (span(self.style.width), span(self.style.height));
        let mut spots = vec![Spot::NONE; width * height];
        for y in RADIUS..height - RADIUS {
            for x in RADIUS..width - RADIUS {
                spots[y * width + x] = match &coarse {
                    None => Spot::new(left + random.below(columns), top + random.below(rows)),
                    Some((coarse, coarse_width)) => {
                        let (cx, cy) = ((x - RADIUS) / 2, (y - RADIUS) / 2);
                        let spot = coarse.spots[(cy + RADIUS) * (coarse_width + 2 * RADIUS) + cx + RADIUS];
                        let doubled = |v: u32, low: usize, from: usize, count: usize| {
                            (v as usize * 2 + low % 2).clamp(from, from + count - 1)
                        };
                        let (dx, dy) = (x - RADIUS, y - RADIUS);
                        Spot::new(doubled(spot.x, dx, left, columns), doubled(spot.y, dy, top, rows))
                    }
                };
            }
        }
        (Matches { costs: vec![0.0; spots.len()], spots }, coarse.is_some())
    }

    fn voted(&self, matches: &Matches) -> Grid {
        let (width, padded) = (self.content.width, self.content.width + 2 * RADIUS);
        let votes: Vec<f32> = matches.costs.iter().map(|cost| 1.0 / (cost + 2e-3)).collect();
        let mut painted = self.content.clone();
        parallel::bands(&mut painted.texels, width, 32, |first, texels| {
            for (index, texel) in texels.iter_mut().enumerate() {
                let place = (index % width + RADIUS, first + index / width + RADIUS);
                if let Some((voted, _)) = vote(matches, &votes, (padded, self.style), place) {
                    *texel = voted;
                }
            }
        });
        painted
    }

    /// Pulls the painting back to the picture, more so along its edges, by which one knows what it shows.
    fn remind(&self, painted: &mut Grid) {
        let (width, height) = (self.content.width, self.content.height);
        let light = |at: usize| {
            let [r, g, b, _]: Texel = self.content.texels[at];
            0.299 * r + 0.587 * g + 0.114 * b
        };
        for at in 0..painted.texels.len() {
            let (x, y) = (at % width, at / width);
            let gx = light(y * width + (x + 1).min(width - 1)) - light(y * width + x.saturating_sub(1));
            let gy = light((y + 1).min(height - 1) * width + x) - light(y.saturating_sub(1) * width + x);
            let edge = (gx.hypot(gy) * 4.0).min(1.0);
            let pull = (0.75 - 0.6 * self.weight) * (0.3 + 1.5 * edge);
            for lane in 0..3 {
                let painted = &mut painted.texels[at][lane];
                *painted = (*painted + pull * self.content.texels[at][lane]) / (1.0 + pull);
            }
        }
    }
}

/// The grid with its border repeated, so that every patch is whole.
fn pad(grid: &Grid) -> Grid {
    let (width, height) = (grid.width + 2 * RADIUS, grid.height + 2 * RADIUS);
    let inner = |v: usize, side: usize| v.saturating_sub(RADIUS).min(side - 1);
    let texel = |at: usize| grid.texels[inner(at / width, grid.height) * grid.width + inner(at % width, grid.width)];
    Grid { width, height, texels: (0..width * height).map(texel).collect() }
}

/// The picture in its new colours, with the texture's marks on it.
fn finish(
    picture: &Picture,
    recolour: &Recolour,
    marks: Option<&Grid>,
    texture: f32,
    strength: f32,
    watch: &Watch,
) -> Result<Picture> {
    let mut out = picture.clone();
    let channels = picture.channels;
    let colours = channels - usize::from(picture.has_alpha());
    let mut row = vec![0.0; picture.width * channels];
    // A little of the picture's own fine detail gives way to the marks.
    let share = texture.sqrt();
    for y in 0..picture.height {
        if y.is_multiple_of(64) {
            watch.step(y as f32 / picture.height as f32, "putting it together")?;
        }
        picture.samples.read(y * picture.width * channels, &mut row);
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            let old = if colours == 3 { [pixel[0], pixel[1], pixel[2]] } else { [pixel[0]; 3] };
            let mut new = recolour.apply(old);
            if let Some(marks) = marks {
                let mark = enlarged(marks, (x, y), (picture.width, picture.height));
                (0..3).for_each(|lane| new[lane] += share * mark[lane]);
            }
            let mixed = [0, 1, 2].map(|lane: usize| old[lane] + (new[lane] - old[lane]) * strength);
            let mixed = if picture.depth() == Depth::F32 { mixed } else { mixed.map(|value| value.clamp(0.0, 1.0)) };
            match colours {
                3 => pixel[..3].copy_from_slice(&mixed),
                _ => pixel[0] = 0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2],
            }
        }
        out.samples.write(y * picture.width * channels, &row);
    }
    Ok(out)
}

/// The small grid at a pixel of the whole picture, bilinear.
fn enlarged(grid: &Grid, (x, y): (usize, usize), (width, height): (usize, usize)) -> Texel {
    let place = |v: usize, whole: usize, side: usize| {
        let at = ((v as f32 + 0.5) * side as f32 / whole as f32 - 0.5).clamp(0.0, (side - 1) as f32);
        (at as usize, (at as usize + 1).min(side - 1), at.fract())
    };
    let ((x0, x1, fx), (y0, y1, fy)) = (place(x, width, grid.width), place(y, height, grid.height));
    let corner = |x: usize, y: usize| grid.texels[y * grid.width + x];
    let (a, b, c, d) = (corner(x0, y0), corner(x1, y0), corner(x0, y1), corner(x1, y1));
    let mut mixed = [0.0; 4];
    for lane in 0..3 {
        let (upper, lower) = (a[lane] + (b[lane] - a[lane]) * fx, c[lane] + (d[lane] - c[lane]) * fx);
        mixed[lane] = upper + (lower - upper) * fy;
    }
    mixed
}
