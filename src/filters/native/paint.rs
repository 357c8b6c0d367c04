//! `oil-painting`: the picture painted anew in curved brush strokes, broad ones first (Hertzmann 1998), with the
//! paint's relief in the light (Hertzmann 2002).

use super::canvas::{Canvas, Stroke};
use super::pyramid::{Pyramid, Sample};
use super::random::Random;
use super::room;
use super::{about, auto, float, int, parallel};
use crate::error::Result;
use crate::filters::{About, Filter, Job, Output, Picture, Raster, Reach, Scope, Sight, Value, Values, Watch};

/// Strokes are planned and laid by squares of a grid; a row of the grid is one piece of work.
const MAX_POINTS: usize = 12;

pub struct OilPainting(About);

impl Default for OilPainting {
    fn default() -> OilPainting {
        let brush = float("brush", "Brush size", "Radius of the broadest brush", 2.0, 400.0, 16.0, "px");
        OilPainting(about(
            "oil-painting",
            "Oil painting",
            "Style",
            "Paints the picture anew with curved strokes of several brushes, broad ones first, fine ones where there is \
             detail.",
            &["oil painting", "painterly", "impressionist", "painting"],
            Scope::Everywhere,
            vec![
                auto(brush, "image-size"),
                float(
                    "detail",
                    "Detail",
                    "How fine the smallest brush is, and how eagerly it is used",
                    0.0,
                    100.0,
                    50.0,
                    "%",
                ),
                float("curvature", "Curvature", "How willingly strokes follow the forms", 0.0, 100.0, 70.0, "%"),
                float("variety", "Variety", "How much strokes differ in colour", 0.0, 100.0, 35.0, "%"),
                float("relief", "Relief", "How much the paint stands out in the light", 0.0, 100.0, 40.0, "%"),
                float("strength", "Strength", "How much of the painting is mixed in", 0.0, 100.0, 100.0, "%"),
                int("seed", "Variation", "Each number gives another painting", 0, 1_000_000, 0, ""),
            ],
        ))
    }
}

/// A painter's settings.
struct Style {
    /// Of the brushes, broad ones first, in pixels.
    radii: Vec<f32>,
    /// From which error on a place is painted again, 0 to 1.
    threshold: f32,
    curvature: f32,
    variety: f32,
    relief: f32,
    seed: u64,
}

impl Filter for OilPainting {
    fn about(&self) -> &About {
        &self.0
    }

    /// Strokes are laid by a grid that begins at the picture's corner: a part is painted by the same hand with other
    /// strokes. So what counts is that those which begin outside and end inside are there.
    fn sight(&self, params: &Values, _hole: (usize, usize)) -> Sight {
        let reach = (params.number("brush") as usize * 4).clamp(32, 256);
        Sight { reach: Reach::Near(reach), ..Sight::default() }
    }

    fn sized(&self, params: &Values, size: (usize, usize)) -> Values {
        let mut params = params.clone();
        params.set("brush", Value::Float(f64::from(broadest(&params, size))));
        params
    }

    fn run(&self, job: &Job, watch: &Watch) -> Result<Output> {
        // The canvas takes 16, the picture at half its size and below 6, strokes the rest.
        room::check("oil-painting", &job.image, 30)?;
        let params = &job.params;
        let broadest = broadest(params, (job.image.width, job.image.height));
        let detail = params.number("detail") as f32 / 100.0;
        // Half the radius from brush to brush, down to what the wanted detail asks for.
        let finest = (broadest * (0.25 - 0.2 * detail)).max(1.2);
        let mut radii = vec![broadest];
        while radii[radii.len() - 1] * 0.5 >= finest * 0.8 {
            radii.push(radii[radii.len() - 1] * 0.5);
        }
        let style = Style {
            radii,
            threshold: 0.09 - 0.06 * detail,
            curvature: params.number("curvature") as f32 / 100.0,
            variety: params.number("variety") as f32 / 100.0,
            relief: params.number("relief") as f32 / 100.0,
            seed: params.int("seed") as u64,
        };
        let (mut image, strokes) = paint(&job.image, &style, watch)?;
        let strength = if params.0.contains_key("strength") { params.number("strength") as f32 / 100.0 } else { 1.0 };
        mix(&job.image, &mut image, strength);
        let mut used = params.clone();
        used.set("brush", Value::Float((f64::from(broadest) * 10.0).round() / 10.0));
        let brushes: Vec<String> = style.radii.iter().map(|radius| format!("{radius:.1}")).collect();
        let note = format!("{strokes} strokes with brushes of radius {} px", brushes.join(", "));
        Ok(Output { image: Some(image), notes: vec![note], used, ..Output::default() })
    }
}

