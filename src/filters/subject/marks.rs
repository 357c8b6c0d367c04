//! The user's points: which part of a model's answer they leave.

use super::look::Found;
use crate::filters::job::Job;
use crate::filters::pixels::geodesic;
use crate::filters::raster::{Plane, Raster};

/// Of a model's other parts together, what a part that a background point lies on must leave to go as a whole.
const OTHERS: f32 = 0.05;
/// Below this distance, in levels, all of a part is like the place that was marked: it goes as a whole.
const ALIKE: f32 = 30.0;
/// Where no model saw anything, this part of the window belongs to the point, the most alike; at least what is so far
/// from it, in levels.
const GUESS: (f32, f32) = (0.1, 20.0);
/// What a model took is given up only to a background point that is that much nearer than the subject's.
const NEARER: f32 = 0.7;
/// Where no point says what is subject, it is what lies so deep in a part, of its deepest.
const DEEP: f32 = 0.6;

/// Positions in a plane.
pub struct Marks {
    on: Vec<usize>,
    off: Vec<usize>,
}

/// A model's answer, limited.
pub struct Limited {
    pub alpha: Plane,
    /// Where nothing is subject, whatever the colours say.
    pub out: Vec<bool>,
}

impl Marks {
    pub fn new(job: &Job, found: &Found) -> Marks {
        let (w, h) = (found.image.width, found.image.height);
        let place = |inside: bool| {
            let points = job.points.iter().filter(|point| point.inside == inside);
            points
                .filter_map(|point| {
                    let to = |at: f32, from: usize, side: usize, cells: usize| {
                        let at = (at - from as f32) * cells as f32 / side as f32;
                        (at >= 0.0 && at < cells as f32).then_some(at as usize)
                    };
                    let x = to(point.x, found.rect.x, found.rect.width, w)?;
                    Some(to(point.y, found.rect.y, found.rect.height, h)? * w + x)
                })
                .collect()
        };
        Marks { on: place(true), off: place(false) }
    }

    pub fn on(&self) -> &[usize] {
        &self.on
    }

    pub fn off(&self) -> &[usize] {
        &self.off
    }

    /// The parts of `alpha` that the points leave: those with a point on them, where there are any, without those that
    /// a background point lies on; a part with both is divided where the picture's edges are.
    pub fn limited(&self, image: &Raster, alpha: &Plane) -> Limited {
        let mut limited = Limited { alpha: alpha.clone(), out: vec![false; alpha.data.len()] };
        if self.on.is_empty() && self.off.is_empty() {
            return limited;
        }
        let parts = Parts::of(alpha);
        let mut sizes = parts.sizes.clone();
        if !self.on.is_empty() {
            let kept: Vec<usize> = self.on.iter().map(|&at| parts.label[at]).filter(|part| *part > 0).collect();
            for part in (1..sizes.len()).filter(|part| !kept.contains(part)) {
                limited.drop(&parts, part);
                sizes[part] = 0;
            }
            for &at in self.on.iter().filter(|&&at| parts.label[at] == 0) {
                let far = geodesic::distances(image, &[at]);
                let mut sorted = far.clone();
                let index = (sorted.len() as f32 * GUESS.0) as usize;
                let most = sorted.select_nth_unstable_by(index, f32::total_cmp).1.max(GUESS.1);
                for (value, far) in limited.alpha.data.iter_mut().zip(far) {
                    *value = value.max((-far / most).exp2());
                }
            }
        }
        let total: usize = sizes.iter().sum();
        for &at in &self.off {
            let part = parts.label[at];
            if part == 0 || sizes[part] == 0 {
                continue;
            }
            let marked = self.on.iter().any(|&on| parts.label[on] == part);
            let others = total - sizes[part];
            if !marked && others as f32 > OTHERS * sizes[part] as f32 {
                limited.drop(&parts, part);
                sizes[part] = 0;
            } else {
                self.divide(image, &parts, part, &mut limited);
            }
        }
        limited
    }

