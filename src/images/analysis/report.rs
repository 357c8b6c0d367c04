//! The tally's sums as the API's fields.

use super::spatial::Spatial;
use super::tally::{CELLS, Tally};
use super::{Detail, Pixels, colour, judge};
use serde::Serialize;
use serde_json::{Value, json};

/// What is known of a picture; the specification's fields, and with [`Detail::Detailed`] more beside them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Analysis {
    pub dimensions: Dimensions,
    pub color_analysis: ColorAnalysis,
    #[serde(flatten)]
    pub details: Option<Details>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dimensions {
    pub width: u32,
    pub height: u32,
    /// Two places.
    pub aspect_ratio: f64,
}

/// Null where no pixel counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColorAnalysis {
    pub average_color: Option<Rgb>,
    /// Mean luma, 0 to 255, two places.
    pub brightness: Option<f64>,
    /// Standard deviation of luma, two places.
    pub contrast: Option<f64>,
    pub is_grayscale: bool,
    /// Names, the largest share first.
    pub dominant_colors: Vec<String>,
    /// With [`Detail::Detailed`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub palette: Vec<Swatch>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rgb {
    pub rgb: [u8; 3],
    pub hex: String,
}

/// All pixels of one colour name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Swatch {
    pub name: String,
    #[serde(flatten)]
    pub mean: Rgb,
    /// 0 to 1, four places.
    pub share: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Details {
    pub histogram: Histogram,
    pub clipping: Clipping,
    pub exposure: Option<Exposure>,
    pub saturation: Saturation,
    pub color_cast: Option<ColorCast>,
    /// Null below 3 x 3 pixels.
    pub sharpness: Option<Sharpness>,
    pub noise: Option<Noise>,
    pub transparency: Transparency,
}

/// Weight by value; as JSON, shares of the whole in fewer bins, four places.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    pub luma: Vec<u64>,
    pub red: Vec<u64>,
    pub green: Vec<u64>,
    pub blue: Vec<u64>,
}

/// Shares that lost their detail, four places.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clipping {
    /// Luma 0 or 1.
    pub shadows: f64,
    /// Luma 254 or 255.
    pub highlights: f64,
    pub red: Ends,
    pub green: Ends,
    pub blue: Ends,
}

/// Shares at exactly 0 and exactly 255.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ends {
    pub shadows: f64,
    pub highlights: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exposure {
    pub judgement: &'static str,
    pub reason: String,
    pub percentiles: Percentiles,
}

/// Luma that so many percent of the weight do not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    pub p1: u8,
    pub p5: u8,
    pub p50: u8,
    pub p95: u8,
    pub p99: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Saturation {
    /// HSV saturation, the mean weighted by value, 0 to 1, four places.
    pub mean: f64,
    /// Hasler and Süsstrunk's M, two places.
    pub colorfulness: f64,
    pub judgement: &'static str,
}

/// Mean a* and b* of CIE Lab.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColorCast {
    pub a: f64,
    pub b: f64,
    pub strength: f64,
    pub direction: &'static str,
    pub judgement: &'static str,
    /// `neutral_pixels`, or `all_pixels` where hardly any is near grey.
    pub basis: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sharpness {
    /// Two places.
    pub laplacian_variance: f64,
    pub judgement: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Noise {
    /// Standard deviation, 0 to 255, two places.
    pub sigma: f64,
    pub judgement: &'static str,
}

/// Shares of the selection, four places.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transparency {
    pub has_alpha: bool,
    pub transparent: f64,
    pub translucent: f64,
}

impl Analysis {
    /// The API's answer. `bins` is how many bins each histogram is reduced to: a power of two, 2 to 256.
    pub fn to_json(&self, bins: usize) -> Value {
        let mut answer = serde_json::to_value(self).unwrap_or_default();
        if let (Some(details), Some(histogram)) = (&self.details, answer.get_mut("histogram")) {
            *histogram = details.histogram.to_json(bins);
        }
        answer
    }
}

impl Histogram {
    fn to_json(&self, bins: usize) -> Value {
        let bins = bins.clamp(2, 256).next_power_of_two();
        let total = self.luma.iter().sum::<u64>().max(1) as f64;
        let reduce = |counts: &[u64]| -> Vec<f64> {
            counts.chunks_exact(256 / bins).map(|bin| round(bin.iter().sum::<u64>() as f64 / total, 4)).collect()
        };
        json!({
            "bins": bins,
            "luma": reduce(&self.luma),
            "red": reduce(&self.red),
            "green": reduce(&self.green),
            "blue": reduce(&self.blue),
        })
    }
}

