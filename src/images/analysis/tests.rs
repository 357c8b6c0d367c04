//! The analysis against numpy's figures, and its edges.

use super::{Detail, Pixels, Samples, analyse};
use crate::error::Kind;
use serde_json::Value;

/// The picture of `tests/analysis/reference.py`, sample for sample.
fn picture(width: i64, height: i64, channels: i64, top: i64, seed: i64) -> Vec<u16> {
    let hash = |x: i64, y: i64, c: i64| {
        let mut h = (x * 73856093) as u32 ^ (y * 19349663) as u32 ^ (c * 83492791) as u32 ^ seed as u32;
        h ^= h >> 13;
        h = h.wrapping_mul(1274126177);
        i64::from(h ^ h >> 16)
    };
    let mut samples = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        for c in 0..channels {
            let ramp = ((x * (7 + 3 * c) + y * (11 - 2 * c)) * top).div_euclid(width * 16 + height * 11);
            let noisy = if channels % 2 == 0 && c == channels - 1 {
                (x + y) * 3 * top / (width + height) - top
            } else {
                ramp + hash(x, y, c) % (top / 12 + 1) - top / 24
            };
            samples.push(noisy.clamp(0, top) as u16);
        }
    }
    samples
}

fn mask(width: i64, height: i64) -> Vec<u8> {
    let value = |x: i64, y: i64| (x * 400 / width + y * 200 / height - 150).clamp(0, 255) as u8;
    (0..height).flat_map(|y| (0..width).map(move |x| value(x, y))).collect()
}

/// Only the fields that are in `expected`.
fn assert_fields(found: &Value, expected: &Value, at: &str) {
    match expected {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| assert_fields(&found[key], value, &format!("{at}.{key}")));
        }
        Value::Number(number) => assert_eq!(found.as_f64(), number.as_f64(), "{at}"),
        Value::Array(items) => {
            assert_eq!(found.as_array().map(Vec::len), Some(items.len()), "{at}: {found}");
            let found = found.as_array().unwrap();
            found.iter().zip(items).enumerate().for_each(|(i, (f, e))| assert_fields(f, e, &format!("{at}[{i}]")));
        }
        _ => assert_eq!(found, expected, "{at}"),
    }
}

#[test]
fn every_figure_is_numpys() {
    let rows: Value = serde_json::from_str(include_str!("../../../tests/analysis/expected.json")).unwrap();
    for row in rows.as_array().unwrap() {
        let case = row["case"].as_array().unwrap();
        let [width, height, channels, depth, seed] = [0, 1, 2, 3, 4].map(|index: usize| case[index].as_i64().unwrap());
        let wide = picture(width, height, channels, (1 << depth) - 1, seed);
        let narrow: Vec<u8> = wide.iter().map(|&v| v as u8).collect();
        let samples = if depth == 8 { Samples::Eight(&narrow) } else { Samples::Sixteen(&wide) };
        let selection = mask(width, height);
        let mask = case[5].as_bool().unwrap().then_some(&selection[..]);
        let pixels = Pixels { width: width as u32, height: height as u32, channels: channels as u8, samples, mask };
        let found = analyse(&pixels, Detail::Detailed).unwrap().to_json(16);
        assert_fields(&found, &row["expected"], &format!("{case:?}"));
        // Basic is the same picture with less said about it.
        let basic = analyse(&pixels, Detail::Basic).unwrap().to_json(16);
        assert_eq!(basic["color_analysis"]["average_color"], found["color_analysis"]["average_color"]);
        assert_eq!(basic.as_object().unwrap().keys().collect::<Vec<_>>(), ["dimensions", "color_analysis"]);
        assert!(basic["color_analysis"].get("palette").is_none());
    }
}

fn rgba(samples: &[u8], mask: Option<&[u8]>, width: u32) -> Result<Value, crate::error::Error> {
    let height = samples.len() as u32 / 4 / width;
    let pixels = Pixels { width, height, channels: 4, samples: Samples::Eight(samples), mask };
    analyse(&pixels, Detail::Detailed).map(|analysis| analysis.to_json(32))
}

#[test]
fn what_cannot_be_seen_has_no_part() {
    let red_and_hidden_green = [255, 0, 0, 255, 0, 255, 0, 0];
    let found = rgba(&red_and_hidden_green, None, 2).unwrap();
    assert_eq!(found["color_analysis"]["average_color"]["hex"], "#ff0000");
    assert_eq!(found["transparency"]["transparent"], 0.5);
    let hidden = rgba(&[9, 9, 9, 0], None, 1).unwrap();
    assert_eq!(hidden["color_analysis"]["brightness"], Value::Null);
    assert_eq!(hidden["color_analysis"]["dominant_colors"].as_array().unwrap().len(), 0);
    let unselected = rgba(&red_and_hidden_green, Some(&[0, 0]), 2).unwrap_err();
    assert_eq!(unselected.kind, Kind::InvalidArgument);
    assert!(unselected.message.contains("selection"), "{unselected}");
}

#[test]
fn samples_that_do_not_fit_are_refused() {
    let pixels = Pixels { width: 2, height: 2, channels: 3, samples: Samples::Eight(&[0; 11]), mask: None };
    assert!(analyse(&pixels, Detail::Basic).unwrap_err().message.contains("11 samples"));
    let wrong = Pixels { channels: 5, ..pixels };
    assert!(analyse(&wrong, Detail::Basic).unwrap_err().message.contains("`channels` is 5"));
    let empty = Pixels { height: 0, ..pixels };
    assert!(analyse(&empty, Detail::Basic).unwrap_err().message.contains("2 x 0"));
    let mask = Pixels { samples: Samples::Eight(&[0; 12]), mask: Some(&[255; 3]), ..pixels };
    assert!(analyse(&mask, Detail::Basic).unwrap_err().message.contains("mask holds 3"));
}

#[test]
fn judgements_follow_the_picture() {
    let word = |field: &str, value: u8, noise: i64| {
        let rows: Vec<u8> = picture(128, 128, 3, 255, 3)
            .iter()
            .map(|&v| (i64::from(value) + i64::from(v) % (noise + 1)) as u8)
            .collect();
        let pixels = Pixels { width: 128, height: 128, channels: 3, samples: Samples::Eight(&rows), mask: None };
        analyse(&pixels, Detail::Detailed).unwrap().to_json(32)[field]["judgement"].clone()
    };
    assert_eq!(word("exposure", 20, 10), "underexposed");
    assert_eq!(word("exposure", 230, 20), "overexposed");
    assert_eq!(word("exposure", 100, 40), "low_contrast");
    assert_eq!(word("noise", 100, 0), "clean");
    assert_eq!(word("noise", 60, 120), "noisy");
    assert_eq!(word("color_cast", 128, 0), "none");
}
