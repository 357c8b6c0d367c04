//! Filters in plain Rust, without a model: what they do is written here, and needs no file beside the program.
//!
//! Each is a [`Filter`]: bounded in time and memory, the same for the same seed on any number of threads, told by
//! its [`Watch`](super::Watch) when nobody wants it any more. To add one: a file here, a line in [`all`], tests.

mod balance;
mod canvas;
mod diffuse;
pub mod enhance;
mod fill;
mod hole;
mod level;
mod moments;
mod paint;
mod parallel;
mod patches;
mod pyramid;
mod random;
mod remove;
mod room;
mod smooth;
mod style;

use super::{About, Filter, Param, ParamKind, Scope, Value};
use std::sync::Arc;

/// All native filters.
pub fn all() -> Vec<Arc<dyn Filter>> {
    vec![
        Arc::new(remove::RemoveObject::default()),
        Arc::new(paint::OilPainting::default()),
        Arc::new(style::StyleFromImage::default()),
        Arc::new(enhance::AutoEnhance::default()),
    ]
}

fn about(
    name: &str,
    title: &str,
    group: &str,
    help: &str,
    keywords: &[&str],
    scope: Scope,
    params: Vec<Param>,
) -> About {
    About {
        name: name.into(),
        title: title.into(),
        group: group.into(),
        help: help.into(),
        keywords: keywords.iter().map(|&word| word.to_owned()).collect(),
        scope,
        enlarges: false,
        style: false,
        params,
        license: "project".into(),
        origin: "native".into(),
    }
}

fn param(name: &str, label: &str, help: &str, kind: ParamKind, default: Value, unit: &str) -> Param {
    let unit = Some(unit.to_owned()).filter(|unit| !unit.is_empty());
    let (name, label, help) = (name.into(), label.into(), help.into());
    let param = Param { name, label, help, kind, default, unit, auto: None, logarithmic: false };
    let logarithmic = param.starts_low();
    Param { logarithmic, ..param }
}

fn int(name: &str, label: &str, help: &str, min: i64, max: i64, default: i64, unit: &str) -> Param {
    param(name, label, help, ParamKind::Int { min, max }, Value::Int(default), unit)
}

fn float(name: &str, label: &str, help: &str, min: f64, max: f64, default: f64, unit: &str) -> Param {
    param(name, label, help, ParamKind::Float { min, max, step: None }, Value::Float(default), unit)
}

/// A parameter that is measured unless it is given: a length, of which most pictures want a small one.
fn auto(param: Param, what: &str) -> Param {
    Param { auto: Some(what.into()), default: Value::Text("auto".into()), logarithmic: true, ..param }
}

#[cfg(test)]
mod tests;