impl Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json(32).serialize(serializer)
    }
}

/// Rounds half up.
pub fn round(value: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (value * scale + 0.5).floor() / scale
}

/// Population variance from a count, a sum and a sum of squares, exact until the last step.
pub fn variance(count: u64, sum: i64, squares: u64) -> Option<f64> {
    let (n, sum) = (i128::from(count), i128::from(sum));
    (count > 0).then(|| (n * i128::from(squares) - sum * sum) as f64 / (n as f64 * n as f64))
}

pub fn from_tally(pixels: &Pixels, tally: &Tally, detail: Detail) -> Analysis {
    let (width, height) = (pixels.width, pixels.height);
    let any = tally.weight > 0;
    let (brightness, contrast) = moments(&tally.luma);
    let swatches = swatches(tally);
    let mut dominant: Vec<String> =
        swatches.iter().filter(|swatch| swatch.share >= 0.05).take(5).map(|swatch| swatch.name.clone()).collect();
    if dominant.is_empty() {
        dominant.extend(swatches.first().map(|swatch| swatch.name.clone()));
    }
    let detailed = detail == Detail::Detailed;
    let palette = swatches.into_iter().filter(|swatch| detailed && swatch.share >= 0.01).take(8).collect();
    Analysis {
        dimensions: Dimensions { width, height, aspect_ratio: round(f64::from(width) / f64::from(height), 2) },
        color_analysis: ColorAnalysis {
            average_color: any.then(|| average(tally)),
            brightness: any.then(|| round(brightness, 2)),
            contrast: any.then(|| round(contrast, 2)),
            // JPEG's rounding may part the channels of a grey picture by 1 or 2.
            is_grayscale: tally.spread <= 2,
            dominant_colors: dominant,
            palette,
        },
        details: detailed.then(|| details(pixels, tally, contrast)),
    }
}

fn details(pixels: &Pixels, tally: &Tally, contrast: f64) -> Details {
    let ends = |channel: usize| Ends {
        shadows: round(judge::share(&tally.channels[channel], 0, 1), 4),
        highlights: round(judge::share(&tally.channels[channel], 255, 256), 4),
    };
    let mut spatial = tally.spatial.as_ref().map(clone_sums);
    let sharpness = spatial.as_ref().and_then(Spatial::sharpness);
    let noise = spatial.as_mut().and_then(Spatial::noise_sigma);
    let [red, green, blue] = tally.channels.each_ref().map(|counts| counts.to_vec());
    Details {
        histogram: Histogram { luma: tally.luma.to_vec(), red, green, blue },
        clipping: Clipping {
            shadows: round(judge::share(&tally.luma, 0, 2), 4),
            highlights: round(judge::share(&tally.luma, 254, 256), 4),
            red: ends(0),
            green: ends(1),
            blue: ends(2),
        },
        exposure: (tally.weight > 0).then(|| exposure(&tally.luma)),
        saturation: saturation(tally),
        color_cast: cast(tally),
        sharpness: sharpness.map(|value| Sharpness {
            laplacian_variance: round(value, 2),
            judgement: judge::sharpness(value, noise.unwrap_or(0.0), contrast),
        }),
        noise: noise.map(|sigma| Noise { sigma: round(sigma, 2), judgement: judge::noise(sigma) }),
        transparency: Transparency {
            has_alpha: pixels.channels.is_multiple_of(2),
            transparent: round(tally.transparent as f64 / tally.selected as f64, 4),
            translucent: round(tally.translucent as f64 / tally.selected as f64, 4),
        },
    }
}

/// The sums without the rows that were being read.
fn clone_sums(spatial: &Spatial) -> Spatial {
    let mut sums = Spatial::new(0);
    sums.add(spatial);
    sums
}

/// Mean and standard deviation of a histogram.
fn moments(histogram: &[u64; 256]) -> (f64, f64) {
    let (mut weight, mut sum, mut squares) = (0u128, 0u128, 0u128);
    for (value, &count) in histogram.iter().enumerate() {
        let (value, count) = (value as u128, u128::from(count));
        weight += count;
        sum += count * value;
        squares += count * value * value;
    }
    if weight == 0 {
        return (0.0, 0.0);
    }
    let n = weight as f64;
    let variance = (weight * squares - sum * sum) as f64 / (n * n);
    (sum as f64 / n, variance.sqrt())
}

