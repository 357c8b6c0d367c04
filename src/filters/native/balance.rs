//! Whether a picture's light has a colour of its own that a camera should have taken out.
//!
//! A coloured light moves every grey thing to the same ratios of red and blue to green, however bright it is. So a cast
//! is believed only where many pixels share such ratios near grey, bright and dark ones, in several parts of the
//! picture, the brightest things among them, and nothing is truly grey. A sunset, foliage or a red wall give no such
//! evidence: their pixels near grey are the thin end of a colour that is the subject's own.

use crate::filters::Picture;

/// Natural logarithms of red and of blue over green, in light.
type Ratios = [f64; 2];

/// Most pixels that are looked at.
const SEEN: usize = 1 << 18;
/// Ratios further from grey are a colour.
const REACH: f64 = 0.6;
const CELLS: usize = 48;
/// Pixels that far from each other count as the same ratios.
const ALIKE: f64 = 0.08;
/// Weaker casts are nobody's trouble; stronger ones are the evening sun's, a lamp's, or the subject's own.
const WEAKEST: f64 = 0.07;
const STRONGEST: f64 = 0.34;
/// Share of the picture that must have the same ratios for a cast to be believed at all, and to be believed fully.
const SOME: f64 = 0.06;
const MUCH: f64 = 0.2;
/// The share that is needed where all else leans the same way: mortar between bricks takes their colour.
const MOST: f64 = 0.4;
/// Most that is taken out, from blue to yellow, which is how lights differ, and from green to magenta, which they
/// rarely do, and leaves do.
const MOST_WARMTH: f64 = 0.2;
const MOST_TINT: f64 = 0.06;
/// Of the rest: what is left is taken for the mood of the light.
const TAKEN: f64 = 0.85;

/// A cast that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cast {
    ratios: Ratios,
    /// Of the picture.
    share: f64,
}

/// A pixel that tells something: not black, not clipped.
#[derive(Clone, Copy)]
struct Seen {
    ratios: Ratios,
    /// Logarithm.
    light: f64,
    /// Which of 4 by 4 parts of the picture it lies in.
    part: usize,
}

impl Cast {
    /// Gains of red and blue that take it out, `strength` 0 to 1; green's is 1.
    pub fn gains(self, strength: f64) -> [f64; 2] {
        let belief = ((self.share - SOME) / (MUCH - SOME)).clamp(0.3, 1.0);
        let [red, blue] = self.ratios;
        let tint = ((red + blue) / 2.0 * TAKEN).clamp(-MOST_TINT, MOST_TINT);
        let warmth = ((red - blue) / 2.0 * TAKEN).clamp(-MOST_WARMTH, MOST_WARMTH);
        [tint + warmth, tint - warmth].map(|ratio| (-ratio * belief * strength).exp())
    }

    /// The reason, for the user.
    pub fn why(self) -> String {
        let [red, blue] = self.ratios;
        let direction = match ((red - blue) / 2.0, (red + blue) / 2.0) {
            (warmth, tint) if warmth.abs() >= tint.abs() => ["blue", "yellow"][usize::from(warmth > 0.0)],
            (_, tint) => ["green", "magenta"][usize::from(tint > 0.0)],
        };
        format!(
            "what should be grey, {:.0} % of the picture, bright and dark, leans to {direction}",
            self.share * 100.0
        )
    }
}

/// The cast, if there is evidence for one.
pub fn cast(picture: &Picture) -> Option<Cast> {
    let (seen, count) = look(picture);
    let count = count as f64;
    let near = |middle: Ratios, reach: f64| {
        seen.iter().filter(move |pixel| distance(pixel.ratios, middle) < reach).copied().collect::<Vec<Seen>>()
    };
    // Where things are grey, the light has no colour, whatever the rest is.
    if believable(&near([0.0, 0.0], WEAKEST * 0.7), count * SOME / 2.0) {
        return None;
    }
    let mut middle = densest(&seen)?;
    for _ in 0..4 {
        let members = near(middle, ALIKE);
        let mean = |axis: usize| members.iter().map(|pixel| pixel.ratios[axis]).sum::<f64>() / members.len() as f64;
        middle = if members.is_empty() { return None } else { [mean(0), mean(1)] };
    }
    let members = near(middle, ALIKE);
    let strength = distance(middle, [0.0, 0.0]);
    let toward = |pixel: &Seen| (pixel.ratios[0] * middle[0] + pixel.ratios[1] * middle[1]) / strength.max(1e-9);
    let others: Vec<f64> = seen.iter().filter(|pixel| distance(pixel.ratios, middle) >= ALIKE).map(toward).collect();
    let same_way = others.iter().sum::<f64>() / others.len().max(1) as f64 > 1.5 * strength;
    let least = if same_way { MOST } else { SOME };
    if !(WEAKEST..STRONGEST).contains(&strength) || !believable(&members, count * least) {
        return None;
    }
    // A hill of its own, and not the slope of another: the ring around is three times as large and must not be as dense.
    let ring = near(middle, 2.0 * ALIKE).len() - members.len();
    if (members.len() as f64) < 2.0 * ring as f64 / 3.0 {
        return None;
    }
    // The brightest things reflect the light as it is.
    let mut lights: Vec<f64> = seen.iter().map(|pixel| pixel.light).collect();
    lights.sort_by(f64::total_cmp);
    let bright = lights[lights.len() - 1 - lights.len() / 50];
    let brightest: Vec<&Seen> = seen.iter().filter(|pixel| pixel.light >= bright).collect();
    let fitting = brightest.iter().filter(|pixel| distance(pixel.ratios, middle) < 2.0 * ALIKE).count();
    (fitting * 2 >= brightest.len()).then_some(Cast { ratios: middle, share: members.len() as f64 / count })
}

