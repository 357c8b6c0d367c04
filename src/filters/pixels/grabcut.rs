//! GrabCut: a rough mask takes the shape that the picture's colours and edges suggest.
//!
//! Colour models of inside and outside, a minimum cut between them, some rounds (Rother, Kolmogorov, Blake 2004).

use super::maxflow::Graph;
use super::resize;
use crate::error::Result;
use crate::filters::job::Watch;
use crate::filters::manifest::Resample;
use crate::filters::raster::{Plane, Raster};

/// The cut runs at this longest side at most; a guided filter brings the edges back to the full size.
const SIDE: usize = 480;
const COMPONENTS: usize = 5;
const ROUNDS: usize = 3;
const GAMMA: f32 = 50.0;
/// How much the model's log-odds weigh beside those of the colours, in every round. Little: it knows the place, the
/// colours know the edge. No pixel is sure from its opacity alone, or the model's mistakes could not be mended.
const TRUST: f32 = 0.6;
/// Opacities nearer to 0 and 1 than this say no more than that.
const DOUBT: f32 = 1e-4;

/// What may become of a pixel.
#[derive(Clone, Copy, PartialEq)]
enum Label {
    Outside,
    MaybeOutside,
    MaybeInside,
    Inside,
}

/// The size at which a picture of that size is worked on.
pub fn size(width: usize, height: usize) -> (usize, usize) {
    let longest = width.max(height);
    let scaled = |side: usize| if longest <= SIDE { side } else { (side * SIDE / longest).max(1) };
    (scaled(width), scaled(height))
}

/// `alpha` refined on `image`; `sure`, as large as the image, bounds it: nothing becomes subject where it is 0, all
/// does where it is 1, and where it is 0.5 colours and edges decide. The answer is 0 or 1, at the size that was worked
/// at.
///
/// # Errors
/// `cancelled`.
pub fn refine(image: &Raster, alpha: &Plane, sure: Option<&Plane>, watch: &Watch) -> Result<Plane> {
    let (w, h) = size(image.width, image.height);
    let image = resize::raster(image, w, h, Resample::Area);
    let alpha = resize::plane(alpha, w, h, Resample::Bilinear);
    let sure = sure.map(|sure| resize::plane(sure, w, h, Resample::Area));
    // In 0 to 255, as the constants of the literature are.
    let pixels: Vec<[f32; 3]> =
        image.data.chunks_exact(3).map(|pixel| [pixel[0] * 255.0, pixel[1] * 255.0, pixel[2] * 255.0]).collect();
    let mut labels: Vec<Label> = (0..w * h)
        .map(|i| match alpha.data[i] {
            _ if sure.as_ref().is_some_and(|sure| sure.data[i] < 0.25) => Label::Outside,
            _ if sure.as_ref().is_some_and(|sure| sure.data[i] > 0.75) => Label::Inside,
            value if value > 0.5 => Label::MaybeInside,
            _ => Label::MaybeOutside,
        })
        .collect();
    let odds: Vec<f32> = alpha
        .data
        .iter()
        .map(|value| value.clamp(DOUBT, 1.0 - DOUBT))
        .map(|value| TRUST * (value / (1.0 - value)).ln())
        .collect();
    let inside = |label: Label| matches!(label, Label::MaybeInside | Label::Inside);
    let edges = edges(&pixels, w, h);
    for round in 0..ROUNDS {
        watch.step(round as f32 / ROUNDS as f32, "finding edges")?;
        let part = |want: bool| -> Vec<[f32; 3]> {
            pixels.iter().zip(&labels).filter(|(_, label)| inside(**label) == want).map(|(p, _)| *p).collect()
        };
        let (fore, back) = (part(true), part(false));
        // Nothing to tell apart.
        if fore.len() < COMPONENTS || back.len() < COMPONENTS {
            break;
        }
        let (fore, back) = (Mixture::of(&fore), Mixture::of(&back));
        let mut graph = Graph::new(w * h, edges.len());
        for (i, pixel) in pixels.iter().enumerate() {
            let (source, sink) = match labels[i] {
                Label::Outside => (0.0, 9.0 * GAMMA),
                Label::Inside => (9.0 * GAMMA, 0.0),
                _ => (back.cost(pixel) + odds[i], fore.cost(pixel)),
            };
            graph.attach(i, source, sink);
        }
        edges.iter().for_each(|&(a, b, cost)| graph.join(a as usize, b as usize, cost));
        let sides = graph.cut(|| watch.check())?;
        for (label, side) in labels.iter_mut().zip(sides) {
            if matches!(label, Label::MaybeInside | Label::MaybeOutside) {
                *label = if side { Label::MaybeInside } else { Label::MaybeOutside };
            }
        }
    }
    let data = labels.iter().map(|label| f32::from(u8::from(inside(*label)))).collect();
    Ok(Plane { width: w, height: h, data })
}