/// The mean of a sum of `[weight, red, green, blue]`, each channel rounded half up.
fn mean_of([weight, red, green, blue]: [u64; 4]) -> Rgb {
    let rgb = [red, green, blue].map(|sum| ((2 * sum + weight) / (2 * weight.max(1))) as u8);
    Rgb { rgb, hex: format!("#{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2]) }
}

fn average(tally: &Tally) -> Rgb {
    let mut sum = [0; 4];
    for cell in &tally.cells {
        sum.iter_mut().zip(cell).for_each(|(sum, value)| *sum += value);
    }
    mean_of(sum)
}

/// All colour names that occur, the largest share first; of equal ones, the name that comes first.
fn swatches(tally: &Tally) -> Vec<Swatch> {
    let mut groups: Vec<(&str, [u64; 4])> = Vec::new();
    for cell in tally.cells.iter().filter(|cell| cell[0] > 0) {
        let name = colour::name(cell_mean(cell));
        match groups.iter_mut().find(|group| group.0 == name) {
            Some(group) => group.1.iter_mut().zip(cell).for_each(|(sum, value)| *sum += value),
            None => groups.push((name, *cell)),
        }
    }
    groups.sort_by(|a, b| b.1[0].cmp(&a.1[0]).then(a.0.cmp(b.0)));
    let share = |weight: u64| round(weight as f64 / tally.weight as f64, 4);
    let swatch = |(name, sum): (&str, [u64; 4])| Swatch { name: name.into(), mean: mean_of(sum), share: share(sum[0]) };
    groups.into_iter().map(swatch).collect()
}

fn cell_mean(cell: &[u64; 4]) -> [f64; 3] {
    [1, 2, 3].map(|channel: usize| cell[channel] as f64 / cell[0] as f64)
}

fn exposure(luma: &[u64; 256]) -> Exposure {
    let (judgement, reason) = judge::exposure(luma);
    let [p1, p5, p50, p95, p99] = [1, 5, 50, 95, 99].map(|percent| judge::percentile(luma, percent));
    Exposure { judgement, reason, percentiles: Percentiles { p1, p5, p50, p95, p99 } }
}

fn saturation(tally: &Tally) -> Saturation {
    let mean = if tally.sum_max == 0 { 0.0 } else { tally.sum_spread as f64 / tally.sum_max as f64 };
    let [(rg, rg2), (yb, yb2)] = tally.opponents;
    let part = |sum, squares| variance(tally.weight, sum, squares).unwrap_or(0.0);
    let n = tally.weight.max(1) as f64;
    // The second opponent is kept twice its size.
    let spread = (part(rg, rg2) + part(yb, yb2) / 4.0).sqrt();
    let offset = (rg as f64 / n).hypot(yb as f64 / n / 2.0);
    let colorfulness = spread + 0.3 * offset;
    Saturation {
        mean: round(mean, 4),
        colorfulness: round(colorfulness, 2),
        judgement: judge::colorfulness(colorfulness),
    }
}

/// The mean tint of what is nearly grey (chroma under 20, L* 15 to 97); of everything, where that is under a
/// twentieth of the weight: then a cast cannot be told from a coloured subject, and `basis` says so.
fn cast(tally: &Tally) -> Option<ColorCast> {
    let mut near = (0.0, 0.0, 0.0);
    let mut all = (0.0, 0.0, 0.0);
    for cell in tally.cells.iter().take(CELLS).filter(|cell| cell[0] > 0) {
        let [l, a, b] = colour::lab(cell_mean(cell));
        let weight = cell[0] as f64;
        let add = |sum: &mut (f64, f64, f64)| *sum = (sum.0 + weight, sum.1 + weight * a, sum.2 + weight * b);
        add(&mut all);
        if a.hypot(b) < 20.0 && (15.0..97.0).contains(&l) {
            add(&mut near);
        }
    }
    let neutral = near.0 * 20.0 >= all.0;
    let (weight, a, b) = if neutral { near } else { all };
    (weight > 0.0).then(|| {
        let (a, b) = (a / weight, b / weight);
        let strength = a.hypot(b);
        let judgement = judge::cast(strength);
        ColorCast {
            a: round(a, 2),
            b: round(b, 2),
            strength: round(strength, 2),
            direction: if judgement == "none" { "none" } else { colour::direction(a, b) },
            judgement,
            basis: if neutral { "neutral_pixels" } else { "all_pixels" },
        }
    })
}
