//! Whether a picture has been a JPEG, from its pixels: the steps that its 8 by 8 blocks were rounded to are still
//! there, as long as nobody scaled or retouched it since.

use crate::filters::raster::Plane;

/// Enough to see the steps; more only take time.
const MOST_BLOCKS: usize = 4096;
/// The coarsest step that is looked for: the lowest quality of the common encoder has none that is larger.
const COARSEST: usize = 255;
/// Coefficients that must stand off zero for a frequency to say anything.
const LEAST: usize = 16;
/// Frequencies with their step in the standard's luminance table, which is quality 50; across, down.
const FREQUENCIES: [(usize, usize, f64); 14] = [
    (1, 0, 11.0),
    (0, 1, 12.0),
    (2, 0, 10.0),
    (1, 1, 12.0),
    (0, 2, 14.0),
    (3, 0, 16.0),
    (2, 1, 14.0),
    (1, 2, 13.0),
    (0, 3, 14.0),
    (4, 0, 24.0),
    (3, 1, 19.0),
    (2, 2, 16.0),
    (1, 3, 17.0),
    (0, 4, 18.0),
];

/// The quality that the picture was saved with, 1 to 100 as the common encoder counts it; `None`: its blocks show no
/// steps. The windows' corners lie on the picture's grid of 8.
pub fn quality(windows: &[Plane]) -> Option<f64> {
    let moved = phase(&bends(windows));
    let places = if moved == (0, 0) { vec![moved] } else { vec![(0, 0), moved] };
    places.into_iter().filter_map(|place| at_grid(windows, place)).min_by(f64::total_cmp)
}

/// Where the grid lies if the picture was cropped since: the columns and rows at which brightness bends most.
fn phase(bends: &[[f64; 8]; 2]) -> (usize, usize) {
    let most = |means: &[f64; 8]| (0..8).max_by(|&a, &b| means[a].total_cmp(&means[b])).unwrap_or(0);
    (most(&bends[0]), most(&bends[1]))
}

/// How much brightness bends at each column and row of a grid of 8, in 8-bit levels on average: the step to the
/// neighbour without what is a slope.
fn bends(windows: &[Plane]) -> [[f64; 8]; 2] {
    let mut sums = [[(0.0f64, 0usize); 8]; 2];
    let mut add = |axis: usize, at: usize, [a, b, c, d]: [f32; 4]| {
        let (sum, count) = &mut sums[axis][at % 8];
        (*sum, *count) = (*sum + f64::from((c - b - (b - a + d - c) / 2.0).abs()), *count + 1);
    };
    for window in windows {
        for y in 0..window.height {
            for x in 0..window.width {
                if x > 1 && x + 1 < window.width {
                    add(0, x, [x - 2, x - 1, x, x + 1].map(|x| window.at(x, y)));
                }
                if y > 1 && y + 1 < window.height {
                    add(1, y, [y - 2, y - 1, y, y + 1].map(|y| window.at(x, y)));
                }
            }
        }
    }
    sums.map(|axis| axis.map(|(sum, count)| sum / count.max(1) as f64 * 255.0))
}

fn at_grid(windows: &[Plane], (left, top): (usize, usize)) -> Option<f64> {
    let blocks: usize = windows.iter().map(|window| (window.width / 8) * (window.height / 8)).sum();
    let every = blocks.div_ceil(MOST_BLOCKS).max(1);
    let mut found: [Vec<f32>; FREQUENCIES.len()] = Default::default();
    let waves = waves();
    let mut count = 0usize;
    for window in windows {
        for y in (top..window.height.saturating_sub(7)).step_by(8) {
            for x in (left..window.width.saturating_sub(7)).step_by(8) {
                count += 1;
                if count.is_multiple_of(every) {
                    transform(window, x, y, &waves, &mut found);
                }
            }
        }
    }
    // The encoder's scale in percent of its steps at quality 50, as each frequency tells it.
    let steps = found.iter().zip(FREQUENCIES).filter_map(|(values, (.., standard))| Some((step(values)?, standard)));
    let mut scales: Vec<f64> = steps.map(|(step, standard)| step as f64 / standard * 100.0).collect();
    // One or two may find a step by chance.
    if scales.len() < 4 {
        return None;
    }
    scales.sort_by(f64::total_cmp);
    let scale = scales[scales.len() / 2];
    Some(if scale <= 100.0 { 100.0 - scale / 2.0 } else { 5000.0 / scale })
}

