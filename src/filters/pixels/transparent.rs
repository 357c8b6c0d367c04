//! What a model sees where a picture is transparent: colour from the nearest visible pixels, so that the black or
//! white behind transparent pixels does not bleed into visible ones.

use crate::filters::raster::Raster;

/// RGB of a picture with alpha; fully transparent pixels get their surroundings' colour, coarse to fine.
pub fn filled(rgba: &Raster) -> Raster {
    let colours = rgba.colours();
    let mut rgb = Raster::new(rgba.width, rgba.height, colours, rgba.depth);
    let mut hidden = false;
    for (out, pixel) in rgb.data.chunks_exact_mut(colours).zip(rgba.data.chunks_exact(rgba.channels)) {
        out.copy_from_slice(&pixel[..colours]);
        hidden |= pixel[colours] == 0.0;
    }
    if hidden {
        let weights = rgba.data.chunks_exact(rgba.channels).map(|pixel| pixel[colours]).collect();
        pull(&mut rgb, weights);
    }
    rgb
}

/// Fills pixels of weight 0 from the next coarser picture, which is made of the weighted ones.
fn pull(rgb: &mut Raster, weights: Vec<f32>) {
    if weights.iter().all(|&weight| weight > 0.0) {
        return;
    }
    let (w, h, n) = (rgb.width, rgb.height, rgb.channels);
    if w == 1 && h == 1 {
        // Nothing is visible at all: mid-grey is as good as anything.
        rgb.data.fill(0.5);
        return;
    }
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    let mut coarse = Raster::new(cw, ch, n, rgb.depth);
    let mut coarse_weights = vec![0.0; cw * ch];
    for y in 0..h {
        for x in 0..w {
            let weight = weights[y * w + x];
            let cell = (y / 2) * cw + x / 2;
            coarse_weights[cell] += weight;
            for c in 0..n {
                coarse.data[cell * n + c] += weight * rgb.data[(y * w + x) * n + c];
            }
        }
    }
    for (cell, weight) in coarse_weights.iter_mut().enumerate() {
        if *weight > 0.0 {
            coarse.data[cell * n..(cell + 1) * n].iter_mut().for_each(|value| *value /= *weight);
            *weight = weight.min(1.0);
        }
    }
    pull(&mut coarse, coarse_weights);
    for y in 0..h {
        for x in 0..w {
            if weights[y * w + x] == 0.0 {
                let cell = ((y / 2) * cw + x / 2) * n;
                rgb.data[(y * w + x) * n..][..n].copy_from_slice(&coarse.data[cell..cell + n]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::raster::Depth;

    #[test]
    fn hidden_black_takes_the_colour_beside_it() {
        let mut rgba = Raster::new(8, 8, 4, Depth::U8);
        for x in 0..3 {
            rgba.row_mut(5)[x * 4..][..4].copy_from_slice(&[0.8, 0.4, 0.2, 1.0]);
        }
        let rgb = filled(&rgba);
        for pixel in rgb.data.chunks_exact(3) {
            assert!((pixel[0] - 0.8).abs() < 1e-5 && (pixel[2] - 0.2).abs() < 1e-5, "{pixel:?}");
        }
        assert!(filled(&Raster::new(3, 2, 4, Depth::U8)).data.iter().all(|&value| value == 0.5));
    }
}