fn distance(a: &[f32; 3], b: &[f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// What it costs to separate neighbours: little across an edge of the picture.
fn edges(pixels: &[[f32; 3]], w: usize, h: usize) -> Vec<(u32, u32, f32)> {
    let mut edges = Vec::with_capacity(w * h * 4);
    let mut sum = 0.0f64;
    for y in 0..h {
        for x in 0..w {
            let here = y * w + x;
            let mut to = |there: usize, weight: f32| {
                let apart = distance(&pixels[here], &pixels[there]);
                sum += f64::from(apart);
                edges.push((here as u32, there as u32, weight, apart));
            };
            if x > 0 {
                to(here - 1, 1.0);
            }
            if y > 0 {
                to(here - w, 1.0);
                if x > 0 {
                    to(here - w - 1, std::f32::consts::FRAC_1_SQRT_2);
                }
                if x + 1 < w {
                    to(here - w + 1, std::f32::consts::FRAC_1_SQRT_2);
                }
            }
        }
    }
    let beta = if sum <= 0.0 { 0.0 } else { (edges.len() as f64 / (2.0 * sum)) as f32 };
    edges.into_iter().map(|(a, b, weight, apart)| (a, b, GAMMA * weight * (-beta * apart).exp())).collect()
}

/// A Gaussian mixture of colours.
struct Mixture {
    parts: Vec<Gaussian>,
}

struct Gaussian {
    weight: f32,
    mean: [f32; 3],
    inverse: [[f32; 3]; 3],
    determinant: f32,
}

impl Mixture {
    fn of(pixels: &[[f32; 3]]) -> Mixture {
        let groups = clusters(pixels);
        let mut parts = Vec::new();
        for group in 0..COMPONENTS {
            let members = pixels.iter().zip(&groups).filter(|(_, of)| **of == group).map(|(pixel, _)| pixel);
            parts.extend(Gaussian::of(members, pixels.len()));
        }
        Mixture { parts }
    }

    /// Negative logarithm of the likelihood.
    fn cost(&self, pixel: &[f32; 3]) -> f32 {
        let sum: f32 = self.parts.iter().map(|part| part.likelihood(pixel)).sum();
        -sum.max(1e-30).ln()
    }
}

impl Gaussian {
    fn of<'a>(pixels: impl Iterator<Item = &'a [f32; 3]>, total: usize) -> Option<Gaussian> {
        let (mut sum, mut products, mut count) = ([0.0f64; 3], [[0.0f64; 3]; 3], 0usize);
        for pixel in pixels {
            for i in 0..3 {
                sum[i] += f64::from(pixel[i]);
                for j in 0..3 {
                    products[i][j] += f64::from(pixel[i] * pixel[j]);
                }
            }
            count += 1;
        }
        if count == 0 {
            return None;
        }
        let n = count as f64;
        let mean = sum.map(|value| value / n);
        let mut c = [[0.0f64; 3]; 3];
        for i in 0..3 {
            for j in 0..3 {
                c[i][j] = products[i][j] / n - mean[i] * mean[j];
            }
            // A flat colour has no spread to invert.
            c[i][i] += 0.01;
        }
        let minor = |a: usize, b: usize, d: usize, e: usize| c[a][b] * c[d][e] - c[a][e] * c[d][b];
        let det = c[0][0] * minor(1, 1, 2, 2) - c[0][1] * minor(1, 0, 2, 2) + c[0][2] * minor(1, 0, 2, 1);
        let det = det.max(1e-9);
        let inverse = [
            [minor(1, 1, 2, 2), -minor(0, 1, 2, 2), minor(0, 1, 1, 2)],
            [-minor(1, 0, 2, 2), minor(0, 0, 2, 2), -minor(0, 0, 1, 2)],
            [minor(1, 0, 2, 1), -minor(0, 0, 2, 1), minor(0, 0, 1, 1)],
        ];
        Some(Gaussian {
            weight: (n / total as f64) as f32,
            mean: mean.map(|value| value as f32),
            inverse: inverse.map(|row| row.map(|value| (value / det) as f32)),
            determinant: det as f32,
        })
    }

    fn likelihood(&self, pixel: &[f32; 3]) -> f32 {
        let d = [pixel[0] - self.mean[0], pixel[1] - self.mean[1], pixel[2] - self.mean[2]];
        let m = &self.inverse;
        let product: f32 = (0..3).map(|i| d[i] * (m[i][0] * d[0] + m[i][1] * d[1] + m[i][2] * d[2])).sum();
        self.weight / self.determinant.sqrt() * (-0.5 * product).exp()
    }
}

/// k-means from centres that lie far apart; the same for the same pixels.
fn clusters(pixels: &[[f32; 3]]) -> Vec<usize> {
    // Enough to find centres on; all are assigned in the end.
    let step = (pixels.len() / 8000).max(1);
    let sample: Vec<[f32; 3]> = pixels.iter().step_by(step).copied().collect();
    let mut centres = vec![sample[sample.len() / 2]];
    while centres.len() < COMPONENTS {
        let far = |pixel: &[f32; 3]| centres.iter().map(|centre| distance(centre, pixel)).fold(f32::MAX, f32::min);
        // Not the farthest one, which is an outlier, but one farther than most.
        let mut by_distance: Vec<(f32, [f32; 3])> = sample.iter().map(|pixel| (far(pixel), *pixel)).collect();
        by_distance.sort_by(|a, b| a.0.total_cmp(&b.0));
        centres.push(by_distance[by_distance.len() * 9 / 10].1);
    }
    let nearest = |centres: &[[f32; 3]], pixel: &[f32; 3]| {
        (0..COMPONENTS)
            .min_by(|&a, &b| distance(&centres[a], pixel).total_cmp(&distance(&centres[b], pixel)))
            .unwrap_or(0)
    };
    for _ in 0..10 {
        let (mut sums, mut counts) = ([[0.0f32; 3]; COMPONENTS], [0.0f32; COMPONENTS]);
        for pixel in &sample {
            let group = nearest(&centres, pixel);
            (0..3).for_each(|i| sums[group][i] += pixel[i]);
            counts[group] += 1.0;
        }
        for group in 0..COMPONENTS {
            if counts[group] > 0.0 {
                centres[group] = sums[group].map(|sum| sum / counts[group]);
            }
        }
    }
    pixels.iter().map(|pixel| nearest(&centres, pixel)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::raster::Depth;

    /// A disc of its own colour, grainy as photographs are.
    fn disc(side: usize) -> (Raster, Vec<bool>) {
        let inside: Vec<bool> = (0..side * side)
            .map(|i| ((i % side) as f32 - side as f32 / 2.0).hypot((i / side) as f32 - side as f32 / 2.0) < 18.0)
            .collect();
        let data = inside.iter().enumerate().flat_map(|(i, inside)| {
            let grain = (i * 7919 % 13) as f32 / 200.0;
            if *inside { [0.7 + grain, 0.3, 0.2] } else { [0.2, 0.4 + grain, 0.5] }
        });
        (Raster { width: side, height: side, channels: 3, data: data.collect(), depth: Depth::F32 }, inside)
    }

    fn wrong(mask: &Plane, right: &[bool]) -> usize {
        mask.data.iter().zip(right).filter(|(value, right)| (**value > 0.5) != **right).count()
    }

    #[test]
    fn a_model_that_was_certain_and_wrong_is_mended() {
        let (image, inside) = disc(64);
        let mut alpha = Plane { width: 64, height: 64, data: inside.iter().map(|v| f32::from(u8::from(*v))).collect() };
        // Certain of a corner of the ground, and that a part of the disc is ground.
        (0..8).for_each(|y| alpha.data[y * 64..y * 64 + 8].fill(1.0));
        (24..32).for_each(|y| alpha.data[y * 64 + 20..y * 64 + 28].fill(0.0));
        assert!(wrong(&alpha, &inside) >= 100);
        let mask = refine(&image, &alpha, None, &Watch::silent()).unwrap();
        assert!(wrong(&mask, &inside) < 20, "{} pixels are wrong", wrong(&mask, &inside));
    }

    #[test]
    fn what_is_sure_stays() {
        // Below the disc a bar of its colour, that the model takes for a part of it.
        let (mut image, inside) = disc(64);
        image.data[56 * 64 * 3..].chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&[0.73, 0.3, 0.2]));
        let mut alpha = Plane { width: 64, height: 64, data: inside.iter().map(|v| f32::from(u8::from(*v))).collect() };
        alpha.data[56 * 64..].fill(1.0);
        let whole = refine(&image, &alpha, None, &Watch::silent()).unwrap();
        assert!(whole.data[56 * 64..].iter().all(|value| *value > 0.5));
        let mut sure = Plane::filled(64, 64, 0.5);
        sure.data[56 * 64..].fill(0.0);
        sure.data[0] = 1.0;
        let mask = refine(&image, &alpha, Some(&sure), &Watch::silent()).unwrap();
        assert!(mask.data[56 * 64..].iter().all(|value| *value < 0.5));
        assert_eq!(mask.data[0], 1.0);
        assert!(wrong(&mask, &inside) < 20, "{} pixels are wrong", wrong(&mask, &inside));
    }
}