/// Leaves that share of the painting and takes the rest from the picture, row by row.
fn mix(picture: &Picture, painting: &mut Picture, strength: f32) {
    if strength >= 1.0 {
        return;
    }
    let length = picture.width * picture.channels;
    let (mut old, mut new) = (vec![0.0; length], vec![0.0; length]);
    for y in 0..picture.height {
        picture.samples.read(y * length, &mut old);
        painting.samples.read(y * length, &mut new);
        new.iter_mut().zip(&old).for_each(|(new, old)| *new = old + (*new - old) * strength);
        painting.samples.write(y * length, &new);
    }
}

/// Radius of the broadest brush for a picture of that size.
fn broadest(params: &Values, (width, height): (usize, usize)) -> f32 {
    let measured = params.is_auto("brush") || !params.0.contains_key("brush");
    if measured { (width.min(height) as f32 / 36.0).clamp(4.0, 120.0) } else { params.number("brush") as f32 }
}

fn paint(picture: &Picture, style: &Style, watch: &Watch) -> Result<(Picture, usize)> {
    watch.step(0.0, "looking at the picture")?;
    let source = Pyramid::new(picture, watch)?;
    let flow = Pyramid::flow(&source);
    let mut canvas = Canvas::new(picture.width, picture.height, source.mean());
    let mut strokes = 0;
    // A brush of half the size needs about four times the strokes.
    let effort: Vec<f32> = style.radii.iter().map(|radius| 1.0 / radius + 0.05).collect();
    let total: f32 = effort.iter().sum();
    let mut done = 0.0;
    for (index, &radius) in style.radii.iter().enumerate() {
        let part = watch.part(0.05 + 0.9 * done / total, 0.05 + 0.9 * (done + effort[index]) / total);
        done += effort[index];
        let layer = Layer { source: &source, flow: &flow, canvas: &canvas, style, radius, first: index == 0 };
        let planned = layer.plan(index, &part.part(0.0, 0.5))?;
        strokes += planned.len();
        canvas.lay(&planned, style.relief, &part.part(0.5, 1.0))?;
    }
    watch.step(0.95, "letting it dry")?;
    Ok((finish(picture, &canvas, style, watch)?, strokes))
}

/// One brush's pass over the canvas.
struct Layer<'a> {
    source: &'a Pyramid,
    flow: &'a Pyramid,
    canvas: &'a Canvas,
    style: &'a Style,
    radius: f32,
    first: bool,
}

