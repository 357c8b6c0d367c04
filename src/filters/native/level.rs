//! One size of the window that [`fill`](super::fill::fill) works on: its patches, its guesses, its votes.

use super::fill::{Filled, State, Window};
use super::hole::distances;
use super::parallel;
use super::patches::{Grid, Matches, RADIUS, Search, Spot, vote};
use super::random::Random;
use super::smooth;
use crate::error::Result;
use crate::filters::Watch;

/// How much texture counts beside colour: grass beside grass of another shade is better than a smooth wall beside it.
const TEXTURE: f32 = 2.0;
/// Patch comparisons of one level, about: holes of many megapixels get fewer passes and no more time.
const BUDGET: usize = 60_000_000;
/// Above this many target pixels the coarsest level is filled once, not in a few ways to choose from.
const MANY: usize = 8000;
/// What it costs to copy from as far away as the window is wide, as a mean squared difference.
const PULL: f32 = 0.006;

/// One size of the window, with a margin so that every patch is whole.
#[derive(Clone)]
pub struct Level {
    grid: Grid,
    states: Vec<State>,
    /// Of target pixels, as [`Search`] wants them; the hole counts once it is filled.
    weights: Vec<f32>,
    whole: Vec<bool>,
    allowed: Vec<bool>,
    pub sources: usize,
    /// Pixels whose patch touches the hole.
    target: Vec<bool>,
    pub targets: usize,
    /// How far each hole pixel is from what is known.
    depths: Vec<f32>,
}

impl Level {
    pub fn new(window: &Window, known: &[State]) -> Level {
        let (width, height) = (window.width + 2 * RADIUS, window.height + 2 * RADIUS);
        let mut grid = Grid { width, height, texels: vec![[0.0; 4]; width * height] };
        let mut states = vec![State::Void; width * height];
        for y in 0..window.height {
            let (from, to) = (y * window.width, (y + RADIUS) * width + RADIUS);
            grid.texels[to..to + window.width].copy_from_slice(&window.texels[from..from + window.width]);
            states[to..to + window.width].copy_from_slice(&known[from..from + window.width]);
        }
        texture(&mut grid, &states);
        Level::from_grid(grid, states)
    }

    fn from_grid(grid: Grid, states: Vec<State>) -> Level {
        let (width, height) = (grid.width, grid.height);
        let hole: Vec<bool> = states.iter().map(|&state| state == State::Hole).collect();
        let near_void = reach(&states.iter().map(|&s| s == State::Void).collect::<Vec<_>>(), width, height);
        let bad_source = reach(&states.iter().map(|&s| s != State::Source).collect::<Vec<_>>(), width, height);
        let mut target = reach(&hole, width, height);
        let mut allowed: Vec<bool> = bad_source.iter().map(|&bad| !bad).collect();
        for y in 0..height {
            for x in 0..width {
                let inner = (RADIUS..width - RADIUS).contains(&x) && (RADIUS..height - RADIUS).contains(&y);
                allowed[y * width + x] &= inner;
                target[y * width + x] &= inner && states[y * width + x] != State::Void;
            }
        }
        let weights = states.iter().map(|&state| if state == State::Void { 0.0 } else { 1.0 }).collect();
        let depths = distances(&hole, width, height);
        Level {
            sources: allowed.iter().filter(|&&allowed| allowed).count(),
            targets: target.iter().filter(|&&target| target).count(),
            whole: near_void.iter().map(|&near| !near).collect(),
            grid,
            states,
            weights,
            allowed,
            target,
            depths,
        }
    }

    pub fn depth(&self) -> f32 {
        self.depths.iter().copied().fold(0.0, f32::max)
    }