    /// Takes from a part what lies nearer to the background points than to the others.
    fn divide(&self, image: &Raster, parts: &Parts, part: usize, limited: &mut Limited) {
        let within = |at: usize| parts.label[at] == part;
        let off: Vec<usize> = self.off.iter().copied().filter(|&at| within(at)).collect();
        let from_off = geodesic::distances(image, &off);
        let mut on: Vec<usize> = self.on.iter().copied().filter(|&at| within(at)).collect();
        if on.is_empty() {
            let most = (0..parts.label.len()).filter(|&at| within(at)).map(|at| from_off[at]).fold(0.0, f32::max);
            if most < ALIKE {
                return limited.drop(parts, part);
            }
            let depth = parts.depth(part, image.width);
            let deepest = depth.iter().max().copied().unwrap_or(0) as f32;
            let core = |at: usize| depth[at] as f32 >= DEEP * deepest && from_off[at] > ALIKE;
            on = (0..parts.label.len()).filter(|&at| within(at) && core(at)).collect();
        }
        let from_on = geodesic::distances(image, &on);
        for at in (0..parts.label.len()).filter(|&at| within(at)) {
            if from_off[at] < NEARER * from_on[at] {
                limited.alpha.data[at] = 0.0;
                limited.out[at] = true;
            }
        }
    }
}

impl Limited {
    fn drop(&mut self, parts: &Parts, part: usize) {
        for at in (0..parts.label.len()).filter(|&at| parts.label[at] == part) {
            self.alpha.data[at] = 0.0;
            self.out[at] = true;
        }
    }
}

/// What hangs together in a mask.
pub struct Parts {
    /// 0: outside.
    pub label: Vec<usize>,
    /// Pixels of each label.
    pub sizes: Vec<usize>,
}

impl Parts {
    pub fn of(mask: &Plane) -> Parts {
        let (w, h) = (mask.width, mask.height);
        let mut label = vec![0; w * h];
        let mut sizes = vec![0];
        let mut stack = Vec::new();
        for start in 0..w * h {
            if mask.data[start] <= 0.5 || label[start] != 0 {
                continue;
            }
            let name = sizes.len();
            sizes.push(0);
            label[start] = name;
            stack.push(start);
            while let Some(at) = stack.pop() {
                sizes[name] += 1;
                let (x, y) = (at % w, at / w);
                let sides = [(x > 0, -1), (x + 1 < w, 1), (y > 0, -(w as isize)), (y + 1 < h, w as isize)];
                for (_, step) in sides.into_iter().filter(|(there, _)| *there) {
                    let next = at.wrapping_add_signed(step);
                    if mask.data[next] > 0.5 && label[next] == 0 {
                        label[next] = name;
                        stack.push(next);
                    }
                }
            }
        }
        Parts { label, sizes }
    }

    /// Steps to the outside of a part, 0 outside of it.
    fn depth(&self, part: usize, w: usize) -> Vec<u32> {
        let h = self.label.len() / w;
        let mut depth: Vec<u32> = self.label.iter().map(|label| if *label == part { u32::MAX } else { 0 }).collect();
        let mut next: std::collections::VecDeque<usize> = (0..depth.len()).filter(|at| depth[*at] == 0).collect();
        while let Some(at) = next.pop_front() {
            let (x, y) = (at % w, at / w);
            let sides = [(x > 0, -1), (x + 1 < w, 1), (y > 0, -(w as isize)), (y + 1 < h, w as isize)];
            for (_, step) in sides.into_iter().filter(|(there, _)| *there) {
                let side = at.wrapping_add_signed(step);
                if depth[side] == u32::MAX {
                    depth[side] = depth[at] + 1;
                    next.push_back(side);
                }
            }
        }
        // A part that is all there is has no outside.
        depth.iter_mut().filter(|depth| **depth == u32::MAX).for_each(|depth| *depth = 1);
        depth
    }
}

/// How well a model's answer agrees with the points: 1 where all lie on the subject that shall.
pub fn score(alpha: &Plane, marks: &Marks) -> f32 {
    marks.on.iter().map(|&at| alpha.data[at]).fold(1.0, f32::min)
}
