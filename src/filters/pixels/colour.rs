//! Colour spaces that models ask for; sRGB from 0 to 1, D65.

/// Rec. 601 luma of an sRGB-encoded pixel.
pub fn luma(pixel: &[f32]) -> f32 {
    0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
}

/// CIE L* (0 to 100), a*, b*.
pub fn rgb_to_lab(pixel: &[f32]) -> [f32; 3] {
    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(linear);
    let x = (0.412453 * r + 0.35758 * g + 0.180423 * b) / 0.950456;
    let y = 0.212671 * r + 0.71516 * g + 0.072169 * b;
    let z = (0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.088754;
    let f = |t: f32| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let lightness = if y > 0.008856 { 116.0 * y.cbrt() - 16.0 } else { 903.3 * y };
    [lightness, 500.0 * (f(x) - f(y)), 200.0 * (f(y) - f(z))]
}

/// The reverse; what lies outside of sRGB is clamped.
pub fn lab_to_rgb(lab: [f32; 3]) -> [f32; 3] {
    let (y, fy) = if lab[0] <= 8.0 {
        let y = lab[0] / 903.3;
        (y, 7.787 * y + 16.0 / 116.0)
    } else {
        let fy = (lab[0] + 16.0) / 116.0;
        (fy * fy * fy, fy)
    };
    let back = |f: f32| if f > 0.206893 { f * f * f } else { (f - 16.0 / 116.0) / 7.787 };
    let (x, z) = (back(fy + lab[1] / 500.0) * 0.950456, back(fy - lab[2] / 200.0) * 1.088754);
    [
        3.240479 * x - 1.53715 * y - 0.498535 * z,
        -0.969256 * x + 1.875991 * y + 0.041556 * z,
        0.055648 * x - 0.204043 * y + 1.057311 * z,
    ]
    .map(|value| encoded(value.clamp(0.0, 1.0)))
}

fn linear(value: f32) -> f32 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn encoded(value: f32) -> f32 {
    if value <= 0.0031308 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_there_and_back_is_the_same_colour() {
        for pixel in [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.9, 0.1, 0.2], [0.02, 0.5, 0.01], [0.001, 0.002, 0.9]] {
            let back = lab_to_rgb(rgb_to_lab(&pixel));
            for (a, b) in pixel.iter().zip(back) {
                assert!((a - b).abs() < 2e-3, "{pixel:?} became {back:?}");
            }
        }
    }

    #[test]
    fn red_has_the_known_lab() {
        let lab = rgb_to_lab(&[1.0, 0.0, 0.0]);
        for (a, b) in lab.iter().zip([53.24, 80.09, 67.20]) {
            assert!((a - b).abs() < 0.1, "{lab:?}");
        }
    }
}
