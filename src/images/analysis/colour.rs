//! Colours as eyes order them: CIE Lab for casts, OKLab for names.

/// A name's thresholds: the first row whose hue, lightness and chroma fit. Hue in degrees; lightness and chroma of
/// OKLab (lightness 0 to 1, chroma 0 to about 0.32). The limits are `from <= value < to`.
struct Name(&'static str, [f64; 2], [f64; 2], [f64; 2]);

const ANY: [f64; 2] = [0.0, 9.0];

/// Hues in turn from red; in each, special cases first and the plain name last.
const NAMES: [Name; 32] = [
    Name("Black", [0.0, 360.0], [0.0, 0.22], [0.0, 0.05]),
    Name("Dark Gray", [0.0, 360.0], [0.22, 0.45], [0.0, 0.03]),
    Name("Gray", [0.0, 360.0], [0.45, 0.72], [0.0, 0.03]),
    Name("Light Gray", [0.0, 360.0], [0.72, 0.9], [0.0, 0.03]),
    Name("White", [0.0, 360.0], [0.9, 9.0], [0.0, 0.03]),
    Name("Maroon", [0.0, 40.0], [0.0, 0.4], ANY),
    Name("Pink", [0.0, 40.0], [0.72, 9.0], ANY),
    Name("Brown", [12.0, 40.0], ANY, [0.0, 0.1]),
    Name("Red", [0.0, 40.0], ANY, ANY),
    Name("Brown", [40.0, 80.0], [0.0, 0.58], ANY),
    Name("Beige", [40.0, 80.0], [0.82, 9.0], [0.0, 0.08]),
    Name("Tan", [40.0, 80.0], ANY, [0.0, 0.1]),
    Name("Orange", [40.0, 80.0], ANY, ANY),
    Name("Olive", [80.0, 118.0], [0.0, 0.6], ANY),
    Name("Beige", [80.0, 118.0], [0.82, 9.0], [0.0, 0.08]),
    Name("Tan", [80.0, 118.0], ANY, [0.0, 0.08]),
    Name("Yellow", [80.0, 118.0], ANY, ANY),
    Name("Dark Green", [118.0, 165.0], [0.0, 0.46], ANY),
    Name("Light Green", [118.0, 165.0], [0.8, 9.0], [0.0, 0.16]),
    Name("Green", [118.0, 165.0], ANY, ANY),
    Name("Teal", [165.0, 215.0], [0.0, 0.65], ANY),
    Name("Cyan", [165.0, 215.0], ANY, ANY),
    Name("Navy", [215.0, 280.0], [0.0, 0.33], ANY),
    Name("Light Blue", [215.0, 280.0], [0.72, 9.0], ANY),
    Name("Blue", [215.0, 280.0], ANY, ANY),
    Name("Lavender", [280.0, 318.0], [0.75, 9.0], ANY),
    Name("Purple", [280.0, 318.0], ANY, ANY),
    Name("Purple", [318.0, 350.0], [0.0, 0.45], ANY),
    Name("Pink", [318.0, 350.0], [0.75, 9.0], ANY),
    Name("Magenta", [318.0, 350.0], ANY, ANY),
    Name("Pink", [350.0, 360.0], [0.6, 9.0], ANY),
    Name("Red", [350.0, 360.0], ANY, ANY),
];

/// The everyday name of an sRGB colour, 0 to 255.
pub fn name(rgb: [f64; 3]) -> &'static str {
    let [lightness, a, b] = oklab(rgb);
    let (chroma, hue) = (a.hypot(b), b.atan2(a).to_degrees().rem_euclid(360.0));
    let fits = |value: f64, [from, to]: [f64; 2]| from <= value && value < to;
    let row = NAMES.iter().find(|row| fits(hue, row.1) && fits(lightness, row.2) && fits(chroma, row.3));
    // Every hue ends in a row for any lightness and chroma; rem_euclid may answer 360.
    row.map_or("Red", |row| row.0)
}

