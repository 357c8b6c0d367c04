//! How noisy a picture is, and whether what looks like noise is texture.

use super::colour::luma;
use crate::filters::raster::Raster;

/// Luma averages the channels' noise: 0.299² + 0.587² + 0.114² = 0.447; its root is 0.668.
const OF_LUMA: f32 = 0.668;

/// Standard deviations in 8-bit levels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    /// In the calmest of the picture: texture only adds.
    calm: f32,
    /// Between the channels: texture, which is mostly alike in all of them, drops out, and a sensor's own noise stays.
    /// `None`: the picture is grey.
    between: Option<f32>,
}

impl Noise {
    /// Of a picture's parts.
    pub fn of(parts: &[Raster]) -> Noise {
        let coloured = |part: &&Raster| {
            part.colours() == 3
                && part.data.chunks_exact(part.channels).any(|pixel| pixel[0] != pixel[1] || pixel[1] != pixel[2])
        };
        let of_luma = |pixel: &[f32]| if pixel.len() < 3 { pixel[0] } else { luma(pixel) };
        if !parts.iter().any(|part| coloured(&part)) {
            // Grey has the same noise in all channels, and averaging takes none away.
            return Noise { calm: calm(parts, 4, 0.05, of_luma) * 1.418, between: None };
        }
        let difference = |a: usize, b: usize| calm(parts, 8, 0.2, move |pixel| pixel[a] - pixel[b]);
        let between = [(0, 1), (0, 2), (1, 2)].into_iter().map(|(a, b)| difference(a, b)).fold(f32::MAX, f32::min);
        Noise {
            calm: calm(parts, 4, 0.05, of_luma) * 1.418 / OF_LUMA,
            between: Some(between * 1.085 / std::f32::consts::SQRT_2),
        }
    }

    /// The noise of each channel as far as it can be told.
    pub fn level(self) -> f32 {
        self.between.filter(|&between| between >= 0.5 * self.calm).unwrap_or(self.calm)
    }

    /// As [`Noise::level`], but what the channels have in common, fine texture or an old film's grain, counts less.
    pub fn sure(self) -> f32 {
        let doubtful = self.between.is_some_and(|between| between < 0.5 * self.calm);
        if doubtful { 0.6 * self.calm } else { self.level() }
    }
}

/// The finest diagonal wavelets' deviation in the calmest `share` of the blocks of `side` x `side` of them, 8-bit
/// levels. The factors that the callers put to it make it that of white noise: a block's own deviation varies, and the
/// calmest are below the mean.
fn calm(parts: &[Raster], side: usize, share: f32, value: impl Fn(&[f32]) -> f32) -> f32 {
    let mut blocks: Vec<f32> = Vec::new();
    let pixels = 2 * side;
    for part in parts {
        for top in (0..(part.height + 1).saturating_sub(pixels)).step_by(pixels) {
            for left in (0..(part.width + 1).saturating_sub(pixels)).step_by(pixels) {
                let (mut sum, mut clipped) = (0.0, 0);
                for y in (top..top + pixels).step_by(2) {
                    for x in (left..left + pixels).step_by(2) {
                        let here = part.pixel(x, y);
                        let corner = [(x + 1, y), (x, y + 1), (x + 1, y + 1)].map(|(x, y)| value(part.pixel(x, y)));
                        let wave = (value(here) - corner[0] - corner[1] + corner[2]) / 2.0;
                        sum += wave * wave;
                        let light = if part.colours() == 3 { luma(here) } else { here[0] };
                        clipped += usize::from(!(0.01..=0.99).contains(&light));
                    }
                }
                // Clipped areas show no noise that is there.
                if clipped * 8 < side * side {
                    blocks.push((sum / (side * side) as f32).sqrt() * 255.0);
                }
            }
        }
    }
    blocks.sort_by(f32::total_cmp);
    blocks.get((blocks.len() as f32 * share) as usize).copied().unwrap_or(0.0)
}
