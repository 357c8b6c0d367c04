//! Strokes on a canvas: colour, and how thick the paint lies.

use super::parallel;
use super::random::Random;
use crate::error::Result;
use crate::filters::Watch;

/// One stroke of a brush.
#[derive(Clone, Debug)]
pub struct Stroke {
    /// The middle of the brush, at least two points.
    pub points: Vec<(f32, f32)>,
    pub radius: f32,
    pub colour: [f32; 3],
    /// Later ones lie on top.
    pub order: u64,
    /// Seed of the bristles' marks.
    pub bristles: u32,
}

/// Red, green, blue and the height of the paint.
pub struct Canvas {
    pub width: usize,
    pub height: usize,
    texels: Vec<[f32; 4]>,
}

/// Rows that one thread paints at a time.
const BAND: usize = 96;
/// Bristles across a brush.
const BRISTLES: usize = 24;

impl Canvas {
    pub fn new(width: usize, height: usize, [r, g, b]: [f32; 3]) -> Canvas {
        Canvas { width, height, texels: vec![[r, g, b, 0.0]; width * height] }
    }

    pub fn at(&self, x: usize, y: usize) -> [f32; 3] {
        let [r, g, b, _] = self.texels[y * self.width + x];
        [r, g, b]
    }

    /// How much the paint at a pixel leans towards the light in the upper left, over `reach` pixels: the ridges of
    /// broad brushes are wide.
    pub fn slope(&self, x: usize, y: usize, reach: usize) -> f32 {
        let height = |x: usize, y: usize| self.texels[y * self.width + x][3];
        let (right, below) = ((x + reach).min(self.width - 1), (y + reach).min(self.height - 1));
        let (left, above) = (x.saturating_sub(reach), y.saturating_sub(reach));
        let rise = height(right, y) - height(left, y) + height(x, below) - height(x, above);
        (rise * 0.35).clamp(-0.35, 0.35)
    }

    /// Paints strokes in their order. Bands of rows are painted apart, each with all strokes that touch it.
    pub fn lay(&mut self, strokes: &[Stroke], relief: f32, watch: &Watch) -> Result<()> {
        let width = self.width;
        let mut touching: Vec<Vec<u32>> = vec![Vec::new(); self.height.div_ceil(BAND)];
        for (index, stroke) in strokes.iter().enumerate() {
            let (top, bottom) = stroke.points.iter().fold((f32::MAX, 0.0f32), |(t, b), p| (t.min(p.1), b.max(p.1)));
            let first = (top - stroke.radius - 2.0).max(0.0) as usize / BAND;
            let last = ((bottom + stroke.radius + 2.0) as usize / BAND).min(touching.len() - 1);
            touching[first..=last].iter_mut().for_each(|band| band.push(index as u32));
        }
        let count = touching.len().max(1) as f32;
        parallel::bands(&mut self.texels, width, BAND, |first, texels| {
            let mut brush = Brush { width, first, texels, marks: Vec::new(), relief };
            for (count, &index) in touching[first / BAND].iter().enumerate() {
                if count.is_multiple_of(256) && watch.check().is_err() {
                    return;
                }
                brush.draw(&strokes[index as usize]);
            }
            // Only tells; a cancelled run ends below.
            let _ = watch.step((first / BAND) as f32 / count, "painting");
        });
        watch.check()
    }
}

/// Paints on one band of rows.
struct Brush<'a> {
    width: usize,
    first: usize,
    texels: &'a mut [[f32; 4]],
    /// Of the stroke's surroundings: the square of how far from its middle line, how far along it, on which side.
    marks: Vec<[f32; 3]>,
    relief: f32,
}