/// Whether these pixels, which have the same ratios, can be grey things in coloured light: many, of different
/// brightness, and not all in one place. One pale wall is none.
fn believable(members: &[Seen], least: f64) -> bool {
    if members.is_empty() || (members.len() as f64) < least {
        return false;
    }
    let n = members.len() as f64;
    let mean = members.iter().map(|pixel| pixel.light).sum::<f64>() / n;
    let spread = (members.iter().map(|pixel| (pixel.light - mean).powi(2)).sum::<f64>() / n).sqrt();
    let mut parts = [0usize; 16];
    members.iter().for_each(|pixel| parts[pixel.part] += 1);
    let reached = parts.iter().filter(|&&count| count as f64 > n / 64.0).count();
    spread > 0.3 && reached >= 4
}

fn distance(a: Ratios, b: Ratios) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// What can be told of the picture's pixels, and how many are there to be seen, clipped and black ones too.
fn look(picture: &Picture) -> (Vec<Seen>, usize) {
    let (width, height, channels) = (picture.width, picture.height, picture.channels);
    let every = (width * height).div_ceil(SEEN).max(1);
    let (mut seen, mut count) = (Vec::new(), 0);
    let mut pixel = [0.0f32; 4];
    if channels < 3 {
        return (seen, count);
    }
    for at in (0..width * height).step_by(every) {
        picture.samples.read(at * channels, &mut pixel[..channels]);
        if channels == 4 && pixel[3] < 0.5 {
            continue;
        }
        count += 1;
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(linear);
        let light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        if red.max(green).max(blue) > 0.95 || red.min(green).min(blue) < 0.004 || light < 0.02 {
            continue;
        }
        let ratios = [(red / green).ln(), (blue / green).ln()];
        let part = (at / width * 4 / height) * 4 + at % width * 4 / width;
        seen.push(Seen { ratios, light: light.ln(), part });
    }
    (seen, count)
}

