//! A wish with what is known of the image, and the amounts that follow from both.

use super::Knowledge;
use super::wish::{Unit, Wish};
use serde_json::Value;

/// Luminance, 0 to 255, that a well exposed photo has about.
const MIDDLE: f64 = 118.0;

pub struct Scene<'a> {
    pub wish: Wish,
    knowledge: Knowledge<'a>,
}

impl<'a> Scene<'a> {
    pub fn new(wish: Wish, knowledge: Knowledge<'a>) -> Scene<'a> {
        Scene { wish, knowledge }
    }

    pub fn says(&self, pattern: &'static str) -> bool {
        super::intent::is_match(pattern, &self.wish.text)
    }

    /// The image's width and height, from its state or its analysis.
    pub fn size(&self) -> Option<(f64, f64)> {
        let of = |value: &Value| Some((value["width"].as_f64()?, value["height"].as_f64()?));
        let state = self.knowledge.image_state;
        let places = [
            state.and_then(|state| of(&state["metadata"])),
            state.and_then(|state| of(&state["basic"])),
            state.and_then(|state| of(&state["image_dimensions"])),
            state.and_then(of),
            self.analysis().and_then(|analysis| of(&analysis["dimensions"])),
        ];
        places.into_iter().flatten().find(|(width, height)| *width >= 1.0 && *height >= 1.0)
    }

    /// A length of `share` of the image's mean side, at least `least`; `least` alone where the size is not known.
    pub fn length(&self, share: f64, least: f64) -> f64 {
        self.size().map_or(least, |(width, height)| (share * (width * height).sqrt()).max(least)).round()
    }

    fn analysis(&self) -> Option<&'a Value> {
        let analysis = self.knowledge.analysis?;
        Some(if analysis["analysis"].is_object() { &analysis["analysis"] } else { analysis })
    }

    fn color_figure(&self, name: &str) -> Option<f64> {
        self.analysis()?["color_analysis"][name].as_f64()
    }

    /// Mean luminance, 0 to 255.
    pub fn brightness(&self) -> Option<f64> {
        self.color_figure("brightness")
    }

    /// Standard deviation of the luminance, 0 to 128.
    pub fn contrast(&self) -> Option<f64> {
        self.color_figure("contrast")
    }

    pub fn is_grayscale(&self) -> bool {
        self.analysis().is_some_and(|analysis| analysis["color_analysis"]["is_grayscale"] == true)
    }

    /// Where a copy goes: a quoted path, or beside the image's own file.
    pub fn path(&self) -> Option<String> {
        let quoted = self.wish.quoted.iter().find(|text| text.starts_with(['/', '~'])).cloned();
        quoted.or_else(|| {
            let own = std::path::Path::new(self.knowledge.image_state?["basic"]["path"].as_str()?);
            let name = format!("{}-small.jpg", own.file_stem()?.to_str()?);
            Some(own.with_file_name(name).to_str()?.to_owned())
        })
    }

    /// Whether a selection says where; `None` where nothing is known of it.
    pub fn has_selection(&self) -> Option<bool> {
        self.knowledge.image_state?["selection"]["empty"].as_bool().map(|empty| !empty)
    }

    /// A number said without a unit, or a percentage: an amount as the user gave it.
    pub fn given(&self) -> Option<f64> {
        self.wish.percent.or_else(|| self.wish.number.filter(|(_, unit)| *unit == Unit::None).map(|(value, _)| value))
    }

    /// Whether a number is said with a minus.
    pub fn is_negative(&self) -> bool {
        self.wish.percent.or(self.wish.number.map(|(value, _)| value)).is_some_and(|value| value < 0.0)
    }

    /// A number said as pixels, or without a unit.
    pub fn pixels(&self) -> Option<f64> {
        self.wish.number.filter(|(_, unit)| matches!(unit, Unit::None | Unit::Pixels)).map(|(value, _)| value)
    }

    /// `usual` times what was said of the strength, or the given number; never over `limit`, with the direction's sign.
    pub fn amount(&self, usual: f64, limit: f64, direction: f64) -> f64 {
        // "By half" and "twice as much" are shares of what there is, as a percentage is
        let share = self.wish.factor.map(|factor| (factor - 1.0).abs() * 100.0);
        let given = self.given().or(share);
        // "-15" is less, whatever it is said of
        let direction = if given.is_some_and(|given| given < 0.0) { -1.0 } else { direction };
        let amount = given.map_or(usual * self.wish.strength, f64::abs);
        (amount.min(limit) * direction * 10.0).round() / 10.0
    }

    /// How much brighter or darker, for a usual step of 30: a dark image takes more light, a bright one less.
    pub fn light_step(&self, direction: f64) -> f64 {
        let Some(mean) = self.brightness() else { return 30.0 };
        let room = if direction > 0.0 { 255.0 - mean } else { mean };
        let wanted = 30.0 * room / (255.0 - MIDDLE);
        // "Too dark" asks for the middle, not for a step
        let missing = if self.says(r"\b(too|so|very) (dark|bright|light)|under-?exposed|over-?exposed") {
            (MIDDLE - mean) * direction * 0.6
        } else {
            0.0
        };
        wanted.max(missing).clamp(6.0, 80.0).round()
    }

    /// +1 or -1 from the words, with what it is when nothing is said.
    pub fn direction(&self, unsaid: f64) -> f64 {
        match self.wish.direction {
            0 => unsaid,
            direction => f64::from(direction),
        }
    }
}