/// The cosines of the transform's five lowest frequencies.
type Waves = [[f32; 8]; 5];

fn waves() -> Waves {
    std::array::from_fn(|u| {
        let scale = if u == 0 { 0.125f32.sqrt() } else { 0.5 };
        std::array::from_fn(|x| scale * ((2 * x + 1) as f32 * u as f32 * std::f32::consts::PI / 16.0).cos())
    })
}

/// Adds a block's coefficients, in 8-bit levels. Where it is cut off at black or white, they are no longer what they
/// were rounded to.
fn transform(window: &Plane, left: usize, top: usize, waves: &Waves, found: &mut [Vec<f32>; FREQUENCIES.len()]) {
    let mut across = [[0.0f32; 8]; 5];
    let rows = window.data.chunks_exact(window.width).skip(top).take(8);
    for (y, row) in rows.map(|row| &row[left..left + 8]).enumerate() {
        if row.iter().any(|value| !(0.004..=0.996).contains(value)) {
            return;
        }
        for (u, wave) in waves.iter().enumerate() {
            across[u][y] = row.iter().zip(wave).map(|(value, wave)| value * wave).sum::<f32>() * 255.0;
        }
    }
    for (values, (u, v, _)) in found.iter_mut().zip(FREQUENCIES) {
        values.push(across[u].iter().zip(&waves[v]).map(|(value, wave)| value * wave).sum());
    }
}

/// The step of which all values are multiples; `None`: there is none, or it is 1.
fn step(values: &[f32]) -> Option<usize> {
    let mut best = (0.0f32, 0);
    for step in 2..=COARSEST {
        let size = step as f32;
        // Zeros are multiples of everything.
        let telling = values.iter().filter(|value| value.abs() > size * 0.5);
        let (count, sum) =
            telling.fold((0, 0.0), |(n, sum), value| (n + 1, sum + (std::f32::consts::TAU * value / size).cos()));
        if count < LEAST {
            break;
        }
        // Its parts fit too, but less well, since rounding to whole levels weighs more on small steps.
        if sum / count as f32 > best.0 {
            best = (sum / count as f32, step);
        }
    }
    (best.0 > 0.6).then_some(best.1)
}

/// The quality by how much the edges of the 8 by 8 grid stand out, for pictures whose tones were changed since; `None`:
/// they do not.
pub fn quality_by_edges(windows: &[Plane]) -> Option<f64> {
    if windows.iter().map(|window| window.width.min(window.height)).max() < Some(64) {
        return None;
    }
    let mut excess = 0.0;
    // Beside the edge the slope is the edge's.
    for [edge, _, others @ .., _] in bends(windows) {
        let mean = others.iter().sum::<f64>() / others.len() as f64;
        let spread = (others.iter().map(|other| (other - mean).powi(2)).sum::<f64>() / others.len() as f64).sqrt();
        // A grid that is not clearly there, across and down, is texture.
        if edge < mean * 1.06 || edge < mean + 4.0 * spread {
            return None;
        }
        excess += (edge - mean) / 2.0;
    }
    // The step at block edges grows with the quantisation; the factor was fitted on seven photos saved at quality 20
    // to 92. From there to quality as the common encoder counts it.
    let coarseness = (excess * 0.17).clamp(0.05, 5.0);
    Some(if coarseness <= 1.0 { 100.0 - 50.0 * coarseness } else { 50.0 / coarseness })
}