fn linear(value: f32) -> f64 {
    let value = f64::from(value).clamp(0.0, 1.0);
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// The ratios near grey that most pixels have.
fn densest(seen: &[Seen]) -> Option<Ratios> {
    let cell = 2.0 * REACH / CELLS as f64;
    let mut counts = vec![0u32; CELLS * CELLS];
    for pixel in seen.iter().filter(|pixel| pixel.ratios.iter().all(|ratio| ratio.abs() < REACH)) {
        let [x, y] = pixel.ratios.map(|ratio| (((ratio + REACH) / cell) as usize).min(CELLS - 1));
        counts[y * CELLS + x] += 1;
    }
    // Over 3 x 3 cells, and only where a cast can be.
    let around = |x: usize, y: usize| -> u32 {
        (y - 1..=y + 1).map(|y| counts[y * CELLS + x - 1..=y * CELLS + x + 1].iter().sum::<u32>()).sum()
    };
    let place = |x: usize, y: usize| [x, y].map(|at| (at as f64 + 0.5) * cell - REACH);
    let inner = (1..CELLS - 1).flat_map(|y| (1..CELLS - 1).map(move |x| (x, y)));
    let best = inner.filter(|&(x, y)| distance(place(x, y), [0.0, 0.0]) < STRONGEST).max_by_key(|&(x, y)| around(x, y));
    best.filter(|&(x, y)| around(x, y) > 0).map(|(x, y)| place(x, y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::Samples;
    use crate::filters::native::random::Random;

    /// A picture from colours in light, 0 to 1.
    fn picture(colour: impl Fn(f64, f64, f64) -> [f64; 3]) -> Picture {
        let (width, height) = (160, 120);
        let mut samples = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let chance = f64::from(Random::new(x as u64, y as u64).unit());
                let light = colour(x as f64 / width as f64, y as f64 / height as f64, chance);
                samples.extend(light.map(|value: f64| (value.clamp(0.0, 1.0).powf(1.0 / 2.2) * 255.0).round() as u8));
            }
        }
        Picture { width, height, channels: 3, samples: Samples::U8(samples) }
    }

    /// A street of grey things, some coloured ones between, in a light of this colour.
    fn street(light: [f64; 3]) -> Picture {
        picture(move |x, y, chance| {
            let grey = 0.05 + 0.7 * ((x * 9.0).sin() * (y * 7.0).cos()).abs() + 0.05 * chance;
            let thing = if ((x * 8.0) as usize).is_multiple_of(3) { [1.0, 0.4, 0.2] } else { [1.0; 3] };
            std::array::from_fn(|c| grey * thing[c] * light[c])
        })
    }

    #[test]
    fn grey_things_in_coloured_light_tell_its_colour() {
        let mild = cast(&street([1.1, 1.0, 0.85])).unwrap();
        assert!(distance(mild.ratios, [1.1f64.ln(), 0.85f64.ln()]) < 0.02, "{mild:?}");
        let [red, blue] = mild.gains(1.0);
        assert!((0.89..0.95).contains(&red) && (1.1..1.18).contains(&blue), "{red} {blue}");
        assert!(mild.why().contains("yellow"), "{}", mild.why());
        let cold = cast(&street([0.88, 1.0, 1.12])).unwrap();
        assert!(cold.gains(1.0)[0] > 1.08 && cold.why().contains("blue"));
        assert_eq!(cold.gains(0.0), [1.0, 1.0]);
        // Where it is not sure, half is enough.
        let doubtful = Cast { share: SOME, ..mild };
        assert!(doubtful.gains(1.0)[1] < 1.05);
    }

    #[test]
    fn green_light_is_hardly_believed() {
        let green = cast(&street([0.87, 1.0, 0.87])).unwrap();
        assert!(green.gains(1.0).iter().all(|gain| (1.03..1.07).contains(gain)), "{:?}", green.gains(1.0));
    }

    #[test]
    fn pictures_without_a_grey_are_left_as_they_are() {
        // The sky from red over orange to a pale blue, its reflection, a dark shore.
        let sunset = picture(|x, y, chance| match y {
            y if (0.55..0.65).contains(&y) => [0.03 + 0.02 * chance, 0.02, 0.02],
            y => {
                let high = (y - 0.6).abs() / 0.6;
                let glow = (1.0 - (x - 0.5).abs()) * (1.0 - high);
                [0.25 + 0.7 * glow, 0.18 + 0.45 * glow * glow + 0.1 * high, 0.16 + 0.2 * high + 0.03 * chance]
            }
        });
        // Leaves in all lights, some dry, a little sky between.
        let foliage = picture(|x, y, chance| {
            let light = 0.05 + 0.5 * chance * (0.3 + ((x * 31.0).sin() * (y * 27.0).cos()).abs());
            let dry = ((x * 13.0 + y * 5.0).sin() * 0.5 + 0.5).powi(3);
            [light * (0.6 + 0.5 * dry), light, light * (0.25 + 0.2 * dry)]
        });
        // Bricks in sun and shadow, with joints of warm mortar.
        let wall = picture(|x, y, chance| {
            let light = if x > y { 0.7 } else { 0.25 } * (0.8 + 0.4 * chance);
            let joint = (y * 20.0).fract() < 0.12 || (x * 9.0 + (y * 20.0).floor() * 0.5).fract() < 0.06;
            if joint { [light * 0.75, light * 0.6, light * 0.48] } else { [light, light * 0.3, light * 0.2] }
        });
        // One pale wall in even light: nobody knows whether the paint or the light is warm.
        let pale = picture(|_, _, chance| [0.5, 0.46, 0.4].map(|value| value * (0.95 + 0.1 * chance)));
        let sea =
            picture(|_, y, chance| [0.1 + 0.1 * y, 0.2 + 0.2 * y, 0.35 + 0.25 * y].map(|v| v * (0.9 + 0.2 * chance)));
        for (name, scene) in [("sunset", sunset), ("foliage", foliage), ("wall", wall), ("pale", pale), ("sea", sea)] {
            assert_eq!(cast(&scene), None, "{name}");
        }
    }

    /// Coffee on a wooden table: warm as can be, and nothing is wrong with it.
    #[test]
    fn a_warm_photo_stays_warm() {
        for name in ["photo", "cup"] {
            let path = format!("{}/tests/filters/golden/bundled/{name}.png", env!("CARGO_MANIFEST_DIR"));
            let photo = image::open(path).unwrap().into_rgb8();
            let (width, height) = (photo.width() as usize, photo.height() as usize);
            let photo = Picture { width, height, channels: 3, samples: Samples::U8(photo.into_raw()) };
            assert_eq!(cast(&photo), None, "{name}");
        }
    }

    #[test]
    fn a_grey_thing_speaks_for_the_light() {
        // Warm things all over, one grey scale along the edge.
        let scene = picture(|x, y, chance| {
            let light = 0.05 + 0.6 * chance;
            if y < 0.12 { [x * 0.8 + 0.05; 3] } else { [light * 1.12, light, light * 0.84] }
        });
        assert_eq!(cast(&scene), None);
    }
}
