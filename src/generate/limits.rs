//! What a model can make: what is refused before it is asked, and the size to ask for instead.

use super::backend::Request;
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

/// What `generate_image` takes, in pixels.
const SIDES: [u32; 2] = [64, 2048];
/// What most models want.
const UNIT: u32 = 8;
/// The default side of `generate_image`, for a model of which nothing is said.
const NATIVE: u32 = 512;

/// What a model can: ranges with both ends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_inference_steps: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_scale: Option<[f64; 2]>,
    /// Sides are multiples of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiple_of: Option<u32>,
    /// The only sizes, as `[width, height]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Vec<[u32; 2]>>,
    /// The side of the squares that the model was made with; parts of pictures are sent with as many pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<u32>,
}

impl Limits {
    /// What a picture cannot be, before anybody is asked.
    ///
    /// # Errors
    /// `invalid_argument` with the range.
    pub fn check(&self, wanted: &Request, name: &str) -> Result<()> {
        let outside = |what: &str, given: String, range: String| {
            Err(Error::new(
                Kind::InvalidArgument,
                format!("`{what}` must be {range} for the backend `{name}`, got {given}"),
            )
            .hint("give another value, or another backend or model: list_generation_backends shows them"))
        };
        let sides = [("width", wanted.width, self.width), ("height", wanted.height, self.height)];
        let steps = [("num_inference_steps", wanted.num_inference_steps, self.num_inference_steps)];
        for (what, given, range) in sides.iter().chain(&steps) {
            if let Some([least, most]) = range
                && !(least..=most).contains(&given)
            {
                return outside(what, given.to_string(), format!("from {least} to {most}"));
            }
        }
        if let Some([least, most]) = self.guidance_scale
            && !(least..=most).contains(&wanted.guidance_scale)
        {
            return outside("guidance_scale", wanted.guidance_scale.to_string(), format!("from {least} to {most}"));
        }
        for (what, given, _) in sides {
            if let Some(unit) = self.multiple_of.filter(|unit| *unit > 0 && given % unit != 0) {
                return outside(what, given.to_string(), format!("a multiple of {unit}"));
            }
        }
        if let Some(sizes) = &self.sizes
            && !sizes.contains(&[wanted.width, wanted.height])
        {
            let all: Vec<String> = sizes.iter().map(|[width, height]| format!("{width} x {height}")).collect();
            return outside(
                "width",
                format!("{} x {}", wanted.width, wanted.height),
                format!("with `height` one of {}", all.join(", ")),
            );
        }
        Ok(())
    }

    pub fn says_sizes(&self) -> bool {
        self.sizes.is_some() || self.multiple_of.is_some() || self.width.is_some() || self.height.is_some()
    }

    /// Both together.
    pub fn and(&self, other: &Limits) -> Limits {
        fn range<T: PartialOrd + Copy>(one: Option<[T; 2]>, other: Option<[T; 2]>) -> Option<[T; 2]> {
            let (Some([least, most]), Some([low, high])) = (one, other) else { return one.or(other) };
            Some([if low > least { low } else { least }, if high < most { high } else { most }])
        }
        let unit = [self.multiple_of, other.multiple_of].into_iter().flatten().filter(|unit| *unit > 0);
        Limits {
            width: range(self.width, other.width),
            height: range(self.height, other.height),
            num_inference_steps: range(self.num_inference_steps, other.num_inference_steps),
            guidance_scale: range(self.guidance_scale, other.guidance_scale),
            multiple_of: unit.reduce(common),
            sizes: match (&self.sizes, &other.sizes) {
                (Some(own), Some(all)) => Some(own.iter().filter(|size| all.contains(size)).copied().collect()),
                (own, all) => own.clone().or_else(|| all.clone()),
            },
            native: self.native.or(other.native),
        }
    }

    /// The size to ask for where an area of this shape is wanted: as near to its shape as may be, with as many pixels as
    /// the model was made for.
    pub fn size_for(&self, width: u32, height: u32) -> (u32, u32) {
        let (wide, high) = (f64::from(width.max(1)), f64::from(height.max(1)));
        let fitting = self.sizes.iter().flatten().min_by(|one, other| {
            let off = |[width, height]: &[u32; 2]| {
                let shape = (f64::from(*width) * high / (f64::from(*height) * wide)).ln().abs();
                let pixels = f64::from(*width) * f64::from(*height) / (wide * high);
                // Of one shape the smallest that holds all its detail, else the largest.
                ((shape * 1e6).round(), if pixels >= 1.0 { pixels } else { f64::MAX * (1.0 - pixels) })
            };
            off(one).partial_cmp(&off(other)).unwrap_or(std::cmp::Ordering::Equal)
        });
        if let Some([width, height]) = fitting {
            return (*width, *height);
        }
        let native = f64::from(self.native.unwrap_or(NATIVE));
        let unit = self.multiple_of.filter(|unit| *unit > 0).unwrap_or(UNIT);
        let [widths, heights] = [self.width, self.height].map(|range| range.unwrap_or(SIDES));
        let most = |side: f64, range: [u32; 2]| f64::from(range[1]) / side;
        let scale = (native * native / (wide * high)).sqrt().min(most(wide, widths)).min(most(high, heights));
        (step(wide * scale, unit, widths), step(high * scale, unit, heights))
    }
}

/// The nearest multiple in a range; the range's end where none is in it.
fn step(side: f64, unit: u32, [least, most]: [u32; 2]) -> u32 {
    let (low, high) = (least.div_ceil(unit) * unit, most / unit * unit);
    let nearest = (side / f64::from(unit)).round() as u32 * unit;
    if low > high { most } else { nearest.clamp(low, high) }
}

/// The least common multiple.
fn common(one: u32, other: u32) -> u32 {
    let (mut divisor, mut rest) = (one, other);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    one / divisor * other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_asked_for_at_the_models_own_size() {
        let free = Limits::default();
        assert_eq!(free.size_for(100, 100), (512, 512));
        assert_eq!(free.size_for(3000, 1500), (728, 360));
        assert_eq!(free.size_for(10_000, 10), (2048, 64), "as far as the sides go");
        let large = Limits { native: Some(1024), multiple_of: Some(64), ..free.clone() };
        assert_eq!(large.size_for(300, 200), (1280, 832));
        let narrow = Limits { width: Some([256, 700]), ..large.clone() };
        assert_eq!(narrow.size_for(300, 200), (640, 448));
        let fixed = Limits { sizes: Some(vec![[1024, 1024], [256, 256], [1536, 1024], [512, 512]]), ..free };
        for (area, size) in [((300, 300), (512, 512)), ((900, 600), (1536, 1024)), ((4000, 4000), (1024, 1024))] {
            assert_eq!(fixed.size_for(area.0, area.1), size, "{area:?}");
        }
    }

    #[test]
    fn limits_of_two_are_kept_together() {
        let one = Limits { width: Some([64, 512]), multiple_of: Some(8), native: Some(512), ..Limits::default() };
        let other = Limits { width: Some([256, 1024]), multiple_of: Some(12), ..Limits::default() };
        let both = one.and(&other);
        assert_eq!((both.width, both.multiple_of, both.native), (Some([256, 512]), Some(24), Some(512)));
    }
}
