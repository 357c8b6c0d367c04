//! Masks: threshold, growing, feathering. Structuring elements and borders are those of OpenCV.

use crate::filters::raster::Plane;

/// Grows the mask by `radius` pixels with a round brush.
pub fn grow_round(mask: &Plane, radius: usize) -> Plane {
    let r = radius as isize;
    let widths: Vec<isize> =
        (-r..=r).map(|dy| if r == 0 { 0 } else { ((r * r - dy * dy) as f64).sqrt().round() as isize }).collect();
    let mut out = mask.clone();
    // One pass across per distinct width, then the largest over the rows: radius times, not radius squared.
    let mut lines: Vec<Option<Vec<f32>>> = vec![None; radius + 1];
    for (index, &half) in widths.iter().enumerate() {
        let dy = index as isize - r;
        let wide = lines[half as usize].get_or_insert_with(|| spread(&mask.data, mask.width, half as usize)).clone();
        for y in 0..mask.height as isize {
            let from = y + dy;
            if (0..mask.height as isize).contains(&from) {
                let line = &wide[from as usize * mask.width..(from as usize + 1) * mask.width];
                let target = &mut out.data[y as usize * mask.width..(y as usize + 1) * mask.width];
                target.iter_mut().zip(line).for_each(|(out, value)| *out = out.max(*value));
            }
        }
    }
    out
}

/// Grows the mask by `radius` pixels with a square brush.
pub fn grow_square(mask: &Plane, radius: usize) -> Plane {
    let across = Plane { data: spread(&mask.data, mask.width, radius), ..*mask };
    let turned = transposed(&across);
    let down = Plane { data: spread(&turned.data, turned.width, radius), ..turned };
    transposed(&down)
}

/// The largest within `radius` to each side, row by row.
fn spread(data: &[f32], width: usize, radius: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(data.len());
    for row in data.chunks_exact(width) {
        // Indices whose values fall, as a sliding maximum keeps them: linear for any radius.
        let mut best: std::collections::VecDeque<usize> = std::collections::VecDeque::new();
        let mut next = 0;
        for x in 0..width {
            while next < width && next <= x + radius {
                while best.back().is_some_and(|&back| row[back] <= row[next]) {
                    best.pop_back();
                }
                best.push_back(next);
                next += 1;
            }
            while best.front().is_some_and(|&front| front + radius < x) {
                best.pop_front();
            }
            out.push(best.front().map_or(0.0, |&front| row[front]));
        }
    }
    out
}

fn transposed(plane: &Plane) -> Plane {
    let mut out = Plane::filled(plane.height, plane.width, 0.0);
    for y in 0..plane.height {
        for x in 0..plane.width {
            out.data[x * plane.height + y] = plane.data[y * plane.width + x];
        }
    }
    out
}

/// Gaussian blur; borders are mirrored.
pub fn blur(plane: &Plane, sigma: f32) -> Plane {
    let half = ((sigma * 8.0 + 1.0).round() as isize | 1) / 2;
    let mut kernel: Vec<f32> = (-half..=half).map(|x| (-((x * x) as f32) / (2.0 * sigma * sigma)).exp()).collect();
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|weight| *weight /= sum);
    let across = Plane { data: convolve(&plane.data, plane.width, &kernel), ..*plane };
    let turned = transposed(&across);
    let down = Plane { data: convolve(&turned.data, turned.width, &kernel), ..turned };
    transposed(&down)
}

fn convolve(data: &[f32], width: usize, kernel: &[f32]) -> Vec<f32> {
    let half = kernel.len() as isize / 2;
    let mut out = Vec::with_capacity(data.len());
    for row in data.chunks_exact(width) {
        for x in 0..width as isize {
            let sum =
                kernel.iter().enumerate().map(|(tap, weight)| weight * row[mirrored(x + tap as isize - half, width)]);
            out.push(sum.sum());
        }
    }
    out
}

/// The position inside of `length` that a mirror at the first and last pixel shows at `at`.
pub fn mirrored(at: isize, length: usize) -> usize {
    let period = 2 * (length as isize - 1);
    if period == 0 {
        return 0;
    }
    let folded = at.rem_euclid(period);
    folded.min(period - folded) as usize
}

/// The mask with soft edges outside, itself untouched: what an inpainted part is pasted through.
pub fn feathered(mask: &Plane, feather: usize) -> Plane {
    let hard = Plane { data: mask.data.iter().map(|&value| f32::from(u8::from(value > 0.5))).collect(), ..*mask };
    if feather == 0 {
        return hard;
    }
    let soft = blur(&grow_square(&hard, feather), feather as f32 / 2.0);
    Plane { data: hard.data.iter().zip(soft.data).map(|(hard, soft)| hard.max(soft)).collect(), ..hard }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_grows_to_a_disc() {
        let mut mask = Plane::filled(9, 9, 0.0);
        mask.data[4 * 9 + 4] = 1.0;
        let count = |plane: &Plane| plane.data.iter().filter(|&&value| value > 0.5).count();
        // cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)).sum() is 17.
        assert_eq!(count(&grow_round(&mask, 2)), 17);
        assert_eq!(count(&grow_square(&mask, 2)), 25);
        assert_eq!(grow_round(&mask, 0), mask);
    }

    #[test]
    fn mirrors_repeat_for_ever() {
        let seen: Vec<usize> = (-5..8).map(|at| mirrored(at, 3)).collect();
        assert_eq!(seen, [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(mirrored(7, 1), 0);
    }
}
