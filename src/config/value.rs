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
    /// A whole number up to this one; 0 for no limit.
    Limit(u64),
    /// A number from 0 to 1.
    Share,
    /// Seconds, `true` for the usual number of them, or `false` for never.
    SecondsOrNever,
    Text,
    Choice(&'static [&'static str]),
    /// One of these, or `none`.
    ChoiceOrNone(&'static [&'static str]),
    /// An IP address, or `localhost`.
    Address,
    /// `http://…` or `https://…`.
    Url,
    /// The same, kept without a slash at its end.
    BaseUrl,
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

const YEAR: u64 = 31_536_000;

impl Type {
    /// A number of seconds, up to a year.
    pub const SECONDS: Type = Type::Int(1, YEAR);

    /// How a field that is left out is written.
    pub(super) fn nothing(self) -> Value {
        match self {
            Type::Limit(_) => Value::Int(0),
            Type::ChoiceOrNone(_) => Value::Text("none".into()),
            _ => Value::Nothing,
        }
    }

    /// What is allowed, for errors and the reference.
    pub fn expected(self) -> String {
        match self {
            Type::Bool => "`true` or `false`".into(),
            Type::Int(min, max) => format!("a whole number from {min} to {max}"),
            Type::Limit(max) => format!("a whole number from 0 to {max}"),
            Type::Share => "a number from 0 to 1".into(),
            Type::SecondsOrNever => {
                format!("a number of seconds from 1 to {YEAR}, `true` for the default, or `false` for never")
            }
            Type::Text => "text".into(),
            Type::Choice(names) => format!("`{}`", names.join("`, `")),
            Type::ChoiceOrNone(names) => format!("`none`, `{}`", names.join("`, `")),
            Type::Address => "an IP address or `localhost`".into(),
            Type::Url | Type::BaseUrl => "a URL that begins with `http://` or `https://`".into(),
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
            Type::Int(..) | Type::Limit(_) | Type::SecondsOrNever => self.checked_int(text.trim().parse().ok()?),
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
            (Type::Int(..) | Type::Limit(_) | Type::SecondsOrNever, DeValue::Integer(number)) => {
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
                Type::Text
                | Type::Choice(_)
                | Type::ChoiceOrNone(_)
                | Type::Address
                | Type::Url
                | Type::BaseUrl
                | Type::LogFilter
                | Type::Path,
                DeValue::String(text),
            ) => self.checked_text(text),
            _ => None,
        }
    }

    fn checked_int(self, number: u64) -> Option<Value> {
        let (min, max) = match self {
            Type::Int(min, max) => (min, max),
            Type::Limit(_) if number == 0 => return Some(Value::Nothing),
            Type::Limit(max) => (1, max),
            _ => (1, YEAR),
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
            Type::ChoiceOrNone(_) if text.trim().eq_ignore_ascii_case("none") => return Some(Value::Nothing),
            Type::Choice(names) | Type::ChoiceOrNone(names) => {
                names.iter().find(|name| name.eq_ignore_ascii_case(text.trim()))?.to_string()
            }
            Type::Address => text.parse::<Host>().ok()?.to_string(),
            Type::Url | Type::BaseUrl => {
                let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
                if rest.is_empty() || rest.starts_with('/') || rest.contains(char::is_whitespace) {
                    return None;
                }
                if self == Type::BaseUrl { text.trim_end_matches('/') } else { text }.into()
            }
            Type::LogFilter => log_filter(text)?,
            Type::Path => expand_home(text),
            _ => text.into(),
        };
        Some(Value::Text(value))
    }
}

impl Value {
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
