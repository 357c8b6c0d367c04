//! Nearest patches by PatchMatch (Barnes et al. 2009): for each 7 x 7 patch of a target, the one in a source that is
//! most like it. Knows nothing of holes or styles.

use super::parallel;
use super::random::Random;
use crate::filters::Watch;

/// A patch reaches this many pixels from its centre.
pub const RADIUS: usize = 3;
const SIDE: usize = 2 * RADIUS + 1;

/// Rows that one thread searches at a time. Propagation sees the rows beyond as they were before the pass.
const BAND: usize = 24;

/// Red, green, blue and a measure of texture, weighted as they count in a comparison.
pub type Texel = [f32; 4];

/// A picture to compare patches in. Patches are whole only around centres [`RADIUS`] from each side.
#[derive(Clone)]
pub struct Grid {
    pub width: usize,
    pub height: usize,
    pub texels: Vec<Texel>,
}

/// Where a patch's centre lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    pub x: u32,
    pub y: u32,
}

impl Spot {
    /// Of pixels that are no target.
    pub const NONE: Spot = Spot { x: u32::MAX, y: 0 };

    pub fn new(x: usize, y: usize) -> Spot {
        Spot { x: x as u32, y: y as u32 }
    }

    pub fn is_none(self) -> bool {
        self.x == u32::MAX
    }

    /// The index in a plane of this width.
    pub fn at(self, width: usize) -> usize {
        self.y as usize * width + self.x as usize
    }
}

/// For each pixel of the target the best patch known, and how far from it: the mean squared difference of a texel.
pub struct Matches {
    pub spots: Vec<Spot>,
    pub costs: Vec<f32>,
}

/// What is compared with what.
pub struct Search<'a> {
    pub target: &'a Grid,
    /// 0 for target pixels that say nothing: outside the picture, transparent, not known yet; otherwise 1.
    pub weights: &'a [f32],
    /// Whether all weights of the patch around a target pixel are 1.
    pub whole: &'a [bool],
    pub source: &'a Grid,
    /// Whether a source patch may be used, by its centre; never within [`RADIUS`] of a side.
    pub allowed: &'a [bool],
    /// What distance costs: this much for a source as far away as the target is wide. What lies near belongs there.
    pub pull: f32,
}

impl Search<'_> {
    /// How badly a source patch fits a target's, or infinity once it is clear that it is over `limit`.
    pub fn cost(&self, target: usize, source: usize, limit: f32) -> f32 {
        let mut far = 0.0;
        if self.pull > 0.0 {
            let (tw, sw) = (self.target.width, self.source.width);
            let dx = (target % tw) as f32 - (source % sw) as f32;
            let dy = (target / tw) as f32 - (source / sw) as f32;
            far = self.pull * (dx * dx + dy * dy) / (tw * tw) as f32;
        }
        let limit = limit - far;
        let fit = if self.whole[target] {
            self.whole_cost(target, source, limit)
        } else {
            self.weighted_cost(target, source, limit)
        };
        fit + far
    }

    fn whole_cost(&self, target: usize, source: usize, limit: f32) -> f32 {
        let limit = limit * (SIDE * SIDE) as f32;
        let (tw, sw) = (self.target.width, self.source.width);
        let mut t = target - RADIUS * tw - RADIUS;
        let mut s = source - RADIUS * sw - RADIUS;
        let mut total = 0.0;
        for _ in 0..SIDE {
            let mut sums = [0.0f32; 4];
            for (a, b) in self.target.texels[t..t + SIDE].iter().zip(&self.source.texels[s..s + SIDE]) {
                for lane in 0..4 {
                    let difference = a[lane] - b[lane];
                    sums[lane] += difference * difference;
                }
            }
            total += sums[0] + sums[1] + sums[2] + sums[3];
            if total > limit {
                return f32::INFINITY;
            }
            t += tw;
            s += sw;
        }
        total / (SIDE * SIDE) as f32
    }

    fn weighted_cost(&self, target: usize, source: usize, limit: f32) -> f32 {
        let (tw, sw) = (self.target.width, self.source.width);
        let (mut total, mut weight) = (0.0, 0.0);
        for row in 0..SIDE {
            let t = target + row * tw - RADIUS * tw - RADIUS;
            let s = source + row * sw - RADIUS * sw - RADIUS;
            for column in 0..SIDE {
                let w = self.weights[t + column];
                let (a, b) = (self.target.texels[t + column], self.source.texels[s + column]);
                let square: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
                total += w * square;
                weight += w;
            }
            if total > limit * (SIDE * SIDE) as f32 {
                return f32::INFINITY;
            }
        }
        if weight > 0.0 { total / weight } else { 0.0 }
    }

    /// Measures the distances of `matches` anew, after the target changed.
    pub fn measure(&self, matches: &mut Matches) {
        let width = self.target.width;
        let spots = &matches.spots;
        parallel::bands(&mut matches.costs, width, BAND, |first, costs| {
            for (index, cost) in costs.iter_mut().enumerate() {
                let target = first * width + index;
                if !spots[target].is_none() {
                    *cost = self.cost(target, spots[target].at(self.source.width), f32::INFINITY);
                }
            }
        });
    }

    /// One pass over all targets: takes what neighbours found, and looks around at random within `radius`.
    /// Passes go forwards and backwards in turn. Ends early when `watch` is cancelled.
    pub fn pass(&self, matches: &mut Matches, turn: usize, radius: usize, seed: u64, watch: &Watch) {
        let width = self.target.width;
        let rows = |y: usize| matches.spots.get(y * width..(y + 1) * width).map(<[Spot]>::to_vec).unwrap_or_default();
        let edges: Vec<_> = (0..self.target.height)
            .step_by(BAND)
            .map(|y| (if y > 0 { rows(y - 1) } else { Vec::new() }, rows((y + BAND).min(self.target.height))))
            .collect();
        let spots = matches.spots.chunks_mut(width * BAND);
        let costs = matches.costs.chunks_mut(width * BAND);
        let pieces: Vec<_> = spots.zip(costs).zip(edges).enumerate().collect();
        parallel::for_each(pieces, |(index, ((spots, costs), (above, below)))| {
            let mut random = Random::new(seed, (turn as u64) << 32 | index as u64);
            let mut band = Band { search: self, first: index * BAND, spots, costs, above, below };
            band.pass(turn.is_multiple_of(2), radius, &mut random, watch);
        });
    }
}