impl Brush<'_> {
    fn draw(&mut self, stroke: &Stroke) {
        let radius = stroke.radius;
        let (mut left, mut top, mut right, mut bottom) = (f32::MAX, f32::MAX, f32::MIN, f32::MIN);
        for &(x, y) in &stroke.points {
            (left, top) = (left.min(x), top.min(y));
            (right, bottom) = (right.max(x), bottom.max(y));
        }
        let reach = radius + 1.0;
        let rows = self.first + self.texels.len() / self.width;
        let x0 = (left - reach).max(0.0) as usize;
        let x1 = ((right + reach).max(0.0) as usize + 1).min(self.width);
        let y0 = ((top - reach).max(0.0) as usize).max(self.first);
        let y1 = ((bottom + reach).max(0.0) as usize + 1).min(rows);
        if x0 >= x1 || y0 >= y1 {
            return;
        }
        self.marks.clear();
        self.marks.resize((x1 - x0) * (y1 - y0), [f32::MAX, 0.0, 1.0]);
        let mut along = 0.0;
        let last = stroke.points.len() - 2;
        for (index, pair) in stroke.points.windows(2).enumerate() {
            let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
            let (dx, dy) = (bx - ax, by - ay);
            let length = dx.hypot(dy).max(1e-6);
            let shorten = 1.0 / (length * length);
            // At its ends a stroke goes on straight, for the bristles to end where they like.
            let (before, after) = (if index == 0 { reach } else { 0.0 }, if index == last { reach } else { 0.0 });
            let (least, most) = (-before / length, 1.0 + after / length);
            let from_x = (ax.min(bx) - reach).max(x0 as f32) as usize;
            let to_x = ((ax.max(bx) + reach).max(0.0) as usize + 1).min(x1);
            let from_y = (ay.min(by) - reach).max(y0 as f32) as usize;
            let to_y = ((ay.max(by) + reach).max(0.0) as usize + 1).min(y1);
            for y in from_y..to_y.max(from_y) {
                let row = (y - y0) * (x1 - x0);
                let py = y as f32 - ay;
                let marks = &mut self.marks[row + from_x - x0..row + to_x.max(from_x) - x0];
                for (step, mark) in marks.iter_mut().enumerate() {
                    let px = (from_x + step) as f32 - ax;
                    let t = ((px * dx + py * dy) * shorten).clamp(least, most);
                    let (ox, oy) = (px - t * dx, py - t * dy);
                    let square = ox * ox + oy * oy;
                    let nearer = square < mark[0];
                    let new = [square, along + t * length, px * dy - py * dx];
                    (0..3).for_each(|i| mark[i] = if nearer { new[i] } else { mark[i] });
                }
            }
            along += length;
        }
        self.fill(stroke, along, (x0, y0, x1, y1));
    }

    fn fill(&mut self, stroke: &Stroke, length: f32, (x0, y0, x1, y1): (usize, usize, usize, usize)) {
        let radius = stroke.radius;
        let mut random = Random::new(u64::from(stroke.bristles), 0);
        let mut paint = [0.0f32; BRISTLES + 1];
        paint.iter_mut().for_each(|bristle| *bristle = random.signed());
        let mut ends = [0.0f32; BRISTLES + 1];
        ends.iter_mut().for_each(|end| *end = random.unit());
        // A fine brush shows fewer bristles than it has.
        let shown = (radius / 4.0).min(1.0);
        for y in y0..y1 {
            for x in x0..x1 {
                let [square, along, side] = self.marks[(y - y0) * (x1 - x0) + x - x0];
                if square > (radius + 0.5) * (radius + 0.5) {
                    continue;
                }
                let across = square.sqrt().copysign(side);
                let place = ((across / radius).clamp(-1.0, 1.0) + 1.0) * 0.5 * BRISTLES as f32;
                let index = (place as usize).min(BRISTLES - 1);
                let t = place - index as f32;
                let mix = |values: &[f32; BRISTLES + 1]| values[index] + (values[index + 1] - values[index]) * t;
                let bristle = mix(&paint);
                // The paint begins and runs out bristle by bristle, and the brush is never pressed quite alike.
                let end = mix(&ends);
                let round = 0.35 * (across / radius).powi(2);
                let left = length + radius * (0.8 - round - 0.7 * shown * end) - along;
                let begun = along + radius * (0.7 - round - 0.4 * shown * (1.0 - end));
                let pressed = radius * (0.94 + 0.06 * (along / radius * 1.7 + 6.0 * ends[0]).sin());
                let edge = (pressed + 0.5 - across.abs()).clamp(0.0, 1.0);
                let dry = (left / radius * 3.0 + 0.5).clamp(0.0, 1.0);
                let cover = edge * dry.min((begun + 0.5).clamp(0.0, 1.0));
                if cover <= 0.0 {
                    continue;
                }
                let texel = &mut self.texels[(y - self.first) * self.width + x];
                let streak = 1.0 + 0.06 * shown * self.relief.max(0.4) * bristle;
                for (value, colour) in texel.iter_mut().zip(stroke.colour) {
                    *value += (colour * streak - *value) * cover;
                }
                // Paint is pushed to the brush's sides and lies in ridges behind its bristles.
                let side = (across / radius).powi(4) * 0.5;
                let height = (0.45 + side + 0.5 * shown * bristle) * (0.5 + 0.5 * shown);
                texel[3] += (height - texel[3]) * cover;
            }
        }
    }
}