/// The hue of a cast by its angle in CIE Lab: from that angle to the next row's.
const CASTS: [(f64, &str); 7] = [
    (15.0, "red"),
    (55.0, "orange"),
    (85.0, "yellow"),
    (115.0, "green"),
    (165.0, "cyan"),
    (235.0, "blue"),
    (310.0, "magenta"),
];

/// The everyday name of a hue in CIE Lab.
pub fn direction(a: f64, b: f64) -> &'static str {
    let hue = b.atan2(a).to_degrees().rem_euclid(360.0);
    CASTS.iter().rev().find(|row| row.0 <= hue).map_or("magenta", |row| row.1)
}

/// CIE Lab (D65) of an sRGB colour, 0 to 255.
pub fn lab(rgb: [f64; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(linear);
    let x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047;
    let y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b;
    let z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883;
    let f = |t: f64| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
    let [x, y, z] = [x, y, z].map(f);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// OKLab (Ottosson 2020) of an sRGB colour, 0 to 255.
fn oklab(rgb: [f64; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(linear);
    let l = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b).cbrt();
    let m = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b).cbrt();
    let s = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b).cbrt();
    [
        0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
        1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
        0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
    ]
}

/// Light from an sRGB sample, 0 to 255.
fn linear(sample: f64) -> f64 {
    let sample = sample / 255.0;
    if sample <= 0.04045 { sample / 12.92 } else { ((sample + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_colours_have_their_names() {
        let known = [
            ("Black", [0, 0, 0]),
            ("Dark Gray", [64, 64, 64]),
            ("Gray", [128, 128, 128]),
            ("Light Gray", [211, 211, 211]),
            ("White", [255, 255, 255]),
            ("Red", [255, 0, 0]),
            ("Red", [178, 34, 34]),
            ("Maroon", [128, 0, 0]),
            ("Pink", [255, 192, 203]),
            ("Brown", [139, 69, 19]),
            ("Orange", [255, 165, 0]),
            ("Beige", [245, 245, 220]),
            ("Tan", [210, 180, 140]),
            ("Olive", [128, 128, 0]),
            ("Yellow", [255, 255, 0]),
            ("Green", [0, 255, 0]),
            ("Green", [0, 128, 0]),
            ("Dark Green", [0, 100, 0]),
            ("Light Green", [144, 238, 144]),
            ("Teal", [0, 128, 128]),
            ("Cyan", [0, 255, 255]),
            ("Navy", [0, 0, 128]),
            ("Blue", [0, 0, 255]),
            ("Blue", [70, 130, 180]),
            ("Light Blue", [135, 206, 235]),
            ("Lavender", [216, 180, 250]),
            ("Purple", [128, 0, 128]),
            ("Magenta", [255, 0, 255]),
            ("Pink", [255, 105, 180]),
        ];
        for (expected, rgb) in known {
            assert_eq!(name(rgb.map(f64::from)), expected, "{rgb:?}");
        }
    }

    #[test]
    fn every_colour_has_a_name_of_its_own_row() {
        for index in 0..4096u32 {
            let rgb = [index >> 8, index >> 4 & 15, index & 15].map(|v| f64::from(v * 17));
            let found = name(rgb);
            // Grey rows are the only ones without hue: a colour with no chroma must land in one.
            let grey = found.contains("Gray") || ["Black", "White"].contains(&found);
            assert!(grey || rgb[0] != rgb[1] || rgb[1] != rgb[2], "{rgb:?} is {found}");
        }
    }

    #[test]
    fn lab_agrees_with_the_published_values() {
        // Bruce Lindbloom's calculator, D65.
        for (rgb, expected) in [([255.0, 0.0, 0.0], [53.24, 80.09, 67.2]), ([0.0, 0.0, 255.0], [32.3, 79.19, -107.86])]
        {
            for (found, expected) in lab(rgb).into_iter().zip(expected) {
                assert!((found - expected).abs() < 0.02, "{found} is not {expected}");
            }
        }
        assert_eq!(direction(10.0, 12.0), "red");
        assert_eq!(direction(10.0, -2.0), "magenta");
        assert_eq!(direction(2.0, 12.0), "orange");
        assert_eq!(direction(-1.0, -9.0), "blue");
    }
}
