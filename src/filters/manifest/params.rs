//! Parameters: from their declaration in a manifest to checked values of one run.

use super::{Measure, Param, ParamType, Slider, When};
use crate::error::{Error, Kind, Result};
use crate::filters::job::{self, ParamKind, Value, Values};

impl Param {
    /// The declaration as clients see it. The manifest has been checked.
    pub fn about(&self) -> job::Param {
        let kind = match self.kind {
            ParamType::Float => {
                ParamKind::Float { min: self.min.unwrap_or(0.0), max: self.max.unwrap_or(1.0), step: self.step }
            }
            ParamType::Int => {
                ParamKind::Int { min: self.min.unwrap_or(0.0) as i64, max: self.max.unwrap_or(1.0) as i64 }
            }
            ParamType::Bool => ParamKind::Bool,
            ParamType::Choice => ParamKind::Choice { choices: self.choices.clone() },
        };
        let about = job::Param {
            name: self.name.clone(),
            label: self.label.clone().unwrap_or_else(|| self.name.clone()),
            help: self.help.clone().unwrap_or_default(),
            kind,
            default: value(&self.default).unwrap_or(Value::Int(0)),
            unit: self.unit.clone(),
            auto: self.auto.map(|measure: Measure| measure.name().to_owned()),
            logarithmic: false,
        };
        let logarithmic = self.slider.map_or_else(|| about.starts_low(), |slider| slider == Slider::Logarithmic);
        job::Param { logarithmic, ..about }
    }
}

/// Whether the default is a value that the parameter takes.
pub(super) fn declared(param: &Param) -> Result<(), String> {
    let about = param.about();
    let default = value(&param.default).ok_or_else(|| format!("the default of `{}` is no plain value", param.name))?;
    check(&about, &default).map(drop).map_err(|error| format!("the default of `{}`: {}", param.name, error.message))
}

fn value(value: &toml::Value) -> Option<Value> {
    match value {
        toml::Value::Boolean(on) => Some(Value::Bool(*on)),
        toml::Value::Integer(number) => Some(Value::Int(*number)),
        toml::Value::Float(number) => Some(Value::Float(*number)),
        toml::Value::String(text) => Some(Value::Text(text.clone())),
        _ => None,
    }
}

/// Checks what a caller gave against the declarations, and fills in defaults.
///
/// # Errors
/// `invalid_argument` with the value and what is allowed.
pub fn resolve(params: &[job::Param], given: &Values) -> Result<Values> {
    for name in given.0.keys() {
        if !params.iter().any(|param| param.name == *name) {
            let names: Vec<&str> = params.iter().map(|param| param.name.as_str()).collect();
            let known = if names.is_empty() { "it has none".into() } else { format!("it has {}", names.join(", ")) };
            return Err(Error::new(Kind::InvalidArgument, format!("the filter has no parameter `{name}`")).hint(known));
        }
    }
    let mut values = Values::default();
    for param in params {
        let value = given.0.get(&param.name).unwrap_or(&param.default);
        values.set(&param.name, check(param, value)?);
    }
    Ok(values)
}

/// The value in the parameter's own type. Texts are read, so that the command line needs no types.
fn check(param: &job::Param, value: &Value) -> Result<Value> {
    let automatic = matches!(value, Value::Text(text) if text == "auto");
    if automatic && param.auto.is_some() {
        return Ok(value.clone());
    }
    let number = match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Bool(_) => None,
    };
    let auto = if param.auto.is_some() { ", or `auto`" } else { "" };
    let (found, allowed) = match &param.kind {
        ParamKind::Float { min, max, .. } => (
            number.filter(|number| (*min..=*max).contains(number)).map(Value::Float),
            format!("a number from {min} to {max}{auto}"),
        ),
        ParamKind::Int { min, max } => (
            number
                .filter(|number| number.fract() == 0.0 && (*min as f64..=*max as f64).contains(number))
                .map(|number| Value::Int(number as i64)),
            format!("a whole number from {min} to {max}{auto}"),
        ),
        ParamKind::Bool => (
            match value {
                Value::Bool(on) => Some(Value::Bool(*on)),
                Value::Text(text) => text.parse().ok().map(Value::Bool),
                _ => None,
            },
            "`true` or `false`".to_owned(),
        ),
        ParamKind::Choice { choices } => {
            let text = match value {
                Value::Text(text) => text.clone(),
                Value::Int(number) => number.to_string(),
                _ => String::new(),
            };
            let listed = choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ");
            (choices.contains(&text).then_some(Value::Text(text)), listed)
        }
    };
    found.ok_or_else(|| {
        let shown = match value {
            Value::Bool(on) => on.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        };
        Error::new(Kind::InvalidArgument, format!("`{}` is `{shown}`, must be {allowed}", param.name))
    })
}

/// Whether an entry with this condition counts for these values.
pub fn applies(when: &When, values: &Values) -> bool {
    when.iter().all(|(name, allowed)| {
        let is = |wanted: &toml::Value| match (wanted, values.0.get(name)) {
            (toml::Value::String(text), Some(Value::Text(given))) => text == given,
            (toml::Value::Boolean(on), Some(Value::Bool(given))) => on == given,
            (toml::Value::Integer(number), Some(Value::Text(given))) => number.to_string() == *given,
            (toml::Value::Integer(_) | toml::Value::Float(_), Some(Value::Int(_) | Value::Float(_))) => {
                wanted.as_float().or(wanted.as_integer().map(|n| n as f64)) == Some(values.number(name))
            }
            _ => false,
        };
        match allowed {
            toml::Value::Array(list) => list.iter().any(is),
            one => is(one),
        }
    })
}