    /// The level of half the size. A pixel is a hole if one of its four is; its colour is that of the known ones.
    pub fn half(&self) -> Level {
        let (old, margin) = (self.grid.width, RADIUS);
        let inner = (old - 2 * margin, self.grid.height - 2 * margin);
        let (width, height) = (inner.0.div_ceil(2) + 2 * margin, inner.1.div_ceil(2) + 2 * margin);
        let mut grid = Grid { width, height, texels: vec![[0.0; 4]; width * height] };
        let mut states = vec![State::Void; width * height];
        for y in 0..height - 2 * margin {
            for x in 0..width - 2 * margin {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| {
                    // At an odd end the second of a pair is the margin, which is void.
                    (2 * y + dy + margin) * old + 2 * x + dx + margin
                });
                let has = |state| four.iter().any(|&at| self.states[at] == state);
                let state = [State::Hole, State::Known, State::Source].into_iter().find(|&state| has(state));
                let state = state.unwrap_or(State::Void);
                let (mut sum, mut count) = ([0.0; 4], 0.0f32);
                for at in four.into_iter().filter(|&at| matches!(self.states[at], State::Source | State::Known)) {
                    (0..4).for_each(|lane| sum[lane] += self.grid.texels[at][lane]);
                    count += 1.0;
                }
                let at = (y + margin) * width + x + margin;
                states[at] = state;
                grid.texels[at] = sum.map(|v| v / count.max(1.0));
            }
        }
        Level::from_grid(grid, states)
    }

    fn search(&self) -> Search<'_> {
        Search {
            target: &self.grid,
            weights: &self.weights,
            whole: &self.whole,
            source: &self.grid,
            allowed: &self.allowed,
            pull: PULL,
        }
    }

    fn source_list(&self) -> Vec<Spot> {
        let width = self.grid.width;
        let allowed = self.allowed.iter().enumerate().filter(|(_, allowed)| **allowed);
        allowed.map(|(at, _)| Spot::new(at % width, at / width)).collect()
    }

    /// The coarsest level's fill: of a few that begin with other patches, the one that fits together best.
    pub fn begin(&mut self, seed: u64, watch: &Watch) -> Result<Matches> {
        let tries = if self.targets > MANY { 1 } else { 3 };
        let mut best: Option<(f32, Level, Matches)> = None;
        for index in 0..tries {
            let part = watch.part(index as f32 / tries as f32, (index + 1) as f32 / tries as f32);
            let mut level = self.clone();
            let seed = seed ^ (index as u64) << 32;
            let matches = level.peel(seed, &part.part(0.0, 0.5))?;
            let widest = level.grid.width.max(level.grid.height);
            let mut matches = level.refine(matches, 8, widest, seed, &part.part(0.5, 1.0))?;
            level.search().measure(&mut matches);
            let misfit = matches.costs.iter().sum();
            if best.as_ref().is_none_or(|best| misfit < best.0) {
                best = Some((misfit, level, matches));
            }
        }
        match best {
            Some((_, level, matches)) => {
                *self = level;
                Ok(matches)
            }
            None => self.peel(seed, watch),
        }
    }

    /// A first guess, from the rim inwards like an onion: each pixel takes the patch that fits what is known around
    /// it by then. The hole's pixels are filled as it goes.
    fn peel(&mut self, seed: u64, watch: &Watch) -> Result<Matches> {
        let tries = (200_000 / self.targets.max(1)).clamp(8, 600);
        let width = self.grid.width;
        let sources = self.source_list();
        let mut matches = self.blank();
        let mut order: Vec<usize> = (0..self.target.len()).filter(|&at| self.target[at]).collect();
        order.sort_by(|&a, &b| self.depths[a].total_cmp(&self.depths[b]).then(a.cmp(&b)));
        for (&at, state) in order.iter().map(|at| (at, self.states[*at])) {
            if state == State::Hole {
                self.weights[at] = 0.0;
            }
        }
        let whole = std::mem::replace(&mut self.whole, vec![false; self.target.len()]);
        let mut random = Random::new(seed, 0x6f6e_696f);
        for (count, &at) in order.iter().enumerate() {
            if count.is_multiple_of(64) {
                watch.step(count as f32 / order.len() as f32, "looking for what fits")?;
            }
            let search = self.search();
            let mut best = (sources[random.below(sources.len())], f32::INFINITY);
            let consider = |spot: Spot, best: &mut (Spot, f32), random: &mut Random| {
                let cost = search.cost(at, spot.at(width), best.1) * (1.0 + 0.1 * random.unit());
                if cost < best.1 {
                    *best = (spot, cost);
                }
            };
            for neighbour in [at - 1, at + 1, at - width, at + width, at - width - 1, at + width + 1] {
                let found = matches.spots[neighbour];
                if !found.is_none() {
                    let moved = found.at(width) + at - neighbour;
                    if self.allowed.get(moved).is_some_and(|&allowed| allowed) {
                        consider(Spot::new(moved % width, moved / width), &mut best, &mut random);
                    }
                }
            }
            if sources.len() <= tries {
                sources.iter().for_each(|&spot| consider(spot, &mut best, &mut random));
            } else {
                for _ in 0..tries {
                    let spot = sources[random.below(sources.len())];
                    consider(spot, &mut best, &mut random);
                }
            }
            matches.spots[at] = best.0;
            if self.states[at] == State::Hole {
                self.grid.texels[at] = self.grid.texels[best.0.at(width)];
                self.weights[at] = 1.0;
            }
        }
        self.whole = whole;
        Ok(matches)
    }

    fn blank(&self) -> Matches {
        Matches { spots: vec![Spot::NONE; self.target.len()], costs: vec![0.0; self.target.len()] }
    }

    /// The matches of the level of half the size, twice as large.
    pub fn inherit(&mut self, coarse: &Matches, seed: u64) -> Matches {
        let width = self.grid.width;
        let coarse_width = (width - 2 * RADIUS).div_ceil(2) + 2 * RADIUS;
        let sources = self.source_list();
        let mut random = Random::new(seed, 0x7570 ^ width as u64);
        let mut matches = self.blank();
        for at in (0..self.target.len()).filter(|&at| self.target[at]) {
            let (x, y) = (at % width - RADIUS, at / width - RADIUS);
            let above = coarse.spots[(y / 2 + RADIUS) * coarse_width + x / 2 + RADIUS];
            let doubled = |v: u32, low: usize| (v as usize - RADIUS) * 2 + low % 2 + RADIUS;
            let spot = (!above.is_none()).then(|| Spot::new(doubled(above.x, x), doubled(above.y, y)));
            let fits = |spot: &Spot| self.allowed.get(spot.at(width)).is_some_and(|&allowed| allowed);
            matches.spots[at] = spot.filter(fits).unwrap_or_else(|| sources[random.below(sources.len())]);
        }
        // Not measured yet: all patches vote alike.
        self.blend(&matches, &vec![1.0; self.target.len()]);
        matches
    }

    /// Searches and votes in turn, until the hole agrees with its surroundings.
    pub fn refine(
        &mut self,
        mut matches: Matches,
        rounds: usize,
        radius: usize,
        seed: u64,
        watch: &Watch,
    ) -> Result<Matches> {
        let rounds = rounds.min((BUDGET / 20 / self.targets.max(1)).max(1));
        for round in 0..rounds {
            let passes = if round == 0 { 3 } else { 2 }.min((BUDGET / 15 / self.targets.max(1)).max(1));
            let seed = seed ^ (round as u64 + 1) << 16;
            self.search().measure(&mut matches);
            for turn in 0..passes {
                let fraction = (round * passes + turn) as f32 / (rounds * passes) as f32;
                watch.step(fraction, "filling")?;
                self.search().pass(&mut matches, turn, radius, seed, watch);
                watch.check()?;
            }
            let votes = self.votes(&matches);
            self.blend(&matches, &votes);
        }
        Ok(matches)
    }

    /// How much each patch has to say: the nearer its source, and the nearer it is to what is known, the more.
    fn votes(&self, matches: &Matches) -> Vec<f32> {
        let mut costs: Vec<f32> =
            (0..self.target.len()).filter(|&at| self.target[at]).map(|at| matches.costs[at]).collect();
        let rank = costs.len() * 3 / 4;
        let scale = if costs.is_empty() { 1.0 } else { *costs.select_nth_unstable_by(rank, f32::total_cmp).1 };
        let scale = 2.0 * scale.max(1e-5);
        let weigh = |(cost, depth): (&f32, &f32)| (-cost / scale).exp().max(1e-6) * 1.15f32.powf(-depth.min(40.0));
        matches.costs.iter().zip(&self.depths).map(weigh).collect()
    }

    /// Fills the hole with what its patches vote for.
    fn blend(&mut self, matches: &Matches, votes: &[f32]) {
        let width = self.grid.width;
        let mut next = self.grid.texels.clone();
        parallel::bands(&mut next, width, 32, |first, texels| {
            for (index, texel) in texels.iter_mut().enumerate() {
                let at = first * width + index;
                if self.states[at] == State::Hole {
                    let voted = vote(matches, votes, (width, &self.grid), (at % width, at / width));
                    *texel = voted.map_or(*texel, |(texel, _)| texel);
                }
            }
        });
        self.grid.texels = next;
    }

    /// The hole's pixels in the window's own coordinates.
    pub fn result(&self, matches: &Matches) -> Vec<Filled> {
        let width = self.grid.width;
        let inner = width - 2 * RADIUS;
        let votes = self.votes(matches);
        let mut filled = vec![Filled { texel: [0.0; 4], from: Spot::NONE }; inner * (self.grid.height - 2 * RADIUS)];
        parallel::bands(&mut filled, inner, 32, |first, row| {
            for (index, filled) in row.iter_mut().enumerate() {
                let (x, y) = (index % inner + RADIUS, first + index / inner + RADIUS);
                if self.states[y * width + x] == State::Hole
                    && let Some((texel, from)) = vote(matches, &votes, (width, &self.grid), (x, y))
                {
                    let from = Spot::new(from.x as usize - RADIUS, from.y as usize - RADIUS);
                    *filled = Filled { texel, from };
                }
            }
        });
        self.level_off(matches, &votes, &mut filled);
        filled
    }

    /// Takes the step in brightness and colour out of the hole's rim: what the patches say about the known pixels
    /// along it differs a little from what these are; that difference, spread smoothly, goes onto the fill.
    fn level_off(&self, matches: &Matches, votes: &[f32], filled: &mut [Filled]) {
        let width = self.grid.width;
        let inner = width - 2 * RADIUS;
        let mut rim = vec![[0.0f32; 4]; filled.len()];
        parallel::bands(&mut rim, inner, 32, |first, row| {
            for (index, step) in row.iter_mut().enumerate() {
                let (x, y) = (index % inner + RADIUS, first + index / inner + RADIUS);
                let at = y * width + x;
                let known = matches!(self.states[at], State::Source | State::Known);
                let beside = [at - 1, at + 1, at - width, at + width];
                if !known || beside.iter().all(|&at| self.states[at] != State::Hole) {
                    continue;
                }
                if let Some((texel, _)) = vote(matches, votes, (width, &self.grid), (x, y)) {
                    let [r, g, b] = [0, 1, 2].map(|lane: usize| self.grid.texels[at][lane] - texel[lane]);
                    // A large difference is an edge in another place, not a step of brightness.
                    let size = r.abs().max(g.abs()).max(b.abs());
                    let weight = 1.0 / (1.0 + (size / 0.04).powi(4));
                    *step = [r * weight, g * weight, b * weight, weight];
                }
            }
        });
        smooth::spread(&mut rim, inner);
        for (filled, step) in filled.iter_mut().zip(&rim) {
            (0..3).for_each(|lane| filled.texel[lane] += step[lane]);
        }
    }
}

