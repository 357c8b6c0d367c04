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

/// Fills holes that the mask encloses, each of at most `share` of the mask's area: a colour cut leaves them inside a
/// subject. Larger ones are real, such as the handle of a cup.
pub fn fill_holes(mask: &mut Plane, share: f32) {
    let (width, height) = (mask.width, mask.height);
    let inside = mask.data.iter().filter(|&&value| value >= 0.5).count();
    let limit = (inside as f32 * share) as usize;
    let mut seen: Vec<bool> = mask.data.iter().map(|&value| value >= 0.5).collect();
    let mut hole = Vec::new();
    for start in 0..seen.len() {
        if seen[start] {
            continue;
        }
        hole.clear();
        hole.push(start);
        seen[start] = true;
        let (mut next, mut open) = (0, false);
        while next < hole.len() {
            let (x, y) = (hole[next] % width, hole[next] / width);
            next += 1;
            open |= x == 0 || y == 0 || x + 1 == width || y + 1 == height;
            let sides = [(x > 0, 1, 0), (x + 1 < width, 0, 1), (y > 0, width, 0), (y + 1 < height, 0, width)];
            for (there, less, more) in sides {
                let at = if there { y * width + x + more - less } else { continue };
                if !seen[at] {
                    seen[at] = true;
                    hole.push(at);
                }
            }
        }
        if !open && hole.len() <= limit {
            hole.iter().for_each(|&at| mask.data[at] = 1.0);
        }
    }
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
    fn small_holes_are_filled_and_open_or_large_ones_are_not() {
        let mut mask = Plane::filled(20, 20, 0.0);
        for y in 2..18 {
            mask.data[y * 20 + 2..y * 20 + 18].fill(1.0);
        }
        let whole = mask.clone();
        mask.data[5 * 20 + 5] = 0.0; // a hole
        mask.data[17 * 20 + 10] = 0.0; // a notch
        fill_holes(&mut mask, 0.05);
        assert_eq!(mask.at(5, 5), 1.0);
        assert_eq!(mask.at(10, 17), 0.0);
        let mut large = whole;
        for y in 6..14 {
            large.data[y * 20 + 6..y * 20 + 14].fill(0.0);
        }
        fill_holes(&mut large, 0.05);
        assert_eq!(large.at(10, 10), 0.0);
    }

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
