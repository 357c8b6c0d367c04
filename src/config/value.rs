//! What a setting may hold, and reading it from TOML and from text. Refuses values outside of the type, saying what
//! is allowed; knows nothing of keys and places.

use super::network::{Host, Network};
use serde_json::json;
use toml::de::DeValue;

/// The type of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    /// A whole number from the first to the second, both included.
    Int(u64, u64),
    /// A number from 0 to 1.
    Share,
    /// Seconds, `true` for the usual number of them, or `false` for never.
    SecondsOrNever,
    Text,
    Choice(&'static [&'static str]),
    /// An IP address, or `localhost`.
    Address,
    /// `http://…` or `https://…`.
    Url,
    /// A `tracing` filter, such as `info` or `gimp_bridge=debug`.
    LogFilter,
    Path,
    /// Texts; separated by commas in the environment.
    List,
    /// IP addresses and networks such as `10.0.0.0/8`; written as a list is.
    Networks,
    /// Folders, or `false` for no limit; separated like `PATH` in the environment.
    PathsOrAny,
}

/// A setting's value between its source and the typed field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Nothing,
    Bool(bool),
    Int(u64),
    Share(f64),
    Text(String),
    List(Vec<String>),
}

impl Type {
    /// What is allowed, for errors and the reference.
    pub fn expected(self) -> String {
        match self {
            Type::Bool => "`true` or `false`".into(),
            Type::Int(min, max) => format!("a whole number from {min} to {max}"),
            Type::Share => "a number from 0 to 1".into(),
            Type::SecondsOrNever => {
                "a number of seconds from 1 to 31536000, `true` for the default, or `false` for never".into()
            }
            Type::Text => "text".into(),
            Type::Choice(names) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            Type::Address => "an IP address or `localhost`".into(),
            Type::Url => "a URL that begins with `http://` or `https://`".into(),
            Type::LogFilter => {
                "`error`, `warn`, `info`, `debug`, `trace`, or a filter such as `gimp_bridge=debug`".into()
            }
            Type::Path => "a path".into(),
            Type::List => "a list of texts".into(),
            Type::Networks => "a list of IP addresses and networks, such as `127.0.0.1` and `10.0.0.0/8`".into(),
            Type::PathsOrAny => "a list of absolute folders, or `false` for no limit".into(),
        }
    }

    /// Reads a value from the environment, `.env` or a flag; `None`: not allowed.
    pub fn from_text(self, text: &str) -> Option<Value> {
        let never = || switch(text) == Some(false);
        let usual = || matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "yes" | "on");
        match self {
            Type::Bool => switch(text).map(Value::Bool),
            Type::SecondsOrNever | Type::PathsOrAny if never() => Some(Value::Nothing),
            Type::SecondsOrNever if usual() => Some(Value::Bool(true)),
            Type::Int(..) | Type::SecondsOrNever => self.checked_int(text.trim().parse().ok()?),
            Type::Share => checked_share(text.trim().parse().ok()?),
            Type::List | Type::Networks => self.checked_list(
                text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect(),
            ),
            Type::PathsOrAny => self
                .checked_paths(std::env::split_paths(text).map(|path| path.to_string_lossy().into_owned()).collect()),
            _ => self.checked_text(text),
        }
    }

    /// Reads a value from a TOML file; `None`: not allowed.
    pub fn from_toml(self, value: &DeValue<'_>) -> Option<Value> {
        match (self, value) {
            (Type::Bool, DeValue::Boolean(on)) => Some(Value::Bool(*on)),
            (Type::SecondsOrNever | Type::PathsOrAny, DeValue::Boolean(false)) => Some(Value::Nothing),
            (Type::SecondsOrNever, DeValue::Boolean(true)) => Some(Value::Bool(true)),
            (Type::Int(..) | Type::SecondsOrNever, DeValue::Integer(number)) => {
                self.checked_int(u64::from_str_radix(number.as_str(), number.radix()).ok()?)
            }
            (Type::Share, DeValue::Integer(number)) => {
                checked_share(u64::from_str_radix(number.as_str(), number.radix()).ok()? as f64)
            }
            (Type::Share, DeValue::Float(number)) => checked_share(number.as_str().parse().ok()?),
            (Type::List | Type::Networks | Type::PathsOrAny, DeValue::Array(items)) => {
                let items =
                    items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
                if self == Type::PathsOrAny { self.checked_paths(items) } else { self.checked_list(items) }
            }
            (
                Type::Text | Type::Choice(_) | Type::Address | Type::Url | Type::LogFilter | Type::Path,
                DeValue::String(text),
            ) => self.checked_text(text),
            _ => None,
        }
    }

    fn checked_int(self, number: u64) -> Option<Value> {
        let (min, max) = match self {
            Type::Int(min, max) => (min, max),
            _ => (1, 31_536_000),
        };
        (min..=max).contains(&number).then_some(Value::Int(number))
    }

    fn checked_list(self, items: Vec<String>) -> Option<Value> {
        let sound = self != Type::Networks || items.iter().all(|item| item.parse::<Network>().is_ok());
        sound.then_some(Value::List(items))
    }

    fn checked_paths(self, paths: Vec<String>) -> Option<Value> {
        let paths: Vec<String> = paths.into_iter().map(|path| expand_home(&path)).collect();
        paths.iter().all(|path| std::path::Path::new(path).is_absolute()).then_some(Value::List(paths))
    }

    fn checked_text(self, text: &str) -> Option<Value> {
        let value = match self {
            Type::Choice(names) => names.iter().find(|name| name.eq_ignore_ascii_case(text.trim()))?.to_string(),
            Type::Address => text.parse::<Host>().ok()?.to_string(),
            Type::Url => {
                let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
                if rest.is_empty() || rest.starts_with('/') || rest.contains(char::is_whitespace) {
                    return None;
                }
                text.into()
            }
            Type::LogFilter => log_filter(text)?,
            Type::Path => expand_home(text),
            _ => text.into(),
        };
        Some(Value::Text(value))
    }
}