/// True where a patch around the pixel holds a true one.
fn reach(plane: &[bool], width: usize, height: usize) -> Vec<bool> {
    let mut across = vec![false; plane.len()];
    for y in 0..height {
        let (row, out) = (&plane[y * width..(y + 1) * width], &mut across[y * width..(y + 1) * width]);
        for x in (0..width).filter(|&x| row[x]) {
            out[x.saturating_sub(RADIUS)..(x + RADIUS + 1).min(width)].fill(true);
        }
    }
    let mut down = vec![false; plane.len()];
    for y in 0..height {
        for from in y.saturating_sub(RADIUS)..(y + RADIUS + 1).min(height) {
            for x in 0..width {
                down[y * width + x] |= across[from * width + x];
            }
        }
    }
    down
}

/// Puts a measure of texture into the fourth lane: the mean change of brightness between neighbours, in 5 x 5.
fn texture(grid: &mut Grid, states: &[State]) {
    let (width, height) = (grid.width, grid.height);
    let known = |at: usize| matches!(states[at], State::Source | State::Known);
    let light = |at: usize| 0.299 * grid.texels[at][0] + 0.587 * grid.texels[at][1] + 0.114 * grid.texels[at][2];
    // Sum and count of the changes to the right and below.
    let mut change = vec![(0.0f32, 0.0f32); width * height];
    for y in 0..height - 1 {
        for x in 0..width - 1 {
            let at = y * width + x;
            for next in [at + 1, at + width] {
                if known(at) && known(next) {
                    change[at].0 += (light(at) - light(next)).abs();
                    change[at].1 += 1.0;
                }
            }
        }
    }
    let blurred = |values: &[(f32, f32)], step: usize| -> Vec<(f32, f32)> {
        let sum = |at: usize| {
            (0..5)
                .filter_map(|k| values.get((at + k * step).wrapping_sub(2 * step)))
                .fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1))
        };
        (0..values.len()).map(sum).collect()
    };
    let change = blurred(&blurred(&change, 1), width);
    for (texel, (sum, count)) in grid.texels.iter_mut().zip(change) {
        texel[3] = TEXTURE * sum / count.max(1.0);
    }
}
