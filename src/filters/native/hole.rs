//! Where a picture is to be filled: the mask with its feather, cut into holes that are filled apart.

use crate::filters::Plane;

/// Holes closer than about this many pixels are filled together.
const CELL: usize = 16;

/// Below this a blend changes nothing in 8 bits.
const LEAST: f32 = 1.0 / 512.0;

/// How much of the fill each pixel takes, 0 to 1: the mask, and beyond it a ramp over `feather` pixels.
pub fn coverage(mask: &Plane, feather: f32) -> Plane {
    let mut cover = mask.clone();
    for value in &mut cover.data {
        // NaN fails every comparison and becomes 0.
        *value = if *value >= LEAST { value.min(1.0) } else { 0.0 };
    }
    if feather <= 0.0 {
        return cover;
    }
    let inside: Vec<bool> = mask.data.iter().map(|&value| value >= 0.5).collect();
    let reach = feather.ceil() as usize + 1;
    for (left, top, width, height) in rectangles(&inside, mask.width, mask.height) {
        // Distances matter only near a hole, so that a small hole in a large picture costs little.
        let (x0, y0) = (left.saturating_sub(reach), top.saturating_sub(reach));
        let (x1, y1) = ((left + width + reach).min(mask.width), (top + height + reach).min(mask.height));
        let rows = (y0..y1).flat_map(|y| &inside[y * mask.width + x0..y * mask.width + x1]);
        let outside: Vec<bool> = rows.map(|&inside| !inside).collect();
        let far = distances(&outside, x1 - x0, y1 - y0);
        for (index, distance) in far.into_iter().enumerate() {
            let at = (y0 + index / (x1 - x0)) * mask.width + x0 + index % (x1 - x0);
            let t = (1.0 - distance / (feather + 1.0)).clamp(0.0, 1.0);
            cover.data[at] = cover.data[at].max(t * t * (3.0 - 2.0 * t));
        }
    }
    cover.data.iter_mut().filter(|value| **value < LEAST).for_each(|value| *value = 0.0);
    cover
}

/// Rectangles `(left, top, width, height)` around groups of true pixels that are close together.
pub fn rectangles(plane: &[bool], width: usize, height: usize) -> Vec<(usize, usize, usize, usize)> {
    let (columns, rows) = (width.div_ceil(CELL), height.div_ceil(CELL));
    // Left, top, right, bottom of what lies in each cell.
    let mut cells = vec![(usize::MAX, usize::MAX, 0, 0); columns * rows];
    for (y, row) in plane.chunks_exact(width.max(1)).enumerate() {
        for x in row.iter().enumerate().filter(|(_, set)| **set).map(|(x, _)| x) {
            let cell = &mut cells[y / CELL * columns + x / CELL];
            *cell = (cell.0.min(x), cell.1.min(y), cell.2.max(x + 1), cell.3.max(y + 1));
        }
    }
    let mut found = Vec::new();
    for start in 0..cells.len() {
        let mut bounds = std::mem::take(&mut cells[start]);
        if bounds.2 == 0 {
            continue;
        }
        let mut open = vec![start];
        while let Some(cell) = open.pop() {
            let (column, row) = (cell % columns, cell / columns);
            for y in row.saturating_sub(1)..(row + 2).min(rows) {
                for x in column.saturating_sub(1)..(column + 2).min(columns) {
                    let next = std::mem::take(&mut cells[y * columns + x]);
                    if next.2 > 0 {
                        let (l, t, r, b) = bounds;
                        bounds = (l.min(next.0), t.min(next.1), r.max(next.2), b.max(next.3));
                        open.push(y * columns + x);
                    }
                }
            }
        }
        found.push((bounds.0, bounds.1, bounds.2 - bounds.0, bounds.3 - bounds.1));
    }
    found
}

/// How far each true pixel is from the nearest false one, within 8 %; beyond the sides nothing is false.
pub fn distances(plane: &[bool], width: usize, height: usize) -> Vec<f32> {
    let mut far: Vec<f32> = plane.iter().map(|&set| if set { f32::MAX } else { 0.0 }).collect();
    let diagonal = std::f32::consts::SQRT_2;
    let lower = |far: &mut [f32], at: usize, from: usize, step: f32| far[at] = far[at].min(far[from] + step);
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            if x > 0 {
                lower(&mut far, at, at - 1, 1.0);
            }
            if y > 0 {
                lower(&mut far, at, at - width, 1.0);
                if x > 0 {
                    lower(&mut far, at, at - width - 1, diagonal);
                }
                if x + 1 < width {
                    lower(&mut far, at, at - width + 1, diagonal);
                }
            }
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            let at = y * width + x;
            if x + 1 < width {
                lower(&mut far, at, at + 1, 1.0);
            }
            if y + 1 < height {
                lower(&mut far, at, at + width, 1.0);
                if x + 1 < width {
                    lower(&mut far, at, at + width + 1, diagonal);
                }
                if x > 0 {
                    lower(&mut far, at, at + width - 1, diagonal);
                }
            }
        }
    }
    far
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_holes_are_apart_and_near_ones_together() {
        let mut plane = vec![false; 200 * 100];
        for at in [5 * 200 + 5, 9 * 200 + 12, 90 * 200 + 190] {
            plane[at] = true;
        }
        assert_eq!(rectangles(&plane, 200, 100), [(5, 5, 8, 5), (190, 90, 1, 1)]);
    }

    #[test]
    fn the_feather_falls_off_and_ends() {
        let mut mask = Plane::filled(40, 1, 0.0);
        mask.data[20] = 1.0;
        let cover = coverage(&mask, 3.0);
        assert_eq!(cover.data[20], 1.0);
        assert!(cover.data[21] > cover.data[22] && cover.data[22] > cover.data[23] && cover.data[23] > 0.0);
        assert!(cover.data.iter().enumerate().all(|(x, &value)| value == 0.0 || (17..=23).contains(&x)));
        mask.data[3] = f32::NAN;
        assert_eq!(coverage(&mask, 0.0).data[3], 0.0);
    }

    #[test]
    fn distances_grow_from_the_edge() {
        let plane: Vec<bool> = (0..81).map(|i| (1..8).contains(&(i % 9)) && (1..8).contains(&(i / 9))).collect();
        assert_eq!(distances(&plane, 9, 9)[4 * 9 + 4], 4.0);
    }
}
