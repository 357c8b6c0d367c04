//! How noisy a picture is, and whether what looks like noise is texture.

use super::colour::luma;
use crate::filters::raster::Raster;

/// Luma averages the channels' noise: 0.299² + 0.587² + 0.114² = 0.447; its root is 0.668.
const OF_LUMA: f32 = 0.668;

/// Scales that are looked at: 1, 2, 4 and 8 pixels. What a camera or a JPEG smeared is missing at the finest.
const SCALES: usize = 4;
/// What the coarser scales show of a clean picture, in levels, is no noise.
const TEXTURE: f32 = 1.5;

/// Standard deviations in 8-bit levels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    /// At the finest scale, in the calmest of the picture: texture only adds.
    calm: f32,
    /// At the finest scale, between the channels: texture, which is mostly alike in all of them, drops out, and a
    /// sensor's own noise stays. `None`: the picture is grey.
    between: Option<f32>,
    /// At all scales together: of white noise that is the same, of smeared noise more.
    all: f32,
}

impl Noise {
    /// Of a picture's parts.
    pub fn of(parts: &[Raster]) -> Noise {
        let coloured = |part: &&Raster| {
            part.colours() == 3
                && part.data.chunks_exact(part.channels).any(|pixel| pixel[0] != pixel[1] || pixel[1] != pixel[2])
        };
        let coloured = parts.iter().any(|part| coloured(&part));
        let fine = Scale::of(parts, coloured, 8);
        let mut noise = Noise { calm: fine.calm, between: fine.between.map(|bands| bands[0]), all: 0.0 };
        // Edges lie across and along; in the light of a picture only the diagonal is calm, between channels all are.
        let doubtful = noise.doubtful();
        let energy = |scale: &Scale| match scale.between.filter(|_| !doubtful) {
            Some(bands) => bands.iter().map(|band| band * band / 4.0).sum::<f32>(),
            None => 0.75 * scale.calm * scale.calm,
        };
        let mut total = energy(&fine);
        let mut finer = total;
        let mut halves: Vec<Raster> = Vec::new();
        for scale in 1..SCALES {
            halves = (if scale == 1 { parts } else { &halves }).iter().map(halved).collect();
            let found = energy(&Scale::of(&halves, coloured, if scale == 1 { 8 } else { 4 }));
            // The coarsest is mostly texture: it counts as far as the one before speaks for it.
            finer = if scale + 1 == SCALES { found.min(finer) } else { found };
            total += finer;
        }
        let base = noise.finest();
        noise.all = (base * base + (total - base * base - TEXTURE * TEXTURE).max(0.0)).sqrt();
        noise
    }

    /// The noise of each channel as far as it can be told.
    pub fn level(self) -> f32 {
        self.all
    }

    /// At the finest scale; what the channels have in common there, fine texture or an old film's grain, counts less.
    pub fn sure(self) -> f32 {
        if self.doubtful() { 0.6 * self.calm } else { self.finest() }
    }

    fn doubtful(self) -> bool {
        self.between.is_some_and(|between| between < 0.5 * self.calm)
    }

    fn finest(self) -> f32 {
        self.between.filter(|_| !self.doubtful()).unwrap_or(self.calm)
    }
}

/// What one scale shows.
struct Scale {
    calm: f32,
    /// Diagonal, across, down.
    between: Option<[f32; 3]>,
}

impl Scale {
    /// The difference of channels is looked at in blocks of `side` wavelets.
    fn of(parts: &[Raster], coloured: bool, side: usize) -> Scale {
        let of_luma = |pixel: &[f32]| if pixel.len() < 3 { pixel[0] } else { luma(pixel) };
        let calm = calmest(parts, 4, 0.05, of_luma)[0] * 1.418;
        if !coloured {
            // Grey has the same noise in all channels, and averaging takes none away.
            return Scale { calm, between: None };
        }
        let difference = |a: usize, b: usize| calmest(parts, side, 0.2, move |pixel| pixel[a] - pixel[b]);
        let least = |one: [f32; 3], other: [f32; 3]| [0, 1, 2].map(|band| one[band].min(other[band]));
        let bands = [(0, 1), (0, 2), (1, 2)].into_iter().map(|(a, b)| difference(a, b)).fold([f32::MAX; 3], least);
        let factor = if side == 8 { 1.085 } else { 1.15 } / std::f32::consts::SQRT_2;
        Scale { calm: calm / OF_LUMA, between: Some(bands.map(|band| band * factor)) }
    }
}

/// Each square of four pixels as one.
fn halved(part: &Raster) -> Raster {
    let mut half = Raster::new(part.width / 2, part.height / 2, part.channels, part.depth);
    for y in 0..half.height {
        for x in 0..half.width {
            for channel in 0..part.channels {
                let at = |dx: usize, dy: usize| part.pixel(2 * x + dx, 2 * y + dy)[channel];
                half.row_mut(y)[x * part.channels + channel] = (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4.0;
            }
        }
    }
    half
}

/// The finest wavelets' deviation, diagonal, across and down, in the calmest `share` of the blocks of `side` x `side`
/// of them, 8-bit levels. The factors that the callers put to it make it that of white noise: a block's own deviation
/// varies, and the calmest are below the mean.
fn calmest(parts: &[Raster], side: usize, share: f32, value: impl Fn(&[f32]) -> f32) -> [f32; 3] {
    let mut blocks: [Vec<f32>; 3] = Default::default();
    let pixels = 2 * side;
    for part in parts {
        for top in (0..(part.height + 1).saturating_sub(pixels)).step_by(pixels) {
            for left in (0..(part.width + 1).saturating_sub(pixels)).step_by(pixels) {
                let (mut sums, mut clipped) = ([0.0; 3], 0);
                for y in (top..top + pixels).step_by(2) {
                    for x in (left..left + pixels).step_by(2) {
                        let here = part.pixel(x, y);
                        let [a, b, c, d] =
                            [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)].map(|(x, y)| value(part.pixel(x, y)));
                        for (sum, wave) in sums.iter_mut().zip([a - b - c + d, a + b - c - d, a - b + c - d]) {
                            *sum += wave * wave / 4.0;
                        }
                        let light = if part.colours() == 3 { luma(here) } else { here[0] };
                        clipped += usize::from(!(0.01..=0.99).contains(&light));
                    }
                }
                // Clipped areas show no noise that is there.
                if clipped * 8 < side * side {
                    for (blocks, sum) in blocks.iter_mut().zip(sums) {
                        blocks.push((sum / (side * side) as f32).sqrt() * 255.0);
                    }
                }
            }
        }
    }
    blocks.map(|mut blocks| {
        blocks.sort_by(f32::total_cmp);
        blocks.get((blocks.len() as f32 * share) as usize).copied().unwrap_or(0.0)
    })
}