impl Value {
    pub fn int(&self) -> u64 {
        if let Value::Int(number) = self { *number } else { 0 }
    }

    pub fn share(&self) -> f64 {
        if let Value::Share(share) = self { *share } else { 0.0 }
    }

    pub fn bool(&self) -> bool {
        *self == Value::Bool(true)
    }

    pub fn optional_int(&self) -> Option<u64> {
        if let Value::Int(number) = self { Some(*number) } else { None }
    }

    /// Of [`Type::SecondsOrNever`]; `usual` stands for `true`.
    pub fn seconds(&self, usual: Option<u64>) -> Option<u64> {
        if self.bool() { usual } else { self.optional_int() }
    }

    pub fn text(self) -> Option<String> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    pub fn list(self) -> Option<Vec<String>> {
        if let Value::List(list) = self { Some(list) } else { None }
    }

    /// For `gimp-bridge config --json`; an unset value is null.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Nothing => serde_json::Value::Null,
            Value::Bool(on) => json!(on),
            Value::Int(number) => json!(number),
            Value::Share(share) => json!(share),
            Value::Text(text) => json!(text),
            Value::List(items) => json!(items),
        }
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Nothing, Into::into)
    }
}

impl From<bool> for Value {
    fn from(on: bool) -> Value {
        Value::Bool(on)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

impl From<&std::path::Path> for Value {
    fn from(path: &std::path::Path) -> Value {
        Value::Text(path.to_string_lossy().into_owned())
    }
}

fn checked_share(share: f64) -> Option<Value> {
    (0.0..=1.0).contains(&share).then_some(Value::Share(share))
}

fn switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Python's level names are accepted too, since `LOG_LEVEL` is shared with Python services.
fn log_filter(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase();
    let level = match lower.as_str() {
        "warning" => "warn",
        "critical" | "fatal" => "error",
        "error" | "warn" | "info" | "debug" | "trace" | "off" => &lower,
        // A bare word that is no level would silently become a filter for a target of that name.
        _ if !text.contains('=') => return None,
        _ => text.trim(),
    };
    tracing_subscriber::EnvFilter::try_new(level).ok()?;
    Some(level.to_owned())
}

/// `~/x` is the home folder's `x`.
fn expand_home(path: &str) -> String {
    match (path.strip_prefix("~/"), dirs::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest).to_string_lossy().into_owned(),
        _ => path.to_owned(),
    }
}
