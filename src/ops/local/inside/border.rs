//! Makes a generated picture meet what is round it: how much its colours are off along the border is measured where both
//! are known, and taken out inside as a membrane that is fixed at the border. Only what changes slowly is measured, so that
//! neither texture nor an edge that lies on the border is smeared. Takes time in proportion to the pixels.

use crate::filters::Raster;

/// Cells along the longer side at most, and the smallest cell in pixels.
const CELLS: usize = 128;
const CELL: usize = 4;
/// The share of a cell that must be known for its difference to count.
const ENOUGH: f32 = 0.125;
/// Sweeps of each size of the grid, from coarse to fine.
const SWEEPS: usize = 60;

/// What a cell of the grid is off by.
#[derive(Clone, Copy, Default)]
struct Cell {
    off: [f32; 3],
    /// 0: not known.
    weight: f32,
}

struct Grid {
    width: usize,
    height: usize,
    cells: Vec<Cell>,
}

/// Changes `made` (RGB) where `painted` says so to fit `seen`, and elsewhere to be `seen` as far as that is `sure` (0 to 1
/// for each pixel: how opaque it was). Returns how much the colours were moved on average, 0 to 1.
pub fn fit(made: &mut Raster, seen: &Raster, painted: &[bool], sure: &[f32]) -> f32 {
    let (width, height) = (made.width, made.height);
    let size = CELL.max(width.max(height).div_ceil(CELLS));
    let mut grid = measure(made, seen, painted, sure, size);
    let known = grid.cells.iter().any(|cell| cell.weight > 0.0);
    if known {
        for _ in 0..2 {
            grid.calm();
        }
        grid.span();
    }
    let (mut moved, mut count) = (0.0f64, 0usize);
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let pixel = &mut made.data[at * 3..at * 3 + 3];
            let place = ((x as f32 + 0.5) / size as f32 - 0.5, (y as f32 + 0.5) / size as f32 - 0.5);
            if painted[at] {
                if known {
                    let off = grid.at(place);
                    (0..3).for_each(|lane| pixel[lane] = (pixel[lane] + off[lane]).clamp(0.0, 1.0));
                    moved += off.iter().map(|off| f64::from(off.abs())).sum::<f64>() / 3.0;
                    count += 1;
                }
            } else {
                let there = seen.pixel(x, y);
                (0..3).for_each(|lane| pixel[lane] += (there[lane] - pixel[lane]) * sure[at]);
            }
        }
    }
    if count == 0 { 0.0 } else { (moved / count as f64) as f32 }
}

fn measure(made: &Raster, seen: &Raster, painted: &[bool], sure: &[f32], size: usize) -> Grid {
    let (width, height) = (made.width.div_ceil(size), made.height.div_ceil(size));
    let mut cells = vec![Cell::default(); width * height];
    for y in 0..made.height {
        for x in 0..made.width {
            let at = y * made.width + x;
            if painted[at] || sure[at] == 0.0 {
                continue;
            }
            let cell = &mut cells[y / size * width + x / size];
            let (one, other) = (made.pixel(x, y), seen.pixel(x, y));
            (0..3).for_each(|lane| cell.off[lane] += (other[lane] - one[lane]) * sure[at]);
            cell.weight += sure[at];
        }
    }
    let whole = (size * size) as f32;
    for cell in &mut cells {
        if cell.weight < whole * ENOUGH {
            *cell = Cell::default();
        } else {
            cell.off.iter_mut().for_each(|off| *off /= cell.weight);
            cell.weight /= whole;
        }
    }
    Grid { width, height, cells }
}

impl Grid {
    /// Known cells as the mean of themselves and the known ones next to them.
    fn calm(&mut self) {
        let before = self.cells.clone();
        for y in 0..self.height {
            for x in 0..self.width {
                let cell = &mut self.cells[y * self.width + x];
                if cell.weight == 0.0 {
                    continue;
                }
                let mut sum = Cell::default();
                for row in y.saturating_sub(1)..(y + 2).min(self.height) {
                    for near in
                        &before[row * self.width + x.saturating_sub(1)..row * self.width + (x + 2).min(self.width)]
                    {
                        (0..3).for_each(|lane| sum.off[lane] += near.off[lane] * near.weight);
                        sum.weight += near.weight;
                    }
                }
                cell.off = sum.off.map(|off| off / sum.weight);
            }
        }
    }

    /// Gives the cells that are not known what a membrane has there, from the same on half the grid.
    fn span(&mut self) {
        if self.cells.iter().all(|cell| cell.weight > 0.0) {
            return;
        }
        if self.width.max(self.height) > 2 {
            let mut half = self.half();
            half.span();
            for y in 0..self.height {
                for x in 0..self.width {
                    if self.cells[y * self.width + x].weight == 0.0 {
                        self.cells[y * self.width + x].off = half.at(((x as f32 - 0.5) / 2.0, (y as f32 - 0.5) / 2.0));
                    }
                }
            }
        }
        for _ in 0..SWEEPS {
            self.sweep();
        }
    }

