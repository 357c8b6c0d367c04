//! Smooth interpolation of scattered values (pull and push, Gortler et al. 1996).

/// Gives every pixel a value from those that have a weight: three values times their weight, then the weight. What
/// has a weight near 1 keeps its value.
pub fn spread(plane: &mut [[f32; 4]], width: usize) {
    let height = plane.len() / width.max(1);
    if width <= 1 && height <= 1 {
        normalise(plane);
        return;
    }
    let known: Vec<f32> = plane.iter().map(|value| value[3].min(1.0)).collect();
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut half = vec![[0.0f32; 4]; half_width * half_height];
    for y in 0..height {
        for x in 0..width {
            let sum = &mut half[y / 2 * half_width + x / 2];
            (0..4).for_each(|lane| sum[lane] += plane[y * width + x][lane]);
        }
    }
    for sum in &mut half {
        // Beyond a full weight more of the same would only outvote the neighbours.
        let scale = 1.0 / sum[3].max(1.0);
        *sum = sum.map(|value| value * scale);
    }
    spread(&mut half, half_width);
    for y in 0..height {
        for x in 0..width {
            let here = &mut plane[y * width + x];
            let missing = (1.0 - here[3]).max(0.0);
            if missing > 0.0 {
                let coarse = sample(&half, half_width, half_height, x, y);
                (0..3).for_each(|lane| here[lane] += missing * coarse[lane]);
                here[3] += missing * coarse[3];
            }
        }
    }
    normalise(plane);
    relax(plane, &known, width);
}

fn normalise(plane: &mut [[f32; 4]]) {
    for value in plane {
        let scale = if value[3] > 1e-6 { 1.0 / value[3] } else { 0.0 };
        *value = [value[0] * scale, value[1] * scale, value[2] * scale, f32::from(u8::from(scale > 0.0))];
    }
}

/// Evens out the coarse guess: each unknown pixel moves to its neighbours' mean.
fn relax(plane: &mut [[f32; 4]], known: &[f32], width: usize) {
    let height = plane.len() / width;
    for _ in 0..6 {
        for at in 0..plane.len() {
            if known[at] >= 0.5 || plane[at][3] == 0.0 {
                continue;
            }
            let (x, y) = (at % width, at / width);
            let left = if x > 0 { at - 1 } else { at };
            let right = if x + 1 < width { at + 1 } else { at };
            let above = if y > 0 { at - width } else { at };
            let below = if y + 1 < height { at + width } else { at };
            let around = [left, right, above, below].map(|at| plane[at]);
            let weight = known[at];
            for (lane, value) in plane[at].iter_mut().enumerate().take(3) {
                let mean = 0.25 * around.iter().map(|value| value[lane]).sum::<f32>();
                *value = mean + weight * (*value - mean);
            }
        }
    }
}

/// The value of the plane of half the size at a pixel of the whole one, bilinear.
fn sample(half: &[[f32; 4]], width: usize, height: usize, x: usize, y: usize) -> [f32; 4] {
    // Pixel centres: the finer pixel lies a quarter of a coarse one to one side.
    let near = |v: usize, limit: usize| {
        let other = if v.is_multiple_of(2) { (v / 2).saturating_sub(1) } else { (v / 2 + 1).min(limit - 1) };
        (v / 2, other)
    };
    let ((x0, x1), (y0, y1)) = (near(x, width), near(y, height));
    let mut sum = [0.0; 4];
    for (at, weight) in [(y0 * width + x0, 9.0), (y0 * width + x1, 3.0), (y1 * width + x0, 3.0), (y1 * width + x1, 1.0)]
    {
        (0..4).for_each(|lane| sum[lane] += half[at][lane] * weight / 16.0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_rise_between_two_sides() {
        let (width, height) = (37, 20);
        let mut plane = vec![[0.0f32; 4]; width * height];
        for y in 0..height {
            plane[y * width] = [0.0, 0.5, -1.0, 1.0];
            plane[y * width + width - 1] = [1.0, 0.5, 1.0, 1.0];
        }
        spread(&mut plane, width);
        for (index, value) in plane.iter().enumerate() {
            assert!((value[1] - 0.5).abs() < 1e-4);
            let x = index % width;
            // Smooth, not straight: it only has to rise from one side to the other.
            assert!(x == 0 || value[0] >= plane[index - 1][0] - 1e-5, "it falls at {x}");
            assert!(!(16..=20).contains(&x) || (value[0] - 0.5).abs() < 0.25, "{} in the middle", value[0]);
        }
    }

    #[test]
    fn nothing_known_is_nothing() {
        let mut plane = vec![[0.0f32; 4]; 12];
        spread(&mut plane, 4);
        assert!(plane.iter().all(|value| *value == [0.0; 4]));
    }
}