struct Band<'a> {
    search: &'a Search<'a>,
    first: usize,
    spots: &'a mut [Spot],
    costs: &'a mut [f32],
    above: Vec<Spot>,
    below: Vec<Spot>,
}

impl Band<'_> {
    fn pass(&mut self, forwards: bool, radius: usize, random: &mut Random, watch: &Watch) {
        let width = self.search.target.width;
        let rows = self.spots.len() / width;
        for step in 0..rows {
            if watch.check().is_err() {
                return;
            }
            let y = if forwards { step } else { rows - 1 - step };
            for step in 0..width {
                let x = if forwards { step } else { width - 1 - step };
                if !self.spots[y * width + x].is_none() {
                    self.improve(x, y, forwards, radius, random);
                }
            }
        }
    }

    fn improve(&mut self, x: usize, y: usize, forwards: bool, radius: usize, random: &mut Random) {
        let width = self.search.target.width;
        let here = y * width + x;
        let mut best = (self.spots[here], self.costs[here]);
        let target = self.first * width + here;
        let beside = if forwards { x.checked_sub(1) } else { Some(x + 1).filter(|&x| x < width) };
        let row =
            if forwards { y.checked_sub(1) } else { Some(y + 1).filter(|&y| (y + 1) * width <= self.spots.len()) };
        let beyond = if forwards { &self.above } else { &self.below };
        let along = match row {
            Some(y) => self.spots[y * width + x],
            None => beyond.get(x).copied().unwrap_or(Spot::NONE),
        };
        let step = if forwards { 1 } else { -1 };
        if let Some(x) = beside {
            self.consider(target, self.spots[y * width + x], step, 0, &mut best);
        }
        self.consider(target, along, 0, step, &mut best);
        let mut reach = radius as i64;
        while reach >= 1 && best.1 > 1e-7 {
            let span = 2 * reach as usize + 1;
            let (dx, dy) = (random.below(span) as i64 - reach, random.below(span) as i64 - reach);
            self.consider(target, best.0, dx, dy, &mut best);
            reach /= 2;
        }
        (self.spots[here], self.costs[here]) = best;
    }

    /// Takes the patch at an offset from `spot` if it may be used and is nearer.
    fn consider(&self, target: usize, spot: Spot, dx: i64, dy: i64, best: &mut (Spot, f32)) {
        let source = self.search.source;
        let (x, y) = (i64::from(spot.x) + dx, i64::from(spot.y) + dy);
        if spot.is_none() || !(0..source.width as i64).contains(&x) || !(0..source.height as i64).contains(&y) {
            return;
        }
        let found = Spot::new(x as usize, y as usize);
        let at = found.at(source.width);
        if found == best.0 || !self.search.allowed[at] {
            return;
        }
        let cost = self.search.cost(target, at, best.1);
        if cost < best.1 {
            *best = (found, cost);
        }
    }
}

/// What the patches around a pixel say it should be: `votes` of each of the 7 x 7 patches that cover it, each with
/// the source pixel that lies where this one lies in the patch. `None` where no patch covers it.
pub fn vote(
    matches: &Matches,
    votes: &[f32],
    (width, source): (usize, &Grid),
    (x, y): (usize, usize),
) -> Option<(Texel, Spot)> {
    let (mut sum, mut total) = ([0.0f32; 4], 0.0f32);
    let mut best = (Spot::NONE, -1.0);
    for qy in y - RADIUS..=y + RADIUS {
        for qx in x - RADIUS..=x + RADIUS {
            let q = qy * width + qx;
            let spot = matches.spots[q];
            if spot.is_none() {
                continue;
            }
            let from = (spot.y as usize + y - qy) * source.width + spot.x as usize + x - qx;
            let weight = votes[q];
            let texel = source.texels[from];
            for lane in 0..4 {
                sum[lane] += weight * texel[lane];
            }
            total += weight;
            if weight > best.1 {
                best = (Spot::new(from % source.width, from / source.width), weight);
            }
        }
    }
    (total > 0.0).then(|| (sum.map(|v| v / total), best.0))
}
