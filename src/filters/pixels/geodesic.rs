//! How far pixels lie from marked ones, where crossing an edge of the picture costs more than going along.

use super::morph::blur;
use crate::filters::raster::{Plane, Raster};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What one step costs on a flat colour, in 8-bit levels: far away is far, edges or not.
const STEP: f32 = 0.25;
/// Grain is no edge.
const SIGMA: f32 = 1.0;

/// The distance of each pixel from the nearest of `seeds` (positions in the plane), in 8-bit levels that are crossed;
/// `f32::MAX` everywhere where there is none.
pub fn distances(image: &Raster, seeds: &[usize]) -> Vec<f32> {
    let (w, h) = (image.width, image.height);
    let lane = |lane: usize| {
        let data = image.data.chunks_exact(3).map(|pixel| pixel[lane] * 255.0).collect();
        blur(&Plane { width: w, height: h, data }, SIGMA).data
    };
    let lanes = [lane(0), lane(1), lane(2)];
    let mut far = vec![f32::MAX; w * h];
    // Distances are not negative, so that their bits order as they do.
    let mut next: BinaryHeap<Reverse<(u32, usize)>> = BinaryHeap::new();
    for &seed in seeds {
        far[seed] = 0.0;
        next.push(Reverse((0, seed)));
    }
    while let Some(Reverse((bits, at))) = next.pop() {
        let here = f32::from_bits(bits);
        if here > far[at] {
            continue;
        }
        let (x, y) = (at % w, at / w);
        for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)] {
            let (x, y) = (x as isize + dx, y as isize + dy);
            if x < 0 || y < 0 || x >= w as isize || y >= h as isize {
                continue;
            }
            let there = y as usize * w + x as usize;
            let crossed: f32 = lanes.iter().map(|lane| (lane[at] - lane[there]).powi(2)).sum();
            let length = if dx != 0 && dy != 0 { std::f32::consts::SQRT_2 } else { 1.0 };
            let total = here + crossed.sqrt() + STEP * length;
            if total < far[there] {
                far[there] = total;
                next.push(Reverse((total.to_bits(), there)));
            }
        }
    }
    far
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::raster::Depth;

    #[test]
    fn across_an_edge_is_farther_than_along_it() {
        let (w, h) = (60, 40);
        let data = (0..w * h).flat_map(|i| [if i % w < 30 { 0.2 } else { 0.8 }; 3]).collect();
        let image = Raster { width: w, height: h, channels: 3, data, depth: Depth::F32 };
        let far = distances(&image, &[20 * w + 10]);
        assert_eq!(far[20 * w + 10], 0.0);
        assert!(far[20 * w + 25] < 10.0 && far[20 * w + 35] > 200.0, "{} {}", far[20 * w + 25], far[20 * w + 35]);
        assert!(distances(&image, &[]).iter().all(|distance| *distance == f32::MAX));
    }
}