impl Layer<'_> {
    /// Strokes for every place where canvas and picture differ, in the order they are painted.
    fn plan(&self, index: usize, watch: &Watch) -> Result<Vec<Stroke>> {
        let step = (self.radius * 1.2).max(1.0);
        let (columns, rows) = self.grid(step);
        let mut planned: Vec<Vec<Stroke>> = vec![Vec::new(); rows];
        parallel::bands(&mut planned, 1, 4, |first, band| {
            for (row, strokes) in band.iter_mut().enumerate() {
                let y = first + row;
                let mut random = Random::new(self.style.seed, (index as u64) << 32 | y as u64);
                if watch.check().is_err() {
                    return;
                }
                strokes.extend((0..columns).filter_map(|x| self.stroke(x, y, step, &mut random)));
            }
        });
        watch.step(0.5, "planning strokes")?;
        let mut strokes: Vec<Stroke> = planned.into_iter().flatten().collect();
        strokes.sort_unstable_by_key(|stroke| stroke.order);
        Ok(strokes)
    }

    fn grid(&self, step: f32) -> (usize, usize) {
        let cells = |side: usize| (side as f32 / step).ceil().max(1.0) as usize;
        (cells(self.canvas.width), cells(self.canvas.height))
    }

    fn stroke(&self, column: usize, row: usize, step: f32, random: &mut Random) -> Option<Stroke> {
        let (width, height) = (self.canvas.width as f32, self.canvas.height as f32);
        // All numbers are drawn first, so that one stroke more or less does not change the others.
        let (jitter_x, jitter_y, order) = (random.signed(), random.signed(), random.next());
        let side = if random.unit() < 0.5 { 1.0 } else { -1.0 };
        let (length, wander) = (4 + random.below(MAX_POINTS - 4), random.normal(0.5));
        let (light, tint) = (random.normal(0.07), [0; 3].map(|_| random.normal(0.035)));
        let x = ((column as f32 + 0.5 + jitter_x * 0.5) * step).clamp(0.0, width - 1.0);
        let y = ((row as f32 + 0.5 + jitter_y * 0.5) * step).clamp(0.0, height - 1.0);
        let colour = self.look(x, y);
        if colour[3] < 0.05 || (!self.first && self.error(x, y, step) < self.style.threshold) {
            return None;
        }
        let mut points = vec![(x, y)];
        let (mut px, mut py, mut heading) = (x, y, None::<(f32, f32)>);
        for count in 0..length {
            let (mut dx, mut dy) = self.along(px, py, wander);
            let before = heading.unwrap_or((dx * side, dy * side));
            if dx * before.0 + dy * before.1 < 0.0 {
                (dx, dy) = (-dx, -dy);
            }
            let bend = self.style.curvature;
            (dx, dy) = (bend * dx + (1.0 - bend) * before.0, bend * dy + (1.0 - bend) * before.1);
            let size = dx.hypot(dy).max(1e-6);
            (dx, dy) = (dx / size, dy / size);
            (px, py) = (px + dx * self.radius, py + dy * self.radius);
            if !(0.0..=width - 1.0).contains(&px) || !(0.0..=height - 1.0).contains(&py) {
                break;
            }
            // The stroke ends where what lies there already is nearer to the picture than its own colour.
            let here = self.look(px, py);
            let there = self.canvas.at(px as usize, py as usize);
            if count > 1
                && (here[3] < 0.05 || distance(here, [colour[0], colour[1], colour[2]]) > distance(here, there) + 0.02)
            {
                break;
            }
            points.push((px, py));
            heading = Some((dx, dy));
        }
        if points.len() < 2 {
            let (dx, dy) = self.along(x, y, wander);
            points.push((x + dx * self.radius, y + dy * self.radius));
        }
        let variety = self.style.variety;
        let painted = [0, 1, 2].map(|lane: usize| (colour[lane] + variety * (light + tint[lane])).clamp(0.0, 1.0));
        Some(Stroke { points, radius: self.radius, colour: painted, order, bristles: order as u32 })
    }

    /// The picture as this brush sees it.
    fn look(&self, x: f32, y: f32) -> Sample {
        self.source.at(x, y, (self.radius * 0.5).max(1.0))
    }

    /// How far the canvas is from the picture around a place: the mean of five points.
    fn error(&self, x: f32, y: f32, step: f32) -> f32 {
        let reach = step * 0.5;
        let around = [(0.0, 0.0), (reach, 0.0), (-reach, 0.0), (0.0, reach), (0.0, -reach)];
        let (width, height) = (self.canvas.width as f32 - 1.0, self.canvas.height as f32 - 1.0);
        let sum: f32 = around
            .iter()
            .map(|(dx, dy)| ((x + dx).clamp(0.0, width), (y + dy).clamp(0.0, height)))
            .map(|(x, y)| distance(self.look(x, y), self.canvas.at(x as usize, y as usize)))
            .sum();
        sum / around.len() as f32
    }

    /// The direction along the forms at a place: across the gradient; where there is none, a slow wave of its own.
    fn along(&self, x: f32, y: f32, wander: f32) -> (f32, f32) {
        let [xx, xy, yy, _] = self.flow.at(x, y, self.radius.max(2.0) * 1.5);
        let (spread, sum) = ((xx - yy).hypot(2.0 * xy), xx + yy);
        let sure = if sum > 1e-6 { spread / sum } else { 0.0 };
        let scale = 0.6 / self.radius.max(4.0);
        let wave = 0.7 + 0.5 * (x * scale * 0.31).sin() + 0.5 * (y * scale * 0.27 + 1.0).cos() + wander;
        let form = 0.5 * (2.0 * xy).atan2(xx - yy) + std::f32::consts::FRAC_PI_2;
        // Directions have no sign: they are mixed by their doubled angle.
        let sure = (sure * 2.0 * (sum / (sum + 2e-4))).min(1.0);
        let mixed = |f: fn(f32) -> f32| sure * f(2.0 * form) + (1.0 - sure) * f(2.0 * wave);
        let angle = 0.5 * mixed(f32::sin).atan2(mixed(f32::cos));
        (angle.cos(), angle.sin())
    }
}

fn distance(a: Sample, b: [f32; 3]) -> f32 {
    ((a[0] - b[0]).abs() + (a[1] - b[1]).abs() + (a[2] - b[2]).abs()) / 3.0
}

/// The canvas in the light from the upper left, with the picture's own channels and alpha.
fn finish(picture: &Picture, canvas: &Canvas, style: &Style, watch: &Watch) -> Result<Picture> {
    let reach = (style.radii[0] / 14.0).clamp(1.0, 8.0) as usize;
    let mut out = picture.clone();
    let mut row = Raster::new(picture.width, 1, picture.channels, picture.depth());
    let colours = row.colours();
    for y in 0..picture.height {
        if y.is_multiple_of(64) {
            watch.check()?;
        }
        let at = y * picture.width * picture.channels;
        picture.samples.read(at, &mut row.data);
        for (x, pixel) in row.data.chunks_exact_mut(picture.channels).enumerate() {
            let light = 1.0 + style.relief * canvas.slope(x, y, reach);
            let [r, g, b] = canvas.at(x, y).map(|value| (value * light).clamp(0.0, 1.0));
            match colours {
                1 => pixel[0] = 0.299 * r + 0.587 * g + 0.114 * b,
                _ => pixel[..3].copy_from_slice(&[r, g, b]),
            }
        }
        out.samples.write(at, &row.data);
    }
    Ok(out)
}
