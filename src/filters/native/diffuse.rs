//! Fill for thin holes: what is known flows in along the lines that meet the hole (coherence transport, Bornemann
//! and März 2007). Scratches, wires and dates vanish without the repetition that patches bring.

use super::fill::{State, Window};
use super::hole::distances;
use super::patches::Texel;
use crate::error::Result;
use crate::filters::Watch;

/// What a pixel is averaged from reaches this far.
const REACH: i64 = 5;
/// How sharply the flow follows a line.
const SHARPNESS: f32 = 25.0;

/// Fills the window's hole from the rim inwards; `false` if there is nothing known to begin with. Pixels that no
/// known one is near (a deep hole) take from those filled before.
pub fn diffuse(window: &mut Window, watch: &Watch) -> Result<bool> {
    let (width, height) = (window.width, window.height);
    let hole: Vec<bool> = window.states.iter().map(|&state| state == State::Hole).collect();
    let mut known: Vec<bool> =
        window.states.iter().map(|&state| matches!(state, State::Source | State::Known)).collect();
    if !known.contains(&true) {
        return Ok(false);
    }
    // Void pixels are no rim: what is beyond them must reach the hole around them.
    let unknown: Vec<bool> = known.iter().map(|&known| !known).collect();
    let depths = distances(&unknown, width, height);
    let mut order: Vec<usize> = (0..hole.len()).filter(|&at| hole[at]).collect();
    order.sort_by(|&a, &b| depths[a].total_cmp(&depths[b]).then(a.cmp(&b)));
    let mut last = [0.5, 0.5, 0.5, 0.0];
    for (count, &at) in order.iter().enumerate() {
        if count.is_multiple_of(4096) {
            watch.step(count as f32 / order.len() as f32, "filling")?;
        }
        let (x, y) = ((at % width) as i64, (at / width) as i64);
        let field = Field { window, known: &known, width: width as i64, height: height as i64 };
        let mut reach = REACH;
        let texel = loop {
            if let Some(texel) = field.flow(x, y, reach) {
                break texel;
            }
            reach *= 2;
            // Only behind a wide void is nothing near; the pixel filled before is the best guess then.
            if reach > 40 {
                break last;
            }
        };
        last = texel;
        window.texels[at] = texel;
        known[at] = true;
    }
    Ok(true)
}

struct Field<'a> {
    window: &'a Window,
    known: &'a [bool],
    width: i64,
    height: i64,
}

impl Field<'_> {
    fn at(&self, x: i64, y: i64) -> Option<usize> {
        let inside = (0..self.width).contains(&x) && (0..self.height).contains(&y);
        inside.then(|| (y * self.width + x) as usize).filter(|&at| self.known[at])
    }

    fn light(&self, at: usize) -> f32 {
        let [r, g, b, _] = self.window.texels[at];
        0.299 * r + 0.587 * g + 0.114 * b
    }

    /// The mean of what is known within `reach`, most of it from along the line that runs through here.
    fn flow(&self, x: i64, y: i64, reach: i64) -> Option<Texel> {
        let (strength, normal) = self.line(x, y, reach + 1);
        let (mut sum, mut total) = ([0.0f32; 4], 0.0f32);
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let square = dx * dx + dy * dy;
                let Some(at) = self.at(x + dx, y + dy).filter(|_| square <= reach * reach) else { continue };
                let across = normal.0 * dx as f32 + normal.1 * dy as f32;
                let sharp = SHARPNESS * strength / reach as f32;
                let weight = ((-0.5 * (sharp * across).powi(2)).exp() + 1e-9) / square as f32;
                sum.iter_mut().zip(self.window.texels[at]).for_each(|(sum, value)| *sum += weight * value);
                total += weight;
            }
        }
        (total > 0.0).then(|| sum.map(|v| v / total))
    }

    /// How clearly a line runs through here, 0 to 1, and the direction across it: from the structure tensor of the
    /// known pixels around.
    fn line(&self, x: i64, y: i64, reach: i64) -> (f32, (f32, f32)) {
        let (mut xx, mut xy, mut yy, mut total) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let neighbours = [(1, 0), (-1, 0), (0, 1), (0, -1)].map(|(a, b)| self.at(x + dx + a, y + dy + b));
                let [Some(right), Some(left), Some(below), Some(above)] = neighbours else { continue };
                let weight = (-((dx * dx + dy * dy) as f32) / (reach * reach) as f32).exp();
                let gx = self.light(right) - self.light(left);
                let gy = self.light(below) - self.light(above);
                xx += weight * gx * gx;
                xy += weight * gx * gy;
                yy += weight * gy * gy;
                total += weight;
            }
        }
        let spread = (xx - yy).hypot(2.0 * xy);
        if spread <= 1e-7 * total || total == 0.0 {
            return (0.0, (1.0, 0.0));
        }
        let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
        (spread / (xx + yy), (angle.cos(), angle.sin()))
    }
}