    /// Each cell that is not known as the mean of its neighbours; at the picture's own edge nothing pulls.
    fn sweep(&mut self) {
        for y in 0..self.height {
            for x in 0..self.width {
                if self.cells[y * self.width + x].weight > 0.0 {
                    continue;
                }
                let (mut sum, mut count) = ([0.0; 3], 0.0);
                let near = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
                for (x, y) in near.into_iter().filter(|(x, y)| *x < self.width && *y < self.height) {
                    let off = self.cells[y * self.width + x].off;
                    (0..3).for_each(|lane| sum[lane] += off[lane]);
                    count += 1.0;
                }
                if count > 0.0 {
                    self.cells[y * self.width + x].off = sum.map(|sum| sum / count);
                }
            }
        }
    }

    fn half(&self) -> Grid {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut cells = vec![Cell::default(); width * height];
        for y in 0..self.height {
            for x in 0..self.width {
                let (from, to) = (self.cells[y * self.width + x], &mut cells[y / 2 * width + x / 2]);
                (0..3).for_each(|lane| to.off[lane] += from.off[lane] * from.weight);
                to.weight += from.weight;
            }
        }
        for cell in cells.iter_mut().filter(|cell| cell.weight > 0.0) {
            cell.off.iter_mut().for_each(|off| *off /= cell.weight);
        }
        Grid { width, height, cells }
    }

    /// Between the middles of the cells.
    fn at(&self, (x, y): (f32, f32)) -> [f32; 3] {
        let (x, y) = (x.clamp(0.0, self.width as f32 - 1.0), y.clamp(0.0, self.height as f32 - 1.0));
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (across, down) = (x - left as f32, y - top as f32);
        let cell = |x: usize, y: usize| self.cells[y * self.width + x].off;
        let (a, b, c, d) = (cell(left, top), cell(right, top), cell(left, bottom), cell(right, bottom));
        std::array::from_fn(|lane| {
            let above = a[lane] + (b[lane] - a[lane]) * across;
            let below = c[lane] + (d[lane] - c[lane]) * across;
            above + (below - above) * down
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::Depth;

    const SIZE: (usize, usize) = (320, 240);

    fn inside(x: usize, y: usize) -> bool {
        (80..240).contains(&x) && (60..180).contains(&y)
    }

    fn picture(colour: impl Fn(usize, usize) -> [f32; 3]) -> Raster {
        let mut made = Raster::new(SIZE.0, SIZE.1, 3, Depth::U8);
        for y in 0..SIZE.1 {
            for x in 0..SIZE.0 {
                made.row_mut(y)[x * 3..x * 3 + 3].copy_from_slice(&colour(x, y));
            }
        }
        made
    }

    fn painted() -> Vec<bool> {
        (0..SIZE.0 * SIZE.1).map(|at| inside(at % SIZE.0, at / SIZE.0)).collect()
    }

    /// A model that paints everything too red on the left and too dark on the right.
    #[test]
    fn an_offset_and_its_gradient_are_taken_out() {
        let scene = |x: usize, y: usize| [0.4 + x as f32 / 1000.0, 0.5 - y as f32 / 1000.0, 0.45];
        let off = |x: usize| [0.1 - x as f32 / 3200.0, -(x as f32) / 2000.0, 0.03];
        let seen = picture(scene);
        let mut made = picture(|x, y| std::array::from_fn(|lane| scene(x, y)[lane] + off(x)[lane]));
        let moved = fit(&mut made, &seen, &painted(), &vec![1.0; SIZE.0 * SIZE.1]);
        assert!(moved > 0.03, "{moved}");
        for y in 0..SIZE.1 {
            for x in 0..SIZE.0 {
                for lane in 0..3 {
                    let off = (made.pixel(x, y)[lane] - seen.pixel(x, y)[lane]).abs();
                    assert!(off < if inside(x, y) { 1.5 / 255.0 } else { 1e-6 }, "{off} at {x}, {y}");
                }
            }
        }
    }

    /// What is painted differs from what is round it right at the border, and the surroundings come back as they were.
    #[test]
    fn what_is_painted_up_to_the_border_keeps_its_colour() {
        let seen = picture(|x, _| [0.2, 0.6, if x % 7 == 0 { 0.7 } else { 0.5 }]);
        let dress = |x: usize, y: usize| if inside(x, y) { [0.9, 0.1, 0.1] } else { [0.2, 0.6, 0.5] };
        let mut made = picture(dress);
        fit(&mut made, &seen, &painted(), &vec![1.0; SIZE.0 * SIZE.1]);
        for (x, y) in [(81, 61), (238, 178), (160, 120), (80, 100)] {
            let pixel = made.pixel(x, y);
            assert!((pixel[0] - 0.9).abs() < 0.02 && (pixel[1] - 0.1).abs() < 0.02, "{pixel:?}");
        }
    }

    #[test]
    fn without_surroundings_nothing_moves() {
        let seen = picture(|_, _| [0.5; 3]);
        for (painted, sure) in [(vec![true; SIZE.0 * SIZE.1], 1.0), (painted(), 0.0)] {
            let mut made = picture(|_, _| [0.9, 0.1, 0.3]);
            assert_eq!(fit(&mut made, &seen, &painted, &vec![sure; SIZE.0 * SIZE.1]), 0.0);
            assert!(made == picture(|_, _| [0.9, 0.1, 0.3]));
        }
    }
}
